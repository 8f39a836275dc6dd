"""Integration: a staggered second-order exponential scheme, and the C++ that lets it vectorise.

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

from dataclasses import dataclass

import sympy
from brian2 import prefs
from brian2.codegen.generators.cpp_generator import CPPCodeGenerator
from brian2.codegen.generators.numpy_generator import NumpyCodeGenerator
from brian2.core.functions import DEFAULT_FUNCTIONS
from brian2.devices.cpp_standalone.codeobject import CPPStandaloneCodeObject
from brian2.parsing.sympytools import str_to_sympy, sympy_to_str
from brian2.stateupdaters.base import UnsupportedEquationsException
from brian2.stateupdaters.explicit import rk4
from brian2.units import volt
from brian2.units.fundamentalunits import have_same_dimensions
from jinja2 import BaseLoader
from scipy.special import exprel

__all__ = [
    "COMPILE_FLAGS",
    "LOG_CPP",
    "METHODS",
    "Method",
    "reference",
    "staggered",
    "use_fast_math",
]

COMPILE_FLAGS = (
    "-w",
    "-O3",
    "-ffast-math",
    "-fno-finite-math-only",
    "-march=native",
    # gcc gives up vectorising a loop over many arrays after a few alias checks
    "--param=vect-max-version-for-alias-checks=1000",
)

# Brian2 wraps the numpy exprel in a unit check that formats its arguments at every call, most of
# the time of a step; the units of equations are checked once anyway.
DEFAULT_FUNCTIONS["exprel"].implementations.add_implementation(NumpyCodeGenerator, code=exprel)


_TWELFTH = "0.08333333333333333"


def _potentials(equations) -> list[str]:
    names = (n for n in equations.diff_eq_names if have_same_dimensions(equations[n].dim, volt))
    return sorted(names)


def _symbol(name):
    return sympy.Symbol(name, real=True)


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
        For stochastic equations.

    Notes
    -----
    A model that has a parameter ``<potential>_last`` finds there the potential before the step, so
    that a spike can be a level crossing, ``v > threshold and v_last <= threshold``: no refractory
    state, which would keep the loop from vectorising well. Recorded gates are half a step late.
    Variables that no potential drives (synaptic conductances) jump on the grid; potentials see
    their mean over the step, so the charge of a synaptic event is right to second order.
    """
    if equations.is_stochastic:
        raise UnsupportedEquationsException("staggered: no stochastic equations")
    variables = variables or {}
    expressions = {
        name: str_to_sympy(equations[name].expr.code, variables)
        for name in (*equations.diff_eq_names, *equations.subexpr_names)
    }
    subexpressions = set(equations.subexpr_names)
    names, dt = set(expressions), _symbol("dt")
    potentials = _potentials(equations)

    def depends(expression, x) -> bool:
        return any(
            str(s) == x or (str(s) in subexpressions and depends(expressions[str(s)], x))
            for s in expression.free_symbols
        )

    # sets have no order: sort, so that the generated code is the same in every process. What
    # follows from other gates (a calcium pool) comes after them.
    others = sorted(set(equations.diff_eq_names) - set(potentials))
    others = sorted(others, key=lambda x: sum(depends(expressions[x], y) for y in others if y != x))

    def derivative(expression, x):
        """Total derivative by the chain rule through the sub-expressions."""
        total = sympy.diff(expression, _symbol(x))
        for s in sorted(expression.free_symbols, key=str):
            if str(s) in subexpressions and depends(expressions[str(s)], x):
                inner = expressions[str(s)]
                if inner.is_Pow and inner.exp == -1:  # a reciprocal: use it again
                    slope = -(s**2) * derivative(inner.base, x)
                else:
                    slope = derivative(inner, x)
                total += sympy.diff(expression, s) * slope
        return total

    def held(expression, moved):
        """Put the means of old and new values for the variables moved already in this step."""
        for s in sorted(expression.free_symbols, key=str):
            if str(s) in moved:
                expression = expression.subs(s, _symbol(f"_mean_{s}"))
            elif str(s) in subexpressions and any(depends(expressions[str(s)], y) for y in moved):
                expression = expression.subs(s, held(expressions[str(s)], moved))
        return expression

    def move(x) -> list[str]:
        if f"{x}_last" in variables:
            return [f"{x}_last = {x}", f"{x} = _next_{x}"]
        if x in sources:
            return [f"_mean_{x} = 0.5*({x} + _next_{x})", f"{x} = _next_{x}"]
        return [f"{x} = _next_{x}"]

    def once(x, *terms) -> tuple[list[str], list]:
        """Give the sub-expressions of several terms a name, so that each is evaluated once."""
        used = {str(s) for term in terms for s in term.free_symbols} & subexpressions
        named = {_symbol(s): _symbol(f"_{s}_of_{x}") for s in sorted(used)}
        lines = [f"{new} = {old}" for old, new in named.items()]
        return lines, [term.subs(named) for term in terms]

    def single(x, moved=()) -> list[str]:
        z, f = f"_z_{x}", held(expressions[x], moved)
        jacobian = held(derivative(expressions[x], x), moved)
        if jacobian == 0:
            return [f"_next_{x} = {x} + dt*({sympy_to_str(f)})", *move(x)]
        if not {str(s) for s in jacobian.free_symbols} & names:
            # a constant rate: one fraction, since divisions are what a step costs most
            phi = 1 / (1 - dt * jacobian / 2 + (dt * jacobian) ** 2 / 12)
            return [f"_next_{x} = {x} + {sympy_to_str(sympy.cancel(dt * f * phi))}", *move(x)]
        lines, (f, jacobian) = once(x, f, jacobian)
        return [
            *lines,
            f"_f_{x} = {sympy_to_str(f)}",
            f"{z} = dt*({sympy_to_str(jacobian)})",
            f"_next_{x} = {x} + dt*_f_{x}/(1.0 - 0.5*{z} + {z}*{z}*{_TWELFTH})",
            *move(x),
        ]

    def pair(x, y) -> list[str]:
        """Move two coupled potentials at once: phi of their 2 x 2 Jacobian."""
        terms = [held(expressions[k], free) for k in (x, y)]
        terms += [
            held(derivative(expressions[row], column), free) for row in (x, y) for column in (x, y)
        ]
        left = [f"_f_{x} = ", f"_f_{y} = "]
        left += [f"_z_{row}_{column} = dt*" for row in (x, y) for column in (x, y)]
        lines, terms = once(x, *terms)
        lines += [f"{n}({sympy_to_str(term)})" for n, term in zip(left, terms, strict=True)]
        a, b, c, d = (f"_z_{row}_{column}" for row in (x, y) for column in (x, y))
        p, q = f"_{x}_{x}_{y}", f"_{y}_{x}_{y}"
        return [
            *lines,
            f"_cross = {b}*{c}*{_TWELFTH}",
            f"_off = -0.5 + ({a} + {d})*{_TWELFTH}",
            f"_diag{p} = 1.0 - 0.5*{a} + {a}*{a}*{_TWELFTH} + _cross",
            f"_diag{q} = 1.0 - 0.5*{d} + {d}*{d}*{_TWELFTH} + _cross",
            f"_scale = dt/(_diag{p}*_diag{q} - _off*_off*{b}*{c})",
            f"_next_{x} = {x} + _scale*(_diag{q}*_f_{x} - _off*{b}*_f_{y})",
            f"_next_{y} = {y} + _scale*(_diag{p}*_f_{y} - _off*{c}*_f_{x})",
            *move(x),
            *move(y),
        ]

    # What no potential drives (a synaptic conductance) does not live at half steps: it jumps at the
    # spikes, on the grid. Potentials see its mean over the step, or they would miss half a step of
    # the charge of every synaptic event.
    free = {x for x in others if not any(depends(expressions[x], v) for v in potentials)}
    sources = {y for y in others for x in others if y != x and depends(expressions[x], y)} | free
    code, moved = [], set()
    for name in others:
        code += single(name, moved & sources)
        moved.add(name)
    coupled = [
        x for x in potentials if any(depends(expressions[x], y) for y in potentials if y != x)
    ]
    if len(coupled) > 2:
        raise UnsupportedEquationsException("staggered: at most two coupled potentials")
    for name in potentials:
        if name not in coupled or len(coupled) == 1:
            code += single(name, free)
    if len(coupled) == 2:
        code += pair(*coupled)
    return "\n".join(code)


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

# exp(x) = 2^k exp(r), |r| <= ln(2)/2, with the degree-11 Taylor polynomial of exp(r) (remainder
# 6e-15) and k written into the exponent bits. No branch and no library call, so a loop over cells
# becomes vector code. Arguments are clipped to where the result is a normal number. k is rounded by
# floor, since fast-math may fold the usual "add and subtract a large number" away.
_EXP_CPP = """
#ifndef _PULVINAR_EXP
#define _PULVINAR_EXP
static inline double _pulvinar_exp(double x)
{
    x = x < -708.0 ? -708.0 : x;
    x = x > 709.0 ? 709.0 : x;
    const double k = __builtin_floor(x*1.4426950408889634 + 0.5);
    double r = x - k*0.6931471803691238;
    r = r - k*1.9082149292705877e-10;
    double p = 2.505210838544172e-08;
    p = p*r + 2.755731922398589e-07;
    p = p*r + 2.7557319223985893e-06;
    p = p*r + 2.48015873015873e-05;
    p = p*r + 1.984126984126984e-04;
    p = p*r + 1.388888888888889e-03;
    p = p*r + 8.333333333333333e-03;
    p = p*r + 4.1666666666666664e-02;
    p = p*r + 1.6666666666666666e-01;
    p = p*r + 0.5;
    p = p*r + 1.0;
    p = p*r + 1.0;
    const double shifted = k + 6755399441055744.0;
    int64_t bits;
    __builtin_memcpy(&bits, &shifted, sizeof(bits));
    const int64_t exponent = (bits + 1023) << 52;
    double scale;
    __builtin_memcpy(&scale, &exponent, sizeof(scale));
    return p*scale;
}
#endif
"""
_EXPREL_CPP = (
    _EXP_CPP
    + """
#ifndef _PULVINAR_EXPREL
#define _PULVINAR_EXPREL
static inline double _pulvinar_exprel(double x)
{
    const bool small = __builtin_fabs(x) < 1e-4;
    const double safe = small ? 1.0 : x;
    const double series = 1.0 + x*(0.5 + x*(1.0/6.0));
    return small ? series : (_pulvinar_exp(safe) - 1.0)/safe;
}
#endif
"""
)

# log(x) = k log(2) + 2 artanh((m - 1)/(m + 1)) with x = m 2^k, m in [sqrt(1/2), sqrt(2)), and the
# series of artanh to the 17th order (remainder 1e-15). k is read from the exponent bits.
LOG_CPP = """
#ifndef _PULVINAR_LOG
#define _PULVINAR_LOG
#include <cstring>
#include <cstdint>
static inline double _pulvinar_log(double x)
{
    uint64_t bits;
    std::memcpy(&bits, &x, sizeof(bits));
    const uint64_t shifted = (bits >> 52) + 0x4330000000000000ULL;
    double k;
    std::memcpy(&k, &shifted, sizeof(k));
    k = k - 4503599627371519.0;
    const uint64_t mantissa = (bits & 0x000FFFFFFFFFFFFFULL) | 0x3FF0000000000000ULL;
    double m;
    std::memcpy(&m, &mantissa, sizeof(m));
    const bool large = m > 1.4142135623730951;
    m = large ? 0.5*m : m;
    k = large ? k + 1.0 : k;
    const double s = (m - 1.0)/(m + 1.0);
    const double s2 = s*s;
    double p = 0.11764705882352941;
    p = p*s2 + 0.13333333333333333;
    p = p*s2 + 0.15384615384615385;
    p = p*s2 + 0.18181818181818182;
    p = p*s2 + 0.2222222222222222;
    p = p*s2 + 0.2857142857142857;
    p = p*s2 + 0.4;
    p = p*s2 + 0.6666666666666666;
    p = p*s2 + 2.0;
    const double y = k*0.6931471805599453 + p*s;
    return x < 0.0 ? __builtin_nan("") : y;
}
#endif
"""

_INLINED = {"exp": _EXP_CPP, "exprel": _EXPREL_CPP, "log": LOG_CPP}

# Changes of Brian2's templates, as (old, new) text. A loop that writes down who fired is not
# vectorised; whether anybody fires among 64 cells is, and mostly nobody does. And the wall clock is
# looked at once a step instead of before each of a hundred objects.
_THRESHOLD = (
    """\
    for(size_t _idx=0; _idx<N; _idx++)
    {
        const size_t _vectorisation_idx = _idx;
        {{vector_code|autoindent}}
        if(_cond) {
""",
    """\
    const size_t _n_cells = N;
    for(size_t _first=0; _first<_n_cells; _first+=64)
    {
    const size_t _last = _first + 64 < _n_cells ? _first + 64 : _n_cells;
    int _any = 0;
    for(size_t _idx=_first; _idx<_last; _idx++)
    {
        const size_t _vectorisation_idx = _idx;
        {{vector_code|autoindent}}
        _any |= _cond;
    }
    if(_any) for(size_t _idx=_first; _idx<_last; _idx++)
    {
        const size_t _vectorisation_idx = _idx;
        {{vector_code|autoindent}}
        if(_cond) {
""",
)
_THRESHOLD_END = (
    """\
            {% endif %}
        }
    }
    {{_eventspace}}[N] = _count;
""",
    """\
            {% endif %}
        }
    }
    }
    {{_eventspace}}[N] = _count;
""",
)
_PROGRESS = (
    """\
        for(size_t i=0; i<objects.size(); i++)
        {
            if (report_func)
            {
                current = std::chrono::high_resolution_clock::now();
                const double elapsed = std::chrono::duration<double>(current - start).count();
                if (elapsed > next_report_time)
                {
                    report_func(elapsed, (clock->t[0]-t_start)/duration, t_start, duration);
                    next_report_time += report_period;
                }
            }
""",
    """\
        if (report_func)
        {
            current = std::chrono::high_resolution_clock::now();
            const double elapsed = std::chrono::duration<double>(current - start).count();
            if (elapsed > next_report_time)
            {
                report_func(elapsed, (clock->t[0]-t_start)/duration, t_start, duration);
                next_report_time += report_period;
            }
        }
        for(size_t i=0; i<objects.size(); i++)
        {
""",
)
_EDITS = {"threshold.cpp": (_THRESHOLD, _THRESHOLD_END), "network.cpp": (_PROGRESS,)}


class _Edited(BaseLoader):
    """Brian2's templates with `_EDITS`."""

    def __init__(self, loader: BaseLoader):
        self.loader = loader

    def get_source(self, environment, template):
        """Return source, file name and a function that tells whether it is up to date."""
        source, file, fresh = self.loader.get_source(environment, template)
        for old, new in _EDITS.get(template, ()):
            if source.count(old) != 1:
                raise RuntimeError(f"{template} is not that of Brian2 2.10.1")
            source = source.replace(old, new)
        return source, file, fresh


def _edit_templates() -> None:
    templater = CPPStandaloneCodeObject.templater
    if not isinstance(templater.env.loader, _Edited):
        templater.env.loader = _Edited(templater.env.loader)
        templater.env.cache.clear()
        templater.templates._templates.clear()


def use_fast_math() -> None:
    """Let generated C++ use inlined ``exp``, ``exprel`` and ``log`` and flags that vectorise them.

    Global and idempotent: it sets Brian2's C++ compiler preference, replaces the C++
    implementations of three default functions, and edits two templates of standalone programs. The
    relative error of exp is below 1e-12 for |x| < 700, the absolute error of log below 1e-12; log
    of 0 is -709 instead of minus infinity.
    """
    _edit_templates()
    prefs.codegen.cpp.extra_compile_args_gcc = list(COMPILE_FLAGS)
    for name, code in _INLINED.items():
        DEFAULT_FUNCTIONS[name].implementations.add_implementation(
            CPPCodeGenerator, code=code, name=f"_pulvinar_{name}"
        )
