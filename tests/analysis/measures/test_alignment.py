"""Forward weights against those of the feedback, and which of two ways is predicted."""

import json

import numpy as np
import pytest
import xarray as xr

from analysis.measures.weights import alignment
from analysis.observables import evaluate

N = 4


def made(back, joined=None):
    """Return weights of A -> R, 1 to 16, and of R -> A where ``joined`` (R, A) says so."""
    joined = np.ones((N, N), bool) if joined is None else joined
    forward = np.arange(1.0, 17).reshape(N, N)
    r, a = np.nonzero(np.ones((N, N), bool))
    rb, ab = np.nonzero(joined)
    weight = np.concatenate([forward.ravel(), back[joined]])
    loop = {"name": "R", "relay": "R", "driver": "D", "predictor": "A", "cortex": "V"}
    one = {"units": "1"}
    return xr.Dataset(
        {
            "weight": (("snapshot", "synapse"), np.stack([0 * weight + 0.5, weight]), one),
            "synapse_source": ("synapse", np.concatenate([a, N + rb]), one),
            "synapse_target": ("synapse", np.concatenate([N + r, ab]), one),
        },
        coords={
            "population": ("neuron", np.repeat(["A", "R"], N)),
            "snapshot": ["start", "training"],
            "synapse_projection": ("synapse", np.repeat(["A->R", "R->A"], [N * N, rb.size])),
        },
        attrs={"loops": json.dumps([loop]), "populations": json.dumps([])},
    )


def test_a_transpose_is_aligned_and_its_opposite_is_not():
    forward = np.arange(1.0, 17).reshape(N, N)
    assert alignment(made(2 * forward), "training") == pytest.approx(1)
    assert alignment(made(-forward), "training") == pytest.approx(-1)
    assert np.isnan(alignment(made(forward), "start"))
    random = np.random.default_rng(0).random((N, N))
    wanted = np.corrcoef(forward.ravel(), random.ravel())[0, 1]
    ds = made(random)
    assert evaluate(ds, "weight_alignment", block="training") == pytest.approx(wanted)


def test_pairs_without_feedback_count_unless_told():
    forward = np.arange(1.0, 17).reshape(N, N)
    joined = np.eye(N, dtype=bool)
    ds = made(forward, joined)
    assert alignment(ds, "training", both=True) == pytest.approx(1)
    wanted = np.corrcoef(forward.ravel(), (forward * joined).ravel())[0, 1]
    assert alignment(ds, "training") == pytest.approx(wanted)


def test_feedback_that_does_not_learn_has_no_alignment():
    ds = made(np.ones((N, N)))
    assert np.isnan(alignment(ds.isel(synapse=slice(0, N * N)), "training"))


def test_the_way_that_is_predicted(learner):
    at = np.flatnonzero(learner["cycle_block"].values == 1)
    assert np.isnan(evaluate(learner, "direction_choice", block="test"))
    document = json.loads(learner.attrs["run"])
    ring = learner.assign(
        centre=("cycle", np.zeros(learner.sizes["cycle"]), {"units": "positions"})
    )
    assert at.size and document["stimulus"]
    site = learner["stimulus"].values.argmax(1)
    ring["centre"].values[:] = site
    ring.attrs["n_x"] = learner.sizes["channel"]
    assert evaluate(ring, "direction_choice", block="test") > 0.7
    ring["centre"].values[:] = (site + 2 * learner["direction"].values * 3) % learner.sizes[
        "channel"
    ]
    assert evaluate(ring, "direction_choice", block="test") <= 0.55
