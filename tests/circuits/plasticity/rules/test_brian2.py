"""The Brian2 strings of each rule do what its numpy form does, on a net of the same spikes."""

import numpy as np
import pytest
from brian2 import Network, NeuronGroup, TimedArray, defaultclock, ms, prefs

from cells.parameters import InputError
from circuits.plasticity.rules.bcm import bcm
from circuits.plasticity.rules.btsp import btsp
from circuits.plasticity.rules.calcium import CALCIUM_SETS, calcium
from circuits.plasticity.rules.kinase import kinase
from circuits.plasticity.rules.rule import attach
from circuits.plasticity.rules.stdp import STDP_SETS, stdp
from circuits.plasticity.rules.trains import spike_trains

CYCLE, GATE = 200, 190
N = 4


@pytest.fixture(autouse=True)
def _numpy_runtime():
    old = prefs.codegen.target
    prefs.codegen.target = "numpy"
    defaultclock.dt = 0.1 * ms
    yield
    prefs.codegen.target = old


@pytest.fixture(scope="module")
def spikes():
    """Poisson spikes of N pairs on a 0.1-ms grid over two cycles, one pre-post coincidence in."""
    rng = np.random.default_rng(3)
    out = []
    for _ in range(2):
        rows = []
        for _ in range(N):
            times = np.unique(np.round(rng.uniform(0.5, 399.0, 14) * 10)) / 10
            rows.append(times)
        out.append(rows)
    out[1][0] = np.unique(np.concatenate([out[1][0], out[0][0][5:6]]))
    return out


def padded(rows):
    width = max(map(len, rows))
    return np.array([np.pad(r, (0, width - len(r)), constant_values=np.inf) for r in rows])


def run_brian(code, spikes, duration, method="exact", start=None, w0=0.0):
    """Weights of N one-to-one synapses at the end of a run that replays the spikes."""
    groups = []
    for side, rows in zip(("pre", "post"), spikes, strict=True):
        table = np.zeros((round(duration * 10) + 1, N))
        for i, times in enumerate(rows):
            table[np.round(times * 10).astype(int), i] = 1
        name = f"table_{side}"
        group = NeuronGroup(
            N,
            getattr(code, f"{side}_model") + "unused : 1\n",
            threshold=f"{name}(t, i) > 0.5",
            reset=getattr(code, f"{side}_reset") or "unused = 0",
            events=code.events if side == "post" else {},
            namespace=dict(code.namespace) | {name: TimedArray(table, dt=0.1 * ms)},
            method="exact",
        )
        regular = getattr(code, f"{side}_regular")
        if regular:
            group.run_regularly(regular, dt=code.regular_dt, when="start", order=1)
        groups.append(group)
    for key, value in (start or {}).items():
        setattr(groups[1], key, value)
    synapses = attach(code, *groups, method=method)
    synapses.connect(i=np.arange(N), j=np.arange(N))
    synapses.w = w0
    Network(*groups, synapses).run(duration * ms)
    return np.array(synapses.w)


def one_step_later(spikes, short=0.0):
    """What runs at the start of a step sees the spikes of the steps before it."""
    return [[r + 0.1 - short for r in side] for side in spikes]


def trains_of(spikes, duration):
    gate = np.arange(GATE, duration, CYCLE)
    return spike_trains(
        padded(spikes[0]) * ms, padded(spikes[1]) * ms, duration=duration * ms, gate=gate * ms
    )


@pytest.mark.parametrize("readout", ["difference", "ratio"])
@pytest.mark.parametrize(("form", "method"), [("exact", "exact"), ("clock", "rk4"),
                                              ("binned", "exact")])  # fmt: skip
def test_kinase_forms_match_numpy(readout, form, method, spikes):
    rule = kinase(readout)
    trains = trains_of(one_step_later(spikes) if form == "binned" else spikes, 400)
    code = rule.brian2(form=form, bounds="none", cycle=CYCLE * ms, gate=GATE * ms)
    got = run_brian(code, spikes, 400, method=method)
    want = rule.dw(trains, form=form)
    assert np.abs(want).min() > 0
    # The clock of Brian2 holds x and y over the stages of a step, ours does not.
    np.testing.assert_allclose(got, want, rtol=2e-2 if form == "clock" else 1e-9)


def test_kinase_latch_matches_numpy(spikes):
    rule = kinase("latch")
    early = [[r[r < 190] / 2 for r in side] for side in spikes]
    early = [[np.unique(np.round(r, 1)) for r in side] for side in early]
    code = rule.brian2(form="clock", bounds="none")
    got = run_brian(code, early, 300)
    want = rule.dw(trains_of(one_step_later(early), 300))
    assert np.abs(want).min() > 1e-3
    np.testing.assert_allclose(got, want, rtol=1e-6)


@pytest.mark.parametrize("name", STDP_SETS)
def test_stdp_matches_numpy(name, spikes):
    rule = stdp(name)
    apart = [spikes[0], [np.setdiff1d(b, a) for a, b in zip(*spikes, strict=True)]]
    got = run_brian(rule.brian2(bounds="none"), apart, 400)
    want = rule.dw(trains_of(apart, 400))
    assert np.abs(want).min() > 1e-4
    np.testing.assert_allclose(got, want, rtol=1e-9)


def test_bcm_matches_numpy(spikes):
    rule = bcm()
    code = rule.brian2(bounds="none")
    got = run_brian(code, spikes, 655, start={"theta_bcm": rule.table["theta_0"]})
    want = rule.dw(trains_of(one_step_later(spikes, 1e-6), 400))
    assert np.abs(want).min() > 1e-4
    np.testing.assert_allclose(got, want, rtol=2e-3)


def test_soft_bounds_keep_the_weight_inside(spikes):
    code = kinase("difference").brian2(lr=50.0, bounds="soft", cycle=CYCLE * ms, gate=GATE * ms)
    w = run_brian(code, spikes, 400, w0=0.5)
    assert (w >= 0).all() and (w <= 1).all() and (w != 0.5).all()


@pytest.mark.parametrize("name", CALCIUM_SETS)
def test_calcium_moves_the_weight_by_the_time_above_the_thresholds(name, spikes):
    chosen = calcium(name)
    # slowly, so that the weight stays where it starts
    code = chosen.brian2(lr=1e-3, step=0.1 * ms)
    w0 = 0.4
    w = run_brian(code, spikes, 700, w0=w0)
    down, up = chosen.time_above(trains_of(spikes, 700))
    value = {k: chosen.table.parameter(k).value for k in ("gamma_p", "gamma_d", "tau")}
    tau_ms = float(chosen.table["tau"] / ms)
    expected = 1e-3 * (value["gamma_p"] * (1 - w0) * up - value["gamma_d"] * w0 * down) / tau_ms
    assert np.abs(expected).max() > 0
    np.testing.assert_allclose(w - w0, expected, rtol=0.03, atol=0.02 * np.abs(expected).max())


def test_btsp_learns_from_a_plateau_and_only_then():
    # slowly: the bench applies the change of a whole sweep at once, Brian2 as it goes
    step, times, plateau, duration = 10, [305.0, 555.0, 905.0], (1200, 1500), 4000
    chosen = btsp().with_values(k_pot=0.011, k_dep=0.00424, peak_ET=2.5)
    trains = spike_trains(
        np.array([times]) * ms, np.array([[np.inf]]) * ms, duration=duration * ms,
        plateau=np.array([[plateau]]) * ms,
    )  # fmt: skip
    expected = chosen.dw(trains)[0]
    largest = chosen.table.parameter("W_max").value
    for on in (True, False):
        code = chosen.brian2()
        source = NeuronGroup(
            1, code.pre_model + "unused : 1\n", threshold="seen(t, i) > 0.5",
            reset=code.pre_reset, method="exact", dt=step * ms,
            namespace=dict(code.namespace) | {"seen": TimedArray(
                np.isin(np.arange(duration // step), [t // step for t in times])[:, None] * 1.0,
                dt=step * ms)},
        )  # fmt: skip
        target = NeuronGroup(
            1, code.post_model, threshold="False", method="exact", dt=step * ms,
            namespace=dict(code.namespace),
        )  # fmt: skip
        window = f"int(t >= {plateau[0]}*ms and t < {plateau[1]}*ms)" if on else "0"
        target.run_regularly(f"plateau_bt = {window}", dt=step * ms)
        synapses = attach(code, source, target)
        synapses.connect(i=[0], j=[0])
        synapses.w = 1 / largest
        Network(source, target, synapses).run(duration * ms)
        change = float(synapses.w[0]) * largest - 1
        assert change == pytest.approx(expected if on else 0.0, rel=0.05, abs=1e-9)
    assert abs(expected) > 1e-3


def test_impossible_forms_are_told():
    with pytest.raises(InputError, match="latch"):
        kinase("latch").brian2(form="binned")
    with pytest.raises(InputError, match="outside the cycle"):
        kinase().brian2(gate=250 * ms)
    with pytest.raises(InputError, match="multiple of the bin"):
        kinase().brian2(form="binned", gate=185 * ms)
