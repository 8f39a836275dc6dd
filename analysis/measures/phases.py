"""What populations say in the phases of a cycle, by position; and the cycles of a block."""

from __future__ import annotations

import numpy as np
import xarray as xr

from analysis.data import schema
from analysis.data.blocks import by_run, run_shape

__all__ = ["cell_rates", "phase_patterns", "position_patterns"]


WINDOW = 60e-3


def _run_of_spikes(ds, keep):
    """Give the number of the run, condition by condition, of the spikes to keep."""
    n_seed = run_shape(ds)[1]
    run = np.zeros(keep.size, np.int64)
    if "condition" in ds.dims and "spike_condition" in ds:
        run += n_seed * ds["spike_condition"].values[keep]
    if "seed" in ds.dims and "spike_seed" in ds:
        seeds = ds["seed"].values
        order = np.argsort(seeds)
        run += order[np.searchsorted(seeds[order], ds["spike_seed"].values[keep])]
    return run


def members(ds, population):
    """Place each cell among its population's positions: (neuron,) position or -1, cell counts."""
    cells = schema.cell_index(ds, population)
    position = ds["neuron_channel"].values.astype(int)
    n_position = max(ds.sizes.get("channel", 0), int(position.max(initial=0)) + 1)
    at = np.full(ds.sizes["neuron"], -1)
    at[cells] = position[cells]
    return at, np.bincount(at[at >= 0], minlength=n_position)


def position_patterns(
    ds: xr.Dataset,
    population: str,
    begin: np.ndarray,
    end: np.ndarray,
    cells: np.ndarray | None = None,
) -> np.ndarray:
    """Count spikes by position in a window of every cycle, for all runs at once.

    Parameters
    ----------
    ds : Dataset
        One run or all runs; spikes sorted within each run.
    population : str
    begin, end : (cycle,) array, s
        Windows [begin, end), none of them longer than the time between two cycles.
    cells : (n,) array of int, optional
        Of the population, only these.

    Returns
    -------
    (condition, seed, cycle, channel) array
        Spikes per cell; NaN at a position without cells.
    """
    at, n_cell = members(ds, population)
    if cells is not None:
        chosen = np.isin(np.arange(at.size), cells)
        at = np.where(chosen, at, -1)
        n_cell = np.bincount(at[at >= 0], minlength=n_cell.size)
    count = _counts(ds, at, n_cell.size, begin, end)
    with np.errstate(invalid="ignore", divide="ignore"):
        return count / np.where(n_cell > 0, n_cell, np.nan)


def cell_rates(ds: xr.Dataset, cells: np.ndarray, begin: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Return the rates of cells in a window of every cycle.

    Parameters
    ----------
    ds : Dataset
        One run.
    cells : (n,) array of int
    begin, end : (cycle,) array, s
        As `position_patterns` takes them.

    Returns
    -------
    (cycle, n) array, Hz
    """
    at = np.full(ds.sizes["neuron"], -1)
    at[cells] = np.arange(len(cells))
    return _counts(ds, at, len(cells), begin, end)[0, 0] / (end - begin)[:, None]


def _counts(ds, at, n_place, begin, end):
    """Count spikes by run, window and place, of the neurons that ``at`` gives a place."""
    neuron = ds["spike_neuron"].values
    keep = np.flatnonzero((at >= 0)[neuron])
    time, begin = ds["spike_time"].values[keep], np.asarray(begin, float)
    cycle = np.searchsorted(begin - schema.EDGE, time, side="right") - 1
    inside = (cycle >= 0) & (time < np.asarray(end, float)[cycle] - schema.EDGE)
    keep, cycle = keep[inside], cycle[inside]
    shape = (*run_shape(ds), begin.size, n_place)
    flat = (_run_of_spikes(ds, keep) * begin.size + cycle) * n_place + at[neuron[keep]]
    return np.bincount(flat, minlength=int(np.prod(shape))).reshape(shape)


def windows_of(ds, window=WINDOW):
    """Begin and end of the last part of the minus phase, the plus phase and the whole cycle."""
    start, plus = ds["cycle_start"].values.astype(float), ds["plus_start"].values.astype(float)
    end = start + schema.cycle_length(ds)
    return {"minus": (np.maximum(start, plus - window), plus), "plus": (plus, end),
            "cycle": (start, end)}  # fmt: skip


def phase_patterns(ds: xr.Dataset) -> xr.Dataset:
    """Return the patterns that are compared: what relay cells and their driver say in every cycle.

    Parameters
    ----------
    ds : Dataset
        One run or all runs.

    Returns
    -------
    Dataset
        ``minus`` (the last 60 ms of the phase), ``plus`` and ``outcome`` (the whole cycle), each
        (condition, seed, cycle, channel), Hz per cell, and ``seen``, where and when it counts.
        Dims condition and seed have size 1 where ``ds`` lacks them.
    """
    windows = windows_of(ds)
    new = {}
    for name, key, population in (
        ("minus", "minus", "relay"),
        ("plus", "plus", "relay"),
        ("outcome", "cycle", "driver"),
    ):
        begin, end = windows[key]
        new[name] = position_patterns(ds, population, begin, end) / (end - begin)[:, None]
    new["seen"] = seen_positions(ds, new["outcome"].shape[-1])
    dims = ("condition", "seed", "cycle", "channel")
    relay, driver = (schema.population_name(ds, role) for role in ("relay", "driver"))
    names = {"minus": f"{relay}, late minus phase", "plus": f"{relay}, plus phase",
             "outcome": f"{driver}, whole cycle", "seen": "predictable"}  # fmt: skip
    units = {"seen": "1"}
    return xr.Dataset(
        {
            name: (dims, value, {"units": units.get(name, "Hz"), "long_name": names[name]})
            for name, value in new.items()
        }
    )


def seen_positions(ds, n_position):
    """Positions that count in each cycle, (condition, seed, cycle, channel) of bool."""
    seen = by_run(ds, "predictable", ("cycle", "channel"), True).astype(bool)
    jump = by_run(ds, "jump", ("cycle",), False).astype(bool)
    known = ds["cycle_start"].values - schema.cycle_length(ds) > -schema.EDGE
    seen = np.broadcast_to(seen, (*seen.shape[:-1], max(n_position, seen.shape[-1])))
    return seen & ~jump[..., None] & known[:, None]
