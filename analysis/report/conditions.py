"""The conditions of a run side by side."""

from __future__ import annotations

from collections.abc import Mapping

import xarray as xr
from matplotlib.figure import Figure

from analysis.data import schema
from analysis.figures import circuit
from analysis.measures import theta
from analysis.report.circuit import Section, phase_rate_table

__all__ = ["MOST", "side_by_side"]

MOST = 4  # conditions that have room beside each other


def side_by_side(runs: Mapping[str, xr.Dataset]) -> list[Section]:
    """Return spikes and rates of conditions beside each other.

    Parameters
    ----------
    runs : mapping of str to Dataset
        One run of each condition, all of one seed.
    """
    names = ", ".join(f"'{name}'" for name in runs)
    with circuit.style():
        return [
            Section(
                "Spikes by condition",
                f"The first cycles of {names}, plus phases shaded, cells ordered by position; at "
                "most 48 of each population. Below: mean rates in 5 ms bins.",
                _rasters(runs),
            ),
            Section(
                "Rates by population, phase and condition",
                "Mean over cells and cycles; whiskers: standard deviation over cells.",
                _rates(runs),
                phase_rate_table(runs),
            ),
        ]


def _rasters(runs):
    n = 6 if len(runs) == 1 else 4 if len(runs) == 2 else 3
    figure = Figure(figsize=(11, 9))
    axes = figure.subplots(2, len(runs), height_ratios=(4.5, 1), sharex="col", sharey="row")
    for column, (name, ds) in enumerate(runs.items()):
        upper, lower = axes[:, column]
        circuit.plot_raster(ds, n_cycle=n, ax=upper)
        upper.set(xlabel="", title=name)
        circuit.plot_population_rates(ds, n_cycle=n, ax=lower)
        if column:
            lower.set_ylabel("")
            lower.get_legend().remove()
    for lower in axes[1]:
        lower.set_ylim(0, max(line.get_ydata().max() for ax in axes[1] for line in ax.lines) * 1.05)
    return figure


def _rates(runs):
    figure = Figure(figsize=(11, 2.2 * len(runs) + 0.8))
    axes = figure.subplots(len(runs), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
    for (name, ds), ax in zip(runs.items(), axes, strict=True):
        circuit.plot_phase_rates(theta.phase_rates(ds), circuit.population_colours(ds), ax)
        ax.set_title(name)
        if ax is not axes[0]:
            ax.get_legend().remove()
    return figure


def first_of_each(ds: xr.Dataset) -> tuple[dict[str, xr.Dataset], list[str]]:
    """Return one run of each condition that has room, of the first seed; and the other names."""
    runs = schema.runs(ds)
    names = list(dict.fromkeys(condition or "" for condition, _ in runs))
    seed = runs[0][1]
    return {c: schema.select(ds, seed, c or None) for c in names[:MOST]}, names[MOST:]
