import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from scipy.stats import pearsonr

from analysis import observables
from analysis.data import schema
from analysis.data.blocks import block_cycles
from analysis.measures import scores as scoring
from tests.analysis.learner import BLOCKS, LENGTH, N_X, STEP, by_hand, join, make_learner, value


def test_scores_are_those_counted_by_hand(learner):
    start, plus = learner["cycle_start"].values, learner["plus_start"].values
    minus = by_hand(learner, "pulvinar.TRC", plus - 0.06, plus)
    outcome = by_hand(learner, "V1.L5IB", start, start + LENGTH)
    block, jump = learner["cycle_block"].values, learner["jump"].values
    for c in range(learner.sizes["cycle"]):
        here = learner.isel(cycle=c, block=int(block[c]))
        names = ("r_pred", "r_persist", "r_shuffle", "decode", "prediction_error")
        got = {name: float(here[name]) for name in names}
        if jump[c]:
            assert all(np.isnan(x) for x in got.values())
            continue
        assert got["r_pred"] == pytest.approx(pearsonr(minus[c], outcome[c])[0])
        assert got["r_persist"] == pytest.approx(pearsonr(outcome[c - 1], outcome[c])[0])
        others = [k for k in np.flatnonzero(block == block[c]) if k != c]
        expected = np.mean([pearsonr(minus[c], outcome[k])[0] for k in others])
        assert got["r_shuffle"] == pytest.approx(expected)
        a, b = (x / np.sqrt(np.mean(x**2)) for x in (minus[c], outcome[c]))
        assert got["prediction_error"] == pytest.approx(np.mean((a - b) ** 2))
        assert got["decode"] == (np.argmax(minus[c]) == np.argmax(outcome[c]))


def test_stimuli_that_only_resemble_each_other_are_told_apart(learner):
    site = learner["stimulus"].values.argmax(1)
    distance = np.abs(np.arange(N_X) - site[:, None])
    bump = 50 * np.exp(-((np.minimum(distance, N_X - distance) / 4.0) ** 2))
    alike = np.corrcoef(bump)
    assert 0.8 < alike[alike < 0.9999].max() < 0.999
    raw = learner.drop_vars(list(scoring.SCORES))
    stimulus = learner["stimulus"].copy(data=bump)
    found = scoring.add_scores(raw.assign(stimulus=stimulus))
    for name in ("decode", "decode_chance"):
        np.testing.assert_array_equal(found[name].values, learner[name].values)


def test_scores_of_all_runs_are_those_of_each_run(learner):
    runs = {(c, s): make_learner(s, {b[0]: q for b in BLOCKS})
            for c, q in (("intact", 0.9), ("cut", 0.0)) for s in (7, 3)}  # fmt: skip
    many = scoring.add_scores(join(runs))
    for (condition, seed), run in runs.items():
        together = many.sel(condition=condition, seed=seed)
        alone = scoring.add_scores(run)
        for name in scoring.SCORES:
            assert together[name].dims == ("block", "cycle")
            np.testing.assert_array_equal(together[name].values, alone[name].values)
        chosen = schema.select(many, seed, condition)
        for name in ("r_pred", "prediction_decode", "recovery", "weight_ratio"):
            args = {"block": "test"} | ({"reference": "training"} if name == "recovery" else {})
            got, wanted = value(chosen, name, **args), value(run, name, **args)
            assert got == wanted or (np.isnan(got) and np.isnan(wanted) and condition == "cut")
    means = scoring.block_means(many)
    assert means["r_pred"].dims == ("condition", "seed", "block")
    one = schema.select(many, 3, "cut")
    for name, key in (("r_pred", "r_pred"), ("prediction_gain", "gain"), ("r_persist", "r_persist"),
                      ("prediction_decode", "decode"), ("r_pred_shuffle", "r_shuffle"),
                      ("prediction_error", "prediction_error"), ("r_pred_defined", "defined"),
                      ("prediction_decode_chance", "decode_chance")):  # fmt: skip
        expected = float(means[key].sel(condition="cut", seed=3, block="test"))
        assert value(one, name, block="test") == pytest.approx(expected)


def test_a_perfect_a_random_and_a_silent_prediction(learner):
    assert value(learner, "r_pred", block="test") > 0.9
    assert value(learner, "prediction_decode", block="test") == 1.0
    assert value(learner, "prediction_decode_position", block="test") == 1.0
    assert value(learner, "r_pred", block="before") < 0.1
    assert value(learner, "prediction_decode", block="before") == 0.0
    assert value(learner, "prediction_error", block="before") > 1.8
    assert abs(value(learner, "r_pred_shuffle", block="test")) < 0.2
    # of the twelve places of the ring each that was shown is one choice
    shown = len(np.unique(learner["stimulus"].values[learner["cycle_block"] == 2].argmax(1)))
    got = value(learner, "prediction_decode_chance", block="test")
    assert got == pytest.approx(1 / shown, rel=1e-6)
    silent = make_learner(silent=range(1000))
    for name in ("r_pred", "r_pred_defined", "prediction_decode", "r_pred_shuffle"):
        assert value(silent, name, block="test") == 0.0
    assert value(silent, "prediction_error", block="test") == pytest.approx(1.0)
    persist = value(silent, "r_persist", block="test")
    assert persist < 0
    assert value(silent, "prediction_gain", block="test") == pytest.approx(-persist)
    assert value(silent, "prediction_gain", block="test", floor=0.0) == 0.0


def test_a_silent_cycle_counts_as_a_failed_prediction():
    silent = range(57, 62)
    ds = scoring.add_scores(make_learner(silent=silent))
    at = block_cycles(ds, "test")
    scored = at[~ds["jump"].values[at]]
    share = np.isin(scored, silent).mean()
    assert share > 0
    full = ds["r_pred"].sel(block="test").values
    assert np.isnan(full[list(set(silent) & set(scored))]).all()
    assert value(ds, "r_pred_defined", block="test") == pytest.approx(1 - share)
    expected = (1 - share) * np.nanmean(full)
    assert value(ds, "r_pred", block="test") == pytest.approx(expected)


def test_an_undefined_outcome_is_left_out(learner):
    quiet = block_cycles(learner, "test")[3:6]
    cells = schema.cell_index(learner, "V1.L5IB")
    cycle = schema.cycle_index(learner["spike_time"].values, learner["cycle_start"].values, LENGTH)
    drop = np.isin(cycle, quiet) & np.isin(learner["spike_neuron"].values, cells)
    ds = scoring.add_scores(learner.isel(spike=np.flatnonzero(~drop)))
    one = ds.sel(block="test")
    assert not one["outcome_defined"].values[quiet].any()
    assert np.isnan(one["r_pred"].values[quiet]).all()
    assert np.isnan(one["decode"].values[quiet]).all()
    after = quiet[-1] + 1
    assert np.isnan(one["r_persist"].values[after]) and one["outcome_defined"].values[after]
    assert value(ds, "r_pred", block="test") > 0.9


def test_only_predictable_positions_count(learner):
    # beyond the edge of the window anything may happen
    window = learner.copy()
    known = window["predictable"].values & (np.arange(N_X) < 8)
    window["predictable"] = (("cycle", "channel"), known)
    ds = scoring.add_scores(window)
    start, plus = ds["cycle_start"].values, ds["plus_start"].values
    minus = by_hand(ds, "pulvinar.TRC", plus - 0.06, plus)[:, :8]
    outcome = by_hand(ds, "V1.L5IB", start, start + LENGTH)[:, :8]
    for c in block_cycles(ds, "training"):
        got = float(ds["r_pred"].sel(block="training")[c])
        if known[c].any() and np.ptp(minus[c]) and np.ptp(outcome[c]):
            assert got == pytest.approx(pearsonr(minus[c], outcome[c])[0])
        else:
            assert np.isnan(got)
    two = learner.copy()
    two["predictable"] = (("cycle", "channel"), known & (np.arange(N_X) < 2))
    assert np.isnan(scoring.add_scores(two)["r_pred"]).all()


def test_the_first_cycle_is_compared_with_the_warmup(learner):
    ds = learner.copy()
    ds["jump"] = ds["jump"] & False
    ds["predictable"] = ds["predictable"] | True
    # nothing is known of what was before the first cycle but that nothing fired
    first = scoring.add_scores(ds).isel(cycle=0, block=0)
    assert np.isnan(float(first["r_persist"])) and bool(first["outcome_defined"])
    time, neuron = ds["spike_time"].values, ds["spike_neuron"].values
    again = time >= ds["cycle_start"].values[0]
    again &= time < ds["cycle_start"].values[0] + LENGTH
    time = np.r_[time[again] - LENGTH, time]
    neuron = np.r_[neuron[again], neuron]
    ds = ds.drop_dims("spike")
    ds["spike_time"] = ("spike", time, {"units": "s"})
    ds["spike_neuron"] = ("spike", neuron, {"units": "1"})
    first = scoring.add_scores(ds).isel(cycle=0, block=0)
    assert float(first["r_persist"]) == pytest.approx(1.0)


def test_parts_of_a_block_and_directions():
    ds = scoring.add_scores(make_learner(both=True))
    both = value(ds, "r_pred", block="training")
    ways = [value(ds, "r_pred", block="training", direction=d) for d in (1, -1)]
    n = [scoring.scored(ds, "r_pred", "training", direction=d)[1].size for d in (1, -1)]
    assert np.average(ways, weights=n) == pytest.approx(both)
    parts = [value(ds, "r_pred", block="training", **{k: 20}) for k in ("first", "last")]
    n = [scoring.scored(ds, "r_pred", "training", **{k: 20})[1].size for k in ("first", "last")]
    assert np.average(parts, weights=n) == pytest.approx(both)


def test_each_direction_has_its_own_prediction():
    ds = scoring.add_scores(make_learner(both=True, backward=0.0))
    forward, back = ({"block": "test", "direction": d} for d in (1, -1))
    assert value(ds, "r_pred", **forward) > 0.9 and value(ds, "r_pred", **back) < 0.1
    assert value(ds, "prediction_decode", **forward) == 1
    assert value(ds, "prediction_decode", **back) == 0
    start = ds["cycle_start"].values
    outcome = by_hand(ds, "V1.L5IB", start, start + LENGTH)
    for args in (forward, back):
        at = [
            c
            for c in np.flatnonzero(ds["cycle_block"].values == 2)
            if ds["direction"].values[c] == args["direction"] and not ds["jump"].values[c]
        ]
        persist = np.mean([pearsonr(outcome[c - 1], outcome[c])[0] for c in at])
        assert value(ds, "r_persist", **args) == pytest.approx(persist)
        gain = value(ds, "r_pred", **args) - persist
        assert value(ds, "prediction_gain", **args) == pytest.approx(gain)


def test_cycles_to_recover_is_the_first_that_a_loop_finds():
    blocks = (*BLOCKS, ("reversal", 80, True, -STEP))
    quality = dict.fromkeys((b[0] for b in blocks), 1.0)
    args = {"block": "reversal", "reference": "test"}
    begin = sum(b[1] for b in BLOCKS)
    # silent for thirty cycles, then perfect: 16 of the 20 last must be predicted
    ds = make_learner(quality=quality, blocks=blocks, silent=range(begin, begin + 30))
    ds = scoring.add_scores(ds)
    scored = begin + np.flatnonzero(~ds["jump"].values[begin:])
    seen = np.flatnonzero(scored >= begin + 30)
    assert value(ds, "cycles_to_recover", **args) == scored[seen[0] + 16 - 1] - begin + 1
    wanted = scored[seen[0] + 5 - 1] - begin + 1
    assert value(ds, "cycles_to_recover", share=0.45, window=10, **args) == wanted
    never = scoring.add_scores(make_learner(quality=quality | {"reversal": 0}, blocks=blocks))
    assert value(never, "cycles_to_recover", **args) == 81
    assert np.isnan(value(never, "cycles_to_recover", block="test", reference="reversal"))
    assert np.isnan(value(ds, "cycles_to_recover", window=100, **args))


def test_cycles_to_criterion_is_the_first_that_a_loop_finds():
    ds = scoring.add_scores(make_learner(4, quality={"before": 0, "training": 0.6, "test": 1}))
    r, at = scoring.scored(ds, "r_pred", "training")
    begin = block_cycles(ds, "training")[0]
    for level in (0.2, 0.5, 0.6):
        wanted = np.nan
        for k in range(16, r.size + 1):
            if np.mean(r[k - 16 : k]) > level:
                wanted = at[k - 1] - begin + 1
                break
        got = value(ds, "cycles_to_criterion", block="training", level=level)
        assert got == pytest.approx(wanted, nan_ok=True)
    assert np.isnan(value(ds, "cycles_to_criterion", block="training", level=0.99))
    share = 0.5 / value(ds, "r_pred", block="test")
    relative = value(ds, "cycles_to_criterion", block="training", level=share, reference="test")
    assert relative == value(ds, "cycles_to_criterion", block="training", level=0.5)


def test_recovery_is_a_ratio(learner):
    got = value(learner, "recovery", block="training", reference="test", last=20)
    expected = value(learner, "r_pred", block="training", last=20)
    assert got == pytest.approx(expected / value(learner, "r_pred", block="test"))
    assert np.isnan(value(learner, "recovery", block="test", reference="before"))


def test_rates_of_a_block(learner):
    every = value(learner, "population_rate", population="V1.L5IB")
    parts = [value(learner, "population_rate", population="V1.L5IB", block=b[0]) for b in BLOCKS]
    assert np.average(parts, weights=[b[1] for b in BLOCKS]) == pytest.approx(every)
    args = {"cell_classes": ["L5IB", "TRC"]}
    rates = [value(learner, "population_rate", population=p, block="test")
             for p in ("V1.L5IB", "pulvinar.TRC")]  # fmt: skip
    assert value(learner, "population_rate_extreme", block="test", **args) == max(rates)
    assert value(learner, "max_cell_rate", block="test") <= value(learner, "max_cell_rate")


def test_every_observable_of_a_block_gives_a_float(learner):
    found = 0
    for name, one in observables.OBSERVABLES.items():
        if "block" in one.arguments and not {"population", "cell_classes"} & set(one.arguments):
            args = {"block": "training"}
            if "reference" in one.arguments and name != "cycles_to_criterion":
                args["reference"] = "test"
            if "predictor" in one.arguments:
                args["predictor"] = "shift"
            try:
                observables.find(name, args)
            except schema.AnalysisError:
                continue  # it needs more than a block
            assert isinstance(value(learner, name, **args), float)
            found += 1
    assert found >= 16


@pytest.mark.parametrize(
    ("name", "args", "message"),
    [
        ("r_pred", {}, "needs the argument 'block'"),
        ("r_pred", {"block": "trainin"}, "no block 'trainin'; did you mean 'training'?"),
        ("weight_ratio", {"block": "tset"}, "no snapshot 'tset'; did you mean 'test'?"),
        ("class_weight", {"block": "test", "group": "treu"}, "did you mean 'true'?"),
        ("class_weight", {"block": "test", "projection": "V1.L6CT->TRC"},
         "did you mean 'V2.L6CT->pulvinar.TRC'?"),
        ("site_score", {"block": "test", "score": "recal"}, "did you mean 'recall'?"),
        ("r_persist", {"block": "test", "outcome": "stimulus"}, "of the driver"),
        ("r_persist", {"direction": 1}, "need a 'block'"),
        ("r_pred", {"block": "test", "direction": 2}, "no direction '2'; valid: 1, -1"),
        ("class_weight", {"block": "test", "direction": 0}, "no direction '0'"),
    ],
)  # fmt: skip
def test_mistakes_are_told_in_one_line(learner, name, args, message):
    with pytest.raises(schema.AnalysisError) as error:
        value(learner, name, **args)
    assert message in str(error.value) and "\n" not in str(error.value)


def test_a_run_that_does_not_learn_stays_as_it_is(circuit):
    assert scoring.add_scores(circuit) is circuit
    with pytest.raises(schema.AnalysisError, match="not a run with learning blocks"):
        value(circuit, "r_pred", block="test")
    assert np.isfinite(value(circuit, "r_persist"))


def test_importing_the_module_first_registers_its_observables():
    code = "import analysis.measures.scores; from analysis.observables import find; "
    code += "find('r_pred', {'block': 'x'}), find('burst_rate')"
    root = Path(schema.__file__).parents[2]
    subprocess.run([sys.executable, "-c", code], check=True, cwd=root)


def test_scores_survive_the_file(learner, tmp_path):
    raw = learner.drop_vars(list(scoring.SCORES))
    raw.to_netcdf(tmp_path / "raw.nc", engine="h5netcdf")
    learner.to_netcdf(tmp_path / "scored.nc", engine="h5netcdf")
    scored = schema.load(tmp_path / "scored.nc")
    again = scoring.add_scores(schema.load(tmp_path / "raw.nc"))
    for name in scoring.SCORES:
        xr.testing.assert_equal(scored[name], learner[name])
        xr.testing.assert_equal(again[name], learner[name])
    for name in ("r_pred", "weight_ratio"):
        assert value(scored, name, block="test") == value(learner, name, block="test")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cycle_block": ("cycle", np.r_[np.zeros(75, int), 3])}, "'cycle_block' outside 0..2"),
        ({"cycle_block": ("cycle", np.r_[np.ones(75, int), 0])}, "'cycle_block' falls"),
        ({"jump": ("seed", [True])}, "'jump' has dims ('seed',), expected cycle"),
        ({"synapse_source": ("synapse", np.full(288, 999), {"units": "1"})},
         "'synapse_source' outside 0..107"),
    ],
)  # fmt: skip
def test_a_learning_run_out_of_shape_is_refused(learner, change, message):
    assert schema.check(learner) is learner
    with pytest.raises(schema.AnalysisError) as error:
        schema.check(learner.assign(change))
    assert message in str(error.value)
