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

# of rate networks: what a file says once, and by kind the tables with their keys, which a condition
# may say again; None is a table that names a framework
RATE_ONCE = ("experiment", "kind", "name", "claim", "source", "seeds", "device", "condition",
             "criteria", "prediction")  # fmt: skip
_TRAINING = ("epochs", "batch", "lr")
RATE_TABLES: dict[str, dict[str, tuple[str, ...] | None]] = {
    "alignment": {
        "task": ("name",), "network": ("width", "depths", "feedback"), "rule": None,
        "training": _TRAINING, "gradient": ("patterns", "between"),
    },
    "depth": {
        "task": ("name",), "network": ("width", "depths", "feedback", "back"), "rule": None,
        "training": (*_TRAINING, "decay"), "gradient": ("patterns",),
    },
    "figure1": {
        "network": ("input", "target", "gain", "feedback"),
        "cycle": ("minus_ms", "plus_ms", "tau_ms", "step_ms", "count"), "training": ("lr",),
    },
    "identities": {"identity": ("name",), "network": ("gain", "feedback")},
    "prediction": {
        "stimulus": ("direction", "step", "sweep", "n_x", "cycles", "test_cycles", "frames"),
        "network": ("hidden", "feedback"), "rule": None, "training": (*_TRAINING, "decay"),
        "ridge": ("penalty",),
    },
    "readout": {
        "stimulus": ("step", "n_x", "cycles", "noise"), "network": ("hidden", "feedback"),
        "rule": None, "training": (*_TRAINING, "decay"),
        "label": ("classes", "cells", "movie_s", "blank_s", "start_s", "length_s", "learner",
                  "kinase_lr"),
        "cells": ("inhibition", "active", "basal", "homeostasis"), "test": ("presentations",),
        "ridge": ("penalty",),
    },
    "recall": {
        "network": ("layers",), "training": _TRAINING,
        "inference": ("steps", "test_steps", "rate"), "ridge": ("penalty",),
    },
    "sampling": {
        "network": ("learner", "hidden"), "training": _TRAINING,
        "inference": ("steps", "rate", "noise", "precision_lr", "least"),
        "gibbs": ("burn", "count"), "test": ("steps", "rate", "burn"),
    },
    "training": {
        "task": ("name",), "network": ("hidden", "feedback", "back"), "rule": None,
        "measured": None, "training": (*_TRAINING, "decay", "until", "every"),
        "gradient": ("patterns",),
    },
}  # fmt: skip
RULES = ("generec", "midpoint", "symmetric", "chl", "ep", "boltzmann", "kinase", "recirculation",
         "predictive_coding", "target_propagation", "difference_target_propagation", "burstprop",
         "burstccn", "backprop")  # fmt: skip

DEVICES = ("cpp", "cuda", "cython", "numpy")
#: Of the anatomies that come along.
SIZES = ("tiny", "column")

_TABLES = {"cycle": CYCLE, "pacing": PACING, "integration": INTEGRATION, "inputs": INPUTS}
_LISTS = {"criteria": CRITERION, "manipulation": MANIPULATION, "record": RECORD}


def check_names(document: Mapping, file: str) -> None:
    """Raise InputError for a key of a run file, of circuits or rate networks, that there is not.

    Parameters
    ----------
    document : mapping
        As it is written; whatever else is wrong with it is told when it is read in full.
    file : str
        For messages.
    """
    if document.get("experiment") == "rate":
        _check_rates(document, file)
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


def _check_rates(document: Mapping, file: str) -> None:
    kind = document.get("kind", "training")
    if kind not in RATE_TABLES:
        raise InputError(f"{file}: unknown kind '{kind}'{nearest(str(kind), RATE_TABLES)}")
    tables = RATE_TABLES[kind]
    known_keys(document, (*RATE_ONCE, *tables), file)
    levels: list[tuple[str, Mapping]] = [(f"{file}:", document)]
    rows = document.get("condition")
    for k, row in enumerate(rows if isinstance(rows, list) else [], 1):
        if isinstance(row, Mapping):
            at = f"{file}: condition {row.get('name', k)!r}"
            known_keys(row, ("name", "meaning", *tables), at)
            levels.append((at, row))
    for at, level in levels:
        for name, valid in tables.items():
            table = level.get(name)
            if not isinstance(table, Mapping):
                continue
            if valid is not None:
                known_keys(table, valid, f"{at} [{name}]")
            elif (rule := table.get("name", RULES[0])) not in RULES:
                raise InputError(f"{at} [{name}]: rule '{rule}'{nearest(str(rule), RULES)}")
    rows = document.get("criteria")
    for k, row in enumerate(rows if isinstance(rows, list) else [], 1):
        if isinstance(row, Mapping):
            known_keys(row, CRITERION, f"{file}: criteria {k}")


def _conditions(document: Mapping, file: str) -> Iterator[tuple[str, Mapping]]:
    rows = document.get("condition")
    for k, row in enumerate(rows if isinstance(rows, list) else [], 1):
        if isinstance(row, Mapping):
            at = f"{file}: condition {row.get('name', k)!r}"
            known_keys(row, ("name", "meaning", *AGAIN), at)
            yield at, row
