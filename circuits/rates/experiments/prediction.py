"""Kind ``prediction``: the moving photograph of the circuit, predicted by a network of rates.

The input are the rates of the relay cells of the eye in the cycles before, the target those of this
one: the outcome that the V1 L5IB cells of the circuit pass on. What is shown, and what of it can be
predicted, comes from `circuits.stimuli` as in the circuit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from cells import checked
from cells.parameters import InputError
from circuits.rates.experiments.training import rule_of
from circuits.rates.network import draw
from circuits.rates.tasks import Task
from circuits.rates.train import Training, train
from circuits.stimuli.lgn import lgn_table
from circuits.stimuli.render import sequence
from circuits.stimuli.stimulus import DIRECTIONS, Stimulus

__all__ = [
    "SOURCES",
    "TABLES",
    "check",
    "moving_task",
    "pairs",
    "ridge",
    "run",
    "shifted",
    "shown",
]

TABLES = {
    "stimulus": {"direction": "forward", "step": 2, "sweep": 8, "n_x": 8, "cycles": 240,
                 "test_cycles": 60, "frames": 1},
    "network": {"hidden": (), "feedback": 0.2},
    "rule": None,
    "training": {"epochs": 1, "batch": 1, "lr": 1.0, "decay": 0.0},
    "ridge": {"penalty": 0.01},
}  # fmt: skip
#: What is compared with the outcome.
SOURCES = ("network", "persistence", "shift", "ridge")


def check(tables: Mapping) -> None:
    """Raise InputError for what a single value does not tell."""
    own = tables["stimulus"]
    checked.one_of(own["direction"], tuple(DIRECTIONS), "[stimulus] direction:", "direction")
    for key, least in (("frames", 1), ("cycles", 2), ("test_cycles", 2)):
        if own[key] < least:
            raise InputError(f"[stimulus] {key}: {own[key]} is below {least}")
    Stimulus(kind="photograph", image="training", n_x=own["n_x"], step=own["step"],
             sweep=own["sweep"])  # fmt: skip


def shown(own: Mapping, seed: int) -> list[dict[str, np.ndarray]]:
    """Arrays of the training and of the test block, by cycle."""
    kinds = [
        Stimulus(kind="photograph", image=image, n_x=own["n_x"], step=own["step"],
                 sweep=own["sweep"], direction=own["direction"])
        for image in ("training", "held_out")
    ]  # fmt: skip
    n = own["cycles"]
    ds = sequence([(kinds[0], n), (kinds[1], own["test_cycles"])], seed=seed)
    table = lgn_table()
    largest = table.parameter("r_base").value + table.parameter("r_max").value
    found = {
        "rate": ds["drive"].values / largest, "jump": ds["jump"].values,
        "predictable": ds["predictable"].values, "direction": ds["direction"].values,
    }  # fmt: skip
    return [{k: v[part] for k, v in found.items()} for part in (slice(n), slice(n, None))]


def pairs(block: Mapping, frames: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Input, target and number of the cycles that follow ``frames`` others of the same sweep."""
    age = np.zeros(len(block["jump"]), int)
    for k in range(1, len(age)):
        age[k] = 0 if block["jump"][k] else age[k - 1] + 1
    cycles = np.flatnonzero(age >= frames)
    seen = [block["rate"][cycles - back] for back in range(1, frames + 1)]
    return np.concatenate(seen, axis=1), block["rate"][cycles], cycles


def moving_task(blocks: Sequence, frames: int):
    """Return the task of the training blocks, and the pairs of both blocks of each seed."""
    every = [[pairs(block, frames) for block in both] for both in blocks]
    n = min(len(p[0][0]) for p in every)  # sweeps may end earlier at the edge of a photograph
    x, target = (np.stack([p[0][k][:n] for p in every]) for k in (0, 1))
    return Task(x, target, x, target, classes=False), every


def shifted(last: np.ndarray, step: int, n_x: int) -> np.ndarray:
    """Return patterns moved by ``step`` positions, each polarity by itself; what comes in is NaN.

    Parameters
    ----------
    last : (cycle, channel) array
    step : int
        Positive: to lower positions, as when the window moves to higher ones.
    n_x : int
    """
    rows = last.reshape(len(last), -1, n_x)
    found = np.full_like(rows, np.nan)
    if step >= 0:
        found[..., : n_x - step] = rows[..., step:]
    else:
        found[..., -step:] = rows[..., :step]
    return found.reshape(last.shape)


def ridge(x: np.ndarray, target: np.ndarray, penalty: float) -> np.ndarray:
    """Return weights of a linear readout with an intercept, (n + 1, m).

    Parameters
    ----------
    x : (pattern, n) array
    target : (pattern, m) array
    penalty : float
        Of the squared weights, for each pattern; the intercept is free.
    """
    design = np.column_stack([x, np.ones(len(x))])
    cost = np.diag([penalty * len(x)] * x.shape[1] + [0.0])
    return np.linalg.solve(design.T @ design + cost, design.T @ target)


def run(tables: Mapping, seeds: Sequence[int], say=None) -> xr.Dataset:
    """Train networks to predict, and let them and simpler things predict unseen photographs.

    Called as `circuits.rates.experiments.kinds.Runs` says, with tables as `TABLES`; its ``cycles``
    of training are shown ``epochs`` times.

    Returns
    -------
    Dataset
        ``prediction`` (seed, source, cycle, channel) of the test block, NaN in cycles that have no
        cycles of their sweep before them; ``outcome`` (seed, cycle, channel); ``predictable``;
        ``direction`` (seed, cycle); ``error`` (seed, epoch) of the training.
    """
    own, rule = tables["stimulus"], rule_of(tables["rule"])
    blocks = [shown(own, seed) for seed in seeds]
    given, every = moving_task(blocks, own["frames"])
    x, target = given.x, given.target
    hidden = tables["network"]["hidden"]
    net = draw((x.shape[-1], *hidden, target.shape[-1]), seeds,
               feedback=tables["network"]["feedback"])  # fmt: skip
    found = train(net, rule, given, Training(**tables["training"]), seeds, say)
    shape = blocks[0][1]["rate"].shape
    predicted = np.full((len(seeds), len(SOURCES), *shape), np.nan)
    for k, ((seen, wanted, _), (probe, _, cycles)) in enumerate(every):
        test = blocks[k][1]
        last, way = test["rate"][cycles - 1], test["direction"][cycles][:, None]
        steps = own["step"] * np.array([1, -1])
        moved = [shifted(last, step, own["n_x"]) for step in steps]
        weights = ridge(seen, wanted, tables["ridge"]["penalty"])
        one = np.broadcast_to(probe, (len(seeds), *probe.shape))
        answers = (
            rule.answer(net, one)[k], last, np.where(way > 0, *moved),
            np.column_stack([probe, np.ones(len(probe))]) @ weights,
        )  # fmt: skip
        for source, answer in enumerate(answers):
            predicted[k, source, cycles] = answer
    variables = {
        "prediction": (("seed", "source", "cycle", "channel"), predicted),
        "error": (("seed", "epoch"), found["error"]),
    } | {
        name: (("seed", "cycle", "channel")[: 2 + (blocks[0][1][key].ndim > 1)],
               np.stack([b[1][key] for b in blocks]))
        for name, key in (
            ("outcome", "rate"), ("predictable", "predictable"), ("direction", "direction"),
        )
    }  # fmt: skip
    ds = xr.Dataset({k: (*v, {"units": "1"}) for k, v in variables.items()}, {"seed": list(seeds)})
    epochs = np.arange(1, tables["training"]["epochs"] + 1)
    return ds.assign_coords(source=list(SOURCES), epoch=epochs)
