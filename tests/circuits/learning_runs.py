"""Learning runs of a small part of the circuit: three populations with membranes."""

from dataclasses import replace

import numpy as np
import pytest

from circuits.cli import main
from circuits.driver.simulate import simulate
from circuits.engine import launch
from circuits.engine.planner import make_plan
from circuits.runfiles.model import BIN_MS
from circuits.runfiles.resolve import resolve

BASE = """
experiment = "circuit"
name = "small"
claim = "A test."
seeds = [3]
device = "numpy"
[cycle]
length = "100 ms"
warmup = 1
[stimulus]
kind = "ring"
n_x = 14
step = 1
motion = "stepped"
"""


PLASTICITY = """
[plasticity]
projections = ["V2.L6CT->TRC"]
rate = 4
"""


BLOCKS = """
[blocks.before]
cycles = 1
learn = false
[blocks.training]
cycles = 2
[blocks.test]
cycles = 1
learn = false
"""


@pytest.fixture(scope="session")
def write(tmp_path_factory):
    def write(text="", base=BASE):
        path = tmp_path_factory.mktemp("runs") / "small.toml"
        path.write_text(base + text)
        return path

    return write


@pytest.fixture(scope="session")
def learning_run(write):
    return resolve(
        write(
            PLASTICITY
            + BLOCKS
            + """
[[condition]]
name = "baseline"
[[condition]]
name = "off"
plasticity.rate = 0
"""
        )
    )


def reduced(run):
    """Return the run with L6CT and L5IB cells that fire by themselves, relay cells, and no more."""
    conditions = []
    for condition in run.conditions:
        spec = condition.spec
        keep = ("LGN", "MATRIX", "V1.L5IB", "V2.L6CT", "TRC")
        ends = {("V1.L5IB", "TRC"), ("V2.L6CT", "TRC")}
        spec = replace(
            spec,
            populations=tuple(p for p in spec.populations if p.name in keep),
            projections=tuple(p for p in spec.projections if (p.source, p.target) in ends),
        )
        spec = spec.with_populations("V2.L6CT", bias=250.0, bias_sd=60.0, noise_sd=60.0)
        spec = spec.with_populations("V1.L5IB", bias=500.0, bias_sd=100.0, noise_sd=60.0)
        plan = make_plan(
            spec, bins=condition.plan.bins, bin_ms=BIN_MS, learning=condition.learning,
            noted_ms=run.cycle.length, varied=condition.manipulated.varied,
            columns=condition.manipulated.columns,
        )  # fmt: skip
        conditions.append(replace(condition, spec=spec, plan=plan))
    return replace(run, conditions=tuple(conditions))


@pytest.fixture(scope="session")
def small(learning_run):
    """The first condition."""
    return reduced(replace(learning_run, conditions=learning_run.conditions[:1]))


def simulated(run, where="numpy"):
    return simulate(replace(run, device=where), jobs=1)[0]


@pytest.fixture(scope="session")
def trained(small):
    return simulated(small)


def random_recording(run, rng, condition=0):
    """Random spikes and weights of every kind that a run leaves."""
    chosen, cycle = run.conditions[condition], run.cycle
    spikes = {}
    for g in chosen.plan.groups:
        n = 20 * g.n
        t = np.sort(np.round(rng.uniform(0, cycle.duration, n), 4))
        i = rng.integers(g.n, size=n).astype(np.int32)
        order = np.lexsort((i, t))
        spikes[g.name] = i[order], t[order]
    weights = {
        s.name: rng.random((cycle.total + 1, s.n)) for s in chosen.plan.synapses if s.plastic
    }
    return launch.Recording(spikes, weights=weights, wall={"run": 1.0})


TWO = """
[[condition]]
name = "baseline"
[[condition]]
name = "more"
plasticity.projections = ["*.L6CT->TRC", "TRC->V2.L4"]
[[criteria]]
id = "predicts"
claim = "c"
observable = "r_pred"
args = { block = "test" }
condition = "*"
min = -0.99
"""


@pytest.fixture(scope="session")
def folder(write, tmp_path_factory):
    """A run folder as the command writes it."""
    out = tmp_path_factory.mktemp("out") / "r"
    path = write(PLASTICITY + BLOCKS + TWO)
    run = resolve(path, cycles=12)
    queue = [random_recording(run, np.random.default_rng(c), c) for c in (0, 1)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("circuits.driver.simulate.run_plan", lambda *job, **options: queue.pop(0))
        arguments = ["run", str(path), "--cycles", "12", "--jobs", "1", "--out", str(out)]
        assert main.main(arguments) == 0
    return out
