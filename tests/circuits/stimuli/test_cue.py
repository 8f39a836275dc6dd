"""What cue cells are told."""

import numpy as np
import pytest

from cells.parameters import InputError
from circuits.anatomy.tables import load_circuit
from circuits.driver.inputs import drawn
from circuits.runfiles.resolve import resolve
from circuits.stimuli.render import places_of, render, sequence
from circuits.stimuli.stimulus import Stimulus

RING = {"kind": "ring", "n_x": 8, "step": 2, "direction": "both", "sweep": 5}


def test_the_cue_tells_the_way_and_the_coin():
    plain = render(Stimulus(**RING), n_cycles=60)
    told = render(Stimulus(**RING, cue=("direction", "coin"), cue_rate=40, cue_rest=2), n_cycles=60)
    np.testing.assert_array_equal(told["rate"], plain["rate"])  # nothing else is drawn otherwise
    way, coin = plain["direction"].values, told["coin"].values
    for column, sign in enumerate((way, -way, coin, -coin)):
        np.testing.assert_array_equal(told["cue"][:, column], np.where(sign > 0, 40, 2))
    assert abs(np.corrcoef(way, coin)[0, 1]) < 0.4 and 20 < (coin > 0).sum() < 40
    assert "coin" in places_of(told) and "cue" not in plain
    with pytest.raises(InputError, match="cue: block 1"):
        sequence([(Stimulus(**RING, cue=("coin",)), 2), (Stimulus(**RING), 2)])


def test_cue_cells_are_shared_out(write):
    base = """
experiment = "circuit"
name = "cue"
anatomy = "cued"
size = "tiny"
[cycle]
count = 3
[stimulus]
kind = "ring"
n_x = 8
step = 2
direction = "both"
cue = ["direction", "coin"]
"""
    run = resolve(write("", base))
    condition = run.conditions[0]
    arrays, shown = drawn(condition, run.cycle, 1)
    assert arrays["stimulus"].shape[1] == 8 + 4 == condition.plan.channels
    cue = arrays["inputs.channel"][-32:]  # the last input population
    np.testing.assert_array_equal(cue, np.repeat([8, 9, 10, 11], 8))
    bins = run.cycle.bins
    np.testing.assert_array_equal(arrays["stimulus"][::bins, 8:][: run.cycle.total], shown["cue"])
    silent = resolve(write("", base.replace('cue = ["direction", "coin"]\n', "")))
    arrays, _ = drawn(silent.conditions[0], silent.cycle, 1)
    assert (arrays["inputs.seen"][-32:] == 0).all() and arrays["stimulus"].shape[1] == 8
    with pytest.raises(InputError, match="no population of the anatomy is told it"):
        resolve(write("", base.replace('anatomy = "cued"', 'anatomy = "v1_v2_pulvinar"')
                      .replace("n_x = 8", "n_x = 16")))  # fmt: skip


def test_an_anatomy_has_cues_where_a_stimulus_has():
    assert load_circuit("tiny", anatomy="cued", cues=4).cues == 4
    with pytest.raises(InputError, match="did you mean 'coin'"):
        Stimulus(**RING, cue=("coins",))
