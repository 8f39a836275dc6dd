"""From a run to its Dataset: every condition and seed, in copies, pieces and processes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from circuits.driver import checkpoint
from circuits.driver.dataset import to_dataset
from circuits.driver.needs import at_once
from circuits.driver.processes import run_jobs
from circuits.driver.programs import build_all, packs, program_of, programs_of
from circuits.driver.progress import Progress
from circuits.driver.restore import restore_rates
from circuits.driver.results import Result, keep_records, keep_weights
from circuits.engine.devices import DEVICES, run_plan
from circuits.engine.launch import Recording
from circuits.engine.replicas import unpacked
from circuits.runfiles.model import Condition, Cycle, Run
from circuits.stimuli.render import places_of

__all__ = ["piece_ends", "simulate", "simulate_copies"]

_PIECE = 20, 50  # cycles: launching costs as much as a few of them


def simulate(
    run: Run,
    *,
    jobs: int | None = None,
    progress: Progress | None = None,
    checkpoints: Path | None = None,
) -> tuple[xr.Dataset, dict]:
    """Run every condition and seed of a circuit run.

    Parameters
    ----------
    run : Run
    jobs : int, optional
        Processes at a time; default one for each core. A single one runs in this process.
    progress : Progress, optional
    checkpoints : path, optional
        Folder in which finished pieces are kept, and from which to go on; device cpp only.

    Returns
    -------
    ds : Dataset
        See `circuits.driver.dataset.to_dataset`; with blocks, the scores of
        `analysis.measures.scores.add_scores` and `analysis.measures.baselines.add_baselines` too.
    info : dict
        Wall times (s) and the realtime factor.

    Raises
    ------
    InputError, DeviceError
        As `circuits.engine.devices.run_plan`.
    """
    progress = progress or Progress()
    started = time.perf_counter()
    device = DEVICES[run.device]
    if device.build is not None:
        build_all(run, progress)
    built = time.perf_counter() - started
    run, restored = restore_rates(run, _recorded, progress)
    every = [(condition, seed) for condition in run.conditions for seed in run.seeds]
    shared = packs(run)
    work = []
    for mine, copies in shared:
        runs = [every[k] for k in mine]
        options = {"cycle": run.cycle, "device": run.device, "copies": copies}
        if device.keeps_state_of(runs[0][0].plan):
            options["checkpoints"] = checkpoints
        work.append((runs, options))
    n = at_once(run, jobs)
    progress.begin(f"{run.name}: {len(every)} runs" if len(every) > 1 else run.name)

    def done_one(number, found):
        names = "; ".join(f"{condition.name}, seed {seed}" for condition, seed in work[number][0])
        wall = work[number][1]["copies"] * found[0].recording.wall["run"]
        each = " each" if len(found) > 1 else ""
        if not progress.terminal:
            progress.note(f"{run.name}: {names}: {run.cycle.duration:g} s{each} in {wall:.1f} s")

    extensions = run.document.get("extensions", ())
    found = run_jobs(simulate_copies, work, n, progress, done_one, extensions)
    elapsed = time.perf_counter() - started - built
    results: list = [None] * len(every)
    replica = np.zeros(len(every), np.int32)
    for (mine, _), pack in zip(shared, found, strict=True):
        for number, (k, result) in enumerate(zip(mine, pack, strict=True)):
            results[k], replica[k] = result, number
    run_walls = [result.recording.wall["run"] for result in results]
    info = {
        "wall_s": {
            "compile": round(built, 2),
            "runs": round(elapsed, 2),
            "mean_run": round(float(np.mean(run_walls)), 3),
        },
        "biological_s": run.cycle.duration * len(every),
        "realtime_factor": round(run.cycle.duration / float(np.mean(run_walls)), 4),
        "jobs": n,
        "programs": sorted(programs_of(run)),
        **({"restored": restored} if restored else {}),
    }
    from analysis.measures.baselines import add_baselines
    from analysis.measures.scores import add_scores

    ds = to_dataset(run, results)
    if run.replicas > 1:
        ds = ds.assign_coords(
            replica=(
                ("condition", "seed"), replica.reshape(len(run.conditions), -1),
                {"units": "1", "long_name": "number of the copy in its program"},
            )
        )  # fmt: skip
    return add_baselines(add_scores(ds)), info


def _recorded(condition: Condition, seeds: Sequence[int], run: Run) -> list[Recording]:
    """Return what some seeds of a condition record."""
    copies = {run.conditions[mine[0] // len(run.seeds)].plan: n for mine, n in packs(run)}
    n = copies.get(condition.plan, 1)
    found = []
    for k in range(0, len(seeds), n):
        runs = [(condition, seed) for seed in seeds[k : k + n]]
        found += simulate_copies(runs, run.cycle, copies=n, device=run.device)
    return [result.recording for result in found]


def simulate_copies(
    runs: Sequence[tuple[Condition, int]],
    cycle: Cycle,
    *,
    copies: int | None = None,
    device: str = "cpp",
    checkpoints: Path | None = None,
    progress=None,
) -> list[Result]:
    """Run conditions and seeds as copies of the circuit in one program.

    Parameters
    ----------
    runs : sequence of (Condition, int)
        Conditions of one plan, and seeds.
    cycle : Cycle
    copies : int, optional
        That the program has; default one for each run. What is too many repeats the last run.
    device : {"numpy", "cython", "cpp"}
    checkpoints : path, optional
        Folder in which finished pieces are kept; device cpp only.
    progress : callable, optional
        Called with the completed fraction and the seconds so far.

    Returns
    -------
    list of Result
        Of each run, bit for bit as if it had been alone.

    Raises
    ------
    InputError, DeviceError
        As `circuits.engine.devices.run_plan`; InputError too if the conditions need different
        programs.
    """
    plan, arrays, drawn = program_of(runs, cycle, copies or len(runs))
    if checkpoints is None:
        recording = run_plan(
            plan, arrays, duration=cycle.duration, device=device, progress=progress
        )
    else:
        recording = checkpoint.run_in_pieces(
            plan, arrays, ends=piece_ends(runs[0][0], cycle), folder=checkpoints, progress=progress
        )
    single = runs[0][0].plan
    results = []
    found = unpacked(single, recording, copies or len(runs))
    for (condition, _), (own, shown), mine in zip(runs, drawn, found, strict=False):
        analysed = shown.isel(cycle=slice(cycle.warmup, None))
        result = Result(mine, analysed["drive"].values, places_of(analysed))
        if condition.blocks:
            result.path = {
                key: analysed[key].values for key in ("jump", "direction", "predictable")
            }
        keep_records(result, condition, cycle, own)
        if condition.plan.learns:
            keep_weights(result, condition, cycle, own)
        results.append(result)
    return results


def piece_ends(condition: Condition, cycle: Cycle) -> tuple[float, ...]:
    """Return the seconds at which a run may be cut: ends of blocks, and every 50 cycles within."""
    least, most = _PIECE
    cuts = [0]
    blocks = [block.cycles for block in condition.blocks] or [cycle.count]
    for end in np.cumsum([cycle.warmup + blocks[0], *blocks[1:]]).tolist():
        while end - cuts[-1] > most:
            cuts.append(cuts[-1] + most)
        if end - cuts[-1] >= least or end == cycle.total:
            cuts.append(end)
    return tuple(cut * cycle.length * 1e-3 for cut in cuts[1:])
