"""Constants of projections, out of the synapse and into one table."""

from dataclasses import replace

import numpy as np

from circuits.engine.plan import SynapsePlan
from circuits.engine.shared import out_of_synapse, table_of, values_of
from circuits.synapses.release import RELEASE_EQUATIONS, RELEASE_ON_PRE

PLAN = SynapsePlan(
    "a_to_b", "a", "b", 4, f"{RELEASE_EQUATIONS}\nw_AMPA : siemens (constant)\nw : 1",
    f"{RELEASE_ON_PRE}\ng_post += w*w_AMPA*released", 0.1, (), (0, 2),
)  # fmt: skip


def test_constants_become_columns_of_a_table():
    made = out_of_synapse(PLAN)
    assert made.shared == ("U", "tau_rec", "tau_facil", "w_AMPA")
    assert "(1 - resources)/(shared(1*second, projection)*second)" in made.equations
    assert "w : 1" in made.equations and "projection : integer (constant)" in made.equations
    assert made.on_pre.endswith("g_post += w*(shared(3*second, projection)*siemens)*released")


def test_a_synapse_has_the_constants_of_its_projection():
    made = out_of_synapse(PLAN)
    plan = type("Plan", (), {"synapses": (made,)})
    numbers = {(k, name): 10.0 * k + n for k in (0, 2) for n, name in enumerate(made.shared)}
    arrays = {"shared": table_of(plan, numbers), "a_to_b.projection": np.array([2, 0, 0, 2])}
    assert not arrays["shared"][:, 1].any() and not arrays["shared"][4:, 3:].any()
    np.testing.assert_array_equal(values_of(made, arrays, "tau_facil"), [22, 2, 2, 22])


def test_a_few_more_projections_or_constants_are_the_same_code():
    made = out_of_synapse(PLAN)

    def shape(*numbers):
        plan = type("Plan", (), {"synapses": (replace(made, projections=numbers),)})
        return table_of(plan, {(k, name): 1.0 for k in numbers for name in made.shared}).shape

    assert shape(0) == shape(0, 127) == (32, 128)
    assert shape(0, 128) == (32, 256)
