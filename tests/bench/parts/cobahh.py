"""The network of Brette et al. (2007): what any model in Brian2 gains by the method."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tests.bench import cobahh, standalone
from tests.bench.context import Context
from tests.bench.measure import ratios, spread
from tests.bench.table import Row

TITLE = "network of Hodgkin-Huxley cells (Brette et al. 2007): what any model in Brian2 gains"
_STOCK, _OURS = "Brian2, exponential Euler", "here, staggered"
# method, upstroke, with the project's flags and functions, step (ms)
_BRIAN2 = {
    _STOCK: ("exponential_euler", False, False, 0.1),
    _OURS: ("staggered", False, True, 0.1),
    "here, with upstroke": ("staggered", True, True, 0.1),
    "Runge-Kutta": ("rk4", False, True, 0.025),
}


def _own(folder, dt: float, duration: float) -> tuple:
    """Return (CPU s of `duration`, cell, time) of a compiled program."""
    short = standalone.launch(folder, dt_ms=dt, duration=0.01)[0].cpu
    used, spikes = standalone.launch(folder, dt_ms=dt, duration=0.01 + duration)
    return used.cpu - short, *spikes["cells"]


def rows(context: Context) -> Iterator[Row | tuple]:
    """Yield the rows of this part."""
    n, duration = (1000, 0.5) if context.quick else (cobahh.N, 1.0)
    jobs = {}
    for name, (method, upstroke, fast, dt) in _BRIAN2.items():
        folder = context.folder / f"cobahh-{method}-{upstroke}-{n}"
        standalone.build(folder, cobahh.make, n, method, upstroke, fast=fast)
        jobs[name] = lambda f=folder, s=dt: _own(f, s, duration)
    found: dict[str, list[tuple]] = {name: [] for name in jobs}
    for k in range(context.rounds):
        names = list(jobs)
        for name in names[k:] + names[:k]:
            found[name].append(jobs[name]())
    costs = {name: [used for used, *_ in runs] for name, runs in found.items()}
    rates = {name: _rate(*runs[0][1:], n, duration) for name, runs in found.items()}
    yield (
        f"{n} cells for {duration:g} s, rates from {cobahh.START_S:g} s on:",
        [
            {
                "simulator": name,
                "CPU s": spread(costs[name])["median"],
                "rate (Hz)": rates[name],
                "rate over Runge-Kutta": rates[name] / rates["Runge-Kutta"] - 1,
            }
            for name in jobs
        ],
    )
    for name in ("here, staggered", "here, with upstroke"):
        what = f"network of Hodgkin-Huxley cells, {_STOCK} over {name}, CPU"
        yield Row(what, tuple(ratios(costs[_STOCK], costs[name])), "x", _STOCK, at_least=10.0)


def _rate(cell: np.ndarray, time_s: np.ndarray, n: int, duration: float) -> float:
    return float((time_s >= cobahh.START_S).sum() / n / (duration - cobahh.START_S))
