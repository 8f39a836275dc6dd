"""What keeps weights in range beside the rule: synaptic scaling to a firing rate, and slow decay.

At each gate, while the synapse learns,

    w <- w (1 + T/tau_scaling (1 - r/goal) - T/tau_decay),

with the cycle T and the rate r of the target cell, averaged over ``tau_rate``; the weight stays
between 0 and 1. Scaling multiplies all synapses of a cell alike: it moves their mean, not what they
learned apart.

References
----------
Turrigiano et al. 1998, doi:10.1038/36103. van Rossum, Bi & Turrigiano 2000,
doi:10.1523/JNEUROSCI.20-23-08812.2000. Zenke, Hennequin & Gerstner 2013,
doi:10.1371/journal.pcbi.1003330 (why it has to be faster in models than in slices). Kolen & Pollack
1994, doi:10.1109/ICNN.1994.374486 (decay aligns the weights of both ways).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path

from cells.parameters import ParameterTable, load_tables
from circuits.plasticity.rules.rule import BrianCode

__all__ = [
    "HOMEOSTASIS",
    "LEARN",
    "MODEL",
    "SCALING_RATE",
    "homeostasis_table",
    "homeostatic",
    "per_cycle",
]

#: What a run file may say of it, and in what unit; 0 is without.
HOMEOSTASIS = {"tau_scaling": "s", "goal": "Hz", "tau_decay": "s"}
#: The averaged rate of the target cell, a variable of the synapse.
SCALING_RATE = "mean_rate"
MODEL = f"""
d{SCALING_RATE}/dt = -{SCALING_RATE}/tau_rate : Hz (event-driven)
scaling : 1 (constant)
goal : Hz (constant)
forgetting : 1 (constant)
"""
LEARN = f"w = clip(w*(1 + int(factor > 0)*(scaling*(1 - {SCALING_RATE}/goal) - forgetting)), 0, 1)"


@cache
def homeostasis_table() -> ParameterTable:
    """Return the constants of synaptic scaling, ``homeostasis.toml``."""
    return load_tables(Path(__file__).parent / "homeostasis.toml")["scaling"]


def homeostatic(code: BrianCode) -> BrianCode:
    """Return a gated rule to which scaling and decay are added."""
    return replace(
        code,
        synapse_model=code.synapse_model.strip() + MODEL,
        on_post=f"{code.on_post.strip()}\n{SCALING_RATE} += 1/tau_rate",
        learn=f"{code.learn.strip()}\n{LEARN}",
        namespace={**code.namespace, "tau_rate": homeostasis_table()["tau_rate"]},
    )


def per_cycle(own: Mapping[str, float], cycle_ms: float) -> dict[str, float]:
    """Return the constants of the synapses of a projection.

    Parameters
    ----------
    own : mapping of str to float
        What is said of the projection, `circuits.plasticity.learning.Learning.of`.
    cycle_ms : float

    Returns
    -------
    dict of str to float
        ``scaling`` and ``forgetting``, shares of the weight in a cycle, and ``goal``, Hz.
    """
    share = {
        key: cycle_ms * 1e-3 / own[tau] if own[tau] else 0.0
        for key, tau in (("scaling", "tau_scaling"), ("forgetting", "tau_decay"))
    }
    return share | {"goal": own["goal"] or 1.0}
