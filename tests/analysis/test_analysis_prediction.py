import html
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from scipy.stats import pearsonr

from analysis import learning, observables, prediction, report, schema

LENGTH, MINUS = 0.2, 0.1
N_X, STEP = 12, 2
BLOCKS = (("before", 16, False), ("training", 40, True), ("test", 20, False))
CELLS = {"V1.L5IB": 3, "V2.L6CT": 2, "pulvinar.TRC": 4}
LABELS = {"V1.L5IB": ("V1", "5", "L5IB"), "V2.L6CT": ("V2", "6", "L6CT"),
          "pulvinar.TRC": ("pulvinar", "core", "TRC")}  # fmt: skip
JUMP_EVERY = 8


def make_learner(seed=1, quality=None, ring=True, step=STEP, blocks=BLOCKS, silent=(), both=False,
                 backward=None):  # fmt: skip
    """Return a learning run of which everything is known.

    A bump moves round a ring by ``step`` (a block may have its own) in every cycle. V1 L5IB fires
    6 spikes per cell where it is, and 2 beside it. TRCs fire late in the minus phase where it will
    be with probability ``quality[block]``, else at a wrong place; in the plus phase where it is.
    In the cycles ``silent`` no TRC fires late in the minus phase. With ``both``, every other sweep
    goes backward, and ``backward`` is the probability there, in every block. In a block that learns
    the weights of the synapses whose source predicts the target become 0.7, all others move half
    way to 0.2. In the minus phase V2 L6CT tells what was seen one cycle before. dw is 1e-3 times
    outcome minus prediction, and 5e-5 where there is an outcome.
    """
    rng = np.random.default_rng(seed)
    quality = quality or {"before": 0.0, "training": 0.5, "test": 1.0}
    names, steps = [b[0] for b in blocks], [b[3] if len(b) > 3 else step for b in blocks]
    n_cycle, warmup = sum(b[1] for b in blocks), 2
    block_of = np.repeat(np.arange(len(blocks)), [b[1] for b in blocks])
    start = (np.arange(n_cycle) + warmup) * LENGTH
    populations = [n for n, k in CELLS.items() for _ in range(k * N_X)]
    position = np.concatenate([np.repeat(np.arange(N_X), k) for k in CELLS.values()])
    jump = np.zeros(n_cycle, bool)
    jump[np.flatnonzero(np.r_[True, np.diff(block_of) != 0])] = True
    jump[::JUMP_EVERY] = True
    way = np.where((np.cumsum(jump) % 2 == 0) & both, -1, 1)
    site = np.zeros(n_cycle, int)
    for c in range(n_cycle):
        fresh = rng.integers(N_X)
        site[c] = fresh if jump[c] else (site[c - 1] + way[c] * steps[block_of[c]]) % N_X
    cells = {p: np.flatnonzero(np.array(populations) == p) for p in CELLS}
    times, neurons = [], []
    guess = np.full(n_cycle, -1)

    def emit(population, at, t):
        for cell in cells[population][position[cells[population]] == at]:
            times.extend(np.sort(t))
            neurons.extend([cell] * len(t))

    for c in range(n_cycle):
        emit("V1.L5IB", site[c], start[c] + MINUS + 0.03 + 3e-3 * np.arange(6))
        emit("V1.L5IB", (site[c] + 1) % N_X, start[c] + MINUS + 0.04 + 4e-3 * np.arange(2))
        emit("pulvinar.TRC", site[c], start[c] + MINUS + rng.uniform(0.03, 0.09, 4))
        if c and not jump[c]:
            emit("V2.L6CT", site[c - 1], start[c] + MINUS - 0.05 + 4e-3 * np.arange(8))
        # a tail of the driver early in the minus phase must not count
        emit("pulvinar.TRC", rng.integers(N_X), start[c] + rng.uniform(0.0, 0.039, 9))
        sure = quality[names[block_of[c]]] if way[c] > 0 or backward is None else backward
        right = rng.random() < sure
        guess[c] = site[c] if right else (site[c] + rng.integers(3, N_X - 2)) % N_X
        if c not in silent:
            emit("pulvinar.TRC", guess[c], start[c] + MINUS - rng.uniform(1e-3, 0.059, 3))
        else:
            guess[c] = -1
    times, neurons = np.array(times), np.array(neurons)
    order = np.lexsort((neurons, times))
    times, neurons = times[order], neurons[order]
    sites = np.arange(N_X)
    happened, predicted = sites == site[:, None], sites == guess[:, None]
    learns = np.array([b[2] for b in blocks])[block_of]
    dw = (1e-3 * (happened.astype(float) - predicted) + 5e-5 * happened) * learns[:, None]
    source = np.repeat(cells["V2.L6CT"], N_X)
    target = np.tile(cells["pulvinar.TRC"][:: CELLS["pulvinar.TRC"]], cells["V2.L6CT"].size)
    weight = [np.full(source.size, 0.2)]
    for _, _, learn, *other in blocks:
        moves = other[0] if other else step
        offset = position[target] - position[source]
        right = offset % N_X == moves % N_X if ring else offset == -moves
        weight.append(np.where(right, 0.7, 0.1 + 0.5 * weight[-1]) if learn else weight[-1])
    predictable = np.repeat(~jump[:, None], N_X, 1)
    one, labels = {"units": "1"}, np.array(populations)
    document = {"name": "synthetic", "stimulus": {"kind": "ring" if ring else "photograph",
                                                  "step": step},
                "blocks": {b[0]: {"cycles": b[1], "learn": b[2], "stimulus": {"step": m}}
                           for b, m in zip(blocks, steps, strict=True)}}  # fmt: skip
    return xr.Dataset(
        {
            "spike_time": ("spike", times, {"units": "s"}),
            "spike_neuron": ("spike", neurons.astype(np.int32), one),
            "rate": (("cycle", "phase", "neuron"),
                     schema.segment(times, neurons, labels.size, start, start + MINUS, LENGTH),
                     {"units": "Hz"}),
            "stimulus": (("cycle", "position"), happened * 50.0, {"units": "Hz"}),
            "learning": ("cycle", learns * 0.1, one),
            "jump": ("cycle", jump),
            "direction": ("cycle", way * np.sign(steps)[block_of], one),
            "predictable": (("cycle", "position"), predictable),
            "weight": (("snapshot", "synapse"), np.array(weight), one),
            "synapse_source": ("synapse", source, one),
            "synapse_target": ("synapse", target, one),
            "dw": (("cycle", "position"), dw, one),
        },
        coords={
            "population": ("neuron", labels),
            **{key: ("neuron", np.array([LABELS[p][k] for p in populations]))
               for k, key in enumerate(("area", "layer", "cell_class"))},
            "position": ("neuron", position.astype(np.int32)),
            "phase": ["minus", "plus"],
            "cycle_start": ("cycle", start, {"units": "s"}),
            "plus_start": ("cycle", start + MINUS, {"units": "s"}),
            "block": names,
            "cycle_block": ("cycle", block_of),
            "snapshot": ["start", *names],
            "synapse_projection": ("synapse", np.full(source.size, "V2.L6CT->TRC")),
        },
        attrs={"cycle_length_s": LENGTH, "n_x": N_X, "polarities": "on",
               "run": json.dumps(document)},
    )  # fmt: skip


def join(runs):
    """Join single runs, a dict (condition, seed) -> Dataset."""
    conditions = list(dict.fromkeys(c for c, _ in runs))
    seeds = list(dict.fromkeys(s for _, s in runs))
    first = next(iter(runs.values()))
    many = first.drop_dims("spike")
    for name in ("rate", "stimulus", "learning", "jump", "direction", "predictable", "weight",
                 "dw", "synapse_source", "synapse_target"):  # fmt: skip
        values = np.array([[runs[c, s][name].values for s in seeds] for c in conditions])
        dims = ("condition", "seed")
        if name.startswith("synapse") or name == "learning":
            values, dims = (values[0], dims[1:]) if name != "learning" else (values[:, 0], dims[:1])
        many[name] = ((*dims, *first[name].dims), values, first[name].attrs)
    for name, of in (
        ("spike_time", lambda c, s: runs[c, s]["spike_time"].values),
        ("spike_neuron", lambda c, s: runs[c, s]["spike_neuron"].values),
        ("spike_seed", lambda c, s: np.full(runs[c, s].sizes["spike"], s)),
        ("spike_condition", lambda c, s: np.full(runs[c, s].sizes["spike"], conditions.index(c))),
    ):
        attrs = {"units": "s" if name == "spike_time" else "1"}
        many[name] = ("spike", np.concatenate([of(c, s) for c, s in runs]), attrs)
    return schema.check(many.assign_coords(condition=conditions, seed=seeds))


@pytest.fixture(scope="module")
def learner():
    return prediction.add_scores(make_learner())


def value(ds, name, **args):
    return observables.evaluate(ds, name, **args)


def by_hand(ds, population, begin, end):
    """Spikes per position and cycle, counted one by one."""
    position = ds["position"].values
    of = ds["population"].values == population
    count = np.zeros((ds.sizes["cycle"], N_X))
    for t, n in zip(ds["spike_time"].values, ds["spike_neuron"].values, strict=True):
        if of[n]:
            count[(begin <= t) & (t < end), position[n]] += 1
    return count


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


def test_scores_of_all_runs_are_those_of_each_run(learner):
    runs = {(c, s): make_learner(s, {b[0]: q for b in BLOCKS})
            for c, q in (("intact", 0.9), ("cut", 0.0)) for s in (7, 3)}  # fmt: skip
    many = prediction.add_scores(join(runs))
    for (condition, seed), run in runs.items():
        together = many.sel(condition=condition, seed=seed)
        alone = prediction.add_scores(run)
        for name in prediction.SCORES:
            assert together[name].dims == ("block", "cycle")
            np.testing.assert_array_equal(together[name].values, alone[name].values)
        chosen = schema.select(many, seed, condition)
        for name in ("r_pred", "prediction_decode", "recovery", "weight_ratio"):
            args = {"block": "test"} | ({"reference": "training"} if name == "recovery" else {})
            got, wanted = value(chosen, name, **args), value(run, name, **args)
            assert got == wanted or (np.isnan(got) and np.isnan(wanted) and condition == "cut")
    means = prediction.block_means(many)
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
    ds = prediction.add_scores(make_learner(silent=silent))
    at = prediction.block_cycles(ds, "test")
    scored = at[~ds["jump"].values[at]]
    share = np.isin(scored, silent).mean()
    assert share > 0
    full = ds["r_pred"].sel(block="test").values
    assert np.isnan(full[list(set(silent) & set(scored))]).all()
    assert value(ds, "r_pred_defined", block="test") == pytest.approx(1 - share)
    expected = (1 - share) * np.nanmean(full)
    assert value(ds, "r_pred", block="test") == pytest.approx(expected)


def test_an_undefined_outcome_is_left_out(learner):
    quiet = prediction.block_cycles(learner, "test")[3:6]
    cells = schema.cell_index(learner, "V1.L5IB")
    cycle = schema.cycle_index(learner["spike_time"].values, learner["cycle_start"].values, LENGTH)
    drop = np.isin(cycle, quiet) & np.isin(learner["spike_neuron"].values, cells)
    ds = prediction.add_scores(learner.isel(spike=np.flatnonzero(~drop)))
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
    window["predictable"] = (("cycle", "position"), known)
    ds = prediction.add_scores(window)
    start, plus = ds["cycle_start"].values, ds["plus_start"].values
    minus = by_hand(ds, "pulvinar.TRC", plus - 0.06, plus)[:, :8]
    outcome = by_hand(ds, "V1.L5IB", start, start + LENGTH)[:, :8]
    for c in prediction.block_cycles(ds, "training"):
        got = float(ds["r_pred"].sel(block="training")[c])
        if known[c].any() and np.ptp(minus[c]) and np.ptp(outcome[c]):
            assert got == pytest.approx(pearsonr(minus[c], outcome[c])[0])
        else:
            assert np.isnan(got)
    two = learner.copy()
    two["predictable"] = (("cycle", "position"), known & (np.arange(N_X) < 2))
    assert np.isnan(prediction.add_scores(two)["r_pred"]).all()


def test_the_first_cycle_is_compared_with_the_warmup(learner):
    ds = learner.copy()
    ds["jump"] = ds["jump"] & False
    ds["predictable"] = ds["predictable"] | True
    # nothing is known of what was before the first cycle but that nothing fired
    first = prediction.add_scores(ds).isel(cycle=0, block=0)
    assert np.isnan(float(first["r_persist"])) and bool(first["outcome_defined"])
    time, neuron = ds["spike_time"].values, ds["spike_neuron"].values
    again = time >= ds["cycle_start"].values[0]
    again &= time < ds["cycle_start"].values[0] + LENGTH
    time = np.r_[time[again] - LENGTH, time]
    neuron = np.r_[neuron[again], neuron]
    ds = ds.drop_dims("spike")
    ds["spike_time"] = ("spike", time, {"units": "s"})
    ds["spike_neuron"] = ("spike", neuron, {"units": "1"})
    first = prediction.add_scores(ds).isel(cycle=0, block=0)
    assert float(first["r_persist"]) == pytest.approx(1.0)


def test_parts_of_a_block_and_directions():
    ds = prediction.add_scores(make_learner(both=True))
    both = value(ds, "r_pred", block="training")
    ways = [value(ds, "r_pred", block="training", direction=d) for d in (1, -1)]
    n = [prediction.scored(ds, "r_pred", "training", direction=d)[1].size for d in (1, -1)]
    assert np.average(ways, weights=n) == pytest.approx(both)
    parts = [value(ds, "r_pred", block="training", **{k: 20}) for k in ("first", "last")]
    n = [prediction.scored(ds, "r_pred", "training", **{k: 20})[1].size for k in ("first", "last")]
    assert np.average(parts, weights=n) == pytest.approx(both)


def test_each_direction_has_its_own_prediction():
    ds = prediction.add_scores(make_learner(both=True, backward=0.0))
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
    ds = prediction.add_scores(ds)
    scored = begin + np.flatnonzero(~ds["jump"].values[begin:])
    seen = np.flatnonzero(scored >= begin + 30)
    assert value(ds, "cycles_to_recover", **args) == scored[seen[0] + 16 - 1] - begin + 1
    wanted = scored[seen[0] + 5 - 1] - begin + 1
    assert value(ds, "cycles_to_recover", share=0.45, window=10, **args) == wanted
    never = prediction.add_scores(make_learner(quality=quality | {"reversal": 0}, blocks=blocks))
    assert value(never, "cycles_to_recover", **args) == 81
    assert np.isnan(value(never, "cycles_to_recover", block="test", reference="reversal"))
    assert np.isnan(value(ds, "cycles_to_recover", window=100, **args))


def test_cycles_to_criterion_is_the_first_that_a_loop_finds():
    ds = prediction.add_scores(make_learner(4, quality={"before": 0, "training": 0.6, "test": 1}))
    r, at = prediction.scored(ds, "r_pred", "training")
    begin = prediction.block_cycles(ds, "training")[0]
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


REVERSAL = (*BLOCKS, ("reversal", 24, True, -STEP))


@pytest.mark.parametrize("ring", [True, False])
def test_weights_are_told_apart_by_offset(ring):
    ds = make_learner(
        ring=ring, blocks=REVERSAL, quality=dict.fromkeys((b[0] for b in REVERSAL), 1)
    )
    ds = ds if ring else ds.drop_vars("direction")
    assert value(ds, "weight_ratio", block="start") == pytest.approx(1.0)
    for block in ("training", "test", "reversal"):
        assert value(ds, "class_weight", block=block) == pytest.approx(0.7)
    assert value(ds, "weight_ratio", block="test") == pytest.approx(3.5)
    assert value(ds, "weight_ratio", block="test", other="self") == pytest.approx(3.5)
    old = value(ds, "class_weight", block="reversal", of_block="training")
    assert old == pytest.approx(0.45)
    assert value(ds, "class_weight", block="reversal", group="reverse") == pytest.approx(0.45)
    change = value(ds, "old_weight_change", block="reversal", reference="training")
    assert change == pytest.approx(0.45 / 0.7 - 1)
    assert value(ds, "class_weight", block="test", direction=-1) == pytest.approx(0.2)
    # the stimulus decides, not the weights: 2 to the right on a ring is 2 to the left of a window
    _, kind, offset, same = prediction.classify_synapses(ds)
    assert same.all() and set(offset[kind == "true"]) == {STEP if ring else -STEP}
    assert set(offset[kind == "reverse"]) == {-STEP if ring else STEP}
    n = {k: (kind == k).sum() for k in prediction.WEIGHT_CLASSES}
    per_cell = 2 if ring else None
    assert n["self"] == CELLS["V2.L6CT"] * N_X
    assert n["true"] == n["reverse"] == CELLS["V2.L6CT"] * (N_X if per_cell else N_X - STEP)


def test_the_other_polarity_is_rest():
    ds = make_learner(ring=False)
    ds.attrs["n_x"] = N_X // 2
    synapse, kind, offset, same = prediction.classify_synapses(ds)
    assert not same.all() and set(kind[~same]) == {"rest"}
    position = ds["position"].values
    source = position[ds["synapse_source"].values[synapse]]
    target = position[ds["synapse_target"].values[synapse]]
    np.testing.assert_array_equal(same, (source < 6) == (target < 6))
    np.testing.assert_array_equal(offset, target % 6 - source % 6)


def test_a_condition_and_a_block_may_change_the_movement():
    runs = {(c, 1): make_learner(1) for c in ("intact", "slow")}
    many = join(runs).drop_vars("direction")
    document = json.loads(many.attrs["run"])
    for block in document["blocks"].values():
        del block["stimulus"]
    document["condition"] = [
        {"name": "intact"},
        {"name": "slow", "stimulus": {"step": 1},
         "blocks": {"test": {"stimulus": {"direction": "backward"}}}},
    ]  # fmt: skip
    many.attrs["run"] = json.dumps(document)
    one = schema.select(many, condition="slow")
    assert prediction.movement(schema.select(many, condition="intact"))[1] == (STEP,)
    assert prediction.movement(one)[1] == (1,)
    assert prediction.movement(one, "test")[1] == (-1,)
    document["stimulus"] = {"kind": "photograph", "direction": "both"}
    del document["condition"]
    many.attrs["run"] = json.dumps(document)
    assert prediction.movement(schema.select(many, condition="slow"), "test")[1] == (2, -2)


def test_the_fixed_point_is_seen(learner):
    # dw is 5e-5 where a prediction came true, 1.05e-3 where one was missing, -1e-3 where false
    args = {"block": "training", "least": 5}
    assert value(learner, "fixed_point_ratio", wrong="missed", **args) == pytest.approx(5 / 105)
    assert value(learner, "fixed_point_ratio", wrong="false", **args) == pytest.approx(5 / 100)
    assert value(learner, "fixed_point_ratio", **args) == pytest.approx(5 / 102.5)
    assert np.isnan(value(learner, "fixed_point_ratio", block="test"))
    assert np.isnan(value(learner, "fixed_point_ratio", block="training", least=1000))


def test_a_false_site_falls_and_a_true_one_does_not(learner):
    assert value(learner, "false_site_fall", block="training") == pytest.approx(1.0)
    # 3 spikes in 60 ms, then 4 in 100 ms
    assert value(learner, "false_site_fall", block="test", happened=True) == pytest.approx(0.2)
    assert np.isnan(value(learner, "false_site_fall", block="test"))


def test_noise_alone_makes_no_false_site_fall():
    # of cells that fire at random all the time, those chosen for firing much fire less later
    ds = make_learner(3, blocks=(("training", 400, True),), quality={"training": 1})
    rng = np.random.default_rng(1)
    trc = schema.cell_index(ds, "pulvinar.TRC")
    keep = ~np.isin(ds["spike_neuron"].values, trc)
    n = rng.poisson(8.0 * 400 * LENGTH * trc.size)
    time = np.r_[ds["spike_time"].values[keep], rng.uniform(0.4, 0.4 + 400 * LENGTH, n)]
    neuron = np.r_[ds["spike_neuron"].values[keep], rng.choice(trc, n)]
    order = np.lexsort((neuron, time))
    ds = ds.drop_dims("spike")
    ds["spike_time"] = ("spike", time[order], {"units": "s"})
    ds["spike_neuron"] = ("spike", neuron[order], {"units": "1"})
    cycle, position, predicted, happened = prediction.classify_sites(ds, "training", 1.5)
    at = (0, 0, cycle[predicted & ~happened], position[predicted & ~happened])
    both = prediction.phase_patterns(ds)
    naive = 1 - both["plus"].values[at].mean() / both["minus"].values[at].mean()
    assert naive > 0.3
    assert abs(value(ds, "false_site_fall", block="training", threshold=1.5)) < 0.08


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
         "did you mean 'V2.L6CT->TRC'?"),
        ("fixed_point_ratio", {"block": "test", "wrong": "flase"}, "did you mean 'false'?"),
        ("r_persist", {"block": "test", "outcome": "stimulus"}, "of the outcome 'V1.L5IB'"),
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
    assert prediction.add_scores(circuit) is circuit
    with pytest.raises(schema.AnalysisError, match="not a run with learning blocks"):
        value(circuit, "r_pred", block="test")
    assert np.isfinite(value(circuit, "r_persist"))


def test_the_pulvinar_may_be_named_or_not(learner):
    full = learner.assign_coords(
        synapse_projection=("synapse", np.full(learner.sizes["synapse"], "V2.L6CT->pulvinar.TRC"))
    )
    args = {"block": "test"}
    assert value(full, "weight_ratio", **args) == value(learner, "weight_ratio", **args)
    twice = learner.assign_coords(
        synapse_projection=("synapse", np.full(learner.sizes["synapse"], "V1.L6CT->TRC"))
    )
    with pytest.raises(schema.AnalysisError, match="no plastic projection"):
        value(twice, "weight_ratio", **args)


def test_importing_the_module_first_registers_its_observables():
    code = "import analysis.prediction; from analysis.observables import find; "
    code += "find('r_pred', {'block': 'x'}), find('burst_rate')"
    root = Path(schema.__file__).parents[1]
    subprocess.run([sys.executable, "-c", code], check=True, cwd=root)


def test_scores_survive_the_file(learner, tmp_path):
    raw = learner.drop_vars(list(prediction.SCORES))
    raw.to_netcdf(tmp_path / "raw.nc", engine="h5netcdf")
    learner.to_netcdf(tmp_path / "scored.nc", engine="h5netcdf")
    scored = schema.load(tmp_path / "scored.nc")
    again = prediction.add_scores(schema.load(tmp_path / "raw.nc"))
    for name in prediction.SCORES:
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


# --- the report ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lesioned():
    good = {"before": 0.0, "training": 0.5, "test": 0.9}
    runs = {("intact", s): make_learner(s, good) for s in (1, 2, 3)}
    runs |= {("L6CT cut", s): make_learner(s, silent=range(1000)) for s in (1, 2, 3)}
    runs |= {("phase shuffled", s): make_learner(s, dict.fromkeys(good, 0.0)) for s in (1, 2, 3)}
    return prediction.add_scores(join(runs))


def test_the_headline_tells_success_from_failure(lesioned):
    line = learning.headline(lesioned)
    means = prediction.block_means(lesioned).sel(condition="intact")
    for name, block in (("r_pred", "before"), ("r_pred", "test"), ("r_persist", "test")):
        values = means[name].sel(block=block).values
        assert f"{values.mean():.2f} ± {values.std(ddof=1):.2f}" in line
    assert line.startswith("r_pred rose from ") and "'test', weights frozen" in line
    assert line.endswith("3 seeds): the minus phase predicts the plus phase.")
    for condition in ("L6CT cut", "phase shuffled"):
        line = learning.headline(lesioned.sel(condition=[condition]))
        assert line.endswith("the minus phase does NOT predict the plus phase.")


def test_the_headline_of_runs_without_test_or_training():
    frozen = make_learner(blocks=(("a", 10, False), ("b", 20, False)), quality={"a": 0, "b": 1})
    line = learning.headline(prediction.add_scores(frozen))
    assert line.startswith("No block learns: r_pred is 0.9") and "in 'b'" in line
    always = make_learner(blocks=(("a", 60, True),), quality={"a": 0.5})
    ds = prediction.add_scores(always)
    r = prediction.scored(ds, "r_pred", "a")[0]
    line = learning.headline(ds)
    assert f"from {r[:16].mean():.2f} to {r[-16:].mean():.2f} at the end of 'a'" in line
    weak = prediction.add_scores(make_learner(quality={"before": 0, "training": 0.3, "test": 0.45}))
    assert 0.1 < value(weak, "r_pred", block="test") < 0.4
    assert "weakly predicts" in learning.headline(weak)
    inborn = make_learner(quality=dict.fromkeys(("before", "training", "test"), 1.0))
    line = learning.headline(prediction.add_scores(inborn))
    assert line.startswith("r_pred went from 0.9") and line.endswith("but NOT by learning.")
    # a silent minus phase gains over a persistence below zero, and predicts nothing
    silent = prediction.add_scores(make_learner(silent=range(1000)))
    assert value(silent, "prediction_gain", block="test") > 0.1
    assert "NOT predict" in learning.headline(silent)


def test_the_headline_is_about_what_was_never_trained_on():
    blocks = (("train", 16, True), ("seen", 16, False), ("unseen", 16, False),
              ("reversal", 16, True), ("last", 16, False))  # fmt: skip
    ds = make_learner(blocks=blocks, quality={b[0]: 1 for b in blocks})
    found = learning.report_blocks(ds)
    assert found == dict(before=None, training="train", test="seen", reversal=None,
                         reversal_test=None)  # fmt: skip
    document = json.loads(ds.attrs["run"])
    document["blocks"]["unseen"]["stimulus"]["image"] = "coffee"
    document["blocks"]["last"]["stimulus"]["image"] = "brick"
    ds.attrs["run"] = json.dumps(document)
    assert learning.report_blocks(ds)["test"] == "unseen"


def test_a_block_that_goes_on_learning_belongs_to_the_one_before():
    blocks = (("train", 16, True, STEP), ("late", 16, True, STEP), ("test", 16, False, STEP),
              ("back", 16, True, -STEP), ("back_late", 16, True, -STEP),
              ("back_test", 16, False, -STEP))  # fmt: skip
    ds = make_learner(blocks=blocks, quality={b[0]: 1 for b in blocks})
    assert learning.report_blocks(ds) == dict(
        before=None, training="train", test="test", reversal="back", reversal_test="back_test"
    )
    turned = make_learner(
        blocks=(*blocks[:1], *blocks[3:]), quality={b[0]: 1 for b in blocks}
    )  # fmt: skip
    assert learning.report_blocks(turned)["test"] is None


def test_running_means_are_those_of_a_loop(lesioned):
    got = learning.running_mean(lesioned, "r_pred", 5).values
    block, r = lesioned["cycle_block"].values, lesioned["r_pred"].values
    defined = lesioned["outcome_defined"].values
    for c, s, t in np.ndindex(got.shape):
        b = block[t]
        ago = [k for k in range(t - 4, t + 1) if k >= 0 and block[k] == b and defined[c, s, b, k]]
        expected = np.mean(np.nan_to_num(r[c, s, b, ago])) if len(ago) >= 4 else np.nan
        assert got[c, s, t] == pytest.approx(expected, nan_ok=True, abs=1e-12)


def test_the_lesion_table_holds_the_means(lesioned):
    columns, rows = learning.lesion_table(lesioned)
    assert len(rows) == 9 and all(len(row) == len(columns) for row in rows)
    means = prediction.block_means(lesioned)
    for row in rows:
        cell = dict(zip(columns, row, strict=True))
        here = means.sel(condition=cell["condition"], block=cell["block"])
        mean, sd = float(here["gain"].mean()), float(here["gain"].std(ddof=1))
        assert cell["r_pred - r_persist"] == f"{mean:.2f} ± {sd:.2f}" and cell["n"] == "3"


def test_weights_by_place_and_by_offset_are_those_of_a_loop(learner):
    ds, at = learner, list(learner["snapshot"].values).index("training")
    rng = np.random.default_rng(2)
    ds = ds.assign(weight=(ds["weight"].dims, rng.random(ds["weight"].shape), {"units": "1"}))
    position = ds["position"].values
    cells = {}
    for k in range(ds.sizes["synapse"]):
        pair = position[ds["synapse_target"].values[k]], position[ds["synapse_source"].values[k]]
        cells.setdefault(pair, []).append(ds["weight"].values[at, k])
    matrix = learning.weight_matrix(ds, "training").values
    for pair, weights in cells.items():
        assert matrix[pair] == pytest.approx(np.mean(weights))
    curve = learning.weights_by_offset(ds, "training")
    for offset, mean, kind in zip(
        curve["offset"].values, curve["same"].values, curve["kind"].values, strict=True
    ):
        weights = [w for (t, s), ws in cells.items() if (t - s) % N_X == offset % N_X for w in ws]
        assert mean == pytest.approx(np.mean(weights))
        assert kind == {STEP: "true", 0: "self", -STEP: "reverse"}.get(int(offset), "rest")
    assert np.isnan(curve["other"].values).all()


def test_weight_changes_are_shown_beside_the_rates_that_made_them(learner):
    sites = learning.site_changes(learner, "training")
    scored = learner["learning"].values > 0
    assert sites.sizes["site"] == (scored & ~learner["jump"].values).sum() * N_X
    expected = {"correct": 5e-5, "missed": 1.05e-3, "false": -1e-3, "quiet": 0.0}
    for kind, dw in expected.items():
        here = sites["kind"].values == kind
        assert here.any()
        np.testing.assert_allclose(sites["dw"].values[here], dw, atol=1e-15)
    rises = sites["difference"].values > 20
    assert set(sites["kind"].values[rises]) == {"missed"}


TURNED = (*BLOCKS, ("reversal", 40, True, -STEP), ("reversal_test", 20, False, -STEP))


@pytest.fixture(scope="module")
def rivals():
    """Return two rules, of which one unlearns, and a lesion, before and after a reversal."""
    good = {"before": 0.0, "training": 0.6, "test": 0.9, "reversal": 0.6, "reversal_test": 0.9}
    poor = good | {"test": 0.8, "reversal": 0.0, "reversal_test": 0.0}
    worse = dict.fromkeys(good, 0.0)
    qualities = {"kinase": good, "STDP": poor, "cut": good, "STDP slow": worse}
    runs = {(c, s): make_learner(s, q, blocks=TURNED) for c, q in qualities.items() for s in (1, 2)}
    many = join(runs)
    document = json.loads(many.attrs["run"])
    document["plasticity"] = {"rule": "kinase_difference", "rate": 0.1, "gain": 300.0,
                              "values": {"k_D": 1.2}}  # fmt: skip
    document["condition"] = [
        {"name": "kinase"},
        {"name": "STDP", "plasticity": {"rule": "stdp", "rate": 0.02}},
        {"name": "cut", "lesions": ["TRN"], "plasticity": {"rule": "bcm"}},
        {"name": "STDP slow", "plasticity": {"rule": "stdp", "rate": 0.001}},
    ]
    many.attrs["run"] = json.dumps(document)
    return prediction.add_scores(many)


def test_rival_rules_are_found_and_scored(rivals):
    both = {"kinase": "kinase_difference", "STDP": "stdp"}
    assert learning.rival_conditions(rivals) == both | {"STDP slow": "stdp"}
    assert learning.rival_conditions(rivals, best=True) == both
    blocks = learning.report_blocks(rivals)
    assert (blocks["reversal"], blocks["reversal_test"]) == ("reversal", "reversal_test")
    scores = learning.rival_scores(rivals)
    for condition in ("kinase", "STDP"):
        for k, seed in enumerate((1, 2)):
            one = schema.select(rivals, seed, condition)
            here = scores.sel(condition=condition).isel(seed=k)
            after, before = (value(one, "r_pred", block=b) for b in ("reversal_test", "test"))
            assert float(here["r_pred"]) == before
            assert float(here["recovery"]) == pytest.approx(after / before)
            cycles = value(one, "cycles_to_recover", block="reversal", reference="test")
            assert float(here["cycles"]) == cycles
            assert float(here["old"]) == pytest.approx(0.45 / 0.7 - 1)
    assert (scores["cycles"].sel(condition="STDP") == 41).all()
    columns, rows = learning.rival_table(rivals, scores)
    cells = [dict(zip(columns, row, strict=True)) for row in rows]
    assert [c["rule"] for c in cells] == ["kinase_difference", "stdp", "stdp"]
    assert cells[0]["settings"] == "rate 0.1, k_D 1.2" and cells[1]["settings"] == "rate 0.02"
    assert cells[1]["old weights, change"] == "-0.36 ± 0.00"
    mean, sd = (float(getattr(scores["r_pred"].isel(condition=1), f)(**k))
                for f, k in (("mean", {}), ("std", {"ddof": 1})))  # fmt: skip
    assert cells[1]["r_pred in 'test'"] == f"{mean:.2f} ± {sd:.2f}"


def test_conditions_that_learn_by_one_rule_are_no_rivals(rivals, lesioned):
    assert learning.rival_conditions(lesioned) == {}
    frozen = rivals["learning"].where(~rivals["condition"].isin(["STDP", "STDP slow"]), 0.0)
    off = rivals.assign(learning=frozen.assign_attrs(units="1"))
    assert learning.rival_conditions(off) == {}
    assert "Rival rules" not in [title for title, *_ in learning.sections(lesioned)]


def test_cosines_with_the_gradient_are_shown_beside_their_nulls(rivals):
    cosines = learning.gradient_cosines(rivals)
    columns, rows = learning.gradient_table(cosines)
    assert [row[:2] for row in rows] == [["kinase", "V2.L6CT->TRC"], ["STDP", "V2.L6CT->TRC"]]
    for row in rows:
        cell = dict(zip(columns[:5], row[:5], strict=True))
        runs = [schema.select(rivals, s, row[0]) for s in (1, 2)]
        got = [value(run, "gradient_cosine", block="training") for run in runs]
        assert cell["cosine"] == f"{np.mean(got):.2f} ± {np.std(got, ddof=1):.2f}"
        got = [value(run, "gradient_cosine", block="training", centred=True) for run in runs]
        assert cell["centred"] == f"{np.mean(got):.2f} ± {np.std(got, ddof=1):.2f}"
        null = [value(run, "gradient_cosine_shuffled", block="training") for run in runs]
        assert cell["synapses shuffled"].startswith(f"{np.mean(null):.2f} ± ")
        # what the source predicts is where the weights grew
        assert min(value(run, "gradient_z", block="training", null="targets") for run in runs) > 4
    one = schema.select(rivals, 1, "kinase")
    _, alone = learning.gradient_table(learning.gradient_cosines(one))
    assert [row[0] for row in alone] == ["V2.L6CT->TRC"]


def test_a_page_with_five_blocks_and_rivals(rivals):
    sections = {title: (figure, table) for title, _, figure, table in learning.sections(rivals)}
    for title in ("Learning curve", "Rival rules"):
        axes = sections[title][0].axes[0]
        names = [t.get_text() for t in axes.texts]
        assert names == [b[0] for b in TURNED]
        edges = {line.get_xdata()[0] for line in axes.lines if len(set(line.get_xdata())) == 1}
        assert set(np.cumsum([b[1] for b in TURNED])[:-1] - 0.5) <= edges
    assert list(sections)[4:] == ["Weight change and the gradient of the error",
                                  "Lesions and controls", "Rival rules"]  # fmt: skip


def parsed(path):
    text = path.read_text(encoding="utf-8")
    body = text[text.index("<body>") :]
    return body, re.findall(r"<h2>(.*?)</h2>", body)


def test_the_page_says_in_its_first_line_what_was_learned(lesioned, tmp_path):
    raw = lesioned.drop_vars(list(prediction.SCORES))
    body, headings = parsed(report.write_report(raw, [], {"name": "x"}, tmp_path / "r.html"))
    first = re.search(r"<p[^>]*>(.*?)</p>", body, re.DOTALL)
    assert html.unescape(first.group(1)) == learning.headline(lesioned)
    wanted = ["Learning curve", "Prediction and outcome",
              "Weight change against the temporal derivative", "Weights before and after",
              "Weight change and the gradient of the error", "Lesions and controls"]  # fmt: skip
    assert headings[:6] == wanted
    assert "Circuit" in headings[6:]
    upto = body.index(f"<h2>{headings[6]}</h2>")
    assert body[:upto].count("<img") == 6
    _, rows = learning.lesion_table(lesioned)
    for row in rows:
        joined = "</td>.*?<td[^>]*>".join(re.escape(html.escape(cell)) for cell in row)
        assert re.search(joined, body[:upto])


def notes(ds):
    """What is said where a figure is missing, and the titles of the figures that are there."""
    shown = learning.sections(prediction.add_scores(ds))
    missing = [caption for _, caption, figure, table in shown if figure is None and table is None]
    return missing, [title for title, _, figure, _ in shown if figure is not None]


def test_one_run_is_reported_and_what_is_missing_is_named(tmp_path):
    ds = make_learner()
    _, headings = parsed(report.write_report(ds, [], {}, tmp_path / "a.html"))
    assert "Scores by block" in headings and "Conditions compared" not in headings
    assert notes(ds)[0] == [] and len(notes(ds)[1]) == 5
    bare = ds.drop_vars(["dw", "weight", "synapse_source", "synapse_target"])
    missing, drawn = notes(bare.drop_vars("synapse_projection"))
    assert missing[0] == "Not drawn: no variable 'dw'." and "no variable 'weight'" in missing[1]
    assert drawn == ["Learning curve", "Prediction and outcome"]
    frozen = make_learner(blocks=(("a", 10, False), ("b", 20, False)), quality={"a": 0, "b": 1})
    assert notes(frozen)[0] == ["Not drawn: no block that learns."] * 2
    silent = make_learner().isel(spike=slice(0, 0))
    silent["rate"] = silent["rate"] * 0
    assert notes(silent)[0] == []
    line = learning.headline(prediction.add_scores(silent))
    assert "from undefined to undefined" in line and line.endswith("NOT predict the plus phase.")


def test_a_run_that_does_not_learn_has_no_headline(circuit, tmp_path):
    body, headings = parsed(report.write_report(circuit, [], {}, tmp_path / "r.html"))
    assert "headline" not in body and "Learning curve" not in headings
