"""Weights by what their source tells about their target."""

import json

import numpy as np
import pytest

from analysis.data import schema
from analysis.measures.weights import WEIGHT_CLASSES, classify_synapses, movement
from tests.analysis.learner import CELLS, N_X, REVERSAL, STEP, join, make_learner, value


@pytest.mark.parametrize("ring", [True, False])
def test_weights_are_told_apart_by_offset(ring):
    ds = make_learner(
        ring=ring, blocks=REVERSAL, quality=dict.fromkeys((b[0] for b in REVERSAL), 1)
    )
    ds = ds if ring else ds.drop_vars("direction")
    assert value(ds, "weight_ratio", block="start") == pytest.approx(1.0)
    for block in ("training", "test", "reversal"):
        assert value(ds, "class_weight", block=block) == pytest.approx(0.7)
    assert value(ds, "weight_ratio", block="test") == pytest.approx(3.5)
    assert value(ds, "weight_ratio", block="test", other="self") == pytest.approx(3.5)
    old = value(ds, "class_weight", block="reversal", of_block="training")
    assert old == pytest.approx(0.45)
    assert value(ds, "class_weight", block="reversal", group="reverse") == pytest.approx(0.45)
    change = value(ds, "old_weight_change", block="reversal", reference="training")
    assert change == pytest.approx(0.45 / 0.7 - 1)
    # "falls" must not hold where nothing learns
    off = ds.assign(weight=ds["weight"].isel(snapshot=[0] * ds.sizes["snapshot"]).assign_coords(
        snapshot=ds["snapshot"]))  # fmt: skip
    assert np.isnan(value(off, "old_weight_change", block="reversal", reference="training"))
    assert value(ds, "class_weight", block="test", direction=-1) == pytest.approx(0.2)
    # the stimulus decides, not the weights: 2 to the right on a ring is 2 to the left of a window
    _, kind, offset, same = classify_synapses(ds)
    assert same.all() and set(offset[kind == "true"]) == {STEP if ring else -STEP}
    assert set(offset[kind == "reverse"]) == {-STEP if ring else STEP}
    n = {k: (kind == k).sum() for k in WEIGHT_CLASSES}
    per_cell = 2 if ring else None
    assert n["self"] == CELLS["V2.L6CT"] * N_X
    assert n["true"] == n["reverse"] == CELLS["V2.L6CT"] * (N_X if per_cell else N_X - STEP)


def test_the_other_polarity_is_rest():
    ds = make_learner(ring=False)
    ds.attrs["n_x"] = N_X // 2
    synapse, kind, offset, same = classify_synapses(ds)
    assert not same.all() and set(kind[~same]) == {"rest"}
    position = ds["neuron_channel"].values
    source = position[ds["synapse_source"].values[synapse]]
    target = position[ds["synapse_target"].values[synapse]]
    np.testing.assert_array_equal(same, (source < 6) == (target < 6))
    np.testing.assert_array_equal(offset, target % 6 - source % 6)


def test_a_condition_and_a_block_may_change_the_movement():
    runs = {(c, 1): make_learner(1) for c in ("intact", "slow")}
    many = join(runs).drop_vars("direction")
    document = json.loads(many.attrs["run"])
    for block in document["blocks"].values():
        del block["stimulus"]
    document["condition"] = [
        {"name": "intact"},
        {"name": "slow", "stimulus": {"step": 1},
         "blocks": {"test": {"stimulus": {"direction": "backward"}}}},
    ]  # fmt: skip
    many.attrs["run"] = json.dumps(document)
    one = schema.select(many, condition="slow")
    assert movement(schema.select(many, condition="intact"))[1] == (STEP,)
    assert movement(one)[1] == (1,)
    assert movement(one, "test")[1] == (-1,)
    document["stimulus"] = {"kind": "photograph", "direction": "both"}
    del document["condition"]
    many.attrs["run"] = json.dumps(document)
    assert movement(schema.select(many, condition="slow"), "test")[1] == (2, -2)


def test_the_pulvinar_may_be_named_or_not(learner):
    full = learner.assign_coords(
        synapse_projection=("synapse", np.full(learner.sizes["synapse"], "V2.L6CT->pulvinar.TRC"))
    )
    args = {"block": "test"}
    assert value(full, "weight_ratio", **args) == value(learner, "weight_ratio", **args)
    twice = learner.assign_coords(
        synapse_projection=("synapse", np.full(learner.sizes["synapse"], "V1.L6CT->TRC"))
    )
    with pytest.raises(schema.AnalysisError, match="no plastic projection"):
        value(twice, "weight_ratio", **args)
