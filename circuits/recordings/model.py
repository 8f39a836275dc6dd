"""Descriptions of recordings: what, of which cells or synapses, how often, and when."""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass, field

import numpy as np

from cells.parameters import InputError, nearest
from circuits.anatomy.spec import CircuitSpec
from circuits.manipulations.model import When

__all__ = ["LFP", "Record"]

#: What is recorded of an area: the sums of the absolute AMPA and GABA-A currents.
LFP = "LFP"


@dataclass(frozen=True)
class Record:
    """One row of the table ``[[record]]``.

    Attributes
    ----------
    name : str
        Of its variables in the result.
    target : str
        A population or projection (``*`` matches), or with `LFP` an area.
    what : tuple of str
        Names as of `circuits.recordings.quantities`, or `LFP` alone.
    number : int or None
        How many cells of each population (synapses of each projection), evenly chosen; None: all,
        unless some are ``chosen``.
    chosen : tuple of int
        Their indices in the population or projection.
    interval : float
        ms.
    when : When
    """

    name: str
    target: str
    what: tuple[str, ...]
    number: int | None = None
    chosen: tuple[int, ...] = ()
    interval: float = 1.0
    when: When = field(default_factory=When)

    @property
    def of_synapses(self) -> bool:
        """Whether it is of a projection."""
        return "->" in self.target

    @property
    def summed(self) -> bool:
        """Whether the sum over cells is kept, not each of them."""
        return self.what == (LFP,)

    def targets(self, spec: CircuitSpec) -> tuple[str, ...]:
        """Return the names of the populations or projections that the target stands for.

        Raises
        ------
        InputError
            If there is none, or if they are inputs.
        """
        if self.of_synapses:
            known = [p.name for p in spec.projections]
            found = fnmatch.filter(known, self.target)
        else:
            known = [p.name for p in spec.populations]
            areas = {p.name: p.area for p in spec.populations} if self.summed else {}
            found = [n for n in known if fnmatch.fnmatchcase(n, self.target)]
            found = found or [n for n, area in areas.items() if area == self.target]
            known += sorted({*areas.values()})
            inputs = [name for name in found if spec.population(name).is_input]
            if found and len(inputs) == len(found):
                raise InputError(f"target: '{inputs[0]}' is an input: it has no membrane")
            found = [name for name in found if name not in inputs]
            if self.summed:
                cells = found
                found = [name for name in found if spec.population(name).excitatory]
                if cells and not found:
                    raise InputError(f"target: '{self.target}' has no excitatory cells, whose"
                                     " currents the LFP proxy sums")  # fmt: skip
        if not found:
            raise InputError(f"target: unknown '{self.target}'{nearest(self.target, known)}")
        return tuple(found)

    def indices(self, n: int, name: str) -> np.ndarray:
        """Return the chosen ones of ``n`` cells or synapses.

        Raises
        ------
        InputError
            If there are not so many.
        """
        noun = "synapses" if self.of_synapses else "cells"
        if self.chosen:
            if max(self.chosen) >= n:
                raise InputError(
                    f"{noun}: {max(self.chosen)} is none of '{name}', which has 0 to {n - 1}"
                )
            return np.array(self.chosen)
        number = n if self.number is None else self.number
        if number > n:
            raise InputError(f"{noun}: '{name}' has {n}, not {number}")
        return np.arange(number) * n // number
