"""Conditions of a run file, each with a circuit and a plan of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from brian2 import ms

from cells import checked
from cells.integration import METHODS
from cells.parameters import InputError
from circuits.engine.draws import check_draws
from circuits.engine.planner import make_plan
from circuits.runfiles.blocks import blocks_of, check_blocks, pacing_of
from circuits.runfiles.circuit import changed_circuit, stimulus_and_circuit
from circuits.runfiles.keys import INTEGRATION
from circuits.runfiles.manipulations import manipulated_circuit
from circuits.runfiles.model import BIN_MS, Condition
from circuits.runfiles.plasticity import check_first_weights, learning_of
from circuits.runfiles.settings import AGAIN, ONCE, Common, merged

__all__ = ["condition_names", "conditions_of", "learns"]

_MOST_THREADS = 1024


def conditions_of(
    document: Mapping, common: Common, given: Mapping[str, int]
) -> tuple[Condition, ...]:
    """Return the conditions of a run file that are wanted, after checking all of them.

    Parameters
    ----------
    document : mapping
        The run file, complete.
    common : Common
    given : mapping of str to int
        Cycles of the blocks, as the run file has them.

    Raises
    ------
    InputError
    """
    begin, entries = common.begin, document["condition"]
    if not isinstance(entries, list):
        raise InputError(f"{begin} condition: expected [[condition]] tables")
    for k, entry in enumerate(entries, 1):
        at = f"{begin} condition {k}"
        if not isinstance(entry, Mapping) or not isinstance(entry.get("name"), str):
            raise InputError(f"{at}: no key 'name'")
        at = f"{begin} condition '{entry['name']}'"
        for key in entry:
            if key in ONCE and key not in ("name", "source"):
                raise InputError(f"{at}: '{key}' is the same in all conditions;"
                                 f" valid here: {', '.join(AGAIN)}")  # fmt: skip
        checked.keys(entry, ("name", "meaning", *AGAIN), at)
        check_blocks(entry, given, at)
    entries = entries or [{"name": "baseline"}]
    names = [entry["name"] for entry in entries]
    if len(set(names)) != len(names):
        raise InputError(f"{begin} condition: a name comes twice")
    for name in common.wanted:
        checked.one_of(name, names, begin, "condition")
    base = {key: document.get(key, {}) for key in AGAIN} | {
        "plasticity": document.get("plasticity"), "manipulation": document.get("manipulation", [])
    }  # fmt: skip
    found: list[Condition] = []
    options: list[dict[str, Any]] = []
    for entry in entries:
        at = f"{begin} condition '{entry['name']}'"
        settings = merged(base, entry, at)
        at = f"{at}:" if document["condition"] else begin
        one, planned = _condition(
            settings, entry["name"], str(entry.get("meaning", "")), common, at
        )
        if found and one.spec.channels != found[0].spec.channels:
            raise InputError(
                f"{begin} condition '{one.name}': {one.spec.channels} channels, but"
                f" '{found[0].name}' has {found[0].spec.channels}; n_x and polarities must agree"
            )
        for population, other in zip(one.spec.populations, (found or [one])[0].spec.populations,
                                     strict=True):  # fmt: skip
            if population.cells != other.cells:
                raise InputError(
                    f"{begin} condition '{one.name}': [populations] '{population.name}' cells:"
                    f" {population.cells}, but '{found[0].name}' has {other.cells}; they must agree"
                )
        found.append(one)
        options.append(planned)
    _check_wiring(found, begin)
    found = _one_program(found, options)
    return tuple(_with_like(c, found, begin) for c in found if common.wants(c.name))


def _one_program(found: Sequence[Condition], options: Sequence[dict[str, Any]]) -> list[Condition]:
    """Let every condition vary what any of them does, so that they can share a program."""
    changes = [c.manipulated for c in found if c.manipulated is not None]
    union = tuple(sorted({pair for change in changes for pair in change.varied}))
    columns = max((change.columns for change in changes), default=0)
    if len({c.learning is None for c in found}) > 1:
        return list(found)  # what does not learn has no learning rate to vary
    return [
        c
        if (c.manipulated.varied if c.manipulated else ()) == union
        else replace(c, plan=make_plan(c.spec, **given, varied=union, columns=columns))
        for c, given in zip(found, options, strict=True)
    ]


def _with_like(condition: Condition, every: Sequence[Condition], begin: str) -> Condition:
    """Return the condition with the one whose rates it restores, if it does."""
    likes = {course.of.like for course in condition.restoring}
    if not likes:
        return condition
    at = f"{begin} condition '{condition.name}': 'restore' like"
    if len(likes) > 1:
        raise InputError(f"{at}: one condition has one, not {' and '.join(sorted(likes))}")
    known = {c.name: c for c in every if c is not condition and not c.restoring}
    name = checked.one_of(likes.pop(), tuple(known), f"{at}:", "condition")
    return replace(condition, like=known[name])


def _condition(
    settings: Mapping, name: str, meaning: str, common: Common, at: str
) -> tuple[Condition, dict[str, Any]]:
    """Return a condition from the merged tables of the file and of the condition itself.

    And how its plan is made, but for what varies.
    """
    cycle = common.cycle
    stimulus, spec = stimulus_and_circuit(settings["stimulus"], common, f"{at} [stimulus]")
    spec, regular, silenced = changed_circuit(spec, settings, common.folder, at)
    where = f"{at} [integration]"
    integration = checked.keys(settings["integration"], INTEGRATION, where)
    here = f"{at} [plasticity]"
    learning, trained = learning_of(settings["plasticity"], spec, cycle, here, common.folder)
    if trained is not None and common.wants(name):
        check_first_weights(trained, learning, spec, common.seeds, name, here)
    blocks = blocks_of(settings, spec, common, at)
    manipulated = manipulated_circuit(spec, settings, common, silenced, stimulus, at)
    spec = manipulated.spec
    pacing = pacing_of(settings["pacing"], f"{at} [pacing]")
    method = checked.one_of(integration.get("method", "staggered"), tuple(METHODS), where, "method")
    dt = integration.get("dt")
    dt = None if dt is None else checked.quantity(dt, ms, f"{where} dt")
    threads = checked.whole(integration.get("threads", 1), 1, f"{where} threads")
    if threads > _MOST_THREADS:
        raise InputError(f"{where} threads: {threads} is above {_MOST_THREADS}")
    upstroke = checked.whole(integration.get("upstroke", 1), 1, f"{where} upstroke")
    options: dict[str, Any] = {
        "bins": cycle.capacity, "bin_ms": BIN_MS, "method": method, "dt_ms": dt,
        "learning": learning, "noted_ms": cycle.length, "threads": threads, "upstroke": upstroke,
    }  # fmt: skip
    try:
        plan = make_plan(spec, varied=manipulated.varied, columns=manipulated.columns, **options)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
    check_draws(spec, plan, None if trained else learning, at)
    condition = Condition(
        name, meaning, spec, plan, stimulus, regular, tuple(settings["lesions"]), blocks, learning,
        trained, pacing, manipulated,
    )  # fmt: skip
    return condition, options


def _check_wiring(found: Sequence[Condition], begin: str) -> None:
    """Raise if a projection that learns has another number of synapses in another condition."""
    known: dict[str, tuple] = {}
    for condition in found:
        for number in condition.learning.chosen(condition.spec) if condition.learning else ():
            p = condition.spec.projections[number]
            first, other = known.setdefault(p.name, (condition.name, p.indegree))
            if p.indegree != other:
                raise InputError(
                    f"{begin} condition '{condition.name}': '{p.name}' learns with indegree"
                    f" {p.indegree}, but in '{first}' with {other}; they must agree"
                )


def condition_names(document: Mapping) -> list[str]:
    """Return the names of all conditions; a file without any has one, the baseline."""
    return [entry["name"] for entry in document["condition"]] or ["baseline"]


def learns(document: Mapping) -> bool:
    """Tell if any condition has plasticity."""
    entries = document["condition"]
    entries = entries if isinstance(entries, list) else []
    tables = [document, *(entry for entry in entries if isinstance(entry, Mapping))]
    return any("plasticity" in table for table in tables)
