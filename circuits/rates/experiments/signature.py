"""What a framework leaves in activity while it learns.

The rates of the output are regressed, over cells and patterns, on the outcome and on what was
predicted: before the outcome comes (*minus*), while it is there (*plus*), and in whatever carries
the error, where a framework has such a thing.
"""

from __future__ import annotations

import numpy as np

from circuits.rates.bursts import burst_shares
from circuits.rates.frameworks import Framework
from circuits.rates.network import Network, forward
from circuits.rates.phases import falls_short
from circuits.rates.predictive_coding import infer, predictions, start_rates
from circuits.rates.recirculation import as_autoencoder
from circuits.rates.settle import CLAMPED, settle
from circuits.rates.target_propagation import targets

__all__ = ["CARRIERS", "TERMS", "signature"]

CARRIERS = ("minus", "plus", "error")
TERMS = ("outcome", "prediction")


def _regressed(rates, outcome, prediction) -> np.ndarray:
    """Coefficients of outcome and prediction, (seed, term)."""
    found = []
    for y, *terms in zip(rates, outcome, prediction, strict=True):
        design = np.stack([np.ravel(t) for t in terms] + [np.ones(y.size)], axis=1)
        found.append(np.linalg.lstsq(design, y.ravel(), rcond=None)[0][:2])
    return np.array(found)


def _phases(net, rule, x, target):
    values = rule.values
    minus = settle(net, x, steps=60, rate=values["rate"])
    outcome = falls_short(minus[-1], target, values.get("fall", 1.0))
    plus = settle(net, x, outcome, values.get("beta", CLAMPED), start=minus, steps=60,
                  rate=values["rate"])  # fmt: skip
    return minus, plus, None


def _predictive_coding(net, rule, x, target):
    values = rule.values
    skip = bool(values["skip"])
    minus = start_rates(net, x, skip)
    held = [True, *[False] * (net.depth - 1), True]
    start = [*minus[:-1], minus[-1] + values["push"] * (target - minus[-1])]
    plus = infer(net, start, held, steps=int(values["steps"]), rate=values["rate"], skip=skip)
    return minus, plus, plus[-1] - predictions(net, plus, skip)[0][-1]


def _targets(net, rule, x, target):
    rates = forward(net, x)
    difference = rule.name.startswith("difference")
    wanted = targets(net, rates, target, rule.values["push"], difference)
    return rates, [x, *wanted], wanted[-1] - rates[-1]


def _bursts(net, rule, x, target):
    rates = forward(net, x)
    values, cancelled = rule.values, rule.name == "burstccn"
    share = burst_shares(
        net, rates, target - rates[-1], values["p0"], values["slope"], cancelled
    )  # fmt: skip
    return rates, rates, share[-1] - values["p0"]


def _loop(net, rule, x, target):
    stay = rule.values["regression"]
    loop = as_autoencoder(net)
    first = forward(loop, x)
    again = forward(loop, stay * x + (1 - stay) * first[-1])
    return first, [x, stay * first[1] + (1 - stay) * again[1], x], None


def signature(net: Network, rule: Framework, x, target) -> dict[str, np.ndarray]:
    """Return the coefficients of activity, and how much the hidden layers change.

    Parameters
    ----------
    net : Network
    rule : Framework
    x, target : (seed, pattern, n) arrays

    Returns
    -------
    dict
        ``signature`` (seed, carrier, term), of `CARRIERS` and `TERMS`, NaN where there is no
        carrier of the error; ``hidden_change`` (seed): mean change of a hidden rate between the
        phases, over its mean.
    """
    if rule.settles:
        minus, plus, error = _phases(net, rule, x, target)
    elif rule.name == "predictive_coding":
        minus, plus, error = _predictive_coding(net, rule, x, target)
    elif rule.name.endswith("target_propagation"):
        minus, plus, error = _targets(net, rule, x, target)
    elif rule.name.startswith("burst"):
        minus, plus, error = _bursts(net, rule, x, target)
    elif rule.loop:
        minus, plus, error = _loop(net, rule, x, target)
    else:
        minus = plus = forward(net, x)
        error = target - minus[-1]
    predicted = minus[-1]
    missing = np.full((len(x), len(TERMS)), np.nan)
    found = [
        _regressed(minus[-1], target, predicted),
        _regressed(plus[-1], target, predicted),
        missing if error is None else _regressed(error, target, predicted),
    ]
    change = [
        np.abs(b - a).mean((1, 2)) / a.mean((1, 2))
        for a, b in zip(minus[1:-1], plus[1:-1], strict=True)
    ]
    hidden = np.mean(change, axis=0) if change else np.full(len(x), np.nan)
    return {"signature": np.stack(found, axis=1), "hidden_change": hidden}
