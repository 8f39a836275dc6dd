import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from analysis.measures import spikes

trains = st.lists(
    st.tuples(st.integers(0, 400).map(lambda k: k * 1e-3), st.integers(0, 3)),
    unique=True,
    max_size=80,
)


def arrays(train):
    return np.array([t for t, _ in train], float), np.array([n for _, n in train], int)


def bursts_by_loop(train, max_isi):
    found, isolated = [], 0
    for cell in range(4):
        run = []
        for t in [*sorted(t for t, n in train if n == cell), np.inf]:
            if run and t - run[-1] > max_isi + 1e-9:
                if len(run) >= 2:
                    found.append((cell, run[0], run[-1], len(run)))
                else:
                    isolated += 1
                run = []
            run.append(t)
    return found, isolated


@given(trains, st.sampled_from([2e-3, 5e-3, 10e-3]))
def test_bursts_are_those_a_loop_finds(train, max_isi):
    bursts = spikes.find_bursts(*arrays(train), max_isi)
    expected, isolated = bursts_by_loop(train, max_isi)
    got = list(zip(bursts.neuron, bursts.onset, bursts.end, bursts.n_spikes, strict=True))
    assert got == expected
    assert bursts.n_spikes.sum() + isolated == len(train)
    if train:
        share = spikes.isolated_fraction(*arrays(train), max_isi)
        assert share == isolated / len(train)


@given(trains, st.randoms(use_true_random=False))
def test_the_order_of_spikes_does_not_matter(train, random):
    shuffled = train.copy()
    random.shuffle(shuffled)
    a, b = spikes.find_bursts(*arrays(train)), spikes.find_bursts(*arrays(shuffled))
    np.testing.assert_array_equal(a.onset, b.onset)
    np.testing.assert_array_equal(spikes.cv(*arrays(train), 4), spikes.cv(*arrays(shuffled), 4))


def test_planted_bursts_and_singles():
    time = np.array([0.1, 0.104, 0.108, 0.3, 0.5, 0.51, 0.7, 0.7101])
    bursts = spikes.find_bursts(time, np.zeros(8, int))
    np.testing.assert_allclose(bursts.onset, [0.1, 0.5])
    assert bursts.n_spikes.tolist() == [3, 2]
    assert spikes.isolated_fraction(time, np.zeros(8, int)) == 3 / 8
    counted = time < 0.4
    assert spikes.isolated_fraction(time, np.zeros(8, int), counted=counted) == 1 / 4
    # two cells that fire together make no burst
    assert len(spikes.find_bursts(np.array([0.1, 0.101]), np.array([0, 1]))) == 0


def test_a_regular_train_has_no_variation_and_a_short_one_none_to_give():
    time = np.concatenate([np.arange(10) * 0.1, [0.0, 0.3]])
    neuron = np.repeat([0, 1], [10, 2])
    cv = spikes.cv(time, neuron, 3)
    assert abs(cv[0]) < 1e-9
    assert np.isnan(cv[1:]).all()


def test_no_spikes_give_nan_and_empty_results():
    none = np.empty(0)
    assert len(spikes.find_bursts(none, none)) == 0
    assert np.isnan(spikes.isolated_fraction(none, none))
    assert np.isnan(spikes.cv(none, none, 2)).all()
    assert np.isnan(spikes.fano_factor(np.zeros((2, 5)))).all()


def test_planted_correlation_of_counts_is_found():
    rng = np.random.default_rng(0)
    shared, n_bin = 0.4, 40_000
    common = rng.poisson(2 * shared, n_bin)
    counts = common + rng.poisson(2 * (1 - shared), (6, n_bin))
    r = spikes.pairwise_correlation(counts)[np.triu_indices(6, 1)]
    assert abs(r.mean() - shared) < 0.01
    assert np.isnan(spikes.pairwise_correlation(np.zeros((2, 5)))).all()


@given(trains)
def test_bins_hold_every_spike_once(train):
    time, neuron = arrays(train)
    counts = spikes.bin_counts(time, neuron, 4, 0.0, 0.5, 5e-3)
    assert counts.shape == (4, 100)
    np.testing.assert_array_equal(counts.sum(1), np.bincount(neuron, minlength=4))
    centre, rate = spikes.population_rate(time, 4, 0.0, 0.5, 5e-3)
    np.testing.assert_allclose(rate.sum() * 5e-3 * 4, time.size)
    np.testing.assert_allclose(centre[[0, -1]], [2.5e-3, 0.4975])
