# %% [markdown]
# # First light: when do layer 5 cells burst, and what does the pulvinar see?
# A stored run of `first_light` (12 theta cycles, one seed), so that no compiler is needed. Yours is
# `analysis.load("runs/out/first_light-HASH")`, or `circuits.run("first_light")`.

# %%
import analysis
from circuits.runfiles.catalogue import example

ds = analysis.load(example("first_light"))
ds

# %% [markdown]
# Every spike, in the order of the areas. White and grey are the minus and plus phases.

# %%
conditions = list(ds.condition.values)
ds.pulvinar.plot.raster(condition=conditions[0])

# %% [markdown]
# V1 L5IB cells burst late in the cycle. Without the pacing source they burst at any time.

# %%
for condition in conditions:
    strength = ds.pulvinar.observable("burst_vector_strength").sel(condition=condition)
    print(f"{condition}: vector strength {strength.item():.2f}")
ds.pulvinar.plot.bursts()

# %% [markdown]
# Does the plus phase of the relay cells show what their drivers sent? The correlation over places, in each
# cycle; before learning the minus phase mostly has no pattern at all.

# %%
from analysis.measures import patterns

run = ds.pulvinar.select(condition=conditions[0])
drivers = patterns.pattern(run, "driver", "cycle")
for phase in ("minus", "plus"):
    r, defined, undefined = patterns.mean_correlation(
        patterns.pattern(run, "relay", phase), drivers
    )
    print(f"{phase}: r = {r:.2f} over {defined} cycles, {undefined} without a pattern")

# %% [markdown]
# Rates by phase, as an array with the coordinates of the Dataset:

# %%
ds.pulvinar.phases()["mean"].sel(condition=conditions[0]).isel(seed=0).to_pandas().round(1)
