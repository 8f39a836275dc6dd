"""Importing, compiling for the first time, and launching what is compiled."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator

from circuits.engine import machine
from tests.bench import standalone, stock
from tests.bench.context import SEED, Circuit, Context, cores
from tests.bench.measure import interleaved, ratios, usage
from tests.bench.table import Row

TITLE = "import, first build, cached launch"
_FROM_COMMAND = """
from circuits.cli.main import entry
from tests.bench.context import Circuit
Circuit({size!r}).launch(0.01)
"""


def _python(code: str) -> float:
    """Return the wall time of a Python program of its own."""
    with usage() as used:
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    return used.wall


def rows(context: Context) -> Iterator[Row | tuple]:
    """Yield the rows of this part."""
    imports = interleaved(
        {
            "ours": lambda: _python("import circuits.cli.main, circuits.driver.run"),
            "brian2": lambda: _python("import brian2"),
        },
        context.rounds,
    )
    yield Row("import of the whole project", tuple(imports["ours"]), "s (wall)", note="cached .pyc")
    yield Row(
        "the same over that of Brian2 alone", tuple(ratios(imports["ours"], imports["brian2"])),
        against="import brian2",
    )  # fmt: skip
    table = []
    for size in context.sizes:
        circuit = Circuit(size)
        shutil.rmtree(machine.cache_folder() / "programs" / circuit.plan.digest, ignore_errors=True)
        ours = circuit.build()
        folder = context.folder / f"stock-{size}"
        shutil.rmtree(folder, ignore_errors=True)
        plain = standalone.build(
            folder, stock.make_from_file, size, circuit.cycles, SEED, fast=False
        )
        note = f"once each, one after the other, on {cores()} cores"
        yield Row(
            f"first build, {size}", (ours["wall"],), "s (wall)", threads=cores(), note=note,
            at_most=90.0 if size == "column" else None,
        )  # fmt: skip
        yield Row(
            f"build of plain Brian2 over ours, {size}, wall", (plain["wall"] / ours["wall"],),
            against="plain Brian2", at_least=3.0, threads=cores(), note=note,
        )  # fmt: skip
        yield Row(
            f"the same, {size}, CPU", (plain["cpu"] / ours["cpu"],), against="plain Brian2",
            note="with generating the code",
        )  # fmt: skip
        for name, used in (("ours", ours), ("plain Brian2", plain)):
            table.append({"size": size, "build": name, "wall (s)": used["wall"],
                          "CPU (s)": used["cpu"]})  # fmt: skip
        circuit.launch(0.01)
        yield Row(
            f"launch of what is compiled, {size}",
            tuple(circuit.launch(0.01)[0].wall for _ in range(context.rounds)), "s (wall)",
            at_most=3.0, note="numbers written, program run for 10 ms, results read",
        )  # fmt: skip
        yield Row(
            f"the same from a new Python, {size}",
            tuple(_python(_FROM_COMMAND.format(size=size)) for _ in range(context.rounds)),
            "s (wall)", note="with import, run file, wiring and stimulus drawn",
        )  # fmt: skip
    yield "Builds", table
