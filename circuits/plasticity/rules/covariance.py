"""The covariance rule with depression, on rate traces and their slow running means.

dw/dt = eta (x - x_m) (y - y_m),   tau_mean dx_m/dt = x - x_m,   tau_mean dy_m/dt = y - y_m

x and y are exponential rate traces in Hz. The weight falls while one side is above and the other
below its mean, and rises while both are on one side of it, both silent included. The mean is itself
a difference of two exponential traces, so the integral is exact from spike to spike.

References
----------
Sejnowski 1977, doi:10.1007/BF00275079.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from brian2.units import Quantity, ms

from cells.parameters import InputError, nearest
from circuits.plasticity.rules.integral import TraceIntegral
from circuits.plasticity.rules.registry import register
from circuits.plasticity.rules.rule import BrianCode, Rule, tables
from circuits.plasticity.rules.trains import SpikeTrains

__all__ = ["CovarianceRule", "covariance"]


@dataclass(frozen=True)
class CovarianceRule(Rule):
    """Covariance of rate traces about their running means.

    Attributes
    ----------
    name : str
    table : ParameterTable
        ``tau_x``, ``tau_y`` traces; ``tau_mean`` of the running means, ``x_0``, ``y_0`` their
        start; ``eta``.
    """

    def __post_init__(self) -> None:
        """Refuse means that are not slower than the traces."""
        super().__post_init__()
        if not self._ms("tau_mean") > max(self._ms("tau_x"), self._ms("tau_y")):
            raise InputError(
                f"{self.table.path}: [{self.table.name}] tau_mean must be above tau_x and tau_y"
            )

    @property
    def integral(self) -> TraceIntegral:
        """The integral of (x - x_m)(y - y_m), Hz^2 s."""
        tau = self._ms("tau_mean")
        taus, deviation, jumps, start = {}, [], [], {}
        for trace, slow in (("x", "mx"), ("y", "my")):
            taus |= {trace: self._ms(f"tau_{trace}"), slow: tau}
            # the response of the mean to one spike is share * (slow - trace)
            share = taus[trace] / (tau - taus[trace])
            deviation.append(((1 + share, trace), (-share, slow)))
            jump = 1000.0 / taus[trace]
            jumps.append({trace: ((jump, ()),), slow: ((jump, ()),)})
            start[slow] = self._value(f"{trace}_0") / share
        integrand = tuple((a * b, (j, k)) for a, j in deviation[0] for b, k in deviation[1])
        return TraceIntegral(taus, integrand, *jumps, start)

    def dw(self, trains: SpikeTrains) -> np.ndarray:
        """Weight change of each trial, (trial,), until the traces have died away."""
        end = trains.duration + 5 * max(self._ms("tau_x"), self._ms("tau_y"))
        return trains.sweeps * self._value("eta") * self.integral.up_to(trains, [end])[:, 0]

    def in_circuit(self, *, lr: str, bounds: float, tag: str) -> BrianCode:
        """Return the rule as a circuit takes it; see `Rule.in_circuit`."""
        return self.brian2(lr=lr, bounds=bounds, tag=tag)

    def brian2(
        self,
        *,
        lr: float | str = 1.0,
        bounds="soft",
        tag="cov",
        traces="synapse",
        cycle: Quantity = 200 * ms,
        gate: Quantity = 0 * ms,
    ) -> BrianCode:
        """Return the rule as Brian2 strings, read once a theta cycle.

        Parameters
        ----------
        lr : float or str
            Learning rate, or an expression of it in time.
        bounds : {"soft", "hard", "none"}
        tag : str
        traces : {"synapse"}
            All of the state lives in the synapse.
        cycle, gate : Quantity [time]
            The gate opens once a cycle, ``gate`` after its start. A gate more than two cycles
            after the last one changes nothing.

        Returns
        -------
        BrianCode
        """
        if traces != "synapse":
            raise InputError(f"covariance: traces '{traces}'{nearest(traces, ('synapse',))}")
        return self.integral.brian2(
            gain=self._value("eta"), lr=lr, bounds=bounds, tag=tag, cycle=cycle, gate=gate
        )


def covariance() -> CovarianceRule:
    """Return the covariance rule with its default parameters."""
    return CovarianceRule("covariance", tables("covariance")["covariance"])


register(
    "covariance", covariance,
    "Both sides change together in every condition, so the covariance is positive.",
)  # fmt: skip
