"""Published plasticity experiments as spike trains with their published results.

Classical protocols have no theta gate. A gated rule is given one that is timed by the onset: it
opens once in each theta window, the windows being counted from the first spike of a sweep for as
long as the sweep has spikes. Sweeps are seconds apart and taken as independent.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from brian2.units import ms

from cells.parameters import InputError
from circuits.plasticity.rules.trains import SpikeTrains, spike_trains

__all__ = ["PROTOCOLS", "Protocol", "data_file", "protocol", "theta_gates"]

WINDOW = 200.0
"""Theta window that the onset of a sweep starts, ms."""


def data_file(name: str) -> Path:
    """Return the path of a table of published data.

    Parameters
    ----------
    name : str
        File name in ``runs/data``.

    Raises
    ------
    InputError
        If it is found neither in the source tree nor with the installed run files.
    """
    places = (
        Path(__file__).resolve().parents[3] / "runs" / "data",
        Path(sys.prefix) / "share" / "pulvinar" / "runs" / "data",
    )
    for place in places:
        if (place / name).is_file():
            return place / name
    raise InputError(f"{name}: no such table of published data in runs/data")


def _read(name: str) -> list[dict[str, str]]:
    with open(data_file(name), encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def theta_gates(trains: SpikeTrains, lead: float, window: float = WINDOW) -> SpikeTrains:
    """Return the trains with a gate ``lead`` (ms) before the end of each onset-timed window."""
    spikes = np.concatenate([trains.pre, trains.post], axis=1)
    first = spikes.min(axis=1)
    last = np.where(np.isfinite(spikes), spikes, -np.inf).max(axis=1)
    active = np.isfinite(first)
    span = np.where(active, last - np.where(active, first, 0), -1.0)
    n = np.where(active, np.floor(span / window).astype(int) + 1, 0)
    k = np.arange(int(n.max(initial=0)))
    gate = np.where(active, first, 0)[:, None] + (k + 1) * window - lead
    gate = np.where(k < n[:, None], gate, np.inf)
    finite = gate[np.isfinite(gate)]
    end = max(trains.duration, float(finite.max(initial=0)))
    return replace(trains, gate=gate, duration=end, period=max(trains.period, end))


@dataclass(frozen=True, eq=False)
class Protocol:
    """One published experiment: conditions, their trains, and what was measured.

    Attributes
    ----------
    name, title, source : str
    labels : tuple of str
        Conditions.
    mean, sem : (condition,) arrays
        Published EPSP after induction, relative to before.
    build : callable
        Gives the trains of each condition, without gates.
    assumption : str
        What had to be assumed to turn the experiment into spike trains.
    """

    name: str
    title: str
    source: str
    labels: tuple[str, ...]
    mean: np.ndarray
    sem: np.ndarray
    build: Callable[[], list[SpikeTrains]]
    assumption: str = ""

    def trains(self, lead: float = 0.0) -> list[SpikeTrains]:
        """Trains of each condition, gated ``lead`` (ms) before the end of each theta window."""
        return [theta_gates(t, lead) for t in self.build()]


def _pairing(lag, n_spike, rate, sweeps, period) -> SpikeTrains:
    """Pre and post trains of ``n_spike`` at ``rate`` (Hz); post after pre by ``lag`` (ms)."""
    start = 50.0 + max(0.0, -lag)
    pre = start + np.arange(n_spike) * 1000.0 / rate
    duration = pre[-1] + abs(lag) + 450.0
    return spike_trains(
        pre * ms,
        (pre + lag) * ms,
        duration=duration * ms,
        sweeps=sweeps,
        period=max(period, duration) * ms,
    )


def _window() -> Protocol:
    rows = _read("stdp_window.csv")
    lags = [float(r["lag_ms"]) for r in rows]
    return Protocol(
        "stdp_window",
        "STDP window: 60 pairs at 1 Hz",
        "Bi & Poo 1998, doi:10.1523/JNEUROSCI.18-24-10464.1998",
        tuple(f"{lag:+g} ms" for lag in lags),
        np.array([float(r["mean"]) for r in rows]),
        np.array([float(r["sem"]) for r in rows]),
        lambda: [_pairing(lag, 1, 1.0, 60, 1000.0) for lag in lags],
        "one pair is one sweep; the published fit with a declared tolerance of 0.1",
    )


def _frequency(n_trial: int = 16, seed: int = 1) -> Protocol:
    rows = _read("pulse_frequency.csv")
    rates = [float(r["frequency_Hz"]) for r in rows]

    def build():
        rng = np.random.default_rng(seed)
        out = []
        for rate in rates:
            pre = 50.0 + np.arange(30) * 1000.0 / rate
            span = 30 * 1000.0 / rate
            post = [np.sort(50.0 + rng.uniform(0, span, rng.poisson(30))) for _ in range(n_trial)]
            width = max(len(p) for p in post)
            post = np.array([np.pad(p, (0, width - len(p)), constant_values=np.inf) for p in post])
            out.append(
                spike_trains(
                    pre * ms,
                    post * ms,
                    duration=(span + 500.0) * ms,
                    sweeps=30,
                    period=(span + 500.0) * ms,
                )
            )
        return out

    return Protocol(
        "pulse_frequency",
        "Pulse frequency: 900 presynaptic pulses",
        "Dudek & Bear 1992, doi:10.1073/pnas.89.10.4363",
        tuple(f"{rate:g} Hz" for rate in rates),
        np.array([float(r["mean"]) for r in rows]),
        np.array([float(r["sem"]) for r in rows]),
        build,
        "postsynaptic spikes were not recorded: Poisson at the pulse rate, independent of the "
        "pulses; 30 blocks of 30 pulses; means from memory, tolerance of 0.05 declared",
    )


def _plateau() -> Protocol:
    rows = _read("plateau_pairing.csv")
    delays = [float(r["delay_s"]) for r in rows]

    def build():
        out = []
        train = np.arange(10) * 50.0
        for delay in delays:
            plateau = 5000.0
            pre = train + (plateau - 1000 * delay - train[-1] if delay > 0 else
                           plateau - 1000 * delay)  # fmt: skip
            post = plateau + np.array([0.0, 10.0, 20.0])
            out.append(
                spike_trains(
                    pre * ms,
                    post * ms,
                    plateau=np.array([[plateau, plateau + 300.0]]) * ms,
                    duration=10000 * ms,
                    sweeps=5,
                    period=15000 * ms,
                )
            )
        return out

    return Protocol(
        "plateau_pairing",
        "Plateau pairing: 10 pulses at 20 Hz and a 300-ms plateau, 5 times",
        "Bittner et al. 2017, doi:10.1126/science.aan3846",
        tuple(f"{d:+g} s" for d in delays),
        np.array([float(r["mean"]) for r in rows]),
        np.array([float(r["sem"]) for r in rows]),
        build,
        "for rules without plateaus it is a burst of 3 spikes at 100 Hz; the published time "
        "constants with a declared tolerance of 0.3; delay > 0: pulses end before the plateau",
    )


def _recordings(name="paired_recordings", only=None) -> Protocol:
    rows = _read("paired_recordings.csv")
    if only:
        rows = [r for r in rows if r["protocol_id"] in only]

    def build():
        return [
            _pairing(
                float(r["dt_train"]),
                int(r["n_stimuli_train"]),
                float(r["frequency_train"]),
                int(r["n_sweep"]),
                1000.0 * float(r["period_sweep"]),
            )
            for r in rows
        ]

    title = "Paired recordings, layer 5: 25 conditions"
    source = "Markram et al. 1997, doi:10.1126/science.275.5297.213; "
    if only:
        title, source = "Pairing frequency at +10 and -10 ms", ""
    return Protocol(
        name,
        title,
        source + "Sjostrom et al. 2001, doi:10.1016/S0896-6273(01)00542-6; digitised for "
        "Chindemi et al. 2022, doi:10.1038/s41467-022-30214-w",
        tuple(r["protocol_id"] for r in rows),
        np.array([float(r["mean_epsp_ratio"]) for r in rows]),
        np.array([float(r["sem_epsp_ratio"]) for r in rows]),
        build,
        "sweeps are independent",
    )


def _sjostrom() -> Protocol:
    return _recordings("pairing_frequency", [f"sjs01_{k:02d}" for k in range(1, 11)])


PROTOCOLS: dict[str, Callable[[], Protocol]] = {
    "stdp_window": _window,
    "pulse_frequency": _frequency,
    "pairing_frequency": _sjostrom,
    "plateau_pairing": _plateau,
    "paired_recordings": _recordings,
}


def protocol(name: str) -> Protocol:
    """Return the published experiment of that name; InputError names the nearest."""
    from cells.parameters import nearest

    if name not in PROTOCOLS:
        raise InputError(f"protocol '{name}'{nearest(name, PROTOCOLS)}")
    return PROTOCOLS[name]()
