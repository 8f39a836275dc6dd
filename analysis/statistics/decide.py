"""Three verdicts from the values of seeds: an interval decides, or it is too wide to.

References
----------
Schuirmann (1987), doi:10.1007/BF01068419 (two one-sided tests). Holm (1979), Scandinavian Journal
of Statistics 6:65 (many tests).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri, stdtr, stdtrit  # scipy.stats is slow to load

__all__ = [
    "FALSIFIED",
    "HOLDS",
    "LEAST_SEEDS",
    "LEVEL",
    "NOT_JUDGED",
    "UNDECIDED",
    "Decision",
    "bounds_of",
    "decide",
    "holm",
]

HOLDS, FALSIFIED, UNDECIDED = "holds", "falsified", "undecided"
#: Of what gave no number, and of a comparison of what is the same by construction.
NOT_JUDGED = "not judged"
#: Fewer have no interval that is worth the name: there the mean decides.
LEAST_SEEDS = 3
LEVEL = 0.05
_POWER = 0.8


@dataclass(frozen=True)
class Decision:
    """What values over seeds say of a claim.

    Attributes
    ----------
    verdict : {"holds", "falsified", "undecided"}
    interval : (float, float) or None
        95 % interval of the mean (Student's t); None below three seeds, where the mean decides.
    p : float or None
        Of the verdict that the mean speaks for; decided at 0.05.
    seeds_needed : int or None
        Where it is undecided: about how many seeds would decide it with a power of 80 %, were mean
        and standard deviation what they are.
    """

    verdict: str
    interval: tuple[float, float] | None = None
    p: float | None = None
    seeds_needed: int | None = None


def decide(
    values: Sequence[float] | np.ndarray,
    low: float | None = None,
    high: float | None = None,
    equivalence: bool = False,
) -> Decision:
    """Decide if the mean of a population lies within bounds.

    It holds if the 95 % interval lies within, is falsified if it lies outside, else it is
    undecided. Equivalence holds by two one-sided tests of 5 % each: by the 90 % interval.

    Parameters
    ----------
    values : sequence of float
        One for each seed; of a paired comparison, the differences. With one that is no number
        nothing is decided.
    low, high : float, optional
        Inclusive.
    equivalence : bool
        Whether the claim is that there is no difference; the bounds are its margin.

    Returns
    -------
    Decision
    """
    x = np.asarray(values, float)
    if not x.size or not np.isfinite(x).all():
        return Decision(UNDECIDED)
    alike = bool(np.ptp(x) == 0)
    mean = float(x[0] if alike else x.mean())
    # to the nearest bound, negative outside
    nearest = min(
        math.inf if low is None else mean - low, math.inf if high is None else high - mean
    )
    inside = nearest >= 0
    leaning = HOLDS if inside else FALSIFIED
    if x.size < LEAST_SEEDS:
        return Decision(leaning)
    if alike:
        return Decision(leaning, (mean, mean), 0.0)
    error = float(x.std(ddof=1)) / math.sqrt(x.size)
    half = float(stdtrit(x.size - 1, 1 - LEVEL / 2)) * error
    sides = 1 if equivalence and inside else 2
    p = min(1.0, sides * float(stdtr(x.size - 1, -abs(nearest) / error)))
    interval = (mean - half, mean + half)
    if p <= LEVEL:
        return Decision(leaning, interval, p)
    needed = None
    if nearest:
        z = ndtri(1 - LEVEL / sides) + ndtri(_POWER)
        needed = max(x.size + 1, math.ceil((z * x.std(ddof=1) / nearest) ** 2))
    return Decision(UNDECIDED, interval, p, needed)


def bounds_of(low: float | None, high: float | None, margin: float | None) -> tuple:
    """Return lower and upper bound, and whether they are the margin of no difference."""
    return (low, high, False) if margin is None else (-margin, margin, True)


def holm(p: Sequence[float] | np.ndarray) -> np.ndarray:
    """Return p values corrected for their number, those of a family, by Holm's method.

    Parameters
    ----------
    p : (n,) sequence of float

    Returns
    -------
    (n,) array
        In the same order, at most 1.
    """
    p = np.asarray(p, float)
    order = np.argsort(p)
    found = np.empty_like(p)
    found[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1)), 1.0)
    return found
