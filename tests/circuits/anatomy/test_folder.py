"""Folders of an anatomy: what extends what, groups, steps, sizes, loops, and mistakes."""

import json
import re
from pathlib import Path

import pytest

from cells.parameters import InputError
from circuits.anatomy.folder import DEFAULT, anatomies, find_anatomy
from circuits.anatomy.tables import load_circuit, sizes_of


def test_the_default_comes_along_with_one_loop():
    assert DEFAULT in anatomies()
    (loop,) = load_circuit().loops
    assert (loop.relay, loop.driver, loop.predictor) == ("TRC", "V1.L5IB", "V2.L6CT")
    assert (loop.name, loop.cortex) == ("TRC", "V2")


def test_a_third_area_is_a_step(third_area):
    small, tiny = load_circuit(anatomy=third_area), load_circuit()
    names = [p.name for p in small.populations]
    assert set(p.name for p in tiny.populations) < set(names)
    assert {n for n in names if n.startswith("V3.")} == {
        n.replace("V2.", "V3.") for n in names if n.startswith("V2.")
    }
    joined = {p.name: p for p in load_circuit("tiny", anatomy=third_area).projections}
    for p in tiny.projections:  # the first step is what it was, and the second is like it
        assert joined[p.name] == p
    for name in ("V2.L5IB->TRC2", "V3.L6CT->TRC2", "TRC2->V2.L5IB.apical", "V2.L23->V3.L4"):
        assert name in joined
    assert [loop.relay for loop in small.loops] == ["TRC", "TRC2"]
    assert small.population("TRC2").area == "second nucleus"


def test_the_macaque_and_vip_cells_are_tables_alone():
    plain = {p.name: p for p in load_circuit("tiny").projections}
    macaque = {p.name: p for p in load_circuit("tiny", anatomy="macaque").projections}
    (other,) = [name for name in plain if macaque[name] != plain[name]]
    assert other == "V1.L6CT->TRC" and macaque.keys() == plain.keys()
    assert macaque[other].weight == 0 and not macaque[other].plastic
    found = load_circuit("tiny", anatomy="vip")
    names = {p.name for p in found.projections}
    assert {"V1.VIP->V1.SST", "V2.L23->V1.VIP", "V2.SST->V2.L23", "TRC->V1.SST"} <= names
    assert found.population("V1.VIP").cell == "VIP" and not {"V2.VIP->V2.L23"} & names
    assert all(p in found.projections for name, p in plain.items() if name != "V1.L5IB->TRC")


def test_the_example_of_the_page_is_an_anatomy(tmp_path):
    page = (Path(__file__).parents[3] / "docs" / "howto" / "anatomy.md").read_text()
    (example,) = re.findall(r"```toml\n(# my_areas/areas.toml.*?)```", page, re.DOTALL)
    (tmp_path / "areas.toml").write_text(example)
    (sizes,) = re.findall(r"```toml\n(# my_areas/sizes.toml.*?)```", page, re.DOTALL)
    (tmp_path / "sizes.toml").write_text(sizes)
    circuit = load_circuit("small", anatomy=tmp_path)
    assert [loop.name for loop in circuit.loops] == ["TRC", "TRC2"]
    assert circuit.n_x == 16 and dict(circuit.areas)["V3"] == 12


def test_what_a_row_lacks_for_a_size_is_that_of_the_reference(third_area):
    assert sizes_of(third_area) == ("tiny", "column", "small")
    small, column = (load_circuit(size, anatomy=third_area) for size in ("small", "column"))
    assert small.n_x == 12
    for a, b in zip(small.populations, column.populations, strict=True):
        assert a == b
    assert small.projections == column.projections


def test_an_anatomy_is_found_beside_a_file(third_area, monkeypatch):
    assert find_anatomy("third_area", third_area.parent) == third_area
    monkeypatch.chdir(third_area)
    assert find_anatomy(".") == third_area
    with pytest.raises(InputError, match="did you mean 'v1_v2_pulvinar'"):
        find_anatomy("v1_v2_pulvinr")


@pytest.mark.parametrize(
    ("file", "old", "new", "wanted"),
    [
        ("areas", "v1_v2_pulvinar", "v1_v2_pulviner", "areas.toml: extends: no anatomy"),
        ("areas", "v1_v2_pulvinar", "../third_area", "extends: in a circle, third_area"),
        ("areas", "extends", "extents", "did you mean 'extends'"),
        ("areas", "[[step]]", "[[setp]]", "unknown key 'setp'; did you mean 'step'"),
        ("areas", "lower =", "lowr =", "step 1: unknown key 'lowr'; did you mean 'lower'"),
        ("areas", 'relay = "TRC2"', "", "step 1: no 'relay'"),
        ("areas", '"TRC2"', "2", "step 1: relay: 2 is not a text"),
        ("areas", '"TRC2"', '"TRC"', "there is already a population 'TRC'"),
        ("areas", '["V1", "V2", "V3"]', "[]", "groups.cortex: expected a list of names"),
        ("areas", ', "V3"]', "]", "unknown population 'V3.L6CT'"),
        ("areas", "[groups]", "[groups", "areas.toml: not TOML"),
        ("sizes", "positions = 12", "positions = 0", "size.small.positions: 0 is below 1"),
        ("sizes", "positions = 12", "", "size.small: no 'positions'"),
        ("sizes", "[size.small]", 'reference = "big"\n[size.small]', "reference: no size 'big'"),
        ("sizes", "= 12", "= 12\nareas = { V4 = 6 }", "size.small.areas: no area 'V4'"),
        ("sizes", "= 12", "= 12\nareas = { LGN = 6 }", "'LGN' follows the stimulus"),
        ("sizes", "= 12", "= 12\nareas = { V3 = 3 }", "V3.L6CT->TRC2: indegree 72 is above the 36"),
    ],
)  # fmt: skip
def test_mistakes_are_told_in_one_line(third_area, file, old, new, wanted):
    path = third_area / f"{file}.toml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(InputError) as caught:
        load_circuit("small" if file == "sizes" else "tiny", anatomy=third_area)
    assert wanted in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "text", "wanted"),
    [
        ("loop.toml", "", "third_area/loop.toml: no file of an anatomy; did you mean 'loops'"),
        ("loops.toml", "", "there is already a loop"),
        ("loops.toml", "TRC3", "loop 1 (new): relay: unknown population 'TRC3'"),
    ],
)
def test_mistakes_in_loops_are_told(third_area, name, text, wanted):
    row = {"name": "new" if text else "TRC", "relay": text or "TRC", "driver": "V1.L5IB",
           "predictor": "V2.L6CT", "cortex": "V2"}  # fmt: skip
    lines = [f'{key} = "{value}"' for key, value in row.items()]
    (third_area / name).write_text("\n".join(["[[loop]]", *lines]))
    with pytest.raises(InputError) as caught:
        load_circuit("tiny", anatomy=third_area)
    assert wanted in str(caught.value)


def test_a_folder_without_its_tables_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"sizes\.toml: no such file"):
        load_circuit(anatomy=tmp_path)


def test_inputs_are_no_targets(third_area):
    (third_area / "projections.toml").write_text(
        'projection = [{ row = 1, source = "V1.L4", target = "LGN", at = "soma",'
        " receptors = { AMPA = 1.0 }, indegree = { tiny = 2, column = 2 }, weight = 1.0,"
        " topography = 'channel',"
        ' delay = 3.0, delay_sd = 0.5, release = "static", plastic = false, basis = "none",'
        ' mark = "D" }]'
    )
    with pytest.raises(InputError, match=r"projections\.toml: .*target 'LGN' is an input"):
        load_circuit("tiny", anatomy=third_area)


@pytest.mark.parametrize("name", ["", "A->B", "V3.*", "stimulus", "a b", "V1.L4.x", "4", "relay"])
def test_names_that_would_be_read_as_something_else_are_refused(third_area, name):
    rows = json.dumps({"population": [{"name": name, "area": "V1", "cell": "PV", "cells": 1}]})
    with pytest.raises(InputError, match=r"^own: population 1.*name: '") as told:
        load_circuit("tiny", added=(rows, "own"))
    assert "\n" not in str(told.value)
    nameless = json.dumps({"population": [{"area": "V1", "cell": "PV", "cells": 1}]})
    with pytest.raises(InputError, match=r"population 1: no 'name'"):
        load_circuit("tiny", added=(nameless, "own"))
