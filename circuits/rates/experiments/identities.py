"""Kind ``identities``: what the rules must be equal to, as numbers on random networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import xarray as xr

from cells import checked
from circuits.rates.boltzmann import enumerated, sample
from circuits.rates.frameworks import framework
from circuits.rates.network import Draws, backprop, draw, outer
from circuits.rates.phases import settled_gradient
from circuits.rates.predictive_coding import infer
from circuits.rates.settle import settle
from circuits.rates.train import layer_cosine

__all__ = ["IDENTITIES", "TABLES", "check", "run"]

TABLES = {"identity": {"name": "ep_gradient"}, "network": {"gain": 2.0, "feedback": 1.0}}
_SIZES = (6, 5, 4, 3)


def _drawn(tables, seeds, sizes=_SIZES):
    net = draw(sizes, seeds, feedback=tables["network"]["feedback"])
    for w in net.weights:
        w *= tables["network"]["gain"]
    draws = Draws(seeds, 7)
    return net, draws.uniform(20, sizes[0]), 0.1 + 0.8 * draws.uniform(20, sizes[-1])


def ep_gradient(tables, seeds):
    """Largest relative error of equilibrium propagation against finite differences, over layers."""
    net, x, target = _drawn(tables, seeds)
    found = settled_gradient(net, x, target, steps=4000).weights
    draws = Draws(seeds, 8)

    def loss(moved):
        return 0.5 * ((settle(moved, x, steps=4000)[-1] - target) ** 2).sum(-1).mean(-1)

    errors = []
    for layer, w in enumerate(net.weights):
        way = draws.normal(*w.shape[1:])
        sides = []
        for step in (1e-4, -1e-4):
            moved = net.copy()
            moved.weights[layer] += step * way
            sides.append(loss(moved))
        finite = -(sides[0] - sides[1]) / 2e-4
        errors.append(np.abs((found[layer] * way).sum((1, 2)) / finite - 1))
    return np.max(errors, axis=0)


def ep_clamp(tables, seeds):
    """Largest difference of equilibrium propagation at beta 1000 from the clamp, over its size."""
    net, x, target = _drawn(tables, seeds)
    nudged = framework("ep", {"beta": 1000.0, "sides": 1, "steps": 3000})
    clamped = framework("chl", {"steps": 3000}).estimate(net, x, target, None).weights
    found = nudged.estimate(net, x, target, None).weights
    return np.max(
        [
            np.abs(1000 * a - b).max((1, 2)) / np.abs(b).max((1, 2))
            for a, b in zip(found, clamped, strict=True)
        ],
        axis=0,
    )


def generec_delta(tables, seeds):
    """Largest difference of GeneRec's output layer from the delta rule."""
    net, x, target = _drawn(tables, seeds)
    minus = settle(net, x)
    found = framework("generec").estimate(net, x, target, None).weights[-1]
    return np.abs(found - outer(minus[-2], target - minus[-1])).max((1, 2))


def _pc_misses(net, x, target, push):
    rule = framework("predictive_coding", {"push": push, "steps": 2000})
    found = rule.estimate(net, x, target, None).weights
    return 1 - layer_cosine(found, backprop(net, x, target).weights).min(1)


def pc_backprop(tables, seeds):
    """One less the least cosine with backpropagation of predictive coding, precise but at the end.

    The error of the output has a precision of 0.001 there, so that it moves nothing above it.
    """
    net, x, target = _drawn(tables, seeds)
    precision = [np.ones_like(b) for b in net.biases]
    precision[-1][...] = 1e-3
    return _pc_misses(replace(net, precision=precision), x, target, 1.0)


def pc_weak_target(tables, seeds):
    """One less the least cosine with backpropagation of predictive coding, 1 % of the error left.

    All precisions are one: the hidden layers move and take away some of the error of the output.
    """
    net, x, target = _drawn(tables, seeds)
    return _pc_misses(net, x, target, 0.01)


def burst_backprop(tables, seeds):
    """One less the least cosine of BurstCCN with weak dendrites with backpropagation."""
    net, x, target = _drawn(tables, seeds)
    found = framework("burstccn", {"slope": 0.01}).estimate(net, x, target, None).weights
    return 1 - layer_cosine(found, backprop(net, x, target).weights).min(1)


def boltzmann_statistics(tables, seeds):
    """Root mean square difference of sampled correlations from those by enumeration."""
    net, x, target = _drawn(tables, seeds, (3, 4, 3))
    x, target = np.round(x[:, :2]), np.round(target[:, :2])
    squared = []
    for clamp in (None, target):
        found, _ = sample(net, x, clamp, Draws(seeds, 9), burn=50, count=10_000)
        exact, _ = enumerated(net, x, clamp)
        squared += [((a - b) ** 2).mean((1, 2)) for a, b in zip(found, exact, strict=True)]
    return np.sqrt(np.mean(squared, axis=0))


def mean_field(tables, seeds):
    """Largest difference of the settled rates from the means of the Boltzmann machine."""
    net, x, _ = _drawn(tables, seeds, (3, 4, 3))
    _, exact = enumerated(net, x)
    rates = settle(net, x, steps=500)
    return np.max([np.abs(a - b).max((1, 2)) for a, b in zip(rates, exact, strict=True)], axis=0)


def langevin_variance(tables, seeds):
    """Relative error of the variance of sampled rates around a fixed prediction."""
    net = draw((1, 1), seeds, precise=True)
    net.weights[0][...] = 0
    net.precision[0][...] = 4.0
    rates = [np.zeros((len(seeds), 200, 1)), np.full((len(seeds), 200, 1), 0.5)]
    record: list = []
    infer(net, rates, [True, False], steps=1200, rate=0.01, draws=Draws(seeds, 9), record=record)
    drawn = np.stack([r[1] for r in record[200:]])
    return np.abs(drawn.var(axis=(0, 2, 3)) * 4 - 1)


#: The identities by name: functions of tables and seeds that return an error for each seed.
IDENTITIES = {
    f.__name__: f
    for f in (
        ep_gradient,
        ep_clamp,
        generec_delta,
        pc_backprop,
        pc_weak_target,
        burst_backprop,
        boltzmann_statistics,
        mean_field,
        langevin_variance,
    )
}


def check(tables: Mapping) -> None:
    """Raise InputError for an unknown identity."""
    checked.one_of(tables["identity"]["name"], tuple(IDENTITIES), "[identity] name:", "identity")


def run(tables: Mapping, seeds: Sequence[int], say=None) -> xr.Dataset:
    """Measure how far an identity is from holding, on a random network of each seed.

    Called as `circuits.rates.experiments.kinds.Runs` says, with tables as `TABLES`.

    Returns
    -------
    Dataset
        ``identity_error`` (seed).
    """
    found = IDENTITIES[tables["identity"]["name"]](tables, seeds)
    return xr.Dataset({"identity_error": ("seed", found, {"units": "1"})}, {"seed": list(seeds)})
