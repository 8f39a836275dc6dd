"""Sweeps of different speeds, and sweeps that grow faster."""

import numpy as np
import pytest

from cells.parameters import InputError
from circuits.stimuli.render import render
from circuits.stimuli.stimulus import Stimulus


def steps_within(shown, values, period=None):
    """Return how far ``values`` (cycle) move on from the cycle before, where no sweep begins."""
    moved = np.diff(values)
    if period:
        moved = (moved + period / 2) % period - period / 2
    return moved[~shown["jump"].values[1:]]


def test_every_sweep_of_a_ring_has_a_speed_and_all_have_their_turn():
    ring = Stimulus(kind="ring", n_x=14, step=1, speeds=(1, 2, 3), sweep=4, motion="stepped")
    shown = render(ring, n_cycles=48, seed=3)
    moved = steps_within(shown, shown["centre"].values, 14)
    np.testing.assert_allclose(moved, shown["velocity"].values[1:][~shown["jump"].values[1:]])
    of_sweeps = shown["velocity"].values[::4].reshape(4, 3)
    np.testing.assert_array_equal(np.sort(of_sweeps, axis=1), np.tile([1, 2, 3], (4, 1)))
    assert not np.array_equal(of_sweeps[0], of_sweeps[1]) or not np.array_equal(
        of_sweeps[1], of_sweeps[2]
    )


@pytest.mark.parametrize("direction", ["forward", "both"])
def test_a_window_moves_by_the_speed_of_its_sweep(direction):
    photo = Stimulus(step=1, speeds=(1, 2, 3), sweep=5, direction=direction)
    shown = render(photo, n_cycles=60, seed=5)
    inside = ~shown["jump"].values[1:]
    moved = steps_within(shown, shown["left"].values) / photo.spacing
    velocity = shown["velocity"].values
    np.testing.assert_allclose(moved, velocity[1:][inside])
    assert set(np.abs(velocity)) == {1, 2, 3} and (velocity < 0).any() == (direction == "both")
    x = np.arange(photo.n_x)
    known = (x + velocity[:, None] >= 0) & (x + velocity[:, None] < photo.n_x)
    known &= ~shown["jump"].values[:, None]
    np.testing.assert_array_equal(shown["predictable"].values, np.tile(known, 2))


def test_an_accelerating_sweep_gains_as_much_in_every_cycle():
    photo = Stimulus(step=1, acceleration=0.5, sweep=5, motion="stepped", direction="both")
    shown = render(photo, n_cycles=50, seed=2)
    velocity = np.abs(shown["velocity"].values).reshape(10, 5)
    np.testing.assert_allclose(velocity, np.tile([1, 1.5, 2, 2.5, 3], (10, 1)))
    # a jump at the start of a cycle is as long as the cycle before was fast
    moved = np.abs(np.diff(shown["left"].values.reshape(10, 5), axis=1)) / photo.spacing
    np.testing.assert_allclose(moved, velocity[:, :-1])


def test_one_speed_is_what_a_step_is():
    one = render(Stimulus(step=2, sweep=6, speeds=(1,)), n_cycles=20, seed=4)
    other = render(Stimulus(step=2, sweep=6), n_cycles=20, seed=4)
    np.testing.assert_array_equal(one["rate"], other["rate"])
    assert "velocity" in one and "velocity" not in other


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"speeds": (1, 1)}, "speeds: each of them once"),
        ({"speeds": 2.5}, "speeds: 2.5 is not a whole number"),
        ({"speeds": (0, 1)}, "speeds: 0 is below 1"),
        ({"speeds": (1, 4)}, r"speeds: \(1, 4\) leads out of the 8 positions"),
        ({"acceleration": 1.0}, "acceleration: needs a step, and a sweep of so many cycles"),
        ({"acceleration": 1.0, "sweep": 8}, "acceleration: 1.0 leads out of the 8 positions"),
        ({"acceleration": -1.0, "sweep": 2}, "acceleration: -1 is outside"),
    ],
)
def test_speeds_that_no_sweep_can_have_are_refused(values, message):
    with pytest.raises(InputError, match=message):
        Stimulus(step=2, **values)
