"""The interface of a plasticity rule, and its Brian2 form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Protocol, runtime_checkable

import numpy as np
from brian2.units import Quantity, ms

from cells.parameters import InputError, ParameterTable, load_tables, nearest
from circuits.plasticity.rules.trains import SpikeTrains

__all__ = [
    "BrianCode",
    "PlasticityRule",
    "Rule",
    "attach",
    "learning_rate",
    "soft_bounded",
    "table_rows",
    "tables",
]

_TABLES = Path(__file__).parent / "tables"


@cache
def tables(name: str) -> Mapping[str, ParameterTable]:
    """Return the parameter tables of the file ``tables/<name>.toml``."""
    return MappingProxyType(load_tables(_TABLES / f"{name}.toml"))


def table_rows(table: ParameterTable) -> list[dict]:
    """Return the constants of a synapse as both reports print them."""
    return [asdict(table.parameter(key)) for key in table]


@dataclass(frozen=True)
class BrianCode:
    """A plasticity rule as Brian2 strings; the circuit puts them into its own groups.

    Attributes
    ----------
    form : str
    synapse_model : str
        Equations of the synapse, the weight ``w`` (dimensionless) included.
    on_pre, on_post : str
        Statements at a pre- and a postsynaptic spike. The pathway ``post`` must run at
        ``when="after_resets"``, so that spikes of one step meet once.
    pre_model, post_model : str
        Equations to add to the pre- and postsynaptic neurons.
    pre_reset, post_reset : str
        Statements to add to their resets.
    pre_regular, post_regular : str
        Statements for ``run_regularly`` of the neurons, every ``regular_dt``, ``when="start"``,
        ordered after ``learn``.
    regular_dt : Quantity [time] or None
    learn : str
        One learning step of the synapse.
    learn_event : str
        Condition of the postsynaptic custom event ``event`` that triggers ``learn``; the
        event-driven state is brought up to date by the pathway. Empty if ``learn`` is run every
        ``learn_dt``.
    learn_dt : Quantity [time] or None
        Step of ``run_regularly`` of the synapses, where ``learn_event`` is empty.
    event : str
        Name of the event.
    pre_delay : Quantity [time], optional
        Of the effect of a presynaptic spike on the rule.
    namespace : Mapping
        Constants, their names ending in the tag of the rule.
    """

    form: str
    synapse_model: str
    on_pre: str = ""
    on_post: str = ""
    pre_model: str = ""
    post_model: str = ""
    pre_reset: str = ""
    post_reset: str = ""
    pre_regular: str = ""
    post_regular: str = ""
    regular_dt: Quantity | None = None
    learn: str = ""
    learn_event: str = ""
    learn_dt: Quantity | None = None
    event: str = ""
    pre_delay: Quantity | None = None
    namespace: Mapping = field(default_factory=lambda: MappingProxyType({}))

    @property
    def events(self) -> dict[str, str]:
        """``events`` argument for the postsynaptic NeuronGroup."""
        return {self.event: self.learn_event} if self.learn_event else {}


def soft_bounded(step: str, lr: str, bounds: str | float) -> str:
    """Return Brian2 statements that add ``lr * step`` to ``w``.

    Parameters
    ----------
    step : str
        Expression of the weight change.
    lr : str
        Name of the learning rate.
    bounds : {"soft", "hard", "none"} or float
        Soft: times ``1 - w`` where positive, times ``w`` where negative. Hard: clipped to 0..1.
        A number from 0 to 1 is the exponent of both factors, which lies between hard (0) and soft
        (1); Gutig et al. 2003, doi:10.1523/JNEUROSCI.23-09-03697.2003.
    """
    if isinstance(bounds, int | float):
        if not 0 <= bounds <= 1:
            raise InputError(f"bounds: exponent {bounds:g} is outside [0, 1]")
        if 0 < bounds < 1:
            up, down = f"(1 - w)**{bounds!r}", f"w**{bounds!r}"
            return (
                f"dw_step = {lr}*({step})\n"
                f"w = clip(w + dw_step*({up}*int(dw_step > 0) + {down}*int(dw_step <= 0)), 0, 1)\n"
            )
        bounds = "soft" if bounds else "hard"
    if bounds == "none":
        return f"w += {lr}*({step})\n"
    if bounds == "hard":
        return f"w = clip(w + {lr}*({step}), 0, 1)\n"
    if bounds == "soft":
        return (
            f"dw_step = {lr}*({step})\n"
            "w = clip(w + dw_step*((1 - w)*int(dw_step > 0) + w*int(dw_step <= 0)), 0, 1)\n"
        )
    raise InputError(f"bounds '{bounds}'{nearest(bounds, ('soft', 'hard', 'none'))}")


def learning_rate(lr: float | str, tag: str, namespace: dict) -> str:
    """Return what stands for the learning rate: an expression, or a constant of the namespace."""
    if isinstance(lr, str):
        return lr
    namespace[f"lr_{tag}"] = lr
    return f"lr_{tag}"


def attach(code: BrianCode, source, target, *, name="plastic*", method="exact"):
    """Build the Synapses of a rule between two groups that carry its neuron-level parts.

    Parameters
    ----------
    code : BrianCode
    source, target : NeuronGroup
        Built with the models, resets and events of ``code``.
    name : str
    method : str
        Integration of clock-driven synapse equations; ``"rk4"`` for the clock-driven kinase form.

    Returns
    -------
    Synapses
        Not yet connected.
    """
    from brian2 import Synapses

    on_post = {"post": code.on_post or "w = w"}
    on_event = {"post": "spike"}
    if code.learn_event:
        on_post["learn"] = code.learn
        on_event["learn"] = code.event
    synapses = Synapses(
        source,
        target,
        model=code.synapse_model,
        on_pre=code.on_pre or "w = w",
        on_post=on_post,
        on_event=on_event,
        namespace=dict(code.namespace),
        method=method,
        name=name,
        delay={} if code.pre_delay is None else {"pre": code.pre_delay},
    )
    synapses.post.when = "after_resets"
    if code.learn and not code.learn_event:
        synapses.run_regularly(code.learn, dt=code.learn_dt, when="start")
    return synapses


@runtime_checkable
class PlasticityRule(Protocol):
    """What every rule offers: in vitro `dw`, in the circuit `brian2`."""

    name: str
    table: ParameterTable

    def dw(self, trains: SpikeTrains) -> np.ndarray:
        """Return the weight change of each trial, (trial,), dimensionless."""

    def brian2(self, **options) -> BrianCode:
        """Return the rule as Brian2 strings."""

    def in_circuit(self, *, lr: str, bounds: float, tag: str) -> BrianCode:
        """Return the rule as Brian2 strings with all of its state in the synapse."""

    def with_values(self, **values) -> PlasticityRule:
        """Return the rule with other parameter values."""


@dataclass(frozen=True)
class Rule:
    """Frozen description of a rule: a name and a table of parameters.

    Attributes
    ----------
    name : str
    table : ParameterTable
    """

    name: str
    table: ParameterTable

    def __post_init__(self) -> None:
        """Refuse time constants that are not positive."""
        for key in self.table:
            p = self.table.parameter(key)
            if (key.startswith("tau") and not p.value > 0) or not np.isfinite(p.value):
                raise InputError(
                    f"{self.table.path}: [{self.table.name}] {key} = {p.value:g} {p.unit}: "
                    "must be a number > 0"
                )

    def _ms(self, key: str) -> float:
        return float(self.table[key] / ms)

    def _value(self, key: str) -> float:
        return self.table.parameter(key).value

    def gate_at(self, cycle: float) -> float:
        """Return when a circuit reads the rule in a cycle of that length (ms), ms.

        A rule without a gate of its own integrates all the time and is read with the kinases.
        """
        table = self.table if "gate" in tuple(self.table) else tables("kinase")["ratio"]
        return cycle * table.parameter("gate").value

    def with_values(self, **values):
        """Return the rule with other parameter values; InputError for an unknown name."""
        return replace(self, table=self.table.with_values(**values))

    def brian2(self, **options) -> BrianCode:
        """Raise InputError: this rule has no Brian2 form."""
        raise InputError(f"rule '{self.name}' has no Brian2 form; it is for the bench only")

    def in_circuit(self, *, lr: str, bounds: float, tag: str) -> BrianCode:
        """Return the rule as Brian2 strings with all of its state in the synapse.

        Parameters
        ----------
        lr : str
            Expression of the learning rate.
        bounds : float
            Exponent of the bounds of the weight, see `soft_bounded`.
        tag : str
            End of the names of its variables and constants.

        A rule whose constants may be others in each synapse takes ``named`` too: all numbers that
        follow from the table are then constants of the namespace.

        Raises
        ------
        InputError
            Where a rule cannot be put so, as here.
        """
        raise InputError(
            f"'{self.name}' cannot learn in a circuit: it needs all of its state in the synapse and"
            " no clock of its own"
        )
