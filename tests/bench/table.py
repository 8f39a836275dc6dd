"""Rows of the bench, the file that holds them, and the table that is made of it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.bench.measure import spread

RUNS = Path(__file__).parents[2] / "runs"
FOLDER, QUICK = RUNS / "results" / "bench", RUNS / "out" / "bench"


@dataclass(frozen=True)
class Row:
    """One figure of the table.

    Attributes
    ----------
    what : str
        The quantity.
    values : tuple of float
        One of each round (or of each cell type, size, ...); empty where it was skipped.
    unit : str
        ``"x"`` for a ratio.
    against : str
        What ran beside it.
    at_least, at_most : float, optional
        The target.
    note : str
        How it was measured; the reason where it was skipped.
    threads : int
    """

    what: str
    values: tuple[float, ...] = ()
    unit: str = "x"
    against: str = ""
    at_least: float | None = None
    at_most: float | None = None
    note: str = ""
    threads: int = 1

    @property
    def verdict(self) -> str:
        """``holds``, ``FAILS`` or ``skipped``; empty without a target."""
        if not self.values:
            return "skipped"
        median = spread(self.values)["median"]
        if self.at_least is not None:
            return "holds" if median >= self.at_least else "FAILS"
        if self.at_most is not None:
            return "holds" if median <= self.at_most else "FAILS"
        return ""

    def described(self) -> dict:
        """Return it as it is written to bench.json."""
        found = {k: v for k, v in asdict(self).items() if v not in (None, "")}
        if self.values:
            found |= spread(self.values)
        found["verdict"] = self.verdict
        return found


def skipped(what: str, reason: str, **fields) -> Row:
    """Return a row that says why there is no figure."""
    return Row(what, note=reason, **fields)


def number(value: float) -> str:
    """Return three significant digits, without exponent where it can be read without."""
    if value == 0 or 1e-3 <= abs(value) < 1e5:
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
    return f"{value:.1e}"


def write(document: dict, folder: Path = FOLDER) -> None:
    """Write bench.json and README.md; both are whole or not there."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = {
        "bench.json": json.dumps(document, indent=1, allow_nan=True) + "\n",
        "README.md": markdown(document),
    }
    for name, text in texts.items():
        partial = folder / f".{name}.part"
        partial.write_text(text, encoding="utf-8")
        partial.replace(folder / name)


def keep(document: dict, folder: Path = FOLDER) -> None:
    """Take over the parts of an earlier table, if it is of the same machine and thoroughness."""
    try:
        earlier = json.loads((folder / "bench.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return
    if all(earlier.get(key) == document[key] for key in ("quick", "machine")):
        document["parts"] |= {
            name: part for name, part in earlier["parts"].items() if name in document["parts"]
        }


def _line(row: dict) -> str:
    target = ""
    if "at_least" in row:
        target = f">= {number(row['at_least'])}"
    elif "at_most" in row:
        target = f"<= {number(row['at_most'])}"
    cells = [row["what"], row.get("against", "")]
    if "median" in row:
        unit = row.get("unit", "")
        several = row["n"] > 1
        cells += [
            f"{number(row['median'])} {unit}".strip(),
            f"{number(row['min'])} - {number(row['max'])}" if several else "",
            str(row["n"]),
        ]
    else:
        cells += ["skipped", "", ""]
    cells += [target, row["verdict"], row.get("note", "")]
    return "| " + " | ".join(str(cell).replace("|", "/") for cell in cells) + " |"


def markdown(document: dict) -> str:
    """Return the table as Markdown."""
    missing = [name for name, part in document["parts"].items() if part["state"] != "done"]
    lines = ["# Bench", ""]
    if missing or document["quick"]:
        why = []
        if missing:
            why.append("not measured: " + ", ".join(missing))
        if document["quick"]:
            why.append("small sizes and few rounds (--quick)")
        lines += [f"**Partial: {'; '.join(why)}.**", ""]
    lines += [
        "Written by `make bench`. Things that are compared ran side by side, in turn, in one call;",
        "a ratio is taken within each round, and its median and range over the rounds is given.",
        "Times are CPU seconds of child processes (rusage), one thread, unless it says otherwise.",
        "",
        "; ".join(f"{k} {v}" for k, v in document["machine"].items()) + ".",
        "",
    ]
    for name, part in document["parts"].items():
        lines += [f"## {name}: {part['title']}", ""]
        if part["state"] != "done":
            lines += [f"{part['state']}{': ' + part['why'] if part.get('why') else ''}", ""]
        if part["rows"]:
            lines += [
                "| what | against | median | range | n | target | verdict | how |",
                "|---|---|---|---|---|---|---|---|",
                *map(_line, part["rows"]),
                "",
            ]
        for title, table in part.get("tables", {}).items():
            lines += [f"{title}:", "", *_plain(table), ""]
        if "seconds" in part:
            lines += [
                f"Took {part['seconds']:.0f} s; {part['started']}, commit {part['commit'][:9]},"
                f" load before it {part['load']}.",
                "",
            ]
    return "\n".join(lines)


def _plain(table: list[dict]) -> list[str]:
    columns = list(dict.fromkeys(key for row in table for key in row))
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    for row in table:
        cells = [row.get(c, "") for c in columns]
        cells = [number(c) if isinstance(c, float) else str(c) for c in cells]
        lines.append("| " + " | ".join(cells) + " |")
    return lines
