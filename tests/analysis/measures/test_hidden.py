"""What hidden cells hear of a movement and what they tell of it."""

import json

import numpy as np
import pytest
import xarray as xr

from analysis.data.schema import AnalysisError
from analysis.measures.hidden import cue_projection, hidden_tuning, tuning_agreement, tuning_table
from analysis.observables import evaluate

N, STEP = 8, 2


def made(hears, tells, cue=("direction",)):
    """Return a ring of N cells that learn to hear and to tell (cell,) of forward - backward."""
    cells = np.arange(N)
    cues = np.indices((N, N)).reshape(2, -1)  # cue cell, hidden cell; half are told each way
    told = np.where(cues[0] < N // 2, 1, -1)
    ends = [(cells, (cells + way * STEP) % N) for way in (1, -1)]
    forward = np.concatenate([0.5 + way * tells / 2 for way in (1, -1)])
    learned = np.concatenate([0.3 + told * hears[cues[1]] / 2, forward])
    source = np.concatenate([cues[0], *(N + a for a, _ in ends)])
    target = np.concatenate([N + cues[1], *(2 * N + b for _, b in ends)])
    names = ["P.CUE->A.CT"] * cues.shape[1] + ["A.CT->R"] * 2 * N
    stimulus = {"kind": "ring", "step": STEP, "direction": "both", "cue": list(cue)}
    loop = {"name": "R", "relay": "R", "driver": "D", "predictor": "A.CT", "cortex": "V"}
    return xr.Dataset(
        {
            "weight": (("snapshot", "synapse"), np.stack([0 * learned + 0.4, learned])),
            "synapse_source": ("synapse", source),
            "synapse_target": ("synapse", target),
            "learning": ("cycle", np.ones(3)),
            "cycle_block": ("cycle", np.zeros(3, int)),
            "direction": ("cycle", np.array([1, -1, 1])),
        },
        coords={
            "population": ("neuron", np.repeat(["P.CUE", "A.CT", "R"], N)),
            "neuron_channel": ("neuron", np.tile(cells, 3)),
            "channel": cells,
            "block": ["training"],
            "snapshot": ["start", "training"],
            "synapse_projection": ("synapse", names),
        },
        attrs={
            "run": json.dumps({"stimulus": stimulus}), "loops": json.dumps([loop]),
            "populations": "[]", "n_x": N,
        },
    )  # fmt: skip


HEARS = np.linspace(-0.3, 0.4, N)


def test_tuning_is_the_difference_of_the_two_ways():
    tells = HEARS[::-1]
    ds = made(HEARS, tells)
    assert cue_projection(ds) == "P.CUE->A.CT"
    found = hidden_tuning(ds, "training")
    np.testing.assert_allclose(found["hears"], HEARS, atol=1e-12)
    np.testing.assert_allclose(found["tells"], tells, atol=1e-12)
    np.testing.assert_array_equal(found["cell"], N + np.arange(N))
    assert evaluate(ds, "hidden_tuning_r", block="training") == pytest.approx(-1)
    assert np.isnan(evaluate(ds, "hidden_tuning_r", block="start"))


def test_the_table_has_a_row_for_each_condition_and_snapshot():
    runs = {"learn": [made(HEARS, HEARS), made(HEARS, HEARS**2)]}
    columns, rows = tuning_table(runs, ["start", "training"])
    assert [row[:2] for row in rows] == [
        ["learn", "before learning"],
        ["learn", "after 'training'"],
    ]
    other = tuning_agreement(hidden_tuning(runs["learn"][1], "training"))
    assert rows[1][2] == f"{(1 + other) / 2:.2f} ± {(1 - other) / 2:.2f}"
    assert len(columns) == len(rows[0]) and rows[0][2] == "–"


def test_runs_without_cue_synapses_are_refused():
    ds = made(HEARS, HEARS, cue=())
    assert cue_projection(ds) is None
    with pytest.raises(AnalysisError, match="no plastic synapses of cells that are told"):
        hidden_tuning(ds, "training")
    with pytest.raises(AnalysisError, match="no snapshot 'later'"):
        hidden_tuning(made(HEARS, HEARS), "later")
