"""Receptors: conductances, their Brian2 equations, and the parameters of each cell class."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from brian2 import Quantity

from cells.models import Compartment
from cells.parameters import InputError, ParameterTable, load_tables, nearest

__all__ = [
    "RECEPTORS",
    "conductance",
    "receptor_equations",
    "receptor_parameter",
    "receptor_tables",
]

RECEPTORS = ("AMPA", "NMDA", "GABA_A", "GABA_B")
EXCITATORY = ("AMPA", "NMDA")

_SINGLE_EXPONENTIAL = """
I_{r}{s} = g_{r}{s}*(E_{r}{s} - {v}) : amp
dg_{r}{s}/dt = -g_{r}{s}/tau_{r}{s} : siemens
E_{r}{s} : volt (constant)
tau_{r}{s} : second (constant)
"""

_TEMPLATES = {
    "AMPA": _SINGLE_EXPONENTIAL,
    "GABA_A": _SINGLE_EXPONENTIAL,
    # Jahr & Stevens 1990
    "NMDA": """
I_{r}{s} = g_{r}{s}*block{s}*(E_{r}{s} - {v}) : amp
block{s} = 1/(1 + Mg{s}/(3.57*mmolar)*exp(-0.062*{v}/mV)) : 1
dg_{r}{s}/dt = -g_{r}{s}/tau_{r}{s} : siemens
E_{r}{s} : volt (constant)
tau_{r}{s} : second (constant)
Mg{s} : mmolar (constant)
""",
    # Destexhe et al. 1996: bound receptors drive a G protein that opens channels four at a time;
    # the conductance variable counts bound receptors (1), g_max is the sum over the synapses
    "GABA_B": """
I_{r}{s} = g_max_{r}{s}*G{s}**4/(G{s}**4 + Kd{s})*(E_{r}{s} - {v}) : amp
dg_{r}{s}/dt = -K2{s}*g_{r}{s} : 1
dG{s}/dt = K3{s}*g_{r}{s} - K4{s}*G{s} : 1
g_max_{r}{s} : siemens (constant)
E_{r}{s} : volt (constant)
K2{s} : Hz (constant)
K3{s} : Hz (constant)
K4{s} : Hz (constant)
Kd{s} : 1 (constant)
""",
}
_PARAMETERS = {
    "AMPA": ("E", "tau"),
    "GABA_A": ("E", "tau"),
    "NMDA": ("E", "tau", "Mg"),
    "GABA_B": ("E", "K2", "K3", "K4", "Kd"),
}


@cache
def receptor_tables() -> dict[str, ParameterTable]:
    """Return the table of every receptor."""
    return load_tables(Path(__file__).parent / "tables" / "receptors.toml")


def receptor_parameter(receptor: str, key: str, cell: str, suffix: str = "") -> Quantity:
    """Return a receptor's parameter at a cell class (and its apical compartment).

    The table's ``key_apical`` (for a dendrite) or ``key_CLASS`` (for a soma) goes before ``key``.
    """
    table = receptor_tables()[receptor]
    special = f"{key}_apical" if suffix else f"{key}_{cell}"
    return table[special if special in tuple(table) else key]


@dataclass(frozen=True)
class Conductance:
    """One receptor in one compartment: the variable that a synapse increments."""

    receptor: str
    suffix: str

    @property
    def variable(self) -> str:
        """Name of the postsynaptic variable."""
        return f"g_{self.receptor}{self.suffix}"

    @property
    def weight(self) -> str:
        """Name of the synaptic weight that goes with it."""
        return f"w_{self.receptor}{self.suffix}"

    @property
    def unit(self) -> str:
        """Brian2 unit of both."""
        return "1" if self.receptor == "GABA_B" else "siemens"

    @property
    def decay(self) -> str:
        """Name of the factor by which it falls in a step; see `cells.integration.staggered`."""
        return f"decay_{self.variable}"

    @property
    def closing(self) -> str:
        """Name in the table of the time constant, or of the rate, at which it falls."""
        return "K2" if self.receptor == "GABA_B" else "tau"

    @property
    def parameters(self) -> tuple[tuple[str, str], ...]:
        """(name in the group, name in the table) of every parameter taken from the table."""
        names = []
        for key in _PARAMETERS[self.receptor]:
            inner = f"_{self.receptor}" if key in ("E", "tau") else ""
            names.append((f"{key}{inner}{self.suffix}", key))
        return tuple(names)

    def equations(self, v: str) -> str:
        """Return the Brian2 equations of its current on the potential ``v``."""
        return _TEMPLATES[self.receptor].format(r=self.receptor, s=self.suffix, v=v).strip()

    @property
    def current(self) -> str:
        """Name of its current."""
        return f"I_{self.receptor}{self.suffix}"


def conductance(receptor: str, compartment: Compartment) -> Conductance:
    """Return the conductance of ``receptor`` in ``compartment``; InputError names the nearest."""
    if receptor not in RECEPTORS:
        raise InputError(f"unknown receptor '{receptor}'{nearest(receptor, RECEPTORS)}")
    return Conductance(receptor, compartment.suffix)


def receptor_equations(compartment: Compartment, conductances, extra: str = "") -> str:
    """Return the equations of ``I_syn`` of a compartment: all its receptors and ``extra`` terms."""
    mine = [c for c in conductances if c.suffix == compartment.suffix]
    total = " + ".join([*(c.current for c in mine), *([extra] if extra else [])]) or "0*amp"
    lines = [f"{compartment.injected} = {total} : amp"]
    lines += [c.equations(compartment.v) for c in mine]
    return "\n".join(lines)
