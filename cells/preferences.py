"""Brian2's preferences while our code generates or runs something: its defaults, and ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from brian2 import prefs

__all__ = ["own_preferences"]

_inside = False


@contextmanager
def own_preferences(target: str | None = None) -> Iterator[None]:
    """Set aside every preference of a file or of the caller; give them back at the end.

    Brian2 reads preferences from the home and the working folder. They change what is computed
    (``core.default_float_dtype``), but neither the description of a run nor the digest of its
    program knows them. Within this block they are Brian2's defaults, but for those of its log; a
    block within a block changes the target alone.

    Parameters
    ----------
    target : str, optional
        Of code generation on Brian2's runtime device.
    """
    global _inside
    nested, _inside = _inside, True
    kept = dict(prefs.items())
    try:
        if not nested:
            prefs.reset_to_defaults()
            prefs.update({key: kept[key] for key in kept if key.startswith("logging.")})
        if target is not None:
            prefs.codegen.target = target
        yield
    finally:
        _inside = nested
        if nested:
            prefs.codegen.target = kept["codegen.target"]
        else:
            prefs.update(kept)
