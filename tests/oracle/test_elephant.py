"""Spike-train measures against elephant."""

import numpy as np
import pytest

elephant = pytest.importorskip("elephant")
import neo  # noqa: E402
import quantities as pq  # noqa: E402
from elephant import phase_analysis, statistics  # noqa: E402
from elephant.conversion import BinnedSpikeTrain  # noqa: E402
from elephant.spike_train_correlation import correlation_coefficient  # noqa: E402

from analysis.measures import spikes, theta  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::quantities.QuantitiesDeprecationWarning")
N, T = 12, 20.0


@pytest.fixture(scope="module")
def train():
    """Gamma trains of different rates and regularity, as arrays and as neo objects."""
    rng = np.random.default_rng(7)
    shape, rate = rng.uniform(0.5, 4, N), rng.uniform(3, 40, N)
    times = []
    for k, r in zip(shape, rate, strict=True):
        t = np.cumsum(rng.gamma(k, 1 / (k * r), int(3 * r * T)))
        times.append(t[t < T])
    neuron = np.repeat(np.arange(N), [t.size for t in times])
    objects = [neo.SpikeTrain(t * pq.s, t_stop=T * pq.s) for t in times]
    return np.concatenate(times), neuron, objects


def test_cv_of_intervals(train):
    time, neuron, objects = train
    expected = [statistics.cv(statistics.isi(o)) for o in objects]
    np.testing.assert_allclose(spikes.cv(time, neuron, N), expected, rtol=1e-9)


def test_intervals(train):
    time, neuron, objects = train
    isi, cell = spikes.interspike_intervals(time, neuron)
    for i, o in enumerate(objects):
        np.testing.assert_allclose(isi[cell == i], statistics.isi(o).magnitude)


def test_fano_factor_over_trials(train):
    time, neuron, objects = train
    counts = spikes.bin_counts(time, neuron, N, 0, T, T)[:, 0]
    assert spikes.fano_factor(counts) == pytest.approx(statistics.fanofactor(objects), rel=1e-9)


def test_binned_counts_and_their_correlation(train):
    time, neuron, objects = train
    counts = spikes.bin_counts(time, neuron, N, 0, T, 20e-3)
    binned = BinnedSpikeTrain(objects, bin_size=20 * pq.ms, t_start=0 * pq.s, t_stop=T * pq.s)
    np.testing.assert_array_equal(counts, binned.to_array())
    np.testing.assert_allclose(
        spikes.pairwise_correlation(counts), correlation_coefficient(binned), atol=1e-9
    )


def test_population_rate(train):
    time, _, objects = train
    _, rate = spikes.population_rate(time, N, 0, T, 50e-3)
    expected = statistics.time_histogram(objects, bin_size=50 * pq.ms, output="rate")
    np.testing.assert_allclose(rate, expected.rescale("Hz").magnitude.ravel(), rtol=1e-9)


def test_vector_strength_and_mean_phase():
    phase = np.random.default_rng(3).vonmises(2.5, 1.2, 500) % (2 * np.pi)
    direction, length = phase_analysis.mean_phase_vector(phase)
    assert theta.vector_strength(phase) == pytest.approx(length)
    assert theta.mean_phase(phase) == pytest.approx(direction % (2 * np.pi))
