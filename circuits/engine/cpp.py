"""Compiled C++, kept in a cache under the digest of the plan.

So are the object files of its units, under the digest of what was compiled: another program that
has some of them does not compile these again.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from cells.fast_math import COMPILE_FLAGS
from cells.parameters import InputError
from circuits.engine.machine import (
    cache_folder,
    compiler_version,
    cores,
    is_complete,
    new_sibling,
    plain_messages,
    processor,
    program_folder,
    put_in_place,
)
from circuits.engine.plan import Plan
from circuits.engine.project import DeviceError, Progress, generate
from circuits.engine.units import put_together

__all__ = ["build", "check_compiler"]


def check_compiler() -> None:
    """Raise InputError if there is no C++ compiler."""
    if shutil.which("g++") is None:
        raise InputError(
            "device 'cpp' needs a C++ compiler and there is no g++: install it (Debian: apt install"
            " g++) or use --device numpy"
        )


def build(plan: Plan, arrays: Mapping[str, np.ndarray], progress: Progress | None = None) -> Path:
    """Return the folder of the compiled program of a plan, compiling it if need be.

    Parameters
    ----------
    plan : Plan
    arrays : mapping of str to array
        Any numbers of the right shapes.
    progress : callable, optional
        Called with (nan, seconds so far) while compiling.

    Returns
    -------
    Path
        Holds ``main`` and ``program.json``.

    Raises
    ------
    InputError
        If there is no C++ compiler.
    DeviceError
        If it does not compile.
    """
    home = program_folder(plan.digest)
    if is_complete(home):
        return home
    check_compiler()
    partial = new_sibling(home)
    try:
        description = generate(plan, arrays, partial)
        _compile(partial, progress, ["-fopenmp"] if plan.threads > 1 else [])
        description["size"] = (partial / "main").stat().st_size
        (partial / "program.json").write_text(json.dumps(description))
        put_in_place(partial, home, is_complete)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return home


_HEADER = "common.h"
_OWN = ("objects.h", "run.h", "state.h")  # of a program, that no unit includes


def _compile(folder: Path, progress: Progress | None, more: Sequence[str] = ()) -> None:
    """Compile and link the project in ``folder``, one process per core, with ``more`` flags.

    What another program has, too, is not compiled again.
    """
    compiler = shutil.which("g++")
    start = time.perf_counter()
    hot = [*COMPILE_FLAGS, "-std=c++11", "-I.", "-Ibrianlib", *more]
    # what runs once, at the start and the end
    cold = ["-march=native", "-std=c++11", "-I.", *more, "-w", "-O0"]

    def run(*arguments) -> None:
        done = subprocess.run(
            [compiler, *map(str, arguments)], cwd=folder, capture_output=True, text=True,
            errors="replace", env=plain_messages(),
        )  # fmt: skip
        if done.returncode:
            lines = [line for line in done.stderr.splitlines() if line.strip()]
            told = [line for line in lines if "error" in line] or lines[-1:] or ["no message"]
            raise DeviceError(f"compiling failed: {told[0]}")

    def compile_one(flags: Sequence, text: str, out: Path) -> None:
        source = folder / f"{out.stem}.cpp"
        source.write_text(text)
        with _whole(out) as partial:
            run(*flags, "-c", source.name, "-o", partial)
        source.unlink()
        if progress is not None:
            progress(float("nan"), time.perf_counter() - start)

    units = put_together(folder)
    home = _objects_folder(folder, units.header, hot)
    jobs = {home / f"{_digest(text)}.o": text for text in units.parts}
    todo = [
        ([*hot, "-include", home / _HEADER], text, out)
        for out, text in jobs.items()
        if not _is_there(out)
    ]
    header = home / f"{_HEADER}.gch"
    if todo and not _is_there(header):
        home.mkdir(parents=True, exist_ok=True)
        with _whole(home / _HEADER) as partial:
            partial.write_text(units.header)
        # every unit spends most of its time on what this includes
        with _whole(header) as partial:
            run(*hot, "-x", "c++-header", home / _HEADER, "-o", partial)
    with ThreadPoolExecutor(cores()) as pool:
        try:
            rest = folder / "rest.o"
            list(pool.map(lambda job: compile_one(*job), [(cold, units.rest, rest), *todo]))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    run(rest, *jobs, *more, "-o", "main")
    rest.unlink()


def _digest(*texts: str) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:24]


def _objects_folder(folder: Path, header: str, flags: Sequence[str]) -> Path:
    """Return where the object files are for which only the text of a unit may still differ."""
    headers = [path for path in folder.glob("*.h") if path.name not in _OWN]
    headers += folder.glob("brianlib/**/*.h")
    included = (path.read_text() for path in sorted(headers))
    digest = _digest(compiler_version(), processor(), *flags, header, *included)
    return cache_folder() / "objects" / digest


def _is_there(path: Path) -> bool:
    # after a power failure a file may have its name and be empty
    return path.is_file() and path.stat().st_size > 0


@contextmanager
def _whole(path: Path) -> Iterator[Path]:
    """Give a name for a file that gets its own at the end: no other process finds half of it."""
    partial = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
