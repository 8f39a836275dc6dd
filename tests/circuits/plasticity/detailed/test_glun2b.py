"""The detailed synapse: conservation, oracles, lesions and the experiment."""

import numpy as np
import pytest
from brian2 import ms
from scipy.integrate import solve_ivp

from cells.parameters import InputError
from circuits.plasticity.detailed import glun2b
from circuits.plasticity.detailed.experiment import DetailedProtocol, published_target, run_detailed
from circuits.plasticity.detailed.glun2b import (
    POOLS,
    REACTIONS,
    SPECIES,
    TARGET,
    calcium_influx,
    derivatives,
    respond,
    resting_state,
    synapse_table,
)
from circuits.plasticity.detailed.nmda import nmda_calcium_force
from circuits.runfiles.resolve import resolve

RNG = np.random.default_rng(5)
PRE, POST = (np.sort(np.round(RNG.uniform(20, 220, 8))) for _ in range(2))


def total(y, pool):
    return sum(y[SPECIES.index(s)] for s in POOLS[pool])


@pytest.mark.parametrize("name", ["jang2026", "theta_window"])
def test_run_files_are_judged_by_the_values_that_it_was_fitted_to(name):
    published = resolve(name).setup["published"]
    assert {label: (row["mean"], row["sem"]) for label, row in published.items()} == dict(TARGET)


@pytest.mark.parametrize("pool", POOLS)
def test_every_reaction_conserves_every_pool(pool):
    for reaction in REACTIONS:
        assert sum(n for s, n in reaction.change if s in POOLS[pool]) == 0, reaction.name


@pytest.mark.parametrize("variant", ["published", "fitted"])
def test_mass_is_conserved_and_nothing_is_negative(variant):
    table = synapse_table(variant)
    result = respond([PRE], [POST], parameters=table, record=("S", "SK", "SKP", "SD"))
    synapse = glun2b._Synapses(glun2b.values_of(table), 1)
    influx = calcium_influx([PRE], [POST], duration=400.0, parameters=table)
    for x in influx:
        synapse.step(x, 5e-4)
    y = synapse.vector()[:, 0]
    for pool in POOLS:
        want = (
            1 + table.parameter("reserve").value if pool == "AMPA" else table.parameter(pool).value
        )
        assert total(y, pool) == pytest.approx(want, rel=1e-9)
    assert (y >= -1e-12).all()
    bound = result.traces["SK"] + result.traces["SKP"] + result.traces["SD"] + result.traces["S"]
    assert np.allclose(bound, table.parameter("GluN2B").value, rtol=1e-9)


def stiff(table, influx, dt, y0, names):
    """The full system, free calcium included, with the influx constant over each bin."""
    values = glun2b.values_of(table)
    y = y0.copy()
    rows = []
    for x in influx:
        out = solve_ivp(
            lambda t, y, x=x: derivatives(y, x, values), (0, dt * 1e-3), y,
            method="LSODA", rtol=1e-6, atol=1e-9,
        )  # fmt: skip
        y = out.y[:, -1]
        rows.append(y)
    rows = np.array(rows)
    return {name: rows[:, SPECIES.index(name)] for name in names}


def test_fast_integrator_agrees_with_the_stiff_reference():
    table = synapse_table("fitted")
    dt = 0.5
    influx = calcium_influx([PRE], [POST], duration=80.0, dt=dt, parameters=table)[:, 0]
    names = ("KC", "NC", "DC", "SK", "SD", "A")
    want = stiff(table, influx, dt, resting_state(table), names)
    result = respond([PRE], [POST], duration=80.0, dt=dt, parameters=table, record=names)
    for name in names:
        got = result.traces[name][:, 0]
        scale = np.ptp(want[name])
        error = np.sqrt(np.mean((got - want[name]) ** 2)) / scale
        assert error < 0.05, (name, error)


def test_error_of_the_fast_integrator_falls_with_the_step():
    table = synapse_table("fitted")
    ends = []
    for dt in (0.5, 0.25, 0.0625):
        r = respond(
            [PRE], [POST], duration=300.0, dt=dt, parameters=table, record=("SK",), settle=0
        )
        ends.append(r.traces["SK"][-1, 0])
    assert abs(ends[1] - ends[2]) < 0.7 * abs(ends[0] - ends[2])


def test_rest_is_an_equilibrium_of_the_reference():
    for variant in ("published", "fitted"):
        table = synapse_table(variant)
        y = resting_state(table)
        drift = derivatives(y, 0.0, table)
        slow = [SPECIES.index(s) for s in ("K", "KC", "NC", "DP", "S", "SK", "SD")]
        assert np.abs(drift[slow]).max() < 0.02


def test_calmodulin_equilibrium_is_analytic():
    table = synapse_table("published", CaMKII=1e-6, CaN=1e-6, DAPK1=1e-6)
    v = glun2b.values_of(table)
    synapse = glun2b._Synapses(v, 1)
    influx = v["pump"] * 2.0
    for _ in range(400):
        synapse.step(np.array([influx]), 1e-3)
    ca = synapse.Ca[0]
    assert ca == pytest.approx(v["Ca_rest"] + 2.0, rel=0.005)
    steps = [1.0]
    for k in "123":
        steps.append(steps[-1] * v[f"cam{k}_on"] * ca / v[f"cam{k}_off"])
    want = np.array(steps) / sum(steps) * v["CaM"]
    assert np.allclose(synapse.cam[:, 0], want, rtol=0.02)


def test_binding_step_is_exact_backward_euler():
    a, b, c = glun2b._bind(np.array(3.0), np.array(2.0), np.array(0.5), 8.0, 3.0, 0.01)
    assert c - 0.5 == pytest.approx(0.01 * (8.0 * a * b - 3.0 * c), rel=1e-10)
    assert a + c == pytest.approx(3.5)


def test_magnesium_block():
    # Jahr & Stevens at 1.5 mM: half unblocked where 0.4202 exp(-0.062 V) = 1
    half = np.log(0.4202) / 0.062
    unblocked = -half / (1 - np.exp(0.0756 * half))
    assert nmda_calcium_force(half) == pytest.approx(unblocked / 2, rel=1e-9)
    assert nmda_calcium_force(0.0) == pytest.approx(1 / 0.0756 / 1.4202, rel=1e-9)
    assert nmda_calcium_force(-20.0) > 3 * nmda_calcium_force(-65.0)
    assert nmda_calcium_force(1e-9) == pytest.approx(nmda_calcium_force(-1e-9), rel=1e-6)


def test_calcium_needs_both_cells():
    peak = {
        key: calcium_influx([a], [b], duration=400.0).max()
        for key, a, b in (("both", PRE, POST), ("pre", PRE, []), ("post", [], POST))
    }
    assert peak["both"] > 2 * max(peak["pre"], peak["post"])
    assert calcium_influx([[]], [[]], duration=50.0).max() == 0


def test_no_calcium_no_change():
    result = respond([PRE], [POST], parameters=synapse_table(nmda_Ca=0.0, vgcc_Ca=0.0))
    silent = respond([[]], [[]], duration=420.0)
    assert result.epsp[0] == pytest.approx(1.0, abs=0.01)
    assert silent.epsp[0] == pytest.approx(1.0, abs=0.01)


def test_brian2_equations_follow_the_reference():
    from brian2 import Network, NeuronGroup, molar, prefs, second

    prefs.codegen.target = "numpy"
    table = synapse_table("fitted")
    y0 = resting_state(table)
    group = NeuronGroup(
        1, glun2b.brian2_equations("influx : mmolar/second"), method="euler", dt=0.005 * ms,
        namespace=dict(table.items()),
    )  # fmt: skip
    for name, value in zip(SPECIES, y0, strict=True):
        setattr(group, name, value if name in "AB" else value * 1e-6 * molar)
    group.influx = 4e4 * 1e-6 * molar / second
    Network(group).run(3 * ms)
    want = stiff(table, [4e4] * 6, 0.5, y0, ("Ca", "CaM3", "KC", "NC", "SK"))
    for name, trace in want.items():
        assert float(np.asarray(getattr(group, name))[0]) * 1e3 == pytest.approx(
            trace[-1], rel=0.01
        )


def test_fitted_constants_are_those_of_the_table():
    flat = [n for names in glun2b.FITTED for n in ((names,) if isinstance(names, str) else names)]
    published, fitted = synapse_table("published"), synapse_table("fitted")
    changed = {p.name for p in fitted.parameters if p != published.parameter(p.name)}
    assert changed == {*flat, "basal"}
    assert {fitted.parameter(n).mark for n in flat} == {"F"}


@pytest.mark.parametrize("variant", ["published", "fitted"])
def test_constitutive_removal_balances_the_rest(variant):
    table = synapse_table(variant)
    rested = glun2b._rested(glun2b.values_of(table), 1)
    assert table.parameter("basal").value == pytest.approx(float(rested.v["basal"]), rel=0.02)


def test_null_scores_seventeen():
    assert published_target(dict.fromkeys(TARGET, 1.0)) == pytest.approx(17.0, abs=0.05)
    assert np.isnan(published_target({"25-50": 1.0}))


def test_bad_input():
    with pytest.raises(InputError, match="did you mean 'camkii_off'"):
        synapse_table(camkii_of=1.0)
    with pytest.raises(InputError, match=">= 0"):
        synapse_table(camkii_off=-1.0)
    with pytest.raises(InputError, match="'fitted'"):
        synapse_table("fited")
    with pytest.raises(InputError, match="'poisson'"):
        run_detailed(trains=["poison"])
    for condition in ("25", "0-50", "a-b", "25-50/1-2/3-4", "25-1000"):
        with pytest.raises(InputError, match="condition"):
            run_detailed([condition], trains=["regular"])
    with pytest.raises(InputError, match="unit"):
        DetailedProtocol(gap=400)
