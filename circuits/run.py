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
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import xarray as xr
from brian2 import BrianLogger, ms

from cells.models import CELL_CLASSES, cell_class
from cells.parameters import InputError
from circuits import store
from circuits.assemble import cells_of, draw_arrays
from circuits.device import DeviceError, Recording, build, cache_folder, run_plan
from circuits.interrupt import handle_interrupts
from circuits.progress import Progress, duration_text
from circuits.runfile import BIN_MS, Condition, Cycle, Run, measurable, resolve
from circuits.stimuli import render

__all__ = [
    "arrays_of",
    "evaluate",
    "rebuild_report",
    "run_file",
    "segment",
    "simulate",
    "to_dataset",
]

PHASES = ("minus", "plus")

# inputs have a slow clock on purpose; their delays are rounded to it
BrianLogger.suppress_name("synapses_dt_mismatch")
# what an interrupt or an error cuts short never gets into a network
BrianLogger.suppress_name("unused_brian_object")
_EDGE = 1e-9  # seconds by which rounding of the time grid may move a spike over an edge


# --- one condition, one seed ---------------------------------------------------------------------


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
    arrays = draw_arrays(
        condition.spec, condition.plan, seed=seed, cycle_ms=cycle.length, regular=condition.regular
    )
    shown = render(
        condition.stimulus, n_cycles=cycle.total, cycle_length=cycle.length * ms, bin=BIN_MS * ms,
        seed=seed, plus_start=cycle.plus,
    )  # fmt: skip
    rate = shown["rate"].values
    padding = np.repeat(rate[-1:], condition.plan.bins - len(rate), axis=0)
    arrays["stimulus"] = np.concatenate([rate, padding])
    return arrays, shown["drive"].values[cycle.warmup :]


def _simulate_one(condition, cycle, seed, device, progress):
    arrays, drive = arrays_of(condition, cycle, seed)
    recording = run_plan(
        condition.plan, arrays, duration=cycle.duration, seed=seed, device=device, progress=progress
    )
    return recording, drive


# --- many of them, in processes of their own -----------------------------------------------------

_shares = None  # of the runs that are done, in memory that all processes see


def _start_worker(shares) -> None:
    global _shares
    _shares = shares
    # an interrupt reaches the parent, which then ends its workers
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    handle_interrupts(signal.SIGTERM, error=SystemExit)


def _work(number, *job):
    def progress(fraction, elapsed):
        if math.isfinite(fraction):
            _shares[number] = fraction

    try:
        result = _simulate_one(*job, progress)
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
    run: Run, *, jobs: int | None = None, progress: Progress | None = None
) -> tuple[xr.Dataset, dict]:
    """Run every condition and seed of a circuit run.

    Parameters
    ----------
    run : Run
    jobs : int, optional
        Processes at a time; default one for each core. A single one runs in this process.
    progress : Progress, optional

    Returns
    -------
    ds : Dataset
        See `to_dataset`.
    info : dict
        Wall times (s) and the realtime factor.

    Raises
    ------
    InputError, DeviceError
        As `circuits.device.run_plan`.
    """
    progress = progress or Progress()
    started = time.perf_counter()
    if run.device == "cpp":
        _build_all(run, progress)
    built = time.perf_counter() - started
    work = [(c, run.cycle, seed, run.device) for c in run.conditions for seed in run.seeds]
    n = min(jobs or os.cpu_count() or 1, len(work))
    progress.begin(f"{run.name}: {len(work)} runs" if len(work) > 1 else run.name)

    def done_one(number, result):
        condition, _, seed, _ = work[number]
        wall = result[0].wall["run"]
        if not progress.terminal:
            progress.note(
                f"{run.name}: {condition.name}, seed {seed}: {run.cycle.duration:g} s in"
                f" {wall:.1f} s"
            )

    if n > 1:
        results = _in_processes(work, n, progress, done_one)
    else:
        results = []
        for k, job in enumerate(work):

            def within(fraction, elapsed, k=k):
                if math.isfinite(fraction):
                    progress.update((k + fraction) / len(work))

            results.append(_simulate_one(*job, within))
            done_one(k, results[-1])
    elapsed = time.perf_counter() - started - built
    run_walls = [r.wall["run"] for r, _ in results]
    info = {
        "wall_s": {
            "compile": round(built, 2),
            "runs": round(elapsed, 2),
            "mean_run": round(float(np.mean(run_walls)), 3),
        },
        "biological_s": run.cycle.duration * len(work),
        "realtime_factor": round(run.cycle.duration / float(np.mean(run_walls)), 4),
        "jobs": n,
        "programs": sorted({c.plan.digest for c in run.conditions}),
    }
    return to_dataset(run, results), info


def _build_all(run: Run, progress: Progress) -> None:
    """Compile what is not compiled yet, before processes could do it twice."""
    plans = {c.plan.digest: c for c in run.conditions}
    for k, condition in enumerate(plans.values(), 1):
        which = f" {k} of {len(plans)}" if len(plans) > 1 else ""
        progress.begin(f"{run.name}: compiling program{which} (once)")
        arrays, _ = arrays_of(condition, run.cycle, run.seeds[0])
        start = time.perf_counter()
        build(condition.plan, arrays, progress=lambda fraction, elapsed: None)
        took = time.perf_counter() - start
        if took > 2:
            progress.note(f"{run.name}: compiled program{which} in {duration_text(took)}")


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
    times, numbers = [], []
    for group, (index, t) in recording.spikes.items():
        number = np.full(int(cells.index[cells.group == group].max()) + 1, -1)
        number[cells.index[cells.group == group]] = np.flatnonzero(cells.group == group)
        times.append(t)
        numbers.append(number[index])
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


def to_dataset(run: Run, results: Sequence[tuple[Recording, np.ndarray]]) -> xr.Dataset:
    """Put the recordings of all conditions and seeds together.

    Parameters
    ----------
    run : Run
    results : sequence of (Recording, (cycle, channel) array)
        In the order of conditions, then seeds.

    Returns
    -------
    Dataset
        ``spike_time`` (spike), s from the start of the warm-up, and ``spike_neuron`` (spike),
        sorted within each run; ``spike_seed`` and ``spike_condition`` (spike); ``rate``
        (condition, seed, cycle, phase, neuron), Hz; ``stimulus`` (condition, seed, cycle,
        position), Hz: mean rate of the relay cells in the plus phase; ``cycle_start`` and
        ``plus_start`` (cycle), s; labels of every cell on dim neuron. The tables of the first
        condition's circuit are attributes.
    """
    spec, cycle = run.conditions[0].spec, run.cycle
    cells = cells_of(spec)
    n_neuron = len(cells.population)
    label = {p.name: p for p in spec.populations}
    shape = (len(run.conditions), len(run.seeds))
    rate = np.empty((*shape, cycle.count, 2, n_neuron), np.float32)
    stimulus = np.empty((*shape, cycle.count, spec.channels))
    parts: dict[str, list] = {k: [] for k in ("time", "neuron", "seed", "condition")}
    for k, (recording, drive) in enumerate(results):
        c, s = divmod(k, len(run.seeds))
        t, n = _spikes(recording, cells)
        rate[c, s], stimulus[c, s] = segment(t, n, n_neuron, cycle), drive
        parts["time"].append(t)
        parts["neuron"].append(n)
        parts["seed"].append(np.full(t.size, run.seeds[s], np.int64))
        parts["condition"].append(np.full(t.size, c, np.int32))
    joined = {key: np.concatenate(values) for key, values in parts.items()}
    start = (cycle.warmup + np.arange(cycle.count)) * cycle.length * 1e-3
    dims = ("condition", "seed", "cycle")

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
        except schema.AnalysisError as error:
            raise InputError(f"{where}: {error}") from None
        # a deviation from a reference condition has no unit
        expected = found.unit if criterion.get("reference") is None else "1"
        unit = criterion.get("unit", expected)
        if unit != expected:
            raise InputError(f"{where}: unit '{unit}', but '{found.name}' here has '{expected}'")


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
    settings: Iterable[str] = (),
    out: Path | str | None = None,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> Path:
    """Run a run file and write its folder.

    Parameters
    ----------
    path : path or str
        A run file, or the name of one that comes along.
    size, device, seeds, cycles, conditions, settings
        See `circuits.runfile.resolve`.
    out : path, optional
        The run folder; default ``runs/out/NAME-HASH`` in a clone, ``pulvinar-out/NAME-HASH``
        elsewhere. A finished run there is replaced.
    jobs : int, optional
        Processes at a time; default one for each core.
    progress : Progress, optional

    Returns
    -------
    Path
        The folder, with run.json, result.nc, verdicts.json and report.html; on device cuda with
        the generated project alone. It is written whole or not at all.

    Raises
    ------
    InputError
        One line that names the file, the key and the nearest valid choice.
    DeviceError
        If the program did not build or run.
    """
    run = resolve(
        path, size=size, device=device, seeds=seeds, cycles=cycles, conditions=conditions,
        settings=settings,
    )  # fmt: skip
    if jobs is not None and jobs < 1:
        raise InputError(f"--jobs {jobs} is below 1")
    if run.experiment == "circuit":
        _check_device(run)
    check_criteria(run)
    document = run.document | {"device": run.device, "conditions": [c.name for c in run.conditions]}
    folder = store.run_folder(run.name, document, out)
    store.check_writable(folder)
    progress = progress or Progress()
    started = datetime.now(UTC)
    clock = time.perf_counter()
    if run.experiment == "synapse":
        ds, info = _run_bench(run, progress)
    elif run.device == "cuda":
        return _generate_cuda(run, folder, progress)
    else:
        ds, info = simulate(run, jobs=jobs, progress=progress)
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
    return folder


def _check_device(run: Run) -> None:
    """Raise, before anything runs, if the compiler that the device needs is missing."""
    programs = [cache_folder() / "programs" / c.plan.digest for c in run.conditions]
    compiled = all((program / "program.json").is_file() for program in programs)
    if run.device == "cpp" and not compiled and shutil.which("g++") is None:
        raise InputError(
            f"{run.file}: device 'cpp' needs a C++ compiler and there is no g++: install it"
            " (Debian: apt install g++) or say --device numpy"
        )


def _generate_cuda(run: Run, folder: Path, progress: Progress) -> Path:
    """Write the CUDA project of the first condition and seed; it is neither compiled nor run."""
    from circuits.cuda import generate_cuda

    progress.begin(f"{run.name}: generating the CUDA project")
    condition = run.conditions[0]
    arrays, _ = arrays_of(condition, run.cycle, run.seeds[0])
    with store.new_folder(folder) as partial:
        generate_cuda(condition.plan, arrays, partial / "cuda")
        store.write_json(partial / "run.json", _describe(run, {"generated_only": True}))
    return folder


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
