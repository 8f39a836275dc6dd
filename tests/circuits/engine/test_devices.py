"""Plans, the cache of programs, and every way in which a compiled program can fail silently."""

import json
import os
import stat
import subprocess
import sys
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from brian2 import NetworkOperation, prefs

from cells.parameters import InputError
from cells.preferences import own_preferences
from circuits.anatomy.tables import load_circuit
from circuits.engine import devices, project
from circuits.engine import launch as launching
from circuits.engine import plan as planning
from circuits.engine.arrays import cells_of, draw_arrays
from circuits.engine.planner import make_plan
from circuits.engine.program import construct

BINS = 80
ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def spec():
    return load_circuit("tiny")


@pytest.fixture(scope="module")
def plan(spec):
    return make_plan(spec, bins=BINS, bin_ms=5)


@pytest.fixture(scope="module")
def arrays(spec, plan):
    drawn = draw_arrays(spec, plan, seed=1, cycle_ms=200)
    return {**drawn, "stimulus": np.full((BINS, spec.channels), 20.0)}


def test_numbers_of_a_run_do_not_change_the_program(spec, plan):
    changed = (
        spec.scaled("V1.L5IB->TRC", 0)
        .scaled("TRN->*", 3)
        .with_populations("THETA", rate=0.0)
        .with_populations("V1.*", bias=10.0, noise_sd=0.0)
    )
    assert make_plan(changed, bins=BINS, bin_ms=5).digest == plan.digest
    leaks = [
        make_plan(replace(spec, cells=(("TRC", "g_KL", g),)), bins=BINS, bin_ms=5).digest
        for g in (0.3, 0.4)
    ]
    assert leaks[0] == leaks[1] != plan.digest


@pytest.mark.parametrize(
    "change",
    [
        {"bins": 2 * BINS},
        {"dt_ms": 0.05},
        {"method": "rk4"},
        {"threads": 2},
    ],
)
def test_what_is_compiled_changes_the_program(spec, plan, change):
    assert make_plan(spec, **{"bins": BINS, "bin_ms": 5, **change}).digest != plan.digest


def test_preferences_of_a_user_change_no_program(plan, arrays, tmp_path, monkeypatch):
    def sources(folder):
        project.generate(plan, arrays, folder)
        # lines sorted: Brian2 orders what it sets up by addresses of objects
        return {p.name: sorted(p.read_text().splitlines()) for p in folder.glob("**/*.cpp")}

    (tmp_path / "brian_preferences").write_text(
        "[core]\ndefault_float_dtype = float32\n[codegen]\nloop_invariant_optimisations = False\n"
    )
    expected = sources(tmp_path / "a")
    kept = dict(prefs.items())
    try:
        monkeypatch.chdir(tmp_path)
        prefs.load_preferences()
        assert prefs.core.default_float_dtype == np.float32
        assert sources(tmp_path / "b") == expected
        # and they are the user's own again
        assert prefs.core.default_float_dtype == np.float32
        assert prefs.codegen.loop_invariant_optimisations is False
    finally:
        prefs.update(kept)


@pytest.mark.parametrize("name", ["brian2", "sympy", "numpy", "jinja2", "g++"])
def test_what_writes_the_code_is_in_the_digest(plan, monkeypatch, name):
    before = plan.digest
    monkeypatch.setattr(
        planning, "version", lambda package: "0" if package == name else version(package)
    )
    if name == "g++":
        monkeypatch.setattr(planning, "_compiler", lambda: "g++ of another day")
    assert plan.digest != before


def test_the_digest_does_not_depend_on_the_order_of_sets():
    """Strings are hashed anew in every process: what follows the order of a set would too."""
    code = (
        "from circuits.anatomy.tables import load_circuit\n"
        "from circuits.engine.planner import make_plan\n"
        "print(make_plan(load_circuit('tiny'), bins=80, bin_ms=5).digest)"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed}, cwd=ROOT,
            capture_output=True, text=True, check=True,
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert len(digests) == 1


def test_another_indegree_is_another_program(spec, plan):
    other = spec.with_projection("V1.L23->V1.PV", indegree=5)
    assert make_plan(other, bins=BINS, bin_ms=5).digest != plan.digest


def test_steps_must_divide_the_slow_clock(spec):
    for bad in (0.0, -0.1, 0.07, 0.3):
        with pytest.raises(InputError, match=r"divisor of 0\.5 ms"):
            make_plan(spec, bins=BINS, bin_ms=5, dt_ms=bad)
    with pytest.raises(InputError, match="did you mean 'staggered'"):
        make_plan(spec, bins=BINS, bin_ms=5, method="stagered")


def test_every_object_is_one_that_standalone_runs(plan, arrays):
    """Standalone drops a NetworkOperation without a word."""
    with own_preferences("numpy"):
        program = construct(plan, arrays)
    assert not any(isinstance(o, NetworkOperation) for o in program.network.objects)
    assert set(program.spikes) == {g.name for g in plan.groups}
    for s in plan.synapses:
        made = next(o for o in program.network.objects if o.name == s.name)
        assert len(made) == s.n == len(arrays[f"{s.name}.i"])


def test_cells_fill_their_groups_once(spec, plan):
    cells = cells_of(spec)
    for g in plan.groups:
        index = np.sort(cells.index[cells.group == g.name])
        np.testing.assert_array_equal(index, np.arange(g.n))


def test_unknown_device(plan, arrays):
    with pytest.raises(InputError, match="unknown device 'cp'; did you mean 'cpp'"):
        devices.run_plan(plan, arrays, duration=0.1, device="cp")


def test_no_compiler(plan, arrays, monkeypatch, tmp_path):
    monkeypatch.setenv("PULVINAR_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="needs a C\\+\\+ compiler"):
        devices.run_plan(plan, arrays, duration=0.1, device="cpp")
    assert not list(tmp_path.rglob("*"))


# --- compiled programs that fail: shell scripts stand in for the binary


@pytest.fixture
def fake(tmp_path):
    """Return make(script) -> folder of a program that runs the script."""

    def make(script):
        home = tmp_path / "home"
        home.mkdir()
        main = home / "main"
        main.write_text(f"#!/bin/sh\n{script}\n")
        main.chmod(main.stat().st_mode | stat.S_IEXEC)
        description = {
            "static": {"a": ["file_a"]},
            "files": {"file_a": ["float64", 3]},
            "spikes": {"g": {"i": ["spikes_i", "int32"], "t": ["spikes_t", "float64"]}},
            "traces": {},
            "weights": {},
            "potentials": {"g.v": ["v", "float64"]},
        }
        (home / "program.json").write_text(json.dumps(description))
        return home

    return make


INFO = "printf '1.0 1.0' > results/last_run_info.txt"
V = "head -c 8 /dev/zero > results/v"
SPIKES = "head -c 8 /dev/zero > results/spikes_t; head -c 4 /dev/zero > results/spikes_i"
GOOD = f"{INFO}; {V}; {SPIKES}"
NAN = "printf '\\000\\000\\000\\000\\000\\000\\370\\177' > results/v"


PLAN = SimpleNamespace(traces=(), synapses=(), noted_ms=0.0)


def launch(home, values=(1.0, 2.0, 3.0)):
    seen = []
    recording = launching.launch(
        home,
        PLAN,
        {"a": np.array(values)},
        0.5,
        lambda done, elapsed: seen.append(done),
    )
    return recording, seen


def test_launch_passes_numbers_and_duration_and_reports(fake, tmp_path):
    copy = tmp_path / "seen"
    home = fake(
        f"echo $PULVINAR_DURATION > {copy}; cat static_arrays/file_a >> {copy};"
        f" echo progress 0.25 1.5; {GOOD}"
    )
    recording, seen = launch(home)
    assert copy.read_bytes() == b"0.5\n" + np.array([1.0, 2.0, 3.0]).tobytes()
    assert seen == [0.25]
    np.testing.assert_array_equal(recording.spikes["g"][1], [0.0])


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (f"{GOOD}; exit 3", "exit status 3"),
        (f"{GOOD}; echo something odd >&2; exit 1", "something odd"),
        (f"{GOOD}; echo Error writing output file for v.", "Error writing output file for v"),
        (f"{GOOD}; : > results/spikes_t", "g: 1 spikes, but 0 times"),
        (f"{GOOD}; : > results/last_run_info.txt", "stopped before its end"),
        (f"{V}; {SPIKES}", "stopped before its end"),
        (f"printf '1.0 0.5' > results/last_run_info.txt; {V}; {SPIKES}", "before its end"),
        (f"{INFO}; {V}", "left no file spikes_"),
        (f"{INFO}; {SPIKES}; {NAN}", "did not stay finite"),
    ],
)
def test_failures_of_a_program_are_told(fake, script, message):
    with pytest.raises(project.DeviceError, match=message):
        launch(fake(script))


def test_what_a_library_says_is_shown_and_no_failure(fake, capsys):
    """Such as a loader that cannot preload something."""
    recording, _ = launch(fake(f"{GOOD}; echo something odd >&2"))
    assert recording.spikes["g"][0].size == 1
    assert capsys.readouterr().err == "something odd\n"


def test_arrays_of_another_size_are_refused(fake):
    with pytest.raises(project.DeviceError, match="a has 2 values, the program expects 3"):
        launch(fake(GOOD), values=(1.0, 2.0))


def test_arrays_without_a_place_are_refused(fake):
    with pytest.raises(project.DeviceError, match="no place for b"):
        launching.launch(fake(GOOD), PLAN, {"a": np.ones(3), "b": np.ones(1)}, 0.5, None)


def test_an_interrupt_kills_the_program_and_leaves_nothing(fake, tmp_path, monkeypatch):
    monkeypatch.setattr(launching.tempfile, "tempdir", str(tmp_path / "scratch"))
    (tmp_path / "scratch").mkdir()
    home = fake(f"echo $$ > {tmp_path}/pid; echo progress 0.1 0.1; sleep 60")

    def interrupt(done, elapsed):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        launching.launch(home, PLAN, {"a": np.ones(3)}, 0.5, interrupt)
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)
    assert not list((tmp_path / "scratch").iterdir())


@pytest.mark.slow
@pytest.mark.standalone
def test_threads_change_no_spike(spec, arrays):
    """All random numbers are functions of cell and step, so threads share the work, not a state."""
    spikes = []
    for threads in (1, 2):
        plan = make_plan(spec, bins=BINS, bin_ms=5, threads=threads)
        spikes.append(devices.run_plan(plan, arrays, duration=0.1).spikes)
    one, two = spikes
    assert sum(index.size for index, _ in one.values()) > 500
    for name, (index, time) in one.items():
        assert np.array_equal(index, two[name][0]) and np.array_equal(time, two[name][1]), name
    with pytest.raises(InputError, match="with 2 threads cannot keep the state"):
        devices.run_plan(plan, arrays, duration=0.1, stop="state")
