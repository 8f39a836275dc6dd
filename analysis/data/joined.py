"""Results of one run file put together: other seeds, other conditions."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

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
    rest = [
        [parts[c, s].drop_vars([*_SPIKES, *_SYNAPSES], errors="ignore") for s in seeds]
        for c in names
    ]
    try:
        joined = xr.concat(
            [xr.concat(row, "seed", **options) for row in rest], "condition", **options
        )
    except ValueError as error:
        reason = str(error).splitlines()[0]
        raise AnalysisError(f"results do not fit together: {reason}") from None
    runs = [[parts[c, s] for s in seeds] for c in names]
    joined = joined.assign(_spikes(runs, seeds) | _synapses(runs, first))
    joined.attrs = dict(first.attrs)
    for who in _WHO:
        if said := list(dict.fromkeys(ds.attrs[who] for ds in results.values() if who in ds.attrs)):
            joined.attrs[who] = "; ".join(said)
    if "synapse_projection" in joined:
        joined = joined.set_coords("synapse_projection")
    # variables in the order of a result that was run in one
    return joined[[name for name in first.data_vars if name in joined]].assign_attrs(joined.attrs)


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


def _spikes(runs, seeds) -> dict:
    """Return the spikes of all runs, as `analysis.data.schema` has them."""
    if "spike_time" not in runs[0][0]:
        return {}
    every = [(c, s, part) for c, row in enumerate(runs) for s, part in enumerate(row)]
    values: dict[str, list] = {name: [] for name in _SPIKES}
    for c, s, part in every:
        n = part.sizes["spike"]
        values["spike_time"].append(part["spike_time"].values)
        values["spike_neuron"].append(part["spike_neuron"].values)
        values["spike_seed"].append(np.full(n, seeds[s], np.int64))
        values["spike_condition"].append(np.full(n, c, np.int32))
    first = every[0][2]
    return {name: ("spike", np.concatenate(values[name]), first[name].attrs) for name in _SPIKES}


def _synapses(runs, first) -> dict:
    """Return weights and ends of the synapses; NaN where a condition does not learn with them."""
    learning = [part for row in runs for part in row if "weight" in part]
    if not learning:
        return {}
    size: dict[str, int] = {}
    for part in learning:
        of, counts = np.unique(part["synapse_projection"].values.astype(str), return_counts=True)
        for name, n in zip(of.tolist(), counts.tolist(), strict=True):
            if size.setdefault(name, n) != n:
                raise AnalysisError(f"'{name}' has {size[name]} synapses here, {n} there")
    order = [row["name"] for row in json.loads(first.attrs.get("projections", "[]"))]
    names = sorted(size, key=lambda name: order.index(name) if name in order else len(order))
    projection = np.repeat(np.array(names), [size[name] for name in names])
    shape = len(runs), len(runs[0])
    weight = np.full((*shape, learning[0].sizes["snapshot"], len(projection)), np.nan, np.float32)
    ends = {key: np.zeros((shape[1], len(projection)), np.int32) for key in _SYNAPSES[1:3]}
    for c, row in enumerate(runs):
        for s, part in enumerate(row):
            if "weight" not in part:
                continue
            of = part["synapse_projection"].values.astype(str)
            for name in dict.fromkeys(of.tolist()):
                here, there = of == name, projection == name
                weight[c, s][:, there] = part["weight"].values[0, 0][:, here]
                for key, values in ends.items():
                    values[s, there] = part[key].values[0, here]
    one = {"units": "1"}
    return {
        "weight": (("condition", "seed", "snapshot", "synapse"), weight, one),
        **{key: (("seed", "synapse"), values, one) for key, values in ends.items()},
        "synapse_projection": ("synapse", projection),
    }
