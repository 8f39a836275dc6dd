"""Measures of what was recorded over time: an LFP proxy of recorded currents."""

from __future__ import annotations

import numpy as np
import xarray as xr

from analysis.data.recordings import recorded, recording
from analysis.data.schema import AnalysisError

__all__ = ["AMPA_DELAY", "GABA_WEIGHT", "lfp", "lfp_records"]

#: By how much AMPA currents come before, s, and how much GABA-A currents count (Mazzoni et al.
#: 2015, doi:10.1371/journal.pcbi.1004584, "reference weighted sum").
AMPA_DELAY, GABA_WEIGHT = 6e-3, 1.65


def lfp_records(ds: xr.Dataset) -> dict[str, str]:
    """Return name and target of the records that an LFP proxy can be made of."""
    found = recorded(ds)
    return {
        name: ds[mine[0]].attrs["target"]
        for name, mine in found.items()
        if ds[mine[0]].attrs["what"].startswith("LFP ")
    }


def lfp(ds: xr.Dataset, target: str | None = None, record: str | None = None) -> xr.DataArray:
    """Return a proxy of the local field potential from recorded currents.

    The sum of the absolute AMPA currents 6 ms ago and 1.65 times that of the absolute GABA-A
    currents now, over the excitatory cells of an area: the weighted sum that Mazzoni et al. (2015,
    doi:10.1371/journal.pcbi.1004584) found to follow the field of a population of pyramidal cells
    with excitation on their dendrites and inhibition near the soma. It leaves out NMDA and GABA-B
    currents, as they did, and has no space: neither depth nor distance, so its size means nothing
    outside one circuit, and of cells without aligned dendrites (thalamus) nothing at all.

    Parameters
    ----------
    ds : Dataset
        One run that recorded ``LFP``.
    target : str, optional
        Area; may be left out where there is one.
    record : str, optional
        Name of the record.

    Returns
    -------
    DataArray (time), nA
        From the first cycle on; ``time`` in s; attribute ``bin_size_s``.

    Raises
    ------
    AnalysisError
        If it was not recorded, or not all of the time.
    """
    ampa = recording(ds, target, "LFP AMPA", record)
    gaba = recording(ds, target, "LFP GABA_A", record)
    time = ampa["time"].values
    steps = np.diff(time)
    if time.size < 2 or np.ptp(steps) > 1e-9:
        raise AnalysisError(f"the LFP of '{ampa.attrs['target']}' was recorded with gaps")
    late = np.interp(time - AMPA_DELAY, time, ampa.values.astype(float))
    value = late + GABA_WEIGHT * gaba.values
    start = max(time[0] + AMPA_DELAY, float(ds["cycle_start"].values[0]))
    kept = time >= start - 1e-9
    return xr.DataArray(
        value[kept],
        dims="time",
        coords={"time": xr.Variable("time", time[kept], {"units": "s"})},
        attrs={
            "units": "nA", "bin_size_s": float(steps[0]),
            "long_name": f"{ampa.attrs['target']} LFP proxy",
        },
    )  # fmt: skip
