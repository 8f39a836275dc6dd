"""The way of the window or the bump: sweeps, their order and where each begins."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from circuits.stimuli.stimulus import DIRECTIONS, Stimulus, bad_value


@dataclass(frozen=True)
class SweepPath:
    """Where the window is: which place each cycle belongs to, and how far it has moved there."""

    place: np.ndarray  # (cycle,) number of the start, row and distances that are drawn together
    jump: np.ndarray  # (cycle,) does this cycle begin a sweep
    picture: np.ndarray  # (cycle,) number of the photograph
    sign: np.ndarray  # (cycle,) +1 the way of `step`, -1 the opposite way
    moved: np.ndarray  # (cycle, bin in cycle), from the start of the sweep, positions or frames
    velocity: np.ndarray  # (cycle,) positions or frames moved in the cycle, with their sign
    across: np.ndarray  # (cycle, bin in cycle), positions moved down from the start of the sweep

    def at_places(self, values) -> np.ndarray:
        """Return one value per place of an array over cycles."""
        return values[np.unique(self.place, return_index=True)[1]]


def _rounds(values, rng):
    """Yield all values in random order, then all again in another; one value costs no draw."""
    while True:
        yield from rng.permutation(values) if len(values) > 1 else values


def sweep_path(stimulus: Stimulus, n_cycles: int, bins: int, lengths: list, rng) -> SweepPath:
    """Return the path through pictures whose sweeps take ``lengths`` cycles (None: for ever)."""
    pictures = _rounds(range(len(lengths)), rng)
    signs = _rounds(DIRECTIONS[stimulus.direction], rng)
    speeds = _rounds(stimulus.speeds or (1,), rng)
    ways = _rounds((1, -1) if stimulus.drift else (0,), rng)
    picture, sign, speed, way, age, sweep = np.zeros((6, n_cycles), int)
    first = 0
    for number in itertools.count():
        shown = int(next(pictures))
        length = min(lengths[shown] or n_cycles, n_cycles - first)
        now = slice(first, first + length)
        picture[now], sign[now], sweep[now] = shown, next(signs), number
        speed[now], way[now] = next(speeds), next(ways)
        age[now] = np.arange(length)
        first += length
        if first == n_cycles:
            break
    jump = age == 0
    if stimulus.order == "shuffled":
        # the same cycles in another order, each at a place of its own; where the moving sequence
        # jumps is kept, so that the same cycles are scored
        mixed = rng.permutation(n_cycles)
        picture, sign, speed, age = picture[mixed], sign[mixed], speed[mixed], age[mixed]
        way = way[mixed]
        sweep = np.arange(n_cycles)
    within = (np.arange(bins) + 0.5) / bins if stimulus.motion == "smooth" else np.zeros(bins)
    begin = stimulus.step * sign * speed
    gained = np.copysign(stimulus.acceleration, begin)
    velocity = begin + gained * age
    before = begin * age + gained * age * (age - 1) / 2
    moved = before[:, None] + velocity[:, None] * within
    across = stimulus.drift * way[:, None] * (age[:, None] + within)
    return SweepPath(sweep, jump, picture, sign, moved, velocity, across)


def image_order(stimulus: Stimulus, n_cycles: int, rng) -> tuple[np.ndarray, np.ndarray]:
    """Return which image of a set each cycle shows, and whether it is a deviant (1 or 0)."""
    n = stimulus.n_images
    deviant = np.zeros(n_cycles, int)
    if stimulus.order == "random":
        return rng.integers(n, size=n_cycles), deviant
    rounds = -(-n_cycles // n)
    if stimulus.order == "rounds":
        return np.concatenate([rng.permutation(n) for _ in range(rounds)])[:n_cycles], deviant
    order = np.arange(n_cycles) % n
    if stimulus.deviants:
        third = np.arange(min(2, n - 1), n_cycles, n)
        some = max(1, round(stimulus.deviants * third.size))
        deviant[rng.choice(third, size=min(some, third.size), replace=False)] = 1
        order = np.where(deviant, n, order)
    return order, deviant


def sweep_length(stimulus, extent: float, span: float, per_step: float, what: str, whose: str):
    """Return the cycles one sweep takes (None: no end), and how far its start is free to lie."""
    if extent < span:
        raise bad_value(what, f"the window needs {span + 1:.0f} px, {whose} has {extent + 1:.0f}")
    stride = stimulus.velocity(0) * per_step
    if stride == 0:
        return stimulus.sweep, int(extent - span)
    # one step is left free, for the start to differ between sweeps
    room = int((extent - span) // stride) - 1
    if stimulus.acceleration:
        longest = min(room, stimulus.sweep)
        room = next((n for n in range(longest, 0, -1)
                     if stimulus.distance(n + 1) * per_step <= extent - span), 0)  # fmt: skip
    if room < 1:
        need = span + stimulus.distance(2) * per_step + 1
        raise bad_value(
            what, f"two steps need {need:.0f} px or frames, {whose} has {extent + 1:.0f}"
        )
    if stimulus.sweep is None or stimulus.sweep >= room:
        return room, int(stimulus.velocity(room) * per_step)
    return stimulus.sweep, int(extent - span - stimulus.distance(stimulus.sweep) * per_step)


def place_starts(stimulus, path: SweepPath, free, last, rng) -> np.ndarray:
    """Return where each place begins; a movement to the left begins at the right end."""
    picture = path.at_places(path.picture)
    start = rng.integers(np.asarray(free)[picture] + 1)
    left = stimulus.step * path.at_places(path.sign) < 0
    return np.where(left, np.asarray(last)[picture] - start, start)


def place_rows(stimulus, heights: np.ndarray, rng, across=0.0) -> np.ndarray:
    """Return the first row of each place; ``heights`` are those of the pictures shown there.

    From there the window moves down by up to ``across`` px, where that is below zero up.
    """
    reach = np.ceil(np.abs(across) * np.ones(len(heights))).astype(int)
    room, up = heights - reach, np.where(np.asarray(across) < 0, reach, 0)
    if room.min() < 1:
        have = heights[room.argmin()]
        raise bad_value(
            "drift", f"a sweep needs {reach.max() + 1} rows of pixels, a picture has {have}"
        )
    if stimulus.row is None:
        return up + rng.integers(room)
    if stimulus.row >= heights.min():
        lowest = heights.min()
        raise bad_value("row", f"{stimulus.row} is not below the height of the picture, {lowest}")
    if ((stimulus.row < up) | (stimulus.row - up >= room)).any():
        away = f"a drift from {stimulus.row} by {reach.max()} px leads out of the picture"
        raise bad_value("row", away)
    return np.full(len(heights), stimulus.row)


def resting_window(stimulus, shape, rng) -> tuple[int, int]:
    """Return row and leftmost column of a window at rest."""
    height, width = shape
    span = (stimulus.n_x - 1) * stimulus.spacing
    if width - 1 < span:
        raise bad_value("n_x", f"the window needs {span + 1} px, the picture has {width}")
    row = place_rows(stimulus, np.array([height]), rng)
    return int(row[0]), int(rng.integers(width - span))
