"""What every format writes of one run: its cells, cycles, phases and synapses as plain tables."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import xarray as xr

from analysis.data import schema
from analysis.data.versions import AnalysisError
from analysis.data.wiring import drawn_from, unlike

__all__ = [
    "Edges",
    "cells",
    "cycles",
    "edges",
    "extra",
    "file_name",
    "one",
    "phases",
    "read_edges",
    "selected",
    "snapshot_times",
    "trains",
    "unknown",
]

_OF_CELLS = ("population", "area", "layer", "cell_class", "position", "polarity")


@dataclass(frozen=True)
class Edges:
    """Synapses of one projection.

    Attributes
    ----------
    projection, source_population, target_population : str
    source, target : (n,) array of int
        Numbers of the cells, as on dim neuron.
    values : dict of str to (n,) array
        By name with its unit, what each synapse has of its own.
    constants : dict of str to number or str
        By name with its unit, what all of them share.
    """

    projection: str
    source_population: str
    target_population: str
    source: np.ndarray
    target: np.ndarray
    values: dict[str, np.ndarray] = field(default_factory=dict)
    constants: dict = field(default_factory=dict)


def extra(module: str) -> ModuleType:
    """Import a library of the extra ``export``, or say in one line how to get it."""
    try:
        return import_module(module)
    except ImportError:
        raise AnalysisError(
            f"this needs {module.partition('.')[0]}: pip install 'pulvinar[export]'"
        ) from None


def unknown(what: str, name: str, valid: Iterable[str]) -> str:
    """Return an error line for a name that is not there."""
    return f"no {what} '{name}'{schema.nearest(name, set(valid))}"


def selected(
    ds: xr.Dataset, condition: str | None = None, seed: int | None = None
) -> list[tuple[str, int, xr.Dataset]]:
    """Return the runs of a Dataset that a condition and a seed choose.

    Parameters
    ----------
    ds : Dataset
    condition : str, optional
        Default all of them.
    seed : int, optional
        Default all of them.

    Returns
    -------
    list of (condition, seed, Dataset)

    Raises
    ------
    AnalysisError
        For a condition or seed that is not there.
    """
    found = schema.runs(ds)
    for what, wanted, at in (("condition", condition, 0), ("seed", seed, 1)):
        have = list(dict.fromkeys(str(run[at]) for run in found))
        if wanted is not None and str(wanted) not in have:
            raise AnalysisError(unknown(what, str(wanted), have))
    return [
        (str(c or "run"), int(s or 0), schema.select(ds, seed=s, condition=c))
        for c, s in found
        if condition in (None, c) and (seed is None or int(seed) == s)
    ]


def one(
    ds: xr.Dataset, condition: str | None = None, seed: int | None = None
) -> tuple[str, int, xr.Dataset]:
    """Return the one run that `selected` gives; refuse several."""
    found = selected(ds, condition, seed)
    if len(found) > 1:
        names = "; ".join(f"'{name}' {number}" for name, number, _ in found)
        raise AnalysisError(f"{len(found)} runs, name one by condition and seed: {names}")
    return found[0]


def file_name(condition: str, seed: int) -> str:
    """Return a name for the files of one run: its condition, as letters and digits, and seed."""
    return f"{re.sub(r'[^0-9A-Za-z]+', '-', condition).strip('-') or 'run'}-seed-{seed}"


def trains(run: xr.Dataset) -> list[np.ndarray]:
    """Return the spike times of each cell, s; empty for a silent one."""
    number = run["spike_neuron"].values
    order = np.argsort(number, kind="stable")
    at = np.searchsorted(number[order], np.arange(1, run.sizes["neuron"]))
    return np.split(run["spike_time"].values[order], at)


def cells(run: xr.Dataset) -> pd.DataFrame:
    """Return one row for each cell: its labels and its place, -1 and "" for cells without."""
    have = [name for name in _OF_CELLS if name in run]
    columns = {name: run[name].values for name in have}
    return pd.DataFrame(columns | {"channel": run["neuron_channel"].values}).rename_axis("neuron")


def cycles(run: xr.Dataset) -> pd.DataFrame:
    """Return one row for each theta cycle: start, plus start and stop, s, and what it showed."""
    start = run["cycle_start"].values
    table = {"start_s": start, "plus_start_s": run["plus_start"].values}
    table["stop_s"] = start + schema.cycle_length(run)
    if "cycle_block" in run:
        table["block"] = run["block"].values.astype(str)[run["cycle_block"].values]
    for name, variable in run.data_vars.items():
        if variable.dims == ("cycle",):
            table[str(name)] = variable.values
    return pd.DataFrame(table).rename_axis("cycle")


def phases(run: xr.Dataset) -> pd.DataFrame:
    """Return one row for each phase of a cycle: start and stop, s, its name and the cycle's."""
    table = cycles(run)
    minus = pd.DataFrame({"start_s": table.start_s, "stop_s": table.plus_start_s, "phase": "minus"})
    plus = pd.DataFrame({"start_s": table.plus_start_s, "stop_s": table.stop_s, "phase": "plus"})
    both = pd.concat([minus, plus]).rename_axis("cycle").reset_index()
    return both.sort_values(["cycle", "start_s"], ignore_index=True)


def snapshot_times(run: xr.Dataset) -> np.ndarray:
    """Return when the weights were noted, (snapshot,) array, s: at the start and each block's end.

    A block without cycles in the result ends where the one before it does.
    """
    start, length = run["cycle_start"].values, schema.cycle_length(run)
    block = run["cycle_block"].values
    upto = np.searchsorted(block, np.arange(run.sizes["block"]), side="right")
    ends = np.append(start[:1], start + length)[upto]
    return np.append(start[0], ends)


def edges(run: xr.Dataset) -> list[Edges]:
    """Return the synapses that a run has kept, projection by projection.

    Those that learn have ``weight``, 0 to 1 at the end, and ``weight_SNAPSHOT`` at every time it
    was noted; those of a condition in which they do not learn are left out.

    Parameters
    ----------
    run : Dataset
        One run.

    Returns
    -------
    list of Edges
    """
    if "weight" not in run:
        return []
    of = run["synapse_projection"].values.astype(str)
    ends = [run[f"synapse_{end}"].values for end in ("source", "target")]
    weight, names = run["weight"].values, run["snapshot"].values.astype(str)
    rows = {row["name"]: row for row in schema.projection_table(run)}
    found = []
    for name in dict.fromkeys(of.tolist()):
        here = np.flatnonzero((of == name) & np.isfinite(weight).all(0))
        if not here.size:
            continue
        noted = {f"weight_{s}": weight[k, here] for k, s in enumerate(names)}
        source, target = (end[here] for end in ends)
        values = {"weight": weight[-1, here], **noted}
        found.append(_edges(run, name, rows.get(name, {}), source, target, values))
    return found


def read_edges(path: Path | str, run: xr.Dataset) -> list[Edges]:
    """Read all synapses of a run from the list that ``pulvinar edges`` writes.

    Parameters
    ----------
    path : path
        ``.csv``, ``.csv.gz`` or ``.nc``.
    run : Dataset
        The run that they are of.

    Returns
    -------
    list of Edges
        One for each projection and receptor: ``weight``, nS; ``delay``, ms; of what learns
        ``learned``, its first weight.

    Raises
    ------
    AnalysisError
        If it is no such list, or that of another circuit, condition or seed.
    """
    try:
        origin, table = _read_list(Path(path))
        groups = table.groupby(["projection", "receptor"], sort=False)
        found = [_listed(projection, receptor, rows) for (projection, receptor), rows in groups]
    except (ValueError, KeyError, UnicodeDecodeError) as error:
        raise AnalysisError(f"{path}: no list of 'pulvinar edges': {error}") from None
    if other := unlike(origin, _origin(run)) or _unlike_run(table, run):
        raise AnalysisError(f"{path}: is not the list of this run: {other}")
    return found


def _read_list(path: Path) -> tuple[dict, pd.DataFrame]:
    """Return what a list was drawn from, and its rows."""
    if path.suffix == ".nc":
        with xr.open_dataset(path, engine="h5netcdf") as ds:
            return json.loads(ds.attrs["drawn_from"]), ds.to_dataframe()
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8") as file:
        first = file.readline()
        if not first.startswith("# {"):
            raise ValueError("its first line does not say what it was drawn from")
        return json.loads(first[1:]), pd.read_csv(file)


def _origin(run: xr.Dataset) -> dict:
    document = json.loads(run.attrs.get("run", "{}"))
    return drawn_from(document, str(run["condition"].item()), int(run["seed"].item()))


def _unlike_run(table: pd.DataFrame, run: xr.Dataset) -> str:
    """Return what of a list does not fit the cells and the synapses that a run has kept."""
    population = run["population"].values.astype(str)
    for end in ("source", "target"):
        number = table[end].to_numpy()
        inside = (number >= 0) & (number < population.size)
        if not (inside.all() and (population[number] == table[f"{end}_population"]).all()):
            return f"other cells as {end}"
    for kept in edges(run):
        mine = table[table["projection"] == kept.projection].drop_duplicates(["source", "target"])
        pairs = set(zip(mine["source"], mine["target"], strict=True))
        if pairs != set(zip(kept.source.tolist(), kept.target.tolist(), strict=True)):
            return f"other synapses of {kept.projection}"
    return ""


def _listed(projection, receptor, rows) -> Edges:
    values = {key: rows[key].to_numpy() for key in ("weight", "delay", "learned")}
    if np.isnan(values["learned"]).all():
        del values["learned"]
    source, target = (str(rows[f"{end}_population"].iloc[0]) for end in ("source", "target"))
    return Edges(f"{projection}:{receptor}", source, target, rows["source"].to_numpy(),
                 rows["target"].to_numpy(), values, {"receptors": receptor})  # fmt: skip


def _edges(run, name, row, source, target, values) -> Edges:
    population = run["population"].values.astype(str)
    kept = ("compartment", "weight_nS", "delay_ms", "delay_sd_ms", "release", "topography")
    constants = {key: row[key] for key in kept if key in row}
    constants["receptors"] = "+".join(row.get("receptors", {}))
    return Edges(name, str(population[source[0]]), str(population[target[0]]), source, target,
                 values, constants)  # fmt: skip
