import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from analysis.data import schema
from analysis.measures import patterns

grids = arrays(float, (6, 5), elements=st.integers(0, 9).map(float))


def test_a_pattern_is_the_mean_over_the_cells_of_a_position(circuit):
    trc = schema.cell_index(circuit, "pulvinar.TRC")
    plus = patterns.pattern(circuit, "pulvinar.TRC", "plus")
    at = trc[circuit["neuron_channel"].values[trc] == 7]
    expected = circuit["rate"].sel(phase="plus").isel(neuron=at).mean("neuron")
    np.testing.assert_allclose(plus.isel(channel=7), expected, rtol=1e-6)
    assert plus.dims == ("cycle", "channel") and plus.attrs["units"] == "Hz"


def test_the_whole_cycle_weighs_phases_by_their_duration(circuit):
    short = circuit.copy()
    start, length = circuit["cycle_start"].values, 0.2
    short["plus_start"] = ("cycle", start + 0.15, {"units": "s"})
    short["rate"] = (
        ("cycle", "phase", "neuron"),
        schema.segment(
            circuit["spike_time"].values, circuit["spike_neuron"].values,
            circuit.sizes["neuron"], start, start + 0.15, length,
        ),
        {"units": "Hz"},
    )  # fmt: skip
    np.testing.assert_allclose(
        patterns.pattern(short, "V1.L5IB"), patterns.pattern(circuit, "V1.L5IB"), rtol=1e-5
    )


def test_unknown_phase_and_population_without_positions(circuit):
    with pytest.raises(schema.AnalysisError, match="did you mean 'plus'"):
        patterns.pattern(circuit, "V1.L5IB", "pluss")
    with pytest.raises(schema.AnalysisError, match="no positions"):
        patterns.pattern(circuit, "V1.PV")


@given(grids, grids, st.floats(0.1, 50), st.floats(-50, 50))
def test_pearson_ignores_gain_and_offset(a, b, gain, offset):
    r = patterns.pearson(a, b)
    flat = (a.std(1) == 0) | (b.std(1) == 0)
    np.testing.assert_array_equal(np.isnan(r), flat)
    np.testing.assert_allclose(patterns.pearson(gain * a + offset, b), r, atol=1e-6)
    np.testing.assert_allclose(patterns.pearson(b, a), r)
    assert np.all((np.abs(r) <= 1) | np.isnan(r))


@given(grids, grids)
def test_the_matrix_holds_the_rows_and_shuffling_its_rest(a, b):
    r = patterns.correlation_matrix(a, b)
    np.testing.assert_allclose(np.diag(r), patterns.pearson(a, b), atol=1e-12)
    off = r[~np.eye(6, dtype=bool)]
    if np.isfinite(off).any():
        assert patterns.shuffle_correlation(a, b) == pytest.approx(np.nanmean(off), abs=1e-9)
        per_cycle = patterns.other_cycles(a, b)
        n = (np.isfinite(r) & ~np.eye(6, dtype=bool)).sum(1)
        total = np.nansum(per_cycle * n) / n.sum()
        assert total == pytest.approx(np.nanmean(off), abs=1e-9)


def test_a_flat_pattern_is_undefined_and_counted_not_zero():
    a = np.array([[1.0, 2, 3], [5, 5, 5], [3, 2, 1]])
    b = np.array([[1.0, 2, 3], [1, 2, 3], [1, 2, 3]])
    assert patterns.mean_correlation(a, b) == (0.0, 2, 1)
    mean, n, undefined = patterns.mean_correlation(np.zeros((2, 3)), b[:2])
    assert np.isnan(mean) and (n, undefined) == (0, 2)
    # rounding noise on a constant is no variance either
    assert np.isnan(patterns.pearson(np.full((1, 3), 0.1) * 3 + [0, 1e-17, 0], b[:1]))[0]


def test_decoding_of_planted_maxima_and_the_chance_of_silence():
    target = np.eye(4)
    assert patterns.decode_accuracy(target, target) == 1
    assert patterns.decode_accuracy(np.roll(target, 1, axis=1), target) == 0
    assert patterns.decode_accuracy(np.zeros((4, 4)), target) == pytest.approx(0.25)
    assert np.isnan(patterns.decode_accuracy(target, np.ones((4, 4))))


def test_sparseness_from_uniform_to_one_position():
    values = patterns.sparseness(np.array([[1.0, 1, 1, 1], [0, 3, 0, 0], [0, 0, 0, 0]]))
    np.testing.assert_allclose(values[:2], [0, 1], atol=1e-12)
    assert np.isnan(values[2])
