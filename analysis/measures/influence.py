"""Who leads whom: lags between populations, and directed influence by phase of the cycle."""

from __future__ import annotations

import numpy as np
import xarray as xr

from analysis.data import schema
from analysis.data.blocks import block_cycles
from analysis.measures.spectra import rate_signal

__all__ = ["lag", "phase_influence"]


def lag(
    ds: xr.Dataset, leader: str, follower: str, f_min: float, f_max: float, window: float = 1.0
) -> float:
    """Return by how much one population's rate leads that of another in a band of frequencies.

    Of the cross-spectrum (Welch, Hann windows, half overlap): at each frequency the phase over
    2 pi f, weighted by the magnitude there.

    Parameters
    ----------
    ds : Dataset
        One run.
    leader, follower : str
        Populations.
    f_min, f_max : float, Hz
        Lags beyond half a period of the band are not told from those a period less.
    window : float, s

    Returns
    -------
    float, s
        Positive where ``leader`` leads; NaN where one of them is silent.
    """
    from scipy import signal  # slow to load

    one, other = (rate_signal(ds, name) for name in (leader, follower))
    dt = one.attrs["bin_size_s"]
    n = min(one.size, max(8, round(window / dt)))
    frequency, cross = signal.csd(one.values, other.values, 1 / dt, nperseg=n)
    band = (frequency >= f_min) & (frequency <= f_max)
    weight = np.abs(cross[band])
    if not weight.sum() > 0:
        return np.nan
    late = -np.angle(cross[band]) / (2 * np.pi * frequency[band])
    return float((weight * late).sum() / weight.sum())


def phase_influence(
    ds: xr.Dataset,
    source: str | list[str],
    target: str | list[str],
    phase: str,
    block: str | None = None,
    bin_size: float = 5e-3,
    lags: int = 6,
) -> float:
    """Return the Granger causality of one population on another in one phase of the cycle.

    The log of the ratio of two residual variances of the target's spike counts, regressed on its
    own past and on that and the source's (Granger 1969, doi:10.2307/1912791), each over its degrees
    of freedom. What comes in every cycle at the same time is taken away before: the rhythm that
    drives both is no influence.

    Parameters
    ----------
    ds : Dataset
        One run.
    source, target : str or list of str
        Populations.
    phase : {"minus", "plus"}
        In which the target is looked at; its past may lie before.
    block : str, optional
        Default all cycles.
    bin_size : float, s
    lags : int
        Bins of the past.

    Returns
    -------
    float
        0 without influence (a little above or below by chance); NaN where a population is silent.
    """
    if phase not in schema.PHASES:
        raise schema.AnalysisError(f"no phase '{phase}'{schema.nearest(phase, schema.PHASES)}")
    at = np.arange(ds.sizes["cycle"]) if block is None else block_cycles(ds, block)
    n_bin = round(schema.cycle_length(ds) / bin_size)
    x, y = (_residual_counts(ds, names, at, n_bin, bin_size) for names in (source, target))
    begin = round(float((ds["plus_start"] - ds["cycle_start"])[0]) / bin_size)
    bins = np.arange(begin, n_bin) if phase == "plus" else np.arange(begin)
    place = (np.arange(at.size)[:, None] * n_bin + bins).ravel()
    place = place[place >= lags]
    own = np.stack([y[place - k] for k in range(1, lags + 1)], axis=1)
    others = np.stack([x[place - k] for k in range(1, lags + 1)], axis=1)
    restricted = _unexplained(y[place], own)
    full = _unexplained(y[place], np.hstack([own, others]))
    return float(np.log(restricted / full)) if restricted > 0 and full > 0 else np.nan


def _residual_counts(ds, names, at, n_bin, bin_size):
    """Count spikes in bins of the cycles ``at``, less the mean over cycles of each bin."""
    time, _ = schema.spikes_of(ds, schema.cell_index(ds, names))
    edges = ds["cycle_start"].values[at][:, None] + np.arange(n_bin) * bin_size - schema.EDGE
    count = np.searchsorted(time, edges + bin_size) - np.searchsorted(time, edges)
    return (count - count.mean(axis=0)).ravel().astype(float)


def _unexplained(y, columns):
    """Residual variance over its degrees of freedom."""
    rest = y - columns @ np.linalg.lstsq(columns, y, rcond=None)[0]
    free = y.size - columns.shape[1]
    return (rest**2).sum() / free if free > 0 else np.nan
