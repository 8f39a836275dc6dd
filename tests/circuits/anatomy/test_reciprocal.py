"""Wiring in patches and its transpose; rows that replace those of another anatomy."""

from dataclasses import replace

import numpy as np
import pytest

from cells.parameters import InputError
from circuits.anatomy.tables import load_circuit
from circuits.anatomy.topography import check_indegrees, draw_sources, positions_of

FORWARD, BACK = "V2.L6CT->TRC", "TRC->V2.L6CT"


@pytest.fixture(scope="module")
def cued():
    return load_circuit("tiny", polarities=("on",), anatomy="cued")


def pairs(spec, name, seed=1):
    """Return the (target, source) pairs of a projection, as booleans."""
    p = next(p for p in spec.projections if p.name == name)
    joined = np.zeros((spec.count(p.target), spec.count(p.source)), int)
    for target, sources in enumerate(draw_sources(spec, p, seed)):
        np.add.at(joined[target], sources, 1)
    assert joined.max() == 1 and (joined.sum(axis=1) == p.indegree).all()
    return joined == 1


def test_feedback_is_the_transpose(cued):
    forward, back = pairs(cued, FORWARD), pairs(cued, BACK)
    np.testing.assert_array_equal(back, forward.T)
    assert not (forward == pairs(cued, FORWARD, seed=2)).all()


def test_a_source_reaches_all_cells_of_as_many_channels_as_any_other(cued):
    channel = positions_of(cued, cued.population("TRC"))
    forward = pairs(cued, FORWARD)
    reached = np.array([forward[channel == c] for c in range(cued.channels)])
    assert (reached.all(axis=1) == reached.any(axis=1)).all()
    assert (reached.any(axis=1).sum(axis=0) == 3).all()
    # which channels go together is drawn: nearly every choice of three is there
    assert len({tuple(np.flatnonzero(column)) for column in reached.any(axis=1).T}) > 20


def test_shuffled_feedback_has_the_same_rows_of_other_cells(cued):
    spec = cued.with_projection(BACK, topography="reciprocal_shuffled")
    back, transpose = pairs(spec, BACK), pairs(cued, FORWARD).T
    assert sorted(map(tuple, back)) == sorted(map(tuple, transpose))
    assert (back == transpose).all(axis=1).mean() < 0.2


def test_feedback_of_a_stream_of_its_own_is_not_the_transpose(cued):
    spec = cued.with_projection(BACK, topography="patches")
    back = pairs(spec, BACK)
    shared = (back & pairs(cued, FORWARD).T).sum() / back.sum()
    assert 0.2 < shared < 0.55  # three of eight by chance


@pytest.mark.parametrize(
    ("name", "changes", "wanted"),
    [
        (FORWARD, {"indegree": 19}, "nearest valid: 18"),
        (BACK, {"indegree": 8}, "only valid: 9"),
        (FORWARD, {"topography": "all"}, "of topography 'patches'"),
        (BACK, {"source": "LGN"}, "needs a projection 'V2.L6CT->LGN'"),
    ],
)
def test_what_cannot_be_is_told(cued, name, changes, wanted):
    spec = replace(cued, projections=tuple(
        replace(p, **changes) if p.name == name else p for p in cued.projections
    ))  # fmt: skip
    with pytest.raises(InputError, match=wanted):
        check_indegrees(spec)


def test_a_row_replaces_one_in_its_place(cued, tmp_path):
    plain, found = load_circuit("tiny"), load_circuit("tiny", anatomy="cued")
    n = len(plain.projections)
    same = [a == b for a, b in zip(plain.projections, found.projections[:n], strict=True)]
    changed = {p.name for p, ok in zip(plain.projections, same, strict=True) if not ok}
    assert changed == {FORWARD, BACK}
    (tmp_path / "areas.toml").write_text('extends = "cued"\n')
    row = (
        'projection = [{ row = 1, replaces = true, source = "TRC", target = "LGN", at = "soma",'
        " receptors = { AMPA = 1.0 }, indegree = { tiny = 1, column = 1 }, weight = 1.0,"
        ' topography = "all", delay = 1.0, delay_sd = 0.0, release = "static", plastic = false,'
        ' basis = "none", mark = "D" }]'
    )
    (tmp_path / "projections.toml").write_text(row)
    with pytest.raises(InputError, match="there is no projection 'TRC->LGN'"):
        load_circuit("tiny", anatomy=tmp_path)


def test_cells_between_cue_and_layer_6_hear_whom_they_contact():
    deep = load_circuit("tiny", polarities=("on",), anatomy="cued_deep")
    to, fro = pairs(deep, "PFC.L6CT->V2.L6CT"), pairs(deep, "V2.L6CT->PFC.L6CT")
    np.testing.assert_array_equal(fro, to.T)
    direct = next(p for p in deep.projections if p.name == "PFC.CUE->V2.L6CT")
    assert float(direct.weight) == 0 and direct.row == 44
