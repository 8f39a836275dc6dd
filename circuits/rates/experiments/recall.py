"""Kind ``recall``: a generative predictive-coding network recalls, and tells what it does not know.

The last layer is a picture, the first one is free. After training on digits, pictures that lack
their lower half are completed; and the energy that is left of other pictures is compared with that
of unseen digits, beside the certainty of a classifier trained by backpropagation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from cells.parameters import InputError
from circuits.rates.experiments.prediction import ridge
from circuits.rates.frameworks import framework
from circuits.rates.network import Draws, Network, draw, forward
from circuits.rates.predictive_coding import energies, infer, pc_change, start_rates
from circuits.rates.tasks import digits
from circuits.rates.train import Training, apply, train

__all__ = ["OTHERS", "TABLES", "check", "run"]

TABLES = {
    "network": {"layers": (30,)},
    "training": {"epochs": 15, "batch": 25, "lr": 1.0},
    "inference": {"steps": 30, "test_steps": 200, "rate": 0.1},
    "ridge": {"penalty": 1e-3},
}
_SIDE = 8
#: Pictures that are no digits: of the same pixels in another order, turned, with light and dark
#: exchanged.
OTHERS = ("shuffled", "turned", "negative")


def check(tables: Mapping) -> None:
    """Raise InputError for what a single value does not tell."""
    if not tables["network"]["layers"]:
        raise InputError("[network] layers: there is none; at least the free one is needed")
    if tables["training"]["batch"] < 1:
        raise InputError(f"[training] batch: {tables['training']['batch']} is below 1")


def _inferred(net: Network, pictures, steps: int, rate: float, seen=None):
    """Rates with the pictures clamped, or those of their pixels that are seen."""
    start = start_rates(net, np.zeros((*pictures.shape[:2], net.weights[0].shape[1])))
    held: list = [False] * net.depth + [True if seen is None else seen]
    start[-1] = pictures if seen is None else np.where(seen, pictures, start[-1])
    return infer(net, start, held, steps=steps, rate=rate)


def _trained(net: Network, pictures, tables: Mapping, seeds) -> Network:
    own, inference = tables["training"], tables["inference"]
    orders, rows = Draws(seeds, 3), np.arange(len(seeds))[:, None]
    for _ in range(own["epochs"]):
        order = orders.permutations(pictures.shape[1])
        for first in range(0, pictures.shape[1] - own["batch"] + 1, own["batch"]):
            shown = pictures[rows, order[:, first : first + own["batch"]]]
            rates = _inferred(net, shown, inference["steps"], inference["rate"])
            apply(net, pc_change(net, rates), own["lr"])
    return net


def _others(pictures: np.ndarray) -> dict[str, np.ndarray]:
    square = pictures.reshape(*pictures.shape[:2], _SIDE, _SIDE)
    order = np.random.default_rng(0).permutation(_SIDE**2)
    turned = np.rot90(square, axes=(2, 3)).reshape(pictures.shape)
    return dict(zip(OTHERS, (pictures[..., order], turned, 1 - pictures), strict=True))


def _separation(own: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Share of the pairs in which the other picture has the higher value, (seed,)."""
    return np.array([(a[:, None] < b).mean() + 0.5 * (a[:, None] == b).mean()
                     for a, b in zip(own, other, strict=True)])  # fmt: skip


def run(tables: Mapping, seeds: Sequence[int], say=None) -> xr.Dataset:
    """Train on digits and test recall and energy on others.

    Called as `circuits.rates.experiments.kinds.Runs` says, with tables as `TABLES`.

    Returns
    -------
    Dataset
        ``recall_error`` (seed, source): mean squared error of the lower half that is recalled from
        the upper one, of the mean picture, and of a ridge regression on the upper half;
        ``separation`` (seed, other, by): area under the curve by which unseen digits are told from
        other pictures, by the energy or by a classifier's uncertainty.
    """
    given = digits(seeds)
    sizes = (*tables["network"]["layers"], given.x.shape[-1])
    net = _trained(draw(sizes, seeds), given.x, tables, seeds)
    inference = tables["inference"]
    options = {"steps": inference["test_steps"], "rate": inference["rate"]}
    pixels = given.x.shape[-1]
    seen = np.broadcast_to(np.arange(pixels) < pixels // 2, given.test_x.shape)
    hidden = np.arange(pixels) >= pixels // 2
    recalled = _inferred(net, given.test_x, seen=seen, **options)[-1]
    regressed = np.stack([
        np.column_stack([t[:, ~hidden], np.ones(len(t))])
        @ ridge(x[:, ~hidden], x[:, hidden], tables["ridge"]["penalty"])
        for x, t in zip(given.x, given.test_x, strict=True)
    ])  # fmt: skip
    truth = given.test_x[..., hidden]
    guesses = {
        "network": recalled[..., hidden],
        "mean": given.x.mean(axis=1, keepdims=True)[..., hidden],
        "ridge": regressed,
    }
    errors = [((guess - truth) ** 2).mean(axis=(1, 2)) for guess in guesses.values()]
    classifier = draw((pixels, 50, given.target.shape[-1]), seeds)
    train(classifier, framework("backprop"), given, Training(lr=4.0), seeds)

    def left(pictures):
        return energies(net, _inferred(net, pictures, **options)).sum(axis=-1)

    def uncertain(pictures):
        return -forward(classifier, pictures)[-1].max(axis=-1)

    found = [
        [_separation(by(given.test_x), by(other)) for by in (left, uncertain)]
        for other in _others(given.test_x).values()
    ]
    one = {"units": "1"}
    return xr.Dataset(
        {
            "recall_error": (("source", "seed"), np.stack(errors), one),
            "separation": (("other", "by", "seed"), np.array(found), one),
        },
        {"seed": list(seeds), "source": list(guesses), "other": list(OTHERS),
         "by": ["energy", "classifier"]},
    )  # fmt: skip
