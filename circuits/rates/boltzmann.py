"""The Boltzmann machine: binary units that are drawn, and its statistics by enumeration.

Energy ``-sum s_i w_ij s_j - sum b_i s_i`` over a layered network with symmetric weights; a unit is
on with probability ``logistic(input / T)``. Its mean field is `circuits.rates.settle`.

References
----------
Ackley, Hinton & Sejnowski (1985), doi:10.1207/s15516709cog0901_7;
Peterson & Anderson (1987), Complex Systems 1:995 (mean field)
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from itertools import pairwise, product

import numpy as np
from scipy.special import expit, logsumexp

from circuits.rates.network import Change, Draws, Network, forward, outer, transposed

__all__ = ["boltzmann_estimate", "enumerated", "sample"]


def sample(
    net: Network,
    x: np.ndarray,
    target: np.ndarray | None,
    draws: Draws,
    *,
    burn: int,
    count: int,
    hot: float = 1.0,
):
    """Sample the units by turns, layer by layer.

    Parameters
    ----------
    net : Network
        With symmetric weights and full feedback.
    x : (seed, batch, n) array
        Clamped.
    target : (seed, batch, n) array or None
        Clamps the output.
    draws : Draws
    burn, count : int
        Sweeps before statistics are taken, at temperatures that fall from ``hot`` to 1, and with
        them.
    hot : float

    Returns
    -------
    products : list of (seed, n, n_next) arrays
        Means over batch and sweeps of the products of connected units.
    means : list of (seed, batch, n) arrays
        Of all layers; the input first. Of a unit its probability, which varies less.
    """
    rates = forward(net, x)
    states = [x, *((draws.uniform(*r.shape[1:]) < r).astype(float) for r in rates[1:])]
    last = net.depth - (target is not None)
    if target is not None:
        states[-1] = target
    products = [np.zeros_like(w) for w in net.weights]
    means = [x, *(np.zeros_like(r) for r in rates[1:])]
    cooling = np.append(np.geomspace(hot, 1, burn), np.ones(count)) if burn else np.ones(count)
    for sweep, temperature in enumerate(cooling):
        for layer in range(1, last + 1):
            drive = states[layer - 1] @ net.weights[layer - 1] + net.biases[layer - 1]
            if layer < net.depth:
                drive = drive + states[layer + 1] @ transposed(net.weights[layer])
            chance = expit(drive / temperature)
            states[layer] = (draws.uniform(*chance.shape[1:]) < chance).astype(float)
            if sweep >= burn:
                means[layer] += chance / count
        if sweep >= burn:
            for layer in range(net.depth):
                products[layer] += outer(states[layer], states[layer + 1]) / count
    if target is not None:
        means[-1] = target
    return products, means


def boltzmann_estimate(
    net: Network, x, target, values: Mapping[str, float], draws: Draws
) -> Change:
    """Return correlations in the clamped phase less those in the free phase.

    Parameters
    ----------
    net : Network
    x, target : (seed, batch, n) arrays
    values : mapping
        ``burn``, ``count``, ``hot`` of `sample`.
    draws : Draws
    """
    sampled = partial(
        sample, net, x, draws=draws, burn=int(values["burn"]), count=int(values["count"]),
        hot=values["hot"],
    )  # fmt: skip
    (free, minus), (clamped, plus) = sampled(target=None), sampled(target=target)
    weights = [b - a for a, b in zip(free, clamped, strict=True)]
    biases = [(b - a).mean(1, keepdims=True) for a, b in zip(minus[1:], plus[1:], strict=True)]
    return Change(weights, biases, minus[-1])


def enumerated(net: Network, x: np.ndarray, target: np.ndarray | None = None):
    """Return what `sample` estimates, by summing over all states of the free units.

    Parameters
    ----------
    net : Network
        At most some twenty free units.
    x, target
        As in `sample`.
    """
    sizes = [w.shape[-1] for w in net.weights]
    free = sizes if target is None else sizes[:-1]
    states = np.array(list(product((0.0, 1.0), repeat=sum(free))))
    cuts = np.cumsum(free)[:-1]
    hidden = [np.broadcast_to(s, (*x.shape[:2], *s.shape)) for s in np.split(states, cuts, axis=1)]
    units = [np.broadcast_to(x[:, :, None], (*x.shape[:2], len(states), x.shape[-1])), *hidden]
    if target is not None:
        units.append(np.broadcast_to(target[:, :, None], (*units[0].shape[:3], sizes[-1])))
    minus_energy = sum(
        np.einsum("sbki,sij,sbkj->sbk", a, w, b, optimize=True)
        + np.einsum("sbkj,sj->sbk", b, c[:, 0])
        for a, b, w, c in zip(units[:-1], units[1:], net.weights, net.biases, strict=True)
    )
    chance = np.exp(minus_energy - logsumexp(minus_energy, axis=-1, keepdims=True))
    products = [
        np.einsum("sbk,sbki,sbkj->sij", chance, a, b, optimize=True) / x.shape[1]
        for a, b in pairwise(units)
    ]
    means = [np.einsum("sbk,sbki->sbi", chance, u) for u in units]
    return products, means
