"""Spike trains, constant rates and named cells: what an input is told to play is what it plays."""

import neo
import numpy as np
import pytest
import xarray as xr
from brian2 import Hz, ms, pA, second

import circuits
from circuits.driver.inputs import arrays_of
from circuits.driver.simulate import simulate
from circuits.engine.replicas import packed
from tests.circuits.learning_runs import reduced

STEP = 0.5e-3


@pytest.fixture(scope="module")
def plain():
    return circuits.load("v1_v2_pulvinar", cycle={"count": 58, "warmup": 2, "length": "100 ms"})


@pytest.fixture(scope="module")
def trains(plain):
    """Times (s) and cells of spikes, none twice in a step."""
    rng = np.random.default_rng(1)
    n = sum(p.size(16) for p in plain.populations if p.name == "LGN")
    at = rng.choice(11_900 * n, 3000, replace=False)
    cell, step = at % n, at // n
    order = np.lexsort((cell, step))
    return ((step + rng.uniform(0.05, 0.95, len(step))) * STEP)[order], cell[order]


@pytest.fixture(scope="module")
def fed(plain, trains):
    time, cell = trains
    found = plain.feed("LGN", time * second, cell)
    found = found.add("population", name="NOISE", area="noise", cell="input", cells=200,
                      positions=False, steady=40 * Hz)  # fmt: skip
    found = found.add("projection", source="NOISE", target="TRC", receptors={"AMPA": 1.0},
                      indegree=10, weight="1 nS", topography="all")  # fmt: skip
    return found.add("manipulation", what="inject", target="TRC", cells=[3, 5], value=800 * pA,
                     when={"cycles": [10, 19]})  # fmt: skip


@pytest.mark.standalone
def test_inputs_play_what_they_are_told(fed, trains, tmp_path):
    ds = circuits.run(fed)
    played = ds.pulvinar.spikes("LGN")
    time, cell = trains
    late = played["time"].values - time
    np.testing.assert_array_equal(played["cell"], cell)
    assert late.min() > -2e-6 and late.max() < STEP
    noise = ds.pulvinar.rates("NOISE")
    assert float(noise.mean()) == pytest.approx(40, rel=0.05)
    by_phase = noise.mean(("condition", "seed", "cycle", "neuron"))
    assert float(abs(by_phase.diff("phase")).max()) < 4  # there is no rhythm in it
    counts = noise.sum("phase").mean(("condition", "seed")) * 0.05
    assert float(counts.var() / counts.mean()) == pytest.approx(1, abs=0.1)
    rate = ds.pulvinar.rates("TRC").mean(("condition", "seed", "phase"))
    driven = rate.isel(cycle=slice(10, 20), neuron=[3, 5])
    # a burst of relay cells is up to 5 spikes in half a cycle of 100 ms
    assert float(driven.min()) > 100 >= float(rate.isel(cycle=slice(30, None)).max())
    others = [k for k in range(rate.sizes["neuron"]) if k not in (3, 5)]
    assert float(rate.isel(cycle=slice(10, 20), neuron=others).mean()) < 10
    # in a folder a run is cut into pieces
    xr.testing.assert_equal(circuits.run(fed, out=tmp_path / "run"), ds)


def test_copies_play_trains_of_their_own(fed):
    condition, cycle = fed.conditions[0], fed.resolved.cycle
    runs = [arrays_of(condition, cycle, seed)[0] for seed in (1, 2)]
    both = packed(condition.plan, runs)
    n = len(runs[0]["inputs.train"])
    for k, one in enumerate(runs):
        mine = both["trains"][:, both["inputs.train"][k * n : (k + 1) * n]]
        np.testing.assert_array_equal(mine, one["trains"][:, one["inputs.train"]])


def test_more_spikes_or_other_times_need_no_other_program(plain, fed):
    some = plain.feed("LGN", [[0.1, 0.2]] * second)
    other = plain.feed("LGN", [[0.15]] * second)
    assert some.conditions[0].plan == other.conditions[0].plan
    assert plain.conditions[0].plan != some.conditions[0].plan


def test_trains_come_from_arrays_files_and_neo(plain, tmp_path):
    path = tmp_path / "trains.csv"
    path.write_text("time_ms,neuron,population\n100.0,0,a\n120.0,2,a\n130.0,1,b\n")
    wanted = plain.feed("LGN", [100, 120] * ms, [0, 2]).populations["LGN"].spikes
    read = plain.feed("LGN", path, source="a")
    assert read.populations["LGN"].spikes.time == wanted.time
    assert read.populations["LGN"].spikes.cell == wanted.cell
    assert list(read.resolved.document["files"]) == [str(path)]
    rows = [[0.1] * second, [] * second, [120] * ms]
    assert plain.feed("LGN", rows).populations["LGN"].spikes == wanted
    of_neo = [neo.SpikeTrain(t, units="ms", t_stop=1000) for t in ([100], [], [120])]
    assert plain.feed("LGN", of_neo).populations["LGN"].spikes == wanted


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.feed("LGN", [0.1, 0.2], [0, 1]), "needs its unit"),
        (lambda c: c.feed("LGN", [0.1, 0.2] * second), "the cell of each"),
        (lambda c: c.feed("LGN", [np.nan] * second, [0]), "not finite"),
        (lambda c: c.feed("LGN", [0.1, 0.2] * second, [0]), "2 times"),
        (lambda c: c.feed("LGN", [0.1] * second, [128]), "'LGN' has 0 to 127"),
        (lambda c: c.feed("LGN", [-0.1] * second, [1]), "a spike at -0.1 s"),
        (lambda c: c.feed("LGN", [100.1, 100.2] * ms, [1, 1]), "fires twice"),
        (lambda c: c.feed("LGN", [] * second, []), "no spikes"),
        (lambda c: c.feed("TRC", [0.1] * second, [1]), "is no input"),
        (lambda c: c.feed("LNG", [0.1] * second, [1]), "'LGN'"),
        (lambda c: c.feed("LGN", "none.csv"), "no such file"),
        (lambda c: c.feed("LGN", [0.1] * second, [1]).add(
            "manipulation", what="scale", target="LGN", value=2.0), "spike trains"),
        (lambda c: c.set("populations.TRC.steady", 3 * Hz), "is no input"),
        (lambda c: c.set("populations.LGN.steady", -3 * Hz), "negative"),
        (lambda c: c.set("populations.LGN.steady", 3), "'3'"),
        (lambda c: c.add("manipulation", what="silence", target="TRC", cells=[48]), "0 to 47"),
        (lambda c: c.add("manipulation", what="silence", target="TRC", cells=[]), "list of cells"),
        (lambda c: c.add("manipulation", what="skip", target="pacing", cells=[1]), "no use"),
    ],
)  # fmt: skip
def test_what_cannot_be_played_is_refused(plain, change, message):
    with pytest.raises(circuits.InputError, match=message) as told:
        change(plain)
    assert "\n" not in str(told.value)


def test_trains_are_played_without_a_compiler_too():
    circuit = circuits.load("v1_v2_pulvinar", cycle={"count": 1, "warmup": 1, "length": "100 ms"})
    time, cell = np.array([10.3, 55.0, 120.2, 120.2, 198.0]), np.array([0, 3, 5, 6, 0])
    run = reduced(circuit.feed("LGN", time * ms, cell).resolve(device="numpy", seeds=[1]))
    ds, _ = simulate(run, jobs=1)
    played = ds.pulvinar.spikes("LGN", seed=1)
    np.testing.assert_array_equal(played["cell"], cell)
    late = played["time"].values - time * 1e-3
    assert late.min() > -2e-6 and late.max() < STEP
