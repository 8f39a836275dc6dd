"""Gates and pacing, from bin to bin."""

from dataclasses import replace

import numpy as np
import pytest

from analysis.data import schema
from circuits.driver.inputs import arrays_of
from circuits.driver.simulate import simulate
from circuits.driver.timelines import pacing_shifts
from circuits.engine import devices
from circuits.engine.arrays import draw_arrays
from circuits.engine.planner import make_plan
from circuits.runfiles.model import BIN_MS
from circuits.runfiles.resolve import resolve
from tests.circuits.learning_runs import BASE


def test_gate_opens_once_in_the_cycles_that_learn(learning_run):
    baseline, off = learning_run.conditions
    arrays, _ = arrays_of(baseline, learning_run.cycle, 3)
    open_at = np.flatnonzero(arrays["learning"]) * BIN_MS
    # a cycle of warm-up and one of the block before
    assert open_at.tolist() == [295.0, 395.0]
    assert set(arrays["learning"]) == {0.0, 4.0}
    assert not arrays_of(off, learning_run.cycle, 3)[0]["learning"].any()


def test_shuffled_gate_opens_once_in_those_cycles_at_any_time(learning_run):
    condition = learning_run.conditions[0]
    cycle = replace(learning_run.cycle, count=120, warmup=0)
    blocks = (replace(condition.blocks[1], cycles=120),)
    shuffled = replace(
        condition, blocks=blocks, learning=replace(condition.learning, timing="shuffled"),
        plan=replace(condition.plan, bins=cycle.capacity),
    )  # fmt: skip
    rows = {}
    for seed in (3, 4):
        rates = arrays_of(shuffled, cycle, seed)[0]["learning"][: 120 * cycle.bins]
        rows[seed] = rates.reshape(120, cycle.bins)
        assert (np.count_nonzero(rows[seed], axis=1) == 1).all()
    at = rows[3].argmax(1)
    assert len(set(at)) > 15 and abs(at.mean() - 9.5) < 2
    assert not np.array_equal(rows[3], rows[4])


def test_first_block_begins_with_the_warm_up(learning_run):
    condition, cycle = learning_run.conditions[0], learning_run.cycle
    arrays, drive = arrays_of(condition, cycle, 3)
    alone = replace(condition, blocks=())
    whole, _ = arrays_of(alone, cycle, 3)
    two = 2 * cycle.bins
    assert np.array_equal(arrays["stimulus"][:two], whole["stimulus"][:two])
    assert drive.shape == (4, condition.spec.channels)


def test_pacing_is_shifted_by_cycles():
    options = {"cycle_ms": 100, "bin_ms": 5, "bins": 70, "seed": 1}
    assert (pacing_shifts(0.25, False, **options) == 0.25).all()
    drawn = pacing_shifts(0.0, True, **options)
    rows = drawn[:60].reshape(3, 20)
    assert (rows == rows[:, :1]).all() and len(set(rows[:, 0])) == 3
    assert 0 <= drawn.min() < drawn.max() < 1 and drawn.size == 70
    assert not np.array_equal(drawn, pacing_shifts(0.0, True, **{**options, "seed": 2}))
    assert pacing_shifts(0.5, True, **options) == pytest.approx(drawn + 0.5)


def test_condition_passes_its_pacing_on(write):
    text = '[pacing]\nshift = 0.25\n[[condition]]\nname = "a"\n'
    text += '[[condition]]\nname = "b"\npacing.shuffled = true\n'
    run = resolve(write(text), cycles=2)
    a, b = (arrays_of(c, run.cycle, 3)[0]["pacing"] for c in run.conditions)
    assert (a == 0.25).all()
    assert len(set(b)) == len(b) // run.cycle.bins and b.min() >= 0.25


def test_pacing_moves_the_rhythmic_inputs(write):
    run = resolve(write("[inputs]\nregular = true\n"), cycles=5)
    spec = run.conditions[0].spec
    paced = [p for p in spec.populations if p.is_input and p.rate > 0]
    assert paced
    spec = replace(spec, populations=tuple(paced), projections=())
    plan = make_plan(spec, bins=120, bin_ms=BIN_MS)
    arrays = draw_arrays(spec, plan, seed=3, cycle_ms=100, regular=True)
    arrays["stimulus"] = np.zeros((120, spec.channels))
    phase = {}
    for shift in (0.0, 0.25):
        arrays["pacing"] = pacing_shifts(
            shift, False, cycle_ms=100, bin_ms=BIN_MS, bins=120, seed=3
        )
        index, t = devices.run_plan(plan, arrays, duration=0.6, device="numpy").spikes["inputs"]
        first = spec.count(paced[0].name)
        mine = t[(index < first) & (t > 0.1)]
        assert mine.size > 50
        phase[shift] = np.angle(np.exp(2j * np.pi * mine / 0.1).mean()) / (2 * np.pi)
    assert (phase[0.25] - phase[0.0]) % 1 == pytest.approx(0.25, abs=0.02)


@pytest.mark.standalone
def test_pacing_moves_the_bursts(write):
    text = """
[[condition]]
name = "baseline"
[[condition]]
name = "later"
pacing.shift = 0.25
[[condition]]
name = "shuffled"
pacing.shuffled = true
"""
    base = BASE.split("[cycle]")[0]  # the photograph and the cycle of the defaults
    run = resolve(write(text, base), device="cpp", cycles=30)
    ds, info = simulate(run, jobs=1)
    assert len(info["programs"]) == 1
    drawn = arrays_of(run.conditions[2], run.cycle, 3)[0]["pacing"]
    clock, pacing = {}, {}
    for name in ds["condition"].values.tolist():
        one = schema.select(ds, condition=name)
        t, _ = schema.spikes_of(one, schema.cell_index(one, "V1.L5IB"))
        t = t[t > 1.0]
        phase = t / 0.2
        clock[name] = np.exp(2j * np.pi * phase).mean()
        shift = drawn[(t / (BIN_MS * 1e-3) + 1e-6).astype(int)]
        pacing[name] = np.exp(2j * np.pi * (phase - shift)).mean()
    moved = np.angle(clock["later"] / clock["baseline"]) / (2 * np.pi)
    assert moved == pytest.approx(0.25, abs=0.1)
    # spikes keep to the clock or, where it is shuffled, to the phase that was drawn
    assert abs(clock["baseline"]) > 0.5 > abs(pacing["baseline"]) + 0.1
    assert abs(pacing["shuffled"]) > 0.5 > abs(clock["shuffled"])
