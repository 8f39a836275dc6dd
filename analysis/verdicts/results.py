"""The committed verdicts as one table: ``python -m analysis.verdicts.results runs/results``."""

from __future__ import annotations

import sys
from pathlib import Path

from analysis.data.versions import read_verdicts
from analysis.verdicts.judge import mark, remark, summary

__all__ = ["results_table"]


def _number(verdict: dict) -> str:
    if verdict["value"] is None:
        return "undefined"
    unit = "" if verdict["unit"] in ("1", "") else f" {verdict['unit']}"
    spread = "" if verdict["spread"] is None else f" ± {verdict['spread']:.2g}"
    return f"{verdict['value']:.3g}{spread}{unit}"


def _interval(verdict: dict) -> str:
    found = "" if verdict["interval"] is None else "{:.3g} to {:.3g}".format(*verdict["interval"])
    return "; ".join(filter(None, (found, remark(verdict))))


def results_table(folder: Path | str) -> str:
    """Return the verdicts of every run as Markdown.

    Parameters
    ----------
    folder : path
        Holds ``NAME/verdicts.json`` for each run; what ``NAME/note.md`` says of it goes before
        its table.

    Returns
    -------
    str
        A heading, a summary line and a table for each run, in order of name.
    """
    parts = [
        "# Latest results",
        "",
        "Written by `make replicate`; values are means ± sd over seeds, intervals those of the mean"
        " (95 %). A claim holds if its interval lies within the criterion, is falsified if it lies"
        " outside, else undecided.",
    ]
    for path in sorted(Path(folder).glob("*/verdicts.json")):
        verdicts = read_verdicts(path)
        note = path.with_name("note.md")
        told = [note.read_text(encoding="utf-8").strip(), ""] if note.exists() else []
        parts += ["", f"## {path.parent.name}", "", summary(verdicts), "", *told]
        parts += ["| | claim | condition | value | interval | criterion | n |",
                  "|---|---|---|---|---|---|---|"]  # fmt: skip
        for v in verdicts:
            claim = v["claim"].replace("|", "\\|")
            cells = (mark(v), claim, v.get("condition", ""), _number(v), _interval(v),
                     v["criterion"], v["n"])  # fmt: skip
            parts.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    print(results_table(sys.argv[1] if len(sys.argv) > 1 else "runs/results"), end="")
