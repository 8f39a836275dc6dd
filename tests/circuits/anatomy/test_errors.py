"""The anatomy of error cells: what excites and inhibits which, and what V2 is told."""

import numpy as np
import pytest

from circuits.anatomy.tables import load_circuit
from circuits.anatomy.topography import draw_sources, positions_of
from circuits.predictions.registry import chosen
from circuits.runfiles.resolve import resolve


@pytest.fixture(scope="module")
def spec():
    return load_circuit("tiny", anatomy="errors")


def drive(spec, target):
    """Return the sources of a population that have a weight, by their sign."""
    found = {True: set(), False: set()}
    for p in spec.projections:
        if p.target == target and p.weight > 0:
            found[spec.population(p.source).excitatory].add(p.source)
    return found[True], found[False]


def test_one_error_is_input_less_prediction_and_the_other_the_opposite(spec):
    assert drive(spec, "V1.pPE") == ({"V1.L4"}, {"V1.SST_P"})
    assert drive(spec, "V1.SST_P") == ({"TRC"}, set())
    assert drive(spec, "V1.nPE") == ({"TRC"}, {"V1.PV_I"})
    assert drive(spec, "V1.PV_I") == ({"V1.L4"}, set())
    assert {spec.population(f"V1.{n}").layer for n in ("L23", "pPE", "nPE")} == {"2/3"}


def test_V1_tells_V2_errors_alone(spec):
    told = {
        (p.source, p.target)
        for p in spec.projections
        if p.source.startswith("V1.") and p.target.startswith("V2.") and p.weight > 0
    }
    assert told == {("V1.pPE", "V2.L4"), ("V1.nPE", "V2.PV_E")}
    assert drive(spec, "V2.PV_E")[0] == {"V1.nPE"} and "V2.PV_E" in drive(spec, "V2.L4")[1]


def test_errors_are_of_one_channel(spec):
    names = ("V1.pPE", "V1.nPE", "V1.SST_P", "V1.PV_I", "V2.PV_E")
    mine = [p for p in spec.projections if {p.source, p.target} & set(names)]
    assert len(mine) == 9
    for p in mine:
        source, target = (positions_of(spec, spec.population(n)) for n in (p.source, p.target))
        drawn = np.array(draw_sources(spec, p, seed=1))
        np.testing.assert_array_equal(source[drawn], np.repeat(target[:, None], p.indegree, 1))


@pytest.mark.parametrize("size", ["tiny", "column"])
def test_the_rest_is_the_circuit_that_it_extends(size):
    plain, found = (
        {p.name: p for p in load_circuit(size, anatomy=a).projections}
        for a in ("v1_v2_pulvinar", "errors")
    )
    changed = {name for name in plain if found[name] != plain[name]}
    assert changed == {"TRC->V2.L4", "V1.L23->V2.L4", "V1.L23->V2.L23"}
    assert not any(p.plastic for name, p in found.items() if name not in plain)


def test_the_theory_of_R6_has_the_weights_of_its_own_circuit():
    (prediction,) = chosen(["R6"])
    theory = next(c for c in resolve(prediction.path).conditions if c.name == "theory").spec
    found = {p.name: p for p in theory.projections}
    for p in load_circuit("tiny").projections:
        assert found[p.name].weight == pytest.approx(p.weight)
        assert (found[p.name].indegree, found[p.name].release) == (p.indegree, p.release)
    for name in ("V1.pPE", "V1.nPE", "V1.SST_P", "V1.PV_I", "V2.PV_E"):
        reached = {p.target for p in theory.projections if p.source == name and p.weight > 0}
        assert reached <= {"V1.pPE", "V1.nPE", "V2.L4"} and (
            "V2.L4" not in reached or name == "V2.PV_E"
        )
