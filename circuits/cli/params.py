"""Every parameter of the model as one list."""

from __future__ import annotations

import csv
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cells.parameters import MARKS, load_tables
from circuits.anatomy.tables import ANATOMY

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
)

# what the numbers of the anatomy tables mean; units are written in the tables themselves
_POPULATION = {
    "bias": "constant current, mean over cells",
    "bias_sd": "constant current, spread over cells",
    "noise_sd": "Ornstein-Uhlenbeck current, s.d.",
    "rate": "peak rate of its rhythm",
    "peak": "phase of the peak, in cycles",
}
_PROJECTION = {
    "weight": ("nS", "conductance of one synapse at size column"),
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


def parameters() -> Iterator[Row]:
    """Yield every parameter: cells, receptors, release, input, plasticity, then the anatomy."""
    for folder in _TABLES:
        for path in sorted((_ROOT / folder).glob("*.toml")):
            for name, table in load_tables(path, apart=("class",)).items():
                for p in table.parameters:
                    yield Row(
                        path.stem, name, p.name, f"{p.value:g}", p.unit, p.meaning, p.source, p.mark
                    )
    yield from _populations()
    yield from _projections()


def _read(name: str) -> list[dict]:
    document = tomllib.loads((ANATOMY / f"{name}s.toml").read_text(encoding="utf-8"))
    return document[name]


def _populations() -> Iterator[Row]:
    for row in _read("population"):
        name = row["name"] + (f" ({', '.join(row['areas'])})" if "areas" in row else "")
        basis = row.get("source", "working point of the circuit"), row.get("mark", "D")
        where = "per channel" if row.get("positions", True) else "in all"
        for size, n in row["cells"].items():
            yield Row("populations", name, f"cells.{size}", f"{n}", "1", f"cells {where}", *basis)
        for key, meaning in _POPULATION.items():
            if key in row:
                value, _, unit = str(row[key]).partition(" ")
                yield Row("populations", name, key, value, unit or "1", meaning, *basis)


def _projections() -> Iterator[Row]:
    for row in _read("projection"):
        areas = f" ({', '.join(row['areas'])})" if "areas" in row else ""
        at = "" if row["at"] == "soma" else f".{row['at']}"
        name = f"{row['row']}: {row['source']}->{row['target']}{at}{areas}"
        basis = row["basis"], row["mark"]
        for size, n in row["indegree"].items():
            yield Row("projections", name, f"indegree.{size}", f"{n}", "1", "synapses on each"
                      f" target cell, from {row['topography']}", *basis)  # fmt: skip
        for key, (unit, meaning) in _PROJECTION.items():
            yield Row("projections", name, key, f"{row[key]:g}", unit, meaning, *basis)
        for receptor, share in row["receptors"].items():
            meaning = f"share of the weight; release {row['release']}"
            yield Row("projections", name, receptor, f"{share:g}", "1", meaning, *basis)


def write_parameters(stream, form: str = "md") -> None:
    """Write the list.

    Parameters
    ----------
    stream : file
    form : {"md", "csv"}
    """
    rows = parameters()
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
