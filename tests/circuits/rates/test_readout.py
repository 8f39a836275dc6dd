"""Output cells with plateaus, one trial at a time."""

import numpy as np
import pytest

from circuits.rates.frameworks import framework, tables
from circuits.rates.readout import Readout, competing, kinase_step, watch, watch_course

VALUES = {p.name: p.value for p in tables("readout")["readout"].parameters}


def trial(label_at, **changed):
    """Two cells that are read: one active for the first second, one for the next."""
    cells = Readout(np.ones((1, 2, 1)), VALUES | changed)
    rates = np.zeros((1, 150, 2))
    rates[0, :50, 0] = rates[0, 50:100, 1] = 1
    label = np.zeros((1, 150, 1), bool)
    label[0, label_at] = True
    return cells, rates, label


def test_competition_keeps_a_share():
    found = competing(np.array([[0.1, 0.4, 0.2, 0.9], [0.0, 0.0, 0.0, 0.0]]), 0.5)
    np.testing.assert_allclose(found, [[0, 2 / 7, 0, 1], [0, 0, 0, 0]])


def test_a_plateau_needs_the_label_and_drive_and_makes_the_change():
    for at, n in ((slice(0), 0), (slice(85, 99), 1), (slice(120, 134), 0)):
        cells, rates, label = trial(at)
        assert watch(cells, rates, label).item() == n
        assert (cells.weights != 1).any() == bool(n)
    cells, rates, label = trial(slice(85, 99))
    watch(cells, rates, label)
    early, late = cells.weights[0, :, 0]
    assert 4.68 > late > early > 0
    assert late > 1.5  # what is there at the plateau gains most


def test_a_cell_that_was_hardly_active_loses():
    cells, rates, label = trial(slice(85, 99))
    rates[0, :, 0] *= 0.15
    watch(cells, rates, label)
    weak, strong = cells.weights[0, :, 0]
    assert weak < 1 < strong


def test_traces_keep_their_times():
    course = watch_course(*trial(slice(85, 99)))
    fall = course.eligibility[149, 0, 1] / course.eligibility[99, 0, 1]
    assert fall == pytest.approx(np.exp(-1000 / 1664.1), rel=1e-6)
    # the plateau of 300 ms starts at step 85 and is over 15 steps later
    fall = course.signal[120, 0, 0] / course.signal[100, 0, 0]
    assert fall == pytest.approx(np.exp(-400 / 437), rel=1e-6)


def test_feedback_inhibition_spaces_plateaus():
    counts = [
        watch_course(*trial(slice(0, 100), inhibition=i)).plateaus.item() for i in (0.0, 10.0)
    ]
    assert counts[0] == 7 > 2 >= counts[1] > 0


def test_the_kinases_learn_what_the_label_adds_in_the_plus_phase():
    values = framework("kinase", {"onset": 0}).values
    changes = []
    for label in (0.0, 1.0):
        cells = Readout(np.ones((1, 2, 1)), VALUES)
        kinase_step(cells, np.array([[1.0, 0.0]]), np.array([[label]]), values, 0.1)
        changes.append(cells.weights[0, :, 0] - 1)
    np.testing.assert_allclose(changes[0], 0, atol=1e-12)
    assert changes[1][0] > 1e-3
    assert changes[1][1] == pytest.approx(0, abs=1e-12)


def test_thresholds_follow_the_drive_of_each_cell():
    cells = Readout(np.array([[[1.0, 3.0], [2.0, 6.0]]]), VALUES)
    rates = np.zeros((1, 4, 2))
    rates[0, 0, 0] = rates[0, 1, 1] = 1  # nothing is shown in the rest
    cells.settle_thresholds(rates)
    np.testing.assert_allclose(cells.half[0, 0], [1.5, 4.5])
    first, second = cells.answer(rates[:, :2])[0].T
    np.testing.assert_allclose(first, second)
