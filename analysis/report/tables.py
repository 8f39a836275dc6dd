"""The tables of a report: what the run was told, and what the circuit consists of, with units."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import xarray as xr

from analysis.data import schema

__all__ = ["circuit_tables", "run_tables"]

_UNITS = ("nS", "ms", "pA", "Hz", "s", "mV", "pF", "nA")
# of what run.json says without a unit
_OF_KEY = {
    "cycle.length": "ms", "cycle.plus": "of the cycle", "cycle.count": "cycles",
    "cycle.warmup": "cycles", "wall_s": "s", "biological_s": "s",
    "realtime_factor": "s of biology in 1 s",
}  # fmt: skip
_QUANTITY = re.compile(r"([-+]?[\d.]+(?:e[-+]?\d+)?) ([A-Za-zµΩ%][\w/*^%-]*)")
# what has a place of its own in the page, or is a table of thousands of numbers
_APART = ("name", "title", "claim", "source", "versions", "cells_SI", "cell_units", "circuit",
          "run", "command", "schema", "programs", "joined")  # fmt: skip
_ROWS = ("parameter", "value", "unit")


def _text(value) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_text(v)}" for key, v in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(_text, value))
    return str(value)


def _split(key: str) -> tuple[str, str]:
    """Return a name without the unit that it ends with, and the unit."""
    name, _, last = key.rpartition("_")
    return (name, last) if name and last in _UNITS else (key, "")


def _flat(value, key="") -> Iterator[tuple[str, object]]:
    """Give the leaves of a document by dotted key; tables of a list by their names."""
    if isinstance(value, Mapping):
        for name, part in value.items():
            yield from _flat(part, f"{key}.{name}" if key else str(name))
    elif isinstance(value, list | tuple) and value and all(isinstance(v, Mapping) for v in value):
        for k, part in enumerate(value, 1):
            rest = {n: v for n, v in part.items() if n not in ("name", "id")}
            name = part.get("name", part.get("id", k))
            yield from _flat(rest or {"": "as in the file"}, f"{key} '{name}'")
    else:
        yield key, value


def _row(key, value) -> list[str]:
    text = _text(value)
    if isinstance(value, str) and (found := _QUANTITY.fullmatch(value)):
        return [key, *found.groups()]
    if isinstance(value, str) and value.endswith(" %"):
        return [key, value[:-2], "%"]
    unit = _OF_KEY.get(key) or _OF_KEY.get(key.partition(".")[0], "")
    name, own = _split(key)
    return [name if own else key, text, unit or own]


def _table(title, rows, columns=_ROWS, folded=False) -> dict:
    return {"title": title, "columns": columns, "rows": rows, "folded": folded}


def run_tables(info: Mapping) -> list[dict]:
    """Return what run.json says, as tables of parameter, value and unit.

    Parameters
    ----------
    info : mapping
        What run.json holds.

    Returns
    -------
    list of dict
        title, columns, rows of str, and whether it is folded.
    """
    told = {k: v for k, v in info.items() if k not in _APART}
    tables = []
    if rows := [_row(key, value) for key, value in _flat(told)]:
        tables.append(_table("How it was run", rows))
    document = {k: v for k, v in info.get("run", {}).items() if k not in (*_APART, "criteria")}
    empty: tuple = ({}, [], "", None)
    rows = [_row(k, v) for k, v in _flat(document) if v not in empty and k not in told]
    if rows:
        tables.append(_table("What the run file says, and defaults", rows, folded=len(rows) > 60))
    if info.get("cells_SI"):
        tables.append(_cells(info["cells_SI"], info.get("cell_units", {}), info.get("circuit")))
    versions = [[key, str(value)] for key, value in info.get("versions", {}).items()]
    if versions:
        tables.append(_table("Versions", versions, ("program", "version"), folded=True))
    return tables


def _cells(cells: Mapping, units: Mapping, circuit) -> dict:
    used = {p["cell_class"] for c in (circuit or {}).values() for p in c["populations"]}
    names = [name for name in cells if not used or name in used]
    keys = list(dict.fromkeys(key for name in names for key in cells[name]))
    rows = []
    for key in keys:
        unit = units.get(key, {"unit": "SI", "SI": 1.0})
        values = [f"{cells[n][key] / unit['SI']:.4g}" if key in cells[n] else "–" for n in names]
        rows.append([key, "" if unit["unit"] == "1" else unit["unit"], *values])
    return _table(f"Cells ({len(names)} classes)", rows, ("parameter", "unit", *names), folded=True)


def circuit_tables(ds: xr.Dataset) -> Iterator[dict]:
    """Give the tables of populations and of projections of a run."""
    populations = (
        "name",
        "area",
        "layer",
        "cell_class",
        "n",
        "excitatory",
        "bias_pA",
        "noise_sd_pA",
    )
    projections = ("row", "name", "source", "target", "compartment", "receptors", "indegree",
                   "weight_nS", "delay_ms", "release", "plastic", "basis")  # fmt: skip
    for title, columns, rows in (
        ("Populations", populations, schema.population_table(ds)),
        ("Connectivity table", projections, schema.projection_table(ds)),
    ):
        if rows:
            heads = [f"{n} ({u})" if u else n for n, u in map(_split, columns)]
            cells = [[_text(row.get(c, "")) for c in columns] for row in rows]
            yield _table(f"{title} ({len(rows)})", cells, heads, folded=True)
