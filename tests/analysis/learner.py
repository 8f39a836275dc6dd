"""A synthetic learning run: a circuit that learns what it is told to."""

import json

import numpy as np
import pytest
import xarray as xr

from analysis import observables
from analysis.data import schema
from analysis.measures import scores as scoring

LENGTH, MINUS = 0.2, 0.1


N_X, STEP = 12, 2


BLOCKS = (("before", 16, False), ("training", 40, True), ("test", 20, False))


CELLS = {"V1.L5IB": 3, "V2.L6CT": 2, "pulvinar.TRC": 4}


LABELS = {"V1.L5IB": ("V1", "5", "L5IB"), "V2.L6CT": ("V2", "6", "L6CT"),
          "pulvinar.TRC": ("pulvinar", "core", "TRC")}  # fmt: skip


LOOPS = json.dumps([{"name": "pulvinar", "relay": "pulvinar.TRC", "driver": "V1.L5IB",
                     "predictor": "V2.L6CT", "cortex": "V2"}])  # fmt: skip


JUMP_EVERY = 8


def make_learner(seed=1, quality=None, ring=True, step=STEP, blocks=BLOCKS, silent=(), both=False,
                 backward=None):  # fmt: skip
    """Return a learning run of which everything is known.

    A bump moves round a ring by ``step`` (a block may have its own) in every cycle. V1 L5IB fires
    6 spikes per cell where it is, and 2 beside it. TRCs fire late in the minus phase where it will
    be with probability ``quality[block]``, else at a wrong place; in the plus phase where it is.
    In the cycles ``silent`` no TRC fires late in the minus phase. With ``both``, every other sweep
    goes backward, and ``backward`` is the probability there, in every block. In a block that learns
    the weights of the synapses whose source predicts the target become 0.7, all others move half
    way to 0.2. In the minus phase V2 L6CT tells what was seen one cycle before. dw is 1e-3 times
    outcome minus prediction, and 5e-5 where there is an outcome.
    """
    rng = np.random.default_rng(seed)
    quality = quality or {"before": 0.0, "training": 0.5, "test": 1.0}
    names, steps = [b[0] for b in blocks], [b[3] if len(b) > 3 else step for b in blocks]
    n_cycle, warmup = sum(b[1] for b in blocks), 2
    block_of = np.repeat(np.arange(len(blocks)), [b[1] for b in blocks])
    start = (np.arange(n_cycle) + warmup) * LENGTH
    populations = [n for n, k in CELLS.items() for _ in range(k * N_X)]
    position = np.concatenate([np.repeat(np.arange(N_X), k) for k in CELLS.values()])
    jump = np.zeros(n_cycle, bool)
    jump[np.flatnonzero(np.r_[True, np.diff(block_of) != 0])] = True
    jump[::JUMP_EVERY] = True
    way = np.where((np.cumsum(jump) % 2 == 0) & both, -1, 1)
    site = np.zeros(n_cycle, int)
    for c in range(n_cycle):
        fresh = rng.integers(N_X)
        site[c] = fresh if jump[c] else (site[c - 1] + way[c] * steps[block_of[c]]) % N_X
    cells = {p: np.flatnonzero(np.array(populations) == p) for p in CELLS}
    times, neurons = [], []
    guess = np.full(n_cycle, -1)

    def emit(population, at, t):
        for cell in cells[population][position[cells[population]] == at]:
            times.extend(np.sort(t))
            neurons.extend([cell] * len(t))

    for c in range(n_cycle):
        emit("V1.L5IB", site[c], start[c] + MINUS + 0.03 + 3e-3 * np.arange(6))
        emit("V1.L5IB", (site[c] + 1) % N_X, start[c] + MINUS + 0.04 + 4e-3 * np.arange(2))
        emit("pulvinar.TRC", site[c], start[c] + MINUS + rng.uniform(0.03, 0.09, 4))
        if c and not jump[c]:
            emit("V2.L6CT", site[c - 1], start[c] + MINUS - 0.05 + 4e-3 * np.arange(8))
        # a tail of the driver early in the minus phase must not count
        emit("pulvinar.TRC", rng.integers(N_X), start[c] + rng.uniform(0.0, 0.039, 9))
        sure = quality[names[block_of[c]]] if way[c] > 0 or backward is None else backward
        right = rng.random() < sure
        guess[c] = site[c] if right else (site[c] + rng.integers(3, N_X - 2)) % N_X
        if c not in silent:
            emit("pulvinar.TRC", guess[c], start[c] + MINUS - rng.uniform(1e-3, 0.059, 3))
        else:
            guess[c] = -1
    times, neurons = np.array(times), np.array(neurons)
    order = np.lexsort((neurons, times))
    times, neurons = times[order], neurons[order]
    sites = np.arange(N_X)
    happened, predicted = sites == site[:, None], sites == guess[:, None]
    learns = np.array([b[2] for b in blocks])[block_of]
    dw = (1e-3 * (happened.astype(float) - predicted) + 5e-5 * happened) * learns[:, None]
    source = np.repeat(cells["V2.L6CT"], N_X)
    target = np.tile(cells["pulvinar.TRC"][:: CELLS["pulvinar.TRC"]], cells["V2.L6CT"].size)
    weight = [np.full(source.size, 0.2)]
    for _, _, learn, *other in blocks:
        moves = other[0] if other else step
        offset = position[target] - position[source]
        right = offset % N_X == moves % N_X if ring else offset == -moves
        weight.append(np.where(right, 0.7, 0.1 + 0.5 * weight[-1]) if learn else weight[-1])
    predictable = np.repeat(~jump[:, None], N_X, 1)
    one, labels = {"units": "1"}, np.array(populations)
    document = {"name": "synthetic", "stimulus": {"kind": "ring" if ring else "photograph",
                                                  "step": step},
                "blocks": {b[0]: {"cycles": b[1], "learn": b[2], "stimulus": {"step": m}}
                           for b, m in zip(blocks, steps, strict=True)}}  # fmt: skip
    return xr.Dataset(
        {
            "spike_time": ("spike", times, {"units": "s"}),
            "spike_neuron": ("spike", neurons.astype(np.int32), one),
            "rate": (("cycle", "phase", "neuron"),
                     schema.segment(times, neurons, labels.size, start, start + MINUS, LENGTH),
                     {"units": "Hz"}),
            "stimulus": (("cycle", "channel"), happened * 50.0, {"units": "Hz"}),
            "learning": ("cycle", learns * 0.1, one),
            "jump": ("cycle", jump),
            "direction": ("cycle", way * np.sign(steps)[block_of], one),
            "predictable": (("cycle", "channel"), predictable),
            "weight": (("snapshot", "synapse"), np.array(weight), one),
            "synapse_source": ("synapse", source, one),
            "synapse_target": ("synapse", target, one),
            "dw": (("cycle", "channel"), dw, one),
        },
        coords={
            "population": ("neuron", labels),
            **{key: ("neuron", np.array([LABELS[p][k] for p in populations]))
               for k, key in enumerate(("area", "layer", "cell_class"))},
            "neuron_channel": ("neuron", position.astype(np.int32)),
            "phase": ["minus", "plus"],
            "cycle_start": ("cycle", start, {"units": "s"}),
            "plus_start": ("cycle", start + MINUS, {"units": "s"}),
            "block": names,
            "cycle_block": ("cycle", block_of),
            "snapshot": ["start", *names],
            "synapse_projection": ("synapse", np.full(source.size, "V2.L6CT->pulvinar.TRC")),
        },
        attrs={"cycle_length_s": LENGTH, "n_x": N_X, "polarities": "on", "loops": LOOPS,
               "run": json.dumps(document)},
    )  # fmt: skip


def join(runs):
    """Join single runs, a dict (condition, seed) -> Dataset."""
    conditions = list(dict.fromkeys(c for c, _ in runs))
    seeds = list(dict.fromkeys(s for _, s in runs))
    first = next(iter(runs.values()))
    many = first.drop_dims("spike")
    for name in ("rate", "stimulus", "learning", "jump", "direction", "predictable", "weight",
                 "dw", "synapse_source", "synapse_target"):  # fmt: skip
        values = np.array([[runs[c, s][name].values for s in seeds] for c in conditions])
        dims = ("condition", "seed")
        if name.startswith("synapse") or name == "learning":
            values, dims = (values[0], dims[1:]) if name != "learning" else (values[:, 0], dims[:1])
        many[name] = ((*dims, *first[name].dims), values, first[name].attrs)
    for name, of in (
        ("spike_time", lambda c, s: runs[c, s]["spike_time"].values),
        ("spike_neuron", lambda c, s: runs[c, s]["spike_neuron"].values),
        ("spike_seed", lambda c, s: np.full(runs[c, s].sizes["spike"], s)),
        ("spike_condition", lambda c, s: np.full(runs[c, s].sizes["spike"], conditions.index(c))),
    ):
        attrs = {"units": "s" if name == "spike_time" else "1"}
        many[name] = ("spike", np.concatenate([of(c, s) for c, s in runs]), attrs)
    return schema.check(many.assign_coords(condition=conditions, seed=seeds))


@pytest.fixture(scope="module")
def learner():
    return scoring.add_scores(make_learner())


def value(ds, name, **args):
    return observables.evaluate(ds, name, **args)


def by_hand(ds, population, begin, end):
    """Spikes per position and cycle, counted one by one."""
    position = ds["neuron_channel"].values
    of = ds["population"].values == population
    count = np.zeros((ds.sizes["cycle"], N_X))
    for t, n in zip(ds["spike_time"].values, ds["spike_neuron"].values, strict=True):
        if of[n]:
            count[(begin <= t) & (t < end), position[n]] += 1
    return count


REVERSAL = (*BLOCKS, ("reversal", 24, True, -STEP))


@pytest.fixture(scope="module")
def lesioned():
    good = {"before": 0.0, "training": 0.5, "test": 0.9}
    runs = {("intact", s): make_learner(s, good) for s in (1, 2, 3)}
    runs |= {("L6CT cut", s): make_learner(s, silent=range(1000)) for s in (1, 2, 3)}
    runs |= {("phase shuffled", s): make_learner(s, dict.fromkeys(good, 0.0)) for s in (1, 2, 3)}
    return scoring.add_scores(join(runs))


TURNED = (*BLOCKS, ("reversal", 40, True, -STEP), ("reversal_test", 20, False, -STEP))


@pytest.fixture(scope="module")
def rivals():
    """Return two rules, of which one unlearns, and a lesion, before and after a reversal."""
    good = {"before": 0.0, "training": 0.6, "test": 0.9, "reversal": 0.6, "reversal_test": 0.9}
    poor = good | {"test": 0.8, "reversal": 0.0, "reversal_test": 0.0}
    worse = dict.fromkeys(good, 0.0)
    qualities = {"kinase": good, "STDP": poor, "cut": good, "STDP slow": worse}
    runs = {(c, s): make_learner(s, q, blocks=TURNED) for c, q in qualities.items() for s in (1, 2)}
    many = join(runs)
    document = json.loads(many.attrs["run"])
    document["plasticity"] = {"rule": "kinase_difference", "rate": 0.1, "gain": 300.0,
                              "values": {"k_D": 1.2}}  # fmt: skip
    document["condition"] = [
        {"name": "kinase"},
        {"name": "STDP", "plasticity": {"rule": "stdp", "rate": 0.02}},
        {"name": "cut", "lesions": ["TRN"], "plasticity": {"rule": "bcm"}},
        {"name": "STDP slow", "plasticity": {"rule": "stdp", "rate": 0.001}},
    ]
    many.attrs["run"] = json.dumps(document)
    return scoring.add_scores(many)
