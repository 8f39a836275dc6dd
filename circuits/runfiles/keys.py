"""Keys of run files of circuits; imports nothing heavy, so that a typo is told at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from cells.errors import InputError, known_keys, nearest

__all__ = ["check_choices", "check_names"]

# what a run file says once, and what a condition may say again for itself
ONCE = ("experiment", "name", "claim", "source", "anatomy", "size", "scale", "seeds", "device",
        "replicas", "cycle", "condition", "criteria", "extensions", "prediction", "record",
        "population", "projection", "loop")  # fmt: skip
AGAIN = ("stimulus", "integration", "populations", "projections", "factors", "cells", "inputs",
         "lesions", "plasticity", "blocks", "pacing", "manipulation")  # fmt: skip
CYCLE = ("length", "plus", "count", "warmup")
BLOCK = ("cycles", "learn", "stimulus", "pacing")
PACING = ("shift", "shuffled")
INTEGRATION = ("method", "dt", "threads", "upstroke")
INPUTS = ("regular", "noise")
CRITERION = ("id", "claim", "source", "observable", "args", "condition", "reference", "contrast",
             "min", "max", "margin", "family", "unit")  # fmt: skip
MANIPULATION = ("what", "target", "value", "parameter", "positions", "cells", "share", "stimulus",
                "like", "seeds", "when")  # fmt: skip
RECORD = ("target", "what", "cells", "synapses", "interval", "when", "name")
STIMULUS = (
    "kind",
    "image",
    "path",
    "array",
    "n_x",
    "polarities",
    "spacing",
    "step",
    "speeds",
    "acceleration",
    "drift",
    "motion",
    "sweep",
    "direction",
    "order",
    "n_images",
    "deviants",
    "contrast",
    "row",
    "width",
    "n_bumps",
    "gain_control",
    "cue",
    "cue_rate",
    "cue_rest",
)

DEVICES = ("cpp", "cuda", "cython", "numpy")
#: Of the anatomies that come along.
SIZES = ("tiny", "column")

_TABLES = {"cycle": CYCLE, "pacing": PACING, "integration": INTEGRATION, "inputs": INPUTS}
_LISTS = {"criteria": CRITERION, "manipulation": MANIPULATION, "record": RECORD}


def check_names(document: Mapping, file: str) -> None:
    """Raise InputError for a key of a circuit's run file that there is not.

    Parameters
    ----------
    document : mapping
        As it is written; whatever else is wrong with it is told when it is read in full.
    file : str
        For messages.
    """
    if document.get("experiment", "circuit") != "circuit":
        return
    known_keys(document, (*ONCE, *AGAIN), file)
    for at, table in [(f"{file}:", document), *_conditions(document, file)]:
        for name, valid in _TABLES.items():
            if isinstance(table.get(name), Mapping):
                known_keys(table[name], valid, f"{at} [{name}]")
        if isinstance(table.get("stimulus"), Mapping):
            known_keys(table["stimulus"], STIMULUS, f"{at} [stimulus]")
        for name, valid in _LISTS.items():
            rows = table.get(name)
            for k, row in enumerate(rows if isinstance(rows, list) else [], 1):
                if isinstance(row, Mapping):
                    known_keys(row, valid, f"{at} {name} {k}")


def check_choices(
    document: Mapping, file: str, size: str | None, device: str | None, conditions: Sequence[str]
) -> None:
    """Raise InputError for a size, device or condition of a circuit that there is not.

    Parameters
    ----------
    document : mapping
        A run file; one of an anatomy of the user's has sizes of its own, which are not looked at.
    file : str
        For messages.
    size, device : str, optional
    conditions : sequence of str
    """
    if document.get("experiment", "circuit") != "circuit":
        return
    if size not in (None, *SIZES) and "anatomy" not in document:
        raise InputError(f"{file}: size: unknown size '{size}'{nearest(str(size), SIZES)}")
    if device not in (None, *DEVICES):
        raise InputError(
            f"{file}: device: unknown device '{device}'{nearest(str(device), DEVICES)}"
        )
    rows = document.get("condition")
    rows = [row for row in rows if isinstance(row, Mapping)] if isinstance(rows, list) else []
    names = [str(row.get("name")) for row in rows] or ["baseline"]
    for name in conditions:
        if name not in names:
            raise InputError(f"{file}: unknown condition '{name}'{nearest(name, names)}")


def _conditions(document: Mapping, file: str) -> Iterator[tuple[str, Mapping]]:
    rows = document.get("condition")
    for k, row in enumerate(rows if isinstance(rows, list) else [], 1):
        if isinstance(row, Mapping):
            at = f"{file}: condition {row.get('name', k)!r}"
            known_keys(row, ("name", "meaning", *AGAIN), at)
            yield at, row
