import json

from analysis.verdicts.judge import verdict
from analysis.verdicts.results import results_table


def test_the_table_tells_what_holds_and_what_fails(tmp_path):
    (tmp_path / "one").mkdir()
    verdicts = [
        verdict("a", "Bursts | keep time", "x", [0.5, 0.7], "Hz", low=0.4),
        verdict("b", "Silence", "y", [3.0, float("nan")], "1", high=1.0),
    ]
    (tmp_path / "one" / "verdicts.json").write_text(json.dumps(verdicts))
    (tmp_path / "one" / "note.md").write_text("Older than the synapse.\n")
    text = results_table(tmp_path)
    assert "## one" in text and "1 of 2 claims hold" in text
    assert "Older than the synapse.\n\n| | claim" in text
    assert "| holds | Bursts \\| keep time |  | 0.6 ± 0.14 Hz | >= 0.4 Hz | 2 |" in text
    assert "| **FAILS** | Silence |  | undefined | <= 1 | 2 |" in text


def test_an_empty_folder_is_a_heading_alone(tmp_path):
    assert "##" not in results_table(tmp_path).removeprefix("# Latest results")
