"""What was recorded over time: found by what it is of, and an LFP proxy of it."""

import numpy as np
import pytest

from analysis import observables
from analysis.data import schema
from analysis.data.recordings import recorded, recording
from analysis.figures.recordings import recordings_figure
from analysis.measures import spectra
from analysis.measures.recordings import lfp


def test_a_recording_is_found_by_what_it_is_of(circuit):
    assert recorded(circuit) == {
        "1": ["record_1_V"], "lfp": ["record_lfp_AMPA", "record_lfp_GABA_A"]
    }  # fmt: skip
    found = recording(circuit, "V1.L5IB", "V")
    assert found.dims == ("time", "cell") and found.attrs["units"] == "mV"
    assert found["index"].values.tolist() == [3, 5]
    assert set(circuit["population"].values[found["neuron"]]) == {"V1.L5IB"}
    np.testing.assert_array_equal(found, circuit["record_1_V"])
    assert recording(circuit, record="1").identical(found)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({}, "3 recordings of this run; there are record '1': V of V1.L5IB; record 'lfp'"),
        ({"what": "W"}, "'W' was not recorded; valid: LFP AMPA, LFP GABA_A, V"),
        ({"what": "V", "target": "TRC"}, "0 recordings of TRC, V; there are record '1': V of"),
        ({"record": "2"}, "0 recordings of 2; there are"),
    ],
)
def test_what_was_not_recorded_is_told(circuit, asked, message):
    with pytest.raises(schema.AnalysisError, match=message):
        recording(circuit, **asked)


def test_nothing_recorded_is_told(circuit):
    bare = circuit.drop_vars([v for v in circuit.variables if str(v).startswith("record_")])
    with pytest.raises(schema.AnalysisError, match=r"nothing was recorded; tables \[\[record\]\]"):
        recording(bare)


def test_one_population_of_a_record_of_several(circuit):
    two = circuit.assign_coords(record_1_population=("record_1_cell", ["V1.L5IB", "V2.L5IB"]))
    two["record_1_V"].attrs["target"] = "*.L5IB"
    assert recording(two, "V2.L5IB")["index"].values.tolist() == [5]
    assert recording(two, "*.L5IB").sizes["cell"] == 2


def test_the_lfp_proxy_is_the_weighted_sum_of_the_source(circuit):
    found = lfp(circuit, "V1")
    t = found["time"].values
    # from the first cycle on, AMPA 6 ms late, GABA-A 1.65 times: Mazzoni et al. 2015
    assert t[0] == pytest.approx(float(circuit["cycle_start"][0]))
    expected = 2 + np.sin(2 * np.pi * (t - 6e-3) / 0.2) + 1.65
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert (found.attrs["units"], found.attrs["bin_size_s"]) == ("nA", pytest.approx(1e-3))
    assert spectra.peak_frequency(spectra.spectrum(found)) == pytest.approx(5.0, abs=0.3)
    assert observables.evaluate(circuit, "lfp_peak_frequency") == pytest.approx(5.0, abs=0.3)
    assert observables.evaluate(circuit, "lfp_theta_share") > 0.95
    assert observables.evaluate(circuit, "lfp_theta_share", f_min=10.0, f_max=20.0) < 0.01


def test_an_lfp_with_gaps_is_refused(circuit):
    with pytest.raises(schema.AnalysisError, match="LFP of 'V1' was recorded with gaps"):
        lfp(circuit.isel(record_lfp_time=[0, 1, 2, 9, 10]))


def test_the_mean_potential_leaves_the_warm_up_out(circuit):
    early = circuit.assign_coords(record_1_time=circuit["record_1_time"] - 0.2)
    early["record_1_V"] = early["record_1_V"].copy()
    early["record_1_V"][:400] = 1e3  # 200 ms at 0.5 ms
    rest = float(circuit["record_1_V"][400:].mean())
    value = observables.evaluate(early, "mean_potential", population="V1.L5IB")
    assert value == pytest.approx(rest, rel=1e-5)


def test_the_share_of_cells_that_depolarise_where_something_is_left_out(circuit):
    n, first = circuit.sizes["cycle"], 1  # what was recorded is 0.6 s: three cycles
    late = (np.arange(n) >= first).astype(np.int32)
    run = circuit.assign_coords(cycle_block=("cycle", late), block=["expected", "omitted"])
    start, time = run["cycle_start"].values, run["record_1_time"].values
    cycle = schema.cycle_index(time, start, schema.cycle_length(run))
    out = np.isin(cycle, np.arange(n)[first::2])  # every second cycle of the late block
    assert 0 < out.sum() < np.isin(cycle, np.arange(n)[first:]).sum()
    values = np.full(run["record_1_V"].shape, -60.0, np.float32)
    values[out] += np.array([2.0, -3.0], np.float32)
    run["record_1_V"] = run["record_1_V"].copy(data=values)
    args = {"populations": ["V1.L5IB"], "block": "omitted", "than": "expected", "every": 2}
    for direction, change, share in (
        ("up", 1, 0.5),
        ("down", 1, 0.5),
        ("up", 2.5, 0),
        ("down", 2.5, 0.5),
    ):
        got = observables.evaluate(
            run, "potential_share", direction=direction, change=change, **args
        )
        assert got == share
    with pytest.raises(schema.AnalysisError, match="no direction 'dwn'; did you mean 'down'"):
        observables.evaluate(run, "potential_share", direction="dwn", **args)


def test_the_accessor_finds_recordings_of_all_runs(many):
    assert many.pulvinar.recording("V1.L5IB", "V").dims[-2:] == ("time", "cell")
    found = many.pulvinar.lfp("V1", condition="intact", seed=1)
    assert found.dims == ("time",)
    assert len(many.pulvinar.plot.recordings("intact", 1).axes) == 3


def test_what_is_too_much_for_the_figure_is_named(circuit):
    many = circuit.copy()
    for k in range(12):
        values = circuit["record_1_V"].rename(None)
        many[f"record_1_I_{k}"] = values.assign_attrs(what=f"I_{k}", units="pA")
    figure = recordings_figure(many)
    assert len(figure.axes) == 12 + 2
    assert figure.get_suptitle() == "not drawn: I_11 of V1.L5IB"
    assert "pA" in {ax.get_ylabel() for ax in figure.axes}
