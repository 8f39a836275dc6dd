"""What the criteria of a run were judged by: values by seed and condition, and the bounds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from analysis.statistics.decide import FALSIFIED, HOLDS

__all__ = ["judged_figure", "plot_judged"]

_COLOURS = {HOLDS: "#0072B2", FALSIFIED: "#D55E00"}
_OTHER = "#777777"


def plot_judged(values: Mapping[str, Sequence], verdicts: Sequence[Mapping], ax) -> None:
    """Draw one observable: a dot for each seed, a line for the mean, a band where a claim holds.

    Parameters
    ----------
    values : mapping of str to sequence of float or None
        By condition, one for each seed; None or NaN: undefined.
    verdicts : sequence of mapping
        Of this observable, from `analysis.verdicts.judge.evaluate`.
    ax : Axes
    """
    names = list(values)
    finite = []
    for x, found in enumerate(values.values()):
        row = np.array([math.nan if v is None else v for v in found], float)
        spread = np.linspace(-0.15, 0.15, row.size) if row.size > 1 else np.zeros(row.size)
        ax.plot(x + spread, row, "o", color="#333333", markersize=3.5, alpha=0.8, zorder=3)
        finite += row[np.isfinite(row)].tolist()
        if row.size and np.isfinite(row).all():
            ax.plot([x - 0.3, x + 0.3], [row.mean()] * 2, color="#333333", linewidth=1.6, zorder=3)
        else:
            ax.text(x, 0.03, "undefined", rotation=90, fontsize=7, color="#B34700", ha="center",
                    transform=ax.get_xaxis_transform())  # fmt: skip
    edges = [b for v in verdicts for b in v["bounds"] if b is not None] + finite + [0.0]
    pad = 0.08 * ((max(edges) - min(edges)) or 1.0)
    bottom, top = min(edges) - pad, max(edges) + pad
    for v in verdicts:
        x = names.index(v.get("condition") or names[0])
        low, high = v["bounds"]
        colour = _COLOURS.get(v["verdict"], _OTHER)
        band = [bottom if low is None else low, top if high is None else high]
        ax.fill_between([x - 0.42, x + 0.42], *band, color=colour, alpha=0.18, lw=0, zorder=0)
        for bound in (low, high):
            if bound is not None:
                ax.plot([x - 0.42, x + 0.42], [bound] * 2, color=colour, linewidth=1, zorder=1)
    ax.set(ylim=(bottom, top), xlim=(-0.6, len(names) - 0.4))
    turned = len(names) > 2 or max(map(len, names)) > 14
    look = {"rotation": 35, "ha": "right", "rotation_mode": "anchor"} if turned else {}
    ax.set_xticks(range(len(names)), names, **look)
    unit = verdicts[0]["unit"]
    told = verdicts[0]["observable"].replace("_", " ")
    told += "" if unit in ("1", "") else f" ({unit})"
    if verdicts[0].get("reference") is not None:
        told += f"\nagainst {verdicts[0]['reference']}"
    ax.set_ylabel(told, fontsize=8)
    ax.set_title("\n".join(_wrapped(v) for v in verdicts), fontsize=8)


def _wrapped(verdict) -> str:
    sign = {HOLDS: "✓", FALSIFIED: "✗"}.get(verdict["verdict"], "?")
    return f"{sign} {verdict['id']}: {verdict['criterion']}"


def judged_figure(panels: Sequence[tuple[Mapping, Sequence[Mapping]]], columns: int = 4) -> Figure:
    """Return a figure with a panel for each observable.

    Parameters
    ----------
    panels : sequence of (values, verdicts)
        As `plot_judged` takes them.
    columns : int
    """
    columns = min(columns, len(panels))
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(max(2.8 * columns, 3.6), 2.5 * rows))
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for ax in axes[len(panels) :]:
        figure.delaxes(ax)
    for (values, verdicts), ax in zip(panels, axes, strict=False):
        plot_judged(values, verdicts, ax)
    return figure
