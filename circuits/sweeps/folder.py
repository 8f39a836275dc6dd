"""The folder of a sweep: finished runs, one file each, and what the sweep is of."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import xarray as xr

from analysis.data.versions import SCHEMA, AnalysisError, read_json
from cells.parameters import InputError
from circuits.driver.store import identity, write_dataset, write_json
from circuits.runfiles import provenance
from circuits.runfiles.catalogue import out_folder
from circuits.runfiles.model import Run

__all__ = ["SweepFolder", "default_folder"]

_SCHEMA = 1  # of sweep.json and of the files of runs


def _hash(content) -> str:
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def default_folder(name: str, what: Mapping) -> Path:
    """Return where a sweep goes if the user names no folder."""
    return out_folder() / f"{name}-sweep-{_hash(what)[:12]}"


class SweepFolder:
    """Finished runs by what they are of: document, device, conditions, seed, commit.

    Parameters
    ----------
    path : path
    """

    def __init__(self, path: Path | str):
        self.path = Path(path)

    def check(self, what: Mapping, replace: bool) -> None:
        """Raise InputError if the folder holds something else; other values or seeds may be."""
        if not self.path.exists():
            return
        if not self.path.is_dir():
            raise InputError(f"--out {self.path}: is a file, not a folder")
        if not (self.path / "sweep.json").is_file():
            if any(self.path.iterdir()):
                raise InputError(f"--out {self.path}: exists and is no sweep; name a new folder")
            return
        try:
            there = read_json(self.path / "sweep.json")["of"]
        except (AnalysisError, KeyError, TypeError):
            there = None
        if not replace and there != json.loads(json.dumps(what, default=str)):
            raise InputError(
                f"--out {self.path}: holds a sweep of another run file; name a new folder, or say"
                " --replace"
            )

    def file(self, run: Run, seed: int) -> Path:
        """Return where the run of one seed of a point is, or will be."""
        document = {k: v for k, v in run.document.items() if k not in ("seeds", "replicas")}
        what = identity(document, run.device, [c.name for c in run.conditions])
        code = provenance.commit().get("commit", provenance.version())
        return self.path / "runs" / f"{_hash([_SCHEMA, SCHEMA, code, seed, what])}.nc"

    def read(self, run: Run, seed: int) -> xr.Dataset | None:
        """Return a finished run; None where there is none."""
        try:
            with xr.open_dataset(self.file(run, seed), engine="h5netcdf", decode_times=False) as ds:
                return ds.load()
        except (OSError, ValueError):
            return None

    def keep(self, run: Run, seed: int, ds: xr.Dataset) -> None:
        """Write a finished run, whole or not at all."""
        path = self.file(run, seed)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".part")
        write_dataset(partial, ds)
        partial.replace(path)

    def describe(self, **content) -> None:
        """Write sweep.json."""
        self.path.mkdir(parents=True, exist_ok=True)
        partial = self.path / "sweep.json.part"
        write_json(partial, {"sweep": _SCHEMA, **content})
        partial.replace(self.path / "sweep.json")

    def finish(self, found: xr.Dataset | xr.DataTree) -> Path:
        """Write sweep.nc."""
        path, partial = self.path / "sweep.nc", self.path / "sweep.nc.part"
        if isinstance(found, xr.DataTree):
            found.to_netcdf(partial, engine="h5netcdf")
        else:
            write_dataset(partial, found)
        partial.replace(path)
        return path
