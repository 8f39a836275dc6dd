"""Where run files are and what came of them; imports nothing heavy."""

from __future__ import annotations

import json
import os
import sys
import tomllib
from pathlib import Path

__all__ = [
    "clone",
    "example",
    "find_run",
    "last_verdicts",
    "out_folder",
    "read_run",
    "run_folders",
    "runs",
]

_SHARED = Path("share") / "pulvinar" / "runs"


def clone() -> Path | None:
    """Return the root of the clone that this package lies in; None where it is installed."""
    root = Path(__file__).resolve().parents[2]
    return root if (root / "pyproject.toml").is_file() and (root / "runs").is_dir() else None


def run_folders() -> list[Path]:
    """Return the folders of run files: of the clone, or those that the wheel brought along."""
    root = clone()
    if root is not None:
        return [root / "runs"]
    # of a virtual environment, and of pip install --target
    found = [Path(sys.prefix) / _SHARED, Path(__file__).resolve().parents[2] / _SHARED]
    from importlib.metadata import PackageNotFoundError, files

    try:
        for entry in files("pulvinar") or ():
            if entry.match("share/pulvinar/runs/*.toml"):
                found.append(Path(entry.locate()).resolve().parent)
    except PackageNotFoundError:
        pass
    return [folder for folder in dict.fromkeys(found) if folder.is_dir()]


def example(name: str) -> Path:
    """Return a small result that comes along for the notebooks, as `analysis.load` reads it.

    Parameters
    ----------
    name : {"first_light", "learning"}
        ``first_light`` with 12 cycles, or ``predictive_learning`` without rates and with the spikes
        of its last cycles alone; one seed each.

    Raises
    ------
    InputError
        If there is none; names the nearest.
    """
    found = {p.stem: p for folder in run_folders() for p in folder.glob("notebooks/data/*.nc")}
    if name not in found:
        from cells.parameters import InputError, nearest

        raise InputError(f"no example '{name}'{nearest(name, found)}")
    return found[name]


def out_folder() -> Path:
    """Return where run folders go: ``runs/out`` of the clone, else ``pulvinar-out`` here."""
    root = clone()
    return root / "runs" / "out" if root else Path("pulvinar-out")


def runs() -> list[Path]:
    """Return all run files, by name."""
    return sorted(path for folder in run_folders() for path in folder.glob("*.toml"))


def find_run(name: str | Path) -> Path:
    """Return the run file called ``name``, a path or the bare name of one that comes along.

    Raises
    ------
    InputError
        If there is none; names the nearest.
    """
    path = Path(name)
    if path.is_file():
        return path
    if path.suffix != ".toml" and os.sep not in str(name):
        for candidate in runs():
            if candidate.stem == str(name):
                return candidate
    from cells.errors import InputError, nearest

    known = [p.stem for p in runs()]
    raise InputError(f"no run file '{name}'{nearest(path.stem, known)}")


def read_run(path: Path) -> dict:
    """Return a run file as it is written.

    Raises
    ------
    InputError
        If it cannot be read or is not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        from cells.errors import InputError

        raise InputError(f"{path.name}: not TOML ({error})") from None


def last_verdicts(name: str) -> list[dict] | None:
    """Return the verdicts of the newest run called ``name``; None where there is none.

    Own runs go before those that come with the repository (``runs/results/NAME``).
    """
    own = sorted(
        out_folder().glob(f"{name}-*/verdicts.json"), key=lambda p: p.stat().st_mtime, reverse=True
    )
    kept = [folder / "results" / name / "verdicts.json" for folder in run_folders()]
    for path in [*own, *kept]:
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            # a list is of schema 0, see `analysis.data.versions`
            return found["verdicts"] if isinstance(found, dict) else found
        except (OSError, ValueError, KeyError):
            continue
    return None
