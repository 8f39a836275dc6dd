"""Commands that tell what there is; heavy imports wait until they are needed."""

from __future__ import annotations

import errno
import inspect
import sys
import textwrap
from pathlib import Path

from circuits.runfiles import catalogue

__all__ = ["compare", "doctor", "edges", "export", "list_runs", "manipulations", "observables",
           "params", "predictions"]  # fmt: skip


_SHOWN = 6  # names in a line, at most


def list_runs(arguments) -> int:
    """Print run files, their claims and their last verdicts."""
    found = catalogue.runs()
    for path in found:
        document = catalogue.read_run(path)
        name = path.stem
        verdicts = catalogue.last_verdicts(str(document.get("name", name)))
        if verdicts is None:
            last = "not run yet"
        else:
            # of before schema 3 the mean alone decided, see `analysis.data.versions`
            words = [v.get("verdict", "holds" if v["holds"] else "falsified") for v in verdicts]
            last = f"{words.count('holds')} of {len(verdicts)} claims hold"
            for word in ("falsified", "undecided", "not judged"):
                mine = [v["id"] for v, found in zip(verdicts, words, strict=True) if found == word]
                if len(mine) > _SHOWN:
                    mine = [*mine[: _SHOWN - 1], f"{len(mine) - _SHOWN + 1} more"]
                last += f"; {word}: {', '.join(mine)}" if mine else ""
        print(f"{name}\n    {document.get('claim', '')}\n    {last}")
    if not found:
        print("no run files found", file=sys.stderr)
    return 0


def predictions(arguments) -> int:
    """Print anatomical predictions and their last verdicts."""
    from analysis.verdicts.predictions import concluded
    from circuits.predictions.registry import last_result, predictions

    every = predictions()
    last = [{} if p.blocked else last_result(p) or {} for p in every]
    found = concluded([r | {"blocked": p.blocked} for p, r in zip(every, last, strict=True)])
    for p, r in zip(every, found, strict=True):
        why = f": {r['why']}" if r["why"] else ""
        print(f"{p.id} ({p.group})\n    {p.sentence}\n    {r['conclusion']}{why}")
    return 0


def export(arguments) -> int:
    """Write a finished run for other programs."""
    from analysis.exports import check_format, export
    from circuits.driver.store import new_folder

    check_format(arguments.to)
    out = Path(arguments.out or Path(arguments.folder, arguments.to))
    if out.exists():
        raise FileExistsError(errno.EEXIST, "is there already: name another with --out", str(out))
    with new_folder(out) as partial:
        made = export(arguments.folder, arguments.to, partial, arguments.condition, arguments.seed,
                      arguments.synapses)  # fmt: skip
        names = [path.name for path in made]
    for name in names:
        print(out / name)
    return 0


def compare(arguments) -> int:
    """Print whether two runs, or two conditions of one, have the same statistics."""
    from analysis.verdicts.compare import compare_folders

    print(compare_folders(arguments.a, arguments.b, arguments.condition), end="")
    return 0


def params(arguments) -> int:
    """Print parameters: all, or those that are named."""
    from circuits.cli.params import write_parameters

    anatomy = {} if arguments.anatomy is None else {"anatomy": arguments.anatomy}
    write_parameters(sys.stdout, arguments.format, arguments.names, **anatomy)
    return 0


def observables(arguments) -> int:
    """Print observables: all in short, or one in full."""
    from analysis.data.schema import AnalysisError, nearest
    from analysis.observables import OBSERVABLES
    from analysis.verdicts.judge import CRITERION

    wanted = arguments.name or ""
    found = [one for name, one in sorted(OBSERVABLES.items()) if wanted in name]
    if not found:
        raise AnalysisError(f"no observable '{wanted}'{nearest(wanted, OBSERVABLES)}")
    if wanted in OBSERVABLES:
        found = [OBSERVABLES[wanted]]
    for one in found:
        unit = "" if one.unit == "1" else f" [{one.unit}]"
        print(f"{one.name}({', '.join(one.signature)}){unit}")
        told = one.meaning if len(found) > 1 else inspect.getdoc(one.function) or one.meaning
        print(textwrap.indent(told, "    "))
    if not wanted:
        print("\nKeys of a criterion, [[criteria]]:")
        for key, meaning in CRITERION.items():
            print(f"{key}\n    {meaning}")
    return 0


def manipulations(arguments) -> int:
    """Print every manipulation."""
    from circuits.manipulations import VERBS

    for verb in VERBS.values():
        keys = ", ".join(verb.takes)
        print(f"{verb.name}: {', '.join(verb.targets)}{f'; {keys}' if keys else ''}")
        print(f"    {verb.meaning}")
    return 0


def edges(arguments) -> int:
    """Write all synapses of a circuit."""
    from circuits.driver.edges import write_edges

    path, n = write_edges(
        arguments.file, arguments.out, seed=arguments.seed, condition=arguments.condition,
        size=arguments.size, settings=arguments.settings,
    )  # fmt: skip
    print(f"{n} rows: {path}")
    return 0


def doctor(arguments) -> int:
    """Print what works here."""
    from circuits.cli.doctor import print_report

    return 0 if print_report() else 1
