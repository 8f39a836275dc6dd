"""Keys that are looked at before anything heavy is imported."""

from dataclasses import fields

import pytest

from analysis.observables import OBSERVABLES
from analysis.verdicts.judge import CRITERION, cannot_fail
from cells.errors import InputError
from circuits.anatomy.tables import sizes_of
from circuits.engine.devices import DEVICES
from circuits.manipulations import Manipulation
from circuits.rates.experiments.kinds import KINDS
from circuits.rates.frameworks import FRAMEWORKS
from circuits.runfiles import catalogue, keys
from circuits.stimuli.stimulus import Stimulus


def test_the_keys_are_those_of_what_reads_them():
    assert keys.STIMULUS == tuple(field.name for field in fields(Stimulus))
    assert set(keys.CRITERION) == set(CRITERION)
    assert {"what", "target"} <= set(keys.MANIPULATION)
    assert {field.name for field in fields(Manipulation)} <= {*keys.MANIPULATION, "shown"}


def test_the_keys_of_rate_networks_are_those_of_their_kinds():
    assert set(keys.RULES) == set(FRAMEWORKS)
    assert keys.RATE_TABLES == {
        name: {table: known and tuple(known) for table, known in kind.tables.items()}
        for name, kind in KINDS.items()
    }


def test_every_run_file_that_comes_along_passes():
    for path in catalogue.runs():
        keys.check_names(catalogue.read_run(path), path.name)


@pytest.mark.parametrize(
    ("document", "wanted"),
    [({"sise": 1}, "f.toml: unknown key 'sise'; did you mean 'size'"),
     ({"cycle": {"cont": 1}}, r"f.toml: \[cycle\]: unknown key 'cont'; did you mean 'count'"),
     ({"criteria": [{"id": 1}, {"mx": 1}]}, "criteria 2: unknown key 'mx'"),
     ({"condition": [{"name": "a", "inputs": {"nois": 1}}]},
      r"condition 'a' \[inputs\]: unknown key 'nois'")],
)  # fmt: skip
def test_a_key_that_there_is_not_is_named(document, wanted):
    with pytest.raises(InputError, match=wanted):
        keys.check_names(document, "f.toml")
    keys.check_names({"experiment": "synapse", **document}, "f.toml")


@pytest.mark.parametrize(
    ("document", "wanted"),
    [({"kind": "dept"}, "f.toml: unknown kind 'dept'; did you mean 'depth'"),
     ({"tsak": {}}, "f.toml: unknown key 'tsak'; did you mean 'task'"),
     ({"network": {"hiden": [1]}}, r"\[network\]: unknown key 'hiden'; did you mean 'hidden'"),
     ({"rule": {"name": "chll"}}, r"f.toml: \[rule\]: rule 'chll'; did you mean 'chl'"),
     ({"condition": [{"name": "a", "training": {"epoch": 1}}]},
      r"condition 'a' \[training\]: unknown key 'epoch'"),
     ({"criteria": [{"mx": 1}]}, "criteria 1: unknown key 'mx'")],
)  # fmt: skip
def test_a_key_that_rate_networks_have_not_is_named(document, wanted):
    with pytest.raises(InputError, match=wanted):
        keys.check_names({"experiment": "rate", **document}, "f.toml")


@pytest.mark.parametrize(
    ("choices", "wanted"),
    [(("tyni", None, []), "f.toml: size: unknown size 'tyni'; did you mean 'tiny'"),
     ((None, "cup", []), "f.toml: device: unknown device 'cup'; did you mean 'cpp'"),
     ((None, None, ["b"]), "f.toml: unknown condition 'b'; valid: one, two")],
)  # fmt: skip
def test_a_choice_that_there_is_not_is_named(choices, wanted):
    document = {"condition": [{"name": "one"}, {"name": "two"}]}
    with pytest.raises(InputError, match=wanted):
        keys.check_choices(document, "f.toml", *choices)
    keys.check_choices(document, "f.toml", "tiny", "cuda", ["two"])
    keys.check_choices({"anatomy": "mine"}, "f.toml", "tyni", None, ["baseline"])


def test_sizes_and_devices_are_those_that_there_are():
    assert set(keys.DEVICES) == set(DEVICES)
    for path in catalogue.runs():
        document = catalogue.read_run(path)
        if "anatomy" not in document:
            assert set(sizes_of()) == set(keys.SIZES)


def test_no_criterion_that_comes_along_holds_whatever_comes_out():
    folders = catalogue.run_folders()
    files = [path for folder in folders for path in folder.glob("**/*.toml")]
    for path in files:
        for criterion in catalogue.read_run(path).get("criteria", []):
            if (found := OBSERVABLES.get(criterion["observable"])) is not None:
                assert not cannot_fail(criterion, found), (path.name, criterion["id"])
