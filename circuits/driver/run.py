"""Running a run file: from the file to its folder."""

from __future__ import annotations

import csv
import io
import json
import shlex
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import xarray as xr

from analysis.data.versions import SCHEMA, open_result, read_json
from cells.models import CELL_CLASSES, cell_class
from cells.parameters import InputError, parse_unit
from circuits.driver import checkpoint, store
from circuits.driver.courses import check_manipulations
from circuits.driver.dataset import population_rows, projection_rows, stamped
from circuits.driver.inputs import check_weights
from circuits.driver.needs import check_memory, needs_text
from circuits.driver.notes import notes_of
from circuits.driver.programs import build_all, check_compiler
from circuits.driver.progress import Progress
from circuits.driver.report import check_criteria, judge_folder
from circuits.driver.simulate import simulate
from circuits.engine.devices import DEVICES
from circuits.runfiles import provenance
from circuits.runfiles.model import Run
from circuits.runfiles.resolve import resolve

__all__ = ["check_jobs", "check_run", "execute", "folder_of", "run_file", "simulated"]


def run_file(
    path: Path | str,
    *,
    size: str | None = None,
    device: str | None = None,
    seeds: Sequence[int] | str | None = None,
    cycles: int | None = None,
    conditions: Sequence[str] | None = None,
    replicas: int | None = None,
    settings: Iterable[str] = (),
    out: Path | str | None = None,
    jobs: int | None = None,
    fresh: bool = False,
    replace: bool = False,
    build_only: bool = False,
    report: bool = True,
    progress: Progress | None = None,
    show: Callable[[xr.Dataset], None] | None = None,
) -> Path:
    """Run a run file and write its folder.

    Parameters
    ----------
    path : path or str
        A run file, or the name of one that comes along.
    size, device, seeds, cycles, conditions, replicas, settings
        See `circuits.runfiles.resolve.resolve`.
    out : path, optional
        The run folder; default ``runs/out/NAME-HASH`` in a clone, ``pulvinar-out/NAME-HASH``
        elsewhere. What the same code made there of the same run is returned as it is.
    jobs : int, optional
        Processes at a time; default one for each core, or for each core and thread of a program;
        on device cuda one.
    fresh : bool
        Ignore what the same run has kept when it was cut short, and what it has finished.
    replace : bool
        Replace whatever result there is.
    build_only : bool
        Compile the programs and run nothing. So it is on device cuda where there is no GPU.
    report : bool
        Draw report.html; without it, ``pulvinar report`` draws it later.
    progress : Progress, optional
    show : callable, optional
        Is given the Dataset when all is written.

    Returns
    -------
    Path
        The folder, with run.json, result.nc, verdicts.json and report.html; where nothing was run,
        with run.json alone, whose ``built`` lists the programs. Results are written whole or not at
        all, and before they are judged.

    Raises
    ------
    InputError
        One line that names the file, the key and the nearest valid choice.
    DeviceError
        If the program did not build or run.
    """
    options: dict[str, Any] = {
        "size": size, "device": device, "seeds": seeds, "cycles": cycles,
        "conditions": conditions, "replicas": replicas, "settings": list(settings),
    }  # fmt: skip
    run = resolve(path, **options)
    check_jobs(jobs)
    device = DEVICES[run.device]
    if build_only and (run.experiment != "circuit" or device.build is None):
        compiled = [name for name, one in DEVICES.items() if one.build is not None]
        raise InputError(
            f"--build-only: a {run.experiment} run on device '{run.device}' compiles nothing;"
            f" valid: a circuit run on {', '.join(compiled)}"
        )
    folder = folder_of(run, out)
    build_only = build_only or (run.experiment == "circuit" and not device.is_here())
    found = execute(
        run, folder, jobs=jobs, fresh=fresh, replace=replace, build_only=build_only,
        report=report, progress=progress, command=_command(path, **options),
    )  # fmt: skip
    if show is not None and found is not None:
        show(found)
    return folder


def check_jobs(jobs: int | None) -> None:
    """Raise InputError if so many processes at a time cannot be."""
    if jobs is not None and jobs < 1:
        raise InputError(f"--jobs {jobs} is below 1")


def folder_of(run: Run, out: Path | str | None) -> Path:
    """Return the folder of a run: the one that is named, or one that is called by its hash."""
    return store.run_folder(run.name, _identity(run), out)


def _identity(run: Run) -> dict:
    return store.identity(run.document, run.device, [c.name for c in run.conditions])


def execute(
    run: Run,
    folder: Path | None,
    *,
    jobs: int | None = None,
    fresh: bool = False,
    replace: bool = False,
    build_only: bool = False,
    report: bool = True,
    progress: Progress | None = None,
    command: str = "",
) -> xr.Dataset | None:
    """Check a run, run it and write its folder.

    Parameters
    ----------
    run : Run
    folder : path or None
        None: write nothing, and keep nothing for a run that is cut short.
    jobs, fresh, replace, build_only, report, progress
        As of `run_file`.
    command : str
        What makes the run again, for its report.

    Returns
    -------
    Dataset or None
        What result.nc holds; None where nothing was run.

    Raises
    ------
    InputError, DeviceError
        As of `run_file`.
    """
    check_run(run, jobs)
    progress, notes = progress or Progress(), notes_of(run)
    for note in notes:
        progress.note(f"{run.name}: {note}")
    if folder is None:
        if run.experiment == "circuit" and not DEVICES[run.device].is_here():
            raise InputError(f"{run.file}: device '{run.device}' is not here; pulvinar doctor says"
                             " what is missing")  # fmt: skip
        return _noted(simulated(run, jobs, progress, None)[0], notes)
    earlier = store.check_replaced(folder, _identity(run), replace)
    begun = {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        **provenance.commit(),
        "versions": provenance.versions(),
        **({"command": command} if command else {}),
        **({"notes": notes} if notes else {}),
    }
    again = replace or fresh or build_only
    if not again and (made := store.made_alike(folder, _identity(run), begun)) is not None:
        progress.note(f"{run.name}: {folder} holds this very run, made by this code at {made};"
                      " --replace runs it again")  # fmt: skip
        return _made(folder, run, report)
    if earlier is not None:
        progress.note(f"{run.name}: replaces the run of {earlier} in {folder}")
    with store.reserved(folder):
        if build_only:
            _build_only(run, folder, progress, begun)
            return None
        ds, described = _kept(run, folder, jobs, fresh, progress, begun)
        # what can be repeated comes when what cannot is on the disk
        progress.begin(f"{run.name}: analysis" + (" and report" if report else ""))
        judge_folder(folder, ds, described, run.criteria, report)
    return ds


def _made(folder: Path, run: Run, report: bool) -> xr.Dataset:
    """Return the result of a finished run; what is missing of verdicts and report is made."""
    ds = open_result(folder)
    if not (folder / "verdicts.json").is_file() or (
        report and not (folder / "report.html").is_file()
    ):
        judge_folder(folder, ds, read_json(folder / "run.json"), run.criteria, report)
    return ds


def _kept(run: Run, folder: Path, jobs, fresh: bool, progress: Progress, begun: Mapping):
    """Run and write the result; return it with what run.json says. It goes on where it can."""
    clock = time.perf_counter()
    kept = checkpoint.checkpoint_folder(folder_of(run, None).name)
    pieces = DEVICES[run.device].keeps_state and run.experiment == "circuit"
    with checkpoint.held(kept, fresh=fresh) if pieces else nullcontext(False) as mine:
        if run.experiment == "circuit" and (needs := needs_text(run, jobs)):
            progress.note(needs)
        if mine and (n := checkpoint.kept_pieces(kept)):
            progress.note(
                f"{run.name}: continuing, with {n} pieces of the same run that was cut short"
                " (--fresh starts anew)"
            )
        ds, info = simulated(run, jobs, progress, kept if mine else None)
        ds = _noted(ds, begun.get("notes", ()))
        info["wall_s"]["total"] = round(time.perf_counter() - clock, 2)
        described = _describe(run, begun | info)
        with store.new_folder(folder) as partial:
            store.write_dataset(partial / "result.nc", ds)
            store.write_json(partial / "run.json", described)
            store.write_arrays(partial, run.document)
    return ds, described


def _noted(ds: xr.Dataset, notes: Iterable[str]) -> xr.Dataset:
    return ds.assign_attrs(notes="; ".join(notes)) if notes else ds


def _command(path: Path | str, *, settings: Iterable[str], **options) -> str:
    """Return the command that makes a run again."""
    words = ["pulvinar", "run", str(path)]
    for name, value in options.items():
        if value is None:
            continue
        if name == "conditions":
            line = io.StringIO()
            csv.writer(line, lineterminator="").writerow(value)
            value = line.getvalue()
        elif not isinstance(value, str | int):
            value = ",".join(map(str, value))
        words += [f"--{name}", str(value)]
    for setting in settings:
        words += ["--set", setting]
    return shlex.join(words)


def check_run(run: Run, jobs: int | None) -> None:
    """Raise InputError, before anything runs, if a run cannot be done by so many processes."""
    if run.experiment == "circuit":
        check_memory(run, jobs)
        check_compiler(run)
        check_weights(run)
        check_manipulations(run)
    check_criteria(run)


def simulated(
    run: Run, jobs: int | None, progress: Progress, checkpoints: Path | None
) -> tuple[xr.Dataset, dict]:
    """Return the Dataset of a run of any experiment, and what is to be told of it.

    Parameters
    ----------
    run : Run
    jobs : int or None
        Processes; default one for each core.
    progress : Progress
    checkpoints : path or None
        Where finished pieces are kept.
    """
    if run.experiment == "synapse":
        ds, info = _run_bench(run, progress)
    elif run.experiment == "rate":
        from circuits.driver.rates import run_rate

        ds, info = run_rate(run, jobs=jobs, progress=progress)
    else:
        ds, info = simulate(run, jobs=jobs, progress=progress, checkpoints=checkpoints)
    return stamped(ds), info


def _describe(run: Run, info: Mapping) -> dict:
    """Return what run.json holds."""
    described = {
        "schema": SCHEMA,
        "name": run.name,
        "claim": run.claim,
        "source": run.source,
        "experiment": run.experiment,
        "file": run.file,
        "size": run.size,
        "device": run.device,
        "seeds": list(run.seeds),
        "conditions": [c.name for c in run.conditions],
        **info,
        "run": run.document,
    }
    if run.experiment == "circuit":
        changed = {(c, k): v for c, k, v in run.conditions[0].spec.cells}
        described["cycle"] = asdict(run.cycle)
        described["cell_units"] = {
            p.name: {"unit": p.unit, "SI": float(parse_unit(p.unit))}
            for name in CELL_CLASSES
            for p in cell_class(name).parameters.parameters
        }
        described["cells_SI"] = {
            name: {
                key: changed.get((name, key), float(q))
                for key, q in cell_class(name).parameters.items()
            }
            for name in CELL_CLASSES
        }
        described["circuit"] = {
            c.name: {
                "populations": population_rows(c.spec),
                "projections": projection_rows(c.spec),
            }
            for c in run.conditions
        }
    return described


def _build_only(run: Run, folder: Path, progress: Progress, begun: Mapping) -> None:
    """Compile the programs of a run; they stay in the cache, the run folder says where."""
    built = []
    for program in build_all(run, progress):
        info = program / "build.json"
        known = json.loads(info.read_text()) if info.is_file() else {"compiled": True}
        built.append({"program": str(program), **known})
    with store.new_folder(folder) as partial:
        store.write_json(partial / "run.json", _describe(run, {**begun, "built": built}))


def _run_bench(run: Run, progress: Progress) -> tuple[xr.Dataset, dict]:
    from circuits.plasticity.bench.biophysical import extend
    from circuits.plasticity.bench.run import run_bench

    start = time.perf_counter()

    def say(text: str) -> None:
        progress.begin(f"{run.name}: {text}")

    say("bench")
    ds = run_bench(run.setup, device=run.device, seeds=run.seeds, progress=say)
    ds = extend(ds, run.document, say)
    return ds, {"wall_s": {"runs": round(time.perf_counter() - start, 2)}}
