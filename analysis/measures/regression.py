"""What a phase says, as a sum of the outcome and of its prediction."""

from __future__ import annotations

import numpy as np
import xarray as xr

from analysis.data.blocks import block_cycles
from analysis.measures.phases import phase_patterns

__all__ = ["plus_coefficients"]

_LEAST = 20  # pairs of cycle and position


def plus_coefficients(ds: xr.Dataset, block: str) -> tuple[float, float]:
    """Regress the relay cells' plus phase on outcome and prediction, over cycles and positions.

    Parameters
    ----------
    ds : Dataset
        One learning run.
    block : str

    Returns
    -------
    outcome, prediction : float
        Coefficients of the driver's pattern and of the pattern late in the minus phase, all three
        in standard deviations; a code of the difference has them of opposite sign. NaN where one
        does not vary.
    """
    found = phase_patterns(ds).squeeze(["condition", "seed"])
    at = block_cycles(ds, block)
    seen = found["seen"].transpose("cycle", "channel").values[at].astype(bool)
    plus, outcome, minus = (
        found[name].transpose("cycle", "channel").values[at][seen]
        for name in ("plus", "outcome", "minus")
    )
    known = np.isfinite(plus) & np.isfinite(outcome) & np.isfinite(minus)
    columns = np.stack([plus, outcome, minus])[:, known]
    spread = columns.std(axis=1, keepdims=True)
    if columns.shape[1] < _LEAST or not (spread > 0).all():
        return np.nan, np.nan
    y, *x = (columns - columns.mean(axis=1, keepdims=True)) / spread
    coefficients = np.linalg.lstsq(np.stack(x, axis=1), y, rcond=None)[0]
    return float(coefficients[0]), float(coefficients[1])
