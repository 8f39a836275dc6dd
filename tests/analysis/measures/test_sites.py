"""Positions by what was predicted there and what happened."""

import numpy as np
import pytest

from analysis.data import schema
from analysis.measures import phases
from analysis.measures.sites import classify_sites
from tests.analysis.learner import LENGTH, by_hand, make_learner, value


def test_the_fixed_point_is_where_there_is_no_error(learner):
    start, plus = learner["cycle_start"].values, learner["plus_start"].values
    minus, after = (by_hand(learner, "pulvinar.TRC", a, b) for a, b in
                    ((start, plus), (plus, start + LENGTH)))  # fmt: skip
    error = (after - minus) / 0.1 / 4  # of four cells
    learns = learner["learning"].values > 0
    ds = learner.assign(dw=(("cycle", "position"), 1e-4 + 2e-5 * error))
    use = learns & ~learner["jump"].values
    large = error[use][np.abs(error[use]) > 20]
    expected = 1e-4 / np.mean(np.sign(large) * (1e-4 + 2e-5 * large))
    assert value(ds, "fixed_point_ratio", block="training") == pytest.approx(expected)
    ds = learner.assign(dw=(("cycle", "position"), 2e-5 * error))
    assert value(ds, "fixed_point_ratio", block="training") == pytest.approx(0, abs=1e-9)
    assert np.isnan(value(ds, "fixed_point_ratio", block="test"))
    assert np.isnan(value(ds, "fixed_point_ratio", block="training", least=1000))


def test_a_false_site_falls_and_a_true_one_does_not(learner):
    assert value(learner, "false_site_fall", block="training") == pytest.approx(1.0)
    # 3 spikes in 60 ms, then 4 in 100 ms
    assert value(learner, "false_site_fall", block="test", happened=True) == pytest.approx(0.2)
    assert np.isnan(value(learner, "false_site_fall", block="test"))


def test_an_override_leaves_nothing_of_the_prediction(learner):
    assert value(learner, "override_difference", block="training") == pytest.approx(0)
    # all outcomes of the test are predicted
    assert np.isnan(value(learner, "override_difference", block="test"))
    cycle, position, predicted, happened = classify_sites(learner, "training")
    at, more = phases.members(learner, "relay")[0], []
    for c, x in zip(cycle[predicted & happened], position[predicted & happened], strict=True):
        late = learner["plus_start"].values[c] + 0.095
        more += [(late, cell) for cell in np.flatnonzero(at == x)]
    time = np.r_[learner["spike_time"].values, [t for t, _ in more]]
    neuron = np.r_[learner["spike_neuron"].values, [cell for _, cell in more]]
    order = np.lexsort((neuron, time))
    ds = learner.drop_dims("spike")
    ds["spike_time"] = ("spike", time[order], {"units": "s"})
    ds["spike_neuron"] = ("spike", neuron[order], {"units": "1"})
    # a fifth spike where four are the driver's
    assert value(ds, "override_difference", block="training") == pytest.approx(0.25)


def test_noise_alone_makes_no_false_site_fall():
    # of cells that fire at random all the time, those chosen for firing much fire less later
    ds = make_learner(3, blocks=(("training", 400, True),), quality={"training": 1})
    rng = np.random.default_rng(1)
    trc = schema.cell_index(ds, "pulvinar.TRC")
    keep = ~np.isin(ds["spike_neuron"].values, trc)
    n = rng.poisson(8.0 * 400 * LENGTH * trc.size)
    time = np.r_[ds["spike_time"].values[keep], rng.uniform(0.4, 0.4 + 400 * LENGTH, n)]
    neuron = np.r_[ds["spike_neuron"].values[keep], rng.choice(trc, n)]
    order = np.lexsort((neuron, time))
    ds = ds.drop_dims("spike")
    ds["spike_time"] = ("spike", time[order], {"units": "s"})
    ds["spike_neuron"] = ("spike", neuron[order], {"units": "1"})
    cycle, position, predicted, happened = classify_sites(ds, "training", 1.5)
    at = (0, 0, cycle[predicted & ~happened], position[predicted & ~happened])
    both = phases.phase_patterns(ds)
    naive = 1 - both["plus"].values[at].mean() / both["minus"].values[at].mean()
    assert naive > 0.3
    assert abs(value(ds, "false_site_fall", block="training", threshold=1.5)) < 0.08
