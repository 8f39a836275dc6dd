"""Descriptions of circuits: the tables read back, changes, and mistakes in tables."""

import shutil

import pytest

from cells.parameters import InputError
from circuits.anatomy.folder import DEFAULT, find_anatomy
from circuits.anatomy.tables import load_circuit, sizes_of
from circuits.anatomy.topography import check_indegrees
from circuits.engine.arrays import cells_of


@pytest.fixture(scope="module")
def tiny():
    return load_circuit("tiny")


@pytest.mark.parametrize(("size", "low", "high"), [("tiny", 200, 900), ("column", 1500, 2000)])
def test_sizes_are_what_they_are_called(size, low, high):
    spec = load_circuit(size)
    cells = cells_of(spec)
    modelled = sum(spec.count(p.name) for p in spec.populations if not p.is_input)
    assert low <= modelled <= high
    assert len(cells.population) == sum(spec.count(p.name) for p in spec.populations)


def test_all_populations_are_joined(tiny):
    sources = {p.source for p in tiny.projections}
    targets = {p.target for p in tiny.projections}
    # layer 5 regular-spiking cells of V1 project out of the model
    assert {p.name for p in tiny.populations} - sources <= {"V1.L5RS"}
    assert {p.name for p in tiny.populations if not p.is_input} <= targets


def test_inhibitory_cells_release_gaba_and_only_they(tiny):
    for p in tiny.projections:
        inhibits = not tiny.population(p.source).excitatory
        assert all(r.startswith("GABA") == inhibits for r, _ in p.receptors), p.name


def test_total_conductance_of_a_projection_is_that_of_the_column(tiny):
    column = load_circuit("column")
    for a, b in zip(tiny.projections, column.projections, strict=True):
        assert a.name == b.name
        assert a.weight * a.indegree == pytest.approx(b.weight * b.indegree)


def test_scale_multiplies_cells_and_leaves_synapses(tiny):
    double = load_circuit("tiny", scale=2.0)
    for p in tiny.populations:
        assert double.count(p.name) == 2 * tiny.count(p.name)
    assert [p.indegree for p in double.projections] == [p.indegree for p in tiny.projections]
    assert [p.weight for p in double.projections] == [p.weight for p in tiny.projections]


def test_scaled_changes_what_matches_alone(tiny):
    cut = tiny.scaled("TRC->*", 0)
    for before, after in zip(tiny.projections, cut.projections, strict=True):
        assert after.weight == (0 if before.source == "TRC" else before.weight)
    assert tiny.scaled("*", 1.0) == tiny


def test_descriptions_are_frozen_hashable_and_print(tiny):
    assert hash(tiny) == hash(load_circuit("tiny")) and tiny == load_circuit("tiny")
    with pytest.raises(AttributeError):
        tiny.n_x = 3
    text = str(tiny)
    assert all(p.name in text for p in (*tiny.populations, *tiny.projections))


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        (lambda s: s.population("V1.L5B"), "did you mean 'V1.L5IB'"),
        (lambda s: s.scaled("TRN->TRCC", 1), "did you mean 'TRN->TRC'"),
        (lambda s: s.scaled("TRN->TRC", -1), "cannot be negative"),
        (lambda s: s.scaled("TRN->TRC", float("nan")), "cannot be negative"),
        (lambda s: s.with_projection("TRN->TRC", weight=-1.0), "cannot be negative"),
        (lambda s: s.with_projection("TRN->TRC", release="drivr"), "did you mean 'driver'"),
        (lambda s: s.with_projection("TRN->TRC", topography="nera"), "did you mean 'near'"),
        (lambda s: s.with_projection("TRN->TRC", indegree=0), "smallest valid: 1"),
        (lambda s: s.with_projection("TRN->TRC", delay=0.0), "above 0"),
        (
            lambda s: check_indegrees(s.with_projection("TRN->TRC", indegree=10**4)),
            "TRN->TRC: indegree 10000 is above the 16",
        ),
        (lambda s: load_circuit("tyni"), "did you mean 'tiny'"),
        (lambda s: load_circuit("tiny", scale=0), "scale 0"),
    ],
)
def test_mistakes_are_told_in_one_line(tiny, change, wanted):
    with pytest.raises(InputError) as caught:
        change(tiny)
    assert wanted in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("table", "old", "new", "wanted"),
    [
        (
            "populations",
            'cell = "TRC"',
            'cell = "TCR"',
            ("populations.toml: population", "({relay}): cell", "'TCR'"),
        ),
        (
            "populations",
            "noise_sd = ",
            "noise_ds = ",
            ("populations.toml", "did you mean 'noise_sd'"),
        ),
        ("populations", 'rate = "30 Hz"', 'rate = "30 mV"', ("(THETA): rate", "dimension")),
        (
            "projections",
            'target = "{relay}"',
            'target = "{realy}"',
            ("projection 11", "no step has a word 'realy'; did you mean 'relay'"),
        ),
        ("projections", 'target = "V1.PV"', 'target = "V1.VP"', ("unknown population 'V1.VP'",)),
        ("projections", 'areas = "cortex"', 'areas = "cortx"', ("unknown area 'cortx'", "cortex")),
        ("projections", "AMPA = 1.0", "AMPAR = 1.0", ("unknown key 'AMPAR'",)),
        ("projections", "weight = ", "wieght = ", ("did you mean 'weight'",)),
        ("projections", 'at = "apical"', 'at = "basal"', ("no compartment 'basal'",)),
        ("projections", " delay = 3.0,", "", ("projection 1 (LGN->V1.L4)", "no 'delay'")),
        ("projections", "tiny = 8, column = 8", "", ("indegree", "nothing for size 'tiny'")),
        ("projections", "tiny = 8", "tyni = 8", ("indegree", "did you mean 'tiny'")),
        ("projections", "tiny = 8", "tiny = 8.5", ("indegree.tiny", "8.5 is not a whole number")),
        ("projections", "weight = 36.0", 'weight = "36 mV"', ("weight", "dimension")),
        ("projections", "weight = 36.0", "weight = -1", ("weight", "-1 is below 0")),
        ("projections", "plastic = false", 'plastic = "no"', ("'no' is not true or false",)),
        ("projections", "delay_sd = 0.5", "delay_sd = -0.5", ("delay_sd", "-0.5 is below 0")),
        ("projections", "receptors = { AMPA = 1.0 }", "receptors = {}", ("no receptor",)),
        ("projections", 'mark = "M"', 'mark = "Q"', ("unknown mark 'Q'",)),
        (
            "projections",
            'target = "V1.PV"',
            'target = "V1.L4"',
            ("projection 2", "already a projection 'LGN->V1.L4'"),
        ),
        ("projections", "projection = [", "projektion = [", ("did you mean 'projection'",)),
        ("populations", 'name = "LGN"\n', "", ("population 1", "no 'name'")),
        ("populations", 'area = "LGN"\n', "", ("needs either 'area' or 'areas'",)),
        ("populations", "tiny = 8, column = 8", "", ("cells", "nothing for size 'tiny'")),
        ("populations", 'name = "THETA"', 'name = "LGN"', ("already a population 'LGN'",)),
        ("populations", "positions = false", "positions = 0", ("0 is not true or false",)),
        ("populations", 'name = "LGN"', 'nmae = "LGN"', ("did you mean 'name'",)),
    ],
)
def test_mistakes_in_tables_name_file_and_key(tmp_path, table, old, new, wanted):
    from circuits.engine.planner import make_plan

    folder = tmp_path / "anatomy"
    shutil.copytree(find_anatomy(DEFAULT), folder)
    path = folder / f"{table}.toml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(InputError) as caught:
        make_plan(load_circuit("tiny", anatomy=folder), bins=40, bin_ms=5)
    line = str(caught.value)
    assert f"{table}.toml" in line and "\n" not in line
    for part in wanted:
        assert part in line


def test_a_weight_of_a_table_may_have_a_unit(tiny, tmp_path):
    folder = tmp_path / "anatomy"
    shutil.copytree(find_anatomy(DEFAULT), folder)
    path = folder / "projections.toml"
    path.write_text(path.read_text().replace("weight = 36.0", 'weight = "0.036 uS"', 1))
    weight = load_circuit("tiny", anatomy=folder).projections[0].weight
    assert weight == pytest.approx(tiny.projections[0].weight, rel=1e-12)


def test_sizes_are_named():
    assert sizes_of() == ("tiny", "column")
