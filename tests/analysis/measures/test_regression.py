"""What the plus phase tells, and the phase of what comes before it."""

import numpy as np
import pytest
import xarray as xr

from analysis.measures import regression
from analysis.observables import evaluate
from tests.analysis.learner import make_learner


@pytest.mark.parametrize(("a", "b"), [(1.0, 0.0), (1.0, -1.0), (0.8, 0.5)])
def test_coefficients_are_those_that_made_the_plus_phase(monkeypatch, a, b):
    rng = np.random.default_rng(1)
    outcome, minus = rng.gamma(1.0, 10.0, (2, 200, 8))
    plus = 3.0 + a * outcome / outcome.std() + b * minus / minus.std()
    plus += rng.normal(0, 0.3, plus.shape)
    seen = np.ones(plus.shape, bool)
    seen[:, 0], plus[:, 0] = False, 1e3  # what does not count may be anything
    dims = ("condition", "seed", "cycle", "channel")
    patterns = xr.Dataset(
        {
            name: (dims, value[None, None])
            for name, value in zip(
                ("plus", "outcome", "minus", "seen"), (plus, outcome, minus, seen), strict=True
            )
        }
    )
    monkeypatch.setattr(regression, "phase_patterns", lambda ds: patterns)
    monkeypatch.setattr(regression, "block_cycles", lambda ds, block: np.arange(200))
    found = regression.plus_coefficients(None, "test")
    scale = plus[:, 1:].std()
    np.testing.assert_allclose(found, (a / scale, b / scale), atol=0.04)


def test_the_learner_tells_its_outcome_and_no_difference():
    ds = make_learner()
    assert evaluate(ds, "plus_coefficient", block="training") > 0.5
    ratio = evaluate(ds, "plus_coefficient", block="training", term="ratio")
    prediction = evaluate(ds, "plus_coefficient", block="training", term="prediction")
    assert abs(ratio) < 0.2 and abs(prediction) < 0.2
    assert np.isnan(evaluate(make_learner(silent=range(76)), "plus_coefficient", block="training"))


def test_spikes_at_one_time_are_coherent_and_at_any_time_are_not():
    ds = make_learner()
    fixed = {"block": "training", "population": "V2.L6CT"}  # 8 spikes at the same times
    assert evaluate(ds, "phase_coherence", **fixed) == pytest.approx(1.0)
    rng = np.random.default_rng(2)
    start = ds["cycle_start"].values
    cycle = np.searchsorted(start, ds["spike_time"].values, side="right") - 1
    shift = rng.uniform(0, 0.1, start.size)
    since = (ds["spike_time"].values - start[cycle] + shift[cycle]) % 0.1
    moved = ds.assign(spike_time=("spike", start[cycle] + since, {"units": "s"}))
    assert evaluate(moved, "phase_coherence", **fixed) < 0.4
