"""Spike-timing-dependent plasticity of spike pairs and of spike triplets, all-to-all.

References
----------
Song, Miller & Abbott 2000, doi:10.1038/78829.
Bi & Poo 1998, doi:10.1523/JNEUROSCI.18-24-10464.1998.
Pfister & Gerstner 2006, doi:10.1523/JNEUROSCI.1425-06.2006.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

import numpy as np

from cells.parameters import InputError, nearest
from circuits.plasticity.rules.registry import register
from circuits.plasticity.rules.rule import BrianCode, Rule, learning_rate, soft_bounded, tables
from circuits.plasticity.rules.trains import POST, PRE, SpikeTrains

__all__ = ["STDP_SETS", "TripletRule", "stdp"]

STDP_SETS = ("pair_song", "pair_bi_poo", "triplet_visual", "triplet_hippocampus")


@dataclass(frozen=True)
class TripletRule(Rule):
    """Triplet rule; with both triplet amplitudes zero it is the pair rule.

    Attributes
    ----------
    name : str
    table : ParameterTable
        ``A2_plus``, ``A3_plus``, ``A2_minus``, ``A3_minus``; ``tau_plus``, ``tau_minus`` (pair
        traces r1, o1), ``tau_x``, ``tau_y`` (triplet traces r2, o2).
    """

    def dw(self, trains: SpikeTrains) -> np.ndarray:
        """Weight change of each trial, (trial,); spikes at one time: pre first."""
        taus = np.array([self._ms(k) for k in ("tau_plus", "tau_x", "tau_minus", "tau_y")])
        a2p, a3p = self._value("A2_plus"), self._value("A3_plus")
        a2m, a3m = self._value("A2_minus"), self._value("A3_minus")
        time, kind = trains.merged()
        n = trains.n_trial
        s, now, out = np.zeros((4, n)), np.zeros(n), np.zeros(n)
        for k in range(time.shape[1]):
            alive = np.isfinite(time[:, k])
            t = np.where(alive, time[:, k], now)
            s *= np.exp(-(t - now) / taus[:, None])
            now = t
            pre, post = alive & (kind[:, k] == PRE), alive & (kind[:, k] == POST)
            out -= pre * s[2] * (a2m + a3m * s[1])
            out += post * s[0] * (a2p + a3p * s[3])
            s[:2] += pre
            s[2:] += post
        return out * trains.sweeps

    def in_circuit(self, *, lr: str, bounds: float, tag: str) -> BrianCode:
        """Return the rule as a circuit takes it; see `Rule.in_circuit`."""
        return self.brian2(lr=lr, bounds=bounds, tag=tag)

    def brian2(self, *, lr: float | str = 1.0, bounds="soft", tag="stdp") -> BrianCode:
        """Return the rule as Brian2 strings, all traces event-driven and in the synapse.

        Parameters
        ----------
        lr : float or str
            Learning rate, or an expression of it in time.
        bounds : {"soft", "hard", "none"}
        tag : str

        Returns
        -------
        BrianCode
        """
        space: dict = {}
        rate = learning_rate(lr, tag, space)
        space |= {f"{a}_{tag}": self._value(a) for a in ("A2_plus", "A3_plus")}
        space |= {f"{a}_{tag}": self._value(a) for a in ("A2_minus", "A3_minus")}
        model = "w : 1\n"
        for trace, tau in (("r1", "plus"), ("r2", "x"), ("o1", "minus"), ("o2", "y")):
            space[f"tau_{tau}_{tag}"] = self.table[f"tau_{tau}"]
            model += f"d{trace}_{tag}/dt = -{trace}_{tag}/tau_{tau}_{tag} : 1 (event-driven)\n"
        down = f"-o1_{tag}*(A2_minus_{tag} + A3_minus_{tag}*r2_{tag})"
        up = f"r1_{tag}*(A2_plus_{tag} + A3_plus_{tag}*o2_{tag})"
        return BrianCode(
            "exact",
            model,
            on_pre=soft_bounded(down, rate, bounds) + f"r1_{tag} += 1\nr2_{tag} += 1\n",
            on_post=soft_bounded(up, rate, bounds) + f"o1_{tag} += 1\no2_{tag} += 1\n",
            namespace=MappingProxyType(space),
        )


def stdp(name: str = "pair_song") -> TripletRule:
    """Return one of the published sets.

    Parameters
    ----------
    name : {"pair_song", "pair_bi_poo", "triplet_visual", "triplet_hippocampus"}

    Returns
    -------
    TripletRule
    """
    if name not in STDP_SETS:
        raise InputError(f"STDP set '{name}'{nearest(name, STDP_SETS)}")
    return TripletRule(name, tables("stdp")[name])


register(
    "pair_song", partial(stdp, "pair_song"),
    "Sums over spike pairs, of which the two orders of the halves have the same.",
)  # fmt: skip
register(
    "pair_bi_poo", partial(stdp, "pair_bi_poo"),
    "Sums over spike pairs, of which the two orders of the halves have the same.",
)  # fmt: skip
register(
    "triplet_visual", partial(stdp, "triplet_visual"),
    "Grows with rate; its 114-ms trace tells the orders apart only slightly.",
)  # fmt: skip
register(
    "triplet_hippocampus", partial(stdp, "triplet_hippocampus"),
    "Grows with rate; the orders differ only at the border of the halves.",
)  # fmt: skip
