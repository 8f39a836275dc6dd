"""All numbers that a run is given: drawn from its seed, or taken from a finished run."""

from __future__ import annotations

import numpy as np
import xarray as xr
from brian2 import ms

from cells.parameters import InputError
from circuits.driver.courses import paced_otherwise, put_courses, shown_instead
from circuits.driver.timelines import learning_rates, pacing_shifts
from circuits.engine.arrays import draw_arrays, endpoints
from circuits.plasticity.learning import efficacy
from circuits.runfiles.model import BIN_MS, Condition, Cycle, Run
from circuits.stimuli.render import render, sequence

__all__ = ["arrays_of", "check_weights", "drawn"]


def arrays_of(condition: Condition, cycle: Cycle, seed: int) -> tuple[dict, np.ndarray]:
    """Draw all numbers of one run.

    Parameters
    ----------
    condition : Condition
    cycle : Cycle
    seed : int
        Of the wiring, the initial states, the input and the path of the stimulus.

    Returns
    -------
    arrays : dict of str to array
        As `circuits.engine.devices.run_plan` takes them.
    drive : (cycle, channel) array, Hz
        Mean rate of the relay cells in the plus phase, warm-up left out.
    """
    arrays, shown = drawn(condition, cycle, seed)
    return arrays, shown["drive"].values[cycle.warmup :]


def drawn(condition: Condition, cycle: Cycle, seed: int) -> tuple[dict, xr.Dataset]:
    """Return the arrays of a run, and what is shown in it; see `arrays_of`."""
    plan, learning = condition.plan, condition.learning
    times = {"cycle_ms": cycle.length, "bin_ms": BIN_MS, "bins": plan.bins, "seed": seed}
    arrays = draw_arrays(
        condition.spec, plan, seed=seed, cycle_ms=cycle.length, regular=condition.regular,
        learning=learning,
    )  # fmt: skip
    if condition.trained is not None:
        _take_weights(arrays, condition, seed)
    shown = _shown(condition, cycle, seed)
    put_courses(arrays, condition, cycle, seed)
    rate = shown["rate"].values
    if "cue" in shown:
        rate = np.concatenate([rate, np.repeat(shown["cue"].values, cycle.bins, axis=0)], axis=1)
    if steady := condition.spec.steady:
        rates = [condition.spec.population(name).steady for name in steady]
        rate = np.concatenate([rate, np.tile(rates, (len(rate), 1))], axis=1)
    padding = np.repeat(rate[-1:], plan.bins - len(rate), axis=0)
    arrays["stimulus"] = np.concatenate([rate, padding])
    arrays["pacing"] = paced_otherwise(_paced(condition, cycle, times), condition, cycle, seed)
    if plan.learns:
        learns = [0.0] * cycle.warmup
        for block in condition.blocks:
            learns += [block.learn] * block.cycles
        arrays["learning"] = learning_rates(learning, learns, **times)
    return arrays, shown


def _shown(condition: Condition, cycle: Cycle, seed: int) -> xr.Dataset:
    """Return what is shown in all cycles; the first block begins with the warm-up."""
    options = {"cycle_length": cycle.length * ms, "bin": BIN_MS * ms, "seed": seed,
               "plus_start": cycle.plus}  # fmt: skip
    if not condition.blocks:
        shown = render(condition.stimulus, n_cycles=cycle.total, **options)
        return shown_instead(shown, condition, cycle, options)
    n_cycles = [block.cycles for block in condition.blocks]
    n_cycles[0] += cycle.warmup
    stimuli = [block.stimulus for block in condition.blocks]
    shown = sequence(list(zip(stimuli, n_cycles, strict=True)), **options)
    return shown_instead(shown, condition, cycle, options)


def _paced(condition: Condition, cycle: Cycle, times: dict) -> np.ndarray:
    """Return the shift of the rhythms in every bin; the warm-up has that of the first block."""
    if not condition.blocks:
        return pacing_shifts(*condition.pacing, **times)
    shifts = {b.pacing: pacing_shifts(*b.pacing, **times) for b in condition.blocks}
    paced = shifts[condition.blocks[-1].pacing].copy()
    start = 0
    for k, block in enumerate(condition.blocks):
        stop = start + (block.cycles + (0 if k else cycle.warmup)) * cycle.bins
        paced[start:stop] = shifts[block.pacing][start:stop]
        start = stop
    return paced


def _take_weights(arrays: dict, condition: Condition, seed: int) -> None:
    """Put the weights of a finished run in place of the first weights."""
    trained = condition.trained
    found = trained.read(seed, condition.name)
    joined = endpoints(condition.spec, condition.plan, arrays)
    for projection, (name, part, source, target) in joined.items():
        if projection not in found:
            continue
        *there, weight = found[projection]
        if any(not np.array_equal(a, b) for a, b in zip(there, (source, target), strict=True)):
            raise InputError(
                f"weights: {trained.folder}: '{projection}' has other synapses there; size, scale,"
                " n_x and wiring must be those of that run"
            )
        arrays[f"{name}.w"][part] = weight
        arrays[f"{name}.efficacy"][part] = efficacy(condition.learning.efficacy, weight)


def check_weights(run: Run) -> None:
    """Raise, before anything runs, if first weights belong to a circuit of other wiring.

    Raises
    ------
    InputError
    """
    seen = set()
    for condition in run.conditions:
        for seed in run.seeds if condition.trained is not None else ():
            if (key := (condition.trained, condition.plan.digest, seed)) not in seen:
                seen.add(key)
                drawn(condition, run.cycle, seed)
