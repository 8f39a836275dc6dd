"""When the context of layer 6 switches, in a run of which everything is known."""

import numpy as np
import pytest
import xarray as xr

from analysis import observables
from analysis.measures.context import context_course, switch_time
from tests.analysis.learner import make_learner


@pytest.fixture(scope="module")
def run():
    """L6CT cells that tell the position of the cycle before, 50 to 78 ms after the start."""
    learner = make_learner()
    names = learner["population"].values.astype(str)
    learner.attrs["loops"] = learner.attrs["loops"].replace("V1.", "V2.")
    areas = np.where(names == "V1.L5IB", "V2", learner["area"].values)
    names = np.char.replace(names, "V1.", "V2.")
    return learner.assign_coords(population=("neuron", names), area=("neuron", areas))


def test_a_context_of_the_cycle_before_is_found_where_it_is(run):
    course = context_course(run)
    time = course["time"].values
    told = (time > 0.045) & (time < 0.08)
    assert (course["before"].values[told] > 0.8).all()
    assert (np.nan_to_num(course["now"].values[told]) < 0.3).all()
    again = (time > 0.245) & (time < 0.28)
    assert (course["now"].values[again] > 0.8).all()
    assert course["rate"].values[~told & ~again].max() == 0
    # 8 spikes of the two cells at one of twelve positions, within two bins
    assert course["rate"].values[told].mean() == pytest.approx(8 / 12 / 0.04, rel=0.3)
    assert 80 < observables.evaluate(run, "context_switch", population="V2.L6CT") < 250
    assert observables.evaluate(run, "context_fall", population="V2.L6CT") == 1


def test_the_switch_is_the_last_crossing():
    time = np.array([0.01, 0.03, 0.05, 0.07])

    def course(now, before):
        return xr.Dataset({"now": ("time", now), "before": ("time", before)}, {"time": time})

    assert switch_time(course([0, 0.2, 0.6, 0.9], [0.8, 0.6, 0.2, 0])) == pytest.approx(0.04)
    assert switch_time(course([0, 0.9, 0, 0.9], [0.3, 0, 0.3, 0])) == pytest.approx(0.055)
    assert np.isnan(switch_time(course([0.9] * 4, [0.0] * 4)))
    assert np.isnan(switch_time(course([0.0] * 4, [0.9] * 4)))
    assert np.isnan(switch_time(course([np.nan] * 4, [np.nan] * 4)))
