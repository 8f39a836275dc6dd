"""What the eye sees, as firing rates of LGN relay cells.

A photograph is seen through a row of receptive fields that moves over it at constant velocity, a
bump moves round a ring, or a file of the user's is shown. ON and OFF centre-surround filters turn
luminance into local contrast, a suppressive field divides it by the contrast around it, and what
is above threshold becomes a rate::

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
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import xarray as xr
from brian2.units import Quantity, have_same_dimensions, ms, second
from scipy.ndimage import gaussian_filter1d

from cells.parameters import InputError, ParameterTable, load_tables, nearest

__all__ = [
    "HELD_OUT",
    "KINDS",
    "MOTIONS",
    "PHOTOGRAPHS",
    "POLARITIES",
    "TRAINING",
    "Stimulus",
    "centre_surround",
    "lgn_table",
    "photograph",
    "relay_rate",
    "render",
]

KINDS = ("photograph", "ring", "file")
MOTIONS = ("smooth", "stepped")
POLARITIES = ("on", "off")

# All of them lie in the scikit-image wheel itself; its other pictures need a download.
TRAINING = ("astronaut", "camera", "coins", "grass", "gravel", "rocket")
HELD_OUT = ("brick", "chelsea", "coffee")
PHOTOGRAPHS = (*TRAINING, *HELD_OUT, "hubble_deep_field", "moon", "page", "retina", "text")

_VIDEO = (".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpg", ".webm")
_TABLE = Path(__file__).parent / "tables" / "lgn.toml"
_DEFAULT_STEP = {"photograph": 2, "ring": 3, "file": 2}


@dataclass(frozen=True)
class Stimulus:
    """What is shown and how it moves; checked when made, frozen, hashable.

    Parameters
    ----------
    kind : {"photograph", "ring", "file"}
        A photograph of `PHOTOGRAPHS`, a bump on a ring, or the file at ``path``.
    image : str
        Name of the photograph.
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
    contrast : float
        Fraction of the picture's own contrast, in (0, 1].
    row : int, optional
        Row of pixels that the window moves along; default drawn from the seed for every sweep.
    width : float
        SD of the bump on a ring, in positions.
    gain_control : bool
        False ablates the suppressive field: the gain stays what it is, on average over the
        picture, at full contrast.

    Raises
    ------
    InputError
        One line with the key and the nearest valid choice.
    """

    kind: str = "photograph"
    image: str = "camera"
    path: str = ""
    n_x: int = 8
    polarities: tuple[str, ...] | None = None
    spacing: int = 6
    step: int | None = None
    motion: str = "smooth"
    contrast: float = 1.0
    row: int | None = None
    width: float = 0.6
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
        _choice("motion", self.motion, MOTIONS)
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
        _between("contrast", self.contrast, 0, 1)
        _between("width", self.width, 0, self.n_x)
        if not isinstance(self.gain_control, bool):
            raise _bad("gain_control", f"{self.gain_control!r} is not true or false")
        if self.kind == "photograph":
            _choice("image", self.image, PHOTOGRAPHS)
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


def _bad(key: str, message: str) -> InputError:
    return InputError(f"[stimulus] {key}: {message}")


def _choice(key: str, value, valid) -> None:
    if value not in valid:
        raise _bad(key, f"unknown '{value}'{nearest(value, valid)}")


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


@functools.lru_cache(maxsize=16)
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
    """Where the window is: per bin the sweep, and the distance moved (positions or frames)."""

    sweep: np.ndarray  # (cycle,) number of the sweep
    jump: np.ndarray  # (cycle,) does this cycle begin a sweep
    moved: np.ndarray  # (cycle, bin in cycle), from the start of the sweep


def _path(stimulus: Stimulus, n_cycles: int, bins: int, cycles_per_sweep: int | None) -> _Path:
    cycle = np.arange(n_cycles)
    length = cycles_per_sweep or n_cycles
    within = (np.arange(bins) + 0.5) / bins if stimulus.motion == "smooth" else np.zeros(bins)
    moved = stimulus.step * ((cycle % length)[:, None] + within)
    return _Path(cycle // length, cycle % length == 0, moved)


def _ring_samples(stimulus, n_cycles, bins, rng, table):
    """Return signal, local contrast and luminance (cycle, bin, x) of a bump on a ring."""
    n_x = stimulus.n_x
    path = _path(stimulus, n_cycles, bins, None)
    centre = rng.integers(n_x) + path.moved
    distance = (np.arange(n_x) - centre[..., None] + n_x / 2) % n_x - n_x / 2
    signal = np.exp(-(distance**2) / (2 * stimulus.width**2))
    sigma = float(table["sigma_suppressive"])
    local = np.sqrt(gaussian_filter1d(signal**2, sigma, axis=-1, mode="wrap", truncate=4))
    return signal, local, stimulus.contrast * signal, path, {"centre": centre % n_x}


def _sweep_length(stimulus, extent: float, span: float, per_step: float, what: str) -> int | None:
    """Return the cycles one sweep takes, or None if it never ends."""
    if extent < span:
        raise _bad(what, f"the window needs {span + 1:.0f} px, the picture has {extent + 1:.0f}")
    if stimulus.step == 0:
        return None
    # one step is left free, for the start to differ between sweeps
    room = int((extent - span) // (abs(stimulus.step) * per_step)) - 1
    if room < 1:
        need = span + 2 * abs(stimulus.step) * per_step + 1
        raise _bad(what, f"two steps need {need:.0f} px or frames, there are {extent + 1:.0f}")
    return room


def _sampled(maps, row: int, columns: np.ndarray) -> np.ndarray:
    """Return the map's values along a row at fractional columns."""
    return np.interp(columns, np.arange(maps.shape[1]), maps[row])


def _rows(stimulus, height: int, n_sweeps: int, rng) -> np.ndarray:
    if stimulus.row is None:
        return rng.integers(height, size=n_sweeps)
    if stimulus.row >= height:
        raise _bad("row", f"{stimulus.row} is not below the height of the picture, {height}")
    return np.full(n_sweeps, stimulus.row)


def _picture_samples(stimulus, n_cycles, bins, rng, picture, filtered):
    """Return what the moving window sees of one picture, each (cycle, bin, x)."""
    height, width = picture.shape
    span = (stimulus.n_x - 1) * stimulus.spacing
    length = _sweep_length(stimulus, width - 1, span, stimulus.spacing, "n_x")
    path = _path(stimulus, n_cycles, bins, length)
    n_sweeps = int(path.sweep[-1]) + 1
    free = abs(stimulus.step) * stimulus.spacing if stimulus.step else width - 1 - span
    start = rng.integers(free + 1, size=n_sweeps)
    if stimulus.step < 0:
        start = width - 1 - span - start
    row = _rows(stimulus, height, n_sweeps, rng)[path.sweep]
    left = start[path.sweep][:, None] + stimulus.spacing * path.moved
    columns = left[..., None] + stimulus.spacing * np.arange(stimulus.n_x)
    signal, local, mean = filtered
    seen = np.empty((4, *columns.shape))
    for k in range(n_cycles):
        for values, a_map in zip(seen, (signal, local, mean, picture), strict=True):
            values[k] = _sampled(a_map, row[k], columns[k])
    luminance = seen[2] + stimulus.contrast * (seen[3] - seen[2])
    return seen[0], seen[1], luminance, path, {"left": left, "row": row}


def _window(stimulus, shape, rng) -> tuple[int, int]:
    """Return row and leftmost column of a window at rest."""
    height, width = shape
    span = (stimulus.n_x - 1) * stimulus.spacing
    if width - 1 < span:
        raise _bad("n_x", f"the window needs {span + 1} px, the picture has {width}")
    return int(_rows(stimulus, height, 1, rng)[0]), int(rng.integers(width - span))


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
    length = _sweep_length(stimulus, n_frames - 1, 0, 1, "step")
    path = _path(stimulus, n_cycles, bins, length)
    n_sweeps = int(path.sweep[-1]) + 1
    start = rng.integers((abs(stimulus.step) or n_frames - 1) + 1, size=n_sweeps)
    if stimulus.step < 0:
        start = n_frames - 1 - start
    time = start[path.sweep][:, None] + path.moved
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

    The window moves on until the picture ends; then, at a cycle start, it begins a new sweep, in
    the same direction, along another row. Row and start of each sweep come from the seed.

    Parameters
    ----------
    stimulus : Stimulus
    n_cycles : int
    cycle_length, bin : Quantity [time]
        The cycle must be a whole number of bins.
    seed : int
        Draws the rows and starts of the sweeps; nothing else is random.
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
        - ``jump`` (cycle): does a sweep begin here, so that the cycle before predicts nothing.
        - ``predictable`` (channel): was what is seen here within the window one cycle earlier.
        - on pictures ``row`` (cycle) and ``left`` (cycle), px: where the window is in the middle
          of the plus phase; on a ring ``centre`` (cycle), positions.

        Every variable has ``units``.

    Raises
    ------
    InputError
        If times are no times, the cycle is no whole number of bins, the file cannot be read, or
        the window does not fit the picture.
    """
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
    rng = np.random.default_rng(seed)

    still = stimulus.kind == "ring"
    if stimulus.kind == "ring":
        seen = _ring_samples(stimulus, n_cycles, bins, rng, table)
        typical = float(np.sqrt(np.mean(seen[1] ** 2)))
    else:
        if stimulus.kind == "photograph":
            frames = [photograph(stimulus.image)]
        else:
            # no more of a film than will be shown
            frames = _frames(stimulus.path)
            frames = itertools.islice(frames, 2 + (n_cycles + 1) * max(1, abs(stimulus.step)))
        frames = iter(frames)
        head = list(itertools.islice(frames, 2))
        still = len(head) > 1
        if still:
            frames = itertools.chain(head, frames)
            seen, typical = _movie_samples(stimulus, n_cycles, bins, rng, frames, table)
        else:
            if stimulus.kind == "photograph":
                filtered = _filtered_photograph(stimulus.image, stimulus.spacing, table)
            else:
                filtered = centre_surround(head[0], stimulus.spacing, table)
            seen = _picture_samples(stimulus, n_cycles, bins, rng, head[0], filtered)
            typical = float(np.sqrt(np.mean(filtered[1] ** 2)))
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
    source = x + stimulus.step
    known = np.full(stimulus.n_x, True) if still else (source >= 0) & (source < stimulus.n_x)
    n_polarities = len(stimulus.polarities)
    dataset = xr.Dataset(
        {
            "rate": (("bin", "channel"), rate.reshape(-1, rate.shape[-1]), {"units": "Hz"}),
            "drive": (("cycle", "channel"), rate[:, plus].mean(axis=1), {"units": "Hz"}),
            "frame": (("cycle", "x_position"), luminance[:, plus].mean(axis=1), {"units": "1"}),
            "jump": ("cycle", path.jump, {"units": "1"}),
            "predictable": ("channel", np.tile(known, n_polarities), {"units": "1"}),
        },
        coords={
            "time": ("bin", np.arange(n_cycles * bins) * bin_s, {"units": "s"}),
            "cycle": np.arange(n_cycles),
            "x": ("channel", np.tile(x, n_polarities)),
            "polarity": ("channel", np.repeat(stimulus.polarities, stimulus.n_x)),
        },
        attrs={
            **{f.name: _attribute(getattr(stimulus, f.name)) for f in fields(stimulus)},
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


def _attribute(value):
    """Return a value that netCDF can hold."""
    if isinstance(value, tuple):
        return " ".join(value)
    if value is None:
        return "drawn from the seed"
    return int(value) if isinstance(value, bool) else value
