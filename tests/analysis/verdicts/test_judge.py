import json

import numpy as np
import pytest

from analysis.data import schema
from analysis.verdicts import judge

LOCKED = {
    "id": "locked", "claim": "Bursts keep to theta.", "source": "O'Reilly 2026",
    "observable": "burst_vector_strength", "min": 0.6,
}  # fmt: skip


def test_the_mean_over_seeds_is_judged_in_the_first_condition(many):
    (found,) = judge.evaluate(many, [LOCKED])
    assert found["holds"] and found["n"] == 2 and found["condition"] == "intact"
    assert found["value"] == pytest.approx(sum(found["values"]) / 2)
    spread = abs(found["values"][0] - found["values"][1]) / 2**0.5
    assert found["spread"] == pytest.approx(spread)
    assert found["criterion"] == ">= 0.6" and found["unit"] == "1"
    json.dumps(found, allow_nan=False)


def test_the_lesion_is_judged_in_its_own_condition(many):
    lesion = LOCKED | {"condition": "no pacing", "max": 0.3}
    del lesion["min"]
    (found,) = judge.evaluate(many, [lesion])
    assert found["holds"] and found["value"] < 0.3
    failed = judge.evaluate(many, [LOCKED | {"condition": "no pacing"}])[0]
    assert not failed["holds"]


def test_a_star_gives_a_verdict_for_each_condition(many):
    found = judge.evaluate(many, [LOCKED | {"condition": "*"}])
    assert [v["id"] for v in found] == ["locked[intact]", "locked[no pacing]"]
    assert [v["holds"] for v in found] == [True, False]
    assert judge.summary(found) == (
        "1 of 2 claims hold (n = 2 seeds); falsified: locked[no pacing]."
    )


def test_what_is_not_a_number_never_holds():
    for low, high in ((0.0, None), (None, 1.0), (-1e9, 1e9)):
        found = judge.verdict("a", "b", "c", [0.5, float("nan")], "1", low, high)
        assert not found["holds"] and found["value"] is None
        assert found["values"] == [0.5, None] and found["failed"] == 1
        assert found["verdict"] == "undecided" and judge.remark(found) == "1 of 2 undefined"
        json.dumps(found, allow_nan=False)
    assert not judge.verdict("a", "b", "c", [], "1", 0.0)["holds"]


@pytest.mark.parametrize(
    ("values", "low", "high", "holds"),
    [([4.0, 6.0], 4, 6, True), ([4.0], 4, 6, True), ([3.999], 4, 6, False), ([6.01], 4, 6, False),
     ([1.0], None, 0.5, False), ([0.5], None, 0.5, True)],
)  # fmt: skip
def test_bounds_are_inclusive(values, low, high, holds):
    assert judge.verdict("a", "b", "c", values, "Hz", low, high)["holds"] is holds


def test_one_seed_has_no_spread(circuit):
    (found,) = judge.evaluate(circuit, [LOCKED | {"max": 1.0}])
    assert found["spread"] is None and found["n"] == 1 and "condition" not in found
    assert found["criterion"] == "0.6 to 1"


def test_criteria_are_put_in_words():
    assert judge.criterion_text(4, 6, "Hz") == "4 to 6 Hz"
    assert judge.criterion_text(None, 0.2) == "<= 0.2"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"observable": "burst_vector_strenght"}, "did you mean 'burst_vector_strength'"),
        ({"args": {"popul": "V1.L5IB"}}, "did you mean 'population'"),
        ({"minimum": 1}, "unknown key 'minimum'; did you mean 'min'"),
        ({"min": None}, "needs 'min' or 'max'"),
        ({"margin": 0.1}, "'margin' is of the difference from a 'reference'"),
        ({"min": None, "margin": 0.1}, "'margin' is of the difference from a 'reference'"),
        ({"contrast": "difference"}, "'contrast' needs a 'reference'"),
        ({"contrast": "diference"}, "did you mean 'difference'"),
        ({"max": 0.1}, "'min' is above 'max'"),
        ({"max": float("nan")}, "finite"),
        ({"unit": "mV"}, "unit 'mV'"),
        ({"condition": "no pcing"}, "did you mean 'no pacing'"),
        ({"claim": ""}, "no key 'claim'"),
    ],
)
def test_a_mistake_in_a_criterion_is_told_in_one_line(many, change, message):
    with pytest.raises(schema.AnalysisError) as error:
        judge.evaluate(many, [LOCKED | change])
    assert message in str(error.value) and "\n" not in str(error.value)
    assert "locked" in str(error.value)


def test_a_lesion_claim_is_never_judged_on_a_run_without_the_lesion(circuit):
    with pytest.raises(schema.AnalysisError, match="no condition 'no pacing'"):
        judge.evaluate(circuit, [LOCKED | {"condition": "no pacing"}])


def test_units_of_rate_may_be_written_as_bursts_per_second(circuit):
    criterion = {"id": "r", "claim": "c", "observable": "burst_rate", "unit": "bursts/s",
                 "min": 4, "max": 6}  # fmt: skip
    assert judge.evaluate(circuit, [criterion])[0]["holds"]


def test_a_reference_gives_the_relative_deviation_seed_by_seed(many):
    criterion = {"id": "d", "claim": "c", "observable": "population_rate",
                 "args": {"population": "V1.L23"}}  # fmt: skip
    names = [str(c) for c in many["condition"].values]
    absolute = [
        judge.evaluate(many, [{**criterion, "min": 0.0, "condition": name}])[0]["values"]
        for name in names[:2]
    ]
    relative = judge.evaluate(
        many, [{**criterion, "max": 9.0, "condition": names[1], "reference": names[0]}]
    )[0]
    expected = [b / a - 1 for a, b in zip(*absolute, strict=True)]
    np.testing.assert_allclose(relative["values"], expected)
    assert relative["unit"] == "1"
    with pytest.raises(schema.AnalysisError, match="no condition 'nowhere'"):
        judge.evaluate(many, [{**criterion, "max": 9.0, "reference": "nowhere"}])


def test_a_condition_is_not_compared_with_itself(many):
    """It would deviate by nothing, and hold."""
    criterion = {"id": "c", "claim": "all differ", "observable": "burst_rate", "max": 0.1}
    names = list(dict.fromkeys(condition for condition, _ in schema.runs(many)))
    found = judge.evaluate(many, [{**criterion, "condition": "*", "reference": names[0]}])
    assert [v["condition"] for v in found] == names[1:]


def test_a_difference_from_a_reference_keeps_its_unit(many):
    names = [str(c) for c in many["condition"].values]
    criterion = {"id": "d", "claim": "c", "observable": "population_rate", "unit": "Hz",
                 "args": {"population": "V1.L23"}, "min": -1e3}  # fmt: skip
    a, b = (judge.evaluate(many, [{**criterion, "condition": n}])[0]["values"] for n in names[:2])
    paired = {**criterion, "condition": names[1], "reference": names[0], "contrast": "difference"}
    found = judge.evaluate(many, [paired])[0]
    np.testing.assert_allclose(found["values"], np.subtract(b, a))
    assert (found["unit"], found["reference"]) == ("Hz", names[0])
    del paired["min"]
    same = judge.evaluate(many, [paired | {"margin": 1e3}])[0]
    assert same["criterion"] == f"within 1000 Hz of no difference against {names[0]}"
    phase = {"observable": "burst_plus_fraction", "args": {}, "unit": "1", "margin": 1.0}
    assert judge.evaluate(many, [paired | phase])[0]["verdict"] == "holds"


def test_a_family_is_corrected_for_its_number():
    def one(values):
        return judge.verdict("a", "b", "c", values, "1", 0.0)

    rng = np.random.default_rng(0)
    weak = rng.normal(size=8)
    weak = (weak - weak.mean()) / weak.std(ddof=1) + 0.95  # p = 0.03 alone
    found = [one(weak), one(weak), one(weak), one([1.0])]
    assert [v["verdict"] for v in found] == ["holds"] * 4
    judge.over_families(found, ["x", "x", None, "x"])
    assert [v["verdict"] for v in found] == ["undecided", "undecided", "holds", "holds"]
    assert found[0]["p_family"] == pytest.approx(2 * found[2]["p"]) and not found[0]["holds"]
    assert "p_family" not in found[3]  # one seed has no p


def test_an_observable_that_fails_leaves_the_others_judged(many, monkeypatch):
    from analysis import observables

    def broken(ds):
        """Never gives a number."""
        return 1 / 0

    monkeypatch.setattr(observables.registry, "OBSERVABLES", dict(observables.OBSERVABLES))
    observables.observable("Hz")(broken)
    bad = {"id": "bad", "claim": "x", "observable": "broken", "min": 0}
    failed, locked = judge.evaluate(many, [bad, LOCKED])
    assert failed["verdict"] == "not judged" and not failed["holds"] and failed["n"] == 2
    assert judge.remark(failed) == "error: ZeroDivisionError: division by zero"
    assert locked["holds"]
    assert judge.summary([failed, locked]) == ("1 of 2 claims hold (n = 2 seeds); not judged: bad.")


def test_what_is_the_same_by_construction_is_not_judged(circuit, join_runs):
    same = {"id": "s", "claim": "x", "observable": "plus_pattern_r", "condition": "copy",
            "reference": "intact", "contrast": "difference", "max": 0.5}  # fmt: skip
    twice = join_runs({("intact", 1): circuit, ("copy", 1): circuit})
    (found,) = judge.evaluate(twice, [same])
    assert found["verdict"] == "not judged" and "the same numbers" in judge.remark(found)
    (found,) = judge.evaluate(twice, [same | {"min": 0, "max": 0}])
    assert found["verdict"] == "holds"


def test_what_is_defined_in_no_run_is_not_judged(many):
    silent = many.isel(spike=slice(0, 0)).assign(rate=many["rate"] * 0)
    (found,) = judge.evaluate(silent, [LOCKED])
    assert (found["verdict"], found["why"]) == ("not judged", "undefined in every run")


def test_a_criterion_that_cannot_fail_is_found():
    from analysis.observables import find

    def vacuous(name, **bounds):
        return judge.cannot_fail(bounds, find(name, {"population": "x"} if "rate" in name else {}))

    assert vacuous("burst_plus_fraction", min=0) and vacuous("plus_pattern_r", min=-1, max=1)
    assert vacuous("population_rate", min=-0.5) and not vacuous("population_rate", max=0)
    assert not vacuous("burst_plus_fraction", min=0, max=0.9)
    assert not vacuous("burst_plus_fraction", min=0, reference="other")
