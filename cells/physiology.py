"""Current clamp: the protocols of the slice laboratory, on any cell class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
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
    second,
)
from scipy.optimize import brentq

from cells.integration import METHODS
from cells.models import CellClass, steady_state
from cells.parameters import InputError, nearest

__all__ = ["Clamp", "current_clamp", "resting_potential"]


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


def current_clamp(
    cell: CellClass,
    currents,
    *,
    duration: Quantity,
    start: Quantity = 0 * ms,
    stop: Quantity | None = None,
    compartment: str = "soma",
    dt: Quantity | None = None,
    method: str = "staggered",
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
    dt : Quantity [second], optional
        Defaults to the step of the method.
    method : {"staggered", "rk4", "exponential_euler"}
    record : bool
        Whether to keep the potential.
    target : str
        Brian2 code generation target.
    **parameters : array-like or Quantity
        Other values for parameters of the model, scalar or one per copy (SI or Quantity).

    Returns
    -------
    Clamp
    """
    if method not in METHODS:
        raise InputError(f"unknown method '{method}'{nearest(method, METHODS)}")
    parts = {part.name: part for part in cell.model.compartments}
    if compartment not in parts:
        raise InputError(
            f"{cell.name}: no compartment '{compartment}'{nearest(compartment, parts)}"
        )
    dt = METHODS[method].dt_ms * ms if dt is None else dt
    stop = duration if stop is None else stop
    currents = Quantity(currents, dim=amp.dim)
    if currents.ndim == 1:
        bins = round(float(duration / dt)) + 1
        now = np.arange(bins) * float(dt)
        on = (now >= float(start) - 1e-12) & (now < float(stop) - 1e-12)
        currents = Quantity(on[:, None] * np.asarray(currents)[None, :], dim=amp.dim)
    n = currents.shape[1]
    injected = [f"{parts[compartment].injected} = I_clamp(t, i) : amp"]
    injected += [f"{p.injected} = 0*amp : amp" for p in parts.values() if p.name != compartment]
    equations = Equations("\n".join([cell.model.equations(), *injected]))
    group = NeuronGroup(
        n,
        equations,
        threshold=cell.model.threshold,
        reset="",
        method=METHODS[method].updater,
        dt=dt,
        namespace={"I_clamp": TimedArray(currents, dt=dt)},
    )
    for name, quantity in cell.parameters.with_values().items():
        setattr(group, name, quantity)
    for name, value in parameters.items():
        cell.parameters.parameter(name)
        setattr(group, name, Quantity(value, dim=cell.parameters[name].dim))
    rest = resting_potential(cell)
    for name, value in steady_state(cell, float(rest)).items():
        if name != "current":
            setattr(group, name, Quantity(float(value), dim=equations[name].dim))
    for part in parts.values():
        setattr(group, part.v, rest)
        setattr(group, f"{part.v}_last", rest)
    spikes = SpikeMonitor(group)
    network = Network(group, spikes)
    if record:
        trace = StateMonitor(group, parts["soma"].v, record=True, dt=dt)
        network.add(trace)
    from brian2 import prefs

    previous, prefs.codegen.target = prefs.codegen.target, target
    try:
        network.run(duration, namespace={})
    finally:
        prefs.codegen.target = previous
    trains = spikes.spike_trains()
    return Clamp(
        trace.t[:] if record else np.arange(0) * second,
        getattr(trace, parts["soma"].v)[:] if record else np.zeros((n, 0)) * mV,
        tuple(trains[k] for k in range(n)),
    )
