"""A result as a neo Block, from which elephant works; on disk a pickle of neo's own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr

from analysis.data import schema
from analysis.exports import tables
from analysis.exports.signals import Signal, signals

__all__ = ["to_neo", "write_neo"]


def to_neo(ds: xr.Dataset, condition: str | None = None, seed: int | None = None):
    """Return a result as a neo Block.

    Parameters
    ----------
    ds : Dataset
        Of a circuit run, as `analysis.load` gives it.
    condition : str, optional
        Default all.
    seed : int, optional
        Default all.

    Returns
    -------
    neo.Block
        A Segment for each condition and seed, annotated with both. It has a SpikeTrain (s) for
        each cell, silent ones too, annotated with ``cell``, ``population``, ``area``, ``layer``,
        ``cell_class``, ``position``, ``polarity``; Epochs ``cycles`` and ``phases``; and, of a run
        that learns, an IrregularlySampledSignal for each projection: its weights (0 to 1) at the
        start and at the end of each block, with array annotations ``source`` and ``target``. What
        was recorded (``record_NAME_WHAT``) is an AnalogSignal in its unit, annotated with
        ``record``, ``what`` and ``target`` and by cell or synapse; where samples are not evenly
        spaced it is an IrregularlySampledSignal.

    Raises
    ------
    AnalysisError
        Without neo, or for a condition or seed that is not there.
    """
    neo = tables.extra("neo")
    block = neo.Block(name=str(ds.attrs.get("name", "run")), **_who(ds))
    for name, number, run in tables.selected(ds, condition, seed):
        segment = neo.Segment(name=f"{name}, seed {number}", condition=name, seed=number)
        segment.spiketrains.extend(_trains(run))
        segment.epochs.extend(_epochs(run))
        segment.irregularlysampledsignals.extend(list(_weights(run)))
        for one in signals(run):
            even = one.interval is not None
            into = segment.analogsignals if even else segment.irregularlysampledsignals
            into.append(_recorded(one))
        block.segments.append(segment)
    return block


def write_neo(ds: xr.Dataset, folder: Path, condition=None, seed=None) -> list[Path]:
    """Write the Block of `to_neo` to ``folder``, for `neo.PickleIO`; give the file."""
    block = to_neo(ds, condition, seed)
    path = Path(folder, f"{block.name}.pkl")
    tables.extra("neo").PickleIO(str(path)).write_block(block)
    return [path]


def _who(ds):
    return {k: str(ds.attrs[k]) for k in ("pulvinar", "commit", "experiment") if k in ds.attrs}


def _trains(run):
    neo, units = tables.extra("neo"), tables.extra("quantities")
    labels, stop = tables.cells(run).to_dict("index"), _stop(run)
    return [
        neo.SpikeTrain(time * units.s, t_stop=stop * units.s, name=f"{row['population']} {number}",
                       cell=number, **row)
        for time, (number, row) in zip(tables.trains(run), labels.items(), strict=True)
    ]  # fmt: skip


def _stop(run) -> float:
    """End of the run, s; results of before do not say it."""
    last = float(run["spike_time"].max()) if run.sizes["spike"] else 0.0
    end = float(run["cycle_start"].values[-1]) + schema.cycle_length(run)
    return max(float(run.attrs.get("t_stop_s", end)), last)


def _epochs(run):
    neo, s = tables.extra("neo"), tables.extra("quantities").s
    cycles, phases = tables.cycles(run), tables.phases(run)
    blocks = cycles["block"] if "block" in cycles else cycles.index
    named = (("cycles", cycles, blocks.astype(str)), ("phases", phases, phases["phase"]))
    return [
        neo.Epoch(table.start_s.values * s, (table.stop_s - table.start_s).values * s,
                  np.asarray(labels, str), name=name)
        for name, table, labels in named
    ]  # fmt: skip


def _weights(run):
    neo, units = tables.extra("neo"), tables.extra("quantities")
    for edges in tables.edges(run):
        noted = [v for name, v in edges.values.items() if name.startswith("weight_")]
        yield neo.IrregularlySampledSignal(
            tables.snapshot_times(run) * units.s, np.array(noted) * units.dimensionless,
            name=edges.projection,
            array_annotations={"source": edges.source, "target": edges.target},
        )  # fmt: skip


def _recorded(one: Signal):
    neo, units = tables.extra("neo"), tables.extra("quantities")
    unit = "dimensionless" if one.units == "1" else one.units
    said = {
        "name": one.name, "description": one.meaning, "array_annotations": one.labels,
        "record": one.record, "what": one.what, "target": one.target,
    }  # fmt: skip
    if one.interval is None:
        return neo.IrregularlySampledSignal(one.time * units.s, one.values, units=unit, **said)
    return neo.AnalogSignal(one.values, units=unit, t_start=one.time[0] * units.s,
                            sampling_period=one.interval * units.s, **said)  # fmt: skip
