"""From a description to numbers: every array of a run, drawn in numpy.

Connectivity, delays, weights, cell parameters and initial states are drawn here and nowhere else,
so that every device, and every launch of a compiled program, starts from the same numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from cells.models import cell_class, steady_state
from cells.physiology import resting_potential
from circuits.anatomy.spec import CircuitSpec
from circuits.anatomy.topography import draw_sources, positions_of, seen_channels
from circuits.engine.draws import delays, first_weights
from circuits.engine.equations import COURSES, NEVER, ONE, TRAINS, ZERO, column, constants
from circuits.engine.noise import draw_keys
from circuits.engine.plan import COPY, INPUTS, Plan, group_of
from circuits.engine.planner import cell_parameters
from circuits.engine.shared import PROJECTION, SHARED, table_of
from circuits.manipulations.model import ADDED
from circuits.plasticity.homeostasis import SCALING_RATE, per_cycle
from circuits.plasticity.learning import Learning, efficacy
from circuits.synapses.receptors import receptor_tables
from circuits.synapses.release import RELEASE_PARAMETERS, release_class

__all__ = ["Cells", "cells_of", "draw_arrays", "endpoints", "projection_parts", "synapse_order"]


@dataclass(frozen=True)
class Cells:
    """Where every cell of the circuit lives.

    Attributes
    ----------
    population : (neuron,) array of str
    position : (neuron,) array of int
        Channel of the stimulus there, or -1.
    group, index : (neuron,) arrays
        NeuronGroup and index in it.
    """

    population: np.ndarray
    position: np.ndarray
    group: np.ndarray
    index: np.ndarray

    def numbers(self) -> dict[str, np.ndarray]:
        """Return the number of every cell by its group and its index there."""
        numbers = {}
        for group in dict.fromkeys(self.group.tolist()):
            mine = self.group == group
            numbers[group] = np.full(int(self.index[mine].max()) + 1, -1)
            numbers[group][self.index[mine]] = np.flatnonzero(mine)
        return numbers


def cells_of(spec: CircuitSpec) -> Cells:
    """Return the table of all cells, in the order of the populations."""
    names, positions, groups, indices = [], [], [], []
    used: dict[str, int] = {}
    for p in spec.populations:
        n = spec.count(p.name)
        group = group_of(p)
        start = used.get(group, 0)
        used[group] = start + n
        names += [p.name] * n
        groups += [group] * n
        positions.append(seen_channels(spec, p))
        indices.append(np.arange(start, start + n))
    return Cells(
        np.array(names), np.concatenate(positions), np.array(groups), np.concatenate(indices)
    )


def _dealt(sources: np.ndarray, share: float, seed: Sequence[int]) -> np.ndarray:
    """Deal the sources of a share of the target cells anew among these cells, all synapses apart.

    A source may then reach a cell twice; the number of synapses of every cell stays, on both sides.
    """
    rng = np.random.default_rng(seed)
    rows = np.flatnonzero(rng.random(len(sources)) < share)
    dealt = sources.copy()
    dealt[rows] = rng.permutation(sources[rows].ravel()).reshape(len(rows), -1)
    return dealt


def _offsets(spec: CircuitSpec) -> dict[str, int]:
    used: dict[str, int] = {}
    offsets = {}
    for p in spec.populations:
        group = group_of(p)
        offsets[p.name] = used.get(group, 0)
        used[group] = offsets[p.name] + spec.count(p.name)
    return offsets


@cache
def _rest(cell: str) -> float:
    """Resting potential of a class, V."""
    return float(resting_potential(cell_class(cell)))


def _cell_arrays(spec: CircuitSpec, plan: Plan, rng) -> dict[str, np.ndarray]:
    arrays: dict[str, list] = {}

    def put(group, variable, values):
        arrays.setdefault(f"{group}.{variable}", []).append(np.asarray(values, dtype=float))

    for p in spec.populations:
        n, group = spec.count(p.name), group_of(p)
        if p.is_input:
            put(group, "r_peak", np.full(n, p.rate))
            put(group, "peak", np.full(n, p.peak))
            told = spec.cues if p.cue else 1
            put(group, "seen", np.full(n, float(p.positions and told > 0)))
            channel = np.maximum(positions_of(spec, p), 0)
            if p.cue and told:
                channel = spec.channels + channel * told // spec.channels
            if p.name in spec.steady:
                arrays[f"{group}.seen"][-1][:] = 1
                channel = np.full(n, spec.channels + spec.cues + spec.steady.index(p.name))
            put(group, "channel", channel)
            continue
        cell = cell_class(p.cell)
        conductances = plan.group(group).conductances
        for name, value in cell_parameters(spec, p, conductances, plan.dt_ms).items():
            if f"\n{name} : " in plan.group(group).equations:
                put(group, name, np.full(n, value))
        bias = p.bias + p.bias_sd * rng.standard_normal(n)
        put(group, "I_bias", bias * 1e-12)
        put(group, "noise_sd", np.full(n, p.noise_sd * 1e-12))
        put(group, "I_noise", np.zeros(n))
        rest = _rest(p.cell)
        start = rest + 0.003 * rng.standard_normal(n)
        steady = steady_state(cell, start)
        for part in cell.model.compartments:
            put(group, part.v, start)
            put(group, f"{part.v}_last", start)
        for name, value in steady.items():
            if name != "current":
                put(group, name, np.broadcast_to(value, (n,)))
    return {key: np.concatenate(parts) for key, parts in arrays.items()}


def _put_trains(arrays: dict, spec: CircuitSpec, plan: Plan) -> None:
    """Write the table of spike trains; inputs that play them do nothing else."""
    offsets = _offsets(spec)
    train = np.zeros(plan.group(INPUTS).n, np.int32)
    columns = [np.full(plan.trains, NEVER)]
    for p in spec.populations:
        if p.spikes is None:
            continue
        first, count = offsets[p.name], spec.count(p.name)
        for silent in ("seen", "r_peak"):
            arrays[f"{INPUTS}.{silent}"][first : first + count] = 0
        time, cell = np.array(p.spikes.time), np.array(p.spikes.cell)
        for number in range(count):
            mine = time[cell == number]
            train[first + number] = len(columns)
            columns.append(np.pad(mine, (0, plan.trains - len(mine)), constant_values=NEVER))
    table = np.stack(columns, axis=1)
    arrays |= {
        TRAINS: table, f"{INPUTS}.train": train, f"{INPUTS}.due": table[0, train],
        f"{INPUTS}.rank": np.zeros(len(train), np.int32),
    }  # fmt: skip


def draw_arrays(
    spec: CircuitSpec,
    plan: Plan,
    *,
    seed: int,
    cycle_ms: float,
    regular: bool = False,
    learning: Learning | None = None,
) -> dict[str, np.ndarray]:
    """Draw all arrays of a run.

    Parameters
    ----------
    spec : CircuitSpec
    plan : Plan
        Made from the same description, of one copy.
    seed : int
    cycle_ms : float
        Theta cycle.
    regular : bool
        Inputs fire regularly instead of as Poisson processes.
    learning : Learning, optional
        That the plan was made with: the first weights, and the gain of what learns.

    Returns
    -------
    dict of str to array
        ``"group.variable"`` in SI units; synapse groups have ``i``, ``j`` and ``delay`` too, and
        ``projection``, the column of the table ``shared`` that has their constants.
        Over bins, ``pacing`` and ``learning`` are zero: rhythms that are not shifted, and nothing
        learns until a caller puts in its own. The stimulus is left to the caller.

    Notes
    -----
    Every projection draws from a stream of its own, so that a lesion or another weight leaves all
    other numbers as they were.
    """
    arrays = _cell_arrays(spec, plan, np.random.default_rng([seed, 3]))
    drawn, g_max = _synapse_arrays(spec, plan, seed, learning, cycle_ms)
    arrays |= drawn
    if plan.trains:
        _put_trains(arrays, spec, plan)
    for group in plan.groups:
        if "t_onset" in group.equations:
            arrays[f"{group.name}.t_onset"] = np.full(group.n, -1.0)
            arrays[f"{group.name}.lag"] = np.full(group.n, learning.lag * 1e-3)
            arrays[f"{group.name}.rise"] = np.full(group.n, learning.rise)
        for c in group.conductances:
            if c.receptor == "GABA_B":
                key = f"{group.name}.g_max_GABA_B{c.suffix}"
                arrays[key] = g_max.get(key, np.zeros(group.n))
    for s in plan.synapses:
        arrays[f"{s.name}.resources"] = np.ones(len(arrays[f"{s.name}.i"]))
        arrays[f"{s.name}.utilisation"] = np.zeros(len(arrays[f"{s.name}.i"]))
        if s.plastic:
            arrays[f"{s.name}.efficacy"] = efficacy(learning.efficacy, arrays[f"{s.name}.w"])
    for part in (*plan.groups, *plan.synapses):
        for variable in part.varied:
            constant = ZERO if variable in ADDED else ONE
            arrays[f"{part.name}.{column(variable)}"] = np.full(part.n, constant, np.int32)
    if plan.columns:
        arrays[COURSES] = np.zeros((plan.bins, plan.columns))
        arrays[COURSES][:, ONE] = 1
    arrays["pacing"] = np.zeros(plan.bins)
    if plan.learns:
        arrays["learning"] = np.zeros(plan.bins)
    cells = cells_of(spec)
    keys = draw_keys(seed, len(cells.group))
    for group in plan.groups:
        arrays[f"{group.name}.key"] = keys[cells.group == group.name]
        if f"\n{COPY} : " in group.equations:
            arrays[f"{group.name}.{COPY}"] = np.zeros(group.n, np.int32)
    arrays |= _input_arrays(arrays, seed, cycle_ms, regular)
    return arrays


def _synapse_arrays(spec, plan, seed, learning, cycle_ms) -> tuple[dict, dict]:
    """Return what is drawn for each Synapses, and the GABA_B conductance of each group of cells."""
    offsets = _offsets(spec)
    parts: dict[str, list] = {}
    shared: dict[tuple[int, str], float] = {}
    g_max: dict[str, np.ndarray] = {}
    k1 = float(receptor_tables()["GABA_B"]["K1"])
    for s in plan.synapses:
        for number in s.projections:
            p = spec.projections[number]
            rng = np.random.default_rng([seed, 1, number])
            sources = draw_sources(spec, p, seed, rng)
            if p.shuffled:
                sources = _dealt(sources, p.shuffled, [seed, 8, number])
            n_target, k = sources.shape
            n = n_target * k
            # a spike finds its synapses side by side in memory; where they learn, so do the more
            # frequent spikes of the target
            order = np.arange(n) if s.plastic else np.argsort(sources.ravel(), kind="stable")

            def put(variable, values, s=s, order=order):
                parts.setdefault(f"{s.name}.{variable}", []).append(values[order])

            put("i", sources.ravel() + offsets[p.source])
            put("j", np.repeat(np.arange(n_target), k) + offsets[p.target])
            put("delay", delays(p, rng.standard_normal(n)) * 1e-3)
            put(PROJECTION, np.full(n, number, np.int32))
            for name in RELEASE_PARAMETERS:
                shared[number, name] = float(release_class(p.release)[name])
            gain = 1.0
            if s.plastic:
                assert learning is not None  # the plan was made with it
                own = learning.of(p.name)
                put("w", first_weights(own, rng.standard_normal(n)))
                shared[number, "factor"] = own["factor"]
                if learning.homeostatic:
                    put(SCALING_RATE, np.full(n, own["goal"]))
                    for name, value in per_cycle(own, cycle_ms).items():
                        shared[number, name] = value
                if learning.individual:
                    for name, value, _ in constants(learning.code(p.name).namespace):
                        shared[number, name] = value
                gain = own["gain"]
            shares = dict(p.receptors)
            suffix = "" if p.at == "soma" else "_d"
            for c in s.conductances:
                share = shares.get(c.receptor, 0.0) if c.suffix == suffix else 0.0
                if c.receptor == "GABA_B" and share:
                    # bound receptors are counted per cell; the weights add up in g_max
                    total = g_max.setdefault(
                        f"{s.target}.g_max_GABA_B{c.suffix}", np.zeros(plan.group(s.target).n)
                    )
                    first = offsets[p.target]
                    total[first : first + n_target] += k * p.weight * share * 1e-9
                    shared[number, c.weight] = k1 / k
                else:
                    shared[number, c.weight] = p.weight * gain * share * 1e-9
    drawn = {key: np.concatenate(v) for key, v in parts.items()}
    return drawn | {SHARED: table_of(plan, shared)}, g_max


def _input_arrays(arrays, seed, cycle_ms, regular) -> dict[str, np.ndarray]:
    inputs = np.random.default_rng([seed, 2])
    n = len(arrays["inputs.peak"])
    return {
        "inputs.regular": np.full(n, float(regular)),
        "inputs.level": np.ones(n) if regular else inputs.exponential(size=n),
        "inputs.a": inputs.random(n) if regular else np.zeros(n),
        "inputs.cycle": np.full(n, cycle_ms * 1e-3),
        "inputs.channel": arrays["inputs.channel"].astype(np.int32),
    }


def endpoints(
    spec: CircuitSpec, plan: Plan, arrays: Mapping[str, np.ndarray]
) -> dict[str, tuple[str, slice, np.ndarray, np.ndarray]]:
    """Return which cells the synapses of each projection that learns join.

    Parameters
    ----------
    spec : CircuitSpec
    plan : Plan
    arrays : mapping of str to array
        As `draw_arrays` returns them.

    Returns
    -------
    dict of str to (str, slice, array, array)
        By projection: the Synapses, the part of them, and the numbers of source and target cells.
    """
    numbers = cells_of(spec).numbers()
    groups = {s.name: (s.source, s.target) for s in plan.synapses}
    found = {}
    for projection, name, part in synapse_order(spec, plan):
        ends = (
            numbers[group][arrays[f"{name}.{key}"][part]]
            for key, group in zip("ij", groups[name], strict=True)
        )
        found[projection] = (name, part, *ends)
    return found


def synapse_order(spec: CircuitSpec, plan) -> list[tuple[str, str, slice]]:
    """Return where the synapses of each plastic projection are.

    Parameters
    ----------
    spec : CircuitSpec
    plan : Plan

    Returns
    -------
    list of (str, str, slice)
        Name of the projection, of its Synapses, and its part of them; in the order of the anatomy.
    """
    plastic = {s.name for s in plan.synapses if s.plastic}
    return [entry for entry in projection_parts(spec, plan) if entry[1] in plastic]


def projection_parts(spec: CircuitSpec, plan) -> list[tuple[str, str, slice]]:
    """Return where the synapses of every projection are, as `synapse_order` does."""
    found = []
    for s in plan.synapses:
        first = 0
        for number in s.projections:
            p = spec.projections[number]
            n = p.indegree * spec.count(p.target)
            found.append((number, p.name, s.name, slice(first, first + n)))
            first += n
    return [entry[1:] for entry in sorted(found, key=lambda entry: entry[0])]
