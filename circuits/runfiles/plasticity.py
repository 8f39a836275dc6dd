"""The table ``[plasticity]``: what learns, and from which first weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path

from brian2 import ms

from cells import checked
from cells.parameters import InputError, ParameterTable, parse_unit
from circuits.anatomy.spec import CircuitSpec
from circuits.plasticity.homeostasis import HOMEOSTASIS
from circuits.plasticity.learning import OWN, Learning
from circuits.plasticity.rules.registry import RULES, rule
from circuits.runfiles.model import BIN_MS, Cycle
from circuits.runfiles.trained import Trained

__all__ = ["check_first_weights", "learning_of"]

_PLASTICITY = (*(field.name for field in fields(Learning)), "weights", "snapshot", "condition")


def learning_of(
    table, spec: CircuitSpec, cycle: Cycle, where: str, folder: Path
) -> tuple[Learning | None, Trained | None]:
    """Return what learns, and where its first weights come from.

    Parameters
    ----------
    table : mapping or None
        ``[plasticity]``; without it nothing learns.
    spec : CircuitSpec
    cycle : Cycle
    where : str
        For messages.
    folder : path
        Of the run file: the run that is gone on from may lie beside it.

    Raises
    ------
    InputError
    """
    if table is None:
        return None, None
    checked.keys(table, _PLASTICITY, where)
    default = Learning()
    values: dict = {}
    for key in ("rule", "efficacy", "timing"):
        values[key] = checked.text(table.get(key, getattr(default, key)), f"{where} {key}")
    checked.one_of(values["rule"], tuple(RULES), f"{where} rule:", "rule")
    for key in ("rate", "start", "start_sd", "gain", "bounds", "rise"):
        values[key] = checked.number(table.get(key, getattr(default, key)), f"{where} {key}")
    for key in ("gate", "lag"):
        if key in table:
            values[key] = checked.quantity(table[key], ms, f"{where} {key}")
    own = checked.table(table.get("own", {}), f"{where} own")
    parameters = rule(values["rule"]).table
    kept = {key: parse_unit(unit) for key, unit in HOMEOSTASIS.items()}
    for key in HOMEOSTASIS.keys() & table.keys():
        values[key] = checked.quantity(table[key], kept[key], f"{where} {key}")
    units = dict.fromkeys(OWN) | kept | _units(parameters, Learning.own_parameters(values["rule"]))
    values["own"] = tuple(
        (name, _numbers(numbers, units, f"{where} own '{name}'")) for name, numbers in own.items()
    )
    others = checked.table(table.get("others", {}), f"{where} others")
    values["others"] = tuple(
        (name, checked.text(other, f"{where} others '{name}'")) for name, other in others.items()
    )
    if "projections" in table:
        values["projections"] = checked.names(table["projections"], f"{where} projections")
    values["values"] = _numbers(
        table.get("values", {}), _units(parameters, tuple(parameters)), f"{where} values"
    )
    try:
        learning = Learning(**values)
        for number in learning.chosen(spec):
            if learning.individual or learning.others:
                learning.code(spec.projections[number].name)
        if learning.gated_by_cycle:
            _check_gate(learning.gate_at(cycle.length, BIN_MS), cycle)
    except InputError as error:
        raise InputError(f"{where} {error}") from None
    source = {key: checked.text(table.get(key, ""), f"{where} {key}") for key in _PLASTICITY[-3:]}
    if not source["weights"]:
        for key in _PLASTICITY[-2:]:
            if source[key]:
                raise InputError(f"{where} {key}: needs 'weights', the folder of a finished run")
        return learning, None
    path = Path(source["weights"])
    if not path.is_absolute() and not path.exists() and (folder / path).exists():
        path = folder / path
    return learning, Trained(str(path), source["snapshot"], source["condition"])


def _check_gate(gate: float, cycle: Cycle) -> None:
    last = cycle.length - BIN_MS
    near = min(max(round(gate / BIN_MS) * BIN_MS, 0.0), last)
    if not 0 <= gate <= last:
        raise InputError(
            f"gate: {gate:g} ms; valid in a cycle of {cycle.length:g} ms: 0 to {last:g} ms"
        )
    if abs(gate - near) > 1e-9:
        raise InputError(
            f"gate: {gate:g} ms is no multiple of {BIN_MS:g} ms; nearest valid: {near:g} ms"
        )


def _units(table: ParameterTable, keys: Sequence[str]) -> dict:
    """Return the unit of each parameter; None for a number."""
    units = {key: table.parameter(key).unit for key in keys}
    return {key: None if unit == "1" else parse_unit(unit) for key, unit in units.items()}


def _numbers(given, units: Mapping, where: str) -> tuple[tuple[str, float], ...]:
    """Return the numbers of a table, each in the unit of its key."""
    given = checked.keys(given, tuple(units), where)
    return tuple((k, checked.quantity(v, units[k], f"{where} {k}")) for k, v in given.items())


def check_first_weights(
    trained: Trained,
    learning: Learning,
    spec: CircuitSpec,
    seeds: Sequence[int],
    name: str,
    where: str,
) -> None:
    """Raise, before anything runs, if the first weights of a seed are not to be had.

    Parameters
    ----------
    trained : Trained
    learning : Learning
    spec : CircuitSpec
    seeds : sequence of int
    name : str
        Of the condition.
    where : str
        For messages.

    Raises
    ------
    InputError
    """
    mine = [spec.projections[k].name for k in learning.chosen(spec)]
    for seed in seeds:
        try:
            found = trained.read(seed, name)
        except InputError as error:
            raise InputError(f"{where} {error}") from None
        if not set(found) & set(mine):
            raise InputError(
                f"{where} weights: {trained.folder}: has weights of {', '.join(found) or 'none'},"
                f" but here {', '.join(mine)} learns"
            )
