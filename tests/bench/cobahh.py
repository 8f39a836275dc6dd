"""The network of Hodgkin-Huxley cells of Brette et al. (2007), here, in plain Brian2 and in NEST.

4000 cells, 3200 of them excitatory, each joined to 2 % of all; doi:10.1007/s10827-007-0038-6. All
simulators get the same wiring and first conductances.
"""

from __future__ import annotations

import numpy as np

from tests.bench import peers

N, SHARE, EXCITATORY = 4000, 0.02, 0.8
WEIGHTS = 6.0, 67.0  # nS, of 4000 cells; in smaller networks more, so that the input stays
START_S = 0.2  # when rates are counted from


def numbers(n: int) -> dict[str, np.ndarray]:
    """Return ``v`` (mV), ``g_ex`` and ``g_in`` (nS) of the cells; ``i``, ``j`` of the synapses."""
    rng = np.random.default_rng(n)
    i, j = np.nonzero(rng.random((n, n)) < SHARE)
    return {
        "v": -65 + 5 * rng.standard_normal(n), "g_ex": 40 + 15 * rng.standard_normal(n),
        "g_in": 200 + 120 * rng.standard_normal(n), "i": i, "j": j,
    }  # fmt: skip


def make(n: int, method: str, upstroke: bool = False, joined: bool = True):
    """Return the network in Brian2: (network, {"cells": SpikeMonitor})."""
    from brian2 import Network, NeuronGroup, SpikeMonitor, Synapses, ms, mV, nS, pF

    from cells import Upstroke, use_staggered

    if method == "staggered":
        use_staggered(fast_math=False)  # what is fast is compiled so anyway
    area = peers.AREA
    equations = f"""
    dv/dt = (g_l*({peers.E_LEAK}*mV - v) + g_ex*(0*mV - v) + g_in*(-80*mV - v)
             + g_Na*m**3*h*({peers.E_NA}*mV - v) + g_K*n**4*({peers.E_K}*mV - v))/C : volt
    dg_ex/dt = -g_ex/(5*ms) : siemens
    dg_in/dt = -g_in/(10*ms) : siemens
    dm/dt = a_m*(1 - m) - b_m*m : 1
    dh/dt = a_h*(1 - h) - b_h*h : 1
    dn/dt = a_n*(1 - n) - b_n*n : 1
    u = v - V_T : volt
    a_m = 1.28/exprel((13*mV - u)/(4*mV))/ms : Hz
    b_m = 1.4/exprel((u - 40*mV)/(5*mV))/ms : Hz
    a_h = 0.128*exp((17*mV - u)/(18*mV))/ms : Hz
    b_h = 4/(1 + exp((40*mV - u)/(5*mV)))/ms : Hz
    a_n = 0.16/exprel((15*mV - u)/(5*mV))/ms : Hz
    b_n = 0.5*exp((10*mV - u)/(40*mV))/ms : Hz
    """
    again = Upstroke("V_T + 12*mV") if upstroke else None
    events = {}
    if again:
        equations += f"v_last : volt\n{again.variables}"
        events = {"upstroke": again.condition}
    scale = N / n
    constants = {
        "C": area * 0.01 * pF, "g_l": peers.G_LEAK * area * 10 * nS, "V_T": peers.V_T * mV,
        "g_Na": peers.G_NA * area * 10 * nS, "g_K": peers.G_K * area * 10 * nS,
        "w_ex": WEIGHTS[0] * scale * nS, "w_in": WEIGHTS[1] * scale * nS,
    }  # fmt: skip
    group = NeuronGroup(
        n, equations, threshold="v > -20*mV", refractory=3 * ms, method=method, events=events,
        namespace=constants, name="cells",
    )  # fmt: skip
    if again:
        again.attach(group)
    first = numbers(n)
    group.v = first["v"] * mV
    if again:
        group.v_last = first["v"] * mV
    group.g_ex, group.g_in = first["g_ex"] * nS, first["g_in"] * nS
    monitor = SpikeMonitor(group, name="spikes")
    parts = [group, monitor]
    excites = first["i"] < EXCITATORY * n
    for chosen, kind in ((excites, "ex"), (~excites, "in")) if joined else ():
        synapses = Synapses(
            group, group, on_pre=f"g_{kind}_post += w_{kind}", namespace=constants, name=f"{kind}_s"
        )
        synapses.connect(i=first["i"][chosen], j=first["j"][chosen])
        parts.append(synapses)
    return Network(parts), {"cells": monitor}


def in_nest(n: int, step: float, duration: float) -> tuple[float, np.ndarray, np.ndarray]:
    """Return (CPU s, cell, time in s) of NEST; runs in a process of its own."""
    import nest

    nest.verbosity = nest.VerbosityLevel.ERROR
    nest.ResetKernel()
    nest.resolution = step
    nest.local_num_threads = peers.THREADS
    first, area = numbers(n), peers.AREA
    cells = nest.Create("hh_cond_exp_traub", n)
    cells.set(
        C_m=area * 0.01, g_Na=peers.G_NA * area * 10, g_K=peers.G_K * area * 10,
        g_L=peers.G_LEAK * area * 10, E_Na=peers.E_NA, E_K=peers.E_K, E_L=peers.E_LEAK,
        V_T=peers.V_T, E_ex=0.0, E_in=-80.0, tau_syn_ex=5.0, tau_syn_in=10.0, t_ref=3.0,
        Act_m=0.0, Act_n=0.0, Inact_h=0.0,
    )  # fmt: skip
    cells.set(V_m=first["v"].tolist(), g_ex=first["g_ex"].tolist(), g_in=first["g_in"].tolist())
    weights = np.where(first["i"] < EXCITATORY * n, WEIGHTS[0], -WEIGHTS[1]) * N / n
    nest.Connect(
        first["i"] + 1, first["j"] + 1, "one_to_one",
        {"weight": weights, "delay": np.full(weights.size, step)},
    )  # fmt: skip
    recorder = nest.Create("spike_recorder")
    nest.Connect(cells, recorder)
    nest.Prepare()
    before = peers._cpu()
    nest.Run(duration * 1e3)
    used = peers._cpu() - before
    nest.Cleanup()
    events = recorder.get("events")
    return used, np.asarray(events["senders"]) - 1, np.asarray(events["times"]) / 1e3
