"""A run as an NWB file: units, cycles and phases as intervals, synapses."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from analysis.exports import tables
from analysis.exports.signals import Signal, signals

__all__ = ["to_nwb", "write_nwb"]

_CELLS = {
    "population": "name of the cell's population",
    "area": "area or nucleus",
    "layer": "layer",
    "cell_class": "class of the cell",
    "position": "place along the stimulus that drives the cell, -1 for none",
    "polarity": "on or off, empty for none",
    "channel": "number of position and polarity, -1 for none",
}
# unit of SI, and how many of it are one of the result
_SI = {
    "1": ("dimensionless", 1.0), "mV": ("volts", 1e-3), "uA/cm**2": ("amperes/metre**2", 1e-2),
    "pA": ("amperes", 1e-12), "nA": ("amperes", 1e-9), "nS": ("siemens", 1e-9),
    "uM": ("moles/metre**3", 1e-3),
}  # fmt: skip
_NO_TIME = datetime(1970, 1, 1, tzinfo=UTC)


def to_nwb(
    ds: xr.Dataset,
    condition: str | None = None,
    seed: int | None = None,
    started: datetime | None = None,
):
    """Return one run as an NWB file in memory.

    Parameters
    ----------
    ds : Dataset
        Of a circuit run, as `analysis.load` gives it.
    condition : str, optional
        May be left out where there is only one.
    seed : int, optional
        May be left out where there is only one.
    started : datetime, optional
        When the run was started, with its time zone; default 1970.

    Returns
    -------
    pynwb.NWBFile
        ``units``: the cells, their spikes (s) and labels; intervals ``theta_cycles`` and
        ``theta_phases``; of a run that learns, table ``synapses`` of the processing module
        ``connectivity``: ends and weights (0 to 1) at each snapshot. ``acquisition``: what was
        recorded, a TimeSeries ``record_NAME_WHAT`` each, numbers as in the result and their
        ``conversion`` to SI; table ``record_NAME_WHAT_channels`` of the processing module
        ``recordings`` has the cell or synapse of each column.

    Raises
    ------
    AnalysisError
        Without pynwb, or where the run is not there or not the only one.
    """
    pynwb = tables.extra("pynwb")
    name, number, run = tables.one(ds, condition, seed)
    said = ds.attrs
    file = pynwb.NWBFile(
        session_description=f"{said.get('name', 'run')}: {name}, seed {number} (simulated)",
        identifier=str(uuid.uuid5(uuid.NAMESPACE_URL, f"{said.get('run', '')}/{name}/{number}")),
        session_start_time=started or _NO_TIME,
        session_id=tables.file_name(name, number),
        source_script=f"pulvinar {said.get('pulvinar', '')} {said.get('commit', '')}".strip(),
        source_script_file_name="pulvinar",
    )
    _add_units(file, run)
    _add_intervals(file, pynwb, "theta_cycles", "cycles of theta", tables.cycles(run))
    _add_intervals(file, pynwb, "theta_phases", "minus and plus phases", tables.phases(run))
    _add_synapses(file, run)
    _add_recordings(file, pynwb, signals(run))
    return file


def write_nwb(ds: xr.Dataset, folder: Path, condition=None, seed=None, started=None) -> list[Path]:
    """Write an NWB file for each run that is chosen; give the files."""
    pynwb = tables.extra("pynwb")
    paths = []
    for name, number, _ in tables.selected(ds, condition, seed):
        paths.append(Path(folder, f"{tables.file_name(name, number)}.nwb"))
        with pynwb.NWBHDF5IO(str(paths[-1]), "w") as file:
            file.write(to_nwb(ds, name, number, started))
    return paths


def _add_units(file, run):
    cells = tables.cells(run)
    for name in cells:
        file.add_unit_column(name, _CELLS[name])
    for times, (number, row) in zip(tables.trains(run), cells.iterrows(), strict=True):
        file.add_unit(id=number, spike_times=times, **row)


def _add_intervals(file, pynwb, name, meaning, table):
    intervals = pynwb.epoch.TimeIntervals(name=name, description=meaning)
    table = table.reset_index().rename(columns={"start_s": "start_time", "stop_s": "stop_time"})
    own = [c for c in table if c not in ("start_time", "stop_time")]
    for column in own:
        intervals.add_column(column, f"{column.removesuffix('_s')} of the result")
    for row in table.to_dict("records"):
        intervals.add_interval(**row)
    file.add_time_intervals(intervals)


def _add_synapses(file, run):
    parts = [
        pd.DataFrame({"source": e.source, "target": e.target, **e.values}).assign(
            projection=e.projection
        )
        for e in tables.edges(run)
    ]
    if not parts:
        return
    table = pd.concat(parts, ignore_index=True)
    synapses = _table("synapses", "cells by their unit, weights from 0 to 1", table, "the synapse")
    file.create_processing_module("connectivity", "synapses of the run").add(synapses)


def _table(name: str, meaning: str, table: pd.DataFrame, of: str):
    common = tables.extra("hdmf.common")

    def data(values):
        return np.asarray(values, None if values.dtype.kind in "iufb" else object)

    columns = [
        common.VectorData(name=str(key), description=f"{key} of {of}", data=data(values))
        for key, values in table.items()
    ]
    return common.DynamicTable(name=name, description=meaning, columns=columns)


def _add_recordings(file, pynwb, found: list[Signal]):
    """Add what was recorded; a module holds the cells or synapses of the columns."""
    labelled = [one for one in found if one.labels]
    for one in found:
        unit, conversion = _SI[one.units]
        at: dict = {"timestamps": one.time}
        if one.interval is not None:
            at = {"rate": 1 / one.interval, "starting_time": float(one.time[0])}
        file.add_acquisition(
            pynwb.TimeSeries(
                name=one.name,
                description=f"{one.meaning}: {one.what} of {one.target}",
                data=one.values,
                unit=unit,
                conversion=conversion,
                comments=f"record '{one.record}' of a simulation",
                **at,
            )
        )
    if not labelled:
        return
    module = file.create_processing_module("recordings", "cells and synapses that were recorded")
    for one in labelled:
        table = pd.DataFrame(one.labels)
        meaning = f"columns of {one.name} in acquisition"
        module.add(_table(f"{one.name}_channels", meaning, table, "the column"))
