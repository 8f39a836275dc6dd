"""Rival learning rules beside each other: prediction, recovery after a reversal, old weights."""

from __future__ import annotations

import json
from contextlib import suppress

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from analysis import observables
from analysis.data import schema
from analysis.figures.learning import curve_limits, plot_curve, seed_dots, shade_blocks
from analysis.measures.learning import (
    WINDOW,
    condition_names,
    mean_sd,
    number_text,
    report_blocks,
    running_mean,
    shown_projection,
    with_runs,
)
from analysis.measures.scores import block_means

__all__ = ["rival_conditions", "rival_scores", "rival_table"]

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#4D4D4D", "#8C6D4F")
_OWN = {"name", "meaning", "plasticity"}
_LABELS = {"r_pred": "r_pred", "recovery": "recovery", "cycles": "cycles to recover",
           "old": "old weights, change"}  # fmt: skip


def _plasticity(ds):
    """Tables of plasticity by condition, with what each condition changes in the common one."""
    document = json.loads(ds.attrs.get("run", "{}"))
    base = document.get("plasticity") or {}
    own = {e.get("name"): e.get("plasticity") or {} for e in document.get("condition") or []}
    tables = {}
    for name in condition_names(ds):
        change = own.get(name, {})
        table = base | change
        # the parameters of one rule are not those of another
        if table.get("rule") != base.get("rule") and "values" not in change:
            table.pop("values", None)
        tables[name] = table
    return tables


def rival_conditions(ds: xr.Dataset, best: bool = False) -> dict[str, str]:
    """Return the conditions that differ in how they learn and in nothing else.

    Parameters
    ----------
    ds : Dataset
        All runs, with ``best`` from `analysis.measures.scores.add_scores`.
    best : bool
        Only the first condition and, of each other rule, the one with the highest r_pred in the
        test.

    Returns
    -------
    dict of str to str
        From the name of the condition to that of its rule, the first condition first; empty where
        all learn by one rule.
    """
    learning = with_runs(ds[["learning"]])["learning"].transpose("condition", ..., "cycle").values
    learns = learning.reshape(len(learning), -1).max(1) > 0
    document = json.loads(ds.attrs.get("run", "{}"))
    entries = {entry.get("name"): entry for entry in document.get("condition") or []}
    rivals = {}
    for name, table, here in zip(
        condition_names(ds), _plasticity(ds).values(), learns, strict=True
    ):
        entry = entries.get(name, {})
        # a lesion is no rule, nor is a rule that is read at the wrong time
        alike = set(entry) <= _OWN and "timing" not in (entry.get("plasticity") or {})
        if here and (alike or not rivals):
            rivals[name] = str(table.get("rule", ""))
    if len(set(rivals.values())) < 2:
        return {}
    if best:
        blocks = report_blocks(ds)
        r = block_means(ds)["r_pred"].sel(block=blocks["test"] or blocks["training"])
        mean = dict(zip(condition_names(ds), mean_sd(r.values, axis=1)[0], strict=True))
        first, leading = next(iter(rivals)), {}
        for name in sorted(rivals, key=lambda name: (name != first, -np.nan_to_num(mean[name]))):
            leading.setdefault(rivals[name], name)
        rivals = {name: rule for name, rule in rivals.items() if leading[rule] == name}
    return rivals


def rival_scores(ds: xr.Dataset) -> xr.Dataset:
    """Return what tells rival rules apart, of every run of theirs.

    Parameters
    ----------
    ds : Dataset
        All runs, from `analysis.measures.scores.add_scores`.

    Returns
    -------
    Dataset
        On dims condition and seed ``r_pred`` in the test, and where the movement is reversed
        ``recovery`` (r_pred after it over that in the test), ``cycles`` to 80 % of it, and
        ``old``, the relative change of the weights that were right before. NaN where undefined.
    """
    blocks, names = report_blocks(ds), list(rival_conditions(ds))
    test = blocks["test"] or blocks["training"]
    wanted = {"r_pred": ("r_pred", {"block": test})}
    if blocks["reversal"]:
        turned = {"block": blocks["reversal"]}
        after = {"block": blocks["reversal_test"]}
        after = after if blocks["reversal_test"] else turned | {"last": WINDOW}
        wanted["recovery"] = ("recovery", after | {"reference": test})
        wanted["cycles"] = ("cycles_to_recover", turned | {"reference": test})
        if "weight" in ds:
            args = turned | {"reference": blocks["training"], "projection": shown_projection(ds)}
            wanted["old"] = ("old_weight_change", args)
    runs = [run for run in schema.runs(ds) if run[0] in names]
    n_seed = len(runs) // len(names)
    bare = ds.drop_dims("spike")
    values = {key: np.full((len(names), n_seed), np.nan) for key in wanted}
    for k, (condition, seed) in enumerate(runs):
        one = schema.select(bare, seed, condition)
        for key, (name, args) in wanted.items():
            with suppress(schema.AnalysisError):
                values[key][divmod(k, n_seed)] = observables.evaluate(one, name, **args)
    return xr.Dataset(
        {
            key: (("condition", "seed"), value, {"units": "1", "long_name": _LABELS[key]})
            for key, value in values.items()
        },
        coords={"condition": [run[0] for run in runs[::n_seed]]},
    )


def _flat(table):
    """Give the settings of a plasticity table, the parameters of the rule among them."""
    table = dict(table)
    return table | dict(table.pop("values", None) or {})


def rival_table(ds: xr.Dataset, scores: xr.Dataset) -> tuple[list[str], list[list[str]]]:
    """Return the scores of rival rules, mean ± sd over seeds, and the settings they differ in.

    Parameters
    ----------
    ds : Dataset
        All runs.
    scores : Dataset
        From `rival_scores`.

    Returns
    -------
    columns : list of str
    rows : list of list of str
    """
    rules, tables = rival_conditions(ds), _plasticity(ds)
    flat = {name: _flat(tables[name]) for name in scores["condition"].values.tolist()}
    keys = dict.fromkeys(key for table in flat.values() for key in table)
    keys = [key for key in keys if key not in ("rule", "projections")]
    text = {name: {k: str(table.get(k, "default")) for k in keys} for name, table in flat.items()}
    differ = [k for k in next(iter(text.values())) if len({t[k] for t in text.values()}) > 1]
    rows = []
    for c, (name, mine) in enumerate(text.items()):
        cells = [number_text(*mean_sd(scores[key].values[c])) for key in scores.data_vars]
        # what a rule does not have is not among its settings
        settings = [f"{key} {mine[key]}" for key in differ if mine[key] != "default"]
        rows.append([rules[name], name, *cells, ", ".join(settings) or "as the first"])
    test = report_blocks(ds)["test"] or report_blocks(ds)["training"]
    columns = [scores[key].attrs["long_name"] for key in scores.data_vars]
    columns[0] = f"r_pred in '{test}'"
    return ["rule", "condition", *columns, "settings"], rows


def rivals_figure(ds, scores):
    """Learning curves of the rules on one axis; below, what tells them apart, a dot for a seed."""
    names, rules = scores["condition"].values.tolist(), rival_conditions(ds)
    kinds = list(dict.fromkeys(rules.values()))
    colours = {name: _COLOURS[kinds.index(rules[name]) % len(_COLOURS)] for name in names}
    n = len(names)
    figure = Figure(figsize=(10.5, 3.6 + 0.34 * n + 1.0))
    top, bottom = figure.subfigures(2, 1, height_ratios=(3.6, 0.34 * n + 1.0))
    ax = top.subplots()
    shade_blocks(ax, ds)
    ax.axhline(0, color="#BBBBBB", linewidth=0.7, zorder=0.6)
    r, known = running_mean(ds, "r_pred"), condition_names(ds)
    for name in rival_conditions(ds, best=True):
        plot_curve(r.isel(condition=known.index(name)), ds, colours[name], name, ax)
    ax.set_ylim(curve_limits([r.values]))
    ax.set_ylabel("r_pred")
    ax.set_xlabel("cycle")
    ax.legend(loc="upper left", bbox_to_anchor=(1.005, 1.0))
    y = np.arange(n)
    axes = bottom.subplots(1, len(scores.data_vars), sharey=True, squeeze=False)[0]
    for ax, (_, values) in zip(axes, scores.data_vars.items(), strict=True):
        for k, name in enumerate(names):
            seed_dots(ax, values.values[k : k + 1], y[k : k + 1], colours[name])
        ax.set_xlabel(values.attrs["long_name"])
        if values.attrs["long_name"] != _LABELS["cycles"]:
            ax.axvline(0, color="#BBBBBB", linewidth=0.7, zorder=0)
    axes[0].set_yticks(y, names)
    axes[0].set_ylim(n - 0.5, -0.5)
    return figure
