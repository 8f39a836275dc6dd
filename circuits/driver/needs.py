"""What a run will need of memory and time, before anything runs."""

from __future__ import annotations

from cells import checked
from cells.parameters import InputError
from circuits.driver.programs import packs, programs_of
from circuits.driver.progress import duration_text
from circuits.engine.devices import DEVICES
from circuits.engine.machine import cores, is_complete, program_folder
from circuits.runfiles.model import Condition, Run

__all__ = ["at_once", "check_memory", "needs_text"]

_PROCESS = 3e8  # Python with all that a run imports
_SYNAPSE, _SAMPLE = 150, 50  # bytes, with the copies that are made on the way
_RECORDED = 32  # bytes of a recorded value: in the program, read, of all pieces, in the result
# CPU seconds for a biological second at 0.1 ms, of a cell with 30 synapses, and for compiling a
# program of the column; runs/results/bench
_CELL, _COMPILE = 152e-6, 45.0
_LONG = 60.0  # s


def check_memory(run: Run, jobs: int | None) -> None:
    """Raise if a run would not fit into the memory that is free.

    Parameters
    ----------
    run : Run
        Of a circuit.
    jobs : int or None
        Processes at a time, as of `circuits.driver.run.run_file`.

    Raises
    ------
    InputError
    """
    runs, cells, need = _needs(run, jobs)
    try:
        checked.fits(need, "the run")
    except InputError as error:
        raise InputError(
            f"{run.file}: {error} ({runs} runs of {run.cycle.total} cycles, {cells} cells,"
            f" {at_once(run, jobs)} at a time); make it smaller, or choose fewer --jobs or seeds"
        ) from None


def at_once(run: Run, jobs: int | None) -> int:
    """Return how many programs of a run run at a time."""
    device = DEVICES[run.device]
    # one program at a time has the GPU
    free = cores() if device.parallel else 1
    threads = max(condition.plan.threads for condition in run.conditions)
    return min(jobs or max(1, free // threads), len(packs(run)))


def needs_text(run: Run, jobs: int | None) -> str | None:
    """Return what a run will take, in a line; None if it is short, or nobody has measured it.

    Parameters
    ----------
    run : Run
        Of a circuit.
    jobs : int or None

    Returns
    -------
    str or None
        Within a factor of two or so on a machine like that of ``runs/results/bench``.
    """
    if not DEVICES[run.device].timed:
        return None
    runs, cells, need = _needs(run, jobs)
    cell_steps = sum(
        sum(group.n for group in condition.plan.groups) * 0.1 / condition.plan.dt_ms
        for condition in run.conditions
    )
    seconds = _CELL * cell_steps * len(run.seeds) * run.cycle.duration / at_once(run, jobs)
    missing = sum(not is_complete(program_folder(digest)) for digest in programs_of(run))
    compiling = missing * _COMPILE / cores()
    if seconds + compiling < _LONG:
        return None
    programs = f"; {missing} to compile, {duration_text(compiling)} of it" if missing else ""
    return (
        f"{run.name}: {runs} runs of {run.cycle.duration:g} s, {cells} cells: about"
        f" {duration_text(seconds + compiling)}{programs}; {need / 2**30:.1f} GiB"
    )


def _needs(run: Run, jobs: int | None) -> tuple[int, int, float]:
    """Return the runs, the cells of the largest, and the bytes of all that is held at a time."""
    largest = max(run.conditions, key=lambda condition: _program(run, condition))
    runs = len(run.conditions) * len(run.seeds)
    neurons = sum(group.n for group in largest.plan.groups)
    rates = 2 * 8 * runs * run.cycle.count * neurons
    of_program = min(run.replicas, runs) * _program(run, largest)
    return runs, neurons, rates + at_once(run, jobs) * (_PROCESS + of_program)


def _program(run: Run, condition: Condition) -> float:
    """Return the bytes of one copy: synapses, what is shown, weights and what else is noted."""
    plan = condition.plan
    plastic = sum(s.n for s in plan.synapses if s.plastic)
    shown = plan.bins * (plan.channels + plan.columns)
    weights = 16.0 * plastic * run.cycle.total
    recorded = sum(
        len(one.indices) * len(one.variables) * run.cycle.duration * 1e3 / one.period_ms
        for one in plan.traces
    )
    synapses = _SYNAPSE * sum(s.n for s in plan.synapses)
    return synapses + _SAMPLE * shown + weights + _RECORDED * recorded
