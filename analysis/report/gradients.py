"""Weight changes of learning runs beside the gradient of their prediction error."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from analysis.data import schema
from analysis.figures.learning import PREDICTION, seed_dots
from analysis.measures import gradient
from analysis.measures.learning import condition_names, mean_sd, number_text, report_blocks
from analysis.report.rivals import rival_conditions

__all__ = ["gradient_cosines", "gradient_table"]

_BANDS = {"synapses": ("#E3E3E3", "synapses shuffled"), "cycles": ("#BDBDBD", "cycles shuffled")}


def gradient_cosines(ds: xr.Dataset) -> xr.Dataset:
    """Return what `gradient.weight_gradients` finds in the training, run by run.

    Parameters
    ----------
    ds : Dataset
        All runs.

    Returns
    -------
    Dataset
        On dims condition, seed, projection and null; of the first condition, and of the best one
        of each rival rule.
    """
    conditions = list(rival_conditions(ds, best=True)) or condition_names(ds)[:1]
    block = report_blocks(ds)["training"]
    found: dict[str, list[xr.Dataset]] = {}
    for condition, seed in schema.runs(ds):
        if condition is None or condition in conditions:
            of_run = gradient.weight_gradients(schema.select(ds, seed, condition), block)
            found.setdefault(condition or "", []).append(of_run.drop_dims("synapse"))
    parts = [xr.concat(runs, "seed") for runs in found.values()]
    return xr.concat(parts, "condition").assign_coords(condition=list(found))


def gradient_table(cosines: xr.Dataset) -> tuple[list[str], list[list[str]]]:
    """Return the cosines of every projection beside those by chance, mean ± sd over seeds.

    Parameters
    ----------
    cosines : Dataset
        From `gradient_cosines`.

    Returns
    -------
    columns : list of str
    rows : list of list of str
        Projections whose weights changed in no run are left out.
    """
    many = cosines.sizes["condition"] > 1
    columns = (["condition"] if many else []) + ["projection", "cosine", "centred"]
    columns += ["partial, plus", "partial, minus"]
    for name in gradient.NULLS:
        columns += [f"{name} shuffled", "z"]
    rows = []
    for c, condition in enumerate(cosines["condition"].values.tolist()):
        for name in cosines["projection"].values.tolist():
            here = cosines.isel(condition=c).sel(projection=name)
            if not np.isfinite(here["cosine"].values).any():
                continue
            row = [condition] if many else []
            keys = ("cosine", "cosine_centred", "partial_plus", "partial_minus")
            row += [name, *(number_text(*mean_sd(here[k])) for k in keys)]
            for null in gradient.NULLS:
                one = here.sel(null=null)
                mean, spread = (
                    mean_sd(one[k])[0] for k in ("cosine_shuffled", "cosine_shuffled_sd")
                )
                row += [number_text(mean, spread), number_text(mean_sd(one["z"])[0])]
            rows.append(row)
    return columns, rows


def gradients_figure(cosines):
    """Cosine of every projection, a dot for each seed, over the bands of two nulls."""
    many = cosines.sizes["condition"] > 1
    stacked = cosines.stack(row=("condition", "projection")).transpose("row", "seed", "null")
    keep = np.isfinite(stacked["cosine"].values).any(1)
    stacked = stacked.isel(row=np.flatnonzero(keep))
    labels = [f"{p}, {c}" if many else p for c, p in stacked["row"].values.tolist()]
    y = np.arange(len(labels))
    figure = Figure(figsize=(8.5, 0.42 * max(len(labels), 1) + 1.3))
    ax = figure.add_subplot()
    ax.axvline(0, color="#BBBBBB", linewidth=0.7, zorder=0)
    for null, (colour, label) in _BANDS.items():
        one = stacked.sel(null=null)
        mean, sd = (mean_sd(one[f"cosine_shuffled{end}"].values, axis=1)[0] for end in ("", "_sd"))
        ax.barh(y, 4 * sd, 0.8 if null == "synapses" else 0.5, mean - 2 * sd, color=colour,
                linewidth=0, label=label)  # fmt: skip
    seed_dots(ax, stacked["cosine"].values, y, PREDICTION, "cosine")
    ax.set_yticks(y, labels)
    ax.set_ylim(max(len(labels), 1) - 0.5, -0.5)
    ax.set_xlim(-1.02, 1.02)
    ax.set_xlabel("cosine of weight change and minus gradient of the error")
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3)
    return figure
