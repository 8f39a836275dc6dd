"""The report page: one self-contained HTML file with verdicts, figures and parameters."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
import markupsafe
import xarray as xr

from analysis.data import schema
from analysis.figures.circuit import style
from analysis.measures.learning import headline as headline_of
from analysis.measures.learning import is_learning
from analysis.measures.scores import SCORES, add_scores
from analysis.report import conditions, judged, learning, tables, vector
from analysis.report.circuit import (
    Section,
    circuit_sections,
    compared_conditions,
    not_drawn,
)
from analysis.report.synapse import constants_section
from analysis.verdicts import judge

__all__ = ["attempt", "write_report"]


_BOXES = "Boxes: letters that no font of this machine has."
_WORK = re.compile(
    r"(?:doi:\s?)?\b(10\.\d{4,9}/[^\s;,<>\"]*[^\s;,.:<>\"()])|\barXiv:(\d{4}\.\d{4,5})"
)
_FILES = ("result.nc", "run.json", "verdicts.json")


def linked(text: str) -> markupsafe.Markup:
    """Return a text as HTML in which DOIs and arXiv numbers are links."""

    def link(found):
        doi, arxiv = found.groups()
        where = f"https://doi.org/{doi}" if doi else f"https://arxiv.org/abs/{arxiv}"
        return f'<a href="{where}">{found[0]}</a>'

    return markupsafe.Markup(_WORK.sub(link, str(markupsafe.escape(text))))


def _breakable(name: str) -> markupsafe.Markup:
    """Return a name that a narrow column may break after its underscores."""
    return markupsafe.Markup(str(markupsafe.escape(name)).replace("_", "_<wbr>"))


def _shown(section: Section, number: int = 0) -> dict:
    """Return a section as the page takes it; a figure that fails is a note."""
    shown = {"title": section.title, "caption": section.caption, "table": section.table,
             "image": None, "anchor": f"s{number}"}  # fmt: skip
    if section.figure is not None:
        try:
            image, boxes = vector.inline(section.figure, section.title, f"f{number}-")
            shown["image"] = markupsafe.Markup(image)
            if boxes:
                shown["caption"] = f"{section.caption} {_BOXES}"
        except Exception as error:
            shown["caption"] = not_drawn(section.title, error)
    return shown


def _section(one: Section | tuple) -> Section:
    return one if isinstance(one, Section) else Section(*one)


def attempt(title: str, draw: Callable[[], Iterable]) -> list[Section]:
    """Return the sections that a function gives, or a note if it fails."""
    try:
        return [_section(one) for one in draw()]
    except Exception as error:
        return [Section(title, not_drawn(title, error))]


def _compared(ds):
    with style():
        return compared_conditions(ds)


def _number(value):
    """Three significant digits, or a dash for what is not there."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "undefined"
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"


# --- the page ------------------------------------------------------------------------------------


_VERDICT: dict = {
    "claim": "",
    "source": "",
    "observable": "",
    "condition": None,
    "unit": "1",
    "value": None,
    "spread": None,
    "values": [],
    "n": 1,
    "failed": 0,
    "criterion": "",
    "verdict": "undecided",
    "interval": None,
    "seeds_needed": None,
}


def _is_circuit(ds):
    return ds is not None and "spike_time" in ds and "population" in ds


def _loops(ds):
    """Give the Dataset of each loop, and what to write before its titles."""
    names = schema.loop_names(ds)
    for name in names or [None]:
        yield f"{name}: " if len(names) > 1 else "", schema.of_loop(ds, name)


def _titled(of, sections):
    return [replace(section, title=of + section.title) for section in sections]


def _circuit_sections(ds):
    """Return the headline of a circuit run, its sections, what they show, and its tables."""
    sections, headline, shown = [], "", ""
    if is_learning(ds):
        ds = ds if set(SCORES) <= set(ds.data_vars) else add_scores(ds)
        for of, one in _loops(ds):
            headline += f"{of}{headline_of(one)} "
            sections += _titled(of, attempt("Learning", partial(learning.sections, one)))
        sections += attempt("Constants", lambda: [constants_section(ds)])
    runs = schema.runs(ds)
    condition, seed = runs[0]
    single = schema.select(ds, condition=condition, seed=seed)
    apart: tuple[str, ...] = ()
    if ds.sizes.get("condition", 1) > 1:
        apart = ("Spikes", "Rates by population and phase")
        first, others = conditions.first_of_each(ds)
        sections += attempt("Conditions", partial(conditions.side_by_side, first))
        for of, one in _loops(ds):
            sections += _titled(of, attempt("Conditions compared", partial(_compared, one)))
        shown = f" Not drawn for want of room: {', '.join(others)}." if others else ""
    sections += circuit_sections(single, apart)
    if len(runs) > 1:
        what = [f"condition '{condition}'"] if condition is not None else []
        what += [f"seed {seed}"] if seed is not None else []
        shown = f"Where nothing else is said, figures show {', '.join(what)}.{shown}"
    return headline.strip(), sections, shown, list(tables.circuit_tables(single))


def write_report(
    ds: xr.Dataset | None,
    verdicts: list[dict],
    run_info: Mapping,
    path: Path | str,
    extra_sections: Iterable[Section | tuple] = (),
) -> Path:
    """Write the report of a run as one HTML file that needs nothing else.

    Parameters
    ----------
    ds : Dataset or None
        The result. A circuit run gets the circuit figures, its conditions side by side, the rest
        of its first condition and first seed, and a learning run before them what it learned, in
        one line and in figures; any other experiment has only ``extra_sections``.
    verdicts : list of dict
        From `analysis.verdicts.judge.evaluate`.
    run_info : mapping
        What ``run.json`` holds; its key ``name`` (or ``title``) is the title of the page, its
        ``command`` makes the run again.
    path : path
        The file to write; its folder must exist.
    extra_sections : iterable of Section or (title, caption, Figure)
        Further figures, after those of the circuit.

    Returns
    -------
    Path
        ``path``. It is written whole or not at all. Figures are SVG within the page.
    """
    path = Path(path)
    circuit = ds if ds is not None and _is_circuit(ds) else None
    criteria = run_info.get("run", {}).get("criteria", [])
    sections = attempt(
        "What was judged", partial(judged.judged_sections, circuit, verdicts, criteria)
    )
    headline, shown_run, found = "", "", tables.run_tables(run_info)
    if circuit is not None:
        headline, drawn, shown_run, of_circuit = _circuit_sections(circuit)
        sections += drawn
        found += of_circuit
    sections += [_section(one) for one in extra_sections]
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    filters: dict[str, Any] = {"number": _number, "remark": judge.remark, "linked": linked,
                               "breakable": _breakable}  # fmt: skip
    environment.filters |= filters
    template = files("analysis.report").joinpath("report.html.j2").read_text(encoding="utf-8")
    ready = [_shown(section, number) for number, section in enumerate(sections, 1)]
    light, dark = vector.colour_rules("".join(s["image"] or "" for s in ready))
    page = environment.from_string(template).render(
        title=str(run_info.get("title") or run_info.get("name") or "Run"),
        told={key: str(run_info.get(key) or "") for key in ("claim", "source", "command")},
        files=_FILES,
        headline=headline,
        summary=judge.summary(verdicts),
        verdicts=[_VERDICT | v for v in verdicts],
        shown_run=shown_run,
        sections=ready,
        tables=found,
        colours={"light": light, "dark": dark},
    )  # fmt: skip
    temporary = path.with_name(path.name + ".part")
    temporary.write_text(page, encoding="utf-8")
    os.replace(temporary, path)
    return path
