"""A sweep: from a run file and what to go over to one Dataset in a folder."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import xarray as xr

from cells import checked
from cells.parameters import InputError
from circuits.driver import store
from circuits.driver.progress import Progress
from circuits.driver.run import check_run
from circuits.runfiles import provenance
from circuits.runfiles.model import Run
from circuits.runfiles.resolve import resolve
from circuits.sweeps.axes import Axis, axis_of, grid, latin_hypercube
from circuits.sweeps.cluster import connected
from circuits.sweeps.folder import SweepFolder, default_folder
from circuits.sweeps.join import joined
from circuits.sweeps.runner import Runner
from circuits.sweeps.search import search

__all__ = ["sweep", "sweep_folder"]

_CHOICES = ("grid", "latin-hypercube", "optuna")


def sweep(path: Path | str, over: Iterable[str], **options) -> xr.Dataset | xr.DataTree:
    """Run a run file at many values of its keys, and return all results as one Dataset.

    Parameters
    ----------
    path : path or str
        A run file, or the name of one that comes along.
    over : iterable of str
        ``KEY=value,value,...``, a dotted key of the file each.
    **options
        As of `sweep_folder`.

    Returns
    -------
    Dataset or DataTree
        See `circuits.sweeps.join.joined`; it is in ``sweep.nc`` of the folder too.
    """
    return sweep_folder(path, over, **options)[1]


def sweep_folder(
    path: Path | str,
    over: Iterable[str],
    *,
    seeds: Sequence[int] | str | None = None,
    choose: str = "grid",
    maximise: str | None = None,
    out: Path | str | None = None,
    replace: bool = False,
    scheduler: str | None = None,
    slurm: Mapping[str, str] | None = None,
    n_workers: int | None = None,
    progress: Progress | None = None,
    **options,
) -> tuple[Path, xr.Dataset | xr.DataTree]:
    """Run a sweep; what is finished in its folder is not run again.

    Parameters
    ----------
    path, over
        As of `sweep`.
    seeds : sequence of int or str, optional
        Of every point; default those of the file.
    choose : str
        ``grid``: every combination of the values; ``latin-hypercube:N``: N points between the two
        values of each key; ``optuna:N``: N points where ``maximise`` is large.
    maximise : str, optional
        A criterion of the file, or its observable: its mean over seeds.
    out : path, optional
        The folder.
    replace : bool
        Let it be one of another run file.
    scheduler : str, optional
        Address of a scheduler of Dask that runs; else processes of this machine, or of ``slurm``,
        see `circuits.sweeps.cluster`.
    n_workers : int, optional
    progress : Progress, optional
    **options
        Size, device, cycles, conditions, settings: see `circuits.runfiles.resolve.resolve`.

    Returns
    -------
    Path
        The folder, with sweep.nc, sweep.json and a file for each finished run.
    Dataset or DataTree

    Raises
    ------
    InputError
        In one line, before anything runs.
    """
    progress = progress or Progress()
    axes = [axis_of(text) for text in over]
    if not axes:
        raise InputError("a sweep goes over something: --over KEY=value,value,...")
    if len({axis.name for axis in axes}) < len(axes):
        raise InputError("--over: a key comes twice")
    how, n = _choice(choose)
    if (maximise is not None) != (how == "optuna"):
        raise InputError("--choose optuna:N and --maximise OBSERVABLE go together")
    settings = tuple(options.pop("settings", ()))
    first = resolve(path, seeds=seeds, settings=settings, **options)
    at = partial(_at, path, axes, settings, {"seeds": seeds, **options})
    what = {k: v for k, v in first.document.items() if k != "seeds"}
    said = {"over": [f"{a.key}={','.join(map(str, a.values))}" for a in axes], "choose": choose}
    folder = SweepFolder(out or default_folder(first.name, what | said))
    folder.check(what, replace)
    criterion = None if maximise is None else _criterion(first, maximise)
    points = [] if how == "optuna" else grid(axes) if how == "grid" else latin_hypercube(axes, n)
    progress.begin(f"{first.name}: {len(points) or n} points")
    runs = [at(point) for point in points]
    with store.reserved(folder.path):
        about = {
            "of": what, "name": first.name, "file": first.file, **said, "seeds": list(first.seeds),
            "commit": provenance.commit().get("commit"), "versions": provenance.versions(),
        }  # fmt: skip
        folder.describe(**about)
        with connected(scheduler, slurm, n_workers, progress) as client:
            runner = Runner(folder, client, progress, remote=bool(scheduler or slurm))
            if how == "optuna":

                def values(batch: list[tuple]) -> list[float]:
                    found = runner.run([at(point) for point in batch])
                    return [_mean(found, k, first.seeds, criterion) for k in range(len(batch))]

                points = search(axes, n, values)
            else:
                runner.run(runs)
        found = joined(
            axes, points, list(first.seeds), runner.outcomes, first.criteria, how == "grid"
        )
        found.attrs |= {"name": first.name, "file": first.file, "experiment": first.experiment}
        folder.describe(**about, **runner.told(axes, points))
        folder.finish(found)
    return folder.path, found


def _choice(text: str) -> tuple[str, int]:
    how, _, n = text.partition(":")
    checked.one_of(how, _CHOICES, "--choose", "way")
    if (how == "grid") != (not n) or (n and not (n.isdecimal() and int(n) > 0)):
        raise InputError(f"--choose {text}: expected grid, latin-hypercube:N or optuna:N")
    return how, int(n or 0)


def _at(path, axes: Sequence[Axis], settings, options, point: tuple) -> Run:
    """Return the checked run of a point."""
    own = [axis.setting(value) for axis, value in zip(axes, point, strict=True)]
    run = resolve(path, settings=[*settings, *own], **options)
    check_run(run, 1)
    return run


def _criterion(run: Run, name: str) -> str:
    """Return the id of the criterion with this id or observable."""
    named = [c["id"] for c in run.criteria if name in (c["id"], c["observable"])]
    if name in named:
        return name
    if len(named) != 1:
        known = [c["id"] for c in run.criteria]
        raise InputError(f"--maximise {name}: {len(named)} criteria of {run.file} are about it;"
                         f" valid: {', '.join(known)}")  # fmt: skip
    return named[0]


def _mean(found: Mapping, point: int, seeds: Sequence[int], criterion: str | None) -> float:
    values = [
        float(found[point, seed]["value"].sel(criterion=criterion))
        if (point, seed) in found else np.nan
        for seed in seeds
    ]  # fmt: skip
    return float(np.mean(values))
