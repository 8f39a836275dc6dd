"""Spectra of population rates, their coherence, and a proxy of the local field potential."""

from __future__ import annotations

import numpy as np
import xarray as xr

from analysis.data import schema
from analysis.measures.spikes import population_rate

__all__ = [
    "RECEPTOR_KERNELS",
    "coherence",
    "lfp_proxy",
    "peak_frequency",
    "rate_signal",
    "spectrogram",
    "spectrum",
]

#: Rise and decay (s) and driving force at rest (V) of the receptors that the LFP proxy counts.
RECEPTOR_KERNELS = {"AMPA": (0.4e-3, 2e-3, 70e-3), "GABA_A": (0.5e-3, 8e-3, 10e-3)}


def rate_signal(ds: xr.Dataset, population: str, bin_size: float = 1e-3) -> xr.DataArray:
    """Return the mean rate of a population from the first cycle to the end of the last.

    Parameters
    ----------
    ds : Dataset
        One run.
    population : str
    bin_size : float, s

    Returns
    -------
    DataArray (time), Hz
        ``time`` in s, bin centres; attribute ``bin_size_s``.
    """
    cells = schema.cell_index(ds, population)
    start = ds["cycle_start"].values
    stop = float(start[-1]) + schema.cycle_length(ds)
    time, _ = schema.spikes_of(ds, cells)
    centre, rate = population_rate(time, cells.size, float(start[0]), stop, bin_size)
    return _over_time(centre, rate, bin_size, "Hz", population)


def _over_time(centre, values, bin_size, units, name):
    return xr.DataArray(
        values,
        dims="time",
        coords={"time": xr.Variable("time", centre, {"units": "s"})},
        attrs={"units": units, "bin_size_s": bin_size, "long_name": name},
    )


def _window(n_sample, bin_size, window):
    return int(min(n_sample, max(8, round(window / bin_size))))


def spectrum(x: xr.DataArray, window: float = 2.0) -> xr.DataArray:
    """Return the power spectral density, by Welch's method.

    Parameters
    ----------
    x : DataArray (time)
        As `rate_signal` or `lfp_proxy` give it.
    window : float, s
        Length of a Hann window; half overlap; the mean of each is removed.

    Returns
    -------
    DataArray (frequency), units of ``x`` squared per Hz
        ``frequency`` in Hz.
    """
    dt = x.attrs["bin_size_s"]
    n = _window(x.size, dt, window)
    # by hand, for scipy.signal is slow to load
    taper = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n) / n)
    parts = np.lib.stride_tricks.sliding_window_view(x.values, n)[:: n - n // 2]
    parts = (parts - parts.mean(1, keepdims=True)) * taper
    power = (np.abs(np.fft.rfft(parts)) ** 2).mean(0) * dt / (taper**2).sum()
    power[1 : (n + 1) // 2] *= 2  # negative frequencies
    frequency = np.fft.rfftfreq(n, dt)
    units = f"{x.attrs['units']}**2/Hz"
    return _over_frequency(frequency, power, units, x.attrs.get("long_name", ""))


def coherence(x: xr.DataArray, y: xr.DataArray, window: float = 0.5) -> xr.DataArray:
    """Return the magnitude-squared coherence of two signals.

    Parameters
    ----------
    x, y : DataArray (time)
        Of the same bins.
    window : float, s
        Must be much shorter than the signals: with few windows coherence is high by chance.

    Returns
    -------
    DataArray (frequency), dimensionless
        Attribute ``n_windows``; its chance level is about ``1 / n_windows``.
    """
    from scipy import signal

    dt = x.attrs["bin_size_s"]
    n = _window(x.size, dt, window)
    frequency, value = signal.coherence(x.values, y.values, 1 / dt, nperseg=n)
    names = f"{x.attrs.get('long_name', '')} and {y.attrs.get('long_name', '')}"
    result = _over_frequency(frequency, value, "1", names)
    result.attrs["n_windows"] = max(1, (x.size - n // 2) // (n - n // 2))
    return result


def _over_frequency(frequency, values, units, name):
    return xr.DataArray(
        values,
        dims="frequency",
        coords={"frequency": xr.Variable("frequency", frequency, {"units": "Hz"})},
        attrs={"units": units, "long_name": name},
    )


def spectrogram(x: xr.DataArray, window: float = 1.0, step: float = 0.1) -> xr.DataArray:
    """Return the power spectral density over time (Hann windows).

    Parameters
    ----------
    x : DataArray (time)
    window, step : float, s

    Returns
    -------
    DataArray (frequency, time), units of ``x`` squared per Hz
    """
    from scipy import signal

    dt = x.attrs["bin_size_s"]
    n = _window(x.size, dt, window)
    transform = signal.ShortTimeFFT(
        signal.windows.hann(n, sym=False),
        hop=max(1, round(step / dt)),
        fs=1 / dt,
        scale_to="psd",
        fft_mode="onesided2X",
    )
    first, last = transform.lower_border_end[1], transform.upper_border_begin(x.size)[1]
    centred = x.values - x.values.mean()
    power = transform.spectrogram(centred, p0=first, p1=max(last, first + 1))
    time = float(x["time"][0]) + transform.t(x.size, p0=first, p1=max(last, first + 1))
    return xr.DataArray(
        power,
        dims=("frequency", "time"),
        coords={
            "frequency": xr.Variable("frequency", transform.f, {"units": "Hz"}),
            "time": xr.Variable("time", time, {"units": "s"}),
        },
        attrs={"units": f"{x.attrs['units']}**2/Hz", "long_name": x.attrs.get("long_name", "")},
    )


def peak_frequency(psd: xr.DataArray, f_min: float = 1.0, f_max: float = 100.0) -> float:
    """Return the frequency (Hz) of the largest local maximum in a band; NaN if there is none.

    A maximum on the edge of the band is none: a spectrum that only falls has no peak.
    """
    from scipy.signal import find_peaks

    frequency, power = psd["frequency"].values, psd.values
    peaks, _ = find_peaks(power)
    peaks = peaks[(frequency[peaks] >= f_min) & (frequency[peaks] <= f_max)]
    return float(frequency[peaks[np.argmax(power[peaks])]]) if peaks.size else np.nan


def _kernel(rise, decay, bin_size):
    t = np.arange(0, 6 * decay, bin_size)
    shape = np.exp(-t / decay) - np.exp(-t / rise)
    t_peak = rise * decay / (decay - rise) * np.log(decay / rise)
    return shape / (np.exp(-t_peak / decay) - np.exp(-t_peak / rise))


def _receptors(described):
    """(name, share of the weight) from a dict, a list of names or pairs, or ``"AMPA+NMDA"``."""
    if isinstance(described, str):
        described = described.replace("+", " ").replace(",", " ").split()
    if isinstance(described, dict):
        described = list(described.items())
    return [(r, 1.0) if isinstance(r, str) else (r[0], float(r[1])) for r in described]


def lfp_proxy(ds: xr.Dataset, area: str, bin_size: float = 1e-3) -> xr.DataArray:
    """Return a proxy of the local field potential of an area from spikes and the projections.

    The sum of the absolute synaptic currents onto its excitatory cells (the idea of Mazzoni et
    al. 2015, doi:10.1371/journal.pcbi.1004584), with three simplifications: a current is the
    spikes of the source population, after the delay, convolved with the receptor's conductance
    (`RECEPTOR_KERNELS`) and multiplied by a fixed driving force; release is constant; NMDA,
    GABA-B and the background are left out. Currents are those of the mean cell of each target
    population and are added over populations, weighted by their share of cells. It has no
    spatial scale, so its size means nothing outside one circuit.

    Parameters
    ----------
    ds : Dataset
        One run, with the attributes ``projections`` and ``populations``.
    area : str
    bin_size : float, s

    Returns
    -------
    DataArray (time), nA

    Raises
    ------
    AnalysisError
        If no projection with a known receptor ends on an excitatory population of ``area``.
    """
    targets = {
        row["name"]: row["n"]
        for row in schema.population_table(ds)
        if row["area"] == area and row["excitatory"]
    }
    total, rates = None, {}
    for row in schema.projection_table(ds):
        names = set(schema.population_names(ds))
        if row["target"] not in targets or row["source"] not in names:
            continue
        for receptor, part in _receptors(row["receptors"]):
            known = str(receptor).upper().replace("-", "_").replace("GABAA", "GABA_A")
            if known not in RECEPTOR_KERNELS:
                continue
            rise, decay, force = RECEPTOR_KERNELS[known]
            if row["source"] not in rates:
                rates[row["source"]] = rate_signal(ds, row["source"], bin_size)
            rate = rates[row["source"]]
            share = targets[row["target"]] / sum(targets.values())
            spikes = rate.values * bin_size * float(row["indegree"])
            late = round(float(row["delay_ms"]) * 1e-3 / bin_size)
            spikes = np.concatenate([np.zeros(late), spikes])[: rate.size]
            conductance = np.convolve(spikes, _kernel(rise, decay, bin_size))[: rate.size]
            current = share * force * part * abs(float(row["weight_nS"])) * conductance
            total = current if total is None else total + current
    if total is None:
        raise schema.AnalysisError(f"no projection onto excitatory cells of area '{area}'")
    return _over_time(rate["time"].values, total, bin_size, "nA", f"{area} LFP proxy")
