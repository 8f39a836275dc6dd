"""What changes from bin to bin of a run: learning rates and pacing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cells.parameters import InputError
from circuits.plasticity.learning import Learning

__all__ = ["learning_rates", "pacing_shifts"]


def learning_rates(
    learning: Learning,
    learns: Sequence[float],
    *,
    cycle_ms: float,
    bin_ms: float,
    bins: int,
    seed: int,
) -> np.ndarray:
    """Return the learning rate of every bin of a program.

    Parameters
    ----------
    learning : Learning
    learns : (cycle,) sequence of float
        Factor of the rate.
    cycle_ms, bin_ms : float
    bins : int
        Capacity of the program.
    seed : int
        Of a shuffled gate.

    Returns
    -------
    (bin,) array
        Of a rule with a gate of the cycle positive in the bin at whose start it opens, else in all
        bins of the cycles that learn.
    """
    per_cycle = round(cycle_ms / bin_ms)
    rates = np.zeros((-(-bins // per_cycle), per_cycle))
    learns = np.asarray(learns, float)
    rows = np.flatnonzero(learns)
    own = learning.rate * learns[rows]
    if learning.gated_by_cycle:
        at = learning.gate_at(cycle_ms, bin_ms)
        gate = np.full(len(rates), round(at / bin_ms))
        if not 0 <= gate[0] < per_cycle:
            raise InputError(f"gate: {at:g} ms is outside the cycle of {cycle_ms:g} ms")
        if learning.timing == "shuffled":
            gate = np.random.default_rng([seed, 6]).integers(per_cycle, size=len(rates))
        rates[rows, gate[rows]] = own
    else:
        rates[rows] = own[:, None]
    return rates.ravel()[:bins]


def pacing_shifts(
    shift: float, shuffled: bool, *, cycle_ms: float, bin_ms: float, bins: int, seed: int
) -> np.ndarray:
    """Return the shift of the rhythmic inputs in every bin of a program.

    Parameters
    ----------
    shift : float
        Cycles; positive is later.
    shuffled : bool
        Another shift in every cycle, drawn from the seed, uniform over the cycle.
    cycle_ms, bin_ms : float
    bins : int
        Capacity of the program.
    seed : int

    Returns
    -------
    (bin,) array
        Cycles.
    """
    per_cycle = round(cycle_ms / bin_ms)
    shifts = np.full(-(-bins // per_cycle), float(shift))
    if shuffled:
        shifts += np.random.default_rng([seed, 7]).random(shifts.size)
    return np.repeat(shifts, per_cycle)[:bins]
