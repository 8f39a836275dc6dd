"""The synapse of the circuit is the rule of the bench."""

import json
import tomllib
from pathlib import Path

import brian2
import numpy as np
import pytest

from analysis.data import schema
from circuits.driver.inputs import arrays_of
from circuits.engine.arrays import synapse_order
from circuits.plasticity.bench.run import gate_lead
from circuits.plasticity.learning import EFFICACIES, Learning, efficacy
from circuits.plasticity.rules.kinase import kinase
from circuits.plasticity.rules.rule import table_rows
from circuits.plasticity.rules.trains import SpikeTrains
from circuits.runfiles.bench import validate
from circuits.runfiles.model import BIN_MS
from tests.circuits.learning_runs import simulated


def padded(rows):
    out = np.full((len(rows), max(1, max(map(len, rows)))), np.inf)
    for row, values in zip(out, rows, strict=True):
        row[: len(values)] = np.sort(values)
    return out


def recomputed(run, ds, seed=3, axon=1.0):
    """Weights that the rule of the bench gives for the spikes of a run, (synapse,).

    ``axon`` multiplies the delays.
    """
    condition, cycle = run.conditions[0], run.cycle
    arrays, _ = arrays_of(condition, cycle, seed)
    ((_, name, part),) = synapse_order(condition.spec, condition.plan)
    one = schema.select(ds, condition=condition.name, seed=seed)
    neuron, time = one["spike_neuron"].values, one["spike_time"].values * 1e3
    spikes = [time[neuron == k] for k in range(one.sizes["neuron"])]
    dt = condition.plan.dt_ms
    delay = np.floor(axon * arrays[f"{name}.delay"][part] * 1e3 / dt + 0.5) * dt
    source, target = one["synapse_source"].values, one["synapse_target"].values
    pre = padded([np.round((spikes[s] + d) / dt) * dt for s, d in zip(source, delay, strict=True)])
    post = padded([np.round(spikes[t] / dt) * dt for t in target])
    # the gate reads before what arrives in the same step
    gate = np.flatnonzero(arrays["learning"]) * BIN_MS - 1e-9
    n = len(source)
    trains = SpikeTrains(
        pre, post, np.tile(gate, (n, 1)), np.empty((n, 0, 2)), cycle.duration * 1e3 + 50
    )
    rule = kinase()
    p, d = rule.levels(trains)
    w = arrays[f"{name}.w"][part].copy()
    for k in range(gate.size):
        step = condition.learning.rate * rule.read(p[:, k], d[:, k])
        w = np.clip(w + step * np.where(step > 0, 1 - w, w), 0, 1)
    return w


def check_against_bench(run, ds):
    expected = recomputed(run, ds)
    start, *_, end = ds["weight"].values[0, 0].astype(float)
    assert (abs(expected - start) > 0.01).mean() > 0.3
    assert end == pytest.approx(expected, abs=2e-7)
    # an axon without delay would give other weights
    assert abs(recomputed(run, ds, axon=0.0) - end).max() > 0.01


def test_circuit_synapse_is_the_rule_of_the_bench(small, trained):
    check_against_bench(small, trained)


@pytest.mark.standalone
def test_compiled_synapse_is_the_rule_of_the_bench(small):
    ds = simulated(small, "cpp")
    start, before, training, test = ds["weight"].values[0, 0]
    assert np.array_equal(start, before) and np.array_equal(training, test)
    check_against_bench(small, ds)


def test_circuit_and_bench_read_one_row(trained):
    """Every constant and the gate, of the code, of the run files and of what the reports print."""
    row = kinase().table
    code = Learning().code()
    for key in ("tau_x", "tau_y", "k_D", "theta"):
        assert code.namespace[f"{key.replace('k_D', 'kD')}_rule"] == row[key]
    runs = Path(__file__).resolve().parents[3] / "runs"
    bench = validate(tomllib.loads((runs / "jang2026.toml").read_text()))
    assert bench["rules"]["kinase_ratio"] == kinase()
    for cycle in (100.0, 200.0, 300.0):
        lead = cycle - Learning().gate_at(cycle, BIN_MS)
        assert lead == pytest.approx(gate_lead(kinase(), cycle))
    tables = [table for path in sorted(runs.glob("*.toml")) for table in plasticity_tables(path)]
    assert len(tables) > 20
    for table in tables:
        assert not {"values", "gate"} & set(table)
        rule = table.get("rule", "kinase_ratio")
        assert rule == "kinase_ratio" or not rule.startswith("kinase")
    printed = json.loads(trained.attrs["synapse"])
    assert printed == {"kinase_ratio": table_rows(row)}


def plasticity_tables(path):
    """Tables ``plasticity`` of a run file and of its conditions."""
    document = tomllib.loads(path.read_text(encoding="utf-8"))
    return [
        d["plasticity"] for d in (document, *document.get("condition", [])) if "plasticity" in d
    ]


def test_report_prints_a_gate_of_its_own():
    row = {r["name"]: r for r in Learning(gate=80.0).synapse(100.0)}
    assert (row["gate"]["value"], row["gate"]["mark"]) == (0.8, "D")


@pytest.mark.parametrize("name", EFFICACIES)
def test_first_efficacies_are_what_the_synapses_compute(name):
    weights = np.linspace(0, 1, 41)
    previous, brian2.prefs.codegen.target = brian2.prefs.codegen.target, "numpy"
    try:
        group = brian2.NeuronGroup(weights.size, "w : 1\nefficacy : 1")
        group.w = weights
        group.run_regularly(EFFICACIES[name], dt=1 * brian2.ms)
        brian2.Network(group).run(1 * brian2.ms, namespace={})
        computed = np.asarray(group.efficacy)
    finally:
        brian2.prefs.codegen.target = previous
    assert np.array_equal(efficacy(name, weights), computed)
    assert computed[[0, 20, 40]] == pytest.approx([0, 0.5, 1])
