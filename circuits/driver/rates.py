"""Running the conditions of a run file of rate networks."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import cast

import xarray as xr

from circuits.driver.processes import run_jobs
from circuits.driver.progress import Progress
from circuits.engine.machine import cores
from circuits.rates.experiments.kinds import KINDS
from circuits.runfiles.model import Run
from circuits.runfiles.rates import RateCondition

__all__ = ["run_condition", "run_rate"]


def run_condition(
    conditions: Sequence[RateCondition], seeds: Sequence[int], progress=None
) -> list[xr.Dataset]:
    """Run conditions one after another, the networks of all seeds together.

    Parameters
    ----------
    conditions : sequence of RateCondition
    seeds : sequence of int
    progress : callable, optional
        Called with the share that is done and the seconds so far.
    """
    found, began = [], time.perf_counter()
    for k, condition in enumerate(conditions):

        def say(share, k=k):
            if progress is not None:
                progress((k + share) / len(conditions), time.perf_counter() - began)

        found.append(KINDS[condition.kind].run(condition.tables, seeds, say))
        say(1.0)
    return found


def run_rate(run: Run, *, jobs: int | None = None, progress: Progress | None = None):
    """Run every condition of a run file.

    Parameters
    ----------
    run : Run
        From `circuits.runfiles.rates.resolve_rate`.
    jobs : int, optional
        Processes at a time; default one for each core. A single one runs in this process.
    progress : Progress, optional

    Returns
    -------
    ds : Dataset
        What the kind measures, with dims ``condition`` and ``seed``; NaN where a condition has
        fewer layers or epochs than another.
    info : dict
        Wall times (s).
    """
    progress = progress or Progress()
    began = time.perf_counter()
    conditions = cast(tuple[RateCondition, ...], run.conditions)
    n = min(jobs or cores(), len(conditions))
    progress.begin(f"{run.name}: {len(conditions)} conditions, {len(run.seeds)} seeds")
    work = [([condition], {"seeds": run.seeds}) for condition in conditions]

    def done_one(number, found):
        if not progress.terminal:
            seconds = time.perf_counter() - began
            progress.note(f"{run.name}: {conditions[number].name} ({seconds:.0f} s)")

    found = run_jobs(run_condition, work, n, progress, done_one)
    names = xr.DataArray([c.name for c in conditions], dims="condition", name="condition")
    ds = xr.concat([pack[0] for pack in found], names, join="outer", data_vars="all",
                   combine_attrs="override")  # fmt: skip
    ds.attrs |= {"kind": conditions[0].kind, "experiment": "rate"}
    return ds, {"wall_s": {"runs": round(time.perf_counter() - began, 2)}, "jobs": n}
