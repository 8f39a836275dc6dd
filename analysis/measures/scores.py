"""Scores of the prediction of every cycle, and the observables that are their means."""

from __future__ import annotations

import numpy as np
import xarray as xr

from analysis.data import schema
from analysis.data.blocks import block_cycles, by_run, run_dims
from analysis.measures import patterns
from analysis.measures.phases import (
    WINDOW,
    position_patterns,
    seen_positions,
    windows_of,
)

__all__ = ["SCORES", "add_scores", "block_means", "masked_pearson", "scored"]


#: Variables that `add_scores` adds, each (condition, seed, block, cycle).
SCORES = {
    "r_pred": "minus pattern of the relay cells with the outcome of the same cycle",
    "r_persist": "outcome of the cycle before with the outcome",
    "r_shuffle": "minus pattern of the relay cells with the outcomes of other cycles",
    "decode": "is the outcome of the cycle nearest to the minus pattern",
    "decode_chance": "what decode is by chance",
    "decode_position": "is the maximum of the minus pattern at that of the outcome",
    "prediction_error": "mean square difference of minus pattern and outcome, RMS of each 1",
    "outcome_defined": "has the outcome variance where it could be predicted",
}

_LEAST_POSITIONS = 3
_SAME = 0.999
"""Correlation above which two cycles show the same stimulus."""


def masked_pearson(a, b, seen):
    """Pearson over the last axis where ``seen``; and if ``b`` has variance there.

    Parameters
    ----------
    a, b : (..., position) array
    seen : (..., position) array of bool

    Returns
    -------
    r : (...) array
        NaN where either has no variance.
    defined : (...) array of bool
    """
    n = seen.sum(-1)

    def centred(x):
        x = np.where(seen, x, 0)
        away = np.where(seen, x - (x.sum(-1) / np.maximum(n, 1))[..., None], 0)
        norm, scale = np.sqrt((away**2).sum(-1)), np.abs(x).max(-1, initial=0)
        varies = (norm > 1e-12 * np.maximum(scale, 1e-300)) & (n >= _LEAST_POSITIONS)
        return away, np.where(varies, norm, np.nan)

    (a, norm_a), (b, norm_b) = centred(a), centred(b)
    return np.clip((a * b).sum(-1) / (norm_a * norm_b), -1, 1), ~np.isnan(norm_b)


def _unit_rms(x, seen):
    x = np.where(seen, x, 0)
    rms = np.sqrt((x**2).sum(-1) / np.maximum(seen.sum(-1), 1))[..., None]
    return x / np.where(rms > 0, rms, 1)


def _single_maximum(x, seen):
    """Place of the maximum where seen, -1 where there is none or several."""
    x = np.where(seen, x, -np.inf)
    top = x == x.max(-1, keepdims=True)
    return np.where((top & seen).sum(-1) == 1, top.argmax(-1), -1)


def _against_others(minus, outcome, stimulus, seen):
    """Compare each minus pattern of a block with all its outcomes.

    All arrays are (cycle, channel). Returns r_shuffle, decode and decode_chance, each (cycle,).
    """
    result = np.full((3, len(minus)), np.nan)
    masks, of = np.unique(seen, axis=0, return_inverse=True)
    for k, mask in enumerate(masks):
        if mask.sum() < _LEAST_POSITIONS:
            continue
        rows = np.flatnonzero(of.ravel() == k)
        place = np.arange(rows.size)
        r = patterns.correlation_matrix(minus[rows][:, mask], outcome[:, mask])
        other = np.ones(r.shape, bool)
        other[place, rows] = False
        defined = other & ~np.isnan(r)
        n = defined.sum(1)
        result[0, rows] = np.where(n > 0, np.where(defined, r, 0).sum(1) / np.maximum(n, 1), np.nan)
        # cycles that show the same as this one are no distractors
        alike = patterns.correlation_matrix(stimulus[:, mask], stimulus[:, mask]) > _SAME
        has_variance = ~np.isnan(patterns.pearson(outcome[:, mask], outcome[:, mask]))
        rival = other & ~alike[rows] & has_variance
        # chance is among stimuli, of which each may be shown several times
        n_stimulus = (rival / np.maximum((alike & has_variance).sum(1), 1)).sum(1)
        own = r[place, rows]
        nearest = np.where(rival & ~np.isnan(r), r, -np.inf).max(1)
        some = rival.any(1) & has_variance[rows]
        result[1, rows] = np.where(some, own > nearest, np.nan)
        result[2, rows] = np.where(some, 1 / (1 + n_stimulus), np.nan)
    return result


def add_scores(ds: xr.Dataset, window: float = WINDOW) -> xr.Dataset:
    """Score the prediction of every loop in every cycle of a learning run.

    The pattern of the relay cells in the minus phase is the prediction, that of the driver in the
    whole cycle the outcome.

    Parameters
    ----------
    ds : Dataset
        One run or all runs; without ``cycle_block``, or loops, it is returned as it is.
    window : float, s
        Last part of the minus phase that counts.

    Returns
    -------
    Dataset
        With ``r_pred``, ``r_persist``, ``r_shuffle``, ``decode``, ``decode_chance``,
        ``decode_position``, ``prediction_error`` and ``outcome_defined``, each (condition, seed,
        loop, block, cycle) without the dims that ``ds`` lacks, and without dim loop where it is
        about one loop; NaN (False) outside the block, where a sweep begins, and where a pattern
        has no variance over at least three predictable positions. ``decode`` is 1 where the
        outcome of the cycle correlates with the minus pattern more than every outcome of the
        block that belongs to another stimulus, and 0 also where the minus pattern is silent.
        ``prediction_error`` is 0 for a perfect prediction, 1 for a silent one, and 2 for one that
        is active at other positions only.
    """
    if "cycle_block" not in ds or "block" not in ds.dims:
        return ds
    if not (names := schema.loop_names(ds)):
        return ds
    many = "loop" not in ds.attrs and len(names) > 1
    parts = [
        _loop_scores(one, window)
        for one in ([schema.of_loop(ds, name) for name in names] if many else [ds])
    ]
    block_of = ds["cycle_block"].values.astype(int)
    belongs = block_of == np.arange(ds.sizes["block"])[:, None]
    dims = (*run_dims(ds), "loop") if many else run_dims(ds)
    new = {}
    for name, text in SCORES.items():
        value = np.stack([part[name] for part in parts], axis=2)
        kept = tuple(slice(None) if dim in dims else 0 for dim in ("condition", "seed", "loop"))
        value = value[kept][..., None, :]
        value = value & belongs if value.dtype == bool else np.where(belongs, value, np.nan)
        new[name] = ((*dims, "block", "cycle"), value, {"units": "1", "long_name": text})
    return ds.assign(new).assign_coords({"loop": names} if many else {})


def _loop_scores(ds, window):
    """Scores of the loop that a Dataset is about, each (condition, seed, cycle)."""
    windows = windows_of(ds, window)
    minus = position_patterns(ds, "relay", *windows["minus"])
    now = position_patterns(ds, "driver", *windows["cycle"])
    before = position_patterns(
        ds, "driver", *(edge - schema.cycle_length(ds) for edge in windows["cycle"])
    )
    n_position = now.shape[-1]
    stimulus = np.broadcast_to(
        by_run(ds, "stimulus", ("cycle", "channel"), 0.0), (*now.shape[:-1], n_position)
    )
    seen = seen_positions(ds, n_position) & ~np.isnan(minus + now)
    minus, now, before = (np.nan_to_num(x) for x in (minus, now, before))

    score = {}
    score["r_pred"], defined = masked_pearson(minus, now, seen)
    score["r_persist"], _ = masked_pearson(before, now, seen)
    difference = _unit_rms(minus, seen) - _unit_rms(now, seen)
    error = (difference**2).sum(-1) / np.maximum(seen.sum(-1), 1)
    score["prediction_error"] = np.where(defined, error, np.nan)
    best = _single_maximum(now, seen)
    hit = (_single_maximum(minus, seen) == best).astype(float)
    score["decode_position"] = np.where(defined & (best >= 0), hit, np.nan)
    score["outcome_defined"] = defined

    block_of = ds["cycle_block"].values.astype(int)
    others = np.full((3, *now.shape[:-1]), np.nan)
    for c, s in np.ndindex(now.shape[:2]):
        for block in range(ds.sizes["block"]):
            at = np.flatnonzero(block_of == block)
            if at.size:
                others[:, c, s, at] = _against_others(
                    minus[c, s, at], now[c, s, at], stimulus[c, s, at], seen[c, s, at]
                )
    score["r_shuffle"], score["decode"], score["decode_chance"] = others
    return score


def block_means(ds: xr.Dataset) -> xr.Dataset:
    """Return the mean scores of every run and block.

    Parameters
    ----------
    ds : Dataset
        From `add_scores`.

    Returns
    -------
    Dataset
        ``r_pred``, ``r_persist``, ``r_shuffle`` (undefined counts 0), ``gain`` (r_pred -
        r_persist), ``decode``, ``decode_chance``, ``prediction_error`` and ``defined`` (share of
        cycles with a defined prediction), each (condition, seed, block): means over the cycles
        whose outcome is defined, NaN where there is none.
    """
    ds = ds[[name for name in SCORES if name in ds]]
    for dim in ("condition", "seed"):
        ds = ds if dim in ds.dims else ds.drop_vars(dim, errors="ignore").expand_dims(dim)
    scored_here = ds["outcome_defined"].astype(bool)
    n = scored_here.sum("cycle")
    means = {}
    for name in ("r_pred", "r_persist", "r_shuffle"):
        total = ds[name].fillna(0).where(scored_here, 0).sum("cycle")
        means[name] = (total / n.where(n > 0)).assign_attrs(ds[name].attrs)
    means["gain"] = (means["r_pred"] - means["r_persist"]).assign_attrs(units="1")
    for name in ("decode", "decode_chance", "prediction_error"):
        means[name] = ds[name].where(scored_here).mean("cycle").assign_attrs(ds[name].attrs)
    defined = (ds["r_pred"].notnull() & scored_here).sum("cycle") / n.where(n > 0)
    means["defined"] = defined.assign_attrs(units="1")
    return xr.Dataset(means).transpose("condition", "seed", "block")


def scored(
    ds: xr.Dataset,
    name: str,
    block: str,
    first: int | None = None,
    last: int | None = None,
    direction: int | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return a score of the cycles of a block whose outcome is defined.

    Parameters
    ----------
    ds : Dataset
        One run; scored here if `add_scores` has not done it.
    name : str
        One of `SCORES`.
    block, first, last, direction
        As `block_cycles` takes them.

    Returns
    -------
    value : (n,) array
        Of correlations, 0 where the prediction is undefined.
    cycle : (n,) array of int
    """
    at = block_cycles(ds, block, first, last, direction)
    ds = ds if name in ds and "outcome_defined" in ds else add_scores(ds)
    one = ds.sel(block=block).isel(cycle=at)
    keep = one["outcome_defined"].values.astype(bool)
    value = one[name].values[keep].astype(float)
    return (np.nan_to_num(value) if name.startswith("r_") else value), at[keep]
