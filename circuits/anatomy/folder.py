"""The folder of an anatomy: which files it has, which other it extends, what they say."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from cells import checked
from cells.parameters import InputError, nearest

__all__ = ["DEFAULT", "ROWS", "Tables", "anatomies", "anatomy_chain", "find_anatomy",
           "read_tables", "with_rows"]  # fmt: skip

#: Name of the anatomy of a run file that says nothing else.
DEFAULT = "v1_v2_pulvinar"
#: Files of an anatomy, and their keys.
FILES = {
    "areas": ("extends", "groups", "step"),
    "sizes": ("reference", "size"),
    "populations": ("population",),
    "projections": ("projection",),
    "loops": ("loop",),
}
_NEEDED = ("sizes", "populations", "projections")
#: Rows that a run file may add to an anatomy, and what they need not say there.
ROWS: dict[str, dict[str, Any]] = {
    "population": {"layer": "own"},
    "projection": {
        "row": 0, "at": "soma", "topography": "near", "delay": "1 ms", "delay_sd": "0 ms",
        "release": "static", "plastic": False, "basis": "of the run file", "mark": "D",
    },
    "loop": {},
}  # fmt: skip
_UNITS = {"weight": "nS", "delay": "ms", "delay_sd": "ms", "bias": "pA", "bias_sd": "pA",
          "noise_sd": "pA", "rate": "Hz", "steady": "Hz"}  # fmt: skip
_HERE = Path(__file__).parent

#: A row as it is written, behind the words for its place.
Row = tuple[str, dict]


@dataclass(frozen=True, eq=False)
class Tables:
    """What the files of an anatomy say, behind what the anatomy says that it extends.

    Attributes
    ----------
    name : str
        Of the folder.
    populations, projections, loops : tuple of (str, dict)
        Rows as they are written, each behind the words for its place.
    groups : mapping of str to tuple of str
        Areas that rows may name together.
    steps : tuple of (str, dict)
        Steps of the hierarchy, of each the words that stand for it in rows, such as ``lower``.
    sizes : mapping of str to dict
        ``positions`` of the stimulus, and ``areas`` with another number of them.
    reference : str
        Size that the weights are those of; what a row lacks for a size is that of this one.
    """

    name: str = ""
    populations: tuple[Row, ...] = ()
    projections: tuple[Row, ...] = ()
    loops: tuple[Row, ...] = ()
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    steps: tuple[Row, ...] = ()
    sizes: Mapping[str, dict] = field(default_factory=dict)
    reference: str = ""


def anatomies() -> dict[str, Path]:
    """Return the anatomies that come along, by name."""
    return {path.parent.name: path.parent for path in sorted(_HERE.glob("*/areas.toml"))}


def find_anatomy(name: str | Path, beside: Path | None = None) -> Path:
    """Return the folder of an anatomy.

    Parameters
    ----------
    name : str or path
        The name of one that comes along, or a folder.
    beside : path, optional
        Folder that a path is relative to; default the current one.

    Raises
    ------
    InputError
        If there is none; names the nearest.
    """
    known = anatomies()
    if str(name) in known:
        return known[str(name)]
    path = (beside or Path()) / name
    if path.is_dir():
        return path.resolve()
    raise InputError(f"no anatomy '{name}'{nearest(Path(name).name, known)}")


def read_tables(folder: Path) -> Tables:
    """Read the files of an anatomy, and of those that it extends.

    Parameters
    ----------
    folder : path

    Raises
    ------
    InputError
        One line that names the file, the row or key and the nearest valid choice.
    """
    chain = anatomy_chain(folder)
    # a run file asks for the same tables again in every condition and block
    written = tuple(
        (path, path.stat().st_mtime_ns) for one in chain for path in sorted(one.glob("*.toml"))
    )
    return _read(chain, written)


@lru_cache(maxsize=32)
def _read(chain: tuple[Path, ...], written) -> Tables:
    """Read a chain of folders; ``written`` (when they were) is part of what is remembered."""
    tables = Tables()
    for folder in chain:
        tables = _with(tables, folder)
    if tables.reference not in tables.sizes:
        raise InputError(f"{_name(chain[-1], 'sizes')}: reference: no size '{tables.reference}'"
                         f"{nearest(tables.reference, tables.sizes)}")  # fmt: skip
    return tables


@lru_cache(maxsize=32)
def with_rows(tables: Tables, added: str, where: str) -> Tables:
    """Return tables with the rows that a run file adds.

    Parameters
    ----------
    tables : Tables
    added : str
        Lists of rows by `ROWS`, as JSON. ``cells`` and ``indegree`` may be one number for all
        sizes.
    where : str
        For messages.

    Raises
    ------
    InputError
    """
    found: dict[str, Any] = {}
    for key, rows in json.loads(added).items():
        named = _rows({key: rows}, key, where)
        full = [(at, ROWS[key] | row) for at, row in named]
        for at, row in full:
            for number in ("cells", "indegree"):
                if isinstance(row.get(number), int):
                    row[number] = dict.fromkeys(tables.sizes, row[number])
            for number, unit in _UNITS.items():
                if isinstance(value := row.get(number), int | float):
                    raise InputError(f"{at}: {number}: {value!r} has no unit, such as '1 {unit}'")
        found[f"{key}s"] = (*getattr(tables, f"{key}s"), *full)
    return replace(tables, **found)


def _name(folder: Path, file: str) -> str:
    return f"{folder.name}/{file}.toml"


def _document(folder: Path, file: str) -> Mapping:
    """Return what a file says; nothing where there is none."""
    path = folder / f"{file}.toml"
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{_name(folder, file)}: not TOML ({error})") from None
    return checked.keys(document, FILES[file], _name(folder, file))


def anatomy_chain(folder: Path) -> tuple[Path, ...]:
    """Return the folders of the anatomies that one extends, the first one first, and its own."""
    chain: list[Path] = []
    while True:
        if folder in chain:
            names = " extends ".join(one.name for one in (*chain, folder))
            raise InputError(f"{_name(folder, 'areas')}: extends: in a circle, {names}")
        chain.append(folder)
        for path in sorted(folder.glob("*.toml")):
            if path.stem not in FILES:
                raise InputError(f"{folder.name}/{path.name}: no file of an anatomy"
                                 f"{nearest(path.stem, FILES)}")  # fmt: skip
        base = _document(folder, "areas").get("extends")
        if base is None:
            break
        where = f"{_name(folder, 'areas')}: extends"
        try:
            folder = find_anatomy(checked.text(base, where), folder)
        except InputError as error:
            raise InputError(f"{where}: {str(error).removeprefix(where + ': ')}") from None
    for file in _NEEDED:
        if not (folder / f"{file}.toml").is_file():
            raise InputError(f"{_name(folder, file)}: no such file")
    return tuple(reversed(chain))


def _with(tables: Tables, folder: Path) -> Tables:
    """Return tables with what the files of one folder add."""
    areas, sizes = _document(folder, "areas"), _document(folder, "sizes")
    at = {file: _name(folder, file) for file in FILES}
    groups = {
        name: checked.names(value, f"{at['areas']}: groups.{name}")
        for name, value in checked.table(areas.get("groups", {}), f"{at['areas']}: groups").items()
    }
    rows = {
        file: (*getattr(tables, file), *_rows(_document(folder, file), FILES[file][0], at[file]))
        for file in ("populations", "projections", "loops")
    }
    steps = _rows(areas, "step", at["areas"]) if "step" in areas else ()
    for where, step in steps:
        known = (*tables.steps, *steps)[0][1]
        for key in checked.keys(step, known, where):
            checked.text(step[key], f"{where}: {key}")
        if lacking := [key for key in known if key not in step]:
            raise InputError(f"{where}: no '{lacking[0]}', which the first step has")
    reference = sizes.get("reference", tables.reference)
    return replace(
        tables,
        **rows,
        name=folder.name,
        groups={**tables.groups, **groups},
        steps=(*tables.steps, *steps),
        sizes={**tables.sizes, **dict(_sizes(sizes.get("size", {}), f"{at['sizes']}: size"))},
        reference=checked.text(reference, f"{at['sizes']}: reference"),
    )


def _rows(document: Mapping, key: str, where: str) -> tuple[Row, ...]:
    if not document:
        return ()
    rows = document.get(key)
    if not isinstance(rows, list) or not rows:
        raise InputError(f"{where}: no [[{key}]]")
    named = tuple((f"{where}: {key} {number}", row) for number, row in enumerate(rows, 1))
    for at, row in named:
        checked.table(row, at)
    return named


def _sizes(table, where: str) -> Iterator[tuple[str, dict]]:
    for name, row in checked.table(table, where).items():
        at = f"{where}.{name}"
        if "positions" not in checked.keys(row, ("positions", "areas"), at):
            raise InputError(f"{at}: no 'positions'")
        areas = checked.table(row.get("areas", {}), f"{at}.areas")
        yield (
            name,
            {
                "positions": checked.whole(row["positions"], 1, f"{at}.positions"),
                "areas": {a: checked.whole(n, 1, f"{at}.areas.{a}") for a, n in areas.items()},
            },
        )
