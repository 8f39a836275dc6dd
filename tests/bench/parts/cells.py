"""One cell model in NEST, NEURON, CoreNEURON and here: cost against error."""

from __future__ import annotations

from collections.abc import Iterator

from tests.bench import alone, peers, standalone
from tests.bench.context import Context
from tests.bench.measure import cost_at, power_law, ratios, spread
from tests.bench.table import Row, skipped

TITLE = "the cell of NEST's hh_cond_exp_traub, cost at equal error"
ERROR = 1e-3
_REFERENCE_DT = 0.0025

_HERE = {
    "here, staggered": ("staggered", (0.2, 0.1, 0.05, 0.025)),
    "here, rk4": ("rk4", (0.05, 0.025, 0.0125, 0.00625)),
    "plain Brian2": ("exponential_euler", (0.1, 0.05, 0.025, 0.0125)),
}
_NEST = (0.2, 0.1, 0.05, 0.025)
_NEURON = {
    "NEURON, secondorder 0": ((0.1, 0.05, 0.025, 0.0125), False, False),
    "NEURON, secondorder 2": ((0.1, 0.05, 0.025, 0.0125), True, False),
    "CoreNEURON, secondorder 0": ((0.1, 0.05, 0.025, 0.0125), False, True),
    "CoreNEURON, secondorder 2": ((0.1, 0.05, 0.025, 0.0125), True, True),
}


def _own(folder, steps, duration) -> dict:
    """Return {step: (CPU s of `duration`, cell, time)} of a compiled program."""
    found = {}
    for dt in steps:
        short = standalone.launch(folder, dt_ms=dt, duration=0.01)[0].cpu
        used, spikes = standalone.launch(folder, dt_ms=dt, duration=duration)
        found[dt] = (max(used.cpu - short, 1e-6) / (1 - 0.01 / duration), *spikes["cells"])
    return found


def rows(context: Context) -> Iterator[Row | tuple]:
    """Yield the rows of this part."""
    n, duration = (64, 1.0) if context.quick else (256, 1.0)
    jobs, missing = {}, []
    folders = {}
    for name, (method, steps) in _HERE.items():
        folders[name] = context.folder / f"traub-{method}-{n}"
        standalone.build(folders[name], peers.make, n, method, fast=name != "plain Brian2")
        jobs[name] = lambda f=folders[name], s=steps: _own(f, s, duration)
    if alone.python_of("nest"):
        jobs["NEST"] = lambda: alone.call("nest", peers.in_nest, n, _NEST, duration)
    else:
        missing.append(("NEST", "it is not installed"))
    if python := alone.python_of("neuron"):
        mechanism = context.folder / "neuron"
        try:
            peers.compile_neuron(mechanism, python)
            for name, (steps, second, core) in _NEURON.items():
                jobs[name] = lambda s=steps, o=second, c=core: alone.call(
                    "neuron", peers.in_neuron, n, s, duration, str(mechanism), o, c
                )
        except (RuntimeError, OSError) as error:
            missing.append(("NEURON", str(error)))
    else:
        missing.append(("NEURON", "it is not installed"))
    reference = standalone.launch(
        folders["here, rk4"], dt_ms=_REFERENCE_DT, duration=duration
    )[1]["cells"]  # fmt: skip
    results: dict[str, list[dict]] = {name: [] for name in jobs}
    for k in range(context.rounds):
        names = list(jobs)
        for name in names[k:] + names[:k]:
            if name in jobs:
                try:
                    results[name].append(jobs[name]())
                except Exception as error:
                    missing.append((name, f"{type(error).__name__}: {error}"))
                    del jobs[name]
    curves, table = {}, []
    for name in jobs:
        costs, errors = {}, {}
        for step in results[name][0]:
            # CPU ms of one cell for one biological second
            costs[step] = [found[step][0] * 1e3 / n / duration for found in results[name]]
            found = results[name][0][step]
            errors[step] = peers.errors(found[1:], reference, n)
            table.append(
                {
                    "simulator": name,
                    "step (ms)": step,
                    "CPU ms per cell-second": spread(costs[step])["median"],
                    "interval error": errors[step]["interval"],
                    "rate error": errors[step]["rate"],
                    "drift of the last spike (ms)": errors[step]["drift"],
                }
            )
        curves[name] = ([errors[s]["interval"] for s in errors], list(costs.values()))
    yield f"{n} cells for {duration:g} s; reference rk4 at {_REFERENCE_DT} ms", table
    fits = []
    for name, (found, costs) in curves.items():
        steps = [row["step (ms)"] for row in table if row["simulator"] == name]
        at = [cost_at(ERROR, found, [c[k] for c in costs]) for k in range(len(costs[0]))]
        fits.append(
            {
                "simulator": name,
                "order of convergence": power_law(steps, found)[0],
                f"CPU ms per cell-second at {ERROR:g}": spread([a[0] for a in at])["median"],
                "how": at[0][1],
            }
        )
    yield f"Fits: interval error over step, cost at interval error {ERROR:g}", fits
    yield from _against(curves, missing)


def _best(curves, names, error) -> list[float]:
    """Return the cost, in each round, of the cheapest of several schemes at an error."""
    n_round = len(curves[names[0]][1][0])
    return [
        min(cost_at(error, curves[m][0], [c[k] for c in curves[m][1]])[0] for m in names)
        for k in range(n_round)
    ]


def _against(curves, missing) -> Iterator[Row]:
    here = [name for name in curves if name.startswith("here")]
    for peer, target in (("NEURON", 10.0), ("CoreNEURON", 10.0), ("NEST", 3.0), ("plain", None)):
        theirs = [name for name in curves if name.startswith(peer)]
        if not theirs:
            why = next((w for name, w in missing if name.startswith(peer)), "not installed")
            yield skipped(f"cost of {peer} over ours", why, against=peer, at_least=target)
            continue
        at = [(f"interval error {ERROR:g}", ERROR)]
        if peer == "NEST":
            # its tolerance is fixed, so compare where it is cheapest, too
            at.append(("NEST's own largest error", max(curves["NEST"][0])))
        if peer == "plain":
            at = [("its own smallest error", min(min(curves[m][0]) for m in theirs))]
        for where, error in at:
            yield Row(
                f"cost of {peer}{' Brian2' * (peer == 'plain')} over ours at {where}",
                tuple(ratios(_best(curves, theirs, error), _best(curves, here, error))), "x", peer,
                at_least=target, note=f"the cheapest scheme of each; error {error:.2g}",
            )  # fmt: skip
    for name, why in missing:
        yield skipped(name, why)
