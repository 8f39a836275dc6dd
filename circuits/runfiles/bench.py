"""The bench's sections of a run file, checked and resolved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from brian2.units import ms

from cells.parameters import InputError, nearest, parse_quantity
from circuits.plasticity.bench.protocols import PROTOCOLS
from circuits.plasticity.bench.run import TRAINS
from circuits.plasticity.rules.kinase import KinaseRule
from circuits.plasticity.rules.registry import RULES, rule

__all__ = ["validate"]


_TOP = ("experiment", "name", "claim", "source", "protocol", "published", "predictions", "rules",
        "parameters", "robustness", "derivative", "classical", "forms", "criteria")  # fmt: skip
_ELSEWHERE = ("extensions", "glun2b", "whole_cell", "devices", "seeds", "seed")
_KEYS = {
    "protocol": ("rates", "cycle", "phases", "gap", "repeats", "trains", "jitter", "start_phases",
                 "trials", "step"),
    "predictions": ("conditions", "halves"),
    "robustness": ("change", "rules", "start_phases"),
    "derivative": ("rules", "flats", "gaps", "cycles"),
    "classical": ("protocols",),
    "forms": ("rates", "trials", "bins", "rules"),
    "rules": ("names",),
}  # fmt: skip
_CRITERION = ("id", "claim", "source", "observable", "args", "min", "max", "unit")


def _check_keys(table: Mapping, valid: Sequence[str], where: str) -> None:
    for key in table:
        if key not in valid:
            raise InputError(f"{where}: unknown key '{key}'{nearest(key, valid)}")


def _milliseconds(value, where: str) -> float:
    if not isinstance(value, str | int | float):
        raise InputError(f"{where}: {value!r} is not a time such as '10 ms'")
    try:
        return float(parse_quantity(value, like=ms) / ms)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None


def _table(value, where: str) -> Mapping:
    if not isinstance(value, Mapping):
        raise InputError(f"{where}: expected a table")
    return value


def _items(value, where: str) -> list:
    if not isinstance(value, list):
        raise InputError(f"{where}: expected a list")
    return value


def _times(values, where: str) -> list[float]:
    return [_milliseconds(v, where) for v in _items(values, where)]


def _rates(values, where: str) -> list[float]:
    return [_positive(v, where) for v in _items(values, where)]


def _positive(value, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < np.inf:
        raise InputError(f"{where}: {value!r} must be a number > 0")
    return float(value)


def _count(value, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InputError(f"{where}: {value!r} must be a whole number >= 1")
    return value


def _names(values, valid, where: str) -> tuple[str, ...]:
    if not isinstance(values, list) or not values:
        raise InputError(f"{where}: expected a list of names, of {', '.join(valid)}")
    for v in values:
        if not isinstance(v, str) or v not in valid:
            raise InputError(f"{where}: '{v}'{nearest(v, valid)}")
    return tuple(values)


def _condition(entry, n_phase: int, step: float, where: str):
    """Return (label, pre rates, post rates) of a pair of rates or a table {pre, post}."""
    if isinstance(entry, dict):
        _check_keys(entry, ("pre", "post", "label"), where)
        if "pre" not in entry or "post" not in entry:
            raise InputError(f"{where}: a condition needs both 'pre' and 'post'")
        pre, post = entry["pre"], entry["post"]
    else:
        pre = post = entry
    for side, rates in (("pre", pre), ("post", post)):
        if not isinstance(rates, list) or len(rates) != n_phase:
            raise InputError(f"{where}: {side} needs one rate for each of the {n_phase} phases")
        for r in rates:
            if isinstance(r, bool) or not isinstance(r, int | float) or not r > 0:
                raise InputError(f"{where}: rate {r!r} Hz must be > 0")
            if r > 1000.0 / step:
                raise InputError(
                    f"{where}: rate {r:g} Hz is above one spike per step of {step:g} ms "
                    f"({1000.0 / step:g} Hz)"
                )
    pre, post = tuple(map(float, pre)), tuple(map(float, post))
    joined = ["-".join(f"{r:g}" for r in side) for side in (pre, post)]
    label = joined[0] if pre == post else f"pre {joined[0]} post {joined[1]}"
    if isinstance(entry, dict):
        label = entry.get("label", label)
    return label, pre, post


def _derivative(table: Mapping, names, step: float, where: str) -> dict:
    """Return the rules, flat rates (Hz), gaps (ms) and lengths of cycle (ms) to be tried."""
    chosen = _names(table["rules"], names, f"{where} rules") if "rules" in table else ()
    flats = _rates(table.get("flats", []), f"{where} flats")
    if any(rate > 1000.0 / step for rate in flats):
        raise InputError(f"{where} flats: above one spike per step of {step:g} ms")
    gaps = _times(table.get("gaps", []), f"{where} gaps")
    if any(not 0 <= gap < np.inf for gap in gaps):
        raise InputError(f"{where} gaps must be >= 0")
    cycles = _times(table.get("cycles", []), f"{where} cycles")
    if any(not 0 < cycle < np.inf for cycle in cycles):
        raise InputError(f"{where} cycles must be > 0")
    return {"rules": chosen, "flats": flats, "gaps": gaps, "cycles": cycles}


def _protocol(p: Mapping, at: str) -> dict:
    """Return conditions, times (ms) and counts of ``[protocol]``."""
    for key in ("rates", "phases", "gap", "repeats"):
        if key not in p:
            raise InputError(f"{at} needs '{key}'")
    if not isinstance(p["phases"], list):
        raise InputError(f"{at} phases: expected a list such as ['100 ms', '100 ms']")
    step = _milliseconds(p.get("step", "0.1 ms"), f"{at} step")
    phases = tuple(_milliseconds(v, f"{at} phases") for v in p["phases"])
    if not phases or min(phases) <= 0 or step <= 0:
        raise InputError(f"{at} phases and step must be > 0")
    cycle = _milliseconds(p.get("cycle", f"{sum(phases)} ms"), f"{at} cycle")
    if abs(sum(phases) - cycle) > 1e-9:
        raise InputError(
            f"{at} phases add up to {sum(phases):g} ms and do not fit the cycle of {cycle:g} ms"
        )
    gap = _milliseconds(p["gap"], f"{at} gap")
    jitter = _milliseconds(p.get("jitter", "5 ms"), f"{at} jitter")
    if gap < 0 or jitter < 0:
        raise InputError(f"{at} gap and jitter must be >= 0")
    if not isinstance(p["rates"], list) or not p["rates"]:
        raise InputError(f"{at} rates: expected a list of conditions such as [[25, 50], [50, 25]]")
    conditions = [_condition(c, len(phases), step, f"{at} rates") for c in p["rates"]]
    if len({label for label, *_ in conditions}) != len(conditions):
        raise InputError(f"{at} rates: a condition is listed twice")
    return {
        "conditions": conditions,
        "phases": phases,
        "gap": gap,
        "jitter": jitter,
        "step": step,
        "repeats": _count(p["repeats"], f"{at} repeats"),
        "trains": _names(p.get("trains", list(TRAINS)), TRAINS, f"{at} trains"),
        "n_phase": _count(p.get("start_phases", 8), f"{at} start_phases"),
        "n_trial": _count(p.get("trials", 200), f"{at} trials"),
    }


def _published(published, labels: Sequence[str], file: str) -> Mapping:
    for label, row in _table(published, f"{file}: [published]").items():
        where = f"{file}: [published.{label}]"
        _table(row, where)
        if label not in labels:
            raise InputError(
                f"{file}: [published] '{label}' is no condition{nearest(label, labels)}"
            )
        _check_keys(row, ("mean", "sem", "n"), where)
        for key in ("mean", "sem", "n"):
            _positive(row.get(key), f"{where} {key}")
    if not published:
        raise InputError(f"{file}: [published] has no condition to fit the gain on")
    return published


def _rules(run: Mapping, file: str) -> dict:
    """Return the rules by name, with the values of ``[parameters]``."""
    names = _names(run.get("rules", {}).get("names", list(RULES)), RULES, f"{file}: [rules] names")
    rules = {name: rule(name) for name in names}
    for name, values in _table(run.get("parameters", {}), f"{file}: [parameters]").items():
        _table(values, f"{file}: [parameters.{name}]")
        if name not in rules:
            raise InputError(f"{file}: [parameters.{name}]{nearest(name, rules)}")
        try:
            rules[name] = rules[name].with_values(**values)
        except InputError as error:
            raise InputError(f"{file}: [parameters.{name}]: {error}") from None
    return rules


def _predictions(table: Mapping, n_phase: int, step: float, at: str) -> dict:
    entries = _items(table.get("conditions", []), f"{at} conditions")
    halves = _times(table.get("halves", []), f"{at} halves")
    if any(h <= 0 for h in halves):
        raise InputError(f"{at} halves must be > 0")
    extra = [_condition(c, n_phase, step, f"{at} conditions") for c in entries]
    return {"predictions": extra, "halves": halves}


def _robustness(table: Mapping, names: Sequence[str], at: str) -> dict:
    change = _positive(table.get("change", 0.2), f"{at} change")
    if change >= 1:
        raise InputError(f"{at} change: {change:g} must be below 1")
    for name in _items(table.get("rules", []), f"{at} rules"):
        if name not in names:
            raise InputError(f"{at} rules: '{name}'{nearest(name, names)}")
    return {
        "change": change,
        "robust_rules": table.get("rules", [k for k in names if k.startswith("kinase")]),
        "robust_phases": _count(table.get("start_phases", 4), f"{at} start_phases"),
    }


def _forms(table: Mapping, rules: Mapping, cycle: float, at: str) -> dict:
    bins = _times(table.get("bins", ["10 ms", "5 ms"]), f"{at} bins")
    if any(b <= 0 or abs(cycle / b - round(cycle / b)) > 1e-9 for b in bins):
        raise InputError(f"{at} bins: the cycle of {cycle:g} ms is no multiple of each")
    gated = [k for k, r in rules.items() if isinstance(r, KinaseRule) and r.gated]
    return {
        "form_rates": _rates(table.get("rates", [30]), f"{at} rates"),
        "form_trials": _count(table.get("trials", 32), f"{at} trials"),
        "form_bins": bins,
        "form_rules": list(_names(table.get("rules", gated), gated, f"{at} rules"))
        if gated else [],
    }  # fmt: skip


def _check_criteria(criteria, file: str) -> None:
    for criterion in _items(criteria, f"{file}: [[criteria]]"):
        _table(criterion, f"{file}: [[criteria]]")
        where = f"{file}: [[criteria]] {criterion.get('id', '?')}"
        _check_keys(criterion, _CRITERION, where)
        for key in ("id", "claim", "observable"):
            if key not in criterion:
                raise InputError(f"{where}: no '{key}'")
        if "min" not in criterion and "max" not in criterion:
            raise InputError(f"{where}: needs 'min' or 'max'")


def validate(run: Mapping, file: str = "run file") -> dict:
    """Check the bench's sections of a run file and return them resolved.

    Parameters
    ----------
    run : Mapping
        The parsed run file.
    file : str
        Its name, for error lines.

    Returns
    -------
    dict
        Plain numbers (ms, Hz) and rule objects; what `circuits.plasticity.bench.run.run_bench`
        works with.

    Raises
    ------
    InputError
        One line that names the file, the key and, for a name, the nearest valid one.
    """
    _check_keys(run, _TOP + _ELSEWHERE, file)
    if run.get("experiment") != "synapse":
        raise InputError(f"{file}: experiment = {run.get('experiment')!r}, expected 'synapse'")
    for section, keys in _KEYS.items():
        table = run.get(section, {})
        if not isinstance(table, dict):
            raise InputError(f"{file}: [{section}] must be a table")
        _check_keys(table, keys, f"{file}: [{section}]")

    def of(section):
        return run.get(section, {}), f"{file}: [{section}]"

    if not run.get("protocol"):
        raise InputError(f"{file}: no [protocol]")
    protocol = _protocol(*of("protocol"))
    step, phases = protocol.pop("step"), protocol["phases"]
    published = _published(run.get("published", {}), [c[0] for c in protocol["conditions"]], file)
    rules = _rules(run, file)
    predictions, at = of("predictions")
    found = _predictions(predictions, len(phases), step, at)
    robustness, at = of("robustness")
    found |= _robustness(robustness, list(rules), at)
    derivative, at = of("derivative")
    found["derivative"] = _derivative(derivative, list(rules), step, at)
    forms, at = of("forms")
    found |= _forms(forms, rules, sum(phases), at)
    _check_criteria(run.get("criteria", []), file)
    classical, at = of("classical")
    chosen = _names(classical.get("protocols", list(PROTOCOLS)), PROTOCOLS, f"{at} protocols")
    return {
        "name": str(run.get("name", "")),
        "claim": str(run.get("claim", "")),
        **protocol,
        "published": published,
        "rules": rules,
        **found,
        "classical": tuple(chosen),
    }
