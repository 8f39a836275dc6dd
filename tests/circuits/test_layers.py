"""Who may import whom: read from the sources, so that imports within functions count too."""

import ast
import re
from pathlib import Path

import pytest

from circuits.anatomy.tables import load_circuit

ROOT = Path(__file__).parents[2]
PACKAGES = ("cells", "circuits", "analysis")
# description -> plan -> program -> run
CIRCUITS = {
    "circuits.synapses": {"cells"},
    "circuits.stimuli": {"cells"},
    "circuits.anatomy": {"cells", "circuits.synapses"},
    "circuits.plasticity.rules": {"cells"},
    "circuits.plasticity.detailed": {"cells", "circuits.plasticity.rules"},
    "circuits.plasticity.bench": {
        "cells", "circuits.plasticity.rules", "circuits.plasticity.detailed",
    },
    "circuits.plasticity": {"cells", "circuits.anatomy", "circuits.plasticity.rules"},
    "circuits.manipulations": {"cells", "circuits.synapses", "circuits.anatomy"},
    "circuits.engine": {
        "cells", "circuits.synapses", "circuits.anatomy", "circuits.manipulations",
        "circuits.plasticity",
    },
    "circuits.recordings": {
        "cells", "circuits.anatomy", "circuits.manipulations", "circuits.plasticity",
        "circuits.engine",
    },
    "circuits.rates": {"cells", "circuits.plasticity.rules", "circuits.plasticity.bench"},
    "circuits.rates.experiments": {"cells", "circuits.stimuli", "circuits.rates"},
    "circuits.runfiles": {
        "cells", "circuits.synapses", "circuits.stimuli", "circuits.anatomy",
        "circuits.manipulations", "circuits.plasticity", "circuits.plasticity.rules",
        "circuits.plasticity.bench", "circuits.rates", "circuits.rates.experiments",
        "circuits.engine", "circuits.recordings", "analysis.data", "analysis.exports",
    },
    "circuits.driver": {
        "cells", "circuits.stimuli", "circuits.anatomy", "circuits.manipulations",
        "circuits.plasticity", "circuits.plasticity.bench", "circuits.engine", "circuits.runfiles",
        "circuits.recordings",
        "circuits.rates.experiments", "analysis.data",
        "analysis.measures", "analysis.observables", "analysis.verdicts", "analysis.report",
    },
    "circuits.sweeps": {
        "cells", "circuits.engine", "circuits.runfiles", "circuits.driver", "analysis.data",
        "analysis.statistics",
    },
    "circuits.predictions": {
        "cells", "circuits.engine", "circuits.runfiles", "circuits.driver", "analysis.data",
        "analysis.report",
    },
    "circuits.api": {
        "cells", "circuits.anatomy", "circuits.runfiles", "circuits.driver", "circuits.stimuli",
    },
    "circuits.cli": {
        "cells", "circuits.anatomy", "circuits.engine", "circuits.manipulations",
        "circuits.runfiles", "circuits.driver", "circuits.predictions", "circuits.sweeps",
        "analysis.data", "analysis.exports",
        "analysis.observables", "analysis.verdicts",
    },
}  # fmt: skip
# Dataset -> claim
ANALYSIS = {
    "analysis.statistics": set(),
    "analysis.data": {"analysis.statistics"},
    "analysis.measures": {"analysis.data"},
    "analysis.observables": {"analysis.data", "analysis.measures"},
    "analysis.verdicts": {"analysis.data", "analysis.observables", "analysis.statistics"},
    "analysis.figures": {
        "analysis.data", "analysis.measures", "analysis.observables", "analysis.statistics",
    },
    "analysis.report": {
        "analysis.data", "analysis.measures", "analysis.observables", "analysis.verdicts",
        "analysis.figures", "analysis.statistics",
    },
    "analysis.exports": {"analysis.data"},
    "analysis.accessor": {
        "analysis.data", "analysis.measures", "analysis.observables", "analysis.verdicts",
        "analysis.figures",
    },
    "analysis": {"analysis.data", "analysis.accessor"},
}  # fmt: skip
#: What each room may import: every arrow there is, and no other.
ALLOWED = {
    "cells": set(),
    "circuits": {"cells", "circuits.api", "circuits.sweeps"},
    **CIRCUITS,
    **ANALYSIS,
}
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for package in PACKAGES
    for path in sorted((ROOT / package).rglob("*.py"))
}


def room(module):
    """Return the package that a module lies in."""
    return module if MODULES[module].name == "__init__.py" else module.rpartition(".")[0]


def imported(module, everywhere=True):
    """Return our modules that a module names; ``everywhere``: within functions too."""
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    found = set()
    for node in ast.walk(tree) if everywhere else tree.body:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            package = room(module).split(".")
            of = [*package[: len(package) + 1 - node.level], node.module] if node.level else []
            name = ".".join(filter(None, of)) or node.module
            found |= {
                f"{name}.{alias.name}" if f"{name}.{alias.name}" in MODULES else name
                for alias in node.names
            }
    return {name for name in found if name in MODULES}


@pytest.mark.parametrize("package", ALLOWED)
def test_a_room_imports_what_the_table_allows(package):
    used = {
        room(name): module
        for module in MODULES
        if room(module) == package
        for name in imported(module)
    }
    used.pop(package, None)
    assert {k: used[k] for k in set(used) - ALLOWED[package]} == {}
    assert ALLOWED[package] - set(used) == set(), "arrows that nobody takes"


def test_every_room_is_in_the_table():
    assert {room(module) for module in MODULES} == set(ALLOWED)


def test_the_rooms_have_floors():
    """No room can be reached from one below it."""
    floor = {}
    while len(floor) < len(ALLOWED):
        free = [k for k in ALLOWED if k not in floor and ALLOWED[k] <= set(floor)]
        assert free, f"a circle among {sorted(set(ALLOWED) - set(floor))}"
        floor |= dict.fromkeys(free, 1 + max(floor.values(), default=0))


def test_no_module_is_imported_in_a_circle():
    left = {module: imported(module) - {module} for module in MODULES}
    while free := [module for module, needs in left.items() if not needs & set(left)]:
        for module in free:
            del left[module]
    assert left == {}


def _texts(tree):
    """Give the strings of a module that are no docstrings."""
    holders = [
        n for n in ast.walk(tree) if isinstance(n, ast.Module | ast.ClassDef | ast.FunctionDef)
    ]
    first = [n.body[0] for n in holders if n.body]
    documents = {id(n.value) for n in first if isinstance(n, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if id(node) not in documents:
                yield node.value


def test_no_area_population_or_cell_is_named_outside_the_tables():
    spec = load_circuit(anatomy="v1_v2_v4")
    parts = {part for p in spec.populations for part in (*p.name.split("."), p.area, p.cell)}
    # the package itself is called like the nucleus, and an input is a kind of population
    parts -= {"pulvinar", "pacing", "input"}
    named = re.compile(rf"(?<!\w)({'|'.join(map(re.escape, sorted(parts)))})(?!\w)")
    found = [
        f"{path.relative_to(ROOT)}: {text!r}"
        for package in ("analysis", "circuits")
        for path in sorted((ROOT / package).rglob("*.py"))
        # what results of before left unsaid
        if path != ROOT / "analysis" / "data" / "versions.py"
        for text in _texts(ast.parse(path.read_text()))
        if named.search(text)
    ]
    # the table of its relay cells
    assert found == ["circuits/stimuli/lgn.py: 'LGN'"]
