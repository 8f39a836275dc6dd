"""A result that the driver wrote, in each format and read back by the format's own library."""

import importlib
import json
import sys
from datetime import datetime
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from analysis import exports
from analysis.data import schema
from analysis.data.versions import AnalysisError
from analysis.exports import sonata, tables
from circuits.cli import main
from circuits.runfiles import catalogue

neo = pytest.importorskip("neo")
pynwb = pytest.importorskip("pynwb")
libsonata = pytest.importorskip("libsonata")
pytestmark = pytest.mark.filterwarnings("ignore::quantities.QuantitiesDeprecationWarning")
STORED = Path(__file__).parents[2] / "stored" / "schemas" / "3"


@pytest.fixture(scope="module")
def ds():
    """One condition and seed, in which synapses of one projection learn."""
    return schema.load(STORED)


def equal_trains(run, found):
    number = run["spike_neuron"].values
    for cell, times in enumerate(found):
        np.testing.assert_array_equal(times, run["spike_time"].values[number == cell])


def test_neo_has_every_run_and_cell_and_elephant_finds_the_rates(many):
    statistics = pytest.importorskip("elephant").statistics
    block = exports.to_neo(many)
    runs = schema.runs(many)
    assert [(s.annotations["condition"], s.annotations["seed"]) for s in block.segments] == runs
    for segment, (condition, seed) in zip(block.segments, runs, strict=True):
        run = schema.select(many, seed=seed, condition=condition)
        trains = segment.spiketrains
        equal_trains(run, [t.magnitude for t in trains])
        labels = [t.annotations["population"] for t in trains]
        assert labels == run["population"].values.tolist()
        assert [t.annotations["cell"] for t in trains] == list(range(run.sizes["neuron"]))
        cycles = next(e for e in segment.epochs if e.name == "cycles")
        np.testing.assert_allclose(cycles.times.magnitude, run["cycle_start"])
        begin, end = cycles.times[0], cycles.times[-1] + cycles.durations[-1]
        found = [statistics.mean_firing_rate(t, begin, end).rescale("Hz").item() for t in trains]
        # both phases last the same, so that their mean is the rate over all cycles
        np.testing.assert_allclose(found, run["rate"].mean(["cycle", "phase"]), rtol=1e-5)
    phases = next(e for e in segment.epochs if e.name == "phases")
    assert phases.labels[:3].tolist() == ["minus", "plus", "minus"]


def test_neo_has_the_weights_at_the_end_of_each_block(ds, tmp_path):
    (path,) = exports.export(STORED, "neo", tmp_path)
    (segment,) = neo.get_io(str(path)).read_block().segments
    (signal,) = segment.irregularlysampledsignals
    run = schema.select(ds)
    np.testing.assert_array_equal(signal.magnitude, run["weight"])
    np.testing.assert_array_equal(signal.array_annotations["source"], run["synapse_source"])
    np.testing.assert_array_equal(signal.array_annotations["target"], run["synapse_target"])
    # a cycle before, two of training and one of the test, .1 s each after a warm-up of .1 s
    assert np.bincount(run["cycle_block"]).tolist() == [1, 2, 1]
    np.testing.assert_allclose(signal.times.magnitude, [0.1, 0.2, 0.4, 0.5])


@pytest.fixture(scope="module")
def traced(circuit):
    """A run with recordings of cells, of synapses in two windows, and of an LFP proxy."""
    time = np.append(np.arange(0.4, 0.5, 5e-3), np.arange(0.8, 0.9, 5e-3))
    said = {"units": "1", "record": "w", "what": "weight", "target": "a->b"}
    of = "record_w_synapse"
    return circuit.assign(
        {"record_w_weight": (("record_w_time", of), np.outer(time, [0.5, 1]).astype("f4"), said)}
    ).assign_coords({
        "record_w_time": ("record_w_time", time, {"units": "s"}),
        "record_w_projection": (of, ["a->b"] * 2), "record_w_index": (of, [4, 7]),
        "record_w_source": (of, [0, 1]), "record_w_target": (of, [5, 6]),
    })  # fmt: skip


def test_neo_has_what_was_recorded(traced, tmp_path):
    block = exports.to_neo(traced)
    path = tmp_path / "block.pkl"
    neo.PickleIO(str(path)).write_block(block)
    (segment,) = neo.PickleIO(str(path)).read_block().segments
    found = {signal.name: signal for signal in segment.analogsignals}
    assert set(found) == {"record_1_V", "record_lfp_AMPA", "record_lfp_GABA_A"}
    potential, field = found["record_1_V"], found["record_lfp_AMPA"]
    np.testing.assert_array_equal(potential.rescale("mV").magnitude, traced["record_1_V"])
    np.testing.assert_allclose(potential.times.rescale("s").magnitude, traced["record_1_time"])
    assert potential.sampling_rate.rescale("Hz").item() == pytest.approx(2000)
    assert potential.array_annotations["index"].tolist() == [3, 5]
    assert potential.annotations["target"] == "V1.L5IB" and field.annotations["what"] == "LFP AMPA"
    assert field.dimensionality.string == "nA" and field.shape[1] == 1
    (weights,) = segment.irregularlysampledsignals
    np.testing.assert_array_equal(weights.times.magnitude, traced["record_w_time"])
    np.testing.assert_array_equal(weights.magnitude, traced["record_w_weight"])
    assert weights.array_annotations["source"].tolist() == [0, 1]


def test_nwb_has_what_was_recorded_and_stays_valid(traced, tmp_path):
    path = tmp_path / "run.nwb"
    with pynwb.NWBHDF5IO(str(path), "w") as file:
        file.write(exports.to_nwb(traced))
    assert pynwb.validate(path=str(path)) == []
    with pynwb.NWBHDF5IO(str(path), "r") as file:
        content = file.read()
        potential = content.acquisition["record_1_V"]
        np.testing.assert_array_equal(potential.data[:], traced["record_1_V"])
        assert (potential.unit, potential.conversion) == ("volts", 1e-3)
        assert potential.rate == pytest.approx(2000) and potential.timestamps is None
        assert potential.starting_time == pytest.approx(float(traced["record_1_time"][0]))
        assert content.acquisition["record_lfp_GABA_A"].conversion == 1e-9
        weights = content.acquisition["record_w_weight"]
        np.testing.assert_array_equal(weights.timestamps[:], traced["record_w_time"])
        tables_ = content.processing["recordings"].data_interfaces
        assert set(tables_) == {"record_1_V_channels", "record_w_weight_channels"}
        channels = tables_["record_1_V_channels"].to_dataframe()
        assert channels["population"].tolist() == ["V1.L5IB"] * 2
        assert channels["neuron"].tolist() == traced["record_1_neuron"].values.tolist()
        assert tables_["record_w_weight_channels"]["projection"].data[:].tolist() == ["a->b"] * 2


def test_nwb_is_valid_and_read_back_equal(ds, tmp_path):
    (path,) = exports.export(STORED, "nwb", tmp_path)
    assert pynwb.validate(path=str(path)) == []
    run = schema.select(ds)
    with pynwb.NWBHDF5IO(str(path), "r") as file:
        content = file.read()
        units = content.units.to_dataframe()
        equal_trains(run, units["spike_times"])
        for name in ("population", "layer", "position", "polarity"):
            assert units[name].tolist() == run[name].values.tolist()
        cycles = content.intervals["theta_cycles"].to_dataframe()
        np.testing.assert_array_equal(cycles["start_time"], run["cycle_start"])
        assert cycles["block"].tolist() == ["before", "training", "training", "test"]
        synapses = content.processing["connectivity"]["synapses"].to_dataframe()
        np.testing.assert_array_equal(synapses["weight_training"], run["weight"][2])
        np.testing.assert_array_equal(synapses["target"], run["synapse_target"])
        started = json.loads((STORED / "run.json").read_text())["started"]
        assert content.session_start_time == datetime.fromisoformat(started)


def test_sonata_is_read_back_equal_by_libsonata(ds, tmp_path):
    (folder,) = exports.export(STORED, "sonata", tmp_path)
    run = schema.select(ds)
    number = {}
    nodes = libsonata.NodeStorage(folder / "nodes.h5")
    assert nodes.population_names == set(run["population"].values.tolist())
    for name in nodes.population_names:
        population = nodes.open_population(name)
        every = population.select_all()
        number[name] = population.get_attribute("neuron", every)
        np.testing.assert_array_equal(number[name], schema.cell_index(run, name))
        np.testing.assert_array_equal(
            population.get_attribute("position", every), run["position"][number[name]]
        )
    spikes = libsonata.SpikeReader(folder / "spikes.h5")
    found = [(t, number[name][n]) for name in spikes.get_population_names()
             for n, t in spikes[name].get()]  # fmt: skip
    expected = zip(run["spike_time"].values * 1e3, run["spike_neuron"].values, strict=True)
    assert sorted(found) == sorted((float(t), int(n)) for t, n in expected)

    (projection,) = set(run["synapse_projection"].values.tolist())
    edges = libsonata.EdgeStorage(folder / "edges.h5").open_population(projection)
    every = edges.select_all()
    source = number[edges.source][edges.source_nodes(every)]
    target = number[edges.target][edges.target_nodes(every)]
    found = zip(source, target, edges.get_attribute("syn_weight", every), strict=True)
    ends = run["synapse_source"].values, run["synapse_target"].values
    assert sorted(found) == sorted(zip(*ends, run["weight"].values[-1], strict=True))
    types = pd.read_csv(folder / "edge_types.csv", sep=" ")
    assert types["projection"].tolist() == [projection]


def test_indices_of_edges_find_those_of_each_node(tmp_path):
    """With ends in no order, so that a node's edges lie in several ranges."""
    rng = np.random.default_rng(1)
    source, target = rng.integers(0, 9, 200), 9 + rng.integers(0, 7, 200)
    cells = pd.DataFrame({"population": ["a"] * 9 + ["b"] * 7})
    node = np.append(np.arange(9), np.arange(7))
    with h5py.File(tmp_path / "edges.h5", "w") as file:
        edges = tables.Edges("a->b", "a", "b", source, target, {"weight": np.arange(200.0)})
        sonata._write_edges(file, 0, edges, node, cells)
    found = libsonata.EdgeStorage(tmp_path / "edges.h5").open_population("a->b")
    for k in range(9):
        chosen = found.efferent_edges([k])
        weights = found.get_attribute("syn_weight", chosen)
        assert sorted(weights) == np.flatnonzero(source == k).tolist()
    for k in range(7):
        chosen = found.afferent_edges([k])
        assert found.target_nodes(chosen).tolist() == [k] * (target == 9 + k).sum()


def test_all_synapses_of_a_circuit_are_edges(tmp_path, capsys):
    """Those that the seed draws, of a circuit of the same size."""
    listed, out = tmp_path / "edges.csv", tmp_path / "out"
    assert main.main(["edges", "first_light", "--seed", "11", "--out", str(listed)]) == 0
    command = ["export", str(catalogue.example("first_light")),
               "--synapses", str(listed), "--out", str(out), "--to"]  # fmt: skip
    assert main.main([*command, "nwb"]) == 2
    capsys.readouterr()
    assert main.main([*command, "sonata"]) == 2, "it has another condition too"
    told = "edges.csv: is not the list of this run: condition baseline, not pacing ablated;"
    assert told in capsys.readouterr().err
    assert main.main([*command, "sonata", "--condition", "baseline"]) == 0
    table = pd.read_csv(listed, comment="#")
    folder = out / "baseline-seed-11"
    storage = libsonata.EdgeStorage(folder / "edges.h5")
    names = table["projection"] + ":" + table["receptor"]
    assert storage.population_names == set(names)
    number = {p: cells.index[0] for p, cells in exports.to_tables(
        schema.load(catalogue.example("first_light")))["cells"].groupby("population")}  # fmt: skip
    mine = table[names == "V1.L5IB->TRC:AMPA"].sort_values(["target", "source"])
    edges = storage.open_population("V1.L5IB->TRC:AMPA")
    every = edges.select_all()
    assert len(mine) == every.flat_size > 0
    assert (edges.source_nodes(every) + number["V1.L5IB"]).tolist() == mine["source"].tolist()
    assert (edges.target_nodes(every) + number["TRC"]).tolist() == mine["target"].tolist()
    np.testing.assert_allclose(edges.get_attribute("syn_weight", every), mine["weight"])
    np.testing.assert_allclose(edges.get_attribute("delay", every), mine["delay"])


def test_a_list_of_synapses_of_another_run_is_refused(ds, tmp_path):
    """By what it was drawn from, and by the synapses that the run kept."""
    run = schema.select(ds)
    path, origin = tmp_path / "edges.csv", tables._origin(run)
    (kept,) = tables.edges(run)
    rows = pd.DataFrame({
        "source": kept.source, "target": kept.target, "source_population": kept.source_population,
        "target_population": kept.target_population, "projection": kept.projection,
        "receptor": "AMPA", "weight": 1.0, "delay": 1.0, "learned": 0.5})  # fmt: skip

    def told(table=rows, **changed):
        path.write_text(f"# {json.dumps(origin | changed)}\n" + table.to_csv(index=False))
        try:
            return len(tables.read_edges(path, run)[0].source)
        except AnalysisError as error:
            return str(error)

    assert told() == len(rows)
    assert told(condition="other").endswith("this run: condition other, not baseline")
    assert told(plasticity={}).endswith("other plasticity")
    assert told(rows.iloc[1:]).endswith("this run: other synapses of V2.L6CT->TRC")
    assert told(rows.assign(source=0)).endswith("other cells as source")
    path.write_text(rows.to_csv(index=False))
    with pytest.raises(AnalysisError, match="first line does not say what it was drawn from"):
        tables.read_edges(path, run)


def test_csv_has_all_runs_in_each_table(ds, many, tmp_path):
    exports.export(STORED, "csv", tmp_path)
    weights = pd.read_csv(tmp_path / "weights.csv")
    run = schema.select(ds)
    np.testing.assert_allclose(weights["weight_training"], run["weight"][2], rtol=1e-6)
    scores = pd.read_csv(tmp_path / "scores.csv").set_index(["block", "cycle"])
    for block in ("before", "training"):
        mine = run["r_pred"].sel(block=block).to_series().dropna()
        pd.testing.assert_series_equal(
            scores.loc[block, "r_pred"].dropna(), mine, check_names=False, check_index=True
        )
    spikes = exports.to_tables(many, condition="no pacing")["spikes"]
    for seed, found in spikes.groupby("seed"):
        other = schema.select(many, seed=seed, condition="no pacing")
        np.testing.assert_array_equal(found["time_s"], other["spike_time"])
        assert set(found["condition"]) == {"no pacing"}


@pytest.mark.parametrize("to", ["neo", "nwb", "sonata", "csv"])
def test_spikes_of_a_population_are_read_from_every_format(ds, tmp_path, to):
    (first, *_) = exports.export(STORED, to, tmp_path)
    path = {"sonata": first / "spikes.h5", "csv": tmp_path / "spikes.csv"}.get(to, first)
    run = schema.select(ds)
    cells = schema.cell_index(run, "V1.L4")
    expected, place = schema.spikes_of(run, cells)
    time, cell = exports.read_spikes(path, "V1.L4")
    np.testing.assert_allclose(time, expected, atol=1e-12)
    np.testing.assert_array_equal(cell, cells[place] if to == "csv" else place)
    with pytest.raises(AnalysisError, match=r"spikes|predict|small|nwb.*V1\.L4") as told:
        exports.read_spikes(path, "V1.L44")
    assert "did you mean 'V1.L4'?" in str(told.value) and str(path) in str(told.value)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.csv", "when,who\n1,2\n", "needs a column of time_s"),
        ("a.csv", "time_s,cell\nnan,2\n", "not finite"),
        ("a.h5", "nothing", "no spike trains can be read"),
        ("a.nwb", "nothing", "no spike trains can be read"),
        ("a.xyz", "nothing", "neo cannot read it"),
    ],
)
def test_a_file_without_spikes_is_told_in_one_line(tmp_path, name, content, reason):
    path = tmp_path / name
    with pytest.raises(AnalysisError, match="no such file"):
        exports.read_spikes(path)
    path.write_text(content)
    with pytest.raises(AnalysisError, match=reason):
        exports.read_spikes(path)


def test_the_command_writes_a_new_folder_or_nothing(tmp_path, capsys):
    out = tmp_path / "deep" / "out"
    command = ["export", str(STORED), "--to", "sonata", "--out", str(out)]
    assert main.main([*command, "--seed", "4"]) == 2
    assert "no seed '4'; valid: 3" in capsys.readouterr().err
    assert main.main([*command[:3], "nbw", *command[4:]]) == 2
    assert "did you mean 'nwb'?" in capsys.readouterr().err
    assert not out.parent.exists()
    assert main.main(command) == 0
    assert capsys.readouterr().out.split() == [str(out / "baseline-seed-3")]
    assert main.main(command) == 2
    assert "is there already" in capsys.readouterr().err


def test_a_missing_library_names_the_extra(monkeypatch, capsys, tmp_path):
    monkeypatch.setitem(sys.modules, "pynwb", None)
    with pytest.raises(ImportError):
        importlib.import_module("pynwb")
    assert main.main(["export", str(STORED), "--to", "nwb", "--out", str(tmp_path / "x")]) == 2
    assert "this needs pynwb: pip install 'pulvinar[export]'" in capsys.readouterr().err


def test_one_run_must_be_named_where_there_are_several(many, tmp_path):
    with pytest.raises(AnalysisError, match="4 runs, name one by condition and seed: 'intact' 1"):
        exports.to_nwb(many)
    with pytest.raises(AnalysisError, match="no condition 'intcat'; did you mean 'intact'"):
        exports.to_neo(many, condition="intcat")
