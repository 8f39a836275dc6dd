"""Which part of the circuit takes which share of the time, by timers around its code objects."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import brian2

from circuits.engine import cpp, launch, project
from tests.bench.context import Circuit, Context
from tests.bench.measure import fresh
from tests.bench.standalone import execute
from tests.bench.table import Row

TITLE = "share of the time of each part of the learning circuit"
_KINDS = (
    (r"^(.*)_stateupdater", "membranes"),
    (r"_noise", "noise"),
    (r"_(spike|learn)_(thresholder|resetter)", "thresholds and resets"),
    (r"_plastic_(pre|post|learn)_push_spikes", "queues of plastic synapses"),
    (r"_push_spikes", "queues of static synapses"),
    (r"_plastic_(pre|post|learn)", "plastic synapses"),
    (r"_(pre|post)_codeobject", "static synapses"),
    (r"^(spikes|record|weights)_", "monitors"),
)


def kind(code_object: str) -> str:
    """Return what a code object is part of."""
    if code_object.startswith("inputs_"):
        if "_to_" not in code_object:
            return "inputs"
    for pattern, name in _KINDS:
        if re.search(pattern, code_object):
            return name
    return "other"


def _write(plan, arrays, folder: str) -> None:
    """Compile the program of a plan with Brian2's timers in it."""
    run = brian2.Network.run

    def with_timers(network, duration, **options):
        return run(network, duration, profile=True, **options)

    brian2.Network.run = with_timers
    description = project.generate(plan, arrays, Path(folder))
    cpp._compile(Path(folder), None)
    (Path(folder) / "program.json").write_text(json.dumps(description))


def _times(circuit: Circuit, folder: Path, duration: float) -> dict[str, float]:
    """Return the seconds of every code object in a run."""
    description = json.loads((folder / "program.json").read_text())
    with tempfile.TemporaryDirectory(prefix="pulvinar-bench-") as where:
        launch._write_numbers(Path(where), folder, description, circuit.arrays)
        execute(folder / "main", Path(where), PULVINAR_DURATION=duration)
        found: dict[str, float] = {}
        text = (Path(where) / "results" / "profiling_info.txt").read_text()
        for line in text.splitlines():
            words = line.split()
            if len(words) >= 2:
                found[words[0]] = found.get(words[0], 0.0) + float(words[1])
    return found


def rows(context: Context) -> Iterator[Row | tuple]:
    """Yield the rows of this part."""
    circuit = Circuit(context.largest)
    folder = context.folder / f"timers-{circuit.plan.digest}"
    if not (folder / "program.json").is_file():
        folder.mkdir(parents=True, exist_ok=True)
        fresh(_write, circuit.plan, circuit.arrays, str(folder))
    duration = 1.0 if context.quick else 4.0
    runs = [_times(circuit, folder, duration) for _ in range(context.rounds)]
    names = sorted(runs[0], key=lambda name: -runs[0][name])
    shares: dict[str, list[float]] = {}
    for run in runs:
        total = sum(run.values())
        for name in names:
            label = kind(name)
            if label == "membranes":
                label = f"membranes: {name.split('_stateupdater')[0]}"
            shares.setdefault(label, [0.0] * len(runs))
        for label, values in shares.items():
            values[runs.index(run)] = (
                sum(
                    t
                    for name, t in run.items()
                    if label in (kind(name), f"{kind(name)}: {name.split('_stateupdater')[0]}")
                )
                / total
            )
    for label, values in sorted(shares.items(), key=lambda item: -item[1][0]):
        yield Row(label, tuple(values), "of the time", note="of the time inside code objects")
    total = sum(runs[0].values())
    table = [
        {"code object": name, "ms per biological s": runs[0][name] / duration * 1e3,
         "share": runs[0][name] / total}
        for name in names[:25]
    ]  # fmt: skip
    yield f"The 25 slowest code objects of {len(names)}, {context.largest}", table
