"""Files that a run is made of beside its run file: by their content, not their name."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from circuits.anatomy.folder import anatomies, anatomy_chain
from circuits.runfiles.model import Condition
from circuits.stimuli.stimulus import Stimulus

__all__ = ["used_files"]


def used_files(conditions: Iterable[Condition], anatomy: Path) -> dict[str, str]:
    """Return the pictures that are shown, and the results that first weights come from.

    Parameters
    ----------
    conditions : iterable of Condition
    anatomy : path
        Folder of the tables, which count where they do not come along.

    Returns
    -------
    dict of str to str
        Absolute path and SHA-256 of each.
    """
    known = anatomies().values()
    found = {
        str(path)
        for folder in anatomy_chain(anatomy) if folder not in known
        for path in folder.glob("*.toml")
    }  # fmt: skip
    for condition in conditions:
        shown = [condition.stimulus, *(block.stimulus for block in condition.blocks)]
        if condition.manipulated is not None:
            shown += [
                m.shown for m in condition.manipulated.stimulus if isinstance(m.shown, Stimulus)
            ]
        found |= {path for stimulus in shown for path in stimulus.paths}
        found |= {p.spikes.path for p in condition.spec.populations if p.spikes and p.spikes.path}
        if condition.trained is not None:
            found.add(str(Path(condition.trained.folder) / "result.nc"))
    return {str(Path(path).absolute()): _digest(path) for path in sorted(found)}


def _digest(path: str) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
