"""What is kept between runs: compiled programs, and the parts of runs that were cut short."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

__all__ = ["cache"]

_KINDS = {"programs": "compiled programs", "checkpoints": "runs that were cut short"}


def cache(arguments) -> int:
    """Print what is kept, how large and how old it is; delete it if told to."""
    from cells.parameters import InputError
    from circuits.engine.machine import cache_folder

    if not arguments.older >= 0:
        raise InputError(f"--older {arguments.older:g} is below 0")
    home = cache_folder()
    print(home)
    for kind, meaning in _KINDS.items():
        entries = sorted(_entries(home / kind), key=lambda entry: entry[1])
        chosen = [entry for entry in entries if entry[1] >= arguments.older]
        print(f"{len(chosen)} {meaning}, {_size(sum(size for *_, size in chosen))}")
        if arguments.clear:
            for path, *_ in chosen:
                shutil.rmtree(path)
            print(f"    deleted; {len(entries) - len(chosen)} are left")
            continue
        for path, days, size in chosen:
            print(f"    {path.name}  {_size(size):>8}  used {days:.0f} days ago")
    return 0


def _entries(folder: Path) -> Iterator[tuple[Path, float, int]]:
    """Give each folder in a folder, the days since it was used, and its bytes."""
    for path in folder.iterdir() if folder.is_dir() else ():
        if not path.is_dir():
            continue
        inside = [os.stat(Path(root, name), follow_symlinks=False)
                  for root, _, names in os.walk(path) for name in names]  # fmt: skip
        used = max((max(s.st_atime, s.st_mtime) for s in inside), default=path.stat().st_mtime)
        yield path, (time.time() - used) / 86400, sum(s.st_size for s in inside)


def _size(n: float) -> str:
    return f"{n / 1e6:.1f} MB"
