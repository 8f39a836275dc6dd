"""Layered networks of logistic units, one for each seed."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from scipy.special import expit

__all__ = ["BACK", "Change", "Draws", "Network", "backprop", "draw", "forward", "local_change",
           "outer", "transposed"]  # fmt: skip

#: Where feedback weights come from.
BACK = ("symmetric", "random", "learned")


@dataclass(frozen=True)
class Network:
    """Weights of a layered network; learning changes the arrays in place.

    Attributes
    ----------
    weights : list of (seed, n, n_next) arrays
        From each layer to the next one.
    biases : list of (seed, 1, n_next) arrays
    back : list of (seed, n_next, n) arrays or None
        From each layer to the one before it; None: the transposed weights.
    back_biases : list of (seed, 1, n) arrays or None
        Of networks whose feedback reconstructs the layer below.
    feedback : float
        Strength of the feedback of a bidirectional network.
    precision : list of (seed, 1, n_next) arrays or None
        Of the prediction errors of each layer, in predictive coding; None: one.
    """

    weights: list[np.ndarray]
    biases: list[np.ndarray]
    back: list[np.ndarray] | Any = None
    back_biases: list[np.ndarray] | Any = None
    feedback: float = 1.0
    precision: list[np.ndarray] | Any = None

    @property
    def depth(self) -> int:
        """Number of layers of weights."""
        return len(self.weights)

    def down(self, layer: int) -> np.ndarray:
        """Feedback weights onto ``layer``, (seed, n_next, n)."""
        return transposed(self.weights[layer]) if self.back is None else self.back[layer]

    def tied(self) -> Network:
        """Return the network with transposed weights for feedback; the arrays are shared."""
        return Network(self.weights, self.biases, feedback=self.feedback)

    def copy(self) -> Network:
        """Return a network with arrays of its own."""
        return copy.deepcopy(self)


@dataclass(frozen=True)
class Change:
    """What a batch changes, up to the learning rate; shaped as the arrays of the network.

    Attributes
    ----------
    weights, biases : lists of arrays
        Means over the batch.
    output : (seed, batch, n) array
        Rates of the output before it was told the target.
    back, back_biases : lists of arrays or None
        Where feedback weights learn by a rule of their own.
    precision : list of arrays or None
        The new precisions, where there are any.
    """

    weights: list[np.ndarray]
    biases: list[np.ndarray]
    output: np.ndarray
    back: list[np.ndarray] | Any = None
    back_biases: list[np.ndarray] | Any = None
    precision: list[np.ndarray] | Any = None


class Draws:
    """Random numbers, of each seed from a generator of its own.

    Parameters
    ----------
    seeds : sequence of int
    stream : int
        Different streams of one seed have nothing to do with each other.
    """

    def __init__(self, seeds: Sequence[int], stream: int):
        self._generators = [np.random.default_rng([seed, stream]) for seed in seeds]

    def uniform(self, *shape: int) -> np.ndarray:
        """Return numbers between 0 and 1, (seed, *shape)."""
        return np.stack([g.random(shape) for g in self._generators])

    def normal(self, *shape: int) -> np.ndarray:
        """Return standard normal numbers, (seed, *shape)."""
        return np.stack([g.standard_normal(shape) for g in self._generators])

    def permutations(self, n: int) -> np.ndarray:
        """Return an order of n things for each seed, (seed, n)."""
        return np.stack([g.permutation(n) for g in self._generators])


def transposed(a: np.ndarray) -> np.ndarray:
    """Return ``a`` with its last two axes exchanged."""
    return np.swapaxes(a, -1, -2)


def outer(pre: np.ndarray, post: np.ndarray) -> np.ndarray:
    """Mean over the batch of the products of all pairs of cells.

    Parameters
    ----------
    pre : (seed, batch, n) array
    post : (seed, batch, m) array

    Returns
    -------
    (seed, n, m) array
    """
    return transposed(pre) @ post / pre.shape[-2]


def draw(
    sizes: Sequence[int],
    seeds: Sequence[int],
    *,
    feedback: float = 1.0,
    back: str = "symmetric",
    precise: bool = False,
) -> Network:
    """Draw first weights, uniform after Glorot & Bengio (2010), biases zero.

    Parameters
    ----------
    sizes : sequence of int
        Units of each layer, the input first.
    seeds : sequence of int
        Each gives the same weights whatever the others are.
    feedback : float
        Strength of the feedback.
    back : {"symmetric", "random", "learned"}
        Random and learned feedback weights are drawn as those of the other direction are.
    precise : bool
        Give the layers a precision, one at first.
    """
    pairs = list(pairwise(sizes))
    generators = [np.random.default_rng([seed, 1]) for seed in seeds]

    def uniform(shapes):
        drawn = [
            [rng.uniform(-1, 1, s) * np.sqrt(6 / sum(s)) for s in shapes] for rng in generators
        ]
        return [np.stack(layer) for layer in zip(*drawn, strict=True)]

    weights = uniform(pairs)
    own = None if back == "symmetric" else uniform([pair[::-1] for pair in pairs])
    biases = [np.zeros((len(generators), 1, n)) for n in sizes[1:]]
    own_biases = None if own is None else [np.zeros((len(generators), 1, n)) for n in sizes[:-1]]
    precision = [np.ones_like(b) for b in biases] if precise else None
    return Network(weights, biases, own, own_biases, feedback, precision)


def forward(net: Network, x: np.ndarray) -> list[np.ndarray]:
    """Return the rates of all layers without feedback.

    Parameters
    ----------
    net : Network
    x : (seed, batch, n) array

    Returns
    -------
    list of (seed, batch, n) arrays
        The input first.
    """
    rates = [x]
    for w, b in zip(net.weights, net.biases, strict=True):
        rates.append(expit(rates[-1] @ w + b))
    return rates


def backprop(net: Network, x: np.ndarray, target: np.ndarray) -> Change:
    """Return the descent direction of half the squared error of the feedforward network.

    Parameters
    ----------
    net : Network
        With feedback weights of its own they carry the errors (feedback alignment, Lillicrap et
        al. 2016, doi:10.1038/ncomms13276).
    x, target : (seed, batch, n) arrays
    """
    rates = forward(net, x)
    error = (target - rates[-1]) * rates[-1] * (1 - rates[-1])
    errors = [error]
    for layer in range(net.depth - 1, 0, -1):
        error = (error @ net.down(layer)) * rates[layer] * (1 - rates[layer])
        errors.insert(0, error)
    return local_change(rates, errors)


def local_change(rates: list[np.ndarray], errors: list[np.ndarray]) -> Change:
    """Return the change whose weights are rate before times error behind, for each layer.

    Parameters
    ----------
    rates : list of (seed, batch, n) arrays
        All layers, the output last.
    errors : list of (seed, batch, n) arrays
        All layers but the input.
    """
    weights = [outer(r, e) for r, e in zip(rates[:-1], errors, strict=True)]
    biases = [e.mean(axis=1, keepdims=True) for e in errors]
    return Change(weights, biases, rates[-1])
