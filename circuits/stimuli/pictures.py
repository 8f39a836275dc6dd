"""Luminances of photographs and of the files of a user."""

from __future__ import annotations

import functools
import importlib.util
from pathlib import Path

import numpy as np

from circuits.stimuli.stimulus import PHOTOGRAPHS, bad_value, check_choice

__all__ = ["photograph"]


_VIDEO = (".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpg", ".webm")


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

    check_choice("image", name, PHOTOGRAPHS)
    picture = _luminance(getattr(data, name)())
    picture.flags.writeable = False
    return picture


def _tiff_pages(path: str):
    """Yield the pages of a TIFF; imageio would give a stack of them as one picture."""
    from tifffile import TiffFile

    with TiffFile(path) as stack:
        for page in stack.pages:
            yield page.asarray()


def frames_of(path: str):
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
            raise bad_value("path", f"video '{path}' needs a plugin: pip install av") from None
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:120]
        raise bad_value("path", f"cannot read '{path}' as a picture or video ({reason})") from None
    if shape is None:
        raise bad_value("path", f"no picture in '{path}'")
