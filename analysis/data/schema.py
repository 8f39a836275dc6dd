"""The shape of a result: which variables a Dataset of a circuit run has, and how to take one run.

A result holds spikes as an indexed ragged array (``spike_time``, ``spike_neuron`` on dim
``spike``), the cells on dim ``neuron``, the theta cycles on dim ``cycle``, rates and the stimulus.
Cells have labels (``population``, ``area``, ``layer``, ``cell_class``) and a place:
``neuron_channel`` is the channel of the stimulus that they are driven at, ``position`` and
``polarity`` are what it is made of (-1 and "" for cells without). Channels run through the
positions of one polarity, then of the next. ``picture``, ``row``, ``left``, ``centre`` and
``film_frame`` tell which picture each cycle showed, and where in it; ``image`` which one of a set
of images and ``deviant`` (1 or 0) if it came unexpected; ``velocity`` the positions that it moved
in, where speeds differ; ``coin`` (1 or -1) is what a cue told that means nothing. Times count
from the start of the warm-up, which lasts until the first ``cycle_start``; ``t_stop_s`` is the end.
With several runs it has dims ``seed`` and ``condition`` too, and each spike carries its run in
``spike_seed`` (the seed's value) and ``spike_condition`` (an index into ``condition``).

A run that learns has dim ``block`` too, of training and test, and may have these variables; dims
condition and seed are left out here.

======================  ====================  ====================================================
``cycle_block``         cycle                 number of the block that the cycle is in
``learning``            cycle                 learning rate in force, 0 where weights are frozen
``jump``                cycle                 a new sweep begins: the cycle before predicts nothing
``direction``           cycle                 way of the movement, 1, -1, or 0 for none
``predictable``         cycle, channel        was what is seen there in the window one cycle before
``weight``              snapshot, synapse     0 to 1; ``snapshot`` is "start", then each block's end
``synapse_source``      synapse               number of the cell, as on dim neuron
``synapse_target``      synapse               the same
``synapse_projection``  synapse               source and target, joined by "->"
``dw``                  cycle, channel        mean weight change onto the relay cells there
======================  ====================  ====================================================

`analysis.measures.scores.add_scores` adds the scores of its predictions, on dims block and cycle.

The attribute ``loops`` names the prediction loops of the circuit: of each its ``relay`` cells,
whose minus phase is a prediction, their ``driver``, which tells the outcome, the ``predictor``,
whose synapses on them learn, and the area of ``cortex`` that they write to. A role stands for the
population that has it, in the first loop or in the one that `of_loop` has chosen. Where a circuit
has several loops, ``dw`` and the scores have a dim ``loop``.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import xarray as xr

from analysis.data.versions import AnalysisError, open_result

__all__ = [
    "INPUT_CLASSES",
    "PHASES",
    "ROLES",
    "AnalysisError",
    "beside",
    "cell_index",
    "check",
    "cycle_index",
    "cycle_length",
    "load",
    "loop_names",
    "loop_of",
    "loops",
    "of_loop",
    "population_name",
    "population_names",
    "population_table",
    "populations_by_area",
    "projection_table",
    "rate",
    "resolve",
    "runs",
    "segment",
    "select",
    "spikes_of",
]

PHASES = ("minus", "plus")

#: Roles of populations in a prediction loop.
ROLES = ("relay", "driver", "predictor")
#: Cell classes that stand for input and are not modelled as cells.
INPUT_CLASSES = ("input",)

EDGE = 1e-9
"""Seconds by which a spike may miss an edge: rounding of the time grid, far below any step."""

_VARIABLES = {
    "spike_time": ("spike",),
    "spike_neuron": ("spike",),
    "cycle_start": ("cycle",),
    "plus_start": ("cycle",),
}
_LEARNING = {
    "learning": ("cycle",),
    "jump": ("cycle",),
    "direction": ("cycle",),
    "predictable": ("cycle", "channel"),
    "dw": ("cycle", "channel"),
    "weight": ("snapshot", "synapse"),
    "synapse_source": ("synapse",),
    "synapse_target": ("synapse",),
}
_LABELS = ("population", "area", "layer", "cell_class", "neuron_channel")


def nearest(key: str, valid: Iterable[str]) -> str:
    """Return ``; did you mean 'x'?`` or the valid choices, for the end of an error line."""
    valid = sorted(str(choice) for choice in valid)
    close = difflib.get_close_matches(str(key), valid, n=1, cutoff=0.5)
    if close:
        return f"; did you mean '{close[0]}'?"
    return f"; valid: {', '.join(valid)}" if valid else ""


def load(path: Path | str) -> xr.Dataset:
    """Read and check a result file.

    Parameters
    ----------
    path : path
        A ``result.nc``, or the run folder that holds it.

    Returns
    -------
    Dataset
        In memory, in the present schema (`analysis.data.versions`); the file is closed.

    Raises
    ------
    AnalysisError
        If there is no such file, it is of a newer schema, or it is no circuit run.
    """
    ds = open_result(path)
    try:
        return check(ds)
    except AnalysisError as error:
        raise AnalysisError(f"{path}: {error}") from None


def check(ds: xr.Dataset) -> xr.Dataset:
    """Return ``ds`` if it has the shape of a circuit run.

    Parameters
    ----------
    ds : Dataset

    Returns
    -------
    Dataset
        The same object.

    Raises
    ------
    AnalysisError
        In one line, for the first thing that is missing or wrong: a variable, its dims, its
        units, the order of the spikes, a neuron number out of range, a plus phase outside its
        cycle.
    """
    for name, dims in _VARIABLES.items():
        if name not in ds:
            raise AnalysisError(f"no variable '{name}'{nearest(name, ds.variables)}")
        if ds[name].dims != dims:
            raise AnalysisError(f"'{name}' has dims {ds[name].dims}, expected {dims}")
    for name in _LABELS:
        if name not in ds or ds[name].dims != ("neuron",):
            raise AnalysisError(f"no coordinate '{name}' on dim neuron")
    if "cycle_length_s" not in ds.attrs:
        raise AnalysisError(f"no attribute 'cycle_length_s'{nearest('cycle_length_s', ds.attrs)}")
    length = cycle_length(ds)
    if not (np.isfinite(length) and length > 0):
        raise AnalysisError(f"attribute 'cycle_length_s' is {length}, expected a positive number")
    for name in ("spike_time", "cycle_start", "plus_start"):
        if ds[name].attrs.get("units") != "s":
            raise AnalysisError(f"'{name}' has units {ds[name].attrs.get('units')!r}, expected 's'")
    for name, variable in ds.data_vars.items():
        if "units" not in variable.attrs and np.issubdtype(variable.dtype, np.number):
            raise AnalysisError(f"'{name}' has no units attribute")
    for dim in ("seed", "condition"):
        if ds.sizes.get(dim, 1) > 1 and f"spike_{dim}" not in ds:
            raise AnalysisError(f"{ds.sizes[dim]} {dim}s but no variable 'spike_{dim}'")
    neuron = ds["spike_neuron"].values
    if neuron.size and (neuron.min() < 0 or neuron.max() >= ds.sizes["neuron"]):
        raise AnalysisError(f"'spike_neuron' outside 0..{ds.sizes['neuron'] - 1}")
    start, plus = ds["cycle_start"].values, ds["plus_start"].values
    if np.any(np.diff(start) < length - EDGE):
        raise AnalysisError("'cycle_start' must rise by at least the cycle length")
    if np.any((plus < start - EDGE) | (plus > start + length + EDGE)):
        raise AnalysisError("'plus_start' lies outside its cycle")
    if "rate" in ds and tuple(ds["rate"].dims[-3:]) != ("cycle", "phase", "neuron"):
        raise AnalysisError(f"'rate' has dims {ds['rate'].dims}, expected cycle, phase, neuron")
    if "stimulus" in ds and tuple(ds["stimulus"].dims[-2:]) != ("cycle", "channel"):
        raise AnalysisError(f"'stimulus' has dims {ds['stimulus'].dims}, expected cycle, channel")
    _check_learning(ds)
    time = ds["spike_time"].values
    if not np.all(np.isfinite(time)):
        raise AnalysisError("'spike_time' holds values that are not finite")
    for condition, seed in runs(ds):
        keep = _mask(ds, condition, seed)
        t, n = (time, neuron) if keep is None else (time[keep], neuron[keep])
        if np.any((np.diff(t) < 0) | ((np.diff(t) == 0) & (np.diff(n) < 0))):
            raise AnalysisError("spikes are not sorted by (time, neuron)")
    return ds


def _check_learning(ds):
    """Raise if the blocks of a learning run cannot be told apart or its synapses be placed."""
    if "cycle_block" not in ds:
        return
    if ds["cycle_block"].dims != ("cycle",) or "block" not in ds.dims:
        raise AnalysisError("'cycle_block' needs the dim cycle alone, and a dim 'block'")
    block = ds["cycle_block"].values
    if block.size and (block.min() < 0 or block.max() >= ds.sizes["block"]):
        raise AnalysisError(f"'cycle_block' outside 0..{ds.sizes['block'] - 1}")
    if np.any(np.diff(block) < 0):
        raise AnalysisError("'cycle_block' falls: the cycles of a block must follow each other")
    for name, last in _LEARNING.items():
        if name in ds and tuple(ds[name].dims[-len(last) :]) != last:
            raise AnalysisError(f"'{name}' has dims {ds[name].dims}, expected {', '.join(last)}")
    for name in ("synapse_source", "synapse_target"):
        if name in ds and ds[name].size:
            low, high = int(ds[name].min()), int(ds[name].max())
            if low < 0 or high >= ds.sizes["neuron"]:
                raise AnalysisError(f"'{name}' outside 0..{ds.sizes['neuron'] - 1}")


def runs(ds: xr.Dataset) -> list[tuple[str | None, int | None]]:
    """Return (condition, seed) of every run in ``ds``; None where it has no such dim."""
    conditions = (
        [str(c) for c in np.atleast_1d(ds["condition"])] if "condition" in ds.dims else [None]
    )
    seeds = [int(s) for s in np.atleast_1d(ds["seed"])] if "seed" in ds.dims else [None]
    return [(condition, seed) for condition in conditions for seed in seeds]


def _position_in(ds, dim, wanted):
    """Index of ``wanted`` on ``dim``; None where the Dataset has no such dim."""
    if dim not in ds.dims:
        if wanted is not None and dim in ds.coords and str(ds[dim].values) != str(wanted):
            raise AnalysisError(f"no {dim} '{wanted}'; this run has '{ds[dim].values}'")
        return None
    values = [str(v) for v in ds[dim].values]
    if wanted is None:
        if len(values) > 1:
            raise AnalysisError(f"{len(values)} {dim}s, name one of: {', '.join(values)}")
        return 0
    if str(wanted) not in values:
        raise AnalysisError(f"no {dim} '{wanted}'{nearest(str(wanted), values)}")
    return values.index(str(wanted))


def _mask(ds, condition, seed):
    keep = None
    if "spike_seed" in ds and seed is not None:
        keep = ds["spike_seed"].values == int(seed)
    if "spike_condition" in ds and condition is not None:
        here = ds["spike_condition"].values == _position_in(ds, "condition", condition)
        keep = here if keep is None else keep & here
    return keep


def select(ds: xr.Dataset, seed: int | None = None, condition: str | None = None) -> xr.Dataset:
    """Return one run: its variables without the dims seed and condition, its spikes alone.

    Parameters
    ----------
    ds : Dataset
    seed : int, optional
        May be left out where there is only one.
    condition : str, optional
        Name of the condition; may be left out where there is only one.

    Returns
    -------
    Dataset

    Raises
    ------
    AnalysisError
        For an unknown seed or condition, or where several exist and none is named.
    """
    at = {dim: _position_in(ds, dim, wanted)
          for dim, wanted in (("condition", condition), ("seed", seed))}  # fmt: skip
    at = {dim: i for dim, i in at.items() if i is not None}
    values = {dim: ds[dim].values[i] if dim in ds.coords else i for dim, i in at.items()}
    keep = _mask(ds, values.get("condition"), values.get("seed"))
    run = ds.isel(at)
    if keep is not None:
        run = run.isel(spike=np.flatnonzero(keep))
    return run.drop_vars([v for v in ("spike_seed", "spike_condition") if v in run])


def cycle_length(ds: xr.Dataset) -> float:
    """Return the length of a theta cycle, s."""
    return float(ds.attrs["cycle_length_s"])


def cycle_index(time: np.ndarray, cycle_start: np.ndarray, cycle_length: float) -> np.ndarray:
    """Return the cycle that each time falls in, -1 outside all of them.

    Parameters
    ----------
    time : (n,) array, s
    cycle_start : (n_cycle,) array, s
        Rising.
    cycle_length : float, s

    Returns
    -------
    (n,) array of int
    """
    time, cycle_start = np.asarray(time, float), np.asarray(cycle_start, float)
    if not cycle_start.size:
        return np.full(time.shape, -1)
    index = np.searchsorted(cycle_start - EDGE, time, side="right") - 1
    inside = (index >= 0) & (time < cycle_start[index] + cycle_length - EDGE)
    return np.where(inside, index, -1)


def segment(
    spike_time: np.ndarray,
    spike_neuron: np.ndarray,
    n_neuron: int,
    cycle_start: np.ndarray,
    plus_start: np.ndarray,
    cycle_length: float,
) -> np.ndarray:
    """Count spikes by cycle and phase and give them as rates.

    A cycle is [start, start + length), its minus phase ends where the plus phase starts. Spikes
    outside all cycles (the warm-up) are left out.

    Parameters
    ----------
    spike_time : (n_spike,) array, s
    spike_neuron : (n_spike,) array of int
    n_neuron : int
    cycle_start, plus_start : (n_cycle,) array, s
    cycle_length : float, s

    Returns
    -------
    (n_cycle, 2, n_neuron) array of float32, Hz
        Phases in the order of `PHASES`; NaN for a phase of no duration.
    """
    cycle_start, plus_start = np.asarray(cycle_start, float), np.asarray(plus_start, float)
    time, neuron = np.asarray(spike_time, float), np.asarray(spike_neuron, int)
    cycle = cycle_index(time, cycle_start, cycle_length)
    inside = cycle >= 0
    time, neuron, cycle = time[inside], neuron[inside], cycle[inside]
    phase = (time >= plus_start[cycle] - EDGE).astype(int)
    flat = (cycle * 2 + phase) * n_neuron + neuron
    count = np.bincount(flat, minlength=cycle_start.size * 2 * n_neuron)
    count = count.reshape(cycle_start.size, 2, n_neuron)
    minus = plus_start - cycle_start
    duration = np.stack([minus, cycle_length - minus], axis=1)
    duration = np.where(duration > EDGE, duration, np.nan)
    return (count / duration[:, :, None]).astype(np.float32)


def population_names(ds: xr.Dataset) -> list[str]:
    """Return the names of the populations, in the order of their cells."""
    names = ds["population"].values.astype(str)
    return list(dict.fromkeys(names.tolist()))


def populations_by_area(ds: xr.Dataset) -> list[str]:
    """Return the names of the populations area by area: the order of figures.

    Cortex first, then what relay cells of a loop share an area with, then inputs.
    """
    table = population_table(ds)
    nuclei = nuclei_of(table, loops(ds))
    ranks = list(dict.fromkeys(row["area"] for row in table))

    def order(row):
        is_input = row["cell_class"] in INPUT_CLASSES
        return is_input, row["area"] in nuclei, ranks.index(row["area"])

    return [row["name"] for row in sorted(table, key=order)]


def nuclei_of(populations, loops):
    """Areas of the relay cells."""
    relays = {loop["relay"] for loop in loops}
    return list(dict.fromkeys(row["area"] for row in populations if row["name"] in relays))


def loops(ds: xr.Dataset) -> list[dict]:
    """Return the prediction loops, each with keys name, relay, driver, predictor and cortex."""
    return json.loads(ds.attrs.get("loops", "[]"))


def loop_names(ds: xr.Dataset) -> list[str]:
    """Return the names of the prediction loops."""
    return [loop["name"] for loop in loops(ds)]


def loop_of(ds: xr.Dataset) -> dict:
    """Return the loop that a Dataset is about.

    Returns
    -------
    dict
        Keys name, relay, driver, predictor and cortex.

    Raises
    ------
    AnalysisError
        If the circuit has no loop.
    """
    found = loops(ds)
    if not found:
        raise AnalysisError("this circuit has no prediction loop")
    return found[int(ds.attrs.get("loop", 0))]


def of_loop(ds: xr.Dataset, name: str | None = None) -> xr.Dataset:
    """Return a Dataset that is about one prediction loop.

    Parameters
    ----------
    ds : Dataset
    name : str, optional
        Of the loop; default the one that the Dataset is about, or else the first.

    Returns
    -------
    Dataset
        Without dim loop; in it the roles of `ROLES` are those of this loop.

    Raises
    ------
    AnalysisError
        If there is no such loop.
    """
    names = loop_names(ds)
    if name is not None and name not in names:
        raise AnalysisError(f"no loop '{name}'{nearest(name, names)}")
    at = int(ds.attrs.get("loop", 0)) if name is None else names.index(name)
    if "loop" in ds.dims:
        ds = ds.isel(loop=at)
    return ds.assign_attrs(loop=at)


def population_name(ds: xr.Dataset, name: str) -> str:
    """Return the population that has a role, or the one that `resolve` finds.

    Raises
    ------
    AnalysisError
        If there is none.
    """
    return resolve(loop_of(ds)[name] if name in ROLES else name, population_names(ds))


def beside(ds: xr.Dataset, population: str, like: str) -> str:
    """Return the population in the area of one that has the cell class of another.

    Raises
    ------
    AnalysisError
        If there is none.
    """
    table = {row["name"]: row for row in population_table(ds)}
    area = table[population_name(ds, population)]["area"]
    kind = table[population_name(ds, like)]["cell_class"]
    for name, row in table.items():
        if (row["area"], row["cell_class"]) == (area, kind):
            return name
    raise AnalysisError(f"no cells of class '{kind}' in area '{area}' of '{population}'")


def resolve(name: str, names: Iterable[str]) -> str:
    """Return the population that ``name`` means: itself, or the only one of that bare name.

    An area before a bare name may be added or left out, where there is one such population.

    Raises
    ------
    AnalysisError
        If there is none, naming the nearest.
    """
    names = list(dict.fromkeys(str(n) for n in names))
    if name in names:
        return name
    # an area may be left out or, before a bare name, added; never exchanged for another one
    alike = [n for n in names if n.split(".")[-1] == name.split(".")[-1]
             and ("." in n) != ("." in name)]  # fmt: skip
    if len(alike) != 1:
        raise AnalysisError(f"no population '{name}'{nearest(name, [*names, *ROLES])}")
    return alike[0]


def cell_index(
    ds: xr.Dataset, population: str | list[str] | None = None, **labels: str | list[str]
) -> np.ndarray:
    """Return the numbers of the cells with the given labels.

    Parameters
    ----------
    ds : Dataset
    population : str or list of str, optional
        As `population_name` understands it.
    **labels : str or list of str
        Of ``area``, ``layer`` or ``cell_class``.

    Returns
    -------
    (n,) array of int

    Raises
    ------
    AnalysisError
        For a label that no cell has.
    """
    keep = np.ones(ds.sizes["neuron"], bool)
    if population is not None:
        wanted = [population] if isinstance(population, str) else list(population)
        have = ds["population"].values.astype(str)
        keep &= np.isin(have, [population_name(ds, name) for name in wanted])
    for label, values in labels.items():
        have = ds[label].values.astype(str)
        values = [values] if isinstance(values, str) else list(values)
        for value in values:
            if value not in have:
                raise AnalysisError(f"no {label} '{value}'{nearest(value, set(have))}")
        keep &= np.isin(have, values)
    return np.flatnonzero(keep)


def spikes_of(ds: xr.Dataset, cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the spikes of some cells of a single run.

    Parameters
    ----------
    ds : Dataset
        One run.
    cells : (n,) array of int

    Returns
    -------
    time : (n_spike,) array, s
    index : (n_spike,) array of int
        Place of the cell in ``cells``.
    """
    place = np.full(ds.sizes["neuron"], -1)
    place[cells] = np.arange(len(cells))
    index = place[ds["spike_neuron"].values.astype(int)]
    keep = index >= 0
    return ds["spike_time"].values[keep].astype(float), index[keep]


def rate(ds: xr.Dataset, phase: str | None = None) -> xr.DataArray:
    """Return the rates of cells by cycle and phase, or in one phase.

    Parameters
    ----------
    ds : Dataset
    phase : {"minus", "plus"}, optional

    Raises
    ------
    AnalysisError
        If the result was stored without rates, or for another phase.
    """
    if "rate" not in ds:
        raise AnalysisError("no variable 'rate': this result was stored without rates")
    if phase is None:
        return ds["rate"]
    if phase not in PHASES:
        raise AnalysisError(f"no phase '{phase}'{nearest(str(phase), PHASES)}")
    return ds["rate"].sel(phase=phase)


def population_table(ds: xr.Dataset) -> list[dict]:
    """Return the populations as the run described them, or as far as the cells tell.

    Returns
    -------
    list of dict
        Keys name, area, layer, cell_class, n, colour (None where the run does not say), excitatory
        (True where it does not).
    """
    described = {row["name"]: row for row in json.loads(ds.attrs.get("populations", "[]"))}
    table, of = [], ds["population"].values.astype(str)
    labels = {key: ds[key].values for key in ("area", "layer", "cell_class")}
    for name in population_names(ds):
        cells = np.flatnonzero(of == name)
        row = {key: str(values[cells[0]]) for key, values in labels.items()}
        row |= {"name": name, "n": len(cells), "colour": None, "excitatory": True}
        table.append(row | described.get(name, {}))
    return table


def projection_table(ds: xr.Dataset) -> list[dict]:
    """Return the projections as the run described them; empty where it did not."""
    return json.loads(ds.attrs.get("projections", "[]"))
