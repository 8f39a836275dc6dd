"""The linear cascade behind the kinase rule, in closed form.

The drive q = x y jumps at spikes and decays with 1/tau_q = 1/tau_x + 1/tau_y between them. It is
passed through three first-order stages, calmodulin M, CaMKII P and DAPK1 D. Between two spikes the
four form a linear system, so each of them is a sum of independent exponential traces, all of which
take the same jump at a spike.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import expm

from cells.parameters import InputError

__all__ = ["cascade_matrix", "impulse_weights", "separated", "step_matrices"]

# Distance to which coinciding constants are moved apart: rounding grows as its power, the error of
# the limit as its square.
_APART = {2: 1e-5, 3: 1e-4}


def separated(taus) -> np.ndarray:
    """Return the time constants, moved apart where two or three of them (nearly) coincide.

    The closed form divides by differences of the constants. It is symmetric in those of one stage
    and of the stages before it, so moving coinciding ones apart evenly changes the result only to
    second order: by less than 1e-6 (tested against the matrix exponential).

    Parameters
    ----------
    taus : sequence of float
        Positive time constants.

    Returns
    -------
    array of float
        In the same order.

    Raises
    ------
    InputError
        If four of them coincide, where the limit would lose its digits.
    """
    taus = np.array(taus, dtype=float)
    order = np.argsort(taus)
    log = np.log(taus[order])
    start = 0
    for end in range(1, log.size + 1):
        if end == log.size or log[end] - log[end - 1] >= _APART[2]:
            n = end - start
            if n > max(_APART):
                same = ", ".join(f"{t:g}" for t in taus[order][start:end])
                raise InputError(
                    f"kinase cascade: the time constants {same} ms coincide (1/tau_q = 1/tau_x + "
                    "1/tau_y counts as one); change one of them by 1 %"
                )
            if n > 1:
                offset = np.arange(n) - (n - 1) / 2
                log[start:end] = log[start:end].mean() + _APART[n] * offset
            start = end
    out = np.empty_like(taus)
    out[order] = np.where(log == np.log(taus[order]), taus[order], np.exp(log))
    return out


def impulse_weights(taus) -> tuple[np.ndarray, np.ndarray]:
    """Weights of the exponential traces in each stage of the cascade.

    Parameters
    ----------
    taus : sequence of 4 floats
        Constants of q, M, P and D.

    Returns
    -------
    traces : (trace,) array
        The constants of the traces: four, or more where some of ``taus`` coincide.
    weights : (4, trace) array
        ``weights[k] @ traces`` is stage k (q, M, P, D), where each trace decays with its constant
        and takes the jump of q at every spike.
    """
    taus = np.asarray(taus, dtype=float)
    traces: list[float] = []
    entries = []
    for stage in range(4):
        apart = separated(taus[: stage + 1])
        rate = 1.0 / apart
        gain = np.prod(1.0 / taus[1 : stage + 1])
        for k in range(stage + 1):
            others = [j for j in range(stage + 1) if j != k]
            if apart[k] not in traces:
                traces.append(apart[k])
            entries.append((stage, traces.index(apart[k]), gain / np.prod(rate[others] - rate[k])))
    weights = np.zeros((4, len(traces)))
    for stage, trace, value in entries:
        weights[stage, trace] += value
    return np.array(traces), weights


def cascade_matrix(taus) -> np.ndarray:
    """Return A of s' = A s for s = (q, M, P, D), 1/[unit of taus]."""
    a = np.zeros((4, 4))
    for k, tau in enumerate(taus):
        a[k, k] = -1.0 / tau
        if k:
            a[k, k - 1] = 1.0 / tau
    return a


def step_matrices(taus, step: float) -> tuple[np.ndarray, np.ndarray]:
    """Exact step of (M, P, D) under a drive that is constant over the step.

    Parameters
    ----------
    taus : sequence of 3 floats
        Constants of M, P and D.
    step : float
        In the unit of ``taus``.

    Returns
    -------
    decay : (3, 3) array
    drive : (3,) array
        s(t + step) = decay @ s(t) + drive * C. Any constants may coincide.
    """
    a = np.zeros((4, 4))
    for k, tau in enumerate(taus):
        a[k, k] = -1.0 / tau
        a[k, k - 1 if k else 3] = 1.0 / tau
    full = expm(a * step)
    return full[:3, :3], full[:3, 3]
