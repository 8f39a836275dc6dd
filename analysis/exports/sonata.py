"""A run in SONATA: nodes, edges and spikes as HDF5, types as CSV, and what lies where."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import xarray as xr

from analysis.data import schema
from analysis.exports import tables

__all__ = ["to_sonata", "write_sonata"]

_TEXT = h5py.string_dtype()
_MAGIC, _VERSION = 0x0A7A, (0, 1)


def to_sonata(
    ds: xr.Dataset,
    folder: Path | str,
    condition: str | None = None,
    seed: int | None = None,
    synapses: Path | str | None = None,
) -> Path:
    """Write one run as a SONATA circuit with its spikes.

    The format: Dai et al. 2020, doi:10.1371/journal.pcbi.1007696.

    Parameters
    ----------
    ds : Dataset
        Of a circuit run, as `analysis.load` gives it.
    folder : path
        Made if it is not there. Files in it: ``nodes.h5``, ``edges.h5``, ``spikes.h5``,
        ``node_types.csv``, ``edge_types.csv``, ``circuit_config.json``.
    condition : str, optional
        May be left out where there is only one.
    seed : int, optional
        May be left out where there is only one.
    synapses : path, optional
        All synapses, as ``pulvinar edges`` writes them, in place of those that the run kept: an
        edge population for each projection and receptor, ``syn_weight`` in nS, ``delay`` in ms.

    Returns
    -------
    Path
        The folder. A node population is a population of the circuit; ids count from 0 within it,
        and attribute ``neuron`` is the number in the result. An edge population is a projection of
        which the run kept the synapses, ``syn_weight`` their last weight, 0 to 1. Spikes are in
        ms.

    Raises
    ------
    AnalysisError
        Where the run is not there or not the only one, or the synapses are of another.
    """
    folder = Path(folder)
    _, _, run = tables.one(ds, condition, seed)
    cells = tables.cells(run)
    edges = tables.edges(run) if synapses is None else tables.read_edges(synapses, run)
    folder.mkdir(parents=True, exist_ok=True)
    node = cells.groupby("population", sort=False).cumcount().to_numpy()
    with _file(folder / "nodes.h5") as file:
        _write_nodes(file, cells)
    kinds = cells.drop_duplicates("population").drop(columns=["position", "polarity", "channel"])
    virtual = kinds["cell_class"].isin(schema.INPUT_CLASSES)
    kinds["model_type"] = np.where(virtual, "virtual", "point_neuron")
    _types(folder / "node_types.csv", "node_type_id", kinds)
    with _file(folder / "edges.h5") as file:
        for number, one in enumerate(edges):
            _write_edges(file, number, one, node, cells)
    kinds = pd.DataFrame([{"projection": e.projection, **e.constants} for e in edges])
    if edges:
        kinds = kinds.rename(columns={"delay_ms": "delay"})
    _types(folder / "edge_types.csv", "edge_type_id", kinds)
    with _file(folder / "spikes.h5") as file:
        _write_spikes(file, run, node, cells)
    _write_config(folder, [e.projection for e in edges], run)
    return folder


def write_sonata(
    ds: xr.Dataset, folder: Path, condition=None, seed=None, synapses=None
) -> list[Path]:
    """Write a SONATA folder for each run that is chosen; give the folders."""
    return [
        to_sonata(ds, Path(folder, tables.file_name(name, number)), name, number, synapses)
        for name, number, _ in tables.selected(ds, condition, seed)
    ]


def _file(path):
    file = h5py.File(path, "w")
    file.attrs["magic"], file.attrs["version"] = np.uint32(_MAGIC), np.array(_VERSION, np.uint32)
    return file


def _write_nodes(file, cells):
    names = list(dict.fromkeys(cells["population"]))
    for kind, name in enumerate(names):
        mine = cells[cells["population"] == name]
        group = file.create_group(f"nodes/{name}")
        n = len(mine)
        group["node_type_id"] = np.full(n, kind, np.uint64)
        group["node_group_id"] = np.zeros(n, np.uint64)
        group["node_group_index"] = np.arange(n, dtype=np.uint64)
        group["0/neuron"] = mine.index.to_numpy(np.uint64)
        for column in ("position", "channel"):
            group[f"0/{column}"] = mine[column].to_numpy(np.int64)
        group["0"].create_dataset("polarity", data=mine["polarity"].tolist(), dtype=_TEXT)


def _write_edges(file, number, edges, node, cells):
    group = file.create_group(f"edges/{edges.projection}")
    order = np.lexsort((edges.source, edges.target))
    n = order.size
    ends = {"source": edges.source[order], "target": edges.target[order]}
    sizes = cells["population"].value_counts()
    for end, which in ends.items():
        ids = group.create_dataset(f"{end}_node_id", data=node[which].astype(np.uint64))
        population = getattr(edges, f"{end}_population")
        ids.attrs["node_population"] = population
        _write_index(group, end, node[which], int(sizes[population]))
    group["edge_type_id"] = np.full(n, number, np.uint64)
    group["edge_group_id"] = np.zeros(n, np.uint64)
    group["edge_group_index"] = np.arange(n, dtype=np.uint64)
    for name, values in edges.values.items():
        group[f"0/{'syn_weight' if name == 'weight' else name}"] = np.asarray(values)[order]


def _write_index(group, end, ids, n_node):
    """Write which edges a node has, as ranges of their numbers."""
    by_node = np.argsort(ids, kind="stable")
    cuts = np.flatnonzero((np.diff(by_node) != 1) | (np.diff(ids[by_node]) != 0)) + 1
    first = np.append(0, cuts) if ids.size else np.array([], int)
    last = np.append(cuts, ids.size) if ids.size else first
    ranges = np.stack([by_node[first], by_node[last - 1] + 1], axis=1) if ids.size else first
    owner = ids[by_node][first]
    index = group.create_group("indices/" + {"source": "source_to_target",
                                             "target": "target_to_source"}[end])  # fmt: skip
    index["range_to_edge_id"] = np.asarray(ranges, np.uint64).reshape(-1, 2)
    nodes = np.arange(n_node)
    index["node_id_to_ranges"] = np.stack(
        [np.searchsorted(owner, nodes, "left"), np.searchsorted(owner, nodes, "right")], axis=1
    ).astype(np.uint64)


def _write_spikes(file, run, node, cells):
    number, time = run["spike_neuron"].values, run["spike_time"].values * 1e3
    of = cells["population"].to_numpy()[number]
    by_time = h5py.enum_dtype({"none": 0, "by_id": 1, "by_time": 2}, basetype="u1")
    for name in dict.fromkeys(cells["population"]):
        group, mine = file.create_group(f"spikes/{name}"), of == name
        group.attrs.create("sorting", 2, dtype=by_time)
        group.create_dataset("timestamps", data=time[mine]).attrs["units"] = "ms"
        group["node_ids"] = node[number[mine]].astype(np.uint64)


def _types(path, key, table):
    table.reset_index(drop=True).rename_axis(key).to_csv(path, sep=" ", na_rep="NULL")


def _write_config(folder, projections, run):
    here = "$BASE_DIR"
    edges = {"edges_file": f"{here}/edges.h5", "edge_types_file": f"{here}/edge_types.csv"}
    config = {
        "manifest": {here: "."},
        "networks": {
            "nodes": [{"nodes_file": f"{here}/nodes.h5",
                       "node_types_file": f"{here}/node_types.csv"}],
            "edges": [edges] if projections else [],
        },
        "output": {"spikes_file": "spikes.h5"},
        "pulvinar": {"name": run.attrs.get("name", ""), "version": run.attrs.get("pulvinar", "")},
    }  # fmt: skip
    path = folder / "circuit_config.json"
    path.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
