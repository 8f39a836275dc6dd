"""Labels read from planted rates."""

import numpy as np
import pytest

from analysis.data import schema
from analysis.observables import evaluate

GROUPS = ("V1.L5IB", "V1.L23")
BLOCKS = ("trial 1", "trial 2", "test 1", "test 2")


@pytest.fixture
def labelled(circuit):
    """The first group fires at the first picture, the second at the other, but once."""
    n = circuit.sizes["cycle"] // 4
    block = np.minimum(np.arange(circuit.sizes["cycle"]) // n, 3)
    rate = np.zeros((block.size, circuit.sizes["phase"], circuit.sizes["neuron"]))
    for k, group in enumerate(GROUPS):
        rate[(block % 2 == k).nonzero()[0][:, None], :, schema.cell_index(circuit, group)] = 4.0
    ds = circuit.assign(cycle_block=("cycle", block)).assign_coords(block=list(BLOCKS))
    return ds.assign(rate=(("cycle", "phase", "neuron"), rate, {"units": "Hz"}))


def value(ds, name, **args):
    return evaluate(ds, name, **args)


def test_labels_are_those_of_the_most_active_group(labelled):
    args = {"pictures": "test", "groups": list(GROUPS), "each": 1}
    assert value(labelled, "label_accuracy", **args) == 1
    assert value(labelled, "label_accuracy", **args, shift=1) == 0
    assert value(labelled, "label_accuracy", **args, relative=True) == 1
    silent = labelled.assign(rate=0 * labelled["rate"])
    assert value(silent, "label_accuracy", **args) == 0  # nobody is the most active


def test_ridge_learns_them_from_the_trial(labelled):
    args = {"pictures": "test", "labels": 2, "each": 1, "population": "V1.L23"}
    assert value(labelled, "label_ridge", trained="trial", **args) == 1
    share = value(labelled, "label_accuracy", pictures="test", groups=list(GROUPS), each=1,
                  ridge="trial", population="V1.L23")  # fmt: skip
    assert share == 1


def test_plateaus_are_counted_in_the_trial_or_in_blocks_that_are_told(labelled):
    groups = list(GROUPS)
    cells = schema.cell_index(labelled, groups[0])
    start, length = labelled["cycle_start"].values, schema.cycle_length(labelled)
    own = [labelled["cycle_block"].values == k for k in range(4)]
    burst = np.arange(3) * 5e-3  # three spikes 5 ms apart: one plateau
    times = np.concatenate([start[own[k]][0] + 0.1 * length + burst for k in (0, 2, 2)])
    times[-3:] += 0.5 * length
    planted = labelled.drop_dims("spike").assign(
        spike_time=("spike", times, {"units": "s"}),
        spike_neuron=("spike", np.full(times.size, cells[0])),
    )
    n = sum(len(schema.cell_index(labelled, g)) for g in groups)
    assert value(planted, "label_plateaus", pictures="trial", groups=groups) == pytest.approx(1 / n)
    found = value(planted, "label_plateaus", pictures=["trial 1", "test 1"], groups=groups)
    assert found == pytest.approx(3 / n)
