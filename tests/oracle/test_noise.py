"""Counter-based random numbers: the published bits, the right distributions, the same in C++."""

import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pytest
from brian2 import Network, NeuronGroup, StateMonitor, get_device, ms, prefs
from scipy import stats

from cells.fast_math import COMPILE_FLAGS
from circuits.anatomy.tables import load_circuit
from circuits.engine import devices, noise
from circuits.engine.arrays import cells_of, draw_arrays
from circuits.engine.equations import TAU_NOISE_MS
from circuits.engine.noise import RANDOM, draw_keys, gauss, uniform
from circuits.engine.planner import make_plan

KEYS = draw_keys(7, 400)
STEPS = np.arange(2500)


@pytest.fixture(scope="module")
def normal():
    return gauss(KEYS[:, None], STEPS)


def splitmix(key, counter):
    """The generator of Steele, Lea & Flood in Python's whole numbers."""
    x = ((key % 2**32) << 32 | (counter % 2**32)) * 0x9E3779B97F4A7C15 % 2**64
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    x = (x ^ x >> 27) * 0x94D049BB133111EB % 2**64
    return x ^ x >> 31


def test_bits_are_those_of_splitmix64():
    # the first words of seed 0, as published with every implementation
    published = [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]
    assert [splitmix(0, k) for k in (1, 2, 3)] == published
    for key in (0, 1, -1, 2**31 - 1, -(2**31), 123456789):
        for counter in (0, 1, 2**31 - 1, -5):
            bits = splitmix(key, counter)
            k, c = np.int32(key), np.int32(counter)
            assert uniform(k, c) == ((bits >> 12) * 2 + 1) / 2**53
            radius, angle = ((bits >> 24) + 0.5) / 2**40, (bits % 2**24 + 0.5) / 2**24
            expected = np.sqrt(-2 * np.log(radius)) * np.cos(2 * np.pi * angle)
            assert gauss(k, c) == pytest.approx(expected, abs=1e-14)


def test_shapes_broadcast():
    assert gauss(KEYS, 3).shape == KEYS.shape
    assert gauss(KEYS[:, None], STEPS[:5]).shape == (KEYS.size, 5)
    assert np.shape(gauss(1, 2)) == () and np.shape(uniform(1, 2)) == ()
    assert np.array_equal(gauss(KEYS[5], STEPS), gauss(KEYS[:, None], STEPS)[5])


def test_normal_numbers_have_the_moments_and_tails_of_the_normal_law(normal):
    x, n = normal.ravel(), normal.size
    assert abs(x.mean()) < 4.5 / np.sqrt(n)
    assert abs(x.var() - 1) < 4.5 * np.sqrt(2 / n)
    assert abs((x**3).mean()) < 4.5 * np.sqrt(15 / n)
    assert abs((x**4).mean() - 3) < 4.5 * np.sqrt(96 / n)
    assert stats.kstest(x, "norm").pvalue > 1e-3
    for edge in (3.0, 4.0):
        for beyond in ((x > edge).sum(), (x < -edge).sum()):
            expected = n * stats.norm.sf(edge)
            assert abs(beyond - expected) < 5 * np.sqrt(expected)
    far = sum(
        int((abs(gauss(KEYS[:, None], first + STEPS)) > 4.5).sum())
        for first in range(10_000, 10_000 + 10 * STEPS.size, STEPS.size)
    )
    expected = 10 * n * 2 * stats.norm.sf(4.5)
    assert abs(far - expected) < 5 * np.sqrt(expected)


def test_every_cell_has_normal_numbers_of_its_own(normal):
    p = np.array([stats.kstest(row, "norm").pvalue for row in normal])
    assert stats.kstest(p, "uniform").pvalue > 1e-3


@pytest.mark.parametrize("keys", [KEYS, np.arange(400)], ids=["drawn", "neighbours"])
def test_no_correlation_over_steps_or_cells(keys):
    x = gauss(keys[:, None], STEPS)
    for y in (x, x**2 - 1):  # the squares see what signs hide
        y = (y - y.mean(1, keepdims=True)) / y.std(1, keepdims=True)
        for lag in (1, 2, 3, 5, 10, 100):
            r = (y[:, lag:] * y[:, :-lag]).mean()
            assert abs(r) < 5 / np.sqrt(y[:, lag:].size), lag
        between = (y @ y.T / STEPS.size)[np.triu_indices(keys.size, 1)]
        assert abs(between.mean()) < 5 / np.sqrt(STEPS.size * between.size)
        assert between.std() * np.sqrt(STEPS.size) == pytest.approx(1, abs=0.03)
        assert abs(between).max() * np.sqrt(STEPS.size) < 6.5


def test_uniform_numbers_fill_the_square():
    x = uniform(KEYS[:, None], STEPS)
    assert 0 < x.min() and x.max() < 1
    assert stats.kstest(x.ravel(), "uniform").pvalue > 1e-3
    pairs = np.histogram2d(x[:, 1:].ravel(), x[:, :-1].ravel(), 16, [[0, 1]] * 2)[0]
    assert stats.chisquare(pairs.ravel()).pvalue > 1e-3


def test_keys_are_different_and_those_of_the_seed():
    keys = draw_keys(1, 20_000)
    assert keys.dtype == np.int32 and np.unique(keys).size == keys.size
    assert (keys < 0).any() and (keys > 0).any()
    assert np.array_equal(keys, draw_keys(1, 20_000))
    assert not np.isin(keys, draw_keys(2, 20_000)).mean() > 1e-3


def test_every_cell_of_the_circuit_has_a_key_of_its_own():
    spec = load_circuit("tiny")
    plan = make_plan(spec, bins=40, bin_ms=5)
    arrays = draw_arrays(spec, plan, seed=1, cycle_ms=200)
    keys = np.concatenate([arrays[f"{group.name}.key"] for group in plan.groups])
    assert np.unique(keys).size == keys.size == len(cells_of(spec).group)


def test_nothing_in_a_plan_has_a_random_state():
    text = repr(make_plan(load_circuit("tiny"), bins=40, bin_ms=5))
    assert "gauss(key, " in text and "uniform(key, " in text
    for word in ("rand(", "randn(", "poisson(", "xi"):
        assert word not in text


def test_noise_current_is_the_exact_ornstein_uhlenbeck_process():
    plan = make_plan(load_circuit("tiny"), bins=40, bin_ms=5)
    (code, period), *_ = plan.group("relay").updates
    previous, prefs.codegen.target = prefs.codegen.target, "numpy"
    try:
        group = NeuronGroup(
            300, "I_noise : 1\nnoise_sd : 1\nkey : integer (constant)", dt=0.1 * ms,
            namespace=RANDOM,
        )  # fmt: skip
        group.key, group.noise_sd = KEYS[:300], 2
        group.I_noise = 2 * gauss(KEYS[:300], -1)  # from the stationary law
        group.run_regularly(code, dt=period * ms)
        monitor = StateMonitor(group, "I_noise", record=True, dt=period * ms, when="end")
        Network(group, monitor).run(1000 * ms, namespace={})
        x = np.asarray(monitor.I_noise)
    finally:
        prefs.codegen.target = previous
    # values 5 ms apart tell about tanh(1/2) as much as independent ones
    n = x.size * np.tanh(period / TAU_NOISE_MS)
    assert abs(x.mean()) < 5 * 2 * np.sqrt(2 / n)
    assert x.std() == pytest.approx(2, rel=5 / np.sqrt(n))
    for lag in (1, 4, 10, 20):
        r = (x[:, lag:] * x[:, :-lag]).mean() / 4
        assert r == pytest.approx(np.exp(-lag * period / TAU_NOISE_MS), abs=5 / np.sqrt(n))
    assert stats.kstest(x[:, -1] / 2, "norm").pvalue > 1e-3


def test_input_cells_fire_as_poisson_processes():
    spec = load_circuit("tiny")
    seen = [p for p in spec.populations if p.is_input and p.positions]
    spec = replace(spec, populations=tuple(seen), projections=())
    plan = make_plan(spec, bins=400, bin_ms=5)
    arrays = draw_arrays(spec, plan, seed=3, cycle_ms=200)
    rate = 25.0
    arrays["stimulus"] = np.full((400, spec.channels), rate)
    arrays["inputs.r_peak"][:] = 0
    index, t = devices.run_plan(plan, arrays, duration=2.0, device="numpy").spikes["inputs"]
    n = plan.group("inputs").n
    count = np.bincount(index, minlength=n)
    assert count.sum() == pytest.approx(2 * rate * n, abs=5 * np.sqrt(2 * rate * n))
    assert count.var() / count.mean() == pytest.approx(1, abs=5 * np.sqrt(2 / n))
    order = np.lexsort((t, index))
    same = np.diff(index[order]) == 0
    interval = np.diff(t[order])[same]
    # intervals lie on the grid of the clock, and long ones do not fit into the run
    edges = np.arange(20.25e-3, step=2e-3)
    found = np.histogram(interval, edges)[0] / count.sum()
    within = -np.diff(np.exp(-rate * edges))
    keep = 1 - (edges[:-1] + edges[1:]) / 2 / 2.0  # that both of its spikes fall into the run
    assert np.allclose(found, within * keep, atol=5 * np.sqrt(within.max() / count.sum()))


compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="needs a C++ compiler")


@compiler
@pytest.mark.standalone
def test_compiled_numbers_are_the_same_and_vectorised(tmp_path):
    source = tmp_path / "noise.cpp"
    source.write_text(
        noise._CPP
        + """
        #include <cstdio>
        void fill(double* __restrict x, double* __restrict u, const int32_t* __restrict key, int n,
                  int64_t step)
        {
            for(int k = 0; k < n; k++) {
                x[k] = _pulvinar_gauss(key[k], step);
                u[k] = _pulvinar_uniform(key[k], step);
            }
        }
        int main()
        {
            static int32_t key[1003];
            static double x[1003], u[1003];
            std::fread(key, 4, 1003, stdin);
            for(int step = 0; step < 300; step++) {
                fill(x, u, key, 1003, step*7 - 5);
                std::fwrite(x, 8, 1003, stdout);
                std::fwrite(u, 8, 1003, stdout);
            }
        }""",
        encoding="utf-8",
    )
    program = tmp_path / "noise"
    report = subprocess.run(
        ["g++", *COMPILE_FLAGS, "-fopt-info-vec-optimized", str(source), "-o", str(program)],
        check=True, capture_output=True, text=True,
    ).stderr  # fmt: skip
    assert "loop vectorized" in report
    keys = draw_keys(2, 1003)
    out = subprocess.run([program], input=keys.tobytes(), capture_output=True, check=True).stdout
    x, u = np.moveaxis(np.frombuffer(out).reshape(300, 2, 1003), 1, 0)
    step = np.arange(300)[:, None] * 7 - 5
    assert np.array_equal(u, uniform(keys, step))
    assert np.allclose(x, gauss(keys, step), rtol=0, atol=1e-12)


def noisy_group(target, tmp_path):
    """Return numbers that Brian2 code of a target draws."""
    group = NeuronGroup(
        50, "x : 1\nkey : integer (constant)\nfired : integer", dt=0.1 * ms, namespace=RANDOM,
        threshold="t >= 0*ms", reset="fired += 1; x = 10*gauss(key, fired) + uniform(key, fired)",
    )  # fmt: skip
    group.key = KEYS[:50]
    previous, prefs.codegen.target = prefs.codegen.target, target
    try:
        Network(group).run(1 * ms, namespace={})
    finally:
        prefs.codegen.target = previous
    return np.asarray(group.x)


@pytest.mark.parametrize("target", ["numpy", pytest.param("cython", marks=compiler)])
def test_brian_code_of_every_runtime_target_draws_them(target, tmp_path):
    expected = 10 * gauss(KEYS[:50], 10) + uniform(KEYS[:50], 10)
    assert np.allclose(noisy_group(target, tmp_path), expected, rtol=0, atol=1e-11)
    assert type(get_device()).__name__ == "RuntimeDevice"
