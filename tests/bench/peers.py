"""The cell of NEST's hh_cond_exp_traub in NEST, NEURON, CoreNEURON and here.

No adaptation current, so that all intervals of a cell under constant current are equal; two
synaptic conductances that nothing drives, as NEST has them (the NEURON cell has none).
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
from pathlib import Path

import numpy as np

AREA = 20000.0  # um2: 200 pF at 1 uF/cm2
V_T, E_LEAK, E_NA, E_K = -63.0, -60.0, 50.0, -90.0  # mV
G_LEAK, G_NA, G_K = 5e-5, 0.1, 0.03  # S/cm2
START = -60.0
THREADS = 1


def currents(n: int) -> np.ndarray:
    """Return the drive of every cell, pA."""
    return np.linspace(150.0, 300.0, n)


def gates(v: float = START) -> dict[str, float]:
    """Return the gates in their steady state."""
    u = v - V_T

    def share(a, b):
        return float(a / (a + b))

    return {
        "m": share(
            0.32 * (13 - u) / np.expm1((13 - u) / 4), 0.28 * (u - 40) / np.expm1((u - 40) / 5)
        ),
        "h": share(0.128 * np.exp((17 - u) / 18), 4 / (1 + np.exp((40 - u) / 5))),
        "n": share(0.032 * (15 - u) / np.expm1((15 - u) / 5), 0.5 * np.exp((10 - u) / 40)),
    }


def make(n: int, method: str):
    """Return the network in Brian2: (network, {"cells": SpikeMonitor})."""
    from brian2 import Network, NeuronGroup, SpikeMonitor, cm, mV, pA, siemens, uF, um

    from cells.currents import CURRENTS
    from cells.integration import METHODS

    plain = method == "exponential_euler"
    lines = [CURRENTS[name].equations() for name in ("I_leak", "I_Na", "I_Kd")]
    lines.append("""
    dv/dt = (I_leak + I_Na + I_Kd + (I_ex + I_in + I_drive)/area)/C_m : volt
    I_ex = g_ex*(0*mV - v) : amp
    I_in = g_in*(-80*mV - v) : amp
    dg_ex/dt = -g_ex/(5*ms) : siemens
    dg_in/dt = -g_in/(10*ms) : siemens
    I_drive : amp (constant)
    """)
    threshold, refractory = "v > -15*mV and v_last <= -15*mV", False
    if plain:
        threshold, refractory = "v > -15*mV", "v > -15*mV"
    else:
        lines.append("v_last : volt")
    density = siemens / cm**2
    group = NeuronGroup(
        n, "\n".join(lines), threshold=threshold, refractory=refractory, reset="",
        method=METHODS[method].updater, name="cells",
        namespace={
            "g_leak": G_LEAK * density, "g_Na": G_NA * density, "g_Kd": G_K * density,
            "E_leak": E_LEAK * mV, "E_Na": E_NA * mV, "E_K": E_K * mV, "V_T": V_T * mV,
            "C_m": 1 * uF / cm**2, "area": AREA * um**2,
        },
    )  # fmt: skip
    group.I_drive = currents(n) * pA
    group.v = START * mV
    if not plain:
        group.v_last = START * mV
    for name, value in gates().items():
        setattr(group, name, value)
    monitor = SpikeMonitor(group, name="spikes")
    return Network(group, monitor), {"cells": monitor}


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def in_nest(n: int, steps: tuple[float, ...], duration: float) -> dict:
    """Return {step: (CPU s, cell, time in s)} of NEST; runs in a process of its own."""
    import nest

    nest.verbosity = nest.VerbosityLevel.ERROR
    found = {}
    for step in steps:
        nest.ResetKernel()
        nest.resolution = step
        nest.local_num_threads = THREADS
        start = gates()
        cells = nest.Create("hh_cond_exp_traub", n)
        cells.set(
            C_m=AREA * 0.01, g_Na=G_NA * AREA * 10, g_K=G_K * AREA * 10, g_L=G_LEAK * AREA * 10,
            E_Na=E_NA, E_K=E_K, E_L=E_LEAK, V_T=V_T, V_m=START,
            Act_m=start["m"], Inact_h=start["h"], Act_n=start["n"],
        )  # fmt: skip
        cells.I_e = currents(n).tolist()
        recorder = nest.Create("spike_recorder")
        nest.Connect(cells, recorder)
        nest.Prepare()
        before = _cpu()
        nest.Run(duration * 1e3)
        used = _cpu() - before
        nest.Cleanup()
        events = recorder.get("events")
        found[step] = (used, np.asarray(events["senders"]) - 1, np.asarray(events["times"]) / 1e3)
    return found


def compile_neuron(folder: Path, python: Path) -> None:
    """Compile the mechanism with nrnivmodl, for CoreNEURON too."""
    if (folder / "done").is_file():
        return
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "mod").mkdir(parents=True)
    shutil.copy(Path(__file__).parent / "traub.mod", folder / "mod")
    command = python.parent / "nrnivmodl"
    path = f"{command.parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [str(command), "-coreneuron", "mod"], cwd=folder, capture_output=True, text=True,
        env={**os.environ, "PATH": path},
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"nrnivmodl: {(done.stderr or done.stdout).strip().splitlines()[-1]}")
    (folder / "done").touch()


def in_neuron(
    n: int, steps: tuple[float, ...], duration: float, folder: str, second: bool, core: bool
) -> dict:
    """Return {step: (CPU s, cell, time in s)} of NEURON or CoreNEURON; in a process of its own."""
    library = next(Path(folder).glob("*/libnrnmech.so"))
    if core:
        os.environ["CORENEURONLIB"] = str(next(Path(folder).glob("*/libcorenrnmech.so")))
    os.environ["OMP_NUM_THREADS"] = "1"
    from neuron import coreneuron, h

    h.nrn_load_dll(str(library))
    h.load_file("stdrun.hoc")
    sections, clamps, connections = [], [], []
    times, ids = h.Vector(), h.Vector()
    side = float(np.sqrt(AREA / np.pi))
    context = h.ParallelContext()
    for k, drive in enumerate(currents(n)):
        section = h.Section(name=f"cell{k}")
        section.L = section.diam = side
        section.cm = 1
        section.insert("pas")
        section.insert("traub")
        for segment in section:
            segment.pas.g, segment.pas.e = G_LEAK, E_LEAK
            segment.traub.gnabar, segment.traub.gkbar, segment.traub.vt = G_NA, G_K, V_T
        section.ena, section.ek = E_NA, E_K
        clamp = h.IClamp(section(0.5))
        clamp.delay, clamp.dur, clamp.amp = 0, 1e9, drive * 1e-3
        connection = h.NetCon(section(0.5)._ref_v, None, sec=section)
        connection.threshold = -15
        context.set_gid2node(k, 0)
        context.cell(k, connection)
        context.spike_record(k, times, ids)
        sections.append(section)
        clamps.append(clamp)
        connections.append(connection)
    h.secondorder = 2 if second else 0
    h.cvode_active(0)
    if core:
        h.cvode.cache_efficient(1)
    coreneuron.enable = core
    coreneuron.verbose = 0
    found = {}
    for step in steps:
        h.dt = step
        h.steps_per_ms = 1 / step
        context.set_maxstep(10)
        times.resize(0)
        ids.resize(0)
        h.finitialize(START)
        before = _cpu()
        context.psolve(duration * 1e3)
        used = _cpu() - before
        found[step] = (used, np.array(ids).astype(int), np.array(times) / 1e3)
    return found


def intervals(cell: np.ndarray, time_s: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean interval of every cell (s) and the time from its first to its last spike.

    Where a cell fires once or never both are NaN.
    """
    mean, span = np.full(n, np.nan), np.full(n, np.nan)
    for k in range(n):
        t = np.sort(time_s[cell == k])
        if len(t) > 1:
            span[k] = t[-1] - t[0]
            mean[k] = span[k] / (len(t) - 1)
    return mean, span


def errors(spikes, reference, n: int) -> dict[str, float]:
    """Return the errors of a run against the reference.

    Parameters
    ----------
    spikes, reference : (cell, time in s)
    n : int
        Cells.

    Returns
    -------
    dict
        ``interval``: mean absolute relative error of the mean interval; ``rate``: relative error of
        the spike count; ``drift``: mean absolute error of the time from the first spike to the last
        one that both have, ms.
    """
    mean = intervals(*spikes, n)[0]
    right = intervals(*reference, n)[0]
    drift = []
    for k in range(n):
        ours, theirs = (np.sort(t[cell == k]) for cell, t in (spikes, reference))
        last = min(len(ours), len(theirs)) - 1
        if last > 0:
            drift.append(abs((ours[last] - ours[0]) - (theirs[last] - theirs[0])))
    return {
        "interval": float(np.nanmean(np.abs(mean / right - 1))),
        "rate": float(len(spikes[0]) / len(reference[0]) - 1),
        "drift": float(np.mean(drift) * 1e3),
    }
