"""The verbs of ``[[manipulation]]``: each is one function, and this file is all that knows them.

A verb says what it can be done to, the unit of its value and its default, and turns a manipulation
into a `Change`: another description, where it holds for the whole run and a description can say it;
else courses of variables, which a program reads from one table of time.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from brian2 import Quantity, farad, get_dimensions, meter, ms, pA

from cells.currents import CURRENTS
from cells.models import cell_class
from cells.parameters import InputError, load_tables, nearest
from circuits.anatomy.spec import CircuitSpec, Population
from circuits.manipulations.model import ADDED, SYNAPTIC, Change, Course, Manipulation
from circuits.synapses.release import release_class

__all__ = ["VERBS", "Verb", "changes", "silence_table", "verb", "with_courses"]

PACING, STIMULUS = "pacing", "stimulus"
#: What verbs can be of.
TARGETS = ("population", "input", "projection", PACING, STIMULUS)
_DIVISORS = (get_dimensions(ms), get_dimensions(farad / meter**2))


@dataclass(frozen=True)
class Verb:
    """What can be done.

    Attributes
    ----------
    name, meaning : str
    targets : tuple of str
        Of ``"population"``, ``"input"``, ``"projection"``, ``"pacing"``, ``"stimulus"``.
    make : callable
        From (Change so far, Manipulation, names that the target matches) to a Change.
    unit : Quantity or None
        Of the value; None: a number.
    default : float or None
        Value where none is given; None: there must be one, unless the verb ``takes`` none.
    takes : tuple of str
        Keys of the row, beside target, what and when, that it makes use of.
    """

    name: str
    meaning: str
    targets: tuple[str, ...]
    make: Callable
    unit: Quantity | None
    default: float | None
    takes: tuple[str, ...]


VERBS: dict[str, Verb] = {}


def verb(*targets, unit=None, default=None, takes=("value", "positions", "cells", "share")):
    """Register the decorated function as what can be done to ``targets``; see `Verb`.

    Its docstring begins with what it does. It takes the `Change` so far, the `Manipulation` and the
    names that its target matches, and returns a `Change`.
    """
    for target in targets:
        if target not in TARGETS:
            raise InputError(f"manipulations: no target '{target}'{nearest(target, TARGETS)}")

    def register(make):
        name = make.__name__.removesuffix("_")
        if name in VERBS and VERBS[name].make.__module__ != make.__module__:
            raise InputError(f"there is already a manipulation '{name}'")
        if not make.__doc__:
            raise InputError(f"manipulation '{name}' needs a docstring, its meaning")
        meaning = make.__doc__.splitlines()[0]
        VERBS[name] = Verb(name, meaning, targets, make, unit, default, takes)
        return make

    return register


@cache
def silence_table():
    """Return conductance and reversal potential of a silenced cell, ``silence.toml``."""
    return load_tables(Path(__file__).parent / "silence.toml")["silence"]


def with_courses(change: Change, courses: Iterable[Course]) -> Change:
    """Return a change that lets some more variables vary."""
    return replace(change, courses=(*change.courses, *courses))


def _whole(m: Manipulation) -> bool:
    """Tell if it holds for all of the target and all of the run."""
    return m.when.always and m.everywhere


@verb("population", "input", "projection", takes=("positions", "cells", "share"))
def silence(change, m, names):
    """Keep cells from firing (by a chloride conductance), inputs too, or synapses from acting."""
    courses = []
    for name in names:
        if "->" in name:
            if _whole(m):
                change = replace(change, spec=change.spec.scaled(name, 0))
                continue
            courses.append(Course(name, "released", 0.0, m))
        elif change.spec.population(name).is_input:
            courses.append(Course(name, "rate", 0.0, m))
        else:
            courses.append(Course(name, "g_silence", float(silence_table()["g"]), m))
    return with_courses(change, courses)


@verb("input", "projection")
def scale(change, m, names):
    """Multiply the conductance of synapses, or the rate of inputs, by the value."""
    if m.value < 0:
        raise InputError(f"value: {m.value:g} is below 0")
    if _whole(m) and "->" in names[0]:
        spec = change.spec
        for name in names:
            spec = spec.scaled(name, m.value)
        return replace(change, spec=spec)
    variable = "released" if "->" in names[0] else "rate"
    return with_courses(change, [Course(name, variable, m.value, m) for name in names])


@verb("projection", takes=("share",))
def shuffle(change, m, names):
    """Deal the synapses of all target cells, or of a share, anew among them; in-degrees stay."""
    if not m.when.always:
        raise InputError("'shuffle' is of the wiring and holds for the whole run; leave 'when' out")
    spec = change.spec
    for name in names:
        spec = spec.with_projection(name, shuffled=m.share)
    return replace(change, spec=spec)


@verb("population", unit=pA)
def inject(change, m, names):
    """Inject a constant current into the soma."""
    return with_courses(change, [Course(name, "I_inject", m.value * 1e-12, m) for name in names])


@verb("population", unit=pA, default=0.0, takes=("like", "seeds"))
def restore(change, m, names):
    """Restore the mean rate of another condition (key 'like') by a current found on other seeds."""
    # the driver finds the value, see `circuits.driver.restore`
    return with_courses(change, [Course(name, "I_inject", m.value * 1e-12, m) for name in names])


@verb("population", default=1.0, takes=("value", "parameter", "positions", "cells", "share"))
def block(change, m, names):
    """Block a membrane current (key 'parameter', such as I_h), or a share (the value) of it."""
    if not 0 <= m.value <= 1:
        raise InputError(f"value: {m.value:g} is outside [0, 1]")
    courses = []
    for name in names:
        conductances = _conductances(change.spec.population(name), m.parameter)
        courses += [Course(name, g, 1 - m.value, m) for g in conductances]
    return with_courses(change, courses)


def _conductances(population: Population, current: str) -> list[str]:
    """Return the names of the maximal conductances of a current in all compartments."""
    found, known = [], []
    for part in cell_class(population.cell).model.compartments:
        for name in part.currents:
            mine = [p.format(s=part.suffix) for p, _ in CURRENTS[name].parameters]
            mine = [p for p in mine if p.startswith("g_")]
            if mine:
                known.append(name)
            if name in (current, f"{current}_relay"):
                found += mine
    if not found:
        raise InputError(
            f"parameter: '{population.name}' has no current '{current}'{nearest(current, known)}"
        )
    return found


@verb("population", "projection", takes=("value", "parameter", "positions", "cells", "share"))
def change(change, m, names):
    """Multiply a parameter of a membrane, or U of release, (key 'parameter') by the value."""
    if m.value < 0:
        raise InputError(f"value: {m.value:g} is below 0")
    for name in names:
        valid = ("U",)
        if "->" not in name:
            valid = tuple(cell_class(change.spec.population(name).cell).parameters)
        if m.parameter not in valid:
            raise InputError(f"parameter: '{name}' has no '{m.parameter}'"
                             f"{nearest(m.parameter, valid)}")  # fmt: skip
        _check_changed(change.spec, name, m)
    return with_courses(change, [Course(name, m.parameter, m.value, m) for name in names])


def _check_changed(spec: CircuitSpec, name: str, m: Manipulation) -> None:
    """Raise InputError for a utilisation above 1, or a capacitance or time constant of 0."""
    if "->" in name:
        release = next(p.release for p in spec.projections if p.name == name)
        most = 1 / float(release_class(release)["U"])
        if (m.value or 0) > most:
            raise InputError(f"value: U of '{name}' would be above 1; largest valid: {most:.4g}")
        return
    parameter = cell_class(spec.population(name).cell).parameters.parameter(m.parameter)
    if m.value == 0 and get_dimensions(parameter.quantity) in _DIVISORS:
        raise InputError(f"value: '{m.parameter}' of '{name}' cannot be 0")


@verb("projection", takes=("positions", "cells", "share"))
def freeze(change, m, names):
    """Keep the weights of plastic synapses."""
    fixed = [p.name for p in change.spec.projections if p.name in names and not p.plastic]
    if fixed:
        raise InputError(f"'{fixed[0]}' is not plastic in the anatomy")
    return with_courses(change, [Course(name, "factor", 0.0, m) for name in names])


def _paced(change, m):
    if m.what == "jitter" and m.value < 0:
        raise InputError(f"value: {m.value:g} is below 0")
    return replace(change, pacing=(*change.pacing, m))


@verb(PACING, takes=("value",))
def shift(change, m, names):
    """Let the rhythm come so many cycles later."""
    return _paced(change, m)


@verb(PACING, takes=("value",))
def jitter(change, m, names):
    """Shift the rhythm of every cycle by a number drawn with this s.d., in cycles."""
    return _paced(change, m)


@verb(PACING, takes=())
def skip(change, m, names):
    """Keep the rhythmic inputs silent."""
    rhythmic = [p.name for p in change.spec.populations if p.is_input and p.rate > 0]
    if not rhythmic:
        raise InputError("no input population has a rhythm (rate > 0)")
    return with_courses(change, [Course(name, "rate", 0.0, m) for name in rhythmic])


def _shown(change, m):
    return replace(change, stimulus=(*change.stimulus, m))


@verb(STIMULUS, takes=())
def omit(change, m, names):
    """Show nothing: the relay cells of the LGN fire as in uniform light."""
    return _shown(change, m)


@verb(STIMULUS, takes=("shown",))
def replace_(change, m, names):
    """Show something else (key 'stimulus')."""
    return _shown(change, m)


@verb(STIMULUS, takes=())
def repeat(change, m, names):
    """Show the cycle before again."""
    return _shown(change, m)


@verb(STIMULUS, unit=ms, takes=("value",))
def delay(change, m, names):
    """Show everything so much later."""
    return _shown(change, m)


def changes(spec: CircuitSpec, manipulations: Iterable[Manipulation]) -> Change:
    """Return what manipulations come to on a circuit.

    Parameters
    ----------
    spec : CircuitSpec
    manipulations : iterable of Manipulation

    Returns
    -------
    Change

    Raises
    ------
    InputError
        For a verb that there is not, or that cannot be done to the target.
    """
    found = Change(spec)
    for m in manipulations:
        if m.what not in VERBS:
            raise InputError(f"unknown manipulation '{m.what}'{nearest(m.what, VERBS)}")
        done = VERBS[m.what]
        known = len(found.courses)
        found = done.make(found, m, _matching(found.spec, m.target, done))
        for course in found.courses[known:]:
            _check_course(found.spec, course)
    return found


def _check_course(spec: CircuitSpec, course: Course) -> None:
    """Raise InputError if what a verb lets vary is no variable of its cells or synapses."""
    if "->" in course.name:
        valid: tuple[str, ...] = SYNAPTIC
    elif spec.population(course.name).is_input:
        valid = ("rate",)
    else:
        cell = spec.population(course.name).cell
        valid = (*ADDED, *cell_class(cell).parameters)
    if course.variable not in valid:
        raise InputError(f"'{course.of.what}' would vary '{course.variable}', which '{course.name}'"
                         f" does not have{nearest(course.variable, valid)}")  # fmt: skip


def _matching(spec: CircuitSpec, target: str, done: Verb) -> tuple[str, ...]:
    """Return the names of one kind that a target stands for; InputError if it cannot be one."""
    names: tuple[str, ...]
    if target in (PACING, STIMULUS):
        kind, names = target, (target,)
    elif "->" in target:
        kind, known = "projection", [p.name for p in spec.projections]
        names = tuple(fnmatch.filter(known, target))
    else:
        known = [p.name for p in spec.populations]
        names = tuple(fnmatch.filter(known, target))
        kinds = {"input" if spec.population(name).is_input else "population" for name in names}
        fitting = [k for k in kinds if k in done.targets]
        kind = fitting[0] if fitting else next(iter(kinds), "population")
        if len(fitting) < 2:
            names = tuple(n for n in names if spec.population(n).is_input == (kind == "input"))
    if not names:
        raise InputError(f"target: unknown '{target}'{nearest(target, [*known, PACING, STIMULUS])}")
    if kind not in done.targets:
        raise InputError(f"target: '{done.name}' cannot be done to {_NOUNS[kind]} ('{target}');"
                         f" but to {' or '.join(_NOUNS[t] for t in done.targets)}")  # fmt: skip
    return names


_NOUNS = {
    "population": "cells",
    "input": "inputs",
    "projection": "a projection",
    PACING: "'pacing'",
    STIMULUS: "'stimulus'",
}
