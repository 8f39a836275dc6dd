"""Positions by what was predicted there and what happened: weight changes, and who falls."""

from __future__ import annotations

import numpy as np
import xarray as xr

from analysis import schema
from analysis.observables import observable
from analysis.prediction.phases import (
    OUTCOME,
    POPULATION,
    block_cycles,
    members,
    position_patterns,
    seen_positions,
    windows_of,
)

__all__ = ["classify_sites"]


def classify_sites(
    ds: xr.Dataset,
    block: str,
    threshold: float = 0.5,
    first: int | None = None,
    last: int | None = None,
    cells: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Tell at which positions something was predicted and at which it happened.

    Parameters
    ----------
    ds : Dataset
        One run.
    block : str
    threshold : float
        Share of the mean plus rate of relay cells at positions with an outcome: above it late in
        the minus phase a position is predicted. A position has an outcome above half of the mean
        count of L5IB spikes where there are any, and none where there are none; those between are
        left out.
    first, last : int, optional
        As `block_cycles`.
    cells : (n,) array of int, optional
        The relay cells by which to judge.

    Returns
    -------
    cycle, position : (n,) array of int
        The predictable positions of the block.
    predicted, happened : (n,) array of bool
    """
    at = block_cycles(ds, block, first, last)
    windows = windows_of(ds)
    duration = {key: (end - begin)[at, None] for key, (begin, end) in windows.items()}
    outcome = position_patterns(ds, OUTCOME, *windows["cycle"])[0, 0][at]
    minus = position_patterns(ds, POPULATION, *windows["minus"], cells)[0, 0][at]
    plus = position_patterns(ds, POPULATION, *windows["plus"])[0, 0][at] / duration["plus"]
    seen = seen_positions(ds, outcome.shape[-1])[0, 0][at] & ~np.isnan(outcome + minus)
    minus = minus / duration["minus"]
    active = seen & (outcome > 0)
    happened = active & (outcome > 0.5 * outcome[active].mean() if active.any() else False)
    clear = seen & (happened | (outcome == 0))
    level = threshold * plus[happened].mean() if happened.any() else np.inf
    cycle, position = np.nonzero(clear)
    return at[cycle], position, (minus > level)[clear], happened[clear]


@observable("1")
def fixed_point_ratio(ds, block, wrong="both", threshold=0.5, first=None, last=None, least=10):
    """Mean weight change at correctly predicted positions over that at wrongly predicted ones.

    Absolute values, in the cycles of a block in which the circuit learns. Wrong is what was
    predicted and did not happen (``false``), what happened unpredicted (``missed``), or the mean
    of the two absolute values (``both``). NaN if there are fewer than ``least`` cases of one.
    """
    kinds = ("both", "false", "missed")
    if wrong not in kinds:
        raise schema.AnalysisError(f"no kind of error '{wrong}'{schema.nearest(wrong, kinds)}")
    cycle, position, predicted, happened = classify_sites(ds, block, threshold, first, last)
    dw, learns = ds["dw"].values[cycle, position], ds["learning"].values[cycle] > 0
    groups = {"correct": predicted & happened, "false": predicted & ~happened,
              "missed": ~predicted & happened}  # fmt: skip
    size = {
        name: abs(dw[keep & learns].mean()) if (keep & learns).sum() >= least else np.nan
        for name, keep in groups.items()
    }
    base = np.mean([size["false"], size["missed"]]) if wrong == "both" else size[wrong]
    return float(size["correct"] / base) if base > 0 else np.nan


@observable("1")
def false_site_fall(ds, block, happened=False, threshold=0.5, first=None, last=None, least=10):
    """How far relay cells fall in the plus phase at positions predicted without an outcome.

    One minus plus rate over late minus rate. Where every position has two cells or more, sites
    are chosen by half of the cells and measured in the other half, both ways round, so that the
    fall is not regression to the mean. ``happened`` measures predicted positions with an outcome
    instead. NaN below ``least`` sites.
    """
    at, n_cell = members(ds, POPULATION)
    placed = np.flatnonzero(at >= 0)
    order = placed[np.argsort(at[placed], kind="stable")]
    rank = np.arange(order.size) - np.searchsorted(at[order], at[order], side="left")
    halves = [order[rank % 2 == 0], order[rank % 2 == 1]]
    split = [(0, 1), (1, 0)] if n_cell[n_cell > 0].min() >= 2 else [(None, None)]
    windows, sums, n = windows_of(ds), np.zeros(2), 0
    for judge, measure in split:
        by = None if judge is None else halves[judge]
        cells = None if measure is None else halves[measure]
        cycle, position, predicted, there = classify_sites(ds, block, threshold, first, last, by)
        keep = predicted & (there == happened)
        cycle, position = cycle[keep], position[keep]
        n += cycle.size
        for k, key in enumerate(("minus", "plus")):
            begin, end = windows[key]
            count = position_patterns(ds, POPULATION, begin, end, cells)[0, 0]
            sums[k] += (count[cycle, position] / (end - begin)[cycle]).sum()
    return float(1 - sums[1] / sums[0]) if n >= least and sums[0] > 0 else np.nan
