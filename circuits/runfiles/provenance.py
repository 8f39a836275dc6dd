"""What the numbers of a run depend on beside its run file, as it was when first asked for."""

from __future__ import annotations

import contextlib
import importlib.metadata
import platform
import subprocess
from functools import cache

from circuits.runfiles.catalogue import clone

__all__ = ["commit", "version", "versions"]

_PACKAGES = ("brian2", "sympy", "jinja2", "numpy", "scipy", "xarray", "h5netcdf", "matplotlib",
             "scikit-image")  # fmt: skip


def version() -> str:
    """Return the version of this package; "unknown" where it is not installed."""
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        return importlib.metadata.version("pulvinar")
    return "unknown"


@cache
def versions() -> dict:
    """Return what the numbers of a run depend on: packages, Python, compiler, machine, commit."""
    found = {"pulvinar": version()}
    for package in _PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[package] = importlib.metadata.version(package)
    found["python"] = platform.python_version()
    found["machine"] = f"{platform.system()} {platform.machine()}"
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run(
            ["g++", "-dumpfullversion"], capture_output=True, text=True, timeout=20, check=True
        )
        found["g++"] = done.stdout.strip()
    return found


@cache
def commit() -> dict:
    """Return ``commit`` and ``dirty`` of the clone; empty outside of one."""
    root = clone()
    if root is None or not (root / ".git").exists():
        return {}

    def git(*arguments) -> str:
        return subprocess.run(
            ["git", "-C", str(root), *arguments],
            capture_output=True, text=True, timeout=20, check=True,
        ).stdout.strip()  # fmt: skip

    try:
        return {
            "commit": git("rev-parse", "HEAD"),
            "dirty": bool(git("status", "--porcelain", "--untracked-files=no")),
        }
    except (OSError, subprocess.SubprocessError):
        return {}
