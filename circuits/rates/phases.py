"""The phases of a network that learns from their difference, and what the rules make of them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np

from circuits.rates.network import Change, Network
from circuits.rates.rules import PHASE_RULES, phase_change
from circuits.rates.settle import CLAMPED, settle

__all__ = ["falls_short", "layer_scale", "mirrored", "phase_estimate", "settled_gradient"]


def falls_short(minus: np.ndarray, target: np.ndarray, fall: float) -> np.ndarray:
    """Return the target of an outcome that drives up fully but takes back only a share ``fall``.

    Parameters
    ----------
    minus, target : (seed, batch, n) arrays
        What was predicted, and what comes.
    fall : float
        1 is a full override; at less, what was predicted and does not come stays in part.
    """
    return target + (1 - fall) * np.maximum(minus - target, 0)


def mirrored(minus: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return the target on the other side of what was predicted, within 0 to 1."""
    return np.clip(2 * minus - target, 0, 1)


def layer_scale(net: Network) -> list[float]:
    """Return what each layer's phase difference has to be multiplied by to be a gradient.

    With feedback of strength s the energy of a layer has the factor s for each layer below it, and
    the phase difference of a layer lacks a factor s for each layer above it.
    """
    return [net.feedback ** -(net.depth - 1 - layer) for layer in range(net.depth)]


def phase_estimate(
    net: Network, x: np.ndarray, target: np.ndarray, values: Mapping[str, float], draws=None, *,
    rule: str
) -> Change:  # fmt: skip
    """Return the change of a rule that compares two settled phases.

    Parameters
    ----------
    net : Network
    x, target : (seed, batch, n) arrays
    values : mapping
        ``beta`` of the plus phase, infinite for a clamp; ``sides``: 1 compares it with the free
        phase, 2 with a phase pushed as far the other way; ``fall`` of `falls_short`;
        ``rescaled``: 1 undoes what weak feedback takes from lower layers; ``steps``, ``rate``.
    draws
        Not used.
    rule : str
        Of `PHASE_RULES`.
    """
    beta = values["beta"]
    relax = partial(settle, net, x, steps=int(values["steps"]), rate=values["rate"])
    minus = free = relax()
    reached = falls_short(free[-1], target, values["fall"])
    plus = relax(reached, beta, start=free)
    if values["sides"] == 2:
        if beta == CLAMPED:
            minus = relax(mirrored(free[-1], reached), beta, start=free)
        else:
            minus = relax(reached, -beta, start=free)
    weights, biases = phase_change(PHASE_RULES[rule], minus, plus)
    size = values["sides"] * (1 if beta == CLAMPED else beta)
    scale = [s / size for s in (layer_scale(net) if values["rescaled"] else [1.0] * net.depth)]
    weights = [w * s for w, s in zip(weights, scale, strict=True)]
    biases = [b * s for b, s in zip(biases, scale, strict=True)]
    return Change(weights, biases, free[-1])


def settled_gradient(net: Network, x: np.ndarray, target: np.ndarray, *, beta=1e-3, steps=600,
                     rate=0.3) -> Change:  # fmt: skip
    """Return the descent direction of half the squared error of the *settled* network.

    By equilibrium propagation on both sides of the free phase, which is exact as ``beta`` goes to
    zero where feedback weights are the transposed ones.
    """
    values = {"beta": beta, "sides": 2, "fall": 1.0, "rescaled": 1, "steps": steps, "rate": rate}
    return phase_estimate(net, x, target, values, rule="chl")
