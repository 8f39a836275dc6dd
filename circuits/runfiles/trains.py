"""Spike trains that an input plays: of a file, or of an array from Python."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from analysis.data.versions import AnalysisError
from cells import checked
from cells.parameters import InputError
from circuits.anatomy.spec import CircuitSpec, Spikes
from circuits.engine.equations import NEVER, SLOW_CLOCK_MS
from circuits.stimuli.arrays import Arrays

__all__ = ["spikes_of"]


def spikes_of(value, spec: CircuitSpec, name: str, folder: Path, where: str) -> Spikes:
    """Return the spike trains that a population is to play.

    Parameters
    ----------
    value : str, mapping or Arrays
        A file as `analysis.exports.read.read_spikes` reads them; a table of its ``path`` and of the
        ``population`` in it; or an array (2, spike) of times in s and numbers of cells.
    spec : CircuitSpec
    name : str
        Of the population, an input.
    folder : path
        Beside which a file may lie.
    where : str
        For messages.

    Raises
    ------
    InputError
        If they cannot be read, lie before 0, or are of a cell that is not there; or if a cell would
        fire twice in one step.
    """
    if not spec.population(name).is_input:
        raise InputError(f"{where}: '{name}' is no input; [[manipulation]] 'inject' drives cells")
    if isinstance(value, Arrays):
        path, (time, cell) = "", value.values[0]
    else:
        table = checked.keys({"path": value} if isinstance(value, str) else value,
                             ("path", "population"), where)  # fmt: skip
        path, time, cell = _read(table, folder, where)
    if not len(time):
        raise InputError(f"{where}: no spikes; [[manipulation]] 'silence' keeps an input silent")
    order = np.lexsort((cell, time))
    time, cell = np.asarray(time, float)[order], np.asarray(cell)[order]
    n = spec.count(name)
    if (wrong := cell[(cell < 0) | (cell >= n) | (cell != np.round(cell))]).size:
        raise InputError(f"{where}: cell {wrong[0]:g} is none; '{name}' has 0 to {n - 1}")
    if time[0] < 0 or time[-1] >= NEVER:
        raise InputError(f"{where}: a spike at {time[0 if time[0] < 0 else -1]:g} s")
    steps = np.ceil(time / (SLOW_CLOCK_MS * 1e-3) - 1e-3)
    pairs, counts = np.unique(np.stack([steps, cell]), axis=1, return_counts=True)
    if (counts > 1).any():
        step, twice = pairs[:, counts > 1][:, 0]
        raise InputError(f"{where}: cell {twice:g} fires twice within {SLOW_CLOCK_MS:g} ms, a step"
                         f" of inputs, at {step * SLOW_CLOCK_MS:g} ms")  # fmt: skip
    return Spikes(tuple(time.tolist()), tuple(cell.astype(int).tolist()), path)


def _read(table: Mapping, folder: Path, where: str) -> tuple[str, np.ndarray, np.ndarray]:
    from analysis.exports.read import read_spikes

    if "path" not in table:
        raise InputError(f"{where}: no key 'path'")
    path = Path(checked.text(table["path"], f"{where} path"))
    if not path.exists() and (folder / path).exists():
        path = folder / path
    try:
        return str(path), *read_spikes(path, table.get("population"))
    except AnalysisError as error:
        raise InputError(f"{where}: {error}") from None
