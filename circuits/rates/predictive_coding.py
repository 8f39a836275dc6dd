"""Predictive coding: cells that represent, cells that carry the error, and an energy.

Layer ``l`` predicts the next one, ``mu = logistic(x W + b)``; its error is ``e = x - mu`` and the
energy half the sum of ``precision e**2``. Rates and weights both go down the energy, each by what
is at the cell or the synapse. With the input at the first layer the network is discriminative,
with the label there and the picture at the last it is generative.

References
----------
Rao & Ballard (1999), doi:10.1038/4580; Whittington & Bogacz (2017), doi:10.1162/NECO_a_00949;
Oliviers, Bogacz & Meulemans (2024), doi:10.1371/journal.pcbi.1012532 (noise for sampling)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.special import expit

from circuits.rates.network import Change, Draws, Network, forward, local_change

__all__ = [
    "energies",
    "infer",
    "moved_precision",
    "pc_change",
    "pc_estimate",
    "predictions",
    "start_rates",
]  # fmt: skip


def _skips(net: Network, layer: int, skip: bool) -> bool:
    """Tell if a layer is added to the prediction of the next: hidden ones of the same width."""
    shape = net.weights[layer].shape
    return bool(skip) and 0 < layer < net.depth - 1 and shape[1] == shape[2]


def predictions(net: Network, rates: Sequence[np.ndarray], skip: bool = False):
    """Return what each layer is predicted to be, and the slope of the prediction.

    Parameters
    ----------
    net : Network
    rates : sequence of (seed, batch, n) arrays
    skip : bool
        Add the layer below where hidden layers have the same width.

    Returns
    -------
    means, slopes : lists of (seed, batch, n) arrays
        Of all layers but the first.
    """
    means, slopes = [], []
    for layer in range(net.depth):
        mean = expit(rates[layer] @ net.weights[layer] + net.biases[layer])
        slopes.append(mean * (1 - mean))
        means.append(mean + rates[layer] if _skips(net, layer, skip) else mean)
    return means, slopes


def _errors(net, rates, skip):
    means, slopes = predictions(net, rates, skip)
    errors = [r - m for r, m in zip(rates[1:], means, strict=True)]
    if net.precision is not None:
        errors = [e * p for e, p in zip(errors, net.precision, strict=True)]
    return errors, slopes


def infer(
    net: Network,
    rates: Sequence[np.ndarray],
    held: Sequence,
    *,
    steps: int,
    rate: float,
    skip: bool = False,
    draws: Draws | None = None,
    record: list | None = None,
) -> list[np.ndarray]:
    """Let the rates go down the energy.

    Parameters
    ----------
    net : Network
    rates : sequence of (seed, batch, n) arrays
        Of all layers, to start from.
    held : sequence of bool or (seed, batch, n) bool array
        What of each layer is clamped.
    steps : int
    rate : float
        Share of the slope of the energy that a step goes.
    skip : bool
        See `predictions`.
    draws : Draws, optional
        Add the noise of Langevin dynamics, so that the rates sample exp(-energy).
    record : list, optional
        The rates after each step are appended to it.

    Returns
    -------
    list of (seed, batch, n) arrays
    """
    rates = [np.array(r) for r in rates]
    for _ in range(steps):
        errors, slopes = _errors(net, rates, skip)
        for layer in range(net.depth + 1):
            if held[layer] is True:
                continue
            change = np.zeros_like(rates[layer]) if layer == 0 else -errors[layer - 1]
            if layer < net.depth:
                change = change + (errors[layer] * slopes[layer]) @ net.down(layer)
                if _skips(net, layer, skip):
                    change = change + errors[layer]
            change = rate * change
            if draws is not None:
                change += np.sqrt(2 * rate) * draws.normal(*change.shape[1:])
            rates[layer] += np.where(held[layer], 0, change)
        if record is not None:
            record.append([r.copy() for r in rates])
    return rates


def energies(net: Network, rates: Sequence[np.ndarray], skip: bool = False) -> np.ndarray:
    """Return the energy of each layer but the first, (seed, batch, layer)."""
    means, _ = predictions(net, rates, skip)
    found = []
    for layer, mean in enumerate(means):
        weight = 1.0 if net.precision is None else net.precision[layer]
        found.append((weight * (rates[layer + 1] - mean) ** 2).sum(-1) / 2)
    return np.stack(found, axis=-1)


def start_rates(net: Network, x: np.ndarray, skip: bool = False) -> list[np.ndarray]:
    """Return rates at which every prediction holds."""
    if not skip:
        return forward(net, x)
    rates = [x]
    for layer in range(net.depth):
        mean = expit(rates[layer] @ net.weights[layer] + net.biases[layer])
        rates.append(mean + rates[layer] if _skips(net, layer, skip) else mean)
    return rates


def pc_change(net: Network, rates: list[np.ndarray], skip: bool = False) -> Change:
    """Return the change of weights and biases down the energy at given rates."""
    errors, slopes = _errors(net, rates, skip)
    return local_change(rates, [e * s for e, s in zip(errors, slopes, strict=True)])


def pc_estimate(net: Network, x, target, values: Mapping[str, float], draws=None) -> Change:
    """Return the change with input and target clamped.

    Parameters
    ----------
    net : Network
    x, target : (seed, batch, n) arrays
    values : mapping
        ``steps``, ``rate`` of the inference; ``push``: share of the way to the target that the
        output is clamped to, 1 is the target; ``skip``: 1 adds skip connections;
        ``precision_lr``: how fast precisions follow, where the network has them.
    draws
        Not used.
    """
    skip = bool(values["skip"])
    rates = start_rates(net, x, skip)
    output = rates[-1]
    rates[-1] = output + values["push"] * (target - output)
    held = [True, *[False] * (net.depth - 1), True]
    rates = infer(net, rates, held, steps=int(values["steps"]), rate=values["rate"], skip=skip)
    found = pc_change(net, rates, skip)
    precision = None
    if net.precision is not None:
        precision = moved_precision(net, rates, values["precision_lr"])
    return Change(found.weights, found.biases, output, precision=precision)


def moved_precision(net: Network, rates, lr: float, least: float = 1e-3) -> list[np.ndarray]:
    """Return precisions moved towards the inverse of the mean squared error of each cell."""
    means, _ = predictions(net, rates)
    found = []
    for layer, mean in enumerate(means):
        squared = ((rates[layer + 1] - mean) ** 2).mean(axis=1, keepdims=True)
        variance = 1 / net.precision[layer]
        found.append(1 / np.maximum(variance + lr * (squared - variance), least))
    return found
