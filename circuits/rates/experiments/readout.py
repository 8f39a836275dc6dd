"""Kind ``readout``: class labels of moving photographs, learned by an output layer in one trial.

A network learns slowly, by its own rule, to predict photographs that move; its hidden layer is what
the output cells read. Sweeps of a photograph that it has not seen are the classes. In one labelled
trial each is shown once, for seconds, and its group of output cells is driven while it is; then it
is shown again, with other noise and no label. Another trial with the labels exchanged follows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import xarray as xr

from cells import checked
from cells.parameters import InputError
from circuits.rates.experiments.prediction import moving_task, pairs, ridge, shown
from circuits.rates.experiments.training import rule_of
from circuits.rates.frameworks import Framework, framework, tables
from circuits.rates.network import Draws, Network, draw, forward
from circuits.rates.readout import Readout, competing, kinase_step, watch
from circuits.rates.settle import settle
from circuits.rates.train import Training, train

__all__ = ["LEARNERS", "READERS", "STAGES", "TABLES", "check", "run"]

LEARNERS = ("plateaus", "kinases")
#: When the classes are tested: before and after the labelled trial, after more slow learning, and
#: after the trial with exchanged labels, by the new labels and by the old ones.
STAGES = ("untrained", "first", "later", "reversed", "old labels")
#: What names the class: the group of output cells with the highest rate; the one that is highest
#: over its own mean of all classes; a ridge readout of what they read, from the same trial.
READERS = ("output cells", "output cells, over their mean", "ridge")
TABLES = {
    "stimulus": {"step": 2, "n_x": 8, "cycles": 240, "noise": 0.1},
    "network": {"hidden": 100, "feedback": 0.2},
    "rule": None,
    "training": {"epochs": 1, "batch": 1, "lr": 1.0, "decay": 0.0},
    "label": {"classes": 3, "cells": 8, "movie_s": 2.0, "blank_s": 5.0, "start_s": 1.0,
              "length_s": 1.0, "learner": "plateaus", "kinase_lr": 1.0},
    "cells": {"inhibition": 10.0, "active": 0.05, "basal": 0.05, "homeostasis": False},
    "test": {"presentations": 10},
    "ridge": {"penalty": 0.01},
}  # fmt: skip
_CYCLE = 0.2  # s


def check(tables_: Mapping) -> None:
    """Raise InputError for what a single value does not tell."""
    label = tables_["label"]
    checked.one_of(label["learner"], LEARNERS, "[label] learner:", "learner")
    for key, least in (("classes", 2), ("cells", 1)):
        if label[key] < least:
            raise InputError(f"[label] {key}: {label[key]} is below {least}")
    if not label["movie_s"] >= _CYCLE:
        raise InputError(f"[label] movie_s: {label['movie_s']} is shorter than a cycle of {_CYCLE}")
    if label["blank_s"] < 0 or label["length_s"] <= 0:
        raise InputError("[label] blank_s must be at least 0 and length_s above it")
    lowest, highest = -label["blank_s"], label["movie_s"] + label["blank_s"] - label["length_s"]
    if not lowest <= label["start_s"] <= highest:
        raise InputError(
            f"[label] start_s: {label['start_s']} is not between {lowest} and {highest},"
            " within the blanks before and after the movie"
        )


def _movies(own: Mapping, label: Mapping, seed: int) -> np.ndarray:
    """Drive of the classes, (class, cycle, channel): sweeps of a photograph not trained on."""
    n = round(label["movie_s"] / _CYCLE)
    more = {"direction": "forward", "sweep": n, "step": own["step"], "n_x": own["n_x"],
            "cycles": 1, "test_cycles": 3 * n * label["classes"]}  # fmt: skip
    block = shown(more, seed)[1]
    starts = np.flatnonzero(block["jump"])
    whole = [
        s for s in starts if s + n <= len(block["rate"]) and not block["jump"][s + 1 : s + n].any()
    ]
    if len(whole) < label["classes"]:
        raise InputError(f"[label] classes: a photograph has {len(whole)} sweeps of {n} cycles")
    return np.stack([block["rate"][s : s + n] for s in whole[: label["classes"]]])


def _trial(cells, seen, given, label, kinase) -> np.ndarray:
    """Show each class once with its label, ``given`` (class,); return plateaus of each cell."""
    n_seed, n_class, n_cycle, n = seen.shape
    step, per_class = cells.values["step"] / 1000, label["cells"]
    blank, movie = (round(s / step) for s in (label["blank_s"], label["movie_s"]))
    if label["learner"] == "kinases":
        for number in range(n_class):
            for cycle in range(n_cycle):
                now = label["start_s"] <= cycle * _CYCLE < label["start_s"] + label["length_s"]
                on = np.zeros((n_seed, cells.weights.shape[-1]))
                on[:, given[number] * per_class : (given[number] + 1) * per_class] = now
                kinase_step(cells, seen[:, number, cycle], on, kinase, label["kinase_lr"])
        return np.zeros((n_seed, cells.weights.shape[-1]), int)
    span = blank + movie
    rates = np.zeros((n_seed, blank + n_class * span, n))
    drive = np.zeros((n_seed, rates.shape[1], cells.weights.shape[-1]), bool)
    frame = np.minimum((np.arange(movie) * step / _CYCLE).astype(int), n_cycle - 1)
    for number, own in enumerate(given):
        at = blank + number * span
        rates[:, at : at + movie] = seen[:, number, frame]
        first = at + round(label["start_s"] / step)
        last = first + round(label["length_s"] / step)
        drive[:, first:last, own * per_class : (own + 1) * per_class] = True
    plateaus = watch(cells, rates, drive)
    if cells.values["homeostasis"]:
        cells.settle_thresholds(rates)
    return plateaus


def _groups(cells, seen, n_class) -> np.ndarray:
    """Return the mean rate of each group during each class, (seed, class, group)."""
    n_seed, n_shown = seen.shape[:2]
    rates = cells.answer(seen.reshape(n_seed, -1, seen.shape[-1]))
    groups = rates.reshape(n_seed, n_shown, -1, n_class, rates.shape[-1] // n_class)
    return groups.mean(axis=(2, 4))


def _ridge_scores(weights, seen) -> np.ndarray:
    scores = [s @ w[:-1] + w[-1] for s, w in zip(seen, weights, strict=True)]
    return np.stack(scores).mean(axis=2)


def _ridge(seen, given, penalty) -> list[np.ndarray]:
    """Readout of the same rates, cycle by cycle, from the same labelled trial."""
    target = np.repeat(np.eye(len(given))[given], seen.shape[2], axis=0)
    return [ridge(s.reshape(-1, s.shape[-1]), target, penalty) for s in seen]


def _predicted(net, rule, blocks) -> np.ndarray:
    """Return the mean correlation of prediction and outcome on the unseen photograph, (seed,)."""
    found = []
    for k, both in enumerate(blocks):
        x, wanted, _ = pairs(both[1], 1)
        answer = rule.answer(net, np.broadcast_to(x, (len(blocks), *x.shape)))[k]
        both = [a - a.mean(axis=1, keepdims=True) for a in (answer, wanted)]
        size = np.sqrt(np.prod([(a**2).sum(axis=1) for a in both], axis=0))
        seen = size > 0  # an empty part of the photograph has no pattern to predict
        found.append(((both[0] * both[1]).sum(axis=1)[seen] / size[seen]).mean())
    return np.array(found)


@dataclass(frozen=True)
class _Reader:
    """Output cells, the network they read, and what is shown to it.

    Attributes
    ----------
    net : Network
    rule : Framework
    cells : Readout
    movies : (seed, class, cycle, channel) array
    noise : float
        S.d., of the drive.
    draws : Draws
    shows : int
        Presentations of a test.
    """

    net: Network
    rule: Framework
    cells: Readout
    movies: np.ndarray
    noise: float
    draws: Draws
    shows: int

    def shown(self) -> np.ndarray:
        """Return what the cells read of one noisy showing, (seed, class, cycle, n)."""
        n_seed, *shape = self.movies.shape
        drive = np.clip(self.movies + self.noise * self.draws.normal(*shape), 0, 1)
        flat = drive.reshape(n_seed, -1, shape[-1])
        rates = settle(self.net, flat, steps=60) if self.rule.settles else forward(self.net, flat)
        kept = competing(rates[1], self.cells.values["active"])
        return kept.reshape(n_seed, *shape[:2], -1)

    def scores(self, truths: Sequence[np.ndarray], weights) -> np.ndarray:
        """Return shares of classes read, (reader, truth, seed); ``weights`` are those of ridge."""
        found: list[list] = [[] for _ in READERS]
        for _ in range(self.shows):
            seen = self.shown()
            groups = _groups(self.cells, seen, self.movies.shape[1])
            relative = groups - groups.mean(axis=1, keepdims=True)
            read = (groups, relative, _ridge_scores(weights, seen))
            for kept, one in zip(found, read, strict=True):
                kept.append([(one.argmax(axis=-1) == truth).mean(axis=1) for truth in truths])
        return np.mean(found, axis=1)


def _reader(tables_: Mapping, net: Network, rule: Framework, seeds) -> _Reader:
    own, label = tables_["stimulus"], tables_["label"]
    movies = np.stack([_movies(own, label, seed) for seed in seeds])
    draws = Draws(seeds, 11)
    values = {p.name: p.value for p in tables("readout")["readout"].parameters} | tables_["cells"]
    shape = (tables_["network"]["hidden"], label["classes"] * label["cells"])
    cells = Readout(0.5 + draws.uniform(*shape), values)
    shows = tables_["test"]["presentations"]
    return _Reader(net, rule, cells, movies, own["noise"], draws, shows)


def run(tables_: Mapping, seeds: Sequence[int], say=None) -> xr.Dataset:
    """Learn labels in one trial, test, learn slowly on, test, exchange the labels, test.

    Called as `circuits.rates.experiments.kinds.Runs` says, with tables as `TABLES`.

    Returns
    -------
    Dataset
        ``accuracy`` (seed, stage, reader): share of the presentations that are taken for what they
        are, by `READERS`; ``plateaus`` (seed): of a cell in one trial; ``r_pred`` (seed, part):
        correlation of the network's prediction with the outcome before the labelled trial and after
        the slow learning that follows it; ``start`` (seed), of a label after that of its movie, s.
    """
    own, label, rule = tables_["stimulus"], tables_["label"], rule_of(tables_["rule"])
    sweep = {**own, "direction": "forward", "sweep": 8, "test_cycles": 60}
    blocks = [shown(sweep, seed) for seed in seeds]
    task, _ = moving_task(blocks, 1)
    net = draw((task.x.shape[-1], tables_["network"]["hidden"], task.target.shape[-1]), seeds,
               feedback=tables_["network"]["feedback"])  # fmt: skip
    slow = partial(train, net, rule, task, Training(**tables_["training"]), seeds)
    slow()
    reader = _reader(tables_, net, rule, seeds)
    taught = partial(_trial, reader.cells, label=label, kinase=framework("kinase").values)
    regressed = partial(_ridge, penalty=tables_["ridge"]["penalty"])
    given = np.arange(label["classes"])
    turned = np.roll(given, 1)
    r_pred = [_predicted(net, rule, blocks)]
    seen = reader.shown()
    weights = regressed(seen, given)
    found = [reader.scores([given], weights)[:, 0]]
    plateaus = taught(seen, given)
    found.append(reader.scores([given], weights)[:, 0])
    slow()
    r_pred.append(_predicted(net, rule, blocks))
    found.append(reader.scores([given], weights)[:, 0])
    seen = reader.shown()
    taught(seen, turned)
    both = reader.scores([turned, given], regressed(seen, turned))
    found += [both[:, 0], both[:, 1]]
    one = {"units": "1"}
    return xr.Dataset(
        {
            "accuracy": (("stage", "reader", "seed"), np.stack(found), one),
            "plateaus": ("seed", plateaus.mean(axis=1), one),
            "r_pred": (("part", "seed"), np.stack(r_pred), one),
            "start": ("seed", np.full(len(seeds), label["start_s"]), {"units": "s"}),
        },
        {"seed": list(seeds), "stage": list(STAGES), "reader": list(READERS),
         "part": ["before", "later"]},
    )  # fmt: skip
