"""The notebooks as Jupyter runs them: in a kernel, in their folder."""

import importlib
import re
from pathlib import Path

import pytest

from circuits.runfiles import catalogue

jupytext = pytest.importorskip("jupytext")
nbformat = pytest.importorskip("nbformat")
ROOT = Path(__file__).parents[2]
SCRIPTS = sorted((ROOT / "runs" / "notebooks").glob("*.py"))
FAST = {"first_light", "plasticity", "exporting"}


@pytest.fixture
def notebooks(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "docs")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    return importlib.import_module("notebooks")


@pytest.mark.parametrize("script", [
    pytest.param(p, id=p.stem, marks=[] if p.stem in FAST else [pytest.mark.slow]) for p in SCRIPTS
])  # fmt: skip
def test_a_notebook_runs_without_a_compiler(script, notebooks, monkeypatch):
    monkeypatch.setenv("PATH", str(Path(notebooks.sys.executable).parent))
    notebook = notebooks.execute(script, timeout=120)
    _check_figures(notebook)
    outputs = [o for cell in notebook.cells for o in cell.get("outputs", ())]
    assert [o["text"] for o in outputs if o.get("name") == "stderr"] == []


def _check_figures(notebook):
    """Every cell that ends with drawing shows what it drew."""
    for cell in notebook.cells:
        last = cell.source.splitlines()[-1]
        if cell.cell_type == "code" and re.match(r"plt\.|plot_|fig\.|ds\.pulvinar\.plot", last):
            assert [o for o in cell.outputs if "image/png" in o.get("data", {})], cell.source


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda p: p.stem)
def test_the_executed_notebook_is_that_of_the_script(script):
    made = nbformat.read(script.with_suffix(".ipynb"), 4)
    told = jupytext.read(script)
    assert [c.source for c in made.cells] == [c.source for c in told.cells]
    _check_figures(made)
    assert all(c.execution_count for c in made.cells if c.cell_type == "code")
    assert script.with_suffix(".ipynb").stat().st_size < 300e3
    text = script.with_suffix(".ipynb").read_text()
    assert "/home/" not in text and "/tmp/" not in text


def test_there_are_eight_or_more_and_examples_are_found():
    assert len(SCRIPTS) >= 8
    for name in ("first_light", "learning"):
        assert catalogue.example(name).stat().st_size < 1e6
