"""Runs in pieces: what is finished is kept, and a run that was cut short goes on from there.

A checkpoint is a folder in the cache, never one of results: one file of what each finished piece
recorded, and the state behind the last one. Its name is a hash of the program and of every number
that the run was given, so that no other run can go on from it.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from circuits.engine.devices import run_plan
from circuits.engine.launch import Recording
from circuits.engine.machine import cache_folder
from circuits.engine.plan import Plan
from circuits.engine.project import DeviceError, Progress

__all__ = ["checkpoint_folder", "held", "joined", "kept_pieces", "run_in_pieces"]

_PARTS = ("spikes", "traces", "weights")
_SCHEMA = 1  # of the files here


def checkpoint_folder(name: str) -> Path:
    """Return where the checkpoints of a run are kept."""
    return cache_folder() / "checkpoints" / name


def kept_pieces(folder: Path) -> int:
    """Return the number of finished pieces that a folder of checkpoints holds."""
    return sum(1 for _ in folder.glob("*/*.npz"))


@contextlib.contextmanager
def held(folder: Path, fresh: bool = False) -> Iterator[bool]:
    """Hold a folder of checkpoints; it is removed if the body succeeds, or if nothing is in it.

    Otherwise what ends the body gets a note that says what is kept.

    Parameters
    ----------
    folder : path
    fresh : bool
        Throw away what is in it.

    Yields
    ------
    bool
        Whether it is ours: another process may be at the same run.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / "lock").open("w")
    except PermissionError:  # programs of a cache of others can be used, without keeping pieces
        yield False
        return
    with file as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
            return
        for checkpoint in folder.glob("*/") if fresh else ():
            shutil.rmtree(checkpoint)
        try:
            yield True
        except BaseException as error:
            if n := kept_pieces(folder):
                pieces = "piece is" if n == 1 else "pieces are"
                error.add_note(
                    f"{n} finished {pieces} kept: the same command goes on from there"
                    " (--fresh starts anew)"
                )
            else:
                shutil.rmtree(folder, ignore_errors=True)
            raise
        shutil.rmtree(folder, ignore_errors=True)


def joined(pieces: Sequence[Recording]) -> Recording:
    """Return the recording of a run from those of its pieces.

    Parameters
    ----------
    pieces : sequence of Recording
        In their order.

    Returns
    -------
    Recording
        What the run in one would have recorded; the wall times add up.
    """
    first, last = pieces[0], pieces[-1]
    spikes = {
        name: tuple(np.concatenate([p.spikes[name][k] for p in pieces]) for k in (0, 1))
        for name in first.spikes
    }
    traces = {
        name: {
            key: np.concatenate([p.traces[name][key] for p in pieces], axis=-1) for key in variables
        }
        for name, variables in first.traces.items()
    }
    weights = {
        # what a piece ends with, the next one notes when its interval begins
        name: np.vstack([*(p.weights[name][:-1] for p in pieces), last.weights[name][-1:]])
        for name in first.weights
    }
    wall = {
        key: sum(p.wall.get(key, 0.0) for p in pieces)
        for key in {k for p in pieces for k in p.wall}
    }
    return Recording(spikes, traces, weights, wall)


def _key(plan: Plan, arrays: Mapping[str, np.ndarray], ends: Sequence[float]) -> str:
    found = hashlib.sha256(repr((plan.digest, tuple(ends))).encode())
    for name in sorted(arrays):
        values = np.ascontiguousarray(arrays[name])
        found.update(f"{name} {values.dtype} {values.shape}".encode())
        found.update(values.data)
    return found.hexdigest()[:16]


def _write(path: Path, recording: Recording) -> None:
    flat = {"schema": np.array(_SCHEMA), "wall": np.array([recording.wall["run"]])}
    for name, pair in recording.spikes.items():
        flat |= {f"spikes/{name}/{k}": values for k, values in zip("it", pair, strict=True)}
    for name, variables in recording.traces.items():
        flat |= {f"traces/{name}/{key}": values for key, values in variables.items()}
    flat |= {f"weights/{name}": values for name, values in recording.weights.items()}
    partial = path.with_suffix(".part")
    with partial.open("wb") as file:
        np.savez(file, **flat)
    partial.replace(path)


def _read(path: Path) -> Recording:
    found: dict[str, dict] = {part: {} for part in _PARTS}
    try:
        with np.load(path, allow_pickle=False) as file:
            schema = int(file["schema"]) if "schema" in file.files else 0
            if schema != _SCHEMA:
                raise DeviceError(
                    f"{path}: a checkpoint of schema {schema}, this pulvinar has {_SCHEMA};"
                    " --fresh starts anew"
                )
            wall = {"run": float(file["wall"][0]), "build": 0.0}
            for key in file.files:
                part, *names = key.split("/")
                if part in ("schema", "wall"):
                    continue
                if part == "weights":
                    found[part][names[0]] = file[key]
                else:
                    found[part].setdefault(names[0], {})[names[1]] = file[key]
    except (OSError, EOFError, ValueError, KeyError, IndexError, BadZipFile):
        raise DeviceError(f"{path}: this checkpoint is damaged; --fresh starts anew") from None
    found["spikes"] = {name: (pair["i"], pair["t"]) for name, pair in found["spikes"].items()}
    return Recording(**found, wall=wall)


def run_in_pieces(
    plan: Plan,
    arrays: Mapping[str, np.ndarray],
    *,
    ends: Sequence[float],
    folder: Path,
    progress: Progress | None = None,
) -> Recording:
    """Run a plan on device cpp piece by piece, going on behind the pieces that are kept.

    Parameters
    ----------
    plan : Plan
    arrays : mapping of str to array
        As `circuits.engine.devices.run_plan` takes them.
    ends : sequence of float
        Seconds at which pieces end; the last is the duration.
    folder : path
        Holds the checkpoints of many runs.
    progress : callable, optional
        Called with the completed fraction and the seconds so far.

    Returns
    -------
    Recording
        Bit for bit that of the run in one.

    Raises
    ------
    DeviceError
        If the program failed, or a checkpoint is damaged.
    """
    mine = folder / _key(plan, arrays, ends)
    mine.mkdir(parents=True, exist_ok=True)
    pieces: list[Recording] = []
    state = None
    start = 0.0
    for number, end in enumerate(ends):
        path = mine / f"{number:04d}.npz"
        before, state = state, None if end == ends[-1] else path.with_suffix(".state")
        if path.is_file():
            pieces.append(_read(path))
            start = end
            continue

        def within(fraction, elapsed, start=start, end=end):
            if progress is not None:
                progress((start + fraction * (end - start)) / ends[-1], elapsed)

        try:
            recording = run_plan(
                plan, arrays, duration=end - start, progress=within, start=before, stop=state
            )
        except DeviceError as error:
            if before is None or str(before) not in str(error):
                raise
            raise DeviceError(f"{error}; --fresh starts anew") from None
        _write(path, recording)  # from here on this piece is finished
        if before is not None:
            before.unlink()
        pieces.append(recording)
        start = end
    return joined(pieces)
