"""Theta: when in the cycle something happens, and how sharply.

Phase runs from 0 at the start of a cycle to 2 pi at its end. Vector strength is the length of the
mean unit vector (Goldberg & Brown 1969, doi:10.1152/jn.1969.32.4.613): 1 when all events share
one phase, near 1/sqrt(n) when phases are uniform.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from analysis.data import schema
from analysis.measures.spikes import find_bursts

__all__ = [
    "aligned_rates",
    "burst_phases",
    "cycle_phase",
    "in_plus",
    "mean_phase",
    "phase_histogram",
    "phase_rates",
    "vector_strength",
]


def cycle_phase(
    time: np.ndarray, cycle_start: np.ndarray, cycle_length: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return cycle and phase of each event.

    Parameters
    ----------
    time : (n,) array, s
    cycle_start : (n_cycle,) array, s
    cycle_length : float, s

    Returns
    -------
    cycle : (n,) array of int
        -1 for an event outside all cycles.
    phase : (n,) array, rad
        In [0, 2 pi); NaN outside all cycles.
    """
    time, cycle_start = np.asarray(time, float), np.asarray(cycle_start, float)
    cycle = schema.cycle_index(time, cycle_start, cycle_length)
    if not cycle_start.size:
        return cycle, np.full(time.shape, np.nan)
    since = np.clip(time - cycle_start[cycle], 0, None)
    return cycle, np.where(cycle >= 0, 2 * np.pi * since / cycle_length, np.nan)


def vector_strength(phase: np.ndarray) -> float:
    """Return the vector strength of phases (rad), 0 to 1; NaN without events."""
    phase = np.asarray(phase, float)
    return float(np.abs(np.exp(1j * phase).mean())) if phase.size else np.nan


def mean_phase(phase: np.ndarray) -> float:
    """Return the circular mean of phases (rad), in [0, 2 pi); NaN without events."""
    phase = np.asarray(phase, float)
    if not phase.size:
        return np.nan
    return float(np.angle(np.exp(1j * phase).mean()) % (2 * np.pi))


def phase_histogram(phase: np.ndarray, n_bins: int = 24) -> tuple[np.ndarray, np.ndarray]:
    """Return the (n_bins + 1) edges (rad) and the (n_bins) counts over one cycle."""
    edges = np.linspace(0, 2 * np.pi, n_bins + 1)
    return edges, np.histogram(np.asarray(phase, float), edges)[0]


def in_plus(
    time: np.ndarray, cycle_start: np.ndarray, plus_start: np.ndarray, cycle_length: float
) -> np.ndarray:
    """Tell which events lie in a plus phase.

    Returns
    -------
    (n,) array of bool
        False for an event outside all cycles.
    """
    time, plus_start = np.asarray(time, float), np.asarray(plus_start, float)
    cycle = schema.cycle_index(time, cycle_start, cycle_length)
    if not plus_start.size:
        return np.zeros(time.shape, bool)
    return (cycle >= 0) & (time >= plus_start[cycle] - 1e-9)


def burst_phases(
    ds: xr.Dataset, population: str = "driver", max_isi: float = 10e-3
) -> xr.DataArray:
    """Return the theta phase of every burst onset of a population.

    Parameters
    ----------
    ds : Dataset
        One run.
    population : str
    max_isi : float, s

    Returns
    -------
    DataArray (burst), rad
        Attribute ``plus_phase`` (rad): mean phase at which the plus phase starts.
    """
    start, length = ds["cycle_start"].values, schema.cycle_length(ds)
    bursts = find_bursts(*schema.spikes_of(ds, schema.cell_index(ds, population)), max_isi)
    cycle, phase = cycle_phase(bursts.onset, start, length)
    plus = 2 * np.pi * float(np.mean(ds["plus_start"].values - start)) / length
    attrs = {
        "units": "rad",
        "long_name": f"{schema.population_name(ds, population)} burst onset",
        "plus_phase": plus,
    }
    return xr.DataArray(phase[cycle >= 0], dims="burst", attrs=attrs)


def phase_rates(ds: xr.Dataset) -> xr.Dataset:
    """Return the rate of each population in each phase.

    Parameters
    ----------
    ds : Dataset
        One run.

    Returns
    -------
    Dataset
        ``mean`` (population, phase), Hz, over cells and cycles; ``sd`` (population, phase), Hz,
        over cells.
    """
    by_cell = schema.rate(ds).mean("cycle").transpose("phase", "neuron").values
    names = schema.populations_by_area(ds)
    cells = [schema.cell_index(ds, name) for name in names]
    coords = {"population": names, "phase": list(schema.PHASES)}
    units = {"units": "Hz"}
    return xr.Dataset(
        {
            "mean": (("population", "phase"), [by_cell[:, c].mean(1) for c in cells], units),
            "sd": (("population", "phase"), [by_cell[:, c].std(1) for c in cells], units),
        },
        coords=coords,
    )


def aligned_rates(
    ds: xr.Dataset, populations: list[str] | None = None, bin_size: float = 5e-3
) -> xr.DataArray:
    """Return the rate of populations through the mean theta cycle.

    Parameters
    ----------
    ds : Dataset
        One run.
    populations : list of str, optional
        All by default.
    bin_size : float, s

    Returns
    -------
    DataArray (population, time), Hz
        ``time`` (s) since the start of the cycle, bin centres; attribute ``plus_start_s``.
    """
    names = schema.populations_by_area(ds) if populations is None else list(populations)
    start, length = ds["cycle_start"].values, schema.cycle_length(ds)
    n_bin = max(1, round(length / bin_size))
    width = length / n_bin
    rates = np.zeros((len(names), n_bin))
    for row, name in enumerate(names):
        cells = schema.cell_index(ds, name)
        time, _ = schema.spikes_of(ds, cells)
        cycle, phase = cycle_phase(time, start, length)
        place = np.floor(phase[cycle >= 0] / (2 * np.pi) * n_bin + 1e-6).astype(int)
        count = np.bincount(np.minimum(place, n_bin - 1), minlength=n_bin)
        rates[row] = count / (len(cells) * max(start.size, 1) * width)
    plus = float(np.mean(ds["plus_start"].values - start))
    since = xr.Variable("time", (np.arange(n_bin) + 0.5) * width, {"units": "s"})
    return xr.DataArray(
        rates,
        dims=("population", "time"),
        coords={"population": names, "time": since},
        attrs={"units": "Hz", "plus_start_s": plus, "cycle_length_s": length},
    )
