"""Plateau-gated plasticity in synapses that know a plateau by its burst."""

import numpy as np
import pytest
from brian2 import (
    Network,
    NeuronGroup,
    SpikeGeneratorGroup,
    Synapses,
    TimedArray,
    defaultclock,
    ms,
    prefs,
    start_scope,
)

from cells.parameters import InputError
from circuits.anatomy.tables import load_circuit
from circuits.plasticity.learning import Learning
from circuits.plasticity.rules.btsp import btsp_bursts

LABELS = "V1.L23->V1.OUT*"


def learned(post_ms, first=(0.2, 0.2)):
    """Weights after a second of spikes of one presynaptic cell, 20 Hz, and of another, 2 Hz.

    Read once in a cycle, and every 10 ms.
    """
    start_scope()
    prefs.codegen.target = "numpy"
    defaultclock.dt = 1 * ms
    fires = np.zeros(2000)
    fires[post_ms] = 1
    space = {"fires": TimedArray(fires, dt=1 * ms)}
    times = np.concatenate([np.arange(100, 1100, 50), [100, 600]])
    pre = SpikeGeneratorGroup(2, np.repeat([0, 1], [20, 2]), times * ms)
    found, network = [], [pre]
    for read in (200, 10):
        event = {"learn": f"timestep(t, dt) % {read} == {read - 1}"}
        post = NeuronGroup(1, "", threshold="fires(t) > 0", events=event, namespace=space)
        rule = btsp_bursts().with_values(peak_ET=8.77, peak_IS=0.15, read=f"{read} ms")
        code = rule.in_circuit(lr="1.0", bounds=1.0, tag="x")
        synapses = Synapses(
            pre, post, code.synapse_model, on_pre=code.on_pre, method="exact",
            on_post={"post": code.on_post, "learn": code.learn},
            on_event={"post": "spike", "learn": "learn"}, namespace=dict(code.namespace),
        )  # fmt: skip
        synapses.connect()
        synapses.w = first
        found.append(synapses)
        network += [post, synapses]
    Network(network).run(2000 * ms)
    return [np.array(synapses.w) for synapses in found]


def test_single_spikes_change_nothing():
    for found in learned([300, 500, 700]):
        np.testing.assert_array_equal(found, 0.2)


def test_a_burst_strengthens_what_was_active_and_weakens_the_rest():
    coarse, fine = learned([*range(900, 1000, 5)], (0.2, 0.6))
    for busy, quiet in (coarse, fine):
        assert busy > 0.35 and quiet < 0.58
    # read once a cycle it is near the integral
    np.testing.assert_allclose(coarse - (0.2, 0.6), fine - (0.2, 0.6), rtol=0.4)


def test_two_rules_learn_in_one_circuit():
    spec = load_circuit("tiny", anatomy="labels")
    learning = Learning(projections=("V2.L6CT->TRC", LABELS), others=((LABELS, "btsp_bursts"),))
    assert len(learning.chosen(spec)) == 4
    assert learning.rule_of("V1.L23->V1.OUT2") == "btsp_bursts"
    assert learning.rule_of("V2.L6CT->TRC") == "kinase_ratio"
    assert "meet" in learning.code("V1.L23->V1.OUT2").learn
    assert "meet" not in learning.code("V2.L6CT->TRC").learn


@pytest.mark.parametrize(
    ("others", "line"),
    [
        (((LABELS, "btsp_burst"),), "'btsp_bursts'"),
        ((("V1.L23->V1.L5IB", "btsp_bursts"),), "is none of what learns"),
        (((LABELS, "pair_song"),), "not read at the same times"),
        (((LABELS, "btsp"),), "cannot learn in a circuit"),
    ],
)
def test_a_wrong_second_rule_is_told(others, line):
    spec = load_circuit("tiny", anatomy="labels")
    with pytest.raises(InputError, match=line):
        learning = Learning(projections=("V2.L6CT->TRC", LABELS), others=others)
        learning.chosen(spec)
        learning.code("V1.L23->V1.OUT1")
