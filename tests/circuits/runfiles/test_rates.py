"""Run files of rate networks: what is put together from them, and what is refused."""

import pytest

from cells.parameters import InputError
from circuits.driver.report import check_criteria
from circuits.runfiles.resolve import resolve


def resolved(tmp_path, text, **options):
    (tmp_path / "small.toml").write_text('experiment = "rate"\nname = "small"\n' + text)
    run = resolve(tmp_path / "small.toml", **options)
    check_criteria(run)
    return run


def test_a_condition_says_again_what_it_changes(tmp_path):
    run = resolved(tmp_path, '''
rule = { name = "ep", beta = 0.25 }
network = { feedback = 0.5, hidden = [7] }
[[condition]]
name = "as above"
[[condition]]
name = "other value"
rule = { sides = 1 }
[[condition]]
name = "other rule"
rule = { name = "kinase" }
network = { feedback = 0.1 }
''')  # fmt: skip
    tables = [c.tables for c in run.conditions]
    assert tables[0]["rule"] == {"name": "ep", "beta": 0.25}
    assert tables[1]["rule"] == {"name": "ep", "beta": 0.25, "sides": 1}
    # the parameters of one rule are not those of another
    assert tables[2]["rule"] == {"name": "kinase"}
    assert [t["network"]["feedback"] for t in tables] == [0.5, 0.5, 0.1]
    assert all(t["network"]["hidden"] == [7] for t in tables)
    assert all(t["training"]["epochs"] == 20 for t in tables)
    one = resolve(tmp_path / "small.toml", conditions=["other rule"], seeds="4-6")
    assert [c.name for c in one.conditions] == ["other rule"]
    assert one.seeds == (4, 5, 6)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('kind = "trainings"', ": unknown kind 'trainings'"),
        ('rule = { name = "chll" }', "rule 'chll'"),
        ('rule = { name = "chl", sied = 2 }', "sied"),
        ('task = { name = "digit" }', "digit"),
        ("network = { hidden = [0] }", "0 is below 1"),
        ('kind = "depth"\ntraining = { lr = [1.0] }', "one for each"),
        ('kind = "readout"\nlabel = { start_s = 9.0 }', "within the blanks"),
        ('kind = "sampling"\nnetwork = { learner = "boltzmann" }', "'boltzmann'"),
        ('device = "cpp"', "device"),
        ('condition = [{ name = "a", rul = 1 }]', "rul"),
        ('criteria = [{ id = "a", claim = "b", observable = "r_pred", min = 0 }]', "observable"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_in_one_line(tmp_path, text, line):
    with pytest.raises(InputError) as error:
        resolved(tmp_path, text)
    assert line in str(error.value) and not set("\n") & set(str(error.value))
    assert "::" not in str(error.value)


def test_options_that_mean_nothing_are_refused(tmp_path):
    for option in ({"size": "tiny"}, {"cycles": 3}, {"replicas": 2}):
        with pytest.raises(InputError, match=f"--{next(iter(option))}"):
            resolved(tmp_path, "", **option)
