"""Numbers that a refactor may not change: what is drawn for the tiny circuit, and its constants.

After a change that is meant to change them: ``python tests/stored/test_stored_arrays.py``.
"""

import json
from pathlib import Path

import numpy as np
import pytest

from circuits.anatomy.tables import load_circuit
from circuits.engine.arrays import draw_arrays
from circuits.engine.planner import make_plan

STORE = Path(__file__).with_name("arrays.json")


def drawn():
    """Return a fingerprint of every array, its size, sum and a position-weighted sum, and the
    constants of the plan: what is the same in all cells of a group is no array."""
    spec = load_circuit("tiny")
    plan = make_plan(spec, bins=40, bin_ms=5)
    arrays = draw_arrays(spec, plan, seed=1, cycle_ms=200)
    found = {
        key: [int(a.size), float(np.sum(a)), float(np.dot(a.ravel(), np.linspace(0, 1, a.size)))]
        for key, a in sorted(arrays.items())
    }
    for part in (*plan.groups, *plan.synapses):
        found |= {f"{part.name} {name}": [value] for name, value, _ in sorted(part.constants)}
    return found


@pytest.fixture(scope="module")
def now():
    return drawn()


@pytest.fixture(scope="module")
def stored():
    return json.loads(STORE.read_text())


def test_the_same_arrays_are_drawn(now, stored):
    assert sorted(now) == sorted(stored)


def test_their_numbers_are_the_stored_ones(now, stored):
    changed = [
        key
        for key, values in stored.items()
        if not np.allclose(now[key], values, rtol=1e-9, atol=1e-18)
    ]
    assert not changed, f"changed against {STORE.name}: {', '.join(changed[:8])}"


def test_another_seed_draws_others(now):
    spec = load_circuit("tiny")
    plan = make_plan(spec, bins=40, bin_ms=5)
    other = draw_arrays(spec, plan, seed=2, cycle_ms=200)
    for key in ("cortical_to_cortical.i", "cortical.v", "cortical.I_bias", "inputs.level"):
        assert float(np.dot(other[key], np.linspace(0, 1, other[key].size))) != now[key][2]


def test_a_lesion_changes_its_own_weights_alone(now):
    spec = load_circuit("tiny").scaled("V1.L5IB->TRC", 0)
    plan = make_plan(spec, bins=40, bin_ms=5)
    lesioned = draw_arrays(spec, plan, seed=1, cycle_ms=200)
    differ = {
        key for key, a in lesioned.items() if not np.isclose(np.sum(a), now[key][1], rtol=1e-9)
    }
    assert differ == {"shared"}


if __name__ == "__main__":
    STORE.write_text(json.dumps(drawn(), indent=0) + "\n")
