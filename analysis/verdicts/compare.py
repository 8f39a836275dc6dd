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

import csv
import math
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


def compare(
    a: xr.Dataset, b: xr.Dataset, condition: str | None = None, other: str | None = None
) -> xr.Dataset:
    """Compare the statistics of two results over their seeds.

    Parameters
    ----------
    a, b : Dataset
        Of circuit runs, several seeds each; the seeds need not be the same ones.
    condition : str, optional
        To be compared; may be left out where both have one, or their first one is meant.
    other : str, optional
        The condition of ``b``, where it is another one.

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
    tables, chosen = [], []
    for ds, wanted in ((a, condition), (b, other or condition)):
        names = [str(c) for c in np.atleast_1d(ds["condition"])] if "condition" in ds else [None]
        name = wanted or names[0]
        if name not in names:
            raise schema.AnalysisError(f"no condition '{name}'{schema.nearest(name, names)}")
        chosen.append((ds, name))
    least = min(ds.sizes.get("seed", 1) for ds in (a, b))
    if least < LEAST_SEEDS:
        needed = _seeds_needed(len(list(_measures(a))))
        raise schema.AnalysisError(
            f"{least} seed{'s' if least > 1 else ''} cannot be compared: at least {LEAST_SEEDS},"
            f" and {needed} for a difference to be told"
        )
    for ds, name in chosen:
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


def _least_p(found: xr.Dataset) -> float:
    """Return the p value of samples that do not overlap at all, of the most seeds there are."""
    a, b = int(found["n_a"].max()), int(found["n_b"].max())
    return 2 / math.comb(a + b, a)


def _seeds_needed(n_measures: int) -> int:
    return next(n for n in range(2, 99) if 2 / math.comb(2 * n, n) * n_measures <= LEVEL)


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
    if not order.size:
        told = "no measure is defined in three seeds of both"
    elif (least := _least_p(found)) * order.size > LEVEL:
        told = (
            f"{known.size} measures; NONE CAN DIFFER with so few seeds: the smallest p that they"
            f" can give is {least:.2g}, Holm asks for {LEVEL / order.size:.2g};"
            f" {_seeds_needed(order.size)} seeds of each could tell"
        )
    else:
        told = (
            f"{known.size} measures; {different} differ at 5 % (Kolmogorov-Smirnov, Holm);"
            f" smallest p {p[order[0]]:.2g}, as expected by chance {1 / (order.size + 1):.2g}"
        )
    lines = [
        told,
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


def compare_folders(
    a: Path | str, b: Path | str | None = None, condition: str | None = None
) -> str:
    """Return the comparison of two run folders as Markdown, or of two conditions of one.

    Parameters
    ----------
    a, b : path
        Run folders; without ``b``, two conditions of ``a`` are compared.
    condition : str, optional
        As `compare` takes it; without ``b``, the names of both conditions with a comma between
        them, by default the first two.
    """
    first = schema.load(a)
    if b is not None:
        return comparison_table(compare(first, schema.load(b), condition))
    have = [str(c) for c in np.atleast_1d(first["condition"])]
    names = have[:2] if condition is None else next(csv.reader([condition], skipinitialspace=True))
    if len(names) != 2 or names[0] == names[1]:
        raise schema.AnalysisError(
            f"{a}: needs two conditions to compare, such as --condition A,B; it has:"
            f" {', '.join(have)}"
        )
    return f"a: {names[0]}; b: {names[1]}\n\n" + comparison_table(compare(first, first, *names))
