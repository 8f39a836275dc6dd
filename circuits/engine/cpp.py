"""Compiled C++, kept in a cache under the digest of the plan."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from cells.fast_math import COMPILE_FLAGS
from cells.parameters import InputError
from circuits.engine.machine import (
    cores,
    is_complete,
    new_sibling,
    plain_messages,
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
        for leftover in (*partial.rglob("*.o"), *partial.rglob("*.gch")):
            leftover.unlink()
        description["size"] = (partial / "main").stat().st_size
        (partial / "program.json").write_text(json.dumps(description))
        put_in_place(partial, home, is_complete)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return home


# Files that run once, at the start and the end: optimising them costs half of the compile time.
_COLD = ("main", "objects")
_HEADER = "objects.h"  # precompiled: every file spends most of its time on what this includes


def _compile(folder: Path, progress: Progress | None, more: Sequence[str] = ()) -> None:
    """Compile and link the project in ``folder``, one process per core, with ``more`` flags."""
    compiler = shutil.which("g++")
    start = time.perf_counter()
    hot = [*COMPILE_FLAGS, "-std=c++11", "-I.", *more]
    cold = ["-w", "-O0", "-march=native", "-std=c++11", "-I.", *more]
    sources = put_together(folder)

    def run(*arguments) -> None:
        done = subprocess.run(
            [compiler, *map(str, arguments)], cwd=folder, capture_output=True, text=True,
            errors="replace", env=plain_messages(),
        )  # fmt: skip
        if done.returncode:
            lines = [line for line in done.stderr.splitlines() if line.strip()]
            told = [line for line in lines if "error" in line] or lines[-1:] or ["no message"]
            raise DeviceError(f"compiling failed: {told[0]}")

    def compile_one(source: Path) -> None:
        flags = cold if source.stem in _COLD else ["-include", _HEADER, *hot]
        run(*flags, "-c", source, "-o", source.with_suffix(".o"))
        if progress is not None:
            progress(float("nan"), time.perf_counter() - start)

    run(*hot, "-x", "c++-header", _HEADER, "-o", f"{_HEADER}.gch")
    with ThreadPoolExecutor(cores()) as pool:
        try:
            list(pool.map(compile_one, sources))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    run(*(source.with_suffix(".o") for source in sources), *more, "-o", "main")
