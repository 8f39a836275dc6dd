"""The circuit diagram, drawn from the tables that built the circuit.

Areas are columns, layers are rows. A thick arrow is a driver, a dashed one a modulator, a blue
line with a bar an inhibitory projection. A number on an arrow is its row in the connectivity
table.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.path import Path

__all__ = ["Arrow", "class_colour", "kind_of", "layout", "merge_projections", "plot_circuit"]

EXCITATORY, INHIBITORY, MODULATOR = "#333333", "#0072B2", "#8A5A83"

# colour-blind safe (Okabe & Ito), cortical layers apart from the thalamus and from inhibition
_CLASS_COLOURS = {
    "L4": "#56B4E9",
    "L23": "#0072B2",
    "L5IB": "#D55E00",
    "L5RS": "#E69F00",
    "L6CC": "#66A61E",
    "L6CT": "#009E73",
    "PV": "#7F7F7F",
    "PVD": "#A6A6A6",
    "PV6": "#A6A6A6",
    "SST": "#8C6D4F",
    "TRC": "#CC79A7",
    "TRN": "#5D4A66",
    "LGN": "#222222",
    "THETA": "#4D4D4D",
    "MATRIX": "#B8860B",
}

# height and column (0 next to the thalamus, 2 outermost) of a class in a cortical area
_CORTICAL = {
    "L23": (4.6, 0),
    "L4": (3.45, 0),
    "L5IB": (2.3, 0),
    "L5RS": (2.3, 1),
    "L6CT": (1.15, 0),
    "L6CC": (1.15, 1),
    "PV": (4.0, 2),
    "SST": (2.85, 2),
    "PVD": (1.7, 2),
    "PV6": (1.7, 2),
    "MATRIX": (5.7, 1),
    "THETA": (0.2, 2),
}
_SUBCORTICAL = {"MATRIX": 5.75, "TRC": 2.3, "TRN": 1.15, "THETA": -1.0, "LGN": -0.4}
_HALF = (0.53, 0.25)
_STEP, _INNER = 1.55, 2.95
_LANE = {"cells": _INNER + _STEP / 2, "inhibition": _INNER + 1.5 * _STEP, "outside": 6.85}


_DRIVERS = ("driver", "thalamocortical", "core")


def class_colour(cell_class: str, colour: str | None = None) -> str:
    """Return the colour of a cell class: the one its table gives, or a colour-blind safe one."""
    if colour and colour.lower() not in ("#000000", "black"):
        return colour
    return _CLASS_COLOURS.get(cell_class, "#999999")


def kind_of(row: dict) -> str:
    """Return what decides place and colour of a population: its bare name, or its cell class."""
    bare = row["name"].split(".")[-1]
    return bare if bare in _CLASS_COLOURS else row["cell_class"]


@dataclass(frozen=True)
class Arrow:
    """All projections from one population to another, as one arrow.

    Attributes
    ----------
    source, target : str
    rows : tuple of str
        Rows of the connectivity table.
    kind : {"driver", "modulator", "excitatory", "inhibitory"}
    plastic : bool
    """

    source: str
    target: str
    rows: tuple[str, ...]
    kind: str
    plastic: bool


def merge_projections(populations: list[dict], projections: list[dict]) -> list[Arrow]:
    """Join the projections between each pair of populations into one arrow.

    Parameters
    ----------
    populations, projections : list of dict
        As `analysis.data.schema.population_table` and `projection_table` give them. A projection
        is a driver or a modulator if its ``release`` says so; a driver comes from another area.

    Returns
    -------
    list of Arrow
        Projections of no weight, and those from or to a population that is not there, are left
        out.
    """
    excitatory = {row["name"]: bool(row["excitatory"]) for row in populations}
    area = {row["name"]: row["area"] for row in populations}
    pairs = {}
    for row in projections:
        if row["source"] in area and row["target"] in area and row.get("weight_nS", 1) != 0:
            pairs.setdefault((row["source"], row["target"]), []).append(row)
    arrows = []
    for (source, target), rows in pairs.items():
        release = {str(row.get("release", "")).lower() for row in rows}
        if not excitatory[source]:
            kind = "inhibitory"
        elif release & set(_DRIVERS) and area[source] != area[target]:
            kind = "driver"
        else:
            kind = "modulator" if "modulator" in release else "excitatory"
        numbers = tuple(dict.fromkeys(str(row["row"]) for row in rows))
        plastic = any(row.get("plastic") for row in rows)
        arrows.append(Arrow(source, target, numbers, kind, plastic))
    return arrows


def layout(populations: list[dict]) -> dict[str, tuple[float, float]]:
    """Place each population: cortical areas beside the thalamus, layers one above the other.

    Parameters
    ----------
    populations : list of dict

    Returns
    -------
    dict of str to (x, y)
    """
    cortical = _cortical_areas(populations)
    places = {}
    for row in populations:
        kind = kind_of(row)
        if row["area"] in cortical:
            rank = cortical.index(row["area"])
            height, column = _CORTICAL.get(kind, (0.2, 1))
            # the first area stands left of the thalamus, the others to its right
            x = _INNER + column * _STEP + max(rank - 1, 0) * (3 * _STEP + 1.6)
            x = -x if rank == 0 else x
        else:
            x = -_LANE["cells"] if kind == "LGN" and cortical else 0.0
            height = _SUBCORTICAL.get(kind, -0.4)
        while (x, height) in places.values():
            height -= 0.65
        places[row["name"]] = (x, height)
    return places


def _cortical_areas(populations):
    layers = ("L4", "L23", "L5IB", "L6CT")
    return list(dict.fromkeys(r["area"] for r in populations if kind_of(r) in layers))


_NAMES = {"L23": "L2/3", "PVD": "PV deep", "PV6": "PV deep", "MATRIX": "matrix", "THETA": "theta"}


def _label(row):
    short = row["name"].split(".")[-1]
    return _NAMES.get(short, short)


def _route(source, target, start, end, cortical, lanes):
    """Corners of an arrow that has to go around boxes; None for one that can go straight."""
    side = -1 if end[0] < 0 else 1
    kind, to = kind_of(source), kind_of(target)
    if kind == "LGN" and to in ("L4", "PV"):
        return [start, (start[0], end[1]), end]
    if kind == "THETA" and target["area"] in cortical and source["area"] not in cortical:
        x = side * _LANE["outside"]
        return [start, (x, start[1]), (x, end[1]), end]
    if kind == "TRC" and to in ("PV", "SST") and target["area"] in cortical:
        y, x = 2.88, side * _LANE["inhibition"]
        return [start, (0.25 * side, y), (x, y), (x, end[1]), end]
    both = source["area"] in cortical and target["area"] in cortical
    if both and source["area"] != target["area"] and kind in ("L5RS", "L5IB", "L6CT"):
        y = 0.45 - 0.16 * lanes.setdefault("deep", 0)
        lanes["deep"] += 1
        return [start, (start[0], y), (end[0], y), end]
    return None


def _rounded(corners, radius=0.18):
    """Path through ``corners`` with its bends rounded."""
    points = [np.asarray(c, float) for c in corners]
    vertices, codes = [points[0]], [Path.MOVETO]
    for before, corner, after in zip(points, points[1:-1], points[2:], strict=False):
        into, out = corner - before, after - corner
        lengths = max(np.hypot(*into), 1e-9), max(np.hypot(*out), 1e-9)
        r = min(radius, lengths[0] / 2, lengths[1] / 2)
        vertices += [corner - into / lengths[0] * r, corner, corner + out / lengths[1] * r]
        codes += [Path.LINETO, Path.CURVE3, Path.CURVE3]
    return Path([*vertices, points[-1]], [*codes, Path.LINETO])


def _arc(start, end, bend):
    """Quadratic arc; ``bend`` is its height over its length, positive to the right."""
    start, end = np.asarray(start, float), np.asarray(end, float)
    across = end - start
    middle = (start + end) / 2 + bend * np.array([across[1], -across[0]])
    return Path([start, middle, end], [Path.MOVETO, Path.CURVE3, Path.CURVE3])


def _bend(start, end, returns):
    (x0, y0), (x1, y1) = start, end
    if abs(x0 - x1) < 0.1 and abs(y0 - y1) > 1.3:
        # around the box between them, on the side of the thalamus going down, outside going up
        return 0.42 if (x0 < 0) == (y0 < y1) else -0.42
    return 0.09 if returns else 0.0


def _loop(x, y, side):
    """Small loop on the outer upper corner of a box, for a population onto itself."""
    a = np.array([x + side * 0.18, y + _HALF[1]])
    b = np.array([x + side * 0.44, y + _HALF[1]])
    up = np.array([0, 0.34])
    return Path([a, a + up, b + up, b], [Path.MOVETO, *[Path.CURVE4] * 3])


def _clip(path, inset):
    """Points of a path outside the boxes at its two ends."""
    t = np.linspace(0, 1, 40)
    points = np.concatenate([bezier(t) for bezier, _ in path.iter_bezier()])

    def outside(box):
        (x, y), half = box, np.add(_HALF, inset)
        return (np.abs(points[:, 0] - x) > half[0]) | (np.abs(points[:, 1] - y) > half[1])

    keep = outside(points[0]) & outside(points[-1])
    return points[keep] if keep.sum() > 2 else points


_WIDTH = {"driver": 3.0, "modulator": 1.3, "excitatory": 1.0, "inhibitory": 1.0}
_COLOUR = {
    "driver": EXCITATORY,
    "modulator": MODULATOR,
    "excitatory": EXCITATORY,
    "inhibitory": INHIBITORY,
}


def _draw_arrow(ax, points, arrow, pale):
    inhibitory = arrow.kind == "inhibitory"
    ax.add_patch(
        FancyArrowPatch(
            path=Path(points),
            arrowstyle="|-|,widthA=0,widthB=0.32" if inhibitory else "-|>",
            mutation_scale=13 if arrow.kind == "driver" else 8,
            linewidth=_WIDTH[arrow.kind],
            linestyle=(0, (4, 1.5)) if arrow.kind == "modulator" else "-",
            color=_COLOUR[arrow.kind],
            alpha=0.4 if pale else 0.95,
            joinstyle="round",
            shrinkA=0,
            shrinkB=0,
            zorder=2 if pale else 3,
        )
    )


def _draw_number(ax, points, arrow):
    # nearer to the source, so that the two arrows of a reciprocal pair keep apart
    step = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])
    x, y = points[np.searchsorted(step, 0.36 * step[-1])]
    ax.text(
        x,
        y,
        ",".join(arrow.rows),
        fontsize=6.5,
        color=_COLOUR[arrow.kind],
        ha="center",
        va="center",
        zorder=5,
        bbox={"boxstyle": "round,pad=0.12", "facecolor": "white", "edgecolor": "none"},
    )


def plot_circuit(populations: list[dict], projections: list[dict], ax=None):
    """Draw the circuit.

    Parameters
    ----------
    populations, projections : list of dict
        As `analysis.data.schema.population_table` and `projection_table` give them.
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    if ax is None:
        import matplotlib.pyplot as plt

        _, ax = plt.subplots(figsize=(11, 6.6))
    places = layout(populations)
    table = {row["name"]: row for row in populations}
    cortical = _cortical_areas(populations)
    for area in cortical:
        x = [places[row["name"]][0] for row in populations if row["area"] == area]
        _draw_area(ax, area, min(x) - 0.72, max(x) + 0.72, 0.72, 5.1)
    thalamus = [r for r in populations if kind_of(r) in ("TRC", "TRN")]
    if thalamus:
        y = [places[r["name"]][1] for r in thalamus]
        _draw_area(ax, thalamus[0]["area"], -0.72, 0.72, min(y) - 0.43, max(y) + 0.55)
    arrows = merge_projections(populations, projections)
    pairs = {(a.source, a.target) for a in arrows}
    lanes = {}
    for arrow in arrows:
        source, target = table[arrow.source], table[arrow.target]
        start, end = places[arrow.source], places[arrow.target]
        side = -1 if start[0] < 0 else 1
        pale = source["area"] == target["area"] and arrow.kind != "driver"
        if arrow.source == arrow.target:
            _draw_arrow(ax, _clip(_loop(*start, side), -9), arrow, pale)
            continue
        corners = _route(source, target, start, end, cortical, lanes)
        if corners is None:
            returns = (arrow.target, arrow.source) in pairs
            path = _arc(start, end, _bend(start, end, returns))
        else:
            path = _rounded(corners)
        points = _clip(path, 0.04)
        _draw_arrow(ax, points, arrow, pale)
        if not pale:
            _draw_number(ax, points, arrow)
    for name, (x, y) in places.items():
        _draw_population(ax, table[name], x, y)
    _draw_legend(ax)
    x, y = np.array(list(places.values())).T
    ax.set_xlim(min(x.min() - 1.1, -2), max(x.max() + 1.1, 2))
    ax.set_ylim(y.min() - 0.75, max(y.max(), 4.9) + 0.6)
    ax.set_aspect("equal")
    ax.axis("off")
    return ax


def _draw_area(ax, name, left, right, bottom, top):
    ax.add_patch(
        FancyBboxPatch(
            (left, bottom),
            right - left,
            top - bottom,
            boxstyle="round,pad=0.08,rounding_size=0.2",
            facecolor="#F3F1EC",
            edgecolor="#C9C4B8",
            linewidth=0.8,
            zorder=0,
        )
    )
    ax.text((left + right) / 2, top + 0.14, name, ha="center", va="bottom", fontsize=11,
            fontweight="bold", color="#444444", zorder=6)  # fmt: skip


def _draw_population(ax, row, x, y):
    colour = class_colour(kind_of(row), row.get("colour"))
    ax.add_patch(
        FancyBboxPatch(
            (x - _HALF[0] + 0.06, y - _HALF[1] + 0.06),
            2 * _HALF[0] - 0.12,
            2 * _HALF[1] - 0.12,
            boxstyle="round,pad=0.06,rounding_size=0.1" if row["excitatory"] else "square,pad=0.06",
            facecolor=colour,
            edgecolor="white",
            linewidth=1.0,
            zorder=4,
        )
    )
    ink = "black" if _luminance(colour) > 0.36 else "white"
    ax.text(x, y + 0.07, _label(row), ha="center", va="center", fontsize=8, fontweight="bold",
            color=ink, zorder=6)  # fmt: skip
    ax.text(x, y - 0.13, f"n = {row['n']}", ha="center", va="center", fontsize=6, color=ink,
            zorder=6)  # fmt: skip


def _luminance(colour):
    """Relative luminance of a colour (WCAG 2)."""
    from matplotlib.colors import to_rgb

    rgb = np.array(to_rgb(colour))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def _draw_legend(ax):
    def line(kind, label):
        style = "--" if kind == "modulator" else "-"
        return Line2D(
            [], [], color=_COLOUR[kind], linewidth=_WIDTH[kind], linestyle=style, label=label
        )

    ax.legend(
        handles=[
            line("driver", "driver"),
            line("modulator", "modulator"),
            line("excitatory", "excitatory"),
            line("inhibitory", "inhibitory"),
        ],
        loc="upper center",
        bbox_to_anchor=(0.5, 0.03),
        ncols=4,
        fontsize=8,
        frameon=False,
        title="numbers: rows of the connectivity table; pale: within an area",
        title_fontsize=8,
    )
