"""What this machine is: its cores, its C++ compiler, and the cache of compiled programs."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import secrets
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from cells.parameters import InputError

__all__ = [
    "SIGNED",
    "cache_folder",
    "compiler_version",
    "cores",
    "is_complete",
    "new_sibling",
    "plain_messages",
    "processor",
    "program_folder",
    "put_in_place",
    "sign",
    "signed",
]

#: Names of the runs that use a program; to look at it is no use.
SIGNED = "runs.txt"


def cores() -> int:
    """Return the number of cores that this process may use: those of a job, not of the machine."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        return os.cpu_count() or 1


def cache_folder() -> Path:
    """Return the folder of compiled programs: ``$PULVINAR_CACHE``, or the user's cache.

    Returns
    -------
    Path
        Absolute.

    Raises
    ------
    InputError
        If there is no home folder to have one in.
    """
    try:
        if folder := os.environ.get("PULVINAR_CACHE"):
            return Path(folder).expanduser().absolute()
        base = Path(os.environ.get("XDG_CACHE_HOME") or "")
        # its standard says that a relative one is to be ignored
        return (base if base.is_absolute() else Path.home() / ".cache") / "pulvinar"
    except RuntimeError:
        raise InputError(
            "there is no home folder for the cache of compiled programs: set PULVINAR_CACHE to a"
            " folder you may write to"
        ) from None


def program_folder(name: str) -> Path:
    """Return where the compiled program of this name is, or will be."""
    return cache_folder() / "programs" / name


def compiler_version() -> str:
    """Return the first line of ``g++ --version``; empty where there is none."""
    try:
        done = subprocess.run(
            ["g++", "--version"], capture_output=True, text=True, timeout=20, env=plain_messages()
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.partition("\n")[0]


def processor() -> str:
    """Return what a processor can do: code of -march=native runs on no other."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line for line in lines if line.startswith(("flags", "Features")))
    except (OSError, StopIteration):
        return platform.processor()


def plain_messages() -> dict[str, str]:
    """Return an environment in which tools speak English, so that what they say can be read."""
    return {**os.environ, "LC_ALL": "C", "LANGUAGE": ""}


def is_complete(program: Path, compiled: bool = True) -> bool:
    """Tell if a folder has all parts of a program, its compiled file among them if need be.

    Raises
    ------
    InputError
        If it may not be read.
    """
    try:
        description = json.loads((program / "program.json").read_text())
        parts = [program / "static_arrays" / name for name in description["files"]]
    except (FileNotFoundError, NotADirectoryError, ValueError, KeyError):
        return False
    except PermissionError:
        raise InputError(
            f"{program}: may not be read; set PULVINAR_CACHE to a folder of your own"
        ) from None
    main = program / "main"
    if compiled and not main.is_file():
        return False
    if compiled and main.stat().st_size != description.get("size", main.stat().st_size):
        return False  # cut short, by a full disk or a copy
    return all(part.is_file() for part in parts)


def sign(program: Path, run: str) -> None:
    """Note in a program's folder the name of a run that uses it, for `pulvinar cache`."""
    with contextlib.suppress(OSError):
        if run not in signed(program):
            with (program / SIGNED).open("a", encoding="utf-8") as file:
                file.write(f"{run}\n")


def signed(program: Path) -> list[str]:
    """Return the names of runs that use a program, as far as they are known."""
    try:
        return (program / SIGNED).read_text(encoding="utf-8").splitlines()
    except OSError:
        return []


def new_sibling(path: Path) -> Path:
    """Return a new folder beside ``path``, with the rights that the umask leaves.

    Raises
    ------
    InputError
        If there is no writing to the cache.
    """
    folder = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise InputError(
            f"cannot write to the cache of compiled programs ({path.parent}: {error.strerror}): set"
            " PULVINAR_CACHE to a folder you may write to"
        ) from None
    return folder


def put_in_place(made: Path, home: Path, complete: Callable[[Path], bool]) -> None:
    """Give a folder its name; one that is there already stays if it is complete.

    Parameters
    ----------
    made : path
        A sibling of ``home``.
    home : path
    complete : callable
        Tells if a folder has all of its parts.

    Raises
    ------
    OSError
        If it cannot be done.
    """
    if complete(home):  # another process was faster
        return
    if home.exists():
        aside = new_sibling(home)
        home.rename(aside / "old")
        shutil.rmtree(aside, ignore_errors=True)
    try:
        made.rename(home)
    except OSError:
        if not complete(home):
            raise
