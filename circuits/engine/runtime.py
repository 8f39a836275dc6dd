"""A run in Brian2's runtime."""

from __future__ import annotations

import time

import brian2
import numpy as np
from brian2 import second

from cells.preferences import own_preferences
from circuits.engine.launch import Recording, arranged, check_finite, ordered
from circuits.engine.program import construct


def run_runtime(target, plan, arrays, duration, progress) -> Recording:
    """Run a plan on target numpy or cython; arguments are those of `run_plan`."""
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
            check_finite(f"{name}.{v}", np.asarray(getattr(group, v)))
    spikes = {
        name: ordered(monitor.i, monitor.t / second) for name, monitor in program.spikes.items()
    }
    monitors = program.traces
    traces = {
        one.name: {
            "t": np.asarray(monitors[one.name].t / second),
            **{v: arranged(one, np.asarray(getattr(monitors[one.name], v)).T)
               for v in one.variables},
        }
        for one in plan.traces
    }  # fmt: skip
    weights = {
        name: np.vstack([np.asarray(monitor.w).T, np.asarray(monitor.source.w)])
        for name, monitor in program.weights.items()
    }
    for name, values in weights.items():
        check_finite(f"{name}.w", values[-1])
    wall = {"build": built, "run": time.perf_counter() - start - built}
    return Recording(spikes, traces, weights, wall)
