# %% [markdown]
# # Your own photograph: what does the circuit get to see of it?
# A picture becomes firing rates of ON and OFF relay cells of the LGN, with contrast gain control. That much
# needs no simulation.

# %%
import os
from tempfile import mkdtemp

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

x, y = np.meshgrid(np.arange(240), np.arange(160))
picture = 127 + 60 * np.sin(x / 9 + np.sin(y / 20) * 2) + 60 * (np.hypot(x - 120, y - 80) < 40)
os.chdir(mkdtemp())  # a folder of its own for the file
path = "mine.png"
Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(path)
plt.figure(figsize=(3, 2))
plt.imshow(Image.open(path), cmap="gray");

# %% [markdown]
# A window of eight receptive fields moves over one row of it, two positions a theta cycle.

# %%
from circuits.stimuli.render import render
from circuits.stimuli.stimulus import Stimulus

stimulus = Stimulus(kind="file", path=path, row=80)
shown = render(stimulus, seed=1, n_cycles=12)
shown

# %%
plt.imshow(shown["rate"].values.T, aspect="auto", cmap="magma")
plt.xlabel("time (bins of 5 ms)")
plt.ylabel("channel: ON cells, then OFF cells")
plt.colorbar(label="Hz");

# %% [markdown]
# The circuit that is shown it. With a compiler `circuits.run(circuit, seeds=[1])` runs it.

# %%
import circuits

circuit = circuits.load("v1_v2_pulvinar", size="tiny", cycle={"count": 20})
circuit = circuit.set(stimulus={"kind": "file", "path": path, "row": 80})
circuit
