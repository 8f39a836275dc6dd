"""Integrals from spike to spike against sums over a fine grid."""

import numpy as np
import pytest
from brian2 import ms, second

from circuits.plasticity.rules.integral import TraceIntegral
from circuits.plasticity.rules.trains import spike_trains

INTEGRAL = TraceIntegral(
    taus={"x": 20.0, "y": 35.0, "s": 80.0},
    integrand=((2.0, ("x", "y")), (-0.5, ("y", "y", "s")), (0.3, ("s",))),
    pre={"x": ((1.0, ()),)},
    # a jump is of the values before the spike
    post={"y": ((1.0, ()), (0.5, ("x",))), "s": ((0.2, ("y",)),)},
    start={"s": 0.7},
)
PRE, POST = [3.0, 40.0, 41.0], [10.0, 40.0, 90.0]


def by_steps(until, dt=1e-3):
    """Integrate on a grid (ms); the result is in units times seconds."""
    state, total = {"x": 0.0, "y": 0.0, "s": 0.7}, 0.0
    pre, post = (np.round(np.array(t) / dt).astype(int) for t in (PRE, POST))
    decay = {k: np.exp(-dt / tau) for k, tau in INTEGRAL.taus.items()}
    for k in range(round(until / dt)):
        if k in pre:
            state["x"] += 1
        if k in post:
            state["s"] += 0.2 * state["y"]
            state["y"] += 1 + 0.5 * state["x"]
        x, y, s = state["x"], state["y"], state["s"]
        total += (2 * x * y - 0.5 * y * y * s + 0.3 * s) * dt * 1e-3
        state = {name: value * decay[name] for name, value in state.items()}
    return total


def test_the_integral_is_that_of_small_steps():
    trains = spike_trains(PRE * ms, POST * ms, duration=120 * ms)
    times = np.array([2.0, 40.5, 60.0, 120.0])
    found = INTEGRAL.up_to(trains, times)
    assert found.shape == (1, 4)
    np.testing.assert_allclose(found[0], [by_steps(t) for t in times], rtol=1e-3)


def test_the_tail_is_what_is_left_without_spikes():
    none = spike_trains([] * ms, [] * ms, duration=5 * second)
    found = INTEGRAL.up_to(none, [5000.0])[0, 0]
    assert found == pytest.approx(0.3 * 0.7 * 0.08)
