"""Equations of what manipulations let vary: each variable follows a column of one table of time."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from brian2 import mV

from circuits.engine.equations import COURSES, SLOW_CLOCK_MS, column
from circuits.engine.plan import GroupPlan, SynapsePlan
from circuits.manipulations.model import ADDED
from circuits.manipulations.vocabulary import silence_table

__all__ = [
    "columns_of",
    "courses",
    "multiplied",
    "variables",
    "varied_inputs",
    "varied_synapses",
]

_COLUMNS = 8  # another number of manipulations rarely compiles another program


def columns_of(n: int) -> int:
    """Return the columns of a table of ``n`` courses and the two constant ones."""
    return -(-(n + 2) // _COLUMNS) * _COLUMNS


def variables(varied: Sequence[tuple[str, str]], names: set[str]) -> tuple[str, ...]:
    """Return the varied variables of some populations or projections."""
    return tuple(sorted({variable for name, variable in varied if name in names}))


def courses(mine: Sequence[str], v: str) -> tuple[str, list[str], list[tuple[str, float]]]:
    """Return the currents of a soma, equations, and updates of the variables of a group.

    Parameters
    ----------
    mine : sequence of str
        Variables of its cells.
    v : str
        Somatic potential.
    """
    somatic, equations, updates = "I_noise + I_bias", [], []
    for variable in mine:
        course = f"{COURSES}(t, {column(variable)})"
        equations.append(f"{column(variable)} : integer (constant)")
        if variable in ADDED:
            equations.append(f"{variable} : {ADDED[variable]}")
            updates.append((f"{variable} = {course}*{ADDED[variable]}", SLOW_CLOCK_MS))
        else:
            equations.append(f"course_{variable} : 1")
            updates.append((f"course_{variable} = {course}", SLOW_CLOCK_MS))
    if "I_inject" in mine:
        somatic += " + I_inject"
    if "g_silence" in mine:
        somatic += " + I_silence"
        level = float(silence_table()["E"] / mV)
        equations.append(f"I_silence = g_silence*({level!r}*mV - {v}) : amp")
    return somatic, equations, updates


def multiplied(equations: str, mine: Sequence[str]) -> str:
    """Put the course beside every parameter that manipulations multiply, where it is used."""
    for variable in set(mine) - set(ADDED):
        lines = [
            line
            if re.match(rf"(course_)?{variable} : ", line)
            else re.sub(rf"\b{variable}\b", f"({variable}*course_{variable})", line)
            for line in equations.splitlines()
        ]
        equations = "\n".join(lines)
    return equations


def varied_inputs(plan: GroupPlan, varied: Sequence[tuple[str, str]]) -> GroupPlan:
    """Let a course multiply the rate of inputs."""
    if not any(variable == "rate" for _, variable in varied):
        return plan
    course = f"{COURSES}(t, {column('rate')})"
    equations = re.sub(r"^rate = (.*) : Hz", rf"rate = (\1)*{course} : Hz", plan.equations)
    return replace(
        plan, equations=f"{equations}\n{column('rate')} : integer (constant)", varied=("rate",)
    )


def varied_synapses(
    plan: SynapsePlan, names: set[str], varied: Sequence[tuple[str, str]]
) -> SynapsePlan:
    """Let courses multiply what is released, the utilisation, or the learning rate of synapses."""
    mine = variables(varied, names)
    if not mine:
        return plan
    texts = {key: getattr(plan, key) for key in ("on_pre", "on_post", "learn")}
    for variable in mine:
        course = f"({variable}*{COURSES}(t, {column(variable)}))"
        if variable == "released":
            # the resources are used up all the same
            texts["on_pre"] = re.sub(r"\*released\b", f"*{course}", texts["on_pre"])
        else:
            texts = {k: re.sub(rf"\b{variable}\b", course, text) for k, text in texts.items()}
    columns = [f"{column(variable)} : integer (constant)" for variable in mine]
    equations = "\n".join([plan.equations, *columns])
    return replace(plan, equations=equations, varied=mine, **texts)
