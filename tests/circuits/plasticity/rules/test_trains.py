"""Times at the border of the rules have their unit: 10 would be read as 10 s."""

import pytest
from brian2 import ms, mV

from cells.parameters import InputError
from circuits.plasticity.rules.registry import rule
from circuits.plasticity.rules.trains import spike_trains

PRE, POST = [10.0, 30.0] * ms, [15.0] * ms
TRAINS = spike_trains(PRE, POST, duration=100 * ms, gate=[90.0] * ms)


@pytest.mark.parametrize("time", [10, 10.0, 10 * mV])
@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("duration", lambda t: spike_trains(PRE, POST, duration=t)),
        ("period", lambda t: spike_trains(PRE, POST, duration=100 * ms, period=t)),
        ("step", lambda t: rule("kinase_difference").levels(TRAINS, form="clock", step=t)),
        ("step", lambda t: rule("calcium_cortical_slices").brian2(step=t)),
        ("cycle", lambda t: rule("kinase_difference").brian2(cycle=t)),
        ("gate", lambda t: rule("bcm").brian2(traces="synapse", gate=t)),
    ],
)
def test_a_time_without_its_unit_is_refused(name, make, time):
    with pytest.raises(InputError, match=f"^{name}: .* has not the dimension s"):
        make(time)
