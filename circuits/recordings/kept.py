"""What a run left of its recordings, as variables of its Dataset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from circuits.anatomy.spec import CircuitSpec
from circuits.engine.arrays import cells_of
from circuits.engine.plan import Plan
from circuits.manipulations.model import Timeline
from circuits.recordings.model import LFP, Record
from circuits.recordings.quantities import owner
from circuits.recordings.traces import SUMMED, chosen_of, trace_name, variables_of

__all__ = ["recorded"]


def recorded(
    records: Sequence[Record],
    spec: CircuitSpec,
    plan: Plan,
    arrays: Mapping[str, np.ndarray],
    traces: Mapping[str, Mapping[str, np.ndarray]],
    timeline: Timeline,
    bin_s: float,
) -> xr.Dataset:
    """Return what one run recorded, in the units of the field.

    Parameters
    ----------
    records : sequence of Record
    spec : CircuitSpec
    plan : Plan
        Of one copy, with the traces of the records.
    arrays : mapping of str to array
        Of the run, for the ends of synapses.
    traces : mapping
        As `circuits.engine.launch.Recording` has them.
    timeline : Timeline
        Of the run, for when something is recorded.
    bin_s : float
        Its bins, s.

    Returns
    -------
    Dataset
        As `analysis.data.recordings` says; float32, NaN for what a target has not.
    """
    found: dict = {}
    coordinates: dict = {}
    for record in records:
        prefix = f"record_{record.name}"
        dims = f"{prefix}_time", f"{prefix}_{'synapse' if record.of_synapses else 'cell'}"
        mine = {n: t for n, t in traces.items() if n in _names(record, spec, plan)}
        if not mine:
            continue
        time = next(iter(mine.values()))["t"]
        during = _during(record, timeline, time, bin_s)
        coordinates[dims[0]] = dims[0], time[during], {"units": "s", "long_name": "time"}
        if record.summed:
            found |= _sums(record, spec, plan, mine, during, dims[0])
            continue
        found |= _values(record, spec, plan, mine, during, dims)
        labels = _synapse_labels if record.of_synapses else _cell_labels
        variables, own = labels(record, spec, plan, arrays, prefix, dims[1])
        found, coordinates = found | variables, coordinates | own
    return xr.Dataset(found, coordinates)


def _names(record: Record, spec: CircuitSpec, plan: Plan) -> set[str]:
    return {trace_name(record, owner(spec, plan, target)[0]) for target in record.targets(spec)}


def _during(record: Record, timeline: Timeline, time: np.ndarray, bin_s: float) -> np.ndarray:
    """Return the samples that are kept."""
    if record.when.always:
        return np.arange(len(time))
    bins = np.floor(time / bin_s + 1e-6).astype(int)
    return np.flatnonzero(record.when.in_bins(timeline)[bins])


def _attributes(record: Record, variable, what: str, target: str) -> dict[str, str]:
    return {"units": variable.unit, "long_name": variable.meaning, "record": record.name,
            "what": what, "target": target}  # fmt: skip


def _values(record, spec, plan, traces, during, dims) -> dict:
    """Return the variables of single cells or synapses, all targets side by side."""
    chosen = chosen_of(record, spec, plan)
    width = sum(map(len, chosen.values()))
    found: dict = {}
    place: dict[str, int] = {}
    at = 0
    for target, indices in chosen.items():
        of, n = owner(spec, plan, target)[0], len(indices)
        mine = variables_of(record, spec, plan, target)
        for what, (variable,) in mine.items():
            name = f"record_{record.name}_{what.replace('.', '_')}"
            if name not in found:
                empty = np.full((len(during), width), np.nan, np.float32)
                found[name] = dims, empty, _attributes(record, variable, what, record.target)
            rows = slice(place.get(of, 0), place.get(of, 0) + n)
            values = traces[trace_name(record, of)][variable.name][rows]
            found[name][1][:, at : at + n] = values[:, during].T / variable.scale
        if mine:
            place[of] = place.get(of, 0) + n
        at += n
    return found


def _sums(record, spec, plan, traces, during, dim) -> dict:
    """Return the summed currents, all targets and compartments together."""
    sums = {receptor: np.zeros(len(during)) for receptor in SUMMED}
    done = set()
    for target in record.targets(spec):
        name = trace_name(record, owner(spec, plan, target)[0])
        for receptor, variables in variables_of(record, spec, plan, target).items():
            for v in variables:
                if (name, v.name) not in done:  # the trace is of all populations of its group
                    sums[receptor] += traces[name][v.name][0, during]
                done.add((name, v.name))
    return {
        f"record_{record.name}_{receptor}": (
            dim, (total * 1e9).astype(np.float32),
            {"units": "nA", "long_name": f"sum of absolute {receptor} currents",
             "record": record.name, "what": f"{LFP} {receptor}", "target": record.target},
        )
        for receptor, total in sums.items()
    }  # fmt: skip


def _cell_labels(record, spec, plan, arrays, prefix, dim) -> tuple[dict, dict]:
    """Return what says which cells are recorded."""
    chosen = chosen_of(record, spec, plan)
    cells = cells_of(spec)
    first = {name: int(np.flatnonzero(cells.population == name)[0]) for name in chosen}
    index = np.concatenate(list(chosen.values())).astype(np.int32)
    names = np.repeat(list(chosen), [len(v) for v in chosen.values()])
    number = index + np.array([first[name] for name in names], np.int32)
    return {}, {
        f"{prefix}_population": (dim, names.astype(str)),
        f"{prefix}_index": (dim, index, {"units": "1", "long_name": "index in its population"}),
        f"{prefix}_neuron": (dim, number, {"units": "1", "long_name": "number on dim neuron"}),
    }


def _synapse_labels(record, spec, plan, arrays, prefix, dim) -> tuple[dict, dict]:
    """Return what says which synapses are recorded; their ends are drawn from the seed."""
    chosen = chosen_of(record, spec, plan)
    numbers = cells_of(spec).numbers()
    groups = {s.name: (s.source, s.target) for s in plan.synapses}
    ends: tuple[list, list] = ([], [])
    for target, indices in chosen.items():
        key, first, _ = owner(spec, plan, target)
        for mine, side, group in zip(ends, "ij", groups[key], strict=True):
            mine.append(numbers[group][arrays[f"{key}.{side}"][first + indices]])
    names = np.repeat(list(chosen), [len(v) for v in chosen.values()])
    one = {"units": "1", "record": record.name}
    variables = {
        f"{prefix}_{side}": (dim, np.concatenate(mine).astype(np.int32), one)
        for side, mine in zip(("source", "target"), ends, strict=True)
    }
    index = np.concatenate(list(chosen.values())).astype(np.int32)
    told = {"units": "1", "long_name": "index in its projection"}
    return variables, {
        f"{prefix}_projection": (dim, names.astype(str)),
        f"{prefix}_index": (dim, index, told),
    }
