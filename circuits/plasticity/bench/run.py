"""The bench: one experiment in vitro, every rule, and the numbers that decide between them.

`run_bench` takes the resolved sections of a run file and gives a Dataset. It needs numpy alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import xarray as xr
from brian2.units import ms

from cells.parameters import InputError, nearest
from circuits.plasticity.bench.protocols import WINDOW, protocol
from circuits.plasticity.rules.kinase import KinaseRule
from circuits.plasticity.rules.registry import WHY
from circuits.plasticity.rules.rule import table_rows
from circuits.plasticity.rules.trains import window_trains

__all__ = ["best_gain", "run_bench"]


DEVICES = ("numpy", "runtime", "cpp", "cuda")
TRAINS = ("regular", "jittered", "poisson")


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


def gate_lead(r, window: float) -> float:
    """Time from the gate of a rule to the end of a window of that length, ms."""
    return window - r.gate_at(window) if isinstance(r, KinaseRule) else 0.0


def epsp_of(gain: float, change) -> np.ndarray:
    """EPSP after induction, relative to before: no weight falls below 0."""
    return np.maximum(1 + gain * np.asarray(change), 0.0)


def _changes(
    r, setup, conditions, kind, seed, n_phase=None, phases=None, gap=None, repeats=None
) -> np.ndarray:
    phases = setup["phases"] if phases is None else phases
    return np.array(
        [
            r.dw(
                window_trains(
                    pre,
                    post,
                    kind=kind,
                    phases=phases,
                    gap=setup["gap"] if gap is None else gap,
                    repeats=repeats or setup["repeats"],
                    lead=gate_lead(r, sum(phases)),
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
    setup: Mapping,
    *,
    device: str = "numpy",
    seeds: Sequence[int] = (1,),
    progress: Callable[[str], None] | None = None,
) -> xr.Dataset:
    """Put every rule of a run file through the theta-window experiment and the classical ones.

    The gain of each rule is fitted once, on the regular trains, and kept for all others.

    Parameters
    ----------
    setup : Mapping
        As `circuits.runfiles.bench.validate` gives it.
    device : {"numpy", "runtime", "cpp", "cuda"}
        The abstract rules run in numpy on all of them.
    seeds : sequence of int
        Of the jittered and the Poisson trains.
    progress : callable, optional
        Called with a line of text.

    Returns
    -------
    xarray.Dataset
        ``epsp`` (rule, train, condition), ``chi2`` (rule, train), ``gain`` (rule), ``score`` (rule,
        protocol) and what the figures need; every variable has ``units``.

    Raises
    ------
    InputError
        For an unknown device.
    """
    if device not in DEVICES:
        raise InputError(f"device '{device}'{nearest(device, DEVICES)}")
    say = progress or (lambda text: None)
    data, coords = _fit_window(setup, list(seeds), say)
    gain, chi2, mean, sem = (data[key][1] for key in ("gain", "chi2", "published_mean",
                                                      "published_sem"))  # fmt: skip
    _predict(setup, gain, data, coords, say)
    _perturb(setup, gain, mean, sem, data, coords, say)
    _test_derivative(setup, gain, mean, sem, data, coords, say)
    _classical(setup, gain, chi2, mean, data, coords, say)
    _forms(setup, data, coords, say)
    _examples(setup, data, coords)
    return _dataset(setup, data, coords)


def _fit_window(setup, seeds, say) -> tuple[dict, dict]:
    """Return what the theta window does to each rule, its gain fitted on the regular trains."""
    rules, conditions, trains = setup["rules"], setup["conditions"], setup["trains"]
    labels = [c[0] for c in conditions]
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
                epsp_of(gain[i], regular if kind == "regular"
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
    return data, coords


def _dataset(setup, data, coords) -> xr.Dataset:
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
        "name": setup["name"],
        "claim": setup["claim"],
        "phases_ms": list(setup["phases"]),
        "gap_ms": setup["gap"],
        "repeats": setup["repeats"],
        "parameters": "\n".join(str(r.table) for r in setup["rules"].values()),
        "synapse": json.dumps({name: table_rows(r.table) for name, r in setup["rules"].items()}),
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
            change = _changes(r, setup, [condition], "regular", 1, phases=phases)
            values[i, j] = epsp_of(gain[i], change[0])
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
    for k in wanted:
        say(f"robustness: {k}")
        i, r = names.index(k), setup["rules"][k]
        for j, constant in enumerate(constants):
            if constant not in tuple(r.table) or r.table.parameter(constant).value == 0:
                continue
            value = r.table.parameter(constant).value
            for s, sign in enumerate((-1, 1)):
                there = value * (1 + sign * setup["change"])
                # a cycle has no more than its end
                moved = r.with_values(
                    **{constant: min(there, 1.0) if constant == "gate" else there}
                )
                change = _changes(moved, setup, setup["conditions"], "regular", 1,
                                  n_phase=setup["robust_phases"])  # fmt: skip
                fitted = epsp_of(best_gain(change, mean, sem), change)
                chi2[i, j, s] = _chi2(fitted, mean, sem)
                kept[i, j, s] = _order_kept(epsp_of(gain[i], change), mean)
    dims = ("rule", "constant", "change")
    data["robust_chi2"] = (dims, chi2, "1", "chi2 with one constant moved, gain refitted")
    data["robust_order"] = (dims, kept, "1", "1 where the order of conditions is kept")
    coords["constant"] = constants
    coords["change"] = [f"-{100 * setup['change']:g} %", f"+{100 * setup['change']:g} %"]


def _order_kept(epsp, mean) -> float:
    """1 where the condition with the highest published EPSP is highest, the lowest one lowest."""
    return float(epsp.argmax() == np.nanargmax(mean) and epsp.argmin() == np.nanargmin(mean))


def _test_derivative(setup, gain, mean, sem, data, coords, say) -> None:
    """Flat trains, other gaps and other cycles, with the gain that the experiment gave."""
    wanted, names = setup["derivative"], list(setup["rules"])
    n, repeats = len(names), setup["repeats"]
    flats = [(f"{rate:g}", *([(rate,) * len(setup["phases"])] * 2)) for rate in wanted["flats"]]
    flat = np.full((n, 2, len(flats)), np.nan)
    gap = np.full((n, len(wanted["gaps"]), len(mean)), np.nan)
    cycle = np.full((n, len(wanted["cycles"]), len(mean)), np.nan)
    for name in wanted["rules"]:
        say(f"derivative: {name}")
        i, r = names.index(name), setup["rules"][name]

        def epsp(conditions, gain=gain[i], r=r, **other):
            return epsp_of(gain, _changes(r, setup, conditions, "regular", 1, **other))

        if flats:
            flat[i, 0] = epsp(flats)
            twice, once = (
                _changes(r, setup, flats, "regular", 1, gap=0.0, repeats=k * repeats)
                for k in (2, 1)
            )
            flat[i, 1] = epsp_of(gain[i], twice - once)
        for j, length in enumerate(wanted["gaps"]):
            gap[i, j] = epsp(setup["conditions"], gap=length)
        for j, length in enumerate(wanted["cycles"]):
            phases = tuple(np.array(setup["phases"]) * length / sum(setup["phases"]))
            cycle[i, j] = epsp(setup["conditions"], phases=phases)
    order = [[_order_kept(e, mean) if np.isfinite(e).all() else np.nan for e in row]
             for row in cycle]  # fmt: skip
    chi2 = (((gap - mean) / sem) ** 2)[..., np.isfinite(mean)].sum(-1)
    coords["flat_state"] = ["onset", "steady"]
    coords["flat_rate"] = wanted["flats"]
    coords["gap"] = [f"{length:g} ms" for length in wanted["gaps"]]
    coords["cycle_length"] = [f"{length:g} ms" for length in wanted["cycles"]]
    data["flat_epsp"] = (
        ("rule", "flat_state", "flat_rate"), flat, "1",
        "EPSP after windows of one rate: with silence between them, and of a train that goes on",
    )  # fmt: skip
    data["gap_epsp"] = (("rule", "gap", "condition"), gap, "1", "EPSP with other silences between")
    data["gap_chi2"] = (("rule", "gap"), chi2, "1", "chi2 with that silence, the gain kept")
    data["cycle_epsp"] = (("rule", "cycle_length", "condition"), cycle, "1", "EPSP, other cycles")
    data["cycle_order"] = (
        ("rule", "cycle_length"), np.reshape(order, cycle.shape[:2]), "1",
        "1 where the order of conditions is kept",
    )  # fmt: skip


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
        leads = sorted({gate_lead(r, WINDOW) for r in setup["rules"].values()})
        trains = {lead: p.trains(lead) for lead in leads}
        for i, r in enumerate(setup["rules"].values()):
            change = np.array([r.dw(t).mean() for t in trains[gate_lead(r, WINDOW)]])
            own[i, j] = best_gain(change, p.mean, p.sem)
            values[i] = epsp_of(own[i, j], change)
            z = (values[i] - p.mean) / p.sem
            score[i, j], share[i, j] = (z**2).mean(), (np.abs(z) <= 2).mean()
            fixed = epsp_of(gain[i], change)
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
            lead = 10.0 * round(gate_lead(r, WINDOW) / 10.0)
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
