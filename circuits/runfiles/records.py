"""The tables ``[[record]]`` of a run file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from brian2 import ms

from cells import checked
from cells.parameters import InputError
from circuits.recordings import LFP, Record, lacking, with_records
from circuits.runfiles.keys import RECORD
from circuits.runfiles.manipulations import when_of
from circuits.runfiles.model import Condition, Cycle
from circuits.runfiles.settings import Common

__all__ = ["recording", "records_of"]

_WHEN = ("block", "cycles", "every", "phase")
_FEW = 4  # cells or synapses, where a record does not say


def records_of(rows, common: Common) -> tuple[Record, ...]:
    """Return the records of a run file.

    Parameters
    ----------
    rows : list of mapping
    common : Common

    Raises
    ------
    InputError
    """
    where = f"{common.begin} record"
    if not isinstance(rows, list):
        raise InputError(f"{where}: expected [[record]] tables")
    found = [_record(row, str(k), common, f"{where} {k}") for k, row in enumerate(rows, 1)]
    names = [record.name for record in found]
    if twice := {name for name in names if names.count(name) > 1}:
        raise InputError(f"{where}: the name '{min(twice)}' comes twice")
    return tuple(found)


def _record(row, name: str, common: Common, where: str) -> Record:
    checked.keys(row, RECORD, where)
    for key in ("target", "what"):
        if key not in row:
            raise InputError(f"{where}: no key '{key}'")
    name = checked.text(row.get("name", name), f"{where} name")
    if not re.fullmatch("[a-z0-9_]+", name):
        raise InputError(f"{where} name: '{name}' is not of small letters, digits and _ alone")
    what = row["what"]
    what = checked.names([what] if isinstance(what, str) else what, f"{where} what")
    if len({*what}) != len(what):
        raise InputError(f"{where} what: a name comes twice")
    if LFP in what and len(what) > 1:
        raise InputError(f"{where} what: {LFP} is of a whole area; give it a record of its own")
    target = checked.text(row["target"], f"{where} target")
    if LFP in what and "->" in target:
        raise InputError(f"{where} target: {LFP} is of an area or population, not of a projection")
    noun, other = ("synapses", "cells") if "->" in target else ("cells", "synapses")
    if other in row:
        raise InputError(f"{where} {other}: '{target}' has {noun}; say '{noun}'")
    number, chosen = _chosen(row.get(noun), what == (LFP,), f"{where} {noun}")
    return Record(
        name, target, what, number, chosen,
        checked.quantity(row.get("interval", "1 ms"), ms, f"{where} interval"),
        when_of(row.get("when", {}), common, f"{where} when", _WHEN),
    )  # fmt: skip


def _chosen(value, summed: bool, where: str) -> tuple[int | None, tuple[int, ...]]:
    if value is None:
        return (None if summed else _FEW), ()
    if isinstance(value, list):
        found = tuple(checked.whole(v, 0, where) for v in value)
        if not found or len({*found}) != len(found):
            raise InputError(f"{where}: expected different indices, found {value!r}")
        return None, found
    return checked.whole(value, 1, where), ()


def _check_interval(record: Record, steps: set[float], cycle: Cycle, where: str) -> None:
    """Raise if an interval is not of whole steps (ms), or a cycle not of whole intervals."""

    def whole(long: float, short: float) -> bool:
        return long >= short and abs(long / short - round(long / short)) < 1e-6

    n = round(cycle.length / max(steps))
    valid = [cycle.length / k for k in range(1, n + 1) if n % k == 0]
    valid = [one for one in valid if all(whole(one, step) for step in steps)]
    if not any(abs(record.interval - one) < 1e-9 for one in valid):
        near = min(valid, key=lambda one: abs(one - record.interval))
        raise InputError(
            f"{where} interval: {record.interval:g} ms is not of whole steps, or not a whole part"
            f" of a cycle; nearest valid: {near:g} ms"
        )


def recording(
    conditions: Sequence[Condition], records: Sequence[Record], cycle: Cycle, begin: str
) -> tuple[Condition, ...]:
    """Return the conditions with records in their plans.

    Parameters
    ----------
    conditions : sequence of Condition
    records : sequence of Record
    cycle : Cycle
    begin : str
        Of messages.

    Raises
    ------
    InputError
        For what no condition has, or an interval that is not of whole steps.
    """
    for k, record in enumerate(records, 1):
        where = f"{begin} record {k}"
        try:
            missing = [lacking(record, c.spec, c.plan) for c in conditions]
        except InputError as error:
            raise InputError(f"{where} {error}") from None
        for (target, name), valid in missing[0].items():
            if all((target, name) in one for one in missing):
                raise InputError(f"{where} what: '{target}' has no '{name}'{valid}")
        _check_interval(record, {c.plan.dt_ms for c in conditions}, cycle, where)
    if not records:
        return tuple(conditions)
    return tuple(
        replace(c, records=tuple(records), plan=with_records(c.plan, c.spec, records))
        for c in conditions
    )
