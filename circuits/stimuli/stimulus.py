"""What is shown and how it moves: the description of a stimulus."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from cells.parameters import InputError, nearest
from circuits.stimuli.arrays import Arrays

__all__ = [
    "CUES",
    "DIRECTIONS",
    "GROUPS",
    "HELD_OUT",
    "KINDS",
    "MOTIONS",
    "ORDERS",
    "PHOTOGRAPHS",
    "PICTURES",
    "POLARITIES",
    "SETS",
    "TRAINING",
    "WHITE_NOISE",
    "Stimulus",
]


KINDS = ("photograph", "ring", "file", "array")
MOTIONS = ("smooth", "stepped")
ORDERS = ("moving", "shuffled", "sequence", "rounds", "random")
#: Orders of a set of images instead of a movie.
SETS = ("sequence", "rounds", "random")
MOST_IMAGES = 16
DIRECTIONS = {"forward": (1,), "backward": (-1,), "both": (1, -1)}
POLARITIES = ("on", "off")
CUES = ("direction", "coin")

# All of them lie in the scikit-image wheel itself; its other pictures need a download.
TRAINING = ("astronaut", "camera", "coins", "grass", "gravel", "rocket")
HELD_OUT = ("brick", "chelsea", "coffee")
PHOTOGRAPHS = (*TRAINING, *HELD_OUT, "hubble_deep_field", "moon", "page", "retina", "text")
# Controls without the statistics of photographs.
WHITE_NOISE = ("white_noise_1", "white_noise_2")
PICTURES = (*PHOTOGRAPHS, *WHITE_NOISE)
GROUPS = {"training": TRAINING, "held_out": HELD_OUT}
_DEFAULT_STEP = {"photograph": 2, "ring": 3, "file": 2, "array": 2}
_RING_SWEEP = 16
_FASTEST_HZ = 1000.0
_OWN_KEYS = {
    "photograph": ("image", "spacing", "row", "drift"),
    "ring": ("width", "n_bumps"),
    "file": ("path", "spacing", "row", "drift"),
    "array": ("array", "spacing", "row", "drift"),
}


@dataclass(frozen=True)
class Stimulus:
    """What is shown and how it moves; checked when made, frozen, hashable.

    Parameters
    ----------
    kind : {"photograph", "ring", "file", "array"}
        A photograph of `PHOTOGRAPHS` or one of the `WHITE_NOISE` controls, a bump on a ring, the
        file or files at ``path``, or an array.
    image : str or sequence of str
        Name of the photograph; or of a group of `GROUPS`, ``"training"`` or ``"held_out"``; or
        several names. Of several every sweep shows one: all of them in an order drawn from the
        seed, then all again in another.
    path : str or sequence of str
        Picture, GIF, TIFF stack, video or array (``.npy``); used and required by ``kind="file"``,
        shown as a viewer shows it (`circuits.stimuli.pictures`). Of a file with several frames the
        window stands still and the frames move on, and start again. Of several pictures, or of a
        folder of them, every sweep shows one, as of several photographs.
    array : Arrays
        From Python, instead of a file: (y, x) is a picture, (frame, y, x) a film, several (y, x)
        are a set of pictures, of any sizes; a last axis of 3 is colour. Luminance as in
        `circuits.stimuli.pictures`: of unsigned whole numbers of 8 or 16 bits 0 is black and the
        largest white; real ones run from 0 to 1, or else are scaled from the smallest to the
        largest. x runs to the right, y down.
    n_x : int
        Positions: receptive fields in the row, or sites of the ring. In a run file by default those
        of the size, on a ring twice as many: as many channels as with both polarities.
    polarities : sequence of {"on", "off"}, optional
        Cells at each position; default both, on a ring ``("on",)``.
    spacing : int
        Pixels between neighbouring positions.
    step : int, optional
        Positions moved in one cycle (frames, of a file with several); negative moves back, 0
        stands still. Default 2, on a ring 3.
    speeds : sequence of int, optional
        Every sweep moves one of these times ``step`` in a cycle: all of them in an order drawn from
        the seed, then all again. Default: ``step`` alone.
    acceleration : float
        Positions by which a sweep moves farther in every cycle than in the one before, on
        pictures and rings.
    drift : float
        Positions by which a window on pictures moves up or down in every cycle beside its step, the
        way drawn from the seed for every sweep: both of them in an order, then both again. What it
        sees in the next cycle then lies in other rows of pixels, which no shift of the last outcome
        tells; neighbouring rows go together in photographs and hardly in white noise.
    motion : {"smooth", "stepped"}
        Constant velocity all the time, so that no phase of the cycle is marked; or one jump at
        each cycle start.
    sweep : int, optional
        Most cycles of one sweep before it jumps to another place. Default: until the picture
        ends; on a ring for ever, or 16 cycles where ``direction`` is ``"both"``.
    direction : {"forward", "backward", "both"}
        The way of ``step``, the opposite way, or one of the two for every sweep: both of them in
        an order drawn from the seed, then both again.
    order : {"moving", "shuffled", "sequence", "rounds", "random"}
        Shuffled is the control in which no cycle predicts the next one: it shows as many cycles
        of every photograph, direction and age of the sweep, each with the movement it has, but in
        a random order and each at a place of its own. Single cycles have the statistics of the
        moving sequence. The other orders are of a set of ``n_images`` places, one a cycle, the same
        ones in all blocks: in a sequence, round after round; every round in an order of its own,
        which keeps the mean distance of repetitions; or each with the same probability in every
        cycle (many standards).
    n_images : int
        Images of a set, 2 to 16; 0 for the movies.
    deviants : float
        Share of the rounds of a sequence, at least one of them, that have a deviant at the third
        place (of two images: the second): the image number ``n_images`` of the set, counted from 0,
        which the sequence does not have.
    contrast : float
        Fraction of the picture's own contrast, in (0, 1].
    row : int, optional
        Row of pixels that the window moves along, or with a drift begins in; default drawn from the
        seed for every sweep.
    width : float
        SD of the bump on a ring, in positions.
    n_bumps : int
        Bumps on the ring that move together, at distances drawn anew for every sweep. With several,
        several contexts are active at once, as on a photograph. Where two overlap the brighter
        counts.
    cue : sequence of {"direction", "coin"}
        What cue cells are told: the way of the movement, and a coin that is tossed in every cycle
        and means nothing.
    cue_rate, cue_rest : float
        Hz, of the inputs of cue cells that stand for what is so, and of the others.
    gain_control : bool
        False ablates the suppressive field: the gain stays what it is, on average over the
        picture, at full contrast. Of several photographs it is one gain for all, from their
        pooled mean square, each photograph counting the same: a cell does not know which one it
        sees. Of a film it is that of all its frames, around the window.

    Raises
    ------
    InputError
        One line with the key and the nearest valid choice.
    """

    kind: str = "photograph"
    image: str | tuple[str, ...] = "camera"
    path: str | tuple[str, ...] = ""
    array: Arrays | None = None
    n_x: int = 8
    polarities: tuple[str, ...] | None = None
    spacing: int = 6
    step: int | None = None
    speeds: tuple[int, ...] = ()
    acceleration: float = 0.0
    drift: float = 0.0
    motion: str = "smooth"
    sweep: int | None = None
    direction: str = "forward"
    order: str = "moving"
    n_images: int = 0
    deviants: float = 0.0
    contrast: float = 1.0
    row: int | None = None
    width: float = 0.6
    n_bumps: int = 1
    gain_control: bool = True
    cue: tuple[str, ...] = ()
    cue_rate: float = 30.0
    cue_rest: float = 1.0

    def __post_init__(self):
        """Fill in the defaults that depend on the kind, then check every field."""
        check_choice("kind", self.kind, KINDS)
        for key, default in ((field.name, field.default) for field in fields(self)):
            if getattr(self, key) != default and not is_used(key, self.kind):
                kinds = " or ".join(f"'{kind}'" for kind in KINDS if is_used(key, kind))
                raise bad_value(key, f"kind '{self.kind}' does not use it; kind {kinds} does")
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
        object.__setattr__(self, "cue", _names("cue", self.cue) if self.cue else ())
        for name in self.cue:
            check_choice("cue", name, CUES)
        for key in ("cue_rate", "cue_rest"):
            _between(key, getattr(self, key), -np.finfo(float).tiny, _FASTEST_HZ)
        if self.sweep is None and self.kind == "ring" and self.direction == "both":
            object.__setattr__(self, "sweep", _RING_SWEEP)
        check_choice("motion", self.motion, MOTIONS)
        check_choice("order", self.order, ORDERS)
        check_choice("direction", self.direction, DIRECTIONS)
        for polarity in self.polarities:
            check_choice("polarities", polarity, POLARITIES)
        if not self.polarities or len(set(self.polarities)) != len(self.polarities):
            raise bad_value("polarities", "each of 'on', 'off' at most once and at least one")
        if self.kind == "ring" and "off" in self.polarities:
            raise bad_value("polarities", "a bump on a ring has 'on' cells only")
        check_whole("n_x", self.n_x, 2)
        check_whole("spacing", self.spacing, 1)
        check_whole("step", self.step)
        self._check_speeds()
        if self.row is not None:
            check_whole("row", self.row, 0)
        if self.sweep is not None:
            check_whole("sweep", self.sweep, 1)
        check_whole("n_bumps", self.n_bumps, 1)
        if self.kind == "ring" and self.n_bumps > self.n_x:
            raise bad_value(
                "n_bumps", f"{self.n_bumps} is above the number of positions, {self.n_x}"
            )
        self._check_set()
        _between("contrast", self.contrast, 0, 1)
        _between("width", self.width, 0, self.n_x)
        if not isinstance(self.gain_control, bool):
            raise bad_value("gain_control", f"{self.gain_control!r} is not true or false")
        if self.kind == "photograph":
            if isinstance(self.image, str):
                check_choice("image", self.image, (*PICTURES, *GROUPS))
            for name in self.photographs:
                check_choice("image", name, PICTURES)
        if self.kind == "file":
            if not self.path:
                raise bad_value("path", "kind 'file' needs the path of a picture or video")
            object.__setattr__(self, "path", _files(self.path))
        if self.kind == "array":
            if self.array is None:
                raise bad_value("array", "kind 'array' needs an array, from Python; of a file say"
                                " kind = 'file'")  # fmt: skip
            check_pictures(self.array)

    def _check_speeds(self) -> None:
        """Raise if a sweep would leave the window within a cycle."""
        several = isinstance(self.speeds, list | tuple)
        speeds = tuple(self.speeds) if several else (self.speeds,)
        object.__setattr__(self, "speeds", speeds)
        for speed in speeds:
            check_whole("speeds", speed, 1)
        if len(set(speeds)) != len(speeds):
            raise bad_value("speeds", "each of them once")
        _between("acceleration", self.acceleration, -np.finfo(float).tiny, self.n_x)
        if self.acceleration and (self.sweep is None or not self.step):
            raise bad_value("acceleration", "needs a step, and a sweep of so many cycles")
        _between("drift", self.drift, -np.finfo(float).tiny, self.n_x)
        if self.drift and self.sweep is None and self.order not in SETS:
            raise bad_value("drift", "needs a sweep of so many cycles")
        if self.kind == "photograph" and self.velocity((self.sweep or 1) - 1) >= self.n_x:
            key = "speeds" if speeds else "acceleration" if self.acceleration else "step"
            raise bad_value(key, f"{getattr(self, key)} leads out of the {self.n_x} positions")

    def velocity(self, age: int) -> float:
        """Return the positions that the fastest sweep moves in its cycle number ``age``."""
        return abs(self.step or 0) * max(self.speeds, default=1) + self.acceleration * age

    def distance(self, cycles: int) -> float:
        """Return the positions that the fastest sweep moves in so many cycles."""
        return self.velocity(0) * cycles + self.acceleration * cycles * (cycles - 1) / 2

    def _check_set(self) -> None:
        """Raise if what is said of a set of images does not go together."""
        check_whole("n_images", self.n_images, 0)
        if self.order in SETS:
            if not 2 <= self.n_images <= MOST_IMAGES - bool(self.deviants):
                raise bad_value("n_images", f"{self.n_images}; order '{self.order}' has 2 to"
                                            f" {MOST_IMAGES - bool(self.deviants)}")  # fmt: skip
        elif self.n_images:
            raise bad_value("n_images", f"order '{self.order}' has no set; orders that do:"
                                        f" {', '.join(SETS)}")  # fmt: skip
        if self.deviants:
            _between("deviants", self.deviants, 0, 1)
            if self.order != "sequence":
                raise bad_value("deviants", f"order '{self.order}' has none; 'sequence' does")

    @staticmethod
    def merged(base: Mapping, own: Mapping) -> dict:
        """Return a table with what another says again; keys of another kind are not inherited."""
        kind = own.get("kind", base.get("kind", "photograph"))
        return {k: v for k, v in base.items() if is_used(k, kind)} | dict(own)

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
    def names(self) -> tuple[str, ...]:
        """Names of what is shown, one for each picture."""
        if self.kind == "photograph":
            return self.photographs
        if self.kind == "file":
            return tuple(Path(path).name for path in self.paths)
        if self.array is None:
            return ("ring",)
        n = len(self.array.values)
        return tuple(f"array {k}" for k in range(1, n + 1)) if n > 1 else ("array",)

    @property
    def paths(self) -> tuple[str, ...]:
        """Files that it shows."""
        return tuple(filter(None, (self.path,) if isinstance(self.path, str) else self.path))

    @property
    def photographs(self) -> tuple[str, ...]:
        """Names of the photographs that ``image`` stands for; none for other kinds."""
        if self.kind != "photograph":
            return ()
        return GROUPS.get(self.image, (self.image,)) if isinstance(self.image, str) else self.image


def is_used(key: str, kind: str) -> bool:
    """Tell if stimuli of a kind have a use for a key."""
    kinds = [one for one, keys in _OWN_KEYS.items() if key in keys]
    return not kinds or kind in kinds


def bad_value(key: str, message: str) -> InputError:
    return InputError(f"[stimulus] {key}: {message}")


def check_choice(key: str, value, valid) -> None:
    if value not in valid:
        raise bad_value(key, f"unknown '{value}'{nearest(value, valid)}")


def _names(key: str, value) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(name, str) for name in value):
        raise bad_value(key, f"{value!r} is neither a name nor a list of names")
    if not value or len(set(value)) != len(value):
        raise bad_value(key, "a list has at least one name and each name once")
    return tuple(value)


def check_whole(key: str, value, least: int | None = None) -> None:
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise bad_value(key, f"{value!r} is not a whole number")
    if least is not None and value < least:
        raise bad_value(key, f"{value} is below {least}")


def _between(key: str, value, low: float, high: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float | np.number):
        raise bad_value(key, f"{value!r} is not a number")
    if not low < value <= high:
        raise bad_value(key, f"{value:g} is outside ({low:g}, {high:g}]")


def _files(path) -> str | tuple[str, ...]:
    """Return the file, or the files of a list or of a folder; InputError if one is not there."""
    if isinstance(path, str) and Path(path).is_dir():
        inside = sorted(p for p in Path(path).iterdir() if p.is_file() and p.name[0] != ".")
        if not inside:
            raise bad_value("path", f"no picture in the folder '{path}'")
        path = [str(p) for p in inside]
    names = (path,) if isinstance(path, str) else _names("path", path)
    for name in names:
        if not Path(name).is_file():
            raise bad_value("path", f"no such file '{name}'{_neighbour(name)}")
    return names[0] if len(names) == 1 else names


def check_pictures(array: Arrays) -> None:
    """Raise InputError if arrays are neither a picture, nor a film, nor a set of pictures."""
    if not isinstance(array, Arrays):
        raise bad_value("array", f"{array!r} is no array")
    for k, one in enumerate(array.values):
        colour = one.ndim > 2 and one.shape[-1] == 3
        dims = one.ndim - colour
        if dims not in ((2, 3) if len(array.values) == 1 else (2,)):
            what = "a picture (y, x) or a film (frame, y, x)"
            what = what if len(array.values) == 1 else f"picture {k + 1} of several is (y, x)"
            raise bad_value("array", f"its shape is {one.shape}; expected {what}, or these with a"
                            " last axis of 3 colours")  # fmt: skip


def _neighbour(path: str) -> str:
    folder = Path(path).parent
    names = [p.name for p in folder.iterdir() if p.is_file()] if folder.is_dir() else []
    hint = nearest(Path(path).name, names)
    return hint if "did you mean" in hint else ""
