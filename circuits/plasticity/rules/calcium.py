"""The calcium-threshold rule of Graupner & Brunel 2012, with its closed form of the mean change.

References
----------
Graupner & Brunel 2012, doi:10.1073/pnas.1109359109. Parameter sets as in the authors' published
code of the paper (mgraupe/CalciumBasedPlasticityModel).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType

import numpy as np
from brian2.units import Quantity, ms
from scipy.special import erf

from cells.checked import milliseconds
from cells.parameters import InputError, nearest
from circuits.plasticity.rules.registry import register
from circuits.plasticity.rules.rule import BrianCode, Rule, tables
from circuits.plasticity.rules.trains import POST, PRE, SpikeTrains

__all__ = ["CALCIUM_SETS", "CalciumRule", "calcium"]

CALCIUM_SETS = ("hippocampal_slices", "hippocampal_cultures", "cortical_slices")


@dataclass(frozen=True)
class CalciumRule(Rule):
    """Efficacy driven up and down while calcium is above two thresholds.

    Attributes
    ----------
    name : str
    table : ParameterTable
    """

    def time_above(self, trains: SpikeTrains) -> tuple[np.ndarray, np.ndarray]:
        """Time that calcium spends above the depression and the potentiation threshold.

        Exact: between two events calcium is one exponential.

        Parameters
        ----------
        trains : SpikeTrains

        Returns
        -------
        depression, potentiation : (trial,) arrays, ms
            In one sweep.
        """
        tau, delay = self._ms("tau_Ca"), self._ms("D")
        theta = self._value("theta_d"), self._value("theta_p")
        shifted = replace(trains, pre=trains.pre + delay, gate=np.empty((trains.n_trial, 0)))
        time, kind = shifted.merged()
        end = np.full((trains.n_trial, 1), trains.duration + 20 * tau)
        time = np.concatenate([time, end], axis=1)
        n = trains.n_trial
        c, now = np.zeros(n), np.zeros(n)
        above = np.zeros((2, n))
        for k in range(time.shape[1]):
            alive = np.isfinite(time[:, k])
            t = np.where(alive, time[:, k], now)
            dt = t - now
            for i in (0, 1):
                high = c > theta[i]
                need = tau * np.log(np.where(high, c / theta[i], 1.0))
                above[i] += np.minimum(need, dt)
            c *= np.exp(-dt / tau)
            now = t
            if k < kind.shape[1]:
                c += self._value("C_pre") * (alive & (kind[:, k] == PRE))
                c += self._value("C_post") * (alive & (kind[:, k] == POST))
        return above[0], above[1]

    def dw(self, trains: SpikeTrains) -> np.ndarray:
        """Mean relative change of strength of a population of synapses, (trial,)."""
        down, up = self.time_above(trains)
        total = trains.sweeps * trains.period
        alpha_d, alpha_p = down / trains.period, up / trains.period
        gain_d, gain_p = self._value("gamma_d") * alpha_d, self._value("gamma_p") * alpha_p
        rate = gain_d + gain_p
        moved = rate > 0
        rate = np.where(moved, rate, 1.0)
        mean = gain_p / rate
        variance = self._value("sigma") ** 2 * (alpha_d + alpha_p) / rate
        passed = np.exp(-total * rate / self._ms("tau"))
        spread = np.sqrt(np.where(moved, variance * (1 - passed**2), 1.0))
        star, beta, b = self._value("rho_star"), self._value("beta"), self._value("b")

        def crossing(start):
            return erf(-(star - mean + (mean - start) * passed) / spread)

        up_share, down_share = (1 + crossing(0.0)) / 2, (1 - crossing(1.0)) / 2
        low = beta * (1 - up_share) + (1 - beta) * down_share
        high = beta * up_share + (1 - beta) * (1 - down_share)
        change = (low + b * high) / (beta + (1 - beta) * b) - 1.0
        return np.where(moved, change, 0.0)

    def brian2(self, *, lr: float = 1.0, step: Quantity = 1 * ms, tag: str = "ca") -> BrianCode:
        """Return the rule as Brian2 strings: graded efficacy, no noise, calcium clock-driven.

        Parameters
        ----------
        lr : float
            Factor on the speed of the efficacy.
        step : Quantity [time]
            Clock of the efficacy.
        tag : str

        Returns
        -------
        BrianCode
            ``w`` is the efficacy rho, soft-bounded by construction; without the cubic term and
            the noise that make it bistable, which act over hours.
        """
        per_step = lr * milliseconds(step, "step") / self._ms("tau")
        space = {
            f"tau_{tag}": self.table["tau_Ca"],
            f"jump_pre_{tag}": self._value("C_pre"),
            f"jump_post_{tag}": self._value("C_post"),
            f"theta_d_{tag}": self._value("theta_d"),
            f"theta_p_{tag}": self._value("theta_p"),
            f"up_{tag}": per_step * self._value("gamma_p"),
            f"down_{tag}": per_step * self._value("gamma_d"),
        }
        return BrianCode(
            "clock",
            f"dc_{tag}/dt = -c_{tag}/tau_{tag} : 1 (clock-driven)\nw : 1\n",
            on_pre=f"c_{tag} += jump_pre_{tag}\n",
            on_post=f"c_{tag} += jump_post_{tag}\n",
            learn=(
                f"w = clip(w + up_{tag}*(1 - w)*int(c_{tag} > theta_p_{tag})"
                f" - down_{tag}*w*int(c_{tag} > theta_d_{tag}), 0, 1)\n"
            ),
            learn_dt=step,
            pre_delay=self.table["D"],
            namespace=MappingProxyType(space),
        )


def calcium(name: str = "hippocampal_slices") -> CalciumRule:
    """Return one of the published sets.

    Parameters
    ----------
    name : {"hippocampal_slices", "hippocampal_cultures", "cortical_slices"}

    Returns
    -------
    CalciumRule
    """
    if name not in CALCIUM_SETS:
        raise InputError(f"calcium set '{name}'{nearest(name, CALCIUM_SETS)}")
    return CalciumRule(f"calcium_{name}", tables("calcium")[name])


register(
    "calcium_hippocampal_slices", partial(calcium, "hippocampal_slices"),
    "Counts the time above thresholds, whenever it is spent.",
)  # fmt: skip
register(
    "calcium_hippocampal_cultures", partial(calcium, "hippocampal_cultures"),
    "Counts the time above thresholds, whenever it is spent.",
)  # fmt: skip
register(
    "calcium_cortical_slices", partial(calcium, "cortical_slices"),
    "Counts the time above thresholds, whenever it is spent.",
)  # fmt: skip
