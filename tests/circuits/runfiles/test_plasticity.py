"""What the run file says is what learns, and when."""

import pytest

from cells.parameters import InputError
from circuits.driver.report import check_criteria
from circuits.plasticity.learning import Learning
from circuits.runfiles.resolve import resolve
from tests.circuits.learning_runs import BASE, BLOCKS, PLASTICITY


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
        "values": "plasticity.values.k_D = 1.1",
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


def test_an_empty_table_learns_as_its_defaults_say(tmp_path):
    path = tmp_path / "small.toml"
    path.write_text('experiment = "circuit"\n[plasticity]\n')
    (only,) = resolve(path).conditions
    assert only.learning == Learning()
