"""Weights by what their source tells about their target, and the movement that decides it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress

import numpy as np
import xarray as xr

from analysis.data import schema
from analysis.data.blocks import block_cycles, check_direction

__all__ = [
    "WEIGHT_CLASSES",
    "alignment",
    "classify_synapses",
    "cue_selectivity",
    "movement",
    "placed_synapses",
    "plastic_projection",
]


WEIGHT_CLASSES = ("true", "self", "reverse", "rest")

_STEP = {"ring": 3}


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
        Positions; two where it moves both ways, more where speeds differ. Empty where the run does
        not say.
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
    if "velocity" in ds and block is not None and block in names:
        moved = np.rint(ds["velocity"].values[block_cycles(ds, block)])
        if found := {int(v) for v in moved[np.isfinite(moved) & (moved != 0)]}:
            return stimulus, tuple(sorted(found, reverse=True))
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
    known = ds["predictable"].transpose("cycle", "channel").values
    return bool(known[known.any(-1)].all())


def plastic_projections(ds):
    """Names of the projections whose weights the run has."""
    return list(dict.fromkeys(ds["synapse_projection"].values.astype(str).tolist()))


def plastic_projection(ds: xr.Dataset, projection: str) -> str:
    """Return the name that a plastic projection has in the run.

    Parameters
    ----------
    ds : Dataset
        One run.
    projection : str
        As in ``synapse_projection``; an end may be a role.

    Returns
    -------
    str

    Raises
    ------
    AnalysisError
        If there is no such plastic projection.
    """
    known, name = plastic_projections(ds), projection
    with suppress(schema.AnalysisError):
        ends = (schema.population_name(ds, end) for end in projection.split("->"))
        name = projection if projection in known else "->".join(ends)
    if name not in known:
        raise schema.AnalysisError(
            f"no plastic projection '{projection}'{schema.nearest(projection, known)}"
        )
    return name


def placed_synapses(
    ds: xr.Dataset, projection: str = "predictor->relay"
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the plastic synapses of a projection between cells that have a position.

    Parameters
    ----------
    ds : Dataset
        One run.
    projection : str
        As in ``synapse_projection``; an end may be a role.

    Returns
    -------
    synapse, source, target : (n,) array of int
        Numbers of the synapses, and the positions of their cells.

    Raises
    ------
    AnalysisError
        If there is no such plastic projection.
    """
    name, names = plastic_projection(ds, projection), ds["synapse_projection"].values.astype(str)
    position = ds["neuron_channel"].values.astype(int)
    source = position[ds["synapse_source"].values.astype(int)]
    target = position[ds["synapse_target"].values.astype(int)]
    keep = np.flatnonzero((names == name) & (source >= 0) & (target >= 0))
    return keep, source[keep], target[keep]


def classify_synapses(
    ds: xr.Dataset,
    projection: str = "predictor->relay",
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
        As in ``synapse_projection``; an end may be a role.
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
        If there is no such plastic projection or direction.
    """
    check_direction(direction)
    synapse, source, target = placed_synapses(ds, projection)
    n_x = int(ds.attrs.get("n_x", ds.sizes.get("channel", 1)))
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


def alignment(
    ds: xr.Dataset,
    snapshot: str,
    projection: str = "predictor->relay",
    both: bool = False,
) -> float:
    """Correlate the weights of a projection with those of the projection the other way.

    Feedback that is the transpose of the forward weights sends each cell the gradient of the error.

    Parameters
    ----------
    ds : Dataset
        One run.
    snapshot : str
        ``"start"``, or the block at whose end.
    projection : str
        As in ``synapse_projection``; an end may be a role.
    both : bool
        Only pairs of cells that are joined both ways; else all pairs, of weight 0 where there is no
        synapse, so that the wiring counts too.

    Returns
    -------
    float
        1 for a transpose; NaN where either does not vary or learn, or no pair is joined both ways.

    Raises
    ------
    AnalysisError
        If there is no such snapshot or plastic projection.
    """
    names = ds["snapshot"].values.astype(str).tolist()
    if snapshot not in names:
        raise schema.AnalysisError(f"no snapshot '{snapshot}'{schema.nearest(snapshot, names)}")
    weight = ds["weight"].isel(snapshot=names.index(snapshot)).values
    population = ds["population"].values.astype(str)
    forward = plastic_projection(ds, projection)
    ends = forward.split("->")
    back = "->".join(ends[::-1])
    if back not in plastic_projections(ds):
        return np.nan
    place = np.zeros(population.size, int)
    for name in ends:
        place[population == name] = np.arange((population == name).sum())
    source, target = ((population == name).sum() for name in ends)
    total, count = np.zeros((2, 2, target, source))
    for k, name in enumerate((forward, back)):
        mine = ds["synapse_projection"].values.astype(str) == name
        pair = [
            place[ds[f"synapse_{end}"].values[mine].astype(int)]
            for end in (("target", "source") if k == 0 else ("source", "target"))
        ]
        np.add.at(total[k], tuple(pair), weight[mine])
        np.add.at(count[k], tuple(pair), 1)
    here = (count > 0).all(axis=0) if both else np.ones((target, source), bool)
    a, b = total[:, here]
    if not (here.any() and np.ptp(a) > 0 and np.ptp(b) > 0):
        return np.nan
    return float(np.corrcoef(a, b)[0, 1])


def cue_selectivity(ds: xr.Dataset, block: str, projection: str, feature: str) -> float:
    """Return how far cells told the two values of a feature of the cue part in their weights.

    Parameters
    ----------
    ds : Dataset
        One run.
    block : str
        Whose weight change counts.
    projection : str
        From cue cells, as in ``synapse_projection``.
    feature : str
        Of those in ``cue`` of the stimulus.

    Returns
    -------
    float
        Root mean square, over target cells, of the mean weight change from the cue cells that are
        told one value less that from those told the other.

    Raises
    ------
    AnalysisError
        If there is no such projection, feature, or block with a snapshot before it.
    """
    cue = list(movement(ds, block)[0].get("cue") or ())
    if feature not in cue:
        raise schema.AnalysisError(
            f"no feature '{feature}' of the cue{schema.nearest(feature, cue)}"
        )
    names = ds["snapshot"].values.astype(str).tolist()
    if block not in names[1:]:
        raise schema.AnalysisError(f"no block '{block}'{schema.nearest(block, names[1:])}")
    at = names.index(block)
    mine = ds["synapse_projection"].values.astype(str) == plastic_projection(ds, projection)
    change = np.diff(
        ds["weight"].transpose("snapshot", "synapse").values[at - 1 : at + 1, mine], axis=0
    )[0]
    channel = ds["neuron_channel"].values[ds["synapse_source"].values[mine].astype(int)]
    # channels are shared out: two values of the first feature, two of the next
    value = channel.astype(int) * 2 * len(cue) // ds.sizes["channel"] - 2 * cue.index(feature)
    _, target = np.unique(ds["synapse_target"].values[mine], return_inverse=True)
    total = [np.bincount(target, change * (value == k)) for k in (0, 1)]
    count = [np.bincount(target, value == k) for k in (0, 1)]
    told = (count[0] > 0) & (count[1] > 0)
    apart = total[0][told] / count[0][told] - total[1][told] / count[1][told]
    return float(np.sqrt(np.mean(apart**2))) if apart.size else np.nan
