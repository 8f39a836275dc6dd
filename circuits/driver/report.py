"""Verdicts and report of a run; the analysis is slow to load and imported where it is used."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

import xarray as xr

from analysis.data.criteria import measurable
from cells.parameters import InputError
from circuits.driver import store
from circuits.runfiles.extensions import load_extensions
from circuits.runfiles.model import Run

__all__ = ["check_criteria", "evaluate", "judge_folder", "rebuild_report", "write_report"]


def check_criteria(run: Run) -> None:
    """Raise, before anything runs, if a criterion cannot be measured on this run.

    Raises
    ------
    InputError
        For an unknown observable, argument, population or unit.
    """
    from analysis import observables
    from analysis.data import schema
    from analysis.verdicts import judge

    names, blocks, loops = [], [], []
    if run.experiment == "circuit":
        names = [p.name for p in run.conditions[0].spec.populations]
        blocks = [block.name for block in run.conditions[0].blocks]
        loops = [loop.name for loop in run.conditions[0].spec.loops]
    for criterion in run.criteria:
        where = f"{run.file}: criterion '{criterion['id']}'"
        arguments = criterion.get("args") or {}
        try:
            found = observables.find(criterion["observable"], arguments, run.experiment)
            if run.experiment == "circuit":
                for key in ("population", "outcome", "driver"):
                    value = arguments.get(key, [])
                    for name in [value] if isinstance(value, str) else value:
                        if (key, name) != ("outcome", "stimulus") and name not in schema.ROLES:
                            schema.resolve(name, names)
                if "loop" in arguments and arguments["loop"] not in loops:
                    known = schema.nearest(arguments["loop"], loops)
                    raise schema.AnalysisError(f"args loop: no loop '{arguments['loop']}'{known}")
                _check_block_names(found, arguments, blocks)
        except schema.AnalysisError as error:
            raise InputError(f"{where}: {error}") from None
        if judge.cannot_fail(criterion, found):
            low, high = found.range
            raise InputError(
                f"{where}: cannot fail: '{found.name}' lies between {low:g} and {high:g} anyway"
            )
        expected = judge.unit_of(criterion, found.unit)
        unit = criterion.get("unit", expected)
        if unit != expected:
            raise InputError(f"{where}: unit '{unit}', but '{found.name}' here has '{expected}'")


def _check_block_names(found, arguments: Mapping, blocks: Sequence[str]) -> None:
    """Raise AnalysisError if an argument of an observable names a block that is not there."""
    from analysis.data import schema

    if "block" not in found.arguments:
        return
    # of weights there are some before the first block
    valid = ["start", *blocks] if "projection" in found.arguments else list(blocks)
    for key in ("block", "reference", "of_block"):
        name = arguments.get(key)
        if name is not None and name not in valid:
            known = schema.nearest(name, valid) if blocks else "; this run has no blocks"
            raise schema.AnalysisError(f"args {key}: no block '{name}'{known}")


def evaluate(experiment: str, ds: xr.Dataset, criteria: Iterable[Mapping]) -> list[dict]:
    """Return the verdicts of a run; see `analysis.verdicts.judge`."""
    from analysis.verdicts.experiments import judged

    return judged(experiment, ds, criteria)


def write_report(ds: xr.Dataset, verdicts: list[dict], info: Mapping, path: Path) -> Path:
    """Write the report page of a run; see `analysis.report.page`."""
    import matplotlib

    if matplotlib.get_backend(auto_select=False) is None:  # a notebook has chosen
        matplotlib.use("Agg")
    from analysis.report import page

    extra: list = []
    shown: xr.Dataset | None = ds
    if info.get("experiment") == "synapse":
        from analysis.report.synapse import figures

        extra = page.attempt("Bench", partial(figures, ds))
        shown = None
    elif info.get("experiment") == "rate":
        from analysis.report.rates import sections

        extra = page.attempt("Networks", partial(sections, ds))
        shown = None
    return page.write_report(shown, verdicts, info, path, extra)


def rebuild_report(folder: Path | str) -> Path:
    """Judge a finished run again and draw its report anew.

    Parameters
    ----------
    folder : path
        A run folder.

    Returns
    -------
    Path
        The folder; its verdicts.json and report.html are new.

    Raises
    ------
    InputError
        If it is no run folder.
    AnalysisError
        If its result cannot be used.
    """
    from analysis.data import schema, versions

    folder = Path(folder)
    if not (folder / "run.json").is_file():
        raise InputError(f"{folder}: no run folder (it has no run.json)")
    info = versions.read_json(folder / "run.json")
    circuit = info.get("experiment", "circuit") == "circuit"
    ds = schema.load(folder) if circuit else versions.open_result(folder)
    load_extensions(info["run"].get("extensions", ()), f"{folder / 'run.json'}: extensions")
    criteria = info["run"].get("criteria", [])
    if conditions := info.get("conditions"):
        named = info["run"].get("condition") or [{"name": conditions[0]}]
        criteria = measurable(criteria, conditions, named[0]["name"])
    judge_folder(folder, ds, info, criteria)
    return folder


def judge_folder(
    folder: Path, ds: xr.Dataset, info: Mapping, criteria: Iterable[Mapping], report: bool = True
) -> None:
    """Write verdicts.json and, if wanted, report.html of a result that is in its folder.

    Parameters
    ----------
    folder : path
        A run folder.
    ds : Dataset
        What its result.nc holds.
    info : mapping
        What its run.json holds.
    criteria : iterable of mapping
    report : bool
    """
    from analysis.data.versions import with_schema

    new = folder / ".verdicts.json.part"
    try:
        verdicts = evaluate(info.get("experiment", "circuit"), ds, criteria)
        store.write_json(new, with_schema(verdicts=verdicts))
        if report:
            write_report(ds, verdicts, info, folder / "report.html")
        new.replace(folder / "verdicts.json")
    except BaseException as error:
        error.add_note(f"the result is kept: pulvinar report {folder} judges it again")
        raise
    finally:
        new.unlink(missing_ok=True)
