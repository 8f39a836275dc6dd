"""What ``--set`` says, put into a run file; imports nothing heavy."""

from __future__ import annotations

import copy
import tomllib
from collections.abc import Iterable, Mapping

from cells.errors import InputError

__all__ = ["apply_settings", "merge"]


def apply_settings(document: Mapping, settings: Iterable[str]) -> dict:
    """Return a run file with ``key=value`` settings applied.

    Parameters
    ----------
    document : mapping
    settings : iterable of str
        The key is a dotted TOML key, the value is TOML or bare text: ``stimulus.contrast=0.5``,
        ``projections."V1.L5IB->TRC".weight=30 nS``.

    Returns
    -------
    dict

    Raises
    ------
    InputError
        For a setting that is no assignment.
    """
    result = copy.deepcopy(dict(document))
    for setting in settings:
        key, equals, value = setting.partition("=")
        if '"' in key and key.count('"') % 2:
            # an equals sign within a quoted key
            key, equals, value = setting.rpartition("=")
        if not equals or not key.strip():
            raise InputError(f"--set {setting}: expected key=value")
        try:
            change = tomllib.loads(f"{key} = {value}")
        except tomllib.TOMLDecodeError:
            quoted = value.strip().replace("\\", "\\\\").replace('"', '\\"')
            try:
                change = tomllib.loads(f'{key} = "{quoted}"')
            except tomllib.TOMLDecodeError:
                raise InputError(f"--set {setting}: '{key.strip()}' is no dotted key") from None
        merge(result, change, f"--set {setting}")
    return result


def merge(into: dict, change: Mapping, where: str) -> None:
    """Put what a table says into another one; tables within are merged too."""
    for key, value in change.items():
        if isinstance(value, Mapping):
            inner = into.setdefault(key, {})
            if not isinstance(inner, dict):
                raise InputError(f"{where}: '{key}' is no table")
            merge(inner, value, where)
        else:
            into[key] = value
