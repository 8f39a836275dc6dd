"""The bench: one experiment in vitro, every rule, and the numbers that decide between them.

`run_bench` takes the parsed run file and gives a Dataset. It needs numpy alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import xarray as xr
from brian2.units import ms

from cells.parameters import InputError, nearest, parse_quantity

from .kinase import KinaseRule
from .protocols import PROTOCOLS, protocol
from .rules import RULES, WHY, rule
from .trains import window_trains

__all__ = ["best_gain", "run_bench", "validate"]

DEVICES = ("numpy", "runtime", "cpp", "cuda")
TRAINS = ("regular", "jittered", "poisson")

_TOP = ("experiment", "name", "claim", "source", "protocol", "published", "predictions", "rules",
        "parameters", "robustness", "classical", "forms", "criteria")  # fmt: skip
_ELSEWHERE = ("glun2b", "whole_cell", "devices", "seeds", "seed")
_KEYS = {
    "protocol": ("rates", "cycle", "phases", "gap", "repeats", "trains", "jitter", "start_phases",
                 "trials", "step"),
    "predictions": ("conditions", "halves"),
    "robustness": ("change", "rules", "start_phases"),
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
        Plain numbers (ms, Hz) and rule objects; what `run_bench` works with.

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
    p = run.get("protocol")
    if not p:
        raise InputError(f"{file}: no [protocol]")
    for key in ("rates", "phases", "gap", "repeats"):
        if key not in p:
            raise InputError(f"{file}: [protocol] needs '{key}'")
    at = f"{file}: [protocol]"
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
    n = len(phases)
    conditions = [_condition(c, n, step, f"{at} rates") for c in p["rates"]]
    labels = [c[0] for c in conditions]
    if len(set(labels)) != len(labels):
        raise InputError(f"{at} rates: a condition is listed twice")

    published = _table(run.get("published", {}), f"{file}: [published]")
    for label, row in published.items():
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

    predictions = run.get("predictions", {})
    extra = [
        _condition(c, n, step, f"{file}: [predictions] conditions")
        for c in _items(predictions.get("conditions", []), f"{file}: [predictions] conditions")
    ]
    halves = _times(predictions.get("halves", []), f"{file}: [predictions] halves")
    if any(h <= 0 for h in halves):
        raise InputError(f"{file}: [predictions] halves must be > 0")
    gated = [k for k in names if isinstance(rules[k], KinaseRule) and rules[k].readout != "latch"]
    for r in rules.values():
        if isinstance(r, KinaseRule) and r.readout != "latch" and not 0 <= r.lead < cycle:
            raise InputError(f"{file}: {r.name}: lead of {r.lead:g} ms does not fit the cycle")
    robust = run.get("robustness", {})
    change = _positive(robust.get("change", 0.2), f"{file}: [robustness] change")
    if change >= 1:
        raise InputError(f"{file}: [robustness] change: {change:g} must be below 1")
    for name in _items(robust.get("rules", []), f"{file}: [robustness] rules"):
        if name not in names:
            raise InputError(f"{file}: [robustness] rules: '{name}'{nearest(name, names)}")
    kinases = [k for k in names if k.startswith("kinase")]
    forms = run.get("forms", {})
    bins = _times(forms.get("bins", ["10 ms", "5 ms"]), f"{file}: [forms] bins")
    if any(b <= 0 or abs(cycle / b - round(cycle / b)) > 1e-9 for b in bins):
        raise InputError(f"{file}: [forms] bins: the cycle of {cycle:g} ms is no multiple of each")
    for criterion in _items(run.get("criteria", []), f"{file}: [[criteria]]"):
        _table(criterion, f"{file}: [[criteria]]")
        where = f"{file}: [[criteria]] {criterion.get('id', '?')}"
        _check_keys(criterion, _CRITERION, where)
        for key in ("id", "claim", "observable"):
            if key not in criterion:
                raise InputError(f"{where}: no '{key}'")
        if "min" not in criterion and "max" not in criterion:
            raise InputError(f"{where}: needs 'min' or 'max'")
    return {
        "conditions": conditions,
        "phases": phases,
        "gap": gap,
        "jitter": jitter,
        "repeats": _count(p["repeats"], f"{at} repeats"),
        "trains": _names(p.get("trains", list(TRAINS)), TRAINS, f"{at} trains"),
        "n_phase": _count(p.get("start_phases", 8), f"{at} start_phases"),
        "n_trial": _count(p.get("trials", 200), f"{at} trials"),
        "published": published,
        "rules": rules,
        "predictions": extra,
        "halves": halves,
        "change": change,
        "robust_rules": robust.get("rules", kinases),
        "robust_phases": _count(robust.get("start_phases", 4),
                                f"{file}: [robustness] start_phases"),
        "classical": tuple(
            _names(run.get("classical", {}).get("protocols", list(PROTOCOLS)), PROTOCOLS,
                   f"{file}: [classical] protocols")
        ),
        "form_rates": _rates(forms.get("rates", [30]), f"{file}: [forms] rates"),
        "form_trials": _count(forms.get("trials", 32), f"{file}: [forms] trials"),
"form_bins": bins,
        "form_rules": list(_names(forms.get("rules", gated), gated, f"{file}: [forms] rules"))
        if gated else [],
    }  # fmt: skip


def best_gain(dw, mean, sem) -> float:
    """Return the gain g, of either sign, for which 1 + g dw fits the published EPSP best.

    Parameters
    ----------
    dw, mean, sem : (condition,) arrays
        Conditions without published value are NaN in ``mean`` and are left out.

    Returns
    -------
    float
        Weighted least squares; 0 where the rule changes nothing.
    """
    dw, mean, sem = (np.asarray(a, dtype=float) for a in (dw, mean, sem))
    use = np.isfinite(mean)
    weight = dw[use] / sem[use] ** 2
    bottom = float((weight * dw[use]).sum())
    return float((weight * (mean[use] - 1)).sum() / bottom) if bottom > 0 else 0.0


def gate_lead(r) -> float:
    return r.lead if isinstance(r, KinaseRule) and r.readout != "latch" else 0.0


def _changes(r, setup, conditions, kind, seed, n_phase=None, phases=None) -> np.ndarray:
    return np.array(
        [
            r.dw(
                window_trains(
                    pre,
                    post,
                    kind=kind,
                    phases=setup["phases"] if phases is None else phases,
                    gap=setup["gap"],
                    repeats=setup["repeats"],
                    lead=gate_lead(r),
                    n_phase=n_phase or setup["n_phase"],
                    n_trial=setup["n_trial"],
                    jitter=setup["jitter"],
                    seed=seed,
                )
            ).mean()
            for _, pre, post in conditions
        ]
    )


def _chi2(epsp, mean, sem) -> float:
    return float(np.nansum(((epsp - mean) / sem) ** 2))


def run_bench(
    run: Mapping,
    *,
    device: str = "numpy",
    seeds: Sequence[int] = (1,),
    progress: Callable[[str], None] | None = None,
    file: str = "run file",
) -> xr.Dataset:
    """Put every rule of a run file through the theta-window experiment and the classical ones.

    The gain of each rule is fitted once, on the regular trains, and kept for all others.

    Parameters
    ----------
    run : Mapping
        The parsed run file.
    device : {"numpy", "runtime", "cpp", "cuda"}
        The abstract rules run in numpy on all of them.
    seeds : sequence of int
        Of the jittered and the Poisson trains.
    progress : callable, optional
        Called with a line of text.
    file : str
        Name of the run file, for error lines.

    Returns
    -------
    xarray.Dataset
        ``epsp`` (rule, train, condition), ``chi2`` (rule, train), ``gain`` (rule), ``score`` (rule,
        protocol) and what the figures need; every variable has ``units``.

    Raises
    ------
    InputError
        As `validate`; or for an unknown device.
    """
    if device not in DEVICES:
        raise InputError(f"device '{device}'{nearest(device, DEVICES)}")
    say = progress or (lambda text: None)
    setup = validate(run, file)
    rules, conditions, trains = setup["rules"], setup["conditions"], setup["trains"]
    labels = [c[0] for c in conditions]
    seeds = list(seeds)
    published = [setup["published"].get(c, {}) for c in labels]
    mean, sem, n = (
        np.array([row.get(k, np.nan) for row in published], dtype=float)
        for k in ("mean", "sem", "n")
    )
    names = list(rules)
    shape = len(names), len(trains), len(labels)
    epsp, spread = np.zeros(shape), np.zeros(shape)
    chi2_seed = np.zeros((len(names), len(trains), len(seeds)))
    gain = np.zeros(len(names))
    for i, (name, r) in enumerate(rules.items()):
        say(f"theta window: {name}")
        regular = _changes(r, setup, conditions, "regular", seeds[0])
        gain[i] = best_gain(regular, mean, sem)
        for j, kind in enumerate(trains):
            per_seed = [
                1 + gain[i] * (regular if kind == "regular"
                               else _changes(r, setup, conditions, kind, s))
                for s in seeds
            ]  # fmt: skip
            epsp[i, j] = np.mean(per_seed, axis=0)
            spread[i, j] = np.std(per_seed, axis=0)
            chi2_seed[i, j] = [_chi2(e, mean, sem) for e in per_seed]
    chi2 = np.array([[_chi2(e, mean, sem) for e in row] for row in epsp])

    data = {
        "epsp": (("rule", "train", "condition"), epsp, "1", "EPSP after induction / before"),
        "epsp_spread": (("rule", "train", "condition"), spread, "1", "SD of the EPSP over seeds"),
        "chi2": (("rule", "train"), chi2, "1", "sum of ((model - mean) / SEM)^2"),
        "chi2_seed": (("rule", "train", "seed"), chi2_seed, "1", "chi2 of each seed"),
        "chi2_null": ((), _chi2(np.ones(len(labels)), mean, sem), "1", "chi2 of no change"),
        "gain": (("rule",), gain, "1", "fitted on the regular trains, kept for the others"),
        "published_mean": (("condition",), mean, "1", "published EPSP"),
        "published_sem": (("condition",), sem, "1", "its standard error"),
        "published_n": (("condition",), n, "1", "cells"),
        "why": (("rule",), np.array([WHY[k] for k in names]), "1", "why it scores as it does"),
    }
    coords = {"rule": names, "train": list(trains), "condition": labels, "seed": seeds}
    _predict(setup, gain, data, coords, say)
    _perturb(setup, gain, mean, sem, data, coords, say)
    _classical(setup, gain, chi2, mean, data, coords, say)
    _forms(setup, data, coords, say)
    _examples(setup, data, coords)

    ds = xr.Dataset(
        {
            key: xr.DataArray(np.asarray(values), dims=dims, attrs={"units": units,
                                                                   "long_name": text})
            for key, (dims, values, units, text) in data.items()
        },
        coords=coords,
    )  # fmt: skip
    for key in coords:
        ds[key].attrs.setdefault("units", "ms" if key == "time" else "1")
    ds["signal_time"].attrs["units"] = "ms"
    for protocol_name in setup["classical"]:
        p = protocol(protocol_name)
        ds.attrs[f"{protocol_name}_title"] = p.title
        ds.attrs[f"{protocol_name}_source"] = p.source
        ds.attrs[f"{protocol_name}_assumption"] = p.assumption
    ds.attrs |= {
        "experiment": "synapse",
        "name": str(run.get("name", "")),
        "claim": str(run.get("claim", "")),
        "phases_ms": list(setup["phases"]),
        "gap_ms": setup["gap"],
        "repeats": setup["repeats"],
        "parameters": "\n".join(str(r.table) for r in rules.values()),
    }
    return ds


def _predict(setup, gain, data, coords, say) -> None:
    """Conditions that took no part in the fit: one-sided changes, other cycle lengths."""
    say("predictions")
    rows = [(c[0], c, setup["phases"]) for c in setup["predictions"]]
    for half in setup["halves"]:
        for c in setup["conditions"]:
            phases = (half,) * len(setup["phases"])
            rows.append((f"{c[0]} halves {half:g} ms", c, phases))
    values = np.full((len(setup["rules"]), len(rows)), np.nan)
    for i, r in enumerate(setup["rules"].values()):
        for j, (_, condition, phases) in enumerate(rows):
            if phases[-1] <= gate_lead(r):
                continue
            change = _changes(r, setup, [condition], "regular", 1, phases=phases)
            values[i, j] = 1 + gain[i] * change[0]
    data["epsp_prediction"] = (("rule", "prediction"), values, "1", "EPSP, not fitted")
    coords["prediction"] = [r[0] for r in rows]


def _perturb(setup, gain, mean, sem, data, coords, say) -> None:
    """Move every constant up and down; the gain is refitted for chi2 and kept for the order."""
    names = list(setup["rules"])
    wanted = [k for k in setup["robust_rules"] if k in names]
    constants = sorted({
        key for k in wanted for key in setup["rules"][k].table
        if setup["rules"][k].table.parameter(key).value != 0 and key != "check"
    })  # fmt: skip
    shape = len(names), len(constants), 2
    chi2, kept = np.full(shape, np.nan), np.full(shape, np.nan)
    top, bottom = int(np.nanargmax(mean)), int(np.nanargmin(mean))
    for k in wanted:
        say(f"robustness: {k}")
        i, r = names.index(k), setup["rules"][k]
        for j, constant in enumerate(constants):
            if constant not in tuple(r.table) or r.table.parameter(constant).value == 0:
                continue
            value = r.table.parameter(constant).value
            for s, sign in enumerate((-1, 1)):
                moved = r.with_values(**{constant: value * (1 + sign * setup["change"])})
                change = _changes(moved, setup, setup["conditions"], "regular", 1,
                                  n_phase=setup["robust_phases"])  # fmt: skip
                fitted = 1 + best_gain(change, mean, sem) * change
                chi2[i, j, s] = _chi2(fitted, mean, sem)
                same = 1 + gain[i] * change
                kept[i, j, s] = float(same.argmax() == top and same.argmin() == bottom)
    dims = ("rule", "constant", "change")
    data["robust_chi2"] = (dims, chi2, "1", "chi2 with one constant moved, gain refitted")
    data["robust_order"] = (dims, kept, "1", "1 where the order of conditions is kept")
    coords["constant"] = constants
    coords["change"] = [f"-{100 * setup['change']:g} %", f"+{100 * setup['change']:g} %"]


def _classical(setup, gain, chi2, mean, data, coords, say) -> None:
    """Score of each rule in each published protocol, each with its own best gain."""
    names = list(setup["rules"])
    protocols = ("theta_window", *setup["classical"])
    shape = len(names), len(protocols)
    score, share, own, frozen = (np.full(shape, np.nan) for _ in range(4))
    null = np.full(len(protocols), np.nan)
    n_fit = int(np.isfinite(mean).sum())
    score[:, 0], own[:, 0], frozen[:, 0] = chi2[:, 0] / n_fit, gain, chi2[:, 0] / n_fit
    sem = data["published_sem"][1]
    z0 = (data["epsp"][1][:, 0] - mean) / sem
    share[:, 0] = np.nansum(np.abs(z0) <= 2, axis=1) / n_fit
    null[0] = np.nanmean(((1 - mean) / sem) ** 2)
    for j, key in enumerate(setup["classical"], start=1):
        say(f"classical: {key}")
        p = protocol(key)
        values = np.zeros((len(names), len(p.labels)))
        leads = sorted({gate_lead(r) for r in setup["rules"].values()})
        trains = {lead: p.trains(lead) for lead in leads}
        for i, r in enumerate(setup["rules"].values()):
            change = np.array([r.dw(t).mean() for t in trains[gate_lead(r)]])
            own[i, j] = best_gain(change, p.mean, p.sem)
            values[i] = 1 + own[i, j] * change
            z = (values[i] - p.mean) / p.sem
            score[i, j], share[i, j] = (z**2).mean(), (np.abs(z) <= 2).mean()
            fixed = np.maximum(1 + gain[i] * change, 0.0)
            frozen[i, j] = (((fixed - p.mean) / p.sem) ** 2).mean()
        null[j] = (((1 - p.mean) / p.sem) ** 2).mean()
        dim = f"{key}_condition"
        coords[dim] = list(p.labels)
        data[f"{key}_epsp"] = (("rule", dim), values, "1", "EPSP with the best gain here")
        data[f"{key}_chi2"] = (
            ("rule", dim), ((values - p.mean) / p.sem) ** 2, "1", "((model - mean) / SEM)^2"
        )  # fmt: skip
        data[f"{key}_mean"] = ((dim,), p.mean, "1", "published EPSP")
        data[f"{key}_sem"] = ((dim,), p.sem, "1", "its standard error or declared tolerance")
    dims = ("rule", "protocol")
    coords["protocol"] = list(protocols)
    data["score"] = (dims, score, "1", "mean chi2 per condition, best gain in each protocol")
    data["score_gain"] = (dims, own, "1", "that gain")
    data["score_frozen"] = (dims, frozen, "1", "mean chi2 per condition, gain of theta_window")
    data["share_within_2sem"] = (dims, share, "1", "share of conditions within 2 SEM")
    data["score_null"] = (("protocol",), null, "1", "mean chi2 per condition of no change")


def _forms(setup, data, coords, say) -> None:
    """Errors of the exact and the binned form against a fine-step reference."""
    say("numerical forms")
    keys, rates, bins = setup["form_rules"], setup["form_rates"], setup["form_bins"]
    exact = np.full((len(keys), len(rates)), np.nan)
    binned = np.full((len(keys), len(rates), len(bins)), np.nan)
    for i, key in enumerate(keys):
        r = setup["rules"][key]
        for j, rate in enumerate(rates):
            lead = 10.0 * round(gate_lead(r) / 10.0)
            trains = window_trains(
                (rate, rate), (rate, rate), kind="poisson", gap=0.0, repeats=3, lead=lead,
                n_trial=setup["form_trials"], seed=7,
            ).on_grid(0.1)  # fmt: skip
            p0, d0 = r.levels(trains, form="clock", step=0.1 * ms)
            p, d = r.levels(trains)
            # Levels below a millionth of the largest are silence, not signal.
            exact[i, j] = max(
                (np.abs(a - b) / np.maximum(np.abs(b), 1e-6 * b.max())).max()
                for a, b in ((p, p0), (d, d0))
            )
            dw = r.read(p0, d0)
            for k, width in enumerate(bins):
                error = r.read(*r.levels(trains, form="binned", step=width * ms)) - dw
                binned[i, j, k] = np.sqrt((error**2).mean() / (dw**2).mean())
    coords |= {"form_rule": keys, "form_rate": rates, "bin": [f"{b:g} ms" for b in bins]}
    data["exact_error"] = (("form_rule", "form_rate"), exact, "1", "largest relative error")
    data["binned_error"] = (
        ("form_rule", "form_rate", "bin"), binned, "1", "RMS error of dw / RMS of dw"
    )  # fmt: skip


def _examples(setup, data, coords) -> None:
    """One window of each condition for the drawing, and the levels through it."""
    n_show = 64
    shape = len(setup["conditions"]), n_show
    pre, post = np.full(shape, np.nan), np.full(shape, np.nan)
    total = sum(setup["phases"])
    times = np.arange(0.0, total + min(setup["gap"], 200.0) + 1e-9, 1.0)
    kinases = [r for r in setup["rules"].values() if isinstance(r, KinaseRule)]
    levels = np.full((shape[0], 4, times.size), np.nan)
    for i, (_, a, b) in enumerate(setup["conditions"]):
        options = dict(phases=setup["phases"], gap=setup["gap"], repeats=1)
        one = window_trains(a, b, n_phase=2, **options)
        for side, out in ((one.pre[0], pre), (one.post[0], post)):
            side = side[np.isfinite(side)][:n_show]
            out[i, : side.size] = side
        if kinases:
            many = window_trains(a, b, n_phase=8, **options)
            signal = kinases[0].trajectory(many, times * ms)
            for k, key in enumerate(("calcium", "calmodulin", "CaMKII", "DAPK1")):
                levels[i, k] = signal[key].mean(axis=0)
    coords |= {
        "signal": ["calcium", "calmodulin", "CaMKII", "DAPK1"],
        "signal_time": times,
        "spike": np.arange(n_show),
    }
    data["example_pre"] = (("condition", "spike"), pre, "ms", "presynaptic spikes of one window")
    data["example_post"] = (("condition", "spike"), post, "ms", "postsynaptic spikes")
    data["level"] = (
        ("condition", "signal", "signal_time"), levels, "1",
        "level through the window, mean over start phases",
    )  # fmt: skip
