"""Run files of rate networks: ``experiment = "rate"``, checked before anything runs.

``kind`` says what is done with each condition; every kind has tables of its own, which a condition
may say again for itself.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from analysis.data.criteria import measurable
from cells import checked
from cells.parameters import InputError
from circuits.rates.experiments.kinds import KINDS
from circuits.rates.frameworks import framework
from circuits.runfiles.criteria import criteria_of
from circuits.runfiles.keys import RATE_ONCE
from circuits.runfiles.model import Cycle, Run

__all__ = ["RateCondition", "resolve_rate"]


@dataclass(frozen=True)
class RateCondition:
    """One way to do what the kind of the run file does.

    Attributes
    ----------
    name, meaning, kind : str
    tables : mapping
        Every table of the kind, complete.
    """

    name: str
    meaning: str
    kind: str
    tables: Mapping = field(hash=False)


def _value(value, default, where: str):
    """Return a value of the kind that its default is of."""
    if isinstance(default, bool):
        return checked.flag(value, where)
    if isinstance(default, int):
        return checked.whole(value, 0, where)
    if isinstance(default, float):
        return checked.number(value, where)
    if isinstance(default, tuple):
        if not isinstance(value, list | tuple):
            raise InputError(f"{where}: expected a list of numbers, found {value!r}")
        if default and isinstance(default[0], float):
            return [checked.number(v, where) for v in value]
        return [checked.whole(v, 1, where) for v in value]
    return checked.text(value, where)


def _rule(table: Mapping, where: str) -> dict:
    table = checked.table(table, where)
    own = {key: value for key, value in table.items() if key != "name"}
    try:
        framework(checked.text(table.get("name", "backprop"), f"{where} name"), own)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
    return {"name": "backprop", **table}


def _checked_tables(kind, given: Mapping, begin: str) -> dict:
    found = {}
    for name, defaults in kind.tables.items():
        where = f"{begin} [{name}]"
        table = given.get(name, {})
        if defaults is None:
            found[name] = _rule(table, where) if table or name == "rule" else None
            continue
        for key in checked.keys(table, tuple(defaults), where):
            _value(table[key], defaults[key], f"{where} {key}")
        found[name] = {
            key: _value(table.get(key, default), default, f"{where} {key}")
            for key, default in defaults.items()
        }
    try:
        kind.check(found)
    except InputError as error:
        raise InputError(f"{begin} {error}") from None
    return found


def _merged(base: Mapping, own: Mapping, kind) -> dict:
    """Return the tables of a condition; another rule does not take over the values of the first."""
    found = copy.deepcopy({name: base.get(name, {}) for name in kind.tables})
    for name in kind.tables:
        change = own.get(name, {})
        both = isinstance(found[name], Mapping) and isinstance(change, Mapping)
        other = both and change.get("name", found[name].get("name")) != found[name].get("name")
        if not both or (other and kind.tables[name] is None):
            found[name] = copy.deepcopy(change)
        else:
            found[name] = found[name] | copy.deepcopy(change)
    return found


def _conditions(document: Mapping, kind, begin: str) -> tuple[RateCondition, ...]:
    entries = document["condition"]
    if not isinstance(entries, list):
        raise InputError(f"{begin} condition: expected [[condition]] tables")
    entries = entries or [{"name": "baseline"}]
    found = []
    for k, entry in enumerate(entries, 1):
        if not isinstance(entry, Mapping) or not isinstance(entry.get("name"), str):
            raise InputError(f"{begin} condition {k}: no key 'name'")
        at = f"{begin} condition '{entry['name']}'"
        checked.keys(entry, ("name", "meaning", *kind.tables), at)
        tables = _checked_tables(kind, _merged(document, entry, kind), at)
        found.append(RateCondition(entry["name"], str(entry.get("meaning", "")), kind.name, tables))
    if len({c.name for c in found}) != len(found):
        raise InputError(f"{begin} condition: a name comes twice")
    return tuple(found)


def resolve_rate(
    document: dict, file: str, conditions: Sequence[str] | None, refused: Mapping[str, object]
) -> Run:
    """Check a run file of rate networks.

    Parameters
    ----------
    document : dict
        The run file, settings of the command line put in.
    file : str
        Its name, for messages.
    conditions : sequence of str or None
        Those to run.
    refused : mapping
        Options of the command line that a rate run does not have, and their values.

    Raises
    ------
    InputError
        One line that names the file, the key and the nearest valid choice.
    """
    begin = f"{file}:"
    for option, value in refused.items():
        if value is not None:
            raise InputError(f"{begin} --{option}: a rate run has no {option}")
    kind = KINDS[checked.one_of(document.get("kind", "training"), tuple(KINDS), begin, "kind")]
    document = {
        "kind": kind.name, "claim": "", "source": "", "seeds": [1], "device": "numpy",
        "condition": [], "criteria": [], **document,
    }  # fmt: skip
    checked.keys(document, (*RATE_ONCE, *kind.tables), file)
    for key in ("name", "claim", "source"):
        checked.text(document[key], f"{begin} {key}")
    checked.one_of(document["device"], ("numpy",), f"{begin} device", "device")
    document["seeds"] = list(checked.seeds(document["seeds"], f"{begin} seeds"))
    every = _conditions(document, kind, begin)
    names = [c.name for c in every]
    for name in conditions or ():
        checked.one_of(name, names, begin, "condition")
    chosen = tuple(c for c in every if not conditions or c.name in conditions)
    criteria = criteria_of(document["criteria"], f"{begin} criterion", names)
    criteria = measurable(criteria, [c.name for c in chosen], names[0])
    return Run(
        file, "rate", document["name"], document["claim"], document["source"], "", 1.0,
        tuple(document["seeds"]), "numpy", Cycle(), cast(Any, chosen), criteria, document,
    )  # fmt: skip
