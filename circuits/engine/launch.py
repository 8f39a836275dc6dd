"""One launch of a compiled program: its numbers in, its recording out.

Standalone programs fail silently in several ways; every launch checks the exit status, that every
result file is there and whole, that the run got to its end, and that it stayed finite. What a
program writes on its error stream is shown; a loader or a library may speak there too.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from circuits.engine.plan import Trace
from circuits.engine.project import DeviceError

__all__ = ["Recording"]

_IN_MEMORY = "/dev/shm"


@dataclass
class Recording:
    """What a run left behind.

    Attributes
    ----------
    spikes : dict of str to (index, time)
        Per group: int array and float array in seconds, in order of time, then index.
    traces : dict of str to dict of str to array
        Per trace of the plan: ``t`` (s), and each variable (SI) as (cell, sample) or, summed, as
        (copy, sample).
    weights : dict of str to (snapshot, synapse) array
        Per plastic Synapses: at the start of every interval, and at the end.
    wall : dict of str to float
        Seconds spent on ``build`` and ``run``.
    """

    spikes: dict
    traces: dict = field(default_factory=dict)
    weights: dict = field(default_factory=dict)
    wall: dict = field(default_factory=dict)


def ordered(i, t) -> tuple[np.ndarray, np.ndarray]:
    """Return spikes in order of time, then index."""
    i, t = np.asarray(i, dtype=np.int32), np.asarray(t, dtype=float)
    order = np.lexsort((i, t))
    return i[order], t[order]


def arranged(trace: Trace, values: np.ndarray) -> np.ndarray:
    """Return what a trace keeps of (sample, cell) values, as `Recording` has it."""
    if not trace.summed:
        return values.T
    shape = len(values), trace.copies, values.shape[1] // trace.copies
    return np.abs(values).reshape(shape).sum(axis=-1).T


def check_finite(name: str, values) -> None:
    """Raise DeviceError if a value is NaN or infinite."""
    if not np.isfinite(values).all():
        raise DeviceError(f"the run did not stay finite: {name} has NaN; try a smaller step (dt)")


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


def _scratch(needed: float) -> str | None:
    """Return where a program writes: in memory, if the user names no other place and there is room.

    A program leaves hundreds of small files, which are read and removed at once; some file systems
    take longer for these than the program for its run.
    """
    if any(os.environ.get(name) for name in ("TMPDIR", "TEMP", "TMP")):
        return None
    try:
        room = shutil.disk_usage(_IN_MEMORY).free
    except OSError:
        return None
    usable = os.access(_IN_MEMORY, os.W_OK | os.X_OK) and needed < room / 16
    return _IN_MEMORY if usable else None


def _bytes(plan, arrays, duration) -> float:
    """Return about what a program reads and writes; spikes are far less."""
    given = sum(np.asarray(values).nbytes for values in arrays.values())
    noted = sum(s.n for s in plan.synapses if s.plastic) / (plan.noted_ms or np.inf)
    traced = sum(len(one.indices) * len(one.variables) / one.period_ms for one in plan.traces)
    return 2 * given + 8e3 * duration * (noted + traced)


def launch(home: Path, plan, arrays, duration, progress, start=None, stop=None) -> Recording:
    """Run the compiled program in ``home``; arguments are those of `run_plan`."""
    description = json.loads((home / "program.json").read_text())
    folder = Path(
        tempfile.mkdtemp(prefix="pulvinar-", dir=_scratch(_bytes(plan, arrays, duration)))
    )
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

        def alike(name, i, t):
            if i.size != t.size:
                raise DeviceError(f"{name}: {i.size} spikes, but {t.size} times; is the disk full?")
            return i, t

        for name, entry in description["potentials"].items():
            check_finite(name, read(entry))
        spikes = {
            name: ordered(*alike(name, read(files["i"]), read(files["t"])))
            for name, files in description["spikes"].items()
        }
        traces = {}
        for one in plan.traces:
            files = description["traces"][one.name]
            t = read(files["t"])
            traces[one.name] = {"t": t} | {
                v: arranged(one, read(files[v]).reshape(len(t), len(one.indices)))
                for v in one.variables
            }
        weights = {}
        for name, (noted, last) in description["weights"].items():
            final = read(last)
            weights[name] = np.vstack([read(noted).reshape(-1, len(final)), final])
            check_finite(f"{name}.w", final)
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
    errors = (folder / "stderr").open("w+", errors="replace")
    failed = ""
    # a session of its own: an interrupt must reach us, not make the program write half a result
    process = subprocess.Popen(
        [str(main), "--results_dir", "results/"], cwd=folder, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=errors, start_new_session=True,
    )  # fmt: skip
    try:
        for line in process.stdout:
            if line.startswith("Error "):  # of a file that it could not read or write
                failed = line.strip()
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
    if process.returncode or failed:
        first = failed or (message or f"exit status {process.returncode}").splitlines()[0]
        raise DeviceError(f"the compiled program failed: {first}")
    if message:
        print(message, file=sys.stderr)
    info = folder / "results" / "last_run_info.txt"
    told = info.read_text().split() if info.is_file() else []
    if len(told) < 2 or abs(float(told[1]) - 1) > 1e-6:
        raise DeviceError("the compiled program stopped before its end")
