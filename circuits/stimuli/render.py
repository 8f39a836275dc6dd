"""What the eye sees, as firing rates of LGN relay cells.

A photograph is seen through a row of receptive fields that moves over it at constant velocity, a
bump moves round a ring, or a file of the user's is shown. A movement in one direction is a *sweep*;
the next one begins at another place, perhaps of another photograph.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import fields, replace

import numpy as np
import xarray as xr
from brian2.units import Quantity, have_same_dimensions, ms, second
from scipy.ndimage import gaussian_filter1d

from cells.parameters import ParameterTable
from circuits.stimuli.arrays import Arrays
from circuits.stimuli.lgn import centre_surround, filtered_photograph, lgn_table, relay_rate
from circuits.stimuli.paths import (
    SweepPath,
    image_order,
    place_rows,
    place_starts,
    resting_window,
    sweep_length,
    sweep_path,
)
from circuits.stimuli.pictures import array_frames, frames_of, photograph
from circuits.stimuli.stimulus import MOST_IMAGES, Stimulus, bad_value, check_whole

__all__ = ["PLACES", "places_of", "render", "sequence"]

#: Where in a picture, film or ring a cycle is, and how the coin fell in it, with units.
PLACES = {"left": "px", "row": "px", "centre": "positions", "film_frame": "frames", "coin": "1",
          "image": "1", "deviant": "1", "velocity": "positions"}  # fmt: skip

_COIN = 99  # of the seed of the coin, where blocks have their numbers
_SET = 98  # of the seed of the set of images, which all blocks share


def _seconds(key: str, value) -> float:
    if not isinstance(value, Quantity) or not have_same_dimensions(value, second):
        raise bad_value(key, f"{value!r} is not a time such as 200*ms")
    if not float(value) > 0:
        raise bad_value(key, f"{value} is not above 0")
    return float(value)


def _ring_samples(stimulus, n_cycles, bins, rng, table):
    """Return signal, local contrast and luminance (cycle, bin, x) of the bumps on a ring."""
    n_x = stimulus.n_x
    path = sweep_path(stimulus, n_cycles, bins, [stimulus.sweep], rng)
    n_places = int(path.place.max()) + 1
    start = rng.integers(n_x, size=n_places)
    centre = start[path.place][:, None] + path.moved
    others = [rng.permutation(n_x - 1)[: stimulus.n_bumps - 1] + 1 for _ in range(n_places)]
    apart = np.array([[0, *some] for some in others])[path.place]
    distance = np.arange(n_x) - centre[..., None, None] - apart[:, None, :, None]
    distance = (distance + n_x / 2) % n_x - n_x / 2
    signal = np.exp(-(distance**2) / (2 * stimulus.width**2)).max(axis=2)
    sigma = float(table["sigma_suppressive"])
    local = np.sqrt(gaussian_filter1d(signal**2, sigma, axis=-1, mode="wrap", truncate=4))
    return signal, local, stimulus.contrast * signal, path, {"centre": centre % n_x}


def _sampled(maps, row: int, columns: np.ndarray) -> np.ndarray:
    """Return the map's values along a row at fractional columns."""
    return np.interp(columns, np.arange(maps.shape[1]), maps[row])


def _between_rows(maps, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Return the map's values (bin, x) along fractional rows (bin,) at columns (bin, x)."""
    first = np.clip(np.floor(rows).astype(int), 0, max(len(maps) - 2, 0))
    share = (rows - first)[:, None]
    pairs = zip(first, columns, strict=True)
    lines = np.stack([[_sampled(maps, r, c), _sampled(maps, r + 1, c)] for r, c in pairs], axis=1)
    return (1 - share) * lines[0] + share * lines[1]


def _picture_samples(stimulus, n_cycles, bins, rng, pictures, filtered):
    """Return what the moving window sees of the pictures, each (cycle, bin, x)."""
    height, width = np.array([picture.shape for picture in pictures]).T
    span = (stimulus.n_x - 1) * stimulus.spacing
    names = [f"'{name}'" for name in stimulus.names]
    lengths, free = zip(
        *(
            sweep_length(stimulus, w - 1, span, stimulus.spacing, "n_x", name)
            for w, name in zip(width, names, strict=True)
        ),
        strict=True,
    )
    path = sweep_path(stimulus, n_cycles, bins, list(lengths), rng)
    start = place_starts(stimulus, path, free, width - 1 - span, rng)
    across = stimulus.spacing * path.across
    ends = np.searchsorted(path.place, np.unique(path.place), side="right") - 1
    row = place_rows(stimulus, height[path.at_places(path.picture)], rng, across[ends, -1])[
        path.place
    ]
    if stimulus.drift:
        row = row[:, None] + across
    left = start[path.place][:, None] + stimulus.spacing * path.moved
    columns = left[..., None] + stimulus.spacing * np.arange(stimulus.n_x)
    seen = np.empty((4, *columns.shape))
    for k, shown in enumerate(path.picture):
        maps = (*filtered[shown], pictures[shown])
        for values, a_map in zip(seen, maps, strict=True):
            sampled = _between_rows if stimulus.drift else _sampled
            values[k] = sampled(a_map, row[k], columns[k])
    signal, local, mean, picture = seen
    luminance = mean + stimulus.contrast * (picture - mean)
    return signal, local, luminance, path, {"left": left, "row": row}


def _movie_samples(stimulus, n_cycles, bins, rng, frames, table):
    """Return what a resting window sees of successive frames, each (cycle, bin, x)."""
    if stimulus.drift:
        raise bad_value("drift", "a window on a film stands still")
    first = next(frames)
    row, left = resting_window(stimulus, first.shape, rng)
    # what lies farther off than the filters reach, one after the other, need not be filtered
    reach = sum(float(table[f"sigma_{k}"]) for k in ("luminance", "surround", "suppressive"))
    reach = int(np.ceil(4 * reach * stimulus.spacing)) + 3
    span = (stimulus.n_x - 1) * stimulus.spacing
    top, start_x = max(0, row - reach), max(0, left - reach)
    crop = np.s_[top : row + reach + 1, start_x : left + span + reach + 1]
    columns = left - start_x + stimulus.spacing * np.arange(stimulus.n_x)
    seen, squares = [], []
    # no more of a film than will be shown; but a fixed gain is that of all of it
    n_shown = 2 + (n_cycles + 1) * max(1, int(stimulus.velocity(0)))
    frames = itertools.chain([first], frames)
    for frame in itertools.islice(frames, n_shown) if stimulus.gain_control else frames:
        cropped = frame[crop]
        signal, local, mean = centre_surround(cropped, stimulus.spacing, table)
        squares.append(np.mean(local**2))
        seen.append([a_map[row - top, columns] for a_map in (signal, local, mean, cropped)])
    seen = np.moveaxis(np.array(seen[:n_shown]), 1, 0)  # (map, frame, x)

    n_frames = seen.shape[1]
    length, free = sweep_length(stimulus, n_frames - 1, 0, 1, "step", "the file")
    path = sweep_path(stimulus, n_cycles, bins, [length], rng)
    start = place_starts(stimulus, path, [free], [n_frames - 1], rng)
    time = start[path.place][:, None] + path.moved
    before = np.minimum(np.floor(time).astype(int), n_frames - 2)
    share = (time - before)[..., None]
    signal, local, mean, picture = (1 - share) * seen[:, before] + share * seen[:, before + 1]
    luminance = mean + stimulus.contrast * (picture - mean)
    where = {
        "left": np.full(n_cycles, left), "row": np.full(n_cycles, row), "film_frame": time
    }  # fmt: skip
    return (signal, local, luminance, path, where), float(np.sqrt(np.mean(squares)))


def render(
    stimulus: Stimulus,
    *,
    n_cycles: int,
    cycle_length: Quantity = 200 * ms,
    bin: Quantity = 5 * ms,
    seed: int = 1,
    plus_start: float = 0.5,
    table: ParameterTable | None = None,
) -> xr.Dataset:
    """Return the firing rates of the relay cells while the stimulus is shown.

    The window moves on until the picture ends, or for ``sweep`` cycles; then, at a cycle start, it
    begins a new sweep at another place. Photograph, direction, row and start of each sweep come
    from the seed.

    Parameters
    ----------
    stimulus : Stimulus
    n_cycles : int
    cycle_length, bin : Quantity [time]
        The cycle must be a whole number of bins.
    seed : int
        Draws the places and, where there is a choice, photographs, directions and the order;
        nothing else is random.
    plus_start : float
        Where in the cycle the plus phase starts, as a fraction in [0, 1).
    table : ParameterTable, optional
        Relay-cell parameters, default `lgn_table`.

    Returns
    -------
    Dataset
        - ``rate`` (bin, channel), Hz: firing rate; coordinate ``time`` (bin), s, is the bin's
          start. Channels run through all ``x`` of the first ``polarity``, then of the second.
        - ``drive`` (cycle, channel), Hz: mean rate in the plus phase.
        - ``frame`` (cycle, x), fraction of full scale: mean luminance in the plus phase.
        - ``jump`` (cycle): does a sweep begin here, so that the cycle before predicts nothing. Of a
          shuffled sequence: where the moving one would jump, so that the same cycles are scored.
        - ``direction`` (cycle): +1 where the window moves to the right, the film runs forwards or
          the bump moves to higher positions in this cycle, -1 the other way, 0 at rest. (As the
          window moves to the right, the pattern that is seen moves to lower positions.)
        - ``predictable`` (cycle, channel): was what is seen here within the window one cycle
          earlier; false wherever ``jump`` is true. Of a shuffled sequence: would it have been,
          with the direction of this cycle and without the shuffling.
        - coordinate ``picture`` (cycle): name of the photograph or file, or ``"ring"``.
        - on pictures ``row`` (cycle) and ``left`` (cycle), px: where the window is in the middle
          of the plus phase; of a film ``film_frame`` (cycle), frames; on a ring ``centre`` (cycle),
          positions. They are `PLACES`.
        - where there is a cue ``cue`` (cycle, feature), Hz: rate of the inputs of cue cells, two
          features for each thing told: forward and backward, or heads and tails of the coin;
          ``coin`` (cycle): 1 or -1, of `PLACES` too.
        - where speeds differ ``velocity`` (cycle), positions moved in the cycle; ``predictable``
          follows it.
        - of a set of images ``image`` (cycle), its number, and ``deviant`` (cycle), 1 or 0.

        Every variable has ``units``.

    Raises
    ------
    InputError
        If times are no times, the cycle is no whole number of bins, the file cannot be read, or
        the window does not fit the picture.
    """
    return _render(stimulus, n_cycles, cycle_length, bin, seed, (), plus_start, table)


def _render(stimulus, n_cycles, cycle_length, bin, seed, block, plus_start, table) -> xr.Dataset:
    """Return what `render` promises; ``block`` holds further numbers of the seed."""
    table = table or lgn_table()
    check_whole("n_cycles", n_cycles, 1)
    check_whole("seed", seed, 0)
    cycle_s, bin_s = _seconds("cycle_length", cycle_length), _seconds("bin", bin)
    bins = round(cycle_s / bin_s)
    if bins < 1 or abs(bins * bin_s - cycle_s) > 1e-9 * cycle_s:
        raise bad_value(
            "bin", f"the cycle of {cycle_length} is not a whole number of bins of {bin}"
        )
    if not 0 <= plus_start < 1:
        raise bad_value("plus_start", f"{plus_start:g} is outside [0, 1)")
    plus = (np.arange(bins) + 0.5) / bins >= plus_start
    rng = np.random.default_rng([seed, *block])

    if stimulus.n_images:
        still, typical, seen = _set_samples(stimulus, n_cycles, bins, rng, seed, table)
    else:
        still, typical, seen = _samples(stimulus, n_cycles, bins, rng, table)
    signal, local, luminance, path, where = seen

    options = {"contrast": stimulus.contrast, "gain_control": stimulus.gain_control}
    rate = np.concatenate(
        [
            relay_rate(signal, local, polarity=p, typical=typical, table=table, **options)
            for p in stimulus.polarities
        ],
        axis=-1,
    )
    if not np.isfinite(rate).all():
        raise bad_value(stimulus.kind, "the rates of the relay cells do not stay finite")
    x = np.arange(stimulus.n_x)
    step = path.velocity
    source = x + step[:, None]
    known = still | (source >= 0) & (source < stimulus.n_x)
    known = np.tile(known & ~path.jump[:, None], len(stimulus.polarities))
    names = stimulus.names
    n_polarities = len(stimulus.polarities)
    dataset = xr.Dataset(
        {
            "rate": (("bin", "channel"), rate.reshape(-1, rate.shape[-1]), {"units": "Hz"}),
            "drive": (("cycle", "channel"), rate[:, plus].mean(axis=1), {"units": "Hz"}),
            "frame": (("cycle", "x_position"), luminance[:, plus].mean(axis=1), {"units": "1"}),
            "jump": ("cycle", path.jump, {"units": "1"}),
            "direction": ("cycle", np.sign(step), {"units": "1"}),
            "predictable": (("cycle", "channel"), known, {"units": "1"}),
        },
        coords={
            "time": ("bin", np.arange(n_cycles * bins) * bin_s, {"units": "s"}),
            "cycle": np.arange(n_cycles),
            "picture": ("cycle", np.array(names)[path.picture]),
            "x": ("channel", np.tile(x, n_polarities)),
            "polarity": ("channel", np.repeat(stimulus.polarities, stimulus.n_x)),
        },
        attrs={
            **{f.name: _attribute(f.name, getattr(stimulus, f.name)) for f in fields(stimulus)},
            "seed": seed,
            "cycle_length": f"{cycle_s!r} s",
            "bin": f"{bin_s!r} s",
            "plus_start": plus_start,
        },
    )
    if stimulus.speeds or stimulus.acceleration:
        where["velocity"] = step
    if stimulus.cue:
        told, coin = _cue(stimulus, np.sign(step), [seed, *block])
        dataset["cue"] = (("cycle", "feature"), told, {"units": "Hz"})
        if "coin" in stimulus.cue:
            where["coin"] = coin
    middle = np.flatnonzero(plus)[plus.sum() // 2]
    for name, values in where.items():
        values = values if values.ndim == 1 else values[:, middle]
        dataset[name] = ("cycle", np.asarray(values, float), {"units": PLACES[name]})
    return dataset


def _samples(stimulus, n_cycles, bins, rng, table) -> tuple:
    """Return whether its frames stay in place, the typical contrast, and what the eye sees."""
    still = stimulus.kind == "ring"
    if stimulus.kind == "ring":
        seen = _ring_samples(stimulus, n_cycles, bins, rng, table)
        typical = float(np.sqrt(np.mean(seen[1] ** 2)))
    else:
        pictures = [photograph(name) for name in stimulus.photographs]
        if not pictures:
            every = [frames_of(path) for path in stimulus.paths]
            every += [array_frames(values) for values in getattr(stimulus.array, "values", ())]
            frames = every[0]
            pictures = list(itertools.islice(frames, 2)) if len(every) == 1 else _set(every)
            still = len(every) == 1 and len(pictures) > 1
        if still:
            frames = itertools.chain(pictures, frames)
            seen, typical = _movie_samples(stimulus, n_cycles, bins, rng, frames, table)
        else:
            filtered = [
                filtered_photograph(name, stimulus.spacing, table) for name in stimulus.photographs
            ] or [centre_surround(picture, stimulus.spacing, table) for picture in pictures]
            seen = _picture_samples(stimulus, n_cycles, bins, rng, pictures, filtered)
            typical = float(np.sqrt(np.mean([np.mean(local**2) for _, local, _ in filtered])))
    return still, typical, seen


def _set_samples(stimulus, n_cycles, bins, rng, seed, table) -> tuple:
    """Return what `_samples` does, of a set of images: each a sweep of one cycle."""
    one = replace(stimulus, order="moving", n_images=0, deviants=0.0, sweep=1)
    images = np.random.default_rng([seed, _SET])
    _, typical, seen = _samples(one, MOST_IMAGES, bins, images, table)
    *maps, path, where = seen
    order, deviant = image_order(stimulus, n_cycles, rng)
    where = {name: values[order] for name, values in where.items()}
    where |= {"image": order, "deviant": deviant}
    jump = np.arange(n_cycles) == 0
    path = SweepPath(order, jump, path.picture[order], path.sign[order], path.moved[order],
                     path.velocity[order], path.across[order])  # fmt: skip
    # every image was shown before: all positions can be predicted
    return True, typical, (*(a_map[order] for a_map in maps), path, where)


def _set(every) -> list[np.ndarray]:
    """Return the picture of each of several files or arrays."""
    found = []
    for k, frames in enumerate(every, 1):
        picture, *more = itertools.islice(frames, 2)
        if more:
            raise bad_value("path", f"file {k} of several has frames; one alone may be a film")
        found.append(picture)
    return found


def _cue(stimulus, direction, seed) -> tuple[np.ndarray, np.ndarray]:
    """Return the rates of the features of the cue (cycle, feature), and the coin (cycle)."""
    coin = np.random.default_rng([*seed, _COIN]).choice([1, -1], size=len(direction))
    sign = np.stack([{"direction": direction, "coin": coin}[name] for name in stimulus.cue], 1)
    so = np.stack([sign > 0, sign < 0], axis=-1).reshape(len(sign), -1)
    return np.where(so, stimulus.cue_rate, stimulus.cue_rest), coin


def places_of(shown: xr.Dataset) -> xr.Dataset:
    """Return of what `render` gives which picture each cycle showed, and where in it."""
    return shown.reset_coords("picture")[["picture", *(name for name in PLACES if name in shown)]]


def _attribute(name, value):
    """Return a value that netCDF can hold."""
    if isinstance(value, Arrays):
        return str(value)
    if isinstance(value, tuple):
        return " ".join(map(str, value))
    if value is None:
        return {"sweep": "until the picture ends", "array": "none"}.get(name, "drawn from the seed")
    return int(value) if isinstance(value, bool) else value


def sequence(
    blocks: Sequence[tuple[Stimulus, int]],
    *,
    cycle_length: Quantity = 200 * ms,
    bin: Quantity = 5 * ms,
    seed: int = 1,
    plus_start: float = 0.5,
    table: ParameterTable | None = None,
) -> xr.Dataset:
    """Render several stimuli one after another, as the blocks of a learning run.

    Parameters
    ----------
    blocks : sequence of (Stimulus, int)
        What each block shows, and for how many cycles. All need the same positions and polarities.
    cycle_length, bin, plus_start, table
        As in `render`.
    seed : int
        Block ``k`` is drawn from the seed ``[seed, k]``: what it shows does not depend on the
        length of the others. The first block is what `render` draws from ``seed``.

    Returns
    -------
    Dataset
        The variables of `render`, over the cycles of all blocks; ``jump`` is true at the start of
        each block. Coordinate ``cycle_block`` (cycle): number of the block. What a block lacks
        (``centre`` on pictures; ``row`` and ``left`` on a ring) is NaN there. Attributes are those
        that all blocks share.

    Raises
    ------
    InputError
        If there is no block, if blocks differ in positions or polarities, or as in `render`.
    """
    blocks = list(blocks)
    if not blocks:
        raise bad_value("blocks", "there is none; at least one is needed")
    first = blocks[0][0]
    for k, (stimulus, _) in enumerate(blocks):
        for key in ("n_x", "polarities", "cue"):
            here, there = (_attribute(key, getattr(s, key)) for s in (stimulus, first))
            if here != there:
                raise bad_value(key, f"block {k} has {here}, block 0 {there}: all need the same")
    parts = [
        _render(stimulus, n_cycles, cycle_length, bin, seed, (k,), plus_start, table)
        for k, (stimulus, n_cycles) in enumerate(blocks)
    ]
    joined = {}
    for name in dict.fromkeys(name for part in parts for name in part.data_vars):
        model = next(part[name] for part in parts if name in part)
        values = [
            part[name].values if name in part else np.full(part.sizes["cycle"], np.nan)
            for part in parts
        ]
        joined[name] = (model.dims, np.concatenate(values), model.attrs)
    n_cycles = [part.sizes["cycle"] for part in parts]
    n_bins = sum(part.sizes["bin"] for part in parts)
    shared = parts[0].attrs.items()
    return xr.Dataset(
        joined,
        coords={
            "time": ("bin", np.arange(n_bins) * _seconds("bin", bin), {"units": "s"}),
            "cycle": np.arange(sum(n_cycles)),
            "picture": ("cycle", np.concatenate([part["picture"].values for part in parts])),
            "cycle_block": ("cycle", np.repeat(np.arange(len(parts)), n_cycles)),
            "x": parts[0]["x"],
            "polarity": parts[0]["polarity"],
        },
        attrs={k: v for k, v in shared if all(part.attrs[k] == v for part in parts)},
    )
