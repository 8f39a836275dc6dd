"""Which feature of the cue the weights of cue cells tell apart."""

import json

import numpy as np
import pytest
import xarray as xr

from analysis.data.schema import AnalysisError
from analysis.measures.weights import cue_selectivity
from analysis.observables import evaluate

CHANNELS, TARGETS = 8, 3
NAME = "P.CUE->V.L6CT"


def learned(change):
    """Return a run whose weights change by ``change`` (target, channel of the cue cell)."""
    target, source = (x.ravel() for x in np.indices(change.shape))
    run = {"stimulus": {"kind": "ring", "cue": ["direction", "coin"]}}
    return xr.Dataset(
        {
            "weight": (("snapshot", "synapse"), np.stack([0.3 + 0 * target, 0.3 + change.ravel()])),
            "synapse_source": ("synapse", source),
            "synapse_target": ("synapse", CHANNELS + target),
        },
        coords={
            "population": ("neuron", np.repeat(["P.CUE", "V.L6CT"], [CHANNELS, TARGETS])),
            "neuron_channel": ("neuron", np.r_[np.arange(CHANNELS), np.zeros(TARGETS, int)]),
            "channel": np.arange(CHANNELS),
            "snapshot": ["start", "training"],
            "synapse_projection": ("synapse", np.full(target.size, NAME)),
        },
        attrs={"run": json.dumps(run), "loops": "[]", "populations": "[]"},
    )


def test_features_are_told_apart_by_the_channels_that_are_told_them():
    # channels 0 to 3 are told the direction, 4 to 7 the coin
    one = np.array([0.1, 0.1, -0.1, -0.1, 0.02, 0.02, -0.02, -0.02])
    ds = learned(one * np.array([[1.0], [-1.0], [2.0]]))
    assert cue_selectivity(ds, "training", NAME, "direction") == pytest.approx(0.2 * np.sqrt(2))
    assert cue_selectivity(ds, "training", NAME, "coin") == pytest.approx(0.04 * np.sqrt(2))
    args = {"block": "training", "projection": NAME}
    assert evaluate(ds, "cue_selectivity_ratio", **args) == pytest.approx(5)
    swapped = {"feature": "coin", "other": "direction"}
    assert evaluate(ds, "cue_selectivity_ratio", **args, **swapped) == pytest.approx(0.2)


def test_what_does_not_learn_tells_nothing_apart():
    ds = learned(np.zeros((TARGETS, CHANNELS)))
    assert np.isnan(evaluate(ds, "cue_selectivity_ratio", block="training", projection=NAME))


def test_unknown_features_and_blocks_are_refused():
    ds = learned(np.ones((TARGETS, CHANNELS)))
    with pytest.raises(AnalysisError, match="no feature 'coins' of the cue; did you mean 'coin'"):
        cue_selectivity(ds, "training", NAME, "coins")
    with pytest.raises(AnalysisError, match="no block 'start'"):
        cue_selectivity(ds, "start", NAME, "coin")
