"""What sweeps must be able to do, on the circuit: ``python -m tests.bench.sweeps``.

Two sweeps at once in an empty cache; 200 runs of one program; one worker against two; a worker and
then a whole sweep killed in the middle; a scheduler in another process tree. Writes
``runs/results/bench/sweeps.json``. Alone on the machine, about a quarter of an hour.
``python -m tests.bench.sweeps programs`` counts compiled programs alone, over 200 runs of two
cycles: the load of the machine does not matter to it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import xarray as xr

from tests.circuits.sweeps.scheduler import SCHEDULER

ROOT = Path(__file__).parents[2]
RESULT = ROOT / "runs" / "results" / "bench" / "sweeps.json"
RUN = """
experiment = "circuit"
name = "contrast"
size = "tiny"
seeds = "1-8"
[cycle]
count = 15
warmup = 3
[[criteria]]
id = "rate"
claim = "Relay cells fire"
observable = "population_rate"
args = { population = "TRC" }
min = 0.1
unit = "Hz"
"""
FEW = "stimulus.contrast=0.2,0.4,0.6,0.8,1.0"
SOME = "stimulus.contrast=" + ",".join(f"{k / 10:.1f}" for k in range(1, 11))
MANY = "stimulus.contrast=" + ",".join(f"{k / 25:.2f}" for k in range(1, 26))


class Bench:
    """Sweeps in a folder and a cache of their own."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.environment = {**os.environ, "PULVINAR_CACHE": str(folder / "cache")}
        (folder / "contrast.toml").write_text(RUN)
        (folder / "cluster.py").write_text(SCHEDULER)

    def start(self, out: str, over: str, *options: str) -> subprocess.Popen:
        """Start a sweep."""
        command = ["-m", "circuits.cli.main", "sweep", str(self.folder / "contrast.toml")]
        command += ["--over", over, "--out", str(self.folder / out), *options]
        return subprocess.Popen(
            [sys.executable, *command], cwd=ROOT, env=self.environment, start_new_session=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def sweep(self, out: str, over: str, *options: str) -> float:
        """Run a sweep to its end and return its seconds."""
        begin = time.perf_counter()
        if self.start(out, over, *options).wait():
            raise RuntimeError(f"the sweep {out} failed")
        return time.perf_counter() - begin

    def done(self, out: str) -> int:
        """Return the number of runs that are finished."""
        return len(list((self.folder / out / "runs").glob("*.nc")))

    def until(self, out: str, n: int) -> None:
        """Wait until so many are."""
        end = time.monotonic() + 600
        while self.done(out) < n and time.monotonic() < end:
            time.sleep(0.02)

    def same(self, a: str, b: str) -> bool:
        """Tell if two sweeps gave the same Dataset, bit for bit."""
        found = []
        for name in (a, b):
            path = self.folder / name / "sweep.nc"
            with xr.open_dataset(path, engine="h5netcdf", decode_times=False) as ds:
                found.append(ds.load())
        return found[0].identical(found[1])

    def programs(self) -> int:
        """Return the number of programs in the cache."""
        cache = self.folder / "cache" / "programs"
        return len([p for p in cache.iterdir() if p.is_dir()]) if cache.is_dir() else 0


def kill_a_worker(bench: Bench, process: subprocess.Popen) -> int:
    """Kill one process that measures; return how many there were."""
    children = psutil.Process(process.pid).children(recursive=True)
    workers = [p for p in children if "spawn_main" in " ".join(p.cmdline())]
    workers[0].send_signal(signal.SIGKILL)
    return len(workers)


def count_programs(bench: Bench) -> dict:
    """Count what is compiled before a sweep of 200 runs, after its first run and after all."""
    short = RUN.replace("count = 15\nwarmup = 3", "count = 2\nwarmup = 0")
    (bench.folder / "contrast.toml").write_text(short)
    found = {"programs before": bench.programs()}
    bench.sweep("first", "stimulus.contrast=0.04", "--seeds", "1", "--workers", "1")
    found["programs after the first run"] = bench.programs()
    bench.sweep("all", MANY, "--workers", "1")
    return found | {"programs after all": bench.programs(), "runs": bench.done("all")}


def measure(bench: Bench) -> dict:
    """Do all of it."""
    found: dict = {}
    both = [bench.start(out, FEW, "--workers", "1") for out in ("a", "b")]
    found["two at once in an empty cache"] = [p.wait() for p in both] == [0, 0]
    found["and the same"] = bench.same("a", "b")
    found["programs after them"] = bench.programs()

    found["200 runs, two workers, s"] = bench.sweep("many", MANY, "--workers", "2")
    found["runs"] = bench.done("many")
    found["programs after 200 runs"] = bench.programs()
    found["again, nothing to do, s"] = start = bench.sweep("many", MANY, "--workers", "2")
    for workers in (1, 2):
        took = bench.sweep(f"by {workers}", SOME, "--workers", str(workers))
        found[f"80 runs, workers {workers}, s"] = took
    one, two = (found[f"80 runs, workers {k}, s"] - start for k in (1, 2))
    found["two workers over one, without the start"] = one / two
    found["one and two workers: the same"] = bench.same("by 1", "by 2")
    found["load of the machine"] = os.getloadavg()[0]

    process = bench.start("worker", FEW, "--workers", "2")
    bench.until("worker", 5)
    found["workers of which one is killed"] = kill_a_worker(bench, process)
    found["worker killed: exit status"] = process.wait()
    found["worker killed: the same"] = bench.same("worker", "a")

    process = bench.start("whole", FEW, "--workers", "2")
    bench.until("whole", 10)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    found["sweep killed after runs"] = bench.done("whole")
    found["sweep killed: no Dataset"] = not (bench.folder / "whole" / "sweep.nc").exists()
    bench.sweep("whole", FEW, "--workers", "2")
    found["sweep killed: the same"] = bench.same("whole", "a")

    other = {**bench.environment, "PULVINAR_CACHE": str(bench.folder / "other"),
             "PYTHONPATH": str(ROOT)}  # fmt: skip
    with subprocess.Popen(
        [sys.executable, str(bench.folder / "cluster.py")], env=other, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as cluster:  # fmt: skip
        address = cluster.stdout.readline().strip()
        bench.sweep("address", FEW, "--scheduler", address)
        cluster.stdin.close()
    found["another process tree and cache: the same"] = bench.same("address", "a")
    return {k: round(v, 2) if isinstance(v, float) else v for k, v in found.items()}


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        if sys.argv[1:] == ["programs"]:
            old = json.loads(RESULT.read_text()) if RESULT.is_file() else {}
            result = old | {"200 runs of two cycles": count_programs(bench)}
        else:
            result = measure(bench)
            result["cores"] = len(os.sched_getaffinity(0))
    for key, value in result.items():
        print(f"{key}: {value}")
    RESULT.write_text(json.dumps(result, indent=2) + "\n")
