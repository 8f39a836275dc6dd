"""``method="staggered"`` for any model: the cells of Brette et al. (2007), and what is refused."""

import numpy as np
import pytest
from brian2 import Network, NeuronGroup, ms, prefs
from brian2.stateupdaters.base import UnsupportedEquationsException

from cells import use_staggered
from cells.integration import METHODS
from tests.bench import cobahh

REFUSED = {
    "dv/dt = (v - w)/ms : 1\ndw/dt = (v - w)/ms : 1": "'v' and 'w' follow from each other",
    "dv/dt = -clip(v/mV, -1, 1)*mV/ms : volt": "the derivative by 'v' of .*clip",
    "dv/dt = -int(v > 0*mV)*v/ms : volt": "the derivative by 'v' of .*int",
    "dv/dt = -v/ms + xi*mV/ms**.5 : volt": "no stochastic equations",
}


@pytest.fixture
def numpy_target():
    use_staggered(fast_math=False)
    use_staggered(fast_math=False)
    before, prefs.codegen.target = prefs.codegen.target, "numpy"
    yield
    prefs.codegen.target = before


@pytest.mark.parametrize("equations", REFUSED)
def test_what_cannot_be_integrated_is_refused_in_a_line(numpy_target, equations):
    group = NeuronGroup(1, equations, method="staggered")
    with pytest.raises(Exception, match="prepar") as error:
        Network(group).run(0.1 * ms, namespace={})
    cause = error.value.__cause__
    assert isinstance(cause, UnsupportedEquationsException) and "\n" not in str(cause)
    with pytest.raises(UnsupportedEquationsException, match=REFUSED[equations]):
        raise cause


def test_a_chain_is_moved_from_its_beginning(numpy_target):
    """Each after what it follows from, however many others that is."""
    group = NeuronGroup(
        1, """
        da/dt = (b + c - a)/ms : 1
        db/dt = (c + d - b)/ms : 1
        dc/dt = (d - c)/ms : 1
        dd/dt = (1 - d)/ms : 1
        """, method="staggered", dt=0.1 * ms,
    )  # fmt: skip
    network = Network(group)
    network.run(5 * ms, namespace={})
    from scipy.linalg import expm

    slope = np.array([[-1, 1, 1, 0], [0, -1, 1, 1], [0, 0, -1, 1], [0, 0, 0, -1.0]])
    rest = -np.linalg.solve(slope, [0, 0, 0, 1])
    exact = rest - expm(5 * slope) @ rest
    found = [getattr(group, x)[0] for x in "abcd"]
    np.testing.assert_allclose(found, exact, rtol=2e-3)


def first_spikes(method, dt, upstroke=False):
    """Return the first spike (ms) of each cell, before the cells hear one another; NaN: none."""
    network, monitors = cobahh.make(120, method, upstroke, joined=False)
    monitors["cells"].source.clock.dt = dt * ms
    network.run(16 * ms)
    at = np.full(120, np.nan)
    spikes = monitors["cells"]
    at[np.array(spikes.i)[::-1]] = np.array(spikes.t / ms)[::-1]
    return at


def test_cells_of_hodgkin_and_huxley(numpy_target):
    exact = first_spikes(METHODS["rk4"].updater, 0.05)
    assert np.isfinite(exact).sum() >= 12
    found = {
        "plain": first_spikes("staggered", 0.1),
        "upstroke": first_spikes("staggered", 0.1, upstroke=True),
        "stock": first_spikes("exponential_euler", 0.1),
    }
    late = {key: np.nanmean(at - exact) for key, at in found.items()}  # a step is 0.1 ms
    assert abs(late["plain"]) < 0.06 and abs(late["upstroke"]) < 0.06, late
    assert late["stock"] > 0.15, late
