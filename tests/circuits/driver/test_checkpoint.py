"""Runs in pieces: bit for bit the run in one, and never from a wrong start."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from cells.parameters import InputError
from circuits.cli import main
from circuits.driver import checkpoint
from circuits.driver.checkpoint import held, joined, kept_pieces, run_in_pieces
from circuits.driver.inputs import arrays_of
from circuits.driver.simulate import piece_ends
from circuits.engine import cpp, devices, machine
from circuits.engine.launch import Recording
from circuits.engine.project import DeviceError
from circuits.runfiles.model import Cycle
from circuits.runfiles.resolve import resolve

ROOT = Path(__file__).parents[3]


def same(a: Recording, b: Recording) -> bool:
    return (
        all(np.array_equal(a.spikes[g][k], b.spikes[g][k]) for g in b.spikes for k in (0, 1))
        and all(np.array_equal(a.traces[g][k], v) for g in b.traces for k, v in b.traces[g].items())
        and all(np.array_equal(a.weights[s], b.weights[s]) for s in b.weights)
        and (a.spikes.keys(), a.weights.keys()) == (b.spikes.keys(), b.weights.keys())
    )  # fmt: skip


# --- pieces and what is kept of them, with a program that only counts


def counted(start, stop, seed):
    """What a program would record from step to step."""
    t = np.arange(start, stop) * 0.1
    return Recording(
        {"g": (np.arange(start, stop, dtype=np.int32) % 7, t)},
        {"g": {"t": t, "v": np.vstack([t + seed, t - seed])}},
        {"s": np.append(t, stop * 0.1)[:, None] * [seed, 2.0 * seed]},
        {"run": 1.0, "build": 0.0},
    )  # fmt: skip


@pytest.fixture
def program(monkeypatch):
    """A stand-in for `run_plan` whose state is the step it has come to; it can be told to die."""
    launches = []

    def run_plan(plan, arrays, *, duration, progress, start, stop):
        first = 0 if start is None else int(Path(start).read_text())
        last = first + round(duration / 0.1)
        if len(launches) == run_plan.dies_at:
            raise KeyboardInterrupt
        launches.append((first, last))
        progress(0.5, 1.0)
        if stop is not None:
            Path(stop).write_text(str(last))
        return counted(first, last, float(arrays["x"][0]))

    run_plan.dies_at = None
    run_plan.launches = launches
    monkeypatch.setattr(checkpoint, "run_plan", run_plan)
    return run_plan


ENDS = (0.4, 0.7, 1.2)


@pytest.fixture(scope="module")
def plan(few_cells):
    return few_cells.plan()


def go(plan, folder, seed=3.0, ends=ENDS, progress=None):
    arrays = {"x": np.array([seed])}
    return run_in_pieces(plan, arrays, ends=ends, folder=folder, progress=progress)


def test_pieces_follow_one_another(program, plan, tmp_path):
    done = []
    recording = go(plan, tmp_path, progress=lambda fraction, elapsed: done.append(fraction))
    assert program.launches == [(0, 4), (4, 7), (7, 12)]
    assert same(recording, counted(0, 12, 3.0))
    assert recording.wall["run"] == 3.0
    assert done == pytest.approx([0.2 / 1.2, 0.55 / 1.2, 0.95 / 1.2])
    assert not list(tmp_path.rglob("*.state")) and not list(tmp_path.rglob("*.part"))
    assert same(go(plan, tmp_path), recording)  # all of it is kept
    assert len(program.launches) == 3


@pytest.mark.parametrize("piece", [0, 1, 2])
def test_a_run_that_was_cut_short_goes_on(program, plan, tmp_path, piece):
    program.dies_at = piece
    with pytest.raises(KeyboardInterrupt):
        go(plan, tmp_path)
    assert kept_pieces(tmp_path) == piece
    program.dies_at = None
    assert same(go(plan, tmp_path), counted(0, 12, 3.0))
    assert program.launches == [(0, 4), (4, 7), (7, 12)]  # none of them twice


def test_other_numbers_and_other_cuts_are_other_runs(program, plan, tmp_path):
    go(plan, tmp_path)
    assert same(go(plan, tmp_path, seed=4.0), counted(0, 12, 4.0))
    assert same(go(plan, tmp_path, ends=(0.6, 1.2)), counted(0, 12, 3.0))
    assert len(program.launches) == 3 + 3 + 2
    assert kept_pieces(tmp_path) == 8


@pytest.mark.parametrize(
    "damage", [lambda b: b[:-40], lambda b: b[:90] + b"x" + b[91:], lambda b: b""]
)
def test_a_damaged_piece_is_told(program, plan, tmp_path, damage):
    go(plan, tmp_path)
    (piece,) = tmp_path.rglob("0001.npz")
    piece.write_bytes(damage(piece.read_bytes()))
    with pytest.raises(DeviceError, match=r"0001\.npz: .* damaged; --fresh starts anew"):
        go(plan, tmp_path)


def test_a_piece_of_another_schema_is_told(program, plan, tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "_SCHEMA", 7)
    go(plan, tmp_path)
    monkeypatch.undo()
    with pytest.raises(DeviceError, match=r"\.npz: a checkpoint of schema 7, .* --fresh"):
        go(plan, tmp_path)


def test_checkpoints_go_when_the_run_is_written(program, plan, tmp_path):
    folder = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt) as stop, held(folder) as mine:
        program.dies_at = 1
        go(plan, folder)
    assert mine and kept_pieces(folder) == 1
    assert stop.value.__notes__[0].startswith("1 finished piece is kept")
    with held(folder) as mine, held(folder) as twice:
        assert mine and not twice  # another process may be at it
        assert kept_pieces(folder) == 1
    assert not folder.exists()
    with pytest.raises(KeyboardInterrupt) as stop, held(folder):
        raise KeyboardInterrupt  # before anything was finished
    assert not folder.exists() and not hasattr(stop.value, "__notes__")


def test_fresh_throws_away_what_is_kept(program, plan, tmp_path):
    go(plan, tmp_path / "run")
    with held(tmp_path / "run", fresh=True) as mine:
        assert mine and kept_pieces(tmp_path / "run") == 0


TEXT = """
experiment = "circuit"
name = "long"
claim = "A test."
seeds = [3]
manipulation = [
  { what = "inject", target = "TRC", value = "50 pA", when.cycles = [10, 55] },
  { what = "omit", target = "stimulus", when.cycles = [45, 55] },
]
[cycle]
length = "100 ms"
count = 60
warmup = 1
"""


def test_cuts_are_ends_of_blocks_or_of_fifty_cycles(tmp_path):
    path = tmp_path / "long.toml"
    path.write_text(TEXT)
    (condition,) = resolve(path).conditions
    assert piece_ends(condition, Cycle(200, 0.5, 120, 5)) == (10.0, 20.0, 25.0)
    assert piece_ends(condition, Cycle(200, 0.5, 10, 5)) == (3.0,)
    path.write_text(
        TEXT.replace("count = 60\n", "")
        + "[plasticity]\n[blocks.a]\ncycles = 30\n[blocks.b]\ncycles = 5\n[blocks.c]\ncycles = 80\n"
    )
    (condition,) = (run := resolve(path)).conditions
    assert piece_ends(condition, run.cycle) == pytest.approx((3.1, 8.1, 11.6))


KEPT = "kept: the same command goes on from there (--fresh starts anew)"


@pytest.mark.parametrize(
    ("finished", "message"),
    [
        (0, "nothing was written"),
        (1, f"1 finished piece is {KEPT}"),
        (2, f"2 finished pieces are {KEPT}"),
    ],
)
def test_an_interrupt_says_what_is_kept(finished, message, tmp_path, capsys, monkeypatch):
    launches, dies_at = [], [finished]

    def run_plan(plan, arrays, *, duration, stop=None, **options):
        if len(launches) in dies_at:
            raise KeyboardInterrupt
        launches.append(duration)
        if stop is not None:
            stop.write_text("a state")
        nothing = np.array([], dtype=np.int32), np.array([])
        return Recording({g.name: nothing for g in plan.groups}, wall={"run": 1.0})

    monkeypatch.setattr(checkpoint, "run_plan", run_plan)
    monkeypatch.setattr("circuits.driver.simulate.build_all", lambda run, progress: None)
    monkeypatch.setattr("circuits.driver.run.check_compiler", lambda run: None)
    monkeypatch.setattr(main, "ignore_interrupts", lambda: None)  # these are not of this process
    monkeypatch.setenv("PULVINAR_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "long.toml"
    path.write_text(TEXT.replace("count = 60", "count = 110"))
    command = ["run", str(path), "--jobs", "1", "--out", str(tmp_path / "out")]
    assert main.main(command) == 130
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert last == f"pulvinar: interrupted, {message}"
    assert not (tmp_path / "out").exists()
    dies_at.clear()
    assert main.main(command) == 0
    assert launches == pytest.approx([5.0, 5.0, 1.1])  # no piece twice
    assert not list((tmp_path / "cache" / "checkpoints").iterdir())


# --- the compiled program


@pytest.fixture(scope="module")
def whole(few_cells, tmp_path_factory):
    end = tmp_path_factory.mktemp("state") / "end"
    recording = devices.run_plan(few_cells.plan(), few_cells.arrays(3), duration=0.6, stop=end)
    return recording, end.read_bytes()


@pytest.mark.standalone
@pytest.mark.parametrize("cut", [0.0001, 0.2437, 0.4])
def test_two_pieces_are_the_run_in_one(few_cells, whole, tmp_path, cut):
    plan, arrays = few_cells.plan(), few_cells.arrays(3)
    recording, end = whole
    a = devices.run_plan(plan, arrays, duration=cut, stop=tmp_path / "a")
    b = devices.run_plan(
        plan, arrays, duration=0.6 - cut, start=tmp_path / "a", stop=tmp_path / "b"
    )
    assert (tmp_path / "b").read_bytes() == end  # every array and every spike under way
    assert same(joined([a, b]), recording)
    late = [(t > 0.4).sum() for _, t in recording.spikes.values()]
    assert (np.array(late) >= 5).sum() >= len(late) - 1
    (weights,) = recording.weights.values()
    assert (np.diff(weights, axis=0) != 0).any(1).all()


@pytest.mark.standalone
def test_pieces_of_a_compiled_run_are_the_run_in_one(few_cells, whole, tmp_path):
    plan, arrays = few_cells.plan(), few_cells.arrays(3)
    ends = (0.1, 0.3, 0.6)
    assert same(run_in_pieces(plan, arrays, ends=ends, folder=tmp_path), whole[0])


@pytest.mark.standalone
@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda b: b[:-1], "damaged"),
        (lambda b: b[: len(b) // 2], "damaged"),
        (lambda b: b[:5000] + bytes([b[5000] ^ 1]) + b[5001:], "damaged"),
        (lambda b: b"", "no state"),
        (lambda b: b"PK" + b, "no state"),
        (None, "no such state"),
    ],
)
def test_no_run_starts_from_a_damaged_state(few_cells, whole, tmp_path, damage, message):
    state = tmp_path / "state"
    if damage is not None:
        state.write_bytes(damage(whole[1]))
    with pytest.raises(DeviceError, match=f"state: .*{message}") as told:
        devices.run_plan(few_cells.plan(), few_cells.arrays(3), duration=0.1, start=state)
    assert "\n" not in str(told.value)


def fnv(data):
    total = 14695981039346656037
    for byte in data:
        total = (total ^ byte) * 1099511628211 % 2**64
    return total.to_bytes(8, "little")


@pytest.mark.standalone
def test_no_run_starts_from_the_state_of_another_program(few_cells, whole, tmp_path):
    digest = few_cells.plan().digest.encode()
    body = whole[1][:-8].replace(digest, digest[::-1])
    state = tmp_path / "state"
    state.write_bytes(body + fnv(body))
    with pytest.raises(DeviceError, match="another program"):
        devices.run_plan(few_cells.plan(), few_cells.arrays(3), duration=0.1, start=state)


def test_other_devices_keep_no_state(few_cells, tmp_path):
    for options in ({"start": tmp_path / "a"}, {"stop": tmp_path / "b"}):
        with pytest.raises(InputError, match="device 'numpy' cannot keep the state"):
            devices.run_plan(
                few_cells.plan(), few_cells.arrays(3), duration=0.1, device="numpy", **options
            )


@pytest.mark.standalone
def test_a_killed_run_continues_to_the_same_result(tmp_path, capsys):
    path = tmp_path / "long.toml"
    path.write_text(TEXT)
    (condition,) = resolve(path).conditions
    cpp.build(condition.plan, arrays_of(condition, resolve(path).cycle, 3)[0])
    kept = machine.cache_folder() / "checkpoints"
    before = set(kept.glob("long-*"))
    command = [sys.executable, "-m", "circuits.cli.main", "run", str(path), "--jobs", "1"]
    command += ["--out", str(tmp_path / "killed")]
    process = subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, "TMPDIR": str(tmp_path)}, stderr=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + 300
        while not (pieces := list(kept.glob("long-*/*/0000.npz"))):
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
    finally:
        process.kill()
    assert not (tmp_path / "killed").exists()
    deadline = time.monotonic() + 20
    while running(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not running(tmp_path)  # what a killed driver had launched ends with it
    assert pieces
    assert main.main([*command[3:-1], str(tmp_path / "continued")]) == 0
    assert "continuing, with 1 pieces" in capsys.readouterr().err
    assert set(kept.glob("long-*")) == before
    assert main.main([*command[3:-1], str(tmp_path / "whole"), "--fresh"]) == 0
    assert "continuing" not in capsys.readouterr().err
    found = [
        xr.load_dataset(tmp_path / name / "result.nc", engine="h5netcdf", decode_times=False)
        for name in ("continued", "whole")
    ]
    assert found[0].sizes["spike"] > 1000
    assert found[0].identical(found[1])


def running(folder):
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if str(folder) in os.readlink(entry / "cwd"):
                found.append(entry.name)
        except OSError:
            continue
    return found
