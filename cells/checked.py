"""Single values of a run file or a table: each is returned as it should be, or refused in one line.

In all of these, ``where`` names the file and the key for the message of the `InputError`.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
from brian2 import Quantity, ms
from brian2.units.fundamentalunits import get_dimensions, have_same_dimensions

from cells.errors import known_keys
from cells.parameters import InputError, nearest, parse_quantity, parse_unit

__all__ = [
    "fits",
    "flag",
    "keys",
    "milliseconds",
    "names",
    "number",
    "one_of",
    "parse_seeds",
    "physical",
    "quantity",
    "seeds",
    "table",
    "takes",
    "text",
    "whole",
    "within",
]

# what no circuit has, whatever its animal: a value beyond is a slip of the unit or of the hand
_LIMITS = {
    get_dimensions(parse_unit(unit)): (low, high, unit)
    for unit, low, high in (
        ("V", -1.0, 1.0), ("A", -1e-6, 1e-6), ("S", -1e-3, 1e-3), ("S/m**2", -1e6, 1e6),
        ("F/m**2", 1e-4, 10.0), ("m**2", 1e-15, 1e-4), ("Hz", -1e5, 1e5), ("s", -1e4, 1e4),
    )
}  # fmt: skip


def table(value, where: str) -> Mapping:
    """Return a table, whatever its keys."""
    if not isinstance(value, Mapping):
        raise InputError(f"{where}: expected a table, found {value!r}")
    return value


def keys(value, valid: Iterable[str], where: str) -> Mapping:
    """Return a table that has no other keys than the valid ones."""
    known_keys(table(value, where), valid, where)
    return value


def one_of(value, valid: Sequence[str], where: str, what: str) -> str:
    """Return one of the valid names; ``what`` is what they are names of."""
    if value not in valid:
        raise InputError(
            f"{where.removesuffix(':')}: unknown {what} '{value}'{nearest(value, valid)}"
        )
    return value


def text(value, where: str) -> str:
    """Return a text."""
    if not isinstance(value, str):
        raise InputError(f"{where}: {value!r} is not a text")
    return value


def names(value, where: str) -> tuple[str, ...]:
    """Return the names of a list that is not empty."""
    if not isinstance(value, list) or not value:
        raise InputError(f"{where}: expected a list of names, found {value!r}")
    return tuple(text(v, where) for v in value)


def flag(value, where: str) -> bool:
    """Return true or false."""
    if not isinstance(value, bool):
        raise InputError(f"{where}: {value!r} is not true or false")
    return value


def whole(value, least: int, where: str) -> int:
    """Return a whole number from ``least`` up."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise InputError(f"{where}: {value!r} is not a whole number")
    if value < least:
        raise InputError(f"{where}: {value} is below {least}")
    return value


def number(value, where: str) -> float:
    """Return a finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(f"{where}: {value!r} is not a number")
    if value != value or value in (float("inf"), float("-inf")):
        raise InputError(f"{where}: {value!r} is not finite")
    return float(value)


def quantity(value, unit, where: str) -> float:
    """Return a quantity as a number in ``unit``; with None, a number."""
    if unit is None:
        return number(value, where)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise InputError(f"{where}: {value!r} is not a quantity such as '10 {unit!r}'")
    try:
        found = parse_quantity(value, like=Quantity(unit))
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
    return float(within(found, where) / unit)


def within(value: Quantity, where: str) -> Quantity:
    """Return a single quantity that is finite and within what can be."""
    si = float(value)
    low, high, unit = _LIMITS.get(get_dimensions(value), (-1e300, 1e300, ""))
    if not low <= si <= high:
        near = (
            "not a number" if si != si else f"nearest valid: {low if si < low else high:g} {unit}"
        )
        raise InputError(f"{where}: {value} cannot be; {near.strip()}")
    return value


def physical(value, unit, where: str) -> Quantity:
    """Return quantities that have the dimension of a unit and are finite."""
    if not isinstance(value, Quantity) or not have_same_dimensions(value, unit):
        bare = not isinstance(value, Quantity) or value.dim.is_dimensionless
        hint = f"; a number needs its unit, such as {unit!r}" if bare else ""
        raise InputError(f"{where}: {value!r} has not the dimension {get_dimensions(unit)}{hint}")
    if not np.isfinite(np.asarray(value)).all():
        raise InputError(f"{where}: {value!r} is not finite")
    return value


def takes(**units):
    """Have a function refuse arguments that are not finite quantities of these units.

    Parameters
    ----------
    **units : Quantity
        Of arguments by name, as ``duration=second``; None is left to the function.

    Returns
    -------
    callable
        A decorator. What it decorates raises `InputError` in one line, with the name of the
        argument.
    """

    def decorate(function):
        signature = inspect.signature(function)

        @functools.wraps(function)
        def call(*args, **kwargs):
            given = signature.bind(*args, **kwargs).arguments
            for name, unit in units.items():
                if given.get(name) is not None:
                    physical(given[name], unit, name)
            return function(*args, **kwargs)

        return call

    return decorate


def milliseconds(value, where: str) -> float:
    """Return a time that has its unit, in ms."""
    return float(physical(value, ms, where) / ms)


def fits(n_bytes: float, where: str) -> None:
    """Raise if so many bytes are more than the free memory; not where the system does not tell."""
    free = _free_memory()
    if n_bytes > free:
        need = min(n_bytes, 1e300) / 1e9  # a float, whatever the number
        raise InputError(
            f"{where} needs about {need:.3g} GB of memory, and {free / 1e9:.3g} GB are free"
        )


def _free_memory() -> int:
    """Return the bytes that are free on this machine, or left to this job of a container."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        free = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvail"))
    except (OSError, StopIteration, ValueError):
        return 2**63
    with suppress(OSError, ValueError):  # "max" where there is no limit
        group = Path("/sys/fs/cgroup")
        limit, used = (int((group / f"memory.{key}").read_text()) for key in ("max", "current"))
        free = min(free, limit - used)
    return free


def parse_seeds(text: str) -> list[int]:
    """Return the seeds that ``"1-5,8"`` names.

    Raises
    ------
    InputError
        If it names none.
    """
    seeds: list[int] = []
    for part in str(text).split(","):
        first, dash, last = part.strip().partition("-")
        try:
            low = int(first)
            high = int(last) if dash else low
        except ValueError:
            raise InputError(f"seeds '{text}': expected numbers such as 1-5,8") from None
        if high < low or high - low > 10_000:
            raise InputError(f"seeds '{text}': '{part.strip()}' is no range")
        seeds += range(low, high + 1)
    return seeds


def seeds(value, where: str) -> tuple[int, ...]:
    """Return seeds, from a list of them or a text such as ``"1-5,8"``."""
    if isinstance(value, str):
        value = parse_seeds(value)
    if not isinstance(value, list | tuple) or not value:
        raise InputError(f"{where}: expected a list of whole numbers, found {value!r}")
    found = tuple(whole(v, 0, where) for v in value)
    if len(set(found)) != len(found):
        raise InputError(f"{where}: a seed comes twice")
    if max(found) >= 2**32:
        raise InputError(f"{where}: {max(found)} is above {2**32 - 1}")
    return found
