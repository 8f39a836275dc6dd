"""When the context that layer 6 holds switches: whose outcome its pattern tells."""

from __future__ import annotations

import numpy as np
import xarray as xr

from analysis.data import schema
from analysis.data.blocks import block_cycles
from analysis.measures import patterns
from analysis.measures.phases import position_patterns

__all__ = ["context_course", "switch_time"]

BIN = 20e-3


def context_course(
    ds: xr.Dataset, population: str = "predictor", block: str | None = None, width: float = BIN
) -> xr.Dataset:
    """Compare the pattern of a population through the cycle with the outcomes that it may hold.

    Parameters
    ----------
    ds : Dataset
        One run.
    population : str
        The outcome is that of the cells of its area that are of the class of the driver, over a
        whole cycle.
    block : str, optional
        Default all cycles.
    width : float, s
        Of the bins, from the start of the cycle to one and a half cycles later.

    Returns
    -------
    Dataset
        On dim ``time`` (s after the start of the cycle, middle of the bin): ``before`` and ``now``,
        the correlation over positions and cycles with the outcome of the cycle before and of the
        cycle itself (1, NaN where the population is silent), and ``rate`` (Hz per cell).
    """
    length, start = schema.cycle_length(ds), ds["cycle_start"].values.astype(float)
    at = np.arange(start.size) if block is None else block_cycles(ds, block)
    at = at[at > 0]
    outcome = schema.beside(ds, population, "driver")
    last = np.nan_to_num(position_patterns(ds, outcome, start, start + length)[0, 0])
    edges = np.arange(0, 1.5 * length - 1e-9, width)
    course = np.full((3, edges.size), np.nan)
    for k, edge in enumerate(edges):
        begin = start + edge
        # the run ends with its last cycle
        use = at[begin[at] + width <= start[-1] + length + schema.EDGE]
        pattern = np.nan_to_num(position_patterns(ds, population, begin, begin + width)[0, 0])
        for row, lag in ((0, 1), (1, 0)):
            course[row, k] = patterns.pearson(pattern[use].ravel(), last[use - lag].ravel())
        course[2, k] = pattern[use].mean() / width if use.size else np.nan
    names = {"before": "1", "now": "1", "rate": "Hz"}
    return xr.Dataset(
        {n: ("time", v, {"units": u}) for (n, u), v in zip(names.items(), course, strict=True)},
        coords={"time": ("time", edges + width / 2, {"units": "s"})},
    )


def switch_time(course: xr.Dataset) -> float:
    """Return when a population comes to tell the outcome of the cycle itself.

    Parameters
    ----------
    course : Dataset
        From `context_course`.

    Returns
    -------
    float, s
        After the start of the cycle: from then on its pattern is nearer to the outcome of the
        cycle than to that of the cycle before; times at which it is silent tell nothing. NaN if it
        is so from the beginning, or never.
    """
    lead = course["now"].values - course["before"].values
    told = ~np.isnan(lead)
    lead, time = lead[told], course["time"].values[told]
    behind = np.flatnonzero(lead <= 0)
    if not behind.size or behind[-1] + 1 >= lead.size:
        return np.nan
    k = int(behind[-1])
    return float(time[k] + (time[k + 1] - time[k]) * -lead[k] / (lead[k + 1] - lead[k]))
