"""The arithmetic of the bench: spreads, ratios, fits, errors, and the table of what is missing."""

import json
import sys

import numpy as np
import pytest

from tests.bench import alone, measure, peers, table
from tests.bench.parts.shares import kind


def test_a_ratio_is_taken_within_each_round():
    """A machine that is twice as slow in one round changes neither ratio."""
    assert measure.ratios([10.0, 20.0, 10.0], [1.0, 2.0, 1.0]) == [10.0, 10.0, 10.0]
    assert measure.spread([3.0, 1.0, 2.0, 9.0]) == {"min": 1.0, "median": 2.5, "max": 9.0, "n": 4}


def test_every_job_runs_once_a_round_in_turn():
    order = []
    jobs = {name: (lambda name=name: order.append(name) or len(order)) for name in "abc"}
    found = measure.interleaved(jobs, 3)
    assert order == list("abcbcacab")
    assert found == {"a": [1, 6, 8], "b": [2, 4, 9], "c": [3, 5, 7]}


def test_power_law():
    x = np.array([1e3, 1e4, 1e5])
    k, c = measure.power_law(x, 3e-5 * x**1.1)
    assert (k, c) == (pytest.approx(1.1), pytest.approx(3e-5))


def test_cost_at_an_error():
    """Interpolated on a line of slope -1 in the logarithms; ends are told apart."""
    errors, costs = [1e-2, 1e-3, 1e-4], [1.0, 10.0, 100.0]
    assert measure.cost_at(3e-3, errors, costs)[0] == pytest.approx(1e-2 / 3e-3)
    assert measure.cost_at(1e-5, errors, costs) == (float("inf"), "out of reach")
    assert measure.cost_at(1.0, errors, costs)[0] == 1.0
    # a setting that costs more and is no more accurate does not count
    assert measure.cost_at(1e-3, [1e-2, 1e-3, 1e-4], [1.0, 99.0, 10.0])[0] == pytest.approx(10.0)


def test_cpu_of_children_is_counted_and_ours_is_not():
    import subprocess
    import sys

    with measure.usage(memory=True) as used:
        work = "x = b'1'*60_000_000; sum(range(3_000_000)); import time; time.sleep(0.2)"
        subprocess.run([sys.executable, "-c", work])
    assert 0.02 < used.cpu < 60 and used.own < used.cpu + 1
    assert 60e6 < used.rss < 200e6


def test_errors_of_spike_trains():
    """Two cells at 100 and 50 Hz; the tested ones are 1 % slow."""
    t = [np.arange(1, 100) * 0.01, np.arange(1, 50) * 0.02]
    cell = np.repeat([0, 1], [99, 49])
    reference = cell, np.concatenate(t)
    found = peers.errors((cell, np.concatenate(t) * 1.01), reference, 2)
    assert found["interval"] == pytest.approx(0.01)
    assert found["rate"] == 0
    # from the first spike to the last: 0.98 s and 0.96 s
    assert found["drift"] == pytest.approx(1e3 * 0.01 * (0.98 + 0.96) / 2)


def test_the_gates_of_the_cell_are_steady():
    """NEST, NEURON and Brian2 are given the same start: derivatives vanish at -60 mV."""
    gates, u = peers.gates(-60.0), -60.0 - peers.V_T
    alpha, beta = 0.128 * np.exp((17 - u) / 18), 4 / (1 + np.exp((40 - u) / 5))
    assert alpha * (1 - gates["h"]) - beta * gates["h"] == pytest.approx(0, abs=1e-12)
    alpha, beta = (
        0.32 * (13 - u) / (np.exp((13 - u) / 4) - 1),
        0.28 * (u - 40) / (np.exp((u - 40) / 5) - 1),
    )
    assert gates["m"] == pytest.approx(alpha / (alpha + beta))


def test_verdicts_and_table(tmp_path):
    rows = [
        table.Row("fast", (14.0, 16.0, 15.5), at_least=15.0),
        table.Row("slow", (0.4, 0.36, 0.3), "s", at_most=0.35),
        table.skipped("NEST", "not installed", at_least=3.0),
    ]
    assert [row.verdict for row in rows] == ["holds", "FAILS", "skipped"]
    parts = {
        "done": {"title": "a", "state": "done", "rows": [row.described() for row in rows]},
        "late": {"title": "b", "state": "cut off", "rows": []},
    }
    table.write({"quick": False, "machine": {"cores": "2"}, "parts": parts}, tmp_path)
    text = (tmp_path / "README.md").read_text()
    assert "**Partial: not measured: late.**" in text
    assert "| slow |  | 0.36 s | 0.3 - 0.4 | 3 | <= 0.35 | FAILS |" in text
    assert "not installed" in text
    assert (
        json.loads((tmp_path / "bench.json").read_text())["parts"]["done"]["rows"][0]["max"] == 16
    )


def test_a_part_that_is_measured_again_replaces_itself_alone(tmp_path):
    def document(quick, **parts):
        parts = {name: {"title": "t", "state": state, "rows": []} for name, state in parts.items()}
        return {"quick": quick, "machine": {"cores": "2"}, "parts": parts}

    table.write(document(False, a="done", b="failed", gone="done"), tmp_path)
    new = document(False, a="not measured", b="not measured")
    table.keep(new, tmp_path)
    assert {name: part["state"] for name, part in new["parts"].items()} == {
        "a": "done", "b": "failed"
    }  # fmt: skip
    for other in (document(True, a="not measured"), document(False, a="not measured")):
        other["machine"] = {"cores": "2" if other["quick"] else "64"}
        table.keep(other, tmp_path)
        assert other["parts"]["a"]["state"] == "not measured"
    table.keep(new, tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("inputs_spike_thresholder_codeobject", "inputs"),
        ("inputs_to_lts_pre_codeobject", "static synapses"),
        ("cortical_to_relay_plastic_learn_codeobject", "plastic synapses"),
        ("cortical_to_relay_plastic_pre_push_spikes", "queues of plastic synapses"),
        ("relay_learn_thresholder_codeobject", "thresholds and resets"),
        ("spikes_relay_codeobject", "monitors"),
    ],
)
def test_every_code_object_has_a_part(name, part):
    assert kind(name) == part


def test_a_function_is_called_in_an_environment_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setattr(alone, "FOLDER", tmp_path)
    assert alone.python_of("nest") is None and alone.version_of("nest") == "none"
    home = tmp_path / "nest"
    (home / "bin").mkdir(parents=True)
    (home / "bin" / "python").symlink_to(sys.executable)
    (home / "done").write_text("3.10")
    assert alone.version_of("nest") == "3.10"
    assert alone.call("nest", pow, 2, 10) == 1024
    with pytest.raises(RuntimeError, match="nest: ZeroDivisionError"):
        alone.call("nest", divmod, 1, 0)
