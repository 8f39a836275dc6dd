"""The kinase rule of the circuit on traces of rates.

The network is followed through a theta cycle: a minus phase from the onset on, a plus phase in
which the outcome drives the output. Traces of the rates on both sides of a synapse make the drive
``C = x y`` of the cascade of `circuits.plasticity.rules.kinase`, and the weight changes by
``(P - k_D D) / (P + D + theta)`` at the gate. The cascade is linear in ``C``, so that each level is
a sum over time of ``x y`` weighted by a kernel, which of their difference is negative for what was
early in the cycle and positive for what is late. A rate of 1 is the rate at which traces are 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
from brian2.units import ms

from circuits.plasticity.rules.cascade import step_matrices
from circuits.plasticity.rules.kinase import kinase
from circuits.rates.network import Change, Network, transposed
from circuits.rates.phases import falls_short, mirrored
from circuits.rates.settle import CLAMPED, settle

__all__ = ["balanced_k_d", "cycle_rates", "kernels", "kinase_estimate", "level_forms", "read",
           "trace_matrix"]  # fmt: skip


def cycle_rates(net: Network, x, target, values: Mapping[str, float]):
    """Follow the rates through a cycle.

    Parameters
    ----------
    net : Network
    x, target : (seed, batch, n) arrays
    values : mapping
        ``dt``, ``tau``, ``minus``, ``plus`` in ms; ``fall`` of `falls_short`; ``onset``: 1 starts
        from silence, 0 where the minus phase ends.

    Returns
    -------
    rates : list of (seed, time, batch, n) arrays
        Of each layer at the end of each step.
    predicted : (seed, batch, n) array
        The output at the end of the minus phase.
    """
    steps = [round(values[key] / values["dt"]) for key in ("minus", "plus")]
    share = -np.expm1(-values["dt"] / values["tau"])
    if values["onset"]:
        start = [x, *(np.zeros((*x.shape[:2], w.shape[-1])) for w in net.weights)]
    else:
        start = settle(net, x, steps=60)
    record: list = []
    minus = settle(net, x, start=start, steps=steps[0], rate=share, record=record)
    outcome = falls_short(minus[-1], target, values["fall"])
    settle(net, x, outcome, CLAMPED, start=minus, steps=steps[1], rate=share, record=record)
    return [np.stack(layer, axis=1) for layer in zip(*record, strict=True)], minus[-1]


def trace_matrix(n: int, tau: float, values: Mapping[str, float]) -> np.ndarray:
    """Return what makes of rates their exponential trace at the middle of each step.

    Parameters
    ----------
    n : int
        Steps.
    tau : float
        ms.
    values : mapping
        ``dt``; ``onset`` 0 starts the trace at the first rate, else at zero.

    Returns
    -------
    (step, step) array
    """
    keep = np.exp(-values["dt"] / tau)
    ago = np.subtract.outer(np.arange(n), np.arange(n))
    after = np.where(ago >= 0, (1 - keep) * keep ** np.maximum(ago, 0), 0)
    before = np.vstack([np.zeros(n), after[:-1]])
    if not values["onset"]:
        left = keep ** np.arange(n + 1)
        after[:, 0] += left[1:]
        before[:, 0] += left[:-1]
    return (after + before) / 2


def kernels(values: Mapping[str, float]) -> np.ndarray:
    """Return what ``C`` of each step of the cycle counts in P and D at the gate, (2, time)."""
    table = kinase().table
    taus = [float(table[key] / ms) for key in ("tau_M", "tau_P", "tau_D")]
    decay, drive = step_matrices(taus, values["dt"])
    n = round((values["minus"] + values["plus"]) / values["dt"])
    found, reached = np.zeros((2, n)), drive
    for step in range(round(values["gate"] / values["dt"]) - 1, -1, -1):
        found[:, step] = reached[1:]
        reached = decay @ reached
    if not values["onset"]:
        # what the first drive had brought all levels to before
        before = np.linalg.matrix_power(decay, round(values["gate"] / values["dt"])) @ np.ones(3)
        found[:, 0] += before[1:]
    return found


def level_forms(values: Mapping[str, float]) -> tuple[np.ndarray, np.ndarray]:
    """Return P and D at the gate as forms of the rates before and after the synapse at all times.

    Parameters
    ----------
    values : mapping
        As in `kinase_estimate`.

    Returns
    -------
    forms : (2, time, time) array
        ``P = sum forms[0, t, u] x[t] y[u]``, and D with the other one.
    alone : (2, time) array
        The same for a cell before it that is always at one.
    """
    found = kernels(values)
    pre, post = (trace_matrix(found.shape[1], values[k], values) for k in ("tau_x", "tau_y"))
    return (pre.T * found[:, None]) @ post, found @ post


def read(p, d, values: Mapping[str, float]):
    """Return the change that the levels at the gate make."""
    if values["competes"]:
        return (p - values["k_D"] * d) / (p + d + values["theta"])
    return p - values["k_D"] * d


def balanced_k_d(values: Mapping[str, float]) -> float:
    """Return the weight of DAPK1 at which rates that rise at the onset and then stay do nothing."""
    n = round((values["minus"] + values["plus"]) / values["dt"])
    rate = np.ones(n)
    if values["onset"]:
        rate = -np.expm1(-values["dt"] * np.arange(1, n + 1) / values["tau"])
    drive = np.prod([trace_matrix(n, values[key], values) @ rate for key in ("tau_x", "tau_y")], 0)
    p, d = kernels(values) @ drive
    return p / d


def kinase_estimate(net: Network, x, target, values: Mapping[str, float], draws=None) -> Change:
    """Return the change by the kinases.

    Parameters
    ----------
    net : Network
    x, target : (seed, batch, n) arrays
    values : mapping
        As in `cycle_rates`, and ``gate`` in ms from the start of the cycle, ``k_D``, ``tau_x``,
        ``tau_y`` in ms; ``competes``: 1 divides by ``P + D + theta``; ``balanced``: 1 takes
        `balanced_k_d` for ``k_D``; ``sides``: 2 takes half of what the cycle changes less what a
        cycle with the outcome mirrored about the prediction does. ``onset`` 0 also starts
        traces and kinases where the first rates would have brought them.
    draws
        Not used.
    """
    if values["balanced"]:
        values = {**values, "k_D": balanced_k_d(values)}
    rates, predicted = cycle_rates(net, x, target, values)
    weights, biases = _cycle_change(rates, values)
    if values["sides"] == 2:
        outcome = mirrored(predicted, falls_short(predicted, target, values["fall"]))
        other = _cycle_change(cycle_rates(net, x, outcome, {**values, "fall": 1.0})[0], values)
        weights, biases = (
            [(a - b) / 2 for a, b in zip(mine, theirs, strict=True)]
            for mine, theirs in zip((weights, biases), other, strict=True)
        )
    return Change(weights, biases, predicted)


def _cycle_change(rates, values):
    """Change of weights and biases by the rates of one cycle, mean over patterns."""
    forms, alone = level_forms(values)
    rates = [np.moveaxis(r, 1, 2) for r in rates]  # seed, pattern, time, cell
    weights, biases = [], []
    for pre, post in pairwise(rates):
        before = transposed(pre)
        levels = [before @ (form @ post) for form in forms]
        weights.append(read(*levels, values).mean(axis=1))
        levels = [(one[:, None] * post).sum(axis=2) for one in alone]
        biases.append(read(*levels, values).mean(axis=1, keepdims=True))
    return weights, biases
