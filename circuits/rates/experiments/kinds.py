"""What a run file of rate networks can do with a condition."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

import xarray as xr

from circuits.rates.experiments import (
    depth,
    figure1,
    identities,
    prediction,
    readout,
    recall,
    sampling,
    training,
)

__all__ = ["KINDS", "Kind", "Runs"]


class Runs(Protocol):
    """What a kind does with a condition, the networks of all seeds together."""

    def __call__(
        self, tables: Mapping, seeds: Sequence[int], say: Callable[[float], None] | None = None, /
    ) -> xr.Dataset:
        """Run a condition.

        Parameters
        ----------
        tables : mapping of str to (mapping or None)
            Those of the kind with every key, as the run file has set them.
        seeds : sequence of int
            Draw first weights, order of the patterns, splits and noise.
        say : callable, optional
            Is told the share that is done, 0 to 1.

        Returns
        -------
        Dataset
            What the kind measures, with dim ``seed``; without a unit where none is said.
        """
        ...


def _anything(tables) -> None:
    """Check nothing."""


@dataclass(frozen=True)
class Kind:
    """A kind of experiment.

    Attributes
    ----------
    name : str
    tables : mapping of str to (mapping or None)
        Its tables and their keys with defaults; None is a table that names a framework.
    run : Runs
    check : callable
        Of the tables; raises InputError.
    """

    name: str
    tables: Mapping
    run: Runs
    check: Callable[[Mapping], None] = _anything


#: The kinds by name.
KINDS = MappingProxyType(
    {
        kind.name: kind
        for kind in (
            Kind(
                "alignment",
                depth.ALIGNMENT,
                depth.run_alignment,
                depth.check_depths,
            ),
            Kind("depth", depth.DEPTH, depth.run_depth, depth.check_depths),
            Kind("figure1", figure1.TABLES, figure1.run),
            Kind("identities", identities.TABLES, identities.run, identities.check),
            Kind("prediction", prediction.TABLES, prediction.run, prediction.check),
            Kind("readout", readout.TABLES, readout.run, readout.check),
            Kind("recall", recall.TABLES, recall.run, recall.check),
            Kind("sampling", sampling.TABLES, sampling.run, sampling.check),
            Kind("training", training.TABLES, training.run, training.check),
        )
    }
)
