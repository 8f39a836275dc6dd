from itertools import pairwise

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from analysis.data import schema

LENGTH, MINUS = 0.2, 0.12


def test_planted_run_passes_the_check(circuit, many):
    assert schema.check(circuit) is circuit
    assert schema.check(many) is many


@pytest.mark.parametrize(
    ("spoil", "word"),
    [
        (lambda ds: ds.drop_vars("spike_time"), "spike_time"),
        (lambda ds: ds.drop_vars("layer"), "layer"),
        (lambda ds: ds.drop_vars("plus_start"), "plus_start"),
        (lambda ds: ds.assign_attrs(cycle_length_s=-1.0), "cycle_length_s"),
        (lambda ds: ds.isel(spike=slice(None, None, -1)), "sorted"),
        (lambda ds: ds.isel(neuron=slice(0, 10)), "spike_neuron"),
        (lambda ds: ds.assign(spike_time=ds["spike_time"].assign_attrs(units="ms")), "units"),
        (lambda ds: ds.assign(rate=ds["rate"].drop_attrs()), "units"),
        (lambda ds: ds.assign_coords(plus_start=ds["plus_start"].drop_attrs()), "units"),
        (lambda ds: ds.assign_coords(plus_start=ds["plus_start"] + 1.0), "outside its cycle"),
        (lambda ds: ds.assign(rate=ds["rate"].transpose("neuron", ...)), "rate"),
        (lambda ds: ds.isel(cycle=slice(None, None, -1)), "cycle_start"),
    ],
)
def test_a_broken_result_is_told_in_one_line(circuit, spoil, word):
    with pytest.raises(schema.AnalysisError) as error:
        schema.check(spoil(circuit))
    assert word in str(error.value)
    assert "\n" not in str(error.value)


def test_spikes_may_be_unsorted_across_runs_but_not_within(many):
    assert np.any(np.diff(many["spike_time"].values) < 0)
    order = np.arange(many.sizes["spike"])
    order[[5, 50]] = order[[50, 5]]
    with pytest.raises(schema.AnalysisError, match="sorted"):
        schema.check(many.isel(spike=order))


def test_select_gives_back_the_joined_run(make_circuit, many):
    alone = make_circuit(2)
    picked = schema.select(many, seed=2, condition="intact")
    assert not {"seed", "condition"} & set(picked.dims)
    for name in ("spike_time", "spike_neuron", "rate", "stimulus"):
        np.testing.assert_array_equal(picked[name].values, alone[name].values)
    lesion = schema.select(many, seed=2, condition="no pacing")
    assert lesion.sizes["spike"] != picked.sizes["spike"] or not np.array_equal(
        lesion["spike_time"], picked["spike_time"]
    )


def test_select_wants_a_name_where_there_are_several_and_names_the_nearest(many):
    with pytest.raises(schema.AnalysisError, match="2 conditions"):
        schema.select(many, seed=1)
    with pytest.raises(schema.AnalysisError, match="no seed '9'"):
        schema.select(many, seed=9, condition="intact")
    with pytest.raises(schema.AnalysisError, match="did you mean 'no pacing'"):
        schema.select(many, seed=1, condition="no-pacing")


def test_select_of_a_single_run_changes_nothing(circuit):
    xr.testing.assert_identical(schema.select(circuit), circuit)


def test_a_written_file_reads_back_with_seconds_as_numbers(many, tmp_path):
    many.to_netcdf(tmp_path / "result.nc", engine="h5netcdf")
    back = schema.load(tmp_path)
    np.testing.assert_array_equal(back["spike_time"].values, many["spike_time"].values)
    picked = schema.select(back, seed=1, condition="no pacing")
    assert schema.population_names(picked) == schema.population_names(many)
    assert picked["record_1_index"].values.tolist() == [3, 5]


def test_no_file_and_no_netcdf_are_told_in_one_line(tmp_path):
    with pytest.raises(schema.AnalysisError, match="no such result file"):
        schema.load(tmp_path)
    (tmp_path / "result.nc").write_text("not a file of that kind")
    with pytest.raises(schema.AnalysisError, match="not a netCDF file"):
        schema.load(tmp_path)


trains = st.lists(
    st.tuples(st.floats(0, 2.5, allow_nan=False), st.integers(0, 4)), min_size=0, max_size=60
)


@given(trains, st.integers(0, 8))
def test_segment_counts_what_a_loop_counts(train, n_cycle):
    start = 0.3 + LENGTH * np.arange(n_cycle)
    time, neuron = np.array([t for t, _ in train]), np.array([n for _, n in train], int)
    rate = schema.segment(time, neuron, 5, start, start + MINUS, LENGTH)
    expected = np.zeros((n_cycle, 2, 5))
    for t, n in train:
        for c in range(n_cycle):
            begin = start[c]
            if begin - 1e-9 <= t < begin + MINUS - 1e-9:
                expected[c, 0, n] += 1 / MINUS
            elif begin + MINUS - 1e-9 <= t < begin + LENGTH - 1e-9:
                expected[c, 1, n] += 1 / (LENGTH - MINUS)
    np.testing.assert_allclose(rate, expected, rtol=1e-5)
    assert rate.dtype == np.float32


def test_segment_is_not_fooled_by_rounding_at_the_edges():
    start = np.arange(100) * 0.2
    steps = np.arange(200) * 1000
    rate = schema.segment(steps * 1e-4, np.zeros(200, int), 1, start, start + 0.1, 0.2)
    np.testing.assert_allclose(rate, 10.0, rtol=1e-6)


def test_the_stored_rate_is_the_segmented_spikes(circuit):
    n, length = circuit.sizes["neuron"], schema.cycle_length(circuit)
    start, plus = circuit["cycle_start"].values, circuit["plus_start"].values
    again = schema.segment(
        circuit["spike_time"].values, circuit["spike_neuron"].values, n, start, plus, length
    )
    np.testing.assert_array_equal(again, circuit["rate"].values)


def test_cells_by_label_and_their_spikes(circuit):
    both = schema.cell_index(circuit, cell_class=["PV", "SST"], area="V1")
    pv, sst = schema.cell_index(circuit, "V1.PV"), schema.cell_index(circuit, "V1.SST")
    assert sorted(both) == sorted([*pv, *sst])
    time, index = schema.spikes_of(circuit, pv)
    assert set(pv[index]) <= set(pv)
    assert time.size == np.isin(circuit["spike_neuron"], pv).sum()
    with pytest.raises(schema.AnalysisError, match=r"did you mean 'V1\.L5IB'"):
        schema.cell_index(circuit, "V1.L5BI")


def test_the_population_table_falls_back_on_the_cells(circuit):
    table = schema.population_table(circuit.drop_attrs().assign_attrs(cycle_length_s=LENGTH))
    described = schema.population_table(circuit)
    assert [r["name"] for r in table] == [r["name"] for r in described]
    assert all(r["excitatory"] and r["colour"] is None for r in table)
    assert [r["n"] for r in table] == [r["n"] for r in described]


def test_an_area_may_be_left_out_or_added_but_not_exchanged():
    names = ["V1.L5IB", "V2.L5IB", "V1.SST", "TRC"]
    assert schema.resolve("pulvinar.TRC", names) == "TRC"
    assert schema.resolve("SST", names) == "V1.SST"
    assert schema.resolve("V2.L5IB", names) == "V2.L5IB"
    for wrong in ("V2.SST", "L5IB", "LGN.L4"):
        with pytest.raises(schema.AnalysisError, match="no population"):
            schema.resolve(wrong, names)


def test_figures_show_areas_together_and_inputs_last(circuit):
    shuffled = circuit.isel(neuron=np.random.default_rng(0).permutation(circuit.sizes["neuron"]))
    names = schema.populations_by_area(shuffled)
    assert sorted(names) == sorted(schema.population_names(circuit))
    areas = [name.split(".")[0] for name in names]
    assert set(areas[-3:]) == {"LGN", "THETA", "MATRIX"}
    assert set(areas[-5:-3]) == {"pulvinar"}
    changes = sum(a != b for a, b in pairwise(areas))
    assert changes == len(set(areas)) - 1
