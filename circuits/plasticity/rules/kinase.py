"""The kinase temporal derivative: CaMKII for potentiation, DAPK1 one step behind for depression.

Spike traces x (pre) and y (post) give the calcium drive C = x y, which is passed on through
calmodulin M, CaMKII P and DAPK1 D, each a first-order stage. The synapse learns from P - D, read

- ``ratio``: dw = (P - k_D D) / (P + D + theta) when a theta gate opens, at the share ``gate`` of
  the cycle; the synapse of the circuit;
- ``difference``: dw = P - k_D D at the gate;
- ``latch``: at every spike the synapse notes the ratio as it will be a time ``lead`` later; when D
  has fallen to a share ``fall`` of its running maximum, the last note becomes dw, and the maximum
  counts anew from the next spike.

References
----------
O'Reilly 2026, arXiv 2606.08720. Jang et al. 2026, doi:10.64898/2026.06.05.730489.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from types import MappingProxyType

import numpy as np
from brian2.units import Quantity, ms

from cells.checked import milliseconds
from cells.parameters import InputError, nearest
from circuits.plasticity.rules.cascade import impulse_weights, step_matrices
from circuits.plasticity.rules.registry import register
from circuits.plasticity.rules.rule import BrianCode, Rule, learning_rate, soft_bounded, tables
from circuits.plasticity.rules.trains import GATE, POST, PRE, SpikeTrains

__all__ = ["FORMS", "READOUTS", "KinaseRule", "kinase"]

FORMS = ("exact", "clock", "binned")
READOUTS = ("ratio", "difference", "latch")
# A sum of exponentials rounds to this order where the true level is zero.
_SILENT = 1e-9


@dataclass(frozen=True)
class KinaseRule(Rule):
    """The kinase rule in one of its readouts.

    Attributes
    ----------
    name : str
    table : ParameterTable
        ``tau_x``, ``tau_y`` traces; ``tau_M``, ``tau_P``, ``tau_D`` cascade; ``unit`` firing rate
        at which the mean of a trace is 1; ``k_D``, ``theta`` readout; ``gate``, share of the
        cycle at which a gated readout is read; ``lead``, ``fall`` of the latch.
    readout : {"ratio", "difference", "latch"}
    """

    readout: str = "ratio"

    def __post_init__(self) -> None:
        """Check the readout and the parameters."""
        super().__post_init__()
        if self.readout not in READOUTS:
            raise InputError(f"kinase readout '{self.readout}'{nearest(self.readout, READOUTS)}")
        if not self._value("unit") > 0:
            raise InputError(f"{self.table.path}: [{self.table.name}] unit must be > 0")
        if self.gated and not 0 < self._value("gate") <= 1:
            gate = self._value("gate")
            raise InputError(
                f"{self.table.path}: [{self.table.name}] gate = {gate:g}: valid: above 0, at most 1"
            )

    @property
    def taus(self) -> tuple[float, float, float, float]:
        """Time constants of drive, calmodulin, CaMKII and DAPK1, ms."""
        tau_q = 1.0 / (1.0 / self._ms("tau_x") + 1.0 / self._ms("tau_y"))
        return tau_q, self._ms("tau_M"), self._ms("tau_P"), self._ms("tau_D")

    @property
    def jumps(self) -> tuple[float, float]:
        """Jump of the pre and the post trace at a spike."""
        unit = self._value("unit") / 1000.0
        return 1.0 / (self._ms("tau_x") * unit), 1.0 / (self._ms("tau_y") * unit)

    @property
    def gated(self) -> bool:
        """Whether the synapse is read at a gate, not timed by itself."""
        return self.readout != "latch"

    def gate_at(self, cycle: float) -> float:
        """Return when in a cycle of that length (ms) the synapse is read, ms; ungated, its end."""
        return super().gate_at(cycle) if self.gated else cycle

    def read(self, p, d):
        """Return dw from the levels of CaMKII and DAPK1; 0 where both are 0."""
        change = p - self._value("k_D") * d
        if self.readout == "difference":
            return change
        total = p + d + self._value("theta")
        return np.divide(change, total, out=np.zeros_like(total), where=total > 1e-12)

    def dw(self, trains: SpikeTrains, *, form="exact", step=None) -> np.ndarray:
        """Weight change of each trial.

        Parameters
        ----------
        trains : SpikeTrains
        form : {"exact", "clock", "binned"}
            Closed form from event to event; fourth-order Runge-Kutta on a clock; averages of the
            traces over bins. The latch has the exact form only.
        step : Quantity [time], optional
            Clock step (0.1 ms) or bin (10 ms).

        Returns
        -------
        (trial,) array
        """
        if self.readout == "latch":
            if form != "exact":
                raise InputError("the self-timed latch needs the exact form")
            out = self._latch(trains)
        elif form == "exact":
            out = self._exact(trains)[0]
        else:
            p, d = self.levels(trains, form=form, step=step)
            there = np.isfinite(p)
            out = np.where(there, self.read(np.where(there, p, 0), np.where(there, d, 0)), 0)
            out = out.sum(axis=1)
        return out * trains.sweeps

    def levels(self, trains: SpikeTrains, *, form="exact", step=None):
        """CaMKII and DAPK1 at each gate.

        Parameters
        ----------
        trains : SpikeTrains
        form, step
            As for `dw`.

        Returns
        -------
        p, d : (trial, gate) arrays
            Dimensionless; NaN where a row has no gate.
        """
        if form == "exact":
            return self._exact(trains)[1:]
        if form == "clock":
            return self._clock(trains, 0.1 if step is None else milliseconds(step, "step"))
        if form == "binned":
            return self._binned(trains, 10.0 if step is None else milliseconds(step, "step"))
        raise InputError(f"form '{form}'{nearest(form, FORMS)}")

    def _exact(self, trains):
        taus, weights = impulse_weights(self.taus)
        tau_x, tau_y = self._ms("tau_x"), self._ms("tau_y")
        jump_x, jump_y = self.jumps
        time, kind = trains.merged()
        n = trains.n_trial
        x, y, now = np.zeros(n), np.zeros(n), np.zeros(n)
        traces = np.zeros((taus.size, n))
        out = np.zeros(n)
        gates_p, gates_d = [], []
        gate_trial, gate_index = [], []
        seen = np.zeros(n, int)
        for k in range(time.shape[1]):
            alive = np.isfinite(time[:, k])
            t = np.where(alive, time[:, k], now)
            dt = t - now
            traces *= np.exp(-dt / taus[:, None])
            x *= np.exp(-dt / tau_x)
            y *= np.exp(-dt / tau_y)
            now = t
            pre, post = alive & (kind[:, k] == PRE), alive & (kind[:, k] == POST)
            traces += np.where(pre, jump_x * y, 0.0) + np.where(post, jump_y * x, 0.0)
            x += jump_x * pre
            y += jump_y * post
            at = np.flatnonzero(alive & (kind[:, k] == GATE))
            if at.size:
                p, d = weights[2] @ traces[:, at], weights[3] @ traces[:, at]
                out[at] += self.read(p, d)
                gates_p.append(p)
                gates_d.append(d)
                gate_trial.append(at)
                gate_index.append(seen[at].copy())
                seen[at] += 1
        p = np.full(trains.gate.shape, np.nan)
        d = np.full(trains.gate.shape, np.nan)
        if gates_p:
            where = np.concatenate(gate_trial), np.concatenate(gate_index)
            p[where], d[where] = np.concatenate(gates_p), np.concatenate(gates_d)
        return out, p, d

    def _latch(self, trains):
        """Go from spike to spike in closed form; D is checked on a clock for 600 ms after each."""
        taus, weights = impulse_weights(self.taus)
        rates = 1.0 / taus
        tau_x, tau_y = self._ms("tau_x"), self._ms("tau_y")
        jump_x, jump_y = self.jumps
        check, fall = self._ms("check"), self._value("fall")
        ahead = np.exp(-self._ms("lead") / taus)
        note_p, note_d = weights[2] * ahead, weights[3] * ahead
        bare = replace(trains, gate=np.empty((trains.n_trial, 0)))
        time, kind = bare.merged()
        n = trains.n_trial
        x, y, now, note = np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n)
        traces, peak = np.zeros((taus.size, n)), np.zeros(n)
        armed, out = np.zeros(n, bool), np.zeros(n)
        end = np.full(n, np.inf)
        for k in range(time.shape[1]):
            alive = np.isfinite(time[:, k])
            t = np.where(alive, time[:, k], now)
            dt, now = t - now, t
            traces *= np.exp(-np.outer(rates, dt))
            x *= np.exp(-dt / tau_x)
            y *= np.exp(-dt / tau_y)
            pre, post = alive & (kind[:, k] == PRE), alive & (kind[:, k] == POST)
            traces += np.where(pre, jump_x * y, 0.0) + np.where(post, jump_y * x, 0.0)
            x += jump_x * pre
            y += jump_y * post
            note = np.where(alive, self.read(note_p @ traces, note_d @ traces), note)
            level = weights[3] @ traces
            peak = np.where(alive, np.maximum(np.where(armed, peak, 0.0), level), peak)
            armed |= alive
            following = time[:, k + 1] if k + 1 < time.shape[1] else end
            stop = np.minimum(following, now + 600.0)
            first = np.ceil(now / check - 1e-9) * check
            count = np.where(alive, np.ceil((stop - first) / check - 1e-9), 0).astype(int)
            for rows in (np.flatnonzero(count > 50), np.flatnonzero((count > 0) & (count <= 50))):
                if rows.size == 0:
                    continue
                number = np.arange(count[rows].max())
                valid = number < count[rows, None]
                since = (first - now)[rows, None] + check * number
                d = np.zeros_like(since)
                for weight, rate, trace in zip(weights[3], rates, traces[:, rows], strict=True):
                    d += weight * trace[:, None] * np.exp(-rate * since)
                d = np.where(valid, d, 0.0)
                highest = np.maximum.accumulate(np.maximum(d, peak[rows, None]), axis=1)
                low = (d < fall * highest) & (highest > _SILENT)
                commit = (valid & armed[rows, None] & low).any(axis=1)
                out[rows] += np.where(commit, note[rows], 0.0)
                armed[rows] &= ~commit
                peak[rows] = highest[:, -1]
        return out

    def _clock(self, trains, step):
        """Runge-Kutta 4 on (x, y, M, P, D) with C = x y; spikes on the grid of the clock."""
        trains = trains.on_grid(step)
        n, n_step = trains.n_trial, round(trains.duration / step)
        jump_x, jump_y = self.jumps
        tau = np.array([self._ms(k) for k in ("tau_x", "tau_y", "tau_M", "tau_P", "tau_D")])

        def count(times):
            index = np.where(np.isfinite(times), np.round(times / step), n_step + 1).astype(int)
            out = np.zeros((n_step + 2, n), np.int16)
            np.add.at(out, (np.minimum(index, n_step + 1), np.arange(n)[:, None]), 1)
            return out

        pre, post = count(trains.pre), count(trains.post)
        gate = np.where(np.isfinite(trains.gate), np.round(trains.gate / step), -1).astype(int)
        p, d = np.full(gate.shape, np.nan), np.full(gate.shape, np.nan)
        wanted = set(gate.ravel().tolist())

        linear = np.diag(-1.0 / tau)
        linear[3, 2], linear[4, 3] = 1.0 / tau[3], 1.0 / tau[4]

        def slope(s):
            out = linear @ s
            out[2] += s[0] * s[1] / tau[2]
            return out

        s = np.zeros((5, n))
        for k in range(n_step + 1):
            s[0] += jump_x * pre[k]
            s[1] += jump_y * post[k]
            if k in wanted:
                rows, cols = np.nonzero(gate == k)
                p[rows, cols], d[rows, cols] = s[3, rows], s[4, rows]
            k1 = slope(s)
            k2 = slope(s + 0.5 * step * k1)
            k3 = slope(s + 0.5 * step * k2)
            s = s + step / 6 * (k1 + 2 * k2 + 2 * k3 + slope(s + step * k3))
        return p, d

    def _binned(self, trains, width):
        """One pass per bin over bin averages of x and y; the gate must lie on a bin edge."""
        decay, drive = step_matrices(self.taus[1:], width)
        n, n_bin = trains.n_trial, int(np.ceil(trains.duration / width))
        edges = trains.gate[np.isfinite(trains.gate)] / width
        if np.abs(edges - np.round(edges)).max(initial=0) > 1e-6:
            raise InputError(
                f"binned kinase rule: a gate is no multiple of the bin of {width:g} ms"
            )

        def averages(times, tau, jump):
            out, level = np.zeros((n_bin, n)), np.zeros(n)
            there = np.isfinite(times)
            index = np.where(there, np.where(there, times, 0) // width, n_bin).astype(int)
            for b in range(n_bin):
                here = index == b
                count = here.sum(axis=1)
                late = np.where(here, np.exp((np.where(here, times, 0) - (b + 1) * width) / tau), 0)
                after = level * np.exp(-width / tau) + jump * late.sum(axis=1)
                out[b] = tau * (level + jump * count - after) / width
                level = after
            return out

        jump_x, jump_y = self.jumps
        drive_c = averages(trains.pre, self._ms("tau_x"), jump_x)
        drive_c = drive_c * averages(trains.post, self._ms("tau_y"), jump_y)
        gate = np.where(np.isfinite(trains.gate), np.round(trains.gate / width), -1).astype(int)
        p, d = np.full(gate.shape, np.nan), np.full(gate.shape, np.nan)
        s = np.zeros((3, n))
        for b in range(n_bin):
            s = decay @ s + drive[:, None] * drive_c[b]
            rows, cols = np.nonzero(gate == b + 1)
            p[rows, cols], d[rows, cols] = s[1, rows], s[2, rows]
        return p, d

    def trajectory(self, trains: SpikeTrains, times) -> dict[str, np.ndarray]:
        """Levels on a grid of times, for figures.

        Parameters
        ----------
        trains : SpikeTrains
        times : Quantity, (time,) array [time]

        Returns
        -------
        dict
            ``pre_trace``, ``post_trace``, ``calcium``, ``calmodulin``, ``CaMKII``, ``DAPK1``, each
            (trial, time), dimensionless.
        """
        times = np.asarray(times / ms, dtype=float)
        gate = np.broadcast_to(times, (trains.n_trial, times.size))
        sampled = replace(trains, gate=gate, duration=max(trains.duration, float(times.max())))
        taus, weights = impulse_weights(self.taus)
        time, kind = sampled.merged()
        n = trains.n_trial
        x, y, now = np.zeros(n), np.zeros(n), np.zeros(n)
        traces = np.zeros((taus.size, n))
        out = np.zeros((6, n, times.size))
        seen = np.zeros(n, int)
        for k in range(time.shape[1]):
            alive = np.isfinite(time[:, k])
            t = np.where(alive, time[:, k], now)
            dt, now = t - now, t
            traces *= np.exp(-dt / taus[:, None])
            x *= np.exp(-dt / self._ms("tau_x"))
            y *= np.exp(-dt / self._ms("tau_y"))
            pre, post = alive & (kind[:, k] == PRE), alive & (kind[:, k] == POST)
            traces += np.where(pre, self.jumps[0] * y, 0) + np.where(post, self.jumps[1] * x, 0)
            x += self.jumps[0] * pre
            y += self.jumps[1] * post
            at = np.flatnonzero(alive & (kind[:, k] == GATE))
            if at.size:
                out[:2, at, seen[at]] = x[at], y[at]
                out[2:, at, seen[at]] = weights @ traces[:, at]
                seen[at] += 1
        names = ("pre_trace", "post_trace", "calcium", "calmodulin", "CaMKII", "DAPK1")
        return dict(zip(names, out, strict=True))

    def in_circuit(self, *, lr: str, bounds: float, tag: str, named: bool = False) -> BrianCode:
        """Return the rule as a circuit takes it; see `Rule.in_circuit`."""
        return self.brian2(lr=lr, bounds=bounds, tag=tag, traces="synapse", named=named)

    def brian2(
        self,
        *,
        form="exact",
        cycle: Quantity = 200 * ms,
        gate: Quantity | None = None,
        bin: Quantity = 10 * ms,
        lr: float | str = 1.0,
        bounds="soft",
        tag="kin",
        traces="neuron",
        named=False,
    ) -> BrianCode:
        """Return the rule as Brian2 strings.

        Parameters
        ----------
        form : {"exact", "clock", "binned"}
        cycle : Quantity [time]
            Theta cycle; the gate opens once in each.
        gate : Quantity [time], optional
            Time of the gate in the cycle; by default at the share of it that the table has.
        bin : Quantity [time]
            Bin of the binned form; ``cycle`` and ``gate`` must be multiples of it.
        lr : float or str
            Learning rate, or an expression of it in time.
        bounds : {"soft", "hard", "none"}
        tag : str
            Ending of the names of neuron variables and constants, so that rules can share a group.
        traces : {"neuron", "synapse"}
            Where the spike traces live. In the synapse (exact form only) they see a presynaptic
            spike when it arrives, with the delay of the axon.
        named : bool
            All numbers that follow from the table are constants of the namespace.

        Returns
        -------
        BrianCode
            Pre trace ``x_<tag>``, post trace ``y_<tag>``. ``on_pre`` belongs into a pathway
            without delay, as the trace of the presynaptic neuron has none; put the transmission
            into a pathway of its own.

        Raises
        ------
        InputError
            For a gate outside the cycle or off the bins, or the latch in the binned form.
        """
        cycle_ms, bin_ms = milliseconds(cycle, "cycle"), milliseconds(bin, "bin")
        gate_ms = self.gate_at(cycle_ms) if gate is None else milliseconds(gate, "gate")
        if self.gated and not 0 <= gate_ms < cycle_ms:
            raise InputError(f"gate at {gate_ms:g} ms lies outside the cycle of {cycle_ms:g} ms")
        if form not in FORMS:
            raise InputError(f"form '{form}'{nearest(form, FORMS)}")
        jump_x, jump_y = self.jumps
        space = {
            f"tau_x_{tag}": self.table["tau_x"],
            f"tau_y_{tag}": self.table["tau_y"],
            f"jump_x_{tag}": jump_x,
            f"jump_y_{tag}": jump_y,
            f"kD_{tag}": self._value("k_D"),
            f"theta_{tag}": self._value("theta"),
            f"cycle_{tag}": cycle,
            f"gate_{tag}": gate_ms * ms,
        }
        neuron = dict(
            pre_model=f"dx_{tag}/dt = -x_{tag}/tau_x_{tag} : 1\n",
            post_model=f"dy_{tag}/dt = -y_{tag}/tau_y_{tag} : 1\n",
            pre_reset=f"x_{tag} += jump_x_{tag}\n",
            post_reset=f"y_{tag} += jump_y_{tag}\n",
        )
        ratio = self.readout != "difference"
        change = f"P_{tag} - kD_{tag}*D_{tag}"
        if ratio:
            change = f"({change})/(P_{tag} + D_{tag} + theta_{tag} + 1e-12)"
        rate = learning_rate(lr, tag, space)
        step = soft_bounded(change, rate, bounds)
        event = dict(
            event=f"gate_event_{tag}",
            learn_event=(
                f"timestep(t, dt) % timestep(cycle_{tag}, dt) == timestep(gate_{tag}, dt)"
            ),
        )
        if traces not in ("neuron", "synapse"):
            raise InputError(f"traces '{traces}'{nearest(traces, ('neuron', 'synapse'))}")
        if traces == "synapse" and (form != "exact" or self.readout == "latch"):
            raise InputError("traces live in the synapse in the exact form of a gated readout only")
        if self.readout == "latch":
            if form == "binned":
                raise InputError("the self-timed latch has no binned form")
            return self._latch_code(form, neuron, space, tag, rate, bounds)
        if form == "binned":
            return self._binned_code(neuron, space, tag, bin_ms, cycle_ms, gate_ms, step, event)
        if form == "clock":
            return self._clock_code(neuron, space, tag, step, event)
        return self._exact_code(neuron, space, tag, step, event, traces, named)

    def _clock_code(self, neuron, space, tag, step, event) -> BrianCode:
        space |= {f"tau_{s}_{tag}": self.table[f"tau_{s}"] for s in "MPD"}
        model = (
            "w : 1\n"
            f"dM_{tag}/dt = (x_{tag}_pre*y_{tag}_post - M_{tag})/tau_M_{tag} : 1 (clock-driven)\n"
            f"dP_{tag}/dt = (M_{tag} - P_{tag})/tau_P_{tag} : 1 (clock-driven)\n"
            f"dD_{tag}/dt = (P_{tag} - D_{tag})/tau_D_{tag} : 1 (clock-driven)\n"
        )
        return BrianCode(
            "clock", model, learn=step, namespace=MappingProxyType(space), **neuron, **event
        )

    def _exact_code(self, neuron, space, tag, step, event, traces, named) -> BrianCode:
        model, level = self._trace_code(space, tag, named)
        products = [f"e{k}_{tag}" for k in range(model.count("\n"))]
        pre, post = f"x_{tag}_pre", f"y_{tag}_post"
        after_pre = after_post = ""
        if traces == "synapse":
            pre, post = f"x_{tag}", f"y_{tag}"
            for trace in "xy":
                model += (
                    f"d{trace}_{tag}/dt = -{trace}_{tag}/tau_{trace}_{tag} : 1 (event-driven)\n"
                )
            after_pre, after_post = neuron["pre_reset"], neuron["post_reset"]
            neuron = {}
        return BrianCode(
            "exact",
            "w : 1\n" + model,
            on_pre="".join(f"{e} += jump_x_{tag}*{post}\n" for e in products) + after_pre,
            on_post="".join(f"{e} += jump_y_{tag}*{pre}\n" for e in products) + after_post,
            learn=f"P_{tag} = {level[2]}\nD_{tag} = {level[3]}\n" + step,
            namespace=MappingProxyType(space),
            **neuron,
            **event,
        )

    def _trace_code(self, space, tag, named=False):
        taus, weights = impulse_weights(self.taus)
        model = ""
        for k, tau in enumerate(taus):
            space[f"tau_e{k}_{tag}"] = tau * ms
            model += f"de{k}_{tag}/dt = -e{k}_{tag}/tau_e{k}_{tag} : 1 (event-driven)\n"
        factors = [[f"({float(v)!r})" if v != 0 else "" for v in row] for row in weights]
        if named:
            for stage, row in zip("PD", weights[2:], strict=True):
                space |= {f"of_e{k}_in_{stage}_{tag}": float(v) for k, v in enumerate(row)}
            factors[2:] = [[f"of_e{k}_in_{s}_{tag}" for k in range(len(taus))] for s in "PD"]
        level = [" + ".join(f"{v}*e{k}_{tag}" for k, v in enumerate(row) if v) for row in factors]
        return model, level

    def _latch_code(self, form, neuron, space, tag, rate, bounds):
        """Self-timed: the note at spikes, the check on a clock that decays the traces itself."""
        taus, weights = impulse_weights(self.taus)
        lead = self._ms("lead")
        model, _ = self._trace_code(space, tag)
        if form == "clock":
            model = model.replace("(event-driven)", "(clock-driven)")
        else:
            raise InputError("the self-timed latch has the clock-driven form only in Brian2")

        def combine(stage, lead_ms):
            c = weights[stage] * np.exp(-lead_ms / taus)
            return " + ".join(f"({float(v)!r})*e{k}_{tag}" for k, v in enumerate(c))

        note = (
            f"P_{tag} = {combine(2, lead)}\nD_{tag} = {combine(3, lead)}\n"
            f"note_{tag} = (P_{tag} - kD_{tag}*D_{tag})/(P_{tag} + D_{tag} + theta_{tag} + 1e-12)\n"
            f"peak_{tag} = clip({combine(3, 0.0)}, armed_{tag}*peak_{tag}, inf)\n"
            f"armed_{tag} = 1\n"
        )
        space[f"fall_{tag}"] = self._value("fall")
        learn = (
            f"now_{tag} = {combine(3, 0.0)}\n"
            f"peak_{tag} = clip(peak_{tag}, now_{tag}, inf)\n"
            f"commit_{tag} = int(armed_{tag} > 0.5)*int(now_{tag} < fall_{tag}*peak_{tag})"
            f"*int(peak_{tag} > {_SILENT})\n"
            + soft_bounded(f"commit_{tag}*note_{tag}", rate, bounds)
            + f"armed_{tag} = armed_{tag}*(1 - commit_{tag})\n"
        )
        traces = [f"e{k}_{tag}" for k in range(taus.size)]
        return BrianCode(
            form,
            f"w : 1\nnote_{tag} : 1\narmed_{tag} : 1\npeak_{tag} : 1\n" + model,
            on_pre="".join(f"{e} += jump_x_{tag}*y_{tag}_post\n" for e in traces) + note,
            on_post="".join(f"{e} += jump_y_{tag}*x_{tag}_pre\n" for e in traces) + note,
            learn=learn,
            learn_dt=self.table["check"],
            namespace=MappingProxyType(space),
            **neuron,
        )

    def _binned_code(self, neuron, space, tag, bin_ms, cycle_ms, gate_ms, step, event):
        n_bin = round(cycle_ms / bin_ms)
        for what, value in (("cycle", cycle_ms), ("gate", gate_ms)):
            if abs(value / bin_ms - round(value / bin_ms)) > 1e-6:
                raise InputError(
                    f"{what} of {value:g} ms is no multiple of the bin of {bin_ms:g} ms"
                )
        decay, drive = step_matrices(self.taus[1:], bin_ms)
        carry = np.linalg.matrix_power(decay, n_bin)
        # Bin 0 is the oldest of the cycle that ends at the gate.
        kernel = np.array(
            [np.linalg.matrix_power(decay, n_bin - 1 - b) @ drive for b in range(n_bin)]
        )
        space |= {f"bin_{tag}": bin_ms * ms}

        def register(trace, tau, jump):
            names = [f"{trace}{b}_{tag}" for b in range(n_bin)]
            own = [*names, f"{trace}_last_{tag}", f"{trace}_n_{tag}"]
            model = "".join(f"{n} : 1\n" for n in own)
            code = "".join(f"{a} = {b}\n" for a, b in pairwise(names))
            code += (
                f"{names[-1]} = {tau}/bin_{tag}"
                f"*({trace}_last_{tag} + {jump}*{trace}_n_{tag} - {trace}_{tag})\n"
                f"{trace}_last_{tag} = {trace}_{tag}\n{trace}_n_{tag} = 0\n"
            )
            return model, code

        x_model, x_code = register("x", f"tau_x_{tag}", f"jump_x_{tag}")
        y_model, y_code = register("y", f"tau_y_{tag}", f"jump_y_{tag}")
        stages = [f"M_{tag}", f"P_{tag}", f"D_{tag}"]
        learn = "".join(f"C{b}_{tag} = x{b}_{tag}_pre*y{b}_{tag}_post\n" for b in range(n_bin))
        for s in range(3):
            terms = [f"({float(carry[s, j])!r})*{stages[j]}" for j in range(3)]
            terms += [f"({float(kernel[b, s])!r})*C{b}_{tag}" for b in range(n_bin)]
            learn += f"{stages[s]}_new = " + " + ".join(terms) + "\n"
        learn += "".join(f"{s} = {s}_new\n" for s in stages)
        return BrianCode(
            "binned",
            "w : 1\n" + "".join(f"{s} : 1\n" for s in stages),
            pre_model=neuron["pre_model"] + x_model,
            post_model=neuron["post_model"] + y_model,
            pre_reset=neuron["pre_reset"] + f"x_n_{tag} += 1\n",
            post_reset=neuron["post_reset"] + f"y_n_{tag} += 1\n",
            pre_regular=x_code,
            post_regular=y_code,
            regular_dt=bin_ms * ms,
            learn=learn + step,
            namespace=MappingProxyType(space),
            **event,
        )


def kinase(name: str = "ratio") -> KinaseRule:
    """Return the kinase rule with one of its parameter sets.

    Parameters
    ----------
    name : {"ratio", "difference", "latch", "joint"}
        The readout with its own set; ``joint`` is the latch with the set that was fitted to several
        protocols together. ``ratio`` is the synapse of the circuit.

    Returns
    -------
    KinaseRule
    """
    sets = tables("kinase")
    if name not in sets:
        raise InputError(f"kinase rule '{name}'{nearest(name, sets)}")
    return KinaseRule(f"kinase_{name}", sets[name], "latch" if name == "joint" else name)


register(
    "kinase_ratio", partial(kinase, "ratio"),
    "Reads CaMKII minus DAPK1 over their sum near the end: a bounded derivative.",
)  # fmt: skip
register(
    "kinase_difference", partial(kinase, "difference"),
    "The same derivative without the sum: grows with the square of the rate.",
)  # fmt: skip
register(
    "kinase_latch", partial(kinase, "latch"),
    "The same ratio, noted at spikes and committed when DAPK1 falls.",
)  # fmt: skip
register(
    "kinase_joint", partial(kinase, "joint"),
    "The self-timed form with eight constants fitted to four protocols together.",
)  # fmt: skip
