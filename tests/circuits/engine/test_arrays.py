"""Numbers of a run: wiring as the tables say, streams that do not disturb one another."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from cells.models import cell_class
from circuits.anatomy.tables import load_circuit
from circuits.anatomy.topography import candidates
from circuits.engine.arrays import cells_of, draw_arrays
from circuits.engine.plan import group_of
from circuits.engine.planner import fixed_name, make_plan
from circuits.engine.shared import SHARED, values_of


@pytest.fixture(scope="module")
def spec():
    return load_circuit("tiny")


@pytest.fixture(scope="module")
def plan(spec):
    return make_plan(spec, bins=40, bin_ms=5)


@pytest.fixture(scope="module")
def arrays(spec, plan):
    return draw_arrays(spec, plan, seed=5, cycle_ms=200)


def synapses_of(spec, plan, arrays, number):
    """Pairs (source, target) of one projection, as indices within its populations."""
    p = spec.projections[number]
    cells = cells_of(spec)
    first = {q.name: cells.index[cells.population == q.name][0] for q in spec.populations}
    s = next(s for s in plan.synapses if number in s.projections)
    start = 0
    for k in s.projections:
        q = spec.projections[k]
        n = q.indegree * spec.count(q.target)
        if k == number:
            part = slice(start, start + n)
            i, j = (arrays[f"{s.name}.{key}"][part] for key in "ij")
            return i - first[p.source], j - first[p.target], part, s
        start += n
    raise AssertionError


def test_every_cell_has_its_place_once(spec):
    cells = cells_of(spec)
    pairs = set(zip(cells.group, cells.index, strict=True))
    assert len(pairs) == len(cells.population)
    for p in spec.populations:
        here = cells.position[cells.population == p.name]
        if p.positions:
            assert (np.bincount(here, minlength=spec.channels) == p.cells).all()
        else:
            assert (here == -1).all()


def test_areas_of_other_sizes_are_wired_where_they_see_the_same(spec):
    coarse = replace(spec, areas=(("V2", 4),)).with_projection("V2.L6CT->TRC", indegree=40)
    plan = make_plan(coarse, bins=40, bin_ms=5)
    arrays = draw_arrays(coarse, plan, seed=5, cycle_ms=200)
    cells = cells_of(coarse)
    fine, half = (cells.position[cells.population == f"V{k}.L23"] for k in (1, 2))
    assert len(half) == len(fine) / 2 and set(half.tolist()) == set(range(1, 16, 2))
    names = [p.name for p in coarse.projections]
    source, target, *_ = synapses_of(coarse, plan, arrays, names.index("V1.L23->V2.L23"))
    # two positions of V1 lie in one of V2, which the Dataset places at the second of them
    assert set(half[target] - fine[source]) == {0, 1}


def test_in_degrees_sources_and_selves(spec, plan, arrays):
    for number, p in enumerate(spec.projections):
        i, j, _, _ = synapses_of(spec, plan, arrays, number)
        assert i.min() >= 0 and i.max() < spec.count(p.source)
        assert (np.bincount(j, minlength=spec.count(p.target)) == p.indegree).all()
        assert len(set(zip(i, j, strict=True))) == len(i)  # without replacement
        if p.source == p.target:
            assert (i != j).all()


def test_topography_is_kept(spec, plan, arrays):
    cells = cells_of(spec)
    seen = set()
    for number, p in enumerate(spec.projections):
        source, target = spec.population(p.source), spec.population(p.target)
        if not (source.positions and target.positions):
            continue
        i, j, _, _ = synapses_of(spec, plan, arrays, number)
        a = cells.position[cells.population == p.source][i]
        b = cells.position[cells.population == p.target][j]
        distance = np.abs(a % spec.n_x - b % spec.n_x)
        seen.add(p.topography)
        if p.topography == "channel":
            assert (a == b).all()
        elif p.topography == "near":
            assert distance.max() <= 3 and 0.3 < distance.mean() < 1.5
    assert {"channel", "near"} <= seen


def test_sources_of_an_all_to_all_pool_are_uniform():
    spec = load_circuit("column")
    plan = make_plan(spec, bins=40, bin_ms=5)
    number = next(k for k, p in enumerate(spec.projections) if p.name == "V2.L6CT->TRC")
    p = spec.projections[number]
    i, _, _, _ = synapses_of(spec, plan, draw_arrays(spec, plan, seed=1, cycle_ms=200), number)
    count = np.bincount(i, minlength=spec.count(p.source))
    # without replacement the spread is binomial times the share left out
    share = p.indegree / spec.count(p.source)
    expected = spec.count(p.target) * share
    chi2 = ((count - expected) ** 2 / (expected * (1 - share))).sum()
    assert stats.chi2.sf(chi2, count.size - 1) > 1e-4


def test_candidates_bound_the_in_degree(spec):
    for p in spec.projections:
        assert p.indegree <= candidates(spec, p)


def test_weights_are_those_of_the_table(spec, plan, arrays):
    checked = 0
    for number, p in enumerate(spec.projections):
        _, _, part, s = synapses_of(spec, plan, arrays, number)
        for c in s.conductances:
            here = "" if p.at == "soma" else "_d"
            share = dict(p.receptors).get(c.receptor, 0.0) if c.suffix == here else 0.0
            if c.receptor != "GABA_B":
                values = values_of(s, arrays, c.weight)[part]
                assert values == pytest.approx(p.weight * share * 1e-9)
                checked += share > 0
    assert checked > len(spec.projections)


def test_delays_have_their_mean_and_stay_positive(spec, plan, arrays):
    for number, p in enumerate(spec.projections):
        _, _, part, s = synapses_of(spec, plan, arrays, number)
        delay = arrays[f"{s.name}.delay"][part] * 1e3
        assert delay.min() >= 0.2 * p.delay
        slack = 5 * p.delay_sd / np.sqrt(delay.size) + 0.05 * p.delay
        assert abs(delay.mean() - p.delay) < slack


def test_a_lesion_changes_its_own_weights_alone(spec, plan, arrays):
    cut = draw_arrays(spec.scaled("TRC->V2.L4", 0), plan, seed=5, cycle_ms=200)
    assert {k for k in arrays if not np.array_equal(arrays[k], cut[k])} == {SHARED}
    rows, columns = np.nonzero(arrays[SHARED] != cut[SHARED])
    assert {spec.projections[k].name for k in columns} == {"TRC->V2.L4"}
    source, target = (group_of(spec.population(n)) for n in ("TRC", "V2.L4"))
    (s,) = [s for s in plan.synapses if s.name == f"{source}_to_{target}"]
    assert all(s.shared[k].startswith("w_") for k in rows)


def test_seed_draws_everything_and_repeats_it(spec, plan, arrays):
    again = draw_arrays(spec, plan, seed=5, cycle_ms=200)
    assert again.keys() == arrays.keys()
    assert all(np.array_equal(arrays[k], again[k]) for k in arrays)
    other = draw_arrays(spec, plan, seed=6, cycle_ms=200)
    drawn = [k for k in arrays if k.endswith((".i", ".delay", "I_bias", ".v", "inputs.level"))]
    changed = [k for k in drawn if not np.array_equal(arrays[k], other[k])]
    # a pool that takes every source there is has no choice
    assert {k.rsplit(".", 1)[1] for k in changed} >= {"i", "delay", "I_bias", "v", "level"}


def test_regular_inputs_have_no_random_level(spec, plan):
    regular = draw_arrays(spec, plan, seed=5, cycle_ms=200, regular=True)
    assert (regular["inputs.level"] == 1).all() and (regular["inputs.regular"] == 1).all()
    assert 0 <= regular["inputs.a"].min() < regular["inputs.a"].max() < 1


def test_changed_cell_parameters_reach_the_group(spec, arrays):
    from dataclasses import replace

    changed = replace(spec, cells=(("L5IB", "g_c", 1.25e-9),))
    plan = make_plan(changed, bins=40, bin_ms=5)
    own = draw_arrays(changed, plan, seed=5, cycle_ms=200)
    assert (own.pop("intrinsic_burster.g_c") == 1.25e-9).all()
    assert set(own) == set(arrays) and "intrinsic_burster.g_c" not in arrays


def test_what_all_cells_share_is_a_constant(spec, plan, arrays):
    """Of a group, a parameter is a constant where no class, nor a run, has another value of it."""
    for group in plan.groups:
        members = [p for p in spec.populations if not p.is_input and group_of(p) == group.name]
        tables = [cell_class(p.cell).parameters for p in members]
        constants = {name: value for name, value, _ in group.constants}
        for key in tables[0] if tables else ():
            values = {float(table[key]) for table in tables}
            if len(values) == 1:
                assert constants[fixed_name(key, group.name)] == values.pop()
                assert f"{group.name}.{key}" not in arrays
            else:
                assert set(arrays[f"{group.name}.{key}"]) == values


def test_factors_of_decay_are_those_of_the_step(spec, plan, arrays):
    assert np.allclose(
        arrays["cortical.decay_g_NMDA"], np.exp(-1e-4 / arrays["cortical.tau_NMDA"]), rtol=1e-14
    )
    finer = make_plan(spec, bins=40, bin_ms=5, dt_ms=0.05)
    half = draw_arrays(spec, finer, seed=5, cycle_ms=200)["cortical.decay_g_NMDA"]
    assert np.allclose(half**2, arrays["cortical.decay_g_NMDA"], rtol=1e-14)


def test_slow_inhibition_may_be_anywhere_on_a_cell(spec):
    """GABA_B onto the apical compartment: its conductance has the name that equations have."""
    mixed = {"V1.SST->V1.L5IB.apical": (("GABA_A", 0.9), ("GABA_B", 0.1))}
    changed = tuple(replace(p, receptors=mixed.get(p.name, p.receptors)) for p in spec.projections)
    slow = replace(spec, projections=changed)
    plan = make_plan(slow, bins=40, bin_ms=5)
    arrays = draw_arrays(slow, plan, seed=5, cycle_ms=200)
    group = next(g for g in plan.groups if g.name == group_of(spec.population("V1.L5IB")))
    assert "g_max_GABA_B_d" in group.equations
    found = arrays[f"{group.name}.g_max_GABA_B_d"] * 1e9
    p = next(p for p in changed if p.name in mixed)
    assert np.unique(found.round(9)).tolist() == pytest.approx([0, p.indegree * p.weight * 0.1])
