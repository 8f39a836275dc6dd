"""Every block of code of the pages: run files resolve, commands parse, Python runs."""

import importlib
import os
import re
import runpy
import shlex
import subprocess
import sys
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest

from analysis.observables import OBSERVABLES
from circuits.cli.parser import make_parser
from circuits.manipulations import VERBS
from circuits.runfiles import catalogue, settings
from circuits.runfiles.resolve import resolve
from circuits.stimuli.stimulus import Stimulus

ROOT = Path(__file__).parents[2]
STORED = ROOT / "tests" / "stored" / "schemas" / "3"
MADE = {"_build", "generated", "reference", "notebooks"}
#: Pages whose blocks tests of their own run: those of a language, or all.
OWN_TEST = {("docs/extending.md", "toml"), ("docs/extending.md", "python"), ("README.md", "python")}
BLOCK = re.compile(r"^```(\{[^}]*\}|\w*)[^\n]*\n(.*?)^```", re.DOTALL | re.MULTILINE)
PLACES = ("NAME-HASH", "FILE.toml", "DIR", "ADDRESS", "KEY=", "mine.toml")


def pages():
    found = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [p for p in found if not MADE & set(p.relative_to(ROOT).parts)]


def blocks(language):
    """Give (page and number of the block, its text)."""
    for page in pages():
        name = page.relative_to(ROOT).as_posix()
        if (name, language) in OWN_TEST:
            continue
        of = [text for said, text in BLOCK.findall(page.read_text()) if said == language]
        for k, text in enumerate(of):
            slow = [pytest.mark.slow] if "__main__" in text else []
            yield pytest.param(text, id=f"{name}-{k}", marks=slow)


def test_every_block_says_a_language_that_is_tested():
    found = {said for page in pages() for said, _ in BLOCK.findall(page.read_text())}
    assert {s for s in found if not s.startswith("{")} == {"toml", "sh", "python", "text"}


@pytest.mark.parametrize("text", blocks("toml"))
def test_a_run_file_is_one(text, tmp_path):
    document = tomllib.loads(text)
    if text.startswith("# my_areas/"):
        return  # `tests/circuits/anatomy/test_folder.py` makes the anatomy of them
    # a part of a run file stands for itself
    if "experiment" not in document:
        text = f'experiment = "circuit"\nname = "part"\n{text}'
    (tmp_path / "page.toml").write_text(text)
    run = resolve(tmp_path / "page.toml")
    assert run.conditions or run.setup or run.document["experiment"] != "circuit"


def _check_make(words):
    rules = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert words[1] in rules


def _check_pip(words):
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for name in re.findall(r"\[(.*?)\]", " ".join(words)):
        assert set(name.split(",")) <= set(extras["optional-dependencies"])


def _check_pulvinar(words):
    given = make_parser().parse_args(words[1:])
    if given.command in ("run", "sweep") and not any(place in given.file for place in PLACES):
        settings = [s for s in given.settings if not any(place in s for place in PLACES)]
        resolve(catalogue.find_run(given.file), settings=settings, seeds=given.seeds,
                size=given.size, cycles=given.cycles)  # fmt: skip


CHECKS = {"make": _check_make, "pip": _check_pip, "pulvinar": _check_pulvinar}


@pytest.mark.parametrize("text", blocks("sh"))
def test_a_command_is_one(text, capsys):
    for line in text.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if words and words[0] in CHECKS:
            CHECKS[words[0]](words)
        elif words:
            assert words[:2] == ["python", "-m"] or Path(words[0]).suffix, f"unknown: {line}"


@pytest.mark.parametrize("text", blocks("python"))
def test_python_runs(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    path = tmp_path / "page.py"
    path.write_text(text)
    if text.startswith("# needs a run: folder"):
        runpy.run_path(str(path), {"folder": STORED})
    else:
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        subprocess.run([sys.executable, path], check=True, env=environment)


def test_no_page_is_left_out_of_the_contents():
    told = set()
    for page in (ROOT / "docs").glob("**/index.md"):
        if not MADE & set(page.relative_to(ROOT).parts):
            for block in re.findall(r"```\{toctree\}(.*?)```", page.read_text(), re.DOTALL):
                told |= {(page.parent / name).with_suffix(".md") for name in block.split()}
    left = [p for p in pages() if p.parent != ROOT and p not in told and p.stem != "index"]
    assert left == []


@pytest.fixture
def generate(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "docs")
    return importlib.import_module("generate")


def test_the_reference_has_a_meaning_for_every_key(generate):
    text = generate._run_file()
    for key in (*settings.ONCE, *settings.AGAIN, *(f.name for f in fields(Stimulus))):
        (row,) = set(re.findall(rf"^\| `{key}` \| .*? \| (.*) \|$", text, re.MULTILINE)[:1])
        assert len(row) > 3, key
    assert all(f"`{name}`" in generate._observables() for name in OBSERVABLES)
    assert all(f"`{name}`" in generate._manipulations() for name in VERBS)
    assert "doi:10.1152/jn.1996.76.3.2049" in generate._parameters()


@pytest.mark.slow
def test_the_site_is_built_without_a_warning(tmp_path):
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "-b", "html", ROOT / "docs", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert (done.returncode, done.stderr) == (0, "")
    for page in ("index", "reference/mechanisms/current_I_T", "reference/api", "howto/runfile"):
        assert (tmp_path / f"{page}.html").is_file()
