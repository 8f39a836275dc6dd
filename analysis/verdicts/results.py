"""The committed verdicts as one table: ``python -m analysis.verdicts.results runs/results``."""

from __future__ import annotations

import sys
from pathlib import Path

from analysis.data.versions import read_verdicts
from analysis.verdicts.judge import summary

__all__ = ["results_table"]


def _number(verdict: dict) -> str:
    if verdict["value"] is None:
        return "undefined"
    unit = "" if verdict["unit"] in ("1", "") else f" {verdict['unit']}"
    spread = "" if verdict["spread"] is None else f" ± {verdict['spread']:.2g}"
    return f"{verdict['value']:.3g}{spread}{unit}"


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
        "Written by `make replicate`; values are means ± sd over seeds.",
    ]
    for path in sorted(Path(folder).glob("*/verdicts.json")):
        verdicts = read_verdicts(path)
        note = path.with_name("note.md")
        told = [note.read_text(encoding="utf-8").strip(), ""] if note.exists() else []
        parts += ["", f"## {path.parent.name}", "", summary(verdicts), "", *told]
        parts += ["| | claim | condition | value | criterion | n |", "|---|---|---|---|---|---|"]
        for v in verdicts:
            holds = "holds" if v["holds"] else "**FAILS**"
            claim = v["claim"].replace("|", "\\|")
            cells = (holds, claim, v.get("condition", ""), _number(v), v["criterion"], v["n"])
            parts.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    print(results_table(sys.argv[1] if len(sys.argv) > 1 else "runs/results"), end="")
