"""Observables of what a circuit run recorded over time."""

from __future__ import annotations

import numpy as np

from analysis.data import schema
from analysis.data.blocks import block_cycles
from analysis.data.recordings import recording
from analysis.measures import spectra
from analysis.measures.recordings import lfp
from analysis.observables.registry import observable


@observable("mV")
def mean_potential(ds, population="driver", compartment=None):
    """Mean recorded membrane potential of a population, over its recorded cells and all cycles."""
    what = "V" if compartment is None else f"V.{compartment}"
    found = recording(ds, schema.population_name(ds, population), what)
    time, length = found["time"].values, schema.cycle_length(ds)
    inside = schema.cycle_index(time, ds["cycle_start"].values, length) >= 0
    return float(found.values[inside].mean()) if inside.any() else np.nan


@observable("1")
def potential_share(ds, populations, block, than, direction="up", change=1.0, every=1):
    """Share of recorded cells whose mean potential is higher, or lower, in a block than in another.

    ``direction`` is ``"up"`` or ``"down"``, ``change`` the least difference (mV). Of ``block``
    every so many cycles count, from its first one, as in a manipulation. Spikes are not cut out.
    """
    if direction not in (known := ("up", "down")):
        raise schema.AnalysisError(f"no direction '{direction}'{schema.nearest(direction, known)}")
    length, moved = schema.cycle_length(ds), []
    for name in populations:
        found = recording(ds, schema.population_name(ds, name), "V").transpose("time", "cell")
        cycle = schema.cycle_index(found["time"].values, ds["cycle_start"].values, length)
        now, before = (
            found.values[np.isin(cycle, at)].astype(float).mean(axis=0)
            for at in (block_cycles(ds, block)[::every], block_cycles(ds, than))
        )
        moved.append((now - before) * (1 if direction == "up" else -1))
    return float((np.concatenate(moved) >= change).mean())


@observable("1")
def lfp_theta_share(ds, area=None, f_min=4.0, f_max=8.0):
    """Share of the power of the recorded LFP proxy, up to 100 Hz, that is in the theta band."""
    psd = spectra.spectrum(lfp(ds, area))
    frequency, power = psd["frequency"].values, psd.values
    every = (frequency > 0) & (frequency <= 100)
    band = (frequency >= f_min) & (frequency <= f_max)
    total = power[every].sum()
    return float(power[every & band].sum() / total) if total > 0 else np.nan


@observable("Hz")
def lfp_peak_frequency(ds, area=None, f_min=1.0, f_max=100.0):
    """Frequency of the largest peak in the spectrum of the recorded LFP proxy."""
    return spectra.peak_frequency(spectra.spectrum(lfp(ds, area)), f_min, f_max)
