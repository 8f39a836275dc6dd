"""A result as CSV files, all of its runs in each."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from analysis.exports import tables

__all__ = ["to_tables", "write_csv"]


def to_tables(
    ds: xr.Dataset, condition: str | None = None, seed: int | None = None
) -> dict[str, pd.DataFrame]:
    """Return a result as tables.

    Parameters
    ----------
    ds : Dataset
        Of a circuit run, as `analysis.load` gives it.
    condition : str, optional
        Default all.
    seed : int, optional
        Default all.

    Returns
    -------
    dict of str to DataFrame
        ``cells``; ``spikes`` (s, number of the cell, its population); ``cycles`` (s); and of a run
        that learns ``weights`` (a row for each synapse, 0 to 1 at each snapshot) and ``scores``
        (of each cycle, by the readout of each block). All but the first have columns condition and
        seed.

    Raises
    ------
    AnalysisError
        For a condition or seed that is not there.
    """
    found: dict[str, list] = {"spikes": [], "cycles": [], "weights": [], "scores": []}
    for name, number, run in tables.selected(ds, condition, seed):
        of_run = {"spikes": [_spikes(run)], "cycles": [tables.cycles(run).reset_index()],
                  "weights": _weights(run), "scores": _scores(run)}  # fmt: skip
        for key, parts in of_run.items():
            for part in parts:
                part.insert(0, "condition", name)
                part.insert(1, "seed", number)
                found[key].append(part)
    many = {key: pd.concat(parts, ignore_index=True) for key, parts in found.items() if parts}
    return {"cells": tables.cells(ds).reset_index(), **many}


def write_csv(ds: xr.Dataset, folder: Path, condition=None, seed=None) -> list[Path]:
    """Write the tables of `to_tables` as CSV files; give them."""
    paths = []
    for name, table in to_tables(ds, condition, seed).items():
        paths.append(Path(folder, f"{name}.csv"))
        table.to_csv(paths[-1], index=False)
    return paths


def _spikes(run):
    number = run["spike_neuron"].values
    population = run["population"].values[number]
    columns = {"time_s": run["spike_time"].values, "neuron": number, "population": population}
    return pd.DataFrame(columns)


def _weights(run):
    for e in tables.edges(run):
        table = pd.DataFrame({"source": e.source, "target": e.target, **e.values})
        table.insert(0, "projection", e.projection)
        yield table


def _scores(run):
    """Give the scores of each cycle that has any, by block and, with several, by loop."""
    of = {"block", "cycle"}
    names = [n for n, v in run.data_vars.items() if of <= set(v.dims) <= {*of, "loop"}]
    if not names:
        return
    table = run[names].reset_coords(drop=True).to_dataframe()
    numbers = table.select_dtypes(np.floating).columns
    yield table.dropna(how="all", subset=numbers).reset_index()
