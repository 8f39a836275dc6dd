"""Which source cells a target cell can choose from."""

from __future__ import annotations

from dataclasses import dataclass

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

_FEW_PAIRS = 2**20  # all are drawn from at once, as they were before there was another way
_MANY = 8  # times as many source cells as synapses: few are drawn twice


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


@dataclass(frozen=True)
class _Reach:
    """What target cells can choose from. Cells of one channel are alike, so it is told by channels.

    Attributes
    ----------
    channels : (target channel, k) array of int
        Of the source.
    weights : (target channel, k) array
        Log probability weight of their cells; -inf where there can be none.
    n_target, n_source : int
        Cells at each channel.
    own : bool
        Target and source are one population; no cell hears itself.
    """

    channels: np.ndarray
    weights: np.ndarray
    n_target: int
    n_source: int
    own: bool

    @property
    def cells(self) -> np.ndarray:
        """Number of cells that those of each target channel can choose from."""
        return np.isfinite(self.weights).sum(axis=1) * self.n_source - self.own

    def of(self, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the source cells of target cells, and their log weights, (target, cell)."""
        at = targets // self.n_target
        cells = self.channels[at][:, :, None] * self.n_source + np.arange(self.n_source)
        weights = np.repeat(self.weights[at], self.n_source, axis=1)
        cells = cells.reshape(weights.shape)
        if self.own:
            weights[cells == targets[:, None]] = -np.inf
        return cells, weights


def _reach(spec: CircuitSpec, p: Projection) -> _Reach:
    """Return the channels that are joined.

    Between areas of different numbers of positions, a position is one of the smaller number. Cells
    that belong to no channel are one of their own.
    """
    source, target = spec.population(p.source), spec.population(p.target)
    own = p.source == p.target
    if not (target.positions and source.positions) or p.topography in WHOLE:
        one = np.zeros((1, 1))
        return _Reach(one.astype(int), one, spec.count(p.target), spec.count(p.source), own)
    n_source, n_target = spec.positions(p.source), spec.positions(p.target)
    grid = min(n_source, n_target)
    x, y = (_places(np.arange(n), n, grid) for n in (n_target, n_source))
    width = TOPOGRAPHIES[p.topography]
    furthest = (3 * width if width else 1) + 1e-6  # rounding is seen to below
    first = np.searchsorted(y, x - furthest)
    k = np.searchsorted(y, x + furthest, "right") - first
    near = np.minimum(first, n_source - k.max())[:, None] + np.arange(k.max())
    if width:
        distance = np.abs(x[:, None] - y[near])
        weights = np.where(distance <= 3 * width, -0.5 * (distance / width) ** 2, -np.inf)
    else:
        same = _same(np.arange(n_target)[:, None], n_target, near, n_source)
        weights = np.where(same, 0.0, -np.inf)
    polarities = np.arange(len(spec.polarities))
    if p.topography == "channel":
        channels = (polarities[:, None, None] * n_source + near).reshape(-1, near.shape[1])
        return _Reach(channels, np.tile(weights, (polarities.size, 1)), target.cells, source.cells,
                      own)  # fmt: skip
    channels = (near[:, None, :] + polarities[:, None] * n_source).reshape(n_target, -1)
    every = polarities.size, 1
    weights = np.tile(np.tile(weights, (1, polarities.size)), every)
    return _Reach(np.tile(channels, every), weights, target.cells, source.cells, own)


def log_weights(spec: CircuitSpec, p: Projection) -> np.ndarray:
    """Log probability weight of each (target, source) pair; -inf where there can be none."""
    weights = np.full((spec.count(p.target), spec.count(p.source)), -np.inf)
    found = _reach(spec, p).of(np.arange(len(weights)))
    np.put_along_axis(weights, *found, axis=1)
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
    A cell draws one source after the other, by weight among those that it has not got. Where there
    are few pairs this is the Gumbel top-k trick over all of them; where there are many, it draws
    with replacement until it has as many different ones, in time and memory that go with the
    synapses. Both are of one law, but of other random numbers.

    Topography ``patches``: each source cell reaches all cells of the same number of channels, drawn
    at random, and each channel hears ``indegree`` source cells. ``reciprocal``: a cell hears the
    very cells that it contacts by the projection the other way; ``reciprocal_shuffled``: it hears
    those that another cell of its population contacts.
    """
    number = spec.projections.index(p)
    rng = np.random.default_rng([seed, 1, number]) if rng is None else rng
    if p.topography in RECIPROCAL:
        other = _opposite(spec, p)
        assert other is not None  # `check_indegrees` has refused it
        # the cells of the other side, by the cell that they hear
        heard = np.argsort(draw_sources(spec, other, seed).ravel(), kind="stable") // other.indegree
        heard = heard.reshape(-1, p.indegree)
        return rng.permutation(heard) if p.topography == "reciprocal_shuffled" else heard
    if p.topography == "patches":
        channel = positions_of(spec, spec.population(p.target))
        reached = _patches(spec.count(p.source), int(channel.max()) + 1, p.indegree, rng)
        return np.nonzero(reached.T)[1].reshape(-1, p.indegree)[channel]
    if spec.count(p.target) * spec.count(p.source) <= _FEW_PAIRS:
        return _top(log_weights(spec, p), p.indegree, rng)
    reach = _reach(spec, p)
    if reach.cells.min() >= _MANY * p.indegree:
        return _successive(reach, spec.count(p.target), p.indegree, rng)
    step = max(1, _FEW_PAIRS // (reach.channels.shape[1] * reach.n_source))
    chosen = []
    for first in range(0, spec.count(p.target), step):
        cells, weights = reach.of(np.arange(first, min(first + step, spec.count(p.target))))
        chosen.append(np.take_along_axis(cells, _top(weights, p.indegree, rng), axis=1))
    return np.concatenate(chosen)


def _top(weights: np.ndarray, k: int, rng) -> np.ndarray:
    """Draw ``k`` columns of each row by log weights, without replacement; they rise."""
    keys = weights + rng.gumbel(size=weights.shape)
    chosen = np.argpartition(-keys, k - 1, axis=1)[:, :k]
    return np.sort(chosen, axis=1)


def _successive(reach: _Reach, n_target: int, k: int, rng) -> np.ndarray:
    """Draw ``k`` source cells for each target cell, again where one has come twice; they rise."""
    at = np.arange(n_target) // reach.n_target
    below = np.cumsum(np.exp(reach.weights), axis=1)
    # one ladder for all target channels, a step of 1 for each
    ladder = (below / below[:, -1:] + np.arange(len(below))[:, None]).ravel()
    width, n = reach.channels.shape[1], reach.n_source

    def draw(rows: np.ndarray) -> np.ndarray:
        channel = np.searchsorted(ladder, at[rows] + rng.random(rows.size), "right")
        channel = np.minimum(channel, at[rows] * width + width - 1)
        cells = reach.channels.ravel()[channel] * n + rng.integers(n, size=rows.size)
        wrong = np.isneginf(reach.weights.ravel()[channel])
        cells[wrong | (reach.own & (cells == rows))] = -1
        return cells

    sources = np.sort(draw(np.repeat(np.arange(n_target), k)).reshape(n_target, k), axis=1)
    rows = np.arange(n_target)
    while rows.size:
        found = sources[rows]
        again = found < 0
        again[:, 1:] |= found[:, 1:] == found[:, :-1]
        missing = again.any(axis=1)
        rows, found, again = rows[missing], found[missing], again[missing]
        found[again] = draw(rows[np.nonzero(again)[0]])
        sources[rows] = np.sort(found, axis=1)
    return sources


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


def _opposite(spec: CircuitSpec, p: Projection) -> Projection | None:
    """Return the projection from the targets of one to its sources; None where there is none."""
    found = (q for q in spec.projections if (q.source, q.target) == (p.target, p.source))
    return next(found, None)


def candidates(spec: CircuitSpec, p: Projection) -> int:
    """Return the number of source cells that the target cell with the fewest can choose from."""
    return int(_reach(spec, p).cells.min())


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
