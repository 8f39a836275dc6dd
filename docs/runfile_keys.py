"""What each key of a run file means, checked against the keys that the reader knows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import MISSING, dataclass, fields

from numpydoc.docscrape import ClassDoc

from circuits.manipulations.model import Manipulation, When
from circuits.plasticity.learning import Learning
from circuits.rates.experiments.kinds import KINDS
from circuits.runfiles import (
    bench,
    circuit,
    keys,
    plasticity,
    settings,
)
from circuits.runfiles.model import Cycle
from circuits.stimuli.stimulus import Stimulus

INTRODUCTION = """\
A run file is TOML. `experiment` says what it is about: `circuit`, `synapse` or `rate`. What is left
out has its default; an unknown key is refused with the nearest valid one. Numbers with a unit are
texts, such as `"200 ms"`.
"""
_TOP = {
    "experiment": '`"circuit"`, `"synapse"` or `"rate"`',
    "name": "of the run, and of its folder",
    "claim": "what the run is meant to show, in a sentence",
    "source": "where the claim comes from",
    "anatomy": "name of an anatomy that comes along, or a folder of tables beside the file",
    "size": "of the anatomy, such as `tiny` or `column`",
    "scale": "factor of the number of cells at every channel",
    "seeds": 'list of whole numbers, or a text such as `"1-5,8"`',
    "device": "`cpp`, `numpy`, `cython` or `cuda`",
    "replicas": "runs that share a program, at most",
    "cycle": "table: the theta cycle, see below",
    "condition": "tables `[[condition]]`: `name`, `meaning`, and any of the keys it says again",
    "criteria": "tables `[[criteria]]`, see below",
    "extensions": "files with cell classes, rules, observables or manipulations of your own",
    "prediction": "table of an anatomical prediction, see [extending](../extending.md)",
    "record": "tables `[[record]]`: what is kept over time, see below",
    "stimulus": "table: what is shown, see below",
    "integration": "table: `method`, `dt`, `threads`, `upstroke`",
    "populations": "table by name, see below",
    "projections": 'table by name such as `"V1.L5IB->TRC"`, see below',
    "factors": "factors on weights by projection; `*` matches",
    "cells": "table by cell class: any of its parameters, with unit",
    "inputs": "table: `regular` (inputs fire regularly), `noise` (false: no noise current)",
    "lesions": "list of what is cut or silent: `pacing`, populations, projections",
    "plasticity": "table: what learns and how, see below",
    "blocks": "tables by name, in their order, see below",
    "pacing": "table: rhythm of theta afferents and matrix thalamus, see below",
    "manipulation": "list of rows, see below",
    "population": "tables `[[population]]`: rows added to those of the anatomy",
    "loop": "tables `[[loop]]`: prediction loops added to those of the anatomy",
    "projection": "tables `[[projection]]`: rows added to those of the anatomy",
}
_POPULATION = {
    "bias": "constant current, mean over cells (pA)",
    "bias_sd": "its spread over cells (pA)",
    "noise_sd": "s.d. of the Ornstein-Uhlenbeck current (pA)",
    "rate": "of an input: peak rate of its rhythm (Hz)",
    "peak": "of an input: phase of the peak, in cycles",
    "cell": "cell class",
    "cells": "number of cells at a position, or of all where it has no positions; the same in all"
    " conditions",
    "steady": "of an input: a constant rate, in place of the stimulus (Hz)",
    "spikes": "of an input: a file of spike trains that it plays, or a table of its `path` and the"
    " `population` in it",
}
_PROJECTION = {
    "weight": "conductance of one synapse at the reference size (nS)",
    "delay": "mean delay (ms)",
    "delay_sd": "spread of the delay (ms)",
    "indegree": "synapses on each target cell",
    "release": "class of short-term release",
    "topography": "which cells are joined",
    "receptors": "table: share of the conductance by receptor",
}
_BLOCKS = {
    "cycles": "theta cycles of the block",
    "learn": "factor of the learning rate; true is 1, false 0",
    "stimulus": "keys of the stimulus that the block changes",
    "pacing": "keys of the pacing that the block changes",
}
_PACING = {
    "shift": "in cycles; positive is later",
    "shuffled": "true: another shift in every cycle",
}
_RECORD = {
    "target": "a population or projection; `*` matches; with `LFP` an area",
    "what": "name or list of names, see [recordings](../howto/recordings.md)",
    "cells": "of a population: how many, spread evenly, or a list of indices; default 4",
    "synapses": "of a projection: the same",
    "interval": "between samples, of whole steps and a whole part of the cycle; default 1 ms",
    "when": "table: `block`, `cycles`, `every`, `phase`, as of a manipulation; default always",
    "name": "of its variables in the result; default its number",
}
_CRITERIA = {
    "id": "name of the criterion",
    "claim": "in a sentence",
    "source": "where the claim comes from",
    "observable": "one of [these](observables.md)",
    "args": "table: its arguments",
    "condition": 'of which the number is; `"*"`: of each; left out: of the first',
    "reference": "condition that it is compared with, seed by seed",
    "contrast": '`"relative"`: value / reference - 1, so that "falls by half" is `max = -0.5`;'
    ' or `"difference"`',
    "min": "least value, in the unit of the observable, or of the contrast",
    "max": "largest value",
    "margin": "instead of both: no difference beyond it (equivalence)",
    "family": "verdicts of one family are corrected for their number (Holm)",
    "unit": "in which min and max are meant, if not the observable's",
}
_TRAINED = {
    "weights": "folder of a finished run, whose weights are the first ones here",
    "snapshot": "of which block's end; default the last",
    "condition": "of which condition; default that of the same name",
}
_BENCH = {
    "protocol": "rates in both halves, cycle, gaps, trains of the theta-window experiment",
    "predictions": "conditions that no fit saw",
    "robustness": "by how much constants are moved",
    "derivative": "flat trains, silences, cycles",
    "classical": "classical plasticity protocols",
    "forms": "forms of the rule against a fine-step reference",
    "rules": "rules that are compared",
}


@dataclass(frozen=True)
class Part:
    """One table of keys: rows of key, default and meaning."""

    title: str
    note: str
    rows: list


def tables() -> Iterator[Part]:
    """Give the tables of keys, one after the other."""
    default = settings.complete({})
    top = {*settings.ONCE, *settings.AGAIN}
    plain = {key: _said(value) for key, value in default.items() if not isinstance(value, dict)}
    yield _part("Top level", "Those from `stimulus` on may be said again in a condition.\n", _TOP,
                top, plain)  # fmt: skip
    yield Part("`[cycle]`", "", list(_of(Cycle)))
    yield Part("`[stimulus]`", "", list(_of(Stimulus)))
    yield _part("`[populations]`", "", _POPULATION, circuit._POPULATION)
    yield _part("`[projections]`", "", _PROJECTION, circuit._PROJECTION)
    rows = [*_of(Learning), *([key, "", text] for key, text in _TRAINED.items())]
    _same("plasticity", {row[0] for row in rows}, plasticity._PLASTICITY)
    yield Part("`[plasticity]`", "Without the table nothing learns.\n", rows)
    yield _part("`[blocks.NAME]`", "", _BLOCKS, keys.BLOCK)
    yield _part("`[pacing]`", "", _PACING, keys.PACING)
    rows = [row for row in _of(Manipulation) if row[0] in keys.MANIPULATION]
    yield Part("`[[manipulation]]`", "Verbs: [manipulations](manipulations.md).\n", rows)
    yield Part("`when` of a manipulation", "", list(_of(When)))
    yield _part("`[[record]]`", "", _RECORD, keys.RECORD)
    yield _part("`[[criteria]]`", "", _CRITERIA, keys.CRITERION)
    yield _part("Tables of a `synapse` run", "", _BENCH, bench._KEYS)
    rows = [[name, "", " ".join((kind.__doc__ or "").split("\n\n")[0].split())]
            for name, kind in KINDS.items()]  # fmt: skip
    yield Part("Kinds of a `rate` run", "Tables: [networks of rates](../howto/rates.md).\n", rows)


def _part(title, note, meanings, keys, defaults=()) -> Part:
    _same(title, meanings, keys)
    defaults = dict(defaults)
    return Part(title, note, [[key, defaults.get(key, ""), meanings[key]] for key in meanings])


def _same(title, told, keys):
    if odd := set(told) ^ set(keys):
        raise ValueError(f"docs/runfile_keys.py, {title}: {', '.join(sorted(odd))}")


def _said(value) -> str:
    return f"`{value!r}`".replace("'", '"') if value not in ("", None) else ""


def _of(cls) -> Iterator[list]:
    """Give key, default and meaning of the fields of a dataclass, from its docstring."""
    doc = ClassDoc(cls)
    told = {name: " ".join(p.desc) for p in (*doc["Attributes"], *doc["Parameters"])
            for name in p.name.replace(" ", "").split(",")}  # fmt: skip
    types = {name: p.type for p in (*doc["Attributes"], *doc["Parameters"])
             for name in p.name.replace(" ", "").split(",")}  # fmt: skip
    for one in fields(cls):
        default = "" if one.default is MISSING else _said(one.default)
        text = f"{types.get(one.name, '')}. {told.get(one.name, '')}"
        yield [one.name, default, text.strip(". ").replace("``", "`")]
