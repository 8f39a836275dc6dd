"""The learning circuit against plain Brian2: cost of a biological second, and accuracy."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from cells.models import CELL_CLASSES
from circuits.engine.arrays import cells_of
from tests.bench import isolated, standalone, stock
from tests.bench.context import SEED, Circuit, Context, cores
from tests.bench.measure import interleaved, ratios
from tests.bench.table import Row

TITLE = "the learning circuit against plain Brian2 and against Runge-Kutta"
_STOCK_DT = (0.05, 0.1)
_FINER = ("integration.dt=0.05 ms",)
_SETTLED = 0.4  # seconds that are left out of rates


def rows(context: Context) -> Iterator[Row | tuple]:
    """Yield the rows of this part."""
    for size in context.sizes:
        yield from _cost(context, size)
    yield from _isolated(context)
    for size in context.sizes[-1:]:
        yield from _rates(context, size)


def _stock_folder(context: Context, size: str):
    folder = context.folder / f"stock-{size}"
    standalone.build(folder, stock.make_from_file, size, Circuit(size).cycles, SEED, fast=False)
    return folder


def _stock_cost(folder, dt_ms: float, duration: float) -> float:
    short = standalone.launch(folder, dt_ms=dt_ms, duration=0.05, seed=SEED)[0].cpu
    long = standalone.launch(folder, dt_ms=dt_ms, duration=0.05 + duration, seed=SEED)[0].cpu
    return (long - short) / duration


def _cost(context: Context, size: str) -> Iterator[Row]:
    circuit = Circuit(size)
    circuit.launch(0.01)
    folder = _stock_folder(context, size)
    long, short = (2.0, 0.5) if context.quick else (5.0, 1.0)
    finer = Circuit(size, settings=_FINER)
    finer.launch(0.01)
    jobs = {"ours": lambda: circuit.cost(long), "ours 0.05 ms": lambda: finer.cost(long)}
    for dt in _STOCK_DT:
        jobs[f"plain Brian2 {dt} ms"] = lambda dt=dt: _stock_cost(folder, dt, short)
    found = interleaved(jobs, context.rounds)
    what = f"{size} ({circuit.cells} cells, {circuit.synapses} synapses)"
    yield Row(
        f"{what}, plastic, step 0.1 ms", tuple(found["ours"]), "CPU s per biological s",
        at_most=0.35 if size == "column" else None, note="launching apart",
    )  # fmt: skip
    yield Row(f"{size}, plastic, step 0.05 ms", tuple(found["ours 0.05 ms"]),
              "CPU s per biological s", note="for figures")  # fmt: skip
    for dt in _STOCK_DT:
        name = f"plain Brian2 {dt} ms"
        yield Row(f"{size}, plain Brian2, step {dt} ms", tuple(found[name]),
                  "CPU s per biological s")  # fmt: skip
        yield Row(
            f"{size}, plain Brian2 at {dt} ms over ours at 0.1 ms",
            tuple(ratios(found[name], found["ours"])), against=name,
            at_least=15.0 if dt == _STOCK_DT[0] else None,
        )  # fmt: skip


def _isolated(context: Context) -> Iterator[Row | tuple]:
    duration = 1.5 if context.quick else 3.0
    folders = {}
    for method in ("staggered", "rk4", "exponential_euler"):
        folders[method] = context.folder / f"isolated-{method}"
        standalone.build(folders[method], isolated.make, method, fast=method != "exponential_euler")

    def spikes(method, dt_ms):
        return standalone.launch(folders[method], dt_ms=dt_ms, duration=duration)[1]

    def counts(method, dt_ms):
        return isolated.counts(spikes(method, dt_ms), 0.5, cells)

    cells = isolated.driven(spikes("rk4", 0.025), 0.5)
    reference = counts("rk4", 0.025)
    runs = {
        "ours 0.1 ms": counts("staggered", 0.1),
        "ours 0.05 ms": counts("staggered", 0.05),
        "rk4 0.0125 ms": counts("rk4", 0.0125),
        **{f"plain Brian2 {dt} ms": counts("exponential_euler", dt) for dt in _STOCK_DT},
    }
    table = [
        {
            "cell": name,
            "rate of rk4 0.025 ms (Hz)": reference[name] / cells[name].size / (duration - 0.5),
            **{run: f"{100 * (found[name] / reference[name] - 1):+.2f} %"
               for run, found in runs.items()},
        }
        for name in CELL_CLASSES
    ]  # fmt: skip
    yield "Isolated cells at 1 to 4 times their rheobase: rate error against rk4 0.025 ms", table
    for run, found in runs.items():
        yield Row(
            f"isolated cells, largest rate error of any type, {run}",
            (max(abs(found[c] / reference[c] - 1) for c in CELL_CLASSES),), "",
            "rk4 0.025 ms", at_most=0.01 if run == "ours 0.1 ms" else None,
        )  # fmt: skip


def _by_class(spec) -> dict[str, list[str]]:
    """Populations of each cell class."""
    found: dict[str, list[str]] = {}
    for p in spec.populations:
        if not p.is_input:
            found.setdefault(p.cell, []).append(p.name)
    return found


def _rates(context: Context, size: str) -> Iterator[Row | tuple]:
    """Same wiring and input rates; each seed is another noise and other input spikes."""
    seeds = range(1, 3) if context.quick else range(1, 7)
    few = seeds[:2]  # plain Brian2 is slow, and its errors are not small
    duration = 2.0 if context.quick else 5.0
    slow = Circuit(size, settings=("integration.method=rk4", "integration.dt=0.025 ms"))
    circuit, finer = Circuit(size), Circuit(size, settings=_FINER)
    spec = circuit.condition.spec
    kinds = _by_class(spec)
    folder = _stock_folder(context, size)
    for one in (circuit, finer, slow):
        one.launch(0.01)
    cells = cells_of(spec)
    of = {
        (kind, group): cells.index[np.isin(cells.population, names) & (cells.group == group)]
        for kind, names in kinds.items()
        for group in set(cells.group[np.isin(cells.population, names)].tolist())
    }

    def ours(seed, which):
        total = dict.fromkeys(kinds, 0)
        spikes = which.launch(duration, seed=seed)[1].spikes
        for (kind, group), index in of.items():
            i, t = spikes[group]
            total[kind] += int(np.isin(i[t >= _SETTLED], index).sum())
        return total

    def plain(seed, dt_ms):
        spikes = standalone.launch(folder, dt_ms=dt_ms, duration=duration, seed=seed)[1]
        return {
            kind: sum(int((spikes[name][1] >= _SETTLED).sum()) for name in names)
            for kind, names in kinds.items()
        }

    with ThreadPoolExecutor(cores()) as pool:
        jobs = {
            "rk4 0.025 ms": [pool.submit(ours, seed, slow) for seed in seeds],
            "ours 0.1 ms": [pool.submit(ours, seed, circuit) for seed in seeds],
            "ours 0.05 ms": [pool.submit(ours, seed, finer) for seed in seeds],
            **{
                f"plain Brian2 {dt} ms": [pool.submit(plain, seed, dt) for seed in few]
                for dt in _STOCK_DT
            },
        }
        found = {run: [job.result() for job in these] for run, these in jobs.items()}
    right = found.pop("rk4 0.025 ms")
    table, largest = [], dict.fromkeys(found, 0.0)
    for kind, names in kinds.items():
        expected = np.array([one[kind] for one in right], float)
        n = sum(spec.count(name) for name in names)
        rate = float(expected.mean() / n / (duration - _SETTLED))
        row = {"cell": kind, "rate of rk4 0.025 ms (Hz)": rate}
        for run, values in found.items():
            counted = np.array([one[kind] for one in values], float)
            error = (counted - expected[: counted.size]) / expected.mean()
            margin = error.std(ddof=1) / np.sqrt(error.size)
            largest[run] = max(largest[run], abs(error.mean()))
            row[run] = f"{100 * error.mean():+.2f} +- {100 * margin:.2f} %"
        table.append(row)
    yield (
        f"{size}, plastic: rate error against rk4 0.025 ms, mean and standard error over"
        f" {len(seeds)} seeds of {duration:g} s ({len(few)} of plain Brian2)",
        table,
    )
    for run, error in largest.items():
        yield Row(
            f"{size}, largest rate error of any cell type in the circuit, {run}", (error,), "",
            "rk4 0.025 ms", at_most=0.01 if run == "ours 0.1 ms" else None,
            note="a chaotic network: see the standard errors",
        )  # fmt: skip
