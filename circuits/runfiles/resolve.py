"""From a run file, and what the command line says, to a run that is checked and complete."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from analysis.data.criteria import measurable
from cells import checked
from cells.parameters import InputError
from circuits.anatomy.folder import ROWS, find_anatomy
from circuits.anatomy.tables import load_circuit, sizes_of
from circuits.engine.devices import DEVICES
from circuits.runfiles.blocks import block_cycles, cycle_of, scaled
from circuits.runfiles.catalogue import find_run, read_run
from circuits.runfiles.changes import apply_settings
from circuits.runfiles.conditions import condition_names, conditions_of, learns
from circuits.runfiles.criteria import criteria_of
from circuits.runfiles.extensions import load_extensions
from circuits.runfiles.files import used_files
from circuits.runfiles.model import Cycle, Run
from circuits.runfiles.records import recording, records_of
from circuits.runfiles.settings import AGAIN, ONCE, Common, complete

__all__ = ["resolve", "resolve_document"]

EXPERIMENTS = ("circuit", "rate", "synapse")


def resolve(
    path: Path | str,
    *,
    size: str | None = None,
    device: str | None = None,
    seeds: Sequence[int] | str | None = None,
    cycles: int | None = None,
    conditions: Sequence[str] | None = None,
    replicas: int | None = None,
    settings: Iterable[str] = (),
) -> Run:
    """Read a run file and check all of it.

    Parameters
    ----------
    path : path or str
        A file, or the name of one that comes along.
    size, device : str, optional
    seeds : sequence of int or str, optional
    cycles : int, optional
        Go before what the file says.
    conditions : sequence of str, optional
        Run only these.
    replicas : int, optional
        Goes before what the file says.
    settings : iterable of str
        See `circuits.runfiles.changes.apply_settings`.

    Returns
    -------
    Run

    Raises
    ------
    InputError
        One line that names the file, the key and the nearest valid choice.
    """
    path = find_run(path)
    document = apply_settings(read_run(path), settings)
    return resolve_document(
        document, path, size=size, device=device, seeds=seeds, cycles=cycles,
        conditions=conditions, replicas=replicas,
    )  # fmt: skip


def resolve_document(
    said: Mapping,
    path: Path,
    *,
    size: str | None = None,
    device: str | None = None,
    seeds: Sequence[int] | str | None = None,
    cycles: int | None = None,
    conditions: Sequence[str] | None = None,
    replicas: int | None = None,
) -> Run:
    """Check all of what a run file says; see `resolve`.

    Parameters
    ----------
    said : mapping
        What the file says; it stays as it is.
    path : path
        Of the file, which need not be there: messages begin with its name, and what it names lies
        beside it.
    size, device, seeds, cycles, conditions, replicas
        As of `resolve`.

    Returns
    -------
    Run

    Raises
    ------
    InputError
    """
    document = copy.deepcopy(dict(said))
    begin = f"{path.name}:"
    experiment = document.get("experiment", "circuit")
    checked.one_of(experiment, EXPERIMENTS, begin, "experiment")
    for key, value in (
        ("size", size), ("device", device), ("seeds", seeds), ("replicas", replicas),
    ):  # fmt: skip
        if value is not None:
            document[key] = _seeds(value) if key == "seeds" else value
    conditions = [conditions] if isinstance(conditions, str) else conditions
    name = checked.text(document.setdefault("name", path.stem), f"{begin} name")
    if not name or set(name) & set("/\\\0") or name[0] == ".":
        raise InputError(f"{begin} name: '{name}' is no file name")
    if experiment == "rate":
        from circuits.runfiles.rates import resolve_rate

        refused = {"size": size, "cycles": cycles, "replicas": replicas}
        return resolve_rate(document, path.name, conditions, refused)
    if "extensions" in document:
        document["extensions"] = load_extensions(
            document["extensions"], f"{begin} extensions", path.parent
        )
    if experiment == "synapse":
        return _resolve_synapse(document, path, cycles, conditions)
    return _resolve_circuit(document, path, cycles, conditions)


def _seeds(value):
    if isinstance(value, str):
        return value
    return np.atleast_1d(value).tolist() if np.ndim(value) < 2 else value


def _resolve_circuit(document, path: Path, cycles, conditions) -> Run:
    begin = f"{path.name}:"
    checked.keys(document, (*ONCE, *AGAIN), path.name)
    if document.get("blocks") and "count" in (document.get("cycle") or ()):
        raise InputError(f"{begin} [cycle] count: with blocks it is the sum of their cycles;"
                         " leave it out")  # fmt: skip
    document = complete({"experiment": "circuit", **document})
    given, blocks = _counted(document, cycles, begin)
    for key in ("claim", "source"):
        checked.text(document[key], f"{begin} {key}")
    added = _added(document, begin)
    anatomy, sizes = _anatomy(document["anatomy"], path, begin)
    document["size"] = checked.one_of(
        document.get("size", sizes[0]), sizes, f"{begin} size", "size"
    )
    _check_added(document["size"], anatomy, added)
    checked.one_of(document["device"], DEVICES, f"{begin} device", "device")
    if not checked.number(document["scale"], f"{begin} scale") > 0:
        raise InputError(f"{begin} scale: {document['scale']} is not above 0")
    document["seeds"] = list(checked.seeds(document["seeds"], f"{begin} seeds"))
    copies = checked.whole(document.get("replicas", 1), 1, f"{begin} replicas")
    cycle = cycle_of(document["cycle"], f"{begin} [cycle]")
    if not given and learns(document):
        blocks = {"all": cycle.count}
    common = Common(
        begin, path.parent, anatomy, document["size"], float(document["scale"]), document["seeds"],
        cycle, blocks, tuple(conditions or ()), added,
    )  # fmt: skip
    records = records_of(document.get("record", []), common)
    resolved = recording(conditions_of(document, common, given), records, cycle, begin)
    if files := used_files(resolved, anatomy):
        document["files"] = files
    names = [c.name for c in resolved]
    criteria = criteria_of(document["criteria"], f"{begin} criterion", condition_names(document))
    criteria = measurable(criteria, names, condition_names(document)[0])
    return Run(
        path.name, "circuit", document["name"], document["claim"], document["source"],
        document["size"], float(document["scale"]), tuple(document["seeds"]), document["device"],
        cycle, resolved, criteria, document, copies,
    )  # fmt: skip


def _counted(document, cycles, begin: str) -> tuple[dict, dict]:
    """Return the cycles of the blocks as the file has them, and as they are run."""
    given = block_cycles(document, begin)
    blocks = given
    if cycles is not None:
        blocks = scaled(given, checked.whole(cycles, 1, "--cycles"))
    if given:
        for name, n in blocks.items():
            document["blocks"][name]["cycles"] = n
        cycles = sum(blocks.values())
    if cycles is not None and isinstance(document["cycle"], dict):
        document["cycle"]["count"] = cycles
    return given, blocks


def _added(document: Mapping, begin: str) -> tuple[str, str] | None:
    """Return the rows that the file adds to its anatomy, and how messages about them begin."""
    rows = {key: document[key] for key in ROWS if key in document}
    return (json.dumps(rows, default=str), begin.removesuffix(":")) if rows else None


def _check_added(size: str, anatomy: Path, added: tuple[str, str] | None) -> None:
    """Raise, in words of the run file, if its rows do not fit the anatomy."""
    if added is None:
        return
    try:
        load_circuit(size, anatomy=anatomy, added=added)
    except InputError as error:
        text = str(error).removeprefix("projections.toml: ").removeprefix(f"{added[1]}: ")
        raise InputError(f"{added[1]}: {text}") from None


def _anatomy(name, path: Path, begin: str) -> tuple[Path, tuple[str, ...]]:
    """Return the folder of an anatomy, named as such or relative to the run file, and its sizes."""
    where = f"{begin} anatomy: "
    try:
        folder = find_anatomy(checked.text(name, f"{begin} anatomy"), path.parent)
        sizes = sizes_of(folder)
        for size in sizes:
            load_circuit(size, anatomy=folder)
    except InputError as error:
        raise InputError(where + str(error).removeprefix(where)) from None
    return folder, sizes


def _resolve_synapse(document, path, cycles, conditions) -> Run:
    from circuits.plasticity.bench import biophysical
    from circuits.plasticity.bench.run import DEVICES as BENCH_DEVICES
    from circuits.runfiles.bench import validate

    begin = f"{path.name}:"
    if cycles is not None or conditions:
        raise InputError(f"{begin} a synapse run has no cycles or conditions to choose from")
    # the abstract rules run in numpy whatever the device, and have no size
    sizes = sizes_of()
    size = checked.one_of(document.pop("size", sizes[0]), sizes, f"{begin} size", "size")
    device = document.pop("device", "numpy")
    valid = [d for d in DEVICES if d in BENCH_DEVICES or d == "cython"]
    checked.one_of(device, valid, f"{begin} device", "device")
    seeds = checked.seeds(document.get("seeds", [1]), f"{begin} seeds")
    document["seeds"] = list(seeds)
    setup = validate(document, path.name)
    biophysical.validate(document, path.name)
    criteria = criteria_of(document.get("criteria", []), f"{begin} criterion", None)
    return Run(
        path.name, "synapse", str(document["name"]), str(document.get("claim", "")),
        str(document.get("source", "")), size, 1.0, seeds,
        "numpy" if device == "cython" else device, Cycle(), (), criteria, document, setup=setup,
    )  # fmt: skip
