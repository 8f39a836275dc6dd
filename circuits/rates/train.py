"""Training of networks by any framework, and how well what they learn goes down the gradient."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from circuits.rates.frameworks import Framework
from circuits.rates.network import Change, Draws, Network, backprop, transposed
from circuits.rates.phases import settled_gradient
from circuits.rates.recirculation import as_autoencoder
from circuits.rates.tasks import Task

__all__ = ["Training", "apply", "cosines", "layer_cosine", "right", "train"]


@dataclass(frozen=True)
class Training:
    """How long and how fast a network learns.

    Attributes
    ----------
    epochs : int
        At most.
    batch : int
        Patterns at a time; 0 is all of them.
    lr : float
        Learning rate, for means over the batch.
    decay : float
        Share of learned feedback weights, and of the weights they follow, that is lost in a step,
        over the learning rate (Kolen & Pollack 1994, doi:10.1109/ICNN.1994.374486).
    until : bool
        Each network stops learning when it gets every training pattern right.
    every : int
        Epochs between two looks at that.
    """

    epochs: int = 20
    batch: int = 25
    lr: float = 1.0
    decay: float = 0.0
    until: bool = False
    every: int = 5


def right(output: np.ndarray, target: np.ndarray, classes: bool) -> np.ndarray:
    """Tell which patterns are right, (seed, pattern)."""
    if classes:
        return output.argmax(-1) == target.argmax(-1)
    return (np.abs(output - target) < 0.5).all(-1)


def apply(net: Network, change: Change, lr, decay: float = 0.0) -> None:
    """Change a network in place.

    Parameters
    ----------
    net : Network
    change : Change
    lr : float or (seed, 1, 1) array
    decay : float
        See `Training`; feedback weights that have no rule of their own follow the other direction.
    """
    for layer in range(net.depth):
        net.weights[layer] += lr * (change.weights[layer] - decay * net.weights[layer])
        net.biases[layer] += lr * change.biases[layer]
        if change.back is not None:
            net.back[layer] += lr * change.back[layer]
            net.back_biases[layer] += lr * change.back_biases[layer]
        elif net.back is not None and decay:
            follow = transposed(change.weights[layer])
            net.back[layer] += lr * (follow - decay * net.back[layer])
        if change.precision is not None:
            net.precision[layer][...] = change.precision[layer]


def train(
    net: Network, rule: Framework, task: Task, training: Training, seeds, say=None
) -> dict[str, np.ndarray]:
    """Train the networks of all seeds, in place.

    Parameters
    ----------
    net : Network
    rule : Framework
    task : Task
    training : Training
    seeds : sequence of int
        Draw the order of the patterns and whatever the rule draws.
    say : callable, optional
        Is told the share of the training that is done.

    Returns
    -------
    dict
        ``epochs`` (seed,): at which every training pattern was right, infinite where never; NaN
        where nobody looked. ``error`` (seed, epoch): mean squared error of the outputs in
        training, before they were told the targets.
    """
    orders, draws = Draws(seeds, 3), Draws(seeds, 4)
    n = task.x.shape[1]
    batch = training.batch or n
    rows = np.arange(len(seeds))[:, None]
    learns = np.ones((len(seeds), 1, 1))
    solved = np.full(len(seeds), np.inf if training.until else np.nan)
    errors = np.full((len(seeds), training.epochs), np.nan)
    for epoch in range(training.epochs):
        order = orders.permutations(n) if batch < n else np.tile(np.arange(n), (len(seeds), 1))
        squared = []
        for first in range(0, n - batch + 1, batch):
            part = order[:, first : first + batch]
            x, target = task.x[rows, part], task.target[rows, part]
            change = rule.estimate(net, x, target, draws)
            apply(net, change, training.lr * learns, training.decay)
            squared.append(((change.output - target) ** 2).mean(axis=(1, 2)))
        errors[:, epoch] = np.mean(squared, axis=0)
        if training.until and (epoch + 1) % training.every == 0:
            done = right(rule.answer(net, task.x), task.target, task.classes).all(1)
            solved[done & np.isinf(solved)] = epoch + 1
            learns[done] = 0
            if done.all():
                break
        if say is not None:
            say((epoch + 1) / training.epochs)
    return {"epochs": solved, "error": errors}


def cosines(net: Network, rule: Framework, x, target, seeds, settled=None) -> dict[str, np.ndarray]:
    """Return the cosine of what a rule changes with two gradients, layer by layer.

    Parameters
    ----------
    net : Network
    rule : Framework
    x, target : (seed, pattern, n) arrays
    seeds : sequence of int
    settled : list of (seed, n, m) arrays, optional
        The gradient of the settled network, if it is known.

    Returns
    -------
    dict
        ``cosine_feedforward`` (seed, layer) with backpropagation in the feedforward network of the
        same weights; ``cosine_settled`` with the gradient of the settled network, where the rule
        settles. Of a loop the layers are its two directions. And ``length`` (seed, layer), that of
        the change over that of the first gradient.
    """
    change = rule.estimate(net, x, target, Draws(seeds, 5))
    found = change.weights if not rule.loop else [change.weights[0], change.back[0]]
    plain = as_autoencoder(net) if rule.loop else Network(net.weights, net.biases)
    reference = backprop(plain, x, target).weights
    result = {
        "cosine_feedforward": layer_cosine(found, reference),
        "length": np.sqrt(_dot(found, found) / _dot(reference, reference)),
    }
    if rule.settles:
        if settled is None:
            settled = settled_gradient(net.tied(), x, target).weights
        result["cosine_settled"] = layer_cosine(found, settled)
    return result


def _dot(a, b) -> np.ndarray:
    return np.stack([(p * q).sum(axis=(1, 2)) for p, q in zip(a, b, strict=True)], axis=1)


def layer_cosine(a, b) -> np.ndarray:
    """Return the cosine of each layer, (seed, layer); NaN where one of them is zero.

    Parameters
    ----------
    a, b : lists of (seed, n, m) arrays
    """
    size = np.sqrt(_dot(a, a) * _dot(b, b))
    return np.divide(_dot(a, b), size, out=np.full_like(size, np.nan), where=size > 0)
