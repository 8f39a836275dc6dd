import json

from analysis.verdicts.judge import verdict
from analysis.verdicts.results import results_table


def test_the_table_tells_what_holds_and_what_fails(tmp_path):
    (tmp_path / "one").mkdir()
    verdicts = [
        verdict("a", "Bursts | keep time", "x", [0.5, 0.7], "Hz", low=0.4),
        verdict("b", "Silence", "y", [3.0, float("nan")], "1", high=1.0),
        verdict("c", "Rest", "z", [1.0, 2.0, 3.0], "1", high=2.5),
        verdict("d", "Fast", "z", [1.0], "1", low=2.5),
    ]
    (tmp_path / "one" / "verdicts.json").write_text(json.dumps(verdicts))
    (tmp_path / "one" / "note.md").write_text("Older than the synapse.\n")
    text = results_table(tmp_path)
    assert "## one" in text and "1 of 4 claims hold" in text
    assert "Older than the synapse.\n\n| | claim" in text
    few = "by the mean: too few seeds for an interval"
    assert f"| holds | Bursts \\| keep time |  | 0.6 ± 0.14 Hz | {few} | >= 0.4 Hz | 2 |" in text
    assert "| undecided | Silence |  | undefined | 1 of 2 undefined | <= 1 | 2 |" in text
    assert "| undecided | Rest |  | 2 ± 1 | -0.484 to 4.48; about 32 seeds would tell |" in text
    assert f"| **FALSIFIED** | Fast |  | 1 | {few} | >= 2.5 | 1 |" in text


def test_an_empty_folder_is_a_heading_alone(tmp_path):
    assert "##" not in results_table(tmp_path).removeprefix("# Latest results")
