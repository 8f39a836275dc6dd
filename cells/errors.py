"""Mistakes of the user's, told in one line; imports nothing heavy."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping

__all__ = ["InputError", "known_keys", "nearest"]


class InputError(ValueError):
    """A mistake in what the user wrote, told in one line that names the place and the way out."""


def nearest(key: str, valid: Iterable[str]) -> str:
    """Return ``; did you mean 'x'?`` or the valid choices, for the end of an error line."""
    valid = sorted(str(choice) for choice in valid)
    close = difflib.get_close_matches(str(key), valid, n=1, cutoff=0.5)
    if close:
        return f"; did you mean '{close[0]}'?"
    return f"; valid: {', '.join(valid)}" if valid else ""


def known_keys(value: Mapping, valid: Iterable[str], where: str) -> None:
    """Raise InputError for a key that is not valid; names the nearest."""
    for key in value:
        if key not in valid:
            raise InputError(f"{where}: unknown key '{key}'{nearest(key, valid)}")
