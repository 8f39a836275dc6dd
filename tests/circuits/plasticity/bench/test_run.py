"""The bench: what it refuses, and that its numbers follow from its own definitions."""

import copy
import tomllib
from pathlib import Path

import numpy as np
import pytest
from brian2 import ms

from cells.parameters import InputError
from circuits.plasticity.bench.protocols import PROTOCOLS, protocol, theta_gates
from circuits.plasticity.bench.run import best_gain, epsp_of, run_bench
from circuits.plasticity.rules.registry import RULES, WHY, rule
from circuits.plasticity.rules.trains import spike_trains, window_trains
from circuits.runfiles.bench import validate

RUN = Path(__file__).resolve().parents[4] / "runs" / "jang2026.toml"


@pytest.fixture(scope="module")
def run():
    return tomllib.loads(RUN.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def small(run):
    small = copy.deepcopy(run)
    small["protocol"] |= {"start_phases": 4, "trials": 40}
    small["rules"]["names"] = ["kinase_ratio", "kinase_difference", "pair_song", "btsp"]
    small["robustness"] = {"rules": ["kinase_difference"], "start_phases": 2}
    small["classical"]["protocols"] = ["stdp_window", "plateau_pairing"]
    small["forms"] = {"rules": ["kinase_difference"], "rates": [30], "trials": 4}
    small["predictions"] = {"conditions": [{"pre": [25, 50], "post": [50, 50]}], "halves": []}
    small["derivative"] |= {"flats": [25, 100], "cycles": ["200 ms", "300 ms"]}
    return small


@pytest.fixture(scope="module")
def ds(small):
    return run_bench(validate(small), seeds=(1, 2))


def test_the_committed_run_file_is_valid(run):
    setup = validate(run, RUN.name)
    assert [c[0] for c in setup["conditions"]] == ["25-50", "50-25", "25-25", "50-50"]
    # btsp_bursts is btsp where a plateau is known by its burst alone, as in the circuit
    assert {*setup["rules"], "btsp_bursts"} == set(RULES) == set(WHY)


def test_dataset_has_what_the_issue_names(ds):
    assert ds["epsp"].dims == ("rule", "train", "condition")
    assert ds["chi2"].dims == ("rule", "train")
    assert ds["score"].dims == ("rule", "protocol")
    assert all("units" in ds[v].attrs for v in ds.variables)
    assert float(ds["chi2_null"]) == pytest.approx(17.0, abs=0.05)


def test_dataset_survives_the_file(ds, tmp_path):
    import xarray as xr

    ds.to_netcdf(tmp_path / "result.nc", engine="h5netcdf")
    back = xr.open_dataset(tmp_path / "result.nc", engine="h5netcdf")
    np.testing.assert_array_equal(back["epsp"], ds["epsp"])


def test_chi2_follows_from_the_epsp(ds):
    z = (ds["epsp"] - ds["published_mean"]) / ds["published_sem"]
    np.testing.assert_allclose((z**2).sum("condition"), ds["chi2"])


def test_gain_is_the_least_squares_one_and_is_frozen(ds, small):
    r = rule("kinase_ratio")
    lead = 200.0 - r.gate_at(200.0)
    dw = []
    for rates in small["protocol"]["rates"]:
        trains = window_trains(rates, rates, lead=lead, n_phase=4)
        dw.append(r.dw(trains).mean())
    weight = np.sqrt(1 / ds["published_sem"].values ** 2)
    g = np.linalg.lstsq(
        (np.array(dw) * weight)[:, None], (ds["published_mean"].values - 1) * weight, rcond=None
    )[0][0]
    assert float(ds["gain"].sel(rule="kinase_ratio")) == pytest.approx(g)
    one = window_trains((25, 50), (25, 50), kind="jittered", lead=lead, n_phase=4, seed=2)
    two = window_trains((25, 50), (25, 50), kind="jittered", lead=lead, n_phase=4, seed=1)
    mean = 1 + g * (r.dw(one).mean() + r.dw(two).mean()) / 2
    got = ds["epsp"].sel(rule="kinase_ratio", train="jittered", condition="25-50")
    assert float(got) == pytest.approx(mean)


def test_kinase_passes_and_its_lesion_fails(ds):
    """Without DAPK1 (k_D = 0) the rule only counts calcium and loses the experiment."""
    assert float(ds["chi2"].sel(rule="kinase_ratio", train="regular")) < 1
    mean, sem = ds["published_mean"].values, ds["published_sem"].values
    conditions = [(25, 50), (50, 25), (25, 25), (50, 50)]
    lesion = rule("kinase_ratio").with_values(k_D=0.0)
    dw = np.array([lesion.dw(window_trains(c, c, lead=10.0)).mean() for c in conditions])
    epsp = 1 + best_gain(dw, mean, sem) * dw
    assert (((epsp - mean) / sem) ** 2).sum() > 12


def test_the_synapse_is_a_derivative(ds):
    """Flat trains, silences, cycles: at the setting of the experiment they are the experiment."""
    one = ds.sel(rule="kinase_ratio")
    here = one["epsp"].sel(train="regular")
    np.testing.assert_allclose(one["gap_epsp"].sel(gap="400 ms"), here)
    np.testing.assert_allclose(one["cycle_epsp"].sel(cycle_length="200 ms"), here)
    assert float(one["flat_epsp"].sel(flat_state="onset", flat_rate=25)) == pytest.approx(
        float(here.sel(condition="25-25"))
    )
    assert (abs(one["flat_epsp"].sel(flat_state="steady") - 1) < 0.05).all()
    assert float(one["gap_chi2"].sel(gap="0 ms")) < 3
    assert (one["cycle_order"] == 1).all()
    # without the competition flat trains of high rate do change the weight
    plain = ds["flat_epsp"].sel(rule="kinase_difference", flat_state="onset", flat_rate=100)
    assert float(plain) > 1.5
    assert ds["flat_epsp"].sel(rule="pair_song").isnull().all()


def test_no_epsp_is_negative():
    np.testing.assert_array_equal(epsp_of(2.0, [-1.0, 0.0, 0.5]), [0.0, 1.0, 2.0])


def test_btsp_needs_a_plateau(ds):
    assert (ds["epsp"].sel(rule="btsp") == 1).all()
    assert float(ds["score"].sel(rule="btsp", protocol="plateau_pairing")) < 2


def test_same_seeds_same_numbers(small, ds):
    quick = copy.deepcopy(small)
    quick["rules"]["names"] = ["kinase_ratio"]
    quick["classical"]["protocols"] = ["stdp_window"]
    quick["robustness"] = {"rules": []}
    quick["derivative"] = {}
    quick["forms"] = {"rules": ["kinase_ratio"], "rates": [30], "trials": 1}
    want = ds["epsp"].sel(rule=["kinase_ratio"])
    np.testing.assert_array_equal(run_bench(validate(quick), seeds=(1, 2))["epsp"], want)
    other = run_bench(validate(quick), seeds=(3,))["epsp"]
    assert (other.sel(train="poisson") != want.sel(train="poisson")).all()


def test_best_gain_takes_either_sign_and_survives_zero():
    mean, sem = np.array([1.4, 0.7, np.nan]), np.array([0.1, 0.1, np.nan])
    assert best_gain([-0.4, 0.3, 9.0], mean, sem) == pytest.approx(-1.0)
    assert best_gain([0.0, 0.0, 0.0], mean, sem) == 0.0


def _change(run, path, value):
    run = copy.deepcopy(run)
    table = run
    for key in path[:-1]:
        table = table.setdefault(key, {})
    table[path[-1]] = value
    return run


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("protocol", "rates"), [[0, 50]], "must be > 0"),
        (("protocol", "rates"), [[-5, 50]], "must be > 0"),
        (("protocol", "rates"), [[25, 20000]], "above one spike per step"),
        (("protocol", "rates"), [[25, 50, 25]], "one rate for each of the 2 phases"),
        (("protocol", "rates"), [{"pre": [25, 50]}], "both 'pre' and 'post'"),
        (("protocol", "rates"), [[25, 50], [25, 50]], "listed twice"),
        (("protocol", "rates"), [], "list of conditions"),
        (("protocol", "cycle"), "150 ms", "do not fit the cycle of 150 ms"),
        (("protocol", "phases"), ["100 ms", "0 ms"], "must be > 0"),
        (("protocol", "gap"), "-10 ms", "must be >= 0"),
        (("protocol", "gap"), "10 mV", "dimension"),
        (("protocol", "repeats"), 0, "whole number"),
        (("protocol", "repeat"), 10, "did you mean 'repeats'"),
        (("protocol", "trains"), ["regluar"], "did you mean 'regular'"),
        (("rules", "names"), ["kinase_diference"], "did you mean 'kinase_difference'"),
        (("classical", "protocols"), ["stdp"], "stdp_window"),
        (("parameters", "kinase_ratio"), {"tau_Q": "3 ms"}, "no parameter 'tau_Q'"),
        (("parameters", "kinase_ratio"), {"tau_P": "0 ms"}, "must be a number > 0"),
        (("parameters", "kinase_ratio"), {"tau_P": "3 mV"}, "dimension"),
        (("parameters", "kinase_difference"), {"gate": 1.25}, "valid: above 0, at most 1"),
        (("derivative", "flats"), [0], "must be a number > 0"),
        (("derivative", "flats"), [20000], "above one spike per step"),
        (("derivative", "gaps"), ["-1 ms"], "must be >= 0"),
        (("derivative", "cycles"), ["0 ms"], "must be > 0"),
        (("derivative", "rules"), ["kinase_ratios"], "did you mean 'kinase_ratio'"),
        (("published", "25-50"), {"mean": 1.4, "sem": 0.0, "n": 3}, "must be a number > 0"),
        (("published", "25-51"), {"mean": 1.4, "sem": 0.1, "n": 3}, "did you mean '25-50'"),
        (("experiment",), "circuit", "expected 'synapse'"),
        (("protokol",), {}, "did you mean 'protocol'"),
        (("predictions", "halves"), ["0 ms"], "must be > 0"),
    ],
)
def test_bad_input_is_one_line_that_names_file_and_key(run, path, value, words):
    bad = _change(run, path, value)
    with pytest.raises(InputError) as error:
        validate(bad, "my.toml")
    line = str(error.value)
    assert words in line
    assert "my.toml" in line
    assert "\n" not in line


def test_unknown_device(run):
    with pytest.raises(InputError, match="did you mean 'numpy'"):
        run_bench(validate(run), device="nunpy")


def test_coinciding_constants_from_a_run_file_give_numbers(small):
    equal = {"tau_P": "40 ms", "tau_D": "40 ms", "tau_x": "80 ms", "tau_y": "80 ms"}
    same = _change(small, ("parameters", "kinase_difference"), equal)
    same["rules"]["names"] = ["kinase_difference"]
    same["derivative"] = {}
    same["classical"]["protocols"] = ["stdp_window"]
    out = run_bench(validate(same))
    assert np.isfinite(out["epsp"]).all()


@pytest.mark.parametrize("name", PROTOCOLS)
def test_protocols_have_trains_for_every_published_value(name):
    p = protocol(name)
    trains = p.trains(10.0)
    assert len(trains) == len(p.labels) == p.mean.size == p.sem.size
    assert (p.sem > 0).all() and p.source
    for t in trains:
        gates = t.gate[np.isfinite(t.gate)]
        assert gates.size and gates.max() <= t.duration


def test_paired_recordings_carry_their_spike_numbers():
    p = protocol("paired_recordings")
    assert len(p.labels) == 25
    t = dict(zip(p.labels, p.trains(), strict=True))["sjs01_04"]
    assert (t.pre.size, t.sweeps, t.period) == (5, 15, 10000.0)
    np.testing.assert_allclose(t.post - t.pre, 10.0)
    np.testing.assert_allclose(np.diff(t.pre), 25.0)


def test_onset_timed_gates():
    trains = spike_trains([50.0, 120.0, 270.0] * ms, [60.0] * ms, duration=400 * ms)
    np.testing.assert_allclose(theta_gates(trains, 10.0).gate, [[240.0, 440.0]])


def test_window_trains_have_the_rates_asked_for():
    trains = window_trains((25, 50), (50, 25), repeats=3)
    inside = np.isfinite(trains.pre)
    first = inside & (np.where(inside, trains.pre, 0.0) % 600.0 < 100.0)
    assert first.sum() / trains.n_trial / 3 == pytest.approx(2.5)
    assert (inside & ~first).sum() / trains.n_trial / 3 == pytest.approx(5.0)
    poisson = window_trains((25, 50), (50, 25), kind="poisson", n_trial=2000, repeats=1)
    early = (poisson.post < 100.0).sum() / 2000
    assert early == pytest.approx(5.0, abs=5 * np.sqrt(5 / 2000))
    late = ((poisson.post >= 100.0) & np.isfinite(poisson.post)).sum() / 2000
    assert late == pytest.approx(2.5, abs=5 * np.sqrt(2.5 / 2000))


def test_times_need_a_unit():
    with pytest.raises(InputError, match="unit of time"):
        spike_trains(np.array([1.0]), [1.0] * ms, duration=10 * ms)
    with pytest.raises(InputError, match="beyond the duration"):
        spike_trains([11.0] * ms, [1.0] * ms, duration=10 * ms)


ODD = (
    -1,
    0,
    1.5,
    True,
    "x",
    "10 ms",
    "3 mV",
    [],
    {},
    [[1]],
    ["a"],
    [{}],
    float("nan"),
    float("inf"),
)


def _paths(node, path=()):
    if path:
        yield path
    if isinstance(node, dict):
        for key in node:
            yield from _paths(node[key], (*path, key))
    elif isinstance(node, list):
        for index in range(min(len(node), 2)):
            yield from _paths(node[index], (*path, index))


def test_no_odd_value_anywhere_escapes_as_another_error(run):
    refused = 0
    for path in _paths({k: v for k, v in run.items() if k != "criteria"}):
        for value in ODD:
            bad = copy.deepcopy(run)
            node = bad
            for key in path[:-1]:
                node = node[key]
            node[path[-1]] = value
            try:
                validate(bad, "my.toml")
            except InputError as error:
                refused += 1
                assert "\n" not in str(error)
    assert refused > 500
