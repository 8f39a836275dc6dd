"""The numbers that claims are about: one named function of a single run for each.

A function registered here takes the Dataset of one run and keyword arguments from a run file, and
returns a float in the unit it is registered with; NaN says that the run has no such number. Of a
circuit the Dataset is about one prediction loop, see `analysis.data.schema.of_loop`.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr

from analysis.data import schema

__all__ = [
    "OBSERVABLES",
    "Observable",
    "all_by_condition",
    "by_condition",
    "evaluate",
    "find",
    "observable",
]


@dataclass(frozen=True)
class Observable:
    """A named number of a run.

    Attributes
    ----------
    name, unit, meaning, experiment : str
    function : callable
        Of a Dataset and keyword arguments.
    """

    name: str
    unit: str
    meaning: str
    function: Callable[..., float]
    experiment: str = "circuit"

    @property
    def arguments(self) -> tuple[str, ...]:
        """Names of the keyword arguments; of a circuit, the loop that it is about is one."""
        own = tuple(inspect.signature(self.function).parameters)[1:]
        return (*own, "loop") if self.experiment == "circuit" else own

    @property
    def range(self) -> tuple[float, float]:
        """Between which numbers it lies whatever the run: shares, correlations and rates."""
        if self.name.endswith(("_fraction", "_strength")):
            return 0.0, 1.0
        if self.name == "r_pred" or self.name.endswith("_r"):
            return -1.0, 1.0
        return (0.0 if self.unit == "Hz" else -math.inf), math.inf

    @property
    def signature(self) -> tuple[str, ...]:
        """The keyword arguments, with their defaults."""
        parameters = list(inspect.signature(self.function).parameters.values())[1:]
        own = (p.name if p.default is p.empty else f"{p.name}={p.default!r}" for p in parameters)
        return (*own, "loop=None") if self.experiment == "circuit" else tuple(own)


#: Every observable by name.
OBSERVABLES: dict[str, Observable] = {}


def observable(unit: str, experiment: str = "circuit") -> Callable:
    """Register the decorated function as an observable of an experiment, with the given unit."""

    def register(function):
        name = function.__name__
        known = OBSERVABLES.get(name)
        if known is not None and known.function.__module__ != function.__module__:
            raise schema.AnalysisError(f"there is already an observable '{name}'")
        if not (told := inspect.getdoc(function)):
            raise schema.AnalysisError(f"observable '{name}' needs a docstring, its meaning")
        meaning = told.split("\n\n")[0].replace("\n", " ")
        OBSERVABLES[name] = Observable(name, unit, meaning, function, experiment)
        return function

    return register


def find(name: str, arguments: Mapping | None = None, experiment: str | None = None) -> Observable:
    """Return the observable called ``name``, or tell in one line what is wrong.

    Parameters
    ----------
    name : str
    arguments : mapping, optional
    experiment : {"circuit", "rate", "synapse"}, optional
        Only one of this experiment.

    Raises
    ------
    AnalysisError
        For an unknown observable or an argument that it does not take.
    """
    known = [k for k, one in OBSERVABLES.items() if experiment in (None, one.experiment)]
    if name not in known:
        raise schema.AnalysisError(f"unknown observable '{name}'{schema.nearest(name, known)}")
    found = OBSERVABLES[name]
    for key in arguments or {}:
        if key not in found.arguments:
            raise schema.AnalysisError(
                f"observable '{name}' has no argument '{key}'{schema.nearest(key, found.arguments)}"
            )
    for key, parameter in list(inspect.signature(found.function).parameters.items())[1:]:
        if parameter.default is parameter.empty and key not in (arguments or {}):
            raise schema.AnalysisError(f"observable '{name}' needs the argument '{key}'")
    return found


def evaluate(ds: xr.Dataset, name: str, **arguments) -> float:
    """Return the value of an observable for one run.

    Parameters
    ----------
    ds : Dataset
        One run.
    name : str
    **arguments
        Of the observable; of a circuit ``loop`` too, the name of the prediction loop that it is
        about, by default the first.

    Returns
    -------
    float
        In the unit of the observable.

    Raises
    ------
    AnalysisError
        For an unknown observable, argument or population, or a variable that the run lacks.
    """
    found = find(name, arguments)
    if found.experiment == "circuit":
        ds = schema.of_loop(ds, arguments.pop("loop", None))
    try:
        return float(found.function(ds, **arguments))
    except KeyError as error:
        raise schema.AnalysisError(f"observable '{name}': no variable {error}") from None


def by_condition(ds: xr.Dataset, name: str, **arguments) -> xr.DataArray:
    """Return an observable of every run.

    Parameters
    ----------
    ds : Dataset
        All runs.
    name : str
    **arguments
        Of the observable.

    Returns
    -------
    DataArray (condition, seed)
        In the unit of the observable, which is its attribute ``units``.

    Raises
    ------
    AnalysisError
        As `evaluate`.
    """
    values = [evaluate(schema.select(ds, s, c), name, **arguments) for c, s in schema.runs(ds)]
    return _table(ds, name, values)


def all_by_condition(ds: xr.Dataset, names: Iterable[str]) -> list[xr.DataArray]:
    """Return several observables of every run; each run is taken out of the whole once.

    Parameters
    ----------
    ds : Dataset
        All runs.
    names : iterable of str
        Of observables that need no argument.

    Returns
    -------
    list of DataArray (condition, seed)
        As `by_condition`, without the observables that a run lacks the data for.
    """
    values: dict[str, list[float]] = {name: [] for name in names}
    for condition, seed in schema.runs(ds):
        one = schema.select(ds, seed, condition)
        for name in list(values):
            try:
                values[name].append(evaluate(one, name))
            except schema.AnalysisError:
                del values[name]
    return [_table(ds, name, measured) for name, measured in values.items()]


def _table(ds, name, values):
    runs = schema.runs(ds)
    conditions = list(dict.fromkeys(condition for condition, _ in runs))
    seeds = list(dict.fromkeys(seed for _, seed in runs))
    # a Dataset of one run without these dims has no names for them
    known = {"condition": conditions, "seed": seeds}
    return xr.DataArray(
        np.reshape(values, (len(conditions), len(seeds))),
        dims=("condition", "seed"),
        coords={dim: found for dim, found in known.items() if found != [None]},
        attrs={"units": OBSERVABLES[name].unit, "long_name": name.replace("_", " ")},
    )
