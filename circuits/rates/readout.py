"""Cells of an output layer that read a population of rates and learn in one trial.

Each has a soma, whose basal drive is the mean weight of the active cells it reads, and an apical
dendrite that the matrix thalamus drives while a label is there. Where both are driven a plateau
starts; it is read by interneurons, which inhibit the apical dendrites for a second. Weights learn
at plateaus, by `circuits.plasticity.rules.btsp`, or in every cycle by the kinases.

References
----------
Milstein et al. (2021), doi:10.7554/eLife.73046; Yaeger et al. (2025),
doi:10.1101/2025.11.07.687250 (plateaus change layer-5 cells of V1 in one trial)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from brian2.units import ms

from circuits.plasticity.rules.btsp import btsp
from circuits.rates.kinase import level_forms, read

__all__ = ["Course", "Readout", "competing", "kinase_step", "watch", "watch_course"]


def competing(rates: np.ndarray, share: float) -> np.ndarray:
    """Return rates of which pooled inhibition leaves the strongest share, scaled to 0 to 1.

    Parameters
    ----------
    rates : (..., n) array
    share : float
        Of the cells, that stays above zero.
    """
    n = rates.shape[-1]
    kept = max(1, round(share * n))
    level = np.partition(rates, n - kept - 1, axis=-1)[..., n - kept - 1, None]
    over = np.maximum(rates - level, 0)
    most = over.max(axis=-1, keepdims=True)
    return np.divide(over, most, out=np.zeros_like(over), where=most > 0)


@dataclass
class Readout:
    """Output cells of all seeds.

    Attributes
    ----------
    weights : (seed, n, cell) array
        In units of the first weight; learning changes it in place.
    values : mapping
        Of the table ``readout``, times in ms.
    half : (seed, 1, cell) array or None
        Basal drive at which the rate of a cell is one half; None: that of the table, for all.
    """

    weights: np.ndarray
    values: Mapping[str, float]
    half: np.ndarray | None = None

    def basal(self, rates: np.ndarray) -> np.ndarray:
        """Return the basal drive, (seed, time, cell), of rates (seed, time, n)."""
        total = rates.sum(axis=-1, keepdims=True)
        return np.divide(rates @ self.weights, total, out=np.zeros(
            (*rates.shape[:2], self.weights.shape[-1])), where=total > 0)  # fmt: skip

    def answer(self, rates: np.ndarray) -> np.ndarray:
        """Return the rate of each cell to rates (seed, time, n), (seed, time, cell)."""
        drive = self.basal(rates)
        return drive / (drive + (self.values["half"] if self.half is None else self.half))

    def settle_thresholds(self, rates: np.ndarray) -> None:
        """Let the threshold of each cell follow its mean drive by rates (seed, time, n)."""
        shown = rates.any(axis=-1, keepdims=True)
        drive = self.basal(rates)
        self.half = drive.sum(axis=1, keepdims=True) / shown.sum(axis=1, keepdims=True)


@dataclass(frozen=True)
class Course:
    """What happened while cells watched.

    Attributes
    ----------
    eligibility : (step, seed, n) array
        Bare traces of the cells that are read.
    signal : (step, seed, cell) array
        Bare traces of the plateaus.
    plateaus : (seed, cell) array
        How many there were.
    """

    eligibility: np.ndarray
    signal: np.ndarray
    plateaus: np.ndarray


def watch_course(cells: Readout, rates: np.ndarray, label: np.ndarray) -> Course:
    """Follow traces and plateaus through a trial, weights held.

    Parameters
    ----------
    cells : Readout
    rates : (seed, step, n) array
    label : (seed, step, cell) array
        Whether the matrix thalamus drives a cell.
    """
    values, rule = cells.values, btsp()
    step = values["step"]
    keep_e, keep_i = (np.exp(-step / float(rule.table[k] / ms)) for k in ("tau_ET", "tau_IS"))
    slow = -np.expm1(-step / values["tau_inhibition"])
    length = round(values["plateau"] / step)
    basal = cells.basal(rates)
    n_seed, n_step, n = rates.shape
    n_cell = basal.shape[-1]
    eligibility, signal = np.zeros((n_step, n_seed, n)), np.zeros((n_step, n_seed, n_cell))
    level, strength, left = np.zeros((n_seed, n)), np.zeros((n_seed, n_cell)), np.zeros(
        (n_seed, n_cell), int)  # fmt: skip
    feedback, count = np.zeros((n_seed, 1)), np.zeros((n_seed, n_cell), int)
    for k in range(n_step):
        apical = values["matrix"] * label[:, k] - values["inhibition"] * feedback
        starts = (left == 0) & (apical > values["apical"]) & (basal[:, k] > values["basal"])
        count += starts
        left = np.where(starts, length, np.maximum(left - 1, 0))
        on = left > 0
        # those of one group share their interneurons with all others
        feedback = feedback + slow * (on.mean(axis=1, keepdims=True) - feedback)
        level = level * keep_e + (1 - keep_e) * rates[:, k]
        strength = on + (strength - on) * keep_i
        eligibility[k], signal[k] = level, strength
    return Course(eligibility, signal, count)


def watch(cells: Readout, rates: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Learn from plateaus in one trial; both traces are divided by their largest value in it.

    As in the source these are pooled, here over all cells of a seed; a step changes a weight
    towards the largest one or towards zero.

    Parameters
    ----------
    cells : Readout
    rates, label
        As in `watch_course`.

    Returns
    -------
    (seed, cell) array
        Number of plateaus.
    """
    course = watch_course(cells, rates, label)
    rule = btsp()
    bare = rule.table.parameter("peak_ET").value * rule.table.parameter("peak_IS").value
    largest = rule.table.parameter("W_max").value
    peak = course.eligibility.max((0, 2)) * course.signal.max((0, 2))
    scale = np.divide(bare, peak, out=np.zeros_like(peak), where=peak > 0)[:, None, None]
    dt = cells.values["step"] / 1000
    w = cells.weights
    for eligible, instructive in zip(course.eligibility, course.signal, strict=True):
        if not instructive.any():
            continue
        up, down = rule.gains(scale * eligible[:, :, None] * instructive[:, None])
        w += dt * ((largest - w) * up - w * down)
    np.clip(w, 0, largest, out=w)
    return course.plateaus


def kinase_step(cells: Readout, rates: np.ndarray, label: np.ndarray, values, lr: float) -> None:
    """Learn one cycle by the kinases, the label raising the rates of its cells in the plus phase.

    Parameters
    ----------
    cells : Readout
    rates : (seed, n) array
        Steady through the cycle.
    label : (seed, cell) array
    values : mapping
        Of the framework ``kinase``.
    lr : float
    """
    n_minus, n_plus = (round(values[k] / values["dt"]) for k in ("minus", "plus"))
    own = cells.answer(rates[:, None])[:, 0]
    plus = np.minimum(own + cells.values["matrix"] * label, 1)
    phases = ((own, n_minus), (plus, n_plus))
    y = np.concatenate([np.repeat(a[:, None], n, axis=1) for a, n in phases], axis=1)
    levels = [np.einsum("t,stc->sc", form.sum(axis=0), y) for form in level_forms(values)[0]]
    p, d = (rates[:, :, None] * level[:, None] for level in levels)
    cells.weights += lr * read(p, d, values)
    np.clip(cells.weights, 0, None, out=cells.weights)
