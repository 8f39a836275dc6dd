from functools import partial

import numpy as np
import pytest

from analysis import observables
from analysis.data import schema
from tests.analysis.learner import N_X, make_learner


def value(ds, name, **args):
    return observables.evaluate(ds, name, **args)


def with_spikes(ds, time, neuron, add=True):
    """Add spikes to a run (or replace its spikes) and segment again."""
    if add:
        time = np.concatenate([ds["spike_time"].values, time])
        neuron = np.concatenate([ds["spike_neuron"].values, neuron])
    time, neuron = np.asarray(time, float), np.asarray(neuron, np.int32)
    order = np.lexsort((neuron, time))
    time, neuron = time[order], neuron[order]
    new = ds.drop_dims("spike")
    new["spike_time"] = ("spike", time, {"units": "s"})
    new["spike_neuron"] = ("spike", neuron, {"units": "1"})
    rate = schema.segment(
        time, neuron, ds.sizes["neuron"], ds["cycle_start"].values, ds["plus_start"].values, 0.2
    )
    new["rate"] = (("cycle", "phase", "neuron"), rate, {"units": "Hz"})
    return schema.check(new)


def test_planted_bursts_are_measured(circuit):
    assert value(circuit, "burst_rate") == pytest.approx(5.0)
    assert value(circuit, "bursts_per_driven_cycle") == pytest.approx(1.0)
    assert value(circuit, "burst_plus_fraction") == 1.0
    assert value(circuit, "burst_vector_strength") > 0.95
    assert value(circuit, "burst_spike_count") == 3.0
    assert value(circuit, "isolated_spike_fraction") == 0.0
    assert value(circuit, "burst_mean_time") == pytest.approx(130.0, abs=3)


def test_a_burst_that_begins_in_the_warm_up_and_never_ends_is_counted(circuit):
    cell = schema.cell_index(circuit, "V1.L5IB")[0]
    time = np.arange(0.1, 5.2, 5e-3)
    endless = with_spikes(circuit, time, np.full(time.size, cell), add=False)
    assert value(endless, "burst_spike_count") == time.size


def test_single_spikes_lower_the_burst_rate_and_raise_the_isolated_share(circuit):
    cell = schema.cell_index(circuit, "V1.L5IB")[0]
    time, _ = schema.spikes_of(circuit, np.array([cell]))
    free = [t + 0.05 for t in circuit["cycle_start"].values
            if not np.any((time >= t) & (time < t + 0.2))]  # fmt: skip
    more = with_spikes(circuit, np.array(free), np.full(len(free), cell))
    bursts = 4 * circuit.sizes["cycle"]
    assert value(more, "burst_rate") == pytest.approx(5.0 * bursts / (bursts + len(free)))
    share = len(free) / (3 * bursts + len(free))
    assert value(more, "isolated_spike_fraction") == pytest.approx(share)
    # a silent driven cycle counts against bursts_per_driven_cycle, but not against burst_rate
    half = more["spike_time"].values < 2.8
    quiet = with_spikes(
        more, more["spike_time"].values[half], more["spike_neuron"].values[half], add=False
    )
    assert value(quiet, "bursts_per_driven_cycle") == pytest.approx(0.5)


def test_spread_onsets_lose_their_phase(make_circuit):
    spread = make_circuit(3, n_cycle=60, uniform=True)
    assert value(spread, "burst_vector_strength") < 0.2
    assert value(spread, "burst_plus_fraction") == pytest.approx(0.5, abs=0.12)
    assert value(spread, "burst_rate") == pytest.approx(5.0, rel=0.05)


def test_undriven_bursts_count_only_when_asked_for(circuit):
    l5 = schema.cell_index(circuit, "V1.L5IB")
    site = circuit["stimulus"].values.argmax(1)
    cells, times = [], []
    for c, t in enumerate(circuit["cycle_start"].values):
        far = l5[circuit["neuron_channel"].values[l5] == (site[c] + 8) % 16]
        for cell in far:
            cells += [cell, cell]
            times += [t + 0.03, t + 0.034]
    more = with_spikes(circuit, np.array(times), np.array(cells))
    assert value(more, "burst_vector_strength") > 0.95
    assert value(more, "burst_vector_strength", driven=False) < 0.6
    assert value(more, "bursts_per_driven_cycle") == pytest.approx(1.0)


def test_too_few_bursts_have_no_vector_strength(make_circuit):
    short = make_circuit(1, n_cycle=2)
    assert np.isnan(value(short, "burst_vector_strength"))
    assert value(short, "burst_vector_strength", min_bursts=4) > 0.9


def test_patterns_of_the_planted_circuit(circuit):
    assert value(circuit, "plus_pattern_r") > 0.99
    r = value(circuit, "minus_pattern_r")
    assert abs(r) < 0.2
    assert value(circuit, "minus_pattern_r", absolute=True) == abs(r)
    assert abs(value(circuit, "shuffle_pattern_r")) < 0.1
    assert value(circuit, "decode_accuracy") == 1.0
    assert value(circuit, "position_selectivity") > 0.9
    assert value(circuit, "undefined_pattern_fraction") == 0.0
    # one position of 16, another one in each cycle
    assert value(circuit, "r_persist") == pytest.approx(-1 / 15, abs=1e-6)
    assert value(circuit, "r_persist", outcome="stimulus") == pytest.approx(-1 / 15, abs=1e-6)


def test_a_silent_pulvinar_has_no_correlation_rather_than_a_passing_one(circuit):
    trc = schema.cell_index(circuit, "pulvinar.TRC")
    keep = ~np.isin(circuit["spike_neuron"].values, trc)
    silent = with_spikes(
        circuit, circuit["spike_time"].values[keep], circuit["spike_neuron"].values[keep], add=False
    )
    assert np.isnan(value(silent, "minus_pattern_r"))
    assert np.isnan(value(silent, "plus_pattern_r"))
    assert value(silent, "undefined_pattern_fraction") == 1.0
    assert value(silent, "decode_accuracy") == pytest.approx(1 / 16)


def test_rates_are_those_of_the_stored_segments(circuit):
    stored = circuit["rate"].mean(("cycle", "phase"))
    for name in ("V1.L23", "V2.PV"):
        cells = schema.cell_index(circuit, name)
        at = stored.isel(neuron=cells).values
        assert value(circuit, "population_rate", population=name) == pytest.approx(at.mean(), 1e-4)
        for stat in ("min", "max", "median"):
            got = value(circuit, "population_rate", population=name, stat=stat)
            assert got == pytest.approx(getattr(np, stat)(at), rel=1e-4)
    classes = ["L23", "PV"]
    means = [value(circuit, "population_rate", population=f"{a}.{c}")
             for a in ("V1", "V2") for c in classes]  # fmt: skip
    low = value(circuit, "population_rate_extreme", cell_classes=classes, extreme="min")
    high = value(circuit, "population_rate_extreme", cell_classes=classes)
    assert (low, high) == (min(means), max(means))


def test_the_share_of_cells_that_changed_between_blocks(circuit):
    cells = schema.cell_index(circuit, "V2.L23")[:4]
    start, n = circuit["cycle_start"].values, circuit.sizes["cycle"]
    after = np.arange(n) >= n // 2
    planted = {cells[0]: (2, 4), cells[1]: (4, 2), cells[2]: (10, 11), cells[3]: (0, 0)}
    spikes = [
        (start[k] + 0.001 * (j + 1), cell)
        for cell, numbers in planted.items()
        for k in range(n)
        for j in range(numbers[int(after[k])])
    ]
    ds = with_spikes(circuit, *np.array(spikes).T, add=False)
    ds = ds.assign(cycle_block=("cycle", after.astype(int))).assign_coords(
        block=["before", "after"]
    )
    share = partial(value, ds, "changed_share", population="V2.L23", block="after", than="before")
    one = 1 / len(schema.cell_index(circuit, "V2.L23"))
    assert share() == share(direction="down") == pytest.approx(one)
    assert share(change=0.05) == pytest.approx(2 * one)
    with pytest.raises(schema.AnalysisError, match="did you mean 'down'"):
        share(direction="dawn")


def test_idle_relay_cells_are_those_without_a_driver_in_two_cycles(circuit):
    position = circuit["neuron_channel"].values
    trc, l5 = schema.cell_index(circuit, "pulvinar.TRC"), schema.cell_index(circuit, "V1.L5IB")
    start = circuit["cycle_start"].values
    # relay cells that fire on in the cycle after their driver are not idle
    tail = [(t + 0.25, cell) for t, site in zip(start, circuit["stimulus"].values.argmax(1),
            strict=True) for cell in trc[position[trc] == site]]  # fmt: skip
    circuit = with_spikes(circuit, *np.array(tail).T)
    time, neuron = circuit["spike_time"].values, circuit["spike_neuron"].values
    spikes = pairs = 0
    for t in start:
        recent = neuron[(time >= t - 0.2 - 1e-9) & (time < t + 0.2 - 1e-9)]
        busy = set(position[recent[np.isin(recent, l5)]])
        idle = [c for c in trc if position[c] not in busy]
        now = neuron[(time >= t - 1e-9) & (time < t + 0.2 - 1e-9)]
        spikes += np.isin(now, idle).sum()
        pairs += len(idle)
    assert value(circuit, "idle_relay_rate") == pytest.approx(spikes / pairs / 0.2)


def test_the_fastest_cell_is_found_and_inputs_are_left_out(circuit):
    start = circuit["cycle_start"].values
    cell, lgn = schema.cell_index(circuit, "V2.L4")[3], schema.cell_index(circuit, "LGN")[0]
    quick = start[4] + np.linspace(0.001, 0.199, 60)
    base = value(circuit, "max_cell_rate")
    assert value(with_spikes(circuit, quick, np.full(60, lgn)), "max_cell_rate") == base
    fast = value(with_spikes(circuit, quick, np.full(60, cell)), "max_cell_rate")
    assert 300 <= fast <= 315


def test_stability_tells_a_circuit_that_runs_away(circuit):
    assert value(circuit, "stability") == pytest.approx(1.0, abs=0.15)
    late = circuit["spike_time"].values > circuit["cycle_start"].values[-6]
    time, neuron = circuit["spike_time"].values[late], circuit["spike_neuron"].values[late]
    assert value(with_spikes(circuit, time + 5e-4, neuron), "stability") > 1.7


def test_measures_of_irregularity_synchrony_and_spectrum(make_circuit):
    ds = make_circuit(5, n_cycle=60, background=10.0)
    assert value(ds, "irregularity", population="V1.L23") == pytest.approx(0.95, abs=0.08)
    assert abs(value(ds, "synchrony", population="V1.L23")) < 0.02
    assert value(ds, "spectral_peak") == pytest.approx(5.0, abs=0.3)


def test_every_observable_is_described_and_returns_a_float(circuit):
    needed = {"population": "V1.L23", "cell_classes": ["L23"], "leader": "V1.L5IB"}
    needed |= {"follower": "V1.L23", "source": "V1.L23", "target": "V2.L4"}
    for name, observable in observables.OBSERVABLES.items():
        assert observable.unit in ("1", "Hz", "ms", "mV")
        assert observable.meaning.endswith(".") and "\n" not in observable.meaning
        if observable.experiment != "circuit":
            continue
        args = {}
        try:
            observables.find(name, args)
        except schema.AnalysisError:
            args = {k: v for k, v in needed.items() if k in observable.arguments}
            if {"block", "blocks", "pictures"} & {s for s in observable.signature if "=" not in s}:
                continue  # of learning runs
        assert isinstance(value(circuit, name, **args), float)


@pytest.mark.parametrize(
    ("name", "args", "message"),
    [
        ("burst_rat", {}, "unknown observable 'burst_rat'; did you mean 'burst_rate'?"),
        ("burst_rate", {"populaton": "V1.L5IB"}, "no argument 'populaton'; did you mean"),
        ("burst_rate", {"population": "V1.L5BI"}, "did you mean 'V1.L5IB'?"),
        ("population_rate", {}, "needs the argument 'population'"),
        ("population_rate", {"population": "LGN", "stat": "meen"}, "did you mean 'mean'?"),
    ],
)
def test_mistakes_are_told_in_one_line(circuit, name, args, message):
    with pytest.raises(schema.AnalysisError) as error:
        value(circuit, name, **args)
    assert message in str(error.value) and "\n" not in str(error.value)


def test_a_missing_variable_is_named(circuit):
    with pytest.raises(schema.AnalysisError, match="stimulus"):
        value(circuit.drop_vars("stimulus"), "decode_accuracy")


def test_an_observable_of_every_run_is_that_of_each(many):
    values = observables.by_condition(many, "burst_vector_strength")
    assert values.dims == ("condition", "seed") and values.attrs["units"] == "1"
    for condition in ("intact", "no pacing"):
        for seed in (1, 2):
            run = schema.select(many, condition=condition, seed=seed)
            got = float(values.sel(condition=condition, seed=seed))
            assert got == value(run, "burst_vector_strength")
    assert (values - many["rate"].mean(("cycle", "phase", "neuron"))).sizes == values.sizes


def test_many_observables_take_every_run_out_once(many, monkeypatch):
    taken = []
    select = schema.select
    monkeypatch.setattr(schema, "select", lambda *a: taken.append(a[1:]) or select(*a))
    names = ("burst_rate", "plus_pattern_r", "r_pred", "idle_relay_rate")
    found = observables.all_by_condition(many.drop_vars("stimulus"), names)
    assert len(taken) == len(set(taken)) == 4
    left = ("burst_rate", "plus_pattern_r", "idle_relay_rate")  # r_pred needs a block
    assert [a.attrs["long_name"] for a in found] == [name.replace("_", " ") for name in left]
    for values, name in zip(found, left, strict=True):
        assert values.identical(observables.by_condition(many, name))


def test_a_run_without_dims_is_one_condition_and_one_seed(circuit):
    assert observables.by_condition(circuit, "burst_rate").shape == (1, 1)


def test_driven_cells_are_those_at_the_outcome():
    """Of the learner a relay cell gives 4 spikes in the plus phase of 100 ms where it is driven."""
    ds = make_learner()
    assert observables.evaluate(ds, "driven_rate") == pytest.approx(40.0)
    everywhere = observables.evaluate(ds, "phase_rate", population="relay")
    assert everywhere == pytest.approx(40.0 / N_X)
    assert observables.evaluate(ds, "driven_rate", phase="minus") > observables.evaluate(
        ds, "phase_rate", population="relay", phase="minus"
    )


def test_bursts_and_phase_rates_of_a_block():
    ds = make_learner(silent=range(56, 76))  # the test: no relay cell fires late in the minus phase
    test, training = (
        observables.evaluate(ds, "phase_rate", population="relay", phase="minus", block=block)
        for block in ("test", "training")
    )
    assert 0 < test < training
    for block in ("test", None):  # one burst at the site in every cycle
        found = observables.evaluate(ds, "bursts_per_driven_cycle", block=block)
        assert found == pytest.approx(1.0)
