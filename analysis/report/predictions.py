"""One page for all predictions, in Markdown, with a figure for each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from analysis.figures.circuit import style
from analysis.statistics.decide import FALSIFIED, HOLDS, UNDECIDED
from analysis.verdicts.judge import mark, remark
from analysis.verdicts.predictions import CONTROL, concluded

__all__ = ["write_predictions"]

_SAID = {
    "manipulation": "Manipulation",
    "observable": "Observable",
    "control": "Control",
    "published": "Published",
    "falsifier": "Would falsify it",
    "limits": "Asked less",
}
_COLOURS = {HOLDS: "#005B8E", FALSIFIED: "#B34700", UNDECIDED: "#777777"}


def write_predictions(folder: Path, results: Sequence[dict], link: str) -> Path:
    """Write the page.

    Parameters
    ----------
    folder : path
        Gets README.md and ``ID.svg`` for each prediction that was run.
    results : sequence of dict
        What a prediction's file says, with its verdicts; see `analysis.verdicts.predictions`.
    link : str
        Of a prediction's own page, with ``{id}`` and ``{path}``.

    Returns
    -------
    Path
        README.md.
    """
    found = concluded(results)
    words = [r["conclusion"] for r in found]
    ran = [r for r in found if r["verdicts"]]
    counts = [f"{word} {words.count(word)}" for word in sorted(set(words))]
    lines = [
        "# Predictions", "",
        "Written by `pulvinar predict`. Arms are paired: same wiring, same pictures, seed by seed."
        " A prediction holds if all its criteria hold (95 % intervals over seeds, corrected over"
        " the criteria of all predictions by Holm's method), is falsified if one is falsified,"
        " and is undecided otherwise or where a control does not hold.", "",
        f"Of {len(found)}: {', '.join(counts)}.", "",
        "| | sentence | verdict |", "|---|---|---|",
    ]  # fmt: skip
    for r in found:
        word = f"**{r['conclusion']}**" if r["verdicts"] else r["conclusion"]
        why = f": {r['why']}" if r["why"] else ""
        at = f"[{r['id']}](#{r['id'].lower()})" if r["verdicts"] else r["id"]
        lines.append(f"| {at} | {_cell(r['sentence'])} | {word}{_cell(why)} |")
    for r in ran:
        lines += _section(r, link)
        _figure(r, folder / f"{r['id']}.svg")
    page = folder / "README.md"
    page.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return page


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _section(r: dict, link: str) -> list[str]:
    told = f": {r['why']}" if r["why"] else ""
    lines = [
        "",
        f"## {r['id']}",
        "",
        r["sentence"],
        "",
        f"**{r['conclusion'].capitalize()}**{told}.",
    ]
    lines += ["", f"- Source: {r['source']} ({r['mark']})"]
    lines += [f"- {title}: {r[key]}" for key, title in _SAID.items() if r.get(key)]
    of = f"size {r['size']}, seeds {', '.join(map(str, r['seeds']))}"
    if r.get("commit"):
        of += f", commit {r['commit'][:7]}"
    lines += [f"- Run: {of}; [more]({link.format(**r)})", "", f"![{r['id']}]({r['id']}.svg)", ""]
    lines += ["| | criterion | arm | effect | interval | asked | p (Holm) | n |",
              "|---|---|---|---|---|---|---|---|"]  # fmt: skip
    for v in r["verdicts"]:
        unit = "" if v["unit"] == "1" else f" {v['unit']}"
        value = "undefined" if v["value"] is None else f"{v['value']:.3g}{unit}"
        between = "" if v["interval"] is None else "{:.3g} to {:.3g}".format(*v["interval"])
        noted = "; ".join(filter(None, (between, remark(v))))
        against = f", against {v['reference']}" if v.get("reference") else ""
        p = v.get("p_family", v["p"])
        cells = (mark(v), f"{v['id']}: {v['claim']}", f"{v.get('condition', '')}{against}", value,
                 noted, v["criterion"], "" if p is None else f"{p:.2g}", v["n"])  # fmt: skip
        lines.append("| " + " | ".join(_cell(str(cell)) for cell in cells) + " |")
    return lines


def _figure(r: dict, path: Path) -> None:
    """Draw every seed and the interval of each criterion, beside the bounds."""
    shown = [v for v in r["verdicts"] if not v["id"].startswith(CONTROL) and v["value"] is not None]
    with style(), matplotlib.rc_context({"svg.hashsalt": r["id"], "svg.fonttype": "none"}):
        figure = Figure(figsize=(1.2 + 2.2 * max(len(shown), 1), 2.2), layout="constrained")
        axes = figure.subplots(1, max(len(shown), 1), squeeze=False)[0]
        for ax, v in zip(axes, shown, strict=False):
            _draw(ax, v)
        figure.savefig(path, metadata={"Date": None})


def _draw(ax, v: dict) -> None:
    values = np.array(v["values"], float)
    ax.plot(np.linspace(-0.2, 0.2, values.size), values, "o", ms=3, color="#BBBBBB")
    low, high = v["interval"] or (v["value"], v["value"])
    ax.plot([0.4, 0.4], [low, high], color=_COLOURS[v["verdict"]], lw=3)
    ax.plot(0.4, v["value"], "o", color=_COLOURS[v["verdict"]])
    for bound in v["bounds"]:
        if bound is not None:
            ax.axhline(bound, color="black", lw=0.8, ls="--")
    ax.set_title(v["id"], fontsize=8)
    ax.set(xlim=(-0.4, 0.7), xticks=[], ylabel="" if v["unit"] == "1" else v["unit"])
