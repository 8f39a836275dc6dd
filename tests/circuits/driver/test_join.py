"""Run folders put together: as if all had been run in one."""

import json
import shutil

import numpy as np
import pytest

from analysis.data import joined, schema, versions
from circuits.cli import main
from circuits.runfiles.resolve import resolve
from tests.circuits.learning_runs import BLOCKS, PLASTICITY, TWO, random_recording

CONDITIONS = ("baseline", "more")


@pytest.fixture(scope="module")
def path(write):
    return write(PLASTICITY + BLOCKS + TWO)


@pytest.fixture(scope="module")
def made(path, tmp_path_factory):
    """Return what makes a run folder of some conditions and seeds; the recordings are random."""

    def make(conditions, seeds, *options, path=path):
        out = tmp_path_factory.mktemp("out") / "r"
        run = resolve(path, cycles=4)
        queue = [
            random_recording(run, np.random.default_rng([CONDITIONS.index(c), s]),
                             CONDITIONS.index(c))
            for c in conditions for s in seeds
        ]  # fmt: skip
        arguments = ["run", str(path), "--cycles", "4", "--jobs", "1", "--out", str(out)]
        arguments += ["--conditions", ",".join(conditions), "--seeds", ",".join(map(str, seeds))]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("circuits.driver.simulate.run_plan", lambda *_, **__: queue.pop(0))
            patch.setattr("circuits.driver.report.write_report", lambda *_: None)  # slow
            assert main.main([*arguments, *options]) == 0
        return out

    return make


@pytest.fixture(scope="module")
def parts(made):
    return [made(["more"], [4]), made(["baseline"], [3, 4]), made(["more"], [3])]


def test_the_parts_joined_are_the_whole(parts, made, tmp_path, capsys):
    whole = made(CONDITIONS, [3, 4])
    out = tmp_path / "all"
    assert main.main(["join", *map(str, parts), "--out", str(out)]) == 0
    assert str(out / "report.html") in capsys.readouterr().out
    found, expected = schema.load(out), schema.load(whole)
    assert json.loads(found.attrs["run"])["seeds"] == [3, 4]
    told = json.loads((out / "run.json").read_text())["command"]
    assert told == "pulvinar join " + " ".join(part.name for part in parts)
    assert found.drop_attrs(deep=False).identical(expected.drop_attrs(deep=False))
    assert {name: v.dtype for name, v in found.variables.items()} == {
        name: v.dtype for name, v in expected.variables.items()
    }
    verdicts = [versions.read_verdicts(folder / "verdicts.json") for folder in (out, whole)]
    assert verdicts[0] == verdicts[1] and len(verdicts[0]) == 2
    info = json.loads((out / "run.json").read_text())
    assert info["seeds"] == [3, 4] == info["run"]["seeds"]
    assert list(info["circuit"]) == list(CONDITIONS) == info["conditions"]
    assert [one["seeds"] for one in info["joined"]] == [[4], [3, 4], [3]]
    assert (out / "report.html").stat().st_size > 1000


BARE = """
[[condition]]
name = "baseline"
[[condition]]
name = "more"
[condition.plasticity]
projections = ["V2.L6CT->TRC"]
"""


def test_a_condition_that_does_not_learn_joins_one_that_does(write, made, tmp_path):
    path = write(BLOCKS + BARE)
    parts = [made([name], [3], path=path) for name in CONDITIONS]
    assert main.main(["join", *map(str, parts), "--out", str(tmp_path / "all")]) == 0
    found, expected = schema.load(tmp_path / "all"), schema.load(made(CONDITIONS, [3], path=path))
    assert found.drop_attrs(deep=False).identical(expected.drop_attrs(deep=False))
    assert np.isnan(found["weight"].sel(condition="baseline")).all() and "dw" in found


@pytest.mark.parametrize(
    ("choose", "words"),
    [
        (lambda p, make: [p[0]], "two run folders"),
        (lambda p, make: [p[0], p[0]], "named twice"),
        (lambda p, make: [p[1], make(["baseline"], [4])], "'baseline', seed 4 is in"),
        (lambda p, make: [p[0], p[1]], "'more' has no seed 3"),
        (lambda p, make: [p[2], make(["more"], [4], "--set", "plasticity.rate=2")],
         "plasticity.rate is 2, in"),
        (lambda p, make: [p[0], p[0].parent], "no finished run"),
    ],
)  # fmt: skip
def test_what_does_not_belong_together_is_refused(choose, words, parts, made, tmp_path, capsys):
    out, chosen = tmp_path / "all", list(map(str, choose(parts, made)))
    capsys.readouterr()
    assert main.main(["join", *chosen, "--out", str(out)]) == 2
    told = capsys.readouterr().err
    assert words in told and told.count("\n") == 1
    assert not out.exists()


def test_a_result_of_a_newer_schema_is_refused(parts, tmp_path, capsys):
    newer = tmp_path / "newer"
    shutil.copytree(parts[0], newer)
    info = json.loads((newer / "run.json").read_text())
    (newer / "run.json").write_text(json.dumps(info | {"schema": versions.SCHEMA + 1}))
    for command in (["report", str(newer)], ["join", str(parts[1]), str(newer)]):
        assert main.main(command) == 2
        assert f"schema {versions.SCHEMA + 1}" in capsys.readouterr().err


def test_a_differing_result_is_refused(parts):
    results = {str(k): schema.load(part) for k, part in enumerate(parts)}
    moved = results["1"].assign_coords(cycle_start=results["1"]["cycle_start"] + 1.0)
    with pytest.raises(versions.AnalysisError, match="cycle_start"):
        joined.join(results | {"1": moved})


def test_a_cycle_knows_its_picture(parts, path):
    from circuits.driver.inputs import drawn

    ds = schema.load(parts[1])
    run = resolve(path, cycles=4, seeds=[3, 4])
    _, shown = drawn(run.conditions[0], run.cycle, 4)
    one = schema.select(ds, condition="baseline", seed=4)
    assert (one["picture"].values == shown["picture"].values[run.cycle.warmup :]).all()
    assert (one["centre"].values == shown["centre"].values[run.cycle.warmup :]).all()
    assert ds.attrs["t_stop_s"] == run.cycle.duration
    assert (one["channel_position"].values == shown["x"].values).all()
    cells = one["neuron_channel"].values
    placed = cells >= 0
    assert (one["position"].values[placed] == shown["x"].values[cells[placed]]).all()
    assert (one["polarity"].values[~placed] == "").all() and (~placed).any()
