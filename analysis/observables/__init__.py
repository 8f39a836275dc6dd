"""The named numbers that claims are about; every file of this folder registers its own."""

import importlib
import pkgutil

from analysis.observables.registry import (
    OBSERVABLES,
    Observable,
    all_by_condition,
    by_condition,
    evaluate,
    find,
    observable,
)

__all__ = [
    "OBSERVABLES",
    "Observable",
    "all_by_condition",
    "by_condition",
    "evaluate",
    "find",
    "observable",
]

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")
