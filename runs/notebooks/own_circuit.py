# %% [markdown]
# # Your own circuit: what would a further input do?
# A `Circuit` is frozen; `set` and `add` give another one. Keys are those of a run file, checked as there.

# %%
from brian2 import nS, pA

import circuits

circuit = circuits.load("v1_v2_pulvinar", size="tiny", cycle={"count": 20})
circuit.populations

# %% [markdown]
# Claustrum, say: cells with no place in the picture that project to layer 2/3 of both areas.

# %%
mine = circuit.add(
    "population", name="CL", area="claustrum", cell="L23", cells=10, positions=False, bias=300 * pA
)
for area in ("V1", "V2"):
    mine = mine.add(
        "projection", source="CL", target=f"{area}.L23", receptors={"AMPA": 1.0}, indegree=4,
        weight=1 * nS,
    )  # fmt: skip
mine = mine.set("projections.V1.L5IB->TRC.weight", 30 * nS)
mine

# %% [markdown]
# A mistake is one line that names the nearest choice, and so is a number without its unit.

# %%
for key, value in (("populations.TRK.bias", 30 * pA), ("populations.TRC.bias", 30)):
    try:
        mine.set(key, value)
    except circuits.InputError as error:
        print(error)

# %% [markdown]
# The diagram is drawn from the tables that build the circuit.

# %%
from dataclasses import asdict

from analysis.figures.diagram import plot_circuit
from circuits.driver.dataset import population_rows, projection_rows

spec = circuit.resolved.conditions[0].spec
plot_circuit(population_rows(spec), projection_rows(spec), [asdict(loop) for loop in spec.loops]);

# %% [markdown]
# With a compiler `ds = circuits.run(mine, seeds=[1, 2])` runs it, in about a minute the first time.
