"""Running a run file: every condition and seed, one Dataset, one folder."""

from __future__ import annotations

import json
import math
import multiprocessing
import os
import shutil
import signal
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import xarray as xr
from brian2 import BrianLogger, ms

from cells.models import CELL_CLASSES, cell_class
from cells.parameters import InputError
from circuits import checkpoint, store
from circuits.assemble import cells_of, draw_arrays
from circuits.device import DeviceError, Recording, build, cache_folder, run_plan
from circuits.interrupt import handle_interrupts
from circuits.learning import efficacy, learning_rates, pacing_shifts, synapse_order
from circuits.plan import Plan, replicated
from circuits.progress import Progress, duration_text
from circuits.replicas import packed, unpacked
from circuits.runfiles.criteria import measurable
from circuits.runfiles.model import BIN_MS, Condition, Cycle, Run
from circuits.runfiles.resolve import resolve
from circuits.stimuli import render, sequence

__all__ = [
    "Result",
    "arrays_of",
    "evaluate",
    "packs",
    "piece_ends",
    "rebuild_report",
    "run_file",
    "segment",
    "simulate",
    "simulate_copies",
    "to_dataset",
]

PHASES = ("minus", "plus")
COMPILED = ("cpp", "cuda")

# inputs have a slow clock on purpose; their delays are rounded to it
BrianLogger.suppress_name("synapses_dt_mismatch")
# what an interrupt or an error cuts short never gets into a network
BrianLogger.suppress_name("unused_brian_object")
_PIECE = 20, 50  # cycles: launching costs as much as a few of them
_EDGE = 1e-9  # seconds by which rounding of the time grid may move a spike over an edge


# --- one condition, one seed ---------------------------------------------------------------------


@dataclass
class Result:
    """What is kept of one run; the warm-up is left out of all but the recording.

    Attributes
    ----------
    recording : Recording
        Without its weights.
    drive : (cycle, channel) array, Hz
        Mean rate of the relay cells in the plus phase.
    path : dict of str to array
        In a run with blocks ``jump``, ``direction`` (cycle) and ``predictable`` (cycle, channel) of
        the stimulus.
    weights : dict of str to (source, target, weight)
        By projection that learns: numbers of the cells (synapse,), and the weights at the start
        and at the end of each block, (snapshot, synapse).
    dw : (cycle, channel) array or None
        Mean weight change onto the relay cells of the channel, each synapse weighted by the spikes
        of its source in the cycle.
    """

    recording: Recording
    drive: np.ndarray
    path: dict = field(default_factory=dict)
    weights: dict = field(default_factory=dict)
    dw: np.ndarray | None = None


def _shown(condition: Condition, cycle: Cycle, seed: int) -> xr.Dataset:
    """Return what is shown in all cycles; the first block begins with the warm-up."""
    options = {"cycle_length": cycle.length * ms, "bin": BIN_MS * ms, "seed": seed,
               "plus_start": cycle.plus}  # fmt: skip
    if not condition.blocks:
        return render(condition.stimulus, n_cycles=cycle.total, **options)
    n_cycles = [block.cycles for block in condition.blocks]
    n_cycles[0] += cycle.warmup
    stimuli = [block.stimulus for block in condition.blocks]
    return sequence(list(zip(stimuli, n_cycles, strict=True)), **options)


def _arrays(condition: Condition, cycle: Cycle, seed: int) -> tuple[dict, xr.Dataset]:
    """Return the arrays of a run, and what is shown in it."""
    plan, learning = condition.plan, condition.learning
    times = {"cycle_ms": cycle.length, "bin_ms": BIN_MS, "bins": plan.bins, "seed": seed}
    arrays = draw_arrays(
        condition.spec, plan, seed=seed, cycle_ms=cycle.length, regular=condition.regular,
        learning=learning,
    )  # fmt: skip
    if condition.trained is not None:
        _take_weights(arrays, condition, seed)
    shown = _shown(condition, cycle, seed)
    rate = shown["rate"].values
    padding = np.repeat(rate[-1:], plan.bins - len(rate), axis=0)
    arrays["stimulus"] = np.concatenate([rate, padding])
    arrays["pacing"] = _paced(condition, cycle, times)
    if plan.learns:
        learns = [0.0] * cycle.warmup
        for block in condition.blocks:
            learns += [block.learn] * block.cycles
        arrays["learning"] = learning_rates(learning, learns, **times)
    return arrays, shown


def _paced(condition: Condition, cycle: Cycle, times: dict) -> np.ndarray:
    """Return the shift of the rhythms in every bin; the warm-up has that of the first block."""
    if not condition.blocks:
        return pacing_shifts(*condition.pacing, **times)
    shifts = {b.pacing: pacing_shifts(*b.pacing, **times) for b in condition.blocks}
    paced = shifts[condition.blocks[-1].pacing].copy()
    start = 0
    for k, block in enumerate(condition.blocks):
        stop = start + (block.cycles + (0 if k else cycle.warmup)) * cycle.bins
        paced[start:stop] = shifts[block.pacing][start:stop]
        start = stop
    return paced


def arrays_of(condition: Condition, cycle: Cycle, seed: int) -> tuple[dict, np.ndarray]:
    """Draw all numbers of one run.

    Parameters
    ----------
    condition : Condition
    cycle : Cycle
    seed : int
        Of the wiring, the initial states, the input and the path of the stimulus.

    Returns
    -------
    arrays : dict of str to array
        As `circuits.device.run_plan` takes them.
    drive : (cycle, channel) array, Hz
        Mean rate of the relay cells in the plus phase, warm-up left out.
    """
    arrays, shown = _arrays(condition, cycle, seed)
    return arrays, shown["drive"].values[cycle.warmup :]


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
        As `circuits.device.run_plan`; InputError too if the conditions need different programs.
    """
    plan, arrays, drawn = _program(runs, cycle, copies or len(runs))
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
        result = Result(mine, shown["drive"].values[cycle.warmup :])
        if condition.blocks:
            result.path = {
                key: shown[key].values[cycle.warmup :]
                for key in ("jump", "direction", "predictable")
            }
        if condition.plan.learns:
            _keep_weights(result, condition, cycle, own)
        results.append(result)
    return results


def _program(runs: Sequence[tuple[Condition, int]], cycle: Cycle, copies: int) -> tuple:
    """Return plan and arrays of a program, and the arrays of each run with what it is shown."""
    plan = runs[0][0].plan
    for condition, _ in runs:
        if condition.plan != plan:
            raise InputError(
                f"condition '{condition.name}' needs another program than '{runs[0][0].name}'"
            )
    drawn = [_arrays(condition, cycle, seed) for condition, seed in runs]
    arrays = [own for own, _ in drawn]
    arrays += arrays[-1:] * (copies - len(arrays))
    return replicated(plan, copies), packed(plan, arrays), drawn


def packs(run: Run) -> list[tuple[tuple[int, ...], int]]:
    """Return which runs share a program.

    Parameters
    ----------
    run : Run

    Returns
    -------
    list of ((int, ...), int)
        Numbers of the runs, in the order of conditions, then seeds, and the copies of the program:
        as few programs of one plan as can be, all of one size.
    """
    of_plan: dict[Plan, list[int]] = {}
    for k, condition in enumerate(c for c in run.conditions for _ in run.seeds):
        of_plan.setdefault(condition.plan, []).append(k)
    found = []
    for mine in of_plan.values():
        copies = math.ceil(len(mine) / math.ceil(len(mine) / run.replicas))
        found += [(tuple(mine[k : k + copies]), copies) for k in range(0, len(mine), copies)]
    return found


# --- weights -------------------------------------------------------------------------------------


def _numbers(cells) -> dict[str, np.ndarray]:
    """Return the number of every cell by its group and its index there."""
    numbers = {}
    for group in dict.fromkeys(cells.group.tolist()):
        mine = cells.group == group
        numbers[group] = np.full(int(cells.index[mine].max()) + 1, -1)
        numbers[group][cells.index[mine]] = np.flatnonzero(mine)
    return numbers


def _endpoints(condition: Condition, arrays: Mapping) -> dict[str, tuple]:
    """Return Synapses, part of them, and numbers of source and target cells by projection."""
    numbers = _numbers(cells_of(condition.spec))
    groups = {s.name: (s.source, s.target) for s in condition.plan.synapses}
    found = {}
    for projection, name, part in synapse_order(condition.spec, condition.plan):
        ends = (
            numbers[group][arrays[f"{name}.{key}"][part]]
            for key, group in zip("ij", groups[name], strict=True)
        )
        found[projection] = (name, part, *ends)
    return found


def _take_weights(arrays: dict, condition: Condition, seed: int) -> None:
    """Put the weights of a finished run in place of the first weights."""
    trained = condition.trained
    found = trained.read(seed, condition.name)
    for projection, (name, part, source, target) in _endpoints(condition, arrays).items():
        if projection not in found:
            continue
        *there, weight = found[projection]
        if any(not np.array_equal(a, b) for a, b in zip(there, (source, target), strict=True)):
            raise InputError(
                f"weights: {trained.folder}: '{projection}' has other synapses there; size, scale,"
                " n_x and wiring must be those of that run"
            )
        arrays[f"{name}.w"][part] = weight
        arrays[f"{name}.efficacy"][part] = efficacy(condition.learning.efficacy, weight)


def check_weights(run: Run) -> None:
    """Raise, before anything runs, if first weights belong to a circuit of other wiring.

    Raises
    ------
    InputError
    """
    seen = set()
    for condition in run.conditions:
        for seed in run.seeds if condition.trained is not None else ():
            if (key := (condition.trained, condition.plan.digest, seed)) not in seen:
                seen.add(key)
                _arrays(condition, run.cycle, seed)


def _keep_weights(result: Result, condition: Condition, cycle: Cycle, arrays: Mapping) -> None:
    """Reduce the weights of every cycle to what is kept; leave none in the recording."""
    cells = cells_of(condition.spec)
    spike_time, spike_neuron = _spikes(result.recording, cells)
    n_neuron = len(cells.population)
    phases = np.array([cycle.plus, 1 - cycle.plus])[:, None] * cycle.length * 1e-3
    spikes = (segment(spike_time, spike_neuron, n_neuron, cycle) * phases).sum(1)
    relay = {p.name for p in condition.spec.populations if p.cell == "TRC"}
    at = np.cumsum([cycle.warmup, *(block.cycles for block in condition.blocks)])
    shape = (cycle.count, condition.spec.channels)
    change, total = np.zeros(shape), np.zeros(shape)
    for projection, (name, part, source, target) in _endpoints(condition, arrays).items():
        noted = result.recording.weights[name]
        if len(noted) != cycle.total + 1:
            raise DeviceError(f"{name}: weights of {len(noted)} times, not {cycle.total + 1}")
        noted = noted[:, part]
        result.weights[projection] = source, target, noted[at].astype(np.float32)
        if cells.population[target[0]] not in relay:
            continue
        steps = np.diff(noted[cycle.warmup :], axis=0)
        channel = cells.position[target]
        for k in range(cycle.count):
            weight = spikes[k, source]
            total[k] += np.bincount(channel, weight, shape[1])
            change[k] += np.bincount(channel, weight * steps[k], shape[1])
    result.dw = np.divide(change, total, out=np.zeros(shape), where=total > 0)
    result.recording.weights = {}


# --- many of them, in processes of their own -----------------------------------------------------

_shares = None  # of the runs that are done, in memory that all processes see


def _start_worker(shares) -> None:
    global _shares
    _shares = shares
    # an interrupt reaches the parent, which then ends its workers
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    handle_interrupts(signal.SIGTERM, error=SystemExit)


def _work(number, runs, options):
    def progress(fraction, elapsed):
        if math.isfinite(fraction):
            _shares[number] = fraction

    try:
        result = simulate_copies(runs, progress=progress, **options)
    except SystemExit as stop:
        # what the run had started is gone by now; the pool would go on with the next one
        os._exit(stop.code)
    _shares[number] = 1.0
    return result


def _in_processes(jobs: Sequence[tuple], n: int, progress: Progress, done_one) -> list:
    context = multiprocessing.get_context("spawn")
    shares = context.RawArray("d", len(jobs))
    before = set(multiprocessing.active_children())
    # numpy's own threads would only fight over the cores
    kept = {k: os.environ.get(k) for k in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    os.environ.update(dict.fromkeys(kept, "1"))
    pool = ProcessPoolExecutor(n, context, _start_worker, (shares,))
    try:
        futures = {pool.submit(_work, k, *job): k for k, job in enumerate(jobs)}
        pending = set(futures)
        results: list = [None] * len(jobs)
        while pending:
            finished, pending = wait(pending, timeout=0.25, return_when=FIRST_COMPLETED)
            progress.update(sum(shares) / len(jobs))
            for future in finished:
                results[futures[future]] = future.result()
                done_one(futures[future], results[futures[future]])
        pool.shutdown()
        return results
    except BrokenProcessPool:
        raise DeviceError("a worker process died; is there enough memory? try --jobs 1") from None
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in set(multiprocessing.active_children()) - before:
            process.terminate()
            process.join(10)
        raise
    finally:
        for key, value in kept.items():
            os.environ.pop(key) if value is None else os.environ.update({key: value})


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
        See `to_dataset`; with blocks, the scores of `analysis.prediction.add_scores` too.
    info : dict
        Wall times (s) and the realtime factor.

    Raises
    ------
    InputError, DeviceError
        As `circuits.device.run_plan`.
    """
    progress = progress or Progress()
    started = time.perf_counter()
    if run.device in COMPILED:
        _build_all(run, progress)
    built = time.perf_counter() - started
    every = [(condition, seed) for condition in run.conditions for seed in run.seeds]
    shared = packs(run)
    work = []
    for mine, copies in shared:
        runs = [every[k] for k in mine]
        options = {"cycle": run.cycle, "device": run.device, "copies": copies}
        if run.device == "cpp" and runs[0][0].plan.threads == 1:
            options["checkpoints"] = checkpoints
        work.append((runs, options))
    # one program at a time has the GPU
    free = 1 if run.device == "cuda" else os.cpu_count() or 1
    threads = max(condition.plan.threads for condition in run.conditions)
    n = min(jobs or max(1, free // threads), len(work))
    progress.begin(f"{run.name}: {len(every)} runs" if len(every) > 1 else run.name)

    def done_one(number, found):
        names = "; ".join(f"{condition.name}, seed {seed}" for condition, seed in work[number][0])
        wall = work[number][1]["copies"] * found[0].recording.wall["run"]
        each = " each" if len(found) > 1 else ""
        if not progress.terminal:
            progress.note(f"{run.name}: {names}: {run.cycle.duration:g} s{each} in {wall:.1f} s")

    if n > 1:
        found = _in_processes(work, n, progress, done_one)
    else:
        found = []
        for k, (runs, own) in enumerate(work):

            def within(fraction, elapsed, k=k):
                if math.isfinite(fraction):
                    progress.update((k + fraction) / len(work))

            found.append(simulate_copies(runs, progress=within, **own))
            done_one(k, found[-1])
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
        "programs": sorted(_programs(run)),
    }
    from analysis.prediction import add_scores

    ds = to_dataset(run, results)
    if run.replicas > 1:
        ds = ds.assign_coords(
            replica=(
                ("condition", "seed"), replica.reshape(len(run.conditions), -1),
                {"units": "1", "long_name": "number of the copy in its program"},
            )
        )  # fmt: skip
    return add_scores(ds), info


def _programs(run: Run) -> dict[str, tuple[tuple[int, ...], int]]:
    """Return one pack of each program by the digest of its plan."""
    conditions = [condition for condition in run.conditions for _ in run.seeds]
    return {
        replicated(conditions[mine[0]].plan, copies).digest: (mine, copies)
        for mine, copies in packs(run)
    }


def _build_all(run: Run, progress: Progress) -> list[Path]:
    """Compile what is not compiled yet, before processes could do it twice; return the folders."""
    make = build
    if run.device == "cuda":
        from circuits.cuda import build_cuda as make

    folders = []
    every = [(condition, seed) for condition in run.conditions for seed in run.seeds]
    programs = _programs(run)
    for k, ((first, *_), copies) in enumerate(programs.values(), 1):
        which = f" {k} of {len(programs)}" if len(programs) > 1 else ""
        progress.begin(f"{run.name}: compiling program{which} (once)")
        plan, arrays, _ = _program([every[first]], run.cycle, copies)
        start = time.perf_counter()
        folders.append(make(plan, arrays, progress=lambda fraction, elapsed: None))
        took = time.perf_counter() - start
        if took > 2:
            progress.note(f"{run.name}: compiled program{which} in {duration_text(took)}")
    return folders


# --- the Dataset ---------------------------------------------------------------------------------


def segment(time_s, neuron, n_neuron: int, cycle: Cycle) -> np.ndarray:
    """Return the rate of every cell in each phase of the analysed cycles.

    Parameters
    ----------
    time_s : (spike,) array, s
    neuron : (spike,) array of int
    n_neuron : int
    cycle : Cycle

    Returns
    -------
    (cycle, phase, neuron) array of float32, Hz
        Phases minus and plus.
    """
    length = cycle.length * 1e-3
    position = (np.asarray(time_s) + _EDGE) / length - cycle.warmup
    index = np.floor(position).astype(int)
    inside = (index >= 0) & (index < cycle.count)
    index, neuron = index[inside], np.asarray(neuron)[inside]
    since = (position[inside] - index) * length
    plus = (since >= cycle.plus * length).astype(int)
    count = np.bincount(
        (index * 2 + plus) * n_neuron + neuron, minlength=cycle.count * 2 * n_neuron
    )
    duration = np.array([cycle.plus, 1 - cycle.plus]) * length
    rate = count.reshape(cycle.count, 2, n_neuron) / duration[:, None]
    return rate.astype(np.float32)


def _spikes(recording: Recording, cells) -> tuple[np.ndarray, np.ndarray]:
    """Return times and numbers of all cells, in order of time, then cell."""
    number = _numbers(cells)
    times, numbers = [], []
    for group, (index, t) in recording.spikes.items():
        times.append(t)
        numbers.append(number[group][index])
    t, n = np.concatenate(times), np.concatenate(numbers).astype(np.int32)
    order = np.lexsort((n, t))
    return t[order], n[order]


def _population_rows(spec) -> list[dict]:
    return [
        {
            "name": p.name,
            "area": p.area,
            "layer": p.layer,
            "cell_class": p.cell,
            "n": p.size(spec.channels),
            "colour": p.colour,
            "excitatory": p.excitatory,
            "meaning": p.meaning,
            "bias_pA": p.bias,
            "bias_sd_pA": p.bias_sd,
            "noise_sd_pA": p.noise_sd,
            "rate_Hz": p.rate,
            "peak_cycle": p.peak,
        }
        for p in spec.populations
    ]


def _projection_rows(spec) -> list[dict]:
    return [
        {
            "row": p.row,
            "name": p.name,
            "source": p.source,
            "target": p.target,
            "compartment": p.at,
            "receptors": dict(p.receptors),
            "indegree": p.indegree,
            "weight_nS": p.weight,
            "topography": p.topography,
            "delay_ms": p.delay,
            "delay_sd_ms": p.delay_sd,
            "release": p.release,
            "plastic": p.plastic,
            "basis": p.basis,
            "mark": p.mark,
        }
        for p in spec.projections
    ]


def _learning_variables(run: Run, results: Sequence[Result]) -> tuple[dict, dict]:
    """Return variables and coordinates of a run with blocks; see `analysis.schema`."""
    blocks = run.conditions[0].blocks
    if not blocks:
        return {}, {}
    shape = (len(run.conditions), len(run.seeds))
    dims = ("condition", "seed", "cycle")
    one = {"units": "1"}

    def stacked(values):
        values = list(values)
        return np.stack(values).reshape(*shape, *values[0].shape)

    n_cycles = [block.cycles for block in blocks]
    rates = np.zeros((shape[0], run.cycle.count))
    for c, condition in enumerate(run.conditions):
        if condition.learning is not None:
            learns = [block.learn for block in condition.blocks]
            rates[c] = np.repeat(learns, n_cycles) * condition.learning.rate
    variables = {
        "learning": (("condition", "cycle"), rates, one | {"long_name": "learning rate"}),
        "jump": (dims, stacked(r.path["jump"] for r in results), one),
        "direction": (dims, stacked(r.path["direction"] for r in results), one),
        "predictable": (
            (*dims, "position"), stacked(r.path["predictable"] for r in results), one,
        ),
    }  # fmt: skip
    coordinates = {
        "block": [block.name for block in blocks],
        "cycle_block": ("cycle", np.repeat(np.arange(len(blocks), dtype=np.int32), n_cycles), one),
    }
    # conditions may learn with other projections, in the order of the anatomy
    order = [p.name for p in run.conditions[0].spec.projections]
    first: dict[str, Result] = {}
    for result in results:
        for projection in result.weights:
            first.setdefault(projection, result)
    names = sorted(first, key=order.index)
    if not names:
        return variables, coordinates
    size = [first[name].weights[name][0].size for name in names]
    begin = dict(zip(names, np.cumsum([0, *size[:-1]]), strict=True))
    weight = np.full((*shape, len(blocks) + 1, sum(size)), np.nan, np.float32)
    ends = np.zeros((2, shape[1], sum(size)), np.int32)
    for k, result in enumerate(results):
        c, s = divmod(k, shape[1])
        for name, (source, target, values) in result.weights.items():
            part = slice(begin[name], begin[name] + source.size)
            weight[c, s, :, part] = values
            ends[:, s, part] = source, target
    silent = np.zeros_like(results[0].drive)
    variables |= {
        "weight": (("condition", "seed", "snapshot", "synapse"), weight, one),
        "synapse_source": (("seed", "synapse"), ends[0], one),
        "synapse_target": (("seed", "synapse"), ends[1], one),
        "dw": (
            (*dims, "position"), stacked(silent if r.dw is None else r.dw for r in results),
            one | {"long_name": "mean weight change onto the relay cells, by presynaptic spikes"},
        ),
    }  # fmt: skip
    coordinates |= {
        "snapshot": ["start", *(block.name for block in blocks)],
        "synapse_projection": ("synapse", np.repeat(np.array(names), size)),
    }
    return variables, coordinates


def to_dataset(run: Run, results: Sequence[Result]) -> xr.Dataset:
    """Put the recordings of all conditions and seeds together.

    Parameters
    ----------
    run : Run
    results : sequence of Result
        In the order of conditions, then seeds.

    Returns
    -------
    Dataset
        ``spike_time`` (spike), s from the start of the warm-up, and ``spike_neuron`` (spike),
        sorted within each run; ``spike_seed`` and ``spike_condition`` (spike); ``rate``
        (condition, seed, cycle, phase, neuron), Hz; ``stimulus`` (condition, seed, cycle,
        position), Hz: mean rate of the relay cells in the plus phase; ``cycle_start`` and
        ``plus_start`` (cycle), s; labels of every cell on dim neuron. The tables of the first
        condition's circuit are attributes. A run with blocks has the variables of learning runs
        that `analysis.schema` lists; of a condition in which a synapse does not learn, its weight
        is NaN.
    """
    spec, cycle = run.conditions[0].spec, run.cycle
    cells = cells_of(spec)
    n_neuron = len(cells.population)
    label = {p.name: p for p in spec.populations}
    shape = (len(run.conditions), len(run.seeds))
    rate = np.empty((*shape, cycle.count, 2, n_neuron), np.float32)
    stimulus = np.empty((*shape, cycle.count, spec.channels))
    parts: dict[str, list] = {k: [] for k in ("time", "neuron", "seed", "condition")}
    for k, result in enumerate(results):
        c, s = divmod(k, len(run.seeds))
        t, n = _spikes(result.recording, cells)
        rate[c, s], stimulus[c, s] = segment(t, n, n_neuron, cycle), result.drive
        parts["time"].append(t)
        parts["neuron"].append(n)
        parts["seed"].append(np.full(t.size, run.seeds[s], np.int64))
        parts["condition"].append(np.full(t.size, c, np.int32))
    joined = {key: np.concatenate(values) for key, values in parts.items()}
    start = (cycle.warmup + np.arange(cycle.count)) * cycle.length * 1e-3
    dims = ("condition", "seed", "cycle")
    variables, coordinates = _learning_variables(run, results)

    def of_cells(key):
        return "neuron", np.array([str(getattr(label[p], key)) for p in cells.population])

    ds = xr.Dataset(
        {
            "spike_time": ("spike", joined["time"], {"units": "s"}),
            "spike_neuron": ("spike", joined["neuron"], {"units": "1"}),
            "spike_seed": ("spike", joined["seed"], {"units": "1"}),
            "spike_condition": ("spike", joined["condition"], {"units": "1"}),
            "rate": ((*dims, "phase", "neuron"), rate, {"units": "Hz"}),
            "stimulus": (
                (*dims, "position"), stimulus,
                {"units": "Hz", "long_name": "mean rate of the relay cells in the plus phase"},
            ),
            **variables,
        },
        coords={
            "population": ("neuron", cells.population.astype(str)),
            "area": of_cells("area"),
            "layer": of_cells("layer"),
            "cell_class": of_cells("cell"),
            "position": ("neuron", cells.position.astype(np.int32), {"units": "1"}),
            "cycle_start": ("cycle", start, {"units": "s"}),
            "plus_start": ("cycle", start + cycle.plus * cycle.length * 1e-3, {"units": "s"}),
            "phase": list(PHASES),
            "seed": ("seed", np.array(run.seeds, np.int64), {"units": "1"}),
            "condition": [c.name for c in run.conditions],
            **coordinates,
        },
        attrs={
            "name": run.name,
            "experiment": run.experiment,
            "size": run.size,
            "cycle_length_s": cycle.length * 1e-3,
            "n_x": spec.n_x,
            "polarities": " ".join(spec.polarities),
            "populations": json.dumps(_population_rows(spec)),
            "projections": json.dumps(_projection_rows(spec)),
            "run": json.dumps(run.document, default=str),
        },
    )  # fmt: skip
    return ds


# --- verdicts and report -------------------------------------------------------------------------


def check_criteria(run: Run) -> None:
    """Raise, before anything runs, if a criterion cannot be measured on this run.

    Raises
    ------
    InputError
        For an unknown observable, argument, population or unit.
    """
    from analysis import observables, schema

    if run.experiment == "synapse":
        import analysis.synapse  # noqa: F401  registers its observables
    names = [p.name for p in run.conditions[0].spec.populations] if run.conditions else []
    blocks = [block.name for block in run.conditions[0].blocks] if run.conditions else []
    for criterion in run.criteria:
        where = f"{run.file}: criterion '{criterion['id']}'"
        arguments = criterion.get("args") or {}
        try:
            found = observables.find(criterion["observable"], arguments)
            if run.experiment == "circuit":
                for key in ("population", "outcome", "driver"):
                    value = arguments.get(key, [])
                    for name in [value] if isinstance(value, str) else value:
                        if not (key == "outcome" and name == "stimulus"):
                            schema.resolve(name, names)
                _check_block_names(found, arguments, blocks)
        except schema.AnalysisError as error:
            raise InputError(f"{where}: {error}") from None
        # a deviation from a reference condition has no unit
        expected = found.unit if criterion.get("reference") is None else "1"
        unit = criterion.get("unit", expected)
        if unit != expected:
            raise InputError(f"{where}: unit '{unit}', but '{found.name}' here has '{expected}'")


def _check_block_names(found, arguments: Mapping, blocks: Sequence[str]) -> None:
    """Raise AnalysisError if an argument of an observable names a block that is not there."""
    from analysis import schema

    if "block" not in found.arguments:
        return
    # of weights there are some before the first block
    valid = ["start", *blocks] if "projection" in found.arguments else list(blocks)
    for key in ("block", "reference", "of_block"):
        name = arguments.get(key)
        if name is not None and name not in valid:
            known = schema.nearest(name, valid) if blocks else "; this run has no blocks"
            raise schema.AnalysisError(f"args {key}: no block '{name}'{known}")


def evaluate(experiment: str, ds: xr.Dataset, criteria: Iterable[Mapping]) -> list[dict]:
    """Return the verdicts of a run; see `analysis.verdicts`."""
    from analysis import observables, verdicts

    criteria = [dict(c) for c in criteria]
    if experiment != "synapse":
        return verdicts.evaluate(ds, criteria)
    import analysis.synapse  # noqa: F401  registers its observables

    # there a condition and a seed are dims of the experiment, not runs of their own
    results = []
    for c in criteria:
        value = observables.evaluate(ds, c["observable"], **(c.get("args") or {}))
        unit = observables.find(c["observable"], c.get("args")).unit
        results.append(
            verdicts.verdict(
                c["id"], c["claim"], c["observable"], [value], unit, c.get("min"), c.get("max"),
                c.get("source", ""),
            )
        )  # fmt: skip
    return results


def write_report(ds: xr.Dataset, verdicts: list[dict], info: Mapping, path: Path) -> Path:
    """Write the report page of a run; see `analysis.report`."""
    import matplotlib

    matplotlib.use("Agg")
    from analysis import report

    extra = []
    if info.get("experiment") == "synapse":
        import analysis.synapse

        extra = analysis.synapse.figures(ds)
        ds = None
    return report.write_report(ds, verdicts, info, path, extra)


# --- the whole of it -----------------------------------------------------------------------------


def _describe(run: Run, info: Mapping) -> dict:
    """Return what run.json holds."""
    described = {
        "name": run.name,
        "claim": run.claim,
        "source": run.source,
        "experiment": run.experiment,
        "file": run.file,
        "size": run.size,
        "device": run.device,
        "seeds": list(run.seeds),
        "conditions": [c.name for c in run.conditions],
        **store.commit(),
        **info,
        "versions": store.versions(),
        "run": run.document,
    }
    if run.conditions:
        changed = {(c, k): v for c, k, v in run.conditions[0].spec.cells}
        described["cycle"] = asdict(run.cycle)
        described["cells_SI"] = {
            name: {
                key: changed.get((name, key), float(q))
                for key, q in cell_class(name).parameters.items()
            }
            for name in CELL_CLASSES
        }
        described["circuit"] = {
            c.name: {
                "populations": _population_rows(c.spec),
                "projections": _projection_rows(c.spec),
            }
            for c in run.conditions
        }
    return described


def run_file(
    path: Path | str,
    *,
    size: str | None = None,
    device: str | None = None,
    seeds: Sequence[int] | str | None = None,
    cycles: int | None = None,
    conditions: Sequence[str] | None = None,
    replicas: int | None = None,
    settings: Iterable[str] = (),
    out: Path | str | None = None,
    jobs: int | None = None,
    fresh: bool = False,
    build_only: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Run a run file and write its folder.

    Parameters
    ----------
    path : path or str
        A run file, or the name of one that comes along.
    size, device, seeds, cycles, conditions, replicas, settings
        See `circuits.runfiles.resolve.resolve`.
    out : path, optional
        The run folder; default ``runs/out/NAME-HASH`` in a clone, ``pulvinar-out/NAME-HASH``
        elsewhere. A finished run there is replaced.
    jobs : int, optional
        Processes at a time; default one for each core, or for each core and thread of a program;
        on device cuda one.
    fresh : bool
        Ignore what the same run has kept when it was cut short.
    build_only : bool
        Compile the programs and run nothing. So it is on device cuda where there is no GPU.
    progress : Progress, optional

    Returns
    -------
    Path
        The folder, with run.json, result.nc, verdicts.json and report.html; where nothing was run,
        with run.json alone, whose ``built`` lists the programs. It is written whole or not at all.

    Raises
    ------
    InputError
        One line that names the file, the key and the nearest valid choice.
    DeviceError
        If the program did not build or run.
    """
    run = resolve(
        path, size=size, device=device, seeds=seeds, cycles=cycles, conditions=conditions,
        replicas=replicas, settings=settings,
    )  # fmt: skip
    if jobs is not None and jobs < 1:
        raise InputError(f"--jobs {jobs} is below 1")
    if build_only and (run.experiment != "circuit" or run.device not in COMPILED):
        raise InputError(
            f"--build-only: a {run.experiment} run on device '{run.device}' compiles nothing;"
            f" valid: a circuit run on {', '.join(COMPILED)}"
        )
    if run.experiment == "circuit":
        _check_device(run)
        check_weights(run)
    check_criteria(run)
    document = run.document | {"device": run.device, "conditions": [c.name for c in run.conditions]}
    if "blocks" in document:
        document["blocks"] = list(document["blocks"].items())  # their order counts
    folder = store.run_folder(run.name, document, out)
    store.check_writable(folder)
    progress = progress or Progress()
    started = datetime.now(UTC)
    clock = time.perf_counter()
    if run.experiment == "synapse":
        _finish(run, folder, started, clock, progress, *_run_bench(run, progress))
    elif build_only or (run.device == "cuda" and not _has_gpu()):
        _build_only(run, folder, progress)
    elif run.device == "cpp":
        kept = checkpoint.checkpoint_folder(store.run_folder(run.name, document).name)
        with checkpoint.held(kept, fresh=fresh) as mine:
            if mine and (n := checkpoint.kept_pieces(kept)):
                progress.note(
                    f"{run.name}: continuing, with {n} pieces of the same run that was cut short"
                    " (--fresh starts anew)"
                )
            found = simulate(run, jobs=jobs, progress=progress, checkpoints=kept if mine else None)
            _finish(run, folder, started, clock, progress, *found)
    else:
        _finish(run, folder, started, clock, progress, *simulate(run, jobs=jobs, progress=progress))
    return folder


def _finish(run, folder, started, clock, progress, ds, info) -> None:
    """Judge a run and write its folder."""
    progress.begin(f"{run.name}: analysis and report")
    verdicts = evaluate(run.experiment, ds, run.criteria)
    info["started"] = started.isoformat(timespec="seconds")
    info["wall_s"]["total"] = round(time.perf_counter() - clock, 2)
    described = _describe(run, info)
    with store.new_folder(folder) as partial:
        store.write_dataset(partial / "result.nc", ds)
        store.write_json(partial / "run.json", described)
        store.write_json(partial / "verdicts.json", verdicts)
        write_report(ds, verdicts, described, partial / "report.html")


def _check_device(run: Run) -> None:
    """Raise, before anything runs, if the compiler that the device needs is missing."""
    programs = [cache_folder() / "programs" / digest for digest in _programs(run)]
    compiled = all((program / "program.json").is_file() for program in programs)
    if run.device == "cpp" and not compiled and shutil.which("g++") is None:
        raise InputError(
            f"{run.file}: device 'cpp' needs a C++ compiler and there is no g++: install it"
            " (Debian: apt install g++) or say --device numpy"
        )


def _has_gpu() -> bool:
    from circuits.cuda import has_gpu

    return has_gpu()


def _build_only(run: Run, folder: Path, progress: Progress) -> Path:
    """Compile the programs of a run; they stay in the cache, the run folder says where."""
    built = []
    for program in _build_all(run, progress):
        info = program / "build.json"
        known = json.loads(info.read_text()) if info.is_file() else {"compiled": True}
        built.append({"program": str(program), **known})
    with store.new_folder(folder) as partial:
        store.write_json(partial / "run.json", _describe(run, {"built": built}))


def rebuild_report(folder: Path | str) -> Path:
    """Judge a finished run again and draw its report anew.

    Parameters
    ----------
    folder : path
        A run folder.

    Returns
    -------
    Path
        The folder; its verdicts.json and report.html are new.

    Raises
    ------
    InputError
        If it is no run folder.
    AnalysisError
        If its result cannot be used.
    """
    from analysis import schema

    folder = Path(folder)
    if not (folder / "run.json").is_file():
        raise InputError(f"{folder}: no run folder (it has no run.json)")
    try:
        info = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{folder / 'run.json'}: not JSON ({error})") from None
    if info.get("experiment") == "synapse":
        with xr.open_dataset(folder / "result.nc", engine="h5netcdf", decode_times=False) as ds:
            ds.load()
    else:
        ds = schema.load(folder)
    criteria = info["run"].get("criteria", [])
    if conditions := info.get("conditions"):
        named = info["run"].get("condition") or [{"name": conditions[0]}]
        criteria = measurable(criteria, conditions, named[0]["name"])
    verdicts = evaluate(info.get("experiment", "circuit"), ds, criteria)
    partial = folder / ".verdicts.json.part"
    try:
        store.write_json(partial, verdicts)
        write_report(ds, verdicts, info, folder / "report.html")
        partial.replace(folder / "verdicts.json")
    finally:
        partial.unlink(missing_ok=True)
    return folder


def _run_bench(run: Run, progress: Progress) -> tuple[xr.Dataset, dict]:
    from circuits.plasticity.bench import run_bench
    from circuits.plasticity.biophysical import extend

    start = time.perf_counter()

    def say(text: str) -> None:
        progress.begin(f"{run.name}: {text}")

    say("bench")
    ds = run_bench(run.document, device=run.device, seeds=run.seeds, file=run.file, progress=say)
    ds = extend(ds, run.document, say)
    return ds, {"wall_s": {"runs": round(time.perf_counter() - start, 2)}}
