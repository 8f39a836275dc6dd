"""Where a plus phase lies between a nudge and a clamp."""

from __future__ import annotations

from typing import Any

import numpy as np

from circuits.rates.frameworks import Framework
from circuits.rates.kinase import cycle_rates
from circuits.rates.network import Draws, Network
from circuits.rates.phases import falls_short
from circuits.rates.rules import chl, phase_change
from circuits.rates.settle import CLAMPED, settle
from circuits.rates.train import layer_cosine

__all__ = ["BETAS", "between"]

#: Strengths of a one-sided nudge that a plus phase is compared with; the last one is the clamp.
BETAS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, CLAMPED)
_SETTLED: dict[str, Any] = {"steps": 100, "rate": 0.5}


def _length(a) -> np.ndarray:
    return np.sqrt((a**2).sum(axis=(1, 2)))


def _phases(net, rule: Framework, x, target):
    """Rates at the end of both phases."""
    if rule.name == "kinase":
        values = rule.values
        minus_end = round(values["minus"] / values["dt"]) - 1
        rates, _ = cycle_rates(net, x, target, values)
        return [r[:, minus_end] for r in rates], [r[:, -1] for r in rates]
    values = rule.values
    minus = settle(net, x, **_SETTLED)
    outcome = falls_short(minus[-1], target, values["fall"])
    return minus, settle(net, x, outcome, values["beta"], start=minus, **_SETTLED)


def between(net: Network, rule: Framework, x, target, seeds) -> dict[str, np.ndarray]:
    """Compare a rule that settles with one-sided nudges of every strength.

    Parameters
    ----------
    net : Network
    rule : Framework
    x, target : (seed, pattern, n) arrays
    seeds : sequence of int

    Returns
    -------
    dict
        ``nudge_cosine`` (seed, beta): cosine of the rule's change of weights with that of
        contrastive Hebbian learning under a nudge of `BETAS`, mean over layers.
        ``displacement`` (seed, layer): how far the rates go from the minus to the plus phase, over
        how far a clamp takes them. ``nudge_displacement`` (seed, beta): the same of the output
        under a nudge.
    """
    change = rule.estimate(net, x, target, Draws(seeds, 5)).weights
    minus, plus = _phases(net, rule, x, target)
    free = settle(net, x, **_SETTLED)
    cosine, moved = [], []
    for beta in BETAS:
        nudged = settle(net, x, target, beta, start=free, **_SETTLED)
        cosine.append(layer_cosine(change, phase_change(chl, free, nudged)[0]).mean(axis=1))
        moved.append([_length(b - a) for a, b in zip(free[1:], nudged[1:], strict=True)])
    own = [_length(b - a) for a, b in zip(minus[1:], plus[1:], strict=True)]
    full = moved[-1]
    return {
        "nudge_cosine": np.stack(cosine, axis=1),
        "nudge_displacement": np.stack([m[-1] / full[-1] for m in moved], axis=1),
        "displacement": np.stack([a / b for a, b in zip(own, full, strict=True)], axis=1),
    }
