import re
from pathlib import Path

import pytest

from cells.parameters import InputError
from circuits.driver.run import check_run
from circuits.predictions.registry import chosen, prediction_of, predictions
from circuits.runfiles.resolve import resolve

ROOT = Path(__file__).parents[3]


def test_there_are_all_of_them_in_order():
    theory, rivals = [f"P{k}" for k in range(1, 29)], [f"R{k}" for k in range(1, 8)]
    assert [p.id for p in predictions()] == theory + rivals


def test_those_that_can_be_asked_are_complete_before_they_are_run():
    for prediction in predictions():
        if prediction.blocked:
            continue
        run = resolve(prediction.path)
        check_run(run, 1)
        assert len(run.seeds) >= 8 and prediction.falsifier
        assert [c for c in run.criteria if not c["id"].startswith("control-")]


def test_names_are_ids_groups_files_or_all():
    assert [p.id for p in chosen(["P10", "P5", "P5"])] == ["P5", "P10"]
    assert {p.group for p in chosen(["theory"])} == {"theory"}
    assert {p.id[0] for p in chosen(["rivals"])} == {"R"}
    assert len(chosen(["all"])) == 35
    with pytest.raises(InputError, match="no prediction or group 'theorie'; did you mean 'theory'"):
        chosen(["theorie"])


def test_the_example_of_the_page_on_extending_is_one_file(tmp_path):
    text = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```toml\n(# mine\.toml\n.*?)```", text, re.DOTALL)
    path = tmp_path / "mine.toml"
    path.write_text(block)
    (found,) = chosen([str(path)])
    assert found.group == "bursts" and not found.blocked
    check_run(resolve(path), 1)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [('mark = "D"', 'mark = "X"', "unknown mark 'X'"),
     ('source = "example"\n', "", "no key 'source'"),
     ('id = "mine"', 'id = "yours"', "the file is 'mine'"), ("falsifier", "falsifer", "falsifer")],
)  # fmt: skip
def test_a_mistake_is_told_in_one_line(tmp_path, old, new, message):
    text = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```toml\n(# mine\.toml\n.*?)```", text, re.DOTALL)
    path = tmp_path / "mine.toml"
    path.write_text(block.replace(old, new))
    with pytest.raises(InputError, match=message) as error:
        prediction_of(path)
    assert "\n" not in str(error.value)
