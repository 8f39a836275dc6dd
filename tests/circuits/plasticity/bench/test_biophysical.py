"""The detailed synapse and the whole cell beside the abstract rules of the bench."""

import matplotlib
import numpy as np
import pytest
import xarray as xr

from analysis.figures.synapse import plot_constants, plot_whole_cell
from analysis.observables import evaluate
from cells.parameters import InputError
from circuits.plasticity.bench import biophysical

matplotlib.use("Agg")
CONDITIONS = ["25-50", "50-25"]


def small_bench():
    """Return the part of the bench's Dataset that `extend` needs, with two windows."""
    rules = ["kinase_ratio"]
    return xr.Dataset(
        {
            "epsp": (("rule", "train", "condition"), np.full((1, 1, 2), 1.1)),
            "epsp_spread": (("rule", "train", "condition"), np.zeros((1, 1, 2))),
            "chi2": (("rule", "train"), [[0.5]]),
            "chi2_seed": (("rule", "train", "seed"), [[[0.5]]]),
            "epsp_prediction": (("rule", "prediction"), [[1.0, 1.0, 1.0]]),
            "gain": ("rule", [1.0]),
            "why": ("rule", ["because"]),
            "published_mean": ("condition", [1.42, 0.73]),
            "published_sem": ("condition", [0.15, 0.10]),
        },
        coords={
            "rule": rules, "train": ["regular"], "condition": CONDITIONS, "seed": [1],
            "prediction": ["one-sided", "a", "b"],
        },
        attrs={"phases_ms": [100.0, 100.0], "gap_ms": 400.0, "repeats": 2},
    )  # fmt: skip


@pytest.fixture(scope="module")
def extended():
    run = {
        "glun2b": {"first_seed": 5, "trials": 1, "start_phases": 2},
        "whole_cell": {"cells": 1},
        "predictions": {
            "conditions": [{"pre": [25, 50], "post": [50, 50]}], "halves": ["50 ms"],
        },
    }  # fmt: skip
    return biophysical.extend(small_bench(), run)


def test_the_detailed_synapse_is_one_more_rule(extended):
    assert list(extended["rule"].values) == ["kinase_ratio", "glun2b"]
    epsp = extended["epsp"].sel(rule="glun2b", train="regular")
    assert float(epsp.sel(condition="25-50")) > float(epsp.sel(condition="50-25"))
    assert np.isfinite(extended["epsp_prediction"].sel(rule="glun2b")).all()
    # what was there stays as it was
    before = small_bench()
    xr.testing.assert_equal(extended["epsp"].sel(rule=before["rule"]).drop_vars("rule"),
                            before["epsp"].drop_vars("rule"))  # fmt: skip
    assert extended.attrs == before.attrs


def test_every_changed_constant_is_listed_with_both_values(extended):
    fitted, published = extended["glun2b_fitted"], extended["glun2b_published"]
    assert (fitted != published).all()
    assert "exchange" in extended["glun2b_constant"].values


def test_postsynaptic_spikes_come_out_of_the_current_steps(extended):
    rate = extended["whole_cell_post_rate"]
    up, down = rate.sel(condition="25-50").values, rate.sel(condition="50-25").values
    assert up[1] > up[0] > 0 and down[0] > down[1] > 0
    error = (extended["whole_cell_epsp"] - extended["published_mean"]) / extended["published_sem"]
    np.testing.assert_allclose((error**2).sum("condition"), extended["whole_cell_chi2"])
    for name in ("whole_cell_post_rate", "whole_cell_v", "whole_cell_step"):
        assert extended[name].attrs["units"]


def test_numbers_and_figures_of_both(extended):
    assert evaluate(extended, "synapse_whole_cell_chi2", rule="glun2b") >= 0
    rate = evaluate(extended, "synapse_whole_cell_rate", condition="25-50", half="second")
    assert rate == float(extended["whole_cell_post_rate"].sel(condition="25-50", half="second"))
    assert len(plot_whole_cell(extended)) == len(CONDITIONS)
    labels = [t.get_text() for t in plot_constants(extended).get_yticklabels()]
    assert len(labels) == extended.sizes["glun2b_constant"]


@pytest.mark.parametrize(
    ("section", "message"),
    [
        (
            {"glun2b": {"trails": 3}},
            r"f.toml: \[glun2b\] unknown key 'trails'; did you mean 'trials'",
        ),
        ({"glun2b": {"trials": 0}}, r"\[glun2b\] trials = 0; valid: 1 and above"),
        ({"whole_cell": {"cells": 1.5}}, r"\[whole_cell\] cells = 1.5"),
        ({"whole_cell": {"rule": "kinase_diference"}}, "kinase_difference"),
        ({"whole_cell": 3}, "must be a table"),
    ],
)
def test_bad_sections_are_told_in_one_line(section, message):
    with pytest.raises(InputError, match=message) as error:
        biophysical.validate(section, "f.toml")
    assert "\n" not in str(error.value)
