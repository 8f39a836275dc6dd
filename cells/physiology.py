"""Current clamp: the protocols of the slice laboratory on any cell class, and published values.

Spike shape is measured by eFEL (``pip install pulvinar[validation]``); nothing else here needs an
extra package. `card` sets every published value of ``published.toml`` beside what the model does.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, fields
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import xarray as xr
from brian2 import (
    Equations,
    Network,
    NeuronGroup,
    Quantity,
    SpikeMonitor,
    StateMonitor,
    TimedArray,
    amp,
    ms,
    mV,
    pA,
    second,
    volt,
)

from cells.checked import physical, takes
from cells.integration import METHODS
from cells.models import CELL_CLASSES, CellClass, steady_state
from cells.parameters import MARKS, InputError, nearest, parse_unit
from cells.preferences import own_preferences

__all__ = [
    "Clamp",
    "Target",
    "burst_statistics",
    "card",
    "current_clamp",
    "current_step",
    "f_i_curve",
    "features",
    "input_resistance",
    "low_threshold_spikes",
    "measure",
    "membrane_time_constant",
    "print_cards",
    "rebound",
    "resting_potential",
    "rheobase",
    "sag_ratio",
    "targets",
    "tonic_mode",
]

PUBLISHED = Path(__file__).parent / "published.toml"
_TONIC = np.arange(25.0, 226.0, 25.0) * pA
_LOW = np.arange(5.0, 301.0, 5.0) * pA


@takes(low=volt, high=volt)
def resting_potential(cell: CellClass, low: Quantity = -95 * mV, high: Quantity = -50 * mV):
    """Return the resting potential of the isopotential cell: the most negative stable root of I(V).

    Parameters
    ----------
    cell : CellClass
    low, high : Quantity [volt]
        Where to look.

    Returns
    -------
    Quantity [volt]

    Raises
    ------
    InputError
        If the steady-state current does not change sign between ``low`` and ``high``.
    """
    grid = np.linspace(float(low), float(high), 181)
    current = steady_state(cell, grid)["current"]
    down = np.flatnonzero((current[:-1] > 0) & (current[1:] <= 0))
    if not len(down):
        raise InputError(f"{cell.name}: no resting potential between {low} and {high}")
    from scipy.optimize import brentq  # slow to load

    k = down[0]
    root = brentq(lambda v: float(steady_state(cell, v)["current"]), grid[k], grid[k + 1])
    return root * 1000 * mV


@dataclass(frozen=True)
class Clamp:
    """Response to a current-clamp protocol.

    Attributes
    ----------
    time : Quantity [second], shape (sample,)
    voltage : Quantity [volt], shape (cell, sample)
        Somatic potential; one row per injected current.
    spikes : tuple of Quantity [second]
        Spike times of each row (upward crossings of -15 mV).
    """

    time: Quantity
    voltage: Quantity
    spikes: tuple


@takes(amplitudes=amp, duration=second, start=second, stop=second, dt=second)
def current_step(
    amplitudes,
    *,
    duration: Quantity,
    start: Quantity = 0 * ms,
    stop: Quantity | None = None,
    dt: Quantity = METHODS["staggered"].dt_ms * ms,
) -> Quantity:
    """Return rectangular current waveforms, for `current_clamp`.

    Parameters
    ----------
    amplitudes : Quantity [amp], shape (cell,)
    duration : Quantity [second]
    start, stop : Quantity [second]
        The step; ``stop`` defaults to the end.
    dt : Quantity [second]

    Returns
    -------
    Quantity [amp], shape (bin, cell)
    """
    stop = duration if stop is None else stop
    now = np.arange(round(float(duration / dt)) + 1) * float(dt)
    on = (now >= float(start) - 1e-12) & (now < float(stop) - 1e-12)
    amplitudes = np.atleast_1d(np.asarray(amplitudes))
    return Quantity(on[:, None] * amplitudes[None, :], dim=amp.dim)


@takes(currents=amp, duration=second, start=second, stop=second, hold=volt, dt=second)
@own_preferences()
def current_clamp(
    cell: CellClass,
    currents,
    *,
    duration: Quantity,
    start: Quantity = 0 * ms,
    stop: Quantity | None = None,
    compartment: str = "soma",
    hold: Quantity | None = None,
    dt: Quantity | None = None,
    method: str = "staggered",
    upstroke: int = 1,
    record: bool = True,
    target: str = "numpy",
    **parameters,
) -> Clamp:
    """Inject current steps into copies of a cell, side by side.

    Parameters
    ----------
    cell : CellClass
    currents : Quantity [amp], shape (cell,) or (bin, cell)
        One step amplitude per copy, or a waveform in bins of ``dt``.
    duration : Quantity [second]
    start, stop : Quantity [second], optional
        The step; ``stop`` defaults to the end.
    compartment : {"soma", "apical"}
    hold : Quantity [volt], scalar or shape (cell,), optional
        Where copies start, held there by a current beside the injected one; defaults to the
        resting potential, which needs none.
    dt : Quantity [second], optional
        Defaults to the step of the method.
    method : {"staggered", "rk4", "exponential_euler"}
    upstroke : int
        Parts in which staggered steps of a spike are done again; 1: they are not.
    record : bool
        Whether to keep the potential.
    target : str
        Brian2 code generation target.
    **parameters : Quantity
        Other values for parameters of the model, scalar or one per copy; 0 needs no unit.

    Returns
    -------
    Clamp

    Raises
    ------
    InputError
        For an unknown method, compartment or parameter, another dimension, or what is not finite.

    Notes
    -----
    Copies start at the resting potential of the published parameters; a copy with other values
    needs a moment to settle. The current that holds them is that of the published parameters too.
    """
    if method not in METHODS:
        raise InputError(f"unknown method '{method}'{nearest(method, METHODS)}")
    parts = {part.name: part for part in cell.model.compartments}
    if compartment not in parts:
        raise InputError(
            f"{cell.name}: no compartment '{compartment}'{nearest(compartment, parts)}"
        )
    dt = METHODS[method].dt_ms * ms if dt is None else dt
    if not duration > 0 * ms:
        raise InputError(f"duration: {duration} is not above 0")
    if currents.ndim == 1:
        currents = current_step(currents, duration=duration, start=start, stop=stop, dt=dt)
    copies = currents.shape[1]
    injected = [f"{parts[compartment].injected} = I_clamp(t, i) + I_hold : amp", "I_hold : amp"]
    injected += [f"{p.injected} = 0*amp : amp" for p in parts.values() if p.name != compartment]
    again = cell.model.upstroke(upstroke) if method == "staggered" and upstroke > 1 else None
    more = [again.variables] if again else []
    equations = Equations("\n".join([cell.model.equations(), *injected, *more]))
    group = NeuronGroup(
        copies,
        equations,
        threshold=cell.model.threshold,
        reset="",
        method=METHODS[method].updater,
        dt=dt,
        namespace={"I_clamp": TimedArray(currents, dt=dt)},
        events={"upstroke": again.condition} if again else {},
    )
    if again:
        again.attach(group)
    for name, quantity in cell.parameters.items():
        setattr(group, name, quantity)
    for name, value in parameters.items():
        known = cell.parameters[name]
        # nothing is nothing in any unit
        given = value if np.any(np.asarray(value)) else Quantity(value, dim=known.dim)
        setattr(group, name, physical(given, known, f"{cell.name} {name}"))
    rest = resting_potential(cell) if hold is None else hold
    steady = steady_state(cell, np.asarray(rest))
    ionic = steady.pop("current")
    if hold is not None:
        group.I_hold = -ionic * amp
    for name, value in steady.items():
        setattr(group, name, Quantity(value, dim=equations[name].dim))
    for part in parts.values():
        setattr(group, part.v, rest)
        setattr(group, f"{part.v}_last", rest)
    spikes = SpikeMonitor(group)
    network = Network(group, spikes)
    if record:
        trace = StateMonitor(group, parts["soma"].v, record=True, dt=dt)
        network.add(trace)
    with own_preferences(target):
        network.run(duration, namespace={})
    trains = spikes.spike_trains()
    # copies: the monitors' own memory goes with the network
    voltage = np.array(getattr(trace, parts["soma"].v)) if record else np.zeros((copies, 0))
    return Clamp(
        np.array(trace.t if record else []) * second,
        Quantity(voltage, dim=mV.dim),
        tuple(np.array(trains[k]) * second for k in range(copies)),
    )


def _seconds(times, start=None, stop=None) -> np.ndarray:
    """Return sorted times in s, those of a window if one is given."""
    times = np.sort(np.asarray(times, dtype=float))
    low = -np.inf if start is None else float(start)
    high = np.inf if stop is None else float(stop)
    return times[(times >= low) & (times < high)]


@takes(currents=amp, duration=second, settle=second)
def f_i_curve(
    cell: CellClass,
    currents: Quantity,
    *,
    duration: Quantity = 1 * second,
    settle: Quantity = 0 * ms,
    **options,
) -> xr.Dataset:
    """Return the firing rate against the amplitude of a current step.

    Parameters
    ----------
    cell : CellClass
    currents : Quantity [amp], shape (current,)
    duration : Quantity [second]
        Of the step.
    settle : Quantity [second]
        Beginning of the step that is left out of ``rate``.
    **options
        As of `current_clamp`, parameters of the cell included.

    Returns
    -------
    xarray.Dataset
        On dim ``current`` (pA): ``rate`` (Hz, spikes after ``settle`` over their time),
        ``rate_first`` and ``rate_last`` (Hz, of the first and last interval; NaN below two spikes)
        and ``adaptation`` (last interval over first).
    """
    clamp = current_clamp(cell, currents, duration=duration, record=False, **options)
    trains = [_seconds(train) for train in clamp.spikes]
    amplitudes = np.asarray(currents) * 1e12
    return _f_i_dataset(trains, amplitudes, 0.0, float(duration), float(settle))


def _f_i_dataset(trains, amplitudes, start, stop, settle=0.0) -> xr.Dataset:
    rate, first, last = np.full((3, len(trains)), np.nan)
    for k, train in enumerate(trains):
        train = _seconds(train, start, stop)
        rate[k] = np.sum(train >= start + settle) / (stop - start - settle)
        if len(train) > 1:
            first[k], last[k] = 1 / (train[1] - train[0]), 1 / (train[-1] - train[-2])
    hertz = {"units": "Hz"}
    return xr.Dataset(
        {
            "rate": ("current", rate, hertz | {"long_name": "spikes over the time of the step"}),
            "rate_first": ("current", first, hertz | {"long_name": "rate of the first interval"}),
            "rate_last": ("current", last, hertz | {"long_name": "rate of the last interval"}),
            "adaptation": ("current", first / last, {"units": "1", "long_name": "last over first"}),
        },
        coords={"current": ("current", np.asarray(amplitudes), {"units": "pA"})},
    )


def _deflection(time, voltage, start, stop) -> tuple[float, float, np.ndarray, np.ndarray]:
    """Return baseline and steady potential (V), and the time (s) and course in between."""
    before = (time >= start - 0.02) & (time < start - 1e-9)
    during = (time >= start - 1e-9) & (time < stop - 1e-9)
    tail = during & (time >= stop - 0.02)
    return voltage[before].mean(), voltage[tail].mean(), time[during] - start, voltage[during]


@takes(current=amp, duration=second)
def input_resistance(
    cell: CellClass,
    current: Quantity = -20 * pA,
    *,
    duration: Quantity = 500 * ms,
    **options,
) -> Quantity:
    """Return the input resistance: steady deflection by a small current step, over the current.

    Parameters
    ----------
    cell : CellClass
    current : Quantity [amp]
        Small, so that the response stays linear.
    duration : Quantity [second]
    **options
        As of `current_clamp`.

    Returns
    -------
    Quantity [ohm]
    """
    start, stop = 100 * ms, 100 * ms + duration
    clamp = current_clamp(
        cell, Quantity([current]), duration=stop + 1 * ms, start=start, stop=stop, **options
    )
    base, steady, _, _ = _deflection(
        np.asarray(clamp.time), np.asarray(clamp.voltage)[0], float(start), float(stop)
    )
    return (steady - base) / float(current) * parse_unit("ohm")


def _exponential(time: np.ndarray, course: np.ndarray) -> float:
    """Return the time constant (s) of one exponential through a course up to its extremum."""
    from scipy.optimize import curve_fit  # slow to load

    course = course - course[0]
    k = int(np.argmax(np.abs(course)))
    far = course[k]
    guess = time[np.searchsorted(np.abs(course[: k + 1]), 0.63 * abs(far))]
    (_, tau), _ = curve_fit(
        lambda t, a, tau: a * (1 - np.exp(-t / tau)),
        time[: k + 1],
        course[: k + 1] * 1e3,
        p0=(far * 1e3, guess),
    )
    return float(tau)


@takes(current=amp, duration=second)
def membrane_time_constant(
    cell: CellClass,
    current: Quantity = -20 * pA,
    *,
    duration: Quantity = 150 * ms,
    **options,
) -> Quantity:
    """Return the membrane time constant: one exponential fitted to a small hyperpolarisation.

    Parameters
    ----------
    cell : CellClass
    current : Quantity [amp]
    duration : Quantity [second]
        Of the step; the fit ends at the extremum, before a sag.
    **options
        As of `current_clamp`.

    Returns
    -------
    Quantity [second]
    """
    start, stop = 50 * ms, 50 * ms + duration
    clamp = current_clamp(
        cell, Quantity([current]), duration=stop + 1 * ms, start=start, stop=stop, **options
    )
    _, _, time, course = _deflection(
        np.asarray(clamp.time), np.asarray(clamp.voltage)[0], float(start), float(stop)
    )
    return _exponential(time, course) * second


def _sag(time, voltage, start, stop) -> float:
    """Return the largest over the steady deflection by a hyperpolarising step."""
    base, steady, _, course = _deflection(time, voltage, start, stop)
    return float((course.min() - base) / (steady - base))


@takes(current=amp, duration=second)
def sag_ratio(
    cell: CellClass,
    current: Quantity = -100 * pA,
    *,
    duration: Quantity = 800 * ms,
    **options,
) -> float:
    """Return the sag of the response to a hyperpolarising step: largest over steady deflection.

    Parameters
    ----------
    cell : CellClass
    current : Quantity [amp]
        Negative.
    duration : Quantity [second]
    **options
        As of `current_clamp`.

    Returns
    -------
    float
        1 where there is none; a sag of 20 % of the largest deflection gives 1.25.
    """
    start, stop = 100 * ms, 100 * ms + duration
    clamp = current_clamp(
        cell, Quantity([current]), duration=stop + 1 * ms, start=start, stop=stop, **options
    )
    return _sag(np.asarray(clamp.time), np.asarray(clamp.voltage)[0], float(start), float(stop))


@takes(hold=volt, currents=amp, duration=second)
def tonic_mode(
    cell: CellClass,
    hold: Quantity = -55 * mV,
    currents: Quantity = _TONIC,
    *,
    duration: Quantity = 800 * ms,
    **options,
) -> dict[str, float]:
    """Return what a cell that is held depolarised makes of current steps.

    Parameters
    ----------
    cell : CellClass
    hold : Quantity [volt]
        Where it is held.
    currents : Quantity [amp], shape (current,)
        Steps on top of the current that holds it, in rising order.
    duration : Quantity [second]
        Of the steps.
    **options
        As of `current_clamp`.

    Returns
    -------
    dict
        From the first step that makes it fire: ``linearity`` (R^2 of the rate on the current),
        ``gain`` (Hz per 100 pA) and ``sustained`` (share of steps of which the last quarter has a
        spike); NaN where fewer than three steps make it fire.
    """
    clamp = current_clamp(cell, currents, duration=duration, hold=hold, record=False, **options)
    end = float(duration)
    trains = [np.asarray(train) for train in clamp.spikes]
    rate = np.array([len(train) / end for train in trains])
    firing = np.flatnonzero(rate > 0)
    if len(firing) < 3:
        return {"linearity": np.nan, "gain": np.nan, "sustained": np.nan}
    first = firing[0]
    step = np.asarray(currents)[first:] * 1e12
    late = [np.any(train > 0.75 * end) for train in trains[first:]]
    return {
        "linearity": float(np.corrcoef(step, rate[first:])[0, 1] ** 2),
        "gain": float(np.polyfit(step, rate[first:], 1)[0] * 100),
        "sustained": float(np.mean(late)),
    }


@takes(holds=volt, currents=amp, duration=second, max_interval=second)
def low_threshold_spikes(
    cell: CellClass,
    holds: Quantity,
    currents: Quantity = _LOW,
    *,
    duration: Quantity = 200 * ms,
    max_interval: Quantity = 4 * ms,
    **options,
) -> dict[str, np.ndarray]:
    """Return what current steps evoke in a cell with I_T that is held hyperpolarised.

    Parameters
    ----------
    cell : CellClass
    holds : Quantity [volt], shape (hold,)
        Where it is held.
    currents : Quantity [amp], shape (current,)
        Steps on top of the current that holds it, in rising order and evenly spaced.
    duration : Quantity [second]
    max_interval : Quantity [second]
        Longest interval within the burst.
    **options
        As of `current_clamp`.

    Returns
    -------
    dict of str to (hold,) array
        ``jump`` (mV): without sodium current, the largest difference that one step more makes to
        the peak; large where the low-threshold spike is all or none. ``burst_spikes``: spikes of
        the first burst, median over the steps that make the cell fire; 0 where none does.
    """
    holds, currents = np.atleast_1d(np.asarray(holds)), np.asarray(currents)
    n, m = len(holds), len(currents)
    g_Na = np.repeat([0.0, 1.0], n * m) * cell.parameters["g_Na"]
    clamp = current_clamp(
        cell, np.tile(currents, 2 * n) * amp, duration=duration,
        hold=np.tile(np.repeat(holds, m), 2) * volt, g_Na=g_Na, **options,
    )  # fmt: skip
    peak = np.asarray(clamp.voltage)[: n * m].max(axis=1).reshape(n, m) * 1e3
    spikes = np.array([
        _rebound(train, 0.0, float(duration), float(max_interval))["burst_spikes"]
        for train in clamp.spikes[n * m :]
    ]).reshape(n, m)  # fmt: skip
    median = [np.median(row[row > 0]) if np.any(row) else 0.0 for row in spikes]
    return {"jump": np.diff(peak, axis=1).max(axis=1), "burst_spikes": np.array(median)}


@takes(resolution=amp, largest=amp, duration=second)
def rheobase(
    cell: CellClass,
    *,
    resolution: Quantity = 5 * pA,
    largest: Quantity = 800 * pA,
    duration: Quantity = 500 * ms,
    **options,
) -> Quantity:
    """Return the smallest current step that evokes a spike.

    Parameters
    ----------
    cell : CellClass
    resolution, largest : Quantity [amp]
        Steps of ``resolution`` up to ``largest`` are tried, side by side.
    duration : Quantity [second]
    **options
        As of `current_clamp`.

    Returns
    -------
    Quantity [amp]

    Raises
    ------
    InputError
        If the cell stays silent at ``largest``.
    """
    currents = np.arange(1, round(float(largest / resolution)) + 1) * resolution
    clamp = current_clamp(cell, currents, duration=duration, record=False, **options)
    firing = [k for k, train in enumerate(clamp.spikes) if len(train)]
    if not firing:
        raise InputError(f"{cell.name}: no spike up to {largest}")
    return currents[firing[0]]


@takes(current=amp, hold=second, window=second, max_interval=second)
def rebound(
    cell: CellClass,
    current: Quantity = -150 * pA,
    *,
    hold: Quantity = 500 * ms,
    window: Quantity = 300 * ms,
    max_interval: Quantity = 10 * ms,
    **options,
) -> dict[str, Quantity | int]:
    """Return the spikes after the release from a hyperpolarising step.

    Parameters
    ----------
    cell : CellClass
    current : Quantity [amp]
        Hyperpolarising step.
    hold : Quantity [second]
        Its duration.
    window : Quantity [second]
        Time after its end that is looked at.
    max_interval : Quantity [second]
        Longest interval within the burst.
    **options
        As of `current_clamp`.

    Returns
    -------
    dict
        ``spikes`` (all of the window), ``latency`` (s, of the first), ``burst_spikes`` (first spike
        and those that follow within ``max_interval``), ``largest_interval`` (s) and ``frequency``
        (Hz, mean 1/interval) of this burst; the last two NaN below two spikes.
    """
    stop = 50 * ms + hold
    clamp = current_clamp(
        cell, Quantity([current]), duration=stop + window, start=50 * ms, stop=stop, record=False,
        **options,
    )  # fmt: skip
    return _rebound(clamp.spikes[0], float(stop), float(window), float(max_interval))


def _rebound(train, release, window, max_interval) -> dict[str, Quantity | int]:
    train = _seconds(train, release, release + window)
    long = np.flatnonzero(np.diff(train) > max_interval)
    burst = train[: long[0] + 1] if len(long) else train
    intervals = np.diff(burst)
    some = len(intervals) > 0
    return {
        "spikes": len(train),
        "latency": (train[0] - release if len(train) else np.nan) * second,
        "burst_spikes": len(burst),
        "largest_interval": (intervals.max() if some else np.nan) * second,
        "frequency": (np.mean(1 / intervals) if some else np.nan) / second,
    }


@takes(spike_times=second, start=second, stop=second, max_interval=second)
def burst_statistics(
    spike_times: Quantity,
    *,
    start: Quantity | None = None,
    stop: Quantity | None = None,
    max_interval: Quantity = 10 * ms,
    min_spikes: int = 2,
) -> dict[str, Quantity | float]:
    """Return the statistics of bursts: runs of short intervals.

    Parameters
    ----------
    spike_times : Quantity [second], shape (spike,)
    start, stop : Quantity [second], optional
        Window; defaults to all spikes.
    max_interval : Quantity [second]
        Longest interval within a burst.
    min_spikes : int
        Fewest spikes of a burst.

    Returns
    -------
    dict
        ``rate`` (Hz, one over the mean interval of burst onsets; NaN below two bursts),
        ``number``, ``spikes_per_burst``, ``frequency`` (Hz, mean 1/interval within bursts), ``gap``
        (s, shortest silence between bursts) and ``outside`` (share of spikes in no burst).
    """
    times = _seconds(spike_times, start, stop)
    bursts = [
        run for run in np.split(times, np.flatnonzero(np.diff(times) > float(max_interval)) + 1)
        if len(run) >= min_spikes
    ]  # fmt: skip
    onsets = np.array([run[0] for run in bursts])
    inside = np.concatenate([np.diff(run) for run in bursts]) if bursts else np.array([])
    gaps = [after[0] - run[-1] for run, after in pairwise(bursts)]
    in_bursts = sum(len(run) for run in bursts)
    nan = np.nan
    return {
        "rate": (1 / np.mean(np.diff(onsets)) if len(onsets) > 1 else nan) / second,
        "number": len(bursts),
        "spikes_per_burst": float(np.mean([len(run) for run in bursts])) if bursts else nan,
        "frequency": (float(np.mean(1 / inside)) if len(inside) else nan) / second,
        "gap": (min(gaps) if gaps else nan) * second,
        "outside": 1 - in_bursts / len(times) if len(times) else nan,
    }


@takes(time=second, voltage=volt, start=second, stop=second)
def features(
    time: Quantity,
    voltage: Quantity,
    names: Iterable[str],
    *,
    start: Quantity,
    stop: Quantity,
) -> dict[str, np.ndarray | None]:
    """Return eFEL features of one recorded potential.

    Parameters
    ----------
    time : Quantity [second], shape (sample,)
    voltage : Quantity [volt], shape (sample,)
    names : iterable of str
        eFEL feature names, for example ``"AP_begin_voltage"`` (mV) or
        ``"AP_duration_half_width"`` (ms).
    start, stop : Quantity [second]
        The current step.

    Returns
    -------
    dict of str to array or None
        In the units of eFEL (ms, mV); None where a feature could not be found.

    Raises
    ------
    InputError
        If eFEL is not installed.
    """
    try:
        import efel
    except ImportError:
        raise InputError("spike features need eFEL: pip install 'pulvinar[validation]'") from None
    efel.reset()
    efel.set_setting("Threshold", -15.0)
    efel.set_setting("interp_step", 0.02)
    trace = {
        "T": np.asarray(time) * 1e3,
        "V": np.asarray(voltage) * 1e3,
        "stim_start": [float(start) * 1e3],
        "stim_end": [float(stop) * 1e3],
    }
    return efel.get_feature_values([trace], list(names), raise_warnings=False)[0]


@dataclass(frozen=True)
class Target:
    """One published value of a cell class.

    Attributes
    ----------
    quantity : str
        What was measured, as `card` names it.
    value, low, high : float
        In ``unit``: the published value and the range in which a cell counts as of this class (mean
        and two standard deviations where the source gives them).
    unit : str
    preparation : str
        Species and method.
    source : str
    mark : {"V", "M", "R", "D", "F"}
        Provenance, see `cells.parameters.MARKS`.
    mismatch : str
        Why the model misses it; empty if it does not.
    """

    quantity: str
    value: float
    low: float
    high: float
    unit: str
    preparation: str
    source: str
    mark: str
    mismatch: str = ""


@cache
def _published() -> dict[str, tuple[dict, ...]]:
    known = {f.name for f in fields(Target)}
    needed = known - {"mismatch"}
    table = {}
    for name, rows in tomllib.loads(PUBLISHED.read_text(encoding="utf-8")).items():
        if name not in CELL_CLASSES:
            raise InputError(f"{PUBLISHED.name}: unknown cell class '{name}'"
                             f"{nearest(name, CELL_CLASSES)}")  # fmt: skip
        for row in rows:
            where = f"{PUBLISHED.name}: [{name}] {row.get('quantity', '?')}"
            for key in row:
                if key not in known:
                    raise InputError(f"{where}: unknown field '{key}'{nearest(key, known)}")
            for key in sorted(needed - set(row)):
                raise InputError(f"{where}: no field '{key}'")
            if row["mark"] not in MARKS:
                raise InputError(f"{where}: unknown mark '{row['mark']}'")
            parse_unit(row["unit"])
        table[name] = tuple(rows)
    return table


def targets(name: str) -> tuple[Target, ...]:
    """Return the published values of the cell class ``name``; InputError names the nearest.

    A variant has those of the class that it is a variant of.
    """
    kind = CELL_CLASSES[name].kind if name in CELL_CLASSES else name
    if kind not in _published():
        raise InputError(f"no published values of '{name}'{nearest(name, _published())}")
    return tuple(Target(**row) for row in _published()[kind])


_START, _STEP, _TAIL = 0.1, 0.8, 0.2  # s
# hyperpolarising step (pA) and longest interval of a rebound burst (ms), by kind
_REBOUND = {"TRC": (-150.0, 4.0)}
_REBOUND_ELSE = (-100.0, 10.0)
_SAG = np.array([-50.0, -100.0, -150.0, -200.0, -300.0, -400.0, -500.0])  # pA
_SAG_AT = -0.09  # V
_HELD = np.array([-75.0, -70.0, -60.0])  # mV


def measure(cell: CellClass, **options) -> dict[str, float]:
    """Return what one clamp of a cell shows, for every quantity that `card` can compare.

    Parameters
    ----------
    cell : CellClass
    **options
        As of `current_clamp`: parameters of the cell, ``method``, ``dt``.

    Returns
    -------
    dict of str to float
        ``resting_potential`` (mV), ``input_resistance`` (Mohm), ``membrane_time_constant`` (ms),
        ``sag_ratio`` (of the step whose steady potential is nearest to -90 mV), ``rheobase`` (pA),
        ``spike_threshold`` (mV), ``spike_half_width`` (ms), ``spike_height`` (mV, peak above rest),
        ``rate_at_<n>_pA`` (Hz), ``gain`` (Hz per 100 pA, over the 200 pA above the rheobase),
        ``adaptation`` (last interval over first, at twice the rheobase),
        ``adaptation_in_ten_spikes`` (ninth interval over first, at the first step with ten spikes),
        ``largest_steady_rate`` (Hz, of last intervals, up to 800 pA), ``rebound_spikes``,
        ``rebound_burst_spikes``, ``rebound_frequency`` (Hz), ``rebound_largest_interval`` (ms); for
        cells that burst under a steady current ``burst_rate_at_<n>_pA`` (Hz), and at the lowest
        rate above 4 Hz ``spikes_per_burst``, ``burst_frequency`` (Hz), ``spikes_outside_bursts``
        (1) and ``silence_between_bursts`` (ms); for relay cells ``tonic_linearity``,
        ``tonic_gain`` (Hz per 100 pA) and ``tonic_sustained`` of `tonic_mode`,
        ``jump_from_-<v>_mV`` (mV) and ``burst_spikes_from_-<v>_mV`` of `low_threshold_spikes`, and
        ``least_slope`` (nS) of the steady I-V curve below -54 mV.
    """
    steps = np.concatenate([np.arange(10.0, 200.0, 10.0), np.arange(200.0, 801.0, 20.0)])
    down, max_interval = _REBOUND.get(cell.kind, _REBOUND_ELSE)
    bursting = cell.model.name == "intrinsic_burster"
    if bursting:
        steps = np.concatenate([[100.0, 200.0], np.arange(300.0, 801.0, 20.0)])
    step = 2.0 if bursting else _STEP
    stop = _START + step
    clamp = current_clamp(
        cell,
        np.concatenate([[0.0, -20.0, down], _SAG, steps]) * pA,
        duration=(stop + _TAIL) * second,
        start=_START * second,
        stop=stop * second,
        **options,
    )
    time, voltage = np.asarray(clamp.time), np.asarray(clamp.voltage)
    found = {"resting_potential": voltage[0, time < _START].mean() * 1e3}
    base, steady, since, course = _deflection(time, voltage[1], _START, stop)
    found["input_resistance"] = (steady - base) / -20e-12 / 1e6
    early = since < 0.15
    found["membrane_time_constant"] = _exponential(since[early], course[early]) * 1e3
    again = _rebound(clamp.spikes[2], stop, _TAIL, max_interval * 1e-3)
    found["rebound_spikes"] = again["spikes"]
    found["rebound_burst_spikes"] = again["burst_spikes"]
    found["rebound_frequency"] = float(again["frequency"])
    found["rebound_largest_interval"] = float(again["largest_interval"]) * 1e3
    zero = 3 + len(_SAG)  # where the depolarising steps begin
    held = [_deflection(time, v, _START, stop)[1] for v in voltage[3:zero]]
    nearest_to = 3 + int(np.argmin(np.abs(np.array(held) - _SAG_AT)))
    found["sag_ratio"] = _sag(time, voltage[nearest_to], _START, stop)
    if cell.kind == "TRC":
        found |= _relay_card(cell, **options)
    f_i = _f_i_dataset([_seconds(s) for s in clamp.spikes[zero:]], steps, _START, stop)
    rate = f_i["rate"].values
    firing = np.flatnonzero(rate > 0)
    for amplitude, hertz in zip(steps, rate, strict=True):
        found[f"rate_at_{amplitude:.0f}_pA"] = hertz
    if not len(firing):
        return found
    first = firing[0]
    found["rheobase"] = steps[first]
    double = min(int(np.searchsorted(steps, 2 * steps[first])), len(steps) - 1)
    found["adaptation"] = float(f_i["adaptation"][double])
    above = (steps >= steps[first]) & (steps <= steps[first] + 200)
    found["gain"] = float(np.polyfit(steps[above], rate[above], 1)[0] * 100)
    found["largest_steady_rate"] = float(np.nanmax(f_i["rate_last"], initial=0.0))
    found["adaptation_in_ten_spikes"] = _adaptation(clamp.spikes[zero:])
    shape = features(
        clamp.time,
        clamp.voltage[zero + first],
        ["AP_begin_voltage", "AP_duration_half_width", "peak_voltage"],
        start=_START * second,
        stop=stop * second,
    )
    for name, feature, level in (
        ("spike_threshold", "AP_begin_voltage", 0.0),
        ("spike_half_width", "AP_duration_half_width", 0.0),
        ("spike_height", "peak_voltage", found["resting_potential"]),
    ):
        values = shape[feature]
        found[name] = np.nan if values is None or not len(values) else float(values[0]) - level
    if bursting:
        found |= _burst_card(clamp.spikes[zero:], steps, stop)
    return found


def _adaptation(trains, spikes: int = 10) -> float:
    """Return the last over the first interval of so many spikes, in the first train that has them.

    NaN if none does.
    """
    for train in trains:
        if len(train) >= spikes:
            intervals = np.diff(np.asarray(train)[:spikes])
            return float(intervals[-1] / intervals[0])
    return np.nan


def _relay_card(cell: CellClass, **options) -> dict[str, float]:
    found = {f"tonic_{key}": value for key, value in tonic_mode(cell, **options).items()}
    held = low_threshold_spikes(cell, _HELD * mV, **options)
    for key, values in held.items():
        found |= {f"{key}_from_{v:.0f}_mV": float(x) for v, x in zip(_HELD, values, strict=True)}
    v = np.linspace(-0.085, -0.054, 63)
    found["least_slope"] = float(
        -np.diff(steady_state(cell, v)["current"]).max() / np.diff(v)[0] * 1e9
    )
    return found


def _burst_card(trains, steps, stop) -> dict[str, float]:
    window = {"start": (stop - 1.6) * second, "stop": stop * second}
    found, representative = {}, None
    for amplitude, train in zip(steps, trains, strict=True):
        bursts = burst_statistics(train, **window)
        found[f"burst_rate_at_{amplitude:.0f}_pA"] = float(bursts["rate"])
        if representative is None and float(bursts["rate"]) >= 4:
            representative = bursts
    if representative is not None:
        found["spikes_per_burst"] = representative["spikes_per_burst"]
        found["burst_frequency"] = float(representative["frequency"])
        found["spikes_outside_bursts"] = representative["outside"]
        found["silence_between_bursts"] = float(representative["gap"]) * 1e3
    return found


def card(cell: CellClass, **options) -> xr.Dataset:
    """Return what the model of a cell class does beside what was published.

    Parameters
    ----------
    cell : CellClass
    **options
        As of `current_clamp`.

    Returns
    -------
    xarray.Dataset
        On dim ``row``, one per published value: ``quantity``, ``measured``, ``value``, ``low``,
        ``high`` (in ``unit``), ``in_range``, ``unit``, ``preparation``, ``source``, ``mark`` and
        ``mismatch``.

    Raises
    ------
    InputError
        If a published quantity is none that `measure` knows.
    """
    found = measure(cell, **options)
    rows = targets(cell.name)
    for row in rows:
        if row.quantity not in found:
            raise InputError(
                f"{PUBLISHED.name}: [{cell.name}] no measurement '{row.quantity}'"
                f"{nearest(row.quantity, found)}"
            )
    measured = np.array([found[row.quantity] for row in rows], dtype=float)
    columns = {f.name: [getattr(row, f.name) for row in rows] for f in fields(Target)}
    low, high = np.array(columns["low"]), np.array(columns["high"])
    return xr.Dataset(
        {
            **{name: ("row", np.array(column)) for name, column in columns.items()},
            "measured": ("row", measured),
            "in_range": ("row", (measured >= low) & (measured <= high)),
        },
        attrs={"cell_class": cell.name, "meaning": cell.meaning},
    )


def print_cards(names: Iterable[str] = CELL_CLASSES) -> None:
    """Print the cards of the named cell classes as a Markdown table."""
    from cells.models import cell_class

    print("| class | quantity | measured | published | range | unit | mark | in range |")
    print("|---|---|---|---|---|---|---|---|")
    for name in names:
        table = card(cell_class(name))
        for k in range(table.sizes["row"]):
            row = {key: table[key].values[k] for key in table}
            verdict = "yes" if row["in_range"] else f"no: {row['mismatch'] or 'MISSED'}"
            print(
                f"| {name} | {row['quantity']} ({row['preparation']}) | {row['measured']:.4g} | "
                f"{row['value']:g} | {row['low']:g} to {row['high']:g} | {row['unit']} | "
                f"{row['mark']} | {verdict} |"
            )
