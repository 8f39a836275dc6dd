"""All synapses as a list."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from circuits.cli import main
from circuits.driver.edges import edges
from circuits.driver.inputs import drawn
from circuits.engine.arrays import cells_of
from circuits.engine.shared import values_of
from tests.circuits.learning_runs import reduced


def test_every_synapse_is_listed_as_it_is_drawn(small):
    (c,) = small.conditions
    found = edges(c, small.cycle, 3)
    arrays, _ = drawn(c, small.cycle, 3)
    for s in c.plan.synapses:
        names = {c.spec.projections[k].name for k in s.projections}
        mine = found[found["projection"].isin(names)]
        one = mine[mine["receptor"] == "AMPA"]
        assert len(one) == s.n
        np.testing.assert_allclose(np.sort(one["delay"]), np.sort(arrays[f"{s.name}.delay"]) * 1e3)
        # conductances of the program, by target cell
        drawn_sum = np.bincount(arrays[f"{s.name}.j"], values_of(s, arrays, "w_AMPA") * 1e9)
        listed = np.bincount(one["target"] - one["target"].min(), one["weight"])
        np.testing.assert_allclose(listed, drawn_sum)
        learned = one["learned"].to_numpy()
        if s.plastic:
            np.testing.assert_array_equal(np.sort(learned), np.sort(arrays[f"{s.name}.w"]))
        else:
            assert np.isnan(learned).all()
    population = cells_of(c.spec).population
    for end in ("source", "target"):
        assert (population[found[end]] == found[f"{end}_population"]).all()


def test_a_cell_has_as_many_as_the_anatomy_says(small):
    (c,) = small.conditions
    found = edges(c, small.cycle, 3)
    for p in c.spec.projections:
        one = found[(found["projection"] == p.name) & (found["receptor"] == p.receptors[0][0])]
        assert set(one.groupby("target").size()) == {p.indegree}
        total = found[found["projection"] == p.name].groupby(["source", "target"])["weight"].sum()
        share = sum(share for _, share in p.receptors)
        np.testing.assert_allclose(total.min(), p.weight * share)


def test_the_command_writes_them(write, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("circuits.driver.edges.resolve", lambda *a, **k: reduced(_resolve(*a, **k)))
    path = write()
    for name in ("edges.csv", "edges.csv.gz", "edges.nc"):
        out = tmp_path / name
        assert main.main(["edges", str(path), "--seed", "4", "--out", str(out)]) == 0
        assert str(out) in capsys.readouterr().out
    table = pd.read_csv(tmp_path / "edges.csv", comment="#")
    assert table.equals(pd.read_csv(tmp_path / "edges.csv.gz", comment="#"))
    ds = xr.open_dataset(tmp_path / "edges.nc")
    origin = (tmp_path / "edges.csv").read_text().splitlines()[0]
    assert origin == f"# {ds.attrs['drawn_from']}" and '"seed": 4' in origin
    assert ds["weight"].attrs["units"] == "nS" and ds.sizes["edge"] == len(table)
    np.testing.assert_array_equal(ds["source"], table["source"])
    np.testing.assert_array_equal(ds["projection"].astype(str), table["projection"])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["edges.csv", "edges.csv.gz", "edges.nc"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--out", "x.txt"], "--out x.txt: unknown kind of file; valid: .csv, .csv.gz, .nc"),
        (["--out", "no/x.csv"], "--out no/x.csv: there is no folder"),
        (["--out", "x.csv", "--condition", "c"], "unknown condition 'c'"),
    ],
)
def test_what_cannot_be_written_is_told(write, capsys, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    assert main.main(["edges", str(write()), *arguments]) == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def _resolve(*arguments, **options):
    from circuits.runfiles.resolve import resolve

    return resolve(*arguments, **options)
