"""Run folders of every schema that there was are read; newer ones are refused."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from analysis.data import schema, versions
from circuits.driver import report

STORED = Path(__file__).parents[2] / "stored" / "schemas"


def test_there_is_a_stored_folder_of_every_schema():
    found = sorted(int(p.name) for p in STORED.iterdir() if p.is_dir())
    assert found == list(range(versions.SCHEMA + 1))


@pytest.mark.parametrize("number", range(versions.SCHEMA + 1))
def test_a_stored_result_is_read_in_the_present_schema(number):
    ds = schema.load(STORED / str(number))
    assert ds.attrs["schema"] == versions.SCHEMA
    expected = schema.load(STORED / str(versions.SCHEMA))
    shared = set(ds.variables) & set(expected.variables)
    assert {"neuron_channel", "position", "polarity", "stimulus", "r_pred", "dw"} <= shared
    for name in shared:
        xr.testing.assert_equal(ds[name].drop_vars(ds[name].coords), expected[name].drop_vars(
            expected[name].coords))  # fmt: skip
    cells = schema.cell_index(ds, "TRC")
    assert (ds["position"].values[cells] == ds["neuron_channel"].values[cells] % 14).all()
    assert versions.read_verdicts(STORED / str(number) / "verdicts.json")[0]["id"] == "predicts"


@pytest.mark.parametrize("number", range(versions.SCHEMA + 1))
def test_a_stored_run_is_judged_anew(number, tmp_path, monkeypatch):
    folder = tmp_path / "run"
    shutil.copytree(STORED / str(number), folder)
    before = versions.read_verdicts(folder / "verdicts.json")
    (folder / "verdicts.json").unlink()
    monkeypatch.setattr(report, "write_report", lambda *_: None)
    report.rebuild_report(folder)
    assert versions.read_verdicts(folder / "verdicts.json") == before


@pytest.mark.parametrize("version", [versions.SCHEMA + 1, -1, 0.5, True])
def test_what_is_newer_or_no_version_is_refused_in_one_line(version, tmp_path):
    for read, content in (
        (lambda: versions.migrate(xr.Dataset(attrs={"schema": version}), "here"), None),
        (lambda: versions.read_json(tmp_path / "run.json"), {"schema": version}),
    ):
        if content is not None:
            (tmp_path / "run.json").write_text(json.dumps(content))
        with pytest.raises(versions.AnalysisError, match="schema") as error:
            read()
        assert "\n" not in str(error.value)


def test_places_of_channels():
    found = versions.places(np.array([0, 7, 8, 15, -1]), 8, ("on", "off"))
    assert found["position"].tolist() == [0, 7, 0, 7, -1]
    assert found["polarity"].tolist() == ["on", "on", "off", "off", ""]
