"""Two processes against one, and copies in one program against programs of their own."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from circuits.engine import plan
from circuits.engine.replicas import packed
from tests.bench.context import Circuit, Context, cores
from tests.bench.measure import interleaved, ratios, usage
from tests.bench.table import Row, skipped

TITLE = "processes and replicas"
_COPIES = 4


def rows(context: Context) -> Iterator[Row | tuple]:
    """Yield the rows of this part."""
    yield from _processes(context)
    yield from _replicas(context)


def _processes(context: Context) -> Iterator[Row]:
    what = "throughput of two processes over one"
    if cores() < 2:
        yield skipped(what, "one core", at_least=1.8)
        return
    circuit = Circuit(context.largest)
    circuit.launch(0.01)
    duration = 2.0 if context.quick else 10.0

    def throughput(n: int) -> float:
        with usage() as used, ThreadPoolExecutor(n) as pool:
            walls = list(
                pool.map(lambda k: circuit.launch(duration, seed=k)[1].wall["run"], range(n))
            )
        del used
        return n * duration / max(walls)

    found = interleaved({str(n): (lambda n=n: throughput(n)) for n in (1, 2)}, context.rounds)
    yield Row("one process", tuple(found["1"]), "biological s per s (wall)")
    yield Row(
        what, tuple(ratios(found["2"], found["1"])), against="one process", at_least=1.8, threads=2,
        note="each with its own core, if the machine is idle",
    )  # fmt: skip


def _replicas(context: Context) -> Iterator[Row]:
    for size in context.sizes:
        one = Circuit(size)
        many = Circuit(size, _plan=plan.replicated(one.plan, _COPIES))
        many.arrays = packed(one.plan, [one.drawn(seed) for seed in range(1, _COPIES + 1)])
        duration = 1.0 if context.quick else 4.0
        jobs = {
            "one": lambda one=one, t=duration: one.cost(t) * _COPIES,
            "many": lambda many=many, t=duration: many.cost(t),
        }
        for circuit in (one, many):
            circuit.launch(0.01)
        found = interleaved(jobs, context.rounds)
        yield Row(
            f"{size}: {_COPIES} programs over one of {_COPIES} copies, CPU",
            tuple(ratios(found["one"], found["many"])), against="programs of their own",
        )  # fmt: skip
