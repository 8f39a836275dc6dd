"""Frameworks of learning beside each other, from what is stored of their runs.

``python -m analysis.verdicts.frameworks RUN runs/results`` stores what a run folder has measured of
each framework as ``runs/results/NAME/frameworks.csv``;
``python -m analysis.verdicts.frameworks runs/results`` writes the tables of all, ``frameworks.md``
and ``epochs.md``. Which conditions they show says ``frameworks.toml`` there.
"""

from __future__ import annotations

import csv
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import xarray as xr

from analysis.data.versions import AnalysisError, open_result, read_verdicts
from analysis.observables import by_condition

__all__ = [
    "Row", "epochs_table", "framework_rows", "frameworks_table", "measured", "write_measured",
    "write_tables",
]  # fmt: skip

_COLUMNS = ("condition", "hidden", "quantity", "value", "sd", "n")
_GRADIENTS = {"settled": "settled gradient", "feedforward": "backpropagation"}
_KINDS = ("alignment", "depth", "training")
_REACHED, _NEED, _CHANGE = "right", "needs ", "hidden change"
_SOLVED, _EPOCHS = "solved", "median epochs"


def _numbers(ds: xr.Dataset) -> Iterator[tuple[int, str, xr.DataArray]]:
    """Give hidden layers, name and values (condition, seed) of what a run has measured."""
    for depth in ds["depth"].values.tolist():
        if "score_test" in ds:
            yield depth, _REACHED, ds["score_test"].sel(depth=depth)
        for reference, name in _GRADIENTS.items():
            if f"cosine_{reference}" in ds:
                least = by_condition(ds, "rate_cosine", reference=reference, hidden=depth)
                yield depth, name, least
    if "needs" not in ds:
        return
    first = ds["depth"].values.tolist()[0]
    one = ds.sel(depth=first)
    for need in one["need"].values:
        yield first, f"{_NEED}{need}", one["needs"].sel(need=need)
    for carrier in ("plus", "error"):
        for term in one["term"].values:
            values = one["signature"].sel(carrier=carrier, term=term)
            yield first, f"{carrier}: {term}", values
    yield first, _CHANGE, one["hidden_change"]


def _epochs(ds: xr.Dataset) -> list[dict]:
    """Share of networks that solve a task, and median epochs, those that never do counted last."""
    found = []
    for name in ds["condition"].values:
        epochs = ds["epochs"].sel(condition=name).values
        if np.isnan(epochs).any():
            continue
        for quantity, value in (
            (_SOLVED, np.isfinite(epochs).mean()),
            (_EPOCHS, np.median(epochs)),
        ):
            row = (str(name), 1, quantity, f"{value:.6g}", "nan", epochs.size)
            found.append(dict(zip(_COLUMNS, row, strict=True)))
    return found


def measured(ds: xr.Dataset) -> list[dict]:
    """Return what a run of kind ``depth``, ``alignment`` or ``training`` has measured.

    Parameters
    ----------
    ds : Dataset
        With dims ``condition`` and ``seed``, and ``depth`` unless it is of kind ``training``.

    Returns
    -------
    list of dict
        ``condition``, ``hidden`` (layers), ``quantity``, and ``value`` (the mean where no other
        name is given), ``sd`` and ``n`` over seeds; a cosine is that of the worst layer. What is
        undefined for a seed is left out.
    """
    if "depth" not in ds.dims:
        return _epochs(ds)
    found = []
    for hidden, quantity, values in _numbers(ds):
        for name in ds["condition"].values:
            one = values.sel(condition=name).values.astype(float)
            if np.isfinite(one).all():
                sd = float(one.std(ddof=1)) if one.size > 1 else float("nan")
                numbers = (f"{one.mean():.6g}", f"{sd:.3g}", one.size)
                row = (str(name), hidden, quantity, *numbers)
                found.append(dict(zip(_COLUMNS, row, strict=True)))
    return found


def _rows(path: Path) -> list[dict]:
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def write_measured(run: Path | str, results: Path | str) -> Path:
    """Store what a run folder has measured beside its verdicts; return the file.

    What is stored of conditions that this run did not have stays.

    Parameters
    ----------
    run : path
        Holds ``result.nc``.
    results : path
        Holds a folder for each run.
    """
    ds = open_result(Path(run) / "result.nc")
    if ds.attrs.get("kind") not in _KINDS:
        raise AnalysisError(f"{run}: not a run of kind {', '.join(_KINDS)}")
    path = Path(results) / Path(run).name / "frameworks.csv"
    path.parent.mkdir(exist_ok=True)
    rows, mine = measured(ds), set(map(str, ds["condition"].values))
    rows = [row for row in _rows(path) if row["condition"] not in mine] + rows
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, _COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return path


@dataclass
class Row:
    """A framework and what is stored of it.

    Attributes
    ----------
    name : str
    needs : tuple of str
    reached, settled, feedforward : dict of int to (mean, sd, n)
        By hidden layers: share right in test; least cosine over layers with the gradient of the
        settled network and with backpropagation.
    signature : dict of str to float
        Coefficients of outcome and prediction in the activity of the output.
    said : str
        What is reached instead, where a framework is not one of networks of several depths.
    """

    name: str
    needs: tuple[str, ...] = ()
    reached: dict = field(default_factory=dict)
    settled: dict = field(default_factory=dict)
    feedforward: dict = field(default_factory=dict)
    signature: dict = field(default_factory=dict)
    said: str = ""


def _stored(folder: Path, run: str) -> dict[tuple[str, str], dict[int, tuple]]:
    """Return the numbers of a run by condition and quantity, then by hidden layers."""
    path = folder / run / "frameworks.csv"
    found: dict = {}
    for row in _rows(path):
        numbers = (float(row["value"]), float(row["sd"]), int(row["n"]))
        key = (row["condition"], row["quantity"])
        found.setdefault(key, {})[int(row["hidden"])] = numbers
    if not found:
        raise AnalysisError(f"{path}: not there; write it from a run folder of '{run}'")
    return found


def _said(folder: Path, asked: Mapping) -> str:
    """Return the value of a criterion, as a framework's row quotes it."""
    verdicts = read_verdicts(folder / asked["run"] / "verdicts.json")
    found = [v for v in verdicts if v["id"] == asked["id"]]
    if len(found) != 1:
        raise AnalysisError(f"frameworks.toml: {len(found)} criteria '{asked['id']}'")
    return f"{_mean_sd((found[0]['value'], found[0]['spread']))} {asked['of']}"


def framework_rows(folder: Path | str) -> list[Row]:
    """Return what is stored of the frameworks that ``frameworks.toml`` names, in its order.

    Parameters
    ----------
    folder : path
        Holds that file and a folder for each run.

    Raises
    ------
    AnalysisError
        For a condition that no run has.
    """
    folder = Path(folder)
    listed = tomllib.loads((folder / "frameworks.toml").read_text(encoding="utf-8"))
    runs = [_stored(folder, run) for run in listed["runs"]]
    aligned = _stored(folder, listed["aligned"])
    rows = []
    for entry in listed["framework"]:
        row = Row(entry["name"])
        rows.append(row)
        if "said" in entry:
            row.needs, row.said = tuple(entry["needs"]), _said(folder, entry["said"])
            continue
        condition = entry.get("condition", row.name)
        mine = [{q: v for (c, q), v in run.items() if c == condition} for run in runs]
        mine = [run for run in mine if run]
        if not mine:
            raise AnalysisError(f"frameworks.toml: no run has a condition '{condition}'")
        for run in reversed(mine):
            row.reached |= run.get(_REACHED, {})
        first = {q: next(iter(by_hidden.values()))[0] for q, by_hidden in mine[0].items()}
        row.needs = tuple(
            q.removeprefix(_NEED) for q, v in first.items() if q.startswith(_NEED) and v
        )
        row.signature = {q: v for q, v in first.items() if ": " in q or q == _CHANGE}
        of = entry.get("aligned", condition)
        row.settled = aligned.get((of, _GRADIENTS["settled"]), {})
        row.feedforward = aligned.get((of, _GRADIENTS["feedforward"]), {})
    return rows


def _number(value: float, digits: int = 3) -> str:
    """Return a number without the zero before its point."""
    text = f"{value:.{digits}f}"
    text = text.rstrip("0").rstrip(".") if float(text) in (0, 1, -1) else text
    text = "0" if text == "-0" else text
    return text.replace("0.", ".", 1) if text.lstrip("-").startswith("0.") else text


def _mean_sd(numbers) -> str:
    mean, sd, *_ = numbers
    spread = f" ± {_number(sd)}" if sd is not None and float(f"{sd:.3f}") > 0 else ""
    return _number(mean) + spread


def _by_depth(cosines: Mapping) -> str:
    """Return means, each behind its number of hidden layers."""
    return ", ".join(f"{d}: {_number(cosines[d][0], 2)}" for d in sorted(cosines)) or "-"


def _left(signature: Mapping) -> str:
    parts = []
    for carrier in ("plus", "error"):
        terms = [f"{carrier}: {term}" for term in ("outcome", "prediction")]
        if all(term in signature for term in terms):
            parts.append(f"{carrier} " + ", ".join(_number(signature[t], 2) for t in terms))
    if _CHANGE in signature:
        parts.append(f"hidden {_number(signature[_CHANGE], 2)}")
    return "; ".join(parts) or "-"


def frameworks_table(folder: Path | str) -> str:
    """Return the frameworks beside each other as Markdown.

    Parameters
    ----------
    folder : path
        See `framework_rows`.
    """
    rows = framework_rows(folder)
    depths = sorted({d for row in rows for d in row.reached})
    head = ["framework", "needs", *(f"{d} hidden" for d in depths), "settled gradient",
            "backpropagation", "signature"]  # fmt: skip
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for row in rows:
        reached = [_mean_sd(row.reached[d]) if d in row.reached else "" for d in depths]
        if row.said:
            reached[0] = row.said
        cells = [row.name, ", ".join(row.needs) or "nothing of these", *reached,
                 _by_depth(row.settled), _by_depth(row.feedforward),
                 _left(row.signature)]  # fmt: skip
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def epochs_table(folder: Path | str) -> str:
    """Return how many networks solve the small tasks, and after how many epochs, as Markdown.

    Parameters
    ----------
    folder : path
        See `framework_rows`; conditions of the run are called ``TASK: RULE``.
    """
    folder = Path(folder)
    listed = tomllib.loads((folder / "frameworks.toml").read_text(encoding="utf-8"))["epochs"]
    stored, tasks = _stored(folder, listed["run"]), listed["tasks"]
    before: Mapping = listed["before"]
    conditions = [c for c, quantity in stored if quantity == _EPOCHS]
    rules = list(dict.fromkeys(c.split(": ", 1)[1] for c in conditions))
    head = ["rule", *(part for task in tasks for part in (f"{task}: solved", "epochs", "before"))]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for rule in rules:
        cells = [rule]
        for task in tasks:
            key = f"{task}: {rule}"
            share, _, n = stored[key, _SOLVED][1]
            median = stored[key, _EPOCHS][1][0]
            epochs = f"{median:g}" if np.isfinite(median) else "never"
            cells += [f"{round(share * n)} of {n}", epochs, f"{before.get(rule, {}).get(task, '')}"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def write_tables(folder: Path | str) -> None:
    """Write ``frameworks.md`` and ``epochs.md`` into the folder of the results."""
    for name, text in (("frameworks", frameworks_table), ("epochs", epochs_table)):
        (Path(folder) / f"{name}.md").write_text(text(folder), encoding="utf-8")


def main(arguments: list[str]) -> None:
    """Store the numbers of a run, or write the tables."""
    if len(arguments) == 2:
        print(write_measured(*arguments))
    else:
        write_tables(arguments[0] if arguments else "runs/results")


if __name__ == "__main__":
    main(sys.argv[1:])
