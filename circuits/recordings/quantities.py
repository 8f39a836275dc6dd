"""What can be recorded: names of the field for variables of the program, with their units."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from cells.currents import CURRENTS
from cells.models import Compartment, cell_class
from circuits.anatomy.spec import CircuitSpec
from circuits.engine.arrays import projection_parts
from circuits.engine.plan import GroupPlan, Plan, SynapsePlan, group_of
from circuits.engine.shared import SHARED
from circuits.plasticity.learning import TAG

__all__ = ["Variable", "of_cells", "of_synapses", "owner"]


@dataclass(frozen=True)
class Variable:
    """A variable of a program.

    Attributes
    ----------
    name : str
        In the program, in SI units.
    unit : str
        In which it is kept.
    scale : float
        Of that unit in SI units.
    meaning : str
    equation : str
        That the program lacks; empty where the variable is there.
    """

    name: str
    unit: str
    scale: float
    meaning: str
    equation: str = ""


def owner(spec: CircuitSpec, plan: Plan, target: str) -> tuple[str, int, int]:
    """Return the group or Synapses that a population or projection is part of, and its part.

    Returns
    -------
    name : str
    first, n : int
        Index of its first cell or synapse there, and how many it has.
    """
    if "->" in target:
        parts = {name: (key, part) for name, key, part in projection_parts(spec, plan)}
        key, part = parts[target]
        return key, part.start, part.stop - part.start
    group = group_of(spec.population(target))
    first = 0
    for p in spec.populations:
        if p.name == target:
            break
        first += spec.count(p.name) if group_of(p) == group else 0
    return group, first, spec.count(target)


def of_cells(spec: CircuitSpec, plan: Plan, population: str) -> dict[str, Variable]:
    """Return what can be recorded of the cells of a population.

    Parameters
    ----------
    spec : CircuitSpec
    plan : Plan
    population : str
        Not of inputs.

    Returns
    -------
    dict of str to Variable
        ``V``; membrane currents and gates as `cells.currents` names them; ``calcium``; ``g_`` and
        ``I_`` of each receptor; ``I_syn``, all that is not of the membrane. Of cells with two
        compartments each with the name of the compartment behind a dot, too: the bare name is the
        soma, or the only one that has it.
    """
    p = spec.population(population)
    group, parts = plan.group(group_of(p)), cell_class(p.cell).model.compartments
    found: dict[str, Variable] = {}
    for part in reversed(parts):
        mine = dict(_of_compartment(part, group, somatic=part is parts[0]))
        found |= mine
        if len(parts) > 1:
            found |= {f"{name}.{part.name}": variable for name, variable in mine.items()}
    return found


def _of_compartment(
    part: Compartment, group: GroupPlan, somatic: bool
) -> Iterable[tuple[str, Variable]]:
    s = part.suffix
    yield "V", Variable(part.v, "mV", 1e-3, "membrane potential")
    for name in part.currents:
        current = CURRENTS[name]
        symbol = name.removesuffix("_relay")
        if name == "calcium":
            yield name, Variable(f"Ca{s}", "uM", 1e-3, "calcium concentration")
        else:
            yield symbol, Variable(f"{symbol}{s}", "uA/cm**2", 1e-2, current.meaning)
        for gate in re.findall(r"^\s*d(\w+)\{s\}/dt = .* : 1$", current.template, re.MULTILINE):
            yield gate, Variable(f"{gate}{s}", "1", 1.0, f"gate of {symbol}")
    for c in group.conductances:
        if c.suffix != s:
            continue
        conductance = Variable(c.variable, "nS", 1e-9, f"{c.receptor} conductance")
        if c.receptor == "GABA_B":  # the program counts bound receptors
            opened = f"g_max_GABA_B{s}*G{s}**4/(G{s}**4 + {_said('Kd', s, group)})"
            name = f"noted_{c.variable}"
            conductance = Variable(
                name, "nS", 1e-9, conductance.meaning, f"{name} = {opened} : siemens"
            )
        yield c.variable.removesuffix(s), conductance
        yield c.current.removesuffix(s), Variable(c.current, "pA", 1e-12, f"{c.receptor} current")
    everything = "synaptic, noise and injected current" if somatic else "synaptic current"
    yield "I_syn", Variable(part.injected, "pA", 1e-12, everything)
    if somatic:
        yield "I_noise", Variable("I_noise", "pA", 1e-12, "noise current")
        if "I_inject" in group.varied:
            yield "I_inject", Variable("I_inject", "pA", 1e-12, "injected current")


def _said(parameter: str, suffix: str, group: GroupPlan) -> str:
    """Return the name that a parameter has in the equations of a group."""
    return next(w for w in re.findall(rf"\b{parameter}{suffix}(?:_of_\w+)?\b", group.equations))


# of x with the event-driven equation dx/dt = (c - x)/tau
_DECAYS = re.compile(
    r"^d(\w+)/dt = (?:-\1|\((\S+) - \1\))/(.+) : 1 \(event-driven\)$", re.MULTILINE
)


def of_synapses(spec: CircuitSpec, plan: Plan, projection: str) -> dict[str, Variable]:
    """Return what can be recorded of the synapses of a projection.

    Parameters
    ----------
    spec : CircuitSpec
    plan : Plan
    projection : str

    Returns
    -------
    dict of str to Variable
        ``resources`` and ``utilisation`` of release; where the projection learns, ``weight``,
        ``efficacy``, and all traces and levels of its rule (``x``, ``y``, ``P``, ``D``).

    Notes
    -----
    A synapse is brought up to date at spikes only. What decays between them is recorded as it would
    be found at the time of the sample, in closed form.
    """
    name, _, _ = owner(spec, plan, projection)
    plan_of = next(s for s in plan.synapses if s.name == name)
    now = {}
    for x, rest, tau in _DECAYS.findall(plan_of.equations):
        decay = f"exp(-(t - lastupdate)/{tau})"
        now[x] = f"({rest} + ({x} - {rest})*{decay})" if rest else f"({x}*{decay})"
    found = {}
    if plan_of.plastic:
        found["weight"] = Variable("w", "1", 1.0, "weight, 0 to 1")
        for x in re.findall(r"^(\w+) : 1$", plan_of.equations, re.MULTILINE):
            if x != "w":
                found[_bare(x)] = Variable(x, "1", 1.0, f"{_bare(x)} of the synapse")
    for x, expression in {**now, **_levels(plan_of, now)}.items():
        variable = f"noted_{_bare(x)}"
        found[_bare(x)] = Variable(
            variable, "1", 1.0, f"{_bare(x)} of the synapse", f"{variable} = {expression} : 1"
        )
    return found


def _bare(variable: str) -> str:
    return variable.removesuffix(f"_{TAG}")


def _levels(plan: SynapsePlan, now: dict[str, str]) -> dict[str, str]:
    """Return what a rule puts together of its traces when it is read, as it is at any time."""
    known = {name for name, _, _ in plan.constants}
    known |= set(re.findall(r"^(\w+) : .* \(constant\)$", plan.equations, re.MULTILINE))
    known |= {SHARED, "second"}  # constants of a projection
    found = {}
    for name, expression in re.findall(rf"^(\w+_{TAG}) = (.+)$", plan.learn, re.MULTILINE):
        used = set(re.findall(r"\b[A-Za-z_]\w*\b", expression))
        if used & set(now) and used <= {*now, *known} and name not in now:
            found[name] = re.sub(r"\b[A-Za-z_]\w*\b", lambda m: now.get(m[0], m[0]), expression)
    return found
