"""The command ``pulvinar``. Heavy imports wait until a subcommand needs them."""

from __future__ import annotations

import argparse
import csv
import errno
import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from circuits.driver.interrupt import handle_interrupts, ignore_interrupts
from circuits.runfiles import catalogue, provenance

__all__ = ["entry", "main"]

_FAILED, _INTERRUPTED = 2, 130


class _Version(argparse.Action):
    """Print the version, and the commit of a clone; git is asked only here."""

    def __init__(self, **options):
        super().__init__(nargs=0, **options)

    def __call__(self, parser, *_):
        found = provenance.commit()
        changed = ", changed" if found.get("dirty") else ""
        commit = f" (commit {found['commit'][:12]}{changed})" if found else ""
        print(f"pulvinar {provenance.version()}{commit}")
        parser.exit()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pulvinar",
        description="A biophysical model of predictive learning in cortex and pulvinar.",
    )
    parser.add_argument("--version", action=_Version, help="of the package, and the commit")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    commands.add_parser("list", help="run files, their claims and their last verdicts")

    _add_run(commands)
    _add_sweep(commands)
    _add_predictions(commands)

    report = commands.add_parser("report", help="judge and draw a finished run again")
    report.add_argument("folder", metavar="DIR", help="a run folder")

    export = commands.add_parser("export", help="write a finished run for other programs")
    export.add_argument("folder", metavar="DIR", help="a run folder")
    export.add_argument("--to", metavar="FORMAT", required=True, help="neo, nwb, sonata or csv")
    export.add_argument("--out", metavar="DIR", help="a new folder (default: DIR/FORMAT)")
    export.add_argument("--condition", metavar="NAME", help="default: all")
    export.add_argument("--seed", metavar="N", type=int, help="default: all")

    join = commands.add_parser("join", help="put runs of the same file together and judge them")
    join.add_argument("folders", metavar="DIR", nargs="+", help="run folders of one run file")
    join.add_argument("--out", metavar="DIR", help="run folder (default: runs/out/NAME-HASH)")
    join.add_argument("--replace", action="store_true",
                      help="let --out replace the result of another run")  # fmt: skip

    compare = commands.add_parser(
        "compare", help="do two runs, or two conditions of one, have the same statistics over seeds"
    )
    compare.add_argument("a", metavar="DIR", help="a run folder")
    compare.add_argument("b", metavar="DIR", nargs="?",
                         help="another, of the same populations; default: a itself")  # fmt: skip
    compare.add_argument(
        "--condition",
        metavar="NAME",
        help="default: the first of each; of one folder two, with a comma",
    )

    params = commands.add_parser("params", help="every parameter: value, unit, meaning, source")
    params.add_argument("--format", choices=("md", "csv"), default="md")
    params.add_argument("--anatomy", metavar="DIR|NAME", help="another than the default")

    observables = commands.add_parser(
        "observables", help="every observable: unit, arguments, meaning"
    )
    observables.add_argument("name", metavar="NAME", nargs="?", help="only names that contain it")
    commands.add_parser("manipulations", help="every manipulation: targets, value, meaning")
    edges = commands.add_parser("edges", help="write all synapses of a circuit; runs nothing")
    edges.add_argument("file", metavar="FILE|NAME", help="a run file, or the name of one")
    edges.add_argument("--out", metavar="FILE", required=True, help=".csv, .csv.gz or .nc")
    edges.add_argument("--seed", metavar="SEED", type=int, help="default: the first of the file")
    edges.add_argument("--condition", metavar="NAME", help="default: the first of the file")
    edges.add_argument("--size", metavar="SIZE", help="as of run")
    edges.add_argument("--set", metavar="KEY=VALUE", action="append", default=[], dest="settings",
                       help="as of run")  # fmt: skip
    commands.add_parser("doctor", help="what works here, and what to do about the rest")
    return parser


def _add_run(commands) -> None:
    run = commands.add_parser("run", help="run a run file; writes a folder with a report")
    run.add_argument("file", metavar="FILE|NAME", help="a run file, or the name of one in the list")
    run.add_argument("--size", metavar="SIZE", help="of the anatomy, such as tiny or column")
    run.add_argument("--device", metavar="DEVICE", help="numpy, cython, cpp or cuda")
    run.add_argument("--seeds", metavar="SEEDS", help="such as 1-5,8")
    run.add_argument("--cycles", metavar="N", type=int,
                     help="theta cycles to analyse; blocks keep their proportions, with one"
                          " cycle at least in each")  # fmt: skip
    run.add_argument("--conditions", metavar="NAMES",
                     help="only these, with commas between; quote a name with a comma")  # fmt: skip
    run.add_argument("--set", metavar="KEY=VALUE", action="append", default=[], dest="settings",
                     help="change any key of the file, e.g. stimulus.contrast=0.5")  # fmt: skip
    run.add_argument("--out", metavar="DIR", help="run folder (default: runs/out/NAME-HASH)")
    run.add_argument("--jobs", metavar="N", type=int, help="processes at a time (default: cores)")
    run.add_argument(
        "--threads",
        metavar="N",
        type=int,
        help="of each program on device cpp (default 1; more processes are faster)",
    )
    run.add_argument("--build-only", action="store_true",
                     help="generate and compile for device cpp or cuda, run nothing")  # fmt: skip

    run.add_argument("--replicas", metavar="R", type=int,
                     help="runs that share a program, at most (default: 1)")  # fmt: skip
    run.add_argument("--replace", action="store_true",
                     help="let --out replace the result of another run")  # fmt: skip
    run.add_argument("--fresh", action="store_true",
                     help="do not continue the same run where it was cut short")  # fmt: skip


def _add_sweep(commands) -> None:
    sweep = commands.add_parser("sweep", help="run a run file at many values of its keys")
    sweep.add_argument("file", metavar="FILE|NAME", help="a run file, or the name of one")
    sweep.add_argument("--over", metavar="KEY=VALUE,...", action="append", default=[],
                       help="a key of the file and its values; repeatable")  # fmt: skip
    sweep.add_argument("--seeds", metavar="SEEDS", help="of every point, such as 1-8")
    sweep.add_argument("--choose", metavar="HOW", default="grid",
                       help="grid (default), latin-hypercube:N or optuna:N")  # fmt: skip
    sweep.add_argument("--maximise", metavar="OBSERVABLE",
                       help="what optuna looks for: a criterion of the file")  # fmt: skip
    sweep.add_argument("--out", metavar="DIR", help="folder (default: runs/out/NAME-sweep-HASH)")
    sweep.add_argument("--replace", action="store_true",
                       help="let --out be a sweep of another run file")  # fmt: skip
    sweep.add_argument("--workers", metavar="N", type=int,
                       help="processes, or jobs of SLURM (default: cores)")  # fmt: skip
    sweep.add_argument("--scheduler", metavar="ADDRESS", help="of Dask, with workers of its own")
    sweep.add_argument("--slurm", metavar="KEY=VALUE,...",
                       help="workers are jobs: partition, account, time, memory")  # fmt: skip
    for option, metavar in (("size", "SIZE"), ("device", "DEVICE"), ("conditions", "NAMES")):
        sweep.add_argument(f"--{option}", metavar=metavar, help="as of run")
    sweep.add_argument("--cycles", metavar="N", type=int, help="as of run")
    sweep.add_argument("--set", metavar="KEY=VALUE", action="append", default=[], dest="settings",
                       help="change a key of the file at every point")  # fmt: skip


def _add_predictions(commands) -> None:
    commands.add_parser("predictions", help="anatomical predictions and their last verdicts")
    predict = commands.add_parser("predict", help="run predictions; writes one page for all")
    predict.add_argument("names", metavar="ID|GROUP|FILE", nargs="*", help="or all")
    predict.add_argument("--seeds", metavar="SEEDS", help="default: those of the files")
    predict.add_argument("--size", metavar="SIZE", help="default: that of the files")
    predict.add_argument("--jobs", metavar="N", type=int, help="as of run")
    predict.add_argument("--out", metavar="DIR", help="default: runs/out/predictions")
    predict.add_argument("--page", metavar="DIR",
                         help="run nothing; write the page of all last results there")  # fmt: skip


def _errors() -> tuple[type[BaseException], ...]:
    """Classes of the errors that are told in one line; of what is not loaded none can come."""
    known = (("cells.parameters", "InputError"), ("analysis.data.versions", "AnalysisError"),
             ("circuits.engine.project", "DeviceError"))  # fmt: skip
    loaded = [(sys.modules.get(module), name) for module, name in known]
    # a module may still be half-way through its import
    return (OSError, *(getattr(m, name) for m, name in loaded if hasattr(m, name)))


def _one_line(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return " ".join(str(error).split()) or type(error).__name__


def _interrupted(stop: KeyboardInterrupt) -> str:
    """Return what to say of an interrupt: its notes tell what it left behind."""
    notes: list[str] = []
    error: BaseException | None = stop
    while error is not None:  # a second one may have come in the clean-up after the first
        if isinstance(error, KeyboardInterrupt):
            notes += getattr(error, "__notes__", [])
        error = error.__context__
    return f"pulvinar: interrupted, {'; '.join(dict.fromkeys(notes)) or 'nothing was written'}"


def _list(arguments) -> int:
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
                last += f"; {word}: {', '.join(mine)}" if mine else ""
        print(f"{name}\n    {document.get('claim', '')}\n    {last}")
    if not found:
        print("no run files found", file=sys.stderr)
    return 0


def _print_verdicts(verdicts: list[dict]) -> None:
    from analysis.verdicts.judge import remark

    for v in verdicts:
        value = "undefined" if v["value"] is None else f"{v['value']:.3g}"
        spread = "" if v.get("spread") is None else f" +- {v['spread']:.2g}"
        unit = "" if v["unit"] == "1" else f" {v['unit']}"
        between = "" if v["interval"] is None else " [{:.3g}, {:.3g}]".format(*v["interval"])
        sign = v["verdict"].upper() if v["verdict"] == "falsified" else v["verdict"]
        told = "; ".join(filter(None, (f"n = {v['n']}", v["criterion"], remark(v))))
        where = f" [{v['condition']}]" if v.get("condition") and "[" not in v["id"] else ""
        print(f"{sign:<10}  {v['id']}{where}: {value}{spread}{between}{unit} ({told})")


def _names(text: str) -> list[str]:
    """Return names that are separated by commas; one with a comma stands in quotes."""
    return next(csv.reader([text], skipinitialspace=True))


def _run(arguments) -> int:
    if arguments.threads is not None:
        arguments.settings.append(f"integration.threads={arguments.threads}")
    # worker processes and the program itself share the cores; numpy must not take them too
    os.environ.setdefault("MPLBACKEND", "Agg")
    from circuits.driver.progress import Progress

    with Progress() as progress:
        progress.begin("starting")
        from circuits.driver.run import run_file

        folder = run_file(
            arguments.file, size=arguments.size, device=arguments.device, seeds=arguments.seeds,
            cycles=arguments.cycles, settings=arguments.settings, out=arguments.out,
            conditions=_names(arguments.conditions) if arguments.conditions else None,
            replicas=arguments.replicas, jobs=arguments.jobs, fresh=arguments.fresh,
            replace=arguments.replace, build_only=arguments.build_only, progress=progress,
        )  # fmt: skip
    _finish(folder)
    return 0


def _sweep(arguments) -> int:
    os.environ.setdefault("MPLBACKEND", "Agg")
    from circuits.driver.progress import Progress

    slurm = None
    if arguments.slurm is not None:
        slurm = dict(part.partition("=")[::2] for part in arguments.slurm.split(","))
    with Progress() as progress:
        progress.begin("starting")
        from circuits.sweeps.sweep import sweep_folder

        folder, found = sweep_folder(
            arguments.file, arguments.over, seeds=arguments.seeds, choose=arguments.choose,
            maximise=arguments.maximise, out=arguments.out, replace=arguments.replace,
            scheduler=arguments.scheduler, slurm=slurm, n_workers=arguments.workers,
            size=arguments.size, device=arguments.device, cycles=arguments.cycles,
            conditions=_names(arguments.conditions) if arguments.conditions else None,
            settings=arguments.settings, progress=progress,
        )  # fmt: skip
    failed, of = int(found["failed"].sum()), found["failed"].size
    print(f"{of - failed} of {of} runs" + (f"; {failed} failed" if failed else ""))
    print(folder / "sweep.nc")
    return 1 if failed else 0


def _predictions(arguments) -> int:
    from analysis.verdicts.predictions import concluded
    from circuits.predictions.registry import last_result, predictions

    every = predictions()
    last = [{} if p.blocked else last_result(p) or {} for p in every]
    found = concluded([r | {"blocked": p.blocked} for p, r in zip(every, last, strict=True)])
    for p, r in zip(every, found, strict=True):
        why = f": {r['why']}" if r["why"] else ""
        print(f"{p.id} ({p.group})\n    {p.sentence}\n    {r['conclusion']}{why}")
    return 0


def _predict(arguments) -> int:
    os.environ.setdefault("MPLBACKEND", "Agg")
    from circuits.driver.progress import Progress

    with Progress() as progress:
        progress.begin("starting")
        from circuits.predictions.predict import predict, write_page

        if arguments.page:
            print(write_page(Path(arguments.page), None, "../../predictions/{path}"))
            return 0
        page, found = predict(
            arguments.names or ["all"], seeds=arguments.seeds, size=arguments.size,
            jobs=arguments.jobs, out=arguments.out, progress=progress,
        )  # fmt: skip
    from analysis.verdicts.predictions import concluded

    for r in concluded(found):
        print(f"{r['id']}: {r['conclusion']}{': ' if r['why'] else ''}{r['why']}")
    print(page)
    return 1 if any(r.get("failed") for r in found) else 0


def _finish(folder: Path) -> None:
    if not (folder / "verdicts.json").is_file():
        for built in json.loads((folder / "run.json").read_text(encoding="utf-8"))["built"]:
            done = (
                "compiled, not run" if built["compiled"] else "generated, neither compiled nor run"
            )
            print(f"{done}: {built['program']}")
            if "wall_s" in built:
                print(
                    f"  {built['files']} .cu files in {built['units']} units, for"
                    f" {', '.join(built['architectures'])}, nvcc {built['nvcc']}:"
                    f" {built['wall_s']:.0f} s with {built['jobs']} jobs,"
                    f" {built['cpu_s']:.0f} CPU-s; program {built['program_bytes'] / 1e6:.1f} MB"
                )
        return
    from analysis.data.versions import read_verdicts
    from analysis.verdicts.judge import summary

    verdicts = read_verdicts(folder / "verdicts.json")
    _print_verdicts(verdicts)
    print(summary(verdicts))
    print(folder / "report.html")


def _report(arguments) -> int:
    os.environ.setdefault("MPLBACKEND", "Agg")
    from circuits.driver.progress import Progress

    with Progress() as progress:
        progress.begin("analysis and report")
        from circuits.driver.report import rebuild_report

        folder = rebuild_report(arguments.folder)
    _finish(folder)
    return 0


def _export(arguments) -> int:
    from analysis.exports import check_format, export
    from circuits.driver.store import new_folder

    check_format(arguments.to)
    out = Path(arguments.out or Path(arguments.folder, arguments.to))
    if out.exists():
        raise FileExistsError(errno.EEXIST, "is there already: name another with --out", str(out))
    with new_folder(out) as partial:
        made = export(arguments.folder, arguments.to, partial, arguments.condition, arguments.seed)
        names = [path.name for path in made]
    for name in names:
        print(out / name)
    return 0


def _join(arguments) -> int:
    os.environ.setdefault("MPLBACKEND", "Agg")
    from circuits.driver.join import join_folders
    from circuits.driver.progress import Progress

    with Progress() as progress:
        progress.begin("analysis and report")
        folder = join_folders(arguments.folders, arguments.out, arguments.replace)
    _finish(folder)
    return 0


def _compare(arguments) -> int:
    from analysis.verdicts.compare import compare_folders

    print(compare_folders(arguments.a, arguments.b, arguments.condition), end="")
    return 0


def _params(arguments) -> int:
    from circuits.cli.params import write_parameters

    anatomy = {} if arguments.anatomy is None else {"anatomy": arguments.anatomy}
    write_parameters(sys.stdout, arguments.format, **anatomy)
    return 0


def _observables(arguments) -> int:
    from analysis.data.schema import AnalysisError, nearest
    from analysis.observables import OBSERVABLES

    wanted = arguments.name or ""
    found = [one for name, one in sorted(OBSERVABLES.items()) if wanted in name]
    if not found:
        raise AnalysisError(f"no observable '{wanted}'{nearest(wanted, OBSERVABLES)}")
    for one in found:
        unit = "" if one.unit == "1" else f" [{one.unit}]"
        print(f"{one.name}({', '.join(one.signature)}){unit}\n    {one.meaning}")
    return 0


def _manipulations(arguments) -> int:
    from circuits.manipulations import VERBS

    for verb in VERBS.values():
        keys = ", ".join(verb.takes)
        print(f"{verb.name}: {', '.join(verb.targets)}{f'; {keys}' if keys else ''}")
        print(f"    {verb.meaning}")
    return 0


def _edges(arguments) -> int:
    from circuits.driver.edges import write_edges

    path, n = write_edges(
        arguments.file, arguments.out, seed=arguments.seed, condition=arguments.condition,
        size=arguments.size, settings=arguments.settings,
    )  # fmt: skip
    print(f"{n} rows: {path}")
    return 0


def _doctor(arguments) -> int:
    from circuits.cli.doctor import print_report

    return 0 if print_report() else 1


_COMMANDS = {"list": _list, "run": _run, "sweep": _sweep, "report": _report, "join": _join,
             "export": _export, "compare": _compare, "predictions": _predictions,
             "predict": _predict, "params": _params, "observables": _observables,
             "manipulations": _manipulations, "edges": _edges, "doctor": _doctor}  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    argv : sequence of str, optional
        Default the arguments of the process.

    Returns
    -------
    int
        Exit status: 0, 2 after an error that was told in one line, 130 if interrupted.
    """
    arguments = _parser().parse_args(argv)
    try:
        status = _COMMANDS[arguments.command](arguments)
        sys.stdout.flush()
        return status
    except KeyboardInterrupt as stop:
        ignore_interrupts()  # once is enough
        message = _interrupted(stop)
    except MemoryError as error:
        print(f"pulvinar: error: not enough memory: {_one_line(error)}", file=sys.stderr)
        return _FAILED
    except BrokenPipeError:
        # the reader of our output has gone, e.g. head
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        if isinstance(error, _errors()):
            told = "; ".join([_one_line(error), *getattr(error, "__notes__", [])])
            print(f"pulvinar: error: {told}", file=sys.stderr)
            return _FAILED
        raise
    # here the frames that were cut short are gone, and what their objects had to say is said
    print(message, file=sys.stderr)
    return _INTERRUPTED


def entry() -> None:
    """Run the command as a process, which ends here."""
    handle_interrupts(signal.SIGINT, signal.SIGTERM)
    try:
        status = main()
    except KeyboardInterrupt as stop:
        ignore_interrupts()
        print(_interrupted(stop), file=sys.stderr)
        status = _INTERRUPTED
    sys.exit(status)


if __name__ == "__main__":
    entry()
