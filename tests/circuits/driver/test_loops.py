"""A circuit with two prediction loops: each is measured, judged and drawn for itself."""

import numpy as np
import pytest

from analysis import observables
from analysis.data import schema
from analysis.data.versions import read_verdicts
from analysis.measures.scores import SCORES
from cells.parameters import InputError
from circuits.cli import main
from circuits.driver.report import check_criteria
from circuits.runfiles.resolve import resolve
from tests.circuits.learning_runs import BASE, BLOCKS, random_recording

LOOPS = ("TRC", "PL.TRC")
ANATOMY = 'anatomy = "v1_v2_v4"\n' + BASE
CRITERIA = """
[plasticity]
rate = 4
[[criteria]]
id = "first"
claim = "c"
observable = "r_pred"
args = { block = "test" }
min = -0.99
[[criteria]]
id = "second"
claim = "c"
observable = "r_pred"
args = { block = "test", loop = "PL.TRC" }
min = -0.99
"""


@pytest.fixture(scope="module")
def folder(write, tmp_path_factory):
    """Return the folder of a run of random spikes."""
    out = tmp_path_factory.mktemp("out") / "loops"
    path = write(CRITERIA + BLOCKS, base=ANATOMY)
    recording = random_recording(resolve(path, cycles=12), np.random.default_rng(1))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("circuits.driver.simulate.build_all", lambda *a: None)
        patch.setattr("circuits.driver.simulate.run_plan", lambda *a, **k: recording)
        assert (
            main.main(["run", str(path), "--cycles", "12", "--jobs", "1", "--out", str(out)]) == 0
        )
    return out


@pytest.fixture(scope="module")
def one(folder):
    return schema.select(schema.load(folder))


def test_what_learns_unless_a_file_says_otherwise_are_the_readouts(one):
    names = {"V2.L6CT->TRC", "V1.L6CT->TRC", "V4.L6CT->PL.TRC", "V2.L6CT->PL.TRC"}
    assert set(one["synapse_projection"].values.tolist()) == names


def test_scores_and_weight_changes_have_a_loop(one):
    assert tuple(schema.loop_names(one)) == LOOPS
    assert one["loop"].values.tolist() == list(LOOPS)
    assert one["dw"].dims == ("loop", "cycle", "channel")
    assert all(one[name].dims == ("loop", "block", "cycle") for name in SCORES)
    assert one["baseline"].dims == ("loop", "block", "predictor")
    at = one["learning"].values > 0
    changes = one["dw"].values[:, at]
    assert changes.any(axis=(1, 2)).all() and not np.array_equal(*changes)


@pytest.mark.parametrize("loop", LOOPS)
def test_an_observable_of_a_loop_is_that_of_its_populations(one, loop):
    of = schema.loop_of(schema.of_loop(one, loop))
    named = {"population": of["relay"], "outcome": of["driver"]}
    for name in ("plus_pattern_r", "minus_pattern_r"):
        value = observables.evaluate(one, name, loop=loop)
        assert value == observables.evaluate(one, name, **named)
    weights = {"block": "test", "group": "self", "projection": f"{of['predictor']}->{of['relay']}"}
    value = observables.evaluate(one, "class_weight", loop=loop, block="test", group="self")
    assert value == observables.evaluate(one, "class_weight", **weights)


def test_loops_are_told_apart(one):
    for name in ("burst_rate", "plus_pattern_r"):
        values = {observables.evaluate(one, name, loop=loop) for loop in LOOPS}
        assert len(values) == 2 and observables.evaluate(one, name) in values
    for name in ("r_pred", "prediction_error", "gradient_cosine"):
        first, second = (
            observables.evaluate(one, name, block="training", loop=loop) for loop in LOOPS
        )
        assert observables.evaluate(one, name, block="training") == first != second


def test_a_loop_by_itself_is_scored_as_it_is_among_others(one):
    from analysis.measures.scores import add_scores

    for loop in LOOPS:
        alone = add_scores(schema.of_loop(one, loop).drop_vars(list(SCORES)))
        for name in SCORES:
            np.testing.assert_array_equal(alone[name], one[name].sel(loop=loop))


def test_verdicts_and_report_are_of_each_loop(folder):
    verdicts = {v["id"]: v["value"] for v in read_verdicts(folder / "verdicts.json")}
    assert verdicts["first"] != verdicts["second"]
    page = (folder / "report.html").read_text()
    for loop in LOOPS:
        for title in ("Learning curve", "Prediction and outcome", "When drivers burst"):
            assert f"{loop}: {title}" in page
    assert page.count("<h2>Spikes</h2>") == 1


@pytest.mark.parametrize(
    ("args", "wanted"),
    [
        ('loop = "PL.TCR"', "no loop 'PL.TCR'; did you mean 'PL.TRC'?"),
        ('lop = "PL.TRC"', "no argument 'lop'; did you mean 'loop'?"),
        ('population = "relais"', "no population 'relais'; did you mean 'relay'?"),
    ],
)
def test_mistakes_are_told_before_anything_runs(write, args, wanted):
    text = (
        f'[[criteria]]\nid = "x"\nclaim = "c"\nobservable = "plus_pattern_r"\nargs = {{ {args} }}'
    )
    with pytest.raises(InputError) as caught:
        check_criteria(resolve(write(text + "\nmin = 0\n", base=ANATOMY), cycles=2))
    assert wanted in str(caught.value)
