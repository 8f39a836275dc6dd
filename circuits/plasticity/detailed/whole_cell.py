"""The whole-cell experiment: current steps go in, postsynaptic spikes come out.

A CA1-like pyramid of two compartments (soma with axon; apical dendrite with the stimulated
synapses) with the channels of Migliore et al. 1999. The membrane is defined once, by `GATES` and
the two balance equations; `ca1_equations` writes it as Brian2 equations, `simulate_cells`
integrates the same gates from tables of their steady states and time constants, exponential Euler
for each, many cells side by side, with no compiler.

The postsynaptic cell is driven by the published current steps (Jang et al. 2026,
doi:10.64898/2026.06.05.730489), the synapses by presynaptic trains of 25 or 50 Hz.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr
from brian2.units import Quantity, amp, ms, pA
from brian2.units.fundamentalunits import have_same_dimensions

from cells.parameters import InputError, ParameterTable, load_tables, nearest
from circuits.plasticity.detailed.nmda import nmda_calcium_force

__all__ = [
    "GATES",
    "CellRun",
    "Gate",
    "ca1_equations",
    "ca1_namespace",
    "current_steps",
    "membrane_properties",
    "run_whole_cell",
    "simulate_cells",
    "steady_gates",
    "whole_cell_table",
]


_TABLES = Path(__file__).parent / "tables" / "whole_cell.toml"
_NA = "Migliore et al. 1999, na3, doi:10.1023/A:1008906225285"


@dataclass(frozen=True)
class Gate:
    """One gating variable: relaxes to a steady state, both functions of its voltage.

    Attributes
    ----------
    name : str
    compartment : {"s", "d"}
    steady : str
        Expression of ``u``, the potential in mV.
    tau : str
        Time constant in ms, expression of ``u``.
    source : str
    """

    name: str
    compartment: str
    steady: str
    tau: str
    source: str


def _sodium(c: str) -> tuple[Gate, ...]:
    a = f"2.88/exprel(-(u + 30 - sh_Na_{c})/7.2)"
    b = f"0.8928/exprel((u + 30 - sh_Na_{c})/7.2)"
    close = f"0.045/exprel(-(u + 45 - sh_Na_{c})/1.5) + 0.015/exprel((u + 45 - sh_Na_{c})/1.5)"
    return (
        Gate(f"m_{c}", c, f"({a})/({a} + {b})", f"clip(0.5/({a} + {b}), 0.02, 100)", _NA),
        Gate(f"h_{c}", c, f"1/(1 + exp((u + 50 - sh_Na_{c})/4))", f"clip(0.5/({close}), 0.5, 100)",
             _NA),
    )  # fmt: skip


def _rectifier(c: str) -> Gate:
    a = "exp(-0.1133*(u - 13))"
    return Gate(
        f"n_{c}", c, f"1/(1 + {a})", f"clip(exp(-0.07931*(u - 13))/(0.02*(1 + {a})), 2, 1000)",
        "Migliore et al. 1999, kdr, doi:10.1023/A:1008906225285",
    )  # fmt: skip


def _a_current(c: str, zeta, half, gm, a0, floor) -> tuple[Gate, ...]:
    z = f"(-{zeta} - 1/(1 + exp((u + 40)/5)))"
    a = f"exp(0.03777*{z}*(u - ({half})))"
    tau = f"clip(exp(0.03777*{z}*{gm}*(u - ({half})))/({5 * a0}*(1 + {a})), {floor}, 1000)"
    source = "Migliore et al. 1999, kap and kad, doi:10.1023/A:1008906225285"
    return (
        Gate(f"a_{c}", c, f"1/(1 + {a})", tau, source),
        Gate(f"b_{c}", c, "1/(1 + exp(0.1133*(u + 56)))", "clip(0.26*(u + 50), 2, 1000)", source),
    )


GATES: tuple[Gate, ...] = (
    *_sodium("s"),
    *_sodium("d"),
    Gate(
        "s_d", "d",
        "ar_Na_d + (1 - ar_Na_d)/(1 + exp((u + 58 - sh_Na_d)/2))",
        "clip(exp(0.0907*(u + 60 - sh_Na_d))/(3e-4*(1 + exp(0.4532*(u + 60 - sh_Na_d)))), 10, 1e4)",
        _NA + ", slow inactivation",
    ),
    _rectifier("s"),
    _rectifier("d"),
    *_a_current("s", 1.5, 11, 0.55, 0.05, 0.1),
    *_a_current("d", 1.8, -1, 0.39, 0.1, 0.2),
    Gate(
        "w_s", "s", "1/(1 + exp(-(u + 40)/10))",
        "60 + exp(0.10584*(u + 42))/(0.003*(1 + exp(0.2646*(u + 42))))",
        "M current, Shah, Migliore et al. 2008, doi:10.1073/pnas.0802805105",
    ),
    Gate(
        "r_d", "d", "1/(1 + exp((u + 81)/8))",
        "exp(0.03326*(u + 75))/(0.011*(1 + exp(0.08316*(u + 75))))",
        "h current, Magee 1998, doi:10.1523/JNEUROSCI.18-19-07613.1998",
    ),
)  # fmt: skip

_BALANCE = """
Na_s = g_Na_s*m_s**3*h_s : siemens/meter**2 (constant over dt)
K_s = g_KDR_s*n_s + g_KA_s*a_s*b_s + g_KM_s*w_s : siemens/meter**2 (constant over dt)
Na_d = g_Na_d*m_d**3*h_d*s_d : siemens/meter**2 (constant over dt)
K_d = g_KDR_d*n_d + g_KA_d*a_d*b_d : siemens/meter**2 (constant over dt)
open_h = g_h_d*r_d : siemens/meter**2 (constant over dt)
g_s = g_leak + Na_s + K_s : siemens/meter**2 (constant over dt)
I_s = g_leak*E_leak + Na_s*E_Na + K_s*E_K : amp/meter**2 (constant over dt)
g_d = g_leak + Na_d + K_d + open_h : siemens/meter**2 (constant over dt)
I_d = g_leak*E_leak + Na_d*E_Na + K_d*E_K + open_h*E_h : amp/meter**2 (constant over dt)
g_syn = g_ampa + g_nmda/(1 + 0.4202*exp(-0.062*v_d/mV)) : siemens (constant over dt)
dv_s/dt = (I_s - g_s*v_s + (g_c*(v_d - v_s) + I_inj)/area_s)/C : volt
dv_d/dt = (I_d - g_d*v_d + (g_c*(v_s - v_d) + g_syn*(E_syn - v_d))/area_d)/C : volt
dg_ampa/dt = -g_ampa/tau_AMPA : siemens
dg_nmda/dt = -g_nmda/tau_NMDA : siemens
"""


def whole_cell_table(name: str = "CA1", **values) -> ParameterTable:
    """Return the parameters of the cell (``"CA1"``) or of the current steps (``"STEPS"``).

    Parameters
    ----------
    name : {"CA1", "STEPS"}
    **values
        Parameters to change.

    Returns
    -------
    ParameterTable
    """
    found = load_tables(_TABLES)
    if name not in found:
        raise InputError(f"{_TABLES.name}: no table '{name}'{nearest(name, found)}")
    return found[name].with_values(**values)


def ca1_equations(injected: str = "I_inj : amp") -> str:
    """Return the cell as Brian2 equations (potentials ``v_s`` and ``v_d``).

    Parameters
    ----------
    injected : str
        Definition of the injected current ``I_inj`` [amp], e.g.
        ``"I_inj = steps(t, i) : amp"``.

    Returns
    -------
    str
        For a NeuronGroup with `ca1_namespace`; ``g_ampa`` and ``g_nmda`` are incremented by the
        synapses.
    """
    lines = [injected]
    for gate in GATES:
        u = f"(v_{gate.compartment}/mV)"
        steady, tau = (_brian(x, u) for x in (gate.steady, gate.tau))
        lines += [
            f"steady_{gate.name} = {steady} : 1 (constant over dt)",
            f"tau_{gate.name} = ({tau})*ms : second (constant over dt)",
            f"d{gate.name}/dt = (steady_{gate.name} - {gate.name})/tau_{gate.name} : 1",
        ]
    return "\n".join([*lines, _BALANCE.strip()])


def _brian(expression: str, u: str) -> str:
    import re

    expression = re.sub(r"\bu\b", u, expression)
    return re.sub(r"\bsh_Na_[sd]\b", "(sh_Na/mV)", expression)


def ca1_namespace(table: ParameterTable | None = None) -> dict:
    """Return the constants of `ca1_equations` (name -> Quantity)."""
    return dict((table or whole_cell_table()).items())


def steady_gates(v: float, table: ParameterTable | None = None) -> dict[str, float]:
    """Return the steady state of every gate at the potential ``v`` (mV), e.g. to start Brian2."""
    names = _gate_functions(table or whole_cell_table())
    return {g.name: float(eval(g.steady, {"u": float(v), **names})) for g in GATES}


def _gate_functions(table: ParameterTable):
    from scipy.special import exprel

    shift = table.parameter("sh_Na").value
    names = {
        "exp": np.exp, "clip": np.clip, "exprel": exprel, "sh_Na_s": shift, "sh_Na_d": shift,
        "ar_Na_d": table.parameter("ar_Na_d").value,
    }  # fmt: skip
    return names


_V_LOW, _V_HIGH, _V_STEP = -130.0, 90.0, 0.05


def _tabulate(table: ParameterTable, dt: float):
    """Steady state and decay factor over dt of every gate on a grid of potentials."""
    names = _gate_functions(table)
    u = np.arange(_V_LOW, _V_HIGH + _V_STEP / 2, _V_STEP)
    out = {}
    for c in "sd":
        gates = [g for g in GATES if g.compartment == c]
        with np.errstate(over="ignore"):
            steady = np.stack([eval(g.steady, {"u": u, **names}) + 0 * u for g in gates])
            tau = np.stack([eval(g.tau, {"u": u, **names}) + 0 * u for g in gates])
        out[c] = ([g.name for g in gates], steady, np.exp(-dt / tau))
    return out


@dataclass(frozen=True, eq=False)
class CellRun:
    """What `simulate_cells` returns.

    Attributes
    ----------
    spikes : list of array, ms
        Somatic spike times of each cell.
    time : (time,) array, ms
    v_s, v_d : (time, cell) array, mV
        Potentials at the end of each recording bin.
    drive : (time, cell) array, mV
        Mean over each bin of the driving force of calcium through an unsaturated NMDA receptor
        at the dendrite, magnesium block included.
    """

    spikes: list[np.ndarray]
    time: np.ndarray
    v_s: np.ndarray
    v_d: np.ndarray
    drive: np.ndarray


def simulate_cells(
    current: np.ndarray,
    pre: Sequence[np.ndarray] | None = None,
    *,
    table: ParameterTable | None = None,
    dt: float = 0.05,
    record: float = 0.5,
    noise: bool = True,
    seed: int = 1,
) -> CellRun:
    """Integrate many cells, each with its own injected current and presynaptic spikes.

    Parameters
    ----------
    current : (step, cell) array, pA
        Injected into the soma, in steps of 1 ms; its length sets the duration.
    pre : sequence of array, ms, optional
        Presynaptic spike times of each cell.
    table : ParameterTable, optional
        `whole_cell_table` by default.
    dt : float, ms
        Step of integration.
    record : float, ms
        Bin of the recordings, a multiple of ``dt``.
    noise : bool
        Add the Ornstein-Uhlenbeck current of the table.
    seed : int

    Returns
    -------
    CellRun

    Raises
    ------
    InputError
        If ``record`` is not a multiple of ``dt`` or 1 ms not of ``record``.
    """
    table = table or whole_cell_table()
    current = np.atleast_2d(np.asarray(current, dtype=float))
    per_bin, per_ms = round(record / dt), round(1.0 / dt)
    if abs(per_bin * dt - record) > 1e-9 or abs(per_ms * dt - 1) > 1e-9 or per_ms % per_bin:
        raise InputError(
            f"whole cell: record {record:g} ms and 1 ms must be multiples of dt {dt:g} ms"
        )
    n_steps, n = current.shape[0] * per_ms, current.shape[1]
    arrive = _arrivals(pre if pre is not None else (), dt)
    cells = _Cells(table, n, dt)
    rng = np.random.default_rng(seed)
    p = cells.p
    ou, k_ou = np.zeros(n), np.exp(-dt * per_bin / p["tau_noise"])
    s_ou = p["noise"] * np.sqrt(1 - k_ou**2) if noise else 0.0
    n_bins = n_steps // per_bin
    rec_s, rec_d, rec_f = (np.empty((n_bins, n)) for _ in range(3))
    above = np.zeros(n, bool)
    events: list[tuple[float, np.ndarray]] = []
    for step in range(n_steps):
        cells.step(current[step // per_ms] + ou, arrive.get(step, ()))
        now = cells.v_s > -10.0
        if now.any():
            new = now & ~above
            if new.any():
                events.append(((step + 1) * dt, np.flatnonzero(new)))
        above = now | (above & (cells.v_s > -30.0))
        if step % per_bin == per_bin - 1:
            j = step // per_bin
            rec_s[j], rec_d[j], rec_f[j] = cells.v_s, cells.v_d, cells.force / per_bin
            cells.force = np.zeros(n)
            if noise:
                ou = k_ou * ou + s_ou * rng.standard_normal(n)
    spikes = [np.array([t for t, who in events if c in who]) for c in range(n)]
    return CellRun(spikes, (np.arange(n_bins) + 1) * record, rec_s, rec_d, rec_f)


def _arrivals(pre: Sequence[np.ndarray], dt: float) -> dict[int, list[int]]:
    """Return the cells that a presynaptic spike reaches, by step."""
    found: dict[int, list[int]] = {}
    for cell, times in enumerate(pre):
        for t in np.asarray(times, dtype=float):
            if np.isfinite(t):
                found.setdefault(round(t / dt), []).append(cell)
    return found


class _Cells:
    """The state of ``n`` cells at rest, and one step of it.

    Densities in mS/cm^2 times mV are uA/cm^2, pA/cm^2 * 1e-6 likewise, and with C in uF/cm^2 that
    is mV/ms.
    """

    def __init__(self, table: ParameterTable, n: int, dt: float):
        self.p = p = {q.name: q.value for q in table.parameters}
        self.n, self.dt = n, dt
        self.density = {k: v * 1e3 for k, v in p.items() if k.startswith("g_")}
        self.steady, self.decay, self.x, self.index = {}, {}, {}, {}
        rest = round((p["E_leak"] - _V_LOW) / _V_STEP)
        for c, (names, steady, decay) in _tabulate(table, dt).items():
            self.steady[c] = np.ascontiguousarray(steady.T)
            self.decay[c] = np.ascontiguousarray(decay.T)
            self.x[c] = np.repeat(self.steady[c][rest : rest + 1], n, axis=0)
            self.index[c] = {name: i for i, name in enumerate(names)}
        self.v_s = np.full(n, p["E_leak"])
        self.v_d = self.v_s.copy()
        self.ampa, self.nmda, self.force = np.zeros(n), np.zeros(n), np.zeros(n)
        self.k_ampa, self.k_nmda = np.exp(-dt / p["tau_AMPA"]), np.exp(-dt / p["tau_NMDA"])
        grid = np.arange(_V_LOW, _V_HIGH + _V_STEP / 2, _V_STEP)
        self.force_table = nmda_calcium_force(grid)
        self.block_table = 1 / (1 + 0.4202 * np.exp(-0.062 * grid))

    def step(self, injected: np.ndarray, arriving: Sequence[int]) -> None:
        """Advance by dt with a current (pA) and with spikes at the synapses of some cells."""
        p, density, gc = self.p, self.density, self.p["g_c"] * 1e-6
        s, d = self._gates("s", self.v_s), self._gates("d", self.v_d)
        if len(arriving):
            cells = np.bincount(arriving, minlength=self.n)
            self.ampa = self.ampa + cells * p["g_AMPA"]
            self.nmda = self.nmda + cells * p["g_NMDA"]
        leak = density["g_leak"]
        na = density["g_Na_s"] * s("m_s") ** 3 * s("h_s")
        k = 1e3 * (
            p["g_KDR_s"] * s("n_s") + p["g_KA_s"] * s("a_s") * s("b_s") + p["g_KM_s"] * s("w_s")
        )
        g = leak + na + k + gc / p["area_s"]
        b = leak * p["E_leak"] + na * p["E_Na"] + k * p["E_K"]
        b = b + (gc * self.v_d + injected * 1e-6) / p["area_s"]
        na = density["g_Na_d"] * d("m_d") ** 3 * d("h_d") * d("s_d")
        k = 1e3 * (p["g_KDR_d"] * d("n_d") + p["g_KA_d"] * d("a_d") * d("b_d"))
        h = density["g_h_d"] * d("r_d")
        at = self._at(self.v_d)
        syn = (self.ampa + self.nmda * self.block_table[at]) * 1e-6
        g2 = leak + na + k + h + (gc + syn) / p["area_d"]
        b2 = leak * p["E_leak"] + na * p["E_Na"] + k * p["E_K"] + h * p["E_h"]
        b2 = b2 + (gc * self.v_s + syn * p["E_syn"]) / p["area_d"]
        self.v_s = b / g + (self.v_s - b / g) * np.exp(-self.dt * g / p["C"])
        self.v_d = b2 / g2 + (self.v_d - b2 / g2) * np.exp(-self.dt * g2 / p["C"])
        self.ampa = self.ampa * self.k_ampa
        self.nmda = self.nmda * self.k_nmda
        self.force = self.force + self.force_table[at]

    def _at(self, v: np.ndarray) -> np.ndarray:
        """Return where potentials are in the tables."""
        top = len(self.force_table) - 1
        return np.clip(np.rint((v - _V_LOW) / _V_STEP), 0, top).astype(np.intp)

    def _gates(self, c: str, v: np.ndarray) -> Callable[[str], np.ndarray]:
        """Let the gates of a compartment relax, and return them by name."""
        at = self._at(v)
        inf = self.steady[c][at]
        x = self.x[c] = inf + (self.x[c] - inf) * self.decay[c][at]
        return lambda name: x[:, self.index[c][name]]


_STEPS = {
    "25-50": ("increase_low", "increase_high"),
    "50-25": ("decrease_high", "decrease_low"),
    "25-25": ("flat_low", "flat_low"),
    "50-50": ("flat_high", "flat_high"),
}


def current_steps(condition: str, table: ParameterTable | None = None) -> tuple[Quantity, Quantity]:
    """Return the published current of each half of a condition.

    Parameters
    ----------
    condition : {"25-50", "50-25", "25-25", "50-50"}
    table : ParameterTable, optional
        ``whole_cell_table("STEPS")`` by default.

    Returns
    -------
    tuple of Quantity [current]

    Raises
    ------
    InputError
        For another condition: the experiment gives no steps for it.
    """
    if condition not in _STEPS:
        raise InputError(
            f"whole cell: no current steps for condition '{condition}'{nearest(condition, _STEPS)}"
        )
    table = table or whole_cell_table("STEPS")
    first, second = _STEPS[condition]
    return table[first], table[second]


def membrane_properties(table: ParameterTable | None = None) -> xr.Dataset:
    """Measure the cell with the usual current-clamp protocols, without noise.

    Parameters
    ----------
    table : ParameterTable, optional

    Returns
    -------
    Dataset
        ``v_rest`` (mV), ``r_in`` (Mohm, at the end of -20 pA for 500 ms), ``tau_m`` (ms, single
        exponential fit of that step), ``epsp`` (mV, soma, one stimulus of the bundle),
        ``spike_peak``, ``dendritic_peak`` (mV) and ``rate`` (current), spikes per second in a
        500-ms step.
    """
    table = table or whole_cell_table()
    amps = np.array([-20.0, 0.0, 50.0, 100.0, 150.0, 200.0, 250.0, 300.0])
    current = np.zeros((1000, amps.size + 1))
    current[400:900, : amps.size] = amps
    pre = [np.empty(0)] * amps.size + [np.array([400.0])]
    run = simulate_cells(current, pre, table=table, noise=False)
    on, off = 800, 1800
    rest = run.v_s[on - 1, 0]
    sag = run.v_s[on:off, 0]
    r_in = (sag[-1] - rest) / amps[0] * 1e3
    decay = (sag - sag[-1]) / (rest - sag[-1])
    use = (decay > 0.1) & (decay < 0.9) & (np.arange(decay.size) < 200)
    tau = -1.0 / np.polyfit(run.time[on:off][use], np.log(decay[use]), 1)[0]
    rates = [((s > 400) & (s <= 900)).sum() / 0.5 for s in run.spikes[: amps.size]]
    return xr.Dataset(
        {
            "v_rest": ((), rest, {"units": "mV"}),
            "r_in": ((), r_in, {"units": "megaohm"}),
            "tau_m": ((), tau, {"units": "ms"}),
            "epsp": ((), run.v_s[on:, -1].max() - run.v_s[on - 1, -1], {"units": "mV"}),
            "spike_peak": ((), run.v_s[:, -2].max(), {"units": "mV"}),
            "dendritic_peak": ((), run.v_d[:, -2].max(), {"units": "mV"}),
            "rate": ("current", rates, {"units": "Hz"}),
        },
        coords={"current": ("current", amps, {"units": "pA"})},
    )


def _ms(value, what: str) -> float:
    if isinstance(value, Quantity) and have_same_dimensions(value, ms):
        return float(value / ms)
    raise InputError(f"whole cell: {what} needs a unit of time, e.g. 400*ms")


def run_whole_cell(
    conditions: Sequence[str] = ("25-50", "50-25", "25-25", "50-50"),
    *,
    n_windows: int = 10,
    gap: Quantity = 400 * ms,
    phase: Quantity = 100 * ms,
    seeds: Sequence[int] = tuple(range(8)),
    rule: Callable[[Quantity, Quantity], float] | None = None,
    gain: float = 1.0,
    steps: dict[str, tuple[Quantity, Quantity]] | None = None,
    cell: ParameterTable | None = None,
) -> xr.Dataset:
    """Run the experiment with current steps instead of clamped postsynaptic spikes.

    Parameters
    ----------
    conditions : sequence of str
        "first-second" presynaptic rate in Hz.
    n_windows : int
    gap, phase : Quantity [time]
        Silence after each window; duration of each half.
    seeds : sequence of int
        One cell for each: start phase of the presynaptic train and current noise.
    rule : callable, optional
        ``dw(pre_times, post_times) -> float`` of all spike times of a cell (Quantity [time]).
    gain : float
        ``epsp = 1 + gain * mean(dw)``.
    steps : dict, optional
        condition -> current in each half, in place of `current_steps`.
    cell : ParameterTable, optional
        Of the cell.

    Returns
    -------
    Dataset
        ``post_rate`` and ``pre_rate`` (condition, phase), Hz, mean over cells and windows;
        ``step`` (condition, phase), pA; ``post_spikes`` and ``pre_spikes`` (condition, seed,
        spike), ms, padded with NaN; ``v_soma`` (condition, time), mV, first window of the first
        cell; ``drive`` (condition, seed, drive_time), mV, of calcium through NMDA receptors; ``dw``
        (condition, seed) and ``epsp`` (condition) if a rule is given.

    Raises
    ------
    InputError
        For unknown conditions, times without unit, or ``n_windows`` < 1.
    """
    if n_windows < 1 or not len(seeds):
        raise InputError("whole cell: n_windows and the number of seeds must be at least 1")
    gap, half = _ms(gap, "gap"), _ms(phase, "phase")
    if gap < 0 or half < 1:
        raise InputError("whole cell: gap must be >= 0 and phase >= 1 ms")
    lead, period = 150.0, 2 * half + gap
    n, n_ms = len(seeds), round(lead + n_windows * period + 100)
    currents, pres = [], []
    step_values = np.empty((len(conditions), 2))
    for ci, condition in enumerate(conditions):
        rates = _rates(condition)
        pair = steps[condition] if steps and condition in steps else current_steps(condition)
        if not all(isinstance(x, Quantity) and have_same_dimensions(x, amp) for x in pair):
            raise InputError(f"whole cell: steps['{condition}'] needs two currents, e.g. 100*pA")
        step_values[ci] = [float(x / pA) for x in pair]
        current = np.zeros((n_ms, n))
        for w in range(n_windows):
            for h in range(2):
                a = round(lead + w * period + h * half)
                current[a : a + round(half)] = step_values[ci, h]
        currents.append(current)
        for seed in seeds:
            rng = np.random.default_rng([int(seed), 1])
            pres.append(np.concatenate([
                lead + w * period + h * half + t[t < half]
                for w in range(n_windows)
                for h in range(2)
                for t in [(rng.random() + np.arange(half * rates[h] // 1e3 + 1)) * 1e3 / rates[h]]
            ]))  # fmt: skip
    run = simulate_cells(
        np.concatenate(currents, axis=1), pres, table=cell, seed=int(np.sum(seeds)) + 1
    )
    return _collect(conditions, seeds, run, pres, step_values, lead, period, half, n_windows,
                    rule, gain)  # fmt: skip


def _rates(condition: str) -> tuple[float, float]:
    try:
        first, second = (float(x) for x in str(condition).split("-"))
    except ValueError:
        raise InputError(f"whole cell: condition '{condition}' is not like '25-50'") from None
    if not (first > 0 and second > 0):
        raise InputError(f"whole cell: condition '{condition}': rates must be > 0")
    return first, second


def _collect(conditions, seeds, run, pres, steps, lead, period, half, n_windows, rule,
             gain):  # fmt: skip
    n = len(seeds)
    shape = (len(conditions), n)
    starts = lead + np.arange(n_windows) * period

    def rate(times):
        out = np.empty(2)
        for h in range(2):
            a = starts + h * half
            out[h] = sum(((times >= x) & (times < x + half)).sum() for x in a)
        return out / (n_windows * half * 1e-3)

    def padded(lists):
        width = max(1, max(map(len, lists)))
        rows = [
            np.pad(np.asarray(x, float), (0, width - len(x)), constant_values=np.nan) for x in lists
        ]
        return np.stack(rows).reshape(*shape, width)

    post = np.array([rate(t) for t in run.spikes]).reshape(*shape, 2)
    pre = np.array([rate(t) for t in pres]).reshape(*shape, 2)
    bins = (run.time >= lead - 20) & (run.time < lead + 2 * half + 100)
    data = {
        "post_rate": (("condition", "phase"), post.mean(1), {"units": "Hz"}),
        "post_rate_sd": (("condition", "phase"), post.std(1), {"units": "Hz"}),
        "pre_rate": (("condition", "phase"), pre.mean(1), {"units": "Hz"}),
        "step": (("condition", "phase"), steps, {"units": "pA"}),
        "post_spikes": (("condition", "seed", "spike"), padded(run.spikes), {"units": "ms"}),
        "pre_spikes": (("condition", "seed", "pre_spike"), padded(pres), {"units": "ms"}),
        "v_soma": (("condition", "time"), run.v_s[bins][:, ::n].T, {"units": "mV"}),
        "drive": (
            ("condition", "seed", "drive_time"),
            run.drive.T.reshape(*shape, -1),
            {"units": "mV"},
        ),
    }
    if rule is not None:
        dw = [float(rule(a * ms, b * ms)) for a, b in zip(pres, run.spikes, strict=True)]
        data["dw"] = (("condition", "seed"), np.reshape(dw, shape), {"units": "1"})
        epsp = np.maximum(1.0 + gain * np.reshape(dw, shape).mean(1), 0.0)  # no weight below 0
        data["epsp"] = ("condition", epsp, {"units": "1"})
    return xr.Dataset(
        data,
        coords={
            "condition": list(conditions),
            "phase": ["first", "second"],
            "seed": list(seeds),
            "time": ("time", run.time[bins] - lead, {"units": "ms"}),
            "drive_time": ("drive_time", run.time, {"units": "ms"}),
        },
    )
