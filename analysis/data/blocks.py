"""The runs of a Dataset, and the cycles of a block."""

from __future__ import annotations

import numpy as np
import xarray as xr

from analysis.data import schema

__all__ = ["block_cycles"]


def run_shape(ds):
    """Give the numbers of conditions and seeds, 1 where there is no such dim."""
    return tuple(ds.sizes.get(dim, 1) for dim in ("condition", "seed"))


def run_dims(ds):
    """Give those of the dims condition and seed that there are."""
    return tuple(dim for dim in ("condition", "seed") if dim in ds.dims)


def by_run(ds, name, dims, default=None):
    """Array (condition, seed, *dims) of a variable, with size 1 where it has no such dim."""
    if name not in ds:
        shape = (*run_shape(ds), *(ds.sizes.get(dim, 1) for dim in dims))
        return np.full(shape, default)
    array = ds[name]
    for dim in ("condition", "seed"):
        if dim not in array.dims:
            array = array.expand_dims({dim: ds.sizes.get(dim, 1)})
    return array.transpose("condition", "seed", *dims).values


def check_direction(direction):
    """Refuse a direction that no movement has: it would silently select nothing."""
    if direction not in (None, 1, -1):
        raise schema.AnalysisError(f"no direction '{direction}'; valid: 1, -1")


def block_cycles(
    ds: xr.Dataset,
    block: str,
    first: int | None = None,
    last: int | None = None,
    direction: int | None = None,
    image: int | None = None,
) -> np.ndarray:
    """Return the numbers of a block's cycles.

    Parameters
    ----------
    ds : Dataset
        One run.
    block : str
    first, last : int, optional
        This many of them, from the beginning or the end of the block.
    direction : {1, -1}, optional
        Those of them in which the stimulus moves this way.
    image : int, optional
        Those of them that show this image of a set.

    Returns
    -------
    (n,) array of int

    Raises
    ------
    AnalysisError
        If the run has no blocks, or none of this name, or there is no such direction, or the run
        shows no set of images.
    """
    check_direction(direction)
    if "cycle_block" not in ds or "block" not in ds.dims:
        raise schema.AnalysisError("no variable 'cycle_block': not a run with learning blocks")
    names = ds["block"].values.astype(str).tolist()
    if block not in names:
        raise schema.AnalysisError(f"no block '{block}'{schema.nearest(block, names)}")
    at = np.flatnonzero(ds["cycle_block"].values == names.index(block))
    at = at[: int(first)] if first is not None else at
    at = at[-int(last) :] if last is not None else at
    at = at if direction is None else at[ds["direction"].values[at] == direction]
    if image is None:
        return at
    if "image" not in ds:
        raise schema.AnalysisError("no variable 'image': the run shows no set of images")
    return at[ds["image"].values[at] == image]


def finite_mean(values):
    """Mean of what is a number; NaN where nothing is."""
    values = np.asarray(values, float)
    values = values[~np.isnan(values)]
    return float(values.mean()) if values.size else np.nan
