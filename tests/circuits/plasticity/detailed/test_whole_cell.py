"""The whole-cell experiment: the CA1 cell against its Brian2 form, and the protocol."""

import numpy as np
import pytest
from brian2 import ms, pA

from cells.parameters import InputError
from circuits.plasticity.detailed.whole_cell import (
    ca1_equations,
    ca1_namespace,
    current_steps,
    membrane_properties,
    run_whole_cell,
    simulate_cells,
    steady_gates,
    whole_cell_table,
)


@pytest.fixture(scope="module")
def properties():
    return membrane_properties()


def test_membrane_of_a_ca1_pyramid(properties):
    assert -75 < properties.v_rest < -62
    assert 120 < properties.r_in < 250
    assert 8 < properties.tau_m < 30
    assert 4 < properties.epsp < 6
    assert 20 < properties.spike_peak < 60
    assert 0 < properties.dendritic_peak < properties.spike_peak
    rate = properties.rate.values
    assert rate[1] == 0 and (np.diff(rate) >= 0).all() and 30 < rate[-1] < 80


def test_input_resistance_is_the_slope_of_the_steady_state(properties):
    # passive oracle: the conductances at rest alone would give this resistance
    table = whole_cell_table()
    run = simulate_cells(np.zeros((250, 1)), table=table, noise=False)
    p = {q.name: q.value for q in table.parameters}
    leak = p["g_leak"] * (p["area_s"] + p["area_d"])
    assert run.v_s[-1, 0] == pytest.approx(float(properties.v_rest), abs=0.3)
    assert float(properties.r_in) < 1e-6 / leak  # open channels only lower it below the leak's


def test_tables_follow_the_brian2_equations():
    from brian2 import Network, NeuronGroup, SpikeMonitor, StateMonitor, TimedArray, mV, prefs

    prefs.codegen.target = "numpy"
    current = np.zeros((40, 1))
    current[10:] = 300.0
    run = simulate_cells(current, noise=False, dt=0.025)
    steps = TimedArray(current * pA, dt=1 * ms)
    group = NeuronGroup(
        1, ca1_equations("I_inj = steps(t, i) : amp"), threshold="v_s > -10*mV",
        refractory="v_s > -30*mV", method="exponential_euler", dt=0.05 * ms,
        namespace={**ca1_namespace(), "steps": steps},
    )  # fmt: skip
    group.v_s = group.v_d = whole_cell_table()["E_leak"]
    for name, value in steady_gates(whole_cell_table().parameter("E_leak").value).items():
        setattr(group, name, value)
    spikes, trace = SpikeMonitor(group), StateMonitor(group, "v_s", record=True, dt=0.5 * ms)
    Network(group, spikes, trace).run(40 * ms)
    want = np.asarray(spikes.t / ms)
    assert want.size >= 2
    assert run.spikes[0].size == want.size
    assert np.abs(run.spikes[0] - want).max() < 1.0
    quiet = slice(2, 25)
    assert np.abs(run.v_s[quiet, 0] - trace.v_s[0][3:26] / mV).max() < 0.3


def test_spikes_agree_with_a_stiff_solver():
    from scipy.integrate import solve_ivp

    from circuits.plasticity.detailed import whole_cell as module

    p = {q.name: q.value for q in whole_cell_table().parameters}
    names = module._gate_functions(whole_cell_table())
    gates = [(g, *(eval(f"lambda u: {x}", names) for x in (g.steady, g.tau))) for g in module.GATES]

    def slope(t, y):
        v = {"s": y[0], "d": y[1]}
        x = {g.name: y[k + 2] for k, (g, _, _) in enumerate(gates)}
        mS = {k: 1e3 * value for k, value in p.items() if k.startswith("g_")}
        current = 300.0e-6 / p["area_s"] if t >= 20 else 0.0
        axial = p["g_c"] * 1e-6 * (v["d"] - v["s"])
        k_s = (
            mS["g_KDR_s"] * x["n_s"] + mS["g_KA_s"] * x["a_s"] * x["b_s"] + mS["g_KM_s"] * x["w_s"]
        )
        k_d = mS["g_KDR_d"] * x["n_d"] + mS["g_KA_d"] * x["a_d"] * x["b_d"]
        na_s = mS["g_Na_s"] * x["m_s"] ** 3 * x["h_s"]
        na_d = mS["g_Na_d"] * x["m_d"] ** 3 * x["h_d"] * x["s_d"]
        out = [
            mS["g_leak"] * (p["E_leak"] - v["s"]) + na_s * (p["E_Na"] - v["s"])
            + k_s * (p["E_K"] - v["s"]) + current + axial / p["area_s"],
            mS["g_leak"] * (p["E_leak"] - v["d"]) + na_d * (p["E_Na"] - v["d"])
            + k_d * (p["E_K"] - v["d"]) + mS["g_h_d"] * x["r_d"] * (p["E_h"] - v["d"])
            - axial / p["area_d"],
        ]  # fmt: skip
        out += [(a(v[g.compartment]) - x[g.name]) / b(v[g.compartment]) for g, a, b in gates]
        return np.array(out)

    start = [p["E_leak"]] * 2 + list(steady_gates(p["E_leak"]).values())

    def crossing(t, y):
        return y[0] + 10

    crossing.direction = 1
    want = solve_ivp(
        slope, (0, 50), start, method="LSODA", rtol=1e-6, atol=1e-8, events=crossing, max_step=0.5
    ).t_events[0]
    current = np.zeros((50, 1))
    current[20:] = 300.0
    got = simulate_cells(current, noise=False, dt=0.0125).spikes[0]
    assert got.size == want.size == 2
    assert np.abs(got - want).max() < 0.1


def test_spikes_converge_with_the_step():
    current = np.zeros((150, 1))
    current[40:] = 200.0
    a, b = (simulate_cells(current, noise=False, dt=dt).spikes[0] for dt in (0.05, 0.025))
    assert a.size == b.size
    assert np.abs(a - b).max() < 4.0


def test_tetrodotoxin_stops_spikes():
    current = np.full((100, 1), 300.0)
    run = simulate_cells(current, table=whole_cell_table(g_Na_s=0.0, g_Na_d=0.0), noise=False)
    assert run.spikes[0].size == 0


def test_steps_set_the_order_of_the_halves():
    # the published steps, two windows, two cells
    data = run_whole_cell(n_windows=2, gap=200 * ms, seeds=(0, 1))
    rate = data.post_rate
    up, down = rate.sel(condition="25-50"), rate.sel(condition="50-25")
    assert up.sel(phase="second") > up.sel(phase="first") + 10
    assert down.sel(phase="first") > down.sel(phase="second") + 10
    flat = rate.sel(condition="50-50")
    assert abs(float(flat[0] - flat[1])) < 8
    assert (rate <= 60).all()
    assert data.pre_rate.sel(condition="25-50").values == pytest.approx([25, 50], abs=4)


def test_rule_sees_the_spikes_that_came_out():
    seen = []

    def rule(pre, post):
        seen.append((pre, post))
        return float(np.size(post)) / 100

    data = run_whole_cell(["25-50"], n_windows=1, gap=0 * ms, seeds=(3,), rule=rule, gain=2.0)
    _, post = seen[0]
    recorded = data.post_spikes.values[0, 0]
    assert np.allclose(np.asarray(post / ms), recorded[np.isfinite(recorded)])
    assert data.epsp.values[0] == pytest.approx(1 + 2.0 * np.size(post) / 100)


def test_no_current_no_spikes_from_subthreshold_synapses():
    data = run_whole_cell(
        ["25-25"],
        n_windows=1,
        gap=0 * ms,
        seeds=(0,),
        steps={"25-25": (0 * pA, 0 * pA)},
    )
    assert data.post_rate.values.max() == 0


def test_bad_input():
    with pytest.raises(InputError, match="'25-50'"):
        current_steps("25-5")
    with pytest.raises(InputError, match="unit of time"):
        run_whole_cell(["25-50"], gap=400)
    with pytest.raises(InputError, match="n_windows"):
        run_whole_cell(["25-50"], n_windows=0)
    with pytest.raises(InputError, match="two currents"):
        run_whole_cell(["25-50"], steps={"25-50": (1, 2)})
    with pytest.raises(InputError, match="did you mean 'CA1'"):
        whole_cell_table("CA2")
    with pytest.raises(InputError, match="multiples"):
        simulate_cells(np.zeros((5, 1)), dt=0.3)
