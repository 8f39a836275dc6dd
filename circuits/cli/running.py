"""Commands that run something, or judge what was run; heavy imports wait until they are needed."""

from __future__ import annotations

import csv
import json
import os
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

from circuits.runfiles import catalogue
from circuits.runfiles.changes import apply_settings
from circuits.runfiles.keys import check_choices, check_names

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["join", "predict", "report", "run", "sweep"]


def _names(text: str) -> list[str]:
    """Return names that are separated by commas; one with a comma stands in quotes."""
    return next(csv.reader([text], skipinitialspace=True))


def _look_at(arguments) -> dict:
    """Return a run file; its keys are looked at before anything heavy is imported."""
    path = catalogue.find_run(arguments.file)
    document = apply_settings(catalogue.read_run(path), arguments.settings)
    check_names(document, path.name)
    chosen = _names(arguments.conditions) if arguments.conditions else ()
    check_choices(document, path.name, arguments.size, arguments.device, chosen)
    return document


def _leave_out() -> None:
    """Let packages seem not to be there that others import where they are, and nothing here needs.

    Brian2 imports pyplot and, for its own tests, pytest; xarray imports dask. Each takes longer
    than a short run. Only a process of the command's own may do this.
    """
    left: dict = {name: None for name in ("pylab", "pytest", "dask") if name not in sys.modules}
    sys.modules.update(left)


def run(arguments) -> int:
    """Run a run file."""
    document = _look_at(arguments)
    if arguments.process and "extensions" not in document:  # nobody knows what these import
        _leave_out()
    if arguments.threads is not None:
        arguments.settings.append(f"integration.threads={arguments.threads}")
    # worker processes and the program itself share the cores; numpy must not take them too
    os.environ.setdefault("MPLBACKEND", "Agg")
    from circuits.driver.progress import Progress

    with Progress(level=arguments.level) as progress:
        progress.begin("starting")
        from circuits.driver.run import run_file

        kept: list = []
        folder = run_file(
            arguments.file, size=arguments.size, device=arguments.device, seeds=arguments.seeds,
            cycles=arguments.cycles, settings=arguments.settings, out=arguments.out,
            conditions=_names(arguments.conditions) if arguments.conditions else None,
            replicas=arguments.replicas, jobs=arguments.jobs, fresh=arguments.fresh,
            replace=arguments.replace, build_only=arguments.build_only,
            report=not arguments.no_report, progress=progress, show=kept.append,
        )  # fmt: skip
    _finish(folder, *kept)
    return 0


def sweep(arguments) -> int:
    """Run a run file at many values of its keys."""
    os.environ.setdefault("MPLBACKEND", "Agg")
    from circuits.driver.progress import Progress

    _look_at(arguments)
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


def predict(arguments) -> int:
    """Run predictions."""
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


def report(arguments) -> int:
    """Judge and draw a finished run again."""
    os.environ.setdefault("MPLBACKEND", "Agg")
    from circuits.driver.progress import Progress

    with Progress() as progress:
        progress.begin("analysis and report")
        from circuits.driver.report import rebuild_report

        folder = rebuild_report(arguments.folder)
    _finish(folder)
    return 0


def join(arguments) -> int:
    """Put runs of one file together."""
    os.environ.setdefault("MPLBACKEND", "Agg")
    from circuits.driver.join import join_folders
    from circuits.driver.progress import Progress

    with Progress() as progress:
        progress.begin("analysis and report")
        folder = join_folders(arguments.folders, arguments.out, arguments.replace)
    _finish(folder)
    return 0


def _finish(folder: Path, ds: xr.Dataset | None = None) -> None:
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
    from analysis.data.versions import open_result, read_verdicts
    from analysis.verdicts.judge import summary

    _print_rates(open_result(folder) if ds is None else ds)
    verdicts = read_verdicts(folder / "verdicts.json")
    _print_verdicts(verdicts)
    print(summary(verdicts))
    page = folder / "report.html"
    print(page if page.is_file() else folder)


def _print_rates(ds: xr.Dataset) -> None:
    """Print the mean rate of every population of cells, in each condition; of a circuit alone."""
    import numpy as np

    from analysis.data import schema

    if "rate" not in ds or "population" not in ds.coords:
        return
    rates = ds["rate"].mean([d for d in ds["rate"].dims if d not in ("condition", "neuron")])
    of = ds["population"].values.astype(str)
    cells = ~np.isin(ds["cell_class"].values.astype(str), schema.INPUT_CLASSES)
    names = dict.fromkeys(of[cells])
    for c in ds["condition"].values if "condition" in rates.dims else [None]:
        row = (rates if c is None else rates.sel(condition=c)).values
        told = ", ".join(f"{name} {row[of == name].mean():.3g}" for name in names)
        print(textwrap.fill(f"rates{'' if c is None else f' [{c}]'}, Hz: {told}", 100,
                            subsequent_indent="    "))  # fmt: skip


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
