"""Figures of rate networks."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from analysis.figures.circuit import style
from analysis.figures.frameworks import summary_sections
from analysis.observables import by_condition

__all__ = [
    "BY_KIND",
    "alignment_sections",
    "depth_sections",
    "figure1_sections",
    "identities_sections",
    "plot_by_depth",
    "plot_dots",
    "plot_figure1",
    "plot_pictures",
    "prediction_sections",
    "readout_sections",
    "recall_sections",
    "sampling_sections",
    "training_sections",
    "training_table",
]

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


def identities_sections(ds: xr.Dataset) -> list[tuple]:
    """Sections of kind ``identities``."""
    rows = [
        [str(name), _scientific(ds["identity_error"].sel(condition=name).values)]
        for name in ds["condition"].values
    ]
    table = (["condition", "error"], rows)
    return [("How far each identity is from holding", "Mean ± s.d. over seeds.", None, table)]


def _scientific(values) -> str:
    spread = f" ± {values.std(ddof=1):.1e}" if values.size > 1 else ""
    return f"{values.mean():.1e}{spread}"


def plot_by_depth(values: xr.DataArray, ax, label: str) -> None:
    """Draw means ± s.d. over seeds against the number of hidden layers, a line a condition.

    Parameters
    ----------
    values : DataArray (condition, depth, seed)
    ax : Axes
    label : str
    """
    styles = ("-", "--", ":", "-.")
    ddof = min(1, values.sizes["seed"] - 1)
    for k, name in enumerate(values["condition"].values):
        one = values.sel(condition=name)
        ax.errorbar(
            one["depth"], one.mean("seed"), one.std("seed", ddof=ddof),
            color=_COLOURS[k % len(_COLOURS)], ls=styles[k // len(_COLOURS) % 4], marker="o", ms=3,
            lw=1, label=str(name),
        )  # fmt: skip
    ax.set_xticks(values["depth"].values)
    ax.set_xlabel("hidden layers")
    ax.set_ylabel(label)


def alignment_sections(ds: xr.Dataset) -> list[tuple]:
    """Sections of kind ``alignment``."""
    names = {"cosine_settled": "settled gradient", "cosine_feedforward": "backpropagation"}
    shown = {k: v for k, v in names.items() if k in ds}
    with style():
        figure = Figure(figsize=(10.5, 5.2), layout="constrained")
        for ax, (key, label) in zip(
            figure.subplots(1, 2, sharey=True), shown.items(), strict=False
        ):
            least = ds[key].min("layer")
            there = least.notnull().any(("seed", "depth"))
            plot_by_depth(least.isel(condition=np.flatnonzero(there)), ax, f"least cosine: {label}")
            ax.axhline(0, color="black", lw=0.6)
            ax.legend(fontsize=5, ncols=2)
    caption = (
        "Cosine of the change of weights with two gradients in the layer where it is least, on"
        " weights that backpropagation has trained. Means ± s.d. over seeds."
    )
    sections: list[tuple] = [("Along which gradient", caption, figure, None)]
    columns = ["condition", "hidden layers", *(f"with the {v}, by layer" for v in shown.values())]
    rows = [
        [str(c), str(int(d)), *(_by_layer(ds.sel(depth=d), key, c) for key in shown)]
        for c in ds["condition"].values for d in ds["depth"].values
    ]  # fmt: skip
    sections.append(("By layer, first to last", "Means over seeds.", None, (columns, rows)))
    if "nudge_cosine" in ds:
        sections.append(_between_section(ds))
    return sections


def _between_section(ds) -> tuple:
    """Where rules lie between a nudge and a clamp, for the deepest networks."""
    one = ds.isel(depth=-1)
    here = np.flatnonzero(one["nudge_cosine"].notnull().any(("seed", "beta")))
    beta = np.where(np.isfinite(ds["beta"]), ds["beta"], 100.0)
    with style():
        figure = Figure(figsize=(10.5, 3.2), layout="constrained")
        left, right = figure.subplots(1, 2)
        for k, c in enumerate(here):
            part, colour = one.isel(condition=c), _COLOURS[k % len(_COLOURS)]
            left.semilogx(beta, part["nudge_cosine"].mean("seed"), "o-", color=colour, ms=3,
                          label=str(part["condition"].values))  # fmt: skip
            moved = part["displacement"].mean("seed").dropna("layer")
            right.plot(moved["layer"], moved, "o-", color=colour, ms=3)
        left.set_xlabel("strength of a one-sided nudge (last: clamp)")
        left.set_ylabel("cosine of the weight change")
        left.legend(fontsize=6)
        right.set_xlabel("layer")
        right.set_ylabel("change of rates, over that by a clamp")
    caption = (
        f"Networks of {int(one['depth'])} hidden layers. Left: the change of weights beside that of"
        " contrastive Hebbian learning under a nudge. Right: how far the rates go from the minus to"
        " the plus phase. Means over seeds."
    )
    return ("Between a nudge and a clamp", caption, figure, None)


def depth_sections(ds: xr.Dataset) -> list[tuple]:
    """Sections of kind ``depth``."""
    names, depths = ds["condition"].values, ds["depth"].values
    with style():
        figure = Figure(figsize=(10.5, 4.4), layout="constrained")
        left, right = figure.subplots(1, 2)
        plot_by_depth(ds["score_test"], left, "right in test")
        left.legend(fontsize=6)
        least = ds["cosine_feedforward"].min("layer")
        plot_by_depth(least, right, "least cosine with backpropagation, own weights")
    sections: list[tuple] = [
        ("What is reached with depth", "Means ± s.d. over seeds.", figure, None)
    ]
    columns = ["condition", *(f"{int(d)} hidden" for d in depths)]
    rows = [
        [str(c), *(_mean_sd(ds["score_test"].sel(condition=c, depth=d)) for d in depths)]
        for c in names
    ]
    sections.append(("Right in test", "Means ± s.d. over seeds.", None, (columns, rows)))
    sections += summary_sections(ds)
    if "energy" in ds:
        rows = [
            [str(c), *(_energies(ds["energy"].sel(condition=c, depth=d)) for d in depths)]
            for c in names
            if ds["energy"].sel(condition=c).notnull().any()
        ]
        caption = "Energy after inference with the target clamped, first layer to last; means."
        sections.append(("Energy by layer", caption, None, (columns, rows)))
    return sections


def _energies(values) -> str:
    return " ".join(f"{v:.1e}" for v in values.mean("seed").dropna("layer").values)


def prediction_sections(ds: xr.Dataset) -> list[tuple]:
    """Sections of kind ``prediction``."""
    sources = [str(s) for s in ds["source"].values]
    found = {s: by_condition(ds, "rate_prediction", source=s) for s in sources}
    rows = [
        [str(name), *(_mean_sd(found[s].sel(condition=name)) for s in sources)]
        for name in ds["condition"].values
    ]
    caption = (
        "Correlation with the outcome on a photograph not trained on; means ± s.d. over seeds."
    )
    return [("What is predicted", caption, None, (["condition", *sources], rows))]


def readout_sections(ds: xr.Dataset) -> list[tuple]:
    """Sections of kind ``readout``."""
    accuracy, stages = ds["accuracy"], ds["stage"].values
    columns = ["condition", "reader", *(str(s) for s in stages), "plateaus"]
    rows = [
        [
            str(c),
            str(r),
            *(_mean_sd(accuracy.sel(condition=c, reader=r, stage=s)) for s in stages),
            _mean_sd(ds["plateaus"].sel(condition=c)),
        ]
        for c in ds["condition"].values
        for r in ds["reader"].values
    ]
    table = ("Share of classes read", "Means ± s.d. over seeds.", None, (columns, rows))
    evoked = [c for c in ds["condition"].values if str(c).startswith("plateau at")]
    if not evoked:
        return [table]
    with style():
        figure = Figure(figsize=(5.2, 3.2), layout="constrained")
        ax = figure.subplots()
        for colour, reader in zip(_COLOURS, ds["reader"].values, strict=False):
            part = accuracy.sel(condition=evoked, stage="first", reader=reader)
            ddof = min(1, part.sizes["seed"] - 1)
            ax.errorbar(ds["start"].sel(condition=evoked).isel(seed=0), part.mean("seed"),
                        part.std("seed", ddof=ddof), color=colour, marker="o", ms=3,
                        label=str(reader))  # fmt: skip
        ax.set_xlabel("start of the plateau after that of the movie (s)")
        ax.set_ylabel("share of classes read")
        ax.legend(fontsize=6)
    caption = "A plateau evoked at one time, once for each class. Means ± s.d. over seeds."
    return [("When the plateau comes", caption, figure, None), table]


def recall_sections(ds: xr.Dataset) -> list[tuple]:
    """Sections of kind ``recall``."""
    names = ds["condition"].values
    others, ways = ds["other"].values, ds["by"].values
    recalled = [
        [
            str(c),
            *(_mean_sd(ds["recall_error"].sel(condition=c, source=s)) for s in ds["source"].values),
        ]
        for c in names
    ]
    told = [
        [str(c), str(by),
         *(_mean_sd(ds["separation"].sel(condition=c, other=o, by=by)) for o in others)]
        for c in names for by in ways
    ]  # fmt: skip
    return [
        ("Recall of the lower half", "Mean squared error; means ± s.d. over seeds.", None,
         (["condition", *(str(s) for s in ds["source"].values)], recalled)),
        ("Other pictures against unseen digits",
         "Area under the curve; .5 tells nothing. Means ± s.d. over seeds.", None,
         (["condition", "by", *(str(o) for o in others)], told)),
    ]  # fmt: skip


def plot_pictures(pictures: xr.DataArray, axes, label: str) -> None:
    """Draw square pictures beside each other, dark where they are high.

    Parameters
    ----------
    pictures : DataArray (class, pixel)
    axes : sequence of Axes
        One for each.
    label : str
    """
    side = round(np.sqrt(pictures.sizes["pixel"]))
    for ax, one in zip(axes, pictures.transpose("class", "pixel").values, strict=True):
        ax.imshow(one.reshape(side, side), cmap="Greys", vmin=0, vmax=1)
        ax.set_xticks([])
        ax.set_yticks([])
    axes[0].set_ylabel(label, rotation=0, ha="right", va="center", fontsize=7)


def sampling_sections(ds: xr.Dataset) -> list[tuple]:
    """Sections of kind ``sampling``."""
    names, first = ds["condition"].values, ds.isel(condition=0, seed=0)["picture"]
    rows = {str(c): ds["picture"].isel(seed=0).sel(condition=c, source="network") for c in names}
    rows |= {str(s): first.sel(source=s) for s in ds["source"].values if s != "network"}
    with style():
        figure = Figure(figsize=(8, 0.62 * len(rows)), layout="constrained")
        axes = figure.subplots(len(rows), first.sizes["class"], squeeze=False)
        for line, (name, pictures) in zip(axes, rows.items(), strict=True):
            plot_pictures(pictures, line, name)
    measures = ("drawn_class", "drawn_spread", "drawn_told")
    sources = {str(c): ds.sel(condition=c, source="network") for c in names}
    sources |= {str(s): ds.isel(condition=0).sel(source=s) for s in ds["source"].values
                if s != "network"}  # fmt: skip
    table = [[name, *(_mean_sd(one[m]) for m in measures)] for name, one in sources.items()]
    columns = ["pictures", "taken for the class told", "variance over that of unseen digits",
               "told from unseen digits"]  # fmt: skip
    return [
        ("What is drawn", "A picture of each class, first seed.", figure, None),
        ("Drawn pictures against unseen digits", "Means ± s.d. over seeds.", None,
         (columns, table)),
    ]  # fmt: skip


#: Functions that draw the sections of each kind.
BY_KIND = {
    "alignment": alignment_sections,
    "depth": depth_sections,
    "figure1": figure1_sections,
    "identities": identities_sections,
    "prediction": prediction_sections,
    "readout": readout_sections,
    "recall": recall_sections,
    "sampling": sampling_sections,
    "training": training_sections,
}
