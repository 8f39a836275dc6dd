"""Results of one run file put together: other seeds, other conditions."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from analysis.data.pieces import spike_variables, synapse_variables
from analysis.data.versions import AnalysisError

__all__ = ["join"]

_SPIKES = ("spike_time", "spike_neuron", "spike_seed", "spike_condition")
_SYNAPSES = ("weight", "synapse_source", "synapse_target", "synapse_projection")
_WHO = ("pulvinar", "commit")


def join(results: Mapping[str, xr.Dataset], conditions: Sequence[str] = ()) -> xr.Dataset:
    """Return one Dataset of all runs.

    Parameters
    ----------
    results : mapping of str to Dataset
        By a name for error lines; each with dims condition and seed.
    conditions : sequence of str, optional
        Their order; by default that in which they are found.

    Returns
    -------
    Dataset
        Seeds rise. Values and types are those of the parts; attributes those of the first, with
        every version and commit.

    Raises
    ------
    AnalysisError
        If two hold the same run, if a condition lacks a seed that another has, or if what does
        not depend on condition and seed differs.
    """
    parts, found = _runs(results)
    names = [c for c in conditions if c in found] or list(found)
    seeds = sorted({seed for _, seed in parts})
    for key in ((c, s) for c in names for s in seeds):
        if key not in parts:
            raise AnalysisError(f"condition '{key[0]}' has no seed {key[1]}, which others have")
    first = next(iter(results.values()))
    options: dict = {"data_vars": "minimal", "coords": "minimal", "compat": "equals",
                     "join": "exact" if "spike_time" in first else "outer",
                     "combine_attrs": "override"}  # fmt: skip
    runs = [[parts[c, s] for s in seeds] for c in names]
    rest = [[part.drop_vars([*_SPIKES, *_SYNAPSES], errors="ignore") for part in row]
            for row in _with_dw(runs)]  # fmt: skip
    try:
        joined = xr.concat(
            [xr.concat(row, "seed", **options) for row in rest], "condition", **options
        )
    except ValueError as error:
        reason = str(error).splitlines()[0]
        raise AnalysisError(f"results do not fit together: {reason}") from None
    if "spike_time" in first:
        pairs = [[(p["spike_time"].values, p["spike_neuron"].values) for p in row] for row in runs]
        joined = joined.assign(spike_variables(pairs, seeds))
    order = [row["name"] for row in json.loads(first.attrs.get("projections", "[]"))]
    variables, coordinates = synapse_variables([[_weights_of(p) for p in r] for r in runs], order)
    joined = joined.assign(variables).assign_coords(coordinates)
    joined.attrs = dict(first.attrs)
    if "seeds" in (told := json.loads(first.attrs.get("run", "{}"))):
        joined.attrs["run"] = json.dumps(told | {"seeds": seeds})
    for who in _WHO:
        if said := list(dict.fromkeys(ds.attrs[who] for ds in results.values() if who in ds.attrs)):
            joined.attrs[who] = "; ".join(said)
    # variables in the order of a result that was run in one: of the part that has most of them
    fullest = max(results.values(), key=lambda ds: len(ds.data_vars))
    return joined[[name for name in fullest.data_vars if name in joined]].assign_attrs(joined.attrs)


def _runs(results):
    """Return every run by (condition, seed), and the conditions as they come."""
    parts: dict[tuple, xr.Dataset] = {}
    whose: dict[tuple, str] = {}
    for name, ds in results.items():
        if not {"condition", "seed"} <= set(ds.dims):
            raise AnalysisError(f"{name}: has no dims condition and seed")
        of = ds["condition"].values.astype(str)
        for c, s in ((c, s) for c in range(len(of)) for s in range(ds.sizes["seed"])):
            key = str(of[c]), int(ds["seed"].values[s])
            if key in parts:
                raise AnalysisError(
                    f"{name}: condition '{key[0]}', seed {key[1]} is in {whose[key]} too"
                )
            parts[key], whose[key] = ds.isel(condition=[c], seed=[s]), name
            if "spike_time" in ds:
                mine = (ds["spike_condition"].values == c) & (ds["spike_seed"].values == key[1])
                parts[key] = parts[key].isel(spike=np.flatnonzero(mine))
    return parts, list(dict.fromkeys(c for c, _ in parts))


def _with_dw(runs):
    """Return the runs, with a weight change of nothing where nothing learned but elsewhere did."""
    model = next((part for row in runs for part in row if "dw" in part), None)
    if model is None:
        return runs
    dw, dims = xr.zeros_like(model["dw"]), [d for d in ("snapshot", "loop") if d in model.coords]

    def one(part):
        if "dw" in part:
            return part
        own = dw.assign_coords(condition=part["condition"], seed=part["seed"])
        return part.assign(dw=own).assign_coords({dim: model[dim] for dim in dims})

    return [[one(part) for part in row] for row in runs]


def _weights_of(part: xr.Dataset) -> dict[str, tuple]:
    """Return (source, target, weight) of each projection with which a run learned."""
    if "weight" not in part:
        return {}
    of = part["synapse_projection"].values.astype(str)
    weight = part["weight"].values[0, 0]
    # the parts have one run each, whether the ends have a dim condition or not
    source, target = (part[f"synapse_{end}"].values.ravel() for end in ("source", "target"))
    chosen = {name: of == name for name in dict.fromkeys(of.tolist())}
    return {
        name: (source[here], target[here], weight[:, here])
        for name, here in chosen.items()
        if np.isfinite(weight[:, here]).all()
    }
