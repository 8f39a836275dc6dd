"""The circuit diagram, drawn from the tables that built the circuit.

Areas are columns, with relay nuclei between them, layers are rows. A thick arrow is a driver, a
dashed one a modulator, a blue line with a bar an inhibitory projection. A number on an arrow is its
row in the connectivity table.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.path import Path

from analysis.data.schema import nuclei_of

__all__ = ["Arrow", "Layout", "layout", "merge_projections", "plot_circuit"]

INK = "#000001"  # of words on a coloured box; a dark page keeps it
EXCITATORY, INHIBITORY, MODULATOR, GREY = "#333333", "#0072B2", "#8A5A83", "#999999"

_HALF = (0.53, 0.25)
# a box, from the middle of a nucleus to the first column of an area, and from column to column
_STEP, _INNER = 1.55, 2.95
_ROW = 1.15
# heights of cortical layers; a population of several lies between them
_LAYERS = ([2.5, 4, 5, 6], [4 * _ROW, 3 * _ROW, 2 * _ROW, _ROW])
_TOP, _BELOW = 5.75, -1.0

_DRIVERS = ("driver", "thalamocortical", "core")


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


@dataclass(frozen=True)
class Layout:
    """Where everything is drawn.

    Attributes
    ----------
    cortical, nuclei : tuple of str
        Areas, from left to right; nuclei are those of the relay cells of loops.
    left : frozenset of str
        Areas whose columns are counted to the left.
    first : dict of str to float
        x of the first column of an area.
    places : dict of str to (float, float)
        x and y of every population.
    """

    cortical: tuple[str, ...]
    nuclei: tuple[str, ...]
    left: frozenset[str]
    first: dict[str, float]
    places: dict[str, tuple[float, float]]

    def side(self, area: str) -> int:
        """Return -1 where the columns of an area are counted to the left, else 1."""
        return -1 if area in self.left else 1

    def lane(self, area: str, column: float) -> float:
        """Return x of a column of an area, or of a lane between them."""
        return self.first[area] + self.side(area) * column * _STEP


def layout(populations: list[dict], loops: list[dict], projections: list[dict] = ()) -> Layout:
    """Place each population: relay nuclei between cortical areas, layers one above the other.

    Parameters
    ----------
    populations, loops, projections : list of dict
        As `analysis.data.schema` gives them.

    Returns
    -------
    Layout
        The first area stands left of the first nucleus, every other one right of the nucleus
        before it. Cortical is what has a layer with a number.
    """
    nuclei = nuclei_of(populations, loops)
    cortical = [a for a in dict.fromkeys(r["area"] for r in populations if _layers(r))]
    first = {area: 0.0 for area in nuclei}
    for rank, area in enumerate(cortical):
        first[area] = _INNER + max(rank - 1, 0) * 2 * (_STEP + _INNER)
    for rank, area in enumerate(nuclei):
        first[area] = rank * 2 * (_STEP + _INNER)
    left = frozenset(cortical[:1])
    for area in left:
        first[area] = -first[area]
    found = Layout(tuple(cortical), tuple(nuclei), left, first, {})
    relays = {loop["relay"] for loop in loops}
    apical = {row["source"] for row in projections if row.get("compartment", "soma") != "soma"}
    for row in sorted(populations, key=lambda row: row["name"] not in relays):
        x, y = _place(row, found, apical)
        while any(abs(x - a) < 0.1 and abs(y - b) < 2 * _HALF[1] for a, b in found.places.values()):
            y -= _ROW
        found.places[row["name"]] = x, y
    return found


def _place(row, found, apical):
    """Where a population would be if it were alone."""
    area = row["area"]
    if area in found.nuclei:
        return found.first[area], 2 * _ROW
    if area not in found.cortical:
        if row["name"] in apical:
            return 0.0, _TOP
        # what follows the stimulus stands below the first area, a rhythm in the middle
        follows = not row.get("rate_Hz", 0) and found.cortical
        return (found.lane(found.cortical[0], 0.5), -0.4) if follows else (0.0, _BELOW)
    y = float(np.interp(np.mean(_layers(row) or [6]), *_LAYERS))
    if not row["excitatory"]:
        return found.lane(area, 2), y
    taken = (found.lane(area, 0), y) in found.places.values()
    return found.lane(area, 1 if taken else 0), y


def _layers(row):
    """Numbers of the cortical layers of a population: "2/3-5" is from 2.5 to 5."""
    parts = [part.split("/") for part in str(row["layer"]).split("-")]
    if not all(number.isdigit() for part in parts for number in part):
        return []
    return [np.mean([float(number) for number in part]) for part in parts]


def _label(row):
    return row["name"].split(".")[-1]


def _route(source, target, start, end, found, lanes):
    """Corners of an arrow that has to go around boxes; None for one that can go straight."""
    here, there = source["area"], target["area"]
    side = found.side(there)
    if there in found.cortical and here not in (*found.cortical, *found.nuclei):
        if start[1] > end[1]:
            return None
        if start[1] > _BELOW:
            return [start, (start[0], end[1]), end]
        x = found.lane(there, 2) + 0.8 * side
        return [start, (x, start[1]), (x, end[1]), end]
    if here in found.nuclei and there in found.cortical and not target["excitatory"]:
        y, x = 2.88, found.lane(there, 1.5)
        return [start, (start[0] + 0.25 * side, y), (x, y), (x, end[1]), end]
    both = here in found.cortical and there in found.cortical
    if both and here != there and min(_layers(source), default=0) >= 5:
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


def _bend(start, end, returns, side):
    (x0, y0), (x1, y1) = start, end
    if abs(x0 - x1) < 0.1 and abs(y0 - y1) > 1.3:
        # around the box between them, on the side of the thalamus going down, outside going up
        return 0.42 if (side < 0) == (y0 < y1) else -0.42
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


def plot_circuit(populations: list[dict], projections: list[dict], loops: list[dict] = (), ax=None):
    """Draw the circuit.

    Parameters
    ----------
    populations, projections, loops : list of dict
        As `analysis.data.schema.population_table`, `projection_table` and `loops` give them.
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    if ax is None:
        import matplotlib.pyplot as plt

        _, ax = plt.subplots(figsize=(11, 6.6))
    found = layout(populations, loops, projections)
    places = found.places
    table = {row["name"]: row for row in populations}
    for area in (*found.cortical, *found.nuclei):
        x, y = np.array([places[row["name"]] for row in populations if row["area"] == area]).T
        low, high = (0.72, 5.1) if area in found.cortical else (y.min() - 0.43, y.max() + 0.55)
        _draw_area(ax, area, x.min() - 0.72, x.max() + 0.72, low, high)
    arrows = merge_projections(populations, projections)
    pairs = {(a.source, a.target) for a in arrows}
    lanes: dict[str, int] = {}
    for arrow in arrows:
        source, target = table[arrow.source], table[arrow.target]
        start, end = places[arrow.source], places[arrow.target]
        side = found.side(source["area"])
        pale = source["area"] == target["area"] and arrow.kind != "driver"
        if arrow.source == arrow.target:
            _draw_arrow(ax, _clip(_loop(*start, side), -9), arrow, pale)
            continue
        corners = _route(source, target, start, end, found, lanes)
        if corners is None:
            returns = (arrow.target, arrow.source) in pairs
            path = _arc(start, end, _bend(start, end, returns, side))
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
    colour = row.get("colour") or GREY
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
    ink = INK if _luminance(colour) > 0.36 else "white"
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
