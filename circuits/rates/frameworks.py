"""The frameworks of learning by name, behind one interface."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import numpy as np

from cells.parameters import InputError, ParameterTable, load_tables, nearest
from circuits.rates.boltzmann import boltzmann_estimate
from circuits.rates.bursts import burst_estimate
from circuits.rates.kinase import kinase_estimate
from circuits.rates.network import Change, Draws, Network, backprop, forward
from circuits.rates.phases import phase_estimate
from circuits.rates.predictive_coding import pc_estimate, start_rates
from circuits.rates.recirculation import as_autoencoder, recirculation_estimate
from circuits.rates.settle import settle
from circuits.rates.target_propagation import tp_estimate

__all__ = ["FRAMEWORKS", "NEEDS", "Framework", "framework", "tables"]


@cache
def tables(name: str) -> Mapping[str, ParameterTable]:
    """Return the parameter tables of the file ``tables/<name>.toml``."""
    return load_tables(Path(__file__).parent / "tables" / f"{name}.toml")


@dataclass(frozen=True)
class Framework:
    """A way to learn.

    Attributes
    ----------
    name : str
    function : callable
        Of network, input, target, values and draws; returns a `Change`.
    table : ParameterTable
        Its parameters.
    settles : bool
        The network has feedback at work when it answers.
    inverts : bool
        Feedback weights reconstruct the layer below, and learn by a rule of their own.
    loop : bool
        The network is one layer and its way back; the target is its input.
    """

    name: str
    function: Callable[..., Change]
    table: ParameterTable
    settles: bool = False
    inverts: bool = False
    loop: bool = False

    @property
    def needs(self) -> tuple[int, ...]:
        """Which of `NEEDS` it has: 1 or 0."""
        return _NEEDED[self.name]

    @property
    def values(self) -> dict[str, float]:
        """The parameters as numbers, in the units of the table."""
        return {p.name: p.value for p in self.table.parameters}

    def estimate(self, net: Network, x, target, draws: Draws) -> Change:
        """Return what a batch changes, up to the learning rate."""
        return self.function(net, x, target, self.values, draws)

    def answer(self, net: Network, x: np.ndarray) -> np.ndarray:
        """Return the output for an input, (seed, batch, n)."""
        values = self.values
        if self.settles:
            # longer than in training, so that slow units do not count as errors
            return settle(net, x, steps=max(60, int(values["steps"])), rate=values["rate"])[-1]
        if self.loop:
            return forward(as_autoencoder(net), x)[-1]
        return start_rates(net, x, bool(values.get("skip")))[-1]


def _backprop(net, x, target, values, draws) -> Change:
    return backprop(net, x, target)


_PHASES = {"settles": True}
FRAMEWORKS: dict[str, tuple[Callable, str, dict]] = {
    **{
        name: (partial(phase_estimate, rule=name), "generec", _PHASES)
        for name in ("generec", "midpoint", "symmetric", "chl")
    },
    "ep": (partial(phase_estimate, rule="chl"), "ep", _PHASES),
    "boltzmann": (boltzmann_estimate, "boltzmann", _PHASES),
    "kinase": (kinase_estimate, "kinase", _PHASES),
    "recirculation": (recirculation_estimate, "recirculation", {"inverts": True, "loop": True}),
    "predictive_coding": (pc_estimate, "predictive_coding", {}),
    "target_propagation": (
        partial(tp_estimate, difference=False), "target_propagation", {"inverts": True},
    ),
    "difference_target_propagation": (
        partial(tp_estimate, difference=True), "target_propagation", {"inverts": True},
    ),
    "burstprop": (partial(burst_estimate, cancelled=False), "burst", {}),
    "burstccn": (partial(burst_estimate, cancelled=True), "burst", {}),
    "backprop": (_backprop, "backprop", {}),
}  # fmt: skip
"""Function, table of parameters and kind of each framework."""

#: What a framework can need of the tissue.
NEEDS = ("separate error cells", "symmetric weights", "phases", "bursts")
_NEEDED = {
    **dict.fromkeys(
        ("generec", "midpoint", "symmetric", "chl", "ep", "boltzmann", "kinase"), (0, 1, 1, 0)
    ),
    "recirculation": (0, 0, 1, 0),
    "predictive_coding": (1, 1, 0, 0),
    "target_propagation": (1, 0, 0, 0),
    "difference_target_propagation": (1, 0, 0, 0),
    "burstprop": (0, 1, 1, 1),
    "burstccn": (0, 1, 0, 1),
    "backprop": (1, 1, 1, 0),
}


def framework(name: str, changed: Mapping[str, float] | None = None) -> Framework:
    """Return the framework of that name, some of its parameters changed.

    Parameters
    ----------
    name : str
    changed : mapping, optional
        Numbers in the units of the table, or texts with a unit.

    Raises
    ------
    InputError
        For an unknown name or parameter.
    """
    if name not in FRAMEWORKS:
        raise InputError(f"rule '{name}'{nearest(name, FRAMEWORKS)}")
    function, table, kind = FRAMEWORKS[name]
    return Framework(name, function, tables("frameworks")[table].with_values(**(changed or {})),
                     **kind)  # fmt: skip
