"""Do two runs have the same statistics? Distributions over seeds, side by side.

What a change of the code may not change in the mean, it is allowed to change in every single run:
other random numbers, another integrator, another simulator. So the rate, the irregularity and the
correlations of the populations are compared as distributions over seeds, with the two-sample
Kolmogorov-Smirnov statistic, as for the microcircuit of Potjans & Diesmann (2014).

References
----------
Senk et al. (2017), doi:10.1007/978-3-319-50862-7_19.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import xarray as xr
from scipy.stats import ks_2samp

from analysis import observables
from analysis.data import schema
from analysis.statistics.decide import LEAST_SEEDS, LEVEL, holm

__all__ = ["compare", "compare_folders", "comparison_table"]

_OF_POPULATION = ("population_rate", "irregularity", "synchrony")
_OF_CIRCUIT = ("burst_rate", "burst_plus_fraction", "burst_vector_strength", "plus_pattern_r")


def _measures(ds: xr.Dataset) -> Iterator[tuple[str, str, dict]]:
    """Yield (label, observable, arguments) of all that is compared."""
    for row in schema.population_table(ds):
        if row["cell_class"] not in schema.INPUT_CLASSES:
            for name in _OF_POPULATION:
                yield f"{name} {row['name']}", name, {"population": row["name"]}
    for name in _OF_CIRCUIT:
        yield name, name, {}


def compare(a: xr.Dataset, b: xr.Dataset, condition: str | None = None) -> xr.Dataset:
    """Compare the statistics of two results over their seeds.

    Parameters
    ----------
    a, b : Dataset
        Of circuit runs, several seeds each; the seeds need not be the same ones.
    condition : str, optional
        To be compared; may be left out where both have one, or their first one is meant.

    Returns
    -------
    Dataset
        On dim ``measure``: ``mean_a``, ``mean_b``, ``sd_a``, ``sd_b`` in ``unit``; ``distance``,
        the Kolmogorov-Smirnov statistic, and ``p``, its exact two-sided p value; ``n_a``, ``n_b``,
        seeds in which the measure is defined. NaN where these are fewer than 3.

    Raises
    ------
    AnalysisError
        If a result has fewer than three seeds, or no such condition, or other populations.
    """
    tables = []
    for ds in (a, b):
        if ds.sizes.get("seed", 1) < LEAST_SEEDS:
            raise schema.AnalysisError(
                f"{ds.sizes.get('seed', 1)} seeds are too few to compare; at least {LEAST_SEEDS}"
            )
        names = [str(c) for c in np.atleast_1d(ds["condition"])] if "condition" in ds else [None]
        name = condition or names[0]
        if name not in names:
            raise schema.AnalysisError(f"no condition '{name}'{schema.nearest(name, names)}")
        seeds = [int(s) for s in ds["seed"].values]
        runs = [schema.select(ds, seed, name) for seed in seeds]
        tables.append(
            {
                label: [observables.evaluate(run, observable, **args) for run in runs]
                for label, observable, args in _measures(ds)
            }
        )
    if list(tables[0]) != list(tables[1]):
        raise schema.AnalysisError("the two results have other populations; nothing to compare")
    units = [observables.find(name, args).unit for _, name, args in _measures(a)]
    found = np.full((8, len(units)), np.nan)
    for k, label in enumerate(tables[0]):
        x, y = (np.array(t[label])[np.isfinite(t[label])] for t in tables)
        found[6:, k] = x.size, y.size
        if min(x.size, y.size) >= LEAST_SEEDS:
            distance, p = ks_2samp(x, y, method="exact")
            found[:6, k] = x.mean(), y.mean(), x.std(ddof=1), y.std(ddof=1), distance, p
    names = ("mean_a", "mean_b", "sd_a", "sd_b", "distance", "p", "n_a", "n_b")
    return xr.Dataset(
        {name: ("measure", row, {"units": "1"}) for name, row in zip(names, found, strict=True)},
        coords={"measure": list(tables[0]), "unit": ("measure", units)},
    ).assign_attrs(units="means and s.d. are in 'unit'")


def comparison_table(found: xr.Dataset) -> str:
    """Return a comparison as Markdown, the largest distance first, with a summary above it.

    Parameters
    ----------
    found : Dataset
        From `compare`.
    """
    p = found["p"].values
    known = np.flatnonzero(np.isfinite(p))
    # with many measures some p values are small by chance: Holm's correction
    order = known[np.argsort(p[known])]
    different = int((holm(p[known]) < LEVEL).sum())
    lines = [
        f"{known.size} measures; {different} differ at 5 % (Kolmogorov-Smirnov, Holm); smallest p"
        f" {p[order[0]]:.2g}, as expected by chance {1 / (order.size + 1):.2g}"
        if order.size
        else "no measure is defined in three seeds of both",
        "",
        "| measure | a | b | distance | p |",
        "|---|---|---|---|---|",
    ]
    for k in order:
        one = found.isel(measure=k)
        unit = "" if str(one["unit"].values) == "1" else f" {one['unit'].values}"
        a, b = (f"{float(one[f'mean_{s}']):.3g} ± {float(one[f'sd_{s}']):.2g}{unit}" for s in "ab")
        lines.append(
            f"| {one['measure'].values} | {a} | {b} | {float(one['distance']):.2f}"
            f" | {float(one['p']):.2g} |"
        )
    return "\n".join(lines) + "\n"


def compare_folders(a: Path | str, b: Path | str, condition: str | None = None) -> str:
    """Return the comparison of two run folders as Markdown; see `compare`."""
    return comparison_table(compare(schema.load(a), schema.load(b), condition))
