"""The plan of a program: the NeuronGroups and Synapses that a description needs.

One group per equation set and one Synapses per pair of groups: compile time and the GPU both want
few big objects. A plan holds no numbers of a run, only its structure (sizes, equations, step), so
its digest says when a compiled program can be used again.
"""

from __future__ import annotations

import hashlib
import platform
import re
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import version
from pathlib import Path

from cells.fast_math import COMPILE_FLAGS
from cells.integration import Upstroke
from cells.models import cell_class
from circuits.anatomy.spec import Population
from circuits.engine.machine import compiler_version, processor
from circuits.plasticity.learning import LEARNING_RATE
from circuits.synapses.receptors import (
    Conductance,
)

__all__ = ["COPY", "INPUTS", "GroupPlan", "Plan", "SynapsePlan", "Trace", "group_of", "replicated"]


INPUTS = "inputs"
COPY = "copy"  # of a cell, the number of its copy of the circuit


@dataclass(frozen=True)
class GroupPlan:
    """One NeuronGroup: ``updates`` are (code, period in ms) for run_regularly.

    ``learn`` is the condition of the event at which synapses onto the group are read, ``onset``
    that of the event from which it is counted, if it is not counted from the cycle; ``constants``
    as in `SynapsePlan`, among them the parameters that are the same in all cells; ``varied`` the
    variables that follow a column of the table of courses, whose number is ``column_<variable>``.
    """

    name: str
    n: int
    equations: str
    threshold: str
    reset: str
    method: str
    dt_ms: float
    updates: tuple[tuple[str, float], ...] = ()
    conductances: tuple[Conductance, ...] = ()
    potentials: tuple[str, ...] = ()
    learn: str = ""
    onset: str = ""
    constants: tuple[tuple[str, float, str], ...] = ()
    upstroke: Upstroke | None = None
    varied: tuple[str, ...] = ()


@dataclass(frozen=True)
class SynapsePlan:
    """One Synapses object; ``projections`` are numbers in the description.

    Where it is plastic it has a weight ``w``; ``learn`` are the statements at a gate, if the rule
    has one, and ``constants`` its (name, SI value, unit). ``shared`` are the constants that are the
    same in all synapses of a projection, see `circuits.engine.shared`.
    """

    name: str
    source: str
    target: str
    n: int
    equations: str
    on_pre: str
    dt_ms: float
    conductances: tuple[Conductance, ...]
    projections: tuple[int, ...]
    plastic: bool = False
    on_post: str = ""
    learn: str = ""
    constants: tuple[tuple[str, float, str], ...] = ()
    varied: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()


@dataclass(frozen=True)
class Trace:
    """Variables ``of`` a group or Synapses that are recorded every ``period_ms``.

    ``indices`` are those of the recorded cells or synapses, in all ``copies`` of the circuit. Where
    it is ``summed``, only the sum of the absolute values is kept, one for each copy.
    """

    name: str
    of: str
    variables: tuple[str, ...]
    indices: tuple[int, ...]
    period_ms: float
    summed: bool = False
    copies: int = 1


@dataclass(frozen=True)
class Plan:
    """Everything that generated code depends on; weights are noted every ``noted_ms``.

    With several ``threads`` (device cpp) they share the cells of a group and the synapses.
    ``columns`` are those of the table of courses, of one copy; ``trains`` the rows of that of spike
    trains, more than any cell has spikes, 0 where no input plays any; ``copies`` of the circuit.
    """

    groups: tuple[GroupPlan, ...]
    synapses: tuple[SynapsePlan, ...]
    channels: int
    bins: int
    bin_ms: float
    dt_ms: float
    method: str
    traces: tuple[Trace, ...] = ()
    noted_ms: float = 0.0
    threads: int = 1
    columns: int = 0
    trains: int = 0
    copies: int = 1

    @property
    def learns(self) -> bool:
        """Whether any synapse is plastic."""
        return any(s.plastic for s in self.synapses)

    def group(self, name: str) -> GroupPlan:
        """Return a group by name."""
        return next(g for g in self.groups if g.name == name)

    @property
    def digest(self) -> str:
        """Hash of the plan, of the code that turns it into a program, and of what compiles it."""
        text = [repr(self), *COMPILE_FLAGS, platform.machine(), processor(), *_SOURCES]
        text += [*map(version, _WRITERS), _compiler()]
        return hashlib.sha256("\n".join(text).encode()).hexdigest()[:16]


# what writes the code
_WRITERS = ("brian2", "jinja2", "numpy", "sympy")


_compiler = cache(compiler_version)


def _hashes() -> list[str]:
    here = Path(__file__).parent
    # of another back end than C++, the tag of the project speaks
    paths = [p for p in here.iterdir() if p.suffix in (".py", ".h") and "cuda" not in p.name]
    cells = here.parents[1] / "cells"
    paths += [cells / name for name in ("fast_math.py", "integration.py", "preferences.py")]
    return [hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(paths)]


_SOURCES = _hashes()  # of what was imported, not of what an editor may write while it runs


def group_of(population: Population) -> str:
    """Return the name of the NeuronGroup that a population is part of."""
    return INPUTS if population.is_input else cell_class(population.cell).model.name


# Even a single copy says which one it is: other formulas would be rounded in another way.
_OF_TIME = re.compile(rf"\b(pacing|{LEARNING_RATE})\(t\)")


def _of_copy(part, copy: str, n: int):
    """Return a part of a plan with ``n`` elements, whose functions of time are those of a copy."""
    texts = {key: value for key, value in vars(part).items() if isinstance(value, str)}
    texts = {key: _OF_TIME.sub(rf"\1(t, {copy})", value) for key, value in texts.items()}
    return replace(part, **texts, n=n)


def replicated(plan: Plan, copies: int) -> Plan:
    """Return the plan of several copies of a circuit in one program.

    Parameters
    ----------
    plan : Plan
        Of one copy.
    copies : int

    Returns
    -------
    Plan
        With so many times the cells, synapses, channels and what is recorded: copies follow one
        another in every group, and no synapse joins two of them.
    """
    asked = {INPUTS, *(s.target for s in plan.synapses if s.plastic)}
    groups = []
    for group in plan.groups:
        made = _of_copy(group, COPY, group.n * copies)
        if group.name in asked and f"\n{COPY} : " not in group.equations:
            made = replace(made, equations=f"{made.equations}\n{COPY} : integer (constant)")
        groups.append(made)
    sizes = {part.name: part.n for part in (*plan.groups, *plan.synapses)}
    traces = tuple(
        replace(
            one, copies=copies,
            indices=tuple(c + k * sizes[one.of] for k in range(copies) for c in one.indices),
        )
        for one in plan.traces
    )  # fmt: skip
    synapses = (_of_copy(s, f"{COPY}_post", s.n * copies) for s in plan.synapses)
    return replace(
        plan, groups=tuple(groups), synapses=tuple(synapses), channels=plan.channels * copies,
        traces=traces, copies=copies,
    )  # fmt: skip
