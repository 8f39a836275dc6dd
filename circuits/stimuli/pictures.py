"""Luminances of the frames of a picture, a stack or a film, as a viewer shows them.

The tags of a file count: orientation, inks, planes, palette and depth. What is transparent lies
over a grey background. Numbers without a full scale of their own (real ones, signed ones, whole
ones of more than 16 bits) are scaled from the smallest to the largest of the whole file. Colour
profiles are not applied.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from circuits.stimuli.stimulus import PICTURES, WHITE_NOISE, bad_value, check_choice

__all__ = ["array_frames", "frames_of", "photograph"]

BACKGROUND = 128  # of 255
_NOISE_SHAPE = (512, 512)
_VIDEO = (".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpg", ".webm")
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_NPY = b"\x93NUM"
_MIN_IS_WHITE, _MIN_IS_BLACK, _RGB = 0, 1, 2  # of TIFF
_ASSOCIATED, _UNASSOCIATED = 1, 2
_ORIENTATION = 274


@functools.lru_cache(maxsize=16)
def photograph(name: str) -> np.ndarray:
    """Return a photograph of the scikit-image wheel, or white noise.

    Parameters
    ----------
    name : str
        One of `PICTURES`.

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

    check_choice("image", name, PICTURES)
    if name in WHITE_NOISE:
        picture = np.random.default_rng(1 + WHITE_NOISE.index(name)).random(_NOISE_SHAPE)
    else:
        picture, _ = _grey(getattr(data, name)(), 255)
    picture.flags.writeable = False
    return picture


def frames_of(path: str) -> Iterator[np.ndarray]:
    """Give the frames of a file.

    Parameters
    ----------
    path : str

    Yields
    ------
    (y, x) array
        Luminance, fraction of full scale; all of one size.

    Raises
    ------
    InputError
        If the file cannot be shown.
    """
    shape = scale = None
    try:
        for values, top in _decoded(path):
            if not np.isfinite(values).all():
                raise ValueError("its numbers are not finite")
            if values.shape != (shape or values.shape):
                raise ValueError("its frames differ in size")
            shape = values.shape
            scale = scale or ((0.0, 1.0) if top else _range(path))
            yield (values - scale[0]) / scale[1]
    except ModuleNotFoundError as error:
        raise bad_value("path", f"film '{path}' needs {error.name}: pip install av") from None
    except Exception as error:
        # decoders raise whatever they like; all of it means that the file cannot be shown
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:120]
        raise bad_value("path", f"cannot read '{path}' as a picture or film ({reason})") from None
    if shape is None:
        raise bad_value("path", f"no picture in '{path}'")


def array_frames(values: np.ndarray) -> Iterator[np.ndarray]:
    """Give the frames of an array: one of (y, x), all of (frame, y, x); also with colours.

    Yields
    ------
    (y, x) array
        Luminance, fraction of full scale.
    """
    low, width = 0.0, 1.0
    if _top(values) is None:
        low, width = _ends(np.array([[values.min(), values.max()]], float))
    for frame, _ in _frames(values):
        yield (frame - low) / width


def _top(values: np.ndarray) -> int | None:
    """Return the full scale of an array of unsigned numbers of up to 16 bits; else None."""
    if values.dtype.kind == "b":
        return 1
    small = values.dtype.kind == "u" and values.dtype.itemsize <= 2
    return int(np.iinfo(values.dtype).max) if small else None


def _frames(values: np.ndarray):
    """Give the luminances of the frames of an array, and their full scale."""
    colour = values.ndim > 2 and values.shape[-1] == 3
    if values.ndim - colour not in (2, 3):
        raise ValueError(f"its shape is {values.shape}; expected (y, x) or (frame, y, x)")
    for frame in values if values.ndim - colour == 3 else [values]:
        yield _grey(frame, _top(values))


def _array(path: str):
    values = np.load(path, mmap_mode="r", allow_pickle=False)
    if values.dtype.kind not in "buif" or not values.size:
        raise ValueError(f"an array of {values.dtype} of shape {values.shape}")
    yield from _frames(values)


def _range(path: str) -> tuple[float, float]:
    """Return lower end and width of the luminances of a whole file, for all of its frames."""
    return _ends(np.array([(values.min(), values.max()) for values, _ in _decoded(path)]))


def _ends(ends: np.ndarray) -> tuple[float, float]:
    """Return lower end and width of the scale of smallest and largest values."""
    low, high = float(ends[:, 0].min()), float(ends[:, 1].max())
    if low >= 0 and high <= 1:
        return 0.0, 1.0
    if not np.isfinite(high - low):
        raise ValueError(f"its numbers span {low:g} to {high:g}")
    return low, high - low or 1.0


def _decoded(path: str) -> Iterator[tuple[np.ndarray, int | None]]:
    """Give the luminances of the frames, and their full scale; without one in their own numbers."""
    with open(path, "rb") as file:
        start = file.read(4)
    if start == _NPY:
        yield from _array(path)
    elif start in _TIFF:
        yield from _tiff(path)
    elif Path(path).suffix.lower() in _VIDEO:
        yield from _film(path)
    else:
        yield from _picture(path)


def _grey(values: np.ndarray, top: int | None) -> tuple[np.ndarray, int | None]:
    """Return (y, x) luminance of a grey or colour picture, and what it had as full scale."""
    from skimage.color import rgb2gray

    values = values / top if top else values.astype(float)
    return (values if values.ndim == 2 else rgb2gray(values)), top


def _film(path: str):
    import av

    with av.open(path) as film:
        for frame in film.decode(video=0):
            values = np.rot90(frame.to_ndarray(format="rgb24"), frame.rotation // 90)
            yield _grey(values, 255)


def _picture(path: str):
    from PIL import Image, ImageOps, ImageSequence

    # by its path Pillow maps a file into memory, and a turned TIFF gets the wrong lines then
    with open(path, "rb") as stream, Image.open(stream) as file:
        # in an MPO other pictures are previews of the first, or for the other eye
        for frame in [file] if file.format == "MPO" else ImageSequence.Iterator(file):
            yield _shown(ImageOps.exif_transpose(frame))


def _shown(frame) -> tuple[np.ndarray, int | None]:
    """Return the luminance of a frame as Pillow has it, and its full scale."""
    from PIL import Image

    if frame.mode.startswith("I;16"):
        return _grey(np.asarray(frame), 2**16 - 1)
    if frame.mode in ("I", "F"):
        return _grey(np.asarray(frame), None)
    if frame.has_transparency_data:
        behind = Image.new("RGBA", frame.size, (BACKGROUND, BACKGROUND, BACKGROUND, 255))
        frame = Image.alpha_composite(behind, frame.convert("RGBA"))
    frame = frame.convert("L" if frame.mode in ("1", "L") else "RGB")
    return _grey(np.asarray(frame), 255)


def _tiff(path: str):
    from tifffile import TiffFile

    with TiffFile(path) as stack:
        pages = list(stack.pages)
        if sum(int(np.prod(s.shape)) for s in stack.series) > sum(
            int(np.prod(page.shape)) for page in pages
        ):
            raise ValueError("a stack without a directory for each frame")
        if all(np.dtype(page.dtype) in (np.uint8, bool) for page in pages):
            yield from _picture(path)
            return
        for page in pages:
            yield _deep(page.asarray(), page.aspage())


def _deep(values: np.ndarray, page) -> tuple[np.ndarray, int | None]:
    """Return the luminance of a page of more than 8 bits, and its full scale."""
    whole = values.dtype.kind == "u" and page.bitspersample <= 16
    top = 2**page.bitspersample - 1 if whole else None
    if page.photometric not in (_MIN_IS_BLACK, _RGB) and not (
        page.photometric == _MIN_IS_WHITE and top
    ):
        kind = getattr(page.photometric, "name", page.photometric)
        raise ValueError(f"{kind} of {values.dtype}; valid: grey or RGB, or 8 bits")
    if page.photometric == _MIN_IS_WHITE:
        values = top - values
    if "S" in page.axes:
        values = np.moveaxis(values, page.axes.index("S"), -1)
        n_colours = 3 if page.photometric == _RGB else 1
        alpha = page.extrasamples[0] if page.extrasamples else None
        colours = values[..., :n_colours]
        if alpha in (_ASSOCIATED, _UNASSOCIATED):
            if top is None:
                raise ValueError(f"transparency of {values.dtype}; valid: 8 or 16 bits")
            share = values[..., n_colours : n_colours + 1] / top
            front = colours if alpha == _ASSOCIATED else colours * share
            colours = front + (1 - share) * (BACKGROUND / 255 * top)
        values = colours if n_colours == 3 else colours[..., 0]
    tag = page.tags.get(_ORIENTATION)
    return _grey(_upright(values, tag.value if tag else 1), top)


def _upright(values: np.ndarray, orientation: int) -> np.ndarray:
    """Return a picture as its orientation (1 to 8, of EXIF and TIFF) says it is to be shown."""
    if orientation >= 5:
        values = values.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        values = values[:, ::-1]
    return values[::-1] if orientation in (3, 4, 7, 8) else values
