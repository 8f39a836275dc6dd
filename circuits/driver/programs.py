"""The programs of a run: which runs share one, and compiling them."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from pathlib import Path

from cells.parameters import InputError
from circuits.driver.inputs import drawn
from circuits.driver.progress import Progress, duration_text
from circuits.engine.devices import DEVICES
from circuits.engine.machine import is_complete, program_folder, sign
from circuits.engine.plan import Plan, replicated
from circuits.engine.replicas import packed
from circuits.runfiles.model import Condition, Cycle, Run

__all__ = ["build_all", "check_compiler", "packs", "program_of", "programs_of"]


def packs(run: Run) -> list[tuple[tuple[int, ...], int]]:
    """Return which runs share a program.

    Parameters
    ----------
    run : Run

    Returns
    -------
    list of ((int, ...), int)
        Numbers of the runs, in the order of conditions, then seeds, and the copies of the program:
        as few programs of one plan as can be, all of one size.
    """
    of_plan: dict[Plan, list[int]] = {}
    for k, condition in enumerate(c for c in run.conditions for _ in run.seeds):
        of_plan.setdefault(condition.plan, []).append(k)
    found = []
    for mine in of_plan.values():
        copies = math.ceil(len(mine) / math.ceil(len(mine) / run.replicas))
        found += [(tuple(mine[k : k + copies]), copies) for k in range(0, len(mine), copies)]
    return found


def program_of(runs: Sequence[tuple[Condition, int]], cycle: Cycle, copies: int) -> tuple:
    """Return plan and arrays of a program, and the arrays of each run with what it is shown.

    Parameters
    ----------
    runs : sequence of (Condition, int)
        Conditions of one plan, and seeds.
    cycle : Cycle
    copies : int
        What is too many repeats the last run.

    Raises
    ------
    InputError
        If the conditions need different programs.
    """
    plan = runs[0][0].plan
    for condition, _ in runs:
        if condition.plan != plan:
            raise InputError(
                f"condition '{condition.name}' needs another program than '{runs[0][0].name}'"
            )
    found = [drawn(condition, cycle, seed) for condition, seed in runs]
    arrays = [own for own, _ in found]
    arrays += arrays[-1:] * (copies - len(arrays))
    return replicated(plan, copies), packed(plan, arrays), found


def programs_of(run: Run) -> dict[str, tuple[tuple[int, ...], int]]:
    """Return one pack of each program by the digest of its plan."""
    conditions = [condition for condition in run.conditions for _ in run.seeds]
    return {
        replicated(conditions[mine[0]].plan, copies).digest: (mine, copies)
        for mine, copies in packs(run)
    }


def build_all(run: Run, progress: Progress) -> list[Path]:
    """Compile what is not compiled yet, before processes could do it twice; return the folders."""
    folders = []
    every = [(condition, seed) for condition in run.conditions for seed in run.seeds]
    programs = programs_of(run)
    for k, (digest, ((first, *_), copies)) in enumerate(programs.items(), 1):
        home = program_folder(digest)
        if DEVICES[run.device].cached and is_complete(home):
            folders.append(home)
            sign(home, run.name)
            continue
        which = f" {k} of {len(programs)}" if len(programs) > 1 else ""
        progress.begin(f"{run.name}: compiling program{which} (once)")
        plan, arrays, _ = program_of([every[first]], run.cycle, copies)
        start = time.perf_counter()
        folders.append(
            DEVICES[run.device].build(plan, arrays, progress=lambda fraction, elapsed: None)
        )
        sign(folders[-1], run.name)
        took = time.perf_counter() - start
        if took > 2:
            progress.note(f"{run.name}: compiled program{which} in {duration_text(took)}")
    return folders


def check_compiler(run: Run) -> None:
    """Raise, before anything runs, if the compiler that the device needs is missing.

    Raises
    ------
    InputError
    """
    programs = [program_folder(digest) for digest in programs_of(run)]
    compiled = all(is_complete(program) for program in programs)
    if DEVICES[run.device].check is not None and not compiled:
        try:
            DEVICES[run.device].check()
        except InputError as error:
            raise InputError(f"{run.file}: {error}") from None
