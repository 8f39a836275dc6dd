"""Synaptic scaling and decay of weights, beside a rule."""

import numpy as np
import pytest

from analysis.data import schema
from cells.parameters import InputError
from circuits.driver.inputs import arrays_of
from circuits.plasticity.homeostasis import homeostasis_table
from circuits.plasticity.learning import Learning
from circuits.runfiles.model import BIN_MS
from circuits.runfiles.resolve import resolve
from tests.circuits.learning_runs import reduced, simulated

# the rule itself moves nothing: its rate is above 0, and that is all
KEPT = """
[plasticity]
projections = ["V2.L6CT->TRC"]
rate = 1e-15
start = 0.4
start_sd = 0.1
tau_decay = "4 s"
own = { "V2.L6CT->TRC" = { tau_scaling = "2 s", goal = "20 Hz" } }
[blocks.training]
cycles = 4
[blocks.test]
cycles = 2
learn = false
"""


def expected(run, ds):
    """Weights after the training, from the spikes of the relay cells, (synapse,)."""
    condition, cycle = run.conditions[0], run.cycle
    tau = float(homeostasis_table()["tau_rate"])
    one = schema.select(ds, condition=condition.name, seed=3)
    neuron, time = one["spike_neuron"].values, one["spike_time"].values
    arrays, _ = arrays_of(condition, cycle, 3)
    gates = np.flatnonzero(arrays["learning"]) * BIN_MS * 1e-3
    assert len(gates) == 4
    share = cycle.length * 1e-3
    w = one["weight"].values[0].astype(float)
    for at in gates - 1e-9:
        for cell in np.unique(target := one["synapse_target"].values):
            past = time[(neuron == cell) & (time < at)]
            rate = 20 * np.exp(-at / tau) + np.exp((past - at) / tau).sum() / tau
            w[target == cell] *= 1 + share / 2 * (1 - rate / 20) - share / 4
    return np.clip(w, 0, 1)


@pytest.mark.standalone
def test_weights_follow_the_rate_of_the_cell_and_decay(write):
    run = reduced(resolve(write(KEPT)))
    ds = simulated(run, "cpp")
    start, training, test = ds["weight"].values[0, 0]
    assert training == pytest.approx(expected(run, ds), abs=1e-6)
    assert np.ptp(training / start) > 0.002  # cells differ
    assert np.array_equal(training, test)


@pytest.mark.standalone
def test_a_factor_of_zero_freezes_weights_against_scaling_and_decay(write):
    text = KEPT.replace("tau_scaling", "factor = 0, tau_scaling")
    start, training, _ = simulated(reduced(resolve(write(text))), "cpp")["weight"].values[0, 0]
    assert np.array_equal(start, training)


def test_time_constants_make_no_other_program_than_one_that_has_them(write):
    text = KEPT
    for tau in (1, 5):
        text += f"[[condition]]\nname = \"{tau}\"\nplasticity.tau_decay = '{tau} s'\n"
    one, other = resolve(write(text)).conditions
    assert one.plan.digest == other.plan.digest
    assert one.plan.digest != resolve(write(plain(KEPT))).conditions[0].plan.digest


def plain(text):
    return "\n".join(line for line in text.splitlines() if "tau_" not in line)


def test_what_cannot_be_kept_is_refused(write):
    with pytest.raises(InputError, match=r"tau_scaling: 'V2.L6CT->TRC' has no goal; say a rate"):
        resolve(write(KEPT.replace(', goal = "20 Hz"', "")))
    with pytest.raises(InputError, match="tau_decay: '20 mV' has the dimension"):
        resolve(write(KEPT.replace('"4 s"', '"20 mV"')))
    with pytest.raises(InputError, match="tau_decay: -1 is below 0"):
        Learning(tau_decay=-1.0)
    with pytest.raises(InputError, match="'pair_song' is not read at a gate"):
        Learning(rule="pair_song", tau_decay=4.0).code()
