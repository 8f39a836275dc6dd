"""What the report of the synapse bench shows, in order."""

from __future__ import annotations

import json

import numpy as np
import xarray as xr

from analysis.figures.circuit import style
from analysis.figures.synapse import (
    TITLES,
    plot_bars,
    plot_constants,
    plot_derivative,
    plot_levels,
    plot_predictions,
    plot_protocol,
    plot_protocol_fits,
    plot_robustness,
    plot_rule_table,
    plot_whole_cell,
    rule_name,
    subplots,
)
from analysis.observables.synapse import RACES

__all__ = ["constants_section", "figures"]


def constants_section(ds: xr.Dataset) -> tuple[str, str, None, tuple | None]:
    """Return the table of the constants of the synapse, of the bench and of the circuit alike.

    Parameters
    ----------
    ds : Dataset
        Of the bench or of a learning run; the first rule in its attribute ``synapse`` is shown.

    Returns
    -------
    title, caption, None, (columns, rows)
    """
    found = json.loads(ds.attrs.get("synapse", "{}"))
    if not found:
        return "The synapse", "Not shown: no attribute 'synapse'.", None, None
    name, rows = next(iter(found.items()))
    columns = ["name", "value", "unit", "meaning", "source", "mark"]
    fitted = [row["name"] for row in rows if row["mark"] == "F"]
    caption = (
        f"The constants of {rule_name(name)}, from the row that the bench and the circuit both "
        f"read. Fitted (F): {', '.join(fitted) or 'none'}; on the bench a gain besides."
    )
    cells = [[f"{r[c]:g}" if c == "value" else str(r[c]) for c in columns] for r in rows]
    return "The synapse", caption, None, (columns, cells)


def figures(ds: xr.Dataset) -> list[tuple]:
    """Return the figures of the bench.

    Parameters
    ----------
    ds : Dataset
        As `circuits.plasticity.bench.run.run_bench` gives it, or read back from its file.

    Returns
    -------
    list of (title, caption, Figure) or (title, caption, None, table)
    """
    with style():
        drawn = [draw(ds) for draw in _FIGURES]
    return [constants_section(ds), *(section for section in drawn if section is not None)]


def _experiment(ds):
    return (
        "The experiment",
        "One theta window of each condition. The second half (shaded) is the outcome, the "
        "first the prediction; the synapse should learn the difference.",
        plot_protocol(ds).figure,
    )


def _levels(ds):
    return (
        "Calcium, CaMKII and DAPK1 through a theta window",
        "Mean over start phases. DAPK1 (orange) follows CaMKII (blue) with a delay, so that "
        "their difference near the end of the window is the rate of change.",
        plot_levels(ds)[0].figure,
    )


def _published(ds):
    trains = list(ds["train"].values)
    fig, axs = subplots(1, len(trains), figsize=(3.6 * len(trains), 3.1), sharey=True)
    for ax, train in zip(np.atleast_1d(axs), trains, strict=True):
        plot_bars(ds, train=train, ax=ax)
    return (
        "The kinase rules and the published change",
        "Bars and SEM: published (Jang et al. 2026). Points: models, one gain each, fitted on "
        f"the regular trains. No change anywhere: χ² {float(ds['chi2_null']):.1f}.",
        fig,
    )


def _rivals(ds):
    rivals = [r for r in ds["rule"].values if not str(r).startswith(RACES)]
    if not rivals:
        return None
    fig, ax = subplots(figsize=(6.8, 3.4))
    plot_bars(ds, rules=rivals, ax=ax)
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=7)
    why = " ".join(f"{rule_name(r)}: {ds['why'].sel(rule=r).values!s}" for r in rivals)
    return "The rival rules, each with its best gain of either sign", why, fig


def _robustness(ds):
    if not ds.sizes.get("constant"):
        return None
    return (
        "Every constant moved",
        "The order is judged with the gain kept: 25 → 50 Hz highest, 50 → 25 Hz lowest.",
        plot_robustness(ds).figure,
    )


def _derivative(ds):
    if not (ds.sizes.get("flat_rate", 0) and ds.sizes["gap"] and ds.sizes["cycle_length"]):
        return None
    return (
        "Is it a derivative?",
        "Flat trains, with silence between windows (onset) and going on (steady); other "
        "silences; other lengths of the cycle, the gate at the same share. Gain kept.",
        plot_derivative(ds)[0].figure,
    )


def _predictions(ds):
    if not ds.sizes.get("prediction", 0):
        return None
    return (
        "Predictions",
        "Changes of one side alone and other lengths of the halves; none took part in a "
        "fit. The gate keeps its share of the window.",
        plot_predictions(ds).figure,
    )


def _rule_by_protocol(ds):
    return (
        "Rule by protocol",
        "Mean χ² per condition, each rule with its best gain in each protocol; green: explains "
        "it, red: no better than no change. * the gain had to change its sign against the "
        "theta window.",
        plot_rule_table(ds).figure,
    )


def _classical(ds):
    classical = [str(p) for p in ds["protocol"].values if f"{p}_epsp" in ds]
    if not classical:
        return None
    rows = (len(classical) + 1) // 2
    fig, axs = subplots(rows, 2, figsize=(9.6, 3.0 * rows), squeeze=False)
    for ax in axs.ravel()[len(classical) :]:
        ax.set_visible(False)
    for ax, name in zip(axs.ravel(), classical, strict=False):
        plot_protocol_fits(ds, name, ax=ax)
    notes = " ".join(
        f"{TITLES.get(c, c)}: {ds.attrs.get(f'{c}_assumption', '')}.".replace("\n", " ")
        for c in classical
    )
    return (
        "The classical protocols",
        "Published values, the circuit's kinase rule, the jointly fitted one and the best "
        "of each; the number is the mean χ² per condition. Assumptions: " + notes,
        fig,
    )


def _whole_cell(ds):
    if "whole_cell_v" not in ds:
        return None
    chi2 = ", ".join(
        f"{rule_name(r)} {float(v):.1f}"
        for r, v in zip(ds["whole_cell_rule"].values, ds["whole_cell_chi2"], strict=True)
    )
    return (
        "The whole cell",
        "A CA1-like cell under the published current steps: postsynaptic spikes come out. "
        f"chi2 with nothing refitted: {chi2}.",
        np.atleast_1d(plot_whole_cell(ds))[0].figure,
    )


def _detailed(ds):
    if "glun2b_constant" not in ds.coords:
        return None
    return (
        "The detailed synapse",
        "The constants that were changed against their published values. Site rates that "
        "are tied count once: ten fitted constants.",
        plot_constants(ds).figure,
    )


_FIGURES = (
    _experiment, _levels, _published, _rivals, _robustness, _derivative, _predictions,
    _rule_by_protocol, _classical, _whole_cell, _detailed,
)  # fmt: skip
