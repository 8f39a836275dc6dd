"""All runs of a sweep as one Dataset, with the swept keys as dims."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from analysis.statistics.decide import bounds_of, decide
from circuits.sweeps.axes import Axis

__all__ = ["joined"]

Outcomes = Mapping[tuple[int, int], xr.Dataset]


def joined(
    axes: Sequence[Axis], points: Sequence[tuple], seeds: Sequence[int], outcomes: Outcomes,
    criteria: Sequence[Mapping], rectangular: bool,
) -> xr.Dataset | xr.DataTree:  # fmt: skip
    """Put runs together.

    Parameters
    ----------
    axes : sequence of Axis
    points : sequence of tuple
        A value for each axis; where ``rectangular``, as `circuits.sweeps.axes.grid` gives them.
    seeds : sequence of int
    outcomes : mapping of (int, int) to Dataset
        By number of the point and seed; what is missing has failed.
    criteria : sequence of mapping
        Of the run file.
    rectangular : bool
        Whether the points are a grid; else they are on dim ``point``.

    Returns
    -------
    Dataset or DataTree
        ``value`` (criterion, seed, axes), ``verdict`` (criterion, axes), ``failed`` (seed, axes),
        and what else every run has, (seed, axes, ...); NaN where a run failed. Where the shape of
        that changes from point to point, it is in a node for each point below.
    """
    dims = tuple(axis.name for axis in axes) if rectangular else ("point",)
    shape = tuple(len(axis.values) for axis in axes) if rectangular else (len(points),)
    any_one = next(iter(outcomes.values()), None)
    names = [c["id"] for c in criteria] if any_one is None else list(any_one["criterion"].values)
    value = np.full((len(names), len(seeds), len(points)), np.nan)
    failed = np.ones((len(seeds), len(points)), bool)
    for (point, seed), ds in outcomes.items():
        at = seeds.index(seed)
        value[:, at, point], failed[at, point] = ds["value"].values, False
    verdict = [
        [decide(row[:, k], *_bounds(str(name), criteria)).verdict for k in range(len(points))]
        for name, row in zip(names, value, strict=True)
    ]
    root = xr.Dataset(
        {
            "value": (("criterion", "seed", *dims), value.reshape(*value.shape[:2], *shape)),
            "verdict": (("criterion", *dims), np.array(verdict, str).reshape(-1, *shape)),
            "failed": (("seed", *dims), failed.reshape(-1, *shape)),
        },
        coords={
            "criterion": np.array(names, str), "seed": np.array(seeds, np.int64),
            **({} if any_one is None else {"unit": any_one["unit"]}),
            **_coordinates(axes, points, rectangular),
        },
    )  # fmt: skip
    if any_one is None:
        return root
    more = _stacked(points, seeds, outcomes, dims, shape)
    if more is not None:
        return root.merge(more, join="exact")
    nodes = {f"/{k:04d}": _of_point(k, seeds, outcomes) for k in range(len(points))}
    return xr.DataTree.from_dict({"/": root, **{k: v for k, v in nodes.items() if v is not None}})


def _bounds(name: str, criteria: Sequence[Mapping]) -> tuple:
    """Return bounds of a criterion, of ``id`` or ``id[condition]``, and if it is of equivalence."""
    of = {c["id"]: c for c in criteria}
    found = of.get(name) or of[name.rpartition("[")[0]]
    return bounds_of(found.get("min"), found.get("max"), found.get("margin"))


def _coordinates(axes: Sequence[Axis], points: Sequence[tuple], rectangular: bool) -> dict:
    found = {}
    for k, axis in enumerate(axes):
        values = list(axis.values) if rectangular else [point[k] for point in points]
        dim = axis.name if rectangular else "point"
        found[axis.name] = (dim, np.array(values), {"units": axis.unit or "1"})
    return found


def _of_point(point: int, seeds: Sequence[int], outcomes: Outcomes) -> xr.Dataset | None:
    """Return what else the runs of one point have, with dim seed; None where all failed."""
    mine = {s: outcomes[point, s].drop_dims("criterion") for s in seeds if (point, s) in outcomes}
    if not mine:
        return None
    model = next(iter(mine.values()))
    empty = xr.full_like(model.map(lambda v: v.astype(float)), np.nan)
    index = np.array(seeds, np.int64)
    every = [mine.get(seed, empty) for seed in seeds]
    return xr.concat(every, dim="seed", join="exact").assign_coords(seed=index)


def _stacked(
    points: Sequence[tuple], seeds: Sequence[int], outcomes: Outcomes, dims: tuple, shape: tuple
) -> xr.Dataset | None:  # fmt: skip
    """Return what else the runs have over all points; None where its shape changes."""
    parts = [_of_point(k, seeds, outcomes) for k in range(len(points))]
    model = next(part for part in parts if part is not None)
    for part in parts:
        if part is not None and (
            set(part.data_vars) != set(model.data_vars)
            or any(part[v].dims != model[v].dims for v in model.data_vars)
            or not part.coords.equals(model.coords)
            or part.sizes != model.sizes
        ):
            return None
    found = {}
    for name, variable in model.data_vars.items():
        none = np.full(variable.shape, np.nan)
        values = np.stack([none if p is None else p[name].values for p in parts], axis=1)
        shaped = values.reshape(len(seeds), *shape, *variable.shape[1:])
        found[name] = (("seed", *dims, *variable.dims[1:]), shaped, variable.attrs)
    return xr.Dataset(found, coords=model.coords)
