"""Tables of a run file put together: defaults, and what a condition says again."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from cells.parameters import InputError
from circuits.anatomy.folder import DEFAULT
from circuits.plasticity.learning import Learning
from circuits.runfiles.changes import merge
from circuits.runfiles.keys import AGAIN, ONCE
from circuits.runfiles.model import Cycle
from circuits.stimuli.stimulus import Stimulus

__all__ = ["AGAIN", "ONCE", "Common", "complete", "merged"]


@dataclass(frozen=True)
class Common:
    """What all conditions of a run file have in common.

    Attributes
    ----------
    begin : str
        Of messages: the name of the file.
    folder : path
        Of the file.
    anatomy : path
        Folder of the tables of the circuit.
    size : str
    scale : float
    seeds : sequence of int
    cycle : Cycle
    blocks : mapping of str to int
        Cycles of each block.
    wanted : tuple of str
        Names of the conditions to run; empty: all.
    added : (str, str) or None
        Rows that the file adds to the anatomy, as `circuits.anatomy.tables.load_circuit` takes
        them.
    """

    begin: str
    folder: Path
    anatomy: Path
    size: str
    scale: float
    seeds: Sequence[int]
    cycle: Cycle
    blocks: Mapping[str, int]
    wanted: tuple[str, ...] = ()
    added: tuple[str, str] | None = None

    def wants(self, condition: str) -> bool:
        """Tell if a condition is to be run."""
        return not self.wanted or condition in self.wanted


def complete(document: Mapping) -> dict:
    """Return the document with every default that it leaves out."""
    default = Cycle()
    found = {
        "anatomy": DEFAULT,
        "scale": 1.0,
        "seeds": [1],
        "device": "cpp",
        "claim": "",
        "source": "",
        **{key: {} for key in ("stimulus", "populations", "projections", "factors", "cells")},
        "integration": {"method": "staggered"},
        "inputs": {"regular": False, "noise": True},
        "lesions": [],
        "manipulation": [],
        "condition": [],
        "criteria": [],
        **copy.deepcopy(dict(document)),
    }
    cycle = found.get("cycle", {})
    if isinstance(cycle, dict):
        standard = {f.name: getattr(default, f.name) for f in fields(Cycle)} | {"length": "200 ms"}
        found["cycle"] = standard | cycle
    return found


def _other_rule(base, own) -> bool:
    """Tell if a condition has another rule, of which the parameters in ``base`` are none."""
    if not (isinstance(base, dict) and isinstance(own, Mapping)):
        return False
    before = base.get("rule", Learning().rule)
    return own.get("rule", before) != before


def _list(value, where: str) -> list:
    if not isinstance(value, list):
        raise InputError(f"{where} manipulation: expected [[manipulation]] tables")
    return value


def merged(base: Mapping, own: Mapping, where: str) -> dict:
    """Return the tables of a condition.

    Parameters
    ----------
    base : mapping
        Tables of the whole file, one for each of `AGAIN`.
    own : mapping
        What the condition says again.
    where : str
        For messages.
    """
    settings = {key: copy.deepcopy(base[key]) for key in AGAIN}
    if settings["plasticity"] is None and "plasticity" in own:
        settings["plasticity"] = {}
    if _other_rule(settings["plasticity"], own.get("plasticity")):
        settings["plasticity"].pop("values", None)
    for key in AGAIN:
        if key not in own:
            continue
        if key == "manipulation":
            settings[key] = [*_list(settings[key], where), *_list(own[key], where)]
        elif key == "stimulus" and all(isinstance(t, Mapping) for t in (settings[key], own[key])):
            settings[key] = Stimulus.merged(settings[key], own[key])
        elif key == "lesions" or not isinstance(own[key], Mapping):
            settings[key] = own[key]
        elif isinstance(settings[key], dict):
            merge(settings[key], own[key], where)
    return settings
