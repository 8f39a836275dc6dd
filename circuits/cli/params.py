"""Every parameter of the model as one list."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import Path

from cells.currents import CURRENTS
from cells.parameters import MARKS, InputError, load_tables
from circuits.anatomy.folder import DEFAULT, Tables, find_anatomy, read_tables
from circuits.anatomy.tables import load_circuit, population_rows, projection_rows

__all__ = ["Row", "parameters", "write_parameters"]

_ROOT = Path(__file__).parents[2]
_TABLES = (
    "cells/tables",
    "circuits/synapses/tables",
    "circuits/stimuli",
    "circuits/manipulations",
    "circuits/plasticity",
    "circuits/plasticity/rules/tables",
    "circuits/plasticity/detailed/tables",
    "circuits/rates/tables",
)

# what the numbers of the anatomy tables mean
_POPULATION = {
    "bias": ("pA", "constant current, mean over cells"),
    "bias_sd": ("pA", "constant current, spread over cells"),
    "noise_sd": ("pA", "Ornstein-Uhlenbeck current, s.d."),
    "rate": ("Hz", "peak rate of its rhythm"),
    "peak": ("1", "phase of the peak, in cycles"),
}
_PROJECTION = {
    "weight": ("nS", "conductance of one synapse at the reference size"),
    "delay": ("ms", "mean delay"),
    "delay_sd": ("ms", "spread of the delay"),
}
FIELDS = ("table", "object", "parameter", "value", "unit", "meaning", "source", "mark")


@dataclass(frozen=True)
class Row:
    """One parameter; every field is text."""

    table: str
    object: str
    parameter: str
    value: str
    unit: str
    meaning: str
    source: str
    mark: str


def parameters(anatomy: Path | str = DEFAULT) -> Iterator[Row]:
    """Yield every parameter: cells, receptors, release, input, plasticity, then an anatomy.

    Parameters
    ----------
    anatomy : path or str
        Folder of its tables, or the name of one that comes along.

    Raises
    ------
    InputError
        If there is no such anatomy, or a mistake in it.
    """
    tables = read_tables(find_anatomy(anatomy))
    for size in tables.sizes:
        load_circuit(size, anatomy=anatomy)  # mistakes are told before anything is printed
    return _parameters(tables)


def _parameters(tables: Tables) -> Iterator[Row]:
    for folder in _TABLES:
        for path in sorted((_ROOT / folder).glob("*.toml")):
            for name, table in load_tables(path, apart=("class",)).items():
                for p in table.parameters:
                    yield Row(
                        path.stem, name, p.name, f"{p.value:g}", p.unit, p.meaning, p.source, p.mark
                    )
    for size, row in tables.sizes.items():
        for area, n in {"stimulus": row["positions"], **row["areas"]}.items():
            yield Row("sizes", size, area, f"{n}", "1", "positions", "size of the circuit", "D")
    yield from _populations(tables)
    yield from _projections(tables)


def _populations(tables: Tables) -> Iterator[Row]:
    for _, row in population_rows(tables):
        name = row["name"] + (f" ({', '.join(row['areas'])})" if "areas" in row else "")
        basis = "working point of the circuit", "D"
        where = "per channel" if row.get("positions", True) else "in all"
        for size, n in row["cells"].items():
            yield Row("populations", name, f"cells.{size}", f"{n}", "1", f"cells {where}", *basis)
        for key, (unit, meaning) in _POPULATION.items():
            if key in row:
                yield Row("populations", name, key, f"{row[key]:g}", unit, meaning, *basis)


def _projections(tables: Tables) -> Iterator[Row]:
    for _, row in projection_rows(tables):
        areas = f" ({', '.join(row['areas'])})" if "areas" in row else ""
        at = "" if row["at"] == "soma" else f".{row['at']}"
        name = f"{row['row']}: {row['source']}->{row['target']}{at}{areas}"
        basis = row["basis"], row["mark"]
        for size, n in row["indegree"].items():
            yield Row("projections", name, f"indegree.{size}", f"{n}", "1", "synapses on each"
                      f" target cell, from {row['topography']}", *basis)  # fmt: skip
        for key, (unit, meaning) in _PROJECTION.items():
            yield Row("projections", name, key, f"{row[key]:g}", unit, meaning, *basis)
        for receptor, share in row["receptors"]:
            meaning = f"share of the weight; release {row['release']}"
            yield Row("projections", name, receptor, f"{share:g}", "1", meaning, *basis)


def _chosen(rows: list[Row], names: Sequence[str]) -> list[Row]:
    found: set[Row] = set()
    for name in names:
        mine = {row for row in rows if any(fnmatchcase(one, name) for one in _called(row))}
        mine = mine or _of_current(rows, name)
        if not mine:
            known = {one for row in rows for one in _called(row)}
            raise InputError(f"params: no parameter '{name}'{_close(name, known)}")
        found |= mine
    return [row for row in rows if row in found]


def _of_current(rows: list[Row], name: str) -> set[Row]:
    """Return the parameters of a membrane current, such as I_T, in every cell class that has it."""
    symbols = {one.name.removesuffix("_relay"): one for one in CURRENTS.values()}
    if name not in symbols:
        return set()
    names = [p for p, _ in symbols[name].parameters]
    own = {p.format(s=suffix) for p in names for suffix in ("", "_d")}
    # its conductance comes first; a class without it has not the current
    first = {names[0].format(s=suffix) for suffix in ("", "_d")}
    classes = {(row.table, row.object) for row in rows if row.parameter in first}
    return {row for row in rows if (row.table, row.object) in classes and row.parameter in own}


def _close(name: str, known: set[str]) -> str:
    close = get_close_matches(name, sorted(known), n=3, cutoff=0.5)
    return f"; did you mean {' or '.join(map(repr, close))}?" if close else ""


def _called(row: Row) -> tuple[str, ...]:
    """Return what one may call a parameter by; of a projection without the number of its row."""
    what = row.object.partition(": ")[2] or row.object
    return row.parameter, f"{what}.{row.parameter}", what, row.table


def write_parameters(
    stream, form: str = "md", names: Sequence[str] = (), anatomy: Path | str = DEFAULT
) -> None:
    """Write the list.

    Parameters
    ----------
    stream : file
    form : {"md", "csv"}
    names : sequence of str
        Only these: a parameter, ``OBJECT.PARAMETER``, an object or a table, or a pattern of one; or
        a membrane current, for the parameters of it.
    anatomy : path or str
        As `parameters` takes it.
    """
    rows = list(parameters(anatomy))
    if names:
        rows = _chosen(rows, names)
    if form == "csv":
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(FIELDS)
        writer.writerows([getattr(row, f) for f in FIELDS] for row in rows)
        return
    print("Marks: " + "; ".join(f"{mark} {text}" for mark, text in MARKS.items()), file=stream)
    current = None
    for row in rows:
        if row.table != current:
            current = row.table
            print(f"\n## {current}\n", file=stream)
            print("| " + " | ".join(FIELDS[1:]) + " |", file=stream)
            print("|" + "---|" * (len(FIELDS) - 1), file=stream)
        cells = [getattr(row, f).replace("|", "\\|") for f in FIELDS[1:]]
        print("| " + " | ".join(cells) + " |", file=stream)
