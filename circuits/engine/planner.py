"""From a description to the plan of its program."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from cells.integration import METHODS
from cells.models import MODELS, cell_class
from cells.parameters import InputError, nearest
from circuits.anatomy.spec import CircuitSpec, Population
from circuits.engine.courses import (
    columns_of,
    courses,
    multiplied,
    variables,
    varied_inputs,
    varied_synapses,
)
from circuits.engine.equations import (
    INPUT_EQUATIONS,
    INPUT_RESET,
    NOISE_EQUATIONS,
    ONSET_EQUATIONS,
    PLAYED,
    SLOW_CLOCK_MS,
    TAU_NOISE_MS,
    TRAINS,
    constants,
    onset_constants,
)
from circuits.engine.plan import INPUTS, GroupPlan, Plan, SynapsePlan, group_of, replicated
from circuits.engine.shared import out_of_synapse
from circuits.plasticity.learning import EFFICACIES, LEARNING_RATE, Learning
from circuits.synapses.receptors import (
    conductance,
    receptor_equations,
    receptor_parameter,
)
from circuits.synapses.release import RELEASE_EQUATIONS, RELEASE_ON_PRE

__all__ = ["cell_parameters", "fixed_name", "make_plan"]


def _compartment(model: str, at: str, where: str):
    parts = {part.name: part for part in MODELS[model].compartments}
    if at not in parts:
        raise InputError(f"{where}: no compartment '{at}'{nearest(at, parts)}")
    return parts[at]


def make_plan(
    spec: CircuitSpec,
    *,
    bins: int,
    bin_ms: float,
    method: str = "staggered",
    dt_ms: float | None = None,
    learning: Learning | None = None,
    noted_ms: float = 200.0,
    threads: int = 1,
    varied: Sequence[tuple[str, str]] = (),
    columns: int = 0,
    upstroke: int = 1,
) -> Plan:
    """Return the plan of a description.

    Parameters
    ----------
    spec : CircuitSpec
    bins : int
        Capacity of the stimulus, in bins of ``bin_ms``.
    bin_ms : float
    method : {"staggered", "rk4", "exponential_euler"}
    dt_ms : float, optional
        Defaults to the step that goes with the method.
    learning : Learning, optional
        Default nothing learns.
    noted_ms : float
        Interval at which the weights are noted.
    threads : int
        Of a program on device cpp.
    varied : sequence of (str, str)
        Populations or projections, and their variables that manipulations let vary.
    columns : int
        Courses that there are, beside the constant ones.
    upstroke : int
        Parts in which the steps of a spike are done again; 1: they are not. Staggered steps only.

    Returns
    -------
    Plan

    Raises
    ------
    InputError
        For an unknown method or compartment, or a step that does not divide the slow clock.
    """
    if method not in METHODS:
        raise InputError(f"unknown method '{method}'{nearest(method, METHODS)}")
    dt_ms = METHODS[method].dt_ms if dt_ms is None else dt_ms
    if not 0 < dt_ms <= 0.2 or abs(SLOW_CLOCK_MS / dt_ms - round(SLOW_CLOCK_MS / dt_ms)) > 1e-9:
        raise InputError(f"step {dt_ms} ms; valid: a divisor of {SLOW_CLOCK_MS} ms up to 0.1 ms")
    synapses, used = _synapse_plans(spec, dt_ms, learning, varied)
    learn_at = {one.target for one in synapses if one.learn}
    sizes: dict[str, int] = {}
    for p in spec.populations:
        sizes[group_of(p)] = sizes.get(group_of(p), 0) + spec.count(p.name)
    groups = [varied_inputs(_input_group(spec), varied)]
    for name, n in sizes.items():
        if name == INPUTS:
            continue
        conductances = tuple(sorted(used.get(name, ()), key=lambda c: c.variable))
        timing = "" if learning is None or name not in learn_at else learning.timing
        groups.append(
            _group_plan(
                spec, name, n, conductances, method, dt_ms, bin_ms, timing, varied, upstroke
            )
        )
    plan = Plan(
        tuple(groups), tuple(synapses), spec.channels + spec.cues + len(spec.steady), bins, bin_ms,
        dt_ms, method, noted_ms=noted_ms if any(one.plastic for one in synapses) else 0.0,
        threads=threads,
        columns=columns_of(columns) if varied else 0, trains=_trains(spec),
    )  # fmt: skip
    return replicated(plan, 1)


def _synapse_plans(spec, dt_ms, learning, varied) -> tuple[list[SynapsePlan], dict[str, set]]:
    """Return a plan for all synapses of each pair of groups, and the conductances of each group."""
    used: dict[str, set] = {}
    pairs: dict[tuple[str, str, str], list[int]] = {}
    chosen: dict[tuple[str, str, str], set] = {}
    plastic = set() if learning is None else set(learning.chosen(spec))
    for number, p in enumerate(spec.projections):
        source, target = spec.population(p.source), spec.population(p.target)
        learns = learning.rule_of(p.name) if number in plastic else ""
        pair = group_of(source), group_of(target), learns
        part = _compartment(pair[1], p.at, f"projections.toml: {p.name}")
        mine = {conductance(receptor, part) for receptor, _ in p.receptors}
        used.setdefault(pair[1], set()).update(mine)
        chosen.setdefault(pair, set()).update(mine)
        pairs.setdefault(pair, []).append(number)
    synapses = []
    for pair in sorted(pairs):
        n = sum(
            spec.projections[k].indegree * spec.count(spec.projections[k].target)
            for k in pairs[pair]
        )
        dt = SLOW_CLOCK_MS if pair[0] == INPUTS else dt_ms
        conductances = tuple(sorted(chosen[pair], key=lambda c: c.variable))
        names = [spec.projections[k].name for k in pairs[pair]]
        one = _synapse_plan(pair, n, dt, conductances, tuple(pairs[pair]), learning, names[0])
        synapses.append(out_of_synapse(varied_synapses(one, set(names), varied)))
    return synapses, used


def _group_plan(
    spec, name, n, conductances, method, dt_ms, bin_ms, timing, varied, upstroke
) -> GroupPlan:
    """Return the plan of all cells of a model; ``timing`` is that of what learns on them."""
    model = MODELS[name]
    members = [p for p in spec.populations if group_of(p) == name]
    varying = variables(varied, {p.name for p in members})
    somatic, added, updates = courses(varying, model.compartments[0].v)
    parts = []
    for k, part in enumerate(model.compartments):
        parts.append(receptor_equations(part, conductances, "" if k else somatic))
    equations = [model.equations(), *parts, NOISE_EQUATIONS.strip(), *added]
    same = _shared(spec, members, conductances, dt_ms)
    gate = {}
    if timing == "onset":
        gate = _onset(equations, conductances)
    elif timing:
        gate = {"learn": _gate(bin_ms, dt_ms)}
    if method == "staggered":
        equations += [f"{c.decay} : 1 (constant)" for c in conductances if c.decay not in same]
    again = None
    steps = max(upstroke, model.parts)
    if method == "staggered" and steps > 1:
        again = model.upstroke(steps)
        equations.append(again.variables)
        level = _fixed(multiplied(again.level, varying), name, same)
        again = replace(again, level=level)
    text, fixed = _fix(multiplied("\n".join(equations), varying), name, same)
    gate["constants"] = (*fixed, *gate.get("constants", ()))
    decay = f"exp(-{SLOW_CLOCK_MS}/{TAU_NOISE_MS})"
    kick = f"sqrt(1 - exp(-2*{SLOW_CLOCK_MS}/{TAU_NOISE_MS}))"
    step = f"timestep(t, {SLOW_CLOCK_MS}*ms)"  # t and dt are those of the membrane
    noise = f"I_noise = I_noise*{decay} + noise_sd*{kick}*gauss(key, {step})"
    return GroupPlan(
        name, n, text, model.threshold, "", method, dt_ms,
        ((noise, SLOW_CLOCK_MS), *updates), conductances,
        tuple(part.v for part in model.compartments), **gate, varied=varying,
        upstroke=again,
    )  # fmt: skip


def _shared(spec, members, conductances, dt_ms) -> dict[str, float]:
    """Return the parameters that are the same in all cells, and in every condition."""
    values = [cell_parameters(spec, p, conductances, dt_ms) for p in members]
    changed = {key for cell, key, _ in spec.cells if cell in {p.cell for p in members}}
    return {
        key: value
        for key, value in values[0].items()
        if key not in changed and all(other[key] == value for other in values)
    }


def cell_parameters(
    spec: CircuitSpec, population: Population, conductances, dt_ms: float
) -> dict[str, float]:
    """Return the parameters of the cells of a population, and of their receptors.

    Parameters
    ----------
    spec : CircuitSpec
    population : Population
        Of cells, not of inputs.
    conductances : sequence of Conductance
        Of its NeuronGroup.
    dt_ms : float
        Step for which factors of decay are given.

    Returns
    -------
    dict of str to float
        In SI units.
    """
    cell = population.cell
    values = {key: float(quantity) for key, quantity in cell_class(cell).parameters.items()}
    values |= {key: value for name, key, value in spec.cells if name == cell}
    for c in conductances:
        for variable, key in c.parameters:
            value = float(receptor_parameter(c.receptor, key, population.kind, c.suffix))
            values[variable] = value
            if key == c.closing:
                rate = 1 / value if key == "tau" else value
                values[c.decay] = math.exp(-rate * dt_ms * 1e-3)
    return values


def fixed_name(variable: str, group: str) -> str:
    """Return the name in a program of a parameter that all cells of a group share.

    No two groups share one: Brian2 cannot join a group that has a variable to one for which it is a
    constant of the same name.
    """
    return f"{variable}_of_{group}"


def _fixed(code: str, group: str, names) -> str:
    """Put the names that parameters have as constants of a group."""
    for name in names:
        code = re.sub(rf"\b{name}\b", fixed_name(name, group), code)
    return code


def _fix(equations: str, group: str, values) -> tuple[str, tuple[tuple[str, float, str], ...]]:
    """Make constants of the parameters that are the same in all cells; return them as well.

    They are not read for every cell in every step, and what follows from them alone is computed
    once.
    """
    constants = []
    for name, value in sorted(values.items()):
        declared = re.search(rf"^{name} : (.+) \(constant\)$\n?", equations, re.MULTILINE)
        if declared is None:
            continue
        equations = _fixed(equations.replace(declared[0], ""), group, [name])
        constants.append((fixed_name(name, group), value, declared[1]))
    return equations, tuple(constants)


def _gate(bin_ms: float, dt_ms: float) -> str:
    """Return the condition that is true at the start of a bin in which the gate opens."""
    # the time first: it is the same for all cells
    return f"timestep(t, dt) % {round(bin_ms / dt_ms)} == 0 and {LEARNING_RATE}(t) > 0"


def _onset(equations: list[str], conductances) -> dict:
    """Add the local signal of a phase that begins; return what counts from it."""
    opened = " + ".join(c.variable for c in conductances if c.unit == "siemens")
    equations.append(ONSET_EQUATIONS.format(conductances=opened).strip())
    return {
        "onset": "g_fast > rise*g_slow and t - t_onset > pause",
        "learn": f"{LEARNING_RATE}(t) > 0 and timestep(t - t_onset, dt) == timestep(lag, dt)",
        "constants": onset_constants(),
    }


def _synapse_plan(pair, n, dt_ms, conductances, projections, learning, first) -> SynapsePlan:
    """Return the plan of the synapses of two groups that learn by one rule, or by none.

    Where the rule is not that of the circuit, ``first``, one of the projections, says what it is.
    """
    source, target, plastic = pair
    weights = [f"{c.weight} : {c.unit} (constant)" for c in conductances]
    factor = "efficacy*" if plastic else ""
    effects = [f"{c.variable}_post += {factor}{c.weight}*released" for c in conductances]
    model = [RELEASE_EQUATIONS.strip(), *weights]
    on_pre = [RELEASE_ON_PRE.strip(), *effects]
    if not plastic:
        return SynapsePlan(
            f"{source}_to_{target}", source, target, n, "\n".join(model), "\n".join(on_pre), dt_ms,
            conductances, projections,
        )  # fmt: skip
    other = plastic != learning.rule
    code = learning.code(first if other else None)
    fixed = constants(code.namespace)
    model += [code.synapse_model.strip(), "efficacy : 1", "factor : 1 (constant)"]
    if learning.individual:
        model += [f"{name} : {unit} (constant)" for name, _, unit in fixed]
        fixed = ()
    follow = EFFICACIES[learning.efficacy]
    # the weight changes at the gate, or with every spike
    changes = {k: follow for k in ("pre", "post") if not code.learn}
    on_pre += [code.on_pre.strip(), changes.get("pre", "")]
    on_post = [code.on_post.strip(), changes.get("post", "")]
    return SynapsePlan(
        f"{source}_to_{target}_plastic{f'_{plastic}' if other else ''}", source, target, n,
        "\n".join(model), "\n".join(filter(None, on_pre)), dt_ms, conductances, projections, True,
        "\n".join(filter(None, on_post)),
        f"{code.learn.strip()}\n{follow}" if code.learn else "", fixed,
    )  # fmt: skip


def _input_group(spec: CircuitSpec) -> GroupPlan:
    n = sum(spec.count(p.name) for p in spec.populations if p.is_input)
    equations, threshold, reset = INPUT_EQUATIONS.strip(), "a >= level", INPUT_RESET
    if _trains(spec):
        equations = f"{equations}\n{PLAYED.strip()}"
        # times of steps and of spikes are rounded
        threshold += " or t > due - 1*usecond"
        reset += f"; rank += 1; due = {TRAINS}(rank*second, train)"
    return GroupPlan(INPUTS, n, equations, threshold, reset, "euler", SLOW_CLOCK_MS)


def _trains(spec: CircuitSpec) -> int:
    """Return the rows of the table of spike trains; a few more spikes need no other program."""
    counts = [max(Counter(p.spikes.cell).values()) for p in spec.populations if p.spikes]
    return max(64, 2 ** (max(counts)).bit_length()) if counts else 0
