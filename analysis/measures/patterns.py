"""Patterns over positions: what a population says in a cycle, and how well it matches another.

Patterns are compared by Pearson correlation over positions. Cosine is not used: rates are never
negative, so two unrelated patterns, or two that are uniformly high, have a cosine near one.
A pattern without variance has no correlation; it is NaN and never counted as zero or one.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from analysis.data import schema

__all__ = [
    "correlation_matrix",
    "decode_accuracy",
    "mean_correlation",
    "other_cycles",
    "pattern",
    "pearson",
    "shuffle_correlation",
    "sparseness",
]


def pattern(ds: xr.Dataset, population: str, phase: str = "cycle") -> xr.DataArray:
    """Return the mean rate of a population at each position in each cycle.

    Parameters
    ----------
    ds : Dataset
        One run, with ``rate``.
    population : str
    phase : {"minus", "plus", "cycle"}
        ``"cycle"`` is the whole cycle: both phases, weighted by their duration.

    Returns
    -------
    DataArray (cycle, channel), Hz
        Mean over the cells of a position; NaN at a position without cells.

    Raises
    ------
    AnalysisError
        For an unknown population or phase, or one without positions.
    """
    if phase not in (*schema.PHASES, "cycle"):
        raise schema.AnalysisError(
            f"no phase '{phase}'{schema.nearest(phase, (*schema.PHASES, 'cycle'))}"
        )
    cells = schema.cell_index(ds, population)
    position = ds["neuron_channel"].values[cells].astype(int)
    cells, position = cells[position >= 0], position[position >= 0]
    if not cells.size:
        raise schema.AnalysisError(f"population '{population}' has no positions")
    rate = (
        schema.rate(ds)
        .isel(neuron=cells)
        .transpose("cycle", "phase", "neuron")
        .values.astype(float)
    )
    if phase == "cycle":
        minus = (ds["plus_start"] - ds["cycle_start"]).values / schema.cycle_length(ds)
        weight = np.stack([minus, 1 - minus], axis=1)[:, :, None]
        # a phase of no duration has rate NaN and weight 0
        rate = (np.where(weight > 0, rate, 0) * weight).sum(1)
    else:
        rate = rate[:, schema.PHASES.index(phase)]
    n_position = max(ds.sizes.get("channel", 0), int(position.max()) + 1)
    member = np.zeros((cells.size, n_position))
    member[np.arange(cells.size), position] = 1
    with np.errstate(invalid="ignore"):
        mean = rate @ member / member.sum(0)
    return xr.DataArray(
        mean,
        dims=("cycle", "channel"),
        attrs={"units": "Hz", "long_name": f"{schema.population_name(ds, population)} ({phase})"},
    )


def _centred(x):
    x = np.asarray(x, float)
    # no mean of nothing: of an empty axis numpy would warn
    centred = x - x.sum(-1, keepdims=True) / max(x.shape[-1], 1)
    norm = np.sqrt((centred**2).sum(-1))
    scale = np.abs(x).max(-1, initial=0)
    # below rounding of its own size a pattern has no variance
    return centred, np.where(norm > 1e-12 * np.maximum(scale, 1e-300), norm, np.nan)


def pearson(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the Pearson correlation over the last axis.

    Parameters
    ----------
    a, b : (..., n) array

    Returns
    -------
    (...) array
        NaN where one of the two has no variance or holds a NaN.
    """
    (a, norm_a), (b, norm_b) = _centred(a), _centred(b)
    return np.clip((a * b).sum(-1) / (norm_a * norm_b), -1, 1)


def correlation_matrix(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the correlation of every row of ``a`` with every row of ``b``.

    Parameters
    ----------
    a : (n, n_position) array
    b : (m, n_position) array

    Returns
    -------
    (n, m) array
    """
    (a, norm_a), (b, norm_b) = _centred(a), _centred(b)
    return np.clip(a @ b.T / np.outer(norm_a, norm_b), -1, 1)


def mean_correlation(a: np.ndarray, b: np.ndarray) -> tuple[float, int, int]:
    """Return the mean over cycles of the correlation over positions.

    Parameters
    ----------
    a, b : (n_cycle, n_position) array

    Returns
    -------
    mean : float
        Over the cycles in which it is defined; NaN if there is none.
    n_defined, n_undefined : int
        Cycles in which both patterns have variance, and the others.
    """
    r = pearson(a, b)
    defined = ~np.isnan(r)
    mean = float(r[defined].mean()) if defined.any() else np.nan
    return mean, int(defined.sum()), int((~defined).sum())


def shuffle_correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Return what `mean_correlation` gives when the cycles of ``b`` are shuffled.

    The exact expectation over all pairs of different cycles, so it needs no random numbers. It
    shows how much of a correlation is there because every cycle looks alike.

    Parameters
    ----------
    a, b : (n_cycle, n_position) array

    Returns
    -------
    float
        NaN if no pair is defined.
    """
    r = correlation_matrix(a, b)
    r = r[~np.eye(len(r), dtype=bool)]
    r = r[~np.isnan(r)]
    return float(r.mean()) if r.size else np.nan


def other_cycles(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return for each cycle of ``a`` its mean correlation with all other cycles of ``b``.

    Parameters
    ----------
    a, b : (n_cycle, n_position) array

    Returns
    -------
    (n_cycle,) array
        NaN where no pair is defined.
    """
    r = correlation_matrix(a, b)
    defined = ~np.isnan(r) & ~np.eye(len(r), dtype=bool)
    n = defined.sum(1)
    return np.where(n > 0, np.where(defined, r, 0).sum(1) / np.maximum(n, 1), np.nan)


def decode_accuracy(pattern: np.ndarray, target: np.ndarray) -> float:
    """Return the share of cycles in which the maximum of ``pattern`` is at the target's maximum.

    Ties are broken at random in expectation: a silent pattern scores chance.

    Parameters
    ----------
    pattern, target : (n_cycle, n_position) array

    Returns
    -------
    float
        Over the cycles whose target has a single maximum; NaN if there is none.
    """
    pattern, target = np.asarray(pattern, float), np.asarray(target, float)
    best = target == target.max(-1, keepdims=True)
    clear = best.sum(-1) == 1
    top = pattern == pattern.max(-1, keepdims=True)
    hit = (top & best).sum(-1) / np.maximum(top.sum(-1), 1)
    return float(hit[clear].mean()) if clear.any() else np.nan


def sparseness(pattern: np.ndarray) -> np.ndarray:
    """Return how selective a pattern is: 0 for uniform, 1 for a single active position.

    The measure of Vinje & Gallant 2000 (doi:10.1126/science.287.5456.1273).

    Parameters
    ----------
    pattern : (..., n_position) array
        Never negative.

    Returns
    -------
    (...) array
        NaN where nothing is active.
    """
    pattern = np.asarray(pattern, float)
    with np.errstate(invalid="ignore", divide="ignore"):
        activity = pattern.mean(-1) ** 2 / (pattern**2).mean(-1)
    return (1 - activity) / (1 - 1 / pattern.shape[-1])
