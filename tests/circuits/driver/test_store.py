"""Run folders: whole or not at all, and the same numbers back."""

import json

import numpy as np
import pytest
import xarray as xr

from cells.parameters import InputError
from circuits.driver import store
from circuits.runfiles import provenance


def names(folder):
    return sorted(p.name for p in folder.iterdir())


def test_folder_appears_whole(tmp_path):
    target = tmp_path / "a" / "b" / "r"
    with store.new_folder(target) as partial:
        store.write_json(partial / "run.json", {"x": 1})
        assert not target.exists()
    assert names(target) == ["run.json"] and names(target.parent) == ["r"]


@pytest.mark.parametrize("error", [OSError("disk"), KeyboardInterrupt(), ValueError("bug")])
def test_failure_leaves_nothing_at_all(tmp_path, error):
    target = tmp_path / "a" / "b" / "r"
    with pytest.raises(type(error)), store.new_folder(target) as partial:
        (partial / "half").write_text("x")
        raise error
    assert names(tmp_path) == []


def test_finished_run_is_replaced_whole_and_files_of_the_users_stay(tmp_path):
    target = tmp_path / "r"
    for k in range(2):
        with store.new_folder(target) as partial:
            store.write_json(partial / "run.json", {"k": k})
            (partial / ("report.html", "verdicts.json")[k]).touch()
        (target / f"csv{k}").mkdir()
        (target / f"csv{k}" / "spikes.csv").write_text("mine")
    assert names(target) == ["csv0", "csv1", "run.json", "verdicts.json"]
    assert (target / "csv0" / "spikes.csv").read_text() == "mine" and names(tmp_path) == ["r"]
    assert json.loads((target / "run.json").read_text()) == {"k": 1}


def test_failed_rename_puts_the_old_run_back(tmp_path, monkeypatch):
    from pathlib import Path

    target = tmp_path / "r"
    with store.new_folder(target) as partial:
        store.write_json(partial / "run.json", {"k": 0})
    rename = Path.rename

    def failing(self, other):
        if Path(other) == target and ".old." not in str(self):
            raise OSError("no rename today")
        return rename(self, other)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(OSError, match="today"), store.new_folder(target) as partial:
        (partial / "x").touch()
    assert names(tmp_path) == ["r"] and names(target) == ["run.json"]


def test_other_peoples_folders_and_files_are_refused(tmp_path):
    (tmp_path / "file").write_text("x")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "data").touch()
    for name in ("file", "mine"):
        with pytest.raises(InputError, match=name):
            store.check_writable(tmp_path / name)
    store.check_writable(tmp_path / "new" / "deep")
    assert names(tmp_path) == ["file", "mine"]


def test_dataset_comes_back_as_it_was(tmp_path):
    rng = np.random.default_rng(1)
    ds = xr.Dataset(
        {
            "spike_time": ("spike", np.sort(rng.random(1000)), {"units": "s"}),
            "rate": (("cycle", "neuron"), rng.random((3, 4)).astype(np.float32), {"units": "Hz"}),
            "stimulus": (("cycle", "channel"), rng.random((3, 5)), {"units": "Hz"}),
        },
        coords={
            "population": ("neuron", np.array(["V1.L4", "TRC", "TRC", "TRN"])),
            "neuron_channel": ("neuron", np.arange(4, dtype=np.int32)),
        },
        attrs={"cycle_length_s": 0.2},
    )
    path = tmp_path / "result.nc"
    store.write_dataset(path, ds)
    with xr.open_dataset(path, engine="h5netcdf", decode_times=False) as back:
        xr.testing.assert_identical(back.load(), ds)


def test_json_never_holds_nan(tmp_path):
    with pytest.raises(ValueError):
        store.write_json(tmp_path / "x.json", {"x": float("nan")})
    store.write_json(tmp_path / "y.json", {"x": np.float32(1.5), "y": np.arange(2)})
    assert json.loads((tmp_path / "y.json").read_text()) == {"x": 1.5, "y": [0, 1]}


def test_folder_name_follows_the_parameters():
    a = store.run_folder("n", {"seeds": [1], "x": 2})
    assert a == store.run_folder("n", {"x": 2, "seeds": [1]})
    assert a != store.run_folder("n", {"x": 2, "seeds": [2]})
    assert a.name.startswith("n-") and len(a.name) == 2 + 12


def test_versions_name_what_numbers_depend_on():
    found = provenance.versions()
    assert {"brian2", "numpy", "python", "machine"} <= set(found)
    commit = provenance.commit()
    assert not commit or (len(commit["commit"]) == 40 and isinstance(commit["dirty"], bool))


def test_a_folder_is_written_by_one_run_at_a_time(tmp_path):
    target = tmp_path / "a" / "r"
    with store.reserved(target):
        with pytest.raises(InputError, match="r: another run is writing there"):
            store.reserved(target).__enter__()
        with store.reserved(tmp_path / "a" / "other"):
            pass
    assert names(tmp_path) == []  # what was made for it has gone
    with store.reserved(target), store.new_folder(target) as partial:
        (partial / "x").touch()
    assert names(tmp_path / "a") == ["r"]


@pytest.mark.parametrize("name", ["n" * 245, "a/" + "n" * 300])
def test_a_folder_that_cannot_be_made_is_told_before_anything_runs(tmp_path, name):
    with pytest.raises(InputError, match="File name too long"):
        store.reserved(tmp_path / name).__enter__()
    assert names(tmp_path) == []


def test_another_run_is_not_replaced_without_a_word(tmp_path):
    target = tmp_path / "r"
    run = {"name": "n", "seeds": [1], "blocks": {"a": {"cycles": 1}, "b": {"cycles": 2}}}
    mine = store.identity(run, "cpp", ["baseline"])
    assert store.check_replaced(target, mine, False) is None
    with store.new_folder(target) as partial:
        info = {"name": "n", "started": "1 May", "run": run, "device": "cpp"}
        store.write_json(partial / "run.json", info | {"conditions": ["baseline"]})
    assert store.check_replaced(target, mine, False) == "1 May"
    turned = dict(reversed(run["blocks"].items()))
    for other in (
        store.identity(run | {"seeds": [2]}, "cpp", ["baseline"]),
        store.identity(run | {"blocks": turned}, "cpp", ["baseline"]),
        store.identity(run, "numpy", ["baseline"]),
        store.identity(run, "cpp", ["cut"]),
    ):
        with pytest.raises(InputError, match=r"holds another run, 'n' of 1 May; .* --replace"):
            store.check_replaced(target, other, False)
        assert store.check_replaced(target, other, True) == "1 May"
    code = {"versions": {"numpy": "2"}, "commit": "a", "dirty": False}
    assert store.made_alike(target, mine, code) is None
    (target / "result.nc").touch()
    for made, now, wanted in (
        (code, code, "1 May"), (code, code | {"commit": "b"}, None), ({}, code, None),
        (code, code | {"dirty": True}, None), (code | {"dirty": True}, code, None),
        (code, code | {"versions": {"numpy": "3"}}, None),
        ({"versions": {"numpy": "2"}}, {"versions": {"numpy": "2"}}, "1 May"),  # of a wheel
    ):  # fmt: skip
        store.write_json(target / "run.json", info | {"conditions": ["baseline"]} | made)
        assert store.made_alike(target, mine, now) == wanted
        assert store.made_alike(target, store.identity(run, "numpy", ["baseline"]), now) is None
    (target / "run.json").write_text("{")
    with pytest.raises(InputError, match="--replace"):
        store.check_replaced(target, mine, False)
