import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.data import schema
from analysis.measures import theta

phases = st.lists(st.floats(0, 2 * np.pi, allow_nan=False), min_size=1, max_size=50)


@given(phases, st.floats(0, 2 * np.pi))
def test_vector_strength_does_not_change_when_the_clock_is_turned(phase, turn):
    strength = theta.vector_strength(phase)
    assert 0 <= strength <= 1 + 1e-12
    assert theta.vector_strength(np.add(phase, turn)) == pytest.approx(strength, abs=1e-9)


def test_vector_strength_of_known_distributions():
    rng = np.random.default_rng(1)
    kappa = 2.0
    drawn = rng.vonmises(1.0, kappa, 200_000)
    # I1(kappa) / I0(kappa)
    assert theta.vector_strength(drawn) == pytest.approx(0.69777, abs=0.004)
    assert theta.mean_phase(drawn) == pytest.approx(1.0, abs=0.01)
    assert theta.vector_strength(np.arange(8) * np.pi / 4) == pytest.approx(0, abs=1e-12)
    assert np.isnan(theta.vector_strength([])) and np.isnan(theta.mean_phase([]))


def test_phase_and_cycle_of_planted_times():
    start = np.array([1.0, 1.2, 1.6])
    cycle, phase = theta.cycle_phase([0.9, 1.05, 1.3, 1.5, 1.7999], start, 0.2)
    assert cycle.tolist() == [-1, 0, 1, -1, 2]
    np.testing.assert_allclose(phase[[1, 2]], [np.pi / 2, np.pi])
    assert np.isnan(phase[[0, 3]]).all()
    plus = theta.in_plus([0.9, 1.05, 1.3, 1.5], start, start + 0.1, 0.2)
    assert plus.tolist() == [False, False, True, False]


def test_planted_bursts_have_the_planted_phase(circuit):
    found = theta.burst_phases(circuit)
    assert found.size == 4 * circuit.sizes["cycle"]
    expected = 2 * np.pi * 0.13 / 0.2
    assert theta.mean_phase(found.values) == pytest.approx(expected, abs=0.1)
    # a normal jitter of sd s has vector strength exp(-s**2 / 2)
    jitter = 2 * np.pi * 8e-3 / 0.2
    assert theta.vector_strength(found.values) == pytest.approx(np.exp(-(jitter**2) / 2), abs=0.02)
    assert found.attrs["units"] == "rad"
    assert found.attrs["plus_phase"] == pytest.approx(np.pi)


def test_histogram_counts_every_event():
    edges, count = theta.phase_histogram([0.0, 0.1, 3.0, 2 * np.pi], 12)
    assert edges.size == 13
    assert count.tolist() == [2, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1]


def test_phase_rates_and_aligned_rates_agree_with_the_stored_rate(circuit):
    by_phase = theta.phase_rates(circuit)
    trc = schema.cell_index(circuit, "pulvinar.TRC")
    stored = circuit["rate"].isel(neuron=trc).mean(("cycle", "neuron"))
    np.testing.assert_allclose(by_phase["mean"].sel(population="pulvinar.TRC"), stored, rtol=1e-4)
    aligned = theta.aligned_rates(circuit, ["pulvinar.TRC"], 10e-3).sel(population="pulvinar.TRC")
    plus = aligned["time"].values > 0.1
    assert aligned.values[plus].mean() == pytest.approx(float(stored.sel(phase="plus")), rel=1e-4)
