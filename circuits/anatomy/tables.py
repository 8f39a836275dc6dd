"""From the anatomy tables to the description of a circuit."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path

from brian2 import Hz, ms, nS, pA

from cells import checked
from cells.models import CELL_CLASSES, cell_class
from cells.parameters import MARKS, InputError, nearest
from circuits.anatomy.folder import DEFAULT, Row, Tables, find_anatomy, read_tables, with_rows
from circuits.anatomy.spec import (
    ROLES,
    TOPOGRAPHIES,
    CircuitSpec,
    Loop,
    Population,
    Projection,
    check_projection,
)
from circuits.anatomy.topography import check_indegrees
from circuits.synapses.receptors import RECEPTORS

__all__ = ["load_circuit", "population_rows", "projection_rows", "sizes_of"]


def _by_size(value, where: str) -> Mapping[str, int]:
    """Return a table of whole numbers, one for each size."""
    for size, n in checked.table(value, where).items():
        checked.whole(n, 1, f"{where}.{size}")
    return value


def _of_size(value: Mapping[str, int], size: str, tables: Tables, where: str) -> int:
    """Return the number of a size; where a row has none, that of the reference size."""
    checked.keys(value, tables.sizes, where)
    for name in (size, tables.reference):
        if name in value:
            return value[name]
    raise InputError(f"{where}: nothing for size '{size}', nor for '{tables.reference}'")


def _not_below_zero(value, unit, where: str) -> float:
    value = checked.quantity(value, unit, where)
    if value < 0:
        raise InputError(f"{where}: {value:g} is below 0")
    return value


def _areas(value, where: str) -> tuple[str, ...]:
    """Return names of areas or groups of them."""
    return (value,) if isinstance(value, str) else checked.names(value, where)


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
    "areas": (_areas, False),
    "layer": (checked.text, True),
    # extensions may have added classes
    "cell": (
        lambda value, where: checked.one_of(value, ("input", *CELL_CLASSES), where, "cell"),
        True,
    ),
    "cells": (_by_size, True),
    "positions": (checked.flag, False),
    "bias": (lambda value, where: checked.quantity(value, pA, where), False),
    "bias_sd": (lambda value, where: _not_below_zero(value, pA, where), False),
    "noise_sd": (lambda value, where: _not_below_zero(value, pA, where), False),
    "rate": (lambda value, where: _not_below_zero(value, Hz, where), False),
    "peak": (checked.number, False),
    "steady": (lambda value, where: _not_below_zero(value, Hz, where), False),
    "cue": (checked.flag, False),
    "colour": (checked.text, False),
    "meaning": (checked.text, False),
}
_PROJECTION = {
    "row": (lambda value, where: checked.whole(value, 0, where), True),
    "source": (checked.text, True),
    "target": (checked.text, True),
    "areas": (_areas, False),
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
    "replaces": (checked.flag, False),
}
# what targets and arguments say that is no population
_WORDS = ("stimulus", "pacing", "input", "population", "projection", "all", "start")
_LOOP = {key: (checked.text, True) for key in ("name", *ROLES, "cortex")}


def _in_unit(value, unit, where: str) -> float:
    """Return a number as it is, a quantity as a number in ``unit``; neither below 0."""
    return _not_below_zero(value, unit if isinstance(value, str) else None, where)


def _said(value, words: Mapping[str, str], where: str):
    """Return a value of a row with the words of a step in place of their names in braces."""
    if isinstance(value, list):
        return [_said(v, words, where) for v in value]
    if not isinstance(value, str):
        return value
    for word in re.findall(r"{(.*?)}", value):
        if word not in words:
            raise InputError(f"{where}: no step has a word '{word}'{nearest(word, words)}")
    return re.sub(r"{(.*?)}", lambda found: words[found[1]], value)


def _checked_rows(rows: Iterable[Row], keys: Mapping, tables: Tables) -> Iterator[Row]:
    """Give rows with every key checked; one with words of the steps comes once for each step."""
    for at, row in rows:
        checked.keys(row, keys, at)
        called = row.get("name", "->".join(row[k] for k in ("source", "target") if k in row))
        at = f"{at} ({called})" if called else at
        for key, (_, needed) in keys.items():
            if needed and key not in row:
                raise InputError(f"{at}: no '{key}'")
        texts = [value for value in row.values() if isinstance(value, str | list)]
        many = tables.steps and "{" in str(texts)
        for words in [step for _, step in tables.steps] if many else [{}]:
            said = {key: _said(value, words, f"{at}: {key}") for key, value in row.items()}
            yield at, {key: keys[key][0](value, f"{at}: {key}") for key, value in said.items()}


def _with_members(row: dict, tables: Tables) -> dict:
    """Return a row with areas in place of groups of them."""
    if "areas" not in row:
        return row
    members = (a for name in row["areas"] for a in tables.groups.get(name, (name,)))
    return row | {"areas": list(dict.fromkeys(members))}


def population_rows(tables: Tables) -> Iterator[Row]:
    """Give the checked rows of populations; ``areas`` without groups, numbers in pA and Hz."""
    for where, row in _checked_rows(tables.populations, _POPULATION, tables):
        if ("areas" in row) == ("area" in row):
            raise InputError(f"{where}: needs either 'area' or 'areas'")
        yield where, _with_members(row, tables)


def projection_rows(tables: Tables) -> Iterator[Row]:
    """Give the checked rows of projections; ``areas`` without groups, numbers in nS and ms."""
    for where, row in _checked_rows(tables.projections, _PROJECTION, tables):
        yield where, _with_members(row, tables)


def _check_name(name: str, where: str) -> None:
    """Raise if a population's name would be read as something else elsewhere."""
    if name in ROLES:
        raise InputError(f"{where}: name: '{name}' is a role in a loop")
    if name in _WORDS:
        raise InputError(f"{where}: name: '{name}' has a meaning of its own in run files")
    if not re.fullmatch(r"[^\W\d_][\w-]*(\.[^\W\d_][\w-]*)?", name):
        raise InputError(f"{where}: name: '{name}' is no name: letters, digits,"
                         " _ and -, with a . between parts")  # fmt: skip


def _populations(tables: Tables, size: str, scale: float) -> tuple[Population, ...]:
    found: dict[str, Population] = {}
    for where, row in population_rows(tables):
        areas = row.pop("areas", [None])
        cells = _of_size(row["cells"], size, tables, f"{where}: cells")
        row["cells"] = round(cells * scale)
        if row["cells"] < 1 or abs(cells * scale - row["cells"]) > 1e-9 * row["cells"]:
            raise InputError(
                f"scale {scale:g}: '{row['name']}' would have {cells * scale:g} cells, not a whole"
                f" number; nearest valid: {max(1, round(scale))}"
            )
        if row["cell"] != "input":
            cell = cell_class(row["cell"])
            row = {"colour": cell.colour, "meaning": cell.meaning} | row
        for area in areas:
            changes = {"name": f"{area}.{row['name']}", "area": area} if area else {}
            population = Population(**{**row, **changes})
            _check_name(population.name, where)
            if population.name in found:
                raise InputError(f"{where}: there is already a population '{population.name}'")
            found[population.name] = population
    return tuple(found.values())


def _projections(
    tables: Tables, size: str, populations: Iterable[Population]
) -> tuple[Projection, ...]:
    found: dict[str, Projection] = {}
    inputs = {p.name for p in populations if p.is_input}
    names, known = {p.name for p in populations}, {p.area for p in populations}
    for where, row in projection_rows(tables):
        areas, replaces = row.pop("areas", [None]), row.pop("replaces", False)
        degrees, at = row["indegree"], f"{where}: indegree"
        row["indegree"] = _of_size(degrees, size, tables, at)
        reference = degrees.get(tables.reference, row["indegree"])
        row["weight"] = row["weight"] * reference / row["indegree"]
        for area in areas:
            if area is not None:
                checked.one_of(area, (*known, *tables.groups), f"{where}: areas", "area")
            ends = {}
            for side in ("source", "target"):
                inner = f"{area}.{row[side]}"
                ends[side] = inner if area and inner in names else row[side]
            projection = Projection(**{**row, **ends})
            check_projection(projection, where, names)
            if (projection.name in found) != replaces:
                wrong = "no" if replaces else "already a"
                raise InputError(f"{where}: there is {wrong} projection '{projection.name}'")
            if projection.target in inputs:
                raise InputError(f"{where}: target '{projection.target}' is an input, not cells")
            found[projection.name] = projection
    return tuple(found.values())


def _loops(tables: Tables, populations: Iterable[Population]) -> tuple[Loop, ...]:
    found: dict[str, Loop] = {}
    names, areas = [p.name for p in populations], [p.area for p in populations]
    for where, row in _checked_rows(tables.loops, _LOOP, tables):
        for role in ROLES:
            checked.one_of(row[role], names, f"{where}: {role}", "population")
        checked.one_of(row["cortex"], areas, f"{where}: cortex", "area")
        if row["name"] in found:
            raise InputError(f"{where}: there is already a loop '{row['name']}'")
        found[row["name"]] = Loop(**row)
    return tuple(found.values())


def _other_areas(tables: Tables, size: str, n_x: int, populations) -> tuple[tuple[str, int], ...]:
    """Return the areas that have another number of positions than the stimulus, and how many."""
    row, where = tables.sizes[size], f"{tables.name}/sizes.toml: size.{size}.areas"
    found = []
    for area, n in row["areas"].items():
        inside = [p for p in populations if p.area == area]
        if not inside:
            known = {p.area for p in populations}
            raise InputError(f"{where}: no area '{area}'{nearest(area, known)}")
        if seen := [p.name for p in inside if p.is_input and p.positions and not p.rate]:
            raise InputError(f"{where}.{area}: '{seen[0]}' follows the stimulus, position by"
                             " position")  # fmt: skip
        found.append((area, max(1, round(n * n_x / row["positions"]))))
    return tuple((area, n) for area, n in found if n != n_x)


def sizes_of(anatomy: Path | str = DEFAULT) -> tuple[str, ...]:
    """Return the sizes of an anatomy; the first one is that of a run file that names none."""
    return tuple(read_tables(find_anatomy(anatomy)).sizes)


def load_circuit(
    size: str | None = None,
    *,
    scale: float = 1.0,
    n_x: int | None = None,
    polarities: tuple[str, ...] = ("on", "off"),
    cues: int = 0,
    filled: bool = False,
    anatomy: Path | str = DEFAULT,
    added: tuple[str, str] | None = None,
) -> CircuitSpec:
    """Read the circuit of the anatomy tables.

    Parameters
    ----------
    size : str, optional
        Of those in sizes.toml; default the first one.
    scale : float
        Multiplies the cells at every channel; in-degrees and weights stay.
    n_x : int, optional
        Positions of the stimulus, by default those of the size; areas with another number of
        positions keep their share.
    polarities : tuple of str
        Channels at each position.
    cues : int
        Columns of the cue of the stimulus.
    filled : bool
        Without ``n_x`` one polarity has as many channels as both would have: twice the positions.
    anatomy : path or str
        Folder of the tables, or the name of one that comes along.
    added : (str, str), optional
        Further rows, and where they are written, see `circuits.anatomy.folder.with_rows`.

    Returns
    -------
    CircuitSpec

    Raises
    ------
    InputError
        One line that names the file, the key and the nearest valid choice.
    """
    tables = read_tables(find_anatomy(anatomy))
    if added is not None:
        tables = with_rows(tables, *added)
    size = next(iter(tables.sizes)) if size is None else size
    if size not in tables.sizes:
        raise InputError(f"unknown size '{size}'{nearest(size, tables.sizes)}")
    if not scale > 0:
        raise InputError(f"scale {scale}; must be above 0")
    if not n_x:
        n_x = tables.sizes[size]["positions"] * (2 if filled and len(polarities) == 1 else 1)
    return _load(tables, size, scale, n_x, tuple(polarities), cues)


_SYNAPSE = 150  # bytes, with the copies that are made in drawing them


@lru_cache(maxsize=32)
def _load(tables: Tables, size: str, scale: float, n_x: int, polarities, cues: int) -> CircuitSpec:
    populations = _populations(tables, size, scale)
    spec = CircuitSpec(
        size, n_x, polarities, populations, _projections(tables, size, populations),
        areas=_other_areas(tables, size, n_x, populations), loops=_loops(tables, populations),
        cues=cues,
    )  # fmt: skip
    _check_memory(spec, scale)
    check_indegrees(spec)
    return spec


def _check_memory(spec: CircuitSpec, scale: float) -> None:
    """Raise if the numbers of all synapses would not fit."""
    synapses = sum(p.indegree * spec.count(p.target) for p in spec.projections)
    checked.fits(_SYNAPSE * synapses, f"{spec.n_x} positions, scale {scale:g}: {synapses} synapses")
