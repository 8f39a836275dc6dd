"""Criteria of a run file: what must come out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cells import checked
from cells.parameters import InputError, nearest
from circuits.runfiles.keys import CRITERION

__all__ = ["criteria_of"]


def criteria_of(entries, where: str, conditions: Sequence[str] | None) -> tuple[dict, ...]:
    """Return the criteria of the tables ``[[criteria]]``.

    Parameters
    ----------
    entries : list of mapping
    where : str
        For messages.
    conditions : sequence of str or None
        Names of all conditions; None where an experiment has none.

    Raises
    ------
    InputError
    """
    if not isinstance(entries, list):
        raise InputError(f"{where}: expected [[criteria]] tables")
    seen = set()
    for k, entry in enumerate(entries, 1):
        here = f"{where} {k}"
        _check_keys(entry, here)
        for key in ("id", "claim", "observable"):
            if not isinstance(entry.get(key), str) or not entry[key]:
                raise InputError(f"{here}: no key '{key}'")
        here = f"{where} '{entry['id']}'"
        if entry["id"] in seen:
            raise InputError(f"{here}: the id comes twice")
        seen.add(entry["id"])
        given = [key for key in ("min", "max") if key in entry]
        bounds = [checked.number(entry[key], f"{here} {key}") for key in given]
        if not bounds and "margin" not in entry:
            raise InputError(f"{here}: needs 'min' or 'max', or 'margin'")
        if bounds and bounds[0] > bounds[-1]:
            raise InputError(f"{here}: 'min' is above 'max'")
        _check_comparison(entry, bool(bounds), here)
        if not isinstance(entry.get("args", {}), Mapping):
            raise InputError(f"{here} args: expected a table")
        if conditions is not None:
            if entry.get("reference") == entry.get("condition", conditions[0]):
                raise InputError(f"{here}: '{entry['reference']}' is compared with itself")
            for key, valid in (("condition", ("*", *conditions)), ("reference", conditions)):
                name = entry.get(key)
                if name is not None and name not in valid:
                    raise InputError(
                        f"{here}: unknown condition '{name}'{nearest(name, conditions)}"
                    )
    return tuple(entries)


def _check_keys(entry, here: str) -> None:
    """Check the keys; of one that is unknown say where an argument of the observable stands."""
    try:
        checked.keys(entry, CRITERION, here)
    except InputError as error:
        unknown = [key for key in entry if key not in CRITERION] if entry else ()
        if not unknown or not isinstance(entry, Mapping):
            raise
        raise InputError(
            f"{error} (an argument of the observable stands in args = {{ {unknown[0]} = ... }})"
        ) from None


def _check_comparison(entry: Mapping, bounded: bool, here: str) -> None:
    """Raise if what a criterion says of a comparison does not go together."""
    if "contrast" in entry:
        checked.one_of(entry["contrast"], ("relative", "difference"), here, "contrast")
    if "margin" in entry:
        if bounded:
            raise InputError(f"{here}: 'margin' or bounds, not both")
        if not checked.number(entry["margin"], f"{here} margin") > 0:
            raise InputError(f"{here} margin: {entry['margin']} is not above 0")
    if "family" in entry:
        checked.text(entry["family"], f"{here} family")
    for key in ("contrast", "margin"):
        if key in entry and "reference" not in entry:
            raise InputError(f"{here}: '{key}' needs a 'reference'")
