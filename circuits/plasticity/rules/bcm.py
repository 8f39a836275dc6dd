"""The Bienenstock-Cooper-Munro rule on rate traces, with a sliding threshold.

dw/dt = eta x y (y - theta) / theta_0,   tau_theta dtheta/dt = y^2 / y_0 - theta

x and y are exponential rate traces. In one form both equations are stepped by the forward Euler
rule on a clock of ``step``, in the other they are integrated exactly from spike to spike: the
threshold, which is y^2 filtered, is a difference of two exponential traces.

References
----------
Bienenstock, Cooper & Munro 1982, doi:10.1523/JNEUROSCI.02-01-00032.1982.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from brian2.units import Quantity, ms

from cells.parameters import InputError, nearest
from circuits.plasticity.rules.integral import TraceIntegral
from circuits.plasticity.rules.registry import register
from circuits.plasticity.rules.rule import BrianCode, Rule, learning_rate, soft_bounded, tables
from circuits.plasticity.rules.trains import SpikeTrains

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

    def __post_init__(self) -> None:
        """Refuse a threshold that is not slower than what it follows."""
        super().__post_init__()
        if not self._ms("tau_theta") > self._ms("tau_y"):
            raise InputError(
                f"{self.table.path}: [{self.table.name}] tau_theta must be above tau_y"
            )

    @property
    def integral(self) -> TraceIntegral:
        """The integral of x y (y - theta), Hz^3 s."""
        tau_x, tau_y, tau_m = self._ms("tau_x"), self._ms("tau_y"), self._ms("tau_theta")
        # y^2 decays in tau_y/2; the response of theta to a step of it is share * (m - y^2)
        share = 0.5 * tau_y / (tau_m - 0.5 * tau_y) / self._value("y_0")
        jump_x, jump_y = 1000.0 / tau_x, 1000.0 / tau_y
        return TraceIntegral(
            {"x": tau_x, "y": tau_y, "m": tau_m},
            ((1.0, ("x", "y", "y")), (-share, ("x", "y", "m")), (share, ("x", "y", "y", "y"))),
            {"x": ((jump_x, ()),)},
            {"y": ((jump_y, ()),), "m": ((2 * jump_y, ("y",)), (jump_y**2, ()))},
            {"m": self._value("theta_0") / share},
        )

    def dw(self, trains: SpikeTrains, *, form="clock") -> np.ndarray:
        """Weight change of each trial, until the traces have died away.

        Parameters
        ----------
        trains : SpikeTrains
        form : {"clock", "exact"}
            On a clock of ``step``; from spike to spike.

        Returns
        -------
        (trial,) array
        """
        step, n = self._ms("step"), trains.n_trial
        tau_x, tau_y = self._ms("tau_x"), self._ms("tau_y")
        end = trains.duration + 5 * max(tau_x, tau_y)
        gain = trains.sweeps * self._value("eta") / self._value("theta_0")
        if form == "exact":
            return gain * self.integral.up_to(trains, [end])[:, 0]
        if form != "clock":
            raise InputError(f"form '{form}'{nearest(form, ('clock', 'exact'))}")
        n_step = int(np.ceil(end / step))

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
        return gain * out * step / 1000.0

    def in_circuit(self, *, lr: str, bounds: float, tag: str) -> BrianCode:
        """Return the rule as a circuit takes it; see `Rule.in_circuit`."""
        return self.brian2(lr=lr, bounds=bounds, tag=tag, traces="synapse")

    def brian2(
        self,
        *,
        lr: float | str = 1.0,
        bounds="soft",
        tag="bcm",
        traces="neuron",
        cycle: Quantity = 200 * ms,
        gate: Quantity = 0 * ms,
    ) -> BrianCode:
        """Return the rule as Brian2 strings.

        Parameters
        ----------
        lr : float or str
            Learning rate, or an expression of it in time.
        bounds : {"soft", "hard", "none"}
        tag : str
        traces : {"neuron", "synapse"}
            Where traces and threshold live. In the neurons the rule is stepped on its clock. In the
            synapse it is exact and read once a cycle.
        cycle, gate : Quantity [time]
            For ``traces="synapse"``: the gate opens once a cycle, ``gate`` after its start. A gate
            more than two cycles after the last one changes nothing.

        Returns
        -------
        BrianCode
            With traces in the neurons, ``theta_<tag>`` of the postsynaptic ones must be set to
            ``theta_0`` at the start.
        """
        if traces not in ("neuron", "synapse"):
            raise InputError(f"traces '{traces}'{nearest(traces, ('neuron', 'synapse'))}")
        if traces == "synapse":
            gain = self._value("eta") / self._value("theta_0")
            return self.integral.brian2(
                gain=gain, lr=lr, bounds=bounds, tag=tag, cycle=cycle, gate=gate
            )
        space = {
            f"tau_x_{tag}": self.table["tau_x"],
            f"tau_y_{tag}": self.table["tau_y"],
            f"jump_x_{tag}": 1000.0 / self._ms("tau_x"),
            f"jump_y_{tag}": 1000.0 / self._ms("tau_y"),
            f"slide_{tag}": self._ms("step") / self._ms("tau_theta"),
            f"scale_{tag}": self._value("y_0"),
            f"gain_{tag}": self._value("eta") * self._ms("step") / 1000.0 / self._value("theta_0"),
        }
        rate = learning_rate(lr, tag, space)
        change = f"gain_{tag}*x_{tag}_pre*y_{tag}_post*(y_{tag}_post - theta_{tag}_post)"
        return BrianCode(
            "clock",
            "w : 1\n",
            pre_model=f"dx_{tag}/dt = -x_{tag}/tau_x_{tag} : 1\n",
            post_model=f"dy_{tag}/dt = -y_{tag}/tau_y_{tag} : 1\ntheta_{tag} : 1\n",
            pre_reset=f"x_{tag} += jump_x_{tag}\n",
            post_reset=f"y_{tag} += jump_y_{tag}\n",
            post_regular=f"theta_{tag} += slide_{tag}*(y_{tag}**2/scale_{tag} - theta_{tag})\n",
            regular_dt=self.table["step"],
            learn=soft_bounded(change, rate, bounds),
            learn_dt=self.table["step"],
            namespace=MappingProxyType(space),
        )


def bcm() -> BCMRule:
    """Return the BCM rule with its default parameters."""
    return BCMRule("bcm", tables("bcm")["bcm"])


register(
    "bcm", bcm,
    "Depends on the rates of the moment; the order of the halves leaves only trace tails.",
)  # fmt: skip
