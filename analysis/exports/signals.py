"""What a run recorded over time, as signals of one sampling rate where there is one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from analysis.data.recordings import recorded, recording

__all__ = ["Signal", "signals"]


@dataclass(frozen=True)
class Signal:
    """One thing that was recorded of some cells or synapses, or an LFP proxy's sum.

    Attributes
    ----------
    name : str
        As the result calls it, ``record_NAME_WHAT``.
    record, what, target, meaning : str
        Name of the record, what was recorded and of what, and that in words.
    units : str
    time : (sample,) array, s
        From the start of the warm-up.
    values : (sample, channel) array of float32
    labels : dict of str to (channel,) array
        ``population``, ``index``, ``neuron`` of cells; ``projection``, ``index``, ``source``,
        ``target`` of synapses; none of a sum.
    """

    name: str
    record: str
    what: str
    target: str
    meaning: str
    units: str
    time: np.ndarray
    values: np.ndarray
    labels: dict[str, np.ndarray]

    @property
    def interval(self) -> float | None:
        """Seconds between samples; None where they are not evenly spaced."""
        steps = np.diff(self.time)
        if not steps.size or np.ptp(steps) > 1e-3 * steps[0]:
            return None
        return float((self.time[-1] - self.time[0]) / steps.size)


def signals(run: xr.Dataset) -> list[Signal]:
    """Return all that one run recorded, in the order of the run file.

    What the run's condition has not, such as the weight of what does not learn in it, is left out.

    Parameters
    ----------
    run : Dataset
    """
    found = []
    for record, names in recorded(run).items():
        for name in names:
            what = run[name].attrs["what"]
            values = recording(run, what=what, record=record)
            if not np.isnan(values.values).all():
                found.append(_signal(name, record, what, values))
    return found


def _signal(name: str, record: str, what: str, values: xr.DataArray) -> Signal:
    said = values.attrs
    labels = {
        str(key): (one.values.astype(str) if one.dtype.kind in "OU" else one.values)
        for key, one in values.coords.items()
        if one.dims == values.dims[1:] and one.dims
    }
    return Signal(
        name, record, what, said["target"], said.get("long_name", what), said["units"],
        values["time"].values, values.values.reshape(values.sizes["time"], -1), labels,
    )  # fmt: skip
