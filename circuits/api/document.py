"""Changes of a run file from Python: dotted keys, quantities, arrays."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from brian2 import Quantity, second

from cells.checked import physical
from cells.parameters import InputError, parse_unit
from circuits.stimuli.arrays import Arrays

__all__ = ["nested", "plain", "trains"]

_NAMED = ("populations", "projections")  # tables whose keys are names that may have dots


def nested(key: str, value: Any) -> dict:
    """Return the tables that a dotted key stands for.

    Parameters
    ----------
    key : str
        As ``stimulus.contrast``, ``projections.V1.L5IB->TRC.weight`` or ``factors.TRC->*``; names
        may stand in quotes, as in a run file.
    value : object

    Raises
    ------
    InputError
        If it is no such key.
    """
    if not isinstance(key, str) or not all(part.strip() for part in key.split(".")):
        raise InputError(f"{key!r} is no dotted key, such as 'stimulus.contrast'")
    head, dot, rest = key.partition(".")
    if head == "factors" and dot:
        parts = [head, rest]
    elif head in _NAMED and dot:
        name, dot, last = rest.rpartition(".")
        if not dot:
            raise InputError(f"'{key}' is no dotted key, such as '{head}.NAME.KEY'")
        parts = [head, name, last]
    else:
        parts = key.split(".")
    for part in reversed(parts):
        value = {part.strip("\"'"): value}
    return value


def plain(value: Any, where: str) -> Any:
    """Return a value as a run file would have it: quantities as text with their unit.

    Parameters
    ----------
    value : object
    where : str
        For messages.

    Raises
    ------
    InputError
        For a quantity that is not one finite number.
    """
    if isinstance(value, Quantity):
        return _text(value, where)
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return {str(k): plain(_listed(v), f"{where} {k}") for k, v in value.items()}
    if isinstance(value, np.ndarray):
        return Arrays.of(value, where)
    if isinstance(value, list | tuple) and any(isinstance(v, np.ndarray) for v in value):
        return Arrays.of(value, where)
    if isinstance(value, list | tuple | range):
        return [plain(v, where) for v in value]
    return value


def _listed(value: Any) -> Any:
    """Return numbers of cells and such as a list; what is shown has two dimensions at least."""
    numbers = isinstance(value, np.ndarray) and not isinstance(value, Quantity)
    return value.tolist() if numbers and value.ndim < 2 else value


def trains(spikes: Any, cell: Any, where: str) -> Arrays:
    """Return the times (s) and cells of spikes as a (2, spike) array.

    Parameters
    ----------
    spikes : Quantity [time], or sequence of them
        Of all cells together, with ``cell``; or a train for each cell, of Brian2 or of neo.
    cell : (spike,) array of int or None
    where : str
        For messages.

    Raises
    ------
    InputError
        For times without a unit, or of another number than the cells.
    """
    if cell is None:
        if isinstance(spikes, Quantity) and spikes.ndim < 2:
            raise InputError(f"{where}: times of one train; say the cell of each spike")
        every = [np.atleast_1d(_seconds(train, where)) for train in spikes]
        time = np.concatenate([*every, np.empty(0)])
        cell = np.repeat(np.arange(len(every)), [len(train) for train in every])
    else:
        time = np.atleast_1d(_seconds(spikes, where))
        if np.shape(cell) != time.shape:
            raise InputError(f"{where}: {time.size} times, but cells of shape {np.shape(cell)}")
    if not time.size:
        raise InputError(f"{where}: no spikes")
    return Arrays.of(np.stack([time, np.asarray(cell, float)]), where)


def _seconds(times: Any, where: str) -> np.ndarray:
    if hasattr(times, "rescale"):  # of neo
        return np.asarray(times.rescale("s").magnitude, float)
    return np.asarray(physical(times, second, where), float)


def _text(value: Quantity, where: str) -> Any:
    if value.size != 1:
        raise InputError(f"{where}: {value!r} is not a single quantity")
    if not np.isfinite(np.asarray(value)).all():
        raise InputError(f"{where}: {value!r} is not finite")
    value = Quantity(float(value), dim=value.dim)
    if value.dim.is_dimensionless:
        return float(value)
    unit = value.get_best_unit()
    try:
        parse_unit(str(unit))
    except InputError:  # brackets of units are none of Python
        return f"{float(value / unit):.15g} {unit!r}"
    return f"{float(value / unit):.15g} {unit}"
