"""Windows that drift up or down while they move."""

import numpy as np
import pytest

from cells.parameters import InputError
from circuits.stimuli.arrays import Arrays
from circuits.stimuli.render import render
from circuits.stimuli.stimulus import Stimulus


def test_every_sweep_drifts_one_way_and_both_have_their_turn():
    photo = Stimulus(step=1, drift=0.5, sweep=6, image="training")
    shown = render(photo, n_cycles=48, seed=3)
    moved = np.diff(shown["row"].values.reshape(8, 6), axis=1) / photo.spacing
    way = moved[:, :1]
    np.testing.assert_allclose(moved, np.tile(way, (1, 5)))
    np.testing.assert_allclose(np.sort(way.reshape(4, 2), axis=1), np.tile([-0.5, 0.5], (4, 1)))


def test_a_window_sees_the_rows_that_it_has_reached():
    slanted = np.add.outer(np.arange(120.0), np.zeros(200)) / 120
    photo = Stimulus(
        kind="array", array=Arrays.of(slanted, "here"), drift=1.0, sweep=4, contrast=1.0
    )
    shown = render(photo, n_cycles=12, seed=1)
    np.testing.assert_allclose(
        shown["frame"], shown["row"].values[:, None] / 120 * np.ones(8), atol=6 / 120
    )
    jumps = render(
        Stimulus(
            kind="array", array=Arrays.of(slanted, "here"), drift=1.0, sweep=4, motion="stepped"
        ),
        n_cycles=12,
        seed=1,
    )
    np.testing.assert_allclose(jumps["frame"], jumps["row"].values[:, None] / 120 * np.ones(8))


def test_without_a_drift_every_sweep_keeps_its_row():
    still = render(Stimulus(step=2, sweep=6, drift=0.0), n_cycles=24, seed=4)
    slow = render(Stimulus(step=2, sweep=6, drift=1e-9), n_cycles=20, seed=4)
    assert still["row"].dtype == slow["row"].dtype
    assert (np.diff(still["row"].values.reshape(4, 6)) == 0).all()


@pytest.mark.parametrize("order", ["shuffled", "sequence"])
def test_a_drift_goes_with_every_order(order):
    several = {"n_images": 4} if order == "sequence" else {"sweep": 6}
    photo = Stimulus(step=1, drift=0.5, image="training", order=order, **several)
    shown = render(photo, n_cycles=24, seed=3)
    assert np.isfinite(shown["rate"]).all()
    assert (shown["row"].values % 1 > 0).any()


def test_noise_is_another_in_the_next_row_and_a_photograph_alike():
    def alike(image):
        photo = Stimulus(step=1, drift=1.0, sweep=8, image=image)
        shown = render(photo, n_cycles=400, seed=1)
        drive = shown["drive"].values.reshape(400, 2, 8)
        goes_on = ~shown["jump"].values[1:]
        before, after = drive[:-1, :, 1:], drive[1:, :, :-1]
        return np.corrcoef(before[goes_on].ravel(), after[goes_on].ravel())[0, 1]

    assert alike("training") > 0.45
    assert alike("white_noise_1") < 0.3


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"drift": 1.0}, "drift: needs a sweep of so many cycles"),
        ({"drift": -1.0, "sweep": 4}, "drift: -1 is outside"),
        ({"drift": 9.0, "sweep": 4}, "drift: 9 is outside"),
        ({"kind": "ring", "drift": 1.0}, "drift: kind 'ring' does not use it"),
    ],
)
def test_drifts_that_no_window_has_are_refused(values, message):
    with pytest.raises(InputError, match=message):
        Stimulus(**values)


def test_a_sweep_that_leaves_the_picture_is_refused():
    low = Arrays.of(np.random.default_rng(1).random((30, 400)), "here")
    with pytest.raises(
        InputError, match="drift: a sweep needs 49 rows of pixels, a picture has 30"
    ):
        render(Stimulus(kind="array", array=low, step=1, drift=1.0, sweep=8), n_cycles=8)
    with pytest.raises(InputError, match="row: a drift from 5 by 12 px leads out of the picture"):
        render(Stimulus(kind="array", array=low, step=1, drift=1.0, sweep=2, row=5), n_cycles=8)
    film = Arrays.of(np.random.default_rng(1).random((9, 60, 80)), "here")
    with pytest.raises(InputError, match="drift: a window on a film stands still"):
        render(Stimulus(kind="array", array=film, step=1, drift=1.0, sweep=2), n_cycles=8)
