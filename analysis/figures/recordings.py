"""Figures of what a run recorded over time."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from analysis.data.recordings import recorded, recording
from analysis.data.schema import AnalysisError
from analysis.figures.circuit import (
    axis,
    first_cycles,
    named,
    plot_spectrum,
    population_colours,
    shade_plus,
)
from analysis.figures.diagram import GREY
from analysis.measures.recordings import lfp, lfp_records
from analysis.measures.spectra import spectrum

__all__ = ["plot_potentials", "plot_recorded", "recordings_figure"]

_APART = 110.0  # mV
_MOST = 12  # panels


def plot_potentials(ds: xr.Dataset, values: xr.DataArray, n_cycle: int = 4, ax=None):
    """Draw recorded membrane potentials one below the other, plus phases shaded.

    Parameters
    ----------
    ds : Dataset
        One run.
    values : DataArray (time, cell), mV
        As `analysis.data.recordings.recording` gives it.
    n_cycle : int
    ax : Axes, optional

    Returns
    -------
    Axes
        Potentials are 110 mV apart; a bar shows 50 mV.
    """
    n = values.sizes["cell"]
    ax = axis(ax, (10, 0.9 * n + 0.8))
    colours = population_colours(ds)
    shown = _shown(ds, values, n_cycle)
    time = shown["time"].values
    shade_plus(ax, ds, time[0], time[-1])
    names = [f"{p} {k}" for p, k in zip(*_labels(shown, "population"), strict=True)]
    for row in range(n):
        colour = colours.get(str(shown["population"].values[row]), GREY)
        ax.plot(time, shown.values[:, row] - _APART * row, color=colour, linewidth=0.9)
    ax.set_yticks([-70 - _APART * row for row in range(n)], names)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    x = time[-1] + 0.008 * (time[-1] - time[0])
    ax.plot([x, x], [-60, -10], color="black", linewidth=1.5, clip_on=False)
    ax.text(x, -35, f"  50 {values.attrs['units']}", fontsize=8, va="center", clip_on=False)
    ax.set_xlim(time[0], time[-1])
    ax.set_title(_said(values), fontsize=9, loc="left")
    return ax


def plot_recorded(ds: xr.Dataset, values: xr.DataArray, n_cycle: int = 4, ax=None):
    """Draw anything that was recorded: a line for each cell or synapse.

    Parameters
    ----------
    ds : Dataset
        One run.
    values : DataArray (time, ...)
        As `analysis.data.recordings.recording` gives it.
    n_cycle : int
        Of what is recorded of synapses, all of the time is shown.
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    ax = axis(ax, (10, 1.6))
    shown = values if "synapse" in values.dims else _shown(ds, values, n_cycle)
    time = shown["time"].values
    shade_plus(ax, ds, time[0], time[-1])
    colours = population_colours(ds)
    for row in range(shown.shape[1]):
        named_ = str(shown["population"].values[row]) if "population" in shown.coords else ""
        ax.plot(time, shown.values[:, row], color=colours.get(named_, GREY), lw=0.8, alpha=0.8)
    ax.set_xlim(time[0], time[-1])
    ax.set_ylabel(named("", values.attrs["units"]).strip(" ()"))
    ax.set_title(_said(values), fontsize=9, loc="left")
    return ax


def _shown(ds, values, n_cycle):
    """Return what was recorded in the first cycles, or all if that was at another time."""
    start, stop = first_cycles(ds, n_cycle)
    inside = (values["time"].values >= start) & (values["time"].values <= stop)
    return values.isel(time=np.flatnonzero(inside)) if inside.sum() > 1 else values


def _said(values) -> str:
    return f"{values.attrs['what']} of {values.attrs['target']}"


def _labels(values, label):
    return values[label].values.astype(str), values["index"].values.astype(str)


def recordings_figure(ds: xr.Dataset) -> Figure:
    """Return a figure of all that a run recorded, at most twelve panels.

    Parameters
    ----------
    ds : Dataset
        One run.

    Returns
    -------
    Figure

    Raises
    ------
    AnalysisError
        If nothing was recorded.
    """
    fields = lfp_records(ds)
    single = [
        recording(ds, what=ds[name].attrs["what"], record=record)
        for record, mine in recorded(ds).items()
        if record not in fields
        for name in mine
    ]
    single = [values for values in single if np.isfinite(values.values).any()]
    more, single = single[_MOST:], single[:_MOST]
    if not single and not fields:
        raise AnalysisError("nothing was recorded; tables [[record]] of a run file ask for it")
    potentials = [v.attrs["what"].split(".")[0] == "V" for v in single]
    heights = [
        0.5 + 0.75 * v.sizes["cell"] if is_v else 1.5
        for v, is_v in zip(single, potentials, strict=True)
    ]
    heights += [1.9] * len(fields)
    figure = Figure(figsize=(10.5, sum(heights) + 0.5))
    rows = figure.add_gridspec(len(heights), 1, height_ratios=heights)
    for k, (values, is_v) in enumerate(zip(single, potentials, strict=True)):
        (plot_potentials if is_v else plot_recorded)(ds, values, ax=figure.add_subplot(rows[k]))
    for k, record in enumerate(fields):
        pair = rows[len(single) + k].subgridspec(1, 2, width_ratios=(2, 1))
        _field(ds, lfp(ds, record=record), *(figure.add_subplot(pair[at]) for at in (0, 1)))
    figure.axes[-1 if not fields else -2].set_xlabel("time (s)")
    if more:
        figure.suptitle(f"not drawn: {', '.join(map(_said, more))}", fontsize=8)
    return figure


def _field(ds, values, left, right) -> None:
    shown = _shown(ds, values, 4)
    time = shown["time"].values
    shade_plus(left, ds, time[0], time[-1])
    left.plot(time, shown.values, color="black", linewidth=0.9)
    left.set_xlim(time[0], time[-1])
    left.set_ylabel(values.attrs["units"])
    left.set_title(values.attrs["long_name"], fontsize=9, loc="left")
    plot_spectrum({values.attrs["long_name"]: spectrum(values)}, ax=right)
    right.legend().remove()
