"""How time and memory grow with cells and with synapses."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from circuits.anatomy.tables import load_circuit
from circuits.engine.arrays import draw_arrays
from circuits.engine.planner import make_plan
from circuits.plasticity.learning import Learning
from tests.bench.context import SEED, Circuit, Context
from tests.bench.measure import power_law, spread
from tests.bench.table import Row, skipped

TITLE = "scaling with cells and with synapses"
_ROUNDS = 3
_SIZES = 'reference = "tiny"\nsize.tiny = { positions = 8 }\n'
_NO_INPUT = """
[[population]]
name = "NONE"
area = "IN"
layer = "in"
cell = "input"
cells = { tiny = 1 }
positions = false
rate = "0 Hz"
peak = 0.5
colour = "#BBBBBB"
meaning = "no input"
"""
_CELLS = """
[[population]]
name = "{name}"
area = "{name}"
layer = "4"
cell = "L4"
cells = {{ tiny = {n} }}
positions = false
bias = "{bias}"
noise_sd = "40 pA"
colour = "#BBBBBB"
meaning = "bench"
"""
_PROJECTIONS = """
projection = [ {{ row = 1, source = "IN", target = "OUT", at = "soma", receptors = {{ AMPA = 1.0 }},
 indegree = {{ tiny = {k} }}, weight = {weight}, topography = "all", delay = 3.0,
 delay_sd = 0.5, release = "cortical", plastic = true, basis = "bench", mark = "D" }} ]
"""
_SOURCES, _TARGETS = 1000, 10_000


def _memory() -> int:
    """Return the free memory in bytes."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable"):
            return int(line.split()[1]) * 1024
    return 0


class Synapses(Circuit):
    """So many plastic synapses with short-term release between noisy cells.

    They are too weak to change how often the cells fire, so that events grow with synapses alone.
    """

    def __init__(self, n: int, folder: Path):
        super().__init__("tiny")
        anatomy = folder / f"anatomy-{n}"
        anatomy.mkdir(parents=True, exist_ok=True)
        populations = _NO_INPUT
        for name, count, bias in (("IN", _SOURCES, "200 pA"), ("OUT", _TARGETS, "170 pA")):
            populations += _CELLS.format(name=name, n=count, bias=bias)
        (anatomy / "populations.toml").write_text(populations)
        # one line, as TOML wants it
        line = _PROJECTIONS.format(k=n // _TARGETS, weight=1e-3 * _TARGETS / n)
        (anatomy / "projections.toml").write_text(" ".join(line.split()))
        (anatomy / "sizes.toml").write_text(_SIZES)
        spec = load_circuit("tiny", anatomy=anatomy)
        learning = Learning(projections=("IN->OUT",), start=0.5)
        self._plan = make_plan(spec, bins=80, bin_ms=5, learning=learning)
        self.arrays = draw_arrays(spec, self._plan, seed=SEED, cycle_ms=200, learning=learning)
        self.arrays["stimulus"] = np.zeros((80, spec.channels))
        self.arrays["learning"] = np.zeros(80)
        self.arrays["learning"][35::40] = 0.1


def _measured(circuit: Circuit, duration: float, rounds: int) -> tuple[list[float], int]:
    """Return CPU s per biological s of each round, and the peak memory in bytes."""
    circuit.launch(0.01)
    costs, peak = [], 0
    for _ in range(rounds):
        short = circuit.launch(0.01)[0]
        long = circuit.launch(0.01 + duration, memory=True)[0]
        costs.append((long.cpu - short.cpu) / duration)
        peak = max(peak, long.rss)
    return costs, peak


def rows(context: Context) -> Iterator[Row | tuple]:
    """Yield the rows of this part."""
    yield from _cells(context)
    yield from _synapses(context)


def _exponents(costs, sizes, rounds) -> tuple[float, ...]:
    return tuple(power_law(sizes, [c[k] for c in costs])[0] for k in range(rounds))


def _cells(context: Context) -> Iterator[Row | tuple]:
    steps, duration = [("tiny", 1), ("tiny", 2), ("tiny", 4)], 0.5
    if not context.quick:
        # below the column the in-degrees of the tables ask for more sources than there would be
        steps = [("tiny", 1), *(("column", scale) for scale in (1, 2, 4, 8))]
        duration = 1.0
    table, costs, sizes = [], [], []
    for size, scale in steps:
        settings = () if scale == 1 else (f"scale={scale}",)
        circuit = Circuit(size, settings=settings)
        found, peak = _measured(circuit, duration, _ROUNDS)
        costs.append(found)
        sizes.append(circuit.cells)
        table.append(
            {
                "circuit": f"{size} x {scale}",
                "cells": circuit.cells,
                "synapses": circuit.synapses,
                "CPU s per biological s": spread(found)["median"],
                "peak memory (MiB)": peak / 2**20,
                "bytes per cell, its synapses in": peak / circuit.cells,
            }
        )
    yield "The learning circuit, more cells at every channel", table
    yield Row("exponent of time over cells", _exponents(costs, sizes, _ROUNDS), "", at_most=1.1,
              note=f"{sizes[0]} to {sizes[-1]} cells")  # fmt: skip
    peaks = [row["peak memory (MiB)"] for row in table]
    yield Row("exponent of memory over cells", (power_law(sizes, peaks)[0],), "", at_most=1.1)


def _synapses(context: Context) -> Iterator[Row | tuple]:
    sizes = (20_000, 100_000) if context.quick else (100_000, 1_000_000, 10_000_000)
    table, costs, done, peaks = [], [], [], []
    few = Synapses(_TARGETS, context.folder)
    found, below = _measured(few, 0.4, _ROUNDS)
    cells = spread(found)["median"]
    del few
    for n in sizes:
        if n * 1500 > _memory():
            yield skipped(f"{n} synapses", f"{_memory() / 2**30:.1f} GiB of memory are free")
            continue
        rounds = _ROUNDS if n < 5_000_000 else 1
        circuit = Synapses(n, context.folder)
        found, peak = _measured(circuit, 0.4, rounds)
        costs.append(spread(found)["median"] - cells)
        done.append(n)
        peaks.append(peak)
        table.append(
            {
                "synapses": n,
                "CPU s per biological s, all": costs[-1] + cells,
                "of synapses": costs[-1],
                "us per synapse and biological s": costs[-1] / (n - _TARGETS) * 1e6,
                "peak memory (MiB)": peak / 2**20,
                "bytes per synapse": (peak - below) / (n - _TARGETS),
            }
        )
        del circuit
    yield (
        f"Plastic synapses with short-term release, {_SOURCES} cells on {_TARGETS}; time and bytes"
        f" of synapses are those above the same cells with {_TARGETS} synapses",
        table,
    )
    extra = [n - _TARGETS for n in done]
    yield Row("exponent of time over synapses", (power_law(extra, costs)[0],), "", at_most=1.1,
              note=f"{done[0]} to {done[-1]} synapses")  # fmt: skip
    yield Row("exponent of memory over synapses",
              (power_law(extra, [p - below for p in peaks])[0],), "", at_most=1.1)  # fmt: skip
    yield Row("peak memory of the largest", (peaks[-1] / 2**30,), "GiB", at_most=24.0,
              note="of the program")  # fmt: skip
