"""Rules that learn from two phases of the same cells: each is one small function.

A rule gets the rates before and after a synapse in the minus phase (``p0``, ``q0``) and in the plus
phase (``p1``, ``q1``), each (seed, batch, n), and returns the change of its weights.

References
----------
O'Reilly (1996), doi:10.1162/neco.1996.8.5.895; the symmetric rule is the mean of GeneRec in both
directions, contrastive Hebbian learning that of the midpoint rule, times two.
"""

from __future__ import annotations

import numpy as np

from circuits.rates.network import outer

__all__ = ["PHASE_RULES", "chl", "generec", "midpoint", "phase_change", "symmetric"]


def generec(p0, q0, p1, q1):
    """Minus phase before the synapse times the change behind it."""
    return outer(p0, q1 - q0)


def midpoint(p0, q0, p1, q1):
    """Mean of both phases before the synapse times the change behind it."""
    return outer((p0 + p1) / 2, q1 - q0)


def symmetric(p0, q0, p1, q1):
    """Mean of GeneRec in both directions."""
    return (outer(p0, q1 - q0) + outer(p1 - p0, q0)) / 2


def chl(p0, q0, p1, q1):
    """Contrastive Hebbian learning, and equilibrium propagation with a nudge for a clamp."""
    return outer(p1, q1) - outer(p0, q0)


#: The rules by name.
PHASE_RULES = {f.__name__: f for f in (generec, midpoint, symmetric, chl)}


def phase_change(rule, minus: list[np.ndarray], plus: list[np.ndarray]):
    """Apply a rule to all layers.

    Parameters
    ----------
    rule : callable
        Of `PHASE_RULES`.
    minus, plus : list of (seed, batch, n) arrays
        Rates of all layers in both phases.

    Returns
    -------
    weights, biases : lists of arrays
        Means over the batch. A bias learns as a synapse of a cell that is always at one.
    """
    layers = range(len(minus) - 1)
    weights = [rule(minus[k], minus[k + 1], plus[k], plus[k + 1]) for k in layers]
    biases = [(plus[k + 1] - minus[k + 1]).mean(axis=1, keepdims=True) for k in layers]
    return weights, biases
