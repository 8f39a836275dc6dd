"""What the networks learn: patterns and targets of every seed, for training and for test."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from circuits.plasticity.bench.protocols import data_file

__all__ = ["TASKS", "Task", "digit_images", "task"]

_TRAINED = 1347  # three quarters of the digits


@dataclass(frozen=True)
class Task:
    """Patterns and their targets.

    Attributes
    ----------
    x, target : (seed, pattern, n) arrays
        To train on; between 0 and 1.
    test_x, test_target : (seed, pattern, n) arrays
    classes : bool
        The largest output is the answer; else every output has to be on its side of one half.
    """

    x: np.ndarray
    target: np.ndarray
    test_x: np.ndarray
    test_target: np.ndarray
    classes: bool


@cache
def digit_images() -> tuple[np.ndarray, np.ndarray]:
    """Return the handwritten digits of `runs/data/digits.csv.gz`.

    Returns
    -------
    images : (1797, 64) array
        Pixels, 0 to 1.
    labels : (1797,) array
    """
    with gzip.open(data_file("digits.csv.gz"), "rt", encoding="ascii") as file:
        rows = np.loadtxt(file, delimiter=",")
    return rows[:, :-1] / 16, rows[:, -1].astype(int)


def _same(x, target, seeds) -> Task:
    x, target = (np.broadcast_to(np.asarray(a, float), (len(seeds), *np.shape(a)))
                 for a in (x, target))  # fmt: skip
    return Task(x, target, x, target, classes=False)


def xor(seeds: Sequence[int]) -> Task:
    """Exclusive or of two bits."""
    return _same([[0, 0], [0, 1], [1, 0], [1, 1]], [[0], [1], [1], [0]], seeds)


def encoder(seeds: Sequence[int]) -> Task:
    """Four patterns of one unit in four, to be reproduced through a narrow layer."""
    return _same(np.eye(4), np.eye(4), seeds)


def digits(seeds: Sequence[int]) -> Task:
    """Digits of 8 x 8 pixels; each seed has a split of its own into training and test."""
    images, labels = digit_images()
    orders = [np.random.default_rng([seed, 2]).permutation(len(images)) for seed in seeds]
    parts = [np.stack([order[part] for order in orders])
             for part in (slice(_TRAINED), slice(_TRAINED, None))]  # fmt: skip
    targets = np.eye(10)[labels]
    return Task(images[parts[0]], targets[parts[0]], images[parts[1]], targets[parts[1]], True)


def digit_pictures(seeds: Sequence[int]) -> Task:
    """Digits, to be reproduced."""
    found = digits(seeds)
    return Task(found.x, found.x, found.test_x, found.test_x, False)


#: The tasks by name.
TASKS = {f.__name__: f for f in (xor, encoder, digits, digit_pictures)}


def task(name: str, seeds: Sequence[int]) -> Task:
    """Return the task of that name for some seeds."""
    return TASKS[name](seeds)
