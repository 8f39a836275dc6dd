# %% [markdown]
# # First light
# What a run of the circuit left behind, with `analysis` alone: no compiler and no Brian2 needed.
# Run `pulvinar run first_light` first; give another folder as the first argument.

# %%
import sys
from pathlib import Path

import matplotlib.pyplot as plt

from analysis import observables
from analysis.data import schema
from analysis.figures.circuit import plot_raster
from analysis.measures import patterns, theta

here = Path(__file__).parent if "__file__" in globals() else Path.cwd()
folders = sorted((here.parent / "out").glob("first_light-*"), key=lambda p: p.stat().st_mtime)
folder = Path(sys.argv[1]) if len(sys.argv) > 1 else folders[-1]
ds = schema.load(folder)
print(ds)

# %% [markdown]
# One run: a condition and a seed.

# %%
conditions = [str(c) for c in ds["condition"].values]
seed = int(ds["seed"].values[0])
run = schema.select(ds, condition=conditions[0], seed=seed)
ablated = schema.select(ds, condition=conditions[1], seed=seed)

# %% [markdown]
# When do layer 5 cells burst, with and without the pacing source?

# %%
fig, axes = plt.subplots(1, 2, subplot_kw={"projection": "polar"}, figsize=(8, 4))
for ax, one, name in zip(axes, (run, ablated), conditions, strict=False):
    phases = theta.burst_phases(one, "V1.L5IB")
    ax.hist(phases, bins=24)
    ax.set_title(f"{name}: vector strength {theta.vector_strength(phases):.2f}")

# %% [markdown]
# Does the plus phase of the pulvinar show what the drivers sent?

# %%
drivers = patterns.pattern(run, "V1.L5IB", "cycle")
for phase in ("minus", "plus"):
    relay = patterns.pattern(run, "TRC", phase)
    mean, defined, undefined = patterns.mean_correlation(relay, drivers)
    print(f"{phase}: r = {mean:.2f} over {defined} cycles ({undefined} without any pattern)")
for name in ("burst_rate", "burst_plus_fraction", "isolated_spike_fraction"):
    print(name, round(observables.evaluate(run, name), 3))

# %%
plot_raster(run)
plt.show()
