"""Which source cells a target cell can choose from."""

from __future__ import annotations

import numpy as np

from cells.parameters import InputError
from circuits.anatomy.spec import TOPOGRAPHIES, CircuitSpec, Population, Projection

__all__ = [
    "candidates", "check_indegrees", "log_weights", "positions_of", "seen_channels", "sees"
]  # fmt: skip


def positions_of(spec: CircuitSpec, population: Population) -> np.ndarray:
    """Return the channel of each cell in its area, -1 for those that belong to none."""
    if not population.positions:
        return np.full(population.cells, -1)
    channels = spec.positions(population.name) * len(spec.polarities)
    return np.repeat(np.arange(channels), population.cells)


def _places(x: np.ndarray, n_x: int, grid: int) -> np.ndarray:
    """Return where positions lie on a grid of another number of them: both see the whole picture.

    What is nearest to k lies in position k of the grid.
    """
    return (np.asarray(x) + 0.5) * (grid / n_x) - 0.5


def _same(x: np.ndarray, n_x: int, y: np.ndarray, n_y: int) -> np.ndarray:
    """Tell if positions of two grids share one of the coarser grid."""
    grid = min(n_x, n_y)
    return np.floor(_places(x, n_x, grid) + 0.5) == np.floor(_places(y, n_y, grid) + 0.5)


def sees(spec: CircuitSpec, name: str) -> np.ndarray:
    """Return which positions of the stimulus the cells of a population are at, (cell, position)."""
    population, n_x = spec.population(name), spec.positions(name)
    if not population.positions:
        return np.zeros((population.cells, spec.n_x), bool)
    x = positions_of(spec, population)[:, None] % n_x
    return _same(x, n_x, np.arange(spec.n_x)[None, :], spec.n_x)


def seen_channels(spec: CircuitSpec, population: Population) -> np.ndarray:
    """Return the channel of the stimulus that lies where each cell does, -1 where none does."""
    n_x = spec.positions(population.name)
    channel = positions_of(spec, population)
    if n_x == spec.n_x:
        return channel
    x = np.floor(_places(channel % n_x, n_x, spec.n_x) + 0.5).astype(int)
    return np.where(channel < 0, -1, channel // n_x * spec.n_x + x)


def log_weights(spec: CircuitSpec, p: Projection) -> np.ndarray:
    """Log probability weight of each (target, source) pair; -inf where there can be none.

    Between areas of different numbers of positions, a position is one of the smaller number.
    """
    source, target = spec.population(p.source), spec.population(p.target)
    n_source, n_target = spec.positions(p.source), spec.positions(p.target)
    a = positions_of(spec, target)[:, None]
    b = positions_of(spec, source)[None, :]
    weights = np.zeros((a.size, b.size))
    if target.positions and source.positions and p.topography != "all":
        x, y = a % n_target, b % n_source
        if width := TOPOGRAPHIES[p.topography]:
            grid = min(n_source, n_target)
            distance = np.abs(_places(x, n_target, grid) - _places(y, n_source, grid))
            weights = np.where(distance <= 3 * width, -0.5 * (distance / width) ** 2, -np.inf)
        else:
            near = _same(x, n_target, y, n_source)
            if p.topography == "channel":
                near = near & (a // n_target == b // n_source)
            weights[~near] = -np.inf
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
