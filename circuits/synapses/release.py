"""Short-term release after Tsodyks & Markram (1997), exact between spikes.

Between spikes the utilisation decays to zero with ``tau_facil`` and the resources recover to one
with ``tau_rec``; a spike first raises the utilisation, then releases its share of the resources.
Static release is the limit U = 1 with instantaneous recovery, depression without facilitation the
limit of a short ``tau_facil``.

References
----------
Tsodyks & Markram (1997), doi:10.1073/pnas.94.2.719
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from cells.parameters import InputError, ParameterTable, load_tables, nearest

__all__ = ["RELEASE_EQUATIONS", "RELEASE_ON_PRE", "RELEASE_PARAMETERS", "release_class"]

RELEASE_EQUATIONS = """
dutilisation/dt = -utilisation/tau_facil : 1 (event-driven)
dresources/dt = (1 - resources)/tau_rec : 1 (event-driven)
U : 1 (constant)
tau_rec : second (constant)
tau_facil : second (constant)
"""
RELEASE_ON_PRE = """
utilisation += U*(1 - utilisation)
released = utilisation*resources
resources -= released
"""
RELEASE_PARAMETERS = ("U", "tau_rec", "tau_facil")


@cache
def _tables() -> dict[str, ParameterTable]:
    return load_tables(Path(__file__).parent / "tables" / "release.toml")


def release_class(name: str) -> ParameterTable:
    """Return the release parameters called ``name``; InputError names the nearest."""
    tables = _tables()
    if name not in tables:
        raise InputError(f"release.toml: unknown release class '{name}'{nearest(name, tables)}")
    return tables[name]
