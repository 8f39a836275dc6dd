"""What a sweep goes over: keys of a run file, and their values or ranges."""

from __future__ import annotations

import itertools
import json
import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cells.parameters import InputError, parse_quantity

__all__ = ["Axis", "axis_of", "grid", "latin_hypercube"]

# of the result; and keys that a sweep has options for, or that say what is judged
_TAKEN = ("seed", "condition", "criterion", "cycle", "phase", "population", "point")
_REFUSED = {"seeds": "use --seeds", "replicas": "a sweep has processes instead",
            "name": "it is that of the sweep", "experiment": "it is that of the sweep",
            "criteria": "they are those of the sweep", "condition": "use --conditions"}  # fmt: skip
_QUANTITY = re.compile(r"([-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?)\s*([A-Za-z].*)")


@dataclass(frozen=True)
class Axis:
    """A key of the run file and the values it takes.

    Attributes
    ----------
    key : str
        Dotted TOML key.
    values : tuple of int, float, bool or str
        Numbers where all of them are; other TOML values as text.
    unit : str
        Of the numbers, if they have one.
    """

    key: str
    values: tuple
    unit: str = ""

    @property
    def name(self) -> str:
        """The key without its quotes: the dim of the result."""
        return self.key.replace('"', "")

    def setting(self, value) -> str:
        """Return a value as `circuits.runfiles.changes.apply_settings` takes it."""
        if self.unit:
            return f'{self.key}="{value!r} {self.unit}"'
        if isinstance(value, bool):
            return f"{self.key}={str(value).lower()}"
        text = isinstance(value, str) and value[:1] not in "[{"
        return f"{self.key}={json.dumps(value) if text else value}"

    @property
    def is_range(self) -> bool:
        """Whether it is the two ends of a range of numbers."""
        return len(self.values) == 2 and all(_is_number(v) for v in self.values)

    def at(self, share: float):
        """Return the value at a share (0 to 1) of the range, or of the list of values."""
        if not self.is_range:
            return self.values[min(int(share * len(self.values)), len(self.values) - 1)]
        low, high = self.values
        if isinstance(low, int) and isinstance(high, int):
            return min(low + int(share * (high - low + 1)), high)
        return float(f"{low + share * (high - low):.6g}")


def _is_number(value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _split(text: str) -> list[str]:
    """Return what is separated by commas outside of quotes and brackets."""
    parts, depth, quoted = [""], 0, False
    for letter in text:
        quoted ^= letter == '"'
        depth += 0 if quoted else (letter in "[{") - (letter in "]}")
        if letter == "," and not depth and not quoted:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts]


def _value(text: str) -> tuple[Any, str]:
    """Return a value and its unit."""
    try:
        found = tomllib.loads(f"x = {text}")["x"]
    except tomllib.TOMLDecodeError:
        found = text
    if isinstance(found, str) and (match := _QUANTITY.fullmatch(found)):
        try:
            parse_quantity(" ".join(match.groups()))
        except InputError:
            return found, ""
        return float(match[1]), match[2].strip()
    return (text if isinstance(found, list | dict) else found), ""


def axis_of(text: str) -> Axis:
    """Return the axis of ``KEY=value,value,...``.

    Raises
    ------
    InputError
        In one line.
    """
    where = f"--over {text}"
    match = re.fullmatch(r'((?:[^="]|"[^"]*")+)=(.+)', text, re.DOTALL)
    if match is None:
        raise InputError(f"{where}: expected KEY=value,value,...")
    key = match[1].strip()
    pairs = [_value(part) for part in _split(match[2]) if part]
    units = {unit for _, unit in pairs}
    if len(units) > 1:
        raise InputError(f"{where}: values in {' and '.join(sorted(u or '1' for u in units))};"
                         " one unit for all")  # fmt: skip
    values = tuple(value for value, _ in pairs)
    if len(set(map(repr, values))) < len(values):
        raise InputError(f"{where}: a value comes twice")
    if any(isinstance(v, float) for v in values) and all(map(_is_number, values)):
        values = tuple(float(v) for v in values)
    elif not all(map(_is_number, values)) and len(set(map(type, values))) > 1:
        raise InputError(f"{where}: values of different kinds")
    axis = Axis(key, values, units.pop())
    if axis.name in _REFUSED:
        raise InputError(f"{where}: '{axis.name}' cannot be swept: {_REFUSED[axis.name]}")
    if axis.name in _TAKEN or "/" in axis.name:
        raise InputError(f"{where}: '{axis.name}' cannot be swept as a whole, a key of it can")
    return axis


def grid(axes: Sequence[Axis]) -> list[tuple]:
    """Return every combination of values, the last axis first."""
    return list(itertools.product(*(axis.values for axis in axes)))


def latin_hypercube(axes: Sequence[Axis], n: int) -> list[tuple]:
    """Return ``n`` points of which each n-th of every range has one; always the same ones."""
    from scipy.stats import qmc

    shares = qmc.LatinHypercube(len(axes), rng=np.random.default_rng(0)).random(n)
    return [tuple(a.at(float(s)) for a, s in zip(axes, row, strict=True)) for row in shares]
