"""Copies in one program: each is, bit for bit, the run that it would be alone."""

from dataclasses import replace

import numpy as np
import pytest

from cells.parameters import InputError
from circuits.cli import main
from circuits.driver.inputs import arrays_of
from circuits.driver.programs import packs
from circuits.driver.simulate import simulate, simulate_copies
from circuits.engine import devices
from circuits.engine.launch import Recording
from circuits.engine.plan import Trace, replicated
from circuits.engine.replicas import packed, unpacked
from circuits.runfiles.resolve import resolve

DURATION = 0.6


def equal(a, b):
    """Compare two recordings bit for bit."""
    for one, other in ((a.spikes, b.spikes), (a.traces, b.traces)):
        assert one.keys() == other.keys()
    for group, pair in b.spikes.items():
        for x, y in zip(a.spikes[group], pair, strict=True):
            assert np.array_equal(x, y), group
    for group, variables in b.traces.items():
        for key, values in variables.items():
            assert np.array_equal(a.traces[group][key], values), (group, key)
    for name, values in b.weights.items():
        assert np.array_equal(a.weights[name], values), name


@pytest.fixture(scope="module")
def runs(few_cells):
    """Two seeds, and a lesion of the first."""
    one, two = few_cells.arrays(3), few_cells.arrays(4)
    two["pacing"] = two["pacing"] + 0.3  # another rhythm, and a learning rate of its own
    two["learning"] = 0.5 * two["learning"]
    return [one, two, few_cells.arrays(3, cut="V1.L5IB->TRC")]


@pytest.fixture(scope="module")
def alone(few_cells, runs):
    plan = few_cells.plan()
    return [devices.run_plan(plan, arrays, duration=DURATION) for arrays in runs]


@pytest.mark.standalone
@pytest.mark.parametrize("chosen", [(0, 1, 2), (2, 1, 0)])
def test_every_copy_is_the_run_alone(few_cells, runs, alone, chosen):
    plan = few_cells.plan()
    arrays = packed(plan, [runs[k] for k in chosen])
    recording = devices.run_plan(replicated(plan, 3), arrays, duration=DURATION)
    for k, mine in zip(chosen, unpacked(plan, recording, 3), strict=True):
        equal(mine, alone[k])
    assert not np.array_equal(alone[0].spikes["relay"][1], alone[2].spikes["relay"][1])


def test_copies_have_cells_synapses_and_channels_of_their_own(few_cells):
    trace = Trace("some", "relay", ("v",), (0, 5), 1.0)
    plan = replace(few_cells.plan(), traces=(trace,))
    three = replicated(plan, 3)
    assert [g.n for g in three.groups] == [3 * g.n for g in plan.groups]
    assert [s.n for s in three.synapses] == [3 * s.n for s in plan.synapses]
    n = plan.group("relay").n
    assert three.traces[0].indices == (0, 5, n, n + 5, 2 * n, 2 * n + 5)
    assert three.traces[0].copies == 3
    assert three.channels == 3 * plan.channels
    # nothing but sizes depends on the number of copies: the formulas are those of one
    assert [g.equations for g in three.groups] == [g.equations for g in plan.groups]
    assert replicated(plan, 1) == plan
    assert three.digest != plan.digest


def test_nothing_joins_two_copies(few_cells):
    plan = few_cells.plan()
    runs = [few_cells.arrays(3), few_cells.arrays(4)]
    arrays, both = packed(plan, runs), replicated(plan, 2)
    for s in plan.synapses:
        for end, group in (("i", s.source), ("j", s.target)):
            index, n = arrays[f"{s.name}.{end}"], plan.group(group).n
            assert np.array_equal(index // n, np.repeat([0, 1], s.n))
            for k, run in enumerate(runs):
                assert np.array_equal(
                    index[k * s.n : (k + 1) * s.n] - k * n, run[f"{s.name}.{end}"]
                )
    for g in both.groups:
        assert arrays[f"{g.name}.key"].size == g.n
    copy, channel = arrays["inputs.copy"], arrays["inputs.channel"]
    assert np.array_equal(copy, np.repeat([0, 1], plan.group("inputs").n))
    assert np.array_equal(channel // plan.channels, copy)
    for k, run in enumerate(runs):
        part = slice(k * plan.channels, (k + 1) * plan.channels)
        assert np.array_equal(arrays["stimulus"][:, part], run["stimulus"])
        assert np.array_equal(arrays["learning"][:, k], run["learning"])


def test_what_copies_recorded_is_told_apart(few_cells):
    plan = few_cells.plan()
    n = plan.group("relay").n
    index = np.array([0, n, 2 * n + 3, n + 1, 2], np.int32)
    recording = Recording(
        {"relay": (index, np.arange(5.0))},
        {"relay": {"t": np.arange(2.0), "v": np.arange(12.0).reshape(6, 2)}},
        {"s": np.arange(18.0).reshape(2, 9)},
        {"run": 6.0},
    )
    found = unpacked(plan, recording, 3)
    assert [r.spikes["relay"][0].tolist() for r in found] == [[0, 2], [0, 1], [3]]
    assert [r.spikes["relay"][1].tolist() for r in found] == [[0, 4], [1, 3], [2]]
    assert [r.traces["relay"]["v"].tolist() for r in found][1] == [[4, 5], [6, 7]]
    assert [r.weights["s"].tolist() for r in found][2] == [[6, 7, 8], [15, 16, 17]]
    assert [r.wall["run"] for r in found] == [2, 2, 2]


# --- the driver

TEXT = """
experiment = "circuit"
name = "small"
claim = "A test."
device = "numpy"
seeds = [3, 4, 5]
[cycle]
length = "100 ms"
plus = 0.4
count = 2
warmup = 1
[[condition]]
name = "baseline"
[[condition]]
name = "cut"
lesions = ["V1.L5IB->TRC"]
[[condition]]
name = "finer"
integration = { dt = "0.05 ms" }
"""


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "small.toml"
    path.write_text(TEXT)
    return path


@pytest.mark.parametrize(
    ("replicas", "expected"),
    [
        (1, [((k,), 1) for k in range(9)]),
        (2, [((0, 1), 2), ((2, 3), 2), ((4, 5), 2), ((6, 7), 2), ((8,), 2)]),
        (4, [((0, 1, 2), 3), ((3, 4, 5), 3), ((6, 7, 8), 3)]),
        (9, [((0, 1, 2, 3, 4, 5), 6), ((6, 7, 8), 3)]),
    ],
)
def test_runs_of_one_plan_share_a_program(path, replicas, expected):
    # conditions 0 and 1 differ by a lesion alone, the third has another step
    assert packs(resolve(path, replicas=replicas)) == expected


def test_result_is_that_of_programs_of_one(path, monkeypatch):
    launched = []

    def run_plan(plan, arrays, **options):
        """Let every cell fire twice, when its key and its copy's stimulus and lesions say."""
        launched.append(plan.group("inputs").n)
        spikes = {}
        total = arrays["shared"].reshape(len(CUT), -1, CUT.shape[1]).sum((0, 2))
        for g in plan.groups:
            copy = np.arange(g.n) // (g.n // total.size)
            shown = arrays["stimulus"].mean(0).reshape(total.size, -1).sum(1)
            x = arrays[f"{g.name}.key"] % 1000 + shown[copy] + 1e9 * total[copy]
            t = np.round(np.append(x, 2 * x) % 3000) * 1e-4
            i = np.tile(np.arange(g.n, dtype=np.int32), 2)
            order = np.lexsort((i, t))
            spikes[g.name] = i[order], t[order]
        return Recording(spikes, wall={"run": 1.0})

    monkeypatch.setattr("circuits.driver.simulate.run_plan", run_plan)
    CUT = arrays_of(resolve(path).conditions[0], resolve(path).cycle, 3)[0]["shared"]
    one, _ = simulate(resolve(path), jobs=1)
    assert "replica" not in one.coords
    n = launched[0]
    launched.clear()
    two, info = simulate(resolve(path, replicas=4), jobs=1)
    assert launched == [3 * n] * 3 and len(info["programs"]) == 2
    assert two["replica"].values.tolist() == [[0, 1, 2]] * 3
    two = two.drop_vars("replica")
    assert two.attrs.pop("run") != one.attrs.pop("run")
    assert two.identical(one)
    rates = one["rate"].values
    assert not np.array_equal(rates[0], rates[1]) and not np.array_equal(rates[0, 0], rates[0, 1])


def test_runs_of_two_plans_are_not_packed(path):
    run = resolve(path)
    pair = [(run.conditions[0], 3), (run.conditions[2], 3)]
    with pytest.raises(InputError, match="'finer' needs another program than 'baseline'"):
        simulate_copies(pair, run.cycle, device="numpy")


def test_number_of_copies_is_checked(path, capsys):
    assert resolve(path).replicas == 1
    assert resolve(path, settings=["replicas=3"]).replicas == 3
    assert resolve(path, settings=["replicas=3"], replicas=2).replicas == 2
    assert main.main(["run", str(path), "--replicas", "0"]) == 2
    assert "small.toml: replicas: 0 is below 1" in capsys.readouterr().err


@pytest.mark.standalone
def test_copies_go_on_from_a_checkpoint(few_cells, runs, alone, tmp_path):
    plan = few_cells.plan()
    arrays = packed(plan, runs)
    three = replicated(plan, 3)
    devices.run_plan(three, arrays, duration=0.2137, stop=tmp_path / "state")
    rest = devices.run_plan(three, arrays, duration=DURATION - 0.2137, start=tmp_path / "state")
    for mine, one in zip(unpacked(plan, rest, 3), alone, strict=True):
        index, t = one.spikes["relay"]
        late = t > 0.2137 - 1e-9
        assert np.array_equal(mine.spikes["relay"][0], index[late])
        assert np.array_equal(mine.spikes["relay"][1], t[late])
        assert all(np.array_equal(mine.weights[name][-1], w[-1]) for name, w in one.weights.items())
