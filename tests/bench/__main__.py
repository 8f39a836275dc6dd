"""The command line: ``python -m tests.bench [--parts a,b,...] [--quick] [--sizes ...]``.

What is compared runs side by side within a part. A part that is measured again replaces itself
alone: the others of the table stay, each with its own date, commit and load.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from circuits.anatomy.tables import sizes_of
from circuits.engine.machine import cache_folder
from circuits.runfiles.provenance import commit
from tests.bench import measure, table
from tests.bench.context import Context
from tests.bench.measure import machine

PARTS = ("build", "circuit", "cells", "cobahh", "kinase", "scaling", "shares", "replicas")


def main(arguments: list[str] | None = None) -> int:
    """Run the parts and write the table after each; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--parts", default=",".join(PARTS), help=f"of {', '.join(PARTS)}")
    parser.add_argument("--quick", action="store_true", help="few cells, short runs, size tiny")
    parser.add_argument(
        "--sizes",
        help=f"of {', '.join(sizes_of())}; default column, since plain Brian2 compiles long",
    )
    parser.add_argument("--out", type=Path, help="folder of the table; --quick has one of its own")
    options = parser.parse_args(arguments)
    if options.out is None:
        options.out = table.QUICK if options.quick else table.FOLDER
    chosen = options.parts.split(",")
    for name in chosen:
        if name not in PARTS:
            parser.error(f"unknown part '{name}'; valid: {', '.join(PARTS)}")
    sizes = (options.sizes or ("tiny" if options.quick else "column")).split(",")
    for size in sizes:
        if size not in sizes_of():
            parser.error(f"unknown size '{size}'; valid: {', '.join(sizes_of())}")
    os.environ["PULVINAR_CACHE"] = str(cache_folder() / "bench")  # compiled anew, none of a user's
    context = Context(options.quick, tuple(sizes))
    modules = {name: importlib.import_module(f"tests.bench.parts.{name}") for name in PARTS}
    document = {
        "quick": options.quick,
        "machine": machine(),
        "parts": {
            name: {"title": module.TITLE, "state": "not measured", "rows": []}
            for name, module in modules.items()
        },
    }
    table.keep(document, options.out)
    failed = False
    for name in chosen:
        part = document["parts"][name] = {
            "title": modules[name].TITLE, "state": "cut off", "rows": [],
            "started": datetime.now(UTC).isoformat(timespec="seconds"), **commit(),
            "load": " ".join(f"{x:.2f}" for x in os.getloadavg()),
        }  # fmt: skip
        start = time.perf_counter()
        table.write(document, options.out)
        print(f"== {name}: {part['title']}", file=sys.stderr, flush=True)
        try:
            for found in modules[name].rows(context):
                _add(part, found)
            part["state"] = "done"
        except Exception as error:  # the other parts are still worth having
            part["state"], part["why"] = "failed", f"{type(error).__name__}: {error}"
            failed = True
            print(f"   failed: {part['why']}", file=sys.stderr, flush=True)
        part["seconds"] = round(time.perf_counter() - start, 1)
        table.write(document, options.out)
    print(options.out / "README.md")
    return int(failed)


def _add(part: dict, found) -> None:
    if isinstance(found, tuple):
        part.setdefault("tables", {})[found[0]] = found[1]
        return
    part["rows"].append(found.described())
    if found.values:
        value = table.number(measure.spread(found.values)["median"])
        print(f"   {found.what}: {value} {found.unit} {found.verdict}", file=sys.stderr, flush=True)
    else:
        print(f"   {found.what}: skipped, {found.note}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
