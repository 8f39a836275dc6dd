"""How well the minus phase predicts the plus phase, and what the weights have to do with it.

In every cycle the pattern of the pulvinar's relay cells late in the minus phase is compared with
the outcome, the spikes of V1 L5IB cells in the whole cycle, position by position. Only positions
count that could be predicted: what is seen there was in the window one cycle before.

A silent prediction is no prediction. Where the outcome is defined and the minus pattern is not,
the observables count a correlation of 0, and `r_pred_defined` tells how often that was so.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np
import xarray as xr

from analysis import patterns, schema
from analysis.observables import observable

__all__ = [
    "SCORES",
    "WEIGHT_CLASSES",
    "add_scores",
    "block_cycles",
    "block_means",
    "classify_sites",
    "classify_synapses",
    "movement",
    "phase_patterns",
    "placed_synapses",
    "position_patterns",
    "scored",
]

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

WEIGHT_CLASSES = ("true", "self", "reverse", "rest")

_POPULATION, _OUTCOME, _WINDOW = "pulvinar.TRC", "V1.L5IB", 60e-3
_LEAST_POSITIONS = 3
_SAME = 0.999
"""Correlation above which two cycles show the same stimulus."""
_EDGE = 1e-9
_STEP = {"ring": 3}


# --- patterns ------------------------------------------------------------------------------------


def _run_shape(ds):
    return tuple(ds.sizes.get(dim, 1) for dim in ("condition", "seed"))


def _run_dims(ds):
    return tuple(dim for dim in ("condition", "seed") if dim in ds.dims)


def _by_run(ds, name, dims, default=None):
    """Array (condition, seed, *dims) of a variable, with size 1 where it has no such dim."""
    if name not in ds:
        shape = (*_run_shape(ds), *(ds.sizes.get(dim, 1) for dim in dims))
        return np.full(shape, default)
    array = ds[name]
    for dim in ("condition", "seed"):
        if dim not in array.dims:
            array = array.expand_dims({dim: ds.sizes.get(dim, 1)})
    return array.transpose("condition", "seed", *dims).values


def _run_of_spikes(ds, keep):
    """Give the number of the run, condition by condition, of the spikes to keep."""
    n_seed = _run_shape(ds)[1]
    run = np.zeros(keep.size, np.int64)
    if "condition" in ds.dims and "spike_condition" in ds:
        run += n_seed * ds["spike_condition"].values[keep]
    if "seed" in ds.dims and "spike_seed" in ds:
        seeds = ds["seed"].values
        order = np.argsort(seeds)
        run += order[np.searchsorted(seeds[order], ds["spike_seed"].values[keep])]
    return run


def _members(ds, population):
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
    at, n_cell = _members(ds, population)
    if cells is not None:
        chosen = np.isin(np.arange(at.size), cells)
        at = np.where(chosen, at, -1)
        n_cell = np.bincount(at[at >= 0], minlength=n_cell.size)
    neuron = ds["spike_neuron"].values
    keep = np.flatnonzero((at >= 0)[neuron])
    time, begin = ds["spike_time"].values[keep], np.asarray(begin, float)
    cycle = np.searchsorted(begin - _EDGE, time, side="right") - 1
    inside = (cycle >= 0) & (time < np.asarray(end, float)[cycle] - _EDGE)
    keep, cycle = keep[inside], cycle[inside]
    shape = (*_run_shape(ds), begin.size, n_cell.size)
    flat = (_run_of_spikes(ds, keep) * begin.size + cycle) * n_cell.size + at[neuron[keep]]
    count = np.bincount(flat, minlength=int(np.prod(shape))).reshape(shape)
    with np.errstate(invalid="ignore", divide="ignore"):
        return count / np.where(n_cell > 0, n_cell, np.nan)


def _windows(ds, window=_WINDOW):
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
    windows = _windows(ds)
    new = {}
    for name, key, population in (
        ("minus", "minus", _POPULATION),
        ("plus", "plus", _POPULATION),
        ("outcome", "cycle", _OUTCOME),
    ):
        begin, end = windows[key]
        new[name] = position_patterns(ds, population, begin, end) / (end - begin)[:, None]
    new["seen"] = _seen(ds, new["outcome"].shape[-1])
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


def _seen(ds, n_position):
    """Positions that count in each cycle, (condition, seed, cycle, position) of bool."""
    seen = _by_run(ds, "predictable", ("cycle", "position"), True).astype(bool)
    jump = _by_run(ds, "jump", ("cycle",), False).astype(bool)
    known = ds["cycle_start"].values - schema.cycle_length(ds) > -_EDGE
    seen = np.broadcast_to(seen, (*seen.shape[:-1], max(n_position, seen.shape[-1])))
    return seen & ~jump[..., None] & known[:, None]


# --- scores --------------------------------------------------------------------------------------


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
    population: str = _POPULATION,
    outcome: str = _OUTCOME,
    window: float = _WINDOW,
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
    windows = _windows(ds, window)
    minus = position_patterns(ds, population, *windows["minus"])
    now = position_patterns(ds, outcome, *windows["cycle"])
    before = position_patterns(
        ds, outcome, *(edge - schema.cycle_length(ds) for edge in windows["cycle"])
    )
    n_position = now.shape[-1]
    stimulus = np.broadcast_to(
        _by_run(ds, "stimulus", ("cycle", "position"), 0.0), (*now.shape[:-1], n_position)
    )
    seen = _seen(ds, n_position) & ~np.isnan(minus + now)
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

    dims = _run_dims(ds)
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


# --- cycles of a block ---------------------------------------------------------------------------


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
        If the run has no blocks, or none of this name.
    """
    if "cycle_block" not in ds or "block" not in ds.dims:
        raise schema.AnalysisError("no variable 'cycle_block': not a run with learning blocks")
    names = ds["block"].values.astype(str).tolist()
    if block not in names:
        raise schema.AnalysisError(f"no block '{block}'{schema.nearest(block, names)}")
    at = np.flatnonzero(ds["cycle_block"].values == names.index(block))
    at = at[: int(first)] if first is not None else at
    at = at[-int(last) :] if last is not None else at
    return at if direction is None else at[ds["direction"].values[at] == direction]


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


def _mean(values):
    values = np.asarray(values, float)
    values = values[~np.isnan(values)]
    return float(values.mean()) if values.size else np.nan


# --- observables of the prediction ---------------------------------------------------------------


@observable("1")
def r_pred(ds, block, first=None, last=None, direction=None):
    """Correlation of the TRC pattern late in the minus phase with the outcome of the cycle.

    Mean over the cycles of the block whose outcome is defined; a silent minus pattern counts 0.
    """
    return _mean(scored(ds, "r_pred", block, first, last, direction)[0])


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
    persist = _mean(scored(ds, "r_persist", block, first, last, direction)[0])
    persist = persist if floor is None else np.maximum(persist, floor)
    return r_pred(ds, block, first, last, direction) - persist


@observable("1")
def r_pred_shuffle(ds, block, first=None, last=None, direction=None):
    """Correlation of the minus pattern with the outcomes of other cycles of the block."""
    return _mean(scored(ds, "r_shuffle", block, first, last, direction)[0])


@observable("1")
def prediction_decode(ds, block, first=None, last=None, direction=None):
    """Share of cycles whose outcome is the nearest one of the block to the minus pattern.

    Outcomes of cycles that show the same stimulus do not compete; a silent pattern is wrong.
    """
    return _mean(scored(ds, "decode", block, first, last, direction)[0])


@observable("1")
def prediction_decode_chance(ds, block, first=None, last=None, direction=None):
    """Give what `prediction_decode` is by chance."""
    return _mean(scored(ds, "decode_chance", block, first, last, direction)[0])


@observable("1")
def prediction_decode_position(ds, block, first=None, last=None, direction=None):
    """Share of cycles in which minus pattern and outcome have their maximum at one position.

    Over the cycles whose outcome has a single maximum; ties of the minus pattern are wrong.
    """
    return _mean(scored(ds, "decode_position", block, first, last, direction)[0])


@observable("1")
def prediction_error(ds, block, first=None, last=None, direction=None):
    """Mean square difference of minus pattern and outcome, each divided by its RMS.

    0 is perfect, 1 a silent prediction, 2 one that is active at other positions only. It is no
    substitute for a correlation: activity that is the same everywhere can lie below 1.
    """
    return _mean(scored(ds, "prediction_error", block, first, last, direction)[0])


@observable("1")
def cycles_to_criterion(ds, block, level=0.5, window=16, reference=None, direction=None):
    """Cycles of the block until the mean r_pred of the last 16 scored cycles exceeds a level.

    With ``reference``, the name of another block, the level is a share of its r_pred. NaN if the
    level is never exceeded.
    """
    if reference is not None:
        level = level * r_pred(ds, reference, direction=direction)
    value, at = scored(ds, "r_pred", block, direction=direction)
    if value.size < window or not np.isfinite(level):
        return np.nan
    total = np.concatenate([[0.0], np.cumsum(value)])
    trailing = (total[window:] - total[:-window]) / window
    above = np.flatnonzero(trailing > level)
    begin = block_cycles(ds, block)[0]
    return float(at[above[0] + window - 1] - begin + 1) if above.size else np.nan


@observable("1")
def recovery(ds, block, reference, last=None, reference_last=None, direction=None):
    """Give r_pred at the end of a block over that of another block.

    NaN where the other block has no positive r_pred.
    """
    before = r_pred(ds, reference, last=reference_last, direction=direction)
    after = r_pred(ds, block, last=last, direction=direction)
    return after / before if before > 0 else np.nan


# --- weights -------------------------------------------------------------------------------------


def movement(ds: xr.Dataset, block: str | None = None) -> tuple[dict, tuple[int, ...]]:
    """Return the stimulus of a block and the steps by which it moves in a cycle.

    Parameters
    ----------
    ds : Dataset
        One run.
    block : str, optional
        Default, and for ``"start"``: the first block that learns.

    Returns
    -------
    stimulus : dict
        Table of the run file, with what the condition and the block change in it.
    steps : tuple of int
        Positions; two where it moves both ways. Empty where the run does not say.
    """
    document = json.loads(ds.attrs.get("run", "{}"))
    names = ds["block"].values.astype(str).tolist() if "block" in ds.dims else []
    if block in (None, "start"):
        learns = np.atleast_1d(ds["learning"].values > 0) if "learning" in ds else []
        where = ds["cycle_block"].values[learns] if np.any(learns) else [0]
        block = names[int(where[0])] if names else None
    condition = str(ds["condition"].values) if "condition" in ds.coords else None
    entries = document.get("condition") or []
    entry = next((e for e in entries if e.get("name") == condition), {})
    stimulus = dict(document.get("stimulus") or {})
    stimulus |= entry.get("stimulus") or {}
    for holder in (document, entry):
        blocks = holder.get("blocks") or {}
        if isinstance(blocks, Mapping) and isinstance(blocks.get(block), Mapping):
            stimulus |= blocks[block].get("stimulus") or {}
    step = stimulus.get("step", _STEP.get(stimulus.get("kind"), 2) if stimulus else None)
    if step is None or _is_film(ds, stimulus):
        return stimulus, ()
    step = int(step)
    ways = set()
    if "direction" in ds and block in names:
        ways = set(ds["direction"].values[block_cycles(ds, block)].astype(int).tolist()) - {0}
    named = {"backward": (-step,), "both": (step, -step)}
    steps = {abs(step) * way for way in ways} or named.get(stimulus.get("direction"), (step,))
    return stimulus, tuple(sorted(steps, reverse=True))


def _is_film(ds, stimulus):
    """Tell if the frames move on while the window rests: nothing ever comes in from outside."""
    if stimulus.get("kind") != "file" or "predictable" not in ds:
        return False
    known = ds["predictable"].transpose("cycle", "position").values
    return bool(known[known.any(-1)].all())


def placed_synapses(
    ds: xr.Dataset, projection: str = "V2.L6CT->TRC"
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the plastic synapses of a projection between cells that have a position.

    Parameters
    ----------
    ds : Dataset
        One run.
    projection : str
        As in ``synapse_projection``; the pulvinar's name may be left out.

    Returns
    -------
    synapse, source, target : (n,) array of int
        Numbers of the synapses, and the positions of their cells.

    Raises
    ------
    AnalysisError
        If there is no such plastic projection.
    """
    names = ds["synapse_projection"].values.astype(str)
    known = list(dict.fromkeys(names.tolist()))

    def bare(name):
        return tuple(part.split(".")[-1] if part.split(".")[0] not in ("V1", "V2") else part
                     for part in name.split("->"))  # fmt: skip

    alike = [n for n in known if n == projection] or [
        n for n in known if bare(n) == bare(projection)
    ]
    if not alike:
        raise schema.AnalysisError(
            f"no plastic projection '{projection}'{schema.nearest(projection, known)}"
        )
    position = ds["position"].values.astype(int)
    source = position[ds["synapse_source"].values.astype(int)]
    target = position[ds["synapse_target"].values.astype(int)]
    keep = np.flatnonzero((names == alike[0]) & (source >= 0) & (target >= 0))
    return keep, source[keep], target[keep]


def classify_synapses(
    ds: xr.Dataset,
    projection: str = "V2.L6CT->TRC",
    block: str | None = None,
    direction: int | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, bool]:
    """Class the synapses of a projection by what their source tells about their target.

    A source cell holds what was seen at its position one cycle before. What is seen through a
    window that moves by ``step`` positions was then at ``x + step``; what is seen on a ring whose
    bump moves by ``step`` was then at ``x - step``.

    Parameters
    ----------
    ds : Dataset
        One run.
    projection : str
        As in ``synapse_projection``; the pulvinar's name may be left out.
    block : str, optional
        Whose movement counts; default the first block that learns.
    direction : {1, -1}, optional
        Where it moves both ways, the one that counts; default both.

    Returns
    -------
    synapse : (n,) array of int
        Numbers of the synapses between cells that have a position.
    kind : (n,) array of str
        Of `WEIGHT_CLASSES`: true (the source predicts the target), self (same position), reverse
        (predicts it for the opposite movement), rest; all but the rest within one polarity.
    offset : (n,) array of int
        x of the target minus x of the source; on a ring from -n_x / 2 up to n_x / 2.
    same : bool array (n,)
        Do both have the same polarity.

    Raises
    ------
    AnalysisError
        If there is no such plastic projection.
    """
    synapse, source, target = placed_synapses(ds, projection)
    n_x = int(ds.attrs.get("n_x", ds.sizes.get("position", 1)))
    same = source // n_x == target // n_x
    offset = target % n_x - source % n_x
    stimulus, steps = movement(ds, block)
    ring = stimulus.get("kind") == "ring"
    if direction is not None and steps:
        steps = (abs(steps[0]) * direction,)
    true = [step if ring else -step for step in steps if step]
    reverse = [-step for step in true]
    if ring:

        def wrap(x):
            return (np.asarray(x, int) + (n_x - 1) // 2) % n_x - (n_x - 1) // 2

        offset, true, reverse = wrap(offset), wrap(true), wrap(reverse)
    kind = np.full(synapse.size, "rest", "<U7")
    for name, wanted in (("reverse", reverse), ("self", [0]), ("true", true)):
        kind[same & np.isin(offset, wanted)] = name
    return synapse, kind, offset, same


def _class_weight(ds, block, projection, direction, of_block):
    """Mean weight of each class at the end of a block."""
    snapshots = ds["snapshot"].values.astype(str).tolist()
    if block not in snapshots:
        raise schema.AnalysisError(f"no snapshot '{block}'{schema.nearest(block, snapshots)}")
    synapse, kind, _, _ = classify_synapses(ds, projection, of_block or block, direction)
    weight = ds["weight"].isel(snapshot=snapshots.index(block)).values[synapse]
    return {name: _mean(weight[kind == name]) for name in WEIGHT_CLASSES}


@observable("1")
def class_weight(ds, block, group="true", projection="V2.L6CT->TRC", direction=None, of_block=None):
    """Mean weight, at the end of a block, of the synapses of a class: true, self, reverse, rest.

    Classes are those of the movement in ``of_block``, by default the same block; the block
    ``start`` is the weights before learning.
    """
    if group not in WEIGHT_CLASSES:
        raise schema.AnalysisError(f"no group '{group}'{schema.nearest(group, WEIGHT_CLASSES)}")
    return _class_weight(ds, block, projection, direction, of_block)[group]


@observable("1")
def weight_ratio(ds, block, other="rest", projection="V2.L6CT->TRC", direction=None, of_block=None):
    """Mean weight of the synapses whose source predicts their target over that of the rest.

    At the end of a block; ``other`` may be another class than the rest.
    """
    if other not in WEIGHT_CLASSES:
        raise schema.AnalysisError(f"no group '{other}'{schema.nearest(other, WEIGHT_CLASSES)}")
    mean = _class_weight(ds, block, projection, direction, of_block)
    return mean["true"] / mean[other] if mean[other] > 0 else np.nan


@observable("1")
def old_weight_change(ds, block, reference, projection="V2.L6CT->TRC", direction=None):
    """Relative change in a block of the weights that were right in another block before it."""
    old = _class_weight(ds, reference, projection, direction, reference)["true"]
    new = _class_weight(ds, block, projection, direction, reference)["true"]
    return new / old - 1 if old > 0 else np.nan


# --- sites: predicted or not, with an outcome or not ---------------------------------------------


def classify_sites(
    ds: xr.Dataset,
    block: str,
    threshold: float = 0.5,
    first: int | None = None,
    last: int | None = None,
    cells: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Tell at which positions something was predicted and at which it happened.

    Parameters
    ----------
    ds : Dataset
        One run.
    block : str
    threshold : float
        Share of the mean plus rate of relay cells at positions with an outcome: above it late in
        the minus phase a position is predicted. A position has an outcome above half of the mean
        count of L5IB spikes where there are any, and none where there are none; those between are
        left out.
    first, last : int, optional
        As `block_cycles`.
    cells : (n,) array of int, optional
        The relay cells by which to judge.

    Returns
    -------
    cycle, position : (n,) array of int
        The predictable positions of the block.
    predicted, happened : (n,) array of bool
    """
    at = block_cycles(ds, block, first, last)
    windows = _windows(ds)
    duration = {key: (end - begin)[at, None] for key, (begin, end) in windows.items()}
    outcome = position_patterns(ds, _OUTCOME, *windows["cycle"])[0, 0][at]
    minus = position_patterns(ds, _POPULATION, *windows["minus"], cells)[0, 0][at]
    plus = position_patterns(ds, _POPULATION, *windows["plus"])[0, 0][at] / duration["plus"]
    seen = _seen(ds, outcome.shape[-1])[0, 0][at] & ~np.isnan(outcome + minus)
    minus = minus / duration["minus"]
    active = seen & (outcome > 0)
    happened = active & (outcome > 0.5 * outcome[active].mean() if active.any() else False)
    clear = seen & (happened | (outcome == 0))
    level = threshold * plus[happened].mean() if happened.any() else np.inf
    cycle, position = np.nonzero(clear)
    return at[cycle], position, (minus > level)[clear], happened[clear]


@observable("1")
def fixed_point_ratio(ds, block, wrong="both", threshold=0.5, first=None, last=None, least=10):
    """Mean weight change at correctly predicted positions over that at wrongly predicted ones.

    Absolute values, in the cycles of a block in which the circuit learns. Wrong is what was
    predicted and did not happen (``false``), what happened unpredicted (``missed``), or the mean
    of the two absolute values (``both``). NaN if there are fewer than ``least`` cases of one.
    """
    kinds = ("both", "false", "missed")
    if wrong not in kinds:
        raise schema.AnalysisError(f"no kind of error '{wrong}'{schema.nearest(wrong, kinds)}")
    cycle, position, predicted, happened = classify_sites(ds, block, threshold, first, last)
    dw, learns = ds["dw"].values[cycle, position], ds["learning"].values[cycle] > 0
    groups = {"correct": predicted & happened, "false": predicted & ~happened,
              "missed": ~predicted & happened}  # fmt: skip
    size = {
        name: abs(dw[keep & learns].mean()) if (keep & learns).sum() >= least else np.nan
        for name, keep in groups.items()
    }
    base = np.mean([size["false"], size["missed"]]) if wrong == "both" else size[wrong]
    return float(size["correct"] / base) if base > 0 else np.nan


@observable("1")
def false_site_fall(ds, block, happened=False, threshold=0.5, first=None, last=None, least=10):
    """How far relay cells fall in the plus phase at positions predicted without an outcome.

    One minus plus rate over late minus rate. Where every position has two cells or more, sites
    are chosen by half of the cells and measured in the other half, both ways round, so that the
    fall is not regression to the mean. ``happened`` measures predicted positions with an outcome
    instead. NaN below ``least`` sites.
    """
    at, n_cell = _members(ds, _POPULATION)
    placed = np.flatnonzero(at >= 0)
    order = placed[np.argsort(at[placed], kind="stable")]
    rank = np.arange(order.size) - np.searchsorted(at[order], at[order], side="left")
    halves = [order[rank % 2 == 0], order[rank % 2 == 1]]
    split = [(0, 1), (1, 0)] if n_cell[n_cell > 0].min() >= 2 else [(None, None)]
    windows, sums, n = _windows(ds), np.zeros(2), 0
    for judge, measure in split:
        by = None if judge is None else halves[judge]
        cells = None if measure is None else halves[measure]
        cycle, position, predicted, there = classify_sites(ds, block, threshold, first, last, by)
        keep = predicted & (there == happened)
        cycle, position = cycle[keep], position[keep]
        n += cycle.size
        for k, key in enumerate(("minus", "plus")):
            begin, end = windows[key]
            count = position_patterns(ds, _POPULATION, begin, end, cells)[0, 0]
            sums[k] += (count[cycle, position] / (end - begin)[cycle]).sum()
    return float(1 - sums[1] / sums[0]) if n >= least and sums[0] > 0 else np.nan
