"""Arrays of the user's in descriptions, which are told apart by what they hold."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from cells.parameters import InputError

__all__ = ["Arrays"]


@dataclass(frozen=True, eq=False)
class Arrays:
    """One array or several, frozen: equal, and of one hash, where they hold the same.

    Attributes
    ----------
    values : tuple of array
        Read-only.
    digest : str
        Of shapes, types and numbers.
    """

    values: tuple[np.ndarray, ...]
    digest: str

    @classmethod
    def of(cls, values: np.ndarray | Iterable[np.ndarray], where: str) -> Arrays:
        """Return a frozen copy of one array or of several.

        Parameters
        ----------
        values : array or sequence of array
            Of numbers.
        where : str
            For messages.

        Raises
        ------
        InputError
            For what is no array of finite numbers.
        """
        found, text = [], hashlib.sha256()
        for value in [values] if isinstance(values, np.ndarray) else values:
            array = np.array(value)
            if array.dtype.kind not in "buif" or not array.size:
                raise InputError(f"{where}: an array of {array.dtype} of shape {array.shape};"
                                 " expected numbers")  # fmt: skip
            if not np.isfinite(array).all():
                raise InputError(f"{where}: its numbers are not finite")
            array.flags.writeable = False
            text.update(f"{array.shape} {array.dtype}".encode() + array.tobytes())
            found.append(array)
        return cls(tuple(found), text.hexdigest())

    def __deepcopy__(self, memo) -> Arrays:
        return self

    def __eq__(self, other) -> bool:
        return isinstance(other, Arrays) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def __str__(self) -> str:
        shapes = ", ".join("x".join(map(str, array.shape)) for array in self.values[:3])
        more = ", ..." if len(self.values) > 3 else ""
        return f"arrays {self.digest[:16]} ({shapes}{more})"

    __repr__ = __str__
