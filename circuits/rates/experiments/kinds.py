"""What a run file of rate networks can do with a condition."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

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

__all__ = ["KINDS", "Kind"]


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
    run : callable
        Of the tables of a condition, the seeds and a function that is told the share done; returns
        a Dataset with dim ``seed``.
    check : callable
        Of the tables; raises InputError.
    """

    name: str
    tables: Mapping
    run: Callable[..., xr.Dataset]
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
