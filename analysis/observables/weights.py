"""Observables of the weights of a learning run."""

from __future__ import annotations

import numpy as np

from analysis.data import schema
from analysis.data.blocks import finite_mean
from analysis.measures.hidden import cue_projection, hidden_tuning, tuning_agreement
from analysis.measures.weights import (
    WEIGHT_CLASSES,
    alignment,
    classify_synapses,
    cue_selectivity,
    plastic_projection,
)
from analysis.observables.registry import observable


def _class_weight(ds, block, projection, direction, of_block):
    """Mean weight of each class at the end of a block."""
    snapshots = ds["snapshot"].values.astype(str).tolist()
    if block not in snapshots:
        raise schema.AnalysisError(f"no snapshot '{block}'{schema.nearest(block, snapshots)}")
    synapse, kind, _, _ = classify_synapses(ds, projection, of_block or block, direction)
    weight = ds["weight"].isel(snapshot=snapshots.index(block)).values[synapse]
    return {name: finite_mean(weight[kind == name]) for name in WEIGHT_CLASSES}


@observable("1")
def class_weight(
    ds, block, group="true", projection="predictor->relay", direction=None, of_block=None
):
    """Mean weight, at the end of a block, of the synapses of a class: true, self, reverse, rest.

    Classes are those of the movement in ``of_block``, by default the same block; the block
    ``start`` is the weights before learning.
    """
    if group not in WEIGHT_CLASSES:
        raise schema.AnalysisError(f"no group '{group}'{schema.nearest(group, WEIGHT_CLASSES)}")
    return _class_weight(ds, block, projection, direction, of_block)[group]


@observable("1")
def weight_ratio(
    ds, block, other="rest", projection="predictor->relay", direction=None, of_block=None
):
    """Mean weight of the synapses whose source predicts their target over that of the rest.

    At the end of a block; ``other`` may be another class than the rest.
    """
    if other not in WEIGHT_CLASSES:
        raise schema.AnalysisError(f"no group '{other}'{schema.nearest(other, WEIGHT_CLASSES)}")
    mean = _class_weight(ds, block, projection, direction, of_block)
    return mean["true"] / mean[other] if mean[other] > 0 else np.nan


@observable("1")
def old_weight_change(ds, block, reference, projection="predictor->relay", direction=None):
    """Relative change in a block of the weights that were right in another block before it.

    NaN if no weight changed: where nothing learns, no fall is to be seen, and no rise.
    """
    old = _class_weight(ds, reference, projection, direction, reference)["true"]
    new = _class_weight(ds, block, projection, direction, reference)["true"]
    names = ds["snapshot"].values.astype(str).tolist()
    before, after = (ds["weight"].values[names.index(name)] for name in (reference, block))
    return new / old - 1 if old > 0 and (before != after).any() else np.nan


@observable("1")
def weight_change(ds, block, projection="predictor->relay"):
    """Mean absolute change of the weights of a projection in a block."""
    name = plastic_projection(ds, projection)
    mine = ds["synapse_projection"].values.astype(str) == name
    snapshots = ds["snapshot"].values.astype(str).tolist()
    if block not in snapshots[1:]:
        raise schema.AnalysisError(f"no block '{block}'{schema.nearest(block, snapshots[1:])}")
    at = snapshots.index(block)
    weight = ds["weight"].transpose("snapshot", "synapse").values[at - 1 : at + 1, mine]
    return finite_mean(np.abs(np.diff(weight, axis=0)))


@observable("1")
def weight_alignment(ds, block, projection="predictor->relay", both=False):
    """Correlation of the weights of a projection with those of the way back, at a block's end.

    See `analysis.measures.weights.alignment`; the block ``start`` is the weights before learning.
    """
    return alignment(ds, block, projection, bool(both))


@observable("1")
def cue_selectivity_ratio(ds, block, projection, feature="direction", other="coin"):
    """How far learning tells the values of a feature of the cue apart, over that of another one.

    See `analysis.measures.weights.cue_selectivity`; 1 where both are told apart by chance alone.
    NaN where the other is not told apart at all, as in synapses that do not learn.
    """
    of, against = (cue_selectivity(ds, block, projection, name) for name in (feature, other))
    return of / against if against > 0 else np.nan


@observable("1")
def hidden_tuning_r(ds, block, feature="direction"):
    """Correlation over hidden cells of what they hear from the cue with what they tell relay cells.

    See `analysis.measures.hidden.hidden_tuning`; the block ``start`` is before learning. NaN where
    no synapses of a cue learn.
    """
    if cue_projection(ds, feature) is None:
        return np.nan
    return tuning_agreement(hidden_tuning(ds, block, feature))
