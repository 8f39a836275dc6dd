"""The detailed synapse in the theta-window experiment: what it does and which part does it."""

import numpy as np
import pytest
from brian2 import ms

from circuits.plasticity.detailed import glun2b
from circuits.plasticity.detailed.experiment import DetailedProtocol, run_detailed
from circuits.plasticity.detailed.glun2b import respond, synapse_table
from circuits.plasticity.rules.trains import window_trains

LESIONS = {
    "intact": {},
    "no CaMKII": {"CaMKII": 0.0},
    "no DAPK1": {"DAPK1": 0.0},
    "no CaN": {"CaN": 0.0},
    "no exchange": {"exchange": 0.0},
    "no NMDA calcium": {"nmda_Ca": 0.0},
    "no T305/306": {"k_T305": 0.0},
}
CONDITIONS = {"25-50": (25, 50), "50-25": (50, 25), "25-25": (25, 25), "50-50": (50, 50)}


@pytest.fixture(scope="module")
def lesioned():
    """Change of the EPSP, lesion -> condition, all in one run: each column its own parameters."""
    pre, post, owner = [], [], []
    for lesion in LESIONS:
        for condition, rates in CONDITIONS.items():
            trains = window_trains(rates, rates, n_phase=3)
            pre.extend(20 + trains.pre)
            post.extend(20 + trains.post)
            owner += [(lesion, condition)] * trains.n_trial
    values = glun2b.values_of(synapse_table())
    changed = {name for changes in LESIONS.values() for name in changes}
    for name in changed:
        values[name] = np.array([LESIONS[le].get(name, values[name]) for le, _ in owner])
    epsp = respond(pre, post, parameters=values, duration=6020.0).epsp
    return {
        lesion: {
            c: float(np.mean([e for e, o in zip(epsp, owner, strict=True) if o == (lesion, c)]))
            for c in CONDITIONS
        }
        for lesion in LESIONS
    }


def test_order_of_the_halves_sets_the_sign(lesioned):
    intact = lesioned["intact"]
    assert intact["25-50"] > 1.1
    assert intact["50-25"] < 0.9
    assert intact["50-25"] < min(intact["25-25"], intact["50-50"])
    assert intact["25-50"] > max(intact["25-25"], intact["50-50"])


def test_without_camkii_no_potentiation(lesioned):
    assert max(lesioned["no CaMKII"].values()) <= 1.0


@pytest.mark.parametrize("lesion", ["no DAPK1", "no CaN"])
def test_without_dapk1_or_calcineurin_no_depression(lesioned, lesion):
    assert min(lesioned[lesion].values()) >= 1.0


def test_without_exchange_the_order_is_lost(lesioned):
    epsp = lesioned["no exchange"]
    assert epsp["25-50"] < epsp["50-25"]


def test_without_nmda_calcium_the_order_is_lost(lesioned):
    epsp = lesioned["no NMDA calcium"]
    assert abs(epsp["25-50"] - epsp["50-25"]) < 0.05


def test_dataset():
    protocol = DetailedProtocol(repeats=1, n_phase=2, gap=200 * ms)
    data = run_detailed(["25-50", "25-50/25-25"], trains=["regular", "poisson"], protocol=protocol,
                        seeds=(1, 2))  # fmt: skip
    assert data.epsp.dims == ("train", "condition")
    assert data.epsp.shape == (2, 2)
    assert np.isnan(data.chi2).all()
    assert data.Ca.attrs["units"] == "umolar" and float(data.time[-1]) == pytest.approx(400, abs=1)
    assert (data.Ca.sel(condition="25-50").max() > data.Ca.sel(condition="25-50/25-25").min()).all()
    bound = data.CaMKII_bound + data.DAPK1_bound
    assert float(bound.max()) <= synapse_table().parameter("GluN2B").value


def test_same_seed_same_result():
    protocol = DetailedProtocol(repeats=1, n_phase=1, gap=100 * ms)
    a, b, c = (
        run_detailed(["25-50"], trains=["poisson"], protocol=protocol, seeds=s)
        for s in ((3,), (3,), (4,))
    )
    assert a.identical(b)
    assert not np.array_equal(a.epsp, c.epsp)
