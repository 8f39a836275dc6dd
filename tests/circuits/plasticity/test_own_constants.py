"""Constants of the rule that a projection has of its own."""

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
from circuits.engine.equations import brian_namespace, constants
from circuits.plasticity.learning import Learning
from circuits.plasticity.rules.trains import spike_trains
from circuits.runfiles.resolve import resolve
from tests.circuits.learning_runs import PLASTICITY

OWN = (("b", (("k_D", 0.8), ("tau_x", 60.0), ("theta", 0.2))), ("c", (("tau_y", 10.0),)))


def test_a_program_has_no_number_of_a_projection(write):
    text = PLASTICITY
    for name, value in (("plain", ""), ("a", "k_D = 0.9"), ("b", 'tau_x = "50 ms"')):
        own = f"plasticity.own = {{ 'V2.*' = {{ {value} }} }}" if value else ""
        text += f'[[condition]]\nname = "{name}"\n{own}\n'
    plain, a, b = resolve(write(text)).conditions
    assert a.plan.digest == b.plan.digest != plain.plan.digest
    assert dict(a.learning.own) == {"V2.*": (("k_D", 0.9),)}
    assert dict(b.learning.own) == {"V2.*": (("tau_x", 50.0),)}


def test_each_synapse_does_what_the_rule_does_with_its_constants():
    learning = Learning(own=OWN, bounds=0.0)
    start_scope()
    prefs.codegen.target = "numpy"
    defaultclock.dt = 0.1 * ms
    pre_at, post_at = np.array([10.0, 31.0, 52.0]), np.array([14.0, 33.0, 35.0, 60.0])
    source = SpikeGeneratorGroup(1, np.zeros(3, int), pre_at * ms, name="own_source")
    target = SpikeGeneratorGroup(1, np.zeros(4, int), post_at * ms, name="own_target")
    gate = NeuronGroup(1, "v : 1", events={"learn": "timestep(t, dt) == 900"}, name="own_gate")
    code = learning.code()
    numbers = {p: constants(learning.code(p).namespace) for p in "abc"}
    model = [code.synapse_model, "factor : 1 (constant)"]
    model += [f"{name} : {unit} (constant)" for name, _, unit in numbers["a"]]
    rate = TimedArray([1.0], dt=1000 * ms)
    found = {}
    made = Synapses(source, target, "\n".join(model), on_pre=code.on_pre,
                    on_post={"post": code.on_post}, on_event={"post": "spike"}, method="exact",
                    name="own_synapses", namespace={"learning_rate": rate})  # fmt: skip
    made.connect(i=[0, 0, 0], j=[0, 0, 0])
    made.post.when = "after_resets"
    made.w, made.factor = 0.5, 1.0
    for k, p in enumerate("abc"):
        for name, value in brian_namespace(numbers[p]).items():
            getattr(made, name)[k] = value
    Network(source, target, gate, made).run(90 * ms)
    levels = {name: np.array(getattr(made, name)) for name in made.variables if name[0] == "e"
              and name.endswith("_rule")}  # fmt: skip
    for k, p in enumerate("abc"):
        one = {name: value for name, value, _ in numbers[p]}
        e = [levels[f"e{n}_rule"][k] for n in range(len(levels))]
        since = 90.0 - max(pre_at[-1], post_at[-1])
        e = [v * np.exp(-since * 1e-3 / one[f"tau_e{n}_rule"]) for n, v in enumerate(e)]
        P, D = (sum(one[f"of_e{n}_in_{s}_rule"] * v for n, v in enumerate(e)) for s in "PD")
        found[p] = (P - one["kD_rule"] * D) / (P + D + one["theta_rule"])
        rule = learning.chosen_rule(p)
        trains = spike_trains(pre_at * ms, post_at * ms, duration=100 * ms, gate=[90] * ms)
        assert found[p] == pytest.approx(rule.dw(trains)[0], rel=1e-6)
    assert len({round(v, 6) for v in found.values()}) == 3


def test_what_cannot_be_of_one_projection_is_refused():
    with pytest.raises(InputError, match="unknown key 'gate'"):
        Learning(own=(("a", (("gate", 0.9),)),))
    with pytest.raises(InputError, match="another program"):
        # the cascade has one exponential less when no two of its time constants coincide
        Learning(own=(("a", (("tau_P", 20.0),)),)).code("a")
