"""The report page: one self-contained HTML file with verdicts, figures and parameters."""

from __future__ import annotations

import base64
import io
import json
import math
import os
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from importlib.resources import files
from pathlib import Path

import jinja2
import xarray as xr

from analysis.data import schema
from analysis.figures.circuit import style
from analysis.measures.learning import headline as headline_of
from analysis.measures.learning import is_learning
from analysis.measures.scores import SCORES, add_scores
from analysis.report import learning
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


def _image(figure, vector=False):
    """Return a figure as a URI, and whether it has letters that no font here has."""
    buffer = io.BytesIO()
    kind = "svg" if vector else "png"
    # no date, so that the same result gives the same page
    metadata = {"Date": None} if vector else {"Software": None}
    with style(), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        box = "tight" if vector else None
        figure.savefig(buffer, format=kind, bbox_inches=box, metadata=metadata)
    boxes = [w for w in caught if "missing from font" in str(w.message)]
    for other in (w for w in caught if w not in boxes):
        warnings.warn_explicit(other.message, other.category, other.filename, other.lineno)
    mime = "image/svg+xml" if vector else "image/png"
    uri = f"data:{mime};base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"
    return uri, bool(boxes)


def _shown(section: Section) -> dict:
    """Return a section as the page takes it; a figure that fails is a note."""
    shown = {"title": section.title, "caption": section.caption, "table": section.table,
             "image": None}  # fmt: skip
    if section.figure is not None:
        try:
            shown["image"], boxes = _image(section.figure, section.title == "Circuit")
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


def _text(value):
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Mapping | list | tuple):
        return json.dumps(value, default=str)
    return str(value)


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


def _flat(mapping, prefix=""):
    for key, value in mapping.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", _text(value)


def _tables(ds):
    populations = ("name", "area", "layer", "cell_class", "n", "excitatory")
    projections = ("row", "name", "source", "target", "compartment", "receptors", "indegree",
                   "weight_nS", "delay_ms", "release", "plastic", "basis")  # fmt: skip
    for title, columns, rows in (
        ("Populations", populations, schema.population_table(ds)),
        ("Connectivity table", projections, schema.projection_table(ds)),
    ):
        if rows:
            cells = [[_cell(row.get(c, "")) for c in columns] for row in rows]
            yield {"title": f"{title} ({len(rows)})", "columns": columns, "rows": cells}


def _cell(value):
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_text(v)}" for key, v in value.items())
    if isinstance(value, list):
        return ", ".join(_cell(v) for v in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return _text(value)


def _is_circuit(ds):
    return ds is not None and "spike_time" in ds and "population" in ds


def _loops(ds):
    """Give the Dataset of each loop, and what to write before its titles."""
    names = schema.loop_names(ds)
    for name in names or [None]:
        yield f"{name}: " if len(names) > 1 else "", schema.of_loop(ds, name)


def _titled(of, sections):
    return [replace(section, title=of + section.title) for section in sections]


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
        The result. A circuit run gets the circuit figures, of its first condition and first
        seed, and a learning run before them what it learned, in one line and in figures; any
        other experiment has only ``extra_sections``.
    verdicts : list of dict
        From `analysis.verdicts.judge.evaluate`.
    run_info : mapping
        What ``run.json`` holds; its key ``name`` (or ``title``) is the title of the page. Plain
        entries become rows of a table, nested ones a folded table each.
    path : path
        The file to write; its folder must exist.
    extra_sections : iterable of Section or (title, caption, Figure)
        Further figures, after those of the circuit.

    Returns
    -------
    Path
        ``path``. It is written whole or not at all.
    """
    path = Path(path)
    sections, shown_run, tables, headline = [], "", [], ""
    if ds is not None and _is_circuit(ds) and is_learning(ds):
        ds = ds if set(SCORES) <= set(ds.data_vars) else add_scores(ds)
        for of, one in _loops(ds):
            headline += f"{of}{headline_of(one)} "
            sections += _titled(of, attempt("Learning", partial(learning.sections, one)))
        sections += attempt("Constants", lambda: [constants_section(ds)])
    if ds is not None and _is_circuit(ds):
        runs = schema.runs(ds)
        condition, seed = runs[0]
        single = schema.select(ds, condition=condition, seed=seed)
        if ds.sizes.get("condition", 1) > 1:
            for of, one in _loops(ds):
                found = attempt("Conditions compared", partial(_compared, one))
                sections += _titled(of, found)
        sections += circuit_sections(single)
        tables = list(_tables(single))
        if len(runs) > 1:
            what = [f"condition '{condition}'"] if condition is not None else []
            what += [f"seed {seed}"] if seed is not None else []
            shown_run = f"Figures show {', '.join(what)}; the verdicts are over all runs."
    sections += [_section(one) for one in extra_sections]
    title = str(run_info.get("title") or run_info.get("name") or "Run")
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters["number"] = _number
    environment.filters["remark"] = judge.remark
    template = files("analysis.report").joinpath("report.html.j2").read_text(encoding="utf-8")
    plain = {k: v for k, v in run_info.items() if not isinstance(v, Mapping)}
    nested = {k: v for k, v in run_info.items() if isinstance(v, Mapping)}
    page = environment.from_string(template).render(
        title=title,
        headline=headline.strip(),
        summary=judge.summary(verdicts),
        verdicts=[_VERDICT | v for v in verdicts],
        shown_run=shown_run,
        sections=[_shown(section) for section in sections],
        run_rows=list(_flat(plain)),
        run_groups=[(key, list(_flat(value))) for key, value in nested.items() if value],
        tables=tables,
    )  # fmt: skip
    temporary = path.with_name(path.name + ".part")
    temporary.write_text(page, encoding="utf-8")
    os.replace(temporary, path)
    return path
