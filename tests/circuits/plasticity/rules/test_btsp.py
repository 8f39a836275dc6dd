"""Behavioural-time-scale plasticity in numpy: what counts at one plateau."""

import numpy as np
from brian2 import ms, second

from circuits.plasticity.rules.btsp import btsp
from circuits.plasticity.rules.trains import spike_trains

NEVER = np.array([[np.inf]]) * ms
PLATEAU = np.array([[5000.0, 5300.0]]) * ms


def change(n, delay=0.0, sweeps=1):
    """Weight change by n spikes at 20 Hz whose last one lies so long before the plateau."""
    pre = np.sort(4950.0 - delay - 50.0 * np.arange(n))[None]
    return btsp().dw(
        spike_trains(pre * ms, NEVER, duration=12 * second, plateau=PLATEAU, sweeps=sweeps)
    )[0]


def test_a_plateau_credits_cells_that_fired_more():
    found = [change(n) for n in (2, 5, 10)]
    assert found[2] > 2 * found[1] > 0
    # a cell that hardly fired loses (weight-dependent depression sets in first)
    assert -1 < found[0] < found[1]


def test_what_comes_long_before_the_plateau_counts_less_and_what_comes_after_least():
    found = {delay: change(10, delay) for delay in (3000, 1000, 0, -1500)}
    assert found[0] > found[1000] > found[3000]
    assert found[1000] > found[-1500]


def test_the_weight_stays_below_the_largest():
    largest = btsp().table.parameter("W_max").value - 1
    assert 1 < change(10, sweeps=40) < largest
