"""Every named current under voltage clamp, against its published gating written a second time.

The potential is held, the gates are integrated, and each must follow
x_inf + (x0 - x_inf) exp(-t/tau) with the published x_inf and tau.
"""

from math import exp

import numpy as np
import pytest
from brian2 import Equations, Network, NeuronGroup, metre, ms, mV, prefs
from brian2.units import amp, mmolar, second

from cells.currents import CURRENTS

HELD = np.array([-100.0, -81.3, -65.0, -57.5, -47.2, -35.0, -20.1, 3.3])  # mV
V_T = -58.0
START = 0.3
UNTIL = 2.0  # ms


def vtrap(x, k):
    """Return x/(exp(x/k) - 1), with its limit k at 0."""
    return k if abs(x) < 1e-9 else x / (exp(x / k) - 1)


def rates(alpha, beta):
    return lambda v: (alpha(v) / (alpha(v) + beta(v)), 1 / (alpha(v) + beta(v)))


def boltzmann(v, half, k):
    return 1 / (1 + exp(-(v - half) / k))


# (current, gate): published steady state and time constant (ms) at v (mV)
GATES = {
    ("I_Na", "m"): rates(
        lambda v: 0.32 * vtrap(13 - (v - V_T), 4), lambda v: 0.28 * vtrap((v - V_T) - 40, 5)
    ),
    ("I_Na", "h"): rates(
        lambda v: 0.128 * exp((17 - (v - V_T)) / 18),
        lambda v: 4 / (1 + exp((40 - (v - V_T)) / 5)),
    ),
    ("I_Kd", "n"): rates(
        lambda v: 0.032 * vtrap(15 - (v - V_T), 5), lambda v: 0.5 * exp((10 - (v - V_T)) / 40)
    ),
    ("I_M", "p"): lambda v: (
        boltzmann(v, -35, 10),
        1000 / (3.3 * exp((v + 35) / 20) + exp(-(v + 35) / 20)),
    ),
    ("I_Ca", "q"): rates(
        lambda v: 0.055 * vtrap(-27 - v, 3.8), lambda v: 0.94 * exp((-75 - v) / 17)
    ),
    ("I_Ca", "r"): rates(
        lambda v: 0.000457 * exp((-13 - v) / 50), lambda v: 0.0065 / (exp((-15 - v) / 28) + 1)
    ),
    ("I_h", "w_h"): rates(
        lambda v: 0.001 * 6.43 * vtrap(v + 154.9, 11.9), lambda v: 0.001 * 193 * exp(v / 33.1)
    ),
    ("I_T", "h_T"): lambda v: (
        boltzmann(v + 2, -81, -4),
        (30.8 + (211.4 + exp((v + 2 + 113.2) / 5)) / (1 + exp((v + 2 + 84) / 3.2))) / 3.737,
    ),
    ("I_h_relay", "w_h"): lambda v: (
        boltzmann(v, -75, -5.5),
        20 + 1000 / (exp((v + 71.5) / 14.2) + exp(-(v + 89) / 11.6)),
    ),
    ("I_Ts", "m_Ts"): lambda v: (
        boltzmann(v, -52, 7.4),
        (3 + 1 / (exp((v + 27) / 10) + exp(-(v + 102) / 15))) / 3.0,
    ),
    ("I_Ts", "h_Ts"): lambda v: (
        boltzmann(v, -80, -5),
        (85 + 1 / (exp((v + 48) / 4) + exp(-(v + 407) / 50))) / 3.0,
    ),
}
PARAMETERS = {
    "V_T": V_T * mV,
    "tau_M_max": 1000 * ms,
    "shift_T": 2 * mV,
    "E_leak": -70 * mV,
    "E_Na": 50 * mV,
    "E_K": -90 * mV,
    "E_Ca": 120 * mV,
    "E_h": -43 * mV,
    "f_Ca": 2.5 * mmolar * metre**2 / amp / second,
    "Ca_rest": 1e-4 * mmolar,
    "tau_Ca": 80 * ms,
}


def suffix(current):
    return f"_{current.lower()}"


@pytest.fixture(scope="module")
def clamped():
    """Return the group of all currents after `UNTIL`, and currents at the start."""
    lines = ["v : volt (constant)"]
    for name, current in CURRENTS.items():
        text = current.equations("v", suffix(name))
        if name == "I_Kd":
            text = text.replace("u_i_kd", "u_i_na")
        if name == "calcium":
            text = text.replace("I_Ca_calcium", "I_Ca_i_ca")
        if name == "I_SK":
            text = text.replace("Ca_i_sk", "Ca_calcium")
        lines.append(text)
        for parameter, _ in current.parameters:
            if parameter.startswith("g_"):
                lines.append(
                    f"{parameter.format(s=suffix(name))} = 1*siemens/metre**2 : siemens/metre**2"
                )
    previous, prefs.codegen.target = prefs.codegen.target, "numpy"
    group = NeuronGroup(
        len(HELD), Equations("\n".join(lines)), method="rk4", dt=0.005 * ms, namespace=PARAMETERS
    )
    group.v = HELD * mV
    for current, gate in GATES:
        setattr(group, gate + suffix(current), START)
    group.Ca_calcium = np.linspace(0.0, 1.5e-3, len(HELD)) * mmolar
    start = {
        name: np.array(getattr(group, symbol + suffix(name)))
        for name, symbol in [(n, "I_h" if n == "I_h_relay" else n) for n in CURRENTS]
        if name != "calcium"
    }
    Network(group).run(UNTIL * ms, namespace={})
    prefs.codegen.target = previous
    return group, start


@pytest.mark.parametrize(("current", "gate"), GATES, ids=lambda x: x)
def test_gate_follows_its_published_kinetics(clamped, current, gate):
    group, _ = clamped
    got = np.array(getattr(group, gate + suffix(current)))
    for v, x in zip(HELD, got, strict=True):
        infinity, tau = GATES[current, gate](v)
        assert x == pytest.approx(infinity + (START - infinity) * exp(-UNTIL / tau), rel=2e-6)


REVERSAL = {
    "I_leak": -70,
    "I_KL": -90,
    "I_Na": 50,
    "I_Kd": -90,
    "I_M": -90,
    "I_Ca": 120,
    "I_h": -43,
    "I_h_relay": -43,
}
POWERS = {
    "I_leak": lambda x: 1,
    "I_KL": lambda x: 1,
    "I_Na": lambda x: x**3 * x,
    "I_Kd": lambda x: x**4,
    "I_M": lambda x: x,
    "I_Ca": lambda x: x**2 * x,
    "I_h": lambda x: x,
    "I_h_relay": lambda x: x,
}


@pytest.mark.parametrize("current", POWERS)
def test_current_is_conductance_times_driving_force(clamped, current):
    _, start = clamped
    expected = POWERS[current](START) * (REVERSAL[current] - HELD) * 1e-3
    np.testing.assert_allclose(start[current], expected, rtol=1e-12, atol=1e-15)


def test_t_currents_have_their_activation(clamped):
    _, start = clamped
    relay = [boltzmann(v + 2, -57, 6.2) ** 2 * START * (120 - v) * 1e-3 for v in HELD]
    np.testing.assert_allclose(start["I_T"], relay, rtol=1e-12)
    reticular = START**3 * (120 - HELD) * 1e-3
    np.testing.assert_allclose(start["I_Ts"], reticular, rtol=1e-12)


def test_sk_is_a_hill_function_of_calcium(clamped):
    _, start = clamped
    calcium = np.linspace(0.0, 1.5, len(HELD))[1:]  # umolar
    hill = calcium**4.8 / (calcium**4.8 + 0.43**4.8)
    expected = hill * (-90 - HELD[1:]) * 1e-3
    np.testing.assert_allclose(start["I_SK"][1:], expected, rtol=1e-12)
    assert start["I_SK"][0] == 0


def test_calcium_follows_its_current(clamped):
    """Against scipy's integration of the pool with the published gates."""
    from scipy.integrate import solve_ivp

    group, _ = clamped
    calcium = np.linspace(0.0, 1.5, len(HELD))
    for k, v in enumerate(HELD):
        (q, tau_q), (r, tau_r) = GATES["I_Ca", "q"](v), GATES["I_Ca", "r"](v)

        def current(t, v=v, q=q, tau_q=tau_q, r=r, tau_r=tau_r):  # A/m**2 at 1 S/m**2
            gate_q = q + (START - q) * exp(-t / tau_q)
            gate_r = r + (START - r) * exp(-t / tau_r)
            return gate_q**2 * gate_r * (120 - v) * 1e-3

        # 2.5 mM m**2/(A s) = 2.5 uM/ms per A/m**2
        solution = solve_ivp(
            lambda t, ca, f=current: 2.5 * f(t) - (ca - 0.1) / 80, (0, UNTIL), [calcium[k]],
            rtol=1e-9, atol=1e-12,
        )  # fmt: skip
        got = float(np.array(group.Ca_calcium)[k]) * 1e3
        assert got == pytest.approx(solution.y[0, -1], rel=1e-5)


@pytest.mark.parametrize(
    ("gate", "half"),
    [
        (("I_M", "p"), -35.0),
        (("I_T", "h_T"), -83.0),
        (("I_h_relay", "w_h"), -75.0),
        (("I_Ts", "m_Ts"), -52.0),
        (("I_Ts", "h_Ts"), -80.0),
    ],
    ids=lambda x: str(x),
)
def test_half_activation_of_the_code(gate, half):
    """The steady state of the equations themselves is one half at the published potential."""
    assert steady(*gate, half) == pytest.approx(0.5, abs=1e-9)


def steady(current, gate, v):
    from cells.models import CellClass, CellModel, Compartment, steady_state
    from cells.parameters import Parameter, ParameterTable

    names = [current] if current != "I_Kd" else ["I_Na", "I_Kd"]
    model = CellModel("alone", (Compartment("soma", "v", "", tuple(names)),))
    values = {"V_T": (V_T, "mV"), "tau_M_max": (1000, "ms"), "shift_T": (2, "mV")}
    rows = tuple(
        Parameter(name, *values.get(name, (1.0, "1")), "", "", "D") for name, _ in model.parameters
    )
    cell = CellClass("alone", model, ParameterTable("alone", rows), True, "", "")
    return float(steady_state(cell, v * 1e-3)[gate])
