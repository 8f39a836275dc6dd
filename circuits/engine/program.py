"""From a plan to Brian2 objects: the only place that makes NeuronGroups and Synapses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from brian2 import (
    BrianLogger,
    Clock,
    Equations,
    Hz,
    Network,
    NetworkOperation,
    NeuronGroup,
    Quantity,
    SpikeMonitor,
    StateMonitor,
    Synapses,
    TimedArray,
    get_device,
    ms,
    second,
)
from brian2.stateupdaters.exact import get_linear_system, linear
from brian2.synapses import synapses as brian2_synapses
from brian2.utils import caching

from cells.integration import METHODS
from cells.parameters import InputError
from circuits.engine.equations import COURSES, TRAINS, brian_namespace
from circuits.engine.noise import RANDOM
from circuits.engine.plan import INPUTS, GroupPlan, Plan, SynapsePlan
from circuits.engine.shared import SHARED
from circuits.plasticity.learning import LEARNING_RATE

__all__ = ["Program", "check_network", "construct"]

# inputs have a slow clock on purpose; their delays are rounded to it
BrianLogger.suppress_name("synapses_dt_mismatch")
# what an interrupt or an error cuts short never gets into a network
BrianLogger.suppress_name("unused_brian_object")

STIMULUS = "lgn_rate"
PACING = "pacing"
#: Arrays of a run over bins, and the function of time that each becomes.
TIMED = {"stimulus": STIMULUS, "pacing": PACING, "learning": LEARNING_RATE, COURSES: COURSES,
         TRAINS: TRAINS, SHARED: SHARED}  # fmt: skip
#: Of these the rows are no bins, but numbers, called by so many seconds.
_NUMBERED = (TRAINS, SHARED)


@dataclass
class Program:
    """The Brian2 objects of a plan, and where each array of a run went.

    Attributes
    ----------
    network : Network
    spikes : dict of str to SpikeMonitor
        Per group.
    traces : dict of str to StateMonitor
    weights : dict of str to StateMonitor
        Per plastic Synapses.
    groups : dict of str to NeuronGroup
    static : dict of str to list of str
        Standalone only: array of the run -> files that it is stored in.
    """

    network: Network
    spikes: dict
    traces: dict
    weights: dict
    groups: dict
    static: dict[str, list[str]]


def _solve(equations, variables) -> str:
    """Solve the equations between two events of a synapse (as Brian2's ``linear``, same result).

    Where none depends on another they are solved one by one. Brian2 takes the matrix exponential of
    all of them, for each pathway anew: half of the time that generating a circuit took. Given what
    is in an equation alone, it remembers those of another pathway.
    """
    names, matrix, _ = get_linear_system(equations, variables)
    if not matrix.is_diagonal():
        return linear(equations, variables)
    solved = []
    for name in names:
        used = {"dt", name} | equations[name].identifiers
        own = {key: variable for key, variable in variables.items() if key in used}
        solved.append(linear(Equations([equations[name]]), own))
    return "\n".join(solved)


_brian2_hashable = caching._hashable
_HASHED = frozenset({str, int, bool, float, type(None)})


def _hashable(value):
    """Return a key for Brian2's memory of what it has generated (as its own, same result).

    It looks at every attribute of every variable of every object: a quarter of generating.
    """
    return value if type(value) in _HASHED else _brian2_hashable(value)


def _setter(static: dict):
    """Return set(obj, variable, values) that notes which static arrays standalone made of it."""

    def put(owner, variable: str, key: str, values: np.ndarray) -> None:
        device = get_device()
        before = set(getattr(device, "static_arrays", ()))
        dim = owner.variables[variable].dim
        setattr(owner, variable, Quantity(values, dim=dim) if values.dtype.kind == "f" else values)
        static[key] = sorted(set(getattr(device, "static_arrays", ())) - before)

    return put


class _Clocks(dict):
    """One clock for each period in ms: what has none of its own slows every step down."""

    def __missing__(self, period: float) -> Clock:
        self[period] = Clock(period * ms, name=f"step{len(self)}_clock")
        return self[period]


def _make_group(plan: GroupPlan, namespace: dict, clocks: _Clocks) -> NeuronGroup:
    method = METHODS[plan.method].updater if plan.method in METHODS else plan.method
    events = {name: getattr(plan, name) for name in ("learn", "onset") if getattr(plan, name)}
    if plan.upstroke:
        events["upstroke"] = plan.upstroke.condition
    group = NeuronGroup(
        plan.n, Equations(plan.equations), threshold=plan.threshold, reset=plan.reset,
        method=method, clock=clocks[plan.dt_ms], name=plan.name,
        namespace={**RANDOM, **namespace, **brian_namespace(plan.constants)},
        events=events,
    )  # fmt: skip
    if plan.upstroke:
        plan.upstroke.attach(group)
    if plan.onset:
        group.run_on_event("onset", "t_onset = t")
    for k, (code, period) in enumerate(plan.updates):
        group.run_regularly(code, clock=clocks[period], name=f"{plan.name}_noise{k or ''}")
    return group


def _make_synapses(
    plan: SynapsePlan, groups: dict, arrays: Mapping, static: dict, timed: Mapping, clocks: _Clocks
) -> Synapses:
    options = {}
    if plan.plastic:
        # spikes of one step meet once: those that arrive, then those that go out
        options = {"on_post": {"post": plan.on_post}, "on_event": {"post": "spike"}}
        if plan.learn:
            options["on_post"]["learn"] = plan.learn
            options["on_event"]["learn"] = "learn"
    synapses = Synapses(
        groups[plan.source], groups[plan.target], plan.equations, on_pre=plan.on_pre,
        method="exact", clock=clocks[plan.dt_ms], name=plan.name,
        namespace={**brian_namespace(plan.constants), **timed}, **options,
    )  # fmt: skip
    if plan.plastic:
        synapses.post.when = "after_resets"
    device = get_device()
    known = getattr(device, "static_arrays", {})
    before = set(known)
    i, j = (np.asarray(arrays[f"{plan.name}.{k}"], dtype=np.int32) for k in "ij")
    synapses.connect(i=i, j=j)
    made = sorted(set(known) - before)
    for key, suffix in (("i", "sources"), ("j", "targets")):
        static[f"{plan.name}.{key}"] = [name for name in made if suffix in name]
    put = _setter(static)
    prefix = f"{plan.name}."
    for key in sorted(arrays):
        if key.startswith(prefix) and (variable := key[len(prefix) :]) not in ("i", "j"):
            put(synapses.pre if variable == "delay" else synapses, variable, key, arrays[key])
    return synapses


def construct(plan: Plan, arrays: Mapping[str, np.ndarray]) -> Program:
    """Make the Brian2 objects of a plan and give them their numbers.

    Parameters
    ----------
    plan : Plan
    arrays : mapping of str to array
        From `draw_arrays`, and over bins ``"stimulus"`` (bin, channel) in Hz, ``"pacing"`` (bin,
        copy), the shift of the rhythms in cycles, ``"learning"`` (bin, copy), the learning rate,
        where the plan learns, and ``"courses"`` (bin, column), where manipulations let something
        vary; of a single copy (bin) will do. ``"trains"`` (spike, column), s, where inputs play
        spike trains; ``"shared"`` from `circuits.engine.shared.table_of`.

    Returns
    -------
    Program
    """
    static: dict[str, list[str]] = {}
    put = _setter(static)
    clocks = _Clocks()
    brian2_synapses.linear = _solve
    caching._hashable = _hashable
    timed = {
        name: TimedArray(
            np.reshape(arrays[key], (len(arrays[key]) if key in _NUMBERED else plan.bins, -1))
            * {"stimulus": Hz, TRAINS: second}.get(key, 1),
            dt=1 * second if key in _NUMBERED else plan.bin_ms * ms, name=name,
        )
        for key, name in TIMED.items()
        if key in arrays
    }  # fmt: skip
    rate = {LEARNING_RATE: timed[LEARNING_RATE]} if plan.learns else {}
    courses = {COURSES: timed[COURSES]} if plan.columns else {}
    groups = {}
    for g in plan.groups:
        inputs = {key: timed[key] for key in (STIMULUS, PACING, TRAINS) if key in timed}
        namespace = inputs if g.name == INPUTS else rate if g.learn else {}
        if g.varied:
            namespace = namespace | courses
        groups[g.name] = _make_group(g, namespace, clocks)
        prefix = f"{g.name}."
        for key in sorted(arrays):
            if key.startswith(prefix):
                put(groups[g.name], key[len(prefix) :], key, arrays[key])
    synapses = [
        _make_synapses(
            s,
            groups,
            arrays,
            static,
            {SHARED: timed[SHARED]} | (rate if s.plastic else {}) | (courses if s.varied else {}),
            clocks,
        )
        for s in plan.synapses
    ]
    spikes = {name: SpikeMonitor(g, name=f"spikes_{name}") for name, g in groups.items()}
    every = groups | {s.name: made for s, made in zip(plan.synapses, synapses, strict=True)}
    traces = {
        one.name: StateMonitor(
            every[one.of], list(one.variables), record=list(one.indices), name=one.name,
            clock=clocks[one.period_ms], order=1,  # with the currents that are set for this step
        )
        for one in plan.traces
    }  # fmt: skip
    weights = {
        s.name: StateMonitor(
            made, "w", record=np.arange(s.n), clock=clocks[plan.noted_ms], name=f"weights_{s.name}"
        )
        for s, made in zip(plan.synapses, synapses, strict=True)
        if s.plastic
    }
    monitors = (*spikes.values(), *traces.values(), *weights.values())
    network = Network(*groups.values(), *synapses, *monitors)
    return Program(network, spikes, traces, weights, groups, static)


def check_network(network: Network) -> None:
    """Refuse what a compiled program would drop, or get wrong, without a word.

    Parameters
    ----------
    network : Network

    Raises
    ------
    InputError
        For a NetworkOperation, which standalone devices leave out; for Synapses whose step is not
        that of the group whose spikes they carry: spikes would be timed on the wrong clock
        (brian2cuda #222); for a name with capitals: Brian2CUDA writes what is set at launch in
        small letters, and some file systems know no others.
    """
    for o in sorted(network.objects, key=lambda o: o.name):
        if isinstance(o, NetworkOperation):
            raise InputError(
                f"'{o.name}' is a network operation, which a compiled program leaves out; say it in"
                " equations or with run_regularly"
            )
        if o.name != o.name.lower():
            raise InputError(f"'{o.name}' has capitals; call it '{o.name.lower()}'")
        for pathway in o._pathways if isinstance(o, Synapses) else ():
            own, its = (float(x.clock.dt / ms) for x in (o, pathway.source))
            if abs(own - its) > 1e-9:
                raise InputError(
                    f"'{o.name}' has a step of {own:g} ms, but '{pathway.source.name}', whose"
                    f" spikes reach it, {its:g} ms; they must agree"
                )
