"""Whether what is shown fits the window, without filtering it."""

from __future__ import annotations

import itertools

import numpy as np

from circuits.stimuli.paths import place_rows, resting_window, sweep_length
from circuits.stimuli.pictures import array_frames, frames_of
from circuits.stimuli.stimulus import Stimulus

__all__ = ["check_pictures"]


def check_pictures(stimulus: Stimulus) -> tuple[str, ...]:
    """Raise if the user's pictures are too small for the window.

    Parameters
    ----------
    stimulus : Stimulus
        Of a film the first two frames are looked at.

    Returns
    -------
    tuple of str
        Names of those that are of one grey: no cell will see anything of them.

    Raises
    ------
    InputError
    """
    sources = [frames_of(path) for path in stimulus.paths]
    sources += [array_frames(values) for values in getattr(stimulus.array, "values", ())]
    span = (stimulus.n_x - 1) * stimulus.spacing
    rng = np.random.default_rng(0)
    flat = []
    for name, frames in zip(stimulus.names, sources, strict=False):
        first, *more = itertools.islice(frames, 2)
        if more:
            resting_window(stimulus, first.shape, rng)
        else:
            height, width = first.shape
            sweep_length(stimulus, width - 1, span, stimulus.spacing, "n_x", f"'{name}'")
            place_rows(stimulus, np.array([height]), rng)
        if all(np.ptp(frame) < 1e-9 for frame in (first, *more)):
            flat.append(name)
    return tuple(flat)
