# %% [markdown]
# # The synapse experiment: does the order of two rates decide between growth and shrinking?
# Jang et al. 2026 drove two connected cells at 25 or 50 Hz in each half of a theta window. Here a kinase
# synapse and its rivals get the same trains; numpy alone.

# %%
import circuits

ds = circuits.run("theta_window", device="numpy")
ds

# %% [markdown]
# One free gain for each rule, fitted to four means; chi2 is the sum of the squared deviations in SEM, 17.0 for no
# change.

# %%
from analysis.figures.synapse import plot_bars, plot_protocol

plot_protocol(ds);

# %%
plot_bars(ds);

# %% [markdown]
# Kinase P is fast and D slow. A synapse that reads the race between them late in the window sees the
# derivative of activity:

# %%
import matplotlib.pyplot as plt

from circuits.plasticity.bench.run import gate_lead
from circuits.plasticity.rules.registry import rule
from circuits.plasticity.rules.trains import window_trains

halves = {"25-50": (25, 50), "50-25": (50, 25), "25-25": (25, 25), "50-50": (50, 50)}
for name in ("kinase_ratio", "pair_song", "bcm"):
    one = rule(name)
    trains = [window_trains(p, p, lead=gate_lead(one, 200.0)) for p in halves.values()]
    changes = [one.dw(t).mean() for t in trains]
    plt.plot(list(halves), [c / max(map(abs, changes)) for c in changes], "o-", label=name)
plt.axhline(0, color="0.7")
plt.ylabel("weight change / largest")
plt.legend();
