import numpy as np
import pytest

from analysis.verdicts.judge import verdict
from analysis.verdicts.predictions import concluded


def one(id, mean, sd=1.0, n=8):
    """A verdict on: the mean is above 0."""
    x = np.random.default_rng(n).normal(size=n)
    values = mean + sd * (x - x.mean()) / x.std(ddof=1)
    return verdict(id, "c", "o", list(values), "1", 0.0)


@pytest.mark.parametrize(
    ("means", "conclusion", "why"),
    [
        ({"a": 5, "b": 5}, "holds", ""), ({"a": 5, "b": -5}, "falsified", "b"),
        ({"a": 5, "b": 0.1}, "undecided", "b"), ({"a": -5, "b": 0.1}, "falsified", "a"),
        ({"a": -5, "control-c": -5}, "undecided", "its control does not hold: control-c"),
        ({"a": 5, "control-c": 5}, "holds", ""),
    ],
)  # fmt: skip
def test_a_conclusion_is_that_of_all_criteria(means, conclusion, why):
    (found,) = concluded([{"verdicts": [one(id, mean) for id, mean in means.items()]}])
    assert (found["conclusion"], found["why"]) == (conclusion, why)


def test_all_predictions_are_one_family():
    weak = {"verdicts": [one("a", 0.95)]}  # p = .03 alone
    assert concluded([weak])[0]["conclusion"] == "holds"
    found = concluded([weak, weak, {"verdicts": [one("control-x", 0.95), one("b", 5)]}])
    assert [r["conclusion"] for r in found] == ["undecided", "undecided", "holds"]
    assert weak["verdicts"][0]["verdict"] == "holds"  # what was given stays


def test_what_was_not_run_says_so():
    words = [r["conclusion"] for r in concluded([{"blocked": "b"}, {"failed": "f"}, {}])]
    assert words == ["cannot be asked yet", "failed", "not run yet"]
