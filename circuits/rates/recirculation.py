"""Recirculation: an autoencoder of two layers whose activity goes round the loop once and a half.

Reference
---------
Hinton & McClelland (1988), Neural Information Processing Systems, pp. 358-366
"""

from __future__ import annotations

from collections.abc import Mapping

from scipy.special import expit

from circuits.rates.network import Change, Network, outer

__all__ = ["as_autoencoder", "recirculation_estimate"]


def as_autoencoder(net: Network) -> Network:
    """Return the loop unrolled: from the visible layer to the hidden one and back.

    Parameters
    ----------
    net : Network
        One layer of weights, and feedback weights with biases. The arrays are shared.
    """
    return Network([net.weights[0], net.back[0]], [net.biases[0], net.back_biases[0]])


def recirculation_estimate(
    net: Network, x, target, values: Mapping[str, float], draws=None
) -> Change:
    """Return the change of both directions.

    Parameters
    ----------
    net : Network
        One layer of weights, and feedback weights with biases.
    x : (seed, batch, n) array
    target
        Not used: the input is what is to be reconstructed.
    values : mapping
        ``regression``: share of a rate that stays in one pass.
    draws
        Not used.
    """
    loop, stay = as_autoencoder(net), values["regression"]
    hidden = expit(x @ loop.weights[0] + loop.biases[0])
    output = expit(hidden @ loop.weights[1] + loop.biases[1])
    seen = stay * x + (1 - stay) * output
    again = stay * hidden + (1 - stay) * expit(seen @ loop.weights[0] + loop.biases[0])
    visible, inner = x - seen, hidden - again
    return Change(
        [outer(seen, inner)],
        [inner.mean(axis=1, keepdims=True)],
        output,
        [outer(hidden, visible)],
        [visible.mean(axis=1, keepdims=True)],
    )
