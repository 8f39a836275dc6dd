"""Target propagation: every layer gets a target of its own from learned inverses.

References
----------
Bengio (2014), arXiv:1407.7906; Lee et al. (2015), doi:10.1007/978-3-319-23528-8_31
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.special import expit

from circuits.rates.network import Change, Draws, Network, forward, local_change, outer

__all__ = ["targets", "tp_estimate"]


def _inverse(net: Network, layer: int, above: np.ndarray) -> np.ndarray:
    return expit(above @ net.back[layer] + net.back_biases[layer])


def targets(net: Network, rates, target, push: float, difference: bool) -> list[np.ndarray]:
    """Return the target of every layer but the input.

    Parameters
    ----------
    net : Network
        With feedback weights and biases.
    rates : list of (seed, batch, n) arrays
    target : (seed, batch, n) array
        Of the output.
    push : float
        Share of the way to it that the target of the output layer goes.
    difference : bool
        Correct each target for what the inverse makes of the present rates.
    """
    found = [rates[-1] + push * (target - rates[-1])]
    for layer in range(net.depth - 1, 0, -1):
        below = _inverse(net, layer, found[0])
        if difference:
            below = below + rates[layer] - _inverse(net, layer, rates[layer + 1])
        found.insert(0, below)
    return found


def tp_estimate(
    net: Network, x, target, values: Mapping[str, float], draws: Draws, *, difference: bool
) -> Change:
    """Return the change of weights towards the targets, and of the inverses.

    Parameters
    ----------
    net : Network
    x, target : (seed, batch, n) arrays
    values : mapping
        ``push``; ``noise``: s.d. of what the inverses learn from; ``back_lr``: their learning rate
        over that of the weights.
    draws : Draws
    difference : bool
        Difference target propagation.
    """
    rates = forward(net, x)
    wanted = targets(net, rates, target, values["push"], difference)
    slopes = [r * (1 - r) for r in rates[1:]]
    errors = [(t - r) * s for t, r, s in zip(wanted, rates[1:], slopes, strict=True)]
    found = local_change(rates, errors)
    back = [np.zeros_like(b) for b in net.back]
    back_biases = [np.zeros_like(b) for b in net.back_biases]
    for layer in range(1, net.depth):
        seen = rates[layer] + values["noise"] * draws.normal(*rates[layer].shape[1:])
        above = expit(seen @ net.weights[layer] + net.biases[layer])
        again = _inverse(net, layer, above)
        error = values["back_lr"] * (seen - again) * again * (1 - again)
        back[layer] = outer(above, error)
        back_biases[layer] = error.mean(axis=1, keepdims=True)
    return Change(found.weights, found.biases, rates[-1], back, back_biases)
