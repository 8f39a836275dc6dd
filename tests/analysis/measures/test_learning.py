"""The numbers that the report of a learning run shows."""

import json

import numpy as np
import pytest

from analysis.measures import learning
from analysis.measures import scores as scoring
from tests.analysis.learner import N_X, STEP, make_learner, value


def test_the_headline_tells_success_from_failure(lesioned):
    line = learning.headline(lesioned)
    means = scoring.block_means(lesioned).sel(condition="intact")
    for name, block in (("r_pred", "before"), ("r_pred", "test"), ("r_persist", "test")):
        values = means[name].sel(block=block).values
        assert f"{values.mean():.2f} ± {values.std(ddof=1):.2f}" in line
    assert line.startswith("r_pred rose from ") and "'test', weights frozen" in line
    assert line.endswith("3 seeds): the minus phase predicts the plus phase.")
    for condition in ("L6CT cut", "phase shuffled"):
        line = learning.headline(lesioned.sel(condition=[condition]))
        assert line.endswith("the minus phase does NOT predict the plus phase.")


def test_the_headline_of_runs_without_test_or_training():
    frozen = make_learner(blocks=(("a", 10, False), ("b", 20, False)), quality={"a": 0, "b": 1})
    line = learning.headline(scoring.add_scores(frozen))
    assert line.startswith("No block learns: r_pred is 0.9") and "in 'b'" in line
    always = make_learner(blocks=(("a", 60, True),), quality={"a": 0.5})
    ds = scoring.add_scores(always)
    r = scoring.scored(ds, "r_pred", "a")[0]
    line = learning.headline(ds)
    assert f"from {r[:16].mean():.2f} to {r[-16:].mean():.2f} at the end of 'a'" in line
    weak = scoring.add_scores(make_learner(quality={"before": 0, "training": 0.3, "test": 0.45}))
    assert 0.1 < value(weak, "r_pred", block="test") < 0.4
    assert "weakly predicts" in learning.headline(weak)
    inborn = make_learner(quality=dict.fromkeys(("before", "training", "test"), 1.0))
    line = learning.headline(scoring.add_scores(inborn))
    assert line.startswith("r_pred went from 0.9") and line.endswith("but NOT by learning.")
    # a silent minus phase gains over a persistence below zero, and predicts nothing
    silent = scoring.add_scores(make_learner(silent=range(1000)))
    assert value(silent, "prediction_gain", block="test") > 0.1
    assert "NOT predict" in learning.headline(silent)


def test_what_any_outcome_would_explain_is_no_prediction(lesioned):
    for lead, ending in (
        (0.11, "phase predicts the plus phase."),
        (0.09, "NOT predict the plus phase."),
    ):
        shuffled = (lesioned["r_pred"] - lead).assign_attrs(units="1")
        assert learning.headline(lesioned.assign(r_shuffle=shuffled)).endswith(ending)


def test_the_headline_is_about_what_was_never_trained_on():
    blocks = (("train", 16, True), ("seen", 16, False), ("unseen", 16, False),
              ("reversal", 16, True), ("last", 16, False))  # fmt: skip
    ds = make_learner(blocks=blocks, quality={b[0]: 1 for b in blocks})
    found = learning.report_blocks(ds)
    assert found == dict(before=None, training="train", test="seen", reversal=None,
                         reversal_test=None)  # fmt: skip
    document = json.loads(ds.attrs["run"])
    document["blocks"]["unseen"]["stimulus"]["image"] = "coffee"
    document["blocks"]["last"]["stimulus"]["image"] = "brick"
    ds.attrs["run"] = json.dumps(document)
    assert learning.report_blocks(ds)["test"] == "unseen"


def test_a_block_that_goes_on_learning_belongs_to_the_one_before():
    blocks = (("train", 16, True, STEP), ("late", 16, True, STEP), ("test", 16, False, STEP),
              ("back", 16, True, -STEP), ("back_late", 16, True, -STEP),
              ("back_test", 16, False, -STEP))  # fmt: skip
    ds = make_learner(blocks=blocks, quality={b[0]: 1 for b in blocks})
    assert learning.report_blocks(ds) == dict(
        before=None, training="train", test="test", reversal="back", reversal_test="back_test"
    )
    turned = make_learner(
        blocks=(*blocks[:1], *blocks[3:]), quality={b[0]: 1 for b in blocks}
    )  # fmt: skip
    assert learning.report_blocks(turned)["test"] is None


def test_running_means_are_those_of_a_loop(lesioned):
    got = learning.running_mean(lesioned, "r_pred", 5).values
    block, r = lesioned["cycle_block"].values, lesioned["r_pred"].values
    defined = lesioned["outcome_defined"].values
    for c, s, t in np.ndindex(got.shape):
        b = block[t]
        ago = [k for k in range(t - 4, t + 1) if k >= 0 and block[k] == b and defined[c, s, b, k]]
        expected = np.mean(np.nan_to_num(r[c, s, b, ago])) if len(ago) >= 4 else np.nan
        assert got[c, s, t] == pytest.approx(expected, nan_ok=True, abs=1e-12)


def test_the_lesion_table_holds_the_means(lesioned):
    columns, rows = learning.lesion_table(lesioned)
    assert len(rows) == 9 and all(len(row) == len(columns) for row in rows)
    means = scoring.block_means(lesioned)
    for row in rows:
        cell = dict(zip(columns, row, strict=True))
        here = means.sel(condition=cell["condition"], block=cell["block"])
        mean, sd = float(here["gain"].mean()), float(here["gain"].std(ddof=1))
        assert cell["r_pred - r_persist"] == f"{mean:.2f} ± {sd:.2f}" and cell["n"] == "3"


def test_weights_by_place_and_by_offset_are_those_of_a_loop(learner):
    ds, at = learner, list(learner["snapshot"].values).index("training")
    rng = np.random.default_rng(2)
    ds = ds.assign(weight=(ds["weight"].dims, rng.random(ds["weight"].shape), {"units": "1"}))
    position = ds["neuron_channel"].values
    cells = {}
    for k in range(ds.sizes["synapse"]):
        pair = position[ds["synapse_target"].values[k]], position[ds["synapse_source"].values[k]]
        cells.setdefault(pair, []).append(ds["weight"].values[at, k])
    matrix = learning.weight_matrix(ds, "training").values
    for pair, weights in cells.items():
        assert matrix[pair] == pytest.approx(np.mean(weights))
    curve = learning.weights_by_offset(ds, "training")
    for offset, mean, kind in zip(
        curve["offset"].values, curve["same"].values, curve["kind"].values, strict=True
    ):
        weights = [w for (t, s), ws in cells.items() if (t - s) % N_X == offset % N_X for w in ws]
        assert mean == pytest.approx(np.mean(weights))
        assert kind == {STEP: "true", 0: "self", -STEP: "reverse"}.get(int(offset), "rest")
    assert np.isnan(curve["other"].values).all()


def test_weight_changes_are_shown_beside_the_rates_that_made_them(learner):
    sites = learning.site_changes(learner, "training")
    scored = learner["learning"].values > 0
    assert sites.sizes["site"] == (scored & ~learner["jump"].values).sum() * N_X
    expected = {"correct": 5e-5, "missed": 1.05e-3, "false": -1e-3, "quiet": 0.0}
    for kind, dw in expected.items():
        here = sites["kind"].values == kind
        assert here.any()
        np.testing.assert_allclose(sites["dw"].values[here], dw, atol=1e-15)
    rises = sites["difference"].values > 20
    assert set(sites["kind"].values[rises]) == {"missed"}
