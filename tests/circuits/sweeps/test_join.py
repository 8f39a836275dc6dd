import numpy as np
import xarray as xr

from circuits.sweeps.axes import axis_of, grid
from circuits.sweeps.join import joined

CRITERIA = [{"id": "r", "min": 0.0}, {"id": "all", "max": 1.0}]
SEEDS = [3, 5, 7]


def one(value, cycles=4):
    """What `circuits.sweeps.task.measure` gives."""
    return xr.Dataset(
        {"value": ("criterion", [value, 2.0, 0.0]), "score": ("cycle", np.full(cycles, value))},
        coords={"criterion": ["r", "all[a]", "all[b]"], "unit": ("criterion", ["1", "1", "Hz"])},
    )


def test_swept_keys_are_dims():
    axes = [axis_of("a=1,2"), axis_of("b.c=10ms,20ms,30ms")]
    points = grid(axes)
    outcomes = {(k, s): one(10 * k + s) for k in range(6) for s in SEEDS}
    ds = joined(axes, points, SEEDS, outcomes, CRITERIA, True)
    at = ds.sel({"a": 2, "b.c": 20.0, "seed": 7})
    assert float(at["value"].sel(criterion="r")) == 47
    np.testing.assert_array_equal(at["score"], np.full(4, 47.0))
    assert ds["b.c"].attrs["units"] == "ms" and not ds["failed"].any()
    word = ds["verdict"].isel({"a": 0, "b.c": 0})
    assert word.values.tolist() == ["holds", "falsified", "holds"]
    assert str(ds["unit"].sel(criterion="all[b]").values) == "Hz"


def test_what_failed_is_missing_and_said():
    axes = [axis_of("a=1,2")]
    outcomes = {(k, s): one(10 * k + s) for k in range(2) for s in SEEDS if (k, s) != (1, 5)}
    ds = joined(axes, grid(axes), SEEDS, outcomes, CRITERIA, True)
    assert ds["failed"].sel(a=2).values.tolist() == [False, True, False]
    assert np.isnan(ds["score"].sel(a=2, seed=5)).all() and ds["failed"].sum() == 1
    assert str(ds["verdict"].sel(criterion="r", a=2).values) == "undecided"
    none = joined(axes, grid(axes), SEEDS, {}, CRITERIA, True)
    assert none["failed"].all() and none["value"].isnull().all()


def test_shapes_that_change_have_nodes_of_their_own():
    axes = [axis_of("cycle.count=2,3")]
    outcomes = {(k, s): one(s, cycles=k + 2) for k in range(2) for s in SEEDS}
    tree = joined(axes, grid(axes), SEEDS, outcomes, CRITERIA, True)
    assert tree["value"].dims == ("criterion", "seed", "cycle.count")
    assert [tree[f"/000{k}/score"].sizes["cycle"] for k in (0, 1)] == [2, 3]


def test_points_that_are_no_grid_have_a_dim():
    axes = [axis_of("a=0.0,1.0"), axis_of("b=x,y")]
    points = [(0.25, "x"), (0.75, "y")]
    ds = joined(axes, points, [1], {(k, 1): one(k) for k in range(2)}, CRITERIA, False)
    assert ds["value"].dims == ("criterion", "seed", "point")
    assert ds["a"].values.tolist() == [0.25, 0.75] and ds["b"].values.tolist() == ["x", "y"]
