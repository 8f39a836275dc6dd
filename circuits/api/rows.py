"""Descriptions in a row, which print as a table and are found by their names."""

from __future__ import annotations

from dataclasses import fields, is_dataclass

import pandas as pd

from cells.parameters import InputError, nearest

__all__ = ["Rows"]

_UNITS = {"bias": "pA", "bias_sd": "pA", "noise_sd": "pA", "rate": "Hz", "steady": "Hz",
          "weight": "nS", "delay": "ms", "delay_sd": "ms"}  # fmt: skip
_ASIDE = ("name", "colour", "meaning", "basis", "mark")


def _is_nested(value) -> bool:
    return is_dataclass(value) or (isinstance(value, tuple) and any(map(is_dataclass, value)))


class Rows(tuple):
    """Frozen descriptions, each with a ``name``: a tuple that takes names too."""

    __slots__ = ()

    def __getitem__(self, key):
        """Return what stands at a place, or what is called so."""
        if not isinstance(key, str):
            return super().__getitem__(key)
        for row in self:
            if row.name == key:
                return row
        raise InputError(f"there is no '{key}'{nearest(key, self.names)}")

    @property
    def names(self) -> list[str]:
        """Names, in order."""
        return [row.name for row in self]

    def frame(self) -> pd.DataFrame:
        """Return all fields as a table, a row for each description."""
        keys = [f.name for f in fields(self[0]) if f.name != "name"] if self else []
        rows = [{key: getattr(row, key) for key in keys} for row in self]
        return pd.DataFrame(rows, index=pd.Index(self.names, name="name"))

    def _shown(self) -> pd.DataFrame:
        frame = self.frame()
        nested = [key for key in frame if frame[key].map(_is_nested).any()]
        frame = frame.drop(columns=[key for key in {*_ASIDE, *nested} if key in frame])
        return frame.rename(columns={key: f"{key} ({unit})" for key, unit in _UNITS.items()})

    def __repr__(self) -> str:
        return self._shown().to_string() if self else "none"

    def _repr_html_(self) -> str:
        return self._shown().to_html() if self else "none"
