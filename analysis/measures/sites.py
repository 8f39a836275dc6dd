"""Positions by what was predicted there and what happened: weight changes, and who falls."""

from __future__ import annotations

import numpy as np
import xarray as xr

from analysis.data.blocks import block_cycles
from analysis.measures.phases import (
    position_patterns,
    seen_positions,
    windows_of,
)

__all__ = ["classify_sites", "site_shares"]


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
        count of the driver's spikes where there are any, and none where there are none; those
        between are left out.
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
    outcome = position_patterns(ds, "driver", *windows["cycle"])[0, 0][at]
    minus = position_patterns(ds, "relay", *windows["minus"], cells)[0, 0][at]
    plus = position_patterns(ds, "relay", *windows["plus"])[0, 0][at] / duration["plus"]
    seen = seen_positions(ds, outcome.shape[-1])[0, 0][at] & ~np.isnan(outcome + minus)
    minus = minus / duration["minus"]
    active = seen & (outcome > 0)
    happened = active & (outcome > 0.5 * outcome[active].mean() if active.any() else False)
    clear = seen & (happened | (outcome == 0))
    level = threshold * plus[happened].mean() if happened.any() else np.inf
    cycle, position = np.nonzero(clear)
    return at[cycle], position, (minus > level)[clear], happened[clear]


def site_shares(ds: xr.Dataset, block: str, **arguments) -> tuple[float, float, float]:
    """Return precision, recall and base rate of predicted sites.

    Parameters
    ----------
    ds : Dataset
        One run.
    block : str
    **arguments
        As `classify_sites`.

    Returns
    -------
    precision : float
        Share of predicted positions at which the outcome came.
    recall : float
        Share of the positions with an outcome that were predicted.
    base : float
        Share of positions with an outcome. NaN, as the others, where there are none to count.
    """
    _, _, predicted, happened = classify_sites(ds, block, **arguments)
    everywhere = np.ones(happened.size, bool)
    return _share(happened, predicted), _share(predicted, happened), _share(happened, everywhere)


def _share(what, of) -> float:
    return float(what[of].mean()) if of.any() else np.nan
