"""Descriptions of a circuit: populations and projections, read from the anatomy tables.

Everything here is frozen, hashable and printable, and needs no compiler: a description can be
checked, changed and compared without building anything.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from brian2 import Hz, ms, nS, pA

from cells import checked
from cells.models import CELL_CLASSES, cell_class
from cells.parameters import MARKS, InputError, nearest
from circuits.receptors import RECEPTORS
from circuits.release import release_class

__all__ = ["SIZES", "TOPOGRAPHIES", "CircuitSpec", "Population", "Projection", "load_circuit"]

ANATOMY = Path(__file__).parent / "anatomy"
SIZES = ("tiny", "column")
# width of the Gaussian over positions; None: the same channel or position only
TOPOGRAPHIES = {"channel": None, "position": None, "near": 1.0, "broad": 3.0, "all": None}
_POSITIONS = {"tiny": 8, "column": 16}


@dataclass(frozen=True)
class Population:
    """Cells of one class in one area.

    Attributes
    ----------
    name : str
        ``AREA.class``, or the bare name of an input or thalamic population.
    area, layer, cell, colour, meaning : str
        ``cell`` is a class of `cells`, or ``"input"`` for a source of spikes without membrane.
    cells : int
        At each channel if ``positions``, else in all.
    positions : bool
        Whether its cells belong to channels.
    bias, bias_sd, noise_sd : float
        pA: constant current, its spread over cells, and s.d. of the Ornstein-Uhlenbeck current.
    rate : float
        Hz, of an input: peak of its rhythm (0: it follows the stimulus).
    peak : float
        Of an input: phase of the peak, in cycles.
    """

    name: str
    area: str
    layer: str
    cell: str
    cells: int
    positions: bool = True
    bias: float = 0.0
    bias_sd: float = 0.0
    noise_sd: float = 0.0
    rate: float = 0.0
    peak: float = 0.0
    colour: str = "#000000"
    meaning: str = ""

    @property
    def is_input(self) -> bool:
        """Whether it has no membrane."""
        return self.cell == "input"

    @property
    def excitatory(self) -> bool:
        """Whether it excites its targets."""
        return True if self.is_input else cell_class(self.cell).excitatory

    def size(self, channels: int) -> int:
        """Return the number of cells in a circuit of so many channels."""
        return self.cells * channels if self.positions else self.cells


@dataclass(frozen=True)
class Projection:
    """Synapses from one population onto one compartment of another.

    Attributes
    ----------
    row : int
        In the anatomical table.
    source, target : str
        Population names.
    at : {"soma", "apical"}
    receptors : tuple of (str, float)
        Receptor and its share of the weight.
    indegree : int
        Synapses on each target cell.
    weight : float
        nS of one synapse.
    topography : str
        One of `TOPOGRAPHIES`.
    delay, delay_sd : float
        ms.
    release : str
    plastic : bool
    basis, mark : str
        Anatomical source and provenance.
    """

    row: int
    source: str
    target: str
    at: str
    receptors: tuple[tuple[str, float], ...]
    indegree: int
    weight: float
    topography: str
    delay: float
    delay_sd: float
    release: str
    plastic: bool
    basis: str
    mark: str

    @property
    def name(self) -> str:
        """``source->target``, with the compartment if it is not the soma."""
        at = "" if self.at == "soma" else f".{self.at}"
        return f"{self.source}->{self.target}{at}"


@dataclass(frozen=True)
class CircuitSpec:
    """A whole circuit.

    Attributes
    ----------
    size : str
    n_x : int
        Positions.
    polarities : tuple of str
        Channels at each position.
    populations : tuple of Population
    projections : tuple of Projection
    cells : tuple of (str, str, float)
        (class, parameter, SI value) changed against the tables.
    """

    size: str
    n_x: int
    polarities: tuple[str, ...]
    populations: tuple[Population, ...]
    projections: tuple[Projection, ...]
    cells: tuple[tuple[str, str, float], ...] = ()

    @property
    def channels(self) -> int:
        """Positions times polarities."""
        return self.n_x * len(self.polarities)

    def population(self, name: str) -> Population:
        """Return the population called ``name``; InputError names the nearest."""
        for p in self.populations:
            if p.name == name:
                return p
        names = [p.name for p in self.populations]
        raise InputError(f"unknown population '{name}'{nearest(name, names)}")

    def count(self, name: str) -> int:
        """Return the number of cells of a population."""
        return self.population(name).size(self.channels)

    def with_populations(self, name: str, **changes) -> CircuitSpec:
        """Return a copy in which a population (``*`` and prefixes match) is changed."""
        chosen = _matching(name, [p.name for p in self.populations], "population")
        changed = tuple(replace(p, **changes) if p.name in chosen else p for p in self.populations)
        return replace(self, populations=changed)

    def scaled(self, name: str, factor: float) -> CircuitSpec:
        """Return a copy in which the weights of a projection are multiplied by ``factor``.

        Parameters
        ----------
        name : str
            ``source->target``, of which either side may be ``*``; 0 is a lesion.
        factor : float
            Not negative.
        """
        if not factor >= 0:
            raise InputError(f"scale of '{name}' is {factor}: a conductance cannot be negative")
        chosen = _matching(name, [p.name for p in self.projections], "projection")
        changed = tuple(
            replace(p, weight=p.weight * factor) if p.name in chosen else p
            for p in self.projections
        )
        return replace(self, projections=changed)

    def with_projection(self, name: str, **changes) -> CircuitSpec:
        """Return a copy in which fields of a projection are changed."""
        chosen = _matching(name, [p.name for p in self.projections], "projection")
        changed = tuple(replace(p, **changes) if p.name in chosen else p for p in self.projections)
        for p in changed:
            if p.name in chosen:
                _check_projection(p, "run", {q.name for q in self.populations})
        return replace(self, projections=changed)

    def check_indegrees(self) -> None:
        """Raise InputError if a projection asks for more synapses than it has source cells."""
        from circuits.assemble import candidates

        for p in self.projections:
            available = candidates(self, p)
            if p.indegree > available:
                raise InputError(
                    f"projections.toml: {p.name}: indegree {p.indegree} is above the {available}"
                    f" '{p.source}' cells that topography '{p.topography}' offers at size"
                    f" '{self.size}'; largest valid: {available}"
                )

    def __str__(self) -> str:
        lines = [f"circuit '{self.size}': {self.n_x} positions x {len(self.polarities)} polarities"]
        lines += [f"  {p.name:12s} {p.size(self.channels):5d} {p.cell}" for p in self.populations]
        lines += [
            f"  {p.row:2d} {p.name:24s} K {p.indegree:3d} x {p.weight:g} nS {dict(p.receptors)}"
            for p in self.projections
        ]
        return "\n".join(lines)


def _matching(pattern: str, names: list[str], what: str) -> set[str]:
    import fnmatch

    chosen = {n for n in names if fnmatch.fnmatchcase(n, pattern)}
    if not chosen:
        raise InputError(f"unknown {what} '{pattern}'{nearest(pattern, names)}")
    return chosen


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


def _check_projection(p: Projection, where: str, populations: set[str]) -> None:
    for side in (p.source, p.target):
        if side not in populations:
            raise InputError(f"{where}: {p.name}: unknown population '{side}'"
                             f"{nearest(side, populations)}")  # fmt: skip
    for receptor, share in p.receptors:
        if receptor not in RECEPTORS:
            raise InputError(f"{where}: {p.name}: unknown receptor '{receptor}'"
                             f"{nearest(receptor, RECEPTORS)}")  # fmt: skip
        if not share >= 0:
            raise InputError(f"{where}: {p.name}: share of {receptor} is {share}: a conductance"
                             " cannot be negative")  # fmt: skip
    if not p.weight >= 0:
        raise InputError(f"{where}: {p.name}: weight {p.weight} nS: a conductance cannot be"
                         " negative")  # fmt: skip
    if p.topography not in TOPOGRAPHIES:
        raise InputError(f"{where}: {p.name}: unknown topography '{p.topography}'"
                         f"{nearest(p.topography, TOPOGRAPHIES)}")  # fmt: skip
    if p.indegree < 1:
        raise InputError(f"{where}: {p.name}: indegree {p.indegree}; smallest valid: 1")
    if not p.delay > 0:
        raise InputError(f"{where}: {p.name}: delay {p.delay} ms; must be above 0")
    if not p.delay_sd >= 0:
        raise InputError(f"{where}: {p.name}: delay_sd {p.delay_sd} ms is below 0")
    try:
        release_class(p.release)
    except InputError as error:
        raise InputError(f"{where}: {p.name}: {error}") from None


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
            _check_projection(projection, where, names)
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
    spec.check_indegrees()
    return spec
