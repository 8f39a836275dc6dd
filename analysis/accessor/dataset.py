"""Numbers of a result, as arrays with its own coordinates; other modules compute them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from analysis.accessor.plot import Plots
from analysis.data import schema
from analysis.data.criteria import measurable

__all__ = ["Accessor"]


@xr.register_dataset_accessor("pulvinar")
class Accessor:
    """What a result of a circuit run is asked: ``ds.pulvinar``.

    ``condition`` and ``seed`` name one run, and may be left out where there is only one; what is
    given for all runs has the dims condition and seed of the Dataset. Times are seconds.

    Parameters
    ----------
    ds : Dataset
        As `analysis.data.schema` describes it.
    """

    def __init__(self, ds: xr.Dataset):
        self._ds = ds

    @property
    def plot(self) -> Plots:
        """Figures: `analysis.accessor.plot.Plots`."""
        return Plots(self._ds)

    @property
    def populations(self) -> list[str]:
        """Names of the populations, in the order of their cells."""
        return schema.population_names(self._ds)

    @property
    def loops(self) -> list[str]:
        """Names of the prediction loops."""
        return schema.loop_names(self._ds)

    @property
    def runs(self) -> list[tuple[str | None, int | None]]:
        """Condition and seed of every run."""
        return schema.runs(self._ds)

    def select(self, condition: str | None = None, seed: int | None = None) -> xr.Dataset:
        """Return one run, without the dims condition and seed; see `analysis.data.schema.select`.

        Raises
        ------
        AnalysisError
            For a condition or seed that is not there, or where one has to be named.
        """
        return schema.select(self._ds, seed, condition)

    def cells(self, population: str | Sequence[str] | None = None, **labels) -> np.ndarray:
        """Return the numbers of cells, (cell,); see `analysis.data.schema.cell_index`."""
        named = population if population is None or isinstance(population, str) else [*population]
        return schema.cell_index(self._ds, named, **labels)

    def spikes(
        self, population: str | None = None, condition: str | None = None, seed: int | None = None
    ) -> xr.Dataset:
        """Return the spikes of a population in one run, warm-up included.

        Parameters
        ----------
        population : str, optional
            Or a role such as ``relay``; default all cells.
        condition : str, optional
        seed : int, optional

        Returns
        -------
        Dataset
            ``time`` (spike), s from the start of the warm-up; ``neuron`` (spike): number of the
            cell as on dim neuron; ``cell`` (spike): its place in the population. Sorted by time.

        Raises
        ------
        AnalysisError
        """
        run = self.select(condition, seed)
        cells = schema.cell_index(run, population)
        time, index = schema.spikes_of(run, cells)
        one = {"units": "1"}
        return xr.Dataset(
            {
                "time": ("spike", time, {"units": "s"}),
                "neuron": ("spike", cells[index], one),
                "cell": ("spike", index, one),
            }
        )

    def rates(self, population: str | Sequence[str] | None = None) -> xr.DataArray:
        """Return the rates of cells in each phase of each cycle.

        Parameters
        ----------
        population : str or sequence of str, optional
            Or roles; default all cells.

        Returns
        -------
        DataArray (condition, seed, cycle, phase, neuron), Hz
            ``.mean("neuron")`` is the rate of the population, ``.mean("phase")`` that of a cycle
            with phases of equal length.

        Raises
        ------
        AnalysisError
        """
        return schema.rate(self._ds).isel(neuron=self.cells(population))

    def phases(
        self, population: str | Sequence[str] | None = None, phase: str | None = None
    ) -> xr.Dataset:
        """Return the mean rate of each population in each phase.

        Parameters
        ----------
        population : str or sequence of str, optional
            Or roles; default all. A single one leaves no dim.
        phase : {"minus", "plus"}, optional
            Leaves no dim.

        Returns
        -------
        Dataset
            ``mean`` (condition, seed, population, phase), Hz, over cells and cycles; ``sd``, Hz,
            over cells.

        Raises
        ------
        AnalysisError
            For a population or phase that is not there; the line names the nearest.
        """
        from analysis.measures.theta import phase_rates

        known = self._ds["phase"].values.astype(str).tolist()
        if phase is not None and phase not in known:
            raise schema.AnalysisError(f"no phase '{phase}'{schema.nearest(phase, known)}")
        found = self._each(phase_rates)
        if isinstance(population, str):
            found = found.sel(population=schema.population_name(self._ds, population))
        elif population is not None:
            names = [schema.population_name(self._ds, name) for name in population]
            found = found.sel(population=names)
        return found if phase is None else found.sel(phase=phase)

    def aligned(self, populations: Sequence[str] | None = None, bin_size: float = 5e-3):
        """Return rates over the theta cycle, mean over cycles.

        Parameters
        ----------
        populations : sequence of str, optional
        bin_size : float, s

        Returns
        -------
        DataArray
            Of `analysis.measures.theta.aligned_rates`, with dims condition and seed before its own.
        """
        from analysis.measures.theta import aligned_rates

        names = None if populations is None else [*populations]
        return self._each(lambda run: aligned_rates(run, names, bin_size))

    def bursts(
        self, population: str = "driver", condition: str | None = None, seed: int | None = None,
        *, max_isi: float = 10e-3, min_spikes: int = 2,
    ) -> xr.Dataset:  # fmt: skip
        """Return the bursts of a population in one run, warm-up left out.

        Parameters
        ----------
        population : str
            Or a role.
        condition : str, optional
        seed : int, optional
        max_isi : float, s
            Longest interval within a burst.
        min_spikes : int

        Returns
        -------
        Dataset
            On dim burst, by cell, then onset: ``onset`` and ``end``, s; ``neuron``, ``n_spikes``,
            ``cycle``; ``phase``, rad, of the onset in the theta cycle.

        Raises
        ------
        AnalysisError
        """
        from analysis.measures.spikes import find_bursts
        from analysis.measures.theta import cycle_phase

        run = self.select(condition, seed)
        cells = schema.cell_index(run, population)
        found = find_bursts(*schema.spikes_of(run, cells), max_isi, min_spikes)
        length = schema.cycle_length(run)
        cycle, phase = cycle_phase(found.onset, run["cycle_start"].values, length)
        units = {"onset": "s", "end": "s", "phase": "rad"}
        variables = {
            "onset": found.onset, "end": found.end, "neuron": cells[found.neuron],
            "n_spikes": found.n_spikes, "cycle": cycle, "phase": phase,
        }  # fmt: skip
        bursts = xr.Dataset(
            {k: ("burst", v, {"units": units.get(k, "1")}) for k, v in variables.items()}
        )
        return bursts.isel(burst=np.flatnonzero(cycle >= 0))

    def weights(self, projection: str | None = None) -> xr.DataArray:
        """Return the weights of what learns.

        Parameters
        ----------
        projection : str, optional
            As in ``synapse_projection``; an end may be a role, as in ``predictor->relay``. Default
            all that learn.

        Returns
        -------
        DataArray (condition, seed, snapshot, synapse)
            0 to 1, NaN where a synapse does not learn; snapshots are "start" and the end of every
            block. Numbers of its cells are ``synapse_source`` and ``synapse_target``.

        Raises
        ------
        AnalysisError
            If nothing learns, or not this projection.
        """
        from analysis.measures.weights import plastic_projection

        ds = self._ds
        if "weight" not in ds:
            raise schema.AnalysisError("no variable 'weight': nothing learns in this run")
        ends = [name for name in ("synapse_source", "synapse_target") if name in ds]
        found = ds["weight"].assign_coords({name: ds[name] for name in ends})
        if projection is None:
            return found
        name = plastic_projection(ds, projection)
        mine = ds["synapse_projection"].values.astype(str) == name
        return found.isel(synapse=np.flatnonzero(mine))

    def recording(
        self, target: str | None = None, what: str | None = None, record: str | None = None
    ) -> xr.DataArray:
        """Return what was recorded over time; see `analysis.data.recordings.recording`."""
        from analysis.data.recordings import recording

        return recording(self._ds, target, what, record)

    def lfp(
        self, area: str | None = None, condition: str | None = None, seed: int | None = None
    ) -> xr.DataArray:
        """Return the LFP proxy of one run, (time), nA; see `analysis.measures.recordings.lfp`."""
        from analysis.measures.recordings import lfp

        return lfp(self.select(condition, seed), area)

    def observable(self, name: str, **arguments) -> xr.DataArray:
        """Return an observable (``pulvinar observables``) of every run.

        Parameters
        ----------
        name : str
        **arguments
            Of the observable.

        Returns
        -------
        DataArray (condition, seed)
            In the unit of the observable, its attribute ``units``; NaN where a run has no such
            number. Conditions and seeds are those of the Dataset.

        Raises
        ------
        AnalysisError
            For an unknown observable, argument or population, or what the run lacks.
        """
        from analysis import observables

        return observables.by_condition(self._ds, name, **arguments)

    def verdicts(self, criteria: Sequence[Mapping] | None = None) -> list[dict]:
        """Return whether claims hold.

        Parameters
        ----------
        criteria : sequence of mapping, optional
            As `analysis.verdicts.judge.evaluate` takes them; default those of the run file that can
            be judged by the conditions that were run.

        Returns
        -------
        list of dict
            As `analysis.verdicts.experiments.judged` gives them.

        Raises
        ------
        AnalysisError
        """
        from analysis.verdicts.experiments import judged

        if criteria is None:
            criteria = self._criteria()
        return judged(self._ds.attrs.get("experiment", "circuit"), self._ds, criteria)

    def _criteria(self) -> tuple[Mapping, ...]:
        document = json.loads(self._ds.attrs.get("run", "{}"))
        first = (document.get("condition") or [{"name": "baseline"}])[0]["name"]
        return measurable(document.get("criteria", ()), [str(c) for c, _ in self.runs], first)

    def _each(self, measure):
        """Return what is measured of every run, on dims condition and seed before its own."""
        found = [measure(schema.select(self._ds, seed, c)) for c, seed in self.runs]
        rows, dims = found, [d for d in ("condition", "seed") if d in self._ds.dims]
        for dim in reversed(dims):
            n = self._ds.sizes[dim]
            rows = [
                xr.concat(rows[k : k + n], self._ds[dim], combine_attrs="override")
                for k in range(0, len(rows), n)
            ]
        return rows[0]
