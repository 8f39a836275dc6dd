"""Running a circuit from Python."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import xarray as xr

from cells.parameters import InputError
from circuits.api.circuit import Circuit
from circuits.driver.progress import Progress
from circuits.driver.run import check_jobs, execute, folder_of
from circuits.runfiles.resolve import resolve

__all__ = ["run"]


def run(
    circuit: Circuit | Path | str,
    *,
    size: str | None = None,
    device: str | None = None,
    seeds: Sequence[int] | str | None = None,
    cycles: int | None = None,
    conditions: Sequence[str] | None = None,
    replicas: int | None = None,
    jobs: int = 1,
    out: Path | str | None = None,
    replace: bool = False,
    progress: bool = False,
) -> xr.Dataset:
    """Run a circuit, or a run file of any experiment, and return its result.

    Parameters
    ----------
    circuit : Circuit, path or str
        From `circuits.load`; or a run file, or the name of one that comes along.
    size, device : str, optional
    seeds : sequence of int or str, optional
        Such as ``[1, 2, 3]``, ``range(1, 9)`` or ``"1-8"``.
    cycles : int, optional
        To analyse; blocks keep their proportions.
    conditions : sequence of str, optional
        Run only these.
    replicas : int, optional
        Runs that share a program, at most.
    jobs : int
        Processes at a time. With more than one a script needs ``if __name__ == "__main__":``,
        since every process imports it again; a notebook does not.
    out : path, optional
        A run folder to write too, with report and verdicts; if it holds this very run, made by this
        code, that is what is returned. Without it nothing is left on the disk but the compiled
        program in the cache.
    replace : bool
        Replace whatever result ``out`` holds.
    progress : bool
        Whether to show a bar, and notes, on standard error.

    Returns
    -------
    Dataset
        As `analysis.data.schema` describes it; its accessor ``pulvinar``
        (`analysis.accessor.Accessor`) has rates, bursts, weights, observables, verdicts and plots.

    Raises
    ------
    InputError
        One line that names the file, the key and the nearest valid choice.
    DeviceError
        If the program did not build or run.
    """
    choices: dict[str, Any] = {"size": size, "device": device, "seeds": seeds, "cycles": cycles,
               "conditions": conditions, "replicas": replicas}  # fmt: skip
    try:
        if isinstance(circuit, Circuit):
            resolved = circuit.resolve(**choices)
        else:
            resolved = resolve(circuit, **choices)
        check_jobs(jobs)
        with Progress(None if progress else io.StringIO()) as shown:
            folder = None if out is None else folder_of(resolved, out)
            found = execute(resolved, folder, jobs=jobs, replace=replace, progress=shown)
    except InputError as error:
        raise InputError(_of_python(str(error))) from None
    assert found is not None  # only with build_only there is none
    if not progress and "notes" in found.attrs:
        warnings.warn(found.attrs["notes"], stacklevel=2)
    return found


def _of_python(message: str) -> str:
    """Return a message of the command without its dashes."""
    return re.sub(r"--([a-z])", r"\1", re.sub("--(replace|fresh)", r"\1=True", message))
