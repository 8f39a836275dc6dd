"""Cell models: which currents sit in which compartment, and the parameters of every cell class.

A `CellModel` is one equation set; the cell classes that share it (all regular- and fast-spiking
cortical cells, for instance) differ in parameters alone and live in one NeuronGroup.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import CodeType

import numpy as np
from scipy.special import exprel

from cells import checked
from cells.currents import CURRENTS
from cells.integration import Upstroke
from cells.parameters import (
    InputError,
    ParameterTable,
    load_tables,
    nearest,
    parse_quantity_like,
    parse_unit,
)

__all__ = [
    "CELL_CLASSES",
    "MODELS",
    "CellClass",
    "CellModel",
    "Compartment",
    "add_classes",
    "cell_class",
    "steady_state",
]

TABLES = Path(__file__).parent / "tables"


@dataclass(frozen=True)
class Compartment:
    """One iso-potential compartment: its potential, its name and its currents."""

    name: str
    v: str
    suffix: str
    currents: tuple[str, ...]

    @property
    def injected(self) -> str:
        """Name of the variable (amp) through which synapses and electrodes reach it."""
        return f"I_syn{self.suffix}"


@dataclass(frozen=True)
class CellModel:
    """One equation set.

    Attributes
    ----------
    name : str
    compartments : tuple of Compartment
        One, or a soma and a dendrite joined by ``g_c``.
    parts : int
        In which a circuit does the steps of a spike again, at least (`upstroke`): in a burst every
        spike starts from what the last one left.
    """

    name: str
    compartments: tuple[Compartment, ...]
    parts: int = 1

    @property
    def parameters(self) -> tuple[tuple[str, str], ...]:
        """Names and Brian2 units of the parameters of each cell."""
        units: dict[str, str] = {"C_m": "farad/meter**2"}
        for part in self.compartments:
            units[f"area{part.suffix}"] = "meter**2"
            for current in part.currents:
                for name, unit in CURRENTS[current].parameters:
                    units[name.format(s=part.suffix)] = unit
        if len(self.compartments) == 2:
            units["g_c"] = "siemens"
        return tuple(units.items())

    def equations(self) -> str:
        """Return the Brian2 equations of the membrane.

        ``I_syn`` (and ``I_syn_d``), in ampere and inward positive, are left to the caller. Each
        potential has a companion ``<v>_last`` that the integrators of `cells.integration` keep.
        """
        lines = []
        for part in self.compartments:
            ionic = []
            for current in part.currents:
                lines += CURRENTS[current].equations(part.v, part.suffix).strip().splitlines()
                if current != "calcium":
                    ionic.append(_symbol(current) + part.suffix)
            coupling = ""
            if len(self.compartments) == 2:
                other = self.compartments[1 - self.compartments.index(part)]
                coupling = f" + g_c*({other.v} - {part.v})/area{part.suffix}"
            lines += [
                f"d{part.v}/dt = ({' + '.join(ionic)}{coupling}"
                f" + I_syn{part.suffix}/area{part.suffix})/C_m : volt",
                f"{part.v}_last : volt",
            ]
        lines += [f"{name} : {unit} (constant)" for name, unit in self.parameters]
        return "\n".join(line.strip() for line in lines)

    @property
    def threshold(self) -> str:
        """A spike is an upward crossing of this level by the somatic potential."""
        v = self.compartments[0].v
        return f"{v} > -15*mV and {v}_last <= -15*mV"

    def upstroke(self, parts: int) -> Upstroke:
        """Return how steps of a spike are done again, in so many parts: the soma's fast gates."""
        return Upstroke("V_T + 8*mV", parts=parts, v=self.compartments[0].v)

    @property
    def gates(self) -> tuple[str, ...]:
        """Names of the state variables other than potentials (and calcium)."""
        names = []
        for line in self.equations().splitlines():
            if line.startswith("d") and "/dt" in line:
                name = line[1 : line.index("/dt")]
                if name not in {part.v for part in self.compartments} and not name.startswith("Ca"):
                    names.append(name)
        return tuple(names)


def _symbol(current: str) -> str:
    return "I_h" if current == "I_h_relay" else current


def _soma(*currents: str, name: str = "soma", v: str = "v", suffix: str = "") -> Compartment:
    return Compartment(name, v, suffix, currents)


MODELS = {
    model.name: model
    for model in (
        CellModel("cortical", (_soma("I_leak", "I_Na", "I_Kd", "I_M"),)),
        CellModel("lts", (_soma("I_leak", "I_Na", "I_Kd", "I_M", "I_T", "I_h"),)),
        CellModel(
            "intrinsic_burster",
            (
                _soma("I_leak", "I_Na", "I_Kd"),
                _soma("I_leak", "I_Ca", "calcium", "I_SK", "I_h", "I_M",
                      name="apical", v="v_d", suffix="_d"),
            ),
            parts=4,
        ),
        CellModel("relay", (_soma("I_leak", "I_KL", "I_Na", "I_Kd", "I_T", "I_h_relay", "I_M"),)),
        CellModel("reticular", (_soma("I_leak", "I_Na", "I_Kd", "I_Ts"),)),
    )
}  # fmt: skip


@dataclass(frozen=True)
class CellClass:
    """A cell class of the literature: a model with its parameters.

    Attributes
    ----------
    name : str
        For example ``"L5IB"``.
    model : CellModel
    parameters : ParameterTable
    excitatory : bool
    colour : str
        Of its traces and bars in every figure.
    meaning : str
    variant_of : str
        Class whose receptors it has, and under whose name results show it; empty for its own.
    """

    name: str
    model: CellModel
    parameters: ParameterTable
    excitatory: bool
    colour: str
    meaning: str
    variant_of: str = ""

    @property
    def kind(self) -> str:
        """The class that it is, or is a variant of."""
        return self.variant_of or self.name


_CLASS = {"model": checked.text, "excitatory": checked.flag, "colour": checked.text,
          "meaning": checked.text}  # fmt: skip
_MAY = {"variant_of": checked.text}


def _classes_of(path: Path) -> dict[str, CellClass]:
    """Read the cell classes of a table file; what is no parameter stands in the row ``class``."""
    tables = load_tables(path, apart=("class",))
    document = tomllib.loads(path.read_text(encoding="utf-8"))
    classes = {}
    for name, table in tables.items():
        where = f"{path.name}: [{name}]"
        row = checked.keys(document[name].get("class", {}), _CLASS | _MAY, f"{where} class")
        for key, check in _CLASS.items():
            if key not in row:
                raise InputError(f"{where} class: no '{key}'")
            check(row[key], f"{where} class {key}")
        variant_of = checked.text(row.get("variant_of", ""), f"{where} class variant_of")
        model = checked.one_of(row["model"], tuple(MODELS), f"{where} class model:", "model")
        needed = dict(MODELS[model].parameters)
        for key, unit in needed.items():
            table.parameter(key)
            try:
                parse_quantity_like(table[key], parse_unit(unit))
            except InputError as error:
                raise InputError(f"{where} {key}: {error}") from None
        for key in table:
            if key not in needed:
                raise InputError(f"{where} '{key}' is no parameter of the model"
                                 f" '{model}'{nearest(key, needed)}")  # fmt: skip
        classes[name] = CellClass(
            name, MODELS[model], table, row["excitatory"], row["colour"], row["meaning"], variant_of
        )
    return classes


#: Every cell class by name: those of the folder ``tables``, and what `add_classes` adds.
CELL_CLASSES: dict[str, CellClass] = {}


def add_classes(path: Path | str) -> tuple[str, ...]:
    """Add the cell classes of a table file.

    Parameters
    ----------
    path : path
        TOML, as the files of ``cells/tables``: a table for each class, with a row ``class``
        (model, excitatory, colour, meaning, and variant_of for a variant of another class) and a
        row for each parameter of the model.

    Returns
    -------
    tuple of str
        Their names.

    Raises
    ------
    InputError
        For a row that is wrong or missing, or a class that is there already.
    """
    path = Path(path)
    found = _classes_of(path)
    for name in found:
        if name in CELL_CLASSES and CELL_CLASSES[name] != found[name]:
            raise InputError(f"{path.name}: there is already a cell class '{name}'")
    known = {**CELL_CLASSES, **found}
    for name, cell in found.items():
        if cell.kind not in known or known[cell.kind].variant_of:
            valid = [key for key, other in known.items() if not other.variant_of]
            raise InputError(f"{path.name}: [{name}] class variant_of: no class '{cell.kind}'"
                             f"{nearest(cell.kind, valid)}")  # fmt: skip
    CELL_CLASSES.update(found)
    return tuple(found)


for _path in sorted(TABLES.glob("*.toml")):
    add_classes(_path)


def cell_class(name: str) -> CellClass:
    """Return a cell class, e.g. ``cell_class("TRC")``; InputError names the nearest."""
    if name not in CELL_CLASSES:
        raise InputError(f"unknown cell class '{name}'{nearest(name, CELL_CLASSES)}")
    return CELL_CLASSES[name]


_EXPRESSION = re.compile(r"(?:(?P<of>\w+)|d(?P<rate>\w+)/dt)\s*=\s*(?P<code>[^:]+?)\s*:.+")


@cache
def _expressions(model: CellModel) -> tuple[dict[str, CodeType], list[str]]:
    """Return the right sides of the equations, and the names of the differential ones.

    Read line by line as `CellModel.equations` writes them: to let Brian2 parse them takes longer
    than all that is done with them here.
    """
    found = [m for line in model.equations().splitlines() if (m := _EXPRESSION.fullmatch(line))]
    codes = {m["of"] or m["rate"]: compile(m["code"], model.name, "eval") for m in found}
    return codes, [m["rate"] for m in found if m["rate"]]


def steady_state(cell: CellClass, v: float | Sequence[float] | np.ndarray) -> dict[str, np.ndarray]:
    """Return the steady state of every gate and calcium pool with all potentials held at ``v``.

    Parameters
    ----------
    cell : CellClass
    v : float or array-like
        Potential in volt (each compartment is held at it).

    Returns
    -------
    dict of str to array
        In SI units; also ``"current"``, the net inward ionic current per compartment summed over
        their areas in ampere, whose root is the resting potential of an isopotential cell.
    """
    codes, differential = _expressions(cell.model)
    values = {name: float(quantity) for name, quantity in cell.parameters.items()}
    v = np.asarray(v, dtype=float)
    values |= {part.v: v for part in cell.model.compartments}
    values |= {part.injected: 0.0 for part in cell.model.compartments}
    names = {
        "exp": np.exp,
        "log": np.log,
        "exprel": exprel,
        "ms": 1e-3,
        "mV": 1e-3,
        "umolar": 1e-3,
        "amp": 1.0,
    }

    def value(name, **held):
        known = {**values, **held}
        if name in known:
            return known[name]
        return evaluate(name, **held)

    def evaluate(name, **held):
        symbols = {s for s in codes[name].co_names if s not in names}
        return eval(codes[name], {**names, **{s: value(s, **held) for s in symbols}})

    pending = [n for n in differential if n not in values]
    # gates depend on potentials alone, calcium on gates: a second pass closes the chain
    for name in sorted(pending, key=lambda n: n.startswith("Ca")):
        at_zero, at_one = evaluate(name, **{name: 0.0}), evaluate(name, **{name: 1.0})
        values[name] = np.asarray(at_zero / (at_zero - at_one))
    total = 0.0
    for part in cell.model.compartments:
        for current in part.currents:
            if current != "calcium":
                total = total + values[f"area{part.suffix}"] * value(_symbol(current) + part.suffix)
    return {**{n: values[n] for n in pending}, "current": np.asarray(total)}
