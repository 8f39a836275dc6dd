"""Figures of a learning run."""

from __future__ import annotations

import textwrap

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from analysis.data import schema
from analysis.data.blocks import block_cycles
from analysis.figures import circuit
from analysis.measures import phases, scores
from analysis.measures.learning import (
    condition_names,
    mean_sd,
    report_blocks,
    running_mean,
    site_changes,
    weight_matrix,
    weights_by_offset,
    with_runs,
)

__all__ = [
    "plot_curve",
    "plot_offsets",
    "plot_sites",
    "plot_weight_change",
    "plot_weight_matrix",
    "shown_snapshots",
]

PREDICTION, PERSISTENCE, _SHUFFLE, _ERROR = "#0072B2", "#4D4D4D", "#CC79A7", "#D55E00"
_LEARNS = "#E4F1EA"
_CLASS_COLOURS = {"true": "#0072B2", "self": "#E69F00", "reverse": "#CC79A7", "rest": "#999999"}
_SITES = {
    "correct": "predicted,\nhappened",
    "missed": "unpredicted,\nhappened",
    "false": "predicted,\ndid not",
    "quiet": "unpredicted,\ndid not",
}


def shade_blocks(ax, ds, names=True):
    """Shade the blocks that learn, part all blocks, and write their names."""
    block = ds["cycle_block"].values
    learning = with_runs(ds[["learning"]])["learning"].transpose(..., "cycle").values
    learning = learning.reshape(-1, block.size).max(0)
    edges = np.flatnonzero(np.diff(block)) + 1
    begins, ends = np.r_[0, edges], np.r_[edges, block.size]
    for k, (begin, end) in enumerate(zip(begins, ends, strict=True)):
        if learning[begin:end].max(initial=0) > 0:
            ax.axvspan(begin - 0.5, end - 0.5, color=_LEARNS, lw=0, zorder=0)
        if begin:
            ax.axvline(begin - 0.5, color="#AAAAAA", linewidth=0.7, zorder=0.5)
        if names:
            narrow = (end - begin) < 0.09 * block.size
            ax.text(
                (begin + end - 1) / 2, 1.015 + (0.07 * (k % 2) if narrow else 0),
                str(ds["block"].values[block[begin]]), fontsize=7.5, color="#555555",
                ha="center", va="bottom", transform=ax.get_xaxis_transform(),
            )  # fmt: skip
    ax.set_xlim(-0.5, block.size - 0.5)


def plot_curve(values: xr.DataArray, ds: xr.Dataset, colour: str, label: str = "", ax=None, **look):
    """Draw the mean over seeds of a running mean, with a band of one standard deviation.

    Parameters
    ----------
    values : DataArray (seed, cycle)
        From `running_mean`, of one condition.
    ds : Dataset
        Whose blocks part the line.
    colour, label : str
    ax : Axes, optional
    **look
        Of the line.

    Returns
    -------
    Axes
    """
    ax = circuit.axis(ax, (10, 3))
    mean, sd = mean_sd(values.transpose("seed", "cycle").values)
    cycle, block = np.arange(mean.size), ds["cycle_block"].values
    # a line must not run from one block into the next
    for k in np.unique(block):
        at = block == k
        ax.plot(cycle[at], mean[at], color=colour, label=label or None, **look)
        if np.isfinite(sd[at]).any():
            low, high = (mean - sd)[at], (mean + sd)[at]
            ax.fill_between(cycle[at], low, high, color=colour, alpha=0.18, linewidth=0)
        label = ""
    return ax


def curve_limits(arrays):
    """Limits of an axis of correlations."""
    low = min((np.nanmin(a) for a in arrays if np.isfinite(a).any()), default=0.0)
    return min(-0.25, np.floor(10 * low - 0.5) / 10), 1.04


def _draw_reference(ds, upper, lower):
    means = {name: running_mean(ds, name).isel(condition=0)
             for name in ("r_pred", "r_persist", "r_shuffle", "prediction_error")}  # fmt: skip
    for ax in (upper, lower):
        shade_blocks(ax, ds, names=ax is upper)
    upper.axhline(0, color="#BBBBBB", linewidth=0.7, zorder=0.6)
    for name, colour, label, look in (
        ("r_shuffle", _SHUFFLE, "outcome of another cycle", {"linestyle": ":"}),
        ("r_persist", PERSISTENCE, "persistence", {"linestyle": "--"}),
        ("r_pred", PREDICTION, "prediction", {"linewidth": 1.9}),
    ):
        plot_curve(means[name], ds, colour, label, upper, **look)
    upper.set_ylim(curve_limits([m.values for n, m in means.items() if n != "prediction_error"]))
    upper.set_ylabel("Pearson r")
    handles, labels = upper.get_legend_handles_labels()
    upper.legend(handles[::-1], labels[::-1], loc="upper left", bbox_to_anchor=(1.005, 1.0))
    lower.axhline(1, color="#BBBBBB", linewidth=0.7, zorder=0.6)
    plot_curve(means["prediction_error"], ds, _ERROR, ax=lower)
    lower.set_ylim(0, 2.02)
    lower.set_yticks([0, 1, 2])
    lower.set_ylabel("error")
    lower.text(1.012, 0.5, "1: silent prediction", fontsize=8, color="#777777", va="center",
               transform=lower.transAxes)  # fmt: skip
    lower.set_xlabel("cycle")


def curve_figure(ds):
    """Learning curve of the first condition, and a small one for each of the others."""
    conditions = condition_names(ds)
    others, columns = len(conditions) - 1, 4
    rows = -(-others // columns)
    figure = Figure(figsize=(10.5, 4.3 + 1.75 * rows))
    if not others:
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        _draw_reference(ds, upper, lower)
        return figure
    top, bottom = figure.subfigures(2, 1, height_ratios=(4.3, 1.75 * rows))
    upper, lower = top.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    _draw_reference(ds, upper, lower)
    upper.set_title(conditions[0], fontsize=10, pad=22, fontweight="bold")
    axes = bottom.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    r, persist = running_mean(ds, "r_pred"), running_mean(ds, "r_persist")
    for k, ax in enumerate(axes.ravel()):
        if k >= others:
            bottom.delaxes(ax)
            continue
        shade_blocks(ax, ds, names=False)
        ax.axhline(0, color="#BBBBBB", linewidth=0.7, zorder=0.6)
        mean = mean_sd(r.isel(condition=0).values)[0]
        ax.plot(np.arange(mean.size), mean, color="#B9CFE0", linewidth=1.0)
        plot_curve(persist.isel(condition=k + 1), ds, PERSISTENCE, ax=ax, linestyle="--",
                   linewidth=0.9)  # fmt: skip
        plot_curve(r.isel(condition=k + 1), ds, PREDICTION, ax=ax)
        ax.set_title(textwrap.shorten(conditions[k + 1], 32, placeholder=" …"), fontsize=8.5)
        if k % columns == 0:
            ax.set_ylabel("Pearson r")
        if k + columns >= others:
            ax.set_xlabel("cycle")
            ax.tick_params(labelbottom=True)
    axes[0, 0].set_ylim(curve_limits([r.values, persist.values]))
    return figure


def _shown(ds):
    """Block and cycles whose patterns are shown: the last of the test."""
    blocks = report_blocks(ds)
    block = blocks["test"] or blocks["training"]
    return block, block_cycles(ds, block, last=32)


def patterns_figure(ds):
    """Outcome, minus and plus patterns of the last test cycles of one run, as images."""
    block, at = _shown(ds)
    both = phases.phase_patterns(ds).isel(condition=0, seed=0, cycle=at)
    scored = scores.add_scores(ds).sel(block=block).isel(cycle=at)
    figure = Figure(figsize=(11, 5.0))
    grid = figure.add_gridspec(2, 3, height_ratios=(2.3, 1))
    top = float(np.nanmax([both["minus"].max(), both["plus"].max(), 1e-9]))
    jumps = np.flatnonzero(ds["jump"].values[at])
    for column, (name, v_max) in enumerate((("outcome", None), ("minus", top), ("plus", top))):
        ax = figure.add_subplot(grid[0, column])
        circuit.plot_pattern(both[name], v_max=v_max, ax=ax)
        for jump in jumps:
            ax.axvline(jump - 0.5, color="white", linewidth=1.2, linestyle=(0, (2, 2)))
        if ds.attrs.get("polarities", "").count(" "):
            ax.axhline(int(ds.attrs["n_x"]) - 0.5, color="white", linewidth=0.8)
        ax.set_xlabel("")
        ax.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        if column:
            ax.set_ylabel("")
    ax = figure.add_subplot(grid[1, :])
    ax.axhline(0, color="#BBBBBB", linewidth=0.8, zorder=0)
    for jump in jumps:
        ax.axvline(jump - 0.5, color="#BBBBBB", linewidth=0.8, linestyle=(0, (2, 2)), zorder=0)
    for name, colour, label, look in (
        ("r_pred", PREDICTION, "prediction", {"marker": "o"}),
        ("r_persist", PERSISTENCE, "persistence", {"linestyle": "--"}),
        ("r_shuffle", _SHUFFLE, "outcome of another cycle", {"linestyle": ":"}),
    ):
        values = scored[name].values
        mean = f"{np.nanmean(values):.2f}" if np.isfinite(values).any() else "undefined"
        ax.plot(values, color=colour, markersize=3, label=f"{label}: mean {mean}", **look)
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3)
    ax.set_ylim(-1.05, 1.05)
    ax.set_ylabel("Pearson r")
    ax.set_xlim(-0.5, at.size - 0.5)
    ax.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    ax.set_xlabel(f"cycle (last {at.size} of '{block}')")
    return figure


def plot_weight_change(sites: xr.Dataset, ax=None):
    """Draw weight changes against plus minus minus rates: density, and means of equal groups.

    Parameters
    ----------
    sites : Dataset
        From `site_changes`.
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    ax = circuit.axis(ax, (5, 4))
    x, y = sites["difference"].values, sites["dw"].values
    ax.axhline(0, color="#BBBBBB", linewidth=0.7, zorder=1)
    ax.axvline(0, color="#BBBBBB", linewidth=0.7, zorder=1)
    if x.size and np.ptp(x) > 0 and np.ptp(y) > 0:
        mesh = ax.hexbin(x, y, gridsize=(38, 26), bins="log", cmap="Greys", mincnt=1, linewidths=0)
        bar = ax.figure.colorbar(mesh, ax=ax, pad=0.02, fraction=0.05)
        bar.outline.set_visible(False)
        circuit.plain_ticks(bar.ax.yaxis)
        bar.set_label("positions × cycles", fontsize=8)
        # equal steps of the rate, as most positions are silent in both phases
        edges = np.linspace(x.min(), x.max(), 12)
        group = np.clip(np.searchsorted(edges, x, side="right") - 1, 0, 10)
        n = np.bincount(group, minlength=11)
        keep = n >= 5
        centre = np.bincount(group, x, 11)[keep] / n[keep]
        mean = np.bincount(group, y, 11)[keep] / n[keep]
        square = np.bincount(group, y**2, 11)[keep] / n[keep]
        error = np.sqrt(np.maximum(square - mean**2, 0) / n[keep])
        ax.errorbar(centre, mean, error, color=_ERROR, marker="o", markersize=4, linewidth=1.4,
                    label="mean ± s.e.m.")  # fmt: skip
        r = np.corrcoef(x, y)[0, 1]
        ax.set_title(f"r = {r:.2f}, n = {x.size}", fontsize=9)
        ax.legend(loc="upper left")
    ax.set_xlabel("rate of the relay cells, plus - minus (Hz)")
    ax.set_ylabel("mean weight change in the cycle")
    ax.ticklabel_format(axis="y", style="sci", scilimits=(-2, 2))
    return ax


def plot_sites(means: dict[str, np.ndarray], ax=None):
    """Draw the mean weight change at predicted and unpredicted positions.

    Parameters
    ----------
    means : dict of str to (seed,) array
        By kind of position; dots are seeds, bars means over them.
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    ax = circuit.axis(ax, (4, 4))
    ax.axhline(0, color="#888888", linewidth=0.8)
    colours = ("#0072B2", "#009E73", "#D55E00", "#999999")
    for k, ((_, values), colour) in enumerate(zip(means.items(), colours, strict=False)):
        values = np.asarray(values, float)
        values = values[np.isfinite(values)]
        if values.size:
            ax.bar(k, values.mean(), 0.62, color=colour, alpha=0.75, linewidth=0)
            spread = np.linspace(-0.14, 0.14, values.size) if values.size > 1 else np.zeros(1)
            ax.plot(k + spread, values, "o", color="#222222", markersize=3)
        else:
            ax.text(k, 0, "none", ha="center", va="bottom", fontsize=7.5, color="#777777")
    ax.set_xticks(range(len(means)), [_SITES[name] for name in means])
    ax.set_ylabel("mean weight change in the cycle")
    ax.ticklabel_format(axis="y", style="sci", scilimits=(-2, 2))
    return ax


def weight_change_figure(ds):
    """Weight changes of the first condition against rates and by kind of position."""
    training = report_blocks(ds)["training"]
    parts = [site_changes(run, training) for run in _first_condition(ds)]
    figure = Figure(figsize=(10.5, 3.9))
    left, right = figure.subplots(1, 2, width_ratios=(1.25, 1))
    plot_weight_change(xr.concat(parts, "site"), left)
    means = {}
    for name in _SITES:
        chosen = [part["dw"].values[part["kind"].values == name] for part in parts]
        means[name] = np.array([v.mean() if v.size else np.nan for v in chosen])
    plot_sites(means, right)
    return figure


def _first_condition(ds):
    """Select the runs of the first condition, one for each seed."""
    condition = schema.runs(ds)[0][0]
    return [schema.select(ds, seed, condition) for c, seed in schema.runs(ds) if c == condition]


def plot_weight_matrix(weights: xr.DataArray, n_x: int, v_max: float = 1.0, ax=None):
    """Draw mean weights by position of source and target.

    Parameters
    ----------
    weights : DataArray (target, source)
        From `weight_matrix`.
    n_x : int
        Positions of one polarity; lines part them.
    v_max : float
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    ax = circuit.axis(ax, (4, 4))
    mesh = ax.imshow(weights.transpose("target", "source").values, vmin=0, vmax=v_max)
    for edge in range(n_x, weights.sizes["source"], n_x):
        ax.axhline(edge - 0.5, color="white", linewidth=0.8)
        ax.axvline(edge - 0.5, color="white", linewidth=0.8)
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(MaxNLocator(5, integer=True))
    ax.set_xlabel("position of the source")
    ax.set_ylabel("position of the target")
    return ax, mesh


def plot_offsets(curves: dict[str, list[xr.Dataset]], ax=None):
    """Draw weights by offset, before and after.

    Parameters
    ----------
    curves : dict of str to list of Dataset
        By snapshot, one from `weights_by_offset` for each seed. The last one is drawn in the
        colours of the classes.
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    ax = circuit.axis(ax, (6, 3))
    for k, (name, parts) in enumerate(curves.items()):
        after = k == len(curves) - 1
        offset, kinds = parts[0]["offset"].values, parts[0]["kind"].values
        mean, sd = mean_sd([part["same"].values for part in parts])
        other = mean_sd([part["other"].values for part in parts])[0]
        if after:
            colours = [_CLASS_COLOURS[kind] for kind in kinds]
            ax.bar(offset, mean, 0.72, color=colours, linewidth=0)
            ax.errorbar(offset, mean, np.nan_to_num(sd), fmt="none", ecolor="#333333",
                        elinewidth=0.8)  # fmt: skip
            for kind in ("true", "self", "reverse", "rest"):
                if kind in kinds:
                    ax.bar([np.nan], [0], color=_CLASS_COLOURS[kind], label=kind)
            if np.isfinite(other).any():
                ax.plot(offset, other, ".", color="black", markersize=5,
                        label="other polarity")  # fmt: skip
        else:
            edges = np.r_[offset - 0.5, offset[-1] + 0.5]
            label = "before" if name == "start" else f"after '{name}'"
            ax.stairs(mean, edges, color="black", linewidth=1.0, label=label, zorder=4)
    ax.set_ylim(bottom=0)
    ax.xaxis.set_major_locator(MaxNLocator(9, integer=True))
    ax.set_xlabel("position of the target - position of the source")
    ax.set_ylabel("mean weight")
    ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return ax


def shown_snapshots(ds):
    """Return at most three snapshots: the start, and the ends of blocks that learn."""
    names, block = ds["block"].values.astype(str), ds["cycle_block"].values
    learning = with_runs(ds[["learning"]])["learning"].isel(condition=0).transpose(..., "cycle")
    learning = learning.values.reshape(-1, block.size).max(0)
    learned = [str(n) for k, n in enumerate(names) if learning[block == k].max(initial=0) > 0]
    return ["start", *learned][:3] if len(learned) < 3 else ["start", learned[0], learned[-1]]


def weights_figure(ds):
    """Weights of the first condition before and after learning, by positions and by offset."""
    runs = _first_condition(ds.drop_dims("spike"))
    shown = [name for name in shown_snapshots(ds) if name in ds["snapshot"].values]
    figure = Figure(figsize=(10.5, 6.6))
    top, bottom = figure.subfigures(2, 1, height_ratios=(3.6, 3))
    axes = top.subplots(1, len(shown), squeeze=False)[0]
    matrices = [xr.concat([weight_matrix(run, name) for run in runs], "seed").mean("seed")
                for name in shown]  # fmt: skip
    v_max = max(float(np.nanmax(m.values)) for m in matrices) or 1.0
    for name, matrix, ax in zip(shown, matrices, axes, strict=True):
        _, mesh = plot_weight_matrix(matrix, int(ds.attrs["n_x"]), v_max, ax)
        ax.set_title("before learning" if name == "start" else f"after '{name}'", fontsize=9)
        if ax is not axes[0]:
            ax.set_ylabel("")
    bar = top.colorbar(mesh, ax=axes, pad=0.015, fraction=0.03)
    bar.outline.set_visible(False)
    bar.set_label("mean weight", fontsize=8)
    blocks = [shown[1]] * 2 if len(shown) > 1 else shown
    panels = bottom.subplots(1, max(len(shown) - 1, 1), squeeze=False, sharey=True)[0]
    for k, ax in enumerate(panels):
        pair = shown[k : k + 2]
        of = blocks[0] if len(shown) > 1 else None
        plot_offsets({n: [weights_by_offset(run, n, of) for run in runs] for n in pair}, ax)
        if len(panels) > 1:
            ax.legend(loc="upper center", bbox_to_anchor=(0.5, 1.16), ncols=6,
                      columnspacing=1.0, handlelength=1.2)  # fmt: skip
            if k:
                ax.set_ylabel("")
    return figure


def seed_dots(ax, values, y, colour, label=None, hollow=False):
    """Draw (row, seed) values as dots at the heights ``y``, and their means as lines."""
    shift = np.linspace(-0.16, 0.16, values.shape[1]) if values.shape[1] > 1 else [0]
    look = {"markerfacecolor": "none"} if hollow else {}
    ax.plot(values.ravel(), (np.asarray(y)[:, None] + shift).ravel(), "o", color=colour,
            markersize=3.4, alpha=0.8, linestyle="none", **look)  # fmt: skip
    ax.vlines(mean_sd(values, axis=1)[0], np.subtract(y, 0.3), np.add(y, 0.3), color=colour,
              linewidth=2, label=label)  # fmt: skip


def lesions_figure(ds):
    """Prediction and gain of every condition in the test block, a dot for each seed."""
    blocks = report_blocks(ds)
    block = blocks["test"] or blocks["training"]
    means = scores.block_means(ds).sel(block=block)
    conditions = condition_names(ds)
    figure = Figure(figsize=(10.5, 0.34 * len(conditions) + 1.3))
    left, right = figure.subplots(1, 2, sharey=True)
    y = np.arange(len(conditions))
    for ax, names, label in (
        (left, ("r_persist", "r_pred"), f"Pearson r in '{block}'"),
        (right, ("gain",), "r_pred - r_persist"),
    ):
        ax.axvline(0, color="#BBBBBB", linewidth=0.7, zorder=0)
        for name in names:
            colour = PERSISTENCE if name == "r_persist" else PREDICTION
            values = means[name].transpose("condition", "seed").values
            called = {"r_pred": "prediction", "r_persist": "persistence"}.get(name)
            seed_dots(ax, values, y, colour, called, hollow=name == "r_persist")
        ax.set_xlabel(label)
    left.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
    left.set_yticks(y, [textwrap.shorten(c, 40, placeholder=" …") for c in conditions])
    left.set_ylim(len(conditions) - 0.5, -0.5)
    right.axvspan(-2, 0.1, color="#F3F3F3", lw=0, zorder=-1)
    gains = means["gain"].values[np.isfinite(means["gain"].values)]
    low, high = (gains.min(), gains.max()) if gains.size else (0.0, 0.1)
    right.set_xlim(min(low, 0) - 0.12, max(high, 0.1) + 0.12)
    return figure
