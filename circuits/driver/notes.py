"""What a user should know of a run that is nevertheless run: said, and kept in its record."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from cells.parameters import InputError
from circuits.runfiles.model import Condition, Run
from circuits.stimuli.fit import check_pictures
from circuits.stimuli.stimulus import Stimulus

__all__ = ["notes_of", "shown_in"]


def notes_of(run: Run) -> list[str]:
    """Return what of its input a run does not play or show, a line each.

    Parameters
    ----------
    run : Run

    Raises
    ------
    InputError
        If pictures are too small, or no spike of an input lies within the run.
    """
    found: dict[str, None] = {}
    for condition in run.conditions if run.experiment == "circuit" else ():
        found |= dict.fromkeys([*_late(condition, run), *_flat(condition, run.file)])
    return list(found)


def shown_in(condition: Condition) -> list[Stimulus]:
    """Return every stimulus of a condition, each once."""
    blocks = [block.stimulus for block in condition.blocks]
    return list(dict.fromkeys(blocks or [condition.stimulus]))


def _late(condition: Condition, run: Run) -> Iterator[str]:
    end = run.cycle.duration
    for p in condition.spec.populations:
        if p.spikes is None:
            continue
        late = int((np.array(p.spikes.time) >= end).sum())
        if late == len(p.spikes.time):
            raise InputError(
                f"{run.file}: [populations] '{p.name}' spikes: all {late} come after the end of"
                f" the run at {end:g} s; time 0 is the start of the warm-up"
            )
        if late:
            yield (f"{late} of {len(p.spikes.time)} spikes that '{p.name}' is to play come after"
                   f" the end of the run at {end:g} s")  # fmt: skip


def _flat(condition: Condition, file: str) -> Iterator[str]:
    for stimulus in shown_in(condition):
        try:
            flat = check_pictures(stimulus)
        except InputError as error:
            raise InputError(f"{file}: condition '{condition.name}': {error}") from None
        for name in flat:
            yield f"'{name}' is of one grey: no cell sees anything of it"
