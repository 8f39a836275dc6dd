"""C++ that vectorises: compiler flags, inlined functions, and two changes of Brian2's templates."""

from __future__ import annotations

from brian2 import prefs
from brian2.codegen.generators.cpp_generator import CPPCodeGenerator
from brian2.core.functions import DEFAULT_FUNCTIONS
from brian2.devices.cpp_standalone.codeobject import CPPStandaloneCodeObject
from jinja2 import BaseLoader

__all__ = ["COMPILE_FLAGS", "COS_CPP", "INLINED", "LOG_CPP", "NONZERO_CPP", "use_fast_math"]

COMPILE_FLAGS = (
    "-w",
    "-O3",
    "-ffast-math",
    "-fno-finite-math-only",
    "-march=native",
    # gcc gives up vectorising a loop over many arrays after a few alias checks
    "--param=vect-max-version-for-alias-checks=1000",
    # a loop with a hundred live values wants its instructions ordered, and its registers given out,
    # with an eye on how many there are: a fifth of the time of a circuit
    "-fschedule-insns",
    "-fsched-pressure",
    "-fira-region=all",
)

NONZERO_CPP = """
#ifndef _PULVINAR_NONZERO
#define _PULVINAR_NONZERO
static inline double _pulvinar_nonzero(double x)
{
    return x == 0.0 ? 1e-100 : x;
}
#endif
"""


# exp(x) = 2^k exp(r), |r| <= ln(2)/2, with exp(r) = 1 + r + r^2 s(r), where s interpolates at the
# Chebyshev nodes (relative error 2e-10), and k written into the exponent bits, clipped there. No
# branch and no library call, so a loop over cells becomes vector code. expm1 is exact near 0, too.
_EXP_CPP = f"""
{NONZERO_CPP}#ifndef _PULVINAR_EXP
#define _PULVINAR_EXP
#include <cstdint>
#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 12
#define _PULVINAR_ALONE(x) __builtin_assoc_barrier(x)
#else
static inline double _pulvinar_alone(double x) {{ __asm__("" : "+m"(x)); return x; }}
#define _PULVINAR_ALONE(x) _pulvinar_alone(x)
#endif
static inline double _pulvinar_expm1_of_rest(double x, double &scale)
{{
    const double k = __builtin_rint(x*1.4426950408889634);
    const double shifted = k + 6755399441056767.0;
    int64_t bits;
    __builtin_memcpy(&bits, &shifted, sizeof(bits));
    const int64_t least = 0x4338000000000000, most = 0x43380000000007fe;
    bits = bits > least ? bits : least;
    bits = bits < most ? bits : most;
    bits = (int64_t)((uint64_t)bits << 52);
    __builtin_memcpy(&scale, &bits, sizeof(scale));
    const double r = x - k*0.6931471805599453;
    double s = 1.9890980869750327e-04;
    s = s*r + 1.3933641031986701e-03;
    s = s*r + 8.333310934448869e-03;
    s = s*r + 4.166646500604005e-02;
    s = s*r + 0.16666666681614256;
    s = s*r + 0.5000000013457727;
    s = s*r + 1.0;
    return s*r;
}}
static inline double _pulvinar_exp(double x)
{{
    double scale;
    const double rest = _pulvinar_expm1_of_rest(x, scale);
    return scale*rest + scale;
}}
static inline double _pulvinar_expm1(double x)
{{
    double scale;
    const double rest = _pulvinar_expm1_of_rest(x, scale);
    // fast-math may not put this together with the product: 1 + rest loses the digits of rest
    const double less = _PULVINAR_ALONE(scale - 1.0);
    return scale*rest + less;
}}
static inline double _pulvinar_exprel(double x)
{{
    const double at = _pulvinar_nonzero(x);
    return _pulvinar_expm1(at)/at;
}}
#endif
"""

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

# cos(x) is the sine of a quarter turn less what x is away from the nearest whole turn; short_sin is
# the Taylor series of the sine to the 19th order, to a quarter turn on both sides (error 3e-16)
COS_CPP = """
#ifndef _PULVINAR_COS
#define _PULVINAR_COS
static inline double _pulvinar_short_sin(double x)
{
    const double x2 = x*x;
    double p = -8.22063524662433e-18;
    p = p*x2 + 2.8114572543455206e-15;
    p = p*x2 - 7.647163731819816e-13;
    p = p*x2 + 1.6059043836821613e-10;
    p = p*x2 - 2.505210838544172e-08;
    p = p*x2 + 2.7557319223985893e-06;
    p = p*x2 - 1.984126984126984e-04;
    p = p*x2 + 8.333333333333333e-03;
    p = p*x2 - 1.6666666666666666e-01;
    p = p*x2 + 1.0;
    return p*x;
}
static inline double _pulvinar_cos(double x)
{
    const double turns = x*0.15915494309189535;
    const double off = __builtin_fabs(turns - __builtin_rint(turns));
    return _pulvinar_short_sin(6.283185307179586*(0.25 - off));
}
#endif
"""

INLINED = {"exp": _EXP_CPP, "expm1": _EXP_CPP, "exprel": _EXP_CPP, "log": LOG_CPP, "cos": COS_CPP}

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
# Clocks whose times differ by rounding alone tick together at any time; Brian2 allows 1e-14 s, and
# from 64 s on, what has a slow clock would now and then come a round before the rest of its step.
CLOCKS = ("fabs(s-t)<=Clock_epsilon", "fabs(s-t)<=Clock_epsilon + 1e-15*fabs(t)")
# No two events of a step are of the same cell.
_RESET = (
    "{{ openmp_pragma('parallel-static') }}",
    "{{ openmp_pragma('parallel-static') or '#pragma GCC ivdep' }}",
)
_EDITS = {
    "reset.cpp": (_RESET,),
    "threshold.cpp": (_THRESHOLD, _THRESHOLD_END),
    "network.cpp": (_PROGRESS, CLOCKS),
}


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
    relative error of exp is below 1e-9 for |x| < 700, the absolute error of log below 1e-12; log
    of 0 is -709 instead of minus infinity.
    """
    _edit_templates()
    prefs.codegen.cpp.extra_compile_args_gcc = list(COMPILE_FLAGS)
    for name, code in INLINED.items():
        DEFAULT_FUNCTIONS[name].implementations.add_implementation(
            CPPCodeGenerator, code=code, name=f"_pulvinar_{name}"
        )
