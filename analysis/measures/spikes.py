"""Spike trains: bursts, irregularity, correlation, population rate.

Trains are given as two arrays, ``time`` (s) and ``neuron`` (int), in any order: what a result
holds, with no object for each cell.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = [
    "Bursts",
    "bin_counts",
    "cv",
    "fano_factor",
    "find_bursts",
    "interspike_intervals",
    "isolated_fraction",
    "low_threshold_spikes",
    "pairwise_correlation",
    "population_rate",
]


@dataclass(frozen=True)
class Bursts:
    """Bursts of many cells, sorted by (neuron, onset).

    Attributes
    ----------
    neuron : (n_burst,) array of int
    onset, end : (n_burst,) array, s
        First and last spike.
    n_spikes : (n_burst,) array of int
    """

    neuron: np.ndarray
    onset: np.ndarray
    end: np.ndarray
    n_spikes: np.ndarray

    def __len__(self) -> int:
        return self.onset.size


def _by_neuron(time, neuron):
    time, neuron = np.asarray(time, float), np.asarray(neuron, int)
    order = np.lexsort((time, neuron))
    return time[order], neuron[order], order


def _runs(time, neuron, max_isi):
    """First spike and length of each run of spikes of one cell that follow within ``max_isi``."""
    # a step of rounding must not break an interval that equals the limit
    joined = (np.diff(neuron) == 0) & (np.diff(time) <= max_isi + 1e-9)
    first = np.flatnonzero(np.concatenate([[True], ~joined])) if time.size else np.empty(0, int)
    return first, np.diff(np.append(first, time.size))


def find_bursts(
    time: np.ndarray, neuron: np.ndarray, max_isi: float = 10e-3, min_spikes: int = 2
) -> Bursts:
    """Find bursts: at least ``min_spikes`` spikes with intervals of at most ``max_isi``.

    Parameters
    ----------
    time : (n_spike,) array, s
    neuron : (n_spike,) array of int
    max_isi : float, s
    min_spikes : int

    Returns
    -------
    Bursts
    """
    time, neuron, _ = _by_neuron(time, neuron)
    first, size = _runs(time, neuron, max_isi)
    first, size = first[size >= min_spikes], size[size >= min_spikes]
    return Bursts(neuron[first], time[first], time[first + size - 1], size)


def low_threshold_spikes(
    time: np.ndarray, neuron: np.ndarray, max_isi: float = 4e-3, silence: float = 100e-3
) -> np.ndarray:
    """Tell which spikes belong to bursts of the low-threshold kind.

    Intervals of at most 4 ms, after 100 ms or more without a spike (Lu, Guido & Sherman 1992,
    doi:10.1152/jn.1992.68.6.2185).

    Parameters
    ----------
    time : (n_spike,) array, s
    neuron : (n_spike,) array of int
    max_isi, silence : float, s

    Returns
    -------
    (n_spike,) array of bool
        In the order given. The first spike of a cell has no silence before it that is known.
    """
    time, neuron, order = _by_neuron(time, neuron)
    first, size = _runs(time, neuron, max_isi)
    before = first - 1
    after_silence = (first > 0) & (neuron[first] == neuron[before])
    after_silence &= time[first] - time[before] >= silence - 1e-9
    found = np.zeros(time.size, bool)
    found[order] = np.repeat(after_silence & (size > 1), size)
    return found


def isolated_fraction(
    time: np.ndarray, neuron: np.ndarray, max_isi: float = 10e-3, counted: np.ndarray | None = None
) -> float:
    """Return the share of spikes that belong to no burst.

    Parameters
    ----------
    time : (n_spike,) array, s
    neuron : (n_spike,) array of int
    max_isi : float, s
    counted : (n_spike,) array of bool, optional
        Spikes to take the share of; the others serve only to decide what is a burst.

    Returns
    -------
    float
        NaN without spikes.
    """
    time, neuron, order = _by_neuron(time, neuron)
    _, size = _runs(time, neuron, max_isi)
    isolated = np.repeat(size == 1, size)
    if counted is not None:
        isolated = isolated[np.asarray(counted, bool)[order]]
    return float(isolated.mean()) if isolated.size else np.nan


def interspike_intervals(time: np.ndarray, neuron: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the intervals (s) between spikes of one cell, and the cell of each."""
    time, neuron, _ = _by_neuron(time, neuron)
    same = np.diff(neuron) == 0
    return np.diff(time)[same], neuron[1:][same]


def cv(time: np.ndarray, neuron: np.ndarray, n_neuron: int) -> np.ndarray:
    """Return the coefficient of variation of the interspike intervals of each cell.

    Returns
    -------
    (n_neuron,) array
        NaN for a cell with fewer than two intervals.
    """
    isi, cell = interspike_intervals(time, neuron)
    n = np.bincount(cell, minlength=n_neuron)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.bincount(cell, isi, n_neuron) / n
        variance = np.bincount(cell, (isi - mean[cell]) ** 2, n_neuron) / n
        return np.where(n >= 2, np.sqrt(variance) / mean, np.nan)


def bin_counts(
    time: np.ndarray,
    neuron: np.ndarray,
    n_neuron: int,
    t_start: float,
    t_stop: float,
    bin_size: float,
) -> np.ndarray:
    """Count spikes in bins.

    Parameters
    ----------
    time : (n_spike,) array, s
    neuron : (n_spike,) array of int
    n_neuron : int
    t_start, t_stop, bin_size : float, s
        The last bin is dropped if it does not fit.

    Returns
    -------
    (n_neuron, n_bin) array of int
    """
    time, neuron = np.asarray(time, float), np.asarray(neuron, int)
    n_bin = int(np.floor((t_stop - t_start) / bin_size + 1e-6))
    place = np.floor((time - t_start) / bin_size + 1e-6).astype(int)
    keep = (place >= 0) & (place < n_bin)
    flat = neuron[keep] * n_bin + place[keep]
    return np.bincount(flat, minlength=n_neuron * n_bin).reshape(n_neuron, n_bin)


def fano_factor(counts: np.ndarray, axis: int = -1) -> np.ndarray:
    """Return variance over mean of spike counts along ``axis``; NaN where there is no spike."""
    counts = np.asarray(counts, float)
    mean = counts.mean(axis)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(mean > 0, counts.var(axis) / mean, np.nan)


def pairwise_correlation(counts: np.ndarray) -> np.ndarray:
    """Return the Pearson correlation of binned spike counts for every pair of cells.

    Parameters
    ----------
    counts : (n_neuron, n_bin) array

    Returns
    -------
    (n_neuron, n_neuron) array
        NaN for a cell whose count never changes.
    """
    counts = np.asarray(counts, float)
    centred = counts - counts.mean(1, keepdims=True)
    norm = np.sqrt((centred**2).sum(1))
    with np.errstate(invalid="ignore", divide="ignore"):
        return centred @ centred.T / np.outer(norm, norm)


def population_rate(
    time: np.ndarray, n_neuron: int, t_start: float, t_stop: float, bin_size: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean rate of a population over time.

    Parameters
    ----------
    time : (n_spike,) array, s
        Spikes of all its cells.
    n_neuron : int
    t_start, t_stop, bin_size : float, s

    Returns
    -------
    centre : (n_bin,) array, s
    rate : (n_bin,) array, Hz
    """
    counts = bin_counts(time, np.zeros(len(time), int), 1, t_start, t_stop, bin_size)[0]
    return t_start + (np.arange(counts.size) + 0.5) * bin_size, counts / (n_neuron * bin_size)
