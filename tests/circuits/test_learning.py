"""Learning runs: what the run file says is what learns, and the synapse is the rule of the bench.

Simulations here are of a small part of the circuit: three populations with membranes.
"""

import json
from dataclasses import replace

import brian2
import numpy as np
import pytest

from analysis import schema
from cells.parameters import InputError
from circuits import assemble, cli, device
from circuits.assemble import cells_of, draw_arrays
from circuits.driver import store
from circuits.driver.inputs import arrays_of, check_weights
from circuits.driver.report import check_criteria
from circuits.driver.results import Result, keep_weights
from circuits.driver.simulate import simulate
from circuits.learning import EFFICACIES, efficacy, pacing_shifts, synapse_order
from circuits.plan import make_plan
from circuits.plasticity.kinase import kinase
from circuits.plasticity.trains import SpikeTrains
from circuits.program import construct
from circuits.runfiles.model import BIN_MS
from circuits.runfiles.resolve import resolve

BASE = """
experiment = "circuit"
name = "small"
claim = "A test."
seeds = [3]
device = "numpy"
[cycle]
length = "100 ms"
warmup = 1
[stimulus]
kind = "ring"
n_x = 14
step = 1
motion = "stepped"
"""
PLASTICITY = """
[plasticity]
projections = ["V2.L6CT->TRC"]
gate = "80 ms"
rate = 4
"""
BLOCKS = """
[blocks.before]
cycles = 1
learn = false
[blocks.training]
cycles = 2
[blocks.test]
cycles = 1
learn = false
"""


@pytest.fixture(scope="module")
def write(tmp_path_factory):
    def write(text="", base=BASE):
        path = tmp_path_factory.mktemp("runs") / "small.toml"
        path.write_text(base + text)
        return path

    return write


@pytest.fixture(scope="module")
def learning_run(write):
    return resolve(
        write(
            PLASTICITY
            + BLOCKS
            + """
[[condition]]
name = "baseline"
[[condition]]
name = "off"
plasticity.rate = 0
"""
        )
    )


@pytest.fixture(scope="module", autouse=True)
def rests():
    """Look for the resting potential of each cell class once."""
    known = {}

    def resting_potential(cell, find=assemble.resting_potential):
        return known[cell.name] if cell.name in known else known.setdefault(cell.name, find(cell))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(assemble, "resting_potential", resting_potential)
        yield


# --- run files -----------------------------------------------------------------------------------


def test_blocks_come_in_the_order_of_the_file(learning_run):
    for condition in learning_run.conditions:
        assert [(b.name, b.cycles, b.learn) for b in condition.blocks] == [
            ("before", 1, False), ("training", 2, True), ("test", 1, False),
        ]  # fmt: skip
    assert learning_run.cycle.count == 4 and learning_run.cycle.warmup == 1
    assert [c.learning.rate for c in learning_run.conditions] == [4, 0]


def test_run_without_plasticity_has_no_blocks(write):
    run = resolve(write())
    (only,) = run.conditions
    assert only.blocks == () and only.learning is None and not only.plan.learns
    assert not {"plasticity", "blocks", "pacing"} & set(run.document)


def test_plasticity_without_blocks_learns_in_all_cycles(write):
    run = resolve(write(PLASTICITY), cycles=3)
    (block,) = run.conditions[0].blocks
    assert (block.name, block.cycles, block.learn) == ("all", 3, True)


def test_blocks_without_plasticity_learn_nothing(write):
    run = resolve(write(BLOCKS))
    assert len(run.conditions[0].blocks) == 3
    assert run.conditions[0].learning is None and not run.conditions[0].plan.learns


@pytest.mark.parametrize(
    ("total", "expected"), [(8, [2, 4, 2]), (40, [10, 20, 10]), (5, [1, 3, 1]), (1, [1, 1, 1])]
)
def test_cycles_scale_all_blocks(write, total, expected):
    run = resolve(write(PLASTICITY + BLOCKS), cycles=total)
    assert [b.cycles for b in run.conditions[0].blocks] == expected
    assert run.cycle.count == sum(expected)
    assert [b["cycles"] for b in run.document["blocks"].values()] == expected


def test_what_is_said_again_of_a_block_goes_before_the_rest(write):
    text = """
[blocks.a]
cycles = 1
[blocks.b]
cycles = 1
stimulus.width = 0.5
[[condition]]
name = "x"
[[condition]]
name = "y"
stimulus = { step = 3, width = 0.7 }
blocks.a = { learn = false, stimulus = { step = 4 } }
"""
    base = BASE.replace("step = 1\n", "")
    x, y = resolve(write(PLASTICITY + text, base)).conditions
    assert [(b.stimulus.step, b.stimulus.width) for b in x.blocks] == [(3, 0.6), (3, 0.5)]
    assert [(b.stimulus.step, b.stimulus.width) for b in y.blocks] == [(4, 0.7), (3, 0.5)]
    assert [b.learn for b in x.blocks] == [True, True]
    assert [b.learn for b in y.blocks] == [False, True]


def test_numbers_of_the_rule_come_in_their_units(write):
    text = PLASTICITY + 'values = { tau_x = "0.08 s", k_D = 1.1 }\n'
    (only,) = resolve(write(text)).conditions
    assert dict(only.learning.values) == {"tau_x": pytest.approx(80), "k_D": 1.1}
    s = next(s for s in only.plan.synapses if s.plastic)
    assert {n: v for n, v, _ in s.constants}["tau_x_rule"] == pytest.approx(0.08)


def test_values_do_not_pass_to_another_rule(write):
    text = PLASTICITY + "values = { k_D = 1.1 }\n"
    text += '[[condition]]\nname = "a"\n[[condition]]\nname = "b"\nplasticity.rule = "pair_song"\n'
    a, b = resolve(write(text)).conditions
    assert dict(a.learning.values) == {"k_D": 1.1} and b.learning.values == ()


def test_conditions_share_a_program_unless_the_synapses_differ(write):
    text = PLASTICITY + BLOCKS
    changes = {
        "rate": "plasticity.rate = 0", "gate": "plasticity.gate = '40 ms'",
        "start": "plasticity = { start = 0.3, start_sd = 0 }", "gain": "plasticity.gain = 7",
        "timing": "plasticity.timing = 'shuffled'", "stimulus": "stimulus.order = 'shuffled'",
        "block": "blocks.training = { learn = false, stimulus = { step = 0 } }",
        "lesion": "lesions = ['TRC->*', 'V2.L6CT->TRC']", "pacing": "pacing.shuffled = true",
        "projections": "plasticity.projections = ['*.L6CT->TRC']",
        "rule": "plasticity.rule = 'pair_song'",
        "values": "plasticity.values.k_D = 1.0",
        "own": "plasticity.own = { 'V2.*' = { factor = 0.5, start = 0.2, gain = 3 } }",
        "lag": "plasticity.lag = '20 ms'", "onset": "plasticity.timing = 'onset'",
    }  # fmt: skip
    for name, change in {"baseline": "", **changes}.items():
        text += f'[[condition]]\nname = "{name}"\n{change}\n'
    digests = {c.name: c.plan.digest for c in resolve(write(text)).conditions}
    base = digests.pop("baseline")
    others = {name for name, digest in digests.items() if digest != base}
    assert others == {"projections", "rule", "values", "onset"}


MISTAKES = {
    "count": ("[cycle]\ncount = 4\n" + BLOCKS, ("[cycle] count", "sum")),
    "no cycles": ("[blocks.a]\nlearn = true\n", ("[blocks] 'a'", "no key 'cycles'")),
    "no cycle": ("[blocks.a]\ncycles = 0\n", ("[blocks] 'a' cycles", "below 1")),
    "half a cycle": ("[blocks.a]\ncycles = 1.5\n", ("[blocks] 'a' cycles", "whole number")),
    "unknown key": ("[blocks.a]\ncyles = 1\n", ("'cyles'", "'cycles'")),
    "start": ("[blocks.start]\ncycles = 1\n", ("'start'",)),
    "no factor": ("[blocks.a]\ncycles = 1\nlearn = 'yes'\n", ("'a' learn", "not a number")),
    "negative factor": ("[blocks.a]\ncycles = 1\nlearn = -1\n", ("'a' learn", "below 0")),
    "no table": ("[blocks]\na = 3\n", ("[blocks] 'a'", "table")),
    "stimulus of a block": (
        "[blocks.a]\ncycles = 1\nstimulus.stp = 1\n", ("'a' stimulus", "'stp'", "'step'"),
    ),
    "other channels": (
        "[blocks.a]\ncycles = 1\nstimulus = { n_x = 15 }\n", ("'a' stimulus", "14", "agree"),
    ),
    "cycles of a condition": (
        BLOCKS + "[[condition]]\nname = 'x'\nblocks.test.cycles = 2\n",
        ("condition 'x'", "'test' cycles", "the same in all"),
    ),
    "block of a condition": (
        BLOCKS + "[[condition]]\nname = 'x'\nblocks.tests.learn = true\n",
        ("condition 'x'", "'tests'", "'test'"),
    ),
    "key of plasticity": (
        "[plasticity]\nprojection = ['*.L6CT->TRC']\n", ("'projection'", "'projections'"),
    ),
    "rule": ("[plasticity]\nrule = 'kinase_diference'\n", ("rule", "'kinase_difference'")),
    "rule with a clock": ("[plasticity]\nrule = 'kinase_latch'\ngate='80 ms'\n", ("synapse",)),
    "rule of another kind": ("[plasticity]\nrule = 'btsp'\n", ("'btsp'", "circuit")),
    "value": ("[plasticity]\ngate='80 ms'\nvalues.k_d = 1\n", ("values", "'k_d'", "'k_D'")),
    "unit of a value": (
        "[plasticity]\ngate='80 ms'\nvalues.tau_x = '3 mV'\n", ("values tau_x", "dimension"),
    ),
    "projection": (
        "[plasticity]\ngate='80 ms'\nprojections = ['V2.L6CT->TCR']\n",
        ("projections", "'V2.L6CT->TCR'", "'V2.L6CT->TRC'"),
    ),
    "projection that is fixed": (
        "[plasticity]\ngate='80 ms'\nprojections = ['V1.L5IB->TRC']\n", ("not plastic",),
    ),
    "projections that are fixed": (
        "[plasticity]\ngate='80 ms'\nprojections = ['TRN->*']\n", ("not plastic",),
    ),
    "no list": ("[plasticity]\ngate='80 ms'\nprojections = '*'\n", ("projections", "list")),
    "efficacy": ("[plasticity]\ngate='80 ms'\nefficacy = 'linar'\n", ("'linar'", "'linear'")),
    "timing": ("[plasticity]\ngate='80 ms'\ntiming = 'shuffle'\n", ("'shuffle'", "'shuffled'")),
    "rate": ("[plasticity]\ngate='80 ms'\nrate = -1\n", ("rate", "below 0")),
    "own key": (
        "[plasticity]\ngate='80 ms'\nown = { '*' = { rate = 1 } }\n",
        ("own '*'", "'rate'", "factor"),
    ),
    "own number": (
        "[plasticity]\ngate='80 ms'\nown = { '*' = { start = 2 } }\n",
        ("own '*': start", "outside [0, 1]"),
    ),
    "own of nothing": (
        PLASTICITY + "own = { 'V2.L6CT->TCR' = { factor = 1 } }\n",
        ("own", "'V2.L6CT->TCR'", "'V2.L6CT->TRC'"),
    ),
    "lag": ("[plasticity]\ngate='80 ms'\nlag = '-1 ms'\n", ("lag", "below 0")),
    "receptor": (
        "[projections]\n'V2.L6CT->TRC'.receptors = { AMPA = 1, NMD = 1 }\n",
        ("receptors", "'NMD'", "'NMDA'"),
    ),
    "gate too late": ("[plasticity]\ngate = '100 ms'\n", ("gate", "0 to 95 ms")),
    "gate between bins": ("[plasticity]\ngate = '82 ms'\n", ("gate", "nearest valid: 80 ms")),
    "unit of the gate": ("[plasticity]\ngate = '80 mV'\n", ("gate", "dimension")),
    "start above one": ("[plasticity]\ngate='80 ms'\nstart = 2\n", ("start", "outside [0, 1]")),
    "snapshot of nothing": (
        "[plasticity]\ngate='80 ms'\nsnapshot = 'test'\n", ("snapshot", "'weights'"),
    ),
    "weights of nothing": (
        "[plasticity]\ngate='80 ms'\nweights = 'nowhere'\n", ("weights", "nowhere", "result.nc"),
    ),
    "pacing": ("[pacing]\nshuffle = true\n", ("[pacing]", "'shuffle'", "'shuffled'")),
    "shift": ("[pacing]\nshift = '0.5 s'\n", ("[pacing] shift", "number")),
    "wiring": (
        PLASTICITY
        + "[[condition]]\nname = 'x'\n[[condition]]\nname = 'y'\n"
        "projections.'V2.L6CT->TRC'.indegree = 20\n",
        ("condition 'y'", "'V2.L6CT->TRC'", "indegree 20", "'x'"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", MISTAKES)
def test_mistake_is_told_in_one_line(what, write):
    text, wanted = MISTAKES[what]
    base = BASE.replace("[cycle]\n", "[cycle]\ncount = 4\n") if what == "count" else BASE
    text = text.removeprefix("[cycle]\ncount = 4\n")
    with pytest.raises(InputError) as told:
        resolve(write(text, base))
    line = str(told.value)
    assert line.startswith("small.toml: ") and "\n" not in line
    for part in wanted:
        assert part in line, line


@pytest.mark.parametrize(
    ("observable", "args", "wanted"),
    [
        ("r_pred", 'block = "tset"', ("block", "'tset'", "'test'")),
        ("r_pred", 'block = "start"', ("'start'",)),
        ("recovery", 'block = "test", reference = "trainin"', ("reference", "'training'")),
        ("weight_ratio", 'block = "test", of_block = "x"', ("of_block", "start")),
        ("population_rate", 'population = "TRC", block = "x"', ("'x'",)),
    ],
)
def test_blocks_of_criteria_are_checked_before_anything_runs(write, observable, args, wanted):
    text = f"[[criteria]]\nid='i'\nclaim='c'\nobservable='{observable}'\nargs={{{args}}}\nmin=0\n"
    run = resolve(write(PLASTICITY + BLOCKS + text))
    with pytest.raises(InputError, match="criterion 'i'") as told:
        check_criteria(run)
    for part in wanted:
        assert part in str(told.value)
    with pytest.raises(InputError, match="this run has no blocks"):
        check_criteria(resolve(write(text)))


def test_weights_before_the_first_block_can_be_judged(write):
    text = "[[criteria]]\nid='i'\nclaim='c'\nobservable='weight_ratio'\nmin=0\n"
    text += "args = { block = 'start', of_block = 'training' }\n"
    check_criteria(resolve(write(PLASTICITY + BLOCKS + text)))


# --- numbers of a run ----------------------------------------------------------------------------


def test_gate_opens_once_in_the_cycles_that_learn(learning_run):
    baseline, off = learning_run.conditions
    arrays, _ = arrays_of(baseline, learning_run.cycle, 3)
    open_at = np.flatnonzero(arrays["learning"]) * BIN_MS
    # a cycle of warm-up and one of the block before
    assert open_at.tolist() == [280.0, 380.0]
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


# --- simulations of a part of the circuit --------------------------------------------------------


def reduced(run):
    """Return the run with L6CT and L5IB cells that fire by themselves, relay cells, and no more."""
    conditions = []
    for condition in run.conditions:
        spec = condition.spec
        keep = ("LGN", "MATRIX", "V1.L5IB", "V2.L6CT", "TRC")
        ends = {("V1.L5IB", "TRC"), ("V2.L6CT", "TRC")}
        spec = replace(
            spec,
            populations=tuple(p for p in spec.populations if p.name in keep),
            projections=tuple(p for p in spec.projections if (p.source, p.target) in ends),
        )
        spec = spec.with_populations("V2.L6CT", bias=250.0, bias_sd=60.0, noise_sd=60.0)
        spec = spec.with_populations("V1.L5IB", bias=500.0, bias_sd=100.0, noise_sd=60.0)
        plan = make_plan(
            spec, bins=condition.plan.bins, bin_ms=BIN_MS, learning=condition.learning,
            noted_ms=run.cycle.length,
        )  # fmt: skip
        conditions.append(replace(condition, spec=spec, plan=plan))
    return replace(run, conditions=tuple(conditions))


@pytest.fixture(scope="module")
def small(learning_run):
    """The first condition."""
    return reduced(replace(learning_run, conditions=learning_run.conditions[:1]))


def test_projections_learn_with_numbers_of_their_own(write):
    text = PLASTICITY.replace("V2.L6CT->TRC", "*.L6CT->TRC")
    text += "start = 0.5\nstart_sd = 0\ngain = 2\n"
    extra = "own = { '*' = { gain = 4 }, 'V1.*' = { factor = 0.5, start = 0.2 } }\n"
    found = []
    for more in ("", extra):
        (only,) = resolve(write(text + more)).conditions
        arrays, _ = arrays_of(only, resolve(write(text)).cycle, 3)
        parts = {p: (name, part) for p, name, part in synapse_order(only.spec, only.plan)}
        found.append(
            {
                (p, key): arrays[f"{name}.{key}"][part]
                for p, (name, part) in parts.items()
                for key in ("w", "factor", "w_AMPA")
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


def simulated(run, where="numpy"):
    return simulate(replace(run, device=where), jobs=1)[0]


@pytest.fixture(scope="module")
def trained(small):
    return simulated(small)


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
    assert trained["predictable"].dims == ("condition", "seed", "cycle", "position")
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
            assert result.dw[cycle, position] == pytest.approx((n * change).sum() / n.sum())


def random_recording(run, rng, condition=0):
    """Random spikes and weights of every kind that a run leaves."""
    chosen, cycle = run.conditions[condition], run.cycle
    spikes = {}
    for g in chosen.plan.groups:
        n = 20 * g.n
        t = np.sort(np.round(rng.uniform(0, cycle.duration, n), 4))
        i = rng.integers(g.n, size=n).astype(np.int32)
        order = np.lexsort((i, t))
        spikes[g.name] = i[order], t[order]
    weights = {
        s.name: rng.random((cycle.total + 1, s.n)) for s in chosen.plan.synapses if s.plastic
    }
    return device.Recording(spikes, weights=weights, wall={"run": 1.0})


# --- the synapse of the circuit is the rule of the bench ------------------------------------------


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


# --- pacing --------------------------------------------------------------------------------------


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
        index, t = device.run_plan(plan, arrays, duration=0.6, device="numpy").spikes["inputs"]
        first = paced[0].size(spec.channels)
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


# --- run folders, with random spikes and weights in place of a simulation -------------------------

TWO = """
[[condition]]
name = "baseline"
[[condition]]
name = "more"
plasticity.projections = ["*.L6CT->TRC", "TRC->V2.L4"]
[[criteria]]
id = "predicts"
claim = "c"
observable = "r_pred"
args = { block = "test" }
condition = "*"
min = -1
"""


@pytest.fixture(scope="module")
def folder(write, tmp_path_factory):
    """A run folder as the command writes it."""
    out = tmp_path_factory.mktemp("out") / "r"
    path = write(PLASTICITY + BLOCKS + TWO)
    run = resolve(path, cycles=12)
    queue = [random_recording(run, np.random.default_rng(c), c) for c in (0, 1)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("circuits.driver.simulate.run_plan", lambda *job, **options: queue.pop(0))
        arguments = ["run", str(path), "--cycles", "12", "--jobs", "1", "--out", str(out)]
        assert cli.main(arguments) == 0
    return out


def test_folder_of_a_learning_run_is_complete(folder):
    assert sorted(p.name for p in folder.iterdir()) == [
        "report.html", "result.nc", "run.json", "verdicts.json",
    ]  # fmt: skip
    verdicts = json.loads((folder / "verdicts.json").read_text())
    assert [v["id"] for v in verdicts] == ["predicts[baseline]", "predicts[more]"]
    info = json.loads((folder / "run.json").read_text())
    assert list(info["run"]["blocks"]) == ["before", "training", "test"]
    assert cli.main(["report", str(folder)]) == 0
    assert json.loads((folder / "verdicts.json").read_text()) == verdicts


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
