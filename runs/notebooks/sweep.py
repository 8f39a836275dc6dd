# %% [markdown]
# # A sweep in one Dataset: how does a number depend on a parameter?
# A network of rates learns XOR by contrastive Hebbian learning; numpy alone. A sweep of the circuit is the same call with
# a compiler: `circuits.sweep("first_light", ["stimulus.contrast=0.25,0.5,1"], seeds="1-4")`.

# %%
from pathlib import Path
from tempfile import mkdtemp

import circuits

file = Path(mkdtemp()) / "xor.toml"
file.write_text(
    """
experiment = "rate"
kind = "training"
name = "xor"
claim = "Contrastive Hebbian learning solves XOR."
[task]
name = "xor"
[network]
hidden = [4]
[training]
epochs = 150
batch = 0
lr = 4.0
until = true
[[condition]]
name = "CHL"
rule = { name = "chl" }
[[criteria]]
id = "solved"
claim = "CHL solves XOR"
observable = "rate_solved"
condition = "CHL"
min = 0.9
"""
)
found = circuits.sweep(
    file, ["network.feedback=0.1,0.5,1", "training.lr=1,4"], seeds="1-4",
    out=Path(mkdtemp()) / "xor",
)  # fmt: skip
found

# %%
share = found["value"].sel(criterion="solved").mean("seed")
share.to_pandas()
