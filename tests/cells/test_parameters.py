import re
from pathlib import Path

import pytest
from brian2 import mV, nS, siemens

from cells.models import cell_class
from cells.parameters import InputError, load_tables, parse_quantity, parse_unit

ROOT = Path(__file__).parents[2]
ROW = '{ value = 1.0, unit = "mV", meaning = "a", source = "b", mark = "D" }'


def test_every_doi_of_a_table_is_one():
    tables = [p for part in ("cells", "circuits", "runs") for p in (ROOT / part).rglob("*.toml")]
    assert len(tables) > 20
    for path in tables:
        for doi in re.findall(r"doi:\s*(\S*)", path.read_text(encoding="utf-8")):
            assert re.match(r"10\.\d{4,9}/\S", doi), f"{path.name}: doi:{doi}"


def table(tmp_path, text):
    path = tmp_path / "cells.toml"
    path.write_text(text, encoding="utf-8")
    return load_tables(path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (ROW.replace("mV", "mW/furlong"), ["unit", "furlong"]),
        (ROW.replace("unit", "units"), ["unknown field 'units'", "did you mean 'unit'"]),
        (ROW.replace('source = "b", ', ""), ["no field 'source'"]),
        (ROW.replace('"D"', '"Z"'), ["unknown mark 'Z'", "valid: D, F, M, R, V"]),
        ("3.0", ["expected a table"]),
    ],
)
def test_a_bad_row_is_one_line_with_file_and_key(tmp_path, text, words):
    with pytest.raises(InputError) as error:
        table(tmp_path, f"[TRC]\nE_leak = {text}\n")
    line = str(error.value)
    assert "\n" not in line
    for word in ["cells.toml", "[TRC] E_leak", *words]:
        assert word in line


def test_bad_toml_and_missing_file_name_the_file(tmp_path):
    with pytest.raises(InputError, match=r"cells\.toml"):
        table(tmp_path, "[TRC\n")
    with pytest.raises(InputError, match=r"nothing\.toml"):
        load_tables(tmp_path / "nothing.toml")


def test_misspelt_parameter_names_the_nearest():
    with pytest.raises(InputError, match=r"thalamus.toml: \[TRC\].*'g_leek'.*'g_leak'"):
        cell_class("TRC").parameters.with_values(g_leek=1)
    with pytest.raises(InputError, match=r"'TRCC'.*did you mean 'TRC'"):
        cell_class("TRCC")


def test_wrong_dimension_is_refused_for_text_and_quantities():
    parameters = cell_class("L5IB").parameters
    for value in (3 * mV, "3 mV", "3*mV"):
        with pytest.raises(InputError, match=r"l5ib.toml: \[L5IB\] g_c: .*dimension"):
            parameters.with_values(g_c=value)
    with pytest.raises(InputError, match="not a quantity"):
        parameters.with_values(g_c="3 lightyears")


def test_values_keep_their_unit_and_lose_their_source():
    old = cell_class("L5IB").parameters
    new = old.with_values(g_c="100 nS")
    assert new["g_c"] == 100 * nS and old["g_c"] == 144 * nS
    assert new.parameter("g_c").unit == "nS" and new.parameter("g_c").source == "set by the run"
    assert new["area"] == old["area"] and hash(new) != hash(old)


@pytest.mark.parametrize(
    ("text", "si"),
    [("uF/cm**2", 1e-2), ("mS/cm**2", 10.0), ("uM/(uA/cm**2)/ms", 1e2), ("1", 1.0), ("nS", 1e-9)],
)
def test_units_have_their_si_size(text, si):
    assert float(parse_unit(text)) == pytest.approx(si, rel=1e-12)


def test_quantities_are_read_with_blank_or_star():
    assert parse_quantity("10 mV") == parse_quantity("10*mV") == 10 * mV
    assert parse_quantity("-65 mV", like=1 * mV) == -65 * mV
    density = parse_quantity("2e-3 S/cm**2", like=siemens / parse_unit("m**2"))
    assert float(density) == pytest.approx(20)
    with pytest.raises(InputError):
        parse_quantity("__import__('os')")
