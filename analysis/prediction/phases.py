"""What populations say in the phases of a cycle, by position; and the cycles of a block."""

from __future__ import annotations

import numpy as np
import xarray as xr

from analysis import schema

__all__ = ["block_cycles", "cell_rates", "phase_patterns", "position_patterns"]

POPULATION, OUTCOME, WINDOW = "pulvinar.TRC", "V1.L5IB", 60e-3
_EDGE = 1e-9


def run_shape(ds):
    """Give the numbers of conditions and seeds, 1 where there is no such dim."""
    return tuple(ds.sizes.get(dim, 1) for dim in ("condition", "seed"))


def run_dims(ds):
    """Give those of the dims condition and seed that there are."""
    return tuple(dim for dim in ("condition", "seed") if dim in ds.dims)


def by_run(ds, name, dims, default=None):
    """Array (condition, seed, *dims) of a variable, with size 1 where it has no such dim."""
    if name not in ds:
        shape = (*run_shape(ds), *(ds.sizes.get(dim, 1) for dim in dims))
        return np.full(shape, default)
    array = ds[name]
    for dim in ("condition", "seed"):
        if dim not in array.dims:
            array = array.expand_dims({dim: ds.sizes.get(dim, 1)})
    return array.transpose("condition", "seed", *dims).values


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
    position = ds["position"].values.astype(int)
    n_position = max(ds.sizes.get("position", 0), int(position.max(initial=0)) + 1)
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
    (condition, seed, cycle, position) array
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
    cycle = np.searchsorted(begin - _EDGE, time, side="right") - 1
    inside = (cycle >= 0) & (time < np.asarray(end, float)[cycle] - _EDGE)
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
    """Return the patterns that are compared: what TRCs and V1 L5IB cells say in every cycle.

    Parameters
    ----------
    ds : Dataset
        One run or all runs.

    Returns
    -------
    Dataset
        ``minus`` (the last 60 ms of the phase), ``plus`` and ``outcome`` (the whole cycle), each
        (condition, seed, cycle, position), Hz per cell, and ``seen``, where and when it counts.
        Dims condition and seed have size 1 where ``ds`` lacks them.
    """
    windows = windows_of(ds)
    new = {}
    for name, key, population in (
        ("minus", "minus", POPULATION),
        ("plus", "plus", POPULATION),
        ("outcome", "cycle", OUTCOME),
    ):
        begin, end = windows[key]
        new[name] = position_patterns(ds, population, begin, end) / (end - begin)[:, None]
    new["seen"] = seen_positions(ds, new["outcome"].shape[-1])
    dims = ("condition", "seed", "cycle", "position")
    names = {"minus": "TRC, late minus phase", "plus": "TRC, plus phase",
             "outcome": "V1 L5IB, whole cycle", "seen": "predictable"}  # fmt: skip
    units = {"seen": "1"}
    return xr.Dataset(
        {
            name: (dims, value, {"units": units.get(name, "Hz"), "long_name": names[name]})
            for name, value in new.items()
        }
    )


def seen_positions(ds, n_position):
    """Positions that count in each cycle, (condition, seed, cycle, position) of bool."""
    seen = by_run(ds, "predictable", ("cycle", "position"), True).astype(bool)
    jump = by_run(ds, "jump", ("cycle",), False).astype(bool)
    known = ds["cycle_start"].values - schema.cycle_length(ds) > -_EDGE
    seen = np.broadcast_to(seen, (*seen.shape[:-1], max(n_position, seen.shape[-1])))
    return seen & ~jump[..., None] & known[:, None]


def check_direction(direction):
    """Refuse a direction that no movement has: it would silently select nothing."""
    if direction not in (None, 1, -1):
        raise schema.AnalysisError(f"no direction '{direction}'; valid: 1, -1")


def block_cycles(
    ds: xr.Dataset,
    block: str,
    first: int | None = None,
    last: int | None = None,
    direction: int | None = None,
) -> np.ndarray:
    """Return the numbers of a block's cycles.

    Parameters
    ----------
    ds : Dataset
        One run.
    block : str
    first, last : int, optional
        This many of them, from the beginning or the end of the block.
    direction : {1, -1}, optional
        Those of them in which the stimulus moves this way.

    Returns
    -------
    (n,) array of int

    Raises
    ------
    AnalysisError
        If the run has no blocks, or none of this name, or there is no such direction.
    """
    check_direction(direction)
    if "cycle_block" not in ds or "block" not in ds.dims:
        raise schema.AnalysisError("no variable 'cycle_block': not a run with learning blocks")
    names = ds["block"].values.astype(str).tolist()
    if block not in names:
        raise schema.AnalysisError(f"no block '{block}'{schema.nearest(block, names)}")
    at = np.flatnonzero(ds["cycle_block"].values == names.index(block))
    at = at[: int(first)] if first is not None else at
    at = at[-int(last) :] if last is not None else at
    return at if direction is None else at[ds["direction"].values[at] == direction]


def finite_mean(values):
    """Mean of what is a number; NaN where nothing is."""
    values = np.asarray(values, float)
    values = values[~np.isnan(values)]
    return float(values.mean()) if values.size else np.nan
