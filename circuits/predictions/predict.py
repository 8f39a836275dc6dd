"""Running predictions, each in a folder of its own, and the page of all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

from analysis.data.versions import read_json, read_verdicts, with_schema
from cells.parameters import InputError
from circuits.driver import store
from circuits.driver.progress import Progress
from circuits.driver.run import run_file
from circuits.engine.project import DeviceError
from circuits.predictions.registry import Prediction, chosen, last_result, results_folder
from circuits.runfiles.resolve import resolve

__all__ = ["predict", "write_page"]


def predict(
    names: Iterable[str],
    *,
    seeds: Sequence[int] | str | None = None,
    size: str | None = None,
    jobs: int | None = None,
    out: Path | str | None = None,
    progress: Progress | None = None,
) -> tuple[Path, list[dict]]:
    """Run predictions that can be asked, and write one page for all.

    Parameters
    ----------
    names : iterable of str
        As of `circuits.predictions.registry.chosen`.
    seeds, size, jobs
        As of `circuits.driver.run.run_file`; those of the files where left out.
    out : path, optional
        Folder of the page; a run folder for each prediction is in it. What is there already of
        the same run is not run again.
    progress : Progress, optional

    Returns
    -------
    Path
        The page.
    list of dict
        Result of each; ``failed`` says why one could not be run.
    """
    progress = progress or Progress()
    folder = Path(out) if out is not None else results_folder()
    results = []
    for prediction in chosen(names):
        if prediction.blocked:
            results.append(asdict(prediction) | {"path": prediction.path.name})
            continue
        try:
            ran = _run(prediction, folder / prediction.id, seeds, size, jobs, progress)
        except (InputError, DeviceError) as error:
            progress.note(f"{prediction.id}: {error}")
            ran = {"failed": str(error), "verdicts": []}
        found = asdict(prediction) | {"path": prediction.path.name} | ran
        store.write_json(folder / f"{prediction.id}.json", with_schema(**found))
        results.append(found)
    return write_page(folder, results, "{id}/report.html"), results


def _run(prediction: Prediction, folder: Path, seeds, size, jobs, progress) -> dict:
    run = resolve(prediction.path, seeds=seeds, size=size)
    document = store.identity(run.document, run.device, [c.name for c in run.conditions])
    done = store.is_run(folder, document) and (folder / "verdicts.json").is_file()
    if not done:
        run_file(
            prediction.path, seeds=seeds, size=size, jobs=jobs, out=folder, replace=True,
            progress=progress,
        )  # fmt: skip
    info = read_json(folder / "run.json")
    kept = ("size", "seeds", "conditions", "commit", "dirty", "started")
    return {key: info.get(key) for key in kept} | {
        "verdicts": read_verdicts(folder / "verdicts.json")
    }


def write_page(folder: Path, results: list[dict] | None, link: str) -> Path:
    """Write README.md and a figure for each prediction.

    Parameters
    ----------
    folder : path
    results : list of dict, optional
        Default the last result of every prediction; these are written to the folder too.
    link : str
        Of a prediction's own page, with ``{id}`` and ``{path}``.
    """
    from analysis.report.predictions import write_predictions

    folder.mkdir(parents=True, exist_ok=True)
    if results is None:
        results = []
        for prediction in chosen(["all"]):
            told = asdict(prediction) | {"path": prediction.path.name}
            found = None if prediction.blocked else last_result(prediction)
            results.append(told if found is None else found | told)
            if found is not None:
                store.write_json(folder / f"{prediction.id}.json", found | told)
    return write_predictions(folder, results, link)
