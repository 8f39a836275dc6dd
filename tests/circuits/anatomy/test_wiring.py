"""Drawing sources: by the Gumbel trick over all pairs, and by what goes with the synapses."""

import tracemalloc

import numpy as np
import pytest
from scipy import stats

from circuits.anatomy import topography
from circuits.anatomy.tables import load_circuit
from circuits.anatomy.topography import draw_sources, log_weights


@pytest.fixture(scope="module")
def dense():
    """Four times as many cells at each channel, so that a cell can choose from many."""
    spec = load_circuit("tiny", scale=4)
    own = next(p for p in spec.projections if p.source == p.target and p.topography == "near")
    return spec, own


def drawn(spec, p, n=60):
    return np.stack([draw_sources(spec, p, seed, np.random.default_rng(seed)) for seed in range(n)])


@pytest.mark.parametrize("many", [8, 10**6])  # again until all differ; the trick, by blocks
def test_many_pairs_are_drawn_by_the_law_of_few(dense, many, monkeypatch):
    spec, p = dense
    expected = drawn(spec, p)
    monkeypatch.setattr(topography, "_FEW_PAIRS", 1000)
    monkeypatch.setattr(topography, "_MANY", many)
    found = drawn(spec, p)
    assert found.shape == expected.shape and (found != expected).any()
    assert (np.diff(found, axis=2) > 0).all()
    weights = log_weights(spec, p)
    assert np.isfinite(np.take_along_axis(weights[None], found, axis=2)).all()
    # how often a source is at each distance, over all cells
    cells = spec.population(p.source).cells
    rows = np.arange(len(weights))[:, None] // cells % spec.n_x
    table = [np.bincount(np.abs(rows - one // cells % spec.n_x).ravel(), minlength=8)
             for one in (expected, found)]  # fmt: skip
    table = np.array(table)[:, np.sum(table, axis=0) > 0]
    assert table.shape[1] == 4 and stats.chi2_contingency(table).pvalue > 1e-3
    # and every cell as often as the others of its channel
    count = np.bincount(found.ravel(), minlength=weights.shape[1]).reshape(-1, cells)
    assert stats.chi2_contingency(count[count.sum(axis=1) > 0]).pvalue > 1e-3


def test_wiring_of_many_cells_takes_memory_by_the_synapse(dense):
    spec, p = load_circuit("column", scale=64), dense[1]
    p = next(q for q in spec.projections if q.name == p.name)
    n = spec.count(p.target)
    tracemalloc.start()
    try:
        sources = draw_sources(spec, p, 1)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert sources.shape == (n, p.indegree) and n > 10_000
    assert peak < 100 * sources.size + 1e6  # all pairs would be a thousand times as much
    assert (sources != np.arange(n)[:, None]).all()


def test_a_projection_beyond_the_free_memory_is_refused(monkeypatch):
    from cells import checked
    from cells.parameters import InputError

    monkeypatch.setattr(checked, "_free_memory", lambda: 10**9)
    load_circuit("column", scale=101)
    with pytest.raises(InputError, match=r"scale 151: 8137088 synapses needs about 1\.22 GB"):
        load_circuit("column", scale=151)
