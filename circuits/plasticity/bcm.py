"""The Bienenstock-Cooper-Munro rule on rate traces, with a sliding threshold.

dw/dt = eta x y (y - theta) / theta_0,   tau_theta dtheta/dt = y^2 / y_0 - theta

x and y are exponential rate traces. Both equations are stepped by the forward Euler rule on a clock
of ``step``, in vitro and in the circuit alike.

References
----------
Bienenstock, Cooper & Munro 1982, doi:10.1523/JNEUROSCI.02-01-00032.1982.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from .rule import BrianCode, Rule, soft_bounded, tables
from .trains import SpikeTrains

__all__ = ["BCMRule", "bcm"]


@dataclass(frozen=True)
class BCMRule(Rule):
    """BCM on traces.

    Attributes
    ----------
    name : str
    table : ParameterTable
        ``tau_x``, ``tau_y`` traces; ``tau_theta``, ``theta_0`` start of the threshold, ``y_0`` its
        scale; ``eta``; ``step``.
    """

    def dw(self, trains: SpikeTrains) -> np.ndarray:
        """Weight change of each trial, (trial,)."""
        step, n = self._ms("step"), trains.n_trial
        tau_x, tau_y = self._ms("tau_x"), self._ms("tau_y")
        n_step = int(np.ceil((trains.duration + 5 * max(tau_x, tau_y)) / step))

        def trace(times, tau):
            """Rate trace just before each tick, Hz."""
            out, level = np.zeros((n_step, n)), np.zeros(n)
            there = np.isfinite(times)
            times = np.where(there, times, 0.0)
            index = np.where(there, times // step, n_step).astype(int)
            rise = np.where(index < n_step, np.exp((times - (index + 1) * step) / tau), 0.0)
            add = np.zeros((n_step + 1, n))
            np.add.at(add, (index, np.arange(n)[:, None]), np.nan_to_num(rise))
            for k in range(n_step):
                level = level * np.exp(-step / tau) + add[k] * 1000.0 / tau
                out[k] = level
            return out

        x, y = trace(trains.pre, tau_x), trace(trains.post, tau_y)
        theta = np.full(n, self._value("theta_0"))
        slide, scale = step / self._ms("tau_theta"), self._value("y_0")
        out = np.zeros(n)
        for k in range(n_step):
            out += x[k] * y[k] * (y[k] - theta)
            theta = theta + slide * (y[k] ** 2 / scale - theta)
        return trains.sweeps * out * self._value("eta") * step / 1000.0 / self._value("theta_0")

    def brian2(self, *, lr: float = 1.0, bounds="soft", tag="bcm") -> BrianCode:
        """Return the rule as Brian2 strings; traces and threshold live in the neurons.

        Parameters
        ----------
        lr : float
        bounds : {"soft", "hard", "none"}
        tag : str

        Returns
        -------
        BrianCode
            ``theta_<tag>`` of the postsynaptic neurons must be set to ``theta_0`` at the start.
        """
        space = {
            f"tau_x_{tag}": self.table["tau_x"],
            f"tau_y_{tag}": self.table["tau_y"],
            f"jump_x_{tag}": 1000.0 / self._ms("tau_x"),
            f"jump_y_{tag}": 1000.0 / self._ms("tau_y"),
            f"slide_{tag}": self._ms("step") / self._ms("tau_theta"),
            f"scale_{tag}": self._value("y_0"),
            f"lr_{tag}": lr
            * self._value("eta")
            * self._ms("step")
            / 1000.0
            / self._value("theta_0"),
        }
        change = f"x_{tag}_pre*y_{tag}_post*(y_{tag}_post - theta_{tag}_post)"
        return BrianCode(
            "clock",
            "w : 1\n",
            pre_model=f"dx_{tag}/dt = -x_{tag}/tau_x_{tag} : 1\n",
            post_model=f"dy_{tag}/dt = -y_{tag}/tau_y_{tag} : 1\ntheta_{tag} : 1\n",
            pre_reset=f"x_{tag} += jump_x_{tag}\n",
            post_reset=f"y_{tag} += jump_y_{tag}\n",
            post_regular=f"theta_{tag} += slide_{tag}*(y_{tag}**2/scale_{tag} - theta_{tag})\n",
            regular_dt=self.table["step"],
            learn=soft_bounded(change, f"lr_{tag}", bounds),
            learn_dt=self.table["step"],
            namespace=MappingProxyType(space),
        )


def bcm() -> BCMRule:
    """Return the BCM rule with its default parameters."""
    return BCMRule("bcm", tables("bcm")["bcm"])
