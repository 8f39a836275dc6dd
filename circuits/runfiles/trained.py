"""First weights that come from a finished run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cells.parameters import InputError, nearest

__all__ = ["Trained"]


@dataclass(frozen=True)
class Trained:
    """First weights that come from a finished run.

    Attributes
    ----------
    folder : str
        Run folder.
    snapshot : str
        Name of one of its snapshots; empty: the last.
    condition : str
        Name of one of its conditions; empty: that of the same name, or else its first.
    """

    folder: str
    snapshot: str = ""
    condition: str = ""

    def read(self, seed: int, condition: str) -> dict[str, tuple[np.ndarray, ...]]:
        """Return the weights of a seed.

        Parameters
        ----------
        seed : int
        condition : str
            Name of the condition that asks.

        Returns
        -------
        dict of str to (source, target, weight)
            By projection; numbers of cells, and weights, each (synapse,).

        Raises
        ------
        InputError
            If there is no such run, or it has no such weights.
        """
        import xarray as xr

        from analysis.data.versions import AnalysisError, check_version

        at = f"weights: {self.folder}:"
        path = Path(self.folder) / "result.nc"
        if not path.is_file():
            raise InputError(f"{at} no run folder (it has no result.nc)")
        try:
            with xr.open_dataset(path, engine="h5netcdf", decode_times=False) as ds:
                check_version(ds.attrs, str(path))
                if "weight" not in ds:
                    raise InputError(f"{at} nothing learned in this run")
                names = {
                    key: ds[key].values.astype(str).tolist() for key in ("condition", "snapshot")
                }
                name = self.condition or (
                    condition if condition in names["condition"] else names["condition"][0]
                )
                wanted = {"condition": name, "snapshot": self.snapshot or names["snapshot"][-1]}
                for key, value in wanted.items():
                    if value not in names[key]:
                        raise InputError(f"{at} no {key} '{value}'{nearest(value, names[key])}")
                seeds = ds["seed"].values.tolist()
                if seed not in seeds:
                    have = ", ".join(map(str, seeds))
                    raise InputError(f"{at} no weights of seed {seed}; it has {have}")
                one = ds[["weight", "synapse_source", "synapse_target", "synapse_projection"]]
                one = one.isel(
                    seed=seeds.index(seed),
                    **{key: names[key].index(value) for key, value in wanted.items()},
                ).load()
        except AnalysisError as error:
            raise InputError(f"weights: {error}") from None
        except (OSError, KeyError) as error:
            raise InputError(f"{at} no result of a run ({error})") from None
        of = one["synapse_projection"].values.astype(str)
        columns = [one[k].values for k in ("synapse_source", "synapse_target", "weight")]
        found = {}
        for projection in dict.fromkeys(of.tolist()):
            here = of == projection
            if np.isfinite(columns[2][here]).all():
                found[projection] = tuple(column[here] for column in columns)
        return found
