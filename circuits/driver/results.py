"""What is kept of one run: its spikes, and what they and its weights are reduced to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import xarray as xr

from analysis.data import schema
from circuits.driver.courses import timeline_of
from circuits.engine.arrays import Cells, cells_of, endpoints
from circuits.engine.launch import Recording
from circuits.engine.project import DeviceError
from circuits.recordings import recorded
from circuits.runfiles.model import BIN_MS, Condition, Cycle

__all__ = ["Result", "keep_records", "keep_weights", "segment", "sorted_spikes"]


@dataclass
class Result:
    """What is kept of one run; the warm-up is left out of all but the recording.

    Attributes
    ----------
    recording : Recording
        Without its weights and traces.
    drive : (cycle, channel) array, Hz
        Mean rate of the relay cells in the plus phase.
    shown : Dataset
        Over the analysed cycles: ``picture`` and where in it, as `circuits.stimuli.render` has it.
    path : dict of str to array
        In a run with blocks ``jump``, ``direction`` (cycle) and ``predictable`` (cycle, channel) of
        the stimulus.
    weights : dict of str to (source, target, weight)
        By projection that learns: numbers of the cells (synapse,), and the weights at the start
        and at the end of each block, (snapshot, synapse).
    records : Dataset
        What was recorded over time, as `circuits.recordings.recorded` gives it.
    dw : (loop, cycle, channel) array or None
        Mean weight change onto the relay cells of a loop at the channel, each synapse weighted by
        the spikes of its source in the cycle.
    """

    recording: Recording
    drive: np.ndarray
    shown: xr.Dataset = field(default_factory=xr.Dataset)
    path: dict = field(default_factory=dict)
    weights: dict = field(default_factory=dict)
    records: xr.Dataset = field(default_factory=xr.Dataset)
    dw: np.ndarray | None = None


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
    return schema.segment(time_s, neuron, n_neuron, cycle.starts, cycle.plus_starts, length)


def sorted_spikes(recording: Recording, cells: Cells) -> tuple[np.ndarray, np.ndarray]:
    """Return times and numbers of all cells, in order of time, then cell."""
    number = cells.numbers()
    times, numbers = [], []
    for group, (index, t) in recording.spikes.items():
        times.append(t)
        numbers.append(number[group][index])
    t, n = np.concatenate(times), np.concatenate(numbers).astype(np.int32)
    order = np.lexsort((n, t))
    return t[order], n[order]


def keep_records(result: Result, condition: Condition, cycle: Cycle, arrays: Mapping) -> None:
    """Take what was recorded over time out of the recording."""
    traces, result.recording.traces = result.recording.traces, {}
    if condition.records:
        result.records = recorded(
            condition.records, condition.spec, condition.plan, arrays, traces,
            timeline_of(condition, cycle), BIN_MS * 1e-3,
        )  # fmt: skip


def keep_weights(result: Result, condition: Condition, cycle: Cycle, arrays: Mapping) -> None:
    """Reduce the weights of every cycle to what is kept; leave none in the recording."""
    cells = cells_of(condition.spec)
    spike_time, spike_neuron = sorted_spikes(result.recording, cells)
    n_neuron = len(cells.population)
    phases = np.array([cycle.plus, 1 - cycle.plus])[:, None] * cycle.length * 1e-3
    spikes = (segment(spike_time, spike_neuron, n_neuron, cycle) * phases).sum(1)
    relays = [loop.relay for loop in condition.spec.loops]
    at = np.cumsum([cycle.warmup, *(block.cycles for block in condition.blocks)])
    shape = (len(relays), cycle.count, condition.spec.channels)
    change, total = np.zeros(shape), np.zeros(shape)
    joined = endpoints(condition.spec, condition.plan, arrays)
    for projection, (name, part, source, target) in joined.items():
        noted = result.recording.weights[name]
        if len(noted) != cycle.total + 1:
            raise DeviceError(f"{name}: weights of {len(noted)} times, not {cycle.total + 1}")
        noted = noted[:, part]
        result.weights[projection] = source, target, noted[at].astype(np.float32)
        if cells.population[target[0]] not in relays:
            continue
        loop = relays.index(cells.population[target[0]])
        steps = np.diff(noted[cycle.warmup :], axis=0)
        channel = cells.position[target]
        for k in range(cycle.count):
            weight = spikes[k, source]
            total[loop, k] += np.bincount(channel, weight, shape[2])
            change[loop, k] += np.bincount(channel, weight * steps[k], shape[2])
    result.dw = np.divide(change, total, out=np.zeros(shape), where=total > 0)
    result.recording.weights = {}
