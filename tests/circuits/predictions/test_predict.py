"""From a file to the page, on networks of rates."""

import json

from circuits.cli.main import main
from circuits.predictions.predict import predict

TEXT = """
experiment = "rate"
kind = "training"
seeds = [1, 2, 3]
[prediction]
id = "Q1"
group = "mine"
sentence = "Slow networks learn less."
source = "s"
mark = "D"
manipulation = "m"
observable = "o"
control = "c"
published = "none"
falsifier = "f"
[task]
name = "xor"
[network]
hidden = [4]
feedback = 0.5
[training]
epochs = 60
batch = 0
lr = 4.0
[rule]
name = "chl"
[[condition]]
name = "fast"
[[condition]]
name = "slow"
training.lr = 0.001
[[criteria]]
id = "less"
claim = "c"
observable = "rate_solved"
condition = "slow"
max = 0.5
"""


def test_a_prediction_is_run_once_and_has_its_page(tmp_path, capsys, monkeypatch):
    (tmp_path / "Q1.toml").write_text(TEXT)
    out = tmp_path / "out"
    names = [str(tmp_path / "Q1.toml"), "P15"]
    assert main(["predict", *names, "--out", str(out), "--jobs", "1"]) == 0
    said = capsys.readouterr().out
    assert "Q1: holds" in said and "P15: cannot be asked yet: no task yet" in said
    page = (out / "README.md").read_text()
    assert "Slow networks learn less." in page and "![Q1](Q1.svg)" in page
    assert (out / "Q1.svg").is_file() and (out / "Q1" / "report.html").is_file()
    kept = json.loads((out / "Q1.json").read_text())
    assert kept["verdicts"][0]["values"] == [0.0, 0.0, 0.0]
    # again: nothing is run, and the page is the same
    monkeypatch.setattr("circuits.predictions.predict.run_file", None)
    predict(names, out=out)
    assert (out / "README.md").read_text() == page


def test_what_cannot_run_is_told_and_the_rest_goes_on(tmp_path, capsys):
    (tmp_path / "Q1.toml").write_text(TEXT)
    (tmp_path / "Q2.toml").write_text(TEXT.replace("Q1", "Q2").replace("lr = 0.001", "lr = 'x'"))
    names = [str(tmp_path / f"{q}.toml") for q in ("Q2", "Q1")]
    assert main(["predict", *names, "--out", str(tmp_path / "out"), "--jobs", "1"]) == 1
    said = capsys.readouterr().out
    assert "Q2: failed: Q2.toml" in said and "Q1: holds" in said
