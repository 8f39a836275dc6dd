"""The tables ``[[record]]`` of a run file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from brian2 import ms

from cells import checked
from cells.parameters import InputError
from circuits.recordings import LFP, Record, lacking, with_records
from circuits.runfiles.manipulations import when_of
from circuits.runfiles.model import Condition, Cycle
from circuits.runfiles.settings import Common

__all__ = ["recording", "records_of"]

_ROW = ("target", "what", "cells", "synapses", "interval", "when", "name")
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
    checked.keys(row, _ROW, where)
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
    noun, other = ("synapses", "cells") if "->" in target else ("cells", "synapses")
    if other in row:
        raise InputError(f"{where} {other}: '{target}' has {noun}; say '{noun}'")
    number, chosen = _chosen(row.get(noun), what == (LFP,), f"{where} {noun}")
    return Record(
        name, target, what, number, chosen,
        _interval(row.get("interval", "1 ms"), common.cycle, f"{where} interval"),
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


def _interval(value, cycle: Cycle, where: str) -> float:
    interval = checked.quantity(value, ms, where)
    n = max(round(cycle.length / interval), 1) if interval > 0 else 1
    if not interval > 0 or abs(cycle.length / interval - n) > 1e-6:
        raise InputError(f"{where}: {value}: a cycle of {cycle.length:g} ms is not so many whole"
                         f" intervals; nearest valid: {cycle.length / n:g} ms")  # fmt: skip
    return interval


def recording(
    conditions: Sequence[Condition], records: Sequence[Record], begin: str
) -> tuple[Condition, ...]:
    """Return the conditions with records in their plans.

    Parameters
    ----------
    conditions : sequence of Condition
    records : sequence of Record
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
        for dt in {c.plan.dt_ms for c in conditions}:
            n = max(round(record.interval / dt), 1)
            if abs(record.interval / dt - n) > 1e-6:
                raise InputError(f"{where} interval: {record.interval:g} ms is no multiple of the"
                                 f" step; nearest valid: {n * dt:g} ms")  # fmt: skip
    return (
        tuple(
            replace(c, records=tuple(records), plan=with_records(c.plan, c.spec, records))
            for c in conditions
        )
        if records
        else tuple(conditions)
    )
