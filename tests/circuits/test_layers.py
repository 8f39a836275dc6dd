"""Who may import whom: read from the sources, so that imports within functions count too."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# the command may use all of the package
COMMAND = {"circuits.cli"}


def imported(path):
    """Names of the modules, and of what is imported from them, that a source names."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def users(folder, of):
    """Modules below a folder that import something of the packages ``of``."""
    found = {}
    for path in sorted((ROOT / folder).rglob("*.py")):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        names = {n for n in imported(path) if any(f"{n}.".startswith(f"{p}.") for p in of)}
        if names:
            found[module] = names
    return found


@pytest.mark.parametrize(
    ("folder", "of"),
    [
        ("cells", ["circuits", "analysis"]),
        ("analysis", ["circuits", "cells"]),
        ("circuits/plasticity", ["circuits.runfiles", "circuits.driver"]),
        ("circuits/runfiles", ["circuits.driver", "analysis"]),
    ],
)
def test_a_layer_knows_nothing_of_those_above(folder, of):
    assert users(folder, of) == {}


def test_what_a_circuit_is_made_of_knows_neither_run_files_nor_the_driver():
    found = users("circuits", ["circuits.runfiles", "circuits.driver"])
    above = ("circuits.runfiles.", "circuits.driver.")
    assert {module for module in found if not module.startswith(above)} == COMMAND
