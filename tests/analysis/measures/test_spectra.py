import numpy as np
import pytest
import xarray as xr

from analysis.data import schema
from analysis.measures import spectra


def wave(frequency, n=8000, dt=1e-3, noise=0.3, seed=0):
    t = np.arange(n) * dt
    x = np.sin(2 * np.pi * frequency * t) + noise * np.random.default_rng(seed).standard_normal(n)
    time = xr.Variable("time", t, {"units": "s"})
    attrs = {"units": "Hz", "bin_size_s": dt, "long_name": "x"}
    return xr.DataArray(x, dims="time", coords={"time": time}, attrs=attrs)


def test_a_sine_has_its_peak_and_its_power():
    psd = spectra.spectrum(wave(12.0, noise=0))
    assert spectra.peak_frequency(psd) == pytest.approx(12.0, abs=0.25)
    step = float(psd["frequency"][1])
    assert float(psd.sum()) * step == pytest.approx(0.5, rel=0.01)
    assert psd.attrs["units"] == "Hz**2/Hz"


def test_a_falling_spectrum_has_no_peak():
    f = np.arange(100.0)
    psd = xr.DataArray(1 / (1 + f), dims="frequency", coords={"frequency": f})
    assert np.isnan(spectra.peak_frequency(psd))


def test_coherence_finds_the_shared_rhythm_only():
    x, y = wave(10.0, noise=1.0, seed=1), wave(10.0, noise=1.0, seed=2)
    c = spectra.coherence(x, y)
    assert float(c.sel(frequency=10, method="nearest")) > 0.8
    assert float(c.sel(frequency=slice(50, 400)).mean()) < 3 / c.attrs["n_windows"]


def test_spectrogram_follows_a_change_of_frequency():
    x = wave(8.0, noise=0)
    x.values[4000:] = wave(30.0, noise=0).values[4000:]
    s = spectra.spectrogram(x)
    peak = s["frequency"].values[s.values.argmax(0)]
    assert peak[s["time"].values < 3.4] == pytest.approx(8.0, abs=1)
    assert peak[s["time"].values > 4.6] == pytest.approx(30.0, abs=1)


def test_the_bursting_population_peaks_at_theta(circuit):
    rate = spectra.rate_signal(circuit, "V1.L5IB")
    cells = schema.cell_index(circuit, "V1.L5IB")
    assert rate.mean() == pytest.approx(3 * 4 * 5 / cells.size, rel=1e-6)
    assert spectra.peak_frequency(spectra.spectrum(rate)) == pytest.approx(5.0, abs=0.3)


def test_the_lfp_proxy_of_a_constant_rate_is_the_analytic_current(circuit):
    import json

    row = dict(
        row=1, name="x", source="V1.PV", target="V1.L5IB", compartment="soma", plastic=False,
        receptors=["GABA_A"], indegree=6, weight_nS=3.0, delay_ms=1.0, release="none", basis="",
    )  # fmt: skip
    only = circuit.assign_attrs(projections=json.dumps([row]))
    proxy = spectra.lfp_proxy(only, "V1")
    rise, decay, force = 0.5e-3, 8e-3, 10e-3
    t_peak = rise * decay / (decay - rise) * np.log(decay / rise)
    area = (decay - rise) / (np.exp(-t_peak / decay) - np.exp(-t_peak / rise))
    excitatory = sum(
        r["n"] for r in schema.population_table(only) if r["area"] == "V1" and r["excitatory"]
    )
    share = schema.cell_index(only, "V1.L5IB").size / excitatory
    rate = float(spectra.rate_signal(only, "V1.PV").mean())
    expected = share * force * 3.0 * 6 * rate * area
    assert float(proxy[100:].mean()) == pytest.approx(expected, rel=0.06)
    with pytest.raises(schema.AnalysisError, match="no projection"):
        spectra.lfp_proxy(only, "V2")
