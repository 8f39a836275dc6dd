"""What a phase says, as a sum of the outcome and of its prediction."""

from __future__ import annotations

import numpy as np
import xarray as xr

from analysis.data.blocks import block_cycles
from analysis.measures.patterns import pattern, pearson
from analysis.measures.phases import phase_patterns

__all__ = ["TERMS", "code_coefficients", "plus_coefficients"]

_LEAST = 20  # pairs of cycle and position
#: Terms of `code_coefficients`.
TERMS = ("outcome", "prediction", "both", "surprise")


def code_coefficients(
    ds: xr.Dataset,
    blocks: list[str],
    population: str,
    phase: str = "plus",
    less: str | None = None,
) -> dict[str, float]:
    """Regress what a population says on outcome, prediction, both together, and surprise.

    R = r0 + a O + b P + k O P + s S, over cycles and positions: O the driver's pattern, P that of
    the relay cells late in the minus phase, each from 0 to 1 (the 95th percentile of what is above
    0), S = 1 - corr(O, P) of the cycle less its mean, R in multiples of its mean. a is the answer
    to an outcome that was not predicted, b that to a prediction without outcome, k what the two do
    together beyond their sum. (With O(1 - P) and (1 - O)P beside O and P the columns span three
    dimensions, not four: their coefficients are not determined. O(1 - P) alone is a with k = -a.)

    Parameters
    ----------
    ds : Dataset
        One learning run.
    blocks : list of str
    population : str
    phase : {"minus", "plus", "cycle"}
    less : str, optional
        A population whose rates are taken away from those of the other.

    Returns
    -------
    dict of str to float
        By `TERMS`, in mean rates of the population; NaN where outcome or prediction never vary or
        the population is silent.
    """
    found = phase_patterns(ds).squeeze(["condition", "seed"])
    at = np.concatenate([block_cycles(ds, block) for block in blocks])
    seen = found["seen"].transpose("cycle", "channel").values[at].astype(bool)
    outcome, minus = (
        found[name].transpose("cycle", "channel").values[at] for name in ("outcome", "minus")
    )
    told = pattern(ds, population, phase).transpose("cycle", "channel").values[at]
    own = told
    if less is not None:
        told = told - pattern(ds, less, phase).transpose("cycle", "channel").values[at]
    r = np.nan_to_num(pearson(np.where(seen, minus, 0), np.where(seen, outcome, 0)))
    surprise = np.broadcast_to((1 - r)[:, None], seen.shape)
    known = seen & np.isfinite(told) & np.isfinite(outcome) & np.isfinite(minus)
    unit = [_to_one(x[known]) for x in (outcome, minus)]
    y, mean = told[known], own[known].mean() if known.any() else 0.0
    columns = [unit[0], unit[1], unit[0] * unit[1], surprise[known] - surprise[known].mean()]
    varies = [column.std() > 0 for column in columns]
    if y.size < _LEAST or not mean > 0 or not all(varies[:2]):
        return dict.fromkeys(TERMS, np.nan)
    design = np.stack([np.ones(y.size), *columns], axis=1)
    fitted = np.linalg.lstsq(design, y / mean, rcond=None)[0][1:]
    return {
        name: float(value) if there else np.nan
        for name, value, there in zip(TERMS, fitted, varies, strict=True)
    }


def _to_one(x):
    """Scale to 0 to 1, the 95th percentile of what is above 0 being 1."""
    top = np.quantile(x[x > 0], 0.95) if (x > 0).any() else 1.0
    return np.clip(x / top, 0, 1)


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
