"""Figures of what hidden synapses learned."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from analysis.measures.hidden import hidden_tuning

__all__ = ["tuning_figure"]


def tuning_figure(runs: Sequence[xr.Dataset], snapshots: Sequence[str]) -> Figure:
    """Draw what each hidden cell tells of a movement against what it hears of it.

    Parameters
    ----------
    runs : sequence of Dataset
        Of one condition.
    snapshots : sequence of str
        A panel for each.

    Returns
    -------
    Figure
    """
    figure = Figure(figsize=(3.4 * len(snapshots), 3.1))
    axes = figure.subplots(1, len(snapshots), squeeze=False, sharex=True, sharey=True)[0]
    for name, ax in zip(snapshots, axes, strict=True):
        found = [hidden_tuning(ds, name) for ds in runs]
        tells, hears = (np.concatenate([one[k] for one in found]) for k in ("tells", "hears"))
        ax.axhline(0, color="#BBBBBB", linewidth=0.7, zorder=0)
        ax.axvline(0, color="#BBBBBB", linewidth=0.7, zorder=0)
        ax.plot(tells, hears, "o", color="#0072B2", markersize=3.4, alpha=0.6, linestyle="none")
        ax.set_title("before learning" if name == "start" else f"after '{name}'", fontsize=9)
        ax.set_xlabel("tells: weights forward - backward")
    axes[0].set_ylabel("hears: weights forward - backward")
    return figure
