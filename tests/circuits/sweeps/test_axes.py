import numpy as np
import pytest

from cells.parameters import InputError
from circuits.runfiles.changes import apply_settings
from circuits.sweeps.axes import axis_of, grid, latin_hypercube


@pytest.mark.parametrize(
    ("text", "name", "values", "unit"),
    [
        ('projections."V1.L5IB->TRC".indegree=1,2,6', "projections.V1.L5IB->TRC.indegree",
         (1, 2, 6), ""),
        ("cycle.length=100ms,150 ms", "cycle.length", (100.0, 150.0), "ms"),
        ("cells.TRC.g_KL=1e-5 S/cm**2, 3e-5 S/cm**2", "cells.TRC.g_KL", (1e-5, 3e-5), "S/cm**2"),
        ("cycle.plus=0.5,1", "cycle.plus", (0.5, 1.0), ""),
        ('stimulus.image=camera,"coins"', "stimulus.image", ("camera", "coins"), ""),
        ("inputs.regular=true,false", "inputs.regular", (True, False), ""),
        ('lesions=[],["ZI", "TRN->*"]', "lesions", ("[]", '["ZI", "TRN->*"]'), ""),
        ('projections."a=b".weight=1 nS', "projections.a=b.weight", (1.0,), "nS"),
    ],
)  # fmt: skip
def test_values_come_as_they_are_written(text, name, values, unit):
    axis = axis_of(text)
    assert (axis.name, axis.values, axis.unit) == (name, values, unit)
    assert list(map(type, axis.values)) == list(map(type, values))


def test_settings_are_those_that_a_person_would_write():
    axis = axis_of('projections."V1.L5IB->TRC".weight=20nS,30nS')
    found = apply_settings({}, [axis.setting(axis.values[0])])
    assert found == {"projections": {"V1.L5IB->TRC": {"weight": "20.0 nS"}}}
    for text, key, expected in (
        ("lesions=[],[\"ZI\"]", "lesions", ["ZI"]), ("a=true,false", "a", False),
        ("a=1,2", "a", 2), ('a=x y,"1 2"', "a", "1 2"),
    ):  # fmt: skip
        axis = axis_of(text)
        assert apply_settings({}, [axis.setting(axis.values[1])])[key] == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [("a", "expected KEY=value"), ("a=1,1", "comes twice"), ("a=1 ms,2", "one unit"),
     ("a=1,x", "different kinds"), ("seeds=1,2", "use --seeds"), ("cycle={},{count=3}", "a key of"),
     ("=1", "expected KEY=value")],
)  # fmt: skip
def test_what_cannot_be_swept_is_told_in_one_line(text, message):
    with pytest.raises(InputError, match=message) as error:
        axis_of(text)
    assert "\n" not in str(error.value)


def test_a_grid_is_every_combination():
    axes = [axis_of("a=1,2"), axis_of("b=x,y,z")]
    assert grid(axes) == [(a, b) for a in (1, 2) for b in "xyz"]


def test_a_latin_hypercube_has_one_point_in_every_share():
    axes = [axis_of("a=0.0,8.0"), axis_of("b=1,8"), axis_of("c=x,y")]
    points = latin_hypercube(axes, 8)
    assert points == latin_hypercube(axes, 8)
    a, b, c = zip(*points, strict=True)
    assert sorted(np.floor(a)) == list(range(8)) and sorted(b) == list(range(1, 9))
    assert sorted(c) == ["x"] * 4 + ["y"] * 4
    assert all(isinstance(v, int) for v in b)
