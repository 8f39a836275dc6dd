"""Records put into the plan of a program."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from cells.parameters import nearest
from circuits.anatomy.spec import CircuitSpec
from circuits.engine.plan import Plan, Trace
from circuits.recordings.model import Record
from circuits.recordings.quantities import Variable, of_cells, of_synapses, owner

__all__ = ["SUMMED", "lacking", "trace_name", "variables_of", "with_records"]

#: Receptors of which an LFP proxy sums the currents.
SUMMED = ("AMPA", "GABA_A")


def variables_of(
    record: Record, spec: CircuitSpec, plan: Plan, target: str
) -> dict[str, tuple[Variable, ...]]:
    """Return the variables of one target by name in the result; without those that it lacks."""
    known = (of_synapses if record.of_synapses else of_cells)(spec, plan, target)
    if not record.summed:
        return {name: (known[name],) for name in record.what if name in known}
    currents = {v.name: v for v in known.values() if v.name.startswith("I_")}
    return {
        receptor: tuple(
            v for name, v in currents.items() if name in (f"I_{receptor}", f"I_{receptor}_d")
        )
        for receptor in SUMMED
    }


def trace_name(record: Record, of: str) -> str:
    """Return the name of the trace of a record in a program, of a group or Synapses."""
    return f"record_{record.name}_{of}"


def lacking(record: Record, spec: CircuitSpec, plan: Plan) -> dict[tuple[str, str], str]:
    """Return what a target has not, (target, name), with the end of a line that says what it has.

    Raises
    ------
    InputError
        For a target that there is not, or that has not so many cells or synapses.
    """
    missing = {}
    for target in record.targets(spec):
        record.indices(owner(spec, plan, target)[2], target)
        known = (of_synapses if record.of_synapses else of_cells)(spec, plan, target)
        for name in record.what if not record.summed else ():
            if name not in known:
                missing[target, name] = nearest(name, known)
    return missing


def with_records(plan: Plan, spec: CircuitSpec, records: Sequence[Record]) -> Plan:
    """Return a plan whose program records.

    Parameters
    ----------
    plan : Plan
        Of one copy.
    spec : CircuitSpec
    records : sequence of Record

    Returns
    -------
    Plan
        The same, where there are no records.

    Raises
    ------
    InputError
        As `lacking`; what a target has not is left out.
    """
    traces: list[Trace] = []
    added: dict[str, dict[str, None]] = {}
    for record in records:
        indices: dict[str, list[int]] = {}
        variables: dict[str, dict[str, Variable]] = {}
        for target in record.targets(spec):
            of, first, n = owner(spec, plan, target)
            mine = [v for some in variables_of(record, spec, plan, target).values() for v in some]
            if not mine:
                continue
            indices.setdefault(of, []).extend((first + record.indices(n, target)).tolist())
            variables.setdefault(of, {}).update((v.name, v) for v in mine)
        for of, chosen in indices.items():
            traces.append(
                Trace(
                    trace_name(record, of), of, tuple(sorted(variables[of])), tuple(chosen),
                    record.interval, record.summed,
                )
            )  # fmt: skip
            equations = [v.equation for v in variables[of].values() if v.equation]
            added.setdefault(of, {}).update(dict.fromkeys(equations))
    if not traces:
        return plan

    def with_equations(part):
        return replace(part, equations="\n".join([part.equations, *added.get(part.name, ())]))

    return replace(
        plan, traces=tuple(traces), groups=tuple(map(with_equations, plan.groups)),
        synapses=tuple(map(with_equations, plan.synapses)),
    )  # fmt: skip


def chosen_of(record: Record, spec: CircuitSpec, plan: Plan) -> dict[str, np.ndarray]:
    """Return the chosen indices in each population or projection of a record."""
    return {
        target: record.indices(owner(spec, plan, target)[2], target)
        for target in record.targets(spec)
    }
