"""What the command ``pulvinar`` takes."""

from __future__ import annotations

import argparse

from circuits.runfiles import provenance

__all__ = ["make_parser"]


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


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command; it imports nothing heavy."""
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
    export.add_argument("--synapses", metavar="FILE",
                        help="to sonata: all synapses, from `pulvinar edges`")  # fmt: skip

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
    params.add_argument("names", metavar="NAME", nargs="*",
                        help="PARAMETER, OBJECT.PARAMETER or a pattern; default: all")  # fmt: skip
    params.add_argument("--format", choices=("md", "csv"), default="md")
    params.add_argument("--anatomy", metavar="DIR|NAME", help="another than the default")

    observables = commands.add_parser(
        "observables", help="every observable: unit, arguments, meaning"
    )
    observables.add_argument("name", metavar="NAME", nargs="?", help="one, or all that contain it")
    commands.add_parser("manipulations", help="every manipulation: targets, value, meaning")
    edges = commands.add_parser("edges", help="write all synapses of a circuit; runs nothing")
    edges.add_argument("file", metavar="FILE|NAME", help="a run file, or the name of one")
    edges.add_argument("--out", metavar="FILE", required=True, help=".csv, .csv.gz or .nc")
    edges.add_argument("--seed", metavar="SEED", type=int, help="default: the first of the file")
    edges.add_argument("--condition", metavar="NAME", help="default: the first of the file")
    edges.add_argument("--size", metavar="SIZE", help="as of run")
    edges.add_argument("--set", metavar="KEY=VALUE", action="append", default=[], dest="settings",
                       help="as of run")  # fmt: skip
    cache = commands.add_parser("cache", help="compiled programs and parts of runs that are kept")
    cache.add_argument(
        "--clear",
        action="store_true",
        help="delete them, or those of --older; no run may be under way",
    )
    cache.add_argument("--older", metavar="DAYS", type=float, default=0.0,
                       help="only what was not used for so long")  # fmt: skip
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

    run.add_argument("--no-report", action="store_true",
                     help="do not draw report.html; pulvinar report DIR does it later")  # fmt: skip
    how = run.add_mutually_exclusive_group()
    how.add_argument("-v", "--verbose", action="store_const", const=1, default=0, dest="level",
                     help="a line for everything that begins")  # fmt: skip
    how.add_argument("-q", "--quiet", action="store_const", const=-1, dest="level",
                     help="nothing but errors, verdicts and where the result is")  # fmt: skip
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
