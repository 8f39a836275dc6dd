"""What a circuit's wiring is drawn from: it tells if a list of synapses is of a run."""

from __future__ import annotations

import json
from collections.abc import Mapping

__all__ = ["drawn_from", "unlike"]

_KEYS = ("anatomy", "size", "scale", "populations", "projections", "factors", "lesions",
         "population", "projection", "loop", "manipulation", "plasticity")  # fmt: skip


def drawn_from(document: Mapping, condition: str, seed: int) -> dict:
    """Return what the synapses of one run are drawn from.

    Parameters
    ----------
    document : mapping
        The resolved run file.
    condition : str
        Its keys stand beside those of the file, under ``of condition``.
    seed : int

    Returns
    -------
    dict
        As JSON gives it back: ``seed``, ``condition``, and of the file what is not empty.
    """
    entries = document.get("condition") or []
    own: dict = next((c for c in entries if c.get("name") == condition), {})
    found: dict = {"seed": int(seed), "condition": condition, "of condition": _some(own)}
    plain: dict = json.loads(json.dumps(found | _some(document), default=str))
    return plain


def _some(table: Mapping) -> dict:
    return {key: table[key] for key in _KEYS if table.get(key) not in (None, [], {}, ())}


def unlike(one: Mapping, other: Mapping) -> str:
    """Return in what two of `drawn_from` differ, such as "seed 11, not 12"; "" if in nothing.

    Parameters
    ----------
    one, other : mapping
    """
    told = []
    for key in dict.fromkeys([*one, *other]):
        a, b = one.get(key), other.get(key)
        if a == b:
            continue
        plain = all(isinstance(value, str | int | float) for value in (a, b))
        told.append(f"{key} {a}, not {b}" if plain else f"other {key}")
    return "; ".join(told)
