# %% [markdown]
# # One cell under current clamp: why does a relay cell fire bursts?
# No circuit and no compiler: a few copies of a cell side by side, each with its own current.

# %%
import matplotlib.pyplot as plt
import numpy as np
from brian2 import ms, mV, pA

from cells import cell_class, current_clamp

cell = cell_class("TRC")
print(cell.meaning)
print(cell.model.equations()[:400], "...")

# %% [markdown]
# From rest a current step makes tonic spikes; let go after a hyperpolarising one, the cell answers with a
# low-threshold burst.

# %%
steps = [-150, 200, 300] * pA
clamp = current_clamp(cell, steps, start=100 * ms, stop=400 * ms, duration=600 * ms)
fig, axes = plt.subplots(3, 1, figsize=(7, 5), sharex=True)
for ax, step, v in zip(axes, steps / pA, clamp.voltage / mV):
    ax.plot(clamp.time / ms, v, lw=0.8)
    ax.set_ylabel(f"{step:.0f} pA\nV (mV)")
axes[-1].set_xlabel("time (ms)");

# %%
for step, spikes in zip(steps / pA, clamp.spikes):
    print(
        f"{step:4.0f} pA: {len(spikes)} spikes", np.round(np.diff(spikes / ms)[:5], 1), "ms apart"
    )

# %% [markdown]
# The same without its T-type calcium current: parameters are keywords, with their unit. A number without one,
# or in the wrong one, is refused.

# %%
from brian2 import meter, siemens

without = current_clamp(cell, [-150] * pA, start=100 * ms, stop=400 * ms, duration=600 * ms,
                        g_T=0 * siemens / meter**2)  # fmt: skip
print("with I_T:", len(clamp.spikes[0]), "spikes in the rebound; without:", len(without.spikes[0]))
assert len(clamp.spikes[0]) > len(without.spikes[0])

# %% [markdown]
# Published values beside those of the model: `python -m cells TRC`.
