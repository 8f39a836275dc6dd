"""Settling of a bidirectional network of logistic units, free, nudged or clamped."""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from circuits.rates.network import Network, forward

__all__ = ["CLAMPED", "settle"]

#: Strength of a nudge at which the output is clamped to the target.
CLAMPED = np.inf


def settle(
    net: Network,
    x: np.ndarray,
    target: np.ndarray | None = None,
    beta: float = 0.0,
    *,
    start: list[np.ndarray] | None = None,
    steps: int = 25,
    rate: float = 0.5,
    record: list | None = None,
) -> list[np.ndarray]:
    """Return the rates that a network settles to.

    Every unit relaxes to the logistic function of its input: that from below, feedback of strength
    ``net.feedback`` from above, and at the output ``beta (target - rate)``. This is the mean field
    of a Boltzmann machine, and with symmetric weights its fixed points are those of an energy, so
    that a small ``beta`` is the nudge of equilibrium propagation and an infinite one the clamp of
    contrastive Hebbian learning.

    Parameters
    ----------
    net : Network
    x : (seed, batch, n) array
        Clamped.
    target : (seed, batch, n) array, optional
        Of the output.
    beta : float
        Strength of the nudge; negative pushes away, `CLAMPED` sets the output to the target.
    start : list of (seed, batch, n) arrays, optional
        Rates to start from; default those of the feedforward network.
    steps : int
    rate : float
        Share of the way that a unit goes in a step; of a nudged output it is divided by
        ``1 + |beta| / 4``, the largest slope of what pulls at it.
    record : list, optional
        The rates of all layers after each step are appended to it.

    Returns
    -------
    list of (seed, batch, n) arrays
        All layers, the input first.

    References
    ----------
    Scellier & Bengio (2017), doi:10.3389/fncom.2017.00024
    """
    rates: list = [x, *(forward(net, x)[1:] if start is None else start[1:])]
    last = net.depth
    own = rate / (1 + abs(beta) / 4)
    below = x @ net.weights[0] + net.biases[0]
    if beta == CLAMPED:
        rates[last] = target
    for _ in range(steps):
        for layer in range(1, last + (beta != CLAMPED)):
            drive = below
            if layer > 1:
                drive = rates[layer - 1] @ net.weights[layer - 1] + net.biases[layer - 1]
            if layer < last:
                drive = drive + net.feedback * (rates[layer + 1] @ net.down(layer))
            elif beta:
                drive = drive + beta * (target - rates[layer])
            change = expit(drive) - rates[layer]
            rates[layer] = rates[layer] + (own if layer == last else rate) * change
        if record is not None:
            record.append(list(rates))
    return rates
