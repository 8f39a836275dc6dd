"""The version of what lies in a run folder, and how older folders are read.

A folder says its version in ``result.nc`` (attribute ``schema``), ``run.json`` and
``verdicts.json``. What is older than `SCHEMA` is migrated when it is read, and never written; what
is newer is refused.

======= ==========================================================================================
schema  what changed
======= ==========================================================================================
0       folders that say no version; ``position`` was the channel (position and polarity in one)
1       ``channel``, ``position`` and ``polarity`` are three things; which picture a cycle showed;
        verdicts.json is an object that holds the list
2       the attribute ``loops`` names the prediction loops; before, there was one circuit with one
3       a verdict is ``holds``, ``falsified`` or ``undecided`` by an interval over seeds; before, it
        held or failed by the mean. Later ones may also be ``not judged``, with a ``why``
======= ==========================================================================================
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import xarray as xr

from analysis.statistics.decide import HOLDS, NOT_JUDGED, decide

__all__ = [
    "SCHEMA", "AnalysisError", "check_version", "migrate", "open_result", "places", "read_json",
    "read_verdicts", "with_schema",
]  # fmt: skip

SCHEMA = 3


class AnalysisError(ValueError):
    """A Dataset or a criterion that cannot be used, told in one line."""


def places(channel: np.ndarray, n_x: int, polarities: tuple[str, ...]) -> dict:
    """Return coordinates of cells or channels: where each is, and which polarity it has.

    Parameters
    ----------
    channel : (n,) array of int
        -1 for none. Channels run through the positions of one polarity, then of the next.
    n_x : int
    polarities : tuple of str

    Returns
    -------
    dict
        ``position`` (n,), -1 for none, and ``polarity`` (n,), "" for none.
    """
    channel = np.asarray(channel)
    names = np.array([*polarities, ""])
    return {
        "position": np.where(channel < 0, -1, channel % n_x).astype(np.int32),
        "polarity": names[np.where(channel < 0, -1, channel // n_x)],
    }


def _from_0(ds: xr.Dataset) -> xr.Dataset:
    if "position" not in ds.coords:
        return ds  # of a bench or of rate networks
    one = {"units": "1"}
    channel = ds["position"].values
    ds = ds.drop_vars("position")
    if "position" in ds.dims:
        ds = ds.rename_dims(position="channel")
    n_x = int(ds.attrs.get("n_x", ds.sizes.get("channel", 1)))
    found = places(channel, n_x, tuple(str(ds.attrs.get("polarities", "on")).split()))
    return ds.assign_coords(
        neuron_channel=("neuron", channel, one),
        position=("neuron", found["position"], one),
        polarity=("neuron", found["polarity"]),
    )


_ONLY_LOOP = {"name": "TRC", "relay": "TRC", "driver": "V1.L5IB", "predictor": "V2.L6CT",
              "cortex": "V2"}  # fmt: skip


def _from_1(ds: xr.Dataset) -> xr.Dataset:
    if "spike_time" not in ds:
        return ds  # of a bench or of rate networks
    return ds.assign_attrs(loops=json.dumps([_ONLY_LOOP]))


#: From each version to the next.
_MIGRATIONS: tuple[Callable[[xr.Dataset], xr.Dataset], ...] = (_from_0, _from_1, lambda ds: ds)


def check_version(found, where: str) -> int:
    """Return the schema that a mapping says; AnalysisError if it is newer than `SCHEMA`."""
    version = found.get("schema", 0)
    if not isinstance(version, int | np.integer) or isinstance(version, bool) or version < 0:
        raise AnalysisError(f"{where}: schema {version!r} is no version")
    if version > SCHEMA:
        raise AnalysisError(
            f"{where}: written in schema {version}, this pulvinar reads up to {SCHEMA};"
            " a newer one reads it"
        )
    return int(version)


def migrate(ds: xr.Dataset, where: str = "Dataset") -> xr.Dataset:
    """Return a result of any version up to `SCHEMA` in the shape of `SCHEMA`.

    Parameters
    ----------
    ds : Dataset
    where : str
        Begins the error line.

    Raises
    ------
    AnalysisError
        If it is newer.
    """
    for step in _MIGRATIONS[check_version(ds.attrs, where) :]:
        ds = step(ds)
    return ds.assign_attrs(schema=SCHEMA)


def open_result(path: Path | str) -> xr.Dataset:
    """Read a result file of any experiment into memory, migrated; the file is closed.

    Raises
    ------
    AnalysisError
        If there is no such file, it is no netCDF file, or of a newer version.
    """
    path = Path(path)
    path = path / "result.nc" if path.is_dir() else path
    if not path.is_file():
        raise AnalysisError(f"{path}: no such result file")
    try:
        # seconds must stay numbers: decode_times would turn them into timedeltas
        with xr.open_dataset(path, engine="h5netcdf", decode_times=False) as ds:
            ds.load()
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise AnalysisError(f"{path}: not a netCDF file ({reason})") from None
    return migrate(ds, str(path))


def read_json(path: Path | str):
    """Read ``run.json`` or ``verdicts.json``.

    Raises
    ------
    AnalysisError
        If it is no JSON, or of a newer version.
    """
    path = Path(path)
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise AnalysisError(f"{path}: not JSON ({error})") from None
    if isinstance(found, dict):
        check_version(found, str(path))
    return found


def _decided(verdict: dict) -> dict:
    """Return a verdict that lacks what it has now, judged anew by the values that it holds."""
    numbers = [float(t) for t in re.findall(r"-?\d+\.?\d*(?:e[+-]?\d+)?", verdict["criterion"])]
    sign = verdict["criterion"][:2]
    low, high = {
        ">=": (*numbers, None), "<=": (None, *numbers), "wi": (-numbers[0], numbers[0]),
    }.get(sign, numbers)  # fmt: skip
    values = [math.nan if v is None else v for v in verdict["values"]]
    found = decide(values, low, high, equivalence=sign == "wi")
    undefined = all(v is None for v in verdict["values"])
    nothing = {"verdict": NOT_JUDGED, "why": "undefined in every run"} if undefined else {}
    return (
        verdict
        | {
            "failed": sum(v is None for v in verdict["values"]),
            "bounds": [low, high],
            "verdict": found.verdict,
            "interval": None if found.interval is None else list(found.interval),
            "p": found.p,
            "seeds_needed": found.seeds_needed,
            "holds": found.verdict == HOLDS,
        }
        | nothing
    )


def read_verdicts(path: Path | str) -> list[dict]:
    """Return the verdicts in a ``verdicts.json``, migrated; errors as of `read_json`."""
    found = read_json(path)
    verdicts = found["verdicts"] if isinstance(found, dict) else found
    return [v if "bounds" in v else _decided(v) for v in verdicts]


def with_schema(**content) -> dict:
    """Return what a JSON file of a run folder holds."""
    return {"schema": SCHEMA, **content}
