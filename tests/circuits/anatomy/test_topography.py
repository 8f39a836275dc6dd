"""Which cells may be joined, each topography on a table of pairs made by hand."""

import numpy as np
import pytest

from circuits.anatomy.tables import load_circuit
from circuits.anatomy.topography import candidates, log_weights, positions_of


@pytest.fixture(scope="module")
def tiny():
    return load_circuit("tiny")


@pytest.mark.parametrize(
    ("topography", "joined", "log_weight"),
    [
        # distance in positions, and whether both are of one polarity
        ("channel", lambda d, same: d == 0 and same, lambda d: 0.0),
        ("position", lambda d, same: d == 0, lambda d: 0.0),
        ("near", lambda d, same: d <= 3, lambda d: -(d**2) / 2),
        ("broad", lambda d, same: d <= 9, lambda d: -(d**2) / 18),
        ("all", lambda d, same: True, lambda d: 0.0),
    ],
)
def test_pairs_and_their_weights(tiny, topography, joined, log_weight):
    name = "V1.L5IB->TRC"
    spec = tiny.with_projection(name, topography=topography)
    projection = next(p for p in spec.projections if p.name == name)
    assert spec.n_x == 8 and len(spec.polarities) == 2
    target, source = (
        positions_of(spec.population(end), spec.channels)
        for end in (projection.target, projection.source)
    )
    expected = np.full((target.size, source.size), -np.inf)
    for t, a in enumerate(target):
        for s, b in enumerate(source):
            # channels run through the positions of one polarity, then of the other
            distance, same = abs(a % 8 - b % 8), a // 8 == b // 8
            if joined(distance, same):
                expected[t, s] = log_weight(distance)
    np.testing.assert_allclose(log_weights(spec, projection), expected)
    assert candidates(spec, projection) == np.isfinite(expected).sum(1).min()


def test_no_cell_is_joined_to_itself_and_cells_of_no_channel_to_all(tiny):
    own = next(p for p in tiny.projections if p.source == p.target)
    weights = log_weights(tiny, own)
    assert np.isneginf(np.diag(weights)).all()
    pacing = next(p for p in tiny.projections if not tiny.population(p.source).positions)
    assert (log_weights(tiny, pacing) == 0).all()
