"""Observables of the weight change beside the gradient of the prediction error."""

from __future__ import annotations

import numpy as np

from analysis.data import schema
from analysis.measures import weights
from analysis.measures.gradient import (
    NULLS,
    WINDOW,
    block_projections,
    error_felt,
    null_cosine,
    partial_coefficients,
    z_score,
)
from analysis.observables.registry import observable


def _one(ds, block, projection, window, slope, depth):
    name = weights.plastic_projection(ds, projection)
    parts = block_projections(ds, block, window, slope, depth)
    return next(part for part in parts if part.name == name)


def _nulls(null):
    if null != "strict" and null not in NULLS:
        raise schema.AnalysisError(f"no null '{null}'{schema.nearest(null, [*NULLS, 'strict'])}")
    return [kind for kind in NULLS if kind != "synapses"] if null == "strict" else [null]


def _against(part, null):
    """Mean and z of the null that leaves least of the cosine."""
    cosine, found = part.cosine(), []
    for kind in _nulls(null):
        mean, sd = null_cosine(part, kind, 200, 0)
        found.append((z_score(cosine, mean, sd), mean))
    z, mean = min(found, key=lambda pair: pair[0]) if np.isfinite(found).all() else (np.nan,) * 2
    return mean, z


@observable("1")
def gradient_cosine(
    ds, block, projection="predictor->relay", centred=False, window=WINDOW, slope="fitted", depth=6
):
    """Cosine of a projection's weight change in a block and minus the gradient of the error.

    The error is that of the relay cells' minus phase as a prediction of their plus phase; see
    `analysis.measures.gradient`. With ``centred`` both without their mean over the synapses:
    what is left when all weights rising or falling together does not count. NaN where weights did
    not change or no error reaches the projection.
    """
    return _one(ds, block, projection, window, slope, depth).cosine(bool(centred))


@observable("1")
def gradient_cosine_shuffled(
    ds,
    block,
    projection="predictor->relay",
    null="synapses",
    window=WINDOW,
    slope="fitted",
    depth=6,
):
    """Mean of `gradient_cosine` when the gradient is permuted.

    ``null`` says what is permuted: ``synapses``, whole ``targets`` or ``sources``, or ``cycles``;
    ``strict`` is that of the last three that leaves least.
    """
    return _against(_one(ds, block, projection, window, slope, depth), null)[0]


@observable("1")
def gradient_z(
    ds,
    block,
    projection="predictor->relay",
    null="synapses",
    window=WINDOW,
    slope="fitted",
    depth=6,
):
    """Give how far `gradient_cosine` lies above its null, in standard deviations of the null.

    ``null`` as in `gradient_cosine_shuffled`; ``strict`` is the smallest of the three.
    """
    return _against(_one(ds, block, projection, window, slope, depth), null)[1]


@observable("1")
def partial_coefficient(ds, block, projection="predictor->relay", phase="plus"):
    """Coefficient of a projection's weight change on source times target in a phase.

    See `analysis.measures.gradient.partial_coefficients`.
    """
    if phase not in schema.PHASES:
        raise schema.AnalysisError(f"no phase '{phase}'{schema.nearest(phase, schema.PHASES)}")
    found = partial_coefficients(ds, block, weights.plastic_projection(ds, projection))
    return found[0 if phase == "plus" else 1]


@observable("1")
def cortical_error(ds, block, population="predictor"):
    """Correlation of plus - minus of a population with the error that is sent back to it.

    Cell by cell, over cycles; see `analysis.measures.gradient.error_felt`.
    """
    return error_felt(ds, block, schema.population_name(ds, population))
