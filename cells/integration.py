"""Integration: a staggered second-order exponential scheme, and the tests' reference.

`staggered` is a Brian2 ``method=``. Gates, concentrations and conductances live half a step from
the membrane potentials, as in the leapfrog of Hines (doi:10.1016/0020-7101(84)90008-4): every step
first moves them with the old potentials, then moves each potential with the new gates. Each
variable is moved by an exponential Rosenbrock step,

    x(t + dt) = x(t) + dt f(x) phi(J dt),   J = df/dx,   phi(z) = (exp(z) - 1)/z,

which is the usual exponential Euler step when f is linear in x, and stays second order when it is
not (instantaneous gates, magnesium block). phi is its [0/2] Pade approximant 1/(1 - z/2 + z^2/12):
no exponential, no branch and no pole on the real axis.

Two coupled potentials are one vector, moved with their 2 x 2 Jacobian. What follows from gates (a
calcium pool from its channels) sees the mean of their old and new values, which is their value in
the middle of its own step. Both keep the order 2 that one-after-the-other would lose.

Equations stay in their textbook form.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import sympy
from brian2 import Function
from brian2.codegen.generators.numpy_generator import NumpyCodeGenerator
from brian2.core.functions import DEFAULT_FUNCTIONS
from brian2.parsing.sympytools import str_to_sympy, sympy_to_str
from brian2.stateupdaters.base import UnsupportedEquationsException
from brian2.stateupdaters.explicit import rk4
from brian2.units import volt
from brian2.units.fundamentalunits import have_same_dimensions
from scipy.special import exprel

from cells.fast_math import NONZERO_CPP

__all__ = ["METHODS", "Method", "Upstroke", "reference", "staggered"]

# Brian2 wraps a numpy function in a unit check that formats its arguments at every call, most of
# the time of a step; the units of equations are checked once anyway.
for _name, _code in {"exprel": exprel, "expm1": np.expm1}.items():
    DEFAULT_FUNCTIONS[_name].implementations.add_implementation(NumpyCodeGenerator, code=_code)


def _nonzero() -> Function:
    """Return a function that puts 1e-100 for 0: x/expm1(x) is then right, and so are squares."""

    def compute(x):
        return np.where(x == 0, 1e-100, x)

    made = Function(
        compute, arg_units=[1], arg_types=["float"], return_unit=1, return_type="float"
    )  # fmt: skip
    made.implementations.add_implementation(NumpyCodeGenerator, code=compute)
    for target, code in {
        "cpp": NONZERO_CPP,
        "cython": f"cdef extern from *:\n    '''{NONZERO_CPP}'''\n"
        "    double _pulvinar_nonzero(double x) nogil\n",
        "cuda": NONZERO_CPP.replace("static inline", "__host__ __device__ static inline"),
    }.items():
        made.implementations.add_implementation(target, code=code, name="_pulvinar_nonzero")
    return made


DEFAULT_FUNCTIONS["nonzero"] = _nonzero()


_TWELFTH = "0.08333333333333333"


def _potentials(equations) -> list[str]:
    names = (n for n in equations.diff_eq_names if have_same_dimensions(equations[n].dim, volt))
    return sorted(names)


def _symbol(name):
    return sympy.Symbol(name, real=True)


def _exact(code: str) -> str:
    """Write decimals as fractions: what is rounded already cannot be put together well."""
    number = r"(?<![\w.])(?:\d+\.\d*|\.\d+|\d+(?=[eE]))(?:[eE][-+]?\d+)?(?![\w.])"
    return re.sub(number, lambda found: f"({Fraction(found[0])})", code)


def _depends(expression, x, subexpressions) -> bool:
    """Return whether an expression has x in it, itself or through its sub-expressions."""
    return any(
        str(s) == x
        or (str(s) in subexpressions and _depends(subexpressions[str(s)], x, subexpressions))
        for s in expression.free_symbols
    )


def _rational(x, f, subexpressions):
    """Return lines that name the functions in ``f``, and ``f`` as a fraction of these names.

    None if ``f`` is not linear in ``x``. Sub-expressions are put in, except into the
    arguments of functions. Exponentials whose arguments are small multiples of one another are
    powers of one of them; exprel(a) is expm1(a)/a.
    """
    names = {}

    def flat(expression):
        if str(expression) in subexpressions:
            return flat(subexpressions[str(expression)])
        if expression.is_Function:
            return names.setdefault(expression, sympy.Dummy())
        return expression.func(*map(flat, expression.args)) if expression.args else expression

    f = flat(f)
    if (
        any(_depends(function, x, subexpressions) for function in names)
        or sympy.diff(f, _symbol(x), 2) != 0
    ):
        return None
    lines, values, exponentials = [], {}, {}
    for function in sorted(names, key=str):
        name, argument = f"_e{len(values)}_{x}", function.args[0]
        if function.func is sympy.exp:
            for first, powers in exponentials.items():
                ratio = sympy.cancel(argument / first)
                if ratio.is_Rational and max(abs(ratio.p), ratio.q) <= 2:
                    powers[function] = ratio
                    break
            else:
                exponentials[argument] = {function: sympy.Integer(1)}
        elif function.func.__name__ == "exprel":
            at = f"{name}_at"
            lines += [f"{at} = nonzero({sympy_to_str(argument)})", f"{name} = expm1({at})"]
            values[names[function]] = _symbol(name) / _symbol(at)
        else:
            lines.append(f"{name} = {sympy_to_str(function)}")
            values[names[function]] = _symbol(name)
    for argument, powers in exponentials.items():
        name = f"_e{len(values)}_{x}"
        unit = sympy.Rational(1, math.lcm(*(power.q for power in powers.values())))
        lines.append(f"{name} = exp({sympy_to_str(argument * unit)})")
        values |= {names[k]: _symbol(name) ** (power / unit) for k, power in powers.items()}
    return lines, f.subs(values)


def _over_parameters(terms, parameters) -> list:
    """Put terms over one denominator, a product of parameters; return numerators, denominator.

    Denominators without any parameter of a cell stay where they are: they are the same for all.
    """
    names = {}

    def keep(expression):
        """Put names for what is no fraction of parameters."""
        divided = expression.is_Pow and expression.exp.is_negative
        number = expression.is_Rational and not expression.is_Integer
        if expression.is_Function or number or (divided and expression.base not in parameters):
            return names.setdefault(expression, sympy.Dummy())
        return expression.func(*map(keep, expression.args)) if expression.args else expression

    found = [sympy.fraction(sympy.together(keep(term))) for term in terms]
    common = sympy.lcm_list([d for _, d in found])
    shared = sorted(parameters & common.free_symbols, key=str)
    back = {dummy: expression for expression, dummy in names.items()}
    above = [sympy.collect(n * sympy.cancel(common / d), shared) for n, d in found]
    return [*(n.xreplace(back) for n in above), common]


class _Step:
    """Writes the abstract code of a step, or of a part of one.

    Parameters
    ----------
    equations : Equations
    variables : dict
        Of the group; the code depends on which names are in it.
    """

    def __init__(self, equations, variables):
        self.variables = variables
        self.expressions = {
            name: str_to_sympy(_exact(equations[name].expr.code), variables)
            for name in (*equations.diff_eq_names, *equations.subexpr_names)
        }
        self.parameters = {_symbol(name) for name in equations.parameter_names}
        self.subexpressions = {name: self.expressions[name] for name in equations.subexpr_names}
        self.dt = _symbol("dt")
        self.potentials = _potentials(equations)
        # sets have no order: sort, so that the generated code is the same in every process. What
        # follows from other gates (a calcium pool) comes after them.
        others = sorted(set(equations.diff_eq_names) - set(self.potentials))
        self.others = self._in_order(others)
        # What no potential drives (a synaptic conductance) does not live at half steps: it jumps at
        # the spikes, on the grid. Potentials see its mean over the step, or they would miss half a
        # step of the charge of every synaptic event.
        self.free = {x for x in others if not any(self.depends(x, v) for v in self.potentials)}
        self.sources = self.free.union(*(self._depending_on(x, others) for x in others))

    def _in_order(self, others: list[str]) -> list[str]:
        """Return what is no potential, each after what it follows from."""
        left = {x: self._depending_on(x, others) for x in others}
        left = dict(sorted(left.items(), key=lambda item: len(item[1])))
        found: list[str] = []
        while left:
            free = next((x for x, needs in left.items() if needs <= set(found)), None)
            if free is None:
                raise UnsupportedEquationsException(
                    f"staggered: {' and '.join(map(repr, sorted(left)[:2]))} follow from each other"
                    " and are no membrane potentials (volt)"
                )
            found.append(free)
            del left[free]
        return found

    def _depending_on(self, x: str, others) -> set[str]:
        return {y for y in others if y != x and self.depends(x, y)}

    def depends(self, x: str, y: str) -> bool:
        """Return whether the slope of ``x``, or a sub-expression ``x``, has ``y`` in it."""
        return _depends(self.expressions[x], y, self.subexpressions)

    def derivative(self, expression, x: str):
        """Total derivative by the chain rule through the sub-expressions."""
        try:
            total = sympy.diff(expression, _symbol(x))
        except AttributeError:  # sympy knows none of what is true or not
            total = sympy.Derivative(_symbol(x))
        for s in sorted(expression.free_symbols, key=str):
            if str(s) in self.subexpressions and self.depends(str(s), x):
                inner = self.expressions[str(s)]
                if inner.is_Pow and inner.exp == -1:  # a reciprocal: use it again
                    slope = -(s**2) * self.derivative(inner.base, x)
                else:
                    slope = self.derivative(inner, x)
                total += sympy.diff(expression, s) * slope
        if total.has(sympy.Derivative, sympy.Subs):
            raise UnsupportedEquationsException(
                f"staggered: the derivative by '{x}' of {sympy_to_str(expression)} is not known"
            )
        return total

    def _held(self, expression, moved):
        """Put the means of old and new values for the variables moved already in this step."""
        for s in sorted(expression.free_symbols, key=str):
            if str(s) in moved:
                expression = expression.subs(s, _symbol(f"_mean_{s}"))
            elif str(s) in self.subexpressions and any(self.depends(str(s), y) for y in moved):
                expression = expression.subs(s, self._held(self.expressions[str(s)], moved))
        return expression

    def _move(self, x: str) -> list[str]:
        if f"{x}_last" in self.variables:
            return [f"{x}_last = {x}", f"{x} = _next_{x}"]
        if x in self.sources:
            return [f"_mean_{x} = 0.5*({x} + _next_{x})", f"{x} = _next_{x}"]
        return [f"{x} = _next_{x}"]

    def _once(self, x: str, *terms) -> tuple[list[str], list]:
        """Give the sub-expressions of several terms a name, so that each is evaluated once."""
        used = {str(s) for term in terms for s in term.free_symbols} & set(self.subexpressions)
        named = {_symbol(s): _symbol(f"_{s}_of_{x}") for s in sorted(used)}
        lines = [f"{new} = {old}" for old, new in named.items()]
        return lines, [term.subs(named) for term in terms]

    def single(self, x: str, moved=()) -> list[str]:
        """Move one variable; ``moved`` are those whose means it sees."""
        dt = self.dt
        f = self._held(self.expressions[x], moved)
        jacobian = self._held(self.derivative(self.expressions[x], x), moved)
        if jacobian == 0:
            return [f"_next_{x} = {x} + dt*({sympy_to_str(f)})", *self._move(x)]
        if not {str(s) for s in jacobian.free_symbols} & set(self.expressions):
            if sympy.simplify(f - jacobian * _symbol(x)) == 0:
                if f"decay_{x}" in self.variables:
                    return [f"_next_{x} = {x}*decay_{x}", *self._move(x)]
                if not jacobian.free_symbols & self.parameters:  # one factor for all cells
                    factor = f"exp(dt*({sympy_to_str(jacobian)}))"
                    return [f"_next_{x} = {x}*{factor}", *self._move(x)]
            # a constant rate: one fraction, since divisions are what a step costs most
            phi = 1 / (1 - dt * jacobian / 2 + (dt * jacobian) ** 2 / 12)
            step = sympy_to_str(sympy.cancel(dt * f * phi))
            return [f"_next_{x} = {x} + {step}", *self._move(x)]
        return [*self._fraction(x, f, jacobian), *self._move(x)]

    def _fraction(self, x: str, f, jacobian) -> list[str]:
        """Write x + dt f phi(dt jacobian) with a single division."""
        found = None if x in self.potentials else _rational(x, f, self.subexpressions)
        if found is None:
            lines, terms = self._once(x, f, jacobian)
            n, j, d = _over_parameters(terms, self.parameters)
        else:
            lines, f = found
            n, d = sympy.fraction(sympy.together(f))
            j = sympy.diff(n, _symbol(x))
            n = n.subs(_symbol(x), 0)  # as it is linear, the rest is j x
        z, d_x = f"_z_{x}", f"_d_{x}"
        more = f" + {z}*{x}" if found else ""
        return [
            *lines,
            f"{d_x} = {sympy_to_str(d)}",
            f"{z} = dt*({sympy_to_str(j)})",
            f"_next_{x} = {x} + (dt*({sympy_to_str(n)}){more})*{d_x}"
            f"/({d_x}*({d_x} - 0.5*{z}) + {z}*{z}*{_TWELFTH})",
        ]

    def _pair(self, x: str, y: str) -> list[str]:
        """Move two coupled potentials at once: phi of their 2 x 2 Jacobian."""
        slopes = [self.expressions[k] for k in (x, y)]
        slopes += [self.derivative(self.expressions[k], by) for k in (x, y) for by in (x, y)]
        lines, (f_x, f_y, *jacobian) = self._once(x, *(self._held(s, self.free) for s in slopes))
        for row, *terms in ((x, f_x, *jacobian[:2]), (y, f_y, *jacobian[2:])):
            *above, d = _over_parameters(terms, self.parameters)
            lines.append(f"_dt_{row} = dt/({sympy_to_str(d)})")
            left = (f"_f_{row}", f"_z_{row}_{x}", f"_z_{row}_{y}")
            lines += [
                f"{name} = _dt_{row}*({sympy_to_str(n)})"
                for name, n in zip(left, above, strict=True)
            ]
        a, b, c, d = (f"_z_{row}_{column}" for row in (x, y) for column in (x, y))
        p, q = f"_{x}_{x}_{y}", f"_{y}_{x}_{y}"
        return [
            *lines,
            f"_cross = {b}*{c}*{_TWELFTH}",
            f"_off = -0.5 + ({a} + {d})*{_TWELFTH}",
            f"_diag{p} = 1.0 - 0.5*{a} + {a}*{a}*{_TWELFTH} + _cross",
            f"_diag{q} = 1.0 - 0.5*{d} + {d}*{d}*{_TWELFTH} + _cross",
            f"_scale = 1.0/(_diag{p}*_diag{q} - _off*_off*{b}*{c})",
            f"_next_{x} = {x} + _scale*(_diag{q}*_f_{x} - _off*{b}*_f_{y})",
            f"_next_{y} = {y} + _scale*(_diag{p}*_f_{y} - _off*{c}*_f_{x})",
            *self._move(x),
            *self._move(y),
        ]

    def gates(self) -> list[str]:
        """Move all that is no potential."""
        code, moved = [], set()
        for name in self.others:
            code += self.single(name, moved & self.sources)
            moved.add(name)
        return code

    def membranes(self) -> list[str]:
        """Move the potentials."""
        potentials = self.potentials
        coupled = [x for x in potentials if any(self.depends(x, y) for y in potentials if y != x)]
        if len(coupled) > 2:
            raise UnsupportedEquationsException("staggered: at most two coupled potentials")
        code = []
        for name in potentials:
            if name not in coupled or len(coupled) == 1:
                code += self.single(name, self.free)
        return code + (self._pair(*coupled) if len(coupled) == 2 else [])


def staggered(equations, variables=None, method_options=None) -> str:
    """Return the abstract code of one staggered exponential step (a Brian2 state updater).

    Parameters
    ----------
    equations : Equations
        Variables with the dimension of a voltage are membrane potentials; all others are moved
        first.
    variables : dict, optional
    method_options : dict, optional
        None are used.

    Returns
    -------
    str
        Abstract code.

    Raises
    ------
    UnsupportedEquationsException
        For stochastic equations; for more than two potentials, or any other variables, that follow
        from each other; for a slope whose derivative by its own variable is not known (``int``,
        ``clip`` or a function of the user's).

    Notes
    -----
    What decays by itself with a rate that is the same in all cells does so exactly; with a rate for
    each cell where the model has a parameter ``decay_<variable>``, the factor of a step.

    A model that has a parameter ``<potential>_last`` finds there the potential before the step, so
    that a spike can be a level crossing, ``v > threshold and v_last <= threshold``: no refractory
    state, which would keep the loop from vectorising well. Recorded gates are half a step late.
    Variables that no potential drives (synaptic conductances) jump on the grid; potentials see
    their mean over the step, so the charge of a synaptic event is right to second order.
    """
    if equations.is_stochastic:
        raise UnsupportedEquationsException("staggered: no stochastic equations")
    step = _Step(equations, variables or {})
    return "\n".join([*step.gates(), *step.membranes()])


class _Part(_Step):
    """A part of a step: potentials and some gates, nothing else."""

    def _move(self, x: str) -> list[str]:
        return [f"{x} = _next_{x}"]

    def named(self, lines, which: str) -> list[str]:
        """Give the temporary variables of a part names of their own, and its own step.

        Brian2 takes what is the same for all cells out of the loop, in front of it, and so must not
        meet two values under one name.
        """
        made = "|".join({line.split(" = ")[0] for line in lines if line.startswith("_")})
        lines = [re.sub(rf"\b({made})\b", rf"\1_{which}", line) for line in lines]
        return [re.sub(r"\bdt\b", f"_dt_{which.rstrip('0123456789')}", line) for line in lines]


@dataclass(frozen=True)
class Upstroke:
    """Steps of a spike, done again in parts: nearly all of the error of `staggered` is made there.

    A group with the variables and the event that this asks for looks after every step which
    potentials had been above a level, takes those back to where they were, and moves them and
    their fast gates again, in several parts. All other variables stay where the whole step has
    brought them; potentials see the mean of synaptic conductances over the step. Gates of a part
    live half a part from the potentials; where a step is the first to be done again they are found
    by a step back.

    Parameters
    ----------
    level : str
        The potential above which a step is done again: an expression, of volt, of parameters.
    gates : tuple of str
        The fast gates.
    parts : int
        Of a step.
    v : str
        The potential that spikes. The model keeps ``<potential>_last`` of it and of all others.

    Examples
    --------
    >>> upstroke = Upstroke("V_T + 12*mV")
    >>> group = NeuronGroup(
    ...     n, equations + upstroke.variables, method=staggered, threshold=...,
    ...     events={"upstroke": upstroke.condition},
    ... )  # doctest: +SKIP
    >>> upstroke.attach(group)  # doctest: +SKIP
    """

    level: str
    gates: tuple[str, ...] = ("m", "h", "n")
    parts: int = 4
    v: str = "v"

    @property
    def variables(self) -> str:
        """Equations that a model needs for it, beside ``<v>_last``."""
        return "\n".join([f"{self.v}_again : volt", *(f"{x}_again : 1" for x in self.gates)])

    @property
    def condition(self) -> str:
        """Condition of the event, after a whole step."""
        return f"{self.v}_last > {self.level}"

    def code(self, equations, variables) -> str:
        """Return the abstract code that does a step again.

        Parameters
        ----------
        equations : Equations
        variables : dict
            Of the group.

        Raises
        ------
        UnsupportedEquationsException
            If a gate is none of the model or follows no potential, or if the model does not keep
            the potentials before the step.
        """
        step = _Part(equations, variables)
        if wrong := [x for x in self.gates if x not in step.others or x in step.free]:
            raise UnsupportedEquationsException(f"upstroke: no gate '{wrong[0]}' of a potential")
        if wrong := [v for v in step.potentials if f"{v}_last" not in variables]:
            raise UnsupportedEquationsException(f"upstroke: the model keeps no '{wrong[0]}_last'")
        middle = (self.parts - 1) // 2, self.parts // 2
        lines = [
            f"_first = int({self.v}_last != {self.v}_again)",
            f"_dt_part = dt/{self.parts}",
            "_dt_back = -0.5*(dt + _dt_part)",
        ]
        lines += [f"_mean_{y} = {y} - 0.5*dt*({equations[y].expr.code})" for y in sorted(step.free)]
        lines += [f"{v} = {v}_last" for v in step.potentials]
        for x in self.gates:
            lines += step.named(step.single(x)[:-1], "back")
            lines.append(f"{x} = {x}_again + _first*(_next_{x}_back - {x}_again)")
        code = [line for x in self.gates for line in step.single(x)] + step.membranes()
        for k in range(self.parts):
            lines += step.named(code, f"part{k}")
            if k in middle:
                lines += [f"_at{k}_{x} = {x}" for x in self.gates]
        for x in self.gates:
            lines.append(f"{x}_again = {x}")
            lines.append(f"{x} = 0.5*(_at{middle[0]}_{x} + _at{middle[1]}_{x})")
        lines.append(f"{self.v}_again = {self.v}")
        return "\n".join(lines)

    def attach(self, group) -> None:
        """Let a NeuronGroup with the event ``upstroke`` do its steps again."""
        group.set_event_schedule("upstroke", when="after_groups")
        group.run_on_event(
            "upstroke", self.code(group.equations, group.variables), when="before_thresholds"
        )


def reference(equations, variables=None, method_options=None) -> str:
    """Return the abstract code of a classical Runge-Kutta step: the tests' reference."""
    # clip, since a plain copy would be an alias of the array in Brian2's numpy code
    lines = [
        f"{v}_last = clip({v}, -1*volt, 1*volt)"
        for v in _potentials(equations)
        if f"{v}_last" in (variables or {})
    ]
    return "\n".join([*lines, rk4(equations, variables, method_options)])


@dataclass(frozen=True)
class Method:
    """An integration method and the step it is meant for."""

    name: str
    updater: object
    dt_ms: float


METHODS = {
    "staggered": Method("staggered", staggered, 0.1),
    "rk4": Method("rk4", reference, 0.025),
    "exponential_euler": Method("exponential_euler", "exponential_euler", 0.05),
}
