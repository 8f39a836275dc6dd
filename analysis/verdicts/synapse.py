"""Whether the claims about the synapse bench hold."""

from __future__ import annotations

import xarray as xr

from analysis.observables.registry import evaluate, find
from analysis.verdicts.judge import over_families, verdict

__all__ = ["judge"]


def judge(ds: xr.Dataset, criteria: list[dict]) -> list[dict]:
    """Judge the criteria of a synapse run file.

    What rests on random trains is measured for each seed; everything else has one value.

    Parameters
    ----------
    ds : Dataset
        Of the bench.
    criteria : list of dict
        Keys id, claim, source, observable, args, min, max, family, unit.

    Returns
    -------
    list of dict
        As `analysis.verdicts.judge.verdict` gives them.

    Raises
    ------
    AnalysisError
        For an unknown observable or argument.
    """
    out = []
    for criterion in criteria:
        name, args = criterion["observable"], criterion.get("args") or {}
        unit = find(name, args).unit
        random = args.get("train", "regular") != "regular"
        runs = [ds.isel(seed=k) for k in range(ds.sizes["seed"])] if random else [ds]
        values = [evaluate(run, name, **args) for run in runs]
        out.append(
            verdict(
                criterion["id"],
                criterion["claim"],
                name,
                values,
                unit,
                criterion.get("min"),
                criterion.get("max"),
                criterion.get("source", ""),
            )
        )
    over_families(out, [criterion.get("family") for criterion in criteria])
    return out
