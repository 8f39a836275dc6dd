"""What a worker does: one seed of one point, all its conditions, reduced to what a sweep keeps."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import xarray as xr

from circuits.driver.programs import programs_of
from circuits.driver.progress import Progress
from circuits.driver.report import evaluate
from circuits.driver.run import simulated
from circuits.engine.devices import DEVICES
from circuits.engine.machine import is_complete, program_folder
from circuits.engine.project import DeviceError
from circuits.runfiles.extensions import load_extensions
from circuits.runfiles.model import Run

__all__ = ["attempt", "measure"]

_BY_CYCLE = {"condition", "cycle", "loop", "block", "predictor"}
_SMALL = 10_000  # values of a variable of an experiment that is no circuit


def attempt(run: Run, seed: int) -> tuple[xr.Dataset | None, str]:
    """Return what `measure` does, or None and, in one line, why it failed."""
    try:
        return measure(run, seed), ""
    except Exception as error:
        return None, f"{type(error).__name__}: {' '.join(str(error).split())}"


def measure(run: Run, seed: int) -> xr.Dataset:
    """Run one seed of a point in this process.

    Parameters
    ----------
    run : Run
    seed : int

    Returns
    -------
    Dataset
        ``value`` (criterion) of every criterion that can be judged, with ``unit`` (criterion); of
        circuits the mean rate of each population in each phase, ``phase_rate`` (condition, phase,
        population), Hz, and every score by cycle; of other experiments what is small.
    """
    load_extensions(run.document.get("extensions", ()), "extensions")
    one = replace(run, seeds=(seed,))
    if run.experiment == "circuit" and DEVICES[run.device].cached:
        for digest in programs_of(one):
            if not is_complete(program_folder(digest)):
                raise DeviceError(f"the program {digest} is not in the cache of this worker")
    ds, _ = simulated(one, 1, Progress(io.StringIO()), None)
    found = evaluate(run.experiment, ds, run.criteria)
    values = [np.nan if v["values"][0] is None else v["values"][0] for v in found]
    kept = ds.isel(seed=0, drop=True) if "seed" in ds.dims else ds
    circuit = run.experiment == "circuit"
    return xr.Dataset(
        {
            "value": ("criterion", np.array(values, float)),
            **({"phase_rate": _rates(kept)} if circuit else {}),
            **{
                str(name): _bare(variable)
                for name, variable in kept.data_vars.items()
                if variable.dtype.kind in "fib" and variable.dims
                and (set(variable.dims) <= _BY_CYCLE if circuit else variable.size <= _SMALL)
            },
        },
        coords={
            "criterion": np.array([v["id"] for v in found], dtype=str),
            "unit": ("criterion", np.array([v["unit"] for v in found], dtype=str)),
        },
    )  # fmt: skip


def _bare(variable: xr.DataArray) -> xr.DataArray:
    """Return a variable with no coordinates but those of its dims."""
    return variable.drop_vars([c for c in variable.coords if c not in variable.dims])


def _rates(ds: xr.Dataset) -> xr.DataArray:
    found = _bare(ds["rate"].mean("cycle", dtype=float))
    found = found.assign_coords(population=("neuron", ds["population"].values.astype(str)))
    return found.groupby("population").mean().assign_attrs(units="Hz")
