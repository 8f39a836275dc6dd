"""The rival rules with all of their state in the synapse, as a circuit has them.

Oracles: a fine-step integration of the equations of each rule, and the numpy form of each rule on
the spikes that reach the synapse after the axon's delay.
"""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from brian2 import (
    Network,
    NeuronGroup,
    SpikeGeneratorGroup,
    StateMonitor,
    Synapses,
    TimedArray,
    defaultclock,
    ms,
    prefs,
)

from cells.parameters import InputError
from circuits.plasticity.rules.bcm import bcm
from circuits.plasticity.rules.covariance import covariance
from circuits.plasticity.rules.registry import rule
from circuits.plasticity.rules.stdp import STDP_SETS, stdp
from circuits.plasticity.rules.trains import spike_trains, window_trains

N, CYCLE, CYCLES, GATE, DT = 4, 200, 6, 160, 0.5
DURATION = CYCLE * CYCLES
DELAY = np.array([0.5, 1.0, 3.5, 12.0])
GATES = GATE + CYCLE * np.arange(CYCLES)


@pytest.fixture(autouse=True)
def _numpy_runtime():
    old = prefs.codegen.target
    prefs.codegen.target = "numpy"
    defaultclock.dt = DT * ms
    yield
    prefs.codegen.target = old


def draw(seed, rate=30.0):
    """Spikes of N pairs on the grid, as (time, cell) in ms, the rate of each cell its own."""
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(N):
        count = rng.poisson(rate * (0.5 + i / N) * DURATION / 1e3)
        rows.append(np.unique(rng.integers(1, round((DURATION - 20) / DT), count)) * DT)
    return rows


@pytest.fixture(scope="module")
def spikes():
    """Pre and post; the post cells follow some of the presynaptic spikes."""
    pre = draw(1)
    post = []
    for row, own in zip(pre, draw(2, 15.0), strict=True):
        follow = np.round((row[::2] + 5) / DT) * DT
        post.append(np.unique(np.round(np.concatenate([own, follow]) / DT)) * DT)
    return pre, post


def trains_of(spikes, delay=0.0, until=DURATION):
    """Trains as the synapse sees them, up to a time; pre-post coincidences stay."""

    def padded(rows):
        rows = [r[r < until - DT / 2] for r in rows]
        width = max(map(len, rows))
        return np.array([np.pad(r, (0, width - len(r)), constant_values=np.inf) for r in rows])

    pre = [np.round((r + d) / DT) * DT for r, d in zip(spikes[0], delay + np.zeros(N), strict=True)]
    return spike_trains(padded(pre) * ms, padded(spikes[1]) * ms, duration=DURATION * ms)


def run_circuit(code, spikes, rates=None, w0=0.0, delay=DELAY):
    """Return the weights after each cycle, (cycle + 1, N).

    Built as `circuits.engine.program` builds plastic synapses: spikes and the gate are events of
    the target, the pathway ``post`` runs after the resets, the learning rate is a table of time.
    """
    table = np.zeros((round(DURATION / DT) + 1, N))
    for i, row in enumerate(spikes[1]):
        table[np.round(row / DT).astype(int), i] = 1
    rates = np.ones(CYCLES) if rates is None else rates
    bins = np.zeros((CYCLES, CYCLE // 10))
    bins[:, slice(GATE // 10, GATE // 10 + 1) if code.learn else slice(None)] = np.asarray(rates)[
        :, None
    ]
    timed = {
        "fires": TimedArray(table, dt=DT * ms),
        "learning_rate": TimedArray(bins.ravel(), dt=10 * ms),
    }
    source = SpikeGeneratorGroup(
        N, np.concatenate([np.full(len(r), i) for i, r in enumerate(spikes[0])]),
        np.concatenate(spikes[0]) * ms,
    )  # fmt: skip
    gate = f"learning_rate(t) > 0 and timestep(t, dt) % {round(10 / DT)} == 0"
    target = NeuronGroup(
        N, "unused : 1", threshold="fires(t, i) > 0.5", reset="", namespace=timed,
        events={"gate": gate} if code.learn else {},
    )  # fmt: skip
    on_post, on_event = {"post": code.on_post}, {"post": "spike"}
    if code.learn:
        on_post["learn"], on_event["learn"] = code.learn, "gate"
    synapses = Synapses(
        source, target, code.synapse_model, on_pre=code.on_pre, on_post=on_post,
        on_event=on_event, method="exact", namespace=dict(code.namespace) | timed,
    )  # fmt: skip
    synapses.post.when = "after_resets"
    synapses.connect(i=np.arange(N), j=np.arange(N))
    synapses.pre.delay = delay * ms
    synapses.w = w0
    seen = StateMonitor(synapses, "w", record=True, dt=CYCLE * ms)
    Network(source, target, synapses, seen).run(DURATION * ms)
    return np.concatenate([seen.w.T, np.array(synapses.w)[None]])


def string(chosen, **options):
    """Brian2 strings as a circuit asks for them."""
    if not chosen.name.startswith(("pair", "triplet")):
        options["traces"] = "synapse"
    return chosen.brian2(**{"lr": "learning_rate(t)", "bounds": "none", "tag": "rule"} | options)


def traces_on_grid(spikes, taus, step):
    """Rate traces before and after the spikes of each tick, (tick, N) each, Hz."""
    n = round(DURATION / step)
    out = []
    for rows, tau in zip(spikes, taus, strict=True):
        jumps = np.zeros((n + 1, N))
        for i, row in enumerate(rows):
            np.add.at(jumps, (np.round(row[np.isfinite(row)] / step).astype(int), i), 1e3 / tau)
        before, after = np.zeros((n + 1, N)), np.zeros((n + 1, N))
        for k in range(n + 1):
            if k:
                before[k] = after[k - 1] * np.exp(-step / tau)
            after[k] = before[k] + jumps[k]
        out += [before, after]
    return out


def follow(start, target_after, target_before, tau, step):
    """tau dv/dt = target - v on the grid, by the trapezoid rule on each smooth piece."""
    out = np.empty_like(target_after)
    out[0] = start
    h = step / tau
    for k in range(len(out) - 1):
        drive = 0.5 * h * (target_after[k] + target_before[k + 1])
        out[k + 1] = (out[k] * (1 - h / 2) + drive) / (1 + h / 2)
    return out


def integrate(before, after, step):
    """Trapezoid rule on each smooth piece, cumulative, in seconds."""
    pieces = 0.5 * step / 1e3 * (after[:-1] + before[1:])
    return np.concatenate([np.zeros((1, N)), np.cumsum(pieces, axis=0)])


@pytest.mark.parametrize("name", ["bcm", "covariance"])
def test_exact_integral_agrees_with_fine_steps(name, spikes):
    step = 0.01
    # fast slow-traces, so that their motion matters within the run
    if name == "bcm":
        chosen = bcm().with_values(tau_x="40 ms", tau_theta="0.8 s")
    else:
        chosen = covariance().with_values(tau_x="40 ms", tau_mean="0.7 s", x_0=12, y_0=7)
    x0, x1, y0, y1 = traces_on_grid(spikes, (40.0, 50.0), step)
    if name == "bcm":
        theta = follow(20.0, y1**2 / 20, y0**2 / 20, 800.0, step)
        sides = [x * y * (y - theta) for x, y in ((x0, y0), (x1, y1))]
    else:
        mx, my = follow(12.0, x1, x0, 700.0, step), follow(7.0, y1, y0, 700.0, step)
        sides = [(x - mx) * (y - my) for x, y in ((x0, y0), (x1, y1))]
    want = integrate(*sides, step)
    # between the spikes, so that rounding puts none on the other side
    at = np.array([150.05, 600.05, DURATION - 0.05])
    got = chosen.integral.up_to(trains_of(spikes), at)
    want = want[np.round(at / step).astype(int)].T
    scale = np.abs(want).max(axis=1, keepdims=True)
    assert scale.min() > 0
    assert (np.abs(got - want) / scale).max() < 1e-6


def test_bcm_on_a_clock_tends_to_the_exact_form(spikes):
    """The clock slides the threshold by Euler steps and moves spikes to its ticks."""
    on_grid, rng = trains_of(spikes), np.random.default_rng(3)
    pre, post = (t + rng.uniform(0, DT, t.shape) for t in (on_grid.pre, on_grid.post))
    trains = replace(on_grid, pre=pre, post=post)
    want = bcm().dw(trains, form="exact")
    for step in (5.0, 0.5, 0.05):
        got = bcm().with_values(step=f"{step} ms").dw(trains)
        # first order in the step, against the 17 ms in which x y^2 decays
        assert np.abs(got / want - 1).max() < step / 17


@pytest.mark.parametrize("name", ["bcm", "covariance"])
def test_gated_rule_in_the_circuit_is_the_integral_from_gate_to_gate(name, spikes):
    chosen = rule(name)
    w = run_circuit(string(chosen), spikes)
    trains = trains_of(spikes, DELAY)
    gain = 1e-4 / (20 if name == "bcm" else 1)
    want = gain * np.diff(chosen.integral.up_to(trains, [0.0, *GATES])).T
    assert np.abs(want).min() > 0
    np.testing.assert_allclose(np.diff(w, axis=0), want, rtol=1e-8, atol=1e-13)
    # delays matter: without them the change is another
    undelayed = gain * chosen.integral.up_to(trains_of(spikes), [GATES[-1]])[:, 0]
    assert np.abs(undelayed / want.sum(axis=0) - 1).max() > 1e-3


@pytest.mark.parametrize("name", ["bcm", "covariance"])
def test_whole_run_of_a_gated_rule_is_its_change_in_vitro(name, spikes):
    """Spikes that end long before the last gate: the sum over the gates is ``dw``."""
    short = tuple([r[r < 500] for r in side] for side in spikes)
    chosen = rule(name)
    if name == "covariance":
        # means that stay at zero: nothing is left to learn after the traces have died away
        chosen = chosen.with_values(tau_mean="1e7 s", x_0=0, y_0=0)
    w = run_circuit(string(chosen), short)
    trains = trains_of(short, DELAY)
    want = chosen.dw(trains, **({"form": "exact"} if name == "bcm" else {}))
    assert np.abs(want).min() > 1e-4
    np.testing.assert_allclose(w[-1], want, rtol=1e-4)


@pytest.mark.parametrize("name", STDP_SETS)
def test_stdp_in_the_circuit_is_its_change_in_vitro(name, spikes):
    chosen = stdp(name)
    w = run_circuit(string(chosen), spikes)
    want = chosen.dw(trains_of(spikes, DELAY))
    assert np.abs(want).min() > 1e-4
    np.testing.assert_allclose(w[-1], want, rtol=1e-8)


RIVALS = ("bcm", "covariance", *STDP_SETS)


@pytest.mark.parametrize("name", RIVALS)
def test_a_rate_of_zero_keeps_the_weight_to_the_bit(name, spikes):
    rates = np.array([1.0, 0.0, 1.0, 0.0, 0.0, 0.5])
    w = run_circuit(string(rule(name), bounds="soft"), spikes, rates, w0=0.3)
    moved = np.diff(w, axis=0)
    assert (moved[rates == 0] == 0.0).all()
    assert (moved[[0, 2]] != 0).all()


@pytest.mark.parametrize("name", ["bcm", "covariance"])
def test_a_gate_after_a_pause_starts_anew(name, spikes):
    chosen = rule(name)
    rates = np.array([1.0, 0.0, 1.0, 0.0, 0.0, 1.0])
    w = run_circuit(string(chosen), spikes, rates)
    gain = 1e-4 / (20 if name == "bcm" else 1)
    total = gain * chosen.integral.up_to(trains_of(spikes, DELAY), GATES).T
    moved = np.diff(w, axis=0)
    # two cycles are still counted in full, three are not
    np.testing.assert_allclose(moved[2], total[2] - total[0], rtol=1e-8, atol=1e-13)
    assert (moved[5] == 0).all()


@pytest.mark.parametrize("name", RIVALS)
@pytest.mark.parametrize("bounds", ["soft", "hard"])
def test_weights_stay_within_bounds(name, bounds, spikes):
    code = string(rule(name), lr="300*learning_rate(t)", bounds=bounds)
    w = run_circuit(code, spikes, w0=0.5)
    assert (w >= 0).all() and (w <= 1).all()
    assert (w[1:] != 0.5).any()


@pytest.mark.parametrize("name", RIVALS)
def test_neurons_hold_nothing_of_a_rule(name):
    code = string(rule(name))
    parts = ("pre_model", "post_model", "pre_reset", "post_reset", "pre_regular", "post_regular")
    assert not any(getattr(code, part) for part in parts)
    for text in (code.on_pre, code.on_post, code.learn):
        assert "_pre" not in text and "_post" not in text


def test_order_of_the_halves_is_invisible_to_covariance():
    options = dict(repeats=10, n_phase=8)
    up, down, same = (
        covariance().dw(window_trains(r, r, **options)).mean()
        for r in ((25, 50), (50, 25), (25, 25))
    )
    assert up > same > 0
    assert abs(up - down) < 0.05 * (up - same)


def test_covariance_depresses_one_side_alone(spikes):
    """One side above its mean, the other silent."""
    row = np.arange(5.0, 1000.0, 10.0)
    empty = np.array([[np.inf]])
    trains = spike_trains(row[None] * ms, empty * ms, duration=1000 * ms)
    chosen = covariance().with_values(x_0=10, y_0=10)
    assert chosen.dw(trains)[0] < 0
    silent = spike_trains(empty * ms, empty * ms, duration=1000 * ms)
    # no spikes: both means decay, (10 Hz)^2 tau/2 (1 - exp(-2 T/tau)), T to the end of the tails
    want = 1e-4 * 100 * 2.5 * (1 - np.exp(-2 * 1.25 / 5))
    assert chosen.dw(silent)[0] == pytest.approx(want, rel=1e-9)


def test_bad_values_are_told():
    with pytest.raises(InputError, match="tau_mean must be above"):
        covariance().with_values(tau_mean="20 ms")
    with pytest.raises(InputError, match="tau_theta must be above"):
        bcm().with_values(tau_theta="20 ms")
    with pytest.raises(InputError, match="synapse"):
        covariance().brian2(traces="neuron")
    with pytest.raises(InputError, match="synapse"):
        bcm().brian2(traces="synapses")
    for chosen, extra in itertools.product((bcm(), covariance()), (200, 250)):
        with pytest.raises(InputError, match="outside the cycle"):
            chosen.brian2(traces="synapse", gate=extra * ms)
    with pytest.raises(InputError, match="exact"):
        bcm().dw(window_trains((25, 25), (25, 25), repeats=1), form="exactly")
