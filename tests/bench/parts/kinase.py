"""What learning costs: the plastic circuit over the same one with static synapses."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from brian2 import ms, second

from circuits.engine.plan import Plan
from circuits.engine.shared import out_of_synapse
from circuits.plasticity.learning import EFFICACIES
from circuits.plasticity.rules.registry import rule
from circuits.synapses.release import RELEASE_EQUATIONS, RELEASE_ON_PRE
from tests.bench.context import Circuit, Context
from tests.bench.measure import interleaved, ratios
from tests.bench.table import Row, skipped

TITLE = "cost of the kinase rule over the circuit with the same synapses static"
_TAG = "rule"
# so small that weights, and with them the activity, stay as they are; the gate still opens
_STILL = ("plasticity.rate=1e-9",)


def _literal(code: str, namespace) -> str:
    """Put the values of a namespace into code, for groups that have no namespace of their own."""
    for name, value in namespace.items():
        is_time = hasattr(value, "dim") and not value.dim.is_dimensionless
        text = f"({float(value / second)!r}*second)" if is_time else f"({float(value)!r})"
        code = re.sub(rf"\b{name}\b", text, code)
    return code


def static(circuit: Circuit) -> Circuit:
    """Return the circuit with its plastic synapses static, of the conductance that they have."""
    plan, arrays = circuit.condition.plan, dict(circuit.arrays)
    synapses = []
    for s in plan.synapses:
        if s.plastic:
            effect = "\n".join(s.on_pre.splitlines()[: 3 + len(s.conductances)])
            release = [x for x in s.equations.splitlines() if re.match("d(util|res)|proj|effic", x)]
            s = replace(
                s, plastic=False, on_post="", learn="", constants=(), on_pre=effect,
                equations="\n".join(release),
            )  # fmt: skip
            arrays.pop(f"{s.name}.w")
        synapses.append(s)
    arrays.pop("learning")
    groups = tuple(replace(g, learn="") for g in plan.groups)
    return _variant(
        circuit, replace(plan, groups=groups, synapses=tuple(synapses), noted_ms=0.0), arrays
    )


def with_form(circuit: Circuit, form: str) -> Circuit:
    """Return the circuit with the rule in another form, spike traces in the neurons.

    These traces do not wait for the delay of the axon, so the rule is not quite the same; what is
    compared is its cost. They live in all cells of a group, as everything of a group does.
    """
    plan, learning = circuit.condition.plan, circuit.condition.learning
    code = rule(learning.rule).brian2(
        form=form, traces="neuron", lr="learning_rate(t, copy_post)", tag=_TAG,
        bounds=learning.bounds, gate=0 * ms,
    )  # fmt: skip
    groups = {g.name: g for g in plan.groups}
    synapses = []
    for s in plan.synapses:
        if s.plastic:
            for side, model, reset, regular in (
                (s.source, code.pre_model, code.pre_reset, code.pre_regular),
                (s.target, code.post_model, code.post_reset, code.post_regular),
            ):
                g = groups[side]
                extra = ()
                if regular:
                    extra = ((_literal(regular, code.namespace), float(code.regular_dt / ms)),)
                groups[side] = replace(
                    g, equations=g.equations + "\n" + _literal(model, code.namespace),
                    reset=g.reset + _literal(reset, code.namespace),
                    updates=g.updates + extra,
                )  # fmt: skip
            weights = [f"{c.weight} : {c.unit} (constant)" for c in s.conductances]
            effects = [f"{c.variable}_post += efficacy*{c.weight}*released" for c in s.conductances]
            s = out_of_synapse(replace(
                s, on_pre="\n".join([RELEASE_ON_PRE.strip(), *effects]), on_post="", constants=(),
                learn=_literal(code.learn, code.namespace) + EFFICACIES[learning.efficacy],
                equations="\n".join(
                    [
                        RELEASE_EQUATIONS.strip(),
                        *weights,
                        _literal(code.synapse_model, code.namespace),
                        "efficacy : 1",
                        "factor : 1 (constant)",
                    ]
                ),
            ))  # fmt: skip
        synapses.append(s)
    return _variant(
        circuit,
        replace(plan, groups=tuple(groups[g.name] for g in plan.groups), synapses=tuple(synapses)),
        circuit.arrays,
    )


def _variant(circuit: Circuit, plan: Plan, arrays) -> Circuit:
    made = Circuit(circuit.size, circuit.cycles, circuit.settings, plan)
    made.arrays = arrays
    return made


def _rate(circuit: Circuit) -> float:
    spikes = circuit.launch(1.0)[1].spikes
    return float(np.sum([len(i) for i, _ in spikes.values()]))


def rows(context: Context) -> Iterator[Row | tuple]:
    """Yield the rows of this part."""
    exact = Circuit(context.largest, settings=_STILL)
    circuits = {"static": static(exact), "exact, event-driven": exact}
    for form in ("binned", "clock"):
        circuits[f"{form}"] = with_form(exact, form)
    failed = {}
    for name, circuit in list(circuits.items()):
        try:
            circuit.launch(0.01)
        except Exception as error:
            failed[name] = f"{type(error).__name__}: {error}"
            del circuits[name]
    duration = 1.0 if context.quick else 5.0
    found = interleaved({n: (lambda c=c: c.cost(duration)) for n, c in circuits.items()},
                        context.rounds)  # fmt: skip
    plastic = sum(s.n for s in exact.plan.synapses if s.plastic)
    still = _rate(circuits["static"])
    for name, circuit in circuits.items():
        if name == "static":
            continue
        yield Row(
            f"{name}: plastic over static, {context.largest}",
            tuple(ratios(found[name], found["static"])), against="the same circuit, static",
            at_most=1.10 if name.startswith("exact") else None,
            note=f"{plastic} plastic of {exact.synapses} synapses; "
            f"{_rate(circuit) / still:.3f} times as many spikes",
        )  # fmt: skip
        extra = [(a - b) * 1e6 / plastic for a, b in zip(found[name], found["static"], strict=True)]
        yield Row(f"{name}: more CPU time, each plastic synapse", tuple(extra),
                  "us per biological s", "the same circuit, static")  # fmt: skip
    for name, why in failed.items():
        yield skipped(f"{name}: plastic over static", why)
