"""A circuit in the hand: what is set is what is run, and a mistake is told as of a run file."""

from pathlib import Path

import numpy as np
import pytest
from brian2 import Hz, ms, mV, nS, pA, second

import circuits
from circuits.driver.notes import notes_of
from circuits.runfiles.catalogue import read_run, runs
from circuits.runfiles.resolve import resolve


@pytest.fixture(scope="module")
def circuit():
    return circuits.load("first_light", size="tiny")


def test_what_is_loaded_is_what_the_run_file_says(circuit):
    run = resolve("first_light", size="tiny")
    assert circuit.resolved.conditions == run.conditions
    assert len(repr(circuit.conditions)) < 5000 and "stimulus" not in repr(circuit.conditions)
    assert circuit.populations["TRC"] == run.conditions[0].spec.population("TRC")
    assert circuit.loops.names == ["TRC"]
    assert circuit.stimulus.image == "camera" and circuit.plasticity is None


@pytest.mark.parametrize("path", runs(), ids=lambda path: path.stem)
def test_every_circuit_of_the_repository_can_be_shown(path):
    if read_run(path).get("experiment", "circuit") != "circuit":
        with pytest.raises(circuits.InputError, match="experiment"):
            circuits.load(path)
        return
    found = circuits.load(path)
    assert found.name in repr(found) and found.name in found._repr_html_()


def test_an_anatomy_is_a_circuit_by_name_or_folder():
    from circuits.anatomy.folder import anatomies

    one, two = circuits.load("cued"), circuits.load(anatomies()["cued"])
    assert one.populations == two.populations and one.name == two.name == "cued"


def test_nothing_changes_a_circuit(circuit):
    before = repr(circuit), circuit.resolve().document
    changed = circuit.set("projections.V1.L5IB->TRC.weight", 20 * nS)
    assert (repr(circuit), circuit.resolve().document) == before
    assert changed.projections["V1.L5IB->TRC"].weight == pytest.approx(20)
    with pytest.raises(AttributeError):
        circuit.path = None
    changed.document["size"] = "column"  # of a copy that it resolved before
    assert circuit.resolved.size == "tiny"


def test_quantities_are_those_of_a_run_file(circuit):
    ours = circuit.set(
        populations={"TRC": {"bias": 0.03 * 1000 * pA}},
        cells={"TRC": {"g_T": "2e-3 S/cm**2"}},
        cycle={"length": 0.15 * 1000 * ms},
    )
    theirs = resolve(
        "first_light",
        settings=['populations.TRC.bias="30 pA"', 'cells.TRC.g_T="2e-3 S/cm**2"',
                  'cycle.length="150 ms"', 'size="tiny"'],
    )  # fmt: skip
    assert ours.resolved.conditions == theirs.conditions


def test_a_key_may_be_of_one_condition(circuit):
    found = circuit.set(lesions=["TRN"], in_condition="pacing ablated")
    assert [c.lesions for c in found.conditions] == [(), ("TRN",)]
    found = found.add("manipulation", what="inject", target="TRC", value=50 * pA,
                      when={"cycles": [0, 9]}, in_condition="baseline")  # fmt: skip
    assert [len(c.manipulated.courses) for c in found.conditions] == [1, 1]
    assert found.manipulations[0]["condition"] == "baseline"


def test_populations_and_projections_are_added(circuit):
    found = circuit.add(
        "population", name="CL", area="claustrum", cell="L23", cells=10, positions=False,
        bias=60 * pA,
    ).add(
        "projection", source="CL", target="*.L23".replace("*", "V1"), receptors={"AMPA": 1.0},
        indegree=4, weight=1 * nS, topography="all",
    ).add("condition", name="without", lesions=["CL->V1.L23"])  # fmt: skip
    assert found.populations["CL"].bias == 60
    assert found.projections["CL->V1.L23"].indegree == 4
    assert found.conditions["without"].spec.projections[-1].weight == 0
    assert "CL" not in circuit.populations.names


def test_rows_are_tables(circuit):
    frame = circuit.projections.frame()
    assert frame.loc["V1.L5IB->TRC", "indegree"] == circuit.projections["V1.L5IB->TRC"].indegree
    assert "V1.L5IB->TRC" in repr(circuit.projections)
    assert circuit.projections[0] in circuit.projections
    with pytest.raises(circuits.InputError, match=r"did you mean 'V1\.L5IB->TRC'"):
        circuit.projections["V1.L5IB->TCR"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.set("projections.V1.L5IB->TRC.weight", 20), "V1.L5IB->TRC' weight: '20'"),
        (lambda c: c.set("projections.V1.L5IB->TRC.weight", 20 * ms), "20 ms"),
        (lambda c: c.set("projections.V1.L5IB->TRC.weight", np.nan * nS), "not finite"),
        (lambda c: c.set("projections.V1.L5IB->TRC.weight", [1, 2] * nS), "single"),
        (lambda c: c.set("projections.V1.L5IB->TRC.wieght", 2 * nS), "'weight'"),
        (lambda c: c.set("projections.weight", 2 * nS), "dotted"),
        (lambda c: c.set("", 2), "dotted"),
        (lambda c: c.set("cells.TRC.g_T", 3 * mV), "3 mV"),
        (lambda c: c.set("stimulus.contrst", 0.5), "'contrast'"),
        (lambda c: c.set(size="tony"), "'tiny'"),
        (lambda c: c.set(sice="tiny"), "'size'"),
        (lambda c: c.set(lesions=[], in_condition="basline"), "'baseline'"),
        (lambda c: c.add("manip", what="silence", target="TRC"), "'manipulation'"),
        (lambda c: c.add("manipulation", what="silence", target="TRCC"), "'TRC'"),
        (lambda c: c.add("population", name="X", area="a", cell="L23", cells=4, bias=3), "no unit"),
        (lambda c: c.add("population", name="X", area="a", cell="L23", cells=4, rate=3 * Hz,
                         bais=3 * pA), "'bias'"),
        (lambda c: c.add("projection", source="TRC", target="ZI", receptors={"AMPA": 1.0},
                         indegree=3, weight=300), "no unit"),
        (lambda c: c.add("projection", source="TRC", target="LGN", receptors={"AMPA": 1.0},
                         indegree=3, weight=3 * nS), "input"),
        (lambda c: c.add("criterion", id="x", claim="y", observable="z"), "min"),
        (lambda c: circuits.load("first_lihgt"), "'first_light'"),
        (lambda c: circuits.load(None), "load: None is no name"),
        (lambda c: circuits.load(Path(__file__).parent), "is no anatomy: it has no areas.toml"),
        (lambda c: c.set("projections.V1.L5IB->TRC.weight", 300), "no unit, expected a conductance"
         ", such as '30 nS'"),
        (lambda c: c.set("populations.TRC.bias", 3 * mV), "of a potential, expected a current"),
        (lambda c: c.show(np.eye(5)), "'baseline': .* window needs 43 px, 'array' has"),
        (lambda c: c.add("manipulation", what="freeze", target="V2.L6CT->TRC"), "never on while"),
        (lambda c: c.record("TRN", "LFP"), "'TRN' has no excitatory cells"),
        (lambda c: c.add("criterion", id="x", claim="y", observable="population_rate",
                         population="TRC", min=1), r"stands in args = \{ population = ... \}"),
        (lambda c: circuits.run(c, cycles=0), "^cycles: 0 is below 1"),
        (lambda c: circuits.run(c, jobs=0), "^jobs 0 is below 1"),
        (lambda c: c.feed("LGN", [99] * second, [0]), "all 1 come after the end of the run"),
        (lambda c: circuits.load("v1_v2_pulvina"), "'v1_v2_pulvinar'"),
        (lambda c: circuits.load("first_light", size="tony"), "'tiny'"),
        (lambda c: circuits.run(c, seeds=[-1]), "-1"),
        (lambda c: circuits.run(c, jobs=0), "jobs"),
        (lambda c: circuits.run(c, conditions=["basline"]), "'baseline'"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_in_one_line(circuit, change, message):
    with pytest.raises(circuits.InputError, match=message) as told:
        change(circuit)
    assert "\n" not in str(told.value)


def test_what_is_shown_may_be_an_array_in_one_block():
    circuit = circuits.load("predictive_learning").set(condition=[], criteria=[])
    picture = np.random.default_rng(1).random((60, 200))
    found = circuit.show([picture, picture.T[:60]], block="test", step=1)
    assert found.stimulus.image == "training"
    test = found.blocks["test"].stimulus
    assert (test.kind, test.names, test.step) == ("array", ("array 1", "array 2"), 1)
    assert found.blocks["test"] == circuit.show([picture, picture.T[:60]], block="test",
                                                step=1).blocks["test"]  # fmt: skip
    assert str(found.resolved.document) != str(
        circuit.show(picture, block="test").resolved.document
    )


def test_what_is_shown_may_be_a_name_or_a_file(circuit, tmp_path):
    assert circuit.show("held_out").stimulus.image == "held_out"
    assert circuit.show(["coins", "moon"], contrast=0.5).stimulus.photographs == ("coins", "moon")
    np.save(tmp_path / "own.npy", np.zeros((50, 90)))
    assert circuit.show(tmp_path / "own.npy").stimulus.names == ("own.npy",)
    assert circuit.show([tmp_path / "own.npy"]).resolved.document["files"]
    with pytest.raises(circuits.InputError, match="no such file"):
        circuit.show(tmp_path / "other.npy")
    with pytest.raises(circuits.InputError, match="its shape is"):
        circuit.show(np.zeros(5))
    with pytest.raises(circuits.InputError, match="unknown block 'tset'"):
        circuits.load("predictive_learning").set(condition=[], criteria=[]).show(
            "coins", block="tset"
        )


def test_what_comes_late_or_is_flat_is_said(circuit):
    with pytest.warns(UserWarning, match="1 of 2 spikes that 'LGN' is to play come after the end"):
        fed = circuit.feed("LGN", [0.1, 99] * second, [0, 1])
    assert notes_of(fed.resolved) == [
        "1 of 2 spikes that 'LGN' is to play come after the end of the run at 11 s"
    ]
    with pytest.warns(UserWarning, match="'array' is of one grey: no cell sees anything of it"):
        circuit.show(np.ones((40, 200)))


def test_cells_may_be_an_array(circuit):
    chosen = circuit.record("TRC", "V", cells=np.array([0, 21]))
    assert chosen.conditions[0].records[-1].chosen == (0, 21)
    silent = circuit.add("manipulation", what="silence", target="TRC", cells=np.arange(3))
    assert silent.manipulations[0]["cells"] == [0, 1, 2]


def test_numbers_are_printed_with_their_units(circuit):
    assert "weight (nS)" in str(circuit.projections) and "delay (ms)" in str(circuit.projections)
    assert "bias (pA)" in circuit.populations._repr_html_()
    assert "weight" in circuit.projections.frame()
