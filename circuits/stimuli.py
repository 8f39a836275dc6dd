"""What the eye sees, as firing rates of LGN relay cells.

A photograph is seen through a row of receptive fields that moves over it at constant velocity, a
bump moves round a ring, or a file of the user's is shown. A movement in one direction is a *sweep*;
the next one begins at another place, perhaps of another photograph. ON and OFF centre-surround
filters turn luminance into local contrast, a suppressive field divides it by the contrast around
it, and what is above threshold becomes a rate::

    n = c s / (c50 + c s_rms)          s: centre minus surround, s_rms: its local RMS, c: contrast
    rate = r_base + r_max [+-n - threshold]+

The division makes the rates nearly independent of contrast (Bonin, Mante & Carandini 2005); the
rectification follows the division, as in that paper. Parameters: ``tables/lgn.toml``.

References
----------
Bonin, Mante & Carandini (2005), J Neurosci 25:10844, doi:10.1523/JNEUROSCI.0906-05.2005
"""

from __future__ import annotations

import functools
import importlib.util
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import xarray as xr
from brian2.units import Quantity, have_same_dimensions, ms, second
from scipy.ndimage import gaussian_filter1d

from cells.parameters import InputError, ParameterTable, load_tables, nearest

__all__ = [
    "DIRECTIONS",
    "GROUPS",
    "HELD_OUT",
    "KINDS",
    "MOTIONS",
    "ORDERS",
    "PHOTOGRAPHS",
    "POLARITIES",
    "TRAINING",
    "Stimulus",
    "centre_surround",
    "lgn_table",
    "photograph",
    "relay_rate",
    "render",
    "sequence",
]

KINDS = ("photograph", "ring", "file")
MOTIONS = ("smooth", "stepped")
ORDERS = ("moving", "shuffled")
DIRECTIONS = {"forward": (1,), "backward": (-1,), "both": (1, -1)}
POLARITIES = ("on", "off")

# All of them lie in the scikit-image wheel itself; its other pictures need a download.
TRAINING = ("astronaut", "camera", "coins", "grass", "gravel", "rocket")
HELD_OUT = ("brick", "chelsea", "coffee")
PHOTOGRAPHS = (*TRAINING, *HELD_OUT, "hubble_deep_field", "moon", "page", "retina", "text")
GROUPS = {"training": TRAINING, "held_out": HELD_OUT}

_VIDEO = (".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpg", ".webm")
_TABLE = Path(__file__).parent / "tables" / "lgn.toml"
_DEFAULT_STEP = {"photograph": 2, "ring": 3, "file": 2}
_RING_SWEEP = 16


@dataclass(frozen=True)
class Stimulus:
    """What is shown and how it moves; checked when made, frozen, hashable.

    Parameters
    ----------
    kind : {"photograph", "ring", "file"}
        A photograph of `PHOTOGRAPHS`, a bump on a ring, or the file at ``path``.
    image : str or sequence of str
        Name of the photograph; or of a group of `GROUPS`, ``"training"`` or ``"held_out"``; or
        several names. Of several every sweep shows one: all of them in an order drawn from the
        seed, then all again in another.
    path : str
        Picture, GIF, TIFF stack or video; used and required by ``kind="file"``. Of a file with
        several frames the window stands still and the frames move on, and start again.
    n_x : int
        Positions: receptive fields in the row, or sites of the ring.
    polarities : sequence of {"on", "off"}, optional
        Cells at each position; default both, on a ring ``("on",)``.
    spacing : int
        Pixels between neighbouring positions.
    step : int, optional
        Positions moved in one cycle (frames, of a file with several); negative moves back, 0
        stands still. Default 2, on a ring 3.
    motion : {"smooth", "stepped"}
        Constant velocity all the time, so that no phase of the cycle is marked; or one jump at
        each cycle start.
    sweep : int, optional
        Most cycles of one sweep before it jumps to another place. Default: until the picture
        ends; on a ring for ever, or 16 cycles where ``direction`` is ``"both"``.
    direction : {"forward", "backward", "both"}
        The way of ``step``, the opposite way, or one of the two for every sweep: both of them in
        an order drawn from the seed, then both again.
    order : {"moving", "shuffled"}
        Shuffled is the control in which no cycle predicts the next one: it shows as many cycles
        of every photograph, direction and age of the sweep, each with the movement it has, but in
        a random order and each at a place of its own. Single cycles have the statistics of the
        moving sequence.
    contrast : float
        Fraction of the picture's own contrast, in (0, 1].
    row : int, optional
        Row of pixels that the window moves along; default drawn from the seed for every sweep.
    width : float
        SD of the bump on a ring, in positions.
    n_bumps : int
        Bumps on the ring that move together, at distances drawn anew for every sweep. With several,
        several contexts are active at once, as on a photograph. Where two overlap the brighter
        counts.
    gain_control : bool
        False ablates the suppressive field: the gain stays what it is, on average over the
        picture, at full contrast. Of several photographs it is one gain for all, from their
        pooled mean square, each photograph counting the same: a cell does not know which one it
        sees.

    Raises
    ------
    InputError
        One line with the key and the nearest valid choice.
    """

    kind: str = "photograph"
    image: str | tuple[str, ...] = "camera"
    path: str = ""
    n_x: int = 8
    polarities: tuple[str, ...] | None = None
    spacing: int = 6
    step: int | None = None
    motion: str = "smooth"
    sweep: int | None = None
    direction: str = "forward"
    order: str = "moving"
    contrast: float = 1.0
    row: int | None = None
    width: float = 0.6
    n_bumps: int = 1
    gain_control: bool = True

    def __post_init__(self):
        """Fill in the defaults that depend on the kind, then check every field."""
        _choice("kind", self.kind, KINDS)
        if self.polarities is None:
            object.__setattr__(
                self, "polarities", POLARITIES[:1] if self.kind == "ring" else POLARITIES
            )
        elif isinstance(self.polarities, str):
            object.__setattr__(self, "polarities", (self.polarities,))
        else:
            object.__setattr__(self, "polarities", tuple(self.polarities))
        if self.step is None:
            object.__setattr__(self, "step", _DEFAULT_STEP[self.kind])
        if not isinstance(self.image, str):
            object.__setattr__(self, "image", _names("image", self.image))
        if self.sweep is None and self.kind == "ring" and self.direction == "both":
            object.__setattr__(self, "sweep", _RING_SWEEP)
        _choice("motion", self.motion, MOTIONS)
        _choice("order", self.order, ORDERS)
        _choice("direction", self.direction, DIRECTIONS)
        for polarity in self.polarities:
            _choice("polarities", polarity, POLARITIES)
        if not self.polarities or len(set(self.polarities)) != len(self.polarities):
            raise _bad("polarities", "each of 'on', 'off' at most once and at least one")
        if self.kind == "ring" and "off" in self.polarities:
            raise _bad("polarities", "a bump on a ring has 'on' cells only")
        _whole("n_x", self.n_x, 2)
        _whole("spacing", self.spacing, 1)
        _whole("step", self.step)
        if self.row is not None:
            _whole("row", self.row, 0)
        if self.sweep is not None:
            _whole("sweep", self.sweep, 1)
        _whole("n_bumps", self.n_bumps, 1)
        if self.kind == "ring" and self.n_bumps > self.n_x:
            raise _bad("n_bumps", f"{self.n_bumps} is above the number of positions, {self.n_x}")
        _between("contrast", self.contrast, 0, 1)
        _between("width", self.width, 0, self.n_x)
        if not isinstance(self.gain_control, bool):
            raise _bad("gain_control", f"{self.gain_control!r} is not true or false")
        if self.kind == "photograph":
            if isinstance(self.image, str):
                _choice("image", self.image, (*PHOTOGRAPHS, *GROUPS))
            for name in self.photographs:
                _choice("image", name, PHOTOGRAPHS)
        if self.kind == "file":
            if not self.path:
                raise _bad("path", "kind 'file' needs the path of a picture or video")
            if not Path(self.path).is_file():
                raise _bad("path", f"no such file '{self.path}'{_neighbour(self.path)}")

    @classmethod
    def from_mapping(cls, values: Mapping, where: str = "[stimulus]") -> Stimulus:
        """Return the stimulus that a table of a run file describes.

        Parameters
        ----------
        values : mapping
            Field names and values.
        where : str
            Begins the error line, e.g. ``"first_light.toml: [stimulus]"``.

        Raises
        ------
        InputError
            For an unknown key (with the nearest one) or a bad value.
        """
        known = [field.name for field in fields(cls)]
        for key in values:
            if key not in known:
                raise InputError(f"{where} unknown key '{key}'{nearest(key, known)}")
        try:
            return cls(**values)
        except InputError as error:
            raise InputError(f"{where} {str(error).removeprefix('[stimulus] ')}") from None

    @property
    def n_channels(self) -> int:
        """Channels: positions times polarities."""
        return self.n_x * len(self.polarities)

    @property
    def photographs(self) -> tuple[str, ...]:
        """Names of the photographs that ``image`` stands for; none for other kinds."""
        if self.kind != "photograph":
            return ()
        return GROUPS.get(self.image, (self.image,)) if isinstance(self.image, str) else self.image


def _bad(key: str, message: str) -> InputError:
    return InputError(f"[stimulus] {key}: {message}")


def _choice(key: str, value, valid) -> None:
    if value not in valid:
        raise _bad(key, f"unknown '{value}'{nearest(value, valid)}")


def _names(key: str, value) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(name, str) for name in value):
        raise _bad(key, f"{value!r} is neither a name nor a list of names")
    if not value or len(set(value)) != len(value):
        raise _bad(key, "a list has at least one name and each name once")
    return tuple(value)


def _whole(key: str, value, least: int | None = None) -> None:
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise _bad(key, f"{value!r} is not a whole number")
    if least is not None and value < least:
        raise _bad(key, f"{value} is below {least}")


def _between(key: str, value, low: float, high: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float | np.number):
        raise _bad(key, f"{value!r} is not a number")
    if not low < value <= high:
        raise _bad(key, f"{value:g} is outside ({low:g}, {high:g}]")


def _neighbour(path: str) -> str:
    folder = Path(path).parent
    names = [p.name for p in folder.iterdir() if p.is_file()] if folder.is_dir() else []
    hint = nearest(Path(path).name, names)
    return hint if "did you mean" in hint else ""


@functools.cache
def lgn_table() -> ParameterTable:
    """Return the parameters of the relay cells, ``tables/lgn.toml``."""
    return load_tables(_TABLE)["LGN"]


def _luminance(picture: np.ndarray) -> np.ndarray:
    """Return (y, x) luminance in [0, 1] of a grey or colour picture of any number type."""
    from skimage.color import rgb2gray

    picture = np.asarray(picture)
    if picture.dtype == bool:
        picture = picture.astype(float)
    elif np.issubdtype(picture.dtype, np.integer):
        picture = picture / np.iinfo(picture.dtype).max
    picture = picture.astype(float)
    if picture.ndim == 3:
        n_colours = picture.shape[2]
        picture = rgb2gray(picture[..., :3]) if n_colours in (3, 4) else picture[..., 0]
    if picture.ndim != 2 or not np.isfinite(picture).all():
        raise ValueError("not a picture of finite luminances")
    low, high = picture.min(), picture.max()
    if low < 0 or high > 1:
        picture = (picture - low) / (high - low)
    return picture


@functools.lru_cache(maxsize=16)
def photograph(name: str) -> np.ndarray:
    """Return a photograph of the scikit-image wheel.

    Parameters
    ----------
    name : str
        One of `PHOTOGRAPHS`.

    Returns
    -------
    (y, x) array
        Luminance, fraction of full scale; read-only.

    Raises
    ------
    InputError
        If there is no such photograph; names the nearest.
    """
    from skimage import data

    _choice("image", name, PHOTOGRAPHS)
    picture = _luminance(getattr(data, name)())
    picture.flags.writeable = False
    return picture


def _tiff_pages(path: str):
    """Yield the pages of a TIFF; imageio would give a stack of them as one picture."""
    from tifffile import TiffFile

    with TiffFile(path) as stack:
        for page in stack.pages:
            yield page.asarray()


def _frames(path: str):
    """Yield the frames of the file as (y, x) luminances of one size."""
    import imageio.v3 as imageio

    tiff = Path(path).suffix.lower() in (".tif", ".tiff")
    shape = None
    try:
        for picture in _tiff_pages(path) if tiff else imageio.imiter(path):
            luminance = _luminance(picture)
            if luminance.shape != (shape or luminance.shape):
                raise ValueError("its frames differ in size")
            shape = luminance.shape
            yield luminance
    except Exception as error:
        # imageio raises whatever its plugins raise; all of it means that the file cannot be shown.
        plugins = any(importlib.util.find_spec(name) for name in ("av", "imageio_ffmpeg"))
        if Path(path).suffix.lower() in _VIDEO and not plugins:
            raise _bad("path", f"video '{path}' needs a plugin: pip install av") from None
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:120]
        raise _bad("path", f"cannot read '{path}' as a picture or video ({reason})") from None
    if shape is None:
        raise _bad("path", f"no picture in '{path}'")


def centre_surround(
    luminance: np.ndarray, spacing: float, table: ParameterTable | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Filter a picture with the receptive and the suppressive fields of relay cells.

    Parameters
    ----------
    luminance : (y, x) array
        Fraction of full scale.
    spacing : float
        Pixels per position.
    table : ParameterTable, optional
        Default `lgn_table`.

    Returns
    -------
    signal : (y, x) array
        Centre minus surround of the Weber contrast; positive drives ON cells, negative OFF cells.
    local : (y, x) array
        Its root mean square within the suppressive field (Bonin, Mante & Carandini 2005,
        doi:10.1523/JNEUROSCI.0906-05.2005).
    mean : (y, x) array
        Local mean luminance.
    """
    from skimage.filters import gaussian

    table = table or lgn_table()

    def blurred(picture, key):
        return gaussian(picture, float(table[key]) * spacing, mode="reflect")

    mean = blurred(luminance, "sigma_luminance")
    weber = (luminance - mean) / (mean + float(table["dark_light"]))
    surround = float(table["surround_strength"]) * blurred(weber, "sigma_surround")
    signal = blurred(weber, "sigma_centre") - surround
    local = np.sqrt(np.maximum(blurred(signal**2, "sigma_suppressive"), 0))
    return signal, local, mean


@functools.lru_cache(maxsize=32)
def _filtered_photograph(name: str, spacing: int, table: ParameterTable):
    return centre_surround(photograph(name), spacing, table)


def relay_rate(
    signal: np.ndarray,
    local: np.ndarray | float,
    *,
    contrast: float = 1.0,
    polarity: str = "on",
    gain_control: bool = True,
    typical: float = 0.0,
    table: ParameterTable | None = None,
) -> np.ndarray:
    """Return the firing rate of relay cells.

    Parameters
    ----------
    signal, local : array
        From `centre_surround`, at full contrast.
    contrast : float
        Factor on both.
    polarity : {"on", "off"}
    gain_control : bool
        False divides by ``c50 + typical`` whatever the contrast.
    typical : float
        Local contrast that fixes the gain without gain control.
    table : ParameterTable, optional
        Default `lgn_table`.

    Returns
    -------
    array, Hz
    """
    table = table or lgn_table()
    sign = {"on": 1.0, "off": -1.0}[polarity]
    pooled = contrast * np.asarray(local) if gain_control else typical
    normalised = sign * contrast * np.asarray(signal) / (float(table["c50"]) + pooled)
    above = np.maximum(0.0, normalised - float(table["threshold"]))
    return float(table["r_base"]) + float(table["r_max"]) * above


def _seconds(key: str, value) -> float:
    if not isinstance(value, Quantity) or not have_same_dimensions(value, second):
        raise _bad(key, f"{value!r} is not a time such as 200*ms")
    if not float(value) > 0:
        raise _bad(key, f"{value} is not above 0")
    return float(value)


@dataclass(frozen=True)
class _Path:
    """Where the window is: which place each cycle belongs to, and how far it has moved there."""

    place: np.ndarray  # (cycle,) number of the start, row and distances that are drawn together
    jump: np.ndarray  # (cycle,) does this cycle begin a sweep
    picture: np.ndarray  # (cycle,) number of the photograph
    sign: np.ndarray  # (cycle,) +1 the way of `step`, -1 the opposite way
    moved: np.ndarray  # (cycle, bin in cycle), from the start of the sweep, positions or frames

    def at_places(self, values) -> np.ndarray:
        """Return one value per place of an array over cycles."""
        return values[np.unique(self.place, return_index=True)[1]]


def _rounds(values, rng):
    """Yield all values in random order, then all again in another; one value costs no draw."""
    while True:
        yield from rng.permutation(values) if len(values) > 1 else values


def _path(stimulus: Stimulus, n_cycles: int, bins: int, lengths: list, rng) -> _Path:
    """Return the path through pictures whose sweeps take ``lengths`` cycles (None: for ever)."""
    pictures = _rounds(range(len(lengths)), rng)
    signs = _rounds(DIRECTIONS[stimulus.direction], rng)
    picture, sign, age, sweep = np.zeros((4, n_cycles), int)
    first = 0
    for number in itertools.count():
        shown = int(next(pictures))
        length = min(lengths[shown] or n_cycles, n_cycles - first)
        now = slice(first, first + length)
        picture[now], sign[now], sweep[now] = shown, next(signs), number
        age[now] = np.arange(length)
        first += length
        if first == n_cycles:
            break
    jump = age == 0
    if stimulus.order == "shuffled":
        # the same cycles in another order, each at a place of its own; where the moving sequence
        # jumps is kept, so that the same cycles are scored
        mixed = rng.permutation(n_cycles)
        picture, sign, age, sweep = picture[mixed], sign[mixed], age[mixed], np.arange(n_cycles)
    within = (np.arange(bins) + 0.5) / bins if stimulus.motion == "smooth" else np.zeros(bins)
    moved = stimulus.step * sign[:, None] * (age[:, None] + within)
    return _Path(sweep, jump, picture, sign, moved)


def _ring_samples(stimulus, n_cycles, bins, rng, table):
    """Return signal, local contrast and luminance (cycle, bin, x) of the bumps on a ring."""
    n_x = stimulus.n_x
    path = _path(stimulus, n_cycles, bins, [stimulus.sweep], rng)
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


def _sweep_of(stimulus, extent: float, span: float, per_step: float, what: str, whose: str):
    """Return the cycles one sweep takes (None: no end), and how far its start is free to lie."""
    if extent < span:
        raise _bad(what, f"the window needs {span + 1:.0f} px, {whose} has {extent + 1:.0f}")
    stride = abs(stimulus.step) * per_step
    if stride == 0:
        return stimulus.sweep, int(extent - span)
    # one step is left free, for the start to differ between sweeps
    room = int((extent - span) // stride) - 1
    if room < 1:
        need = span + 2 * stride + 1
        raise _bad(what, f"two steps need {need:.0f} px or frames, {whose} has {extent + 1:.0f}")
    if stimulus.sweep is None or stimulus.sweep >= room:
        return room, int(stride)
    return stimulus.sweep, int(extent - span - stimulus.sweep * stride)


def _starts(stimulus, path: _Path, free, last, rng) -> np.ndarray:
    """Return where each place begins; a movement to the left begins at the right end."""
    picture = path.at_places(path.picture)
    start = rng.integers(np.asarray(free)[picture] + 1)
    left = stimulus.step * path.at_places(path.sign) < 0
    return np.where(left, np.asarray(last)[picture] - start, start)


def _sampled(maps, row: int, columns: np.ndarray) -> np.ndarray:
    """Return the map's values along a row at fractional columns."""
    return np.interp(columns, np.arange(maps.shape[1]), maps[row])


def _rows(stimulus, heights: np.ndarray, rng) -> np.ndarray:
    """Return one row for each place; ``heights`` are those of the pictures shown there."""
    if stimulus.row is None:
        return rng.integers(heights)
    if stimulus.row >= heights.min():
        lowest = heights.min()
        raise _bad("row", f"{stimulus.row} is not below the height of the picture, {lowest}")
    return np.full(len(heights), stimulus.row)


def _picture_samples(stimulus, n_cycles, bins, rng, pictures, filtered):
    """Return what the moving window sees of the pictures, each (cycle, bin, x)."""
    height, width = np.array([picture.shape for picture in pictures]).T
    span = (stimulus.n_x - 1) * stimulus.spacing
    names = [f"'{name}'" for name in stimulus.photographs] or ["the picture"]
    lengths, free = zip(
        *(
            _sweep_of(stimulus, w - 1, span, stimulus.spacing, "n_x", name)
            for w, name in zip(width, names, strict=True)
        ),
        strict=True,
    )
    path = _path(stimulus, n_cycles, bins, list(lengths), rng)
    start = _starts(stimulus, path, free, width - 1 - span, rng)
    row = _rows(stimulus, height[path.at_places(path.picture)], rng)[path.place]
    left = start[path.place][:, None] + stimulus.spacing * path.moved
    columns = left[..., None] + stimulus.spacing * np.arange(stimulus.n_x)
    seen = np.empty((4, *columns.shape))
    for k, shown in enumerate(path.picture):
        maps = (*filtered[shown], pictures[shown])
        for values, a_map in zip(seen, maps, strict=True):
            values[k] = _sampled(a_map, row[k], columns[k])
    signal, local, mean, picture = seen
    luminance = mean + stimulus.contrast * (picture - mean)
    return signal, local, luminance, path, {"left": left, "row": row}


def _window(stimulus, shape, rng) -> tuple[int, int]:
    """Return row and leftmost column of a window at rest."""
    height, width = shape
    span = (stimulus.n_x - 1) * stimulus.spacing
    if width - 1 < span:
        raise _bad("n_x", f"the window needs {span + 1} px, the picture has {width}")
    row = _rows(stimulus, np.array([height]), rng)
    return int(row[0]), int(rng.integers(width - span))


def _movie_samples(stimulus, n_cycles, bins, rng, frames, table):
    """Return what a resting window sees of successive frames, each (cycle, bin, x)."""
    first = next(frames)
    row, left = _window(stimulus, first.shape, rng)
    # what lies farther off than the filters reach, one after the other, need not be filtered
    reach = sum(float(table[f"sigma_{k}"]) for k in ("luminance", "surround", "suppressive"))
    reach = int(np.ceil(4 * reach * stimulus.spacing)) + 3
    span = (stimulus.n_x - 1) * stimulus.spacing
    top, start_x = max(0, row - reach), max(0, left - reach)
    crop = np.s_[top : row + reach + 1, start_x : left + span + reach + 1]
    columns = left - start_x + stimulus.spacing * np.arange(stimulus.n_x)
    seen, typical = [], 0.0
    for frame in itertools.chain([first], frames):
        cropped = frame[crop]
        signal, local, mean = centre_surround(cropped, stimulus.spacing, table)
        typical = typical or float(np.sqrt(np.mean(local**2)))
        seen.append([a_map[row - top, columns] for a_map in (signal, local, mean, cropped)])
    seen = np.moveaxis(np.array(seen), 1, 0)  # (map, frame, x)

    n_frames = seen.shape[1]
    length, free = _sweep_of(stimulus, n_frames - 1, 0, 1, "step", "the file")
    path = _path(stimulus, n_cycles, bins, [length], rng)
    start = _starts(stimulus, path, [free], [n_frames - 1], rng)
    time = start[path.place][:, None] + path.moved
    before = np.minimum(np.floor(time).astype(int), n_frames - 2)
    share = (time - before)[..., None]
    signal, local, mean, picture = (1 - share) * seen[:, before] + share * seen[:, before + 1]
    luminance = mean + stimulus.contrast * (picture - mean)
    where = {"left": np.full(n_cycles, left), "row": np.full(n_cycles, row)}
    return (signal, local, luminance, path, where), typical


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
          of the plus phase; on a ring ``centre`` (cycle), positions.

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
    _whole("n_cycles", n_cycles, 1)
    _whole("seed", seed, 0)
    cycle_s, bin_s = _seconds("cycle_length", cycle_length), _seconds("bin", bin)
    bins = round(cycle_s / bin_s)
    if bins < 1 or abs(bins * bin_s - cycle_s) > 1e-9 * cycle_s:
        raise _bad("bin", f"the cycle of {cycle_length} is not a whole number of bins of {bin}")
    if not 0 <= plus_start < 1:
        raise _bad("plus_start", f"{plus_start:g} is outside [0, 1)")
    plus = (np.arange(bins) + 0.5) / bins >= plus_start
    rng = np.random.default_rng([seed, *block])

    still = stimulus.kind == "ring"
    if stimulus.kind == "ring":
        seen = _ring_samples(stimulus, n_cycles, bins, rng, table)
        typical = float(np.sqrt(np.mean(seen[1] ** 2)))
    else:
        pictures = [photograph(name) for name in stimulus.photographs]
        if stimulus.kind == "file":
            # no more of a film than will be shown
            frames = _frames(stimulus.path)
            frames = itertools.islice(frames, 2 + (n_cycles + 1) * max(1, abs(stimulus.step)))
            pictures = list(itertools.islice(frames, 2))
            still = len(pictures) > 1
        if still:
            frames = itertools.chain(pictures, frames)
            seen, typical = _movie_samples(stimulus, n_cycles, bins, rng, frames, table)
        else:
            filtered = [
                _filtered_photograph(name, stimulus.spacing, table) for name in stimulus.photographs
            ] or [centre_surround(pictures[0], stimulus.spacing, table)]
            seen = _picture_samples(stimulus, n_cycles, bins, rng, pictures, filtered)
            typical = float(np.sqrt(np.mean([np.mean(local**2) for _, local, _ in filtered])))
    signal, local, luminance, path, where = seen

    options = {"contrast": stimulus.contrast, "gain_control": stimulus.gain_control}
    rate = np.concatenate(
        [
            relay_rate(signal, local, polarity=p, typical=typical, table=table, **options)
            for p in stimulus.polarities
        ],
        axis=-1,
    )
    x = np.arange(stimulus.n_x)
    step = stimulus.step * path.sign
    source = x + step[:, None]
    known = still | (source >= 0) & (source < stimulus.n_x)
    known = np.tile(known & ~path.jump[:, None], len(stimulus.polarities))
    names = stimulus.photographs or (Path(stimulus.path).name or "ring",)
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
    units = {"left": "px", "row": "px", "centre": "positions"}
    middle = np.flatnonzero(plus)[plus.sum() // 2]
    for name, values in where.items():
        values = values if values.ndim == 1 else values[:, middle]
        dataset[name] = ("cycle", np.asarray(values, float), {"units": units[name]})
    return dataset


def _attribute(name, value):
    """Return a value that netCDF can hold."""
    if isinstance(value, tuple):
        return " ".join(value)
    if value is None:
        return {"sweep": "until the picture ends"}.get(name, "drawn from the seed")
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
        raise _bad("blocks", "there is none; at least one is needed")
    first = blocks[0][0]
    for k, (stimulus, _) in enumerate(blocks):
        for key in ("n_x", "polarities"):
            here, there = (_attribute(key, getattr(s, key)) for s in (stimulus, first))
            if here != there:
                raise _bad(key, f"block {k} has {here}, block 0 {there}: all need the same")
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
