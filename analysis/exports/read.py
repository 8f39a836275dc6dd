"""Spike trains from files of other programs."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from analysis.data.versions import AnalysisError
from analysis.exports import tables

__all__ = ["read_spikes"]

_TO_SECONDS = {"s": 1.0, "sec": 1.0, "seconds": 1.0, "ms": 1e-3, "us": 1e-6}
_TIMES = {"time_s": 1.0, "time_ms": 1e-3, "timestamps": 1e-3, "time": 1.0}
_CELLS = ("neuron", "node_ids", "cell", "unit")


def read_spikes(path: Path | str, population: str | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Read spike trains; the suffix of the file tells how.

    ====================  ======================================================================
    ``.nwb``              table ``units``; a population is one of its column ``population``
    ``.h5``, ``.sonata``  spikes of SONATA
    ``.csv``              columns ``time_s`` or ``time_ms`` (``timestamps``: ms, ``time``: s) and
                          ``neuron``, ``node_ids``, ``cell`` or ``unit``; also ``population``
    others                whatever neo reads: its first segment; annotation ``population``
    ====================  ======================================================================

    Parameters
    ----------
    path : path
    population : str, optional
        Only its cells. May be left out of a SONATA file with only one.

    Returns
    -------
    time : (n_spike,) array, s
        Rising.
    cell : (n_spike,) array of int
        Of NWB and neo the place of the train among those that are read, from 0; else as the file
        numbers them.

    Raises
    ------
    AnalysisError
        In one line, if there is no such file or population, if it holds no spike trains, or if
        what reads it is not installed.
    """
    path = Path(path)
    if not path.is_file():
        raise AnalysisError(f"{path}: no such file")
    readers = {".nwb": _nwb, ".h5": _sonata, ".sonata": _sonata, ".csv": _csv}
    try:
        time, cell = readers.get(path.suffix.lower(), _neo)(path, population)
    except AnalysisError as error:
        raise AnalysisError(f"{path}: {error}") from None
    except (OSError, KeyError, ValueError) as error:
        raise AnalysisError(f"{path}: no spike trains can be read: {error}") from None
    time, cell = np.asarray(time, float), np.asarray(cell).astype(int)
    if not np.isfinite(time).all():
        raise AnalysisError(f"{path}: times that are not finite")
    order = np.lexsort((cell, time))
    return time[order], cell[order]


def _flat(trains):
    """Put trains together; the cell is the place of its train."""
    trains = [np.asarray(train, float) for train in trains]
    cell = np.repeat(np.arange(len(trains)), [train.size for train in trains])
    return np.concatenate([*trains, np.empty(0)]), cell


def _chosen(names, population):
    """Return which of the cells are of a population, all without one."""
    names = np.asarray(names, str)
    if population is None:
        return np.arange(names.size)
    if population not in names:
        raise AnalysisError(tables.unknown("population", population, names))
    return np.flatnonzero(names == population)


def _nwb(path, population):
    pynwb = tables.extra("pynwb")
    with pynwb.NWBHDF5IO(str(path), "r") as file:
        units = file.read().units
        if units is None or "spike_times" not in units.colnames:
            raise AnalysisError("no table of units with spike times")
        names = units["population"][:] if "population" in units.colnames else [""] * len(units)
        return _flat([units["spike_times"][int(k)] for k in _chosen(names, population)])


def _sonata(path, population):
    with h5py.File(path, "r") as file:
        if "spikes" not in file:
            raise AnalysisError("no group 'spikes' as SONATA has it")
        # of before version 1 of the format a file had one population without a name
        found = {"": file["spikes"]} if "timestamps" in file["spikes"] else dict(file["spikes"])
        if population is None and len(found) > 1:
            raise AnalysisError(f"{len(found)} populations, name one of: {', '.join(found)}")
        name = next(iter(found)) if population is None else population
        if name not in found:
            raise AnalysisError(tables.unknown("population", name, found))
        times = found[name]["timestamps"]
        unit = times.attrs.get("units", "ms")
        unit = unit.decode() if isinstance(unit, bytes) else str(unit)
        if unit not in _TO_SECONDS:
            raise AnalysisError(tables.unknown("unit of time", unit, _TO_SECONDS))
        ids = found[name]["node_ids" if "node_ids" in found[name] else "gids"]
        return times[:] * _TO_SECONDS[unit], ids[:]


def _csv(path, population):
    table = pd.read_csv(path, sep=None, engine="python")
    time = next((name for name in _TIMES if name in table), None)
    cell = next((name for name in _CELLS if name in table), None)
    if time is None or cell is None:
        raise AnalysisError(f"needs a column of {', '.join(_TIMES)} and one of {', '.join(_CELLS)}")
    names = table["population"] if "population" in table else [""] * len(table)
    here = _chosen(names, population)
    return table[time].to_numpy(float)[here] * _TIMES[time], table[cell].to_numpy()[here]


def _neo(path, population):
    neo = tables.extra("neo")
    try:
        block = neo.get_io(str(path)).read_block()
    except Exception as error:  # every format fails in its own way
        raise AnalysisError(f"neo cannot read it: {' '.join(str(error).split())}") from None
    trains = block.segments[0].spiketrains if block.segments else []
    if not len(trains):
        raise AnalysisError("no spike trains in its first segment")
    names = [str(train.annotations.get("population", "")) for train in trains]
    return _flat([trains[k].rescale("s").magnitude for k in _chosen(names, population)])
