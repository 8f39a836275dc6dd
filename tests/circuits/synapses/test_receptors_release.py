"""Receptors and short-term release against closed forms."""

import numpy as np
import pytest
from brian2 import (
    Network,
    NeuronGroup,
    Quantity,
    SpikeGeneratorGroup,
    StateMonitor,
    Synapses,
    ms,
    mV,
    nS,
    prefs,
)

from cells.models import MODELS
from cells.parameters import InputError
from circuits.synapses.receptors import (
    RECEPTORS,
    conductance,
    receptor_equations,
    receptor_parameter,
)
from circuits.synapses.release import (
    RELEASE_EQUATIONS,
    RELEASE_ON_PRE,
    RELEASE_PARAMETERS,
    release_class,
)

SOMA = MODELS["relay"].compartments[0]


@pytest.fixture(autouse=True)
def numpy_target():
    previous, prefs.codegen.target = prefs.codegen.target, "numpy"
    yield
    prefs.codegen.target = previous


def held_cell(receptors, v, duration, **start):
    """Hold the potential at ``v`` and return the recorded currents and conductances."""
    mine = [conductance(r, SOMA) for r in receptors]
    equations = "v : volt\n" + receptor_equations(SOMA, mine)
    cell = NeuronGroup(
        1, equations, method="exact" if receptors != ["GABA_B"] else "rk4", dt=0.05 * ms
    )
    cell.v = v
    for c in mine:
        for name, key in c.parameters:
            value = receptor_parameter(c.receptor, key, "TRC")
            setattr(cell, name, value)
    for name, value in start.items():
        setattr(cell, name, value)
    names = ["I_syn", *(c.variable for c in mine)]
    if receptors == ["GABA_B"]:
        names.append("G")
    trace = StateMonitor(cell, names, record=0)
    Network(cell, trace).run(duration)
    return trace


@pytest.mark.parametrize("receptor", ["AMPA", "NMDA", "GABA_A"])
def test_conductance_decays_exponentially_and_reverses(receptor):
    tau = receptor_parameter(receptor, "tau", "TRC")
    reversal = receptor_parameter(receptor, "E", "TRC")
    variable = f"g_{receptor}"
    below = held_cell([receptor], reversal - 10 * mV, 20 * ms, **{variable: 2 * nS})
    g = getattr(below, variable)[0] / nS
    np.testing.assert_allclose(g, 2 * np.exp(-below.t / tau), rtol=1e-9)
    assert (below.I_syn[0] > 0).all()
    above = held_cell([receptor], reversal + 10 * mV, 1 * ms, **{variable: 2 * nS})
    assert (above.I_syn[0] < 0).all()


@pytest.mark.parametrize("v", [-80, -60, -40, -20, 20])
def test_magnesium_block_is_that_of_jahr_and_stevens(v):
    trace = held_cell(["NMDA"], v * mV, 0.1 * ms, g_NMDA=1 * nS)
    unblocked = 1e-9 * (0 - v * 1e-3)
    expected = 1 / (1 + 1.0 / 3.57 * np.exp(-0.062 * v))
    assert float(trace.I_syn[0][0]) / unblocked == pytest.approx(expected, rel=1e-6)


def test_gaba_b_needs_a_burst():
    """The fourth power makes the response to bound receptors steeper than linear."""
    peak = {}
    for bound in (0.078, 0.312):
        trace = held_cell(["GABA_B"], -60 * mV, 400 * ms, g_GABA_B=bound, g_max_GABA_B=10 * nS)
        k3, k4, k2 = (float(receptor_parameter("GABA_B", k, "TRC")) for k in ("K3", "K4", "K2"))
        t = np.asarray(trace.t)
        exact = bound * k3 * (np.exp(-k2 * t) - np.exp(-k4 * t)) / (k4 - k2)
        np.testing.assert_allclose(trace.G[0], exact, rtol=1e-4, atol=1e-9)
        peak[bound] = -float(np.min(trace.I_syn[0]))
    assert peak[0.312] > 50 * peak[0.078]


def test_class_and_compartment_choose_the_parameter():
    assert receptor_parameter("NMDA", "tau", "L6CT") > receptor_parameter("NMDA", "tau", "L4")
    assert receptor_parameter("GABA_A", "tau", "L5IB", "_d") == 12 * ms
    with pytest.raises(InputError, match="did you mean 'NMDA'"):
        conductance("NDMA", SOMA)
    assert set(RECEPTORS) == {"AMPA", "NMDA", "GABA_A", "GABA_B"}


def released(name, times):
    """Return what each of the spikes at ``times`` (ms) releases, in Brian2."""
    source = SpikeGeneratorGroup(
        1, np.zeros(len(times), dtype=int), np.asarray(times) * ms, dt=0.1 * ms
    )
    target = NeuronGroup(1, "total : 1", dt=0.1 * ms)
    synapse = Synapses(
        source, target, RELEASE_EQUATIONS, on_pre=RELEASE_ON_PRE + "\ntotal_post += released",
        method="exact", namespace={},
    )  # fmt: skip
    synapse.connect(i=[0], j=[0])
    synapse.resources = 1
    for key in RELEASE_PARAMETERS:
        setattr(synapse, key, release_class(name)[key])
    trace = StateMonitor(target, "total", record=0)
    Network(source, target, synapse, trace).run((max(times) + 1) * ms)
    steps = np.diff(np.concatenate([np.asarray(trace.total[0]), [float(target.total[0])]]))
    return steps[steps > 0]


def tsodyks_markram(name, times):
    """The recursion over spikes, by hand."""
    U, rec, facil = (float(Quantity(release_class(name)[k])) for k in RELEASE_PARAMETERS)
    u, x, last, out = 0.0, 1.0, None, []
    for t in np.asarray(times) * 1e-3:
        if last is not None:
            u *= np.exp(-(t - last) / facil)
            x = 1 + (x - 1) * np.exp(-(t - last) / rec)
        u += U * (1 - u)
        out.append(u * x)
        x -= u * x
        last = t
    return np.array(out)


@pytest.mark.parametrize("name", ["static", "driver", "modulator", "to_SST", "feedback"])
def test_release_is_that_of_tsodyks_and_markram(name):
    times = [1.0, 5.0, 9.0, 30.0, 60.0, 200.0]
    np.testing.assert_allclose(released(name, times), tsodyks_markram(name, times), rtol=1e-6)


def test_release_classes_do_what_their_names_say():
    train = np.arange(1, 200, 20.0)
    assert np.allclose(tsodyks_markram("static", train), 1)
    driver, modulator = tsodyks_markram("driver", train), tsodyks_markram("modulator", train)
    assert (np.diff(driver) < 0).all()
    assert (np.diff(modulator[:4]) > 0).all()
    with pytest.raises(InputError, match="did you mean 'driver'"):
        release_class("drivr")
