"""Which source cells a target cell can choose from."""

from __future__ import annotations

import numpy as np

from cells.parameters import InputError
from circuits.anatomy.spec import (
    RECIPROCAL,
    TOPOGRAPHIES,
    WHOLE,
    CircuitSpec,
    Population,
    Projection,
)

__all__ = [
    "candidates", "check_indegrees", "draw_sources", "log_weights", "positions_of",
    "seen_channels", "sees",
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
    if target.positions and source.positions and p.topography not in WHOLE:
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


def draw_sources(spec: CircuitSpec, p: Projection, seed: int, rng=None) -> np.ndarray:
    """Draw which source cells each target cell hears, without replacement.

    Parameters
    ----------
    spec : CircuitSpec
    p : Projection
        Of the circuit.
    seed : int
        Every projection draws from a stream of its own, ``[seed, 1, its number]``.
    rng : Generator, optional
        That stream, to be drawn on from.

    Returns
    -------
    (target, indegree) array of int
        Numbers of the cells in their populations, rising along each row.

    Notes
    -----
    By log weights it is the Gumbel top-k trick. Topography ``patches``: each source cell reaches
    all cells of the same number of channels, drawn at random, and each channel hears ``indegree``
    source cells. ``reciprocal``: a cell hears the very cells that it contacts by the projection
    the other way; ``reciprocal_shuffled``: it hears those that another cell of its population
    contacts.
    """
    number = spec.projections.index(p)
    rng = np.random.default_rng([seed, 1, number]) if rng is None else rng
    if p.topography in RECIPROCAL:
        other = _opposite(spec, p)
        assert other is not None  # `check_indegrees` has refused it
        joined = _pairs(draw_sources(spec, other, seed), spec.count(p.target)).T
        rows = np.arange(len(joined))
        if p.topography == "reciprocal_shuffled":
            rows = rng.permutation(rows)
        return np.nonzero(joined[rows])[1].reshape(len(joined), p.indegree)
    if p.topography == "patches":
        channel = positions_of(spec, spec.population(p.target))
        reached = _patches(spec.count(p.source), int(channel.max()) + 1, p.indegree, rng)
        return np.nonzero(reached.T)[1].reshape(-1, p.indegree)[channel]
    keys = log_weights(spec, p)
    keys = keys + rng.gumbel(size=keys.shape)
    chosen = np.argpartition(-keys, p.indegree - 1, axis=1)[:, : p.indegree]
    return np.sort(chosen, axis=1)


def _patches(n_source: int, n_patch: int, indegree: int, rng) -> np.ndarray:
    """Draw which (source, patch) are joined: all sources to equally many, all patches alike."""
    reached = np.zeros((n_source, n_patch), bool)
    room = np.full(n_patch, indegree)
    for source in rng.permutation(n_source):
        # those with most room first, at random among equals, so that it comes out even
        order = np.lexsort((rng.random(n_patch), -room))
        chosen = order[: indegree * n_patch // n_source]
        reached[source, chosen] = True
        room[chosen] -= 1
    return reached


def _pairs(sources: np.ndarray, n_source: int) -> np.ndarray:
    """Return the (target, source) pairs that are joined, as booleans."""
    joined = np.zeros((len(sources), n_source), bool)
    np.put_along_axis(joined, sources, True, axis=1)
    return joined


def _opposite(spec: CircuitSpec, p: Projection) -> Projection | None:
    """Return the projection from the targets of one to its sources; None where there is none."""
    found = (q for q in spec.projections if (q.source, q.target) == (p.target, p.source))
    return next(found, None)


def candidates(spec: CircuitSpec, p: Projection) -> int:
    """Return the number of source cells that the target cell with the fewest can choose from."""
    return int(np.isfinite(log_weights(spec, p)).sum(axis=1).min())


def check_indegrees(spec: CircuitSpec) -> None:
    """Raise InputError if a projection cannot have as many synapses as it asks for."""
    for p in spec.projections:
        where = f"projections.toml: {p.name}: "
        available = candidates(spec, p)
        if p.indegree > available:
            raise InputError(
                f"{where}indegree {p.indegree} is above the {available} '{p.source}' cells that"
                f" topography '{p.topography}' offers at size '{spec.size}'; largest valid:"
                f" {available}"
            )
        if p.topography == "patches":
            _check_patches(spec, p, where)
    for p in spec.projections:
        if p.topography in RECIPROCAL:
            _check_reciprocal(spec, p, f"projections.toml: {p.name}: ")


def _check_patches(spec: CircuitSpec, p: Projection, where: str) -> None:
    """Raise unless all source cells can reach equally many channels."""
    target, n_source = spec.population(p.target), spec.count(p.source)
    if not target.positions:
        raise InputError(f"{where}topography 'patches' needs a target with positions")
    n_patch = spec.count(p.target) // target.cells
    if p.indegree * n_patch % n_source:
        valid = [k for k in range(1, n_source + 1) if k * n_patch % n_source == 0]
        near = min(valid, key=lambda k: abs(k - p.indegree))
        raise InputError(
            f"{where}indegree {p.indegree}: {n_source} '{p.source}' cells cannot share the"
            f" {p.indegree * n_patch} places at {n_patch} channels evenly; nearest valid: {near}"
        )


def _check_reciprocal(spec: CircuitSpec, p: Projection, where: str) -> None:
    """Raise unless the other way is drawn in patches, with as many synapses in all."""
    other = _opposite(spec, p)
    if other is None or other.topography != "patches":
        raise InputError(
            f"{where}topography '{p.topography}' needs a projection '{p.target}->{p.source}' of"
            " topography 'patches'"
        )
    wanted = other.indegree * spec.count(other.target) // spec.count(other.source)
    if p.indegree != wanted:
        raise InputError(
            f"{where}indegree {p.indegree}, but a '{p.target}' cell contacts {wanted} '{p.source}'"
            f" cells and hears the same; only valid: {wanted}"
        )
