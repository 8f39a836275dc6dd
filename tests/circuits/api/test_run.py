"""Running from Python is what the command does, and leaves nothing behind unless it is told to."""

import tempfile

import pytest
import xarray as xr

import circuits
from circuits.cli.main import main
from circuits.driver import checkpoint

pytestmark = pytest.mark.standalone


@pytest.fixture(scope="module")
def ds():
    return circuits.run("first_light", seeds=[1], cycles=3, conditions=["baseline"])


def test_the_command_gives_the_same(ds, tmp_path):
    out = tmp_path / "run"
    options = ["--seeds", "1", "--cycles", "3", "--conditions", "baseline", "--out", str(out)]
    assert main(["run", "first_light", *options]) == 0
    from analysis import load

    found = load(out)
    xr.testing.assert_equal(found, ds)
    assert found.attrs["run"] == ds.attrs["run"]


def test_nothing_is_written_without_out(ds, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(checkpoint, "held", None)  # nor is anything kept meanwhile
    circuit = circuits.load("first_light").set("projections.V1.L5IB->TRC.weight", "60 nS")
    found = circuits.run(circuit, seeds=[1], cycles=3, conditions=["baseline"])
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")
    assert not found["rate"].equals(ds["rate"])


def test_with_out_it_is_a_run_folder(ds, tmp_path):
    out = tmp_path / "run"
    circuit = circuits.load("first_light")
    found = circuits.run(circuit, seeds=[1], cycles=3, conditions=["baseline"], out=out)
    assert {p.name for p in out.iterdir()} == {
        "result.nc", "run.json", "verdicts.json", "report.html",
    }  # fmt: skip
    xr.testing.assert_identical(found, ds)
    with pytest.raises(circuits.InputError, match="another run"):
        circuits.run(circuit, seeds=[2], cycles=3, conditions=["baseline"], out=out)


def test_populations_of_the_users_fire(tmp_path):
    circuit = circuits.load("v1_v2_pulvinar", cycle={"count": 2, "warmup": 1})
    circuit = circuit.add("population", name="CL", area="claustrum", cell="L23", cells=10,
                          positions=False, bias="500 pA")  # fmt: skip
    circuit = circuit.add("projection", source="CL", target="V1.L23", receptors={"AMPA": 1.0},
                          indegree=4, weight="1 nS", topography="all")  # fmt: skip
    found = circuits.run(circuit, out=tmp_path / "run")
    assert found.pulvinar.rates("CL").mean() > 5
    assert "CL" in (tmp_path / "run" / "report.html").read_text()
