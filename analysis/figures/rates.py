"""Figures of rate networks."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from analysis.figures.circuit import style

__all__ = ["BY_KIND", "figure1_sections", "plot_dots", "plot_figure1", "training_sections",
           "training_table"]  # fmt: skip

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#4D4D4D", "#8C6D4F")


def _mean_sd(values) -> str:
    values = np.asarray(values, float)
    if not np.isfinite(values).all():
        return "-"
    spread = f" ± {values.std(ddof=1):.3f}" if values.size > 1 else ""
    return f"{values.mean():.3f}{spread}"


def _epochs(values) -> str:
    solved = np.isfinite(values)
    if np.isnan(values).any():
        return "-"
    # of all networks, those that never get there counted as slower than any
    median = np.median(values)
    middle = f"{median:g}" if np.isfinite(median) else "> end"
    return f"{middle} ({solved.sum()} of {solved.size})"


def _by_layer(ds, name, condition) -> str:
    if name not in ds:
        return "-"
    values = ds[name].sel(condition=condition)
    values = values.values[:, np.isfinite(values.values).all(0)]
    return " ".join(f"{v:.3f}" for v in values.mean(0)) or "-"


def training_table(ds: xr.Dataset) -> tuple[list[str], list[list[str]]]:
    """Return what each condition reaches as names and texts, means ± s.d. over seeds."""
    columns = ["condition", "right in training", "right in test", "squared error in test",
               "epochs (solved)", "cosine with the settled gradient, by layer",
               "cosine with backpropagation, by layer"]  # fmt: skip
    rows = []
    for name in ds["condition"].values:
        one = ds.sel(condition=name)
        rows.append(
            [
                str(name), _mean_sd(one["score_train"]), _mean_sd(one["score_test"]),
                _mean_sd(one["loss_test"]), _epochs(one["epochs"].values),
                _by_layer(ds, "cosine_settled", name), _by_layer(ds, "cosine_feedforward", name),
            ]
        )  # fmt: skip
    return columns, rows


def plot_dots(values: xr.DataArray, ax, label: str):
    """Draw a dot for each seed and a bar for the mean of each condition, one below the other.

    Parameters
    ----------
    values : DataArray (condition, seed)
    ax : Axes
    label : str
    """
    y = np.arange(values.sizes["condition"])[::-1]
    for k, row in zip(y, values.transpose("condition", "seed").values, strict=True):
        ax.plot(row, np.full(row.size, k), "o", color=_COLOURS[0], ms=3, alpha=0.6)
        if np.isfinite(row).any():
            ax.plot([np.nanmean(row)] * 2, [k - 0.35, k + 0.35], color="black", lw=1.5)
    ax.set_yticks(y, [str(c) for c in values["condition"].values], fontsize=7)
    ax.set_xlabel(label)
    ax.set_ylim(-0.6, y.max() + 0.6)


def training_sections(ds: xr.Dataset) -> list[tuple]:
    """Sections of kind ``training``."""
    n = ds.sizes["condition"]
    with style():
        figure = Figure(figsize=(10.5, 1.2 + 0.24 * n))
        left, middle, right = figure.subplots(1, 3, sharey=True)
        plot_dots(ds["score_test"], left, "right in test")
        least = ds["cosine_feedforward"].min("layer")
        plot_dots(least, middle, "least cosine with backpropagation")
        if "cosine_settled" in ds:
            plot_dots(ds["cosine_settled"].min("layer"), right, "least cosine, settled gradient")
    caption = (
        "A dot for each seed, a bar for the mean. The cosines are those of the layer that is worst,"
        " on the trained weights."
    )
    table = training_table(ds)
    return [
        ("What is reached", caption, figure, None),
        ("By condition", "Means ± s.d. over seeds.", None, table),
    ]


def plot_figure1(ds: xr.Dataset, axes) -> None:
    """Draw the three units in the first and the last cycle, and their differences over cycles.

    Parameters
    ----------
    ds : Dataset
        One condition of kind ``figure1``; the curves of cycles are those of the first seed.
    axes : three Axes
    """
    one, plus = ds.isel(seed=0), 1e3 * ds.attrs["plus_start_s"]
    for ax, cycle in zip(axes, (0, -1), strict=False):
        for colour, unit in zip(_COLOURS, ds["unit"].values, strict=False):
            ax.plot(1e3 * ds["time"], one["activity"].sel(unit=unit).isel(cycle=cycle),
                    color=colour, label=str(unit))  # fmt: skip
        ax.axvspan(plus, 1e3 * float(ds["time"][-1]), color="0.92", lw=0)
        ax.set_title(f"cycle {int(ds['cycle'][cycle])}")
        ax.set_xlabel("time in the cycle (ms)")
    axes[0].set_ylabel("activity")
    axes[0].legend(fontsize=7)
    for colour, unit in zip(_COLOURS[1:], ("hidden", "output"), strict=False):
        values = ds["difference"].sel(unit=unit)
        mean, sd = values.mean("seed").values, values.std("seed", ddof=min(1, values.seed.size - 1))
        axes[2].fill_between(ds["cycle"], mean - sd.values, mean + sd.values, color=colour,
                             alpha=0.25, lw=0)  # fmt: skip
        axes[2].plot(ds["cycle"], mean, color=colour, label=unit)
    axes[2].axhline(0, color="black", lw=0.6)
    axes[2].set_xlabel("cycle")
    axes[2].set_ylabel("plus less minus phase")


def figure1_sections(ds: xr.Dataset) -> list[tuple]:
    """Sections of kind ``figure1``, one for each condition."""
    found = []
    for name in ds["condition"].values:
        one = ds.sel(condition=name)
        with style():
            figure = Figure(figsize=(10.5, 3.1), layout="constrained")
            left, middle, right = figure.subplots(1, 3)
            middle.sharey(left)
            plot_figure1(one, (left, middle, right))
        same = (np.sign(one["difference"].isel(cycle=0)) == np.sign(one["delta"])).mean("seed")
        shares = ", ".join(f"{unit} {float(same.sel(unit=unit)):.2f}" for unit in one["unit"].values
                           if unit != "input")  # fmt: skip
        found.append((
            f"Two phases: {name}",
            "The error is the difference of the phases (shaded: plus phase, the output is driven by"
            " the outcome). Right: mean ± s.d. over seeds. Share of seeds in which the first"
            f" difference has the sign that backpropagation would send: {shares}.",
            figure, None,
        ))  # fmt: skip
    return found


#: Functions that draw the sections of each kind.
BY_KIND = {"figure1": (figure1_sections,), "training": (training_sections,)}
