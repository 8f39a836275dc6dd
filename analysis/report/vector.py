"""Figures as SVG within a page: small, zoomable, and with a second set of colours for the dark."""

from __future__ import annotations

import colorsys
import html
import io
import re
import warnings

import matplotlib
from matplotlib.backends.backend_svg import FigureCanvasSVG, RendererSVG
from matplotlib.figure import Figure

from analysis.figures.circuit import style
from analysis.figures.diagram import INK

__all__ = ["colour_rules", "inline"]

#: Bytes of one figure beyond which its points and lines become an image within the SVG.
LIMIT = 600_000
_MARGIN = 0.04  # inches
_DOTS = 170  # of an inch, in images within the SVG
_COLOUR = re.compile(r"(fill|stroke): #([0-9a-f]{6})\b")


def inline(figure: Figure, label: str, prefix: str, limit: int = LIMIT) -> tuple[str, bool]:
    """Return a figure as an SVG element of a page.

    Parameters
    ----------
    figure : Figure
    label : str
        What it shows, for those who cannot see it.
    prefix : str
        Of the identifiers within it, which are unique in a page.
    limit : int, bytes
        A figure that is larger has its lines and points drawn as an image; its text stays text.

    Returns
    -------
    svg : str
    boxes : bool
        Whether it has letters that no font here has.
    """
    for ax in figure.axes:
        ax.spines[:].set_in_layout(False)  # each would lay out all ticks of its axis again
    text, boxes = _saved(figure)
    if len(text) > limit:
        for ax in figure.axes:
            for artist in (*ax.lines, *ax.collections, *ax.patches):
                artist.set_rasterized(True)
        text, boxes = _saved(figure)
    left, top, width, height = _extent(figure)
    body = text[text.index(">", text.index("<svg")) + 1 : text.rindex("</svg>")]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r"<style[^>]*>.*?</style>", "", body, flags=re.DOTALL)
    body = body.replace("xlink:href=", "href=").replace("'DejaVu Sans'", _FONTS)
    body = re.sub(r"<!--.*?-->", "", body, flags=re.DOTALL)
    # of places, not of what is written
    body = re.sub(r"<[^>]+>", lambda tag: re.sub(r"(\d\.\d\d)\d+", r"\1", tag[0]), body)
    body = re.sub(r"\s*\n\s*", "\n", body)
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', body))
    body = re.sub(r' id="([^"]+)"', lambda m: f' id="{prefix}{m[1]}"' if m[1] in used else "", body)
    body = re.sub(r'(href="#|url\(#)', rf"\g<1>{prefix}", body)
    body = _COLOUR.sub(r"\1: var(--c-\2)", body)
    pixels = width * 96 / 72
    head = (
        f'<svg role="img" aria-label="{html.escape(label)}"'
        f' viewBox="{left:.2f} {top:.2f} {width:.2f} {height:.2f}"'
        f' style="--w: {pixels:.0f}px">'
    )
    return f"{head}{body}</svg>", boxes


# Verdana has the widths of DejaVu Sans
_FONTS = "'DejaVu Sans', Verdana, sans-serif"


def _saved(figure) -> tuple[str, bool]:
    buffer = io.StringIO()
    with (
        style(),
        matplotlib.rc_context({"svg.fonttype": "none"}),
        warnings.catch_warnings(record=True) as caught,
    ):
        warnings.simplefilter("always")
        # `Figure.savefig` would draw it twice
        # no date, so that the same result gives the same page
        figure.set_dpi(_DOTS)
        figure.set_facecolor("none")
        FigureCanvasSVG(figure).print_svg(buffer, metadata={"Date": None})
    boxes = [w for w in caught if "missing from font" in str(w.message)]
    for other in (w for w in caught if w not in boxes):
        warnings.warn_explicit(other.message, other.category, other.filename, other.lineno)
    return buffer.getvalue(), bool(boxes)


def _extent(figure: Figure) -> tuple[float, float, float, float]:
    """Return what a figure that was drawn fills: left, top, width and height in points."""
    with style(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # all was said when it was drawn
        figure.set_dpi(72)
        box = figure.get_tightbbox(RendererSVG(72, 72, io.StringIO())).padded(_MARGIN)
    return box.x0 * 72, (figure.get_figheight() - box.y1) * 72, box.width * 72, box.height * 72


def colour_rules(page: str) -> tuple[str, str]:
    """Return declarations of the colours that the figures of a page use, light and dark."""
    found = sorted(set(re.findall(r"var\(--c-([0-9a-f]{6})\)", page)))
    light = "".join(f"--c-{one}:#{one};" for one in found)
    return light, "".join(f"--c-{one}:{dark(one)};" for one in found)


def dark(colour: str) -> str:
    """Return what a colour, of six hexadecimal digits, becomes on a dark page.

    Greys and pale tints change places with the dark; other hues stay and become no darker than
    what can be read there.
    """
    if f"#{colour}" == INK:
        return INK
    hue, light, full = colorsys.rgb_to_hls(*(int(colour[k : k + 2], 16) / 255 for k in (0, 2, 4)))
    if full < 0.12 or light > 0.9:
        least = 0.42 if light < 0.8 else 0.0  # what is drawn, not the grid behind it
        light, full = max(0.09 + 0.83 * (1 - light), least), full / 2
    else:
        light = max(light, 0.55)
    return "#" + "".join(f"{round(255 * x):02x}" for x in colorsys.hls_to_rgb(hue, light, full))
