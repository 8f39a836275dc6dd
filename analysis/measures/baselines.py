"""What simpler predictors reach in the place of the minus phase, and what noise allows at most."""

from __future__ import annotations

import warnings

import numpy as np
import xarray as xr

from analysis.data import schema
from analysis.data.blocks import block_cycles, run_dims
from analysis.measures.phases import (
    WINDOW,
    cell_rates,
    members,
    position_patterns,
    seen_positions,
    windows_of,
)
from analysis.measures.scores import masked_pearson
from analysis.measures.weights import movement

__all__ = ["PREDICTORS", "add_baselines", "baselines", "entering"]

#: Scored as `r_pred` is, in the same cycles and positions.
PREDICTORS = {
    "persistence": "outcome of the cycle before",
    "shift": "outcome of the cycle before, moved on by the step of the movement, where speeds "
    "differ by the middle one: no learning",
    "own_shift": "the same by the step of that very sweep, where speeds differ",
    "ridge": "ridge regression on the outcome of the cycle before",
    "ridge_spikes": "ridge regression on the spikes that the plastic synapses see before the end "
    "of the minus phase",
    "positive_spikes": "the same with weights of at least zero",
    "stimulus": "stimulus of the cycle itself",
    "ceiling": "half of the cells of the outcome with the other half, by Spearman and Brown",
}
_DELAY = 10e-3
_PENALTIES = np.logspace(-3, 3, 13)
_LEAST_CYCLES = 20


def _ridge(x, y):
    """Return weights (feature, position) for centred arrays, and the penalty.

    The penalty is the best of a grid by generalised cross-validation (Golub et al. 1979,
    doi:10.1080/00401706.1979.10489751).
    """
    u, s, v = np.linalg.svd(x, full_matrices=False)
    best = (np.inf, None, None)
    for penalty in _PENALTIES * max(float((s**2).mean()), 1e-30):
        shrunk = s**2 / (s**2 + penalty)
        left = y - u @ (shrunk[:, None] * (u.T @ y))
        error = (left**2).sum() / (1 - min(shrunk.sum() / len(x), 0.999)) ** 2
        if error < best[0]:
            best = error, v.T @ ((s / (s**2 + penalty))[:, None] * (u.T @ y)), penalty
    return best[1:]


def _regression(x, y, train, positive=False):
    """Predict y (cycle, position) from x (cycle, feature) by what the cycles ``train`` show."""
    if len(train) < _LEAST_CYCLES or not np.ptp(x[train], axis=0).any():
        return np.full(y.shape, np.nan)
    mean, base = x[train].mean(0), y[train].mean(0)
    weights, penalty = _ridge(x[train] - mean, y[train] - base)
    if positive:
        from scipy.optimize import nnls  # slow to load

        stacked = np.vstack([x[train] - mean, np.sqrt(penalty) * np.eye(x.shape[1])])
        zeros = np.zeros(x.shape[1])
        weights = np.stack(
            [nnls(stacked, np.concatenate([z, zeros]))[0] for z in (y[train] - base).T], axis=1
        )
    return (x - mean) @ weights + base


def _shifted(ds, block, before, at, own=False):
    """Move the patterns (cycle, position) of a block on by what the stimulus moves in a cycle."""
    stimulus, steps = movement(ds, block)
    if not steps or (own and "velocity" not in ds):
        return np.full(before.shape, np.nan)
    n_x = int(ds.attrs.get("n_x", before.shape[1]))
    step = steps[0] * np.ones(len(before), int)
    if "velocity" in ds:
        moved = ds["velocity"].values[at]
        step[at] = np.rint(moved if own else np.sign(moved) * np.median(np.abs(moved)))
    elif len(steps) > 1:
        step[at] = abs(steps[0]) * ds["direction"].values[at]
    step = step * (1 if stimulus.get("kind") == "ring" else -1)
    x = np.arange(before.shape[1])
    source = x % n_x - step[:, None]
    inside = (source >= 0) & (source < n_x) | (stimulus.get("kind") == "ring")
    moved = np.take_along_axis(before, x // n_x * n_x + source % n_x, axis=1)
    return np.where(inside, moved, 0.0)


def _spikes(ds, windows):
    """Rates (cycle, cell) of the sources of plastic synapses onto relay cells."""
    onto = np.isin(ds["synapse_target"].values, schema.cell_index(ds, "relay"))
    cells = np.unique(ds["synapse_source"].values[onto].astype(int))
    begin, end = (edge - _DELAY for edge in windows["minus"])
    return cell_rates(ds, cells, begin, end)


def baselines(ds: xr.Dataset, block: str, window: float = WINDOW) -> dict[str, float]:
    """Return what simpler predictors reach in a block.

    Parameters
    ----------
    ds : Dataset
        One run.
    block : str
        Regressions are fitted on the blocks before it with the same movement.
    window : float, s
        Last part of the minus phase that counts.

    Returns
    -------
    dict of str to float
        For each of `PREDICTORS` the mean correlation with the outcome over predictable positions,
        silence counting 0; NaN where a predictor lacks its data.
    """
    patterns, outcome, seen, at = _patterns(ds, block, window)
    found = dict.fromkeys(PREDICTORS, np.nan)
    for name, pattern in patterns.items():
        r, defined = masked_pearson(pattern[at], outcome[at], seen[at])
        if defined.any() and np.isfinite(pattern[at]).all():
            found[name] = float(np.nan_to_num(r[defined]).mean())
    found["ceiling"] = _ceiling(ds, windows_of(ds, window), seen, at)
    return found


def _patterns(ds, block, window):
    """Patterns (cycle, position) of predictors, outcome, what counts, and cycles of the block."""
    windows = windows_of(ds, window)
    outcome = position_patterns(ds, "driver", *windows["cycle"])[0, 0]
    seen = seen_positions(ds, outcome.shape[-1])[0, 0] & ~np.isnan(outcome)
    outcome = np.nan_to_num(outcome)
    length = schema.cycle_length(ds)
    before = np.nan_to_num(
        position_patterns(ds, "driver", *(edge - length for edge in windows["cycle"]))[0, 0]
    )
    at, names = block_cycles(ds, block), ds["block"].values.astype(str).tolist()
    alike = [n for n in names[: names.index(block)] if movement(ds, n)[1] == movement(ds, block)[1]]
    train = np.concatenate([block_cycles(ds, n) for n in alike]) if alike else np.array([], int)
    train = train[seen[train].any(1)]
    patterns = {
        "persistence": before,
        "shift": _shifted(ds, block, before, at),
        "own_shift": _shifted(ds, block, before, at, own=True),
        "ridge": _regression(before, outcome, train),
    }
    if "synapse_source" in ds:
        spikes = _spikes(ds, windows)
        patterns["ridge_spikes"] = _regression(spikes, outcome, train)
        patterns["positive_spikes"] = _regression(spikes, outcome, train, positive=True)
    if "stimulus" in ds:
        patterns["stimulus"] = ds["stimulus"].transpose("cycle", "channel").values
    return patterns, outcome, seen, at


def entering(ds: xr.Dataset, block: str, window: float = WINDOW) -> dict[str, float]:
    """Return how well is predicted what comes into the window from outside of it.

    No shift of the last outcome can tell it; what is seen beside it can, as far as neighbouring
    parts of a picture go together.

    Parameters
    ----------
    ds : Dataset
        One run.
    block : str
        Regressions are fitted on the blocks before it with the same movement.
    window : float, s
        Last part of the minus phase that counts.

    Returns
    -------
    dict of str to float
        ``relay`` and those of `PREDICTORS` but the ceiling: correlation with the outcome over
        cycles and the positions that were out of the window one cycle earlier, each position less
        its mean over cycles; 0 where a predictor is silent there, NaN without such positions.
    """
    patterns, outcome, seen, at = _patterns(ds, block, window)
    relay = position_patterns(ds, "relay", *windows_of(ds, window)["minus"])[0, 0]
    patterns = {"relay": np.nan_to_num(relay), **patterns}
    goes_on = seen[at].any(1)
    new = ~seen[at][goes_on] & (members(ds, "driver")[1] > 0)

    def less_mean(x):
        x = np.where(new, x[at][goes_on], np.nan)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # positions that are never new
            return (x - np.nanmean(x, axis=0))[new]

    wanted = less_mean(outcome)
    found = dict.fromkeys(["relay", *(p for p in PREDICTORS if p != "ceiling")], np.nan)
    for name, pattern in patterns.items():
        if not wanted.any() or not np.isfinite(pattern[at]).all():
            continue
        given = less_mean(pattern)
        size = np.sqrt((given**2).sum() * (wanted**2).sum())
        found[name] = float((given * wanted).sum() / size) if size > 0 else 0.0
    return found


def _ceiling(ds, windows, seen, at):
    """Reliability of the outcome from two halves of its cells."""
    place, n_cell = members(ds, "driver")
    order = np.flatnonzero(place >= 0)
    order = order[np.argsort(place[order], kind="stable")]
    if n_cell[n_cell > 0].min(initial=2) < 2:
        return np.nan
    rank = np.arange(order.size) - np.searchsorted(place[order], place[order], side="left")
    halves = [
        np.nan_to_num(position_patterns(ds, "driver", *windows["cycle"], cells)[0, 0][at])
        for cells in (order[rank % 2 == 0], order[rank % 2 == 1])
    ]
    r, defined = masked_pearson(*halves, seen[at])
    if not defined.any():
        return np.nan
    r = float(np.nan_to_num(r[defined]).mean())
    # what the whole says of the true pattern: the root of the reliability of both halves together
    return float(np.sqrt(max(2 * r / (1 + r), 0.0)))


def add_baselines(ds: xr.Dataset) -> xr.Dataset:
    """Add what simpler predictors reach in every block in which nothing learns.

    Parameters
    ----------
    ds : Dataset
        One run or all runs, from `analysis.measures.scores.add_scores`.

    Returns
    -------
    Dataset
        With ``baseline`` (condition, seed, loop, block, predictor), NaN in blocks that learn; dims
        as those of the scores. Without blocks or loops it is returned as it is.
    """
    if "cycle_block" not in ds or "block" not in ds.dims or not schema.loops(ds):
        return ds
    names, dims = ds["block"].values.astype(str), run_dims(ds)
    dims = (*dims, "loop") if "loop" in ds.dims else dims
    shape = tuple(ds.sizes[dim] for dim in dims)
    value = np.full((*shape, names.size, len(PREDICTORS)), np.nan)
    for place in np.ndindex(shape):
        chosen = {dim: ds[dim].values[k] for dim, k in zip(dims, place, strict=True)}
        one = schema.of_loop(ds, chosen.pop("loop", None))
        one = schema.select(one, **chosen) if chosen else one
        for k, block in enumerate(names):
            if not (one["learning"].values[block_cycles(one, block)] > 0).any():
                value[(*place, k)] = list(baselines(one, block).values())
    attrs = {"units": "1", "long_name": "correlation of a simpler predictor with the outcome"}
    return ds.assign(baseline=((*dims, "block", "predictor"), value, attrs)).assign_coords(
        predictor=list(PREDICTORS)
    )
