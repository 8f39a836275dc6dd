"""Frameworks of learning beside each other: what they need, reach, follow and leave in activity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from analysis.figures.circuit import style

__all__ = ["plot_frameworks", "plot_numbers", "summary_sections"]


class Stored(Protocol):
    """What is stored of a framework; means, s.d. and numbers of seeds by hidden layers."""

    name: str
    needs: tuple[str, ...]
    reached: Mapping[int, tuple]
    settled: Mapping[int, tuple]
    feedforward: Mapping[int, tuple]
    signature: Mapping[str, float]


def plot_numbers(names: Sequence[str], columns: Sequence[str], values: np.ndarray) -> Figure:
    """Draw a table of numbers between -1 and 1 as colours; NaN stays empty.

    Parameters
    ----------
    names : sequence of str
        Of the rows.
    columns : sequence of str
    values : (row, column) array

    Returns
    -------
    Figure
    """
    with style():
        figure = Figure(figsize=(10.5, 1.6 + 0.26 * len(names)), layout="constrained")
        ax = figure.subplots()
        image = ax.imshow(np.clip(values, -1, 1), cmap="RdBu_r", vmin=-1, vmax=1, aspect="auto")
        ax.set_xticks(range(len(columns)), columns, rotation=40, ha="right", fontsize=7)
        ax.set_yticks(range(len(names)), names, fontsize=7)
        for (row, column), value in np.ndenumerate(values):
            if np.isfinite(value):
                ax.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=6)
        figure.colorbar(image, ax=ax, shrink=0.6)
    return figure


def plot_frameworks(rows: Sequence[Stored]) -> Figure:
    """Draw what is stored of frameworks, a line each.

    Parameters
    ----------
    rows : sequence of Stored
        Of `analysis.verdicts.frameworks.framework_rows`; those that are not of networks of several
        depths have no line.

    Returns
    -------
    Figure
    """
    rows = [row for row in rows if row.reached]
    needs = list(dict.fromkeys(need for row in rows for need in row.needs))
    left = list(dict.fromkeys(name for row in rows for name in row.signature))
    depths = sorted({d for row in rows for d in row.reached})
    columns = [*needs, *(f"right, {d} hidden" for d in depths),
               *(f"settled gradient, {d}" for d in depths),
               *(f"backpropagation, {d}" for d in depths), *left]  # fmt: skip
    values = [
        [
            *(float(need in row.needs) for need in needs),
            *(part.get(d, (np.nan,))[0]
              for part in (row.reached, row.settled, row.feedforward) for d in depths),
            *(row.signature.get(name, np.nan) for name in left),
        ]
        for row in rows
    ]  # fmt: skip
    return plot_numbers([row.name for row in rows], columns, np.array(values))


def _summary(ds: xr.Dataset) -> tuple[list[str], np.ndarray]:
    """Columns of the summary of a run, and a row of means for each condition."""
    depths = [int(d) for d in ds["depth"].values]
    one = ds.isel(depth=0)
    columns = [str(n) for n in ds["need"].values]
    parts = [one["needs"].mean("seed").transpose("condition", "need").values]
    columns += [f"right, {d} hidden" for d in depths]
    parts.append(ds["score_test"].mean("seed").transpose("condition", "depth").values)
    columns += [f"gradient, {d} hidden" for d in depths]
    least = ds["cosine_feedforward"].min("layer").mean("seed")
    parts.append(least.transpose("condition", "depth").values)
    for carrier in ("plus", "error"):
        for term in ds["term"].values:
            columns.append(f"{carrier}: {term}")
            coefficient = one["signature"].sel(carrier=carrier, term=term).mean("seed")
            parts.append(coefficient.values[:, None])
    columns.append("hidden change")
    parts.append(one["hidden_change"].mean("seed").values[:, None])
    return columns, np.concatenate(parts, axis=1)


def summary_sections(ds: xr.Dataset) -> list[tuple]:
    """Return the summary of the conditions of a run of kind ``depth`` as a figure and a table."""
    columns, values = _summary(ds)
    names = [str(c) for c in ds["condition"].values]
    first = int(ds["depth"][0])
    caption = (
        "What each framework needs (1 or 0), what it reaches, the least cosine over layers of its"
        " change with backpropagation on its own weights, and what it leaves in the activity of the"
        f" output (hidden layers: {first}): coefficients of outcome and prediction in the plus"
        " phase and in what carries the error, and how much hidden rates change between the phases."
    )
    rows = [
        [name, *("-" if not np.isfinite(v) else f"{v:.3g}" for v in row)]
        for name, row in zip(names, values, strict=True)
    ]
    figure = plot_numbers(names, columns, values)
    return [
        ("Frameworks beside each other", caption, figure, None),
        ("Frameworks in numbers", "Means over seeds.", None, (["condition", *columns], rows)),
    ]
