"""Verdicts: a claim of a run file, the number that was measured, and whether it holds."""

from __future__ import annotations

import math

import numpy as np
import xarray as xr

from analysis import observables
from analysis.data import schema

__all__ = ["criterion_text", "evaluate", "summary", "verdict"]

_KEYS = ("id", "claim", "source", "observable", "args", "condition", "reference", "min", "max",
         "unit")  # fmt: skip
_SAME = {"bursts/s": "Hz", "spikes/s": "Hz", "1/s": "Hz", "": "1", "dimensionless": "1"}


def _check(criterion, ds):
    name = criterion.get("id", "?")
    for key in criterion:
        if key not in _KEYS:
            raise schema.AnalysisError(
                f"criterion '{name}': unknown key '{key}'{schema.nearest(key, _KEYS)}"
            )
    for key in ("id", "claim", "observable"):
        if not criterion.get(key):
            raise schema.AnalysisError(f"criterion '{name}': no key '{key}'")
    bounds = [criterion[key] for key in ("min", "max") if criterion.get(key) is not None]
    if not bounds:
        raise schema.AnalysisError(f"criterion '{name}': needs 'min' or 'max'")
    if not all(isinstance(b, int | float) and math.isfinite(b) for b in bounds):
        raise schema.AnalysisError(f"criterion '{name}': 'min' and 'max' must be finite numbers")
    if len(bounds) == 2 and bounds[0] > bounds[1]:
        raise schema.AnalysisError(f"criterion '{name}': 'min' is above 'max'")
    try:
        found = observables.find(criterion["observable"], criterion.get("args"))
    except schema.AnalysisError as error:
        raise schema.AnalysisError(f"criterion '{name}': {error}") from None
    relative = criterion.get("reference") is not None
    unit = criterion.get("unit", "1" if relative else found.unit)
    if relative and unit != "1":
        raise schema.AnalysisError(f"criterion '{name}': a deviation from a reference has unit '1'")
    if not relative and _SAME.get(unit, unit) != found.unit:
        raise schema.AnalysisError(
            f"criterion '{name}': unit '{unit}', but '{found.name}' is in '{found.unit}'"
        )
    wanted, have = criterion.get("condition"), [c for c, _ in schema.runs(ds)]
    if have[0] is None:
        have = [str(ds["condition"].values)] if "condition" in ds.coords else []
    for key in (wanted, criterion.get("reference")):
        if key is not None and key != "*" and key not in have:
            raise schema.AnalysisError(
                f"criterion '{name}': no condition '{key}'{schema.nearest(key, set(have))}"
            )
    return found


def criterion_text(low: float | None, high: float | None, unit: str = "1") -> str:
    """Return a criterion in words of mathematics, e.g. ``"4 to 6 Hz"`` or ``">= 0.6"``."""
    suffix = "" if unit in ("1", "") else f" {unit}"
    if low is not None and high is not None:
        return f"{low:g} to {high:g}{suffix}"
    return f">= {low:g}{suffix}" if low is not None else f"<= {high:g}{suffix}"


def verdict(
    claim_id: str,
    claim: str,
    observable: str,
    values: list[float],
    unit: str,
    low: float | None = None,
    high: float | None = None,
    source: str = "",
) -> dict:
    """Judge values, one for each seed, against a criterion.

    Parameters
    ----------
    claim_id, claim, observable, unit, source : str
    values : list of float
    low, high : float, optional

    Returns
    -------
    dict
        id, claim, source, observable, unit, value (mean over seeds), spread (standard deviation
        over seeds, n - 1; None for a single one), values, n, criterion, holds. A NaN is written
        as None, so that the verdict is valid JSON; a value that is NaN for any seed never holds.
    """
    values = [float(v) for v in values]
    finite = bool(values) and all(math.isfinite(v) for v in values)
    mean = float(np.mean(values)) if finite else None
    holds = finite and (low is None or mean >= low) and (high is None or mean <= high)
    return {
        "id": claim_id,
        "claim": claim,
        "source": source,
        "observable": observable,
        "unit": unit,
        "value": mean,
        "spread": float(np.std(values, ddof=1)) if finite and len(values) > 1 else None,
        "values": [v if math.isfinite(v) else None for v in values],
        "n": len(values),
        "criterion": criterion_text(low, high, unit),
        "holds": bool(holds),
    }


def evaluate(ds: xr.Dataset, criteria: list[dict]) -> list[dict]:
    """Judge every criterion of a run file.

    Parameters
    ----------
    ds : Dataset
        All runs.
    criteria : list of dict
        Keys id, claim, source, observable, args (dict), condition, reference,
        min, max, unit. Without
        ``condition`` the first one of the Dataset is meant, the reference; ``"*"`` gives a
        verdict for each condition, with the id ``id[condition]``. With ``reference``, the name of
        another condition, the value is the relative deviation from it, seed by seed.

    Returns
    -------
    list of dict
        As `verdict` gives them, and ``condition`` where the Dataset has several.

    Raises
    ------
    AnalysisError
        In one line, before anything is computed, for a mistake in any criterion.
    """
    found = [_check(criterion, ds) for criterion in criteria]
    runs = schema.runs(ds)
    conditions = list(dict.fromkeys(condition for condition, _ in runs))
    singles = {}
    results = []

    def measure(criterion, measured, condition) -> list[float]:
        values = []
        for run in runs:
            if run[0] != condition:
                continue
            if run not in singles:
                singles[run] = schema.select(ds, condition=run[0], seed=run[1])
            args = criterion.get("args") or {}
            try:
                values.append(observables.evaluate(singles[run], measured.name, **args))
            except schema.AnalysisError as error:
                raise schema.AnalysisError(f"criterion '{criterion['id']}': {error}") from None
        return values

    for criterion, measured in zip(criteria, found, strict=True):
        wanted = criterion.get("condition")
        everywhere = wanted == "*" and len(conditions) > 1
        if wanted is None or conditions[0] is None:
            chosen = conditions[:1]
        else:
            chosen = conditions if wanted == "*" else [wanted]
        reference = criterion.get("reference")
        if wanted == "*":  # no deviation from itself
            chosen = [condition for condition in chosen if condition != reference]
        base = measure(criterion, measured, reference) if reference is not None else None
        for condition in chosen:
            values = measure(criterion, measured, condition)
            if base is not None:
                values = [a / b - 1 if b else math.nan for a, b in zip(values, base, strict=True)]
            result = verdict(
                f"{criterion['id']}[{condition}]" if everywhere else criterion["id"],
                criterion["claim"],
                measured.name,
                values,
                measured.unit if base is None else "1",
                criterion.get("min"),
                criterion.get("max"),
                criterion.get("source", ""),
            )
            if condition is not None:
                result["condition"] = condition
            results.append(result)
    return results


def summary(verdicts: list[dict]) -> str:
    """Return one line: how many claims hold, which fail, and over how many seeds."""
    if not verdicts:
        return "No claims were tested."
    failed = [v["id"] for v in verdicts if not v["holds"]]
    n = sorted({v.get("n", 1) for v in verdicts})
    seeds = f"{n[0]}" if len(n) == 1 else f"{n[0]} to {n[-1]}"
    line = f"{len(verdicts) - len(failed)} of {len(verdicts)} claims hold"
    line += f" (n = {seeds} seed{'' if n == [1] else 's'})"
    return f"{line}; failed: {', '.join(failed)}." if failed else f"{line}."
