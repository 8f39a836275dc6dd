"""Parameters as tables: every number has a value, a unit, a meaning and a source.

A table file is TOML. Each table in it is one object (a cell class, a receptor, ...) and each key
one parameter::

    [TRC]
    gL = { value = 3e-5, unit = "S/cm**2", meaning = "leak", source = "...", mark = "D" }

The provenance ``mark`` says how far a number can be trusted: ``V`` read in the source, ``M`` a
literature value from memory, ``R`` measured with this model, ``D`` a design choice, ``F`` fitted.
"""

from __future__ import annotations

import ast
import math
import operator
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

import brian2.units.allunits as _allunits
from brian2.units import Quantity
from brian2.units.fundamentalunits import get_dimensions, have_same_dimensions

from cells.errors import InputError, nearest

__all__ = [
    "MARKS",
    "InputError",
    "Parameter",
    "ParameterTable",
    "load_tables",
    "nearest",
    "parse_quantity",
    "parse_unit",
]

MARKS = MappingProxyType(
    {
        "V": "read in the source",
        "M": "literature value from memory, not re-read",
        "R": "measured with this model",
        "D": "design choice",
        "F": "fitted",
    }
)

_FIELDS = ("value", "unit", "meaning", "source", "mark")
_SHORT = {"S": "siemens", "A": "amp", "V": "volt", "F": "farad", "M": "molar", "s": "second",
          "Hz": "hertz", "m": "metre", "K": "kelvin", "1": None}  # fmt: skip
_OPERATORS = {ast.Mult: operator.mul, ast.Div: operator.truediv, ast.Pow: operator.pow}


def _unit_name(name: str):
    full = _SHORT.get(name, name)
    unit = getattr(_allunits, full, None)
    if unit is None and len(name) > 1 and name[1:] in _SHORT:
        unit = getattr(_allunits, name[0] + _SHORT[name[1:]], None)
    if not isinstance(unit, Quantity):
        raise InputError(f"unknown unit '{name}'")
    return unit


def _evaluate(node):
    if isinstance(node, ast.Expression):
        return _evaluate(node.body)
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        return _OPERATORS[type(node.op)](_evaluate(node.left), _evaluate(node.right))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_evaluate(node.operand)
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return node.value
    if isinstance(node, ast.Name):
        return _unit_name(node.id)
    raise InputError("not a quantity")


def parse_unit(text: str) -> Quantity:
    """Return the unit that ``text`` names, e.g. ``"mS/cm**2"``; ``"1"`` is dimensionless.

    Parameters
    ----------
    text : str
        Products, quotients and powers of unit names.

    Returns
    -------
    Quantity
        One of that unit.

    Raises
    ------
    InputError
        If a name is not a unit.
    """
    try:
        return Quantity(_evaluate(ast.parse(text.strip(), mode="eval")))
    except (SyntaxError, InputError) as error:
        raise InputError(f"'{text}' is not a unit ({error})") from None


def parse_quantity(text: str | float | int, like: Quantity | None = None) -> Quantity:
    """Return the quantity written as ``"10*mV"``, ``"10 mV"`` or a plain number.

    Parameters
    ----------
    text : str or number
        What the user wrote.
    like : Quantity, optional
        A quantity of the dimension that is expected.

    Returns
    -------
    Quantity

    Raises
    ------
    InputError
        If it cannot be read, or has another dimension than ``like``.
    """
    if isinstance(text, str):
        words = text.strip().split(None, 1)
        expression = "*".join(words) if len(words) == 2 and words[1][0] not in "*/+-" else text
        try:
            quantity = Quantity(_evaluate(ast.parse(expression.strip(), mode="eval")))
        except (SyntaxError, InputError):
            raise InputError(f"'{text}' is not a quantity such as '10*mV'") from None
    else:
        quantity = Quantity(float(text))
    if like is not None and not have_same_dimensions(quantity, like):
        raise InputError(f"'{text}' {_is_of(quantity)}, expected {_such_as(like)}")
    return quantity


# unit, what a quantity of its dimension is called, and one such
_KINDS = (("V", "a potential", "-65 mV"), ("S", "a conductance", "30 nS"),
          ("A", "a current", "30 pA"), ("s", "a time", "10 ms"), ("Hz", "a rate", "30 Hz"),
          ("S/m**2", "a conductance density", "0.1 mS/cm**2"), ("m**2", "an area", "1e4 um**2"),
          ("F/m**2", "a capacitance density", "1 uF/cm**2"), ("M", "a concentration", "50 nM"),
          ("1", "a number", "0.5"))  # fmt: skip


def _kind(quantity: Quantity) -> tuple[str, str]:
    """Return what a quantity is called, and an example of one; "" for what has no name."""
    found = [(name, example) for unit, name, example in _KINDS
             if have_same_dimensions(quantity, parse_unit(unit))]  # fmt: skip
    return found[0] if found else ("", "")


def _is_of(quantity: Quantity) -> str:
    name = _kind(quantity)[0] or get_dimensions(quantity)
    return "has no unit" if name == "a number" else f"has the dimension of {name}"


def _such_as(quantity: Quantity) -> str:
    name, example = _kind(quantity)
    return f"{name}, such as '{example}'" if name else f"dimension {get_dimensions(quantity)}"


@dataclass(frozen=True)
class Parameter:
    """One number with its unit, meaning and source.

    Attributes
    ----------
    name : str
    value : float
        In ``unit``.
    unit : str
        As `parse_unit` reads it.
    meaning, source : str
    mark : {"V", "M", "R", "D", "F"}
        Provenance, see `MARKS`.
    """

    name: str
    value: float
    unit: str
    meaning: str
    source: str
    mark: str

    @property
    def quantity(self) -> Quantity:
        """The value with its unit."""
        return Quantity(self.value * parse_unit(self.unit))

    def __str__(self) -> str:
        unit = "" if self.unit == "1" else f" {self.unit}"
        return f"{self.name} = {self.value:g}{unit}  ({self.meaning}) [{self.mark}]"


@dataclass(frozen=True)
class ParameterTable(Mapping):
    """The parameters of one object: frozen, hashable, printable; a mapping name -> Quantity."""

    name: str
    parameters: tuple[Parameter, ...]
    path: str = ""

    def __getitem__(self, key: str) -> Quantity:
        return self.parameter(key).quantity

    def __iter__(self) -> Iterator[str]:
        return (p.name for p in self.parameters)

    def __len__(self) -> int:
        return len(self.parameters)

    def __hash__(self) -> int:
        return hash((self.name, self.parameters))

    def parameter(self, key: str) -> Parameter:
        """Return the parameter called ``key``; InputError names the nearest one."""
        for p in self.parameters:
            if p.name == key:
                return p
        raise InputError(f"{self.path}: [{self.name}] has no parameter '{key}'{nearest(key, self)}")

    def with_values(self, **values: float | str | Quantity) -> ParameterTable:
        """Return a copy in which the named parameters have new values (checked for dimension)."""
        changed = dict.fromkeys(values)
        for key, value in values.items():
            old = self.parameter(key)
            try:
                unit = parse_unit(old.unit)
                if isinstance(value, str):
                    value = float(parse_quantity(value, like=unit) / unit)
                elif isinstance(value, Quantity):
                    value = float(parse_quantity_like(value, unit) / unit)
            except InputError as error:
                raise InputError(f"{self.path}: [{self.name}] {key}: {error}") from None
            if not math.isfinite(value):
                raise InputError(f"{self.path}: [{self.name}] {key}: {value} is not finite")
            changed[key] = replace(old, value=float(value), source="set by the run", mark="D")
        return replace(self, parameters=tuple(changed.get(p.name) or p for p in self.parameters))

    def __str__(self) -> str:
        return "\n".join([f"[{self.name}]", *(f"  {p}" for p in self.parameters)])


def parse_quantity_like(value: Quantity, unit: Quantity) -> Quantity:
    """Return ``value`` if it has the dimension of ``unit``, else raise InputError."""
    if not have_same_dimensions(value, unit):
        raise InputError(f"{value} {_is_of(value)}, expected {_such_as(unit)}")
    return value


def load_tables(path: Path | str, apart: Iterable[str] = ()) -> dict[str, ParameterTable]:
    """Read a table file.

    Parameters
    ----------
    path : path
        A TOML file of tables of parameters.
    apart : iterable of str
        Keys that are no parameters and are left out.

    Returns
    -------
    dict of str to ParameterTable

    Raises
    ------
    InputError
        For an unknown or missing field, an unknown mark or a unit that is none; the line names the
        file, the key and the nearest valid choice.
    """
    path = Path(path)
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such table file") from None
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path}: not TOML ({error})") from None
    tables = {}
    for title, body in document.items():
        rows = []
        for key, row in body.items():
            if key in apart:
                continue
            where = f"{path.name}: [{title}] {key}"
            if not isinstance(row, dict):
                raise InputError(f"{where}: expected a table with {', '.join(_FIELDS)}")
            for field in row:
                if field not in _FIELDS:
                    raise InputError(f"{where}: unknown field '{field}'{nearest(field, _FIELDS)}")
            for field in _FIELDS:
                if field not in row:
                    raise InputError(f"{where}: no field '{field}'")
            if row["mark"] not in MARKS:
                mark = row["mark"]
                raise InputError(f"{where}: unknown mark '{mark}'{nearest(mark, MARKS)}")
            try:
                parse_unit(row["unit"])
            except InputError as error:
                raise InputError(f"{where}: {error}") from None
            rows.append(Parameter(key, float(row["value"]), *(row[f] for f in _FIELDS[1:])))
        tables[title] = ParameterTable(title, tuple(rows), path.name)
    return tables
