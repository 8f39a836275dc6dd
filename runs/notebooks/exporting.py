# %% [markdown]
# # Exporting: how do I get the spikes into my own tools?
# Needs the extra: `pip install 'pulvinar[export]'`. The command is `pulvinar export DIR --to nwb`.

# %%
from pathlib import Path
from tempfile import mkdtemp

import analysis
from analysis import exports
from circuits.runfiles.catalogue import example

path = example("first_light")
ds = analysis.load(path)
conditions = list(ds.condition.values)

# %% [markdown]
# A neo Block, from which elephant works:

# %%
import elephant

block = exports.to_neo(ds, condition=conditions[0])
(segment,) = block.segments
relay = [t for t in segment.spiketrains if t.annotations["population"] == "TRC"]
rates = [float(elephant.statistics.mean_firing_rate(t).rescale("Hz")) for t in relay]
print(len(relay), "relay cells,", round(sum(rates) / len(rates), 1), "Hz")

# %% [markdown]
# NWB, validated:

# %%
import pynwb

folder = Path(mkdtemp())
file, *_ = exports.export(path, "nwb", folder, condition=conditions[0])
print(file.name, "errors:", pynwb.validate(path=str(file)))
with pynwb.NWBHDF5IO(str(file), "r") as io:
    print(io.read().units.to_dataframe()[["population", "layer", "position"]].head())

# %% [markdown]
# Spike trains of NWB, SONATA, CSV or whatever neo reads, as times and cells:

# %%
time, cell = exports.read_spikes(file, population="TRC")
print(time[:5], cell[:5])

# %% [markdown]
# Tables for everything else:

# %%
tables = exports.to_tables(ds)
print({name: len(table) for name, table in tables.items()})
tables["cycles"].head()
