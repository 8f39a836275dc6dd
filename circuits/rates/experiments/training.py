"""Kind ``training``: a network learns a task by one framework; how well, and along what gradient.

After training the change of the framework, or of another one (table ``measured``), is compared
with the gradients, and its signature in activity is measured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from cells import checked
from circuits.rates.experiments.signature import CARRIERS, TERMS, signature
from circuits.rates.frameworks import NEEDS, Framework, framework
from circuits.rates.network import BACK, Network, draw
from circuits.rates.predictive_coding import energies, infer, start_rates
from circuits.rates.tasks import TASKS, Task, task
from circuits.rates.train import Training, cosines, right, train

__all__ = ["TABLES", "check", "dataset", "rule_of", "run"]

TABLES = {
    "task": {"name": "digits"},
    "network": {"hidden": (50,), "feedback": 1.0, "back": "symmetric"},
    "rule": None,
    "measured": None,
    "training": {"epochs": 20, "batch": 25, "lr": 1.0, "decay": 0.0, "until": False, "every": 5},
    "gradient": {"patterns": 200},
}


def check(tables: Mapping) -> None:
    """Raise InputError for what a single value does not tell."""
    checked.one_of(tables["task"]["name"], tuple(TASKS), "[task] name:", "task")
    checked.one_of(tables["network"]["back"], BACK, "[network] back:", "kind of feedback")


def rule_of(table: Mapping) -> Framework:
    """Return the framework that a table names."""
    return framework(table["name"], {k: v for k, v in table.items() if k != "name"})


def network_of(tables: Mapping, given: Task, rule: Framework, seeds: Sequence[int]) -> Network:
    """Return the network of a condition before it learns."""
    own = tables["network"]
    sizes = [given.x.shape[-1], *own["hidden"], *([] if rule.loop else [given.target.shape[-1]])]
    back = own["back"]
    if rule.inverts and back == "symmetric":
        back = "learned"
    precise = bool(rule.values.get("precision_lr"))
    return draw(sizes, seeds, feedback=own["feedback"], back=back, precise=precise)


def needs_of(rule: Framework, back: str) -> tuple[int, ...]:
    """Which of `NEEDS` a framework has with feedback of a kind: 1 or 0."""
    needed = dict(zip(NEEDS, rule.needs, strict=True))
    if back != BACK[0]:
        needed["symmetric weights"] = 0
    return tuple(needed.values())


def run(tables: Mapping, seeds: Sequence[int], say=None) -> xr.Dataset:
    """Train and measure the networks of all seeds.

    Called as `circuits.rates.experiments.kinds.Runs` says, with tables as `TABLES`.

    Returns
    -------
    Dataset
        ``score_train``, ``score_test`` (seed): share of the patterns that are right; ``loss_test``
        (seed): mean squared error; ``epochs`` (seed); ``error`` (seed, epoch);
        ``cosine_feedforward``, ``cosine_settled``, ``length`` (seed, layer); ``signature`` (seed,
        carrier, term) and ``hidden_change`` (seed); ``needs`` (seed, need), of
        `circuits.rates.frameworks.NEEDS`; of predictive coding ``energy`` (seed, layer).
    """
    given, rule = task(tables["task"]["name"], seeds), rule_of(tables["rule"])
    net = network_of(tables, given, rule, seeds)
    found = train(net, rule, given, Training(**tables["training"]), seeds, say)
    answers = {}
    for part, x, target in (
        ("train", given.x, given.target), ("test", given.test_x, given.test_target),
    ):  # fmt: skip
        answers[part] = output = rule.answer(net, x)
        found[f"score_{part}"] = right(output, target, given.classes).mean(axis=1)
        found[f"loss_{part}"] = ((output - target) ** 2).mean(axis=(1, 2))
    few = slice(min(tables["gradient"]["patterns"], given.x.shape[1]))
    x, target = given.x[:, few], given.target[:, few]
    measured = rule_of(tables["measured"]) if tables["measured"] else rule
    found |= cosines(net, measured, x, target, seeds)
    found |= signature(net, measured, x, target)
    found["needs"] = np.tile(needs_of(rule, tables["network"]["back"]), (len(seeds), 1))
    if rule.name == "predictive_coding":
        found["energy"] = _energy(net, rule, x, target)
    return dataset(found, seeds)


def _energy(net, rule, x, target) -> np.ndarray:
    """Mean energy of each layer after inference with the target clamped, (seed, layer)."""
    values = rule.values
    skip = bool(values["skip"])
    rates = start_rates(net, x, skip)
    rates[-1] = target
    held = [True, *[False] * (net.depth - 1), True]
    options = {"steps": int(values["steps"]), "rate": values["rate"], "skip": skip}
    return energies(net, infer(net, rates, held, **options), skip).mean(axis=1)


_DIMS = {
    "error": ("seed", "epoch"),
    **dict.fromkeys(
        ("cosine_feedforward", "cosine_settled", "length", "energy", "displacement"),
        ("seed", "layer"),
    ),
    **dict.fromkeys(("nudge_cosine", "nudge_displacement"), ("seed", "beta")),
    "signature": ("seed", "carrier", "term"),
    "needs": ("seed", "need"),
}


def dataset(found: Mapping, seeds: Sequence[int]) -> xr.Dataset:
    """Return arrays with a first axis of seeds as a Dataset without units."""
    variables = {
        name: (_DIMS.get(name, ("seed",)), values, {"units": "1"}) for name, values in found.items()
    }
    ds = xr.Dataset(variables, {"seed": list(seeds)})
    counted = {dim: np.arange(1, ds.sizes[dim] + 1) for dim in ("layer", "epoch") if dim in ds.dims}
    named = {"carrier": list(CARRIERS), "term": list(TERMS), "need": list(NEEDS)}
    return ds.assign_coords(counted | {dim: n for dim, n in named.items() if dim in ds.dims})
