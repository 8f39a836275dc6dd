"""Kinds ``alignment`` and ``depth``: frameworks in networks of one to several hidden layers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache

import xarray as xr

from cells import checked
from cells.parameters import InputError
from circuits.rates.experiments import training as training_kind
from circuits.rates.experiments.between import BETAS, between
from circuits.rates.experiments.training import dataset, rule_of
from circuits.rates.frameworks import framework
from circuits.rates.network import BACK, Draws, Network, draw
from circuits.rates.phases import settled_gradient
from circuits.rates.tasks import TASKS, task
from circuits.rates.train import Training, cosines, train

__all__ = ["ALIGNMENT", "DEPTH", "check_depths", "run_alignment", "run_depth"]

ALIGNMENT = {
    "task": {"name": "digits"},
    "network": {"width": 50, "depths": (1, 2, 3), "feedback": 1.0},
    "rule": None,
    "training": {"epochs": 5, "batch": 20, "lr": 1.0},
    "gradient": {"patterns": 200, "between": False},
}
DEPTH = {
    "task": {"name": "digits"},
    "network": {"width": 50, "depths": (1, 2, 3, 4), "feedback": 1.0, "back": "symmetric"},
    "rule": None,
    "training": {"epochs": 20, "batch": 25, "lr": (1.0, 1.0, 1.0, 1.0), "decay": 0.0},
    "gradient": {"patterns": 200},
}


def check_depths(tables: Mapping) -> None:
    """Raise InputError for what a single value does not tell."""
    checked.one_of(tables["task"]["name"], tuple(TASKS), "[task] name:", "task")
    checked.one_of(tables["network"].get("back", BACK[0]), BACK, "[network] back:", "feedback")
    if not tables["network"]["depths"]:
        raise InputError("[network] depths: there is none; at least one is needed")
    lr = tables["training"]["lr"]
    if isinstance(lr, list) and len(lr) != len(tables["network"]["depths"]):
        raise InputError(
            f"[training] lr: {len(lr)} for {len(tables['network']['depths'])} depths; one for each"
        )


@cache
def _trained(name: str, sizes: tuple, feedback: float, training: Training, seeds: tuple, few: int):
    """Network trained by backpropagation, patterns, targets and gradient of the settled network."""
    given = task(name, seeds)
    net = draw((given.x.shape[-1], *sizes, given.target.shape[-1]), seeds, feedback=feedback)
    train(net, framework("backprop"), given, training, seeds)
    x, target = given.x[:, :few], given.target[:, :few]
    return net, x, target, settled_gradient(net, x, target).weights


def _over_depths(depths: Sequence[int], one: Callable[[int], xr.Dataset], say) -> xr.Dataset:
    found = []
    for k, depth in enumerate(depths):
        found.append(one(depth))
        if say is not None:
            say((k + 1) / len(depths))
    index = xr.DataArray(list(depths), dims="depth", name="depth", attrs={"units": "1"})
    return xr.concat(found, index, join="outer", data_vars="all", combine_attrs="override")


def run_alignment(tables: Mapping, seeds: Sequence[int], say=None) -> xr.Dataset:
    """Compare what a framework changes with the gradients, on weights that backprop has trained.

    Called as `circuits.rates.experiments.kinds.Runs` says, with tables as `ALIGNMENT`.

    Returns
    -------
    Dataset
        ``cosine_feedforward``, ``cosine_settled``, ``length`` (depth, seed, layer) of
        `circuits.rates.train.cosines`; with ``between`` also what
        `circuits.rates.experiments.between.between` returns.
    """
    own, rule = tables["network"], rule_of(tables["rule"])
    training = Training(**tables["training"])

    def one(depth):
        net, x, target, settled = _trained(
            tables["task"]["name"], (own["width"],) * depth, own["feedback"], training,
            tuple(seeds), tables["gradient"]["patterns"],
        )  # fmt: skip
        if rule.inverts:
            net = _with_inverses(net, rule, x, target, seeds)
        found = cosines(net, rule, x, target, seeds, settled)
        if rule.settles and tables["gradient"]["between"]:
            found |= between(net, rule, x, target, seeds)
        return dataset(found, seeds)

    return _over_depths(own["depths"], one, say).assign_coords(beta=("beta", list(BETAS)))


def _with_inverses(net, rule, x, target, seeds, steps=400, lr=1.0):
    """Give a trained network feedback weights that have learned to reconstruct."""
    sizes = [x.shape[-1], *(w.shape[-1] for w in net.weights)]
    drawn = draw(sizes, seeds, back="learned")
    net = Network(net.weights, net.biases, drawn.back, drawn.back_biases, net.feedback)
    draws = Draws(seeds, 6)
    for _ in range(steps):
        change = rule.estimate(net, x, target, draws)
        for layer in range(net.depth):
            net.back[layer] += lr * change.back[layer]
            net.back_biases[layer] += lr * change.back_biases[layer]
    return net


def run_depth(tables: Mapping, seeds: Sequence[int], say=None) -> xr.Dataset:
    """Train networks of every depth by one framework, as kind ``training`` does.

    Called as `circuits.rates.experiments.kinds.Runs` says, with tables as `DEPTH`; ``lr`` is a
    learning rate for each depth.

    Returns
    -------
    Dataset
        Its variables, with dim ``depth``.
    """
    own = tables["network"]
    rates = dict(zip(own["depths"], tables["training"]["lr"], strict=True))

    def one(depth):
        training = tables["training"] | {"lr": rates[depth]}
        same = training_kind.TABLES["training"] | training
        network = {key: own[key] for key in ("feedback", "back")}
        network["hidden"] = [own["width"]] * depth
        return training_kind.run(
            {**tables, "network": network, "training": same, "measured": None}, seeds
        )

    return _over_depths(own["depths"], one, say)
