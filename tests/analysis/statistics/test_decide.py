import numpy as np
import pytest
from scipy import stats

from analysis.statistics.decide import FALSIFIED, HOLDS, UNDECIDED, decide, holm


def sample(mean, sd, n=8):
    """Values of exactly this mean and standard deviation."""
    x = np.random.default_rng(n).normal(size=n)
    return mean + sd * (x - x.mean()) / x.std(ddof=1)


def test_the_interval_is_that_of_scipy():
    x = sample(1.0, 0.4)
    found = decide(x, low=0.0)
    expected = stats.ttest_1samp(x, 0.0)
    np.testing.assert_allclose(found.interval, expected.confidence_interval(0.95))
    assert found.p == pytest.approx(expected.pvalue)


@pytest.mark.parametrize(
    ("mean", "sd", "bounds", "verdict"),
    [
        (152, 3.5, (None, 150), UNDECIDED), (158, 3.5, (None, 150), FALSIFIED),
        (142, 3.5, (None, 150), HOLDS), (0.38, 0.05, (0.4, None), UNDECIDED),
        (0.3, 0.05, (0.4, None), FALSIFIED), (5, 0.5, (4, 6), HOLDS), (5, 2, (4, 6), UNDECIDED),
        (7, 0.5, (4, 6), FALSIFIED), (3, 0.5, (4, 6), FALSIFIED),
    ],
)  # fmt: skip
def test_three_verdicts(mean, sd, bounds, verdict):
    found = decide(sample(mean, sd), *bounds)
    assert found.verdict == verdict
    low, high = found.interval
    within = (bounds[0] is None or low >= bounds[0]) and (bounds[1] is None or high <= bounds[1])
    assert (verdict == HOLDS) == within
    assert (found.seeds_needed is not None) == (verdict == UNDECIDED)


def test_the_seeds_that_it_would_take_decide():
    """At that number four of five samples do, and at a tenth of it few."""
    mean, sd = 0.45, 0.1
    n = decide(sample(mean, sd, 6), low=0.4).seeds_needed
    assert 28 < n < 36  # (1.96 + 0.84)^2 * 4
    rng = np.random.default_rng(1)

    def decided(size):
        made = rng.normal(mean, sd, (400, size))
        return np.mean([decide(x, low=0.4).verdict == HOLDS for x in made])

    assert 0.7 < decided(n) < 0.9 and decided(6) < 0.3


def test_equivalence_is_two_one_sided_tests():
    x = sample(0.01, 0.05)
    found = decide(x, -0.05, 0.05, equivalence=True)
    below = stats.ttest_1samp(x, 0.05, alternative="less").pvalue
    above = stats.ttest_1samp(x, -0.05, alternative="greater").pvalue
    assert found.p == pytest.approx(max(below, above)) and found.verdict == HOLDS
    # not to be told apart is not to be the same
    assert decide(sample(0.01, 0.2), -0.05, 0.05, equivalence=True).verdict == UNDECIDED
    assert decide(sample(0.2, 0.05), -0.05, 0.05, equivalence=True).verdict == FALSIFIED


def test_few_seeds_are_judged_by_their_mean():
    for values in ([1.0], [0.0, 3.0]):
        found = decide(values, low=0.9)
        assert (found.verdict, found.interval, found.p) == (HOLDS, None, None)
    assert decide([0.8, 0.8], low=0.9).verdict == FALSIFIED


def test_values_without_spread_are_exact():
    assert decide([0.3] * 3, low=0.3).verdict == HOLDS
    assert decide([0.3] * 3, high=0.29).verdict == FALSIFIED
    assert decide([0.0] * 4, 0.0, 0.0).verdict == HOLDS


@pytest.mark.parametrize("values", [[], [np.nan] * 4, [1.0, np.nan, 1.0], [np.inf, 1.0, 1.0]])
def test_what_is_no_number_decides_nothing(values):
    assert decide(values, low=0.0).verdict == UNDECIDED


def test_holm_as_in_his_paper():
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03]), [0.03, 0.06, 0.06])
    np.testing.assert_allclose(holm([0.9, 0.8]), [1.0, 1.0])
    assert holm([]).size == 0
