"""Leads, influence, transfer and shifts that were put in are found again."""

import numpy as np
import pytest

from analysis.data import schema
from analysis.observables import evaluate
from tests.analysis.learner import make_learner
from tests.analysis.observables.test_codes import with_spikes


@pytest.fixture(scope="module")
def ds():
    return make_learner()


def spikes_at(ds, rates, dt=1e-3, seed=1):
    """Poisson spikes of rates (population: (time,) Hz), from time 0 on."""
    rng = np.random.default_rng(seed)
    time, neuron = [], []
    for population, rate in rates.items():
        cells = schema.cell_index(ds, population)
        at = np.flatnonzero(rng.random(rate.size) < rate * dt)
        time.append(at * dt + rng.uniform(0, dt, at.size))
        neuron.append(rng.choice(cells, at.size))
    return with_spikes(ds, np.concatenate(time), np.concatenate(neuron))


def test_a_lag_is_found_and_turns_round(ds):
    t = np.arange(0, 15.6, 1e-3)
    rng = np.random.default_rng(1)
    slow = np.convolve(rng.standard_normal(t.size), np.ones(40) / 40, "same")
    rate = np.clip(400 + 2000 * slow, 0, 1000)
    late = spikes_at(ds, {"V1.L5IB": rate, "V2.L6CT": np.roll(rate, 15)})
    found = evaluate(late, "layer_lag", leader="V1.L5IB", follower="V2.L6CT")
    back = evaluate(late, "layer_lag", leader="V2.L6CT", follower="V1.L5IB")
    assert found == pytest.approx(15, abs=2) and back == pytest.approx(-found)


def test_influence_has_a_direction_and_a_phase_and_is_not_a_common_rhythm(ds):
    t = np.arange(0, 15.6, 1e-3)
    plus = (t % 0.2) >= 0.1
    rhythm = 300 * (1 + np.sin(2 * np.pi * t / 0.2))
    rng = np.random.default_rng(1)
    own = np.repeat(rng.uniform(0, 600, t.size // 5 + 1), 5)[: t.size]
    driven = spikes_at(ds, {
        "V1.L5IB": own + 0.2 * rhythm,
        "V2.L6CT": 0.2 * rhythm + np.where(plus, np.roll(own, 10), own.mean()),
    })  # fmt: skip
    args = {"source": "V1.L5IB", "target": ["V2.L6CT"]}
    assert evaluate(driven, "net_influence", phase="plus", **args) > 0.1
    assert abs(evaluate(driven, "net_influence", phase="minus", **args)) < 0.05
    alone = spikes_at(ds, {"V1.L5IB": rhythm, "V2.L6CT": np.roll(rhythm, 10)})
    assert abs(evaluate(alone, "net_influence", phase="plus", **args)) < 0.05
    with pytest.raises(schema.AnalysisError, match="no phase 'late'"):
        evaluate(alone, "net_influence", phase="late", **args)


def test_the_slope_of_a_transfer_is_its_power(ds):
    start, block = ds["cycle_start"].values, ds["cycle_block"].values
    time, neuron = [], []
    for population, power in (("V1.L5IB", 1), ("V2.L6CT", 2)):
        cell = schema.cell_index(ds, population)[0]
        for t, k in zip(start, block, strict=True):
            n = (2 + k) ** power
            time += list(t + 0.19 * (np.arange(n) + 0.5) / n)
            neuron += [cell] * n
    made = with_spikes(ds, np.array(time), np.array(neuron))
    blocks = ["before", "training", "test"]
    args = {"source": "V1.L5IB", "target": "V2.L6CT", "blocks": blocks}
    assert evaluate(made, "transfer_slope", **args) == pytest.approx(2.0)
    assert evaluate(made, "transfer_slope", from_one=True, **args) == pytest.approx(1.0)
    assert np.isnan(evaluate(made, "transfer_slope", **args | {"blocks": blocks[:1]}))
    # one spike a cycle in its middle has a phase, spikes all over have none
    middle = with_spikes(ds, start + 0.1, np.zeros(start.size, int))
    name = str(ds["population"].values[0])
    assert evaluate(middle, "theta_strength", population=name) == pytest.approx(1.0)
    anywhere = with_spikes(ds, np.linspace(start[0], start[-1] + 0.2, 9999),
                           np.zeros(9999, int))  # fmt: skip
    assert evaluate(anywhere, "theta_strength", population=name) < 0.01
    assert np.isnan(evaluate(middle, "theta_strength", population=name, min_spikes=999))


def test_bursts_that_come_later_are_later(ds):
    start, block = ds["cycle_start"].values, ds["cycle_block"].values
    cell = schema.cell_index(ds, "driver")[0]
    first = start + 0.13 + np.where(block == 2, 0.04, 0.0)
    first[np.flatnonzero(block == 2)[1::2]] += 0.02  # the cycles between
    made = with_spikes(ds, np.concatenate([first, first + 4e-3]), np.full(2 * first.size, cell))
    args = {"block": "test", "than": "before", "min_bursts": 5}
    assert evaluate(made, "burst_shift", every=2, **args) == pytest.approx(40)
    assert evaluate(made, "burst_shift", **args) == pytest.approx(50, abs=1)
    assert np.isnan(evaluate(made, "burst_shift", every=2, block="test", than="before",
                             min_bursts=11))  # fmt: skip
