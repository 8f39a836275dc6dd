"""The same circuit in plain Brian2, as a user of Brian2 would write it from the tables.

A NeuronGroup for each population with the receptors that it has, a Synapses for each projection,
Brian2's own integration (exponential Euler), functions and compiler flags, a refractory period as
spike detection, and the kinases as differential equations on the clock of the membrane. Cells,
wiring, delays and parameters are the same numbers; random numbers are others.
"""

from __future__ import annotations

import numpy as np
from brian2 import Network, NeuronGroup, Quantity, SpikeMonitor, Synapses, TimedArray, ms

from cells.models import cell_class
from circuits.engine.arrays import cells_of
from circuits.engine.equations import SLOW_CLOCK_MS, TAU_NOISE_MS
from circuits.engine.plan import group_of
from circuits.engine.planner import cell_parameters
from circuits.plasticity.rules.registry import rule
from circuits.runfiles.model import BIN_MS
from circuits.synapses.receptors import conductance, receptor_equations
from circuits.synapses.release import RELEASE_EQUATIONS, RELEASE_ON_PRE

_NOISE = (
    f"I_noise = I_noise*exp(-{SLOW_CLOCK_MS}/{TAU_NOISE_MS})"
    f" + noise_sd*sqrt(1 - exp(-2*{SLOW_CLOCK_MS}/{TAU_NOISE_MS}))*randn()"
)
_INJECTED = "I_noise : amp\nnoise_sd : amp (constant)\nI_bias : amp (constant)"
_INPUT = """
rate = lgn_rate(t, channel)*seen + r_peak*clip(cos(2*pi*(t/cycle - peak - pacing(t))), 0, 1) : Hz
seen : 1 (constant)
r_peak : Hz (constant)
peak : 1 (constant)
cycle : second (constant)
channel : integer (constant)
"""
_TAG = "rule"


def _name(population: str) -> str:
    return population.replace(".", "_")


def _part(spec, projection):
    model = cell_class(spec.population(projection.target).cell).model
    return next(part for part in model.compartments if part.name == projection.at)


def _received(spec, p) -> set:
    """Conductances of one projection."""
    return {conductance(receptor, _part(spec, p)) for receptor, _ in p.receptors}


def _equations(spec, population, code, role: str) -> str:
    model = cell_class(population.cell).model
    conductances = set().union(
        *(_received(spec, p) for p in spec.projections if p.target == population.name)
    )
    conductances = sorted(conductances, key=lambda c: c.variable)
    lines = [x for x in model.equations().splitlines() if "_last" not in x]
    lines += [
        receptor_equations(part, conductances, "" if k else "I_noise + I_bias")
        for k, part in enumerate(model.compartments)
    ]
    lines.append(_INJECTED)
    if code is not None:
        lines += [code.pre_model] * ("pre" in role) + [code.post_model] * ("post" in role)
    return "\n".join(lines)


def _put(group, variable, values):
    dim = group.variables[variable].dim
    setattr(group, variable, Quantity(values, dim=dim) if values.dtype.kind == "f" else values)


def make(condition, arrays) -> tuple[Network, dict[str, SpikeMonitor]]:
    """Return the network of a condition of a run file, with the numbers of `arrays_of`.

    Parameters
    ----------
    condition : Condition
    arrays : dict of str to array

    Returns
    -------
    network : Network
    monitors : dict of str to SpikeMonitor
        By population.
    """
    spec, learning = condition.spec, condition.learning
    cells = cells_of(spec)
    index = {p.name: cells.index[cells.population == p.name] for p in spec.populations}
    bin_ = BIN_MS * ms
    rates = TimedArray(arrays["stimulus"] * Quantity(1.0, dim=(1 / ms).dim), dt=bin_)
    pacing = TimedArray(arrays["pacing"], dt=bin_)
    namespace = {"lgn_rate": rates, "pacing": pacing, "bin_length": bin_}
    code, sources, targets = None, set(), set()
    if learning is not None:
        learning_rate = TimedArray(arrays["learning"], dt=bin_)
        namespace["learning_rate"] = learning_rate
        code = rule(learning.rule).brian2(
            form="clock", lr="learning_rate(t)", tag=_TAG, bounds=learning.bounds, gate=0 * ms
        )
        namespace |= dict(code.namespace)
        chosen = set(learning.chosen(spec))
        sources = {spec.projections[k].source for k in chosen}
        targets = {spec.projections[k].target for k in chosen}
    groups = {}
    for population in spec.populations:
        name, n = population.name, spec.count(population.name)
        if population.is_input:
            group = NeuronGroup(
                n, _INPUT, threshold="rand() < rate*dt", dt=SLOW_CLOCK_MS * ms, name=_name(name),
                namespace=namespace,
            )  # fmt: skip
        else:
            role = ("pre" if name in sources else "") + ("post" if name in targets else "")
            reset = (code.pre_reset if "pre" in role else "") + (
                code.post_reset if "post" in role else ""
            )
            learn = "learning_rate(t) > 0 and timestep(t, dt) % timestep(bin_length, dt) == 0"
            group = NeuronGroup(
                n, _equations(spec, population, code, role), threshold="v > -15*mV",
                refractory="v > -15*mV", reset=reset, method="exponential_euler",
                name=_name(name), namespace=namespace,
                events={"learn": learn} if "post" in role else None,
            )  # fmt: skip
            group.run_regularly(_NOISE, dt=SLOW_CLOCK_MS * ms)
        if not population.is_input:
            conductances = condition.plan.group(group_of(population)).conductances
            shared = cell_parameters(spec, population, conductances, condition.plan.dt_ms)
            for variable, value in shared.items():
                if variable in group.variables:
                    _put(group, variable, np.full(n, value))
        for key, values in arrays.items():
            of, _, variable = key.partition(".")
            if of == group_of(population) and variable in group.variables:
                _put(group, variable, np.asarray(values)[index[name]])
        groups[name] = group
    synapses = []
    for s in condition.plan.synapses:
        first = 0
        for number in s.projections:
            p = spec.projections[number]
            part = slice(first, first + p.indegree * spec.count(p.target))
            first = part.stop
            synapses.append(
                _synapses(spec, p, s, part, groups, index, arrays, namespace,
                          code if s.plastic else None, number)
            )  # fmt: skip
    monitors = {name: SpikeMonitor(group) for name, group in groups.items()}
    return Network(*groups.values(), *synapses, *monitors.values()), monitors


def _synapses(spec, p, s, part, groups, index, arrays, namespace, code, number) -> Synapses:
    received = sorted(_received(spec, p), key=lambda c: c.variable)
    factor = "" if code is None else "w*"
    model = [RELEASE_EQUATIONS.strip(), *(f"{c.weight} : {c.unit} (constant)" for c in received)]
    on_pre = [RELEASE_ON_PRE.strip()]
    on_pre += [f"{c.variable}_post += {factor}{c.weight}*released" for c in received]
    options = {}
    if code is not None:
        model.append(code.synapse_model)
        options = {"on_post": {"learn": code.learn}, "on_event": {"learn": "learn"}}
    made = Synapses(
        groups[p.source], groups[p.target], "\n".join(model), on_pre="\n".join(on_pre),
        method="exponential_euler", namespace=namespace, name=f"projection_{number}", **options,
    )  # fmt: skip
    i = np.asarray(arrays[f"{s.name}.i"])[part] - index[p.source][0]
    j = np.asarray(arrays[f"{s.name}.j"])[part] - index[p.target][0]
    made.connect(i=i.astype(np.int32), j=j.astype(np.int32))
    for key, values in arrays.items():
        of, _, variable = key.partition(".")
        if of != s.name or variable in ("i", "j"):
            continue
        owner = made.pre if variable == "delay" else made
        if variable in owner.variables:
            _put(owner, variable, np.asarray(values)[part])
    return made


def make_from_file(size: str, cycles: int, seed: int, name: str = "predictive_learning"):
    """Return `make` of the learning circuit: what a new process can be told in a few words."""
    from circuits.driver.inputs import arrays_of
    from circuits.runfiles.resolve import resolve

    run = resolve(name, size=size, cycles=cycles, conditions=["learning"])
    condition = run.conditions[0]
    return make(condition, arrays_of(condition, run.cycle, seed)[0])
