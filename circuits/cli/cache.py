"""What is kept between runs: compiled programs, object files, and runs that were cut short."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

__all__ = ["cache"]

_SHOWN = 12  # lines
_KINDS = {
    "programs": "compiled programs",
    "objects": "sets of object files, for the next programs",
    "checkpoints": "runs that were cut short",
}


def cache(arguments) -> int:
    """Print what is kept, how large and how old it is; delete it if told to."""
    from cells.errors import InputError
    from circuits.engine.machine import cache_folder, signed

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
        if kind == "objects":  # no run's own
            continue
        groups: dict[str, list[tuple[float, int]]] = {}
        for path, days, size in chosen:
            names = signed(path) if kind == "programs" else [path.name.rpartition("-")[0]]
            groups.setdefault(", ".join(sorted(names)) or "(of runs not known)", []).append(
                (days, size)
            )
        _print_groups(groups)
    return 0


def _print_groups(groups: dict[str, list[tuple[float, int]]]) -> None:
    """Print a line for the runs that have most, and one for the rest."""
    ordered = sorted(groups.items(), key=lambda one: -sum(size for _, size in one[1]))
    if len(ordered) > _SHOWN:
        rest = [entry for _, entries in ordered[_SHOWN - 1 :] for entry in entries]
        ordered[_SHOWN - 1 :] = [(f"{len(ordered) - _SHOWN + 1} others", rest)]
    for name, entries in ordered:
        total, last = sum(size for _, size in entries), min(days for days, _ in entries)
        print(f"    {len(entries):>4} {_size(total):>10}  used {last:.0f} days ago  {name}")


def _entries(folder: Path) -> Iterator[tuple[Path, float, int]]:
    """Give each folder in a folder, the days since it was used, and its bytes."""
    from circuits.engine.machine import SIGNED

    for path in folder.iterdir() if folder.is_dir() else ():
        if not path.is_dir():
            continue
        files = [Path(root, name) for root, _, names in os.walk(path) for name in names]
        inside = [os.stat(one, follow_symlinks=False) for one in files if one.name != SIGNED]
        used = max((max(s.st_atime, s.st_mtime) for s in inside), default=path.stat().st_mtime)
        yield path, (time.time() - used) / 86400, sum(s.st_size for s in inside)


def _size(n: float) -> str:
    return f"{n / 1e6:.1f} MB"
