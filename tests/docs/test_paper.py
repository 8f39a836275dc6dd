"""The paper's header and references, and what sets up Binder, as text."""

import os
import re
import tomllib
from datetime import datetime
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PAPER = (ROOT / "docs" / "paper.md").read_text(encoding="utf-8")


def test_the_paper_begins_with_what_a_journal_asks_for():
    start, header, text = PAPER.split("---\n", 2)
    told = yaml.safe_load(header)
    assert start == "" and text.lstrip().startswith("# Statement of need")
    assert {"title", "tags", "authors", "affiliations", "date", "bibliography"} <= set(told)
    places = {one["index"] for one in told["affiliations"]}
    assert all(one["name"] and one["affiliation"] in places for one in told["authors"])
    assert datetime.strptime(told["date"], "%d %B %Y")


def test_every_work_that_the_paper_names_is_among_its_references():
    listed = (ROOT / "docs" / "paper.bib").read_text(encoding="utf-8")
    named = set(re.findall(r"doi:(10\.\d+/[\w.]+\w)", PAPER))
    assert named == set(re.findall(r"doi = \{(.*)\}", listed))
    assert all(number in listed for number in re.findall(r"arXiv:([\d.]+\d)", PAPER))


def test_binder_installs_extras_that_there_are():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    script = ROOT / ".binder" / "postBuild"
    (extras,) = re.findall(r"'\.\[(.*)\]'", script.read_text())
    assert set(extras.split(",")) <= set(project["optional-dependencies"])
    assert os.access(script, os.X_OK)
    version = (ROOT / ".binder" / "runtime.txt").read_text().strip().removeprefix("python-")
    specifiers = pytest.importorskip("packaging.specifiers")
    assert specifiers.SpecifierSet(project["requires-python"]).contains(version)
