"""What tells accounts of prediction apart, on runs of which it is known."""

import numpy as np
import pytest
import xarray as xr

from analysis.data import schema
from analysis.measures import regression
from analysis.measures.patterns import pearson
from analysis.measures.spikes import low_threshold_spikes
from analysis.observables import evaluate
from tests.analysis.learner import N_X, make_learner


@pytest.fixture(scope="module")
def ds():
    return make_learner()


def with_spikes(ds, time, neuron):
    order = np.lexsort((neuron, time))
    time, neuron = np.asarray(time, float)[order], np.asarray(neuron, np.int32)[order]
    rate = schema.segment(time, neuron, ds.sizes["neuron"], ds["cycle_start"].values,
                          ds["plus_start"].values, 0.2)  # fmt: skip
    return ds.drop_dims("spike").assign(
        spike_time=("spike", time, {"units": "s"}), spike_neuron=("spike", neuron),
        rate=(("cycle", "phase", "neuron"), rate, {"units": "Hz"}),
    )  # fmt: skip


@pytest.mark.parametrize("weights", [(1.0, 0.5, 0.0, 0.0), (1.0, -1.0, 0.0, 0.2),
                                     (1.0, 0.0, -0.8, 0.0)])  # fmt: skip
def test_the_terms_of_an_account_are_found_again(monkeypatch, ds, weights):
    rng = np.random.default_rng(2)
    outcome, minus = (rng.uniform(0, 20, (300, 8)) * (rng.random((300, 8)) < 0.5) for _ in "ab")
    o, p = (np.clip(x / np.quantile(x[x > 0], 0.95), 0, 1) for x in (outcome, minus))
    r = pearson(outcome, minus)
    s = (1 - np.nan_to_num(r))[:, None]
    told = 2 + sum(w * x for w, x in zip(weights, (o, p, o * p, s - s.mean()), strict=True))
    dims = ("condition", "seed", "cycle", "channel")
    values = {"outcome": outcome, "minus": minus, "seen": np.ones(outcome.shape, bool)}
    found = xr.Dataset({k: (dims, v[None, None]) for k, v in values.items()})
    monkeypatch.setattr(regression, "phase_patterns", lambda ds: found)
    monkeypatch.setattr(regression, "block_cycles", lambda ds, block: np.arange(300))
    monkeypatch.setattr(
        regression, "pattern", lambda *a: xr.DataArray(told, dims=("cycle", "channel"))
    )
    got = regression.code_coefficients(ds, ["test"], "any")
    np.testing.assert_allclose(list(got.values()), np.array(weights) / told.mean(), atol=1e-6)


def test_relay_cells_of_the_learner_tell_the_outcome(ds):
    args = {"blocks": ["before", "training", "test"], "population": "relay"}
    a, b = (evaluate(ds, "code_coefficient", term=t, **args) for t in ("outcome", "prediction"))
    assert a > 1 and abs(b) < 0.5
    with pytest.raises(schema.AnalysisError, match="no term 'outcom'; did you mean 'outcome'"):
        evaluate(ds, "code_coefficient", term="outcom", **args)


def test_what_a_population_says_less_another(ds):
    """Errors of one sign less those of the other: the scale stays that of the first."""
    args = {"blocks": ["before", "training", "test"], "term": "outcome"}
    driver, relay = (evaluate(ds, "code_coefficient", population=p, **args)
                     for p in ("driver", "relay"))  # fmt: skip
    scale = [evaluate(ds, "phase_rate", population=p, phase="plus") for p in ("driver", "relay")]
    less = evaluate(ds, "code_coefficient", population="driver", less="relay", **args)
    assert less == pytest.approx(driver - relay * scale[1] / scale[0])
    itself = evaluate(ds, "code_coefficient", population="driver", less="driver", **args)
    assert itself == pytest.approx(0, abs=1e-9)


def test_a_contrast_is_of_any_observable_that_has_a_block(ds):
    args = {"of": "population_rate", "block": "test", "than": "before", "population": "V2.L6CT"}
    a, b = (evaluate(ds, "population_rate", population="V2.L6CT", block=k)
            for k in ("test", "before"))  # fmt: skip
    wanted = {"index": (a - b) / (a + b), "difference": a - b, "ratio": a / b}
    for how, value in wanted.items():
        assert evaluate(ds, "block_contrast", how=how, **args) == pytest.approx(value)
    with pytest.raises(schema.AnalysisError, match="has no argument 'block'"):
        evaluate(ds, "block_contrast", **args | {"of": "burst_rate"})
    with pytest.raises(schema.AnalysisError, match="no contrast 'indx'; did you mean 'index'"):
        evaluate(ds, "block_contrast", how="indx", **args)


def test_the_preferred_cells_are_those_that_are_driven_most(ds):
    all_cells = evaluate(ds, "phase_rate", population="driver", phase="plus", block="test")
    preferred = evaluate(ds, "preferred_rate", population="driver", block="test", share=1 / N_X)
    assert preferred == pytest.approx(60.0) and all_cells < 8  # 6 spikes in 100 ms
    assert evaluate(ds, "preferred_rate", population="driver", block="test", share=1.0) == (
        pytest.approx(all_cells)
    )


def test_low_threshold_bursts_follow_a_silence():
    time = np.array([0.0, 0.003, 0.2, 0.203, 0.206, 0.25, 0.253, 0.5])
    cell = np.zeros(8, int)
    found = low_threshold_spikes(time, cell)
    # the first has no silence that is known; .25 comes 44 ms after; .5 is alone
    np.testing.assert_array_equal(found, [0, 0, 1, 1, 1, 0, 0, 0])
    mixed = np.argsort(-time)
    np.testing.assert_array_equal(low_threshold_spikes(time[mixed], cell[mixed]), found[mixed])
    assert not low_threshold_spikes(time[[2, 3]], np.array([0, 1])).any()
    assert low_threshold_spikes(np.empty(0), np.empty(0, int)).size == 0


def test_bursts_that_mark_deviance_are_told_from_counts(ds):
    """Two spikes in every cycle: together in one block, apart in the other."""
    cell = schema.cell_index(ds, "relay")[0]
    block, start = ds["cycle_block"].values, ds["cycle_start"].values
    gap = np.where(block == 2, 3e-3, 30e-3) + np.random.default_rng(1).uniform(0, 9e-4, block.size)
    time = np.concatenate([start - 1e-9 + 0.05, start + 0.05 + gap])
    marked = with_spikes(ds, time, np.full(time.size, cell))
    args = {"block": "test", "than": "training"}
    assert np.isnan(evaluate(marked, "deviance_d_prime", **args))  # they never overlap nor vary
    assert evaluate(marked, "deviance_d_prime", what="count", **args) == 0
    assert evaluate(marked, "relay_burst_fraction", block="test") == 1.0
    assert evaluate(marked, "relay_burst_fraction", block="training") == 0.0
    odd = np.flatnonzero(block == 2)[::4]  # some cycles of the one block have none
    gap[odd] = 30e-3
    time = np.concatenate([start + 0.05, start + 0.05 + gap])
    marked = with_spikes(ds, time, np.full(time.size, cell))
    assert evaluate(marked, "deviance_d_prime", **args) > 2
    with pytest.raises(schema.AnalysisError, match="no signal 'burst'; did you mean 'bursts'"):
        evaluate(marked, "deviance_d_prime", what="burst", **args)


def test_images_are_decoded_from_what_is_told(ds):
    site = ds["stimulus"].values.argmax(axis=1)
    shown = ds.assign(image=("cycle", site.astype(float)))
    assert evaluate(shown, "image_decode", population="driver", block="training") == 1.0
    shuffled = ds.assign(image=("cycle", np.random.default_rng(1).permutation(site) % 4.0))
    assert evaluate(shuffled, "image_decode", population="driver", block="training") < 0.5
    with pytest.raises(schema.AnalysisError, match="no set of images"):
        evaluate(ds, "image_decode", population="driver", block="training")
    nothing = {"population": "driver", "less": "driver", "block": "training"}
    assert evaluate(shown, "image_decode", **nothing) == 0.0  # a pattern without variance
    how = {"of": "image_decode", "how": "difference", "than": "test"}
    assert evaluate(shown, "block_contrast", **how, **nothing) == 0.0
    args = {"block": "training", "than": "test", "what": "count", "image": 3}
    assert evaluate(shown, "deviance_d_prime", **args) != evaluate(
        ds, "deviance_d_prime", **{k: args[k] for k in ("block", "than", "what")}
    )
    with pytest.raises(schema.AnalysisError, match="no set of images"):
        evaluate(ds, "deviance_d_prime", **args)
