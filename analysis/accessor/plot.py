"""Figures of a result: ``ds.pulvinar.plot``; each method returns a matplotlib Figure."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from analysis.data import schema

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Plots"]


class Plots:
    """What can be drawn of a result; a notebook shows what a method returns.

    ``condition`` and ``seed`` name one run; default the first of the Dataset.

    Parameters
    ----------
    ds : Dataset
        As `analysis.data.schema` describes it.
    """

    def __init__(self, ds: xr.Dataset):
        self._ds = ds
        _show_figures()

    def _run(self, condition, seed) -> tuple[xr.Dataset, str]:
        """Return one run, and what to call it."""
        first = schema.runs(self._ds)[0]
        condition = first[0] if condition is None else condition
        seed = first[1] if seed is None else seed
        said = [str(condition)] if condition else []
        said += [] if seed is None else [f"seed {seed}"]
        return schema.select(self._ds, seed, condition), ", ".join(said)

    def raster(
        self, condition: str | None = None, seed: int | None = None, *, n_cycle: int = 6,
        max_cells: int = 48,
    ) -> Figure:  # fmt: skip
        """Draw spikes by population; see `analysis.figures.circuit.plot_raster`."""
        from analysis.figures.circuit import plot_raster

        run, title = self._run(condition, seed)
        with _figure((10, 7), title) as ax:
            plot_raster(run, n_cycle, max_cells, ax)
        return ax.figure

    def rates(
        self, populations: tuple[str, ...] = ("driver", "predictor", "relay"),
        condition: str | None = None, seed: int | None = None, *, n_cycle: int = 6,
        bin_size: float = 5e-3,
    ) -> Figure:  # fmt: skip
        """Draw rates over time; see `analysis.figures.circuit.plot_population_rates`."""
        from analysis.figures.circuit import plot_population_rates

        run, title = self._run(condition, seed)
        with _figure((10, 2.6), title) as ax:
            plot_population_rates(run, tuple(populations), n_cycle, bin_size, ax)
        return ax.figure

    def phases(self, condition: str | None = None, seed: int | None = None) -> Figure:
        """Draw rates in the minus and the plus phase, by population."""
        from analysis.figures.circuit import plot_phase_rates, population_colours
        from analysis.measures.theta import phase_rates

        run, title = self._run(condition, seed)
        with _figure((10, 3.6), title) as ax:
            plot_phase_rates(phase_rates(run), population_colours(run), ax)
        return ax.figure

    def bursts(
        self, population: str = "driver", condition: str | None = None, seed: int | None = None
    ) -> Figure:
        """Draw when in the theta cycle the bursts of a population begin."""
        from analysis.figures.circuit import plot_burst_phases, population_colours
        from analysis.measures.theta import burst_phases

        run, title = self._run(condition, seed)
        colour = population_colours(run)[schema.population_name(run, population)]
        with _figure((4.4, 4.6), title, projection="polar") as ax:
            plot_burst_phases(burst_phases(run, population), colour=colour, ax=ax)
        return ax.figure

    def observable(self, name: str, **arguments) -> Figure:
        """Draw an observable by condition, a dot for each seed."""
        from analysis import observables
        from analysis.figures.circuit import plot_conditions

        values = observables.by_condition(self._ds, name, **arguments)
        values = values.assign_coords(
            {dim: np.array([""]) for dim in values.dims if dim not in values.coords}
        )
        with _figure((1.6 + 0.7 * values.sizes["condition"], 3.4)) as ax:
            plot_conditions(values, ax)
        return ax.figure

    def recordings(self, condition: str | None = None, seed: int | None = None) -> Figure:
        """Draw what was recorded over time; see `analysis.figures.recordings`."""
        from analysis.figures.circuit import style
        from analysis.figures.recordings import recordings_figure

        run, _ = self._run(condition, seed)
        with style():
            return recordings_figure(run)

    def learning(self) -> Figure:
        """Draw the learning curve of every condition; see `analysis.figures.learning`."""
        return self._learning("curve_figure")

    def patterns(self, condition: str | None = None, seed: int | None = None) -> Figure:
        """Draw predictions beside outcomes in the last cycles of the test."""
        return self._learning("patterns_figure", self._run(condition, seed)[0])

    def weights(self) -> Figure:
        """Draw the weights of the first condition before and after learning."""
        return self._learning("weights_figure")

    def circuit(self) -> Figure:
        """Draw the circuit diagram."""
        from analysis.figures.circuit import plot_circuit

        tables = schema.population_table(self._ds), schema.projection_table(self._ds)
        with _figure((11, 8)) as ax:
            plot_circuit(*tables, schema.loops(self._ds), ax)
        return ax.figure

    def _learning(self, name: str, ds: xr.Dataset | None = None) -> Figure:
        from analysis.figures import learning
        from analysis.figures.circuit import style
        from analysis.measures.learning import is_learning

        if not is_learning(self._ds):
            raise schema.AnalysisError("no blocks, or no prediction loop: nothing is learned here")
        with style():
            return getattr(learning, name)(self._ds if ds is None else ds)


def _show_figures() -> None:
    """Let a notebook show figures that pyplot does not know; it learns to at its first plot."""
    if (ipython := sys.modules.get("IPython")) is None or (shell := ipython.get_ipython()) is None:
        return
    from IPython.core.pylabtools import select_figure_formats
    from matplotlib.figure import Figure

    known = shell.display_formatter.formatters.values()
    if not any(Figure in formatter.type_printers for formatter in known):
        select_figure_formats(shell, {"png"})


@contextmanager
def _figure(size, title: str = "", **axis):
    """Give the axis of a new figure in the project's style."""
    from matplotlib.figure import Figure

    from analysis.figures.circuit import style

    with style():
        ax = Figure(figsize=size, layout="constrained").subplots(subplot_kw=axis)
        yield ax
        if title:
            ax.set_title(title, fontsize=9, loc="left")
