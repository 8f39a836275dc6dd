"""Verdicts: a claim of a run file, the number that was measured, and whether it holds."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import xarray as xr

from analysis import observables
from analysis.data import schema
from analysis.statistics.decide import (
    FALSIFIED,
    HOLDS,
    LEAST_SEEDS,
    LEVEL,
    NOT_JUDGED,
    UNDECIDED,
    bounds_of,
    decide,
    holm,
)

__all__ = ["CRITERION", "cannot_fail", "criterion_text", "evaluate", "mark", "over_families",
           "remark", "summary", "unit_of", "verdict"]  # fmt: skip

#: Keys of a criterion, and what they mean.
CRITERION = {
    "id": "its name, in verdicts",
    "claim": "what is claimed, in a sentence",
    "source": "of the claim, such as a DOI",
    "observable": "the number that is judged",
    "args": "table of arguments of the observable",
    "condition": 'in which it is judged; default the first one; "*": in each',
    "reference": "another condition that this one is compared with, seed by seed: what is judged is"
    " value / reference - 1, so that -0.5 is half of it",
    "contrast": 'of a comparison: "relative" (default) or "difference", value - reference',
    "min": "the claim holds if the value is not below it",
    "max": "the claim holds if the value is not above it",
    "margin": "in place of min and max: there is no difference from the reference beyond it",
    "family": "verdicts of one family are corrected for their number (Holm)",
    "unit": 'of min, max and margin; it must be that of the observable, of a relative one "1"',
}
_CONTRASTS = ("relative", "difference")
_SAME = {"bursts/s": "Hz", "spikes/s": "Hz", "1/s": "Hz", "": "1", "dimensionless": "1"}


def _check_bounds(criterion, name):
    bounds = [criterion[key] for key in ("min", "max") if criterion.get(key) is not None]
    margin = criterion.get("margin")
    if not bounds and margin is None:
        raise schema.AnalysisError(f"criterion '{name}': needs 'min' or 'max', or 'margin'")
    if not all(isinstance(b, int | float) and math.isfinite(b) for b in bounds):
        raise schema.AnalysisError(f"criterion '{name}': 'min' and 'max' must be finite numbers")
    if len(bounds) == 2 and bounds[0] > bounds[1]:
        raise schema.AnalysisError(f"criterion '{name}': 'min' is above 'max'")
    if margin is not None:
        if bounds or criterion.get("reference") is None:
            raise schema.AnalysisError(
                f"criterion '{name}': 'margin' is of the difference from a 'reference', without"
                " 'min' and 'max'"
            )
        if not (isinstance(margin, int | float) and 0 < margin < math.inf):
            raise schema.AnalysisError(f"criterion '{name}': 'margin' must be above 0")
    contrast = criterion.get("contrast", "relative")
    if contrast not in _CONTRASTS:
        known = schema.nearest(contrast, _CONTRASTS)
        raise schema.AnalysisError(f"criterion '{name}': unknown contrast '{contrast}'{known}")
    if "contrast" in criterion and criterion.get("reference") is None:
        raise schema.AnalysisError(f"criterion '{name}': 'contrast' needs a 'reference'")


def cannot_fail(criterion: Mapping, found: observables.Observable) -> bool:
    """Tell if a criterion holds whatever number its observable gives."""
    if criterion.get("reference") is not None:
        return False
    low, high = found.range
    return criterion.get("min", -math.inf) <= low and criterion.get("max", math.inf) >= high


def unit_of(criterion: Mapping, unit: str) -> str:
    """Return the unit of what is judged, that of its observable given; a ratio has none."""
    return "1" if _relative(criterion) else unit


def _relative(criterion) -> bool:
    reference = criterion.get("reference") is not None
    return reference and criterion.get("contrast", "relative") == "relative"


def _check(criterion, ds):
    name = criterion.get("id", "?")
    for key in criterion:
        if key not in CRITERION:
            raise schema.AnalysisError(
                f"criterion '{name}': unknown key '{key}'{schema.nearest(key, CRITERION)}"
            )
    for key in ("id", "claim", "observable"):
        if not criterion.get(key):
            raise schema.AnalysisError(f"criterion '{name}': no key '{key}'")
    _check_bounds(criterion, name)
    try:
        found = observables.find(criterion["observable"], criterion.get("args"))
    except schema.AnalysisError as error:
        raise schema.AnalysisError(f"criterion '{name}': {error}") from None
    relative = _relative(criterion)
    unit = criterion.get("unit", unit_of(criterion, found.unit))
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


def criterion_text(
    low: float | None, high: float | None, unit: str = "1", margin: float | None = None
) -> str:
    """Return a criterion in words of mathematics, e.g. ``"4 to 6 Hz"`` or ``">= 0.6"``."""
    suffix = "" if unit in ("1", "") else f" {unit}"
    if margin is not None:
        return f"within {margin:g}{suffix} of no difference"
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
    margin: float | None = None,
) -> dict:
    """Judge values, one for each seed, against a criterion.

    Parameters
    ----------
    claim_id, claim, observable, unit, source : str
    values : list of float
        Of a comparison with a reference, the paired differences.
    low, high : float, optional
    margin : float, optional
        Instead of bounds: the largest difference that is none.

    Returns
    -------
    dict
        id, claim, source, observable, unit, value (mean over seeds), spread (standard deviation
        over seeds, n - 1; None for a single one), values, n, failed (seeds that gave no number),
        criterion, and the same as bounds; verdict ("holds", "falsified" or "undecided"), interval,
        p and seeds_needed as `analysis.statistics.decide.Decision` has them; holds. A NaN is
        written as None, so that the verdict is valid JSON; with a value that is NaN for any seed
        nothing is decided.
    """
    values = [float(v) for v in values]
    finite = bool(values) and all(math.isfinite(v) for v in values)
    lowest, highest, equivalence = bounds_of(low, high, margin)
    found = decide(values, lowest, highest, equivalence)
    return {
        "id": claim_id,
        "claim": claim,
        "source": source,
        "observable": observable,
        "unit": unit,
        "value": float(np.mean(values)) if finite else None,
        "spread": float(np.std(values, ddof=1)) if finite and len(values) > 1 else None,
        "values": [v if math.isfinite(v) else None for v in values],
        "n": len(values),
        "failed": sum(not math.isfinite(v) for v in values),
        "criterion": criterion_text(low, high, unit, margin),
        "bounds": [lowest, highest],
        "verdict": found.verdict,
        "interval": None if found.interval is None else list(found.interval),
        "p": found.p,
        "seeds_needed": found.seeds_needed,
        "holds": found.verdict == HOLDS,
    }


def over_families(verdicts: list[dict], families: list[str | None]) -> None:
    """Correct the verdicts of each family for their number, by Holm's method, in place.

    What is decided alone and not in its family becomes undecided; ``p_family`` is the corrected p.

    Parameters
    ----------
    verdicts : list of dict
        From `verdict`.
    families : list of str or None
        Of each; None: of none.
    """
    for family in dict.fromkeys(name for name in families if name is not None):
        mine = [
            v for v, name in zip(verdicts, families, strict=True)
            if name == family and v["p"] is not None
        ]  # fmt: skip
        for v, p in zip(mine, holm([v["p"] for v in mine]), strict=True):
            v |= {"family": family, "p_family": float(p)}
            if p > LEVEL:
                v |= {"verdict": UNDECIDED, "holds": False}


class _Failed(Exception):
    """An observable that gave no number; the message says why."""


_NOTHING = {"verdict": NOT_JUDGED, "interval": None, "p": None, "seeds_needed": None,
            "holds": False}  # fmt: skip


def evaluate(ds: xr.Dataset, criteria: list[dict]) -> list[dict]:
    """Judge every criterion of a run file.

    Parameters
    ----------
    ds : Dataset
        All runs.
    criteria : list of dict
        Keys id, claim, source, observable, args (dict), condition, reference, contrast, min, max,
        margin, family, unit. Without ``condition`` the first one of the Dataset is meant, the
        reference; ``"*"`` gives a verdict for each condition, with the id ``id[condition]``. With
        ``reference``, the name of another condition, the value is the relative deviation from it,
        seed by seed, or with ``contrast = "difference"`` the difference. ``margin``: there is no
        difference beyond it. Verdicts of one ``family`` are corrected for their number.

    Returns
    -------
    list of dict
        As `verdict` gives them, and ``condition`` where the Dataset has several. A verdict is
        "not judged", and ``why`` says for what reason, where an observable fails, is undefined in
        every run, or is the same in a circuit and its reference, seed by seed.

    Raises
    ------
    AnalysisError
        In one line, before anything is computed, for a mistake in any criterion.
    """
    found = [_check(criterion, ds) for criterion in criteria]
    runs = schema.runs(ds)
    conditions = list(dict.fromkeys(condition for condition, _ in runs))
    singles = {}
    results: list[dict] = []
    families: list[str | None] = []

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
            except Exception as error:  # of an extension; the other criteria are judged
                raise _Failed(f"error: {type(error).__name__}: {error}") from error
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
        for condition in chosen:
            why, base = "", None
            try:
                values = measure(criterion, measured, condition)
                if reference is not None:
                    base = measure(criterion, measured, reference)
            except _Failed as error:
                why, values = str(error), [math.nan] * sum(run[0] == condition for run in runs)
            if base is not None:
                exact = criterion.get("min") == criterion.get("max") == 0  # that it be the same
                if measured.experiment == "circuit" and values == base and not exact:
                    why = f"the same numbers as in '{reference}': nothing was compared"
                pairs = list(zip(values, base, strict=True))
                if _relative(criterion):
                    values = [a / b - 1 if b else math.nan for a, b in pairs]
                else:
                    values = [a - b for a, b in pairs]
            result = verdict(
                f"{criterion['id']}[{condition}]" if everywhere else criterion["id"],
                criterion["claim"],
                measured.name,
                values,
                unit_of(criterion, measured.unit),
                criterion.get("min"),
                criterion.get("max"),
                criterion.get("source", ""),
                criterion.get("margin"),
            )
            if not why and result["failed"] == result["n"]:
                why = "undefined in every run"
            if why:
                result |= _NOTHING | {"why": why}
            if condition is not None:
                result["condition"] = condition
            if reference is not None:
                result["reference"] = reference
                how = "relative to" if _relative(criterion) else "against"
                result["criterion"] += f" {how} {reference}"
            results.append(result)
            families.append(criterion.get("family"))
    over_families(results, families)
    return results


def mark(v: dict) -> str:
    """Return the word of a verdict as a table shows it: what is not so stands out."""
    return "**FALSIFIED**" if v["verdict"] == FALSIFIED else v["verdict"]


def remark(v: dict) -> str:
    """Return what to add to a verdict: failed runs, too few seeds, or how many would tell."""
    if v.get("why"):
        return v["why"]
    found = [f"{v['failed']} of {v['n']} undefined"] if v["failed"] else []
    if v["seeds_needed"] is not None:
        found.append(f"about {v['seeds_needed']} seeds would tell")
    elif not v["failed"] and v["n"] < LEAST_SEEDS:
        found.append("by the mean: too few seeds for an interval")
    return "; ".join(found)


def summary(verdicts: list[dict]) -> str:
    """Return one line: how many claims hold, which do not, which cannot be told; seeds."""
    if not verdicts:
        return "No claims were tested."
    n = sorted({v.get("n", 1) for v in verdicts})
    seeds = f"{n[0]}" if len(n) == 1 else f"{n[0]} to {n[-1]}"
    line = f"{sum(v['verdict'] == HOLDS for v in verdicts)} of {len(verdicts)} claims hold"
    line += f" (n = {seeds} seed{'' if n == [1] else 's'})"
    for word in (FALSIFIED, UNDECIDED, NOT_JUDGED):
        mine = [v["id"] for v in verdicts if v["verdict"] == word]
        line += f"; {word}: {', '.join(mine)}" if mine else ""
    return f"{line}."
