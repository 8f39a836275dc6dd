"""First weights that come from a finished run."""

import numpy as np
import pytest

from analysis.data import schema
from cells.parameters import InputError
from circuits.driver.inputs import arrays_of, check_weights
from circuits.engine.arrays import synapse_order
from circuits.runfiles.resolve import resolve
from tests.circuits.learning_runs import PLASTICITY


def with_weights(write, folder, text="", extra="", seeds=None):
    changed = PLASTICITY + f'weights = "{folder}"\n' + text
    return resolve(write(changed + extra), cycles=2, seeds=seeds)


@pytest.mark.parametrize(
    ("text", "condition", "snapshot"),
    [
        ("", "baseline", "test"),
        ('snapshot = "before"\n', "baseline", "before"),
        ('condition = "more"\n', "more", "test"),
    ],
)
def test_weights_of_a_run_can_be_used_again(write, folder, text, condition, snapshot):
    run = with_weights(write, folder, text)
    (only,) = run.conditions
    arrays, _ = arrays_of(only, run.cycle, 3)
    ((_, name, part),) = synapse_order(only.spec, only.plan)
    ds = schema.load(folder)
    kept = ds["weight"].sel(condition=condition, snapshot=snapshot).values[0]
    kept = kept[ds["synapse_projection"].values.astype(str) == "V2.L6CT->TRC"]
    assert np.array_equal(arrays[f"{name}.w"][part].astype(np.float32), kept)
    assert np.array_equal(arrays[f"{name}.efficacy"], arrays[f"{name}.w"])
    check_weights(run)
    assert list(run.document["files"]) == [str(folder / "result.nc")]


def test_condition_takes_the_weights_of_its_name(write, folder):
    extra = '[[condition]]\nname = "more"\n[[condition]]\nname = "other"\nlesions = ["THETA"]\n'
    run = with_weights(write, folder, extra=extra)
    kept = schema.load(folder)["weight"].isel(snapshot=-1).values[:, 0]
    for condition, row in zip(run.conditions, (1, 0), strict=True):
        arrays, _ = arrays_of(condition, run.cycle, 3)
        (s,) = [s for s in condition.plan.synapses if s.plastic]
        assert np.array_equal(arrays[f"{s.name}.w"].astype(np.float32), kept[row, : s.n])


@pytest.mark.parametrize(
    ("text", "seeds", "wanted"),
    [
        ('snapshot = "tests"\n', None, ("no snapshot 'tests'", "'test'")),
        ('condition = "mor"\n', None, ("no condition 'mor'", "'more'")),
        ("", [4], ("no weights of seed 4", "it has 3")),
    ],
)
def test_weights_that_are_not_there_are_told(write, folder, text, seeds, wanted):
    with pytest.raises(InputError) as told:
        with_weights(write, folder, text, seeds=seeds)
    line = str(told.value)
    assert line.startswith("small.toml: [plasticity] weights: ") and "\n" not in line
    for part in wanted:
        assert part in line


def test_weights_of_synapses_that_do_not_learn_here_are_told(write, folder):
    text = PLASTICITY.replace("V2.L6CT->TRC", "TRC->V2.L23") + f'weights = "{folder}"\n'
    with pytest.raises(InputError, match=r"has weights of V2.L6CT->TRC, but here TRC->V2.L23"):
        resolve(write(text), cycles=2)


def test_weights_of_another_wiring_are_refused(write, folder):
    extra = '[projections]\n"V2.L6CT->TRC".indegree = 20\n'
    run = with_weights(write, folder, extra=extra)
    with pytest.raises(InputError, match=r"'V2.L6CT->TRC' has other synapses there"):
        check_weights(run)
