"""A small part of the circuit that learns, with noise and delays: it compiles in half a minute."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from circuits.anatomy.tables import load_circuit
from circuits.driver.timelines import learning_rates
from circuits.engine.arrays import draw_arrays
from circuits.engine.planner import make_plan
from circuits.plasticity.learning import Learning
from tests.circuits.learning_runs import (  # noqa: F401
    folder,
    learning_run,
    small,
    trained,
    write,
)

BINS = 200


@pytest.fixture(scope="session")
def few_cells():
    """Return the description, its plan (of any number of copies), and the arrays of a seed."""
    spec = load_circuit("tiny")
    # the TRN is the smallest group, with as many cells as a loop takes at once
    keep = ("LGN", "MATRIX", "V1.L5IB", "V2.L6CT", "TRC", "TRN")
    ends = {("LGN", "TRC"), ("V1.L5IB", "TRC"), ("V2.L6CT", "TRC"), ("MATRIX", "V1.L5IB"),
            ("TRC", "TRN"), ("TRN", "TRC"), ("TRN", "TRN")}  # fmt: skip
    spec = type(spec)(
        spec.size, spec.n_x, spec.polarities,
        tuple(p for p in spec.populations if p.name in keep),
        tuple(p for p in spec.projections if (p.source, p.target) in ends),
    )  # fmt: skip
    spec = spec.with_populations("V2.L6CT", bias=250.0, bias_sd=60.0, noise_sd=60.0)
    spec = spec.with_populations("V1.L5IB", bias=500.0, bias_sd=100.0, noise_sd=60.0)
    learning = Learning(projections=("V2.L6CT->TRC",), gate=80.0, rate=4.0)

    def plan(**options):
        return make_plan(spec, bins=BINS, bin_ms=5, learning=learning, noted_ms=100.0, **options)

    def arrays(seed, cut=None):
        mine = spec if cut is None else spec.scaled(cut, 0)
        drawn = draw_arrays(mine, plan(), seed=seed, cycle_ms=100, learning=learning)
        times = {"cycle_ms": 100, "bin_ms": 5, "bins": BINS, "seed": seed}
        rng = np.random.default_rng(seed)
        drawn["stimulus"] = rng.uniform(0, 60, (BINS, spec.channels))
        drawn["learning"] = learning_rates(learning, [1.0] * (BINS // 20), **times)
        return drawn

    return SimpleNamespace(spec=spec, plan=plan, arrays=arrays)


@pytest.fixture
def homeless(monkeypatch):
    """A system in which the user has no home folder."""

    def home(path):
        if str(path).startswith("~"):
            raise RuntimeError("Could not determine home directory.")
        return path

    for name in ("PULVINAR_CACHE", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "expanduser", home)
