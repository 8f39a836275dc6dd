"""The synapse of the circuit is the rule of the bench."""

import brian2
import numpy as np
import pytest

from analysis.data import schema
from circuits.driver.inputs import arrays_of
from circuits.engine.arrays import synapse_order
from circuits.plasticity.learning import EFFICACIES, efficacy
from circuits.plasticity.rules.kinase import kinase
from circuits.plasticity.rules.trains import SpikeTrains
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
    rule = kinase("difference")
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
