"""A page for each mechanism: equations as they run, source, and a figure made from them."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from scipy.special import exprel

from cells.currents import CURRENTS
from cells.models import CELL_CLASSES, cell_class
from cells.parameters import InputError
from circuits.plasticity import homeostasis
from circuits.plasticity.bench.run import gate_lead
from circuits.plasticity.homeostasis import per_cycle
from circuits.plasticity.rules.registry import RULES, WHY, rule
from circuits.plasticity.rules.trains import window_trains
from circuits.synapses.receptors import _TEMPLATES as RECEPTORS
from circuits.synapses.release import RELEASE_EQUATIONS, RELEASE_ON_PRE

_UNITS = {"mV": 1.0, "ms": 1.0, "mmolar": 1.0, "umolar": 1e-3, "exp": np.exp, "log": np.log,
          "exprel": exprel}  # fmt: skip


def write(here: Path) -> None:
    """Write the pages into ``here/reference/mechanisms``."""
    import matplotlib

    matplotlib.use("Agg")
    folder = here / "reference" / "mechanisms"
    folder.mkdir()
    pages = {f"current_{name}": _current(name, folder) for name in CURRENTS}
    own = [name for name in CELL_CLASSES if not cell_class(name).variant_of]
    pages |= {f"cell_{name}": _cell(name, folder) for name in own}
    pages |= {f"receptor_{name}": _receptor(name, folder) for name in RECEPTORS}
    pages["release"] = _release(folder)
    pages |= {f"rule_{name}": _rule(name, folder) for name in RULES}
    pages["homeostasis"] = _homeostasis(folder)
    for name, text in pages.items():
        (folder / f"{name}.md").write_text(text, encoding="utf-8")
    parts = ["# Mechanisms\n"]
    for title, begin in (("Membrane currents", "current_"), ("Cell classes", "cell_"),
                         ("Receptors", "receptor_"), ("Release", "release"),
                         ("Plasticity rules", "rule_"),
                         ("Beside a rule", "homeostasis")):  # fmt: skip
        names = "\n".join(name for name in pages if name.startswith(begin))
        parts.append(f"## {title}\n\n```{{toctree}}\n:maxdepth: 1\n{names}\n```\n")
    (folder / "index.md").write_text("\n".join(parts), encoding="utf-8")


def _code(text: str) -> str:
    lines = "\n".join(line.strip() for line in text.strip().splitlines())
    return f"```text\n{lines}\n```\n"


def _save(figure, path: Path) -> str:
    import matplotlib.pyplot as plt

    for ax in figure.axes:
        ax.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, format="svg", bbox_inches="tight", metadata={"Date": None})
    plt.close(figure)
    return path.name


def _image(name: str, alt: str) -> str:
    return f"```{{image}} {name}\n:alt: {alt}\n```\n"


def _current(name: str, folder: Path) -> str:
    current = CURRENTS[name]
    has = {c: cell_class(c).model.compartments for c in CELL_CLASSES}
    users = [c for c, parts in has.items() if any(name in part.currents for part in parts)]
    drawn = _gate_figure(current, cell_class(users[0]) if users else None, folder)
    parameters = ", ".join(f"`{p.format(s='')}` ({unit})" for p, unit in current.parameters)
    return "\n".join([
        f"# {name}\n", f"{current.meaning}.\n", _code(current.equations()),
        _image(drawn, f"steady states and time constants of {name}"),
        f"Parameters: {parameters}.\n", f"Cell classes: {', '.join(users)}.\n",
        f"Source: {current.source}.\n",
    ])  # fmt: skip


def _definitions(text: str):
    """Return the expressions of equations and the right-hand sides of gates, by name."""
    expressions, gates = {}, {}
    for line in text.strip().splitlines():
        left, _, right = line.strip().rpartition(" : ")[0].partition(" = ")
        gate = re.fullmatch(r"d(\w+)/dt", left.strip())
        (gates if gate else expressions)[gate[1] if gate else left.strip()] = right
    return expressions, gates


def _value(text, names, expressions):
    """Evaluate an expression, those it needs first."""
    found = dict(names)
    for name in re.findall(r"[A-Za-z_]\w*", text):
        if name in expressions and name not in found:
            found[name] = _value(expressions[name], found, expressions)
    return eval(text, {"__builtins__": {}}, _UNITS | found)


def _gate_figure(current, cell, folder) -> str:
    """Draw steady states and time constants of the gates; of a current without, itself."""
    import matplotlib.pyplot as plt

    expressions, gates = _definitions(current.equations())
    every, _ = _definitions("\n".join(c.equations() for c in CURRENTS.values()))
    axis, label = {"v": np.linspace(-120, 50, 341)}, "V (mV)"
    if re.search(r"\bCa\b", current.equations()):
        axis, label = {"Ca": np.geomspace(1e-5, 1e-2, 200)}, "Ca (mM)"
    # parameters in mV, ms and SI densities, as the equations here are evaluated
    scale = {"volt": 1e3, "second": 1e3}
    names = {p.format(s=""): 1.0 for p, _ in current.parameters}
    if cell is not None:
        for p, unit in current.parameters:
            for key in (p.format(s=""), p.format(s="_d")):
                if key in list(cell.parameters):
                    value = float(cell.parameters[key]) * scale.get(unit, 1.0)
                    names[p.format(s="")] = value
    names = {"V_T": -55.0, **names, **axis}
    (x,) = axis.values()
    open_gates = {g: r for g, r in gates.items() if g != "Ca"}
    columns = 2 if open_gates else 1
    figure, axes = plt.subplots(
        1, columns, figsize=(3.5 * columns, 2.6), layout="constrained", squeeze=False
    )
    for gate, text in open_gates.items():
        at_0, at_1 = (_value(text, names | {gate: k}, every | expressions) for k in (0.0, 1.0))
        axes[0, 0].plot(x, at_0 / (at_0 - at_1) + 0 * x, label=gate)
        axes[0, 1].plot(x, 1 / (at_0 - at_1) + 0 * x, label=gate)
    if open_gates:
        axes[0, 0].set(xlabel=label, ylabel="steady state")
        axes[0, 1].set(xlabel=label, ylabel="time constant (ms)", yscale="log")
        axes[0, 0].legend(frameon=False)
    elif "Ca" in gates:
        time = np.linspace(0, 4 * names["tau_Ca"], 200)
        axes[0, 0].plot(time, np.exp(-time / names["tau_Ca"]))
        axes[0, 0].set(xlabel="time after a spike (ms)", ylabel="calcium above rest (share)")
    else:
        begin = "z" if "Ca" in axis else "I"
        name, text = next((n, t) for n, t in expressions.items() if n.startswith(begin))
        axes[0, 0].plot(x, _value(text, names, every | expressions))
        axes[0, 0].set_xscale("log" if "Ca" in axis else "linear")
        unit = "" if "Ca" in axis else " (mA/m$^2$)"
        axes[0, 0].set(xlabel=label, ylabel=f"{name}{unit}")
    return _save(figure, folder / f"current_{current.name}.svg")


def _cell(name: str, folder: Path) -> str:
    cell = cell_class(name)
    others = [c for c in CELL_CLASSES if cell_class(c).variant_of == name]
    variant = f" Variants: {', '.join(others)}." if others else ""
    currents = "; ".join(
        f"{part.name}: " + ", ".join(f"[{c}](current_{c}.md)" for c in part.currents)
        for part in cell.model.compartments
    )
    return "\n".join([
        f"# {name}\n", f"{cell.meaning}.{variant}\n", f"Model `{cell.model.name}`. {currents}.\n",
        _image(_step(cell, folder), f"{name} under current steps"),
        "Potential under a step of 200 ms, at rest before it; device `numpy`.\n",
        _code(cell.model.equations()),
        "Parameters with their sources: [parameters](../parameters.md).\n",
    ])  # fmt: skip


def _step(cell, folder) -> str:
    import matplotlib.pyplot as plt
    from brian2 import ms, mV, pA

    from cells.physiology import current_clamp

    steps = np.array([-100, 100, 300])
    clamp = current_clamp(cell, steps * pA, start=50 * ms, stop=250 * ms, duration=300 * ms)
    figure, ax = plt.subplots(figsize=(7, 2.8))
    for step, v in zip(steps, clamp.voltage / mV, strict=True):
        ax.plot(clamp.time / ms, v, lw=0.8, label=f"{step} pA")
    ax.set(xlabel="time (ms)", ylabel="V (mV)")
    ax.legend(frameon=False, ncols=3, loc="upper right")
    return _save(figure, folder / f"cell_{cell.name}.svg")


def _receptor(name: str, folder: Path) -> str:
    import matplotlib.pyplot as plt

    figure, ax = plt.subplots(figsize=(4, 2.6))
    v = np.linspace(-100, 40, 200)
    reversal = {"GABA_A": -75.0, "GABA_B": -95.0}.get(name, 0.0)
    block = 1 / (1 + 1 / 3.57 * np.exp(-0.062 * v)) if name == "NMDA" else 1.0
    ax.plot(v, block * (reversal - v))
    ax.axhline(0, color="0.7", lw=0.8)
    ax.set(xlabel="V (mV)", ylabel="current of 1 nS (pA, inward up)")
    drawn = _save(figure, folder / f"receptor_{name}.svg")
    said = RECEPTORS[name].format(r=name, s="", v="v")
    return "\n".join([
        f"# {name}\n", _code(said), _image(drawn, f"current of {name} over potential"),
        "Drawn with 1 mM magnesium and a reversal potential of "
        f"{reversal:g} mV; those of each cell class: [parameters](../parameters.md).\n",
    ])  # fmt: skip


def _release(folder: Path) -> str:
    import matplotlib.pyplot as plt

    from circuits.synapses.release import _tables

    figure, ax = plt.subplots(figsize=(7, 2.8))
    for name, parameters in _tables().items():
        u_0, recovery, facilitation = (
            float(parameters[key]) if key in list(parameters) else 0.0
            for key in ("U", "tau_rec", "tau_facil")
        )
        use, left, found = 0.0, 1.0, []
        for _ in range(10):
            use = use * (np.exp(-0.05 / facilitation) if facilitation else 0.0)
            left = 1 - (1 - left) * (np.exp(-0.05 / recovery) if recovery else 0.0)
            use += u_0 * (1 - use)
            found.append(use * left)
            left -= found[-1]
        ax.plot(np.arange(10) * 50, found, ".-", lw=0.8, label=name)
    ax.set(xlabel="time (ms)", ylabel="released (share)", ylim=(0, None))
    ax.legend(frameon=False, fontsize=7, ncols=2)
    drawn = _save(figure, folder / "release.svg")
    return "\n".join([
        "# Short-term release\n", "After Tsodyks & Markram (1997), doi:10.1073/pnas.94.2.719, "
        "exact between spikes.\n", _code(RELEASE_EQUATIONS), "At a spike:\n",
        _code(RELEASE_ON_PRE), _image(drawn, "release at ten spikes 50 ms apart"),
        "Ten spikes 50 ms apart, by class.\n",
    ])  # fmt: skip


def _homeostasis(folder: Path) -> str:
    import matplotlib.pyplot as plt

    cycle, goal, steps = 200.0, 4.0, np.arange(600)
    figure, ax = plt.subplots(figsize=(7, 2.8))
    for label, taus in (("tau_scaling 40 s", (40.0, 0.0)), ("tau_decay 40 s", (0.0, 40.0)),
                        ("both", (40.0, 40.0))):  # fmt: skip
        own = {"tau_scaling": taus[0], "tau_decay": taus[1], "goal": goal}
        share = per_cycle(own, cycle)
        w = [0.2]
        for _ in steps[1:]:  # a cell whose rate follows its weight, 20 Hz at weight one
            change = share["scaling"] * (1 - 20 * w[-1] / goal) - share["forgetting"]
            w.append(min(max(w[-1] * (1 + change) - 1e-3, 0), 1))
        ax.plot(steps * cycle * 1e-3, w, lw=1, label=label)
    ax.plot(steps * cycle * 1e-3, np.maximum(0.2 - 1e-3 * steps, 0), "k:", lw=1, label="neither")
    ax.set(xlabel="time (s)", ylabel="weight", ylim=(0, None))
    ax.legend(frameon=False, fontsize=7, ncols=4)
    drawn = _save(figure, folder / "homeostasis.svg")
    says = homeostasis.__doc__ or ""
    dois = re.findall(r"doi:(10\S+?)[.,]?(?=\s|$)", says)
    doc = says.split("References")[0].strip()
    return "\n".join([
        "# Synaptic scaling and decay\n", doc + "\n", "In the synapse, beside the rule:\n",
        _code(homeostasis.MODEL), "When it is read:\n", _code(homeostasis.LEARN),
        _image(drawn, "weights that a drift of -0.001 in a cycle would empty"),
        "Weights of a cell that fires at 20 Hz times its weight, under a drift of -0.001 in a "
        "cycle; goal 4 Hz.\n",
        "Sources: " + ", ".join(f"[{doi}](https://doi.org/{doi})" for doi in dois) + ".\n",
    ])  # fmt: skip


def _rule(name: str, folder: Path) -> str:
    found = rule(name)
    doc = (type(found).__doc__ or "").strip().split("\n\n")[0]
    try:
        code = found.brian2()
    except InputError:  # the self-timed readouts have one form alone
        code = found.brian2(form="clock")
    parts = [
        f"# {name}\n", " ".join(doc.split()) + "\n",
        f"In the theta-window experiment: {WHY[name]}\n",
        _image(_rule_figure(found, folder), f"weight change of {name} in the four conditions"),
        "Weight change with regular trains (Hz in the first and the second half of the window), "
        "mean over start phases.\n",
        f"The synapse, as it runs in the circuit (form `{code.form}`):\n",
        _code(code.synapse_model),
    ]  # fmt: skip
    for title, text in (("At a presynaptic spike", code.on_pre),
                        ("At a postsynaptic spike", code.on_post),
                        ("When it is read", code.learn)):  # fmt: skip
        parts += [f"{title}:\n", _code(text)] if text.strip() else []
    parts.append("Parameters with their sources: [parameters](../parameters.md).\n")
    return "\n".join(parts)


def _rule_figure(found, folder: Path) -> str:
    import matplotlib.pyplot as plt

    halves = ((25, 50), (50, 25), (25, 25), (50, 50))
    lead = gate_lead(found, 200.0)
    changes = [found.dw(window_trains(pair, pair, lead=lead)).mean() for pair in halves]
    figure, ax = plt.subplots(figsize=(4, 2.4))
    ax.bar([f"{a}-{b}" for a, b in halves], changes)
    ax.axhline(0, color="0.7", lw=0.8)
    ax.set(xlabel="rates (Hz)", ylabel="weight change")
    return _save(figure, folder / f"rule_{found.name}.svg")
