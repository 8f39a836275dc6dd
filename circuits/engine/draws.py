"""Delays and first weights as they are drawn, and what a draw leaves of mean and spread."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from scipy.special import ndtri

from cells.parameters import InputError
from circuits.anatomy.spec import CircuitSpec, Projection
from circuits.engine.plan import Plan
from circuits.plasticity.learning import Learning

__all__ = ["check_draws", "delays", "first_weights"]

_LEAST_MS = 0.3  # of delays that are drawn with a spread
_MOST_MS = 1000.0  # what is on its way is kept for every step
_MAY_DIFFER = 0.05
_QUANTILES = ndtri((np.arange(2000) + 0.5) / 2000)


def delays(p: Projection, normal: np.ndarray) -> np.ndarray:
    """Return delays, ms, from standard normal numbers: none below a fifth or above three times."""
    least = min(max(_LEAST_MS, 0.2 * p.delay), p.delay)
    return np.clip(p.delay + p.delay_sd * normal, least, 3 * p.delay)


def first_weights(own: Mapping[str, float], normal: np.ndarray) -> np.ndarray:
    """Return first weights, from standard normal numbers: none below a tenth or above one."""
    weight = own["start"] + own["start_sd"] * normal
    return np.clip(weight, min(0.1 * own["start"], 0.01), 1)


def check_draws(spec: CircuitSpec, plan: Plan, learning: Learning | None, where: str) -> None:
    """Raise if delays or first weights would come out otherwise than they are described.

    Parameters
    ----------
    spec : CircuitSpec
    plan : Plan
        Made from it: spikes arrive at steps of the clock of their synapses.
    learning : Learning or None
    where : str
        Begins the message.

    Raises
    ------
    InputError
        If a delay without spread is no multiple of the step, or if limits and step would change
        mean or spread by more than 5 %; it names the nearest valid value.
    """
    for s in plan.synapses:
        for number in s.projections:
            p = spec.projections[number]
            here = f"{where} [projections] '{p.name}'"

            def delivered(mean, sd, p=p, step=s.dt_ms):
                drawn = delays(replace(p, delay=mean, delay_sd=sd), _QUANTILES)
                return np.floor(drawn / step + 0.5 + 1e-9) * step

            if p.delay > _MOST_MS:
                raise InputError(f"{here} delay: {p.delay:g} ms; largest valid: {_MOST_MS:g} ms")
            if p.delay_sd == 0 and abs(delivered(p.delay, 0)[0] - p.delay) > 1e-6:
                near = max(delivered(p.delay, 0)[0], s.dt_ms)
                raise InputError(
                    f"{here} delay: {p.delay:g} ms is no multiple of its step, {s.dt_ms:g} ms;"
                    f" nearest valid: {near:g} ms"
                )
            _check_spread(delivered, p.delay, p.delay_sd, f"{here} delay_sd", " ms")
    if learning is None:
        return
    for number in learning.chosen(spec):
        name = spec.projections[number].name
        own = learning.of(name)
        here = f"{where} [plasticity] '{name}' start_sd"
        _check_spread(_weights, own["start"], own["start_sd"], here, "")


def _weights(start, start_sd):
    return first_weights({"start": start, "start_sd": start_sd}, _QUANTILES)


def _check_spread(draw: Callable, mean: float, sd: float, where: str, unit: str) -> None:
    def kept(spread: float) -> bool:
        found = draw(mean, spread)
        near = abs(found.mean() - mean) <= _MAY_DIFFER * mean
        return near and abs(found.std() - spread) <= _MAY_DIFFER * spread

    if sd == 0 or kept(sd):
        return
    found = draw(mean, sd)
    tried = {float(f"{sd * k / 100:.2g}") for k in range(200)}
    near = min(filter(kept, tried), key=lambda one: abs(one - sd), default=None)
    hint = "" if near is None else f"; nearest valid: {near:g}{unit}"
    raise InputError(
        f"{where}: {sd:g}{unit} around {mean:g}{unit} would come out as {found.std():.3g} around"
        f" {found.mean():.3g}{unit}, between its limits and on its step{hint}"
    )
