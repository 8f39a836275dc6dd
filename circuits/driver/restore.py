"""Currents that restore the mean rate of a population: found on tuning seeds, before the run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from circuits.driver.courses import timeline_of
from circuits.driver.progress import Progress
from circuits.driver.results import sorted_spikes
from circuits.engine.arrays import cells_of
from circuits.engine.project import DeviceError
from circuits.manipulations.model import Course
from circuits.runfiles.model import Condition, Run

__all__ = ["TOLERANCE", "Search", "restore_rates"]

#: Relative deviation from the wanted rate at which a current will do, on the tuning seeds.
TOLERANCE = 0.05
_FIRST_PA, _ROUNDS = 25.0, 16


@dataclass
class Search:
    """Root of a rising function of one number: doubled steps until it is bracketed, then inwards.

    Attributes
    ----------
    at : float
        Where to look next.
    """

    at: float = 0.0
    low: tuple[float, float] | None = None
    high: tuple[float, float] | None = None

    def saw(self, error: float) -> None:
        """Take the value there (rate minus wanted) and say where to look next."""
        if error < 0:
            self.low = self.at, error
        else:
            self.high = self.at, error
        if self.low is None or self.high is None:
            step = max(2 * abs(self.at), _FIRST_PA)
            self.at += step if error < 0 else -step
            return
        (a, fa), (b, fb) = self.low, self.high
        # never nearer to an end than a tenth, so that a flat part does not hold the search
        share = min(max(-fa / (fb - fa), 0.1), 0.9)
        self.at = a + share * (b - a)


def restore_rates(run: Run, record: Callable, progress: Progress) -> tuple[Run, dict]:
    """Return the run with the currents of its manipulations ``restore``.

    Parameters
    ----------
    run : Run
    record : callable
        From (Condition, seeds, Run) to a recording of each seed.
    progress : Progress

    Returns
    -------
    run : Run
    found : dict
        By condition and population: current (pA), rate and wanted rate (Hz), on the tuning seeds.

    Raises
    ------
    DeviceError
        If no current brings the rate within `TOLERANCE`.
    """
    conditions, found = [], {}
    for condition in run.conditions:
        if condition.restoring:
            progress.begin(f"{run.name}: {condition.name}: currents that restore rates")
            condition, found[condition.name] = _restored(condition, run, record)
        conditions.append(condition)
    return (replace(run, conditions=tuple(conditions)), found) if found else (run, {})


def _restored(condition: Condition, run: Run, record: Callable) -> tuple[Condition, dict]:
    courses = condition.restoring
    seeds = courses[0].of.seeds
    like = condition.like
    assert like is not None  # `conditions_of` has seen to it
    wanted = [_rate(like, run, c, record(like, seeds, run)) for c in courses]
    searches = [Search() for _ in courses]
    for _ in range(_ROUNDS):
        currents = [search.at for search in searches]
        tried = _with_currents(condition, currents)
        recordings = record(tried, seeds, run)
        rates = [_rate(tried, run, c, recordings) for c in courses]
        if all(abs(r - w) <= TOLERANCE * w for r, w in zip(rates, wanted, strict=True)):
            return tried, {
                c.name: {"current_pA": i, "rate_Hz": r, "wanted_Hz": w, "seeds": list(seeds)}
                for c, i, r, w in zip(courses, currents, rates, wanted, strict=True)
            }
        for search, rate, w in zip(searches, rates, wanted, strict=True):
            search.saw(rate - w)
    worst = max(range(len(courses)), key=lambda k: abs(rates[k] - wanted[k]))
    raise DeviceError(
        f"{run.file}: condition '{condition.name}': no current restores the rate of"
        f" '{courses[worst].name}': {rates[worst]:.3g} Hz at {currents[worst]:.4g} pA,"
        f" {wanted[worst]:.3g} Hz in '{like.name}'"
    )


def _with_currents(condition: Condition, currents: list[float]) -> Condition:
    """Return the condition with these currents (pA) of its courses that restore a rate."""
    change = condition.manipulated
    assert change is not None  # it has courses
    amperes = iter([current * 1e-12 for current in currents])
    courses = tuple(
        replace(c, value=next(amperes)) if c.of.what == "restore" else c for c in change.courses
    )
    return replace(condition, manipulated=replace(change, courses=courses))


def _rate(condition: Condition, run: Run, course: Course, recordings: list) -> float:
    """Return the mean rate of a population while the manipulation is on, Hz."""
    timeline = timeline_of(condition, run.cycle)
    on = course.of.when.in_bins(timeline)
    on[: run.cycle.warmup * timeline.bins] = False
    cells = cells_of(condition.spec)
    mine = cells.population == course.name
    bin_s = run.cycle.length * 1e-3 / timeline.bins
    n = 0
    for recording in recordings:
        time, neuron = sorted_spikes(recording, cells)
        bins = np.floor(time[mine[neuron]] / bin_s + 1e-6).astype(int)
        n += int(on[bins[bins < on.size]].sum())
    return n / (len(recordings) * mine.sum() * on.sum() * bin_s)
