"""Behavioural-time-scale plasticity: an eligibility trace meets the trace of a plateau potential.

dW/dt = (W_max - W) k_pot q_pot(ET IS) - W k_dep q_dep(ET IS), W = 1 at the start

ET is the trace of the presynaptic spikes and IS that of the plateau potentials, each divided by one
constant for all synapses, so that rate and number of spikes count; q are sigmoids that run from 0
at 0 to 1 at 1. Without a plateau there is no change.

References
----------
Milstein et al. 2021, doi:10.7554/eLife.73046. Bittner et al. 2017, doi:10.1126/science.aan3846.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from circuits.plasticity.rules.registry import register
from circuits.plasticity.rules.rule import BrianCode, Rule, tables
from circuits.plasticity.rules.trains import SpikeTrains

__all__ = ["BTSPRule", "BurstBTSPRule", "btsp", "btsp_bursts"]


def _sigmoid(x, middle, slope):
    def s(v):
        return 1.0 / (1.0 + np.exp(-slope * (v - middle)))

    return (s(x) - s(0.0)) / (s(1.0) - s(0.0))


@dataclass(frozen=True)
class BTSPRule(Rule):
    """Plateau-gated rule.

    Attributes
    ----------
    name : str
    table : ParameterTable
        ``tau_ET``, ``tau_IS``, ``k_pot``, ``k_dep``, ``a_pot``, ``b_pot``, ``a_dep``, ``b_dep``,
        ``peak_ET``, ``peak_IS`` (what the traces are divided by), ``W_max`` (in units of the
        initial weight), ``step``.
    """

    def gains(self, meet: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the rates of potentiation and depression (1/s) where the bare traces meet.

        Parameters
        ----------
        meet : array
            Product of both traces, not divided by anything yet.
        """
        v = self._value
        meet = meet / (v("peak_ET") * v("peak_IS"))
        return tuple(
            v(f"k_{kind}") * _sigmoid(meet, v(f"a_{kind}"), v(f"b_{kind}"))
            for kind in ("pot", "dep")
        )

    def dw(self, trains: SpikeTrains) -> np.ndarray:
        """Weight change of each trial relative to the initial weight, (trial,)."""
        n, step = trains.n_trial, self._ms("step")
        if trains.plateau.shape[1] == 0:
            return np.zeros(n)
        tau_e, tau_i = self._ms("tau_ET"), self._ms("tau_IS")
        n_step = int(np.ceil(trains.period / step))
        tick = (np.arange(n_step) + 0.5) * step
        et, level = np.zeros((n_step, n)), np.zeros(n)
        signal, strength = np.zeros((n_step, n)), np.zeros(n)
        there = np.isfinite(trains.pre)
        index = np.where(there, np.where(there, trains.pre, 0) // step, n_step).astype(int)
        count = np.zeros((n_step + 1, n))
        np.add.at(count, (np.minimum(index, n_step), np.arange(n)[:, None]), 1)
        for k in range(n_step):
            level = level * np.exp(-step / tau_e) + count[k]
            on = ((trains.plateau[:, :, 0] <= tick[k]) & (tick[k] < trains.plateau[:, :, 1])).any(1)
            strength = on + (strength - on) * np.exp(-step / tau_i)
            et[k], signal[k] = level, strength
        v = self._value
        up, down = (g.sum(0) * step / 1000 for g in self.gains(et * signal))
        w = np.ones(n)
        for _ in range(trains.sweeps):
            w = np.clip(w + (v("W_max") - w) * up - w * down, 0.0, v("W_max"))
        return w - 1.0

    def brian2(self, *, lr: float = 1.0, tag: str = "bt") -> BrianCode:
        """Return the rule as Brian2 strings; both traces live in the neurons.

        Parameters
        ----------
        lr : float
        tag : str

        Returns
        -------
        BrianCode
            ``w`` is the weight over ``W_max``. The circuit says when a postsynaptic cell is in a
            plateau by its variable ``plateau_<tag>`` (0 or 1). The weight moves as it goes; `dw`
            applies the change of a whole sweep at once.
        """

        def gain(kind: str) -> str:
            a, b = self._value(f"a_{kind}"), self._value(f"b_{kind}")
            zero, one = (1 / (1 + np.exp(-b * (v - a))) for v in (0.0, 1.0))
            space.update({
                f"a_{kind}_{tag}": a, f"b_{kind}_{tag}": b, f"zero_{kind}_{tag}": zero,
                f"range_{kind}_{tag}": one - zero,
                f"k_{kind}_{tag}": lr * self._value(f"k_{kind}") * self._ms("step") / 1000,
            })  # fmt: skip
            sigmoid = f"1/(1 + exp(-b_{kind}_{tag}*(meet - a_{kind}_{tag})))"
            return f"k_{kind}_{tag}*({sigmoid} - zero_{kind}_{tag})/range_{kind}_{tag}"

        space = {
            f"tau_E_{tag}": self.table["tau_ET"],
            f"tau_I_{tag}": self.table["tau_IS"],
            f"most_{tag}": self._value("peak_ET") * self._value("peak_IS"),
        }
        return BrianCode(
            "clock",
            "w : 1\n",
            pre_model=f"det_{tag}/dt = -et_{tag}/tau_E_{tag} : 1\n",
            post_model=(
                f"dis_{tag}/dt = (plateau_{tag} - is_{tag})/tau_I_{tag} : 1\nplateau_{tag} : 1\n"
            ),
            pre_reset=f"et_{tag} += 1\n",
            learn=(
                f"meet = et_{tag}_pre*is_{tag}_post/most_{tag}\n"
                f"w = clip(w + (1 - w)*{gain('pot')} - w*{gain('dep')}, 0, 1)\n"
            ),
            learn_dt=self.table["step"],
            namespace=MappingProxyType(space),
        )


@dataclass(frozen=True)
class BurstBTSPRule(BTSPRule):
    """The rule in synapses that know a plateau by the burst of spikes that it makes.

    The table has two constants more: ``burst``, the longest interval within a burst, and ``read``,
    that between two readings; ``step`` is that of `dw`.
    """

    def in_circuit(self, *, lr: str, bounds: float, tag: str) -> BrianCode:
        """Return the rule with all of its state in the synapse; see `Rule.in_circuit`.

        While a cell fires spikes at intervals of at most ``burst`` it is taken to be in a plateau.
        The weight, over ``W_max``, has bounds of its own; ``bounds`` is not used. It moves at each
        reading as if both traces had stood still since the one before.
        """

        def gain(kind: str) -> str:
            a, b = self._value(f"a_{kind}"), self._value(f"b_{kind}")
            zero, one = (float(1 / (1 + np.exp(-b * (v - a)))) for v in (0.0, 1.0))
            rate = self._value(f"k_{kind}") * self._ms("read") / 1000 / (one - zero)
            return f"{rate!r}*(1/(1 + exp(-{b!r}*(meet - {a!r}))) - {zero!r})"

        space = {f"tau_E_{tag}": self.table["tau_ET"], f"tau_I_{tag}": self.table["tau_IS"],
                 f"burst_{tag}": self.table["burst"]}  # fmt: skip
        most = self._value("peak_ET") * self._value("peak_IS")
        return BrianCode(
            "exact",
            "w : 1\n"
            f"det_{tag}/dt = -et_{tag}/tau_E_{tag} : 1 (event-driven)\n"
            f"dis_{tag}/dt = -is_{tag}/tau_I_{tag} : 1 (event-driven)\n"
            f"last_{tag} : second\n",
            on_pre=f"et_{tag} += 1\n",
            on_post=(
                f"is_{tag} += int(t - last_{tag} < burst_{tag})"
                f"*(1 - exp(-(t - last_{tag})/tau_I_{tag}))\n"
                f"last_{tag} = t\n"
            ),
            learn=(
                f"meet = clip(et_{tag}*is_{tag}/{most!r}, 0, 1)\n"
                f"w = clip(w + {lr}*((1 - w)*{gain('pot')} - w*{gain('dep')}), 0, 1)\n"
            ),
            namespace=MappingProxyType(space),
        )


def btsp() -> BTSPRule:
    """Return the rule with the parameters of the published network model."""
    return BTSPRule("btsp", tables("btsp")["btsp"])


def btsp_bursts() -> BurstBTSPRule:
    """Return the rule as the circuit takes it."""
    own = tables("btsp")
    return BurstBTSPRule("btsp_bursts", own["bursts"])


register(
    "btsp", btsp,
    "Needs a plateau potential, and the experiment has none.",
)  # fmt: skip
register(
    "btsp_bursts", btsp_bursts,
    "Takes a burst for a plateau, and the pairings of the experiment have none of the cell's own.",
)  # fmt: skip
