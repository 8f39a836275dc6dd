"""All results of a run as one Dataset; `analysis.data.schema` says what is in it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
import xarray as xr

from analysis.data.pieces import spike_variables, synapse_variables
from analysis.data.schema import PHASES
from analysis.data.versions import SCHEMA, places
from circuits.anatomy.spec import CircuitSpec
from circuits.driver.results import Result, segment, sorted_spikes
from circuits.engine.arrays import cells_of
from circuits.runfiles import provenance
from circuits.runfiles.model import Run

__all__ = ["population_rows", "projection_rows", "stamped", "to_dataset"]


def to_dataset(run: Run, results: Sequence[Result]) -> xr.Dataset:
    """Put the recordings of all conditions and seeds together.

    Parameters
    ----------
    run : Run
    results : sequence of Result
        In the order of conditions, then seeds.

    Returns
    -------
    Dataset
        ``spike_time`` (spike), s from the start of the warm-up, and ``spike_neuron`` (spike),
        sorted within each run; ``spike_seed`` and ``spike_condition`` (spike); ``rate``
        (condition, seed, cycle, phase, neuron), Hz; ``stimulus`` (condition, seed, cycle,
        channel), Hz: mean rate of the relay cells in the plus phase; ``picture`` and, as far as
        there are such, ``row``, ``left``, ``centre``, ``film_frame`` (condition, seed, cycle): what
        was shown in the middle of the plus phase; ``cycle_start`` and ``plus_start`` (cycle), s;
        labels of every cell on dim neuron, of every channel on dim channel. The tables of the first
        condition's circuit are attributes. A run with blocks has the variables of learning runs
        that `analysis.data.schema` lists; of a condition in which a synapse does not learn, its
        weight is NaN.
    """
    spec, cycle = run.conditions[0].spec, run.cycle
    cells = cells_of(spec)
    n_neuron = len(cells.population)
    label = {p.name: p for p in spec.populations}
    shape = (len(run.conditions), len(run.seeds))
    rate = np.empty((*shape, cycle.count, 2, n_neuron), np.float32)
    stimulus = np.empty((*shape, cycle.count, spec.channels))
    # cells of another model are in another group, at the same place among all
    of = [cells_of(condition.spec) for condition in run.conditions for _ in run.seeds]
    spikes = [sorted_spikes(r.recording, one) for r, one in zip(results, of, strict=True)]
    for k, (result, (t, n)) in enumerate(zip(results, spikes, strict=True)):
        at = divmod(k, len(run.seeds))
        rate[at], stimulus[at] = segment(t, n, n_neuron, cycle), result.drive
    dims = ("condition", "seed", "cycle")
    variables, coordinates = _learning_variables(run, results)
    recorded, recorded_at = _recorded(results, shape)

    def of_cells(key):
        return "neuron", np.array([str(getattr(label[p], key)) for p in cells.population])

    ds = xr.Dataset(
        {
            **spike_variables(_by_condition(spikes, run), run.seeds),
            "rate": ((*dims, "phase", "neuron"), rate, {"units": "Hz"}),
            "stimulus": (
                (*dims, "channel"), stimulus,
                {"units": "Hz", "long_name": "mean rate of the relay cells in the plus phase"},
            ),
            **_shown(results, shape),
            **variables,
            **recorded,
        },
        coords={
            "population": ("neuron", cells.population.astype(str)),
            "area": of_cells("area"),
            "layer": of_cells("layer"),
            "cell_class": of_cells("kind"),
            "neuron_channel": ("neuron", cells.position.astype(np.int32), {"units": "1"}),
            **_places(spec, cells.position),
            "cycle_start": ("cycle", cycle.starts, {"units": "s"}),
            "plus_start": ("cycle", cycle.plus_starts, {"units": "s"}),
            "phase": list(PHASES),
            "seed": ("seed", np.array(run.seeds, np.int64), {"units": "1"}),
            "condition": [c.name for c in run.conditions],
            **coordinates,
            **recorded_at,
        },
        attrs={
            "name": run.name,
            "experiment": run.experiment,
            "size": run.size,
            "schema": SCHEMA,
            "cycle_length_s": cycle.length * 1e-3,
            "t_stop_s": cycle.duration,
            "n_x": spec.n_x,
            "polarities": " ".join(spec.polarities),
            "populations": json.dumps(population_rows(spec)),
            "projections": json.dumps(projection_rows(spec)),
            "loops": json.dumps([asdict(loop) for loop in spec.loops]),
            "run": json.dumps(run.document, default=str),
            **_synapses(run),
        },
    )  # fmt: skip
    return ds


def _by_condition(values: Sequence, run: Run) -> list[Sequence]:
    """Return one value of each run, in their order, as one sequence for each condition."""
    n = len(run.seeds)
    return [values[k : k + n] for k in range(0, len(values), n)]


def stamped(ds: xr.Dataset) -> xr.Dataset:
    """Return a result of any experiment that says its schema, package version and commit."""
    found = provenance.commit()
    commit = {"commit": found["commit"] + (", changed" if found["dirty"] else "")} if found else {}
    return ds.assign_attrs(schema=SCHEMA, pulvinar=provenance.version(), **commit)


def _places(spec: CircuitSpec, channel: np.ndarray) -> dict:
    """Return position and polarity of all cells and of all channels."""
    one = {"units": "1"}
    found: dict = {}
    channels = np.arange(spec.channels)
    for dim, name, at in (("neuron", "", channel), ("channel", "channel_", channels)):
        place = places(at, spec.n_x, spec.polarities)
        found[f"{name}position"] = (dim, place["position"], one)
        found[f"{name}polarity"] = (dim, place["polarity"])
    return found


def _shown(results: Sequence[Result], shape: tuple[int, int]) -> dict:
    """Return which picture each cycle showed, and where in it, as `circuits.stimuli` tells it."""
    found: dict = {}
    n_cycle = len(results[0].drive)
    for name in dict.fromkeys(name for result in results for name in result.shown):
        model = next(r.shown[name] for r in results if name in r.shown)
        none = xr.full_like(model, "" if model.dtype.kind == "U" else np.nan).values
        values = np.array([r.shown[name].values if name in r.shown else none for r in results])
        dims = ("condition", "seed", "cycle")
        found[name] = (dims, values.reshape(*shape, n_cycle), dict(model.attrs))
    return found


def _recorded(results: Sequence[Result], shape: tuple[int, int]) -> tuple[dict, dict]:
    """Return variables and coordinates of what was recorded; NaN, or -1, where a run has none."""
    found: dict = {}
    records = [result.records for result in results]
    for name in dict.fromkeys(name for one in records for name in one.data_vars):
        model = next(one[name] for one in records if name in one)
        none = xr.full_like(model, np.nan if model.dtype.kind == "f" else -1).values
        values = np.stack([one[name].values if name in one else none for one in records])
        dims = ("condition", "seed", *model.dims)
        found[name] = dims, values.reshape(*shape, *model.shape), model.attrs
    return found, {name: one[name].variable for one in records for name in one.coords}


def _synapses(run: Run) -> dict[str, str]:
    """Return the attribute ``synapse``: the constants of every rule, that of the circuit first."""
    found: dict[str, list] = {}
    for condition in run.conditions:
        if (learning := condition.learning) is not None:
            found.setdefault(learning.rule, learning.synapse(run.cycle.length))
    return {"synapse": json.dumps(found)} if found else {}


def _learning_variables(run: Run, results: Sequence[Result]) -> tuple[dict, dict]:
    """Return variables and coordinates of a run with blocks; see `analysis.data.schema`."""
    blocks = run.conditions[0].blocks
    if not blocks:
        return {}, {}
    shape = (len(run.conditions), len(run.seeds))
    dims = ("condition", "seed", "cycle")
    one = {"units": "1"}

    def stacked(values):
        values = list(values)
        return np.stack(values).reshape(*shape, *values[0].shape)

    n_cycles = [block.cycles for block in blocks]
    rates = np.zeros((shape[0], run.cycle.count))
    for c, condition in enumerate(run.conditions):
        if condition.learning is not None:
            learns = [block.learn for block in condition.blocks]
            rates[c] = np.repeat(learns, n_cycles) * condition.learning.rate
    variables = {
        "learning": (("condition", "cycle"), rates, one | {"long_name": "learning rate"}),
        "jump": (dims, stacked(r.path["jump"] for r in results), one),
        "direction": (dims, stacked(r.path["direction"] for r in results), one),
        "predictable": (
            (*dims, "channel"), stacked(r.path["predictable"] for r in results), one,
        ),
    }  # fmt: skip
    coordinates = {
        "block": [block.name for block in blocks],
        "cycle_block": ("cycle", np.repeat(np.arange(len(blocks), dtype=np.int32), n_cycles), one),
    }
    order = [p.name for p in run.conditions[0].spec.projections]
    weights, projections = synapse_variables(
        _by_condition([result.weights for result in results], run), order
    )
    if not weights:
        return variables, coordinates
    # a circuit with one loop needs no dim for it
    loops = [loop.name for loop in run.conditions[0].spec.loops]
    silent = np.zeros((len(loops), *results[0].drive.shape))
    dw = stacked(silent if r.dw is None else r.dw for r in results)
    loop_dims: tuple[str, ...] = ("condition", "seed", "loop", "cycle", "channel")
    if len(loops) == 1:
        dw, loop_dims = dw[:, :, 0], (*dims, "channel")
    else:
        coordinates["loop"] = loops
    variables |= weights | {
        "dw": (
            loop_dims, dw,
            one | {"long_name": "mean weight change onto the relay cells, by presynaptic spikes"},
        ),
    }  # fmt: skip
    coordinates |= {"snapshot": ["start", *(block.name for block in blocks)], **projections}
    return variables, coordinates


def population_rows(spec: CircuitSpec) -> list[dict]:
    """Return the table of populations of a circuit."""
    return [
        {
            "name": p.name,
            "area": p.area,
            "layer": p.layer,
            "cell_class": p.kind,
            "n": spec.count(p.name),
            "colour": p.colour,
            "excitatory": p.excitatory,
            "meaning": p.meaning,
            "bias_pA": p.bias,
            "bias_sd_pA": p.bias_sd,
            "noise_sd_pA": p.noise_sd,
            "rate_Hz": p.rate,
            "peak_cycle": p.peak,
        }
        for p in spec.populations
    ]


def projection_rows(spec: CircuitSpec) -> list[dict]:
    """Return the table of projections of a circuit."""
    return [
        {
            "row": p.row,
            "name": p.name,
            "source": p.source,
            "target": p.target,
            "compartment": p.at,
            "receptors": dict(p.receptors),
            "indegree": p.indegree,
            "weight_nS": p.weight,
            "topography": p.topography,
            "delay_ms": p.delay,
            "delay_sd_ms": p.delay_sd,
            "release": p.release,
            "plastic": p.plastic,
            "basis": p.basis,
            "mark": p.mark,
        }
        for p in spec.projections
    ]
