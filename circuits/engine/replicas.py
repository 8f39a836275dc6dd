"""Copies of a circuit in one program, each with its own seed, stimulus, lesions and parameters.

All numbers of a run reach a program as arrays, so a program of several copies is that of one with
so many times the cells and synapses: copies follow one another in every group, and no synapse joins
two of them. Random numbers are functions of a cell's key, so a copy does what it does alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from circuits.engine.equations import TRAINS, column
from circuits.engine.launch import Recording
from circuits.engine.plan import COPY, INPUTS, Plan
from circuits.engine.program import TIMED
from circuits.engine.shared import PROJECTION, SHARED

__all__ = ["packed", "unpacked"]


def packed(plan: Plan, runs: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Return the arrays of a program of copies.

    Parameters
    ----------
    plan : Plan
        Of one copy.
    runs : sequence of mapping of str to array
        The arrays of each copy.

    Returns
    -------
    dict of str to array
        As the replicated plan takes them: functions of time have a column for each copy.
    """
    offsets = {f"{INPUTS}.channel": plan.channels}
    offsets |= {f"{group.name}.{COPY}": 1 for group in plan.groups}
    for part in (*plan.groups, *plan.synapses):
        offsets |= {f"{part.name}.{column(variable)}": plan.columns for variable in part.varied}
    for s in plan.synapses:
        offsets[f"{s.name}.i"] = plan.group(s.source).n
        offsets[f"{s.name}.j"] = plan.group(s.target).n
        offsets[f"{s.name}.{PROJECTION}"] = runs[0][SHARED].shape[1]
    if TRAINS in runs[0]:
        offsets[f"{INPUTS}.train"] = runs[0][TRAINS].shape[1]
    arrays = {}
    for key in runs[0]:
        parts = [run[key] for run in runs]
        if key in TIMED:
            arrays[key] = np.concatenate([part.reshape(len(part), -1) for part in parts], axis=1)
        else:
            step = offsets.get(key, 0)
            arrays[key] = np.concatenate(
                [part + part.dtype.type(k * step) if step else part for k, part in enumerate(parts)]
            )
    return arrays


def unpacked(plan: Plan, recording: Recording, copies: int) -> list[Recording]:
    """Return what each copy recorded.

    Parameters
    ----------
    plan : Plan
        Of one copy.
    recording : Recording
        Of the program.
    copies : int

    Returns
    -------
    list of Recording
        Of each copy as if it had been alone; the wall time of the program is shared out.
    """
    if copies == 1:
        return [recording]
    found = []
    for k in range(copies):
        spikes = {}
        for name, (index, t) in recording.spikes.items():
            n = plan.group(name).n
            mine = index // n == k
            spikes[name] = (index[mine] - index.dtype.type(k * n), t[mine])

        def share(values, axis, k=k):
            return np.split(values, copies, axis)[k]

        traces = {
            name: {key: v if key == "t" else share(v, 0) for key, v in variables.items()}
            for name, variables in recording.traces.items()
        }
        weights = {name: share(values, 1) for name, values in recording.weights.items()}
        wall = {key: value / copies for key, value in recording.wall.items()}
        found.append(Recording(spikes, traces, weights, wall))
    return found
