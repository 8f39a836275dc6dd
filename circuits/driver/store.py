"""Run folders: written whole or not at all."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import io
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from cells.parameters import InputError
from circuits.runfiles.catalogue import out_folder
from circuits.stimuli.arrays import Arrays

__all__ = [
    "check_replaced",
    "check_writable",
    "identity",
    "is_run",
    "made_alike",
    "new_folder",
    "reserved",
    "run_folder",
    "write_arrays",
    "write_dataset",
    "write_json",
]


def run_folder(name: str, document: Mapping, out: Path | str | None = None) -> Path:
    """Return where a run goes.

    Parameters
    ----------
    name : str
    document : mapping
        The resolved run file; its hash is part of the folder's name.
    out : path, optional
        The folder itself, if the user names it.
    """
    if out is not None:
        return Path(out)
    text = json.dumps(document, sort_keys=True, default=str)
    return out_folder() / f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def check_writable(folder: Path) -> None:
    """Raise InputError, before anything runs, if ``folder`` cannot be made or replaced."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"--out {folder}: is a file, not a folder")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / "run.json").is_file():
        raise InputError(f"--out {folder}: exists and is no run folder; name a new one")
    parent = folder.absolute().parent
    while not parent.exists():
        parent = parent.parent
    if not parent.is_dir() or not os.access(parent, os.W_OK | os.X_OK):
        raise InputError(f"--out {folder}: cannot write to {parent}")


def identity(document: Mapping, device: str, conditions: Sequence[str]) -> dict:
    """Return what makes a run another run: its file with all settings, device, and conditions."""
    found = {**document, "device": device, "conditions": list(conditions)}
    if isinstance(found.get("blocks"), Mapping):
        found["blocks"] = list(found["blocks"].items())  # their order counts
    return found


def check_replaced(folder: Path, document: Mapping, replace: bool) -> str | None:
    """Return when the run was started whose result would be replaced; None where there is none.

    Parameters
    ----------
    folder : path
    document : mapping
        `identity` of the run.
    replace : bool
        Whether another run may be replaced too.

    Raises
    ------
    InputError
        If it is another run and may not be.
    """
    check_writable(folder)
    try:
        info = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError:
        info = {}
    if not replace and not is_run(folder, document):
        name, started = info.get("name", "?"), info.get("started", "an unknown time")
        raise InputError(
            f"--out {folder}: holds another run, '{name}' of {started}; name a new folder, or say"
            " --replace"
        )
    return str(info.get("started", "an unknown time"))


def is_run(folder: Path, document: Mapping) -> bool:
    """Tell if a folder holds the finished run of a document, as `identity` gives it."""
    try:
        info = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        there = identity(info["run"], info["device"], info["conditions"])
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return run_folder("", there) == run_folder("", document)


def made_alike(folder: Path, document: Mapping, code: Mapping) -> str | None:
    """Return when the same code made the same run that a folder holds; None where it did not.

    Parameters
    ----------
    folder : path
    document : mapping
        `identity` of the run.
    code : mapping
        ``versions`` and, of a clone, ``commit`` and ``dirty``; what a changed clone made is never
        known to be the same.
    """
    if code.get("dirty") or not is_run(folder, document) or not (folder / "result.nc").is_file():
        return None
    info = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    if info.get("dirty") or any(info.get(k) != code.get(k) for k in ("versions", "commit")):
        return None
    return str(info.get("started", "an unknown time"))


@contextlib.contextmanager
def _parents(folder: Path) -> Iterator[None]:
    """Make the folders above; those that stay empty go again."""
    missing = [p for p in (folder.parent, *folder.parent.parents) if not p.exists()]
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        yield
    finally:
        for parent in missing:
            with contextlib.suppress(OSError):
                parent.rmdir()


@contextlib.contextmanager
def reserved(folder: Path) -> Iterator[None]:
    """Hold a folder, and see that it can be made, before anything runs.

    Raises
    ------
    InputError
        If another run is writing there, or if it cannot be made.
    """
    lock = folder.parent / f".{folder.name}.lock"
    with _parents(folder):
        try:
            Path(tempfile.mkdtemp(prefix=f".{folder.name}.old.", dir=folder.parent)).rmdir()
            file = lock.open("w")
        except OSError as error:
            raise InputError(f"--out {folder}: {error.strerror}") from None
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if not lock.exists() or not os.path.samestat(lock.stat(), os.fstat(file.fileno())):
                    raise BlockingIOError  # it was given back, and taken again, meanwhile
            except BlockingIOError:
                raise InputError(f"--out {folder}: another run is writing there") from None
            try:
                yield
            finally:
                lock.unlink(missing_ok=True)


_OF_A_RUN = ("run.json", "result.nc", "verdicts.json", "report.html", "array-*.npz")


@contextlib.contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """Give a temporary folder that becomes ``folder`` if the body succeeds, and vanishes if not.

    Parameters
    ----------
    folder : path
        A finished run that is there already is replaced; files that are not of a run stay.

    Yields
    ------
    Path
        To write into.
    """
    check_writable(folder)
    partial = old = None
    with _parents(folder):
        try:
            partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
            yield partial
            partial.chmod(0o777 & ~_umask())
            if folder.exists():
                old = Path(tempfile.mkdtemp(prefix=f".{folder.name}.old.", dir=folder.parent))
                folder.rename(old / "run")
            try:
                partial.rename(folder)
            except BaseException:
                if old is not None:
                    (old / "run").rename(folder)
                raise
            for path in (old / "run").iterdir() if old is not None else ():
                theirs = not any(path.match(name) for name in _OF_A_RUN)
                if theirs and not (folder / path.name).exists():
                    path.rename(folder / path.name)
        except BaseException:
            if partial is not None:
                shutil.rmtree(partial, ignore_errors=True)
            raise
        finally:
            if old is not None:
                shutil.rmtree(old, ignore_errors=True)


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def _plain(value):
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    return str(value)


def write_json(path: Path, value) -> None:
    """Write a value as JSON that a person can read; NaN is not allowed."""
    text = json.dumps(value, indent=2, default=_plain, allow_nan=False, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")


def write_arrays(folder: Path, document) -> None:
    """Write the arrays that a document holds, each as ``array-DIGEST.npz``."""
    if isinstance(document, Arrays):
        np.savez_compressed(folder / f"array-{document.digest[:16]}.npz", *document.values)
    elif isinstance(document, Mapping):
        for value in document.values():
            write_arrays(folder, value)
    elif isinstance(document, list | tuple):
        for value in document:
            write_arrays(folder, value)


@contextlib.contextmanager
def _without(*modules: str) -> Iterator[None]:
    """Let what is not loaded seem not to be there.

    xarray asks dask, where that is installed, for a scheduler on other machines: to import all that
    takes longer than to write a result, which is in memory.
    """
    hidden: dict = {name: None for name in modules if name not in sys.modules}
    sys.modules.update(hidden)
    try:
        yield
    finally:
        for name in hidden:
            sys.modules.pop(name, None)


def write_dataset(path: Path, ds: xr.Dataset) -> None:
    """Write a Dataset as compressed netCDF.

    Parameters
    ----------
    path : path
    ds : Dataset

    Raises
    ------
    OSError
        If it does not fit on the disk. HDF5 writes into memory first: on a full disk its own file
        layer fails while closing, in ways that cannot be caught.
    """
    encoding = {
        name: {"zlib": True, "complevel": 4}
        for name, variable in ds.variables.items()
        if variable.dtype.kind in "iufb" and variable.ndim
    }
    buffer = io.BytesIO()
    with _without("distributed", "dask.distributed"):
        ds.to_netcdf(buffer, engine="h5netcdf", encoding=encoding)
    with path.open("wb") as file:
        file.write(buffer.getbuffer())
        file.flush()
        os.fsync(file.fileno())
