"""Random numbers that are functions of (key, counter): a program has no random state.

Every cell has a key of its own, drawn from the seed; the counter is the step, or the number of the
spike. A number thus depends on seed, cell and step alone: not on what else is in the program, on
the device, or on where a run was interrupted.

The bits are those of SplitMix64 (Steele, Lea & Flood 2014, doi:10.1145/2660193.2660195): number
``key * 2**32 + counter`` of its one sequence of 2**64 different words, so that no two cells share
any. Neither branch nor table nor library call, so that a loop over cells becomes vector code.
"""

from __future__ import annotations

import numpy as np
from brian2 import Function

from cells.fast_math import COS_CPP, LOG_CPP

__all__ = ["RANDOM", "draw_keys", "gauss", "uniform"]

_GOLDEN, _MIX_1, _MIX_2 = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB


def draw_keys(seed: int, n: int) -> np.ndarray:
    """Return different keys for the cells of a run.

    Parameters
    ----------
    seed : int
    n : int

    Returns
    -------
    (cell,) array of int32
    """
    keys = np.random.default_rng([seed, 4]).choice(2**32, n, replace=False)
    return keys.astype(np.uint32).view(np.int32)


def _bits(key, counter) -> np.ndarray:
    low = np.uint64(0xFFFFFFFF)
    key, counter = (np.atleast_1d(x).astype(np.int64).view(np.uint64) & low for x in (key, counter))
    x = (key << np.uint64(32) | counter) * np.uint64(_GOLDEN)
    x = (x ^ x >> np.uint64(30)) * np.uint64(_MIX_1)
    x = (x ^ x >> np.uint64(27)) * np.uint64(_MIX_2)
    return x ^ x >> np.uint64(31)


def uniform(key, counter) -> np.ndarray:
    """Return numbers that are uniform between 0 and 1, ends left out.

    Parameters
    ----------
    key, counter : int or array of int
        Their lower 32 bits count.

    Returns
    -------
    array
        Odd multiples of 2**-53.
    """
    k = (_bits(key, counter) >> np.uint64(12)).astype(float)
    return (k * 2.0**-52 + 2.0**-53).reshape(np.broadcast_shapes(np.shape(key), np.shape(counter)))


def gauss(key, counter) -> np.ndarray:
    """Return numbers of the standard normal distribution (Box & Muller 1958).

    Parameters
    ----------
    key, counter : int or array of int
        Their lower 32 bits count.

    Returns
    -------
    array
        At most 7.5 from zero: the radius has 40 bits, the angle 24.

    Notes
    -----
    One number of each pair is dropped: the other would belong to another step.
    """
    bits = _bits(key, counter)
    radius = (bits >> np.uint64(24)).astype(float) * 2.0**-40 + 2.0**-41
    angle = (bits & np.uint64(0xFFFFFF)).astype(float) * 2.0**-24 + 2.0**-25
    z = np.sqrt(-2 * np.log(radius)) * np.cos(2 * np.pi * angle)
    return z.reshape(np.broadcast_shapes(np.shape(key), np.shape(counter)))


_BITS = f"""static inline uint64_t _pulvinar_bits(int32_t key, int32_t counter)
{{
    uint64_t x = ((uint64_t)(uint32_t)key << 32 | (uint32_t)counter)*{_GOLDEN:#x}ULL;
    x = (x ^ x >> 30)*{_MIX_1:#x}ULL;
    x = (x ^ x >> 27)*{_MIX_2:#x}ULL;
    return x ^ x >> 31;
}}
"""
# Bits become a double by putting them behind the exponent of one: the conversion of 64-bit integers
# is not vectorised everywhere. cos(2 pi a) is the sine of |a - 1/2| less a quarter turn.
_CPP = (
    LOG_CPP
    + COS_CPP
    + f"""
#ifndef _PULVINAR_NOISE
#define _PULVINAR_NOISE
{_BITS}static inline double _pulvinar_behind_one(uint64_t mantissa)
{{
    const uint64_t bits = mantissa | 0x3FF0000000000000ULL;
    double x;
    __builtin_memcpy(&x, &bits, sizeof(x));
    return x;
}}
static inline double _pulvinar_uniform(int32_t key, int32_t counter)
{{
    const uint64_t bits = _pulvinar_bits(key, counter);
    return _pulvinar_behind_one(bits >> 12) - {1 - 2.0**-53!r};
}}
static inline double _pulvinar_gauss(int32_t key, int32_t counter)
{{
    const uint64_t bits = _pulvinar_bits(key, counter);
    const double radius = _pulvinar_behind_one(bits >> 24 << 12) - {1 - 2.0**-41!r};
    const double angle = _pulvinar_behind_one((bits & 0xFFFFFFULL) << 28) - {1.5 - 2.0**-25!r};
    const double x = 6.283185307179586*(__builtin_fabs(angle) - 0.25);
    return __builtin_sqrt(-2.0*_pulvinar_log(radius))*_pulvinar_short_sin(x);
}}
#endif
"""
)
_CYTHON = f"""
cdef extern from *:
    '''{_CPP}'''
    double _pulvinar_NAME(int key, int counter) nogil
"""
_CUDA = f"""
#ifndef _PULVINAR_NOISE
#define _PULVINAR_NOISE
#include <cstdint>
__host__ __device__ {_BITS}
__host__ __device__ static inline
double _pulvinar_uniform(int32_t key, int32_t counter)
{{
    return (double)(_pulvinar_bits(key, counter) >> 12)*{2.0**-52!r} + {2.0**-53!r};
}}
__host__ __device__ static inline double _pulvinar_gauss(int32_t key, int32_t counter)
{{
    const uint64_t bits = _pulvinar_bits(key, counter);
    const double radius = (double)(bits >> 24)*{2.0**-40!r} + {2.0**-41!r};
    const double angle = (double)(bits & 0xFFFFFFULL)*{2.0**-24!r} + {2.0**-25!r};
    return sqrt(-2.0*log(radius))*cos(6.283185307179586*angle);
}}
#endif
"""


def _function(name: str, compute) -> Function:
    made = Function(
        compute, arg_units=[1, 1], arg_types=["integer", "integer"], return_unit=1,
        return_type="float",
    )  # fmt: skip
    codes = {"numpy": compute, "cpp": _CPP, "cython": _CYTHON.replace("NAME", name), "cuda": _CUDA}
    for target, code in codes.items():
        own = {} if target == "numpy" else {"name": f"_pulvinar_{name}"}
        made.implementations.add_implementation(target, code=code, **own)
    return made


#: The functions by their names in Brian2 code.
RANDOM = {"gauss": _function("gauss", gauss), "uniform": _function("uniform", uniform)}
