"""Simulations in processes of their own, which share how far they are."""

from __future__ import annotations

import ctypes
import math
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from functools import partial

from circuits.driver.interrupt import handle_interrupts
from circuits.driver.progress import Progress
from circuits.engine.project import DeviceError
from circuits.runfiles.extensions import load_extensions

__all__ = ["run_jobs"]

_PR_SET_PDEATHSIG = 1  # of linux/prctl.h

# of a worker: what it runs, and the shares that are done, in memory that all processes see
_simulate = _shares = None


def _end_with(parent: int) -> None:
    """Let this process get a signal when its parent is gone, even one that was killed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it is gone already
        os._exit(1)


def _start_worker(simulate, shares, extensions, parent) -> None:
    global _simulate, _shares
    _simulate, _shares = simulate, shares
    load_extensions(extensions, "extensions")
    # an interrupt reaches the parent, which then ends its workers
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    handle_interrupts(signal.SIGTERM, error=SystemExit)
    _end_with(parent)


def _known(tell: Callable[[float], None]) -> Callable[[float, float], None]:
    """Return the progress of a job, which tells shares that are known."""

    def progress(fraction, elapsed):
        if math.isfinite(fraction):
            tell(fraction)

    return progress


def _in_turn(simulate, jobs, progress: Progress, done_one) -> list:
    found = []
    for k, (runs, options) in enumerate(jobs):

        def tell(fraction, k=k):
            progress.update((k + fraction) / len(jobs))

        found.append(simulate(runs, progress=_known(tell), **options))
        done_one(k, found[-1])
    return found


def _work(number, runs, options):
    try:
        result = _simulate(runs, progress=_known(partial(_shares.__setitem__, number)), **options)
    except SystemExit as stop:
        # what the run had started is gone by now; the pool would go on with the next one
        os._exit(stop.code)
    _shares[number] = 1.0
    return result


def _end(pool, before) -> None:
    """End the workers, who first end the programs that they have started."""
    for process in set(multiprocessing.active_children()) - before:
        for _ in range(2):  # the pool swallows one that falls into the sending of a result
            process.terminate()
            process.join(5)
        process.kill()
        process.join(5)
    # last: a broken pool holds its lock until its processes are gone
    pool.shutdown(wait=False, cancel_futures=True)


def run_jobs(
    simulate: Callable,
    jobs: Sequence[tuple],
    n: int,
    progress: Progress,
    done_one: Callable[[int, list], None],
    extensions: Sequence[str] = (),
) -> list:
    """Simulate in this process, or in several at a time.

    Parameters
    ----------
    simulate : callable
        Of a module, so that a process finds it; takes ``progress`` besides what a job says.
    jobs : sequence of (runs, options)
        Its first argument, and its keywords.
    n : int
        Processes; 1 is this one.
    progress : Progress
        Of all jobs together.
    done_one : callable
        Called with the number of a job and its result when it is done.
    extensions : sequence of str
        Files that each process loads.

    Returns
    -------
    list
        Results in the order of the jobs.

    Raises
    ------
    DeviceError
        If a process died. What a job raises is raised here, when the other processes are gone.
    """
    if n == 1:
        return _in_turn(simulate, jobs, progress, done_one)
    context = multiprocessing.get_context("spawn")
    shares = context.RawArray("d", len(jobs))
    before = set(multiprocessing.active_children())
    # numpy's own threads would only fight over the cores
    kept = {k: os.environ.get(k) for k in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    os.environ.update(dict.fromkeys(kept, "1"))
    told = (simulate, shares, list(extensions), os.getpid())
    pool = ProcessPoolExecutor(n, context, _start_worker, told)
    try:
        futures = {pool.submit(_work, k, *job): k for k, job in enumerate(jobs)}
        workers = set(multiprocessing.active_children()) - before
        pending = set(futures)
        results: list = [None] * len(jobs)
        while pending:
            finished, pending = wait(pending, timeout=0.25, return_when=FIRST_COMPLETED)
            progress.update(sum(shares) / len(jobs))
            for future in finished:
                results[futures[future]] = future.result()
                done_one(futures[future], results[futures[future]])
            # the pool itself only waits for the workers that it had when it last looked
            if pending and any(worker.exitcode is not None for worker in workers):
                raise BrokenProcessPool
        pool.shutdown()
        return results
    except BrokenProcessPool:
        _end(pool, before)
        raise DeviceError("a worker process died; is there enough memory? try --jobs 1") from None
    except BaseException:
        _end(pool, before)
        raise
    finally:
        for key, value in kept.items():
            os.environ.pop(key) if value is None else os.environ.update({key: value})
