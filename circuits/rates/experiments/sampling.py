"""Kind ``sampling``: generative networks are told a class and draw pictures of it.

The first layer is the class, the last one the picture. A Boltzmann machine learns from what it
draws in both phases and draws by turns; predictive coding learns from what it infers, or from what
it draws while it infers (Monte Carlo), and draws by noise on its inference. What is drawn is
compared with unseen digits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from cells import checked
from cells.parameters import InputError
from circuits.rates.boltzmann import boltzmann_estimate, sample
from circuits.rates.frameworks import framework
from circuits.rates.network import Draws, Network, draw, forward
from circuits.rates.predictive_coding import (
    infer,
    moved_precision,
    pc_change,
    predictions,
    start_rates,
)
from circuits.rates.tasks import Task, digits
from circuits.rates.train import Training, apply, train

__all__ = ["LEARNERS", "SOURCES", "TABLES", "check", "run"]

LEARNERS = ("predictive coding", "Boltzmann machine")
TABLES = {
    "network": {"learner": "predictive coding", "hidden": (30,)},
    "training": {"epochs": 15, "batch": 25, "lr": 2.0},
    "inference": {"steps": 30, "rate": 0.1, "noise": False, "precision_lr": 0.0, "least": 0.01},
    "gibbs": {"burn": 5, "count": 5},
    "test": {"steps": 500, "rate": 0.002, "burn": 200},
}
#: What is compared with unseen digits: what the network draws; digits of the training set; their
#: mean in each class; each pixel drawn for itself, and all of them from a Gaussian of each class.
SOURCES = ("network", "digits", "class mean", "pixels alone", "class Gaussian")


def check(tables: Mapping) -> None:
    """Raise InputError for what a single value does not tell."""
    checked.one_of(tables["network"]["learner"], LEARNERS, "[network] learner:", "learner")
    if tables["training"]["batch"] < 1:
        raise InputError(f"[training] batch: {tables['training']['batch']} is below 1")
    for key in ("inference", "test"):
        if not tables[key]["rate"] > 0:
            raise InputError(f"[{key}] rate: {tables[key]['rate']} is not above 0")


def _held(net: Network, picture: bool) -> list[bool]:
    return [True, *[False] * (net.depth - 1), picture]


def _infer_change(net: Network, x, pictures, own: Mapping, draws: Draws):
    """Return what predictive coding changes, and the new precisions where they learn."""
    start = [*start_rates(net, x)[:-1], pictures]
    rates = infer(net, start, _held(net, True), steps=own["steps"], rate=own["rate"],
                  draws=draws if own["noise"] else None)  # fmt: skip
    moved = None
    if own["precision_lr"]:
        moved = moved_precision(net, rates, own["precision_lr"], own["least"])
    return pc_change(net, rates), moved


def _trained(given: Task, tables: Mapping, seeds: Sequence[int], say=None) -> Network:
    """Return a network that has learned the pictures of each class."""
    own, coding = tables["training"], tables["network"]["learner"] == LEARNERS[0]
    sizes = (given.target.shape[-1], *tables["network"]["hidden"], given.x.shape[-1])
    net = draw(sizes, seeds, precise=coding)
    orders, draws, rows = Draws(seeds, 3), Draws(seeds, 4), np.arange(len(seeds))[:, None]
    gibbs = {**tables["gibbs"], "hot": 1.0}
    for epoch in range(own["epochs"]):
        order = orders.permutations(given.x.shape[1])
        for first in range(0, given.x.shape[1] - own["batch"] + 1, own["batch"]):
            part = order[:, first : first + own["batch"]]
            x, pictures = given.target[rows, part], given.x[rows, part]
            if coding:
                change, moved = _infer_change(net, x, pictures, tables["inference"], draws)
                for precision, new in zip(net.precision, moved or net.precision, strict=True):
                    precision[...] = new
            else:
                change = boltzmann_estimate(net, x, pictures, gibbs, draws)
            apply(net, change, own["lr"])
        if say is not None:
            say((epoch + 1) / own["epochs"])
    if coding and not tables["inference"]["precision_lr"]:
        _, moved = _infer_change(net, given.target, given.x, {
            **tables["inference"], "precision_lr": 1.0}, draws)  # fmt: skip
        for precision, new in zip(net.precision, moved, strict=True):
            precision[...] = new
    return net


def _drawn(net: Network, x, tables: Mapping, seeds: Sequence[int]) -> np.ndarray:
    """Return a picture for each class that is told: its mean, given what is drawn above it."""
    own, draws = tables["test"], Draws(seeds, 7)
    if tables["network"]["learner"] == LEARNERS[1]:
        return sample(net, x, None, draws, burn=own["burn"], count=1)[1][-1]
    rates = infer(net, start_rates(net, x), _held(net, False), steps=own["steps"],
                  rate=own["rate"], draws=draws)  # fmt: skip
    return predictions(net, rates)[0][-1]


def _simple(given: Task, seeds: Sequence[int]) -> dict[str, np.ndarray]:
    """Return what has no network, for the classes of the unseen digits."""
    n = given.test_x.shape[1]
    found = {name: np.zeros_like(given.test_x) for name in SOURCES[2:]}
    for k, seed in enumerate(seeds):
        rng = np.random.default_rng([seed, 8])
        for own in range(given.target.shape[-1]):
            seen = given.x[k][given.target[k].argmax(-1) == own]
            here = np.flatnonzero(given.test_target[k].argmax(-1) == own)
            mean, covariance = seen.mean(axis=0), np.cov(seen.T)
            found["class mean"][k, here] = mean
            alone = rng.standard_normal((here.size, mean.size))
            found["pixels alone"][k, here] = mean + alone * np.sqrt(np.diag(covariance))
            found["class Gaussian"][k, here] = rng.multivariate_normal(
                mean, covariance, here.size, method="svd"
            )
    # the digits of the training set have classes of their own
    return {"digits": given.x[:, :n]} | {k: np.clip(v, 0, 1) for k, v in found.items()}


def _told_apart(pictures: np.ndarray, others: np.ndarray) -> float:
    """Return the share of pictures of both kinds whose nearest other one is of their own kind."""
    both = np.concatenate([pictures, others])
    own = np.repeat([0, 1], [len(pictures), len(others)])
    squares = (both**2).sum(axis=1)
    distance = squares[:, None] + squares - 2 * both @ both.T
    np.fill_diagonal(distance, np.inf)
    return float((own[distance.argmin(axis=1)] == own).mean())


def _spread(pictures: np.ndarray, classes: np.ndarray) -> float:
    """Return the variance of pictures within a class, summed over pixels, mean over classes."""
    return float(np.mean([pictures[classes == c].var(axis=0).sum() for c in np.unique(classes)]))


def run(tables: Mapping, seeds: Sequence[int], say=None) -> xr.Dataset:
    """Train on digits with their classes, tell classes, compare what is drawn with unseen digits.

    Called as `circuits.rates.experiments.kinds.Runs` says, with tables as `TABLES`.

    Returns
    -------
    Dataset
        ``drawn_class`` (source, seed): share of the pictures of `SOURCES` that a classifier trained
        by backpropagation takes for what was told; ``drawn_spread``: variance within a class over
        that of unseen digits; ``drawn_told``: share of pictures and unseen digits whose nearest
        other one is of their kind, .5 where they cannot be told apart (Lopez-Paz & Oquab 2017,
        arXiv:1610.06545); ``picture`` (source, class, pixel): one of each, of the first seed.
    """
    given = digits(seeds)
    net = _trained(given, tables, seeds, say)
    classifier = draw((given.x.shape[-1], 50, given.target.shape[-1]), seeds)
    train(classifier, framework("backprop"), given, Training(lr=4.0), seeds)
    told = given.test_target
    drawn = {"network": _drawn(net, told, tables, seeds), **_simple(given, seeds)}
    measured, shown = [], []
    for name in SOURCES:
        classes = (given.target[:, : told.shape[1]] if name == "digits" else told).argmax(-1)
        read = forward(classifier, drawn[name])[-1].argmax(-1)
        measured.append([
            (read == classes).mean(axis=1),
            [_spread(p, c) / _spread(t, d.argmax(-1))
             for p, c, t, d in zip(drawn[name], classes, given.test_x, told, strict=True)],
            [_told_apart(p, t) for p, t in zip(drawn[name], given.test_x, strict=True)],
        ])  # fmt: skip
        first = [np.flatnonzero(classes[0] == c)[0] for c in range(told.shape[-1])]
        shown.append(drawn[name][0, first])
    values = np.moveaxis(np.array(measured), 1, 0)
    dims, one = ("source", "seed"), {"units": "1"}
    names = ("drawn_class", "drawn_spread", "drawn_told")
    pictures = np.broadcast_to(np.stack(shown), (len(seeds), *np.shape(shown)))
    return xr.Dataset(
        {name: (dims, v, one) for name, v in zip(names, values, strict=True)}
        | {"picture": (("seed", "source", "class", "pixel"), pictures, one)},
        {"seed": list(seeds), "source": list(SOURCES)},
    )
