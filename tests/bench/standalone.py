"""Compiled programs of the bench that are no circuit plans: written, compiled, launched."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import brian2
import numpy as np
from brian2 import get_device, second

from cells import fast_math
from circuits.engine import cpp
from tests.bench.measure import Usage, fresh, usage

_SEED = """
if(const char* _seed = getenv("BENCH_SEED"))
    brian::_random_generators[0].seed(strtoul(_seed, 0, 10));
"""
_DT = """
if(const char* _dt = getenv("BENCH_DT"))
    brian::_array_defaultclock_dt[0] = atof(_dt);
"""


def _take_duration_from_environment(device) -> None:
    for kind, args in device.main_queue:
        if kind == "run_network":
            network, lines = args
            fixed, taken = f"{network.name}.run(1.0,", f'{network.name}.run(atof(getenv("'
            lines[:] = [line.replace(fixed, f'{taken}PULVINAR_DURATION")),') for line in lines]


def _write(folder: str, make: Callable, arguments: tuple, fast: bool) -> dict:
    start = time.perf_counter()
    with usage() as used:
        if fast:
            fast_math.use_fast_math()
        brian2.set_device("cpp_standalone", build_on_run=False, directory=None)
        device = get_device()
        device.insert_code("main", _SEED)
        network, monitors = make(*arguments)
        device.insert_code("main", _DT)
        network.run(1 * second)
        _take_duration_from_environment(device)
        # Brian2's own makefile where plain Brian2 is measured
        device.build(directory=folder, compile=not fast, run=False, with_output=False)
        described = {
            name: {
                k: [device.get_array_filename(m.variables[k]), str(np.dtype(m.variables[k].dtype))]
                for k in ("i", "t")
            }
            for name, m in monitors.items()
        }
        if fast:
            cpp._compile(Path(folder), None)
    build = {"wall": time.perf_counter() - start, "cpu": used.cpu + used.own}
    for leftover in (*Path(folder).rglob("*.o"), *Path(folder).rglob("*.gch")):
        leftover.unlink()
    description = {"spikes": described, "build": build}
    (Path(folder) / "bench.json").write_text(json.dumps(description))
    return build


def build(folder: Path, make: Callable, *arguments, fast: bool) -> dict[str, float]:
    """Compile a network in a new Python process, unless it is there; return wall and CPU time.

    Parameters
    ----------
    folder : Path
        Made anew.
    make : callable
        Returns (network, {name: SpikeMonitor}); called with ``arguments`` in the new process.
    fast : bool
        With the project's flags and functions; else with Brian2's defaults and its makefile.
    """
    if not (folder / "bench.json").is_file():
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        fresh(_write, str(folder), make, arguments, fast)
    return json.loads((folder / "bench.json").read_text())["build"]


def execute(program: Path, folder: Path, **environment) -> None:
    """Run a compiled program in a folder with its static arrays and an empty folder of results.

    Raises
    ------
    RuntimeError
        With what it wrote to its error stream.
    """
    done = subprocess.run(
        [str(program), "--results_dir", "results/"], cwd=folder, capture_output=True, text=True,
        env={**os.environ, **{key: str(value) for key, value in environment.items()}},
    )  # fmt: skip
    if done.returncode or done.stderr.strip():
        raise RuntimeError(f"{program} failed: {done.stderr.strip() or done.returncode}")


def launch(
    folder: Path, *, dt_ms: float, duration: float, seed: int = 1, memory: bool = False
) -> tuple[Usage, dict[str, tuple[np.ndarray, np.ndarray]]]:
    """Run a compiled program; return what it used and its spikes (index, time in s) by monitor."""
    described = json.loads((folder / "bench.json").read_text())["spikes"]
    with tempfile.TemporaryDirectory(prefix="pulvinar-bench-") as where:
        here = Path(where)
        (here / "results").mkdir()
        (here / "static_arrays").symlink_to(folder / "static_arrays")
        with usage(memory) as used:
            execute(
                folder / "main", here, PULVINAR_DURATION=duration, BENCH_DT=dt_ms * 1e-3,
                BENCH_SEED=seed,
            )  # fmt: skip
        spikes = {
            name: tuple(
                np.fromfile(here / "results" / file, dtype=kind)
                for file, kind in (files["i"], files["t"])
            )
            for name, files in described.items()
        }
    return used, spikes
