"""What a run will need of memory, before anything runs."""

from __future__ import annotations

from cells import checked
from cells.parameters import InputError
from circuits.engine.machine import cores
from circuits.runfiles.model import Condition, Run

__all__ = ["check_memory"]

_PROCESS = 3e8  # Python with all that a run imports
_SYNAPSE, _SAMPLE = 150, 50  # bytes, with the copies that are made on the way


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
    largest = max(run.conditions, key=lambda condition: _program(run, condition))
    runs = len(run.conditions) * len(run.seeds)
    neurons = sum(group.n for group in largest.plan.groups)
    rates = 2 * 8 * runs * run.cycle.count * neurons
    at_once = min(jobs or cores(), -(-runs // run.replicas))
    of_program = min(run.replicas, runs) * _program(run, largest)
    try:
        checked.fits(rates + at_once * (_PROCESS + of_program), "the run")
    except InputError as error:
        raise InputError(
            f"{run.file}: {error} ({runs} runs of {run.cycle.total} cycles, {neurons} cells,"
            f" {at_once} at a time); make it smaller, or choose fewer --jobs or seeds"
        ) from None


def _program(run: Run, condition: Condition) -> float:
    """Return the bytes of one copy: synapses, what is shown, and weights as they are noted."""
    plan = condition.plan
    plastic = sum(s.n for s in plan.synapses if s.plastic)
    shown = plan.bins * (plan.channels + plan.columns)
    weights = 16.0 * plastic * run.cycle.total
    return _SYNAPSE * sum(s.n for s in plan.synapses) + _SAMPLE * shown + weights
