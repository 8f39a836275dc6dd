"""Verdicts of a run of any experiment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import xarray as xr

from analysis.verdicts import judge, synapse

__all__ = ["judged"]


def judged(experiment: str, ds: xr.Dataset, criteria: Iterable[Mapping]) -> list[dict]:
    """Judge criteria.

    Parameters
    ----------
    experiment : {"circuit", "rate", "synapse"}
    ds : Dataset
    criteria : iterable of mapping

    Returns
    -------
    list of dict
        As `analysis.verdicts.judge.evaluate` gives them.
    """
    # on the bench a condition and a seed are dims of the experiment, not runs of their own
    of = synapse.judge if experiment == "synapse" else judge.evaluate
    return of(ds, [dict(criterion) for criterion in criteria])
