"""All synapses of a circuit as a list of edges; drawn from the seed, nothing is run."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from analysis.data.wiring import drawn_from
from cells.parameters import InputError
from circuits.driver.inputs import drawn
from circuits.driver.store import write_dataset
from circuits.engine.arrays import cells_of, projection_parts
from circuits.runfiles.model import Condition, Cycle
from circuits.runfiles.resolve import resolve

__all__ = ["edges", "write_edges"]

_UNITS = {"weight": "nS", "delay": "ms", "learned": "1", "source": "1", "target": "1"}


def edges(condition: Condition, cycle: Cycle, seed: int) -> pd.DataFrame:
    """Return every synapse of a circuit, a row for each receptor that it acts on.

    Parameters
    ----------
    condition : Condition
    cycle : Cycle
    seed : int
        That the wiring is drawn from.

    Returns
    -------
    DataFrame
        ``source`` and ``target``: numbers of the cells, as on dim neuron of a result;
        ``source_population``, ``target_population``, ``projection``, ``receptor``; ``weight``, nS:
        peak conductance without release, of what learns at weight one; ``delay``, ms; ``learned``:
        the first weight of what learns, NaN of other synapses.
    """
    spec, plan = condition.spec, condition.plan
    arrays, _ = drawn(condition, cycle, seed)
    numbers = cells_of(spec).numbers()
    groups = {s.name: (s.source, s.target) for s in plan.synapses}
    projections = {p.name: p for p in spec.projections}
    found = []
    for name, key, part in projection_parts(spec, plan):
        p = projections[name]
        source, target = (
            numbers[group][arrays[f"{key}.{end}"][part]]
            for end, group in zip("ij", groups[key], strict=True)
        )
        learned, gain = np.nan, 1.0
        if condition.learning is not None and f"{key}.w" in arrays:
            learned, gain = arrays[f"{key}.w"][part], condition.learning.of(name)["gain"]
        delay = arrays[f"{key}.delay"][part] * 1e3
        for receptor, share in p.receptors:
            found.append(
                pd.DataFrame(
                    {
                        "source": source.astype(np.int32), "target": target.astype(np.int32),
                        "source_population": p.source, "target_population": p.target,
                        "projection": name, "receptor": receptor,
                        "weight": p.weight * share * gain, "delay": delay,
                        "learned": learned,
                    }
                )
            )  # fmt: skip
    return pd.concat(found, ignore_index=True)


def write_edges(
    path: Path | str,
    out: Path | str,
    *,
    seed: int | None = None,
    condition: str | None = None,
    size: str | None = None,
    settings: Iterable[str] = (),
) -> tuple[Path, int]:
    """Write all synapses of a run file's circuit.

    Parameters
    ----------
    path : path or str
        A run file, or the name of one that comes along.
    out : path
        Ends in ``.csv``, ``.csv.gz`` or ``.nc``; replaced if it is there. What the synapses were
        drawn from stands in its first line, after ``#``, or in the attribute ``drawn_from``.
    seed : int, optional
        Default the first of the file.
    condition : str, optional
        Default the first of the file.
    size : str, optional
    settings : iterable of str
        As of `circuits.runfiles.resolve.resolve`.

    Returns
    -------
    Path
    int
        Number of rows.

    Raises
    ------
    InputError
    """
    out = Path(out)
    if not out.name.endswith((".csv", ".csv.gz", ".nc")):
        raise InputError(f"--out {out}: unknown kind of file; valid: .csv, .csv.gz, .nc")
    if not out.absolute().parent.is_dir():
        raise InputError(f"--out {out}: there is no folder {out.absolute().parent}")
    run = resolve(
        path, size=size, seeds=None if seed is None else [seed], settings=settings,
        conditions=None if condition is None else [condition],
    )  # fmt: skip
    if run.experiment != "circuit":
        raise InputError(f"{run.file}: a {run.experiment} run has no circuit")
    table = edges(run.conditions[0], run.cycle, run.seeds[0])
    origin = json.dumps(drawn_from(run.document, run.conditions[0].name, run.seeds[0]))
    partial = out.with_name(f".{out.name}.part")
    if out.suffix == ".nc":
        write_dataset(partial, _dataset(table).assign_attrs(drawn_from=origin))
    else:
        opened = gzip.open if out.suffix == ".gz" else open
        with opened(partial, "wt", encoding="utf-8", newline="") as file:
            file.write(f"# {origin}\n")
            table.to_csv(file, index=False, float_format="%.9g")
    partial.replace(out)
    return out, len(table)


def _dataset(table: pd.DataFrame) -> xr.Dataset:
    texts = {key for key in table if key not in _UNITS}
    return xr.Dataset(
        {
            str(key): (
                "edge", table[key].to_numpy(dtype=str if key in texts else None),
                {"units": _UNITS[key]} if key not in texts else {},
            )
            for key in table
        }
    )  # fmt: skip
