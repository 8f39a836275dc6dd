"""Positions by what was predicted there and what happened."""

import numpy as np
import pytest

from analysis.data import schema
from analysis.measures import phases
from analysis.measures.sites import classify_sites
from tests.analysis.learner import LENGTH, make_learner, value


def test_the_fixed_point_is_seen(learner):
    # dw is 5e-5 where a prediction came true, 1.05e-3 where one was missing, -1e-3 where false
    args = {"block": "training", "least": 5}
    assert value(learner, "fixed_point_ratio", wrong="missed", **args) == pytest.approx(5 / 105)
    assert value(learner, "fixed_point_ratio", wrong="false", **args) == pytest.approx(5 / 100)
    assert value(learner, "fixed_point_ratio", **args) == pytest.approx(5 / 102.5)
    assert np.isnan(value(learner, "fixed_point_ratio", block="test"))
    assert np.isnan(value(learner, "fixed_point_ratio", block="training", least=1000))


def test_a_false_site_falls_and_a_true_one_does_not(learner):
    assert value(learner, "false_site_fall", block="training") == pytest.approx(1.0)
    # 3 spikes in 60 ms, then 4 in 100 ms
    assert value(learner, "false_site_fall", block="test", happened=True) == pytest.approx(0.2)
    assert np.isnan(value(learner, "false_site_fall", block="test"))


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
