"""Where a program runs: Brian2's runtime, or compiled C++ kept in a cache.

A compiled program is kept under the digest of its plan. All numbers of a run (weights, wiring,
delays, parameters, stimulus, keys of the noise, duration) reach it at launch as files and
environment, so other seeds, weights, stimuli or lesions do not compile anything.

Standalone programs fail silently in several ways; every launch checks the exit status, the error
stream, that every result file is there, that the run got to its end, and that it stayed finite.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import brian2
import numpy as np
from brian2 import Synapses, get_device, prefs, second

from cells.fast_math import COMPILE_FLAGS, use_fast_math
from cells.parameters import InputError, nearest
from cells.preferences import own_preferences
from circuits.plan import Plan
from circuits.program import TIMED, check_network, construct

__all__ = ["DEVICES", "DeviceError", "Recording", "build", "cache_folder", "generate", "run_plan"]

DEVICES = ("numpy", "cython", "cpp", "cuda")
Progress = Callable[[float, float], None]

_REPORT = """
std::cout << "progress " << completed << " " << elapsed << std::endl;
"""


_STATE = Path(__file__).with_name("state.h")


class DeviceError(RuntimeError):
    """A build or a launch went wrong; the message is one line."""


@dataclass
class Recording:
    """What a run left behind.

    Attributes
    ----------
    spikes : dict of str to (index, time)
        Per group: int array and float array in seconds, in order of time, then index.
    traces : dict of str to dict of str to array
        Per group: ``t`` (s), and each potential (V) as (cell, sample).
    weights : dict of str to (snapshot, synapse) array
        Per plastic Synapses: at the start of every interval, and at the end.
    wall : dict of str to float
        Seconds spent on ``build`` and ``run``.
    """

    spikes: dict
    traces: dict = field(default_factory=dict)
    weights: dict = field(default_factory=dict)
    wall: dict = field(default_factory=dict)


def cache_folder() -> Path:
    """Return the folder of compiled programs: ``$PULVINAR_CACHE`` or the user's cache."""
    if folder := os.environ.get("PULVINAR_CACHE"):
        return Path(folder)
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "pulvinar"


def _ordered(i, t) -> tuple[np.ndarray, np.ndarray]:
    i, t = np.asarray(i, dtype=np.int32), np.asarray(t, dtype=float)
    order = np.lexsort((i, t))
    return i[order], t[order]


def _check_finite(name: str, values) -> None:
    if not np.isfinite(values).all():
        raise DeviceError(f"the run did not stay finite: {name} has NaN; try a smaller step (dt)")


def run_plan(
    plan: Plan,
    arrays: Mapping[str, np.ndarray],
    *,
    duration: float,
    device: str = "cpp",
    progress: Progress | None = None,
    start: Path | None = None,
    stop: Path | None = None,
) -> Recording:
    """Run a plan with the given numbers.

    Parameters
    ----------
    plan : Plan
    arrays : mapping of str to array
        From `draw_arrays`, and ``"stimulus"`` (bin, channel) in Hz with the plan's shape.
    duration : float
        Seconds.
    device : {"numpy", "cython", "cpp", "cuda"}
    progress : callable, optional
        Called with the completed fraction and the seconds so far.
    start : path, optional
        State to go on from, as an earlier launch left it; device cpp only. The program must be the
        same one; what is constant in a run (wiring, parameters, stimulus) is that of ``arrays``.
    stop : path, optional
        File for the state at the end; device cpp only. A run in two pieces is, bit for bit, the run
        in one.

    Returns
    -------
    Recording

    Raises
    ------
    InputError
        For an unknown device, or one that cannot run, or cannot keep its state.
    DeviceError
        If the program failed, or the state is damaged or that of another program.
    """
    if device not in DEVICES:
        raise InputError(f"unknown device '{device}'{nearest(device, DEVICES)}")
    if (start or stop) and (device != "cpp" or plan.threads > 1):
        many = f" with {plan.threads} threads" if plan.threads > 1 else ""
        raise InputError(
            f"device '{device}'{many} cannot keep the state of a run; cpp with one thread can"
        )
    if device in ("cpp", "cuda"):
        begin = time.perf_counter()
        if device == "cuda":
            from circuits.cuda import build_to_run

            folder = build_to_run(plan, arrays, progress=progress)
        else:
            folder = build(plan, arrays, progress=progress)
        built = time.perf_counter() - begin
        recording = _launch(folder, plan, arrays, duration, progress, start, stop)
        recording.wall["build"] = built
        return recording
    return _run_runtime(plan, arrays, duration, device, progress)


def _run_runtime(plan, arrays, duration, target, progress) -> Recording:
    brian2.set_device("runtime")
    start = time.perf_counter()
    with own_preferences(target):
        program = construct(plan, arrays)
        report = None
        if progress is not None:

            def report(elapsed, completed, start, duration):
                progress(float(completed), float(elapsed / second))

        built = time.perf_counter() - start
        program.network.run(duration * second, report=report, report_period=1 * second)
    for name, group in program.groups.items():
        for v in plan.group(name).potentials:
            _check_finite(f"{name}.{v}", np.asarray(getattr(group, v)))
    spikes = {
        name: _ordered(monitor.i, monitor.t / second) for name, monitor in program.spikes.items()
    }
    traces = {
        name: {
            "t": np.asarray(monitor.t / second),
            **{v: np.asarray(getattr(monitor, v)) for v in plan.group(name).potentials},
        }
        for name, monitor in program.traces.items()
    }
    weights = {
        name: np.vstack([np.asarray(monitor.w).T, np.asarray(monitor.source.w)])
        for name, monitor in program.weights.items()
    }
    for name, values in weights.items():
        _check_finite(f"{name}.w", values[-1])
    wall = {"build": built, "run": time.perf_counter() - start - built}
    return Recording(spikes, traces, weights, wall)


def build(plan: Plan, arrays: Mapping[str, np.ndarray], progress: Progress | None = None) -> Path:
    """Return the folder of the compiled program of a plan, compiling it if need be.

    Parameters
    ----------
    plan : Plan
    arrays : mapping of str to array
        Any numbers of the right shapes.
    progress : callable, optional
        Called with (nan, seconds so far) while compiling.

    Returns
    -------
    Path
        Holds ``main`` and ``program.json``.

    Raises
    ------
    InputError
        If there is no C++ compiler.
    DeviceError
        If it does not compile.
    """
    home = cache_folder() / "programs" / plan.digest
    if (home / "program.json").is_file():
        return home
    if shutil.which("g++") is None:
        raise InputError(
            "device 'cpp' needs a C++ compiler and there is no g++: install it (Debian: apt install"
            " g++) or use --device numpy"
        )
    home.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f"{plan.digest}.", dir=home.parent))
    try:
        description = generate(plan, arrays, partial)
        _compile(partial, progress, ["-fopenmp"] if plan.threads > 1 else [])
        for leftover in (*partial.rglob("*.o"), *partial.rglob("*.gch")):
            leftover.unlink()
        (partial / "program.json").write_text(json.dumps(description))
        with contextlib.suppress(OSError):
            partial.rename(home)  # another process may have been faster
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return home


@own_preferences()
def generate(plan: Plan, arrays, folder: Path, target: str = "cpp_standalone") -> dict:
    """Write the project of a plan; return where its numbers go in and come out.

    Parameters
    ----------
    plan : Plan
    arrays : mapping of str to array
    folder : Path
    target : {"cpp_standalone", "cuda_standalone"}

    Returns
    -------
    dict
        What ``program.json`` holds: ``static`` (array of the run -> files), ``files`` (file ->
        dtype, size), and by name the result files of ``spikes``, ``traces``, ``weights`` and
        ``potentials``.
    """
    use_fast_math()
    brian2.set_device(target, build_on_run=False, directory=None)
    device = get_device()
    device.reinit()
    device.activate(build_on_run=False, directory=None)
    prefs.devices.cpp_standalone.openmp_threads = plan.threads if plan.threads > 1 else 0
    try:
        gc.collect()  # names of an earlier program are free only then
        program = construct(plan, arrays)
        check_network(program.network)
        program.network.run(1 * second, report=_REPORT, report_period=0.5 * second)
        keeps_state = target == "cpp_standalone" and plan.threads == 1
        _take_over_run(device, program, plan, keeps_state)
        if keeps_state:
            device.insert_code("before_start", "pulvinar::end_with_parent();")
        device.build(directory=str(folder), compile=False, run=False)
        if target == "cpp_standalone":
            _hide_sizes(folder)
        if keeps_state:
            shutil.copy(_STATE, folder)
            main = folder / "main.cpp"
            main.write_text(f'#include "{_STATE.name}"\n{main.read_text()}')
        timed = {
            key: [name for name in device.static_arrays if name.endswith(f"{TIMED[key]}_values")]
            for key in TIMED
            if key in arrays
        }
        static = {**program.static, **timed}

        def result(variable):
            return [device.get_array_filename(variable), str(np.dtype(variable.dtype))]

        return {
            "static": static,
            "files": {k: [str(a.dtype), a.size] for k, a in device.static_arrays.items()},
            "spikes": {
                name: {k: result(monitor.variables[k]) for k in ("i", "t")}
                for name, monitor in program.spikes.items()
            },
            "traces": {
                name: {k: result(monitor.variables[k]) for k in ("t", *plan.group(name).potentials)}
                for name, monitor in program.traces.items()
            },
            "weights": {
                name: [result(monitor.variables["w"]), result(monitor.source.variables["w"])]
                for name, monitor in program.weights.items()
            },
            "potentials": {
                f"{name}.{v}": result(group.variables[v])
                for name, group in program.groups.items()
                for v in plan.group(name).potentials
            },
        }
    finally:
        prefs.devices.cpp_standalone.openmp_threads = 0
        device.reinit()
        brian2.set_device("runtime")


def _hide_sizes(folder: Path) -> None:
    """Keep the compiler from knowing how many cells a loop goes over.

    It unrolls short loops and rounds there in another way, so that a cell would not do the same in
    a group of another size.
    """
    known = re.compile(r"^(\s*)const int64_t N = (\d+);$", re.MULTILINE)
    changed = 0
    for path in (folder / "code_objects").glob("*.cpp"):
        hidden = r'\1int64_t N = \2; __asm__("" : "+r"(N));'
        text, n = known.subn(hidden, path.read_text())
        path.write_text(text)
        changed += n
    if not changed:
        raise DeviceError("the generated program has no sizes; is this another Brian2?")


def _state_items(device, program) -> list[str]:
    """Return C++ statements that visit all that changes in a run; see state.h."""
    monitors = [*program.spikes.values(), *program.traces.values(), *program.weights.values()]
    passive = {monitor.name for monitor in monitors}
    lines = []
    for variable, name in sorted(device.arrays.items(), key=lambda item: item[1]):
        # what is constant is given at every launch
        if variable.constant or variable.owner.name in passive:
            continue
        if variable in device.dynamic_arrays:
            lines.append(f'state.array("{name}", {device.dynamic_arrays[variable]});')
        else:
            size = f"_num_{name}*sizeof({name}[0])"
            lines.append(f'state.array("{name}", {name}, {size});')
    pathways = [p for o in program.network.objects if isinstance(o, Synapses) for p in o._pathways]
    lines += [
        f'state.queue("{name}", *{name}.queue[0]);' for name in sorted(p.name for p in pathways)
    ]
    return lines


def _take_over_run(device, program, plan: Plan, keeps_state: bool) -> None:
    """Let the compiled program take its duration, and its state, from what it is launched with."""
    changed = 0
    for k, (kind, args) in enumerate(device.main_queue):
        if kind != "run_network":
            continue
        network, lines = args
        fixed = f"{network.name}.run(1.0,"
        new = []
        for line in lines:
            if fixed not in line:
                new.append(line)
                continue
            changed += 1
            run = line.replace(fixed, f'{network.name}.run(atof(getenv("PULVINAR_DURATION")),')
            if not keeps_state:
                new.append(run)
                continue
            time = f"state.time({network.name}.t, {plan.dt_ms * 1e-3!r});"
            new += [
                f'pulvinar::State state("{plan.digest}");',
                "const auto visit = [&]() {",
                time,
                *_state_items(device, program),
                "state.close();",
                "};",
                'if(state.open(getenv("PULVINAR_STATE_IN"))) visit();',
                run,
                'if(state.create(getenv("PULVINAR_STATE_OUT"))) visit();',
            ]
        device.main_queue[k] = (kind, (network, new))
    if changed != 1:
        raise DeviceError("the generated program has no single run; is this another Brian2?")


# Files that run once, at the start and the end: optimising them costs half of the compile time.
_COLD = ("main", "objects")
_HEADER = "objects.h"  # precompiled: every file spends most of its time on what this includes


def _compile(folder: Path, progress: Progress | None, more: Sequence[str] = ()) -> None:
    """Compile and link the project in ``folder``, one process per core, with ``more`` flags."""
    compiler = shutil.which("g++")
    start = time.perf_counter()
    hot = [*COMPILE_FLAGS, "-std=c++11", "-I.", *more]
    cold = ["-w", "-O0", "-march=native", "-std=c++11", "-I.", *more]
    sources = sorted(
        path.relative_to(folder)
        for pattern in ("*.cpp", "code_objects/*.cpp", "brianlib/**/*.cpp")
        for path in folder.glob(pattern)
    )

    def run(*arguments) -> None:
        done = subprocess.run(
            [compiler, *map(str, arguments)], cwd=folder, capture_output=True, text=True
        )
        if done.returncode:
            lines = [line for line in done.stderr.splitlines() if "error" in line]
            raise DeviceError(f"compiling failed: {(lines or ['no message'])[0]}")

    def compile_one(source: Path) -> None:
        flags = cold if source.stem in _COLD else ["-include", _HEADER, *hot]
        run(*flags, "-c", source, "-o", source.with_suffix(".o"))
        if progress is not None:
            progress(float("nan"), time.perf_counter() - start)

    run(*hot, "-x", "c++-header", _HEADER, "-o", f"{_HEADER}.gch")
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        try:
            list(pool.map(compile_one, sources))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    run(*(source.with_suffix(".o") for source in sources), *more, "-o", "main")


def _write_numbers(folder: Path, home: Path, description: dict, arrays) -> None:
    (folder / "static_arrays").mkdir()
    (folder / "results").mkdir()
    written = set()
    for key, files in description["static"].items():
        values = np.asarray(arrays[key])
        for name in files:
            dtype, size = description["files"][name]
            if values.size != size:
                raise DeviceError(f"{key} has {values.size} values, the program expects {size}")
            values.astype(dtype).tofile(folder / "static_arrays" / name)
            written.add(name)
    missing = set(arrays) - set(description["static"])
    if missing:
        raise DeviceError(f"the program has no place for {', '.join(sorted(missing))}")
    for name in set(description["files"]) - written:
        shutil.copy(home / "static_arrays" / name, folder / "static_arrays" / name)


def _launch(home: Path, plan, arrays, duration, progress, start=None, stop=None) -> Recording:
    description = json.loads((home / "program.json").read_text())
    folder = Path(tempfile.mkdtemp(prefix="pulvinar-"))
    try:
        _write_numbers(folder, home, description, arrays)
        begin = time.perf_counter()
        states = {"IN": start and Path(start).absolute(), "OUT": stop and folder / "state"}
        _run_program(home / "main", folder, duration, progress, states)
        wall = time.perf_counter() - begin
        results = folder / "results"

        def read(entry):
            path = results / entry[0]
            if not path.is_file():
                raise DeviceError(f"the program left no file {entry[0]}")
            return np.fromfile(path, dtype=entry[1])

        for name, entry in description["potentials"].items():
            _check_finite(name, read(entry))
        spikes = {
            name: _ordered(read(files["i"]), read(files["t"]))
            for name, files in description["spikes"].items()
        }
        traces = {}
        for name, files in description["traces"].items():
            t = read(files["t"])
            traces[name] = {"t": t} | {
                v: read(entry).reshape(len(t), -1).T for v, entry in files.items() if v != "t"
            }
        weights = {}
        for name, (noted, last) in description["weights"].items():
            final = read(last)
            weights[name] = np.vstack([read(noted).reshape(-1, len(final)), final])
            _check_finite(f"{name}.w", final)
        if stop is not None:
            partial = Path(f"{stop}.part")
            shutil.copyfile(folder / "state", partial)
            partial.replace(stop)
        return Recording(spikes, traces, weights, {"run": wall})
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run_program(main: Path, folder: Path, duration, progress, states) -> None:
    environment = {
        **os.environ,
        **{f"PULVINAR_STATE_{key}": str(path) for key, path in states.items() if path},
        "PULVINAR_DURATION": repr(float(duration)),
        # threads that spin for the next step would take the core from those that still work
        "OMP_WAIT_POLICY": "passive",
        "GOMP_SPINCOUNT": "0",
    }
    errors = (folder / "stderr").open("w+")
    # a session of its own: an interrupt must reach us, not make the program write half a result
    process = subprocess.Popen(
        [str(main), "--results_dir", "results/"], cwd=folder, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=errors, start_new_session=True,
    )  # fmt: skip
    try:
        for line in process.stdout:
            if progress is not None and line.startswith("progress "):
                completed, elapsed = map(float, line.split()[1:3])
                progress(completed, elapsed)
        process.wait()
    except BaseException:
        process.kill()
        process.wait()
        raise
    errors.seek(0)
    message = errors.read().strip()
    errors.close()
    if process.returncode or message:
        first = message.splitlines()[0] if message else f"exit status {process.returncode}"
        raise DeviceError(f"the compiled program failed: {first}")
    info = folder / "results" / "last_run_info.txt"
    if not info.is_file() or abs(float(info.read_text().split()[1]) - 1) > 1e-6:
        raise DeviceError("the compiled program stopped before its end")
