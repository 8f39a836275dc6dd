"""A circuit and what is done with it, as one frozen object: a run file in the hand."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Any

from cells import checked
from cells.parameters import InputError, nearest
from circuits.anatomy.folder import ROWS, anatomies
from circuits.api.document import nested, plain, trains
from circuits.api.rows import Rows
from circuits.driver.courses import check_manipulations
from circuits.driver.notes import notes_of
from circuits.runfiles.catalogue import find_run, read_run, runs
from circuits.runfiles.changes import merge
from circuits.runfiles.model import Run
from circuits.runfiles.resolve import resolve_document
from circuits.runfiles.settings import AGAIN
from circuits.stimuli.arrays import Arrays
from circuits.stimuli.stimulus import GROUPS, PICTURES, Stimulus

__all__ = ["Circuit", "load"]

#: What `Circuit.add` adds, and the key of the run file that lists it.
ADDED = {**{name: name for name in ROWS}, "manipulation": "manipulation",
         "condition": "condition", "criterion": "criteria", "record": "record"}  # fmt: skip


@dataclass(frozen=True, repr=False, eq=False)
class Circuit:
    """A checked description of a circuit, its stimulus, its conditions and its claims.

    It says what a run file says, and is checked as one. Nothing changes it: `set`, `add` and `show`
    return another one.

    Parameters
    ----------
    path : Path
        Of the run file, or what stands for it in messages.
    document : mapping
        What the run file says.

    Attributes
    ----------
    populations : Rows of `circuits.anatomy.spec.Population`
        Of the first condition; numbers in pA and Hz. ``populations["NAME"]`` is one of them.
    projections : Rows of `circuits.anatomy.spec.Projection`
        The same; numbers in nS and ms.
    loops : Rows of `circuits.anatomy.spec.Loop`
        Prediction loops.
    conditions : Rows of `circuits.runfiles.model.Condition`
    blocks : Rows of `circuits.runfiles.model.Block`
        Of the first condition.
    stimulus : Stimulus
        Of the first condition.
    plasticity : Learning or None
        Of the first condition.
    manipulations : tuple of dict
        Of all conditions, then those of each.
    """

    path: Path
    document: Mapping

    def __post_init__(self):
        """Copy and check what it says, so that a mistake is told where it is made."""
        object.__setattr__(self, "document", copy.deepcopy(dict(self.document)))
        experiment = self.document.get("experiment", "circuit")
        if experiment != "circuit":
            raise InputError(f"{self.path.name}: its experiment is '{experiment}', not 'circuit'")
        self.resolved  # noqa: B018

    @cached_property
    def resolved(self) -> Run:
        """The run that it describes, checked and complete."""
        return self.resolve()

    def resolve(self, **choices) -> Run:
        """Return the run, of other seeds, cycles, conditions, size, device or replicas.

        Parameters
        ----------
        **choices
            As of `circuits.runfiles.resolve.resolve_document`.
        """
        return resolve_document(self.document, self.path, **choices)

    @property
    def name(self) -> str:
        """Name of the run."""
        return self.resolved.name

    @property
    def populations(self) -> Rows:
        """Populations of the first condition."""
        return Rows(self.resolved.conditions[0].spec.populations)

    @property
    def projections(self) -> Rows:
        """Projections of the first condition."""
        return Rows(self.resolved.conditions[0].spec.projections)

    @property
    def loops(self) -> Rows:
        """Prediction loops of the first condition."""
        return Rows(self.resolved.conditions[0].spec.loops)

    @property
    def conditions(self) -> Rows:
        """Conditions, checked and complete."""
        return Rows(self.resolved.conditions)

    @property
    def blocks(self) -> Rows:
        """Blocks of the first condition."""
        return Rows(self.resolved.conditions[0].blocks)

    @property
    def stimulus(self) -> Stimulus:
        """What the first condition shows."""
        return self.resolved.conditions[0].stimulus

    @property
    def plasticity(self):
        """What learns in the first condition, and how; or None."""
        return self.resolved.conditions[0].learning

    @property
    def manipulations(self) -> tuple[dict, ...]:
        """Manipulations of all conditions, then those of each with its name."""
        found = [dict(row) for row in self.document.get("manipulation", ())]
        for entry in self.document.get("condition", ()):
            rows = entry.get("manipulation", ())
            found += [{"condition": entry["name"], **row} for row in rows]
        return tuple(found)

    def set(
        self, key: str | None = None, value: Any = None, /, *,
        in_condition: str | None = None, **tables
    ) -> Circuit:  # fmt: skip
        """Return a circuit in which keys of the run file have other values.

        Parameters
        ----------
        key : str, optional
            Dotted, as ``"projections.V1.L5IB->TRC.weight"`` or ``"stimulus.contrast"``; ``*`` in a
            name of a population or projection matches.
        value : object
            Quantities with their unit, as ``20*nS`` or ``"20 nS"``.
        in_condition : str, optional
            Name of the condition that has them alone; default all.
        **tables
            Keys of the run file, as ``size="column"`` or ``stimulus={"contrast": 0.5}``; what a
            table does not name stays.

        Returns
        -------
        Circuit

        Raises
        ------
        InputError
            One line that names the key and the nearest valid choice.
        """
        change = dict(tables)
        if key is not None:
            merge(change, nested(key, value), "set")
        change = plain(change, "set")
        document = copy.deepcopy(dict(self.document))
        into = document if in_condition is None else _condition(document, in_condition)
        _merge_stimulus(into, change)
        for block, own in dict(change.get("blocks", {})).items():
            _merge_stimulus(into.get("blocks", {}).get(block, {}), own)
        merge(into, change, "set")
        return Circuit(self.path, document)

    def add(self, what: str, /, *, in_condition: str | None = None, **row) -> Circuit:
        """Return a circuit with one row more.

        Parameters
        ----------
        what : str
            A population, projection, loop, manipulation, condition, criterion or record.
        in_condition : str, optional
            Of a manipulation: the condition that has it alone; default all.
        **row
            Keys of the row as a run file has them; numbers with their unit.

        Returns
        -------
        Circuit

        Raises
        ------
        InputError
            As `set`.
        """
        list_ = ADDED[checked.one_of(what, tuple(ADDED), "add", "kind of row")]
        document = copy.deepcopy(dict(self.document))
        if in_condition is not None and list_ not in AGAIN:
            raise InputError(f"add {what}: it is the same in all conditions")
        into = document if in_condition is None else _condition(document, in_condition)
        into[list_] = [*into.get(list_, []), plain(row, f"add {what}")]
        found = Circuit(self.path, document)
        if row.get("what") == "freeze":  # others may be off until a block or cycle is added
            check_manipulations(found.resolved)
        return found

    def feed(self, population: str, spikes: Any, cell: Any = None, *, source: str | None = None,
             in_condition: str | None = None) -> Circuit:  # fmt: skip
        """Return a circuit in which an input plays spike trains, and nothing else.

        Parameters
        ----------
        population : str
            An input; numbers of its cells count from 0.
        spikes : Quantity [time], sequence of trains, path or str
            Times of all spikes, with ``cell``; or a train for each cell, in their order (quantities
            of Brian2, or trains of neo); or a file: CSV, NWB, SONATA, or what neo reads, see
            `analysis.exports.read.read_spikes`. Time 0 is the start of the warm-up; spikes fall on
            steps of 0.5 ms.
        cell : (spike,) array of int, optional
            The cell of each spike.
        source : str, optional
            Population of the file.
        in_condition : str, optional
            As of `set`.

        Returns
        -------
        Circuit

        Raises
        ------
        InputError
            As `set`; for times without a unit too.
        """
        if isinstance(spikes, str | Path):
            played: Any = {"path": str(spikes)} | ({} if source is None else {"population": source})
        else:
            played = trains(spikes, cell, f"feed {population}")
        tables = {"populations": {population: {"spikes": played}}}
        found = self.set(in_condition=in_condition, **tables)
        for note in notes_of(found.resolved):
            warnings.warn(note, stacklevel=2)
        return found

    def record(self, target: str, what: str | Sequence[str], **row) -> Circuit:
        """Return a circuit of which something more is kept over time.

        Parameters
        ----------
        target : str
            A population or projection; ``*`` matches. Or an area, of an LFP proxy.
        what : str or sequence of str
            Such as ``V``, ``I_T``, ``weight``, ``LFP``.
        **row
            Other keys of a row: ``cells``, ``synapses``, ``interval``, ``when``, ``name``.

        Returns
        -------
        Circuit

        Raises
        ------
        InputError
            As `set`.
        """
        what = what if isinstance(what, str) else [*what]
        return self.add("record", target=target, what=what, **row)

    def show(
        self, pictures: Any, *, block: str | None = None, in_condition: str | None = None, **keys
    ) -> Circuit:
        """Return a circuit that is shown something else.

        Parameters
        ----------
        pictures : str, path, array or sequence of these
            A photograph that comes along, or a group of them (``"training"``, ``"held_out"``); a
            picture, film, folder of pictures or array file (``.npy``), or several pictures; or an
            array: (y, x) a picture, (frame, y, x) a film, several (y, x) a set of pictures, see
            `circuits.stimuli.stimulus.Stimulus`.
        block : str, optional
            Block of training or test in which it is shown; default all.
        in_condition : str, optional
            As of `set`.
        **keys
            Further keys of the stimulus, such as ``step`` or ``contrast``.

        Returns
        -------
        Circuit

        Raises
        ------
        InputError
            As `set`.
        """
        if block is not None:
            blocks = tuple(self.document.get("blocks", ()))
            checked.one_of(block, blocks, f"{self.path.name}: show:", "block")
        table = {**_shown(plain(pictures, "show")), **keys}
        tables = {"stimulus": table} if block is None else {"blocks": {block: {"stimulus": table}}}
        found = self.set(in_condition=in_condition, **tables)
        for note in notes_of(found.resolved):
            warnings.warn(note, stacklevel=2)
        return found

    def _lines(self) -> list[tuple[str, str]]:
        """Return what there is to say, each with its heading."""
        run, spec = self.resolved, self.resolved.conditions[0].spec
        cycle, shown = run.cycle, self.stimulus
        names = ", ".join(self.conditions.names)
        plastic = [p.name for p in spec.projections if p.plastic]
        learning = "none"
        if self.plasticity is not None:
            chosen = [spec.projections[k].name for k in self.plasticity.chosen(spec)]
            learning = f"{self.plasticity.rule} in {', '.join(chosen)}"
        what = [f"{row.get('what')} {row.get('target')}" for row in self.manipulations]
        picture = ", ".join(shown.names)
        return [
            ("size", f"{run.size}: {spec.n_x} positions x {len(spec.polarities)} polarities,"
                     f" {sum(spec.count(p.name) for p in spec.populations)} cells"),
            ("populations", f"{len(spec.populations)}: {', '.join(self.populations.names)}"),
            ("projections", f"{len(spec.projections)}, of which may learn {len(plastic)}"),
            ("loops", ", ".join(loop.name for loop in spec.loops) or "none"),
            ("stimulus", f"{shown.kind}: {picture}; step {shown.step}"),
            ("plasticity", learning),
            ("manipulations", ", ".join(what) or "none"),
            ("conditions", f"{len(run.conditions)}: {names}"),
            ("cycles", f"{cycle.count} of {cycle.length:g} ms, {cycle.warmup} before them"
                       + "".join(f"; {b.name} {b.cycles}" for b in self.blocks)),
            ("runs", f"seeds {', '.join(map(str, run.seeds))} on device {run.device}"),
        ]  # fmt: skip

    def __repr__(self) -> str:
        lines = [f"  {head:14s}{text}" for head, text in self._lines()]
        return "\n".join([f"Circuit '{self.name}'", *lines])

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th style='text-align:left'>{head}</th>"
            f"<td style='text-align:left'>{escape(text)}</td></tr>"
            for head, text in self._lines()
        )
        tables = "".join(
            f"<details><summary>{head}</summary>{getattr(self, head)._repr_html_()}</details>"
            for head in ("populations", "projections")
        )
        return f"<b>Circuit '{escape(self.name)}'</b><table>{rows}</table>{tables}"


def _merge_stimulus(into: dict, change: dict) -> None:
    """Move a stimulus from one table to another, without the keys of another kind there."""
    if all(isinstance(table.get("stimulus"), Mapping) for table in (into, change)):
        into["stimulus"] = Stimulus.merged(into["stimulus"], change.pop("stimulus"))


def _shown(pictures: Any) -> dict:
    """Return the keys of a stimulus that say what is shown."""
    if isinstance(pictures, Arrays):
        return {"kind": "array", "array": pictures}
    several = [pictures] if isinstance(pictures, str) else pictures
    if isinstance(several, list) and all(name in (*PICTURES, *GROUPS) for name in several):
        return {"kind": "photograph", "image": pictures}
    return {"kind": "file", "path": pictures}


def _condition(document: Mapping, name: str) -> dict:
    """Return the entry of a condition."""
    entries = document.get("condition", [])
    for entry in entries:
        if entry.get("name") == name:
            return entry
    raise InputError(f"no condition '{name}'{nearest(name, [e.get('name') for e in entries])}")


def load(name: Path | str, *, size: str | None = None, **tables) -> Circuit:
    """Return the circuit of a run file or of an anatomy.

    Parameters
    ----------
    name : path or str
        A run file, or the name of one that comes along (``pulvinar list``); or an anatomy: a folder
        of tables, or the name of one that comes along, shown what a run file shows that says
        nothing.
    size : str, optional
        Of those of the anatomy; default that of the run file, or the first.
    **tables
        Further keys of a run file, as of `Circuit.set`.

    Returns
    -------
    Circuit

    Raises
    ------
    InputError
        One line that names the file, the key and the nearest valid choice.
    """
    if not isinstance(name, str | Path):
        raise InputError(f"load: {name!r} is no name or path of a run file or an anatomy")
    if str(name) in anatomies() or Path(name).is_dir():
        if str(name) not in anatomies() and not Path(name, "areas.toml").is_file():
            raise InputError(f"load: folder '{name}' is no anatomy: it has no areas.toml")
        path = Path(name)
        anatomy = str(name) if str(name) in anatomies() else str(path.resolve())
        document: dict = {"name": path.resolve().name, "anatomy": anatomy}
        path = Path(path.resolve().name) if anatomy != str(name) else path
    else:
        try:
            path = find_run(name)
        except InputError:
            known = [*anatomies(), *(p.stem for p in runs())]
            raise InputError(f"no run file or anatomy '{name}'"
                             f"{nearest(Path(name).stem, known)}") from None  # fmt: skip
        document = read_run(path)
    if size is not None:
        document["size"] = size
    found = Circuit(path, document)
    return found.set(**tables) if tables else found
