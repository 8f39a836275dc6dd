"""Kind ``figure1``: the three-layer bidirectional network in its two phases, as Brian2 equations.

One unit in each layer. In the minus phase the input is clamped and hidden and output unit predict;
in the plus phase the outcome drives the output unit too. The change of a unit between the phases is
its error, and the weights, the same in both directions, learn from it at the end of each cycle.

Reference
---------
O'Reilly (2026), arXiv:2606.08720, figure 1
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr
from brian2 import Network, NeuronGroup, StateMonitor, Synapses, ms, prefs, second

from circuits.rates.network import Network as Rates
from circuits.rates.network import backprop, draw
from circuits.rates.settle import CLAMPED, settle

__all__ = ["TABLES", "UNITS", "run"]

UNITS = ("input", "hidden", "output")
TABLES = {
    "network": {"input": 1.0, "target": 0.9, "gain": 1.0, "feedback": 1.0},
    "cycle": {"minus_ms": 100.0, "plus_ms": 100.0, "tau_ms": 10.0, "step_ms": 0.5, "count": 30},
    "training": {"lr": 1.0},
}

_MODEL = """
da/dt = (aim - a)/tau : 1
aim = is_held*held + (1 - is_held)/(1 + exp(-(below + above + bias))) : 1
is_plus = int((t + dt/2) % cycle >= minus) : 1
is_held = int(layer == 0) + int(layer == 2)*is_plus : 1
below : 1
above : 1
held : 1
bias : 1
a_minus : 1
layer : integer (constant)
"""
_SYNAPSE = """
w : 1
below_post = w*a_pre : 1 (summed)
"""
_BACK = """
w : 1
above_post = feedback*w*a_pre : 1 (summed)
"""
_LEARN = "w += lr*(a_pre*a_post - a_minus_pre*a_minus_post)"


def _grid(net: Rates) -> np.ndarray:
    """First weights of both layers, in the order of the synapses, (seed * 2,)."""
    return np.stack([w[:, 0, 0] for w in net.weights], axis=1).ravel()


def simulate(tables: Mapping, net: Rates, n: int) -> StateMonitor:
    """Run ``n`` copies of the network through all cycles on Brian2's numpy target.

    Parameters
    ----------
    tables : mapping
        As `TABLES`.
    net : Network
        Gives the first weights.
    n : int

    Returns
    -------
    StateMonitor
        Of the rates of all units, input, hidden and output of one copy after another.
    """
    cycle, own = tables["cycle"], tables["network"]
    length = (cycle["minus_ms"] + cycle["plus_ms"]) * ms
    space = {
        "tau": cycle["tau_ms"] * ms, "cycle": length, "minus": cycle["minus_ms"] * ms,
        "feedback": own["feedback"], "lr": tables["training"]["lr"],
    }  # fmt: skip
    step = cycle["step_ms"] * ms
    units = NeuronGroup(3 * n, _MODEL, method="euler", namespace=space, dt=step)
    units.layer = np.tile([0, 1, 2], n)
    units.held = np.tile([own["input"], 0, own["target"]], n)
    low = 3 * np.repeat(np.arange(n), 2) + np.tile([0, 1], n)
    up = Synapses(units, units, _SYNAPSE, namespace=space, dt=step)
    up.connect(i=low, j=low + 1)
    down = Synapses(units, units, _BACK, namespace=space, dt=step)
    down.connect(i=low + 1, j=low)
    up.w = down.w = _grid(net)
    units.run_regularly("a_minus = a + is_plus*(a_minus - a)", dt=step, when="end")
    # once a cycle, before its first step, from what the last one has left; then silence
    for synapses in (up, down):
        synapses.run_regularly(_LEARN, dt=length, when="start")
    units.run_regularly(
        "bias += int(layer > 0)*lr*(a - a_minus)\na = a*int(layer == 0)", dt=length,
        when="start", order=1,
    )  # fmt: skip
    units.a = units.a_minus = np.tile([own["input"], 0, 0], n)
    seen = StateMonitor(units, "a", record=True, dt=step, when="end")
    network = Network(units, up, down, seen)
    before = prefs.codegen.target
    prefs.codegen.target = "numpy"
    try:
        network.run(cycle["count"] * length)
    finally:
        prefs.codegen.target = before
    return seen


def run(tables: Mapping, seeds: Sequence[int], say=None) -> xr.Dataset:
    """Run the figure, one copy for each seed.

    Called as `circuits.rates.experiments.kinds.Runs` says, with tables as `TABLES`, times in ms.

    Returns
    -------
    Dataset
        ``activity`` (seed, unit, cycle, time): at the end of each step of the cycle; ``minus``,
        ``plus`` (seed, unit, cycle): at the end of the phases; ``difference``, theirs;
        ``settled`` (seed, unit, phase): fixed points of the first cycle by `settle`; ``delta``
        (seed, unit): what backpropagation sends each unit in the first cycle.
    """
    own, cycle = tables["network"], tables["cycle"]
    net = draw((1, 1, 1), seeds, feedback=own["feedback"])
    for w in net.weights:
        w[...] *= own["gain"]
    n = len(seeds)
    seen = simulate(tables, net, n)
    steps = round((cycle["minus_ms"] + cycle["plus_ms"]) / cycle["step_ms"])
    activity = np.array(seen.a).reshape(n, 3, cycle["count"], steps)
    end = round(cycle["minus_ms"] / cycle["step_ms"]) - 1
    minus, plus = activity[..., end], activity[..., -1]
    x = np.full((n, 1, 1), own["input"])
    target = np.full((n, 1, 1), own["target"])
    free = settle(net, x, steps=2000)
    fixed = [free, settle(net, x, target, CLAMPED, start=free, steps=2000)]
    errors = backprop(net.tied(), x, target).biases
    times = (np.arange(steps) + 1) * cycle["step_ms"] * float(ms / second)
    one = {"units": "1"}
    return xr.Dataset(
        {
            "activity": (("seed", "unit", "cycle", "time"), activity, one),
            "minus": (("seed", "unit", "cycle"), minus, one),
            "plus": (("seed", "unit", "cycle"), plus, one),
            "difference": (("seed", "unit", "cycle"), plus - minus, one),
            "settled": (
                ("seed", "unit", "phase"),
                np.stack([[a[:, 0, 0] for a in phase] for phase in fixed]).transpose(2, 1, 0), one,
            ),
            "delta": (
                ("seed", "unit"),
                np.stack([np.full(n, np.nan), *(e[:, 0, 0] for e in errors)], axis=1), one,
            ),
        },
        {
            "seed": list(seeds), "unit": list(UNITS), "phase": ["minus", "plus"],
            "cycle": np.arange(1, cycle["count"] + 1), "time": ("time", times, {"units": "s"}),
        },
        {"plus_start_s": cycle["minus_ms"] * 1e-3},
    )  # fmt: skip
