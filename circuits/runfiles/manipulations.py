"""The tables ``[[manipulation]]`` of a run file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cells import checked
from cells.parameters import InputError
from circuits.anatomy.spec import CircuitSpec
from circuits.manipulations import VERBS, Change, Manipulation, When, changes
from circuits.manipulations.model import DURING
from circuits.runfiles.circuit import stimulus_and_circuit
from circuits.runfiles.keys import MANIPULATION
from circuits.runfiles.model import BIN_MS
from circuits.runfiles.settings import Common
from circuits.stimuli.stimulus import Stimulus

__all__ = ["manipulated_circuit", "when_of"]

_WHEN = ("block", "cycles", "every", "phase", "during", "outside")


def manipulated_circuit(
    spec: CircuitSpec, settings: Mapping, common: Common, silenced: tuple[str, ...],
    stimulus: Stimulus, at: str,
) -> Change:  # fmt: skip
    """Return what the manipulations of a condition come to.

    Parameters
    ----------
    spec : CircuitSpec
    settings : mapping
        Tables of the condition.
    common : Common
    silenced : tuple of str
        Populations that are lesioned: the spelling ``lesions`` of a manipulation.
    stimulus : Stimulus
        Of the condition.
    at : str
        For messages.

    Raises
    ------
    InputError
    """
    change = changes(spec, [Manipulation("silence", name) for name in silenced])
    for number, row in enumerate(settings["manipulation"], 1):
        where = f"{at} manipulation {number}"
        row = _manipulation(row, settings, spec, common, stimulus, where)
        try:
            found = changes(change.spec, [row])
        except InputError as error:
            raise InputError(f"{where} {error}") from None
        _check_cells(found, row, where)
        for course in found.courses:
            if course.variable == "rate" and spec.population(course.name).spikes:
                raise InputError(f"{where}: '{course.name}' plays spike trains, which have no rate;"
                                 " leave its spikes out of them")  # fmt: skip
        change = Change(
            found.spec, (*change.courses, *found.courses), (*change.pacing, *found.pacing),
            (*change.stimulus, *found.stimulus),
        )  # fmt: skip
    return change


def _manipulation(row, settings, spec, common, stimulus, where: str) -> Manipulation:
    checked.keys(row, MANIPULATION, where)
    for key in ("what", "target"):
        if key not in row:
            raise InputError(f"{where}: no key '{key}'")
    what = checked.one_of(row["what"], tuple(VERBS), f"{where} what:", "manipulation")
    verb = VERBS[what]
    for key in row:
        if key not in ("what", "target", "when", "stimulus" if "shown" in verb.takes else "") and (
            key not in verb.takes
        ):
            raise InputError(f"{where} {key}: '{what}' has no use for it")
    value = verb.default
    if "value" in row:
        value = checked.quantity(row["value"], verb.unit, f"{where} value")
    elif "value" in verb.takes and value is None:
        raise InputError(f"{where}: no key 'value'")
    if "parameter" in verb.takes and "parameter" not in row:
        raise InputError(f"{where}: no key 'parameter'")
    if what == "delay" and value is not None:
        _check_delay(value, common, f"{where} value")
    shown = None
    if "shown" in verb.takes:
        own = checked.table(row.get("stimulus", {}), f"{where} stimulus")
        if not own:
            raise InputError(f"{where}: no key 'stimulus', of what is shown instead")
        shown, other = stimulus_and_circuit(
            Stimulus.merged(settings["stimulus"], own), common, f"{where} stimulus"
        )
        if (other.n_x, other.polarities) != (spec.n_x, spec.polarities):
            raise InputError(f"{where} stimulus: n_x and polarities must be those of [stimulus]")
    share = checked.number(row.get("share", 1.0), f"{where} share")
    if not 0 < share <= 1:
        raise InputError(f"{where} share: {share:g} is outside (0, 1]")
    return Manipulation(
        what, checked.text(row["target"], f"{where} target"), value,
        checked.text(row.get("parameter", ""), f"{where} parameter"),
        _positions(row.get("positions"), spec, f"{where} positions"), share,
        when_of(row.get("when", {}), common, f"{where} when"), shown,
        *(_tuning(row, common, where) if "like" in verb.takes else ("", ())),
        cells=_numbers(row.get("cells"), f"{where} cells", "cells"),
    )  # fmt: skip


def _check_cells(change: Change, row: Manipulation, where: str) -> None:
    """Raise InputError if a course is about a cell that its population has not."""
    spec = change.spec
    for name in {course.name for course in change.courses} if row.cells else ():
        population = next((p.target for p in spec.projections if p.name == name), name)
        if max(row.cells) >= (n := spec.count(population)):
            raise InputError(f"{where} cells: {max(row.cells)} is none; '{population}' has 0 to"
                             f" {n - 1}")  # fmt: skip


def _check_delay(value: float, common: Common, where: str) -> None:
    most = common.cycle.duration * 1e3
    if not 0 < value <= most:
        raise InputError(f"{where}: {value:g} ms is outside (0, {most:g}] ms, the run")
    if abs(value / BIN_MS - round(value / BIN_MS)) > 1e-9:
        raise InputError(f"{where}: {value:g} ms is no multiple of {BIN_MS:g} ms; nearest"
                         f" valid: {max(round(value / BIN_MS), 1) * BIN_MS:g} ms")  # fmt: skip


def _tuning(row, common: Common, where: str) -> tuple[str, tuple[int, ...]]:
    """Return the condition whose rate is restored, and the seeds on which that is done."""
    for key in ("like", "seeds"):
        if key not in row:
            raise InputError(f"{where}: no key '{key}'")
    seeds = row["seeds"]
    if not isinstance(seeds, list) or not seeds:
        raise InputError(f"{where} seeds: expected a list of seeds, found {seeds!r}")
    found = tuple(checked.whole(seed, 0, f"{where} seeds") for seed in seeds)
    if both := sorted({*found} & {*common.seeds}):
        raise InputError(f"{where} seeds: {both[0]} is a seed of the run; tune on others")
    return checked.text(row["like"], f"{where} like"), found


def _numbers(value, where: str, what: str) -> tuple[int, ...]:
    """Return a list of whole numbers; none where nothing is said."""
    if value is None:
        return ()
    if not isinstance(value, list) or not value:
        raise InputError(f"{where}: expected a list of {what}, found {value!r}")
    return tuple(checked.whole(v, 0, where) for v in value)


def _positions(value, spec: CircuitSpec, where: str) -> tuple[int, ...]:
    found = _numbers(value, where, "positions")
    if found and max(found) >= spec.n_x:
        raise InputError(f"{where}: {max(found)} is none; the circuit has 0 to {spec.n_x - 1}")
    return found


def when_of(table, common: Common, where: str, keys: Sequence[str] = _WHEN) -> When:
    """Return when something is on, from a table ``when`` that may have these keys.

    Raises
    ------
    InputError
    """
    checked.keys(table, keys, where)
    block = table.get("block", [])
    block = [block] if isinstance(block, str) else block
    if not isinstance(block, list):
        raise InputError(f"{where} block: expected a name or a list of names, found {block!r}")
    for name in block:
        checked.one_of(name, tuple(common.blocks), f"{where} block:", "block")
    cycles = table.get("cycles")
    if cycles is not None:
        if not isinstance(cycles, list) or len(cycles) != 2:
            raise InputError(f"{where} cycles: expected [first, last], found {cycles!r}")
        cycles = tuple(checked.whole(c, 0, f"{where} cycles") for c in cycles)
        most = max((common.blocks[name] for name in block), default=common.cycle.count)
        if cycles[0] > cycles[1] or cycles[1] >= most:
            raise InputError(f"{where} cycles: {list(cycles)} is no part of 0 to {most - 1}")
    phase = table.get("phase", [0.0, 1.0])
    if not isinstance(phase, list) or len(phase) != 2:
        raise InputError(f"{where} phase: expected [start, end], found {phase!r}")
    phase = tuple(checked.number(p, f"{where} phase") for p in phase)
    if not 0 <= phase[0] < phase[1] <= 1:
        raise InputError(f"{where} phase: {list(phase)} is no part of [0, 1]")
    near = [round(p * common.cycle.bins) / common.cycle.bins for p in phase]
    if max(abs(p - n) for p, n in zip(phase, near, strict=True)) > 1e-3 or near[0] == near[1]:
        at_least = near if near[0] < near[1] else [near[0], near[0] + 1 / common.cycle.bins]
        raise InputError(
            f"{where} phase: {list(phase)} does not begin and end on a step of {BIN_MS:g} ms;"
            f" nearest valid: [{', '.join(f'{n:.4g}' for n in at_least)}]"
        )
    phase = tuple(near)
    during = checked.one_of(table.get("during", "all"), DURING, f"{where} during:", "part")
    every = checked.whole(table.get("every", 1), 1, f"{where} every")
    outside = checked.flag(table.get("outside", False), f"{where} outside")
    return When(tuple(block), cycles, every, phase, during, outside)
