"""Tables that say of what circuit a condition is: stimulus, anatomy, lesions, cells."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from brian2 import Hz, ms, nS, pA
from brian2.units.fundamentalunits import get_dimensions

from cells import checked
from cells.models import CELL_CLASSES, cell_class
from cells.parameters import InputError, nearest, parse_quantity, parse_unit
from circuits.anatomy.spec import CircuitSpec
from circuits.anatomy.tables import load_circuit
from circuits.anatomy.topography import check_indegrees
from circuits.engine.equations import SLOW_CLOCK_MS
from circuits.runfiles.keys import INPUTS
from circuits.runfiles.settings import Common
from circuits.runfiles.trains import spikes_of
from circuits.stimuli.stimulus import Stimulus
from circuits.synapses.receptors import RECEPTORS

__all__ = ["changed_circuit", "stimulus_and_circuit"]

_POPULATION = {
    "bias": pA,
    "bias_sd": pA,
    "noise_sd": pA,
    "rate": Hz,
    "peak": None,
    "steady": Hz,
    "cell": str,
    "cells": int,
    "spikes": dict,
}
_MOST_CELLS = 10_000  # at a position
_PROJECTION = {"weight": nS, "delay": ms, "delay_sd": ms, "indegree": int, "release": str,
               "topography": str, "receptors": dict}  # fmt: skip
_FASTEST_HZ = 500 / SLOW_CLOCK_MS
_NOT_NEGATIVE = [
    get_dimensions(parse_unit(unit)) for unit in ("S", "S/m**2", "F/m**2", "m**2", "s")
]


def stimulus_and_circuit(
    table: Mapping, common: Common, where: str
) -> tuple[Stimulus, CircuitSpec]:
    """Return the stimulus of a table, and the circuit of the anatomy that has its channels.

    Parameters
    ----------
    table : mapping
        ``[stimulus]``.
    common : Common
        A picture may lie beside the run file.
    where : str
        For messages.

    Raises
    ------
    InputError
    """
    table = dict(checked.table(table, where))
    if isinstance(path := table.get("path"), str) and path:
        table["path"] = _beside(path, common.folder)
    elif isinstance(path, list | tuple):
        table["path"] = [_beside(one, common.folder) for one in path]
    shown = Stimulus.from_mapping(table, where)
    wanted = table.get("n_x")
    try:
        spec = load_circuit(
            common.size, scale=common.scale, n_x=wanted, polarities=shown.polarities,
            cues=2 * len(shown.cue), filled=shown.kind == "ring",
            anatomy=common.anatomy, added=common.added,
        )  # fmt: skip
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
    if shown.cue and not any(p.cue for p in spec.populations):
        raise InputError(f"{where} cue: no population of the anatomy is told it")
    return Stimulus.from_mapping({**table, "n_x": spec.n_x}, where), spec


def _beside(path: str, folder: Path) -> str:
    """Return a path as it is, or beside the run file if it is there alone."""
    if not isinstance(path, str) or Path(path).exists():
        return path
    beside = folder / path
    return str(beside) if beside.exists() else path


def changed_circuit(
    spec: CircuitSpec, settings: Mapping, folder: Path, at: str
) -> tuple[CircuitSpec, bool, tuple[str, ...]]:
    """Return a circuit with what a condition changes, and what else it says of it.

    Parameters
    ----------
    spec : CircuitSpec
    settings : mapping
        Tables of the condition.
    folder : path
        Beside which files may lie.
    at : str
        For messages.

    Returns
    -------
    CircuitSpec
    bool
        Whether its inputs fire regularly.
    tuple of str
        Populations with a membrane that are lesioned: their cells have to be silenced.

    Raises
    ------
    InputError
    """
    spec = _populations(spec, settings["populations"], folder, f"{at} [populations]")
    spec = _projections(spec, settings["projections"], f"{at} [projections]")
    spec = _factors(spec, settings["factors"], f"{at} [factors]")
    inputs = checked.keys(settings["inputs"], INPUTS, f"{at} [inputs]")
    regular = checked.flag(inputs.get("regular", False), f"{at} [inputs] regular")
    if not checked.flag(inputs.get("noise", True), f"{at} [inputs] noise"):
        spec = spec.with_populations("*", noise_sd=0.0)
    spec, silenced = _lesions(spec, settings["lesions"], f"{at} lesions")
    return _cells(spec, settings["cells"], f"{at} [cells]"), regular, silenced


def _populations(spec: CircuitSpec, table, folder: Path, where: str) -> CircuitSpec:
    for name, changes in checked.table(table, where).items():
        here = f"{where} '{name}'"
        checked.keys(changes, _POPULATION, here)
        cell = changes.get("cell")
        if cell is not None:
            checked.one_of(cell, tuple(CELL_CLASSES), f"{here} cell:", "cell class")
        values = {
            k: checked.quantity(v, _POPULATION[k], f"{here} {k}")
            for k, v in changes.items() if k not in ("cell", "cells", "spikes")
        }  # fmt: skip
        if cell is not None:
            values["cell"] = cell
        if "cells" in changes:
            values["cells"] = checked.whole(changes["cells"], 1, f"{here} cells")
            if values["cells"] > _MOST_CELLS:
                raise InputError(f"{here} cells: {values['cells']}; nearest valid: {_MOST_CELLS}")
        for key in ("bias_sd", "noise_sd", "rate", "steady"):
            if values.get(key, 0) < 0:
                raise InputError(f"{here} {key}: {changes[key]} is negative; smallest valid: 0")
        for key in ("rate", "steady"):
            if values.get(key, 0) > _FASTEST_HZ:
                raise InputError(
                    f"{here} {key}: {changes[key]}: a cell fires at most once in a step of its"
                    f" clock; nearest valid: {_FASTEST_HZ:g} Hz"
                )
        if "spikes" in changes:
            values["spikes"] = _trains(changes["spikes"], spec, name, folder, where)
        try:
            if "steady" in values:
                _check_inputs(spec, name)
            if cell is not None:
                _check_cells(spec, name, cell)
            spec = spec.with_populations(name, **values)
        except InputError as error:
            raise InputError(f"{where}: {error}") from None
    return spec


def _trains(value, spec: CircuitSpec, name: str, folder: Path, where: str):
    if name not in (known := [p.name for p in spec.populations]):
        raise InputError(f"{where}: unknown population '{name}'{nearest(name, known)}")
    return spikes_of(value, spec, name, folder, f"{where} '{name}' spikes")


def _check_inputs(spec: CircuitSpec, name: str) -> None:
    """Raise InputError where populations with a membrane are given a rate of their own."""
    for p in spec.populations:
        if fnmatch.fnmatchcase(p.name, name) and not p.is_input:
            raise InputError(f"'{p.name}' is no input: it has no steady rate")


def _check_cells(spec: CircuitSpec, name: str, cell: str) -> None:
    """Raise InputError where cells of populations cannot be of another class."""
    for p in spec.populations:
        if fnmatch.fnmatchcase(p.name, name):
            if p.is_input:
                raise InputError(f"'{p.name}' is an input: it has no cell class")
            if p.excitatory != cell_class(cell).excitatory:
                does = "excites" if p.excitatory else "inhibits"
                raise InputError(f"'{p.name}' {does}, cells of class '{cell}' do not")


def _projections(spec: CircuitSpec, table, where: str) -> CircuitSpec:
    for name, changes in checked.table(table, where).items():
        here = f"{where} '{name}'"
        values = {}
        for key, value in checked.keys(changes, _PROJECTION, here).items():
            kind = _PROJECTION[key]
            if kind is int:
                values[key] = checked.whole(value, 1, f"{here} {key}")
            elif kind is str:
                values[key] = checked.text(value, f"{here} {key}")
            elif kind is dict:
                shares = checked.keys(value, RECEPTORS, f"{here} {key}")
                values[key] = tuple(
                    (name, checked.number(share, f"{here} {key} {name}"))
                    for name, share in shares.items()
                )
            else:
                values[key] = checked.quantity(value, kind, f"{here} {key}")
        if values.get("weight", 0) < 0:
            raise InputError(f"{here} weight: {changes['weight']}: a conductance cannot be"
                             " negative; smallest valid: 0 nS")  # fmt: skip
        if values.get("delay_sd", 0) < 0:
            raise InputError(f"{here} delay_sd: {changes['delay_sd']} is negative")
        try:
            spec = spec.with_projection(name, **values)
        except InputError as error:
            raise InputError(f"{where}: {str(error).removeprefix('run: ')}") from None
    try:
        check_indegrees(spec)
    except InputError as error:
        text = str(error).removeprefix("projections.toml: ")
        raise InputError(f"{where}: {text}") from None
    return spec


def _factors(spec: CircuitSpec, table, where: str) -> CircuitSpec:
    for name, factor in checked.table(table, where).items():
        value = checked.number(factor, f"{where} '{name}'")
        if value < 0:
            raise InputError(f"{where} '{name}': {factor}: a conductance cannot be negative;"
                             " smallest valid: 0")  # fmt: skip
        try:
            spec = spec.scaled(name, value)
        except InputError as error:
            raise InputError(f"{where}: {error}") from None
        checked.within(max(p.weight for p in spec.projections) * nS, f"{where} '{name}': a weight")
    return spec


def _lesions(spec: CircuitSpec, names, where: str) -> tuple[CircuitSpec, tuple[str, ...]]:
    if not isinstance(names, list | tuple):
        raise InputError(f"{where}: expected a list of names, found {names!r}")
    silenced = []
    for name in names:
        try:
            changed = _lesion(spec, checked.text(name, where))
        except InputError as error:
            text = str(error).removeprefix(f"{where}: ")
            raise InputError(f"{where}: {text}") from None
        if changed is None:
            silenced.append(name)
        else:
            spec = changed
    return spec, tuple(silenced)


def _lesion(spec: CircuitSpec, name: str) -> CircuitSpec | None:
    """Return the circuit without something; None where cells have to be silenced for that."""
    if "->" in name:
        return spec.scaled(name, 0)
    if name == "pacing":
        paced = [p.name for p in spec.populations if p.is_input and p.rate > 0]
        if not paced:
            raise InputError("'pacing': no input population has a rhythm (rate > 0)")
        for population in paced:
            spec = spec.with_populations(population, rate=0.0)
        return spec
    known = [p.name for p in spec.populations]
    if name not in known:
        raise InputError(f"unknown lesion '{name}'{nearest(name, ['pacing', *known])}")
    population = spec.population(name)
    if population.is_input and population.rate > 0:
        return spec.with_populations(name, rate=0.0)
    return None


def _cells(spec: CircuitSpec, table, where: str) -> CircuitSpec:
    changed = list(spec.cells)
    for name, changes in checked.table(table, where).items():
        checked.one_of(name, tuple(CELL_CLASSES), where, "cell class")
        parameters = cell_class(name).parameters
        here = f"{where} {name}"
        for key, value in checked.keys(changes, tuple(parameters), here).items():
            if isinstance(value, bool) or not isinstance(value, str | int | float):
                raise InputError(f"{here} {key}: {value!r} is not a quantity")
            unit = parse_unit(parameters.parameter(key).unit)
            try:
                quantity = parse_quantity(value, like=unit)
            except InputError as error:
                raise InputError(f"{here} {key}: {error}") from None
            if not float(quantity) and get_dimensions(unit) == get_dimensions(ms):
                raise InputError(f"{here} {key}: {value}: a time constant must be above 0")
            if float(quantity) < 0 and get_dimensions(unit) in _NOT_NEGATIVE:
                kind = "a conductance" if "S" in parameters.parameter(key).unit else "it"
                raise InputError(f"{here} {key}: {value}: {kind} cannot be negative;"
                                 " smallest valid: 0")  # fmt: skip
            changed.append((name, key, float(checked.within(quantity, f"{here} {key}"))))
    return replace(spec, cells=tuple(changed))
