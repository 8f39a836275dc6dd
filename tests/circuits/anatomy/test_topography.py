"""Which cells may be joined: each topography on pairs made by hand, and areas of other sizes."""

from dataclasses import replace

import numpy as np
import pytest

from circuits.anatomy.tables import load_circuit
from circuits.anatomy.topography import (
    candidates,
    log_weights,
    positions_of,
    seen_channels,
    sees,
)


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
        positions_of(spec, spec.population(end)) for end in (projection.target, projection.source)
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


def joined(spec, topography, source="V1.L23", target="V2.L4"):
    """Return (channel of the target, channel of the source) of all pairs that may be joined."""
    p = replace(spec.projections[0], source=source, target=target, topography=topography)
    targets, sources = (positions_of(spec, spec.population(n)) for n in (target, source))
    rows, columns = np.nonzero(np.isfinite(log_weights(spec, p)))
    return {(int(targets[i]), int(sources[j])) for i, j in zip(rows, columns, strict=True)}


@pytest.fixture(scope="module")
def coarse(tiny):
    """V2 sees the eight positions of the stimulus as four."""
    return replace(tiny, areas=(("V2", 4),))


def test_areas_of_other_sizes_join_what_covers_the_same_part(coarse):
    assert coarse.count("V2.L4") == coarse.count("V1.L4") // 2
    pairs = joined(coarse, "channel")
    assert pairs == {(p * 4 + x // 2, p * 8 + x) for p in (0, 1) for x in range(8)}
    back = joined(coarse, "channel", source="V2.L23", target="V1.L23")
    assert back == {(b, a) for a, b in pairs}
    near = joined(coarse, "near")
    # one position of the coarser grid is the unit of distance
    assert (0, 6) in near and (0, 7) not in near


def test_cells_know_the_part_of_the_stimulus_that_they_see(coarse):
    seen = sees(coarse, "V2.L4")
    assert seen.sum(axis=1).tolist() == [2] * coarse.count("V2.L4")
    channel = seen_channels(coarse, coarse.population("V2.L4"))
    x = channel % 8
    assert all(seen[k, x[k]] for k in range(len(x)))
    assert sorted(set(channel.tolist())) == [1, 3, 5, 7, 9, 11, 13, 15]
    assert set(seen_channels(coarse, coarse.population("THETA"))) == {-1}
    assert not sees(coarse, "THETA").any()


def test_an_area_keeps_its_share_of_other_positions(third_area):
    (third_area / "sizes.toml").write_text("[size.half]\npositions = 16\nareas = { ZI2 = 8 }\n")
    path = third_area / "areas.toml"
    path.write_text(path.read_text().replace("second nucleus", "ZI2"))
    spec = load_circuit("half", anatomy=third_area, n_x=32)
    assert (spec.n_x, spec.areas, spec.positions("TRC2")) == (32, (("ZI2", 16),), 16)
