"""Which criteria of a run file can be judged."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

__all__ = ["measurable"]


def measurable(criteria: Iterable[Mapping], conditions: Sequence[str], first: str) -> tuple:
    """Return the criteria that can be judged where only some conditions were run.

    Parameters
    ----------
    criteria : iterable of mapping
    conditions : sequence of str
        That were run.
    first : str
        First condition of the run file, which a criterion without ``condition`` means.
    """
    have = {"*", *conditions}
    return tuple(
        c
        for c in criteria
        if (c.get("condition") or first) in have and (c.get("reference") or "*") in have
    )
