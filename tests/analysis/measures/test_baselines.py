"""Simpler predictors of a learning run of which everything is known."""

import numpy as np
import pytest

from analysis.data import schema
from analysis.measures import scores as scoring
from analysis.measures.baselines import PREDICTORS, add_baselines, baselines, entering
from analysis.measures.learning import baseline_table
from tests.analysis.learner import join, make_learner, value


@pytest.fixture(scope="module")
def found(learner):
    return baselines(learner, "test")


def test_what_moves_on_by_its_step_is_predicted_by_a_shift_and_by_a_readout(found):
    assert set(found) == set(PREDICTORS)
    assert found["shift"] == pytest.approx(1)
    assert found["ridge"] > 0.95 and found["ceiling"] == pytest.approx(1)
    assert found["persistence"] < 0.2
    # the layer 6 cells of the learner tell the position of the cycle before
    assert found["ridge_spikes"] > 0.8 and found["positive_spikes"] > 0.8
    assert found["stimulus"] > 0.8


def test_the_shift_goes_the_way_of_the_movement():
    both = make_learner(both=True)
    assert baselines(both, "test")["shift"] == pytest.approx(1)
    window = make_learner(ring=False)
    assert baselines(window, "test")["shift"] < 0.2  # it moves on a ring: to the wrong side


def test_persistence_is_that_of_the_scores(learner, found):
    assert found["persistence"] == pytest.approx(value(learner, "r_persist", block="test"))


def test_a_regression_needs_cycles_to_be_fitted_on(learner):
    first = baselines(learner, "before")
    assert np.isnan([first[n] for n in ("ridge", "ridge_spikes", "positive_spikes")]).all()
    assert first["shift"] == pytest.approx(1)


def test_noise_in_the_cells_lowers_the_ceiling(learner):
    rng = np.random.default_rng(1)
    of = np.flatnonzero(learner["population"].values == "V1.L5IB")
    neuron = learner["spike_neuron"].values.copy()
    lost = np.isin(neuron, of) & (rng.random(neuron.size) < 0.7)
    noisy = learner.isel(spike=np.flatnonzero(~lost))
    assert baselines(noisy, "test")["ceiling"] < 0.99


def test_they_are_kept_for_every_run_and_shown(found):
    runs = {(c, s): make_learner(s) for c in ("intact", "cut") for s in (1, 2)}
    many = add_baselines(scoring.add_scores(join(runs)))
    assert many["baseline"].dims == ("condition", "seed", "block", "predictor")
    kept = many["baseline"].sel(condition="intact", seed=1)
    for name, expected in found.items():
        assert float(kept.sel(block="test", predictor=name)) == pytest.approx(expected, nan_ok=True)
    assert kept.sel(block="training").isnull().all()
    columns, rows = baseline_table(many)
    assert len(rows) == 4 and columns[:4] == ["condition", "block", "r_pred", "persistence"]
    cells = dict(zip(columns, rows[1], strict=True))
    assert cells["block"] == "test" and cells["shift"] == "1.00 ± 0.00"
    one = schema.select(many, 1, "intact")
    assert value(one, "baseline", block="test", predictor="ridge") == pytest.approx(found["ridge"])
    share = value(one, "r_pred", block="test") / found["ridge"]
    assert value(one, "r_pred_over", block="test", predictor="ridge") == pytest.approx(share)
    with pytest.raises(schema.AnalysisError, match="no predictor 'rigde'; did you mean 'ridge'"):
        value(one, "baseline", block="test", predictor="rigde")


def test_what_comes_into_the_window_is_told_by_who_knows_it(learner):
    assert np.isnan(list(entering(learner, "test").values())).all()  # a ring has no edge

    def window(ds):
        seen = ds["predictable"].copy(data=np.ones(ds["predictable"].shape, bool))
        seen[:, -2:] = False
        return ds.assign(predictable=seen & ~ds["jump"].astype(bool))

    found = entering(window(learner), "test")
    assert set(found) == {"relay", *PREDICTORS} - {"ceiling"}
    assert found["relay"] > 0.5 and found["ridge"] > 0.9
    assert abs(entering(window(learner), "before")["relay"]) < 0.3
    assert entering(window(make_learner(ring=False)), "test")["shift"] == 0
    args = {"block": "test", "predictor": "ridge"}
    assert value(window(learner), "r_entering", **args) == pytest.approx(found["ridge"])
    share = found["relay"] / found["ridge"]
    assert value(window(learner), "r_entering_over", **args) == pytest.approx(share)
    gain = found["relay"] - found["ridge"]
    assert value(window(learner), "r_entering_gain", **args) == pytest.approx(gain)
    with pytest.raises(schema.AnalysisError, match="no predictor 'rigde'; did you mean 'ridge'"):
        value(window(learner), "r_entering", block="test", predictor="rigde")


def test_precision_and_recall_are_those_counted_by_hand():
    half = make_learner(quality={"before": 0.0, "training": 0.5, "test": 0.5})
    block, jump = half["cycle_block"].values == 2, half["jump"].values
    use = np.flatnonzero(block & ~jump)
    at = half["stimulus"].values[use].argmax(1)
    start, time = half["plus_start"].values, half["spike_time"].values
    position, of = half["neuron_channel"].values, half["population"].values == "pulvinar.TRC"
    right = []
    for c, x in zip(use, at, strict=True):
        keep = (time >= start[c] - 0.06) & (time < start[c])
        said = {position[n] for n in half["spike_neuron"].values[keep] if of[n]}
        right.append(said == {x})
    for score in ("precision", "recall"):
        assert value(half, "site_score", block="test", score=score) == pytest.approx(np.mean(right))
    assert 0 < value(half, "site_score", block="test", score="base") < 0.2
