"""Equations that every circuit has, and constants as they are printed and hashed."""

from __future__ import annotations

from brian2 import Quantity

from cells.parameters import parse_unit
from circuits.plasticity.learning import onset_table

__all__ = [
    "COURSES",
    "INPUT_EQUATIONS",
    "INPUT_RESET",
    "NEVER",
    "NOISE_EQUATIONS",
    "ONE",
    "ONSET_EQUATIONS",
    "PLAYED",
    "SLOW_CLOCK_MS",
    "TAU_NOISE_MS",
    "TRAINS",
    "ZERO",
    "brian_namespace",
    "column",
    "constants",
    "onset_constants",
]

# The local signal: a cell's synaptic conductance, integrated fast and slow. Where the fast one
# rises above the slow one, a phase begins; the cell's synapses are read a fixed time later.
# Time constants: plasticity/gate.toml.
ONSET_EQUATIONS = """
g_synaptic = {conductances} : siemens
dg_fast/dt = (g_synaptic - g_fast)/tau_fast : siemens
dg_slow/dt = (g_synaptic - g_slow)/tau_slow : siemens
t_onset : second
lag : second (constant)
rise : 1 (constant)
"""


def constants(namespace) -> tuple[tuple[str, float, str], ...]:
    """Return a namespace as (name, SI value, unit) that can be printed and hashed."""
    found = []
    for name, value in sorted(namespace.items()):
        has_unit = hasattr(value, "dim") and not value.dim.is_dimensionless
        found.append((name, float(value), "second" if has_unit else "1"))
    return tuple(found)


def onset_constants() -> tuple[tuple[str, float, str], ...]:
    """Return the constants of `ONSET_EQUATIONS`, as `constants` does."""
    table = onset_table()
    return constants({key: table[key] for key in table})


def brian_namespace(found) -> dict:
    """Return the namespace that `constants` was made of."""
    return {
        name: value if unit == "1" else Quantity(value, dim=parse_unit(unit).dim)
        for name, value, unit in found
    }


COURSES = "courses"  # table of time of what manipulations vary, (bin, column)
ZERO, ONE = 0, 1  # columns of it that are always 0 and 1


def column(variable: str) -> str:
    """Return the name of the number, of each cell or synapse, of the course of a variable."""
    return f"column_{variable}"


SLOW_CLOCK_MS = 0.5  # inputs and noise: drawn equally often whatever the step of the membrane

# A renewal process: `a` integrates the rate and a spike falls when it reaches `level`, which is
# exponential (Poisson) or one (regular). Random numbers are drawn at spikes only.
INPUT_EQUATIONS = """
rate = lgn_rate(t, channel)*seen + r_peak*clip(cos(2*pi*(t/cycle - peak - pacing(t))), 0, 1) : Hz
da/dt = rate : 1
level : 1
fired : integer
key : integer (constant)
regular : 1 (constant)
seen : 1 (constant)
r_peak : Hz (constant)
peak : 1 (constant)
cycle : second (constant)
channel : integer (constant)
"""
#: What inputs have too where some of them play spike trains: the next spike of ``train``, a column
#: of a table whose rows are spikes. Column 0 has none.
PLAYED = """
due : second
rank : integer
train : integer (constant)
"""
TRAINS = "trains"
NEVER = 1e9  # s
INPUT_RESET = "a -= level; fired += 1; level = regular - (1 - regular)*log(uniform(key, fired))"
NOISE_EQUATIONS = """
I_noise : amp
key : integer (constant)
noise_sd : amp (constant)
I_bias : amp (constant)
"""
TAU_NOISE_MS = 5.0
