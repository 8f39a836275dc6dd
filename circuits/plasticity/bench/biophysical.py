"""The detailed synapse and the whole cell on the bench of the abstract rules.

`extend` puts the GluN2B synapse beside them as the rule ``glun2b`` (nothing of it is fitted here),
and the experiment with current steps instead of clamped postsynaptic spikes.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import xarray as xr
from brian2.units import ms

from cells.parameters import InputError, nearest
from circuits.plasticity.bench.run import gate_lead
from circuits.plasticity.detailed.experiment import DetailedProtocol, run_detailed
from circuits.plasticity.detailed.glun2b import respond, synapse_table
from circuits.plasticity.detailed.whole_cell import run_whole_cell
from circuits.plasticity.rules.registry import rule
from circuits.plasticity.rules.trains import spike_trains

__all__ = ["DETAILED", "extend", "validate"]

DETAILED = "glun2b"
_KEYS = {"glun2b": ("first_seed", "trials", "start_phases"), "whole_cell": ("cells", "rule")}
_LEAD_MS = 150.0  # of the whole-cell experiment, before its first window


def validate(run: Mapping, file: str) -> None:
    """Check the sections ``glun2b`` and ``whole_cell`` of a run file.

    Raises
    ------
    InputError
        One line that names the file, the key and the nearest valid choice.
    """
    for section, valid in _KEYS.items():
        table = run.get(section, {})
        if not isinstance(table, Mapping):
            raise InputError(f"{file}: [{section}] must be a table")
        for key, value in table.items():
            if key not in valid:
                raise InputError(f"{file}: [{section}] unknown key '{key}'{nearest(key, valid)}")
            if key == "rule":
                rule(value)
            elif not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise InputError(f"{file}: [{section}] {key} = {value!r}; valid: 1 and above")


def _protocol(run: Mapping, ds: xr.Dataset, half: float | None = None) -> DetailedProtocol:
    phases = (half, half) if half else tuple(ds.attrs["phases_ms"])
    return DetailedProtocol(
        phases=tuple(p * ms for p in phases),
        gap=float(ds.attrs["gap_ms"]) * ms,
        repeats=int(ds.attrs["repeats"]),
        n_phase=run["glun2b"].get("start_phases", 4),
    )


def _labels(pairs: Sequence[Mapping]) -> list[str]:
    """Conditions of the run file as the detailed synapse writes them: pre/post."""
    return ["{:g}-{:g}/{:g}-{:g}".format(*pair["pre"], *pair["post"]) for pair in pairs]


def _detailed(run: Mapping, ds: xr.Dataset, say) -> xr.Dataset:
    first = run["glun2b"].get("first_seed", 1000)
    seeds = tuple(range(first, first + run["glun2b"].get("trials", 100)))
    conditions = [str(c) for c in ds["condition"].values]
    trains = [str(t) for t in ds["train"].values]
    say("detailed synapse: theta window")
    main = run_detailed(conditions, trains=trains, protocol=_protocol(run, ds), seeds=seeds)
    ds = ds.reindex(rule=[*ds["rule"].values, DETAILED])
    for name in ("why", "why_plateau"):
        if name in ds:
            ds[name] = ds[name].fillna("its level depends on the length of the halves").astype(str)
    here = {"rule": DETAILED}
    ds["epsp"].loc[here] = main["epsp"].values
    ds["epsp_spread"].loc[here] = 0.0
    ds["chi2"].loc[here] = main["chi2"].values
    ds["chi2_seed"].loc[here] = main["chi2"].values[:, None]
    say("detailed synapse: predictions")
    predictions = run.get("predictions", {})
    values = []
    if pairs := predictions.get("conditions", []):
        regular = {"trains": ["regular"], "seeds": seeds[:1]}
        one = run_detailed(_labels(pairs), protocol=_protocol(run, ds), **regular)
        values += list(one["epsp"].values[0])
        for half in predictions.get("halves", []):
            half = float(half.split()[0])
            other = run_detailed(conditions, protocol=_protocol(run, ds, half), **regular)
            values += list(other["epsp"].values[0])
        ds["epsp_prediction"].loc[here] = values
    fitted, published = synapse_table("fitted"), synapse_table("published")
    names = [k for k in fitted if fitted.parameter(k).value != published.parameter(k).value]
    for name, table in (("fitted", fitted), ("published", published)):
        ds[f"glun2b_{name}"] = (
            "glun2b_constant",
            [table.parameter(k).value for k in names],
            {"units": "1", "long_name": f"{name} value, in the unit of glun2b_unit"},
        )
    ds["glun2b_unit"] = ("glun2b_constant", [fitted.parameter(k).unit for k in names])
    ds["glun2b_unit"].attrs["units"] = "1"
    return ds.assign_coords(glun2b_constant=("glun2b_constant", names, {"units": "1"}))


def _whole_cell(run: Mapping, ds: xr.Dataset) -> xr.Dataset:
    name = run["whole_cell"].get("rule", "kinase_ratio")
    chosen = rule(name)
    phases, gap = ds.attrs["phases_ms"], float(ds.attrs["gap_ms"])
    period, repeats = sum(phases) + gap, int(ds.attrs["repeats"])
    read = _LEAD_MS + np.arange(repeats) * period + sum(phases) - gate_lead(chosen, sum(phases))
    duration = _LEAD_MS + repeats * period + 100

    def change(pre, post) -> float:
        trains = spike_trains(pre, post, duration=duration * ms, gate=read * ms)
        return float(chosen.dw(trains).mean())

    cells = run_whole_cell(
        [str(c) for c in ds["condition"].values], n_windows=repeats, gap=gap * ms,
        phase=phases[0] * ms, seeds=tuple(range(run["whole_cell"].get("cells", 8))), rule=change,
        gain=float(ds["gain"].sel(rule=name)),
    )  # fmt: skip
    shape = cells["drive"].shape[:2]
    detailed = respond(
        *(cells[key].values.reshape(-1, cells.sizes[dim])
          for key, dim in (("pre_spikes", "pre_spike"), ("post_spikes", "spike"))),
        force=cells["drive"].values.reshape(-1, cells.sizes["drive_time"]).T,
        dt=float(cells["drive_time"][0]),
    )  # fmt: skip
    epsp = np.stack([cells["epsp"].values, detailed.epsp.reshape(shape).mean(1)])
    error = (epsp - ds["published_mean"].values) / ds["published_sem"].values
    added = {
        "whole_cell_epsp": (("whole_cell_rule", "condition"), epsp, "1", "EPSP, nothing refitted"),
        "whole_cell_chi2": (("whole_cell_rule",), (error**2).sum(1), "1", "against published"),
    }
    for key in ("post_rate", "pre_rate", "step"):
        units = cells[key].attrs["units"]
        added[f"whole_cell_{key}"] = (("condition", "half"), cells[key].values, units, key)
    out = xr.Dataset(coords={"condition": ds["condition"]})
    for key, (dims, values, units, text) in added.items():
        out[key] = (dims, values, {"units": units, "long_name": text})
    out["whole_cell_v"] = (
        ("condition", "whole_cell_time"), cells["v_soma"].values,
        {"units": "mV", "long_name": "somatic potential, first window of the first cell"},
    )  # fmt: skip
    return out.assign_coords(
        whole_cell_rule=("whole_cell_rule", [name, DETAILED], {"units": "1"}),
        half=("half", ["first", "second"], {"units": "1"}),
        whole_cell_time=("whole_cell_time", cells["time"].values, {"units": "ms"}),
    )


def extend(
    ds: xr.Dataset, run: Mapping, progress: Callable[[str], None] | None = None
) -> xr.Dataset:
    """Add the detailed synapse and the whole cell to the Dataset of the bench.

    Parameters
    ----------
    ds : Dataset
        Of `circuits.plasticity.bench.run.run_bench`.
    run : Mapping
        The parsed run file; its sections ``glun2b`` and ``whole_cell`` ask for the two.
    progress : callable, optional
        Called with a line of text.

    Returns
    -------
    Dataset
        With the rule ``glun2b`` in ``epsp``, ``chi2`` and ``epsp_prediction``, its changed
        constants (``glun2b_constant``), and ``whole_cell_*``.
    """
    say = progress or (lambda text: None)
    attrs = dict(ds.attrs)
    # side by side: the whole cell in a process of its own
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        cells = pool.submit(_whole_cell, run, ds) if "whole_cell" in run else None
        if "glun2b" in run:
            ds = _detailed(run, ds, say)
        if cells is not None:
            say("whole cell: current steps")
            ds = ds.merge(cells.result())
    ds.attrs = attrs
    return ds
