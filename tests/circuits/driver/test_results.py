"""What is kept of a learning run: weights, their changes, its folder."""

import json
from dataclasses import replace

import numpy as np
import pytest

from analysis.data import schema
from circuits.cli import main
from circuits.driver import store
from circuits.driver.inputs import arrays_of
from circuits.driver.results import Result, keep_weights
from circuits.engine.arrays import cells_of, synapse_order
from tests.circuits.learning_runs import (
    random_recording,
    reduced,
    simulated,
)


def test_cells_fire_and_weights_learn(trained):
    one = schema.select(trained, condition="baseline")
    for population in ("V1.L5IB", "V2.L6CT", "TRC"):
        assert schema.spikes_of(one, schema.cell_index(one, population))[0].size > 20
    change = np.diff(one["weight"].values, axis=0)
    assert (change[1] != 0).mean() > 0.3


def test_weights_are_frozen_in_test_blocks(trained):
    weight = trained["weight"].sel(condition="baseline").values[0]
    names = trained["snapshot"].values.tolist()
    assert names == ["start", "before", "training", "test"]
    assert np.array_equal(weight[0], weight[1])
    assert np.array_equal(weight[2], weight[3])


def test_rate_zero_leaves_the_weights(learning_run):
    off = learning_run.conditions[1]
    off = replace(off, blocks=(replace(off.blocks[1], cycles=1),))
    cycle = replace(learning_run.cycle, count=1, warmup=0)
    ds = simulated(reduced(replace(learning_run, conditions=(off,), cycle=cycle)))
    weight = ds["weight"].values[0, 0]
    assert off.blocks[0].learn and weight[0].std() > 0
    assert np.array_equal(weight[0], weight[1])
    assert not ds["dw"].values.any() and not ds["learning"].values.any()


def test_start_is_what_was_drawn(trained, small):
    condition = small.conditions[0]
    arrays, _ = arrays_of(condition, small.cycle, 3)
    ((projection, name, part),) = synapse_order(condition.spec, condition.plan)
    assert projection == "V2.L6CT->TRC" == trained["synapse_projection"].values[0]
    start = trained["weight"].values[0, 0, 0]
    assert np.array_equal(start, arrays[f"{name}.w"][part].astype(np.float32))


def test_synapses_join_the_cells_that_the_dataset_names(trained, small):
    condition = small.conditions[0]
    cells = cells_of(condition.spec)
    source, target = (trained[f"synapse_{k}"].values[0] for k in ("source", "target"))
    assert set(cells.population[source]) == {"V2.L6CT"}
    assert set(cells.population[target]) == {"TRC"}
    arrays, _ = arrays_of(condition, small.cycle, 3)
    (s,) = [s for s in condition.plan.synapses if s.plastic]
    assert np.array_equal(cells.index[source], arrays[f"{s.name}.i"])
    assert np.array_equal(cells.index[target], arrays[f"{s.name}.j"])


def test_dataset_of_a_learning_run_is_complete(trained, tmp_path):
    assert schema.check(trained) is trained
    assert trained["learning"].values.tolist() == [[0, 4, 4, 0]]
    assert trained["cycle_block"].values.tolist() == [0, 1, 1, 2]
    assert trained["block"].values.tolist() == ["before", "training", "test"]
    # one cycle of warm-up, then a block of which the first goes on with what was shown
    assert trained["jump"].values[0, 0].tolist() == [False, True, False, True]
    assert (trained["direction"].values == 1).all()
    assert trained["predictable"].dims == ("condition", "seed", "cycle", "channel")
    assert trained["r_pred"].dims == ("condition", "seed", "block", "cycle")
    store.write_dataset(tmp_path / "result.nc", trained)
    assert schema.load(tmp_path).identical(trained)


def test_weight_change_of_a_position_is_weighted_by_presynaptic_spikes(small):
    # blocks of one cycle: a snapshot after each
    condition = small.conditions[0]
    blocks = tuple(
        replace(condition.blocks[1], name=f"b{k}", cycles=1) for k in range(small.cycle.count)
    )
    one = replace(small, conditions=(replace(condition, blocks=blocks),))
    rng = np.random.default_rng(5)
    recording = random_recording(one, rng)
    noted = {name: w.copy() for name, w in recording.weights.items()}
    arrays, _ = arrays_of(one.conditions[0], one.cycle, 3)
    result = Result(recording, np.zeros((4, condition.spec.channels)))
    keep_weights(result, one.conditions[0], one.cycle, arrays)
    assert result.recording.weights == {}
    ((w),) = noted.values()
    ((source, target, kept),) = result.weights.values()
    assert kept == pytest.approx(w[1:], rel=1e-6)
    cells = cells_of(condition.spec)
    index, time = recording.spikes[cells.group[source[0]]]
    for cycle in (0, 3):
        begin = (cycle + 1) * 0.1
        in_cycle = index[(time >= begin - 1e-9) & (time < begin + 0.1 - 1e-9)]
        for position in (0, 7):
            mine = np.flatnonzero(cells.position[target] == position)
            n = np.array([(in_cycle == cells.index[source[k]]).sum() for k in mine])
            change = w[cycle + 2, mine] - w[cycle + 1, mine]
            assert result.dw[0, cycle, position] == pytest.approx((n * change).sum() / n.sum())


def test_folder_of_a_learning_run_is_complete(folder):
    assert sorted(p.name for p in folder.iterdir()) == [
        "report.html", "result.nc", "run.json", "verdicts.json",
    ]  # fmt: skip
    verdicts = json.loads((folder / "verdicts.json").read_text())["verdicts"]
    assert [v["id"] for v in verdicts] == ["predicts[baseline]", "predicts[more]"]
    info = json.loads((folder / "run.json").read_text())
    assert list(info["run"]["blocks"]) == ["before", "training", "test"]
    assert main.main(["report", str(folder)]) == 0
    assert json.loads((folder / "verdicts.json").read_text())["verdicts"] == verdicts


def test_conditions_that_learn_with_others_are_put_side_by_side(folder):
    ds = schema.load(folder)
    of = ds["synapse_projection"].values.astype(str)
    assert list(dict.fromkeys(of)) == ["V2.L6CT->TRC", "V1.L6CT->TRC", "TRC->V2.L4"]
    learned = np.isfinite(ds["weight"].values[:, 0]).all(1)
    assert np.array_equal(learned[0], of == "V2.L6CT->TRC")
    assert learned[1].all()
    names = ds["population"].values.astype(str)
    for projection in set(of):
        here = of == projection
        source, target = projection.split("->")
        assert set(names[ds["synapse_source"].values[0, here]]) == {source}
        assert set(names[ds["synapse_target"].values[0, here]]) == {target}
