# %% [markdown]
# # Plasticity analysis: what did the synapses learn?
# Weights of a stored run of `predictive_learning`: V2 and V1 L6CT cells on relay cells of the pulvinar.

# %%
import matplotlib.pyplot as plt
import numpy as np

import analysis
from circuits.runfiles.catalogue import example

ds = analysis.load(example("learning"))
weights = ds.pulvinar.weights()
weights

# %% [markdown]
# How the distribution moves from one snapshot to the next:

# %%
run = ds.pulvinar.select(condition="learning")
of = run["synapse_projection"].values
fig, axes = plt.subplots(1, 2, figsize=(8, 3), sharey=True)
for ax, name in zip(axes, dict.fromkeys(of.tolist())):
    for snapshot in run.snapshot.values:
        values = run["weight"].sel(snapshot=snapshot).values[of == name]
        ax.hist(values, bins=np.linspace(0, 0.6, 40), histtype="step", label=snapshot)
    ax.set(title=name, xlabel="weight", yscale="log")
axes[0].legend();

# %% [markdown]
# Where they grew: the change by the place of source and target.

# %%
n_x = int(ds.attrs["n_x"])
place = run["position"].values
source, target = (place[run[f"synapse_{end}"].values] for end in ("source", "target"))
change = (run["weight"].isel(snapshot=-1) - run["weight"].isel(snapshot=0)).values
fig, axes = plt.subplots(1, 2, figsize=(8, 3.4))
for ax, name in zip(axes, dict.fromkeys(of.tolist())):
    total, count = np.zeros((n_x, n_x)), np.zeros((n_x, n_x))
    here = of == name
    np.add.at(total, (target[here], source[here]), change[here])
    np.add.at(count, (target[here], source[here]), 1)
    shown = ax.imshow(total / np.maximum(count, 1), cmap="RdBu_r", vmin=-0.05, vmax=0.05)
    ax.set(title=name, xlabel="place of the source", ylabel="place of the relay cell")
fig.colorbar(shown, ax=axes, label="mean weight change");

# %% [markdown]
# The weight change onto the relay cells of a place, by cycle, beside how long learning has gone on:

# %%
training = np.flatnonzero(run["learning"].values > 0)
size = np.abs(run["dw"].values[training]).mean(-1)
plt.plot(training, size, lw=0.4, color="0.7")
plt.plot(training[19:], np.convolve(size, np.ones(20) / 20, "valid"))
plt.xlabel("cycle")
plt.ylabel("mean absolute weight change");

# %% [markdown]
# Compare with plasticity off: nothing moves.

# %%
off = ds.pulvinar.select(condition="plasticity off")
print("largest change with plasticity:", float(np.nanmax(np.abs(change))))
print("without:", float(np.nanmax(np.abs(off["dw"]))))
