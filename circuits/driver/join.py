"""Run folders of one run file put together and judged anew."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from analysis.data.criteria import measurable
from cells.parameters import InputError
from circuits.driver import store
from circuits.driver.report import evaluate, write_report
from circuits.runfiles.extensions import load_extensions

__all__ = ["join_folders"]

_FREE = ("seeds", "replicas")  # of a run file, what may differ; copies change no number


def join_folders(
    folders: Sequence[Path | str], out: Path | str | None = None, replace: bool = False
) -> Path:
    """Put finished runs of the same run file together: other seeds, other conditions.

    Parameters
    ----------
    folders : sequence of path
        Run folders, two or more.
    out : path, optional
        The new run folder; default as that of a run of all these seeds.
    replace : bool
        Replace the result of another run there.

    Returns
    -------
    Path
        The folder, with run.json, result.nc, verdicts.json and report.html, as of one run; what
        was joined is in run.json. It is written whole or not at all.

    Raises
    ------
    InputError
        If one is no run folder, or if they are not of the same run file, size and device.
    AnalysisError
        If two hold the same run, or a condition lacks a seed; if a result cannot be used.
    """
    from analysis.data import joined, schema, versions

    paths = [Path(folder) for folder in folders]
    if len(paths) < 2:
        raise InputError("join: needs two run folders or more")
    infos: dict[str, dict] = {}
    for path in paths:
        if not (path / "run.json").is_file() or not (path / "result.nc").is_file():
            raise InputError(f"{path}: no finished run (it needs run.json and result.nc)")
        if str(path) in infos:
            raise InputError(f"join: {path} is named twice")
        infos[str(path)] = versions.read_json(path / "run.json")
    _check_same(infos)
    first = next(iter(infos.values()))
    if first["experiment"] == "synapse":
        raise InputError("join: a synapse run has its conditions and seeds within one experiment")
    circuit = first["experiment"] == "circuit"
    named = [c["name"] for c in first["run"].get("condition", [])]
    read = schema.load if circuit else versions.open_result
    ds = joined.join({name: read(name) for name in infos}, named)
    info = _described(infos, ds)
    target = store.run_folder(first["name"], info["run"] | {"joined": info["joined"]}, out)
    document = store.identity(info["run"], info["device"], info["conditions"])
    store.check_replaced(target, document, replace)
    load_extensions(info["run"].get("extensions", ()), "join: extensions")
    criteria = measurable(info["run"].get("criteria", []), info["conditions"],
                          (named or info["conditions"])[0])  # fmt: skip
    verdicts = evaluate(first["experiment"], ds, criteria)
    with store.new_folder(target) as partial:
        store.write_dataset(partial / "result.nc", ds)
        store.write_json(partial / "run.json", info)
        store.write_json(partial / "verdicts.json", versions.with_schema(verdicts=verdicts))
        write_report(ds, verdicts, info, partial / "report.html")
    return target


def _flat(value, begin: str = "") -> dict:
    """Return the leaves of a document by dotted key."""
    if isinstance(value, Mapping):
        pairs = list(value.items())
    elif isinstance(value, list) and value and all(isinstance(v, Mapping) for v in value):
        pairs = [(v.get("name", v.get("id", k)), v) for k, v in enumerate(value)]
    else:
        return {begin: value}
    return {k: v for key, part in pairs for k, v in _flat(part, f"{begin}.{key}").items()}


def _check_same(infos: Mapping[str, Mapping]) -> None:
    """Raise if run folders differ in more than seeds and conditions."""
    (name, first), *others = infos.items()
    keys = ("name", "experiment", "size", "device")

    def what(info):
        document = {k: v for k, v in info["run"].items() if k not in _FREE}
        return _flat({k: info.get(k) for k in keys} | {"run": document})

    expected = what(first)
    for other, info in others:
        found = what(info)
        for key in sorted({*expected, *found}):
            if expected.get(key) != found.get(key):
                raise InputError(
                    f"{other}: {key.removeprefix('.').removeprefix('run.')} is"
                    f" {found.get(key)!r}, in {name} {expected.get(key)!r}: only seeds and"
                    " conditions of the same run file can be joined"
                )


def _described(infos: Mapping[str, Mapping], ds) -> dict:
    """Return what run.json of the joined run holds."""
    first = next(iter(infos.values()))
    parts = list(infos.values())
    seeds = [int(s) for s in ds["seed"].values]
    kept = ("seeds", "conditions", "started", "commit", "dirty", "wall_s", "versions", "joined",
            "command")  # fmt: skip
    info = {k: v for k, v in first.items() if k not in (*kept, "programs", "jobs")}
    info |= {
        "seeds": seeds,
        "conditions": [str(c) for c in ds["condition"].values],
        "started": min(part["started"] for part in parts),
        "wall_s": {
            key: round(sum(part["wall_s"].get(key, 0.0) for part in parts), 2)
            for key in ("compile", "runs", "total")
        },
        "joined": [
            {"folder": Path(name).name, **{k: part[k] for k in kept if k in part}}
            for name, part in infos.items()
        ],
        "run": first["run"] | {"seeds": seeds},
        "command": shlex.join(["pulvinar", "join", *(Path(name).name for name in infos)]),
    }
    for key in ("commit", "dirty", "versions"):  # of all, where they agree
        if all(part.get(key) == first.get(key) for part in parts) and key in first:
            info[key] = first[key]
    if "biological_s" in first:
        info["biological_s"] = sum(part["biological_s"] for part in parts)
    if "circuit" in first:
        every = {k: v for part in parts for k, v in part["circuit"].items()}
        info["circuit"] = {name: every[name] for name in info["conditions"]}
    return info
