"""Sections of the report of rate networks."""

from __future__ import annotations

import xarray as xr

from analysis.figures import rates

__all__ = ["sections"]


def sections(ds: xr.Dataset) -> list[tuple]:
    """Return the figures and tables of a run of rate networks.

    Parameters
    ----------
    ds : Dataset
        All conditions and seeds.

    Returns
    -------
    list of (title, caption, Figure or None, table or None)
    """
    return rates.BY_KIND[ds.attrs["kind"]](ds)
