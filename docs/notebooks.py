"""Make the notebooks: their data from finished runs, and what they show from their scripts.

``python docs/notebooks.py`` runs every ``runs/notebooks/*.py`` in a kernel and writes the
``.ipynb`` beside it; names run only those. ``--data FIRST_LIGHT LEARNING`` thins two run folders to
``runs/notebooks/data`` first: of ``first_light --cycles 12 --seeds 11`` all is kept, of
``predictive_learning --seeds 11`` all but ``rate`` and spikes before the last four cycles.
"""

from __future__ import annotations

import sys
from pathlib import Path

import jupytext
import nbformat
import numpy as np
from nbclient import NotebookClient

from analysis.data import schema

FOLDER = Path(__file__).parents[1] / "runs" / "notebooks"
LAST = 4


def thin(folder: Path, name: str, whole: bool) -> Path:
    """Write what the notebooks need of a finished run, packed."""
    ds = schema.load(folder)
    if not whole:
        since = ds["cycle_start"].values[-LAST]
        ds = ds.drop_vars("rate").isel(spike=np.flatnonzero(ds["spike_time"].values >= since))
        ds.attrs["note"] = f"rates are left out, and spikes before the last {LAST} cycles"
    number = [v for v in ds.variables if ds[v].dtype.kind in "fiu" and ds[v].ndim]
    packed = {v: {"zlib": True, "complevel": 9, "shuffle": True} for v in number}
    for name_of in number:
        if ds[name_of].dtype == float and not name_of.endswith(("_time", "_start")):
            packed[name_of]["dtype"] = "float32"
    path = FOLDER / "data" / f"{name}.nc"
    path.parent.mkdir(exist_ok=True)
    ds.to_netcdf(path, engine="h5netcdf", encoding=packed)
    return path


def execute(script: Path, timeout: float = 240) -> nbformat.NotebookNode:
    """Return a notebook as Jupyter runs it: in a kernel, in its folder.

    Parameters
    ----------
    script : path
        Cells with ``# %%``.
    timeout : float, s
        Of one cell.
    """
    notebook = jupytext.read(script)
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3",
                                       "language": "python"}  # fmt: skip
    where = {"metadata": {"path": str(script.parent)}}
    NotebookClient(notebook, timeout=timeout, kernel_name="python3", resources=where).execute()
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number}"
        cell.metadata.clear()
    notebook.metadata.pop("jupytext", None)
    return notebook


def main(names: list[str]) -> None:
    """Execute the notebooks of these names, default all."""
    if names[:1] == ["--data"]:
        for folder, name, whole in ((names[1], "first_light", True), (names[2], "learning", False)):
            print(thin(Path(folder), name, whole))
        names = names[3:]
    for script in sorted(FOLDER.glob("*.py")):
        if not names or script.stem in names:
            path = script.with_suffix(".ipynb")
            nbformat.write(execute(script), path)
            print(path.name, f"{path.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main(sys.argv[1:])
