"""Files of the user's: the page on extending the project, done as it says."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from analysis.observables import OBSERVABLES, evaluate
from cells.models import CELL_CLASSES, cell_class
from cells.parameters import InputError
from circuits.driver.report import check_criteria
from circuits.manipulations import VERBS
from circuits.plasticity.rules.registry import RULES, WHY, rule
from circuits.plasticity.rules.trains import SpikeTrains
from circuits.runfiles import extensions
from circuits.runfiles.resolve import resolve

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The files of the page in a folder."""
    folder = tmp_path_factory.mktemp("mine")
    text = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
    for block in re.findall(r"```\w+\n(.*?)```", text, re.DOTALL):
        name = re.match(r"# (\S+)\n", block)[1]
        (folder / name).write_text(block)
    yield folder
    for known, name in ((OBSERVABLES, "rate_spread"), (VERBS, "poison"), (RULES, "hebb"),
                        (WHY, "hebb"), (CELL_CLASSES, "FastTRC")):  # fmt: skip
        known.pop(name, None)
    extensions._loaded.clear()


@pytest.fixture(scope="module")
def run(page):
    return resolve(page / "my_run.toml")


def test_the_page_works_as_it_stands(run, page):
    check_criteria(run)
    (condition,) = run.conditions
    assert condition.learning.gated and "xy" not in condition.learning.rule
    assert [(c.name, c.variable, c.value) for c in condition.manipulated.courses] == [
        ("V1.L5IB", "g_Na", 0.3)
    ]
    assert ("FastTRC", "g_KL") in {(cell, key) for cell, key, _ in condition.spec.cells}
    assert cell_class("FastTRC").model.name == "relay"
    names = sorted(Path(path).name for path in run.document["extensions"])
    assert names == ["hebb.py", "my_cells.toml", "poison.py", "spread.py"]
    assert all(len(digest) == 64 for digest in run.document["extensions"].values())
    ds = xr.Dataset(
        {"rate": (("cycle", "phase", "neuron"), np.array([[[1.0, 3.0, 9.0]]]))},
        coords={"population": ("neuron", ["V1.L23", "V1.L23", "TRC"])},
    )
    assert evaluate(ds, "rate_spread", population="V1.L23") == 0.5


def test_the_rule_of_the_page_grows_with_both_rates(run):
    def spikes(hz):
        return np.arange(0, 200, 1000 / hz)[None] + 1.0

    def change(pre, post):
        none = np.empty((1, 0))
        trains = SpikeTrains(spikes(pre), spikes(post), none, none.reshape(1, 0, 1), 200.0)
        return float(rule("hebb").dw(trains)[0])

    assert change(50, 50) > change(50, 25) > change(25, 25) > 0


def test_worker_processes_load_them_too(page):
    code = (
        "from circuits.runfiles.extensions import load_extensions\n"
        f"load_extensions([{str(page / 'hebb.py')!r}], 'x')\n"
        "from circuits.plasticity.rules.registry import RULES\n"
        "print('hebb' in RULES)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "True"


OBSERVABLE = 'from analysis.observables import observable\n@observable("1")\n'


@pytest.mark.parametrize(
    ("name", "text", "wanted"),
    [
        ("a.py", "1/0", "'a.py' fails: ZeroDivisionError"),
        ("a.py", "x = (", "'a.py' fails: SyntaxError"),
        (
            "b.py",
            f'{OBSERVABLE}def burst_rate(ds):\n    """Another."""\n',
            "there is already an observable 'burst_rate'",
        ),
        ("c.py", f"{OBSERVABLE}def nodoc(ds):\n    return 1.0\n", "'nodoc' needs a docstring"),
        (
            "d.py",
            'from circuits.manipulations.vocabulary import verb\n@verb("population")\n'
            'def silence(change, row, names):\n    """Another."""\n',
            "there is already a manipulation 'silence'",
        ),
        ("a.txt", "", "neither .py nor .toml"),
        ("a.toml", "[Mine]\nC_m = 3", "[Mine]"),
        ("a.toml", "[Mine]\n", "class: no 'model'"),
        ("a.toml", '[Mine]\nclass = { model = "realy" }\n', "no 'excitatory'"),
    ],
)
def test_mistakes_are_told_in_one_line(tmp_path, name, text, wanted):
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError) as caught:
        extensions.load_extensions([name], "my.toml: extensions", tmp_path)
    assert wanted in str(caught.value) and "\n" not in str(caught.value)


def test_a_table_beside_a_file_that_changed_is_told(tmp_path):
    (tmp_path / "a.py").write_text("# reads a.toml")
    (tmp_path / "a.toml").write_text("x = 1")
    extensions.load_extensions(["a.py"], "extensions", tmp_path)
    (tmp_path / "a.toml").write_text("x = 2")
    with pytest.raises(InputError, match=r"'a\.py' or its table changed since it was loaded"):
        extensions.load_extensions(["a.py"], "extensions", tmp_path)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match=r"extensions: no such file 'b\.py'"):
        extensions.load_extensions(["b.py"], "extensions", tmp_path)


def test_a_unit_of_another_dimension_is_refused(tmp_path):
    tables = (ROOT / "cells" / "tables" / "interneurons.toml").read_text(encoding="utf-8")
    mine = tables[tables.index("[PV]") : tables.index("[SST]")].replace("[PV]", "[Mine]")
    (tmp_path / "a.toml").write_text(mine.replace('1.0, unit = "uF/cm**2"', '1.0, unit = "mV"'))
    with pytest.raises(InputError, match=r"a.toml: \[Mine\] C_m: .* the dimension of .*, expected"):
        extensions.load_extensions(["a.toml"], "extensions", tmp_path)
