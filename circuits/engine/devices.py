"""Where a program runs: Brian2's runtime, compiled C++ or CUDA, in one table."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from cells.parameters import InputError, nearest
from circuits.engine.cpp import build, check_compiler
from circuits.engine.cuda import build_cuda, build_to_run
from circuits.engine.cuda_toolkit import has_gpu
from circuits.engine.launch import Recording, launch
from circuits.engine.plan import Plan
from circuits.engine.project import Progress
from circuits.engine.runtime import run_runtime

__all__ = ["DEVICES", "Device", "run_plan"]


@dataclass(frozen=True)
class Device:
    """What a device can do.

    Attributes
    ----------
    run : callable, optional
        Runs a plan at once: (plan, arrays, duration, progress) -> Recording. None where a program
        is compiled first.
    build : callable, optional
        Compiles the program of a plan: (plan, arrays, progress) -> folder.
    prepare : callable, optional
        As ``build``, and raises where the program cannot run; default ``build``.
    check : callable, optional
        Raises InputError where nothing can be compiled.
    is_here : callable
        Whether a compiled program can run on this machine.
    keeps_state : bool
        Whether a run with one thread can be left and gone on with.
    parallel : bool
        Whether several programs may run at a time.
    cached : bool
        Whether compiled programs stay, and can be sent elsewhere.
    timed : bool
        Whether `circuits.driver.needs` knows its speed.
    """

    run: Callable | None = None
    build: Callable | None = None
    prepare: Callable | None = None
    check: Callable[[], None] | None = None
    is_here: Callable[[], bool] = lambda: True
    keeps_state: bool = False
    parallel: bool = True
    cached: bool = False
    timed: bool = False

    def keeps_state_of(self, plan: Plan) -> bool:
        """Whether a run of this plan can be left and gone on with."""
        return self.keeps_state and plan.threads == 1


#: Every device by name.
DEVICES = {
    "numpy": Device(partial(run_runtime, "numpy")),
    "cython": Device(partial(run_runtime, "cython")),
    "cpp": Device(build=build, check=check_compiler, keeps_state=True, cached=True, timed=True),
    "cuda": Device(build=build_cuda, prepare=build_to_run, is_here=has_gpu, parallel=False),
}


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
    chosen = DEVICES[device]
    if (start or stop) and not chosen.keeps_state_of(plan):
        many = f" with {plan.threads} threads" if plan.threads > 1 else ""
        raise InputError(
            f"device '{device}'{many} cannot keep the state of a run; cpp with one thread can"
        )
    if chosen.run is not None:
        return chosen.run(plan, arrays, duration, progress)
    begin = time.perf_counter()
    folder = (chosen.prepare or chosen.build)(plan, arrays, progress=progress)
    built = time.perf_counter() - begin
    recording = launch(folder, plan, arrays, duration, progress, start, stop)
    recording.wall["build"] = built
    return recording
