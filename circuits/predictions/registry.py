"""The predictions there are: files of ``runs/predictions``, each with a table ``[prediction]``."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path

from analysis.data.versions import AnalysisError, read_json
from cells import checked
from cells.parameters import InputError, nearest
from circuits.runfiles.catalogue import out_folder, read_run, run_folders

__all__ = ["Prediction", "chosen", "last_result", "prediction_of", "predictions", "results_folder"]

MARKS = ("V", "M", "R", "D", "F")


@dataclass(frozen=True)
class Prediction:
    """What a file says of its prediction before it is run.

    Attributes
    ----------
    path : path
        The run file; one that is blocked has only the table.
    id, group : str
    sentence, source, mark : str
        In the words of the source, and how well the source is known.
    manipulation, observable, control : str
    published : str
        The published number with its spread and preparation.
    falsifier : str
        What would falsify it; the criteria of the file say it in numbers.
    limits : str
        Where the file asks less than the prediction says.
    blocked : str
        Why it cannot be asked; empty where it can.
    """

    path: Path
    id: str
    group: str
    sentence: str
    source: str
    mark: str
    manipulation: str
    observable: str
    control: str
    published: str
    falsifier: str
    limits: str = ""
    blocked: str = ""


_KEYS = tuple(f.name for f in fields(Prediction))[1:]


def prediction_of(path: Path) -> Prediction:
    """Read the table of a file.

    Raises
    ------
    InputError
        In one line, for a key that is missing, unknown or no text.
    """
    document = read_run(path)
    where = f"{path.name}: [prediction]"
    table = checked.keys(document.get("prediction"), _KEYS, where)
    for key in _KEYS:
        if key not in ("limits", "blocked") and not table.get(key):
            raise InputError(f"{where}: no key '{key}'")
        checked.text(table.get(key, ""), f"{where} {key}")
    checked.one_of(table["mark"], MARKS, f"{where} mark", "mark")
    if table["id"] != path.stem:
        raise InputError(f"{where} id: '{table['id']}', but the file is '{path.stem}'")
    if not table.get("blocked") and not document.get("criteria"):
        raise InputError(f"{path.name}: no [[criteria]], and the prediction is not blocked")
    return Prediction(path, **table)


def _number(prediction: Prediction) -> tuple:
    digits = re.sub(r"\D", "", prediction.id)
    return re.sub(r"\d", "", prediction.id), int(digits or 0)


def predictions() -> list[Prediction]:
    """Return all of them, by number."""
    files = [p for folder in run_folders() for p in (folder / "predictions").glob("*.toml")]
    return sorted(map(prediction_of, files), key=_number)


def chosen(names: Iterable[str]) -> list[Prediction]:
    """Return those with these ids, of these groups, or of these files; ``all`` is all of them.

    Raises
    ------
    InputError
        For a name that is none; names the nearest.
    """
    every = predictions()
    found: dict[str, Prediction] = {}
    for name in names:
        if Path(name).suffix == ".toml":
            mine = [prediction_of(Path(name))]
        else:
            mine = [p for p in every if name in (p.id, p.group, "all")]
        if not mine:
            known = sorted({n for p in every for n in (p.id, p.group)})
            raise InputError(f"no prediction or group '{name}'{nearest(name, known)}")
        found |= {p.id: p for p in mine}
    return sorted(found.values(), key=_number)


def results_folder() -> Path:
    """Return where runs of predictions and their page go if the user names no folder."""
    return out_folder() / "predictions"


def last_result(prediction: Prediction) -> dict | None:
    """Return the last result: of the user's own, else the one that comes along."""
    kept = prediction.path.resolve().parents[1] / "results" / "predictions"
    for folder in (results_folder(), kept):
        try:
            return read_json(folder / f"{prediction.id}.json")
        except (OSError, AnalysisError):
            continue
    return None
