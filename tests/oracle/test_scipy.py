"""Phases, patterns and spectra against scipy."""

import numpy as np
import pytest
import xarray as xr
from scipy import integrate, signal, stats

from analysis.data import schema
from analysis.measures import patterns, spectra, theta


def test_vector_strength_of_events_with_a_period():
    rng = np.random.default_rng(0)
    events = np.sort(rng.uniform(0, 20, 300) // 0.2 * 0.2 + rng.normal(0.1, 0.02, 300) % 0.2)
    _, phase = theta.cycle_phase(events, np.arange(0, 20.4, 0.2), 0.2)
    strength, direction = signal.vectorstrength(events, 0.2)
    assert theta.vector_strength(phase) == pytest.approx(strength, rel=1e-6)
    assert theta.mean_phase(phase) == pytest.approx(direction % (2 * np.pi), rel=1e-6)
    assert theta.mean_phase(phase) == pytest.approx(stats.circmean(phase), rel=1e-6)


def test_pattern_correlation():
    rng = np.random.default_rng(1)
    a, b = rng.poisson(3, (20, 16)), rng.poisson(3, (20, 16))
    expected = [stats.pearsonr(x, y).statistic for x, y in zip(a, b, strict=True)]
    np.testing.assert_allclose(patterns.pearson(a, b), expected)


def test_the_power_of_a_rate_is_its_variance():
    x = np.random.default_rng(2).standard_normal(60_000)
    time = xr.Variable("time", np.arange(x.size) * 1e-3, {"units": "s"})
    rate = xr.DataArray(
        x, dims="time", coords={"time": time}, attrs={"units": "Hz", "bin_size_s": 1e-3}
    )
    psd = spectra.spectrum(rate)
    power = integrate.trapezoid(psd.values, psd["frequency"].values)
    assert power == pytest.approx(x.var(), rel=0.02)
    for n in (500, 501):
        frequency, expected = signal.welch(x, 1e3, nperseg=n, detrend="constant")
        found = spectra.spectrum(rate, window=n * 1e-3)
        np.testing.assert_allclose(found, expected, rtol=1e-9)
        np.testing.assert_allclose(found["frequency"], frequency)
    grid = spectra.spectrogram(rate)
    step = float(grid["frequency"][1] - grid["frequency"][0])
    assert float(grid.mean("time").sum()) * step == pytest.approx(x.var(), rel=0.02)


def test_segmented_counts_are_a_histogram():
    rng = np.random.default_rng(4)
    time, neuron = np.sort(rng.uniform(0, 4, 5000)), rng.integers(0, 7, 5000)
    start = np.arange(1.0, 4.0, 0.2)[:15]
    rate = schema.segment(time, neuron, 7, start, start + 0.08, 0.2)
    edges = np.sort(np.concatenate([start, start + 0.08, [start[-1] + 0.2]]))
    count = stats.binned_statistic_2d(
        time, neuron, None, "count", [edges, np.arange(8) - 0.5]
    ).statistic.reshape(15, 2, 7)
    np.testing.assert_allclose(rate * np.array([0.08, 0.12])[:, None], count, rtol=1e-5)
