import subprocess
import sys
from pathlib import Path

import analysis

CODE = """
import importlib, pkgutil, sys
import analysis
for module in pkgutil.iter_modules(analysis.__path__):
    importlib.import_module(f"analysis.{module.name}")
heavy = {"brian2", "circuits", "cells", "elephant", "efel", "matplotlib.pyplot"}
print(sorted(heavy & set(sys.modules)))
"""


def test_analysis_pulls_in_neither_the_simulator_nor_the_circuit():
    root = Path(analysis.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", CODE], capture_output=True, text=True, check=True, cwd=root
    )
    assert done.stdout.strip() == "[]"
