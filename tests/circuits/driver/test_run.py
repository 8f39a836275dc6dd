"""Runs: the same spikes for the same seed, what a Dataset holds, processes, numpy against C++."""

import json
from dataclasses import replace

import numpy as np
import pytest

from analysis.data import schema
from cells.parameters import InputError
from circuits.driver.dataset import to_dataset
from circuits.driver.inputs import arrays_of
from circuits.driver.progress import Progress
from circuits.driver.report import rebuild_report
from circuits.driver.results import Result, segment
from circuits.driver.run import run_file
from circuits.driver.simulate import simulate, simulate_copies
from circuits.engine.arrays import cells_of
from circuits.engine.devices import run_plan
from circuits.engine.launch import Recording
from circuits.runfiles import provenance
from circuits.runfiles.model import Cycle
from circuits.runfiles.resolve import resolve

TEXT = """
experiment = "circuit"
name = "small"
claim = "A test."
seeds = [3, 4]
[cycle]
length = "100 ms"
plus = 0.4
count = 2
warmup = 1
[[condition]]
name = "baseline"
[[condition]]
name = "cut"
lesions = ["V1.L5IB->TRC"]
"""


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "small.toml"
    path.write_text(TEXT)
    return path


@pytest.fixture(scope="module")
def small(path):
    return resolve(path)


def recorded(run, rng):
    """Random spikes of every group."""
    spikes = {}
    for g in run.conditions[0].plan.groups:
        n = 20 * g.n
        t = np.sort(np.round(rng.uniform(0, run.cycle.duration, n), 4))
        i = rng.integers(g.n, size=n).astype(np.int32)
        order = np.lexsort((i, t))
        spikes[g.name] = i[order], t[order]
    return Recording(spikes, wall={"run": 1.0})


@pytest.fixture(scope="module")
def results(small):
    rng = np.random.default_rng(1)
    channels = small.conditions[0].spec.channels
    shape = small.cycle.count, channels
    return [Result(recorded(small, rng), rng.random(shape)) for _ in range(4)]


@pytest.fixture(scope="module")
def dataset(small, results):
    return to_dataset(small, results)


def test_dataset_has_the_shape_that_analysis_expects(dataset, small):
    assert schema.check(dataset) is dataset
    assert schema.runs(dataset) == [
        ("baseline", 3), ("baseline", 4), ("cut", 3), ("cut", 4),
    ]  # fmt: skip
    assert all("units" in v.attrs for v in dataset.data_vars.values())
    assert dataset["cycle_start"].values == pytest.approx([0.1, 0.2])
    assert dataset["plus_start"].values == pytest.approx([0.14, 0.24])
    table = schema.population_table(dataset)
    assert [row["name"] for row in table] == [p.name for p in small.conditions[0].spec.populations]
    assert len(schema.projection_table(dataset)) == len(small.conditions[0].spec.projections)


def test_every_spike_is_of_the_cell_that_fired_it(dataset, small, results):
    cells = cells_of(small.conditions[0].spec)
    one = schema.select(dataset, seed=4, condition="cut")
    spikes = results[3].recording.spikes
    assert np.array_equal(one["stimulus"].values, results[3].drive)
    assert one.sizes["spike"] == sum(len(t) for _, t in spikes.values())
    for cell in (0, 70, 200, len(cells.population) - 1):
        index, time = spikes[cells.group[cell]]
        expected = time[index == cells.index[cell]]
        mine = one["spike_time"].values[one["spike_neuron"].values == cell]
        assert np.array_equal(np.sort(mine), np.sort(expected))


def test_rate_agrees_with_the_segmentation_of_the_analysis(dataset):
    for condition, seed in schema.runs(dataset):
        one = schema.select(dataset, seed=seed, condition=condition)
        expected = schema.segment(
            one["spike_time"].values, one["spike_neuron"].values, one.sizes["neuron"],
            one["cycle_start"].values, one["plus_start"].values, schema.cycle_length(one),
        )  # fmt: skip
        assert np.allclose(one["rate"].values, expected)


@pytest.mark.parametrize(("time", "cycle", "phase"), [(0.1, 0, 0), (0.14, 0, 1), (0.2, 1, 0)])
def test_spikes_on_an_edge_belong_to_what_begins(time, cycle, phase):
    # rounding must not move a spike at the very start of a phase into the one before
    for near in (np.nextafter(time, 0), time, np.nextafter(time, 1)):
        rate = segment([near], [0], 1, Cycle(100, 0.4, 2, 1))
        assert np.argwhere(rate[:, :, 0]).tolist() == [[cycle, phase]]
    assert rate.sum() == pytest.approx(1 / (0.04 if phase == 0 else 0.06))


def test_stimulus_is_drawn_from_the_seed_and_fills_the_program(small):
    condition = small.conditions[0]
    arrays, drive = arrays_of(condition, small.cycle, 3)
    assert arrays["stimulus"].shape == (condition.plan.bins, condition.spec.channels)
    assert drive.shape == (small.cycle.count, condition.spec.channels)
    shown = small.cycle.total * small.cycle.bins
    assert (arrays["stimulus"][shown:] == arrays["stimulus"][shown - 1]).all()
    other, _ = arrays_of(condition, small.cycle, 4)
    assert not np.array_equal(arrays["stimulus"], other["stimulus"])


def test_folder_is_complete_and_can_be_judged_again(path, tmp_path, monkeypatch, results):
    criterion = """
[[criteria]]
id = "alive"
claim = "cells fire"
observable = "population_rate"
args = { population = "TRC" }
condition = "*"
min = 0.1
unit = "Hz"
"""
    file = tmp_path / "small.toml"
    file.write_text(TEXT + criterion)
    queue = list(results)
    monkeypatch.setattr(
        "circuits.driver.simulate.simulate_copies", lambda runs, **_: [queue.pop(0) for _ in runs]
    )
    folder = run_file(file, device="numpy", jobs=1, out=tmp_path / "r")
    assert sorted(p.name for p in folder.iterdir()) == [
        "report.html", "result.nc", "run.json", "verdicts.json",
    ]  # fmt: skip
    info = json.loads((folder / "run.json").read_text())
    assert info["seeds"] == [3, 4] and info["device"] == "numpy"
    assert info["realtime_factor"] == pytest.approx(0.3) and info["versions"]["brian2"]
    cut = {p["name"]: p["weight_nS"] for p in info["circuit"]["cut"]["projections"]}
    assert cut["V1.L5IB->TRC"] == 0
    verdicts = json.loads((folder / "verdicts.json").read_text())["verdicts"]
    assert [v["id"] for v in verdicts] == ["alive[baseline]", "alive[cut]"]
    assert schema.load(folder).sizes["seed"] == 2
    page = (folder / "report.html").read_bytes()
    (folder / "verdicts.json").unlink()
    (folder / "report.html").unlink()
    rebuild_report(folder)
    assert json.loads((folder / "verdicts.json").read_text())["verdicts"] == verdicts
    assert len((folder / "report.html").read_bytes()) == len(page)


@pytest.fixture
def canned(monkeypatch, results):
    """Let every run give random spikes at once."""

    def give(runs, **options):
        return [results[0] for _ in runs]

    monkeypatch.setattr("circuits.driver.simulate.simulate_copies", give)
    return give


def test_what_fails_after_the_simulation_does_not_lose_it(path, tmp_path, canned, monkeypatch):
    def bug(*_):
        raise ValueError("a bug")

    with monkeypatch.context() as patch, pytest.raises(ValueError, match="a bug") as told:
        patch.setattr("circuits.driver.report.evaluate", bug)
        run_file(path, device="numpy", jobs=1, out=tmp_path / "r")
    assert told.value.__notes__ == [
        f"the result is kept: pulvinar report {tmp_path / 'r'} judges it again"
    ]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["r"]
    assert sorted(p.name for p in (tmp_path / "r").iterdir()) == ["result.nc", "run.json"]
    rebuild_report(tmp_path / "r")
    assert (tmp_path / "r" / "verdicts.json").is_file()


def test_what_a_run_depends_on_is_that_of_its_start(path, tmp_path, canned, monkeypatch):
    """Not of the moment of writing: a file may be edited meanwhile, another compiler installed."""

    def change(runs, **options):
        monkeypatch.setattr(provenance, "clone", lambda: None)
        monkeypatch.setenv("PATH", str(tmp_path))
        return canned(runs)

    provenance.commit.cache_clear()
    provenance.versions.cache_clear()
    monkeypatch.setattr("circuits.driver.simulate.simulate_copies", change)
    folder = run_file(path, device="numpy", jobs=1, out=tmp_path / "r")
    info = json.loads((folder / "run.json").read_text())
    now = provenance.commit.__wrapped__(), provenance.versions.__wrapped__()
    assert "commit" not in now[0] and "g++" not in now[1]
    assert len(info["commit"]) == 40 and "g++" in info["versions"]
    assert schema.load(folder).attrs["commit"].startswith(info["commit"])


def test_a_folder_with_another_run_is_replaced_if_asked_for(path, tmp_path, canned, monkeypatch):
    monkeypatch.setattr("circuits.driver.report.write_report", lambda *_: None)
    notes = []
    monkeypatch.setattr(Progress, "note", lambda self, text: notes.append(text))
    options = {"device": "numpy", "jobs": 1, "out": tmp_path / "r"}

    def told(words):
        return len([note for note in notes if words in note])

    code = {"commit": "a" * 40, "dirty": False}
    monkeypatch.setattr(provenance, "commit", lambda: code)
    run_file(path, **options)
    assert not told("replaces") and not told("this very run")
    started = json.loads((tmp_path / "r" / "run.json").read_text())["started"]
    found = []
    run_file(path, show=found.append, **options)  # the same again
    assert not told("replaces") and told(f"this very run, made by this code at {started}") == 1
    assert found[0].identical(schema.load(tmp_path / "r"))
    code["dirty"] = True
    run_file(path, **options)
    assert told("replaces the run of") == 1 and told("this very run") == 1
    with pytest.raises(InputError, match="holds another run, 'small' of "):
        run_file(path, seeds=[9], **options)
    assert json.loads((tmp_path / "r" / "run.json").read_text())["seeds"] == [3, 4]
    run_file(path, seeds=[9], replace=True, **options)
    assert json.loads((tmp_path / "r" / "run.json").read_text())["seeds"] == [9]


def test_a_name_with_dollars_is_drawn_as_it_is(tmp_path, canned):
    file = tmp_path / "small.toml"
    file.write_text(TEXT.replace('"cut"', '"dose $5 not $x_$"'))
    folder = run_file(file, device="numpy", jobs=1, out=tmp_path / "r")
    page = (folder / "report.html").read_text()
    assert "dose $5 not $x_$" in page and "Conditions compared" in page and "Error" not in page


def spikes(run, seed, device):
    (result,) = simulate_copies([(run.conditions[0], seed)], run.cycle, device=device)
    return result.recording.spikes


def same(a, b):
    return all(np.array_equal(x, y) for name in a for x, y in zip(a[name], b[name], strict=True))


def test_numpy_repeats_a_seed_and_only_that(small):
    def brief(seed):
        arrays, _ = arrays_of(small.conditions[0], small.cycle, seed)
        plan = small.conditions[0].plan
        return run_plan(plan, arrays, duration=0.03, device="numpy").spikes

    first = brief(3)
    assert sum(len(t) for _, t in first.values()) > 50
    assert same(first, brief(3))
    assert not same(first, brief(4))


@pytest.mark.standalone
def test_cpp_repeats_a_seed_and_only_that_in_processes_too(path):
    run = replace(resolve(path, device="cpp"), seeds=(3, 4))
    first, again = spikes(run, 3, "cpp"), spikes(run, 3, "cpp")
    assert sum(len(t) for _, t in first.values()) > 50
    assert same(first, again)
    assert not same(first, spikes(run, 4, "cpp"))
    parallel, info = simulate(run, jobs=2)
    assert info["jobs"] == 2 and len(info["programs"]) == 1
    alone, _ = simulate(run, jobs=1)
    assert parallel.identical(alone)


@pytest.mark.standalone
def test_numpy_and_cpp_agree_spike_by_spike_without_noise(path):
    settings = ["cycle.count=2", "cycle.warmup=0", "inputs.regular=true", "inputs.noise=false"]
    run = resolve(path, settings=settings)
    a, b = spikes(run, 3, "numpy"), spikes(run, 3, "cpp")
    assert sum(len(t) for name, (_, t) in a.items() if name != "inputs") > 50
    for name in a:
        assert np.array_equal(a[name][0], b[name][0]), name
        assert np.allclose(a[name][1], b[name][1], rtol=0, atol=1e-9), name
