"""A recorded potential against the same cell alone under a current clamp."""

from dataclasses import replace

import numpy as np
import pytest
from brian2 import ms, pA

from cells.models import cell_class, steady_state
from cells.physiology import current_clamp, resting_potential
from circuits.anatomy.tables import load_circuit
from circuits.engine.arrays import draw_arrays
from circuits.engine.devices import run_plan
from circuits.engine.planner import make_plan
from circuits.manipulations.model import Timeline
from circuits.recordings import Record, recorded, with_records


@pytest.mark.parametrize("population", ["TRC", "V1.L5IB"])
def test_a_cell_without_synapses_does_what_it_does_in_the_clamp(population):
    spec = load_circuit("tiny")
    keep = ("LGN", population)
    spec = replace(
        spec, projections=(), populations=tuple(p for p in spec.populations if p.name in keep)
    ).with_populations(population, bias=400.0, bias_sd=0.0, noise_sd=0.0)
    records = (Record("one", population, ("V",), 2, interval=0.1),)
    plan = with_records(make_plan(spec, bins=64, bin_ms=5), spec, records)
    arrays = draw_arrays(spec, plan, seed=1, cycle_ms=200)
    arrays["stimulus"] = np.zeros((64, spec.channels))
    cell = cell_class(spec.population(population).cell)
    rest = float(resting_potential(cell))
    group = cell.model.name
    start = {k: v for k, v in steady_state(cell, rest).items() if k != "current"}
    for part in cell.model.compartments:
        start |= {part.v: rest, f"{part.v}_last": rest}
    for name, value in start.items():
        arrays[f"{group}.{name}"][:] = value
    traces = run_plan(plan, arrays, duration=0.1, device="numpy").traces
    ds = recorded(records, spec, plan, arrays, traces, Timeline(("",), (False,), 0, 20), 5e-3)
    found = ds["record_one_V"]
    clamp = current_clamp(cell, np.array([400.0]) * pA, duration=100 * ms)
    assert found.attrs["units"] == "mV" and found.shape == (1000, 2)
    np.testing.assert_allclose(ds["record_one_time"], clamp.time / ms * 1e-3, atol=1e-12)
    expected = np.asarray(clamp.voltage[0]) * 1e3
    assert expected.max() > 0  # it fires
    # spikes of L5IB are done again in parts, which the clamp does not
    fine = any(g.upstroke for g in plan.groups if g.name == group)
    end = int(np.argmax(expected > -50)) if fine else 1000
    assert end > 50
    expected = np.stack([expected] * 2, axis=1)[:end]
    np.testing.assert_allclose(found[:end], expected, rtol=1e-5, atol=1e-4)
