"""A synthetic circuit run with planted structure: known bursts, phases and patterns."""

import json

import numpy as np
import pytest
import xarray as xr

from analysis.data import schema
from tests.analysis.learner import LOOPS, learner, lesioned, rivals  # noqa: F401

P = 16
LENGTH, MINUS = 0.2, 0.1
COLOURS = {
    "L4": "#56B4E9", "L23": "#0072B2", "L5IB": "#D55E00", "L5RS": "#E69F00", "L6CT": "#009E73",
    "PV": "#7F7F7F", "PVD": "#A0A0A0", "SST": "#8C6D4F", "TRC": "#CC79A7", "TRN": "#5D4A66",
}  # fmt: skip
PER_POSITION = {"L4": 3, "L23": 3, "L5IB": 4, "L5RS": 2, "L6CT": 4}


def populations():
    rows = []
    for area in ("V1", "V2"):
        for name, k in PER_POSITION.items():
            layer = {"L4": "4", "L23": "2/3", "L6CT": "6"}.get(name, "5")
            rows.append((f"{area}.{name}", area, layer, name, k * P, True))
        rows.append((f"{area}.PV", area, "2/3-4", "PV", 16, False))
        rows.append((f"{area}.PVD", area, "5-6", "PVD", 8, False))
        rows.append((f"{area}.SST", area, "5", "SST", 12, False))
    rows.append(("pulvinar.TRC", "pulvinar", "core", "TRC", 3 * P, True))
    rows.append(("pulvinar.TRN", "pulvinar", "TRN", "TRN", 16, False))
    rows.append(("LGN", "LGN", "relay", "input", 2 * P, True))
    rows.append(("THETA", "pacing", "theta", "input", 8, True))
    rows.append(("MATRIX", "pacing", "matrix", "input", 8, True))
    keys = ("name", "area", "layer", "cell_class", "n", "excitatory")
    return [
        dict(zip(keys, r, strict=True)) | {"colour": COLOURS.get(r[3], "#4D4D4D")} for r in rows
    ]


def projections():
    rows = []

    def add(row, source, target, receptors, indegree, weight, delay, release="none", part="soma"):
        rows.append(
            dict(row=row, name=f"{source} to {target}", source=source, target=target,
                 compartment=part, receptors=receptors, indegree=indegree, weight_nS=weight,
                 delay_ms=delay, release=release, plastic=release == "modulator", basis="test")
        )  # fmt: skip

    add(1, "LGN", "V1.L4", ["AMPA"], 8, 8.0, 3, "driver")
    add(2, "LGN", "V1.PV", ["AMPA"], 8, 6.0, 3, "driver")
    for a in ("V1", "V2"):
        add(3, f"{a}.L4", f"{a}.L23", ["AMPA", "NMDA"], 20, 1.0, 1.5)
        add(4, f"{a}.L23", f"{a}.L23", ["AMPA", "NMDA"], 20, 0.5, 1.5)
        add(5, f"{a}.L23", f"{a}.L5IB", ["AMPA", "NMDA"], 20, 2.0, 1.5)
        add(6, f"{a}.L23", f"{a}.L5RS", ["AMPA"], 20, 1.0, 1.5)
        add(7, f"{a}.L5IB", f"{a}.L5IB", ["AMPA"], 5, 0.5, 1.5)
        add(8, f"{a}.L5IB", f"{a}.L6CT", ["NMDA", "AMPA"], 6, 1.0, 3)
        add(9, f"{a}.L6CT", f"{a}.L4", ["AMPA"], 4, 0.2, 2, "modulator")
        add(10, f"{a}.L6CT", f"{a}.L6CT", ["AMPA"], 4, 0.2, 1.5)
        add(21, f"{a}.L6CT", "pulvinar.TRN", ["AMPA", "NMDA"], 20, 0.3, 10)
        add(19, "pulvinar.TRC", f"{a}.PV", ["AMPA"], 4, 2.0, 3)
        for e in ("L4", "L23", "L5IB", "L5RS"):
            add(28, f"{a}.{e}", f"{a}.PV", ["AMPA"], 10, 1.0, 1)
            add(29, f"{a}.PV", f"{a}.{e}", ["GABA_A"], 6, 3.0, 0.8)
        add(28, f"{a}.L5IB", f"{a}.PVD", ["AMPA"], 10, 2.0, 1)
        add(29, f"{a}.PVD", f"{a}.L6CT", ["GABA_A"], 6, 6.0, 0.8)
        add(29, f"{a}.PV", f"{a}.PV", ["GABA_A"], 4, 2.0, 0.8)
        add(30, f"{a}.L23", f"{a}.SST", ["AMPA"], 10, 0.5, 1, "interneuron")
        add(31, f"{a}.SST", f"{a}.L5IB", ["GABA_A"], 8, 2.0, 1, part="dend")
        add(31, f"{a}.SST", f"{a}.L23", ["GABA_A"], 8, 1.0, 1, part="apical")
        add(33, "THETA", f"{a}.SST", ["AMPA"], 8, 2.0, 1)
        add(34, "MATRIX", f"{a}.L5IB", ["AMPA", "NMDA"], 8, 1.0, 3, part="dend")
    add(11, "V1.L5IB", "pulvinar.TRC", ["AMPA", "NMDA"], 4, 25.0, 4, "driver")
    add(12, "V2.L6CT", "pulvinar.TRC", ["AMPA", "NMDA"], 40, 0.5, 10, "modulator")
    add(13, "V1.L6CT", "pulvinar.TRC", ["AMPA", "NMDA"], 10, 0.5, 10, "modulator")
    add(15, "pulvinar.TRC", "V2.L4", ["AMPA", "NMDA"], 6, 8.0, 3, "driver")
    add(16, "pulvinar.TRC", "V2.L23", ["AMPA", "NMDA"], 4, 2.0, 3)
    add(17, "pulvinar.TRC", "V1.L23", ["AMPA", "NMDA"], 8, 0.5, 3)
    add(17, "pulvinar.TRC", "V1.L5IB", ["AMPA", "NMDA"], 8, 0.5, 3, part="dend")
    add(18, "pulvinar.TRC", "V2.L6CT", ["AMPA", "NMDA"], 4, 1.0, 3)
    add(20, "pulvinar.TRC", "pulvinar.TRN", ["AMPA"], 4, 2.0, 1)
    add(22, "pulvinar.TRN", "pulvinar.TRC", ["GABA_A", "GABA_B"], 8, 1.0, 1)
    add(23, "pulvinar.TRN", "pulvinar.TRN", ["GABA_A"], 4, 1.0, 1)
    add(24, "V1.L23", "V2.L4", ["AMPA", "NMDA"], 12, 2.0, 4)
    add(25, "V1.L23", "V2.L23", ["AMPA"], 4, 1.0, 4)
    add(26, "V2.L23", "V1.L23", ["NMDA", "AMPA"], 12, 0.3, 5, part="apical")
    add(27, "V2.L5RS", "V1.L6CT", ["AMPA"], 6, 0.5, 5)
    return rows


def make_run(seed=1, n_cycle=24, warmup=2, jitter=8e-3, onset=0.03, background=2.0, uniform=False):
    """Return a synthetic run: one 3-spike burst per driven V1 L5IB cell and cycle.

    ``onset`` is the mean burst onset after the start of the plus phase; ``uniform`` spreads onsets
    over the whole cycle instead. TRCs of the driven position fire in the plus phase, in the minus
    phase they fire at random.
    """
    rng = np.random.default_rng(seed)
    rows = populations()
    labels = {key: np.repeat([r[key] for r in rows], [r["n"] for r in rows])
              for key in ("area", "layer", "cell_class")}  # fmt: skip
    labels["population"] = np.repeat([r["name"] for r in rows], [r["n"] for r in rows])
    position = np.concatenate(
        [np.arange(r["n"]) % P if r["cell_class"] in (*PER_POSITION, "TRC") or r["name"] == "LGN"
         else np.full(r["n"], -1) for r in rows]
    )  # fmt: skip
    n = position.size
    start = (np.arange(n_cycle) + warmup) * LENGTH
    site = (3 * np.arange(-warmup, n_cycle)) % P
    total = (n_cycle + warmup) * LENGTH
    time, neuron = [], []

    def emit(t, cell):
        time.append(np.asarray(t, float).ravel())
        neuron.append(np.broadcast_to(cell, np.shape(t)).ravel())

    quiet = np.isin(labels["population"], ["V1.L5IB", "pulvinar.TRC"])
    for cell in np.flatnonzero(~quiet):
        rate = {"PV": 15, "PVD": 12, "SST": 8, "TRN": 20}.get(
            labels["cell_class"][cell], background
        )
        emit(rng.uniform(0, total, rng.poisson(rate * total)), cell)
    l5 = np.flatnonzero(labels["population"] == "V1.L5IB")
    trc = np.flatnonzero(labels["population"] == "pulvinar.TRC")
    for c in range(n_cycle + warmup):
        t0 = c * LENGTH
        for cell in l5[position[l5] == site[c]]:
            first = rng.uniform(0, LENGTH - 0.01) if uniform else MINUS + onset
            first += 0 if uniform else np.clip(jitter * rng.standard_normal(), -0.028, 0.05)
            emit(t0 + first + np.array([0, 3.5e-3, 7.5e-3]), cell)
        for cell in trc[position[trc] == site[c]]:
            emit(t0 + MINUS + onset + rng.uniform(0, 0.05, 5), cell)
        for cell in rng.choice(trc, 6, replace=False):
            emit(t0 + rng.uniform(0, MINUS, 2), cell)
    time, neuron = np.concatenate(time), np.concatenate(neuron).astype(np.int32)
    order = np.lexsort((neuron, time))
    time, neuron = time[order], neuron[order]
    d = np.abs(np.arange(P) - site[warmup:, None])
    stimulus = np.exp(-(np.minimum(d, P - d) ** 2) / (2 * 0.3**2))
    stimulus[stimulus < 1e-2] = 0
    sample = np.arange(0, 3 * LENGTH, 5e-4)
    trace = -65 + 5 * np.sin(2 * np.pi * sample / LENGTH) + 60 * (sample % LENGTH > 0.198)
    field = np.arange(0, total - 1e-9, 1e-3)
    s = {"units": "s"}
    return xr.Dataset(
        {
            "spike_time": ("spike", time, s),
            "spike_neuron": ("spike", neuron, {"units": "1"}),
            "rate": (("cycle", "phase", "neuron"),
                     schema.segment(time, neuron, n, start, start + MINUS, LENGTH),
                     {"units": "Hz"}),
            "stimulus": (("cycle", "channel"), stimulus, {"units": "1"}),
            "record_1_V": (("record_1_time", "record_1_cell"),
                           np.stack([trace, trace - 5], axis=1).astype(np.float32),
                           {"units": "mV", "record": "1", "what": "V", "target": "V1.L5IB"}),
            **{f"record_lfp_{name}": ("record_lfp_time", values.astype(np.float32),
                                      {"units": "nA", "record": "lfp", "what": f"LFP {name}",
                                       "target": "V1"})
               for name, values in (("AMPA", 2 + np.sin(2 * np.pi * field / LENGTH)),
                                    ("GABA_A", 1 + 0 * field))},
        },
        coords={
            **{key: ("neuron", value.astype(str)) for key, value in labels.items()},
            "neuron_channel": ("neuron", position.astype(np.int32)),
            "phase": ["minus", "plus"],
            "cycle_start": ("cycle", start, s),
            "plus_start": ("cycle", start + MINUS, s),
            "record_1_time": ("record_1_time", sample + start[0], s),
            "record_1_population": ("record_1_cell", ["V1.L5IB", "V1.L5IB"]),
            "record_1_index": ("record_1_cell", np.array([3, 5], np.int32)),
            "record_1_neuron": ("record_1_cell", (l5[0] + [3, 5]).astype(np.int32)),
            "record_lfp_time": ("record_lfp_time", field, s),
        },
        attrs={
            "cycle_length_s": LENGTH,
            "populations": json.dumps(rows),
            "projections": json.dumps(projections()),
            "loops": LOOPS,
            "run": json.dumps({"name": "synthetic", "seed": seed}),
        },
    )  # fmt: skip


def make_many(runs):
    """Join single runs, a dict (condition, seed) -> Dataset, into one Dataset."""
    conditions = list(dict.fromkeys(c for c, _ in runs))
    seeds = list(dict.fromkeys(s for _, s in runs))
    base = next(iter(runs.values()))
    rate = np.array([[runs[c, s]["rate"].values for s in seeds] for c in conditions])
    stimulus = np.array([[runs[c, s]["stimulus"].values for s in seeds] for c in conditions])
    spikes = {"spike_time": [], "spike_neuron": [], "spike_seed": [], "spike_condition": []}
    for (c, s), ds in runs.items():
        spikes["spike_time"].append(ds["spike_time"].values)
        spikes["spike_neuron"].append(ds["spike_neuron"].values)
        spikes["spike_seed"].append(np.full(ds.sizes["spike"], s))
        spikes["spike_condition"].append(np.full(ds.sizes["spike"], conditions.index(c)))
    units = {"spike_time": "s"}
    many = base.drop_dims("spike").drop_vars(["rate", "stimulus"])
    dims = ("condition", "seed", "cycle")
    many["rate"] = ((*dims, "phase", "neuron"), rate, {"units": "Hz"})
    many["stimulus"] = ((*dims, "channel"), stimulus, {"units": "1"})
    for name, parts in spikes.items():
        many[name] = ("spike", np.concatenate(parts), {"units": units.get(name, "1")})
    return many.assign_coords(condition=conditions, seed=seeds)


@pytest.fixture(scope="session")
def make_circuit():
    return make_run


@pytest.fixture(scope="session")
def join_runs():
    return make_many


@pytest.fixture(scope="session")
def circuit():
    return make_run()


@pytest.fixture(scope="session")
def many():
    runs = {("intact", s): make_run(s) for s in (1, 2)}
    runs |= {("no pacing", s): make_run(s, uniform=True) for s in (1, 2)}
    return make_many(runs)
