"""The kinase cascade against references that share no formula with it, and rules against theory."""

import numpy as np
import pytest
from brian2 import ms
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp
from scipy.linalg import expm

from cells.parameters import InputError
from circuits.plasticity.rules.calcium import calcium
from circuits.plasticity.rules.cascade import cascade_matrix, impulse_weights, step_matrices
from circuits.plasticity.rules.kinase import kinase
from circuits.plasticity.rules.stdp import stdp
from circuits.plasticity.rules.trains import spike_trains, window_trains


@pytest.mark.parametrize(
    "taus",
    [
        (15, 5, 40, 42),
        (15, 5, 40, 40),
        (15, 5, 40, 40.0002),
        (15, 15, 40, 40),
        (40, 5, 40, 30),
        (15, 40, 40, 40),
        (15, 15, 15, 40),
    ],
)
def test_closed_form_equals_the_matrix_exponential(taus):
    """Coinciding constants included: the limit is exact to 1e-6 of each stage's peak."""
    traces, weights = impulse_weights(taus)
    times = np.linspace(0.0, 400.0, 161)
    want = np.array([expm(cascade_matrix(taus) * t)[:, 0] for t in times])
    got = (weights @ np.exp(-times / traces[:, None])).T
    assert np.isfinite(got).all()
    assert (np.abs(got - want) / want.max(axis=0)).max() < 1e-6


def test_four_coinciding_constants_are_refused_in_one_line():
    with pytest.raises(InputError, match="coincide") as error:
        impulse_weights((20, 20, 20, 20))
    assert "\n" not in str(error.value)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(2.0, 200.0), min_size=4, max_size=4))
def test_closed_form_is_never_nan(taus):
    try:
        traces, weights = impulse_weights(taus)
    except InputError:
        return
    assert np.isfinite(weights).all() and np.isfinite(traces).all() and (traces > 0).all()


def test_stages_have_unit_gain():
    """In the steady state each stage is the one before it: the integrals of the responses agree."""
    traces, weights = impulse_weights((15, 5, 40, 42))
    np.testing.assert_allclose(weights @ traces, 15.0, rtol=1e-9)


def test_difference_is_the_derivative_of_dapk1():
    rule = kinase("difference").with_values(k_D=1.0)
    trains = window_trains((25, 50), (25, 50), repeats=1, n_phase=2)
    at = np.arange(150.0, 151.0, 0.001)
    level = rule.trajectory(trains, at * ms)
    slope = np.gradient(level["DAPK1"], 0.001, axis=1)
    difference = level["CaMKII"] - level["DAPK1"]
    tau_d = float(rule.table["tau_D"] / ms)
    np.testing.assert_allclose(slope[:, 1:-1] * tau_d, difference[:, 1:-1], rtol=1e-4)


@pytest.mark.parametrize("readout", ["difference", "ratio"])
def test_exact_form_against_adaptive_integration(readout):
    """scipy integrates (x, y, M, P, D) with C = x y from spike to spike to 1e-12."""
    rule = kinase(readout)
    rng = np.random.default_rng(5)
    pre, post = np.sort(rng.uniform(0, 190, 6)), np.sort(rng.uniform(0, 190, 7))
    trains = spike_trains(pre * ms, post * ms, duration=400 * ms, gate=[190.0, 390.0] * ms)
    p, d = rule.levels(trains)
    keys = ("tau_x", "tau_y", "tau_M", "tau_P", "tau_D")
    tx, ty, tm, tp, td = (float(rule.table[k] / ms) for k in keys)

    def slope(_, s):
        x, y, m, p, d = s
        return [-x / tx, -y / ty, (x * y - m) / tm, (m - p) / tp, (p - d) / td]

    events = sorted([(t, 0) for t in pre] + [(t, 1) for t in post] + [(190.0, 2), (390.0, 2)])
    s, now, want = np.zeros(5), 0.0, []
    for t, kind in events:
        if t > now:
            s = solve_ivp(slope, (now, t), s, rtol=1e-12, atol=1e-15, method="DOP853").y[:, -1]
        now = t
        if kind < 2:
            s[kind] += rule.jumps[kind]
        else:
            want.append(s[3:])
    want = np.array(want).T
    np.testing.assert_allclose(p[0], want[0], rtol=1e-6)
    np.testing.assert_allclose(d[0], want[1], rtol=1e-6)


def poisson(rate, rule):
    lead = 200.0 - rule.gate_at(200.0)
    return window_trains(
        (rate, rate), (rate, rate), kind="poisson", gap=0.0, repeats=3, lead=lead, n_trial=24,
        seed=11,
    ).on_grid(0.1)  # fmt: skip


@pytest.mark.parametrize("rate", [10.0, 50.0])
def test_exact_form_against_the_clock(rate):
    rule = kinase("difference")
    trains = poisson(rate, rule)
    for got, want in zip(
        rule.levels(trains), rule.levels(trains, form="clock", step=0.1 * ms), strict=True
    ):
        floor = 1e-6 * want.max()
        assert (np.abs(got - want) / np.maximum(want, floor)).max() < 1e-6


def test_clock_form_converges_with_the_step():
    """Runge-Kutta 4: half the step, a sixteenth of the error."""
    rule = kinase("difference").with_values(tau_M="2 ms")
    trains = poisson(30.0, rule).on_grid(2.0)
    exact = rule.levels(trains)[1]
    coarse, fine = (
        np.abs(rule.levels(trains, form="clock", step=h * ms)[1] - exact).max() for h in (2.0, 1.0)
    )
    assert 10 < coarse / fine < 25


@pytest.mark.parametrize(("width", "limit"), [(10.0, 0.06), (5.0, 0.02)])
@pytest.mark.parametrize("rate", [10.0, 30.0, 50.0])
def test_binned_form(rate, width, limit):
    rule = kinase("difference")
    trains = poisson(rate, rule)
    want = rule.read(*rule.levels(trains))
    got = rule.read(*rule.levels(trains, form="binned", step=width * ms))
    assert np.sqrt(((got - want) ** 2).mean() / (want**2).mean()) <= limit


def test_step_matrices_take_coinciding_constants():
    decay, drive = step_matrices((40.0, 40.0, 40.0), 10.0)
    u = 10.0 / 40.0
    assert decay[2, 0] == pytest.approx(u**2 / 2 * np.exp(-u))
    assert drive[0] == pytest.approx(1 - np.exp(-u))


def brute_latch(rule, pre, post, duration):
    """Step every event with the matrix exponential; check D every ms."""
    a, (jump_x, jump_y) = cascade_matrix(rule.taus), rule.jumps
    ahead, tick = expm(a * float(rule.table["lead"] / ms)), expm(a)
    events = [(t, 0) for t in pre if np.isfinite(t)] + [(t, 1) for t in post if np.isfinite(t)]
    events += [(float(t), 2) for t in np.arange(1, duration + 1)]
    s, x, y, now, peak, armed, note, out = np.zeros(4), 0.0, 0.0, 0.0, 0.0, False, 0.0, 0.0
    for t, kind in sorted(events):
        if t > now:
            s = (tick if kind == 2 and t - now == 1.0 else expm(a * (t - now))) @ s
        x *= np.exp(-(t - now) / 30.0)
        y *= np.exp(-(t - now) / 30.0)
        now = t
        if kind < 2:
            s[0] += (jump_x * y, jump_y * x)[kind]
            x, y = x + jump_x * (kind == 0), y + jump_y * (kind == 1)
            f = ahead @ s
            note = (f[2] - f[3]) / (f[2] + f[3] + 0.5)
            peak, armed = (peak if armed else 0.0), True
        peak = max(peak, s[3])
        if kind == 2 and armed and s[3] < 0.5 * peak and peak > 1e-9:
            out, armed = out + note, False
    return out


@pytest.mark.parametrize("kind", ["regular", "poisson"])
def test_latch_against_brute_force(kind):
    rule = kinase("latch")
    trains = window_trains((25, 50), (50, 50), kind=kind, n_trial=2, n_phase=2, repeats=1)
    got = rule.dw(trains)
    rows = zip(trains.pre, trains.post, strict=True)
    want = [brute_latch(rule, *row, trains.duration) for row in rows]
    np.testing.assert_allclose(got, want, rtol=1e-9)


def test_single_pair_follows_the_window():
    for lag, want in ((10.0, 0.01295 * np.exp(-10 / 16.8)), (-10.0, -0.00455 * np.exp(-10 / 33.7))):
        trains = spike_trains([50.0] * ms, [50.0 + lag] * ms, duration=100 * ms)
        assert stdp("pair_bi_poo").dw(trains)[0] == pytest.approx(want)


def test_triplet_under_poisson_trains_has_the_mean_of_the_paper():
    """Eq. 5 of Pfister & Gerstner 2006: the mean drift of the minimal all-to-all model."""
    rule = stdp("triplet_visual")
    pre, post, seconds = 20.0, 30.0, 4.0
    trains = window_trains(
        (pre,), (post,), kind="poisson", phases=(1000.0 * seconds,), gap=0.0, repeats=1,
        n_trial=3000, seed=2,
    )  # fmt: skip
    plus, minus, slow = 16.8e-3, 33.7e-3, 114e-3
    drift = -7.1e-3 * minus * pre * post + 6.5e-3 * plus * slow * pre * post**2
    dw = rule.dw(trains) / seconds
    # The traces need about a slow time constant to fill.
    late = 1 - slow / seconds
    assert dw.mean() == pytest.approx(drift * late, abs=4 * dw.std() / np.sqrt(dw.size) + 0.01)


def test_time_above_threshold_against_quadrature():
    rule = calcium("cortical_slices")
    pre, post = [50.0, 70.0, 90.0], [60.0, 80.0]
    trains = spike_trains(pre * ms, post * ms, duration=300 * ms)
    t = np.arange(0.0, 700.0, 0.001)
    c = np.zeros_like(t)
    for times, jump, delay in ((pre, 0.5617539, 4.6098), (post, 1.23964, 0.0)):
        for s in times:
            after = t >= s + delay
            c[after] += jump * np.exp(-(t[after] - s - delay) / 22.6936)
    down, up = rule.time_above(trains)
    assert down[0] == pytest.approx((c > 1.0).sum() * 0.001, abs=0.02)
    assert up[0] == pytest.approx((c > 1.3).sum() * 0.001, abs=0.02)


def test_calcium_rule_fits_the_data_it_was_fitted_to():
    """Graupner & Brunel 2012 fitted the cortical set to Sjostrom 2001: gain near 1, small chi2."""
    from circuits.plasticity.bench.protocols import protocol
    from circuits.plasticity.bench.run import best_gain

    p = protocol("pairing_frequency")
    dw = np.array([calcium("cortical_slices").dw(t)[0] for t in p.trains()])
    gain = best_gain(dw, p.mean, p.sem)
    assert gain == pytest.approx(1.0, abs=0.25)
    assert (((1 + gain * dw - p.mean) / p.sem) ** 2).mean() < 2.0


def test_ungated_difference_integrates_to_zero():
    """Equal gain of the two stages: without a gate there would be nothing to learn."""
    rule = kinase("difference").with_values(k_D=1.0)
    trains = window_trains((25, 50), (25, 50), repeats=1, n_phase=1)
    times = np.arange(0.0, trains.duration, 0.5)
    level = rule.trajectory(trains, times * ms)
    difference = (level["CaMKII"] - level["DAPK1"])[0]
    assert abs(difference.sum()) < 2e-3 * np.abs(difference).sum()
