"""Which source cells a target cell can choose from."""

from __future__ import annotations

import numpy as np

from cells.parameters import InputError
from circuits.anatomy.spec import TOPOGRAPHIES, CircuitSpec, Population, Projection

__all__ = ["candidates", "check_indegrees", "log_weights", "positions_of"]


def positions_of(population: Population, channels: int) -> np.ndarray:
    """Return the channel of each cell, -1 for those that belong to none."""
    if not population.positions:
        return np.full(population.cells, -1)
    return np.repeat(np.arange(channels), population.cells)


def log_weights(spec: CircuitSpec, p: Projection) -> np.ndarray:
    """Log probability weight of each (target, source) pair; -inf where there can be none."""
    source, target = spec.population(p.source), spec.population(p.target)
    a = positions_of(target, spec.channels)[:, None]
    b = positions_of(source, spec.channels)[None, :]
    weights = np.zeros((a.size, b.size))
    if target.positions and source.positions:
        if p.topography == "channel":
            weights[a != b] = -np.inf
        elif p.topography == "position":
            weights[a % spec.n_x != b % spec.n_x] = -np.inf
        elif p.topography != "all":
            width = TOPOGRAPHIES[p.topography]
            distance = np.abs(a % spec.n_x - b % spec.n_x)
            weights = np.where(distance <= 3 * width, -0.5 * (distance / width) ** 2, -np.inf)
    if p.source == p.target:
        np.fill_diagonal(weights, -np.inf)
    return weights


def candidates(spec: CircuitSpec, p: Projection) -> int:
    """Return the number of source cells that the target cell with the fewest can choose from."""
    return int(np.isfinite(log_weights(spec, p)).sum(axis=1).min())


def check_indegrees(spec: CircuitSpec) -> None:
    """Raise InputError if a projection asks for more synapses than it has source cells."""
    for p in spec.projections:
        available = candidates(spec, p)
        if p.indegree > available:
            raise InputError(
                f"projections.toml: {p.name}: indegree {p.indegree} is above the {available}"
                f" '{p.source}' cells that topography '{p.topography}' offers at size"
                f" '{spec.size}'; largest valid: {available}"
            )
