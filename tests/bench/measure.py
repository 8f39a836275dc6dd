"""CPU time, wall time and memory of child processes; rounds, spreads and fits."""

from __future__ import annotations

import multiprocessing
import os
import platform
import resource
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

from tests.bench.alone import PEERS, version_of

PACKAGES = ("brian2", "numpy", "scipy", "sympy")


class Usage:
    """What the children that ended, and this process, used between two moments.

    Attributes
    ----------
    cpu : float
        CPU seconds (user and system) of the children.
    own : float
        CPU seconds of this process.
    wall : float
        Seconds.
    rss : int
        Largest resident memory of any child that was seen, in bytes; 0 unless it was asked for.
    """

    cpu = own = wall = float("nan")
    rss = 0


def _cpu(who) -> float:
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime


def _children() -> list[int]:
    pids: list[int] = []
    for task in Path("/proc/self/task").iterdir():
        try:
            pids += map(int, (task / "children").read_text().split())
        except OSError:
            continue
    return pids


def _peak(pid: int) -> int:
    """Return the resident peak of a process since its exec, in bytes."""
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


@contextmanager
def usage(memory: bool = False):
    """Measure what happens inside; ``with usage() as used: ...``, then ``used.cpu``.

    ``ru_maxrss`` of a child counts the memory of the parent that it was forked from, hence with
    ``memory`` the peaks of the children are read from /proc every 10 ms. Until it is another
    program, a child has the parent's peak there too, so the last one of each counts.
    """
    used = Usage()
    stop = threading.Event()
    peaks: dict[int, int] = {}

    def watch():
        while not stop.wait(0.01):
            for pid in _children():
                peaks[pid] = _peak(pid) or peaks.get(pid, 0)

    watcher = threading.Thread(target=watch, daemon=True) if memory else None
    if watcher:
        watcher.start()
    start = time.perf_counter(), _cpu(resource.RUSAGE_CHILDREN), _cpu(resource.RUSAGE_SELF)
    try:
        yield used
    finally:
        used.wall = time.perf_counter() - start[0]
        used.cpu = _cpu(resource.RUSAGE_CHILDREN) - start[1]
        used.own = _cpu(resource.RUSAGE_SELF) - start[2]
        if watcher:
            stop.set()
            watcher.join()
            used.rss = max(peaks.values(), default=0)


def fresh(function: Callable, *arguments):
    """Call a function of a module in a new Python process: no caches, no changed preferences."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def interleaved(jobs: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Call every job once in each round, in another order each time; return all values."""
    values: dict[str, list[float]] = {name: [] for name in jobs}
    names = list(jobs)
    for k in range(rounds):
        turn = k % len(names)
        for name in names[turn:] + names[:turn]:
            values[name].append(jobs[name]())
    return values


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return smallest, median and largest value, and how many there are."""
    values = np.asarray(values, dtype=float)
    return {
        "min": float(values.min()),
        "median": float(np.median(values)),
        "max": float(values.max()),
        "n": int(values.size),
    }


def ratios(above: Sequence[float], below: Sequence[float]) -> list[float]:
    """Return the ratio of each round: what ran side by side is compared, not medians of both."""
    return [a / b for a, b in zip(above, below, strict=True)]


def power_law(x: Sequence[float], y: Sequence[float]) -> tuple[float, float]:
    """Fit y = c x**k by least squares of the logarithms; return (k, c)."""
    k, log_c = np.polyfit(np.log(x), np.log(y), 1)
    return float(k), float(np.exp(log_c))


def cost_at(error: float, errors: Sequence[float], costs: Sequence[float]) -> tuple[float, str]:
    """Return the cost of reaching an error, and how it was found.

    Between the measured errors it is interpolated (linearly in the logarithms). Where even the
    cheapest setting is more accurate than that, it is the cost of the cheapest; where no setting
    reaches it, it is infinite.
    """
    order = np.argsort(errors)
    errors, costs = np.asarray(errors, float)[order], np.asarray(costs, float)[order]
    # of all settings that are at least as accurate, the cheapest counts
    best = np.minimum.accumulate(costs)
    if errors[0] > error:
        return float("inf"), "out of reach"
    if errors[-1] <= error:
        return float(best[-1]), "cheapest setting, more accurate"
    log = np.interp(np.log(error), np.log(errors), np.log(best))
    return float(np.exp(log)), "interpolated"


def machine() -> dict[str, str]:
    """Return processor, cores, memory, compiler and the versions of packages."""
    found = {"system": f"{platform.system()} {platform.machine()}", "cores": str(os.cpu_count())}
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        found["processor"] = next(x for x in lines if x.startswith("model name")).split(": ")[1]
        memory = int(Path("/proc/meminfo").read_text().split()[1])
        found["memory"] = f"{memory / 2**20:.0f} GiB"
    except (OSError, StopIteration, ValueError, IndexError):
        found["processor"] = platform.processor()
    found["python"] = platform.python_version()
    try:
        done = subprocess.run(["g++", "--version"], capture_output=True, text=True, check=True)
        found["g++"] = done.stdout.splitlines()[0].split()[-1]
    except (OSError, subprocess.CalledProcessError):
        found["g++"] = "none"
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "none"
    return found | {package: version_of(peer) for peer, package in PEERS.items()}
