"""Manipulations: each does what it says, at the cycle it says, and nothing before it."""

from dataclasses import replace

import numpy as np
import pytest

from analysis.data import schema
from analysis.observables.circuit import population_rate
from cells.parameters import InputError
from circuits.anatomy.tables import load_circuit
from circuits.driver.courses import check_manipulations
from circuits.driver.inputs import drawn
from circuits.driver.progress import Progress
from circuits.driver.restore import TOLERANCE, Search, restore_rates
from circuits.driver.simulate import simulate, simulate_copies
from circuits.engine import devices
from circuits.engine.arrays import cells_of, draw_arrays, projection_parts
from circuits.engine.launch import Recording
from circuits.engine.planner import make_plan
from circuits.engine.project import DeviceError
from circuits.manipulations import VERBS, Manipulation, When, changes
from circuits.manipulations.model import Course, Timeline
from circuits.manipulations.vocabulary import verb, with_courses
from circuits.runfiles.resolve import resolve
from tests.circuits.learning_runs import BASE, PLASTICITY, reduced

# ruff: noqa: E501
BLOCKS = """
[blocks.before]
cycles = 2
learn = false
[blocks.training]
cycles = 4
[blocks.test]
cycles = 2
learn = false
[[condition]]
name = "as it is"
[[condition]]
name = "manipulated"
manipulation = [
  { what = "silence", target = "TRC", when = { cycles = [1, 1] } },
  { what = "silence", target = "TRC", positions = [0, 1], when.block = "training", when.cycles = [1, 1] },
  { what = "inject", target = "V2.L6CT", value = "-600 pA", share = 0.5, when.cycles = [2, 2] },
  { what = "silence", target = "MATRIX", when = { cycles = [3, 4] } },
  { what = "silence", target = "V1.L5IB->TRC", when = { block = "test", cycles = [0, 0] } },
  { what = "scale", target = "V2.L6CT->TRC", value = 0.0, when.block = "test", when.cycles = [0, 0] },
  { what = "freeze", target = "V2.L6CT->TRC", when = { during = "training", cycles = [5, 5] } },
  { what = "block", target = "V1.L5IB", parameter = "I_Na", when.cycles = [6, 7], when.phase = [0.5, 1] },
  { what = "change", target = "TRC", parameter = "g_KL", value = 0.5, when = { cycles = [7, 7] } },
  { what = "omit", target = "stimulus", when = { cycles = [7, 7] } },
]
"""


@pytest.fixture(scope="module")
def run(write):
    return reduced(resolve(write(PLASTICITY + BLOCKS, BASE)))


@pytest.fixture(scope="module")
def results(run):
    return [
        devices.run_plan(
            condition.plan, drawn(condition, run.cycle, 3)[0], duration=run.cycle.duration
        )
        for condition in run.conditions
    ]


def counts(run, recording, population):
    """Spikes by cell, cycle (warm-up first) and half of the cycle."""
    cells = cells_of(run.conditions[0].spec)
    mine = np.flatnonzero(cells.population == population)
    i, t = recording.spikes[str(cells.group[mine[0]])]
    i = i - cells.index[mine[0]]
    inside = (i >= 0) & (i < len(mine))
    half = np.floor(t[inside] / (run.cycle.length * 5e-4) + 1e-9).astype(int)
    found = np.zeros((len(mine), 2 * run.cycle.total), int)
    np.add.at(found, (i[inside], half), 1)
    return found.reshape(len(mine), -1, 2), cells.position[mine] % run.conditions[0].spec.n_x


@pytest.mark.standalone
def test_each_does_what_it_says_in_the_cycle_it_says(run, results):
    plain, other = results
    trc, position = counts(run, other, "TRC")
    before, _ = counts(run, plain, "TRC")
    assert np.array_equal(trc[:, :2], before[:, :2])  # the warm-up and cycle 0: nothing yet
    assert before[:, 2].sum() > 20 and trc[:, 2].sum() == 0
    assert trc[position <= 1, 4].sum() == 0 < trc[position > 1, 4].sum()
    # neither driver nor prediction; what they left in the first half of the cycle is gone
    assert trc[:, 7, 1].sum() == 0 < before[:, 7, 1].sum()
    l6, _ = counts(run, other, "V2.L6CT")
    usual, _ = counts(run, plain, "V2.L6CT")
    quiet = (l6[:, 3].sum(axis=1) == 0).mean()
    assert quiet == pytest.approx(0.5, abs=0.1) and (usual[:, 3].sum(axis=1) > 0).mean() > 0.9
    matrix, _ = counts(run, other, "MATRIX")
    usual, _ = counts(run, plain, "MATRIX")
    assert matrix[:, 4:6].sum() == 0 < usual[:, 4:6].sum()
    assert np.array_equal(matrix[:, 3], usual[:, 3]) and matrix[:, 6].sum() > 0
    bursts, _ = counts(run, other, "V1.L5IB")
    assert bursts[:, 7:, 1].sum() == 0 < bursts[:, 7:, 0].sum()
    lgn, _ = counts(run, other, "LGN")
    usual, _ = counts(run, plain, "LGN")
    assert lgn[:, 8].sum() < 0.5 * usual[:, 8].sum()
    (weights,) = other.weights.values()  # noted at the start of each cycle
    changed = (np.diff(weights, axis=0) != 0).any(axis=1)
    # cycle 5 is frozen; of the others the training learns
    assert changed.tolist() == [False] * 3 + [True] * 3 + [False] * 3


@pytest.mark.standalone
def test_copies_and_pieces_do_the_same(run, results, tmp_path):
    manipulated = run.conditions[1]
    pack = simulate_copies([(manipulated, 5), (manipulated, 3)], run.cycle, device="cpp")
    assert same(pack[1].recording, results[1])
    arrays, _ = drawn(manipulated, run.cycle, 3)
    parts, start = [], None
    for k, duration in enumerate((0.25, run.cycle.duration - 0.25)):
        stop = tmp_path / str(k)
        parts.append(devices.run_plan(
            manipulated.plan, arrays, duration=duration, start=start, stop=stop
        ))  # fmt: skip
        start = stop
    for name, (i, t) in results[1].spikes.items():
        both = [np.concatenate([part.spikes[name][k] for part in parts]) for k in (0, 1)]
        assert np.array_equal(both[0], i) and np.allclose(both[1], t, atol=1e-9)
    for name, values in results[1].weights.items():
        assert np.array_equal(parts[1].weights[name][-1], values[-1])


def same(a: Recording, b: Recording) -> bool:
    return all(np.array_equal(a.spikes[g][k], b.spikes[g][k]) for g in b.spikes for k in (0, 1))


@pytest.mark.standalone
def test_numpy_and_cpp_agree(run, results):
    short = replace(run.cycle, count=3)
    condition = run.conditions[1]
    arrays, _ = drawn(condition, run.cycle, 3)
    found = devices.run_plan(condition.plan, arrays, duration=short.total * 0.1, device="numpy")
    for name, (_, t) in found.spikes.items():
        before = results[1].spikes[name][1] < short.total * 0.1
        assert abs(int(before.sum()) - len(t)) <= 0.02 * len(t) + 1, name
    trc, _ = counts(run, found, "TRC")
    assert trc[:, 2].sum() == 0


def test_conditions_share_a_program_and_what_varies_elsewhere_changes_nothing(run, write):
    whole = resolve(write(PLASTICITY + BLOCKS, BASE))
    assert whole.conditions[0].plan == whole.conditions[1].plan
    plain, manipulated = run.conditions
    shared = replace(plain, plan=manipulated.plan)
    assert shared.plan != plain.plan and not plain.manipulated.courses
    found = [
        devices.run_plan(c.plan, drawn(c, run.cycle, 3)[0], duration=0.15, device="numpy")
        for c in (plain, shared)
    ]
    assert same(*found) and sum(len(t) for _, t in found[0].spikes.values()) > 100


RESTORE = """
[[condition]]
name = "as it is"
[[condition]]
name = "restored"
manipulation = [
  { what = "scale", target = "V1.L5IB->TRC", value = 0.5 },
  { what = "restore", target = "TRC", like = "as it is", seeds = [7, 8] },
]
"""


@pytest.mark.standalone
def test_a_current_found_on_other_seeds_restores_the_rate(write):
    run = reduced(resolve(write(RESTORE + "[cycle]\nlength = '100 ms'\ncount = 12\n", HEAD
                                + 'seeds = [3, 4]\nstimulus = { kind = "ring", n_x = 14 }\n')))  # fmt: skip
    run = replace(run, conditions=(run.conditions[0], replace(
        run.conditions[1], like=run.conditions[0])))  # fmt: skip
    ds, info = simulate(run, jobs=1)
    found = info["restored"]["restored"]["TRC"]
    assert found["current_pA"] > 5
    assert found["rate_Hz"] == pytest.approx(found["wanted_Hz"], rel=TOLERANCE)
    rate = {c: population_rate(schema.select(ds, condition=c, seed=3), "TRC")
            for c in ("as it is", "restored")}  # fmt: skip
    assert rate["restored"] == pytest.approx(rate["as it is"], rel=0.25)


@pytest.mark.parametrize("slope", [0.01, 3.0])
def test_the_search_finds_the_root_of_a_rising_function(slope):
    search = Search()
    for _ in range(16):
        error = np.tanh((search.at - 130.0) * slope) + 0.2
        search.saw(error)
    assert search.at == pytest.approx(130.0 + np.arctanh(-0.2) / slope, abs=3.0)


def test_a_rate_that_no_current_restores_is_told(run):
    other = replace(run.conditions[1], like=run.conditions[0], manipulated=changes(
        run.conditions[1].spec,
        [Manipulation("restore", "TRC", 0.0, like="as it is", seeds=(7,))]))  # fmt: skip
    silent = np.array([0], np.int32), np.array([0.7])

    def record(condition, seeds, run):
        spikes = {g.name: (silent[0][:0], silent[1][:0]) for g in condition.plan.groups}
        if condition is run.conditions[0]:
            cells = cells_of(condition.spec)
            spikes[str(cells.group[cells.population == "TRC"][0])] = silent
        return [Recording(spikes)]

    with pytest.raises(DeviceError, match=r"'manipulated': no current restores the rate of 'TRC'"):
        restore_rates(replace(run, conditions=(run.conditions[0], other)), record, Progress())


def test_a_lesioned_population_is_silent_and_a_cut_output_is_not(write):
    text = """
[[condition]]
name = "cells"
lesions = ["TRC"]
[[condition]]
name = "outputs"
lesions = ["TRC->*"]
"""
    cells, outputs = resolve(write(text)).conditions
    assert [c.variable for c in cells.manipulated.courses] == ["g_silence"]
    assert all(p.weight > 0 for p in cells.spec.projections if p.source == "TRC")
    assert not outputs.manipulated.courses
    assert all(p.weight == 0 for p in outputs.spec.projections if p.source == "TRC")


def test_whenever_is_counted_in_cycles_of_the_blocks():
    line = Timeline(("", "a", "a", "b", "b", "b"), (False, False, False, True, True, False), 1, 4)

    def on(**options):
        return When(**options).in_cycles(line).astype(int).tolist()

    assert on() == [1] * 6
    assert on(block=("b",)) == [0, 0, 0, 1, 1, 1]
    assert on(block=("a", "b"), cycles=(1, 1)) == [0, 0, 1, 0, 1, 0]
    assert on(cycles=(0, 1)) == [0, 1, 1, 0, 0, 0]
    assert on(during="training") == [0, 0, 0, 1, 1, 0]
    assert on(during="test") == [0, 1, 1, 0, 0, 1]
    assert on(every=2) == [0, 1, 0, 1, 0, 1]
    bins = When(cycles=(1, 1), phase=(0.5, 1.0)).in_bins(line)
    assert np.flatnonzero(bins).tolist() == [10, 11]
    assert on(block=("b",), outside=True) == [1, 1, 1, 0, 0, 0]
    assert on(block=("b",), phase=(0.5, 1.0), outside=True) == [1] * 6
    other = When(cycles=(1, 1), phase=(0.5, 1.0), outside=True).in_bins(line)
    assert (other == ~bins).all()


def test_shuffled_synapses_keep_the_degrees_of_both_sides():
    spec = load_circuit("tiny")
    name = "V1.L5IB->TRC"
    other = changes(spec, [Manipulation("shuffle", name)]).spec
    found = []
    for one in (spec, other):
        plan = make_plan(one, bins=40, bin_ms=5)
        arrays = draw_arrays(one, plan, seed=1, cycle_ms=200)
        key, part = next(e[1:] for e in projection_parts(one, plan) if e[0] == name)
        found.append([arrays[f"{key}.{end}"][part] for end in "ij"])
    (i, j), (k, m) = found
    assert np.array_equal(np.sort(i), np.sort(k)) and np.array_equal(np.sort(j), np.sort(m))
    assert not np.array_equal(i[np.lexsort((i, j))], k[np.lexsort((k, m))])


@pytest.mark.parametrize(
    ("row", "wanted"),
    [
        ('what = "silense", target = "TRC"', "did you mean 'silence'"),
        ('what = "silence", target = "TCR"', "did you mean 'TRN'"),
        ('what = "silence"', "no key 'target'"),
        ('what = "silence", target = "TRC", value = 1', "'silence' has no use for it"),
        ('what = "inject", target = "TRC"', "no key 'value'"),
        ('what = "inject", target = "TRC", value = "3 mV"', "dimension"),
        ('what = "inject", target = "TRN->TRC", value = "3 pA"', "cannot be done to a projection"),
        ('what = "inject", target = "THETA", value = "3 pA"', "cannot be done to inputs"),
        ('what = "block", target = "TRC", parameter = "I_Ca"', "has no current 'I_Ca'"),
        ('what = "block", target = "TRC"', "no key 'parameter'"),
        ('what = "block", target = "TRC", parameter = "I_h", value = 2', "outside [0, 1]"),
        ('what = "change", target = "TRC", parameter = "g_kl", value = 2', "has no 'g_kl'"),
        ('what = "freeze", target = "TRN->TRC"', "not plastic"),
        ('what = "silence", target = "stimulus"', "cannot be done to 'stimulus'"),
        ('what = "delay", target = "stimulus", value = "7 ms"', "nearest valid: 5 ms"),
        ('what = "replace", target = "stimulus"', "no key 'stimulus'"),
        ('what = "silence", target = "TRC", share = 0', "outside (0, 1]"),
        ('what = "silence", target = "TRC", positions = [99]', "99 is none"),
        ('what = "silence", target = "TRC", when = { cycles = [90, 95] }', "no part of 0 to 49"),
        ('what = "silence", target = "TRC", when = { cycles = [40, 50] }', "no part of 0 to 49"),
        ('what = "delay", target = "stimulus", value = "-50 ms"', "outside (0, "),
        ('what = "delay", target = "stimulus", value = "1000 s"', "outside (0, "),
        ('what = "change", target = "TRC", parameter = "C_m", value = 0', "'C_m' of 'TRC' cannot"),
        (
            'what = "change", target = "V1.L5IB->TRC", parameter = "U", value = 3',
            "largest valid: 2",
        ),
        ('what = "silence", target = "TRC", when = { phase = [0.5, 0.2] }', "no part of [0, 1]"),
        (
            'what = "omit", target = "stimulus", when = { phase = [0.33, 0.5] }',
            "valid: [0.325, 0.5]",
        ),
        (
            'what = "omit", target = "stimulus", when = { phase = [0.5, 0.51] }',
            "valid: [0.5, 0.525]",
        ),
        ('what = "silence", target = "TRC", when = { block = "x" }', "unknown block 'x'"),
        ('what = "silence", target = "TRC", when = { durring = "test" }', "did you mean 'during'"),
        ('what = "shuffle", target = "TRN->TRC", when = { every = 2 }', "whole run"),
        ('what = "restore", target = "TRC", seeds = [7]', "no key 'like'"),
        ('what = "restore", target = "TRC", like = "baseline"', "no key 'seeds'"),
        ('what = "restore", target = "TRC", like = "b", seeds = []', "expected a list of seeds"),
        ('what = "restore", target = "TRC", like = "b", seeds = [1]', "is a seed of the run"),
    ],
)
def test_mistakes_are_told_in_one_line(write, row, wanted):
    with pytest.raises(InputError) as caught:
        resolve(write(f"manipulation = [ {{ {row} }} ]", HEAD))
    line = str(caught.value)
    assert wanted in line and "\n" not in line and "manipulation 1" in line


def test_what_is_never_on_is_told_before_anything_runs(write):
    row = "manipulation = [ { what = 'silence', target = 'TRC', when = { during = 'training' } } ]"
    with pytest.raises(InputError, match=r"'silence' of 'TRC' is never on: look at its 'when'"):
        check_manipulations(resolve(write(row, HEAD)))
    check_manipulations(resolve(write(f"{row}\n[plasticity]\n", HEAD)))


def test_what_freezes_nothing_or_is_of_no_cell_is_told_before_anything_runs(write):
    row = "manipulation = [ { what = 'freeze', target = 'V2.L6CT->TRC' } ]"
    with pytest.raises(InputError, match="never on while anything learns"):
        check_manipulations(resolve(write(row, HEAD)))
    check_manipulations(resolve(write(f"{row}\n[plasticity]\n", HEAD)))
    row = "manipulation = [ { what = 'silence', target = 'TRC', share = 0.001 } ]"
    with pytest.raises(InputError, match=r"share: 0\.001 of \d+ cells is none; smallest valid: 0"):
        check_manipulations(resolve(write(row, HEAD)))


def test_a_verb_that_varies_what_cells_do_not_have_is_refused(monkeypatch):
    def make(change, m, names):
        return with_courses(change, [Course(name, "g_Naa", 0.0, m) for name in names])

    typo = replace(VERBS["silence"], name="typo", make=make)
    monkeypatch.setitem(VERBS, "typo", typo)
    with pytest.raises(InputError, match=r"'g_Naa', which 'TRC' does not have; did you mean 'g_Na"):
        changes(load_circuit("tiny"), [Manipulation("typo", "TRC")])
    with pytest.raises(InputError, match="which 'THETA' does not have; valid: rate"):
        changes(load_circuit("tiny"), [Manipulation("typo", "THETA")])
    with pytest.raises(InputError, match="does not have; valid: U, factor, released"):
        changes(load_circuit("tiny"), [Manipulation("typo", "TRN->TRC")])


HEAD = 'experiment = "circuit"\nname = "small"\n'


def test_every_verb_says_what_it_does():
    assert len(VERBS) >= 14
    assert all(verb.meaning.endswith(".") and verb.targets for verb in VERBS.values())


def test_a_skipped_rhythm_silences_every_rhythmic_input():
    found = changes(
        load_circuit("tiny"), [Manipulation("skip", "pacing", when=When(cycles=(1, 2)))]
    )
    assert {(c.name, c.value) for c in found.courses} == {("THETA", 0.0), ("MATRIX", 0.0)}


def test_rhythm_and_stimulus_follow_their_manipulations(write):
    text = """
[[condition]]
name = "as it is"
[[condition]]
name = "manipulated"
manipulation = [
  { what = "shift", target = "pacing", value = 0.25, when.cycles = [1, 1] },
  { what = "jitter", target = "pacing", value = 0.1, when.cycles = [3, 40] },
  { what = "omit", target = "stimulus", when = { cycles = [2, 2], phase = [0.5, 1] } },
  { what = "repeat", target = "stimulus", when.cycles = [4, 4] },
  { what = "delay", target = "stimulus", value = "20 ms", when.cycles = [6, 6] },
  { what = "replace", target = "stimulus", stimulus.step = 3, when.cycles = [8, 8] },
]
"""
    run = resolve(write(text, BASE))
    (plain, shown), (other, shown_other) = (drawn(c, run.cycle, 3) for c in run.conditions)
    n = run.cycle.bins
    paced = (other["pacing"] - plain["pacing"])[: n * run.cycle.total].reshape(-1, n)
    assert np.array_equal(np.unique(paced[2]), [0.25]) and not paced[[0, 1, 3]].any()
    assert 0.07 < paced[4:42, 0].std() < 0.13 and (paced[4:42].std(axis=1) < 1e-12).all()
    a, b = (
        x["stimulus"][: n * run.cycle.total].reshape(run.cycle.total, n, -1) for x in (plain, other)
    )
    changed = (a != b).any(axis=(1, 2))
    assert set(np.flatnonzero(changed)) <= {3, 5, 7, 9} and changed[[3, 5, 9]].all()
    assert np.array_equal(b[3, : n // 2], a[3, : n // 2]) and np.ptp(b[3, n // 2 :]) == 0
    assert np.array_equal(b[5], b[4]) and np.array_equal(b[7, 4:], a[7, :-4])
    assert not np.array_equal(shown["drive"], shown_other["drive"])


def test_a_verb_of_what_is_no_target_is_refused():
    with pytest.raises(InputError, match="no target 'populations'; did you mean 'population'"):
        verb("populations")
