"""Tables of time: the theta cycle, the blocks of cycles, the pacing of the rhythms."""

from __future__ import annotations

from collections.abc import Mapping

from brian2 import ms

from cells import checked
from cells.parameters import InputError
from circuits.anatomy.spec import CircuitSpec
from circuits.runfiles.circuit import stimulus_and_circuit
from circuits.runfiles.keys import BLOCK, CYCLE, PACING
from circuits.runfiles.model import BIN_MS, Block, Cycle
from circuits.runfiles.settings import Common
from circuits.stimuli.stimulus import Stimulus

__all__ = ["block_cycles", "blocks_of", "check_blocks", "cycle_of", "pacing_of", "scaled"]

CYCLE_MS = (100.0, 300.0)


def cycle_of(table, where: str) -> Cycle:
    """Return the cycle of a table ``[cycle]``."""
    checked.keys(table, CYCLE, where)
    default = Cycle()
    length = checked.quantity(table.get("length", "200 ms"), ms, f"{where} length")
    if not CYCLE_MS[0] <= length <= CYCLE_MS[1]:
        raise InputError(f"{where} length: {length:g} ms; valid: 100 to 300 ms")
    if abs(length / BIN_MS - round(length / BIN_MS)) > 1e-9:
        near = round(length / BIN_MS) * BIN_MS
        raise InputError(f"{where} length: {length:g} ms is no multiple of {BIN_MS:g} ms;"
                         f" nearest valid: {near:g} ms")  # fmt: skip
    plus = checked.number(table.get("plus", default.plus), f"{where} plus")
    if not 0 < plus < 1:
        raise InputError(f"{where} plus: {plus:g} is outside (0, 1)")
    return Cycle(
        length,
        plus,
        checked.whole(table.get("count", default.count), 1, f"{where} count"),
        checked.whole(table.get("warmup", default.warmup), 0, f"{where} warmup"),
    )


def pacing_of(table, where: str) -> tuple[float, bool]:
    """Return shift of the rhythms and whether it is shuffled, of a table ``[pacing]``."""
    checked.keys(table, PACING, where)
    shift = checked.number(table.get("shift", 0.0), f"{where} shift")
    return shift, checked.flag(table.get("shuffled", False), f"{where} shuffled")


def block_cycles(document: Mapping, begin: str) -> dict[str, int]:
    """Return the cycles of each block, as the run file has them."""
    where = f"{begin} [blocks]"
    table = document.get("blocks", {})
    if not isinstance(table, Mapping):
        raise InputError(f"{where}: expected tables [blocks.NAME], found {table!r}")
    found = {}
    for name, own in table.items():
        here = f"{where} '{name}'"
        if not name or name == "start":
            raise InputError(f"{here}: no name for a block; 'start' are the weights before them")
        checked.keys(own, BLOCK, here)
        if "cycles" not in own:
            raise InputError(f"{here}: no key 'cycles'")
        found[name] = checked.whole(own["cycles"], 1, f"{here} cycles")
    return found


def scaled(blocks: Mapping[str, int], total: int) -> dict[str, int]:
    """Return blocks of the same proportions and so many cycles in all, each of one at least."""
    before, whole = 0, sum(blocks.values())
    found = {}
    for name, n in blocks.items():
        after = before + n
        found[name] = max(1, round(total * after / whole) - round(total * before / whole))
        before = after
    return found


def check_blocks(entry: Mapping, given: Mapping[str, int], at: str) -> None:
    """Raise if a condition says of the blocks what only the whole run can say."""
    for name, own in checked.keys(entry.get("blocks", {}), tuple(given), f"{at} [blocks]").items():
        here = f"{at} [blocks] '{name}'"
        cycles = checked.keys(own, BLOCK, here).get("cycles", given[name])
        if cycles != given[name]:
            raise InputError(f"{here} cycles: {cycles}, but {given[name]} in the other conditions;"
                             " the cycles of a block are the same in all")  # fmt: skip


def blocks_of(settings: Mapping, spec: CircuitSpec, common: Common, at: str) -> tuple[Block, ...]:
    """Return the blocks of a condition.

    Parameters
    ----------
    settings : mapping
        Tables of the condition.
    spec : CircuitSpec
    common : Common
    at : str
        For messages.

    Raises
    ------
    InputError
    """
    found = []
    for name, cycles in common.blocks.items():
        here = f"{at} [blocks] '{name}'"
        own = settings["blocks"].get(name, {})
        stimulus = checked.table(own.get("stimulus", {}), f"{here} stimulus")
        shown, other = stimulus_and_circuit(
            Stimulus.merged(settings["stimulus"], stimulus), common, f"{here} stimulus"
        )
        if other.cues != spec.cues:
            raise InputError(f"{here} stimulus: cue must be that of [stimulus]")
        if (other.n_x, other.polarities) != (spec.n_x, spec.polarities):
            raise InputError(
                f"{here} stimulus: {other.n_x} positions x {len(other.polarities)} polarities, but"
                f" [stimulus] has {spec.n_x} x {len(spec.polarities)}; n_x and polarities must"
                " agree"
            )
        learn = own.get("learn", True)
        learn = float(learn) if isinstance(learn, bool) else checked.number(learn, f"{here} learn")
        if learn < 0:
            raise InputError(f"{here} learn: {learn:g} is below 0")
        paced = checked.table(own.get("pacing", {}), f"{here} pacing")
        paced = pacing_of({**settings["pacing"], **paced}, f"{here} pacing")
        found.append(Block(name, cycles, learn, shown, paced))
    return tuple(found)
