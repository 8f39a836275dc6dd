"""The generated CUDA project, executed on an emulator: what cpp does, spike for spike.

Never on a GPU. With cpp's own exponential both compute the same until sums of another order part
them, after some half a second; so runs are short.
"""

import json
import os

import numpy as np
import pytest

from cells.parameters import InputError
from circuits.driver.inputs import arrays_of
from circuits.engine import cuda
from circuits.engine.devices import run_plan
from circuits.engine.machine import program_folder
from circuits.engine.plan import replicated
from circuits.engine.replicas import packed, unpacked
from circuits.runfiles.resolve import resolve
from tests.circuits.learning_runs import BASE, BLOCKS, PLASTICITY
from tests.cuda_on_cpu import install

DURATION = 0.45  # s
RECORDS = """
[[record]]
target = "V1.L5IB"
what = ["V.apical", "I_Ca", "I_AMPA"]
[[record]]
target = "V2.L6CT->TRC"
what = ["weight", "P"]
[[record]]
target = "V1"
what = "LFP"
interval = "5 ms"
"""


@pytest.fixture(scope="module")
def emulated(tmp_path_factory):
    pytest.importorskip("brian2cuda")
    folder = install(tmp_path_factory.mktemp("nvcc"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
        patch.setenv("EMU_REPORT", str(folder / "report.json"))
        yield folder


@pytest.fixture(scope="module")
def learning(tmp_path_factory):
    path = tmp_path_factory.mktemp("run") / "small.toml"
    path.write_text(BASE + PLASTICITY + BLOCKS + RECORDS)
    run = resolve(path, cycles=4)
    condition = run.conditions[0]
    arrays, _ = arrays_of(condition, run.cycle, 1)
    return condition.plan, arrays


@pytest.fixture(scope="module")
def expected(learning):
    return run_plan(*learning, duration=DURATION, device="cpp")


def assert_same(found, expected, until=DURATION):
    assert set(found.spikes) == set(expected.spikes)
    for name, (i, t) in expected.spikes.items():
        mine, mine_at = found.spikes[name]
        early, early_mine = t < until, mine_at < until
        np.testing.assert_array_equal(mine[early_mine], i[early], err_msg=name)
        np.testing.assert_allclose(mine_at[early_mine], t[early], atol=1e-9, err_msg=name)
    for name, weights in expected.weights.items():
        np.testing.assert_allclose(found.weights[name], weights, atol=1e-12, err_msg=name)

    for name, trace in expected.traces.items():
        for key, values in trace.items():
            early = values[..., trace["t"] < until / 2]
            mine = found.traces[name][key][..., : early.shape[-1]]
            np.testing.assert_allclose(mine, early, atol=1e-6 * np.abs(early).max(), err_msg=key)


def per_step(report, kind):
    counts = json.loads(report.read_text())
    n = counts[kind] if kind in counts else sum(k["launches"] for k in counts["kernels"].values())
    return n / round(DURATION / 1e-4)


@pytest.mark.parametrize(
    "order", ["0", *(pytest.param(k, marks=pytest.mark.slow) for k in ("1", "7"))]
)
def test_a_learning_circuit_does_what_cpp_does(emulated, learning, expected, order, monkeypatch):
    monkeypatch.setenv("EMU_ORDER", order)  # of blocks and threads
    assert_same(run_plan(*learning, duration=DURATION, device="cuda"), expected)
    assert sum(i.size for i, _ in expected.spikes.values()) > 500
    assert max(np.ptp(w, axis=0).max() for w in expected.weights.values()) > 1e-4
    assert len(expected.traces) == 4 and np.ptp(
        expected.traces["record_1_intrinsic_burster"]["v_d"]
    )
    report = emulated / "report.json"
    assert json.loads(report.read_text())["divergent"] == 0
    # as Brian2CUDA writes it: 23 copies that the host waits for, and a launch for every queue
    assert per_step(report, "to_host") < 9
    assert per_step(report, "launches") < 50


@pytest.mark.slow
def test_copies_do_what_each_does_alone(emulated, learning, monkeypatch):
    """With a queue, and blocks of threads, of their own."""
    monkeypatch.setenv("EMU_ORDER", "7")
    plan, arrays = learning
    other = {**arrays, **{k: v + v.dtype.type(1) for k, v in arrays.items() if k.endswith(".key")}}
    two = replicated(plan, 2)
    found = run_plan(two, packed(plan, [arrays, other]), duration=0.2, device="cuda")
    (objects,) = program_folder("x").parent.glob(f"{two.digest}-cuda-*/objects.cu")
    assert "num_parallel_blocks = 2;" in objects.read_text()
    copies = unpacked(plan, found, 2)
    counts = set()
    for copy, its in zip(copies, (arrays, other), strict=True):
        assert_same(copy, run_plan(plan, its, duration=0.2, device="cpp"), 0.2)
        counts.add(sum(i.size for i, _ in copy.spikes.values()))
    assert len(counts) == 2 and min(counts) > 200


@pytest.mark.slow
def test_the_emulator_shows_what_brian2cuda_gets_wrong(emulated, learning, monkeypatch):
    """Delays that are all the same count rounds of the network, not steps (brian2cuda #222)."""
    plan, arrays = learning
    key = "inputs_to_cortical.delay"  # on the slow clock, five rounds to a step
    arrays = arrays | {key: np.full_like(arrays[key], 2e-3)}
    with pytest.raises(InputError, match="delays are 2 ms"):
        run_plan(plan, arrays, duration=0.2, device="cuda")
    monkeypatch.setattr(cuda, "check_delays", lambda plan, arrays: None)
    found = run_plan(plan, arrays, duration=0.2, device="cuda")
    with pytest.raises(AssertionError, match="cortical"):
        assert_same(found, run_plan(plan, arrays, duration=0.2, device="cpp"))
