"""Scores of the prediction of every cycle, and the observables that are their means."""

from __future__ import annotations

import numpy as np
import xarray as xr

from analysis import patterns, schema
from analysis.observables import observable
from analysis.prediction.phases import (
    OUTCOME,
    POPULATION,
    WINDOW,
    block_cycles,
    by_run,
    finite_mean,
    position_patterns,
    run_dims,
    seen_positions,
    windows_of,
)

__all__ = ["SCORES", "add_scores", "block_means", "scored"]

#: Variables that `add_scores` adds, each (condition, seed, block, cycle).
SCORES = {
    "r_pred": "minus pattern of the TRC with the outcome of the same cycle",
    "r_persist": "outcome of the cycle before with the outcome",
    "r_shuffle": "minus pattern of the TRC with the outcomes of other cycles",
    "decode": "is the outcome of the cycle nearest to the minus pattern",
    "decode_chance": "what decode is by chance",
    "decode_position": "is the maximum of the minus pattern at that of the outcome",
    "prediction_error": "mean square difference of minus pattern and outcome, RMS of each 1",
    "outcome_defined": "has the outcome variance where it could be predicted",
}

_LEAST_POSITIONS = 3
_SAME = 0.999
"""Correlation above which two cycles show the same stimulus."""


def _masked_pearson(a, b, seen):
    """Pearson over the last axis where ``seen``; and if ``b`` has variance there."""
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

    All arrays are (cycle, position). Returns r_shuffle, decode and decode_chance, each (cycle,).
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


def add_scores(
    ds: xr.Dataset,
    population: str = POPULATION,
    outcome: str = OUTCOME,
    window: float = WINDOW,
) -> xr.Dataset:
    """Score the prediction of every cycle of a learning run.

    Parameters
    ----------
    ds : Dataset
        One run or all runs; without ``cycle_block`` it is returned as it is.
    population : str
        Whose pattern in the minus phase is the prediction.
    outcome : str
        Whose spikes in the whole cycle are the outcome.
    window : float, s
        Last part of the minus phase that counts.

    Returns
    -------
    Dataset
        With ``r_pred``, ``r_persist``, ``r_shuffle``, ``decode``, ``decode_chance``,
        ``decode_position``, ``prediction_error`` and ``outcome_defined``, each (condition, seed,
        block, cycle) without the dims that ``ds`` lacks; NaN (False) outside the block, where a
        sweep begins, and where a pattern has no variance over at least three predictable
        positions. ``decode`` is 1 where the outcome of the cycle correlates with the minus
        pattern more than every outcome of the block that belongs to another stimulus, and 0 also
        where the minus pattern is silent. ``prediction_error`` is 0 for a perfect prediction, 1
        for a silent one, and 2 for one that is active at other positions only.
    """
    if "cycle_block" not in ds or "block" not in ds.dims:
        return ds
    windows = windows_of(ds, window)
    minus = position_patterns(ds, population, *windows["minus"])
    now = position_patterns(ds, outcome, *windows["cycle"])
    before = position_patterns(
        ds, outcome, *(edge - schema.cycle_length(ds) for edge in windows["cycle"])
    )
    n_position = now.shape[-1]
    stimulus = np.broadcast_to(
        by_run(ds, "stimulus", ("cycle", "position"), 0.0), (*now.shape[:-1], n_position)
    )
    seen = seen_positions(ds, n_position) & ~np.isnan(minus + now)
    minus, now, before = (np.nan_to_num(x) for x in (minus, now, before))

    score = dict.fromkeys(SCORES)
    score["r_pred"], defined = _masked_pearson(minus, now, seen)
    score["r_persist"], _ = _masked_pearson(before, now, seen)
    difference = _unit_rms(minus, seen) - _unit_rms(now, seen)
    error = (difference**2).sum(-1) / np.maximum(seen.sum(-1), 1)
    score["prediction_error"] = np.where(defined, error, np.nan)
    best = _single_maximum(now, seen)
    hit = (_single_maximum(minus, seen) == best).astype(float)
    score["decode_position"] = np.where(defined & (best >= 0), hit, np.nan)
    score["outcome_defined"] = defined

    block_of, n_block = ds["cycle_block"].values.astype(int), ds.sizes["block"]
    others = np.full((3, *now.shape[:-1]), np.nan)
    for c, s in np.ndindex(now.shape[:2]):
        for block in range(n_block):
            at = np.flatnonzero(block_of == block)
            if at.size:
                others[:, c, s, at] = _against_others(
                    minus[c, s, at], now[c, s, at], stimulus[c, s, at], seen[c, s, at]
                )
    score["r_shuffle"], score["decode"], score["decode_chance"] = others

    dims = run_dims(ds)
    keep = tuple(slice(None) if dim in dims else 0 for dim in ("condition", "seed"))
    belongs = block_of == np.arange(n_block)[:, None]
    new = {}
    for name, value in score.items():
        value = value[keep][..., None, :]
        value = value & belongs if value.dtype == bool else np.where(belongs, value, np.nan)
        new[name] = ((*dims, "block", "cycle"), value, {"units": "1", "long_name": SCORES[name]})
    return ds.assign(new)


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


# --- observables of the prediction ---------------------------------------------------------------


@observable("1")
def r_pred(ds, block, first=None, last=None, direction=None):
    """Correlation of the TRC pattern late in the minus phase with the outcome of the cycle.

    Mean over the cycles of the block whose outcome is defined; a silent minus pattern counts 0.
    """
    return finite_mean(scored(ds, "r_pred", block, first, last, direction)[0])


@observable("1")
def r_pred_defined(ds, block, first=None, last=None, direction=None):
    """Share of the cycles with a defined outcome in which the prediction is defined too."""
    at = scored(ds, "r_pred", block, first, last, direction)[1]
    ds = ds if "r_pred" in ds else add_scores(ds)
    r = ds["r_pred"].sel(block=block).values[at]
    return float(np.mean(~np.isnan(r))) if r.size else np.nan


@observable("1")
def prediction_gain(ds, block, first=None, last=None, direction=None, floor=None):
    """Give r_pred minus r_persist: how much better than expecting what was just seen.

    A mean r_persist below ``floor`` counts as ``floor``: with 0, a silent prediction gains nothing
    where what was just seen is never seen again.
    """
    persist = finite_mean(scored(ds, "r_persist", block, first, last, direction)[0])
    persist = persist if floor is None else np.maximum(persist, floor)
    return r_pred(ds, block, first, last, direction) - persist


@observable("1")
def r_pred_shuffle(ds, block, first=None, last=None, direction=None):
    """Correlation of the minus pattern with the outcomes of other cycles of the block."""
    return finite_mean(scored(ds, "r_shuffle", block, first, last, direction)[0])


@observable("1")
def prediction_decode(ds, block, first=None, last=None, direction=None):
    """Share of cycles whose outcome is the nearest one of the block to the minus pattern.

    Outcomes of cycles that show the same stimulus do not compete; a silent pattern is wrong.
    """
    return finite_mean(scored(ds, "decode", block, first, last, direction)[0])


@observable("1")
def prediction_decode_chance(ds, block, first=None, last=None, direction=None):
    """Give what `prediction_decode` is by chance."""
    return finite_mean(scored(ds, "decode_chance", block, first, last, direction)[0])


@observable("1")
def prediction_decode_position(ds, block, first=None, last=None, direction=None):
    """Share of cycles in which minus pattern and outcome have their maximum at one position.

    Over the cycles whose outcome has a single maximum; ties of the minus pattern are wrong.
    """
    return finite_mean(scored(ds, "decode_position", block, first, last, direction)[0])


@observable("1")
def prediction_error(ds, block, first=None, last=None, direction=None):
    """Mean square difference of minus pattern and outcome, each divided by its RMS.

    0 is perfect, 1 a silent prediction, 2 one that is active at other positions only. It is no
    substitute for a correlation: activity that is the same everywhere can lie below 1.
    """
    return finite_mean(scored(ds, "prediction_error", block, first, last, direction)[0])


def _first_cycle(ds, block, window, direction, reached):
    """Cycles of a block until ``reached(mean of the last r_pred)``; NaN if that never is."""
    value, at = scored(ds, "r_pred", block, direction=direction)
    if value.size < window:
        return np.nan
    total = np.concatenate([[0.0], np.cumsum(value)])
    there = np.flatnonzero(reached((total[window:] - total[:-window]) / window))
    begin = block_cycles(ds, block)[0]
    return float(at[there[0] + window - 1] - begin + 1) if there.size else np.nan


@observable("1")
def cycles_to_criterion(ds, block, level=0.5, window=16, reference=None, direction=None):
    """Cycles of the block until the mean r_pred of the last 16 scored cycles exceeds a level.

    With ``reference``, the name of another block, the level is a share of its r_pred. NaN if the
    level is never exceeded.
    """
    if reference is not None:
        level = level * r_pred(ds, reference, direction=direction)
    return _first_cycle(ds, block, window, direction, lambda mean: mean > level)


@observable("1")
def cycles_to_recover(ds, block, reference, share=0.8, window=20, direction=None):
    """Cycles of a block until r_pred is back at a share of what it was in another block.

    The mean r_pred of the last ``window`` scored cycles counts, so that the value is never below
    ``window``. If it never gets there, the value is one more than the block has cycles: a lower
    bound, with which a mean over seeds stays a number. NaN where the other block has no positive
    r_pred, or this one fewer than ``window`` scored cycles.
    """
    level = share * r_pred(ds, reference, direction=direction)
    if not level > 0 or scored(ds, "r_pred", block, direction=direction)[1].size < window:
        return np.nan
    first = _first_cycle(ds, block, window, direction, lambda mean: mean >= level)
    return first if np.isfinite(first) else float(block_cycles(ds, block).size + 1)


@observable("1")
def recovery(ds, block, reference, last=None, reference_last=None, direction=None):
    """Give r_pred at the end of a block over that of another block.

    NaN where the other block has no positive r_pred.
    """
    before = r_pred(ds, reference, last=reference_last, direction=direction)
    after = r_pred(ds, block, last=last, direction=direction)
    return after / before if before > 0 else np.nan
