import json

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from analysis import observables
from analysis.data import schema
from analysis.verdicts import compare

CELLS = 8


def result(rates, seeds, rng):
    """Cells that fire as Poisson processes, all at one rate, which differs from seed to seed."""
    cycles, length = 20, 0.2
    end = cycles * length
    time, neuron, of = [], [], []
    for seed, rate in zip(seeds, rates, strict=True):
        t = rng.uniform(0, end, rng.poisson(rate * end * CELLS))
        n = rng.integers(CELLS, size=t.size)
        order = np.lexsort((n, t))
        time.append(t[order])
        neuron.append(n[order])
        of.append(np.full(t.size, seed))
    start = np.arange(cycles) * length
    row = {"name": "V1.L23", "area": "V1", "layer": "2/3", "cell_class": "L23", "n": CELLS,
           "colour": "#000000", "excitatory": True}  # fmt: skip
    ds = xr.Dataset(
        {
            "spike_time": ("spike", np.concatenate(time), {"units": "s"}),
            "spike_neuron": ("spike", np.concatenate(neuron), {"units": "1"}),
            "spike_seed": ("spike", np.concatenate(of), {"units": "1"}),
        },
        coords={
            "population": ("neuron", np.full(CELLS, "V1.L23")),
            "area": ("neuron", np.full(CELLS, "V1")),
            "layer": ("neuron", np.full(CELLS, "2/3")),
            "cell_class": ("neuron", np.full(CELLS, "L23")),
            "neuron_channel": ("neuron", np.arange(CELLS)),
            "cycle_start": ("cycle", start, {"units": "s"}),
            "plus_start": ("cycle", start + 0.1, {"units": "s"}),
            "seed": ("seed", list(seeds), {"units": "1"}),
        },
        attrs={"cycle_length_s": length, "populations": json.dumps([row])},
    )
    counts = np.zeros((len(seeds), cycles, 2, CELLS))
    for s, (t, n) in enumerate(zip(time, neuron, strict=True)):
        half = np.floor(t / 0.1).astype(int)
        np.add.at(counts[s], (half // 2, half % 2, n), 1)
    ds["rate"] = (("seed", "cycle", "phase", "neuron"), counts / 0.1, {"units": "Hz"})
    return ds.assign_coords(phase=["minus", "plus"])


@pytest.fixture
def circuit_only(monkeypatch):
    """Leave out what needs L5IB and relay cells."""
    monkeypatch.setattr(compare, "_OF_CIRCUIT", ())


def one(found, label):
    return found.sel(measure=label)


def test_distance_is_that_of_scipy_over_the_seeds(circuit_only):
    rng = np.random.default_rng(1)
    a = result(rng.uniform(10, 20, 8), range(8), rng)
    b = result(rng.uniform(12, 22, 6), range(50, 56), rng)
    found = one(compare.compare(a, b), "population_rate V1.L23")
    x, y = (
        observables.by_condition(ds, "population_rate", population="V1.L23").values.ravel()
        for ds in (a, b)
    )
    expected = stats.ks_2samp(x, y, method="exact")
    assert found["distance"] == pytest.approx(expected.statistic)
    assert found["p"] == pytest.approx(expected.pvalue)
    assert found["mean_a"] == pytest.approx(x.mean())
    assert (found["n_a"], found["n_b"]) == (8, 6)


def test_another_rate_is_found_and_the_same_is_not(circuit_only):
    rng = np.random.default_rng(2)
    a = result(rng.uniform(10, 14, 8), range(8), rng)
    same = result(rng.uniform(10, 14, 8), range(8), rng)
    other = result(rng.uniform(18, 22, 8), range(8), rng)
    label = "population_rate V1.L23"
    assert one(compare.compare(a, same), label)["p"] > 0.05
    assert one(compare.compare(a, other), label)["distance"] == 1
    text = compare.comparison_table(compare.compare(a, other))
    assert "1 differ" in text.splitlines()[0] or "2 differ" in text.splitlines()[0]
    assert compare.comparison_table(compare.compare(a, same)).splitlines()[0].startswith("3 ")


def test_what_cannot_be_compared_is_told(circuit_only):
    rng = np.random.default_rng(3)
    few = result([10, 11], [1, 2], rng)
    many = result([10, 11, 12], [1, 2, 3], rng)
    with pytest.raises(schema.AnalysisError, match="2 seeds cannot be compared: at least 3, and 5"):
        compare.compare(many, few)
    with pytest.raises(schema.AnalysisError, match="no condition 'x'"):
        compare.compare(many, many, "x")


def test_too_few_seeds_to_tell_are_said_and_conditions_of_a_folder_are_compared(
    circuit_only, monkeypatch
):
    rng = np.random.default_rng(4)
    a, b = (result(rng.uniform(low, low + 2, 3), range(3), rng) for low in (10, 40))
    line = compare.comparison_table(compare.compare(a, b)).splitlines()[0]
    assert line == (
        "3 measures; NONE CAN DIFFER with so few seeds: the smallest p that they can give is 0.1,"
        " Holm asks for 0.017; 5 seeds of each could tell"
    )
    seen = []
    both = a.expand_dims(condition=["A", "B, b"])
    monkeypatch.setattr(compare.schema, "load", lambda _: both)
    monkeypatch.setattr(compare, "compare", lambda *given: seen.append(given[2:]) or xr.Dataset())
    monkeypatch.setattr(compare, "comparison_table", lambda _: "table")
    assert compare.compare_folders("x") == "a: A; b: B, b\n\ntable"
    compare.compare_folders("x", condition='"B, b",A')
    assert seen == [("A", "B, b"), ("B, b", "A")]
    with pytest.raises(schema.AnalysisError, match=r"x: needs two conditions .* it has: A, B"):
        compare.compare_folders("x", condition="A")
