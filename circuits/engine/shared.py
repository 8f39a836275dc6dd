"""What all synapses of a projection share: one table, and in the synapse the number of its column.

A synapse then has four bytes for its release, its conductances and the constants of its rule, and
a lesion or another weight changes a column of the table.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from circuits.engine.plan import Plan, SynapsePlan

__all__ = ["PROJECTION", "SHARED", "out_of_synapse", "table_of", "values_of"]

SHARED = "shared"  # the table, (row, projection): a function of the row, in s, and the column
PROJECTION = "projection"  # of a synapse, its column
_DECLARED = re.compile(r"^(\w+) : (?!integer)(\w+) \(constant\)$\n?", re.MULTILINE)


def out_of_synapse(plan: SynapsePlan) -> SynapsePlan:
    """Return Synapses whose constants are those of the projection that a synapse is part of."""
    found = _DECLARED.findall(plan.equations)
    texts = {key: getattr(plan, key) for key in ("equations", "on_pre", "on_post", "learn")}
    texts["equations"] = _DECLARED.sub("", plan.equations)
    for row, (name, unit) in enumerate(found):
        value = f"{SHARED}({row}*second, {PROJECTION})"
        if unit != "1":
            value = f"({value}*{unit})"
        texts = {key: re.sub(rf"\b{name}\b", value, text) for key, text in texts.items()}
    texts["equations"] += f"\n{PROJECTION} : integer (constant)"
    return replace(plan, shared=tuple(name for name, _ in found), **texts)


def table_of(plan: Plan, values: Mapping[tuple[int, str], float]) -> np.ndarray:
    """Return the table.

    Parameters
    ----------
    plan : Plan
        Of one copy.
    values : mapping of (int, str) to float
        By the number of the projection and the name of the constant; SI.

    Returns
    -------
    (row, projection) array
        A constant has the row of its place in ``shared`` of its Synapses. Rows and columns are
        filled up to powers of two, so that the code of a synapse is the same in programs that have
        some more or fewer of them.
    """
    rows = max((len(s.shared) for s in plan.synapses), default=1)
    columns = 1 + max((number for s in plan.synapses for number in s.projections), default=0)
    table = np.zeros((_filled(rows, 32), _filled(columns, 128)))
    for s in plan.synapses:
        for row, name in enumerate(s.shared):
            for number in s.projections:
                table[row, number] = values[number, name]
    return table


def _filled(n: int, least: int) -> int:
    """Return the next power of two, or ``least``."""
    return max(least, 1 << (n - 1).bit_length())


def values_of(plan: SynapsePlan, arrays: Mapping[str, np.ndarray], name: str) -> np.ndarray:
    """Return a constant for each synapse, from the arrays of a run."""
    return arrays[SHARED][plan.shared.index(name), arrays[f"{plan.name}.{PROJECTION}"]]
