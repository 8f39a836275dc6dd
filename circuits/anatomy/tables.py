"""From the anatomy tables to the description of a circuit."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path

from brian2 import Hz, ms, nS, pA

from cells import checked
from cells.models import CELL_CLASSES, cell_class
from cells.parameters import MARKS, InputError, nearest
from circuits.anatomy.spec import (
    TOPOGRAPHIES,
    CircuitSpec,
    Population,
    Projection,
    check_projection,
)
from circuits.anatomy.topography import check_indegrees
from circuits.synapses.receptors import RECEPTORS

__all__ = ["ANATOMY", "SIZES", "load_circuit"]


ANATOMY = Path(__file__).parent / "v1_v2_pulvinar"
SIZES = ("tiny", "column")
_POSITIONS = {"tiny": 8, "column": 16}


def _by_size(value, where: str) -> Mapping[str, int]:
    """Return a table of whole numbers, one for each size."""
    for size, n in checked.keys(value, SIZES, where).items():
        checked.whole(n, 1, f"{where}.{size}")
    return value


def _of_size(value: Mapping[str, int], size: str, where: str) -> int:
    if size not in value:
        raise InputError(f"{where}: nothing for size '{size}'")
    return value[size]


def _not_below_zero(value, unit, where: str) -> float:
    value = checked.quantity(value, unit, where)
    if value < 0:
        raise InputError(f"{where}: {value:g} is below 0")
    return value


def _names(value, where: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not value:
        raise InputError(f"{where}: expected a list of names, found {value!r}")
    return tuple(checked.text(v, where) for v in value)


def _receptors(value, where: str) -> tuple[tuple[str, float], ...]:
    shares = checked.keys(value, RECEPTORS, where)
    if not shares:
        raise InputError(f"{where}: no receptor; valid: {', '.join(RECEPTORS)}")
    return tuple((r, _not_below_zero(share, None, f"{where}.{r}")) for r, share in shares.items())


def _one_of(valid: Iterable[str], what: str):
    return lambda value, where: checked.one_of(value, tuple(valid), where, what)


# (check, whether a row must have it) of every key; a bare number is in the unit of the tables
_POPULATION = {
    "name": (checked.text, True),
    "area": (checked.text, False),
    "areas": (_names, False),
    "layer": (checked.text, True),
    "cell": (_one_of(("input", *CELL_CLASSES), "cell"), True),
    "cells": (_by_size, True),
    "positions": (checked.flag, False),
    "bias": (lambda value, where: checked.quantity(value, pA, where), False),
    "bias_sd": (lambda value, where: _not_below_zero(value, pA, where), False),
    "noise_sd": (lambda value, where: _not_below_zero(value, pA, where), False),
    "rate": (lambda value, where: _not_below_zero(value, Hz, where), False),
    "peak": (checked.number, False),
    "colour": (checked.text, False),
    "meaning": (checked.text, False),
}
_PROJECTION = {
    "row": (lambda value, where: checked.whole(value, 0, where), True),
    "source": (checked.text, True),
    "target": (checked.text, True),
    "areas": (_names, False),
    "at": (checked.text, True),
    "receptors": (_receptors, True),
    "indegree": (_by_size, True),
    "weight": (lambda value, where: _in_unit(value, nS, where), True),
    "topography": (_one_of(TOPOGRAPHIES, "topography"), True),
    "delay": (lambda value, where: _in_unit(value, ms, where), True),
    "delay_sd": (lambda value, where: _in_unit(value, ms, where), True),
    "release": (checked.text, True),
    "plastic": (checked.flag, True),
    "basis": (checked.text, True),
    "mark": (_one_of(MARKS, "mark"), True),
}


def _in_unit(value, unit, where: str) -> float:
    """Return a number as it is, a quantity as a number in ``unit``; neither below 0."""
    return _not_below_zero(value, unit if isinstance(value, str) else None, where)


def _rows(path: Path, name: str, keys: Mapping) -> Iterator[tuple[str, dict]]:
    """Give the checked rows of a table of the anatomy, each with the words for its place."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path.name}: not TOML ({error})") from None
    rows = checked.keys(document, (name,), path.name).get(name)
    if not isinstance(rows, list) or not rows:
        raise InputError(f"{path.name}: no [[{name}]]")
    for number, row in enumerate(rows, 1):
        at = f"{path.name}: {name} {number}"
        checked.keys(row, keys, at)
        called = row.get("name", f"{row.get('source', '?')}->{row.get('target', '?')}")
        at += f" ({called})"
        for key, (_, needed) in keys.items():
            if needed and key not in row:
                raise InputError(f"{at}: no '{key}'")
        yield at, {key: keys[key][0](value, f"{at}: {key}") for key, value in row.items()}


def _populations(path: Path, size: str, scale: float) -> tuple[Population, ...]:
    found: dict[str, Population] = {}
    for where, row in _rows(path, "population", _POPULATION):
        areas = row.pop("areas", None)
        if (areas is None) == ("area" not in row):
            raise InputError(f"{where}: needs either 'area' or 'areas'")
        cells = _of_size(row["cells"], size, f"{where}: cells")
        row["cells"] = max(1, round(cells * scale))
        if row["cell"] != "input":
            cell = cell_class(row["cell"])
            row = {"colour": cell.colour, "meaning": cell.meaning} | row
        for area in areas or [None]:
            changes = {"name": f"{area}.{row['name']}", "area": area} if area else {}
            population = Population(**{**row, **changes})
            if population.name in found:
                raise InputError(f"{where}: there is already a population '{population.name}'")
            found[population.name] = population
    return tuple(found.values())


def _projections(path: Path, size: str, names: set[str]) -> tuple[Projection, ...]:
    found: dict[str, Projection] = {}
    for where, row in _rows(path, "projection", _PROJECTION):
        areas = row.pop("areas", None)
        degrees = row["indegree"]
        row["indegree"] = _of_size(degrees, size, f"{where}: indegree")
        row["weight"] = row["weight"] * degrees.get("column", row["indegree"]) / row["indegree"]
        for area in areas or [None]:
            ends = {}
            for side in ("source", "target"):
                inner = f"{area}.{row[side]}"
                ends[side] = inner if area and inner in names else row[side]
            projection = Projection(**{**row, **ends})
            check_projection(projection, where, names)
            if projection.name in found:
                raise InputError(f"{where}: there is already a projection '{projection.name}'")
            found[projection.name] = projection
    return tuple(found.values())


def load_circuit(
    size: str = "tiny",
    *,
    scale: float = 1.0,
    n_x: int | None = None,
    polarities: tuple[str, ...] = ("on", "off"),
    anatomy: Path | str = ANATOMY,
) -> CircuitSpec:
    """Read the circuit of the anatomy tables.

    Parameters
    ----------
    size : {"tiny", "column"}
    scale : float
        Multiplies the cells at every channel; in-degrees and weights stay.
    n_x : int, optional
        Positions; 8 in ``tiny``, 16 in ``column``.
    polarities : tuple of str
        Channels at each position.
    anatomy : path
        Folder of populations.toml and projections.toml.

    Returns
    -------
    CircuitSpec

    Raises
    ------
    InputError
        One line that names the file, the key and the nearest valid choice.
    """
    if size not in SIZES:
        raise InputError(f"unknown size '{size}'{nearest(size, SIZES)}")
    if not scale > 0:
        raise InputError(f"scale {scale}; must be above 0")
    files = tuple(Path(anatomy) / name for name in ("populations.toml", "projections.toml"))
    # a run file asks for the same circuit again in every condition and block
    written = tuple(path.stat().st_mtime_ns if path.is_file() else 0 for path in files)
    return _load(size, scale, n_x or _POSITIONS[size], tuple(polarities), files, written)


@lru_cache(maxsize=32)
def _load(size, scale, n_x, polarities, files, written) -> CircuitSpec:
    """Read and check; ``written`` (when the files were) is part of what is remembered."""
    populations = _populations(files[0], size, scale)
    projections = _projections(files[1], size, {p.name for p in populations})
    spec = CircuitSpec(size, n_x, polarities, populations, projections)
    check_indegrees(spec)
    return spec
