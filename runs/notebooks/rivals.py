# %% [markdown]
# # Comparing a rival: which plasticity rule explains the experiment?
# Every rule of the registry, with its published parameters, on the four conditions of Jang et al. 2026. Each has one
# free gain, fitted here by least squares in SEM.

# %%
import numpy as np
import pandas as pd

from circuits.plasticity.bench.run import gate_lead
from circuits.plasticity.rules.registry import RULES, WHY, rule
from circuits.plasticity.rules.trains import window_trains

halves = [(25, 50), (50, 25), (25, 25), (50, 50)]
published = np.array([1.42, 0.73, 1.12, 1.09])
sem = np.array([0.15, 0.10, 0.15, 0.08])

found = {}
for name in RULES:
    one = rule(name)
    lead = gate_lead(one, 200.0)  # how long before the end of the window a gated rule is read, ms
    change = np.array([one.dw(window_trains(pair, pair, lead=lead)).mean() for pair in halves])
    scale = np.sum((change / sem) ** 2)
    gain = max(np.sum(change * (published - 1) / sem**2) / scale, 0) if scale else 0.0
    found[name] = {"chi2": np.sum(((1 + gain * change - published) / sem) ** 2)} | {
        f"{a}-{b}": 1 + gain * c for (a, b), c in zip(halves, change)
    }
table = pd.DataFrame(found).T.sort_values("chi2")
table.round(2)

# %% [markdown]
# chi2 is summed over the four conditions; without any change it would be

# %%
print(round(float(np.sum(((1 - published) / sem) ** 2)), 1))

# %%
for name in table.index[-3:]:
    print(f"{name}: {WHY[name]}\n")

# %% [markdown]
# The whole bench, with jitter, Poisson trains and classical protocols: `pulvinar run jang2026`. In the circuit:
# `pulvinar run predictive_learning --set plasticity.rule=bcm`, tuned fairly first (`runs/rivals_tuning.toml`).
#
# A rule of your own is a class with `dw` and `brian2` in one file, see `docs/extending.md`.
