"""Figures and tables of a learning run: does the minus phase come to predict the plus phase."""

from __future__ import annotations

import textwrap

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from analysis import figures, prediction, schema

__all__ = [
    "headline",
    "is_learning",
    "lesion_table",
    "plot_curve",
    "plot_offsets",
    "plot_sites",
    "plot_weight_change",
    "plot_weight_matrix",
    "report_blocks",
    "running_mean",
    "sections",
    "site_changes",
    "weight_matrix",
    "weights_by_offset",
]

_PREDICTION, _PERSISTENCE, _SHUFFLE, _ERROR = "#0072B2", "#4D4D4D", "#CC79A7", "#D55E00"
_LEARNS = "#E4F1EA"
_WINDOW, _LEAST = 16, 4
_CLASS_COLOURS = {"true": "#0072B2", "self": "#E69F00", "reverse": "#CC79A7", "rest": "#999999"}
_SITES = {
    "correct": "predicted,\nhappened",
    "missed": "unpredicted,\nhappened",
    "false": "predicted,\ndid not",
    "quiet": "unpredicted,\ndid not",
}


def is_learning(ds: xr.Dataset | None) -> bool:
    """Tell if a result is one of a learning run, with blocks."""
    return ds is not None and "cycle_block" in ds and "block" in ds.dims and "jump" in ds


def _with_runs(ds):
    """Give the Dataset dims condition and seed."""
    for dim in ("condition", "seed"):
        ds = ds if dim in ds.dims else ds.drop_vars(dim, errors="ignore").expand_dims(dim)
    return ds


def _conditions(ds):
    if "condition" not in ds.coords:
        return [""]
    return [str(c) for c in np.atleast_1d(ds["condition"].values)]


def _mean_sd(values, axis=0):
    """Mean and standard deviation over runs; NaN-safe and silent about it."""
    values = np.asarray(values, float)
    there = ~np.isnan(values)
    n = there.sum(axis)
    mean = np.where(there, values, 0).sum(axis) / np.where(n > 0, n, np.nan)
    away = np.where(there, values - np.expand_dims(mean, axis), 0)
    return mean, np.sqrt((away**2).sum(axis) / np.where(n > 1, n - 1, np.nan))


# --- numbers -------------------------------------------------------------------------------------


def report_blocks(ds: xr.Dataset) -> dict[str, str | None]:
    """Choose the blocks that the headline is about.

    Parameters
    ----------
    ds : Dataset

    Returns
    -------
    dict
        ``training``, the first block that learns; ``before``, the frozen block in front of it;
        ``test``, the frozen block after it and before the next that learns: where there are
        several, the first whose stimulus is another than that of the training. None where there
        is no such block.
    """
    names, block = ds["block"].values.astype(str).tolist(), ds["cycle_block"].values
    learning = _with_runs(ds[["learning"]])["learning"].isel(condition=0)
    learning = learning.transpose(..., "cycle").values.reshape(-1, ds.sizes["cycle"]).max(0)
    learns = [bool(np.any(learning[block == k] > 0)) for k in range(len(names))]
    chosen: dict[str, str | None] = dict.fromkeys(("before", "training", "test"))
    if not any(learns):
        chosen["test"] = names[-1]
        return chosen
    at = learns.index(True)
    chosen["training"] = names[at]
    chosen["before"] = names[at - 1] if at else None
    after = []
    for name, learning_here in zip(names[at + 1 :], learns[at + 1 :], strict=True):
        if learning_here:
            break
        after.append(name)
    if after:
        one = schema.select(ds.drop_dims("spike"), *_first(ds))
        trained = prediction.movement(one, names[at])[0]
        other = [n for n in after if prediction.movement(one, n)[0] != trained]
        chosen["test"] = (other or after)[0]
    return chosen


def _first(ds):
    """Seed and condition of the first run, as `schema.select` takes them."""
    condition, seed = schema.runs(ds)[0]
    return seed, condition


def _number(mean, sd=np.nan):
    if not np.isfinite(mean):
        return "undefined"
    return f"{mean:.2f}" + (f" ± {sd:.2f}" if np.isfinite(sd) else "")


def headline(ds: xr.Dataset) -> str:
    """Say in one line if the minus phase has come to predict the plus phase.

    The first condition counts. It predicts where r_pred is 0.4 or more and exceeds r_persist and
    zero by 0.3; weakly where it exceeds them by 0.1 and by a standard deviation over seeds; and in
    either case only if it exceeds the shuffle by 0.1. Unless it exceeds itself before learning by
    0.1 too, the line says that nothing was learned.

    Parameters
    ----------
    ds : Dataset
        From `prediction.add_scores`.

    Returns
    -------
    str
    """
    blocks = report_blocks(ds)
    means = prediction.block_means(ds).isel(condition=0)
    n = means.sizes["seed"]
    seeds = f"{n} seed{'s' if n > 1 else ''}"

    def of(name, block):
        return means[name].sel(block=block).values

    if blocks["training"] is None:
        mean, sd = _mean_sd(of("r_pred", blocks["test"]))
        persist = _number(*_mean_sd(of("r_persist", blocks["test"])))
        return (f"No block learns: r_pred is {_number(mean, sd)} in '{blocks['test']}' "
                f"(persistence {persist}; {seeds}).")  # fmt: skip
    block = blocks["test"] or blocks["training"]
    if blocks["test"]:
        after = {key: of(key, block) for key in ("r_pred", "r_persist", "r_shuffle")}
        where = f"in '{block}', weights frozen"
    else:
        after = {key: _part(ds, key, block, last=True) for key in means if key.startswith("r_")}
        where = f"at the end of '{block}'"
    before = (
        of("r_pred", blocks["before"])
        if blocks["before"]
        else _part(ds, "r_pred", blocks["training"], last=False)
    )
    (b, b_sd), (r, r_sd), (p, p_sd) = map(_mean_sd, (before, after["r_pred"], after["r_persist"]))
    # nothing is won over a persistence below zero that silence would not win too
    gain, gain_sd = _mean_sd(after["r_pred"] - np.maximum(after["r_persist"], 0))
    shuffle = np.nan_to_num(_mean_sd(after["r_shuffle"])[0])
    sure = np.nan_to_num(gain_sd)
    verb = "rose" if r - b > 0.05 else "fell" if b - r > 0.05 else "went"
    rise, specific = r - np.nan_to_num(b) > 0.1, r - shuffle > 0.1
    if r >= 0.4 and gain >= 0.3 and specific:
        says = "the minus phase predicts the plus phase"
        says += "" if rise else ", but NOT by learning"
    elif gain > max(0.1, sure) and rise and specific:
        says = "the minus phase weakly predicts the plus phase"
    else:
        says = "the minus phase does NOT predict the plus phase"
    return (
        f"r_pred {verb} from {_number(b, b_sd)} to {_number(r, r_sd)} {where} "
        f"(persistence {_number(p, p_sd)}; {seeds}): {says}."
    )


def _part(ds, name, block, last, n=_WINDOW):
    """Mean score of the first or last cycles of a block, by seed, of the first condition."""
    ds = _with_runs(ds[[name, "outcome_defined", "cycle_block"]]).isel(condition=0)
    one = ds.sel(block=block).transpose("seed", ...)
    values = []
    for value, keep in zip(one[name].values, one["outcome_defined"].values, strict=True):
        value = np.nan_to_num(value[keep.astype(bool)])
        value = value[-n:] if last else value[:n]
        values.append(value.mean() if value.size else np.nan)
    return np.array(values)


def running_mean(ds: xr.Dataset, name: str, window: int = _WINDOW) -> xr.DataArray:
    """Return the mean of a score over the last cycles, within each block.

    Parameters
    ----------
    ds : Dataset
        From `prediction.add_scores`.
    name : str
        One of `prediction.SCORES`; of correlations, undefined predictions count 0.
    window : int
        Cycles.

    Returns
    -------
    DataArray (condition, seed, cycle)
        NaN until four cycles of the block have been scored.
    """
    ds = _with_runs(ds[[name, "outcome_defined", "cycle_block"]])
    order = ("condition", "seed", "block", "cycle")
    keep = ds["outcome_defined"].transpose(*order).values.astype(bool)
    value = ds[name].transpose(*order).values
    if name.startswith("r_"):
        value = np.nan_to_num(value)
    keep = keep & ~np.isnan(value)
    total = np.cumsum(np.where(keep, value, 0), axis=-1)
    count = np.cumsum(keep, axis=-1)
    for x in (total, count):
        x[..., window:] = x[..., window:] - x[..., :-window].copy()
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(count >= min(_LEAST, window), total / count, np.nan)
    belongs = ds["cycle_block"].values == np.arange(ds.sizes["block"])[:, None]
    mean = np.where(belongs, mean, np.nan)
    at = ds["cycle_block"].values.astype(int)
    result = mean[:, :, at, np.arange(at.size)]
    return xr.DataArray(result, dims=("condition", "seed", "cycle"), attrs=ds[name].attrs)


def lesion_table(ds: xr.Dataset) -> tuple[list[str], list[list[str]]]:
    """Return the scores of every condition and block, mean ± sd over seeds.

    Parameters
    ----------
    ds : Dataset
        From `prediction.add_scores`.

    Returns
    -------
    columns : list of str
    rows : list of list of str
        Blocks without a scored cycle are left out.
    """
    means = prediction.block_means(ds)
    names = ds["block"].values.astype(str)
    many = len(_conditions(ds)) > 1
    columns = (["condition"] if many else []) + ["block", "r_pred", "r_persist",
               "r_pred - r_persist", "r_shuffle", "decoding", "chance", "defined", "n"]  # fmt: skip
    keys = ("r_pred", "r_persist", "gain", "r_shuffle", "decode", "decode_chance", "defined")
    rows = []
    for c, condition in enumerate(_conditions(ds)):
        for b, block in enumerate(names):
            here = {key: means[key].values[c, :, b] for key in keys}
            n = int(np.isfinite(here["r_pred"]).sum())
            if not n:
                continue
            row = [condition] if many else []
            row += [str(block), *(_number(*_mean_sd(here[key])) for key in keys), str(n)]
            rows.append(row)
    return columns, rows


def site_changes(ds: xr.Dataset, block: str | None = None) -> xr.Dataset:
    """Return weight changes beside rates at every predictable position of the learning cycles.

    Parameters
    ----------
    ds : Dataset
        One run.
    block : str, optional
        Default all blocks.

    Returns
    -------
    Dataset
        On dim ``site``: ``dw`` (1), ``difference`` (Hz, plus minus late minus rate of the relay
        cells) and ``kind`` (str: correct, missed, false or quiet; empty in between).
    """
    names = [block] if block is not None else ds["block"].values.astype(str).tolist()
    both = prediction.phase_patterns(ds).isel(condition=0, seed=0)
    learns = ds["learning"].values > 0
    kind = np.full(ds["dw"].transpose("cycle", "position").shape, "", "<U7")
    use = np.zeros(ds.sizes["cycle"], bool)
    for name in names:
        at = prediction.block_cycles(ds, name)
        use[at] = learns[at]
        cycle, position, predicted, happened = prediction.classify_sites(ds, name)
        kind[cycle, position] = np.where(
            predicted, np.where(happened, "correct", "false"),
            np.where(happened, "missed", "quiet"))  # fmt: skip
    difference = (both["plus"] - both["minus"]).values
    keep = both["seen"].values.astype(bool) & use[:, None] & np.isfinite(difference)
    dw = ds["dw"].transpose("cycle", "position").values
    return xr.Dataset(
        {
            "dw": ("site", dw[keep], {"units": "1", "long_name": "mean weight change"}),
            "difference": ("site", difference[keep], {"units": "Hz"}),
            "kind": ("site", kind[keep]),
        }
    )


def _projection(ds):
    """Name of the plastic projection onto relay cells to show."""
    names = list(dict.fromkeys(ds["synapse_projection"].values.astype(str).tolist()))
    onto = [n for n in names if n.split("->")[-1].endswith("TRC")]
    return next((n for n in onto if "V2.L6CT" in n), (onto or names)[0])


def weight_matrix(ds: xr.Dataset, snapshot: str, projection: str | None = None) -> xr.DataArray:
    """Return mean weights by position of the source and of the target.

    Parameters
    ----------
    ds : Dataset
        One run.
    snapshot : str
    projection : str, optional
        Default that from L6CT to TRC.

    Returns
    -------
    DataArray (target, source)
        NaN where no synapse is.
    """
    synapse, source, target = prediction.placed_synapses(ds, projection or _projection(ds))
    at = ds["snapshot"].values.astype(str).tolist().index(snapshot)
    weight = ds["weight"].isel(snapshot=at).values[synapse]
    size = int(max(source.max(), target.max())) + 1
    flat = target * size + source
    n = np.bincount(flat, minlength=size**2)
    total = np.bincount(flat, weight, minlength=size**2)
    mean = (total / np.where(n > 0, n, np.nan)).reshape(size, size)
    return xr.DataArray(mean, dims=("target", "source"), attrs={"units": "1"})


def weights_by_offset(
    ds: xr.Dataset, snapshot: str, block: str | None = None, projection: str | None = None
) -> xr.Dataset:
    """Return mean weights by how far target and source lie apart.

    Parameters
    ----------
    ds : Dataset
        One run.
    snapshot : str
    block : str, optional
        Whose movement tells the classes apart; see `prediction.classify_synapses`.
    projection : str, optional
        Default that from L6CT to TRC.

    Returns
    -------
    Dataset
        On dim ``offset``: ``same`` and ``other`` (mean weight within and across polarities, 1;
        NaN where there is none) and ``kind`` (class of the synapses within a polarity).
    """
    wanted = projection or _projection(ds)
    synapse, kind, offset, same = prediction.classify_synapses(ds, wanted, block)
    at = ds["snapshot"].values.astype(str).tolist().index(snapshot)
    weight = ds["weight"].isel(snapshot=at).values[synapse]
    offsets = np.unique(offset)
    index = np.searchsorted(offsets, offset)
    new, kinds = {}, np.full(offsets.size, "rest", "<U7")
    kinds[index[same]] = kind[same]
    for name, keep in (("same", same), ("other", ~same)):
        n = np.bincount(index[keep], minlength=offsets.size)
        total = np.bincount(index[keep], weight[keep], minlength=offsets.size)
        new[name] = ("offset", total / np.where(n > 0, n, np.nan), {"units": "1"})
    return xr.Dataset(new | {"kind": ("offset", kinds)}, coords={"offset": offsets})


# --- figures -------------------------------------------------------------------------------------


def _shade_blocks(ax, ds, names=True):
    """Shade the blocks that learn, part all blocks, and write their names."""
    block = ds["cycle_block"].values
    learning = _with_runs(ds[["learning"]])["learning"].transpose(..., "cycle").values
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
    ax = figures.axis(ax, (10, 3))
    mean, sd = _mean_sd(values.transpose("seed", "cycle").values)
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


def _limits(arrays):
    low = min((np.nanmin(a) for a in arrays if np.isfinite(a).any()), default=0.0)
    return min(-0.25, np.floor(10 * low - 0.5) / 10), 1.04


def _draw_reference(ds, upper, lower):
    means = {name: running_mean(ds, name).isel(condition=0)
             for name in ("r_pred", "r_persist", "r_shuffle", "prediction_error")}  # fmt: skip
    for ax in (upper, lower):
        _shade_blocks(ax, ds, names=ax is upper)
    upper.axhline(0, color="#BBBBBB", linewidth=0.7, zorder=0.6)
    for name, colour, label, look in (
        ("r_shuffle", _SHUFFLE, "outcome of another cycle", {"linestyle": ":"}),
        ("r_persist", _PERSISTENCE, "persistence", {"linestyle": "--"}),
        ("r_pred", _PREDICTION, "prediction", {"linewidth": 1.9}),
    ):
        plot_curve(means[name], ds, colour, label, upper, **look)
    upper.set_ylim(_limits([m.values for n, m in means.items() if n != "prediction_error"]))
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


def _curve(ds):
    """Learning curve of the first condition, and a small one for each of the others."""
    conditions = _conditions(ds)
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
        _shade_blocks(ax, ds, names=False)
        ax.axhline(0, color="#BBBBBB", linewidth=0.7, zorder=0.6)
        mean = _mean_sd(r.isel(condition=0).values)[0]
        ax.plot(np.arange(mean.size), mean, color="#B9CFE0", linewidth=1.0)
        plot_curve(persist.isel(condition=k + 1), ds, _PERSISTENCE, ax=ax, linestyle="--",
                   linewidth=0.9)  # fmt: skip
        plot_curve(r.isel(condition=k + 1), ds, _PREDICTION, ax=ax)
        ax.set_title(textwrap.shorten(conditions[k + 1], 32, placeholder=" …"), fontsize=8.5)
        if k % columns == 0:
            ax.set_ylabel("Pearson r")
        if k + columns >= others:
            ax.set_xlabel("cycle")
            ax.tick_params(labelbottom=True)
    axes[0, 0].set_ylim(_limits([r.values, persist.values]))
    return figure


def _shown(ds):
    """Block and cycles whose patterns are shown: the last of the test."""
    blocks = report_blocks(ds)
    block = blocks["test"] or blocks["training"]
    return block, prediction.block_cycles(ds, block, last=32)


def _patterns(ds):
    """Outcome, minus and plus patterns of the last test cycles of one run, as images."""
    block, at = _shown(ds)
    both = prediction.phase_patterns(ds).isel(condition=0, seed=0, cycle=at)
    scored = prediction.add_scores(ds).sel(block=block).isel(cycle=at)
    figure = Figure(figsize=(11, 5.0))
    grid = figure.add_gridspec(2, 3, height_ratios=(2.3, 1))
    top = float(np.nanmax([both["minus"].max(), both["plus"].max(), 1e-9]))
    jumps = np.flatnonzero(ds["jump"].values[at])
    for column, (name, v_max) in enumerate((("outcome", None), ("minus", top), ("plus", top))):
        ax = figure.add_subplot(grid[0, column])
        figures.plot_pattern(both[name], v_max=v_max, ax=ax)
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
        ("r_pred", _PREDICTION, "prediction", {"marker": "o"}),
        ("r_persist", _PERSISTENCE, "persistence", {"linestyle": "--"}),
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
    ax = figures.axis(ax, (5, 4))
    x, y = sites["difference"].values, sites["dw"].values
    ax.axhline(0, color="#BBBBBB", linewidth=0.7, zorder=1)
    ax.axvline(0, color="#BBBBBB", linewidth=0.7, zorder=1)
    if x.size and np.ptp(x) > 0 and np.ptp(y) > 0:
        mesh = ax.hexbin(x, y, gridsize=(38, 26), bins="log", cmap="Greys", mincnt=1, linewidths=0)
        bar = ax.figure.colorbar(mesh, ax=ax, pad=0.02, fraction=0.05)
        bar.outline.set_visible(False)
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
    ax.set_xlabel("TRC rate, plus - minus (Hz)")
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
    ax = figures.axis(ax, (4, 4))
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


def _weight_change(ds):
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
    ax = figures.axis(ax, (4, 4))
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
    ax = figures.axis(ax, (6, 3))
    for k, (name, parts) in enumerate(curves.items()):
        after = k == len(curves) - 1
        offset, kinds = parts[0]["offset"].values, parts[0]["kind"].values
        mean, sd = _mean_sd([part["same"].values for part in parts])
        other = _mean_sd([part["other"].values for part in parts])[0]
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


def _snapshots(ds):
    """Snapshots worth showing: the start and the end of every block that learns, at most three."""
    names, block = ds["block"].values.astype(str), ds["cycle_block"].values
    learning = _with_runs(ds[["learning"]])["learning"].isel(condition=0).transpose(..., "cycle")
    learning = learning.values.reshape(-1, block.size).max(0)
    learned = [str(n) for k, n in enumerate(names) if learning[block == k].max(initial=0) > 0]
    return ["start", *learned][:3] if len(learned) < 3 else ["start", learned[0], learned[-1]]


def _weights(ds):
    """Weights of the first condition before and after learning, by positions and by offset."""
    runs = _first_condition(ds.drop_dims("spike"))
    shown = [name for name in _snapshots(ds) if name in ds["snapshot"].values]
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


def _lesions(ds):
    """Prediction and gain of every condition in the test block, a dot for each seed."""
    blocks = report_blocks(ds)
    block = blocks["test"] or blocks["training"]
    means = prediction.block_means(ds).sel(block=block)
    conditions = _conditions(ds)
    figure = Figure(figsize=(10.5, 0.34 * len(conditions) + 1.3))
    left, right = figure.subplots(1, 2, sharey=True)
    y = np.arange(len(conditions))
    for ax, names, label in (
        (left, ("r_persist", "r_pred"), f"Pearson r in '{block}'"),
        (right, ("gain",), "r_pred - r_persist"),
    ):
        ax.axvline(0, color="#BBBBBB", linewidth=0.7, zorder=0)
        for name in names:
            colour = _PERSISTENCE if name == "r_persist" else _PREDICTION
            values = means[name].transpose("condition", "seed").values
            shift = np.linspace(-0.16, 0.16, values.shape[1]) if values.shape[1] > 1 else [0]
            hollow = {"markerfacecolor": "none"} if name == "r_persist" else {}
            ax.plot(values.ravel(), (y[:, None] + shift).ravel(), "o", color=colour, markersize=3.4,
                    alpha=0.8, linestyle="none", **hollow)  # fmt: skip
            mean = _mean_sd(values, axis=1)[0]
            called = {"r_pred": "prediction", "r_persist": "persistence"}.get(name)
            ax.vlines(mean, y - 0.3, y + 0.3, color=colour, linewidth=2, label=called)
        ax.set_xlabel(label)
    left.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
    left.set_yticks(y, [textwrap.shorten(c, 40, placeholder=" …") for c in conditions])
    left.set_ylim(len(conditions) - 0.5, -0.5)
    right.axvspan(-2, 0.1, color="#F3F3F3", lw=0, zorder=-1)
    gains = means["gain"].values[np.isfinite(means["gain"].values)]
    low, high = (gains.min(), gains.max()) if gains.size else (0.0, 0.1)
    right.set_xlim(min(low, 0) - 0.12, max(high, 0.1) + 0.12)
    return figure


def sections(ds: xr.Dataset) -> list[tuple[str, str, Figure | None, tuple | None]]:
    """Return what the report of a learning run shows before the circuit.

    Parameters
    ----------
    ds : Dataset
        All runs, from `prediction.add_scores`.

    Returns
    -------
    list of (title, caption, Figure or None, table or None)
        A table is (columns, rows) of str. A figure that lacks its data is left out, and its
        caption says so.
    """
    many = len(_conditions(ds)) > 1
    blocks = report_blocks(ds)
    block = blocks["test"] or blocks["training"]
    one = schema.select(ds, *_first(ds))
    first = _conditions(ds)[0]
    of_first = f" Condition '{first}'." if many else ""
    plans = [
        (
            "Learning curve",
            f"Running means over the last {_WINDOW} cycles of a block, mean over seeds; bands are "
            "one standard deviation over seeds. Blocks in which the circuit learns are shaded. An "
            "undefined prediction counts 0. The error is the mean square difference of the two "
            "patterns, RMS of each 1: 0 is perfect; equal activity everywhere can lie below 1."
            + (" Below, every other condition, with the first one in pale blue." if many else ""),
            (),
            lambda: _curve(ds),
        ),
        (
            "Prediction and outcome",
            f"The last cycles of '{block}'. White lines: a new sweep begins, which nothing could "
            f"predict; solid, between polarities.{of_first} First seed.",
            (),
            lambda: _patterns(one),
        ),
        (
            "Weight change against the temporal derivative",
            "Left: every predictable position and cycle in which the circuit learns; the weight "
            "change is that of the synapses onto the relay cells there. Right: at positions that "
            "were predicted or not and at which the outcome came or did not, a dot for each seed."
            + of_first,
            ("dw",) if blocks["training"] else ("dw", "block that learns"),
            lambda: _weight_change(ds),
        ),
        (
            "Weights before and after",
            "From V2 L6CT to relay cells, mean over cells and seeds. Below, by offset within a "
            "polarity: true synapses come from where the pattern was one cycle before, self from "
            f"the same position, reverse from where it would be on its way back.{of_first}",
            ("weight", "synapse_source", "synapse_projection"),
            lambda: _weights(ds),
        ),
    ]
    result = []
    for title, caption, needs, draw in plans:
        lacking = [name for name in needs if name not in ds]
        if lacking:
            what = ", no ".join(n if " " in n else f"variable '{n}'" for n in lacking)
            result.append((title, f"Not drawn: no {what}.", None, None))
            continue
        with figures.style():
            result.append((title, caption, draw(), None))
    with figures.style():
        figure = _lesions(ds) if many else None
    caption = (
        "Mean ± standard deviation over seeds, over the cycles whose outcome is defined. Defined: "
        "share of them with a defined prediction; the others count 0."
    )
    if many:
        caption = ("Each dot is a seed, each line a mean; grey, a gain that shows no prediction "
                   f"(up to 0.1). {caption}")  # fmt: skip
    title = "Lesions and controls" if many else "Scores by block"
    result.append((title, caption, figure, lesion_table(ds)))
    return result
