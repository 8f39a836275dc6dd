import csv
import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from analysis.data.versions import AnalysisError
from analysis.figures.frameworks import plot_frameworks, summary_sections
from analysis.verdicts.frameworks import (
    epochs_table,
    framework_rows,
    frameworks_table,
    main,
    measured,
    write_measured,
)
from analysis.verdicts.judge import verdict

RESULTS = Path(__file__).parents[3] / "runs" / "results"
NAN = np.nan
LISTED = """
runs = ["one", "two"]
aligned = "along"
framework = [
  { name = "A rule", condition = "A" },
  { name = "B" },
  { name = "plateaus", needs = ["plateaus"], said = { run = "read", id = "x", of = "of ridge" } },
]
[epochs]
run = "small"
tasks = ["xor", "encoder"]
before = { CHL = { xor = 52.5 } }
"""


def depth_run(names, score):
    """Of two seeds and depths 1 and 2, without a carrier of the error."""
    shape = (len(names), 2, 2)
    dims = ("condition", "depth", "seed")
    cosine = np.broadcast_to([0.5, -0.25], (*shape, 2)).copy()
    signature = np.broadcast_to([[0.0, 1.0], [0.24, 0.75], [NAN, NAN]], (*shape, 3, 2))
    return xr.Dataset(
        {
            "score_test": (dims, np.broadcast_to(score, shape)),
            "cosine_feedforward": ((*dims, "layer"), cosine),
            "needs": ((*dims, "need"), np.broadcast_to([0, 1], (*shape, 2))),
            "signature": ((*dims, "carrier", "term"), signature),
            "hidden_change": (dims, np.full(shape, 0.031)),
        },
        {
            "condition": list(names), "depth": [1, 2], "seed": [1, 2],
            "need": ["phases", "bursts"], "carrier": ["minus", "plus", "error"],
            "term": ["outcome", "prediction"],
        },
    ).assign_attrs(schema=3, experiment="rate", kind="depth")  # fmt: skip


@pytest.fixture
def results(tmp_path):
    folder = tmp_path / "results"
    (folder / "read").mkdir(parents=True)
    one = depth_run("A", [[0.9, 1.0], [0.5, NAN]])
    two = depth_run("AB", [[0.1, 0.1], [0.3, 0.3]])
    along = depth_run("A", 0.0).drop_vars(["score_test", "needs", "signature", "hidden_change"])
    along["cosine_settled"] = along["cosine_feedforward"] * 0 + 1
    for name, ds in (("one", one), ("two", two), ("along", along)):
        (tmp_path / name).mkdir()
        ds.to_netcdf(tmp_path / name / "result.nc", engine="h5netcdf")
        write_measured(tmp_path / name, folder)
    epochs = [[30, 40, np.inf], [25, 35, 45], [np.inf] * 3, [10, 20, np.inf]]
    names = ["xor: CHL", "encoder: CHL", "xor: kinase", "encoder: kinase"]
    small = xr.Dataset({"epochs": (("condition", "seed"), epochs)}, {"condition": names})
    small.attrs = {"schema": 3, "experiment": "rate", "kind": "training"}
    (tmp_path / "small").mkdir()
    small.to_netcdf(tmp_path / "small" / "result.nc", engine="h5netcdf")
    write_measured(tmp_path / "small", folder)
    read = [verdict("x", "Labels are read", "readout_accuracy", [0.7, 0.8], "1", low=0.8)]
    (folder / "read" / "verdicts.json").write_text(json.dumps(read))
    (folder / "frameworks.toml").write_text(LISTED)
    return folder


def test_what_a_seed_lacks_is_not_stored():
    rows = measured(depth_run("A", [[0.9, 1.0], [0.5, NAN]]))
    right = [r for r in rows if r["quantity"] == "right"]
    assert [(r["hidden"], r["value"], r["n"]) for r in right] == [(1, "0.95", 2)]
    # the worst layer counts
    assert {r["value"] for r in rows if r["quantity"] == "backpropagation"} == {"-0.25"}
    assert not [r for r in rows if r["quantity"].startswith("error")]


def test_conditions_that_a_run_did_not_have_stay(results, tmp_path):
    depth_run("B", 0.7).to_netcdf(tmp_path / "two" / "result.nc", engine="h5netcdf")
    write_measured(tmp_path / "two", results)
    assert [row.reached[1][0] for row in framework_rows(results)[:2]] == [0.95, 0.7]


def test_epochs_stand_beside_those_of_before(results):
    assert epochs_table(results).splitlines() == [
        "| rule | xor: solved | epochs | before | encoder: solved | epochs | before |",
        "|---|---|---|---|---|---|---|",
        "| CHL | 2 of 3 | 40 | 52.5 | 3 of 3 | 35 |  |",
        "| kinase | 0 of 3 | never |  | 2 of 3 | 20 |  |",
    ]


def test_the_table_has_what_is_stored(results):
    a, b, read = framework_rows(results)
    # the first run that has a number gives it
    assert a.reached == {1: (0.95, pytest.approx(0.0707), 2), 2: (0.3, 0.0, 2)}
    assert b.reached[1][0] == 0.1 and b.settled == {} == read.reached
    assert a.needs == ("bursts",)
    main([str(results)])
    head, _, *lines = (results / "frameworks.md").read_text().splitlines()
    assert head.startswith("| framework | needs | 1 hidden | 2 hidden | settled gradient |")
    left = "plus .24, .75; hidden .03"
    along = "1: 1, 2: 1 | 1: -.25, 2: -.25"
    assert lines[0] == f"| A rule | bursts | .950 ± .071 | .300 | {along} | {left} |"
    assert lines[1] == f"| B | bursts | .100 | .300 | - | - | {left} |"
    assert lines[2].startswith("| plateaus | plateaus | .750 ± .071 of ridge |  | - | - | - |")


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        ('condition = "A"', 'condition = "C"', "no run has a condition 'C'"),
        ('id = "x"', 'id = "y"', "0 criteria 'y'"),
        ('"two"]', '"three"]', r"frameworks\.csv: not there"),
    ],
)
def test_what_is_not_stored_is_told(results, old, new, wanted):
    (results / "frameworks.toml").write_text(LISTED.replace(old, new))
    with pytest.raises(AnalysisError, match=wanted):
        framework_rows(results)


def test_a_run_of_another_kind_is_refused(tmp_path):
    other = depth_run("A", 1.0).assign_attrs(kind="recall")
    other.to_netcdf(tmp_path / "result.nc", engine="h5netcdf")
    with pytest.raises(AnalysisError, match="not a run of kind alignment, depth, training"):
        write_measured(tmp_path, tmp_path)


def test_the_stored_tables_are_those_of_the_stored_numbers():
    for name, table in (("frameworks", frameworks_table), ("epochs", epochs_table)):
        assert (RESULTS / f"{name}.md").read_text(encoding="utf-8") == table(RESULTS)


def test_stored_numbers_are_those_of_the_verdicts():
    """Shares right that a criterion asks for are stored with the same mean."""
    for run in ("digits_depth", "explicit_error", "four_layers"):
        with (RESULTS / run / "frameworks.csv").open() as file:
            stored = [(r["condition"], r["value"]) for r in csv.DictReader(file)
                      if r["quantity"] == "right"]  # fmt: skip
        verdicts = json.loads((RESULTS / run / "verdicts.json").read_text())["verdicts"]
        asked = [v for v in verdicts if v["observable"] == "rate_score"]
        alone = [v for v in asked if all(0 <= x <= 1 for x in v["values"]) and v["value"] > 0.05]
        missing = [v["id"] for v in alone if (v["condition"], f"{v['value']:.6g}") not in stored]
        assert missing == [], run


def test_figures_have_a_line_for_each(results):
    rows = framework_rows(results)
    (ax, _) = plot_frameworks(rows).axes
    assert [t.get_text() for t in ax.get_yticklabels()] == ["A rule", "B"]
    assert "right, 2 hidden" in [t.get_text() for t in ax.get_xticklabels()]
    (first, second) = summary_sections(depth_run("AB", 0.5))
    assert first[2] is not None and [row[0] for row in second[3][1]] == ["A", "B"]
