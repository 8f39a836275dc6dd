"""The first figure of a report: what was judged, by seed and condition."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress

import xarray as xr

from analysis import observables
from analysis.data import schema
from analysis.figures.circuit import style
from analysis.figures.judged import judged_figure
from analysis.report.circuit import Section
from analysis.statistics.decide import FALSIFIED, HOLDS, UNDECIDED

__all__ = ["judged_sections"]

_MOST = 16  # panels
_MEASURED = 160  # numbers of conditions that no claim is about, at most


def judged_sections(
    ds: xr.Dataset | None, verdicts: Sequence[Mapping], criteria: Sequence[Mapping]
) -> list[Section]:
    """Return the figure of what was judged; none where nothing was.

    Parameters
    ----------
    ds : Dataset or None
        Of a circuit: there what no claim is about is measured too, so that conditions stand side
        by side, unless it were too much.
    verdicts : sequence of mapping
    criteria : sequence of mapping
        Of the run file; they know the arguments of the observables.
    """
    of = {c["id"]: c for c in criteria if "id" in c}
    groups: dict[tuple, list] = {}
    for v in verdicts:
        criterion = of.get(v["id"]) or of.get(v["id"].partition("[")[0], {})
        args = json.dumps(criterion.get("args") or {}, sort_keys=True)
        key = (v["observable"], args, v.get("reference"), v["unit"])
        groups.setdefault(key, []).append(v)
    if not groups:
        return []
    order = [FALSIFIED, UNDECIDED, HOLDS]

    def urgency(group):
        return min(order.index(v["verdict"]) if v["verdict"] in order else 1 for v in group[1])

    shown = sorted(groups.items(), key=urgency)[:_MOST]
    if len(groups) <= _MOST:
        shown = list(groups.items())
    runs = [] if ds is None else schema.runs(ds)
    more = len(runs) * len(shown) <= _MEASURED
    panels = [(_values(ds if more else None, key, group), group) for key, group in shown]
    caption = (
        "A dot for each seed, a line for the mean; the band is where the claim holds: blue, it "
        "does; orange, it is falsified; grey, undecided or not judged."
    )
    if len(groups) > len(shown):
        caption += f" The first {_MOST} of {len(groups)} observables, falsified ones first."
    with style():
        return [Section("What was judged", caption, judged_figure(panels))]


def _values(ds, key, group) -> dict:
    """Return the values of an observable by condition, those of the claims first measured."""
    name, args, reference, _ = key
    judged = {v.get("condition") or "all": v["values"] for v in group}
    if ds is None or reference is not None or ds.sizes.get("condition", 1) < 2:
        return judged
    found = {}
    for condition in dict.fromkeys(c for c, _ in schema.runs(ds)):
        if condition in judged:
            found[condition] = judged[condition]
            continue
        with suppress(Exception):  # no claim needs it
            found[condition] = [
                observables.evaluate(schema.select(ds, s, c), name, **json.loads(args))
                for c, s in schema.runs(ds)
                if c == condition
            ]
    return found
