"""What synapses behind the last layer learned: the tuning of hidden cells, before and after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from analysis.data import schema
from analysis.measures.weights import (
    alignment,
    classify_synapses,
    movement,
    plastic_projection,
    plastic_projections,
)

__all__ = ["cue_projection", "hidden_tuning", "tuning_agreement", "tuning_table"]


def cue_projection(ds: xr.Dataset, feature: str = "direction") -> str | None:
    """Return the plastic projection from cells that are told a feature onto predictor cells.

    None where the run has none.
    """
    if feature not in (movement(ds)[0].get("cue") or ()):
        return None
    predictor = schema.population_name(ds, "predictor")
    back = f"{schema.population_name(ds, 'relay')}->{predictor}"
    found = [
        name for name in plastic_projections(ds) if name.endswith(f"->{predictor}") and name != back
    ]
    return found[0] if found else None


def hidden_tuning(ds: xr.Dataset, snapshot: str, feature: str = "direction") -> xr.Dataset:
    """Return what the cells of layer 6 hear of a movement, and what they tell of it.

    Parameters
    ----------
    ds : Dataset
        One run in which a bump moves both ways.
    snapshot : str
        ``"start"``, or the block at whose end.
    feature : str
        Of the cue; its first half of cells is told one way, the other half the other.

    Returns
    -------
    Dataset
        By ``cell`` (number of the neuron): ``hears``, mean weight from cue cells of the movement
        forward less that of those backward; ``tells``, mean weight onto relay cells a step forward
        of the cell's own position less that a step backward, 0 for a cell that contacts neither.

    Raises
    ------
    AnalysisError
        If the run has no such synapses or snapshot.
    """
    cue = cue_projection(ds, feature)
    if cue is None:
        raise schema.AnalysisError(f"no plastic synapses of cells that are told '{feature}'")
    names = ds["snapshot"].values.astype(str).tolist()
    if snapshot not in names:
        raise schema.AnalysisError(f"no snapshot '{snapshot}'{schema.nearest(snapshot, names)}")
    weight = ds["weight"].isel(snapshot=names.index(snapshot)).values
    source, target = (ds[f"synapse_{end}"].values.astype(int) for end in ("source", "target"))
    told = list(movement(ds)[0]["cue"])
    mine = np.flatnonzero(
        ds["synapse_projection"].values.astype(str) == plastic_projection(ds, cue)
    )
    channel = ds["neuron_channel"].values[source[mine]].astype(int)
    value = channel * 2 * len(told) // ds.sizes["channel"] - 2 * told.index(feature)
    cells = np.flatnonzero(
        ds["population"].values.astype(str) == schema.population_name(ds, "predictor")
    )
    hears = _apart(cells, target[mine], weight[mine], value == 0, value == 1)
    sides = []
    for direction in (1, -1):
        synapse, kind, _, _ = classify_synapses(ds, direction=direction)
        sides.append(synapse[kind == "true"])
    both = np.concatenate(sides)
    forward = np.arange(both.size) < sides[0].size
    tells = _apart(cells, source[both], weight[both], forward, ~forward, empty=0.0)
    return xr.Dataset({"hears": ("cell", hears), "tells": ("cell", tells)}, {"cell": cells})


def _apart(cells, cell, weight, one, other, empty=np.nan):
    """Mean weight of the synapses of each cell in one set less that in another."""
    means = []
    for chosen in (one, other):
        at = np.searchsorted(cells, cell[chosen])
        count = np.bincount(at, minlength=cells.size)
        total = np.bincount(at, weight[chosen], minlength=cells.size)
        means.append(np.divide(total, count, out=np.full(cells.size, empty), where=count > 0))
    return means[0] - means[1]


def tuning_agreement(tuning: xr.Dataset) -> float:
    """Correlate what cells hear of a movement with what they tell; NaN where either is flat."""
    hears, tells = (tuning[name].values for name in ("hears", "tells"))
    known = np.isfinite(hears) & np.isfinite(tells)
    if known.sum() < 3 or not (np.ptp(hears[known]) > 0 and np.ptp(tells[known]) > 0):
        return np.nan
    return float(np.corrcoef(hears[known], tells[known])[0, 1])


def tuning_table(
    runs: Mapping[str, Sequence[xr.Dataset]], snapshots: Sequence[str]
) -> tuple[list[str], list[list[str]]]:
    """Return, by condition and snapshot, how tuning agrees and forward and feedback weights align.

    Parameters
    ----------
    runs : mapping of str to sequence of Dataset
        Runs of each condition.
    snapshots : sequence of str

    Returns
    -------
    columns : list of str
    rows : list of list of str
        Mean ± standard deviation over the runs.
    """
    rows = []
    for condition, mine in runs.items():
        for snapshot in snapshots:
            row = [condition, "before learning" if snapshot == "start" else f"after '{snapshot}'"]
            for measure in (
                lambda ds, at: tuning_agreement(hidden_tuning(ds, at)),
                lambda ds, at: float(np.std(hidden_tuning(ds, at)["hears"])),
                alignment,
                lambda ds, at: alignment(ds, at, both=True),
            ):
                values = np.array([measure(ds, snapshot) for ds in mine])
                known = values[np.isfinite(values)]
                row.append(f"{known.mean():.2f} ± {known.std():.2f}" if known.size else "–")
            rows.append(row)
    columns = ["condition", "weights", "hears what it tells, r", "s.d. of what is heard",
               "feedback aligned, r", "where joined both ways, r"]  # fmt: skip
    return columns, rows
