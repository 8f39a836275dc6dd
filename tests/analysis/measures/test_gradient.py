"""A small rate network whose gradient is known, and spikes that say its rates."""

import json

import numpy as np
import pytest
import xarray as xr

from analysis import observables
from analysis.data import schema
from analysis.measures import gradient
from tests.analysis.learner import make_learner

LENGTH, MINUS, WINDOW, DELAY = 0.2, 0.1, 0.06, 0.01
N_BEFORE, N_CYCLE = 5, 40
LOOPS = json.dumps([{"name": "TRC", "relay": "TRC", "driver": "V1.L5IB", "predictor": "V2.L6CT",
                     "cortex": "V2"}])  # fmt: skip
CELLS = {"V2.L23": 9, "V2.L5IB": 8, "V2.L6CT": 9, "V1.L6CT": 6, "TRC": 7}
# conductance (nS) of each projection, so that they count unequally
SCALES = {"V2.L6CT->TRC": 2.0, "V1.L6CT->TRC": 0.5, "V2.L6CT->V2.L6CT": 0.15,
          "V2.L5IB->V2.L6CT": 1.0, "V2.L23->V2.L5IB": 3.0}  # fmt: skip
RESPONSES = {
    "V2.L5IB": gradient.Response(300, 2e-3, -3.0),
    "V2.L6CT": gradient.Response(300, 2.5e-3, -1.5),
    "TRC": gradient.Response(400, 1.5e-3, -2.0),
}
NEEDS = {"V2.L6CT->TRC": 1, "V1.L6CT->TRC": 1, "V2.L6CT->V2.L6CT": 2, "V2.L5IB->V2.L6CT": 2,
         "V2.L23->V2.L5IB": 3}  # fmt: skip


def ends(name):
    return name.split("->")


class Network:
    """Rates of every group and cycle, the error, and its gradient by finite differences."""

    def __init__(self, seed=1, given=("V2.L23", "V1.L6CT")):
        rng = np.random.default_rng(seed)
        self.pairs, self.weights = {}, {}
        for name in SCALES:
            source, target = (CELLS[end] for end in ends(name))
            there = rng.random((target, source)) < 0.35
            there[:, 0] = True
            self.pairs[name] = np.nonzero(there)
            self.weights[name] = rng.uniform(0.2, 0.8, there.sum())
        shape = N_BEFORE + N_CYCLE
        self.given = {name: 900 * rng.random((shape, CELLS[name])) ** 2 for name in given}
        # right on the whole, wrong as it depends on the sources: means of cells explain nothing
        rate = self.rates()
        away = rate["V2.L6CT"] - rate["V2.L6CT"].mean(0)
        other = rng.normal(0, 0.4, (CELLS["TRC"], CELLS["V2.L6CT"]))
        self.outcome = np.maximum(rate["TRC"] + away @ other.T, 0)

    def dense(self, name, weights=None):
        source, target = (CELLS[end] for end in ends(name))
        matrix = np.zeros((target, source))
        matrix[self.pairs[name]] = SCALES[name] * (weights or self.weights)[name]
        return matrix

    def rates(self, weights=None):
        of = {name: self.dense(name, weights) for name in SCALES}
        rate = dict(self.given)
        if "V2.L6CT" not in rate:
            rate["V2.L5IB"] = RESPONSES["V2.L5IB"].rate(rate["V2.L23"] @ of["V2.L23->V2.L5IB"].T)
            base = rate["V2.L5IB"] @ of["V2.L5IB->V2.L6CT"].T
            deep = np.zeros_like(base)
            for _ in range(200):
                deep = RESPONSES["V2.L6CT"].rate(base + deep @ of["V2.L6CT->V2.L6CT"].T)
            rate["V2.L6CT"] = deep
        deep = rate["V2.L6CT"]
        drive = deep @ of["V2.L6CT->TRC"].T + rate["V1.L6CT"] @ of["V1.L6CT->TRC"].T
        rate["TRC"] = RESPONSES["TRC"].rate(drive)
        return rate

    def error(self, weights=None):
        difference = (self.outcome - self.rates(weights)["TRC"])[N_BEFORE:]
        return 0.5 * (difference**2).sum()

    def descent(self, name, step=1e-5):
        """Minus dE/dw of each synapse of a projection, by central differences."""
        slope = np.empty(self.weights[name].size)
        for k in range(slope.size):
            both = []
            for sign in (1, -1):
                moved = self.weights[name].copy()
                moved[k] += sign * step
                both.append(self.error(self.weights | {name: moved}))
            slope[k] = (both[1] - both[0]) / (2 * step)
        return slope


@pytest.fixture(scope="module")
def network():
    return Network()


@pytest.fixture(scope="module")
def truth(network):
    return {name: network.descent(name) for name in SCALES}


def run_of(trains, pairs, first, last):
    """Return a learning run with given spikes, (time, cell) by group, and weights."""
    labels = np.repeat(list(CELLS), list(CELLS.values()))
    base = dict(zip(CELLS, np.cumsum([0, *CELLS.values()])[:-1], strict=True))
    time = np.concatenate([t for t, _ in trains.values()])
    neuron = np.concatenate([c + base[name] for name, (_, c) in trains.items()])
    order = np.lexsort((neuron, time))
    start = (np.arange(N_BEFORE + N_CYCLE) + 2) * LENGTH
    one, seconds = {"units": "1"}, {"units": "s"}
    source = np.concatenate([pairs[n][1] + base[ends(n)[0]] for n in SCALES])
    target = np.concatenate([pairs[n][0] + base[ends(n)[1]] for n in SCALES])
    weight = [np.concatenate([w[n] for n in SCALES]) for w in (first, first, last)]
    split = [name.split(".") for name in labels]
    projections = [dict(name=n, source=ends(n)[0], target=ends(n)[1], weight_nS=s,
                        delay_ms=10.0 if n.endswith("TRC") else 3.0)
                   for n, s in SCALES.items()]  # fmt: skip
    return schema.check(xr.Dataset(
        {
            "spike_time": ("spike", time[order], seconds),
            "spike_neuron": ("spike", neuron[order].astype(np.int32), one),
            "weight": (("snapshot", "synapse"), np.array(weight), one),
            "synapse_source": ("synapse", source, one),
            "synapse_target": ("synapse", target, one),
        },
        coords={
            "population": ("neuron", labels.astype(str)),
            "area": ("neuron", np.array([s[0] for s in split])),
            "layer": ("neuron", np.array([s[-1] for s in split])),
            "cell_class": ("neuron", np.array([s[-1] for s in split])),
            "neuron_channel": ("neuron", np.full(labels.size, -1, np.int32)),
            "cycle_start": ("cycle", start, seconds),
            "plus_start": ("cycle", start + MINUS, seconds),
            "block": ["before", "training"],
            "cycle_block": ("cycle", np.repeat([0, 1], [N_BEFORE, N_CYCLE])),
            "snapshot": ["start", "before", "training"],
            "synapse_projection": ("synapse", np.repeat(list(SCALES), [
                pairs[n][0].size for n in SCALES])),
        },
        attrs={"cycle_length_s": LENGTH, "loops": LOOPS, "projections": json.dumps(projections)},
    ))  # fmt: skip


def spikes_that_say(network, seed=3):
    """Spike trains with the rates of the network where they count, and others where they do not."""
    rng = np.random.default_rng(seed)
    rate = network.rates()
    start = (np.arange(N_BEFORE + N_CYCLE) + 2) * LENGTH
    parts = {name: [] for name in CELLS}

    def emit(name, rates, begin, end, duration):
        for c, k in np.ndindex(rates.shape):
            n = round(rates[c, k] * duration)
            parts[name].append((rng.uniform(start[c] + begin, start[c] + end, n), np.full(n, k)))

    for name in ("V2.L23", "V2.L5IB"):
        emit(name, rate[name], -LENGTH + 1e-3, -5e-3, LENGTH)
    for name in ("V2.L6CT", "V1.L6CT"):
        emit(name, rate[name], MINUS - WINDOW + 1e-3, MINUS - DELAY - 1e-3, WINDOW)
        noise = 500 * rng.random((start.size, CELLS[name]))
        emit(name, noise, 1e-3, MINUS - WINDOW - DELAY - 1e-3, WINDOW)
        emit(name, noise[::-1], MINUS + 1e-3, LENGTH - 1e-3, WINDOW)
    emit("TRC", rate["TRC"], MINUS - WINDOW + 1e-3, MINUS - 1e-3, WINDOW)
    emit("TRC", 900 * rng.random(rate["TRC"].shape), 1e-3, MINUS - WINDOW - 1e-3, WINDOW)
    emit("TRC", network.outcome, MINUS + 1e-3, LENGTH - 1e-3, MINUS)
    return {n: tuple(np.concatenate(x) for x in zip(*p, strict=True)) for n, p in parts.items()}


@pytest.fixture(scope="module")
def trains(network):
    return spikes_that_say(network)


@pytest.fixture(scope="module")
def learned(network, truth, trains):
    """Return a maker of runs whose weights changed by what it is given for each projection."""

    def make(change):
        last = {n: network.weights[n] + 1e-3 * change(n) for n in SCALES}
        return run_of(trains, network.pairs, network.weights, last)

    return make


def unit(x):
    return x / np.sqrt((x**2).sum())


def value(ds, name, **args):
    return observables.evaluate(ds, name, block="training", **args)


@pytest.mark.parametrize("name", list(SCALES))
def test_backpropagation_is_the_gradient_of_the_error(network, truth, name):
    rate = {k: r[N_BEFORE:] for k, r in network.rates().items()}
    connections, drives = [], {}
    for n in SCALES:
        matrix = network.dense(n)
        connection = gradient.Connection(*ends(n), matrix, matrix)
        connections.append(connection)
        target = ends(n)[1]
        drives[target] = drives.get(target, 0) + connection.drive(rate[ends(n)[0]])
    for group, response in RESPONSES.items():
        np.testing.assert_allclose(response.rate(drives[group]), rate[group], rtol=1e-9)
    slopes = {group: RESPONSES[group].slope(drives[group]) for group in RESPONSES}
    errors = {"TRC": network.outcome[N_BEFORE:] - rate["TRC"]}
    source, target = ends(name)
    # loops of L6CT go round for ever, each time weaker
    delta = gradient.backpropagate(errors, slopes, connections, depth=60)[target]
    found = SCALES[name] * (delta.T @ rate[source])[network.pairs[name]]
    np.testing.assert_allclose(found, truth[name], rtol=2e-4, atol=1e-5 * abs(truth[name]).max())
    least = NEEDS[name]
    for depth in range(1, least):
        assert target not in gradient.backpropagate(errors, slopes, connections, depth)
    assert target in gradient.backpropagate(errors, slopes, connections, least)


@pytest.mark.parametrize("sign", [1, -1])
def test_weights_that_follow_the_gradient_have_cosine_one(learned, truth, sign):
    ds = learned(lambda n: sign * unit(truth[n]))
    found = gradient.weight_gradients(ds, "training")
    for name in SCALES:
        here = found.sel(projection=name)
        assert sign * float(here["cosine"]) > 0.99
        # no cosine lies further from the mean of n permuted synapses than sqrt(n - 1)
        assert sign * float(here["z"].sel(null="synapses")) > 0.8 * np.sqrt(truth[name].size - 1)
        assert (sign * here["z"].values > 0).all()
        assert value(ds, "gradient_cosine", projection=name) == float(here["cosine"])
        assert value(ds, "gradient_z", projection=name) == float(here["z"].sel(null="synapses"))
        strict = here["z"].sel(null=["targets", "sources", "cycles"]).values.min()
        assert value(ds, "gradient_z", projection=name, null="strict") == pytest.approx(strict)
    change = ds["weight"].values[2] - ds["weight"].values[1]
    np.testing.assert_allclose(found["change"].values, change)


def test_cells_that_are_silent_pass_no_error_on_at_the_slope_of_their_rate(learned, truth):
    ds = learned(lambda n: unit(truth[n]))
    name = "V2.L5IB->V2.L6CT"
    target = ds["synapse_target"].values[ds["synapse_projection"].values == name]
    found = gradient.weight_gradients(ds, "training", slope="rate")
    assert float(found["cosine"].sel(projection=name)) > 0.98
    first = ds.isel(spike=ds["spike_neuron"].values != target[0])

    def size(slope):
        of = gradient.weight_gradients(first, "training", slope=slope)["gradient"].values
        return np.abs(of[ds["synapse_projection"].values == name])[target == target[0]].max()

    assert size("rate") == 0
    assert size("fitted") > 0


@pytest.mark.parametrize("sign", [1, -1])
def test_the_error_in_cortex_is_that_of_cells_which_change_with_it(network, trains, sign):
    rate = {k: r[N_BEFORE:] for k, r in network.rates().items()}
    back = (network.outcome[N_BEFORE:] - rate["TRC"]) @ network.dense("V2.L6CT->TRC")
    change = sign * back / np.abs(back).max() * 400
    start = (np.arange(N_CYCLE) + N_BEFORE + 2) * LENGTH
    rng, told = np.random.default_rng(4), []
    time, cell = trains["V2.L6CT"]
    phase = time % LENGTH
    late = (phase >= MINUS - WINDOW) & (phase < MINUS)
    for c, k in np.ndindex(change.shape):
        begin = start[c] + MINUS
        here = late & (cell == k) & (time >= start[c]) & (time < begin)
        n = max(round((here.sum() / WINDOW + change[c, k]) * MINUS), 0)
        told.append((rng.uniform(begin + 1e-3, begin + MINUS - 1e-3, n), np.full(n, k)))
    keep = (phase < MINUS) | (time < start[0])
    times, cells = (np.concatenate(x) for x in zip((time[keep], cell[keep]), *told, strict=True))
    spikes = trains | {"V2.L6CT": (times, cells.astype(int))}
    weights = network.weights
    ds = run_of(spikes, network.pairs, weights, {n: w + 1e-4 for n, w in weights.items()})
    assert sign * value(ds, "cortical_error") > 0.5
    assert np.isnan(value(ds, "cortical_error", population="V2.L23"))


def test_the_size_of_the_gradient_is_that_of_the_error(learned, truth):
    found = gradient.weight_gradients(learned(lambda n: unit(truth[n])), "training")
    of = found["gradient"].values
    for name in SCALES:
        mine = of[np.repeat(list(SCALES), [truth[n].size for n in SCALES]) == name]
        ratio = (mine * truth[name]).sum() / (truth[name] ** 2).sum()
        assert ratio == pytest.approx(1, abs=0.05)


def test_random_weight_changes_have_cosine_zero(learned, truth):
    rng = np.random.default_rng(8)
    ds = learned(lambda n: rng.normal(size=truth[n].size))
    found = gradient.weight_gradients(ds, "training")
    for name in SCALES:
        here = found.sel(projection=name)
        assert abs(float(here["cosine"])) < 4 / np.sqrt(truth[name].size)
        assert (np.abs(here["z"].values) < 4).all()


def counted(trains, name, begin, end):
    """Rates (cycle, cell) in a window of every cycle of the block, spike by spike."""
    time, cell = trains[name]
    rate = np.zeros((N_CYCLE, CELLS[name]))
    for c in range(N_CYCLE):
        start = (N_BEFORE + c + 2) * LENGTH
        keep = (start + begin <= time) & (time < start + end)
        np.add.at(rate[c], cell[keep], 1 / (end - begin))
    return rate


@pytest.mark.parametrize("window", [WINDOW, 1.0])
def test_each_end_counts_in_its_own_window(network, window):
    # spikes anywhere, so that a window that is off by a little gives another gradient
    rng = np.random.default_rng(5)
    total = (N_BEFORE + N_CYCLE + 2) * LENGTH
    trains = {n: (rng.uniform(0, total, 4000 * k), rng.integers(0, k, 4000 * k))
              for n, k in CELLS.items()}  # fmt: skip
    weights = network.weights
    last = {n: w + 0.1 for n, w in weights.items()}
    ds = run_of(trains, network.pairs, weights, last)
    found = gradient.weight_gradients(ds, "training", window=window, slope="linear")
    at = max(MINUS - window, 0)
    error = counted(trains, "TRC", MINUS, LENGTH) - counted(trains, "TRC", at, MINUS)
    relay = SCALES["V2.L6CT->TRC"]
    early = (at - DELAY, MINUS - DELAY)
    names = ds["synapse_projection"].values

    def agrees(name, delta, x):
        got = found["gradient"].values[names == name]
        expected = (delta.T @ x)[network.pairs[name]]
        # but for the slopes, each the same for a whole population
        np.testing.assert_allclose(unit(got), unit(expected), rtol=1e-9, atol=1e-12)

    agrees("V2.L6CT->TRC", error, counted(trains, "V2.L6CT", *early))
    agrees("V1.L6CT->TRC", error, counted(trains, "V1.L6CT", *early))
    # weights rise by 0.1 through the block
    share = ((np.arange(N_CYCLE) + 0.5) / N_CYCLE)[:, None]
    first = network.dense("V2.L6CT->TRC")
    rise = 0.1 * relay * (first > 0)
    delta = error @ first + share * (error @ rise)
    found = gradient.weight_gradients(ds, "training", window=window, slope="linear", depth=2)
    delays = (-LENGTH - 3e-3, -3e-3)
    agrees("V2.L5IB->V2.L6CT", delta, counted(trains, "V2.L5IB", *delays))
    agrees("V2.L6CT->V2.L6CT", delta, counted(trains, "V2.L6CT", at - 3e-3, MINUS - 3e-3))
    assert np.isnan(found["gradient"].values[names == "V2.L23->V2.L5IB"]).all()
    assert np.isnan(found["cosine"].sel(projection="V2.L23->V2.L5IB"))


def test_the_null_of_synapses_is_that_of_many_permutations(learned, truth):
    name = "V2.L6CT->TRC"
    ds = learned(lambda n: unit(truth[n]) + 0.2)
    found = gradient.weight_gradients(ds, "training")
    mine = ds["synapse_projection"].values == name
    change, g = found["change"].values[mine], found["gradient"].values[mine]
    rng = np.random.default_rng(0)
    cosines = [unit(change) @ unit(rng.permutation(g)) for _ in range(4000)]
    here = found.sel(projection=name, null="synapses")
    assert float(here["cosine_shuffled"]) == pytest.approx(np.mean(cosines), abs=6e-3)
    assert float(here["cosine_shuffled_sd"]) == pytest.approx(np.std(cosines), rel=0.05)
    centred = np.corrcoef(change, g)[0, 1]
    assert float(found["cosine_centred"].sel(projection=name)) == pytest.approx(centred)
    assert value(ds, "gradient_cosine", projection=name, centred=True) == pytest.approx(centred)
    z = (unit(change) @ unit(g) - np.mean(cosines)) / np.std(cosines)
    assert float(here["z"]) == pytest.approx(z, rel=0.1)
    shuffled = value(ds, "gradient_cosine_shuffled", projection=name)
    assert shuffled == pytest.approx(float(here["cosine_shuffled"]))


@pytest.mark.parametrize(
    ("errs", "fires", "null"),
    [(True, False, "sources"), (False, True, "targets"), (True, True, "cycles")],
)
def test_mere_rates_of_cells_pass_the_weak_null_only(network, errs, fires, null):
    """Errors and sources have nothing to do with each other, but cells differ in their means."""
    rng = np.random.default_rng(11)
    name, total = "V2.L6CT->TRC", (N_BEFORE + N_CYCLE + 2) * LENGTH
    mean = {n: np.full(k, 60.0) for n, k in CELLS.items()}
    if fires:
        mean["V2.L6CT"] = np.linspace(5, 120, CELLS["V2.L6CT"])
    wrong = np.linspace(20, 200, CELLS["TRC"]) if errs else np.full(CELLS["TRC"], 100.0)
    trains = {}
    for n in CELLS:
        counts = rng.poisson(mean[n] * total)
        times = [rng.uniform(0, total, count) for count in counts]
        if n == "TRC":
            extra = rng.poisson(wrong[:, None] * MINUS, (CELLS["TRC"], N_BEFORE + N_CYCLE))
            start = (np.arange(N_BEFORE + N_CYCLE) + 2) * LENGTH
            plus = [np.repeat(start, k) + rng.uniform(MINUS, LENGTH - 1e-6, k.sum()) for k in extra]
            times = [np.r_[a, b] for a, b in zip(times, plus, strict=True)]
        trains[n] = np.concatenate(times), np.repeat(np.arange(CELLS[n]), [t.size for t in times])
    last = {n: w.copy() for n, w in network.weights.items()}
    last[name] += 1e-3 * (wrong[:, None] * mean["V2.L6CT"])[network.pairs[name]]
    ds = run_of(trains, network.pairs, network.weights, last)
    args = {"projection": name, "slope": "linear"}
    assert value(ds, "gradient_cosine", **args) > 0.9
    assert value(ds, "gradient_z", **args) > 4
    assert abs(value(ds, "gradient_z", null=null, **args)) < 3
    assert value(ds, "gradient_z", null="strict", **args) < 3


def test_what_single_sources_tell_passes_the_strict_null():
    network = Network(given=("V2.L23", "V1.L6CT", "V2.L5IB", "V2.L6CT"))
    name = "V2.L6CT->TRC"
    truth = network.descent(name)
    trains = spikes_that_say(network)
    for sign in (1, -1):
        last = network.weights | {name: network.weights[name] + sign * 1e-3 * unit(truth)}
        ds = run_of(trains, network.pairs, network.weights, last)
        for null in ("targets", "sources", "cycles"):
            assert sign * value(ds, "gradient_z", projection=name, null=null) > 2.5


def test_what_did_not_change_or_did_not_learn_has_no_cosine(learned, truth):
    frozen = learned(lambda n: unit(truth[n]) if n.endswith("TRC") else 0 * truth[n])
    assert value(frozen, "gradient_cosine", projection="V2.L6CT->TRC") > 0.99
    args = {"projection": "V2.L5IB->V2.L6CT"}
    assert np.isnan(value(frozen, "gradient_cosine", **args))
    for name in ("gradient_z", "gradient_cosine_shuffled"):
        for null in (*gradient.NULLS, "strict"):
            assert np.isnan(value(frozen, name, null=null, **args))
    assert np.isnan(observables.evaluate(frozen, "gradient_cosine", block="before"))
    # of a condition in which a projection does not learn there are no weights
    names = frozen["synapse_projection"].values
    some = frozen.assign(
        weight=frozen["weight"]
        .where(xr.DataArray(np.isin(names, ["V2.L6CT->TRC", "V1.L6CT->TRC"]), dims="synapse"))
        .assign_attrs(units="1")
    )
    found = gradient.weight_gradients(some, "training")
    assert np.isfinite(found["cosine"].values[:2]).all()
    assert np.isnan(found["cosine"].values[2:]).all()
    silent = frozen.isel(spike=slice(0, 0))
    assert np.isnan(gradient.weight_gradients(silent, "training")["cosine"].values).all()


@pytest.mark.parametrize("offset", [-4.0, 0.0, 6.0])
def test_the_response_is_found_again(offset):
    rng = np.random.default_rng(2)
    true = gradient.Response(40.0, 0.03, offset)
    drive = rng.gamma(3, 40, (200, 30))
    found = gradient.fit_response(drive, true.rate(drive))
    np.testing.assert_allclose(found.slope(drive), true.slope(drive), rtol=0.02, atol=1e-3)
    noisy = rng.poisson(true.rate(drive) * WINDOW) / WINDOW
    fit = gradient.fit_response(drive, noisy)
    assert np.abs(fit.slope(drive) / true.slope(drive) - 1).mean() < 0.15
    step = 1e-4
    slope = (true.rate(drive + step) - true.rate(drive - step)) / (2 * step)
    np.testing.assert_allclose(true.slope(drive), slope, rtol=1e-5)
    np.testing.assert_allclose(true.slope_at(true.rate(drive)), slope, rtol=1e-5)


def test_where_nothing_varies_there_is_no_response():
    assert gradient.fit_response(np.ones((5, 3)), np.random.default_rng(0).random((5, 3))) is None
    assert gradient.fit_response(np.arange(6.0), np.zeros(6)) is None
    assert gradient.fit_response(np.empty((0, 3)), np.empty((0, 3))) is None
    # the rate falls with the drive: the best rising response is flat
    falling = gradient.fit_response(np.arange(50.0), 50 - np.arange(50.0))
    assert 0 <= falling.slope(25.0) < 0.1


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({"block": "trainin"}, "no block 'trainin'; did you mean 'training'?"),
        ({"block": "training", "slope": "fited"}, "no slope 'fited'; did you mean 'fitted'?"),
        ({"block": "training", "projection": "V2.L6CT->TRN"}, "did you mean 'V2.L6CT->TRC'?"),
        ({"block": "training", "null": "strikt"}, "no null 'strikt'; did you mean 'strict'?"),
        ({"block": "training", "depth": 0}, "depth is 0, expected 1 or more"),
    ],
)
def test_mistakes_are_told_in_one_line(learned, truth, args, message):
    with pytest.raises(schema.AnalysisError) as error:
        observables.evaluate(learned(lambda n: unit(truth[n])), "gradient_z", **args)
    assert message in str(error.value) and "\n" not in str(error.value)


def test_the_partial_coefficients_of_both_phases_are_found_again():
    ds = make_learner(quality={"before": 0.0, "training": 0.4, "test": 1.0})
    start, plus = ds["cycle_start"].values, ds["plus_start"].values
    at = np.flatnonzero(ds["cycle_block"].values == 1)
    time, neuron = ds["spike_time"].values, ds["spike_neuron"].values

    def count(cell, begin, end):
        mine = time[neuron == cell]
        return np.array([((mine >= a) & (mine < b)).sum() for a, b in zip(begin, end, strict=True)])

    ends = zip(ds["synapse_source"].values, ds["synapse_target"].values, strict=True)
    sums = np.array([
        [count(i, plus - 0.07, plus - 0.01)[at] @ count(j, begin, end)[at]
         for begin, end in ((plus, start + 0.2), (start, plus))]
        for i, j in ends
    ], float).T  # fmt: skip
    a, b = (sums - sums.mean(1, keepdims=True)) / sums.std(1, keepdims=True)
    weight = ds["weight"].values.copy()
    weight[2] = weight[1] + 0.02 * a - 0.01 * b
    ds = ds.assign(weight=(ds["weight"].dims, weight))
    sd = np.std(0.02 * a - 0.01 * b)
    for phase, expected in (("plus", 0.02 / sd), ("minus", -0.01 / sd)):
        found = observables.evaluate(ds, "partial_coefficient", block="training", phase=phase)
        assert found == pytest.approx(expected, rel=1e-6)
    still = ds.assign(weight=(ds["weight"].dims, 0 * weight))
    assert np.isnan(observables.evaluate(still, "partial_coefficient", block="training"))
