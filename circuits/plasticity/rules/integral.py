"""Integrals of products of exponential traces, exact from spike to spike and without a clock.

Between two spikes a product of exponential traces decays with the sum of their rates, so what is
left of its integral is the product times its own time constant: the tail. A sum of products is
integrated by one number, the total: each spike adds to it what it adds to the tail, and the
integral up to now is the total less the tail of now.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
from brian2.units import Quantity, ms

from cells.checked import milliseconds
from cells.parameters import InputError
from circuits.plasticity.rules.rule import BrianCode, learning_rate, soft_bounded
from circuits.plasticity.rules.trains import POST, PRE, SpikeTrains

__all__ = ["Polynomial", "TraceIntegral"]

Polynomial = tuple[tuple[float, tuple[str, ...]], ...]
"""Sum of products of traces: (coefficient, names of the factors) of each."""


def _value(polynomial: Polynomial, state: Mapping[str, np.ndarray]):
    return sum(c * np.prod([state[k] for k in factors], axis=0) for c, factors in polynomial)


@dataclass(frozen=True)
class TraceIntegral:
    """Integral over time of a polynomial of exponential traces.

    Attributes
    ----------
    taus : Mapping of str to float, ms
        The traces and their time constants.
    integrand : Polynomial
        Each product has at least one factor.
    pre, post : Mapping of str to Polynomial
        Jump of each trace at a spike, from the values before it.
    start : Mapping of str to float
        Traces that do not start at zero.
    """

    taus: Mapping[str, float]
    integrand: Polynomial
    pre: Mapping[str, Polynomial]
    post: Mapping[str, Polynomial]
    start: Mapping[str, float]

    @property
    def tail(self) -> Polynomial:
        """What is still to come of the integral if no spike follows, in seconds."""
        return tuple(
            (c / sum(1000.0 / self.taus[k] for k in factors), factors)
            for c, factors in self.integrand
        )

    def up_to(self, trains: SpikeTrains, times) -> np.ndarray:
        """Integrate spike trains from zero.

        Parameters
        ----------
        trains : SpikeTrains
        times : (time,) array, ms
            Ascending.

        Returns
        -------
        (trial, time) array
            In units of the integrand times seconds.
        """
        times = np.asarray(times, dtype=float)
        n = trains.n_trial
        gate = np.broadcast_to(times, (n, times.size))
        time, kind = replace(trains, gate=gate).merged()
        state = {k: np.full(n, self.start.get(k, 0.0)) for k in self.taus}
        total, now = np.zeros(n) + _value(self.tail, state), np.zeros(n)
        out, seen = np.zeros((n, times.size)), np.zeros(n, int)
        for k in range(time.shape[1]):
            alive = np.isfinite(time[:, k])
            t = np.where(alive, time[:, k], now)
            state = {name: v * np.exp(-(t - now) / self.taus[name]) for name, v in state.items()}
            now = t
            before = _value(self.tail, state)
            jumps = [
                (name, np.where(alive & (kind[:, k] == side), _value(jump, state), 0.0))
                for side, found in ((PRE, self.pre), (POST, self.post))
                for name, jump in found.items()
            ]
            at = np.flatnonzero(alive & (kind[:, k] > POST))
            out[at, seen[at]] = (total - before)[at]
            seen[at] += 1
            for name, jump in jumps:
                state[name] = state[name] + jump
            total = total + _value(self.tail, state) - before
        return out

    def brian2(
        self,
        *,
        gain: float,
        lr: float | str,
        bounds: str,
        tag: str,
        cycle: Quantity,
        gate: Quantity,
    ) -> BrianCode:
        """Return Brian2 strings that add the integral from gate to gate to the weight.

        All of the state is in the synapse and starts at zero. Where more than two cycles have
        passed since the last gate, the integral starts anew and the weight stays.

        Parameters
        ----------
        gain : float
            Of the integral.
        lr : float or str
            Learning rate, or an expression of it in time.
        bounds : {"soft", "hard", "none"}
        tag : str
            Ending of the names of variables and constants.
        cycle, gate : Quantity [time]
            The gate opens once a cycle, ``gate`` after its start.

        Returns
        -------
        BrianCode
            Trace ``k`` less its decaying start is ``k_<tag>``.
        """
        gate_ms, cycle_ms = milliseconds(gate, "gate"), milliseconds(cycle, "cycle")
        if not 0 <= gate_ms < cycle_ms:
            raise InputError(f"gate at {gate_ms:g} ms lies outside the cycle of {cycle_ms:g} ms")
        space: dict = {f"cycle_{tag}": cycle, f"gate_{tag}": gate, f"gain_{tag}": gain}
        model = f"w : 1\ntotal_{tag} : 1\nread_{tag} : second\n"
        level = {}
        for k, tau in self.taus.items():
            space[f"tau_{k}_{tag}"] = tau * ms
            model += f"d{k}_{tag}/dt = -{k}_{tag}/tau_{k}_{tag} : 1 (event-driven)\n"
            level[k] = f"{k}_{tag}"
            if self.start.get(k):
                space[f"{k}_start_{tag}"] = self.start[k]
                level[k] = f"({k}_{tag} + {k}_start_{tag}*exp(-t/tau_{k}_{tag}))"

        def text(polynomial):
            return " + ".join(
                "*".join([f"({float(c)!r})", *(level[k] for k in factors)])
                for c, factors in polynomial
            )

        def spike(jumps):
            # a jump is of the values before the spike, so what is read comes before it is changed
            steps = "".join(f"{k}_jump = {text(jump)}\n" for k, jump in jumps.items())
            steps += "".join(f"{k}_{tag} += {k}_jump\n" for k in jumps)
            tail = text(self.tail)
            return f"before = {tail}\n{steps}total_{tag} += {tail} - before\n"

        first = float(_value(self.tail, {k: self.start.get(k, 0.0) for k in self.taus}))
        space[f"first_{tag}"] = first
        rate = learning_rate(lr, tag, space)
        change = f"gain_{tag}*integral*int(t - read_{tag} < 2*cycle_{tag} + 0.5*dt)"
        return BrianCode(
            "exact",
            model,
            on_pre=spike(self.pre),
            on_post=spike(self.post),
            learn=(
                f"tail = {text(self.tail)}\n"
                f"integral = total_{tag} + first_{tag} - tail\n"
                f"total_{tag} = tail - first_{tag}\n"
                + soft_bounded(change, rate, bounds)
                + f"read_{tag} = t\n"
            ),
            learn_event=(
                f"timestep(t, dt) % timestep(cycle_{tag}, dt) == timestep(gate_{tag}, dt)"
            ),
            event=f"gate_event_{tag}",
            namespace=MappingProxyType(space),
        )
