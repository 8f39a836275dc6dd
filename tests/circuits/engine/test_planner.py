"""Which synapses learn, with which numbers, read when."""

from dataclasses import replace

import brian2
import numpy as np
import pytest

from circuits.driver.inputs import arrays_of
from circuits.engine.arrays import synapse_order
from circuits.engine.program import construct
from circuits.engine.shared import values_of
from circuits.runfiles.resolve import resolve
from tests.circuits.learning_runs import PLASTICITY, reduced, simulated


def test_projections_learn_with_numbers_of_their_own(write):
    text = PLASTICITY.replace("V2.L6CT->TRC", "*.L6CT->TRC")
    text += "start = 0.5\nstart_sd = 0\ngain = 2\n"
    extra = "own = { '*' = { gain = 4 }, 'V1.*' = { factor = 0.5, start = 0.2 } }\n"
    found = []
    for more in ("", extra):
        (only,) = resolve(write(text + more)).conditions
        arrays, _ = arrays_of(only, resolve(write(text)).cycle, 3)
        parts = {p: (name, part) for p, name, part in synapse_order(only.spec, only.plan)}
        synapses = {s.name: s for s in only.plan.synapses}
        found.append(
            {
                (p, key): values[part]
                for p, (name, part) in parts.items()
                for key, values in {
                    "w": arrays[f"{name}.w"],
                    **{key: values_of(synapses[name], arrays, key) for key in ("factor", "w_AMPA")},
                }.items()
            }
        )
    one, own = found
    for p in ("V1.L6CT->TRC", "V2.L6CT->TRC"):
        mine = p.startswith("V1")
        assert (one[p, "w"] == 0.5).all() and (one[p, "factor"] == 1).all()
        assert (own[p, "w"] == (0.2 if mine else 0.5)).all()
        assert (own[p, "factor"] == (0.5 if mine else 1)).all()
        assert own[p, "w_AMPA"] == pytest.approx(2 * one[p, "w_AMPA"])


def test_a_factor_of_zero_freezes_the_projection(learning_run):
    condition = learning_run.conditions[0]
    frozen = replace(condition.learning, own=(("V2.*", (("factor", 0.0),)),))
    condition = replace(condition, learning=frozen, blocks=condition.blocks[1:2])
    cycle = replace(learning_run.cycle, count=2)
    ds = simulated(reduced(replace(learning_run, conditions=(condition,), cycle=cycle)))
    assert (ds["learning"].values > 0).all()
    assert np.array_equal(ds["weight"].values[0, 0, 0], ds["weight"].values[0, 0, -1])


def test_synapses_can_be_read_after_the_rise_of_the_conductance(write):
    text = PLASTICITY + 'timing = "onset"\nlag = "15 ms"\n'
    run = reduced(resolve(write(text), cycles=3))
    (condition,) = run.conditions
    (s,) = [s for s in condition.plan.synapses if s.plastic]
    arrays, _ = arrays_of(condition, run.cycle, 3)
    assert np.flatnonzero(arrays["learning"][: 4 * run.cycle.bins])[0] == run.cycle.bins
    brian2.set_device("runtime")
    brian2.prefs.codegen.target = "numpy"
    program = construct(condition.plan, arrays)
    group = program.groups[s.target]
    learned, onsets = (brian2.EventMonitor(group, name) for name in ("learn", "onset"))
    levels = brian2.StateMonitor(group, ["g_fast", "g_slow"], record=True, when="start")
    program.network.add(learned, onsets, levels)
    program.network.run(run.cycle.duration * brian2.second)
    step = condition.plan.dt_ms * 1e-3

    def steps(monitor):
        at = np.round(np.asarray(monitor.t) / step).astype(int)
        return set(zip(np.asarray(monitor.i).tolist(), at.tolist(), strict=True))

    lag, pause = round(15e-3 / step), round(0.1 / step)
    first = round(0.1 / step)  # the first cycle warms up
    expected = {(i, t + lag) for i, t in steps(onsets) if t + lag >= first}
    last = round(run.cycle.duration / step)
    assert steps(learned) == {(i, t) for i, t in expected if t < last} != set()
    # a rise, and none of the same cell within the pause
    by_cell = {}
    for i, t in sorted(steps(onsets), key=lambda event: event[1]):
        assert levels.g_fast[i, t + 1 if t + 1 < last else t] > levels.g_slow[i, t]
        assert t - by_cell.get(i, -pause - 1) >= pause
        by_cell[i] = t
