"""What a run recorded over time, beside its spikes: the variables ``record_NAME_...``.

Record ``NAME`` of cells has a variable for each thing that was recorded, such as ``record_NAME_V``,
on dims ``record_NAME_time`` (s from the start of the warm-up) and ``record_NAME_cell``, with
coordinates ``record_NAME_population``, ``record_NAME_index`` (in the population) and
``record_NAME_neuron`` (as on dim neuron). Of synapses the second dim is ``record_NAME_synapse``,
with ``record_NAME_projection``, ``record_NAME_index`` (in the projection), and the numbers of their
cells in ``record_NAME_source`` and ``record_NAME_target``. Sums for an LFP proxy,
``record_NAME_AMPA`` and ``record_NAME_GABA_A``, have the dim of time alone. Values are float32, NaN
where a condition has no such thing; dims condition and seed come first. The attributes ``record``,
``what`` and ``target`` of a variable are what the run file says.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from analysis.data.schema import AnalysisError, nearest

__all__ = ["recorded", "recording"]

_PARTS = ("time", "cell", "synapse")
_LABELS = ("population", "projection", "index", "neuron")


def recorded(ds: xr.Dataset) -> dict[str, list[str]]:
    """Return the variables of each record by its name, in the order of the run file."""
    found: dict[str, list[str]] = {}
    for name, variable in ds.data_vars.items():
        if "what" in variable.attrs and "record" in variable.attrs:
            found.setdefault(variable.attrs["record"], []).append(str(name))
    return found


def recording(
    ds: xr.Dataset, target: str | None = None, what: str | None = None, record: str | None = None
) -> xr.DataArray:
    """Return what was recorded of something.

    Parameters
    ----------
    ds : Dataset
        Of one run or of several.
    target : str, optional
        What the record is of, or one population or projection of those.
    what : str, optional
        Such as ``V``; of an LFP ``LFP AMPA`` or ``LFP GABA_A``.
    record : str, optional
        Name of the record. Each may be left out where the others leave one variable.

    Returns
    -------
    DataArray (..., time, cell), (..., time, synapse) or (..., time)
        In its attribute ``units``, with coordinates time (s), population, index, neuron, or
        projection, index, source, target.

    Raises
    ------
    AnalysisError
        If there is none, or several.
    """
    every = [name for names in recorded(ds).values() for name in names]
    if not every:
        raise AnalysisError("nothing was recorded; tables [[record]] of a run file ask for it")
    found = [name for name in every if what in (None, ds[name].attrs["what"])]
    if not found:
        valid = {ds[name].attrs["what"] for name in every}
        raise AnalysisError(f"'{what}' was not recorded{nearest(str(what), valid)}")
    found = [name for name in found if record in (None, ds[name].attrs["record"])]
    found = [name for name in found if target is None or _cells(ds, name, target) is not None]
    if len(found) != 1:
        said = ", ".join(filter(None, (target, what, record)))
        choice = found or every
        told = "; ".join(
            f"record '{ds[n].attrs['record']}': {ds[n].attrs['what']} of {ds[n].attrs['target']}"
            for n in choice
        )
        raise AnalysisError(f"{len(found)} recordings of {said or 'this run'}; there are {told}")
    (name,) = found
    return _renamed(ds, name, _cells(ds, name, target))


def _cells(ds: xr.Dataset, name: str, target: str | None) -> np.ndarray | None:
    """Return which cells or synapses of a variable are of a target; None if none are."""
    prefix, last = _prefix(ds, name), ds[name].dims[-1]
    if target in (None, ds[name].attrs["target"]):
        return np.arange(ds.sizes[last])
    label = next((f"{prefix}_{k}" for k in _LABELS[:2] if f"{prefix}_{k}" in ds), None)
    mine = np.flatnonzero(ds[label].values.astype(str) == target) if label else np.array([])
    return mine if mine.size else None


def _prefix(ds: xr.Dataset, name: str) -> str:
    return f"record_{ds[name].attrs['record']}"


def _renamed(ds: xr.Dataset, name: str, cells: np.ndarray | None) -> xr.DataArray:
    """Return a variable with plain names of its dims and coordinates."""
    prefix, found = _prefix(ds, name), ds[name]
    ends = [f"{prefix}_{end}" for end in ("source", "target") if f"{prefix}_{end}" in ds]
    found = found.assign_coords({end: ds[end] for end in ends if ends and end != name})
    if found.dims[-1] != f"{prefix}_time":
        found = found.isel({found.dims[-1]: cells})
    names = [f"{prefix}_{k}" for k in (*_PARTS, *_LABELS, "source", "target")]
    here = [n for n in names if n in found.dims or n in found.coords]
    return found.rename({n: n.removeprefix(f"{prefix}_") for n in here})
