"""The network of Hodgkin-Huxley cells of Brette et al. (2007), here and in plain Brian2.

4000 cells, 3200 of them excitatory, each joined to 2 % of all; doi:10.1007/s10827-007-0038-6. All
get the same wiring and first conductances, which NEST's model does not take.
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
