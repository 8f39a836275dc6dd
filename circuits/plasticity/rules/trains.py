"""Spike trains of many trials at once: what a plasticity rule is given in vitro."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from brian2.units import Quantity, ms
from brian2.units.fundamentalunits import have_same_dimensions

from cells.checked import milliseconds
from cells.parameters import InputError

__all__ = ["GATE", "POST", "PRE", "SpikeTrains", "spike_trains", "window_trains"]

PRE, POST, GATE = range(3)


@dataclass(frozen=True, eq=False)
class SpikeTrains:
    """Pre- and postsynaptic spikes of many trials; made by `spike_trains`, not by hand.

    Attributes
    ----------
    pre, post : (trial, spike) array, ms
        Sorted along each row and padded with infinity.
    gate : (trial, gate) array, ms
        When a gated rule reads its state out; padded with infinity.
    plateau : (trial, plateau, 2) array, ms
        Start and end of dendritic plateau potentials.
    duration : float, ms
        Length of one sweep; every spike lies within it.
    sweeps : int
        How often the sweep is repeated. The sweeps are taken as independent.
    period : float, ms
        From one sweep to the next, at least ``duration``.
    """

    pre: np.ndarray
    post: np.ndarray
    gate: np.ndarray
    plateau: np.ndarray
    duration: float
    sweeps: int = 1
    period: float = 0.0

    @property
    def n_trial(self) -> int:
        """Number of trials."""
        return self.pre.shape[0]

    def merged(self) -> tuple[np.ndarray, np.ndarray]:
        """Return all events in the order of time.

        Returns
        -------
        time : (trial, event) array, ms
            Padded with infinity.
        kind : (trial, event) int8 array
            `PRE`, `POST` or `GATE`; at one time they act in this order.
        """
        parts = [(self.pre, PRE), (self.post, POST), (self.gate, GATE)]
        time = np.concatenate([p for p, _ in parts], axis=1)
        kind = np.concatenate([np.full(p.shape, k, np.int8) for p, k in parts], axis=1)
        order = np.argsort(time, axis=1, kind="stable")
        time = np.take_along_axis(time, order, 1)
        kind = np.take_along_axis(kind, order, 1)
        n = int(np.isfinite(time).sum(1).max(initial=0))
        return time[:, :n], kind[:, :n]

    def on_grid(self, dt: float) -> SpikeTrains:
        """Return the trains with every time rounded to a multiple of ``dt`` (ms)."""
        return replace(
            self,
            pre=np.round(self.pre / dt) * dt,
            post=np.round(self.post / dt) * dt,
            gate=np.round(self.gate / dt) * dt,
        )


def _ms(times, what: str) -> np.ndarray:
    if not (isinstance(times, Quantity) and have_same_dimensions(times, ms)):
        raise InputError(f"{what}: spike times need a unit of time, e.g. times*ms")
    values = np.atleast_1d(np.asarray(times / ms, dtype=float))
    values = np.atleast_2d(values)
    if np.isnan(values).any() or (values < 0).any():
        raise InputError(f"{what}: times must be numbers >= 0")
    return np.sort(values, axis=1)


def spike_trains(pre, post, *, duration, gate=None, plateau=None, sweeps=1, period=None):
    """Make `SpikeTrains` from times with units.

    Parameters
    ----------
    pre, post : Quantity, (spike,) or (trial, spike) array [time]
        Infinity pads rows of unequal length.
    duration : Quantity [time]
        Length of one sweep.
    gate : Quantity, (gate,) or (trial, gate) array [time], optional
    plateau : Quantity, (plateau, 2) or (trial, plateau, 2) array [time], optional
    sweeps : int
        Repetitions of the sweep.
    period : Quantity [time], optional
        From one sweep to the next; ``duration`` by default.

    Returns
    -------
    SpikeTrains

    Raises
    ------
    InputError
        For times without unit, NaN, negative, or beyond ``duration``.
    """
    pre, post = _ms(pre, "pre"), _ms(post, "post")
    n = max(pre.shape[0], post.shape[0])
    gate = np.empty((1, 0)) if gate is None else _ms(gate, "gate")
    n = max(n, gate.shape[0])
    if plateau is None:
        plateau = np.empty((n, 0, 2))
    else:
        plateau = np.asarray(plateau / ms, dtype=float)
        plateau = plateau[None] if plateau.ndim == 2 else plateau
        n = max(n, plateau.shape[0])
    duration = milliseconds(duration, "duration")
    period = duration if period is None else milliseconds(period, "period")
    for what, times in (("pre", pre), ("post", post), ("gate", gate)):
        if (times[np.isfinite(times)] > duration).any():
            raise InputError(f"{what}: a time lies beyond the duration of {duration:g} ms")
    if period < duration:
        raise InputError(f"period: {period:g} ms is shorter than the sweep of {duration:g} ms")

    def rows(a):
        return np.broadcast_to(a, (n, *a.shape[1:])).copy()

    return SpikeTrains(
        rows(pre), rows(post), rows(gate), rows(plateau), duration, int(sweeps), period
    )


def _regular(rate, edges, phase):
    """Spikes of one cell at ``phase`` (trial,) of its period, in each half of a window."""
    out = []
    for f, start, end in zip(rate, edges[:-1], edges[1:], strict=True):
        step = 1000.0 / f
        k = np.arange(int(np.ceil((end - start) / step - 1e-9)) + 1)
        t = start + (phase[:, None] + k) * step
        out.append(np.where(t < end - 1e-9, t, np.inf))
    return np.concatenate(out, axis=1)


def _poisson(rate, edges, n, rng):
    out = []
    for f, start, end in zip(rate, edges[:-1], edges[1:], strict=True):
        count = rng.poisson(f * (end - start) / 1000.0, n)
        t = rng.uniform(start, end, (n, max(int(count.max(initial=0)), 1)))
        t[np.arange(t.shape[1])[None, :] >= count[:, None]] = np.inf
        out.append(t)
    return np.concatenate(out, axis=1)


def window_trains(
    pre_rate,
    post_rate,
    *,
    kind="regular",
    phases=(100.0, 100.0),
    gap=400.0,
    repeats=10,
    lead=0.0,
    n_phase=8,
    n_trial=100,
    jitter=5.0,
    seed=1,
) -> SpikeTrains:
    """Trains of the theta-window experiment: halves of given rates, repeated with a silent gap.

    Parameters
    ----------
    pre_rate, post_rate : sequence of float, Hz
        One rate for each part of the window.
    kind : {"regular", "jittered", "poisson"}
        Regular trains run over an ``n_phase`` x ``n_phase`` grid of start phases of the two cells;
        the jittered ones displace each spike of them by a normal deviate; Poisson trains are
        ``n_trial`` independent draws.
    phases : sequence of float, ms
        Durations of the parts of the window.
    gap : float, ms
        Silence after each window.
    repeats : int
        Number of windows.
    lead : float, ms
        The gate opens this long before the end of each window.
    n_phase, n_trial, jitter, seed
        See ``kind``; ``jitter`` in ms.

    Returns
    -------
    SpikeTrains
    """
    rng = np.random.default_rng(seed)
    edges = np.concatenate([[0.0], np.cumsum(phases)])
    period = edges[-1] + gap
    if kind == "poisson":
        draws = [
            (_poisson(pre_rate, edges, n_trial, rng), _poisson(post_rate, edges, n_trial, rng))
            for _ in range(repeats)
        ]
    elif kind in ("regular", "jittered"):
        grid = (np.arange(n_phase) + 0.5) / n_phase
        # Half a step between the two grids, or lag zero would count double.
        shifted = np.arange(n_phase) / n_phase
        a, b = (g.ravel() for g in np.meshgrid(grid, shifted, indexing="ij"))
        one = _regular(pre_rate, edges, a), _regular(post_rate, edges, b)
        if kind == "regular":
            draws = [one] * repeats
        else:
            draws = [
                tuple(np.abs(t + rng.normal(0.0, jitter, t.shape)) for t in one)
                for _ in range(repeats)
            ]
    else:
        raise InputError(f"train '{kind}' is none of regular, jittered, poisson")
    pre, post = (
        np.sort(np.concatenate([d[i] + k * period for k, d in enumerate(draws)], axis=1), axis=1)
        for i in (0, 1)
    )
    n = pre.shape[0]
    gate = np.tile(edges[-1] - lead + np.arange(repeats) * period, (n, 1))
    return SpikeTrains(
        pre, post, gate, np.empty((n, 0, 2)), float(repeats * period), 1, float(repeats * period)
    )
