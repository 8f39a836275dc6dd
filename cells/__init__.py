"""Cells: named membrane currents, cell models, integration and published physiology."""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cells.currents import CURRENTS, Current
    from cells.fast_math import COMPILE_FLAGS, use_fast_math
    from cells.integration import METHODS, Method, Upstroke, reference, staggered
    from cells.method import use_staggered
    from cells.models import (
        CELL_CLASSES,
        MODELS,
        CellClass,
        CellModel,
        Compartment,
        cell_class,
        steady_state,
    )
    from cells.parameters import (
        MARKS,
        InputError,
        Parameter,
        ParameterTable,
        load_tables,
        nearest,
        parse_quantity,
        parse_unit,
    )
    from cells.physiology import (
        Clamp,
        Target,
        burst_statistics,
        card,
        current_clamp,
        current_step,
        f_i_curve,
        features,
        input_resistance,
        measure,
        membrane_time_constant,
        rebound,
        resting_potential,
        rheobase,
        targets,
    )

__all__ = [
    "CELL_CLASSES",
    "COMPILE_FLAGS",
    "CURRENTS",
    "MARKS",
    "METHODS",
    "MODELS",
    "CellClass",
    "CellModel",
    "Clamp",
    "Compartment",
    "Current",
    "InputError",
    "Method",
    "Parameter",
    "ParameterTable",
    "Target",
    "Upstroke",
    "burst_statistics",
    "card",
    "cell_class",
    "current_clamp",
    "current_step",
    "f_i_curve",
    "features",
    "input_resistance",
    "load_tables",
    "measure",
    "membrane_time_constant",
    "nearest",
    "parse_quantity",
    "parse_unit",
    "rebound",
    "reference",
    "resting_potential",
    "rheobase",
    "staggered",
    "steady_state",
    "targets",
    "use_fast_math",
    "use_staggered",
]

# names by the module that they are of
_OF = {
    "cells.currents": "CURRENTS Current",
    "cells.errors": "InputError nearest",
    "cells.fast_math": "COMPILE_FLAGS use_fast_math",
    "cells.integration": "METHODS Method Upstroke reference staggered",
    "cells.method": "use_staggered",
    "cells.models": "CELL_CLASSES MODELS CellClass CellModel Compartment cell_class steady_state",
    "cells.parameters": "MARKS Parameter ParameterTable load_tables parse_quantity parse_unit",
    "cells.physiology": "Clamp Target burst_statistics card current_clamp current_step f_i_curve"
    " features input_resistance measure membrane_time_constant rebound"
    " resting_potential rheobase targets",
}


def __getattr__(name: str):
    """Import a module when something of it is asked for: Brian2 takes seconds."""
    for module, names in _OF.items():
        if name in names.split():
            return getattr(importlib.import_module(module), name)
    raise AttributeError(f"module 'cells' has no attribute '{name}'")
