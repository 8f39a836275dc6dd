"""Run files of rate networks, from the file to the folder: every kind, small."""

import json

import numpy as np
import pytest
import xarray as xr

from analysis.observables import by_condition, evaluate
from circuits.driver.report import rebuild_report
from circuits.driver.run import run_file

BEGIN = 'experiment = "rate"\nname = "small"\nseeds = [1, 2]\n'


def done(tmp_path, text, folder="out", **options):
    (tmp_path / "small.toml").write_text(BEGIN + text)
    folder = run_file(tmp_path / "small.toml", out=tmp_path / folder, jobs=1, **options)
    with xr.open_dataset(folder / "result.nc", engine="h5netcdf", decode_times=False) as ds:
        return ds.load(), folder


def test_figure_1_learns_from_the_difference_of_its_phases(tmp_path):
    ds, folder = done(tmp_path, '''
kind = "figure1"
cycle = { count = 6, step_ms = 1.0 }
[[condition]]
name = "learns"
[[condition]]
name = "does not"
training = { lr = 0.0 }
[[criteria]]
id = "left"
claim = "less is left"
observable = "figure1_left"
condition = "learns"
max = 0.5
''')  # fmt: skip
    assert json.loads((folder / "verdicts.json").read_text())["verdicts"][0]["holds"] is True
    for name in ("minus", "plus"):
        last = ds[name].sel(unit="output").isel(cycle=-1)
        first = ds[name].sel(unit="output").isel(cycle=0)
        np.testing.assert_allclose(last.sel(condition="does not"), first.sel(condition="does not"))
    np.testing.assert_allclose(ds["plus"].sel(unit="output"), 0.9, atol=1e-3)
    assert (by_condition(ds, "figure1_gap") < 2e-3).all()
    page = (folder / "report.html").read_text()
    assert page.count("Two phases") >= 2 and "<svg" in page
    (folder / "report.html").unlink()
    assert (rebuild_report(folder) / "report.html").is_file()


def test_training_is_measured_by_condition_and_seed(tmp_path):
    ds, folder = done(tmp_path, '''
kind = "training"
task = { name = "xor" }
network = { hidden = [4] }
training = { epochs = 400, batch = 0, lr = 5.0, until = true, every = 10 }
rule = { name = "chl" }
[[condition]]
name = "CHL"
[[condition]]
name = "backprop"
rule = { name = "backprop" }
''')  # fmt: skip
    assert (by_condition(ds, "rate_solved") == 1).all()
    assert (by_condition(ds, "rate_epochs") < 400).all()
    one = ds.isel(condition=1, seed=0)
    assert evaluate(one, "rate_cosine", reference="feedforward") == pytest.approx(1)
    assert evaluate(one, "rate_signature", carrier="error", term="prediction") == pytest.approx(-1)
    assert "By condition" in (folder / "report.html").read_text()


def test_alignment_and_depth_have_a_row_for_each_number_of_layers(tmp_path):
    ds, _ = done(tmp_path, '''
kind = "alignment"
network = { width = 8, depths = [1, 2] }
training = { epochs = 1 }
rule = { name = "chl" }
gradient = { patterns = 30, between = true }
''')  # fmt: skip
    assert ds["cosine_settled"].notnull().sum("layer").isel(
        condition=0, seed=0
    ).values.tolist() == [2, 3]
    # the rule is itself a clamp, the last strength that it is compared with
    np.testing.assert_allclose(ds["nudge_cosine"].isel(beta=-1), 1, atol=1e-3)
    np.testing.assert_allclose(ds["displacement"].isel(depth=0, layer=[0, 1]), 1, atol=0.05)
    ds, folder = done(tmp_path, '''
kind = "depth"
network = { width = 8, depths = [1, 2] }
training = { epochs = 1, lr = [1.0, 2.0] }
rule = { name = "predictive_coding", skip = 1 }
gradient = { patterns = 30 }
[[condition]]
name = "predictive coding"
[[condition]]
name = "targets"
rule = { name = "difference_target_propagation" }
''', folder="depth")  # fmt: skip
    energy = ds["energy"].isel(condition=0, depth=1, seed=0).values
    ratio = by_condition(ds.isel(condition=[0]), "rate_energy_ratio", hidden=2)
    assert float(ratio[0, 0]) == pytest.approx(np.log10(energy[2] / energy[0]))
    targets = ds.sel(condition="targets")
    # at the output the target is the way to the outcome itself
    np.testing.assert_allclose(targets["cosine_feedforward"].sel(depth=1, layer=2), 1)
    assert ds["needs"].isel(condition=0, depth=0, seed=0).values.tolist() == [1, 1, 0, 0]
    page = (folder / "report.html").read_text()
    assert page.count("<figure") == 2 and "Not drawn" not in page
    assert ds["energy"].notnull().sum("layer").isel(condition=0, seed=0).values.tolist() == [2, 3]


def test_identities_are_judged(tmp_path):
    ds, folder = done(tmp_path, '''
kind = "identities"
[[condition]]
name = "delta"
identity = { name = "generec_delta" }
[[criteria]]
id = "delta"
claim = "GeneRec is the delta rule at the output"
observable = "identity_error"
condition = "delta"
max = 1e-10
''')  # fmt: skip
    assert json.loads((folder / "verdicts.json").read_text())["verdicts"][0]["holds"] is True
    assert (ds["identity_error"] < 1e-10).all()


def test_a_moving_photograph_is_predicted_beside_a_ridge_and_a_shift(tmp_path):
    ds, _ = done(tmp_path, '''
kind = "prediction"
stimulus = { cycles = 60, test_cycles = 16 }
training = { epochs = 4, batch = 1, lr = 0.5 }
rule = { name = "generec" }
[[condition]]
name = "longer"
[[condition]]
name = "shorter"
training = { epochs = 2 }
''')  # fmt: skip
    r = {s: by_condition(ds, "rate_prediction", source=s) for s in ds["source"].values}
    assert (r["shift"] > 0.9).all()  # what is predictable is what moves on
    assert (r["ridge"] > r["persistence"]).all()
    # right after a jump there is nothing to predict from
    assert ds["prediction"].isnull().any("channel").any("cycle").all()


def test_energy_recalls_and_tells_what_is_unknown(tmp_path):
    ds, folder = done(tmp_path, '''
kind = "recall"
network = { layers = [20] }
training = { epochs = 3 }
inference = { test_steps = 80 }
''')  # fmt: skip
    assert (by_condition(ds, "recall_gain", over="ridge") < 1).all()
    assert (by_condition(ds, "recall_gain") > 1).all()
    assert (by_condition(ds, "picture_separation", other="shuffled") > 0.9).all()
    assert "Recall of the lower half" in (folder / "report.html").read_text()


def test_pictures_are_drawn_of_the_class_that_is_told(tmp_path):
    ds, folder = done(tmp_path, '''
kind = "sampling"
training = { epochs = 2 }
test = { steps = 100, burn = 20 }
[[condition]]
name = "predictive coding"
network = { hidden = [20] }
[[condition]]
name = "Boltzmann machine"
network = { learner = "Boltzmann machine", hidden = [20] }
training = { epochs = 1, lr = 0.5 }
''')  # fmt: skip
    told = by_condition(ds, "drawn_class").mean("seed")
    assert told.sel(condition="predictive coding") > 0.8
    assert (told > 0.15).all()  # chance is .1
    for source, least, most in (("digits", 0.8, 1.2), ("class mean", -1e-9, 1e-9)):
        assert by_condition(ds, "drawn_spread", source=source).min() >= least
        assert by_condition(ds, "drawn_spread", source=source).max() <= most
    assert abs(by_condition(ds, "drawn_told", source="digits").mean() - 0.5) < 0.05
    assert (by_condition(ds, "drawn_told", source="class mean", less="digits") > 0.3).all()
    assert "What is drawn" in (folder / "report.html").read_text()


def test_labels_are_read_after_one_trial(tmp_path):
    ds, folder = done(tmp_path, '''
kind = "readout"
stimulus = { cycles = 60 }
network = { hidden = 60 }
rule = { name = "backprop" }
label = { classes = 2, length_s = 1.8, start_s = 0.1 }
test = { presentations = 5 }
[[condition]]
name = "plateaus"
[[condition]]
name = "no feedback"
cells = { inhibition = 0.0 }
[[condition]]
name = "plateau at -4 s"
cells = { basal = -1.0 }
label = { start_s = -4.0, length_s = 0.3 }
''')  # fmt: skip
    first = by_condition(ds, "readout_accuracy").mean("seed")
    before = by_condition(ds, "readout_accuracy", stage="untrained").mean("seed")
    assert first.sel(condition="plateaus") > 0.7
    # seconds before there is anything to read a plateau makes no difference
    assert abs(first - before).sel(condition="plateau at -4 s") < 0.15
    new, old = (
        by_condition(ds, "readout_accuracy", stage=s).mean("seed").sel(condition="plateaus")
        for s in ("reversed", "old labels")
    )
    assert new + old == 1 and new > old
    n = by_condition(ds, "readout_plateaus").mean("seed")
    # one of two classes is a cell's own; of 300 ms each, they fill 1.8 s
    assert n.sel(condition="no feedback") == 6 > n.sel(condition="plateaus") > 1
    assert "When the plateau comes" in (folder / "report.html").read_text()
