"""Every mistake of a user is told in one line that names file, key and way out; nothing is left."""

import errno
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from circuits.cli import main
from circuits.driver import store
from circuits.engine import launch

BASE = 'experiment = "circuit"\nname = "small"\nclaim = "A test."\n'
ROOT = Path(__file__).parents[3]

# what is wrong, the text of the run file after BASE, arguments, and what the line must name
MISTAKES = {
    "unknown key": ("[cycle]\nlenght = '200 ms'\n", (), ("[cycle]", "'lenght'", "'length'")),
    "unknown top key": ("sede = [1]\n", (), ("'sede'", "'seeds'")),
    "unknown population": (
        "[populations]\n'V1.L5B' = { noise_sd = '0 pA' }\n", (), ("'V1.L5B'", "'V1.L5IB'"),
    ),
    "unknown projection": (
        "[projections]\n'V1.L5IB->TCR' = { weight = '1 nS' }\n", (), ("'V1.L5IB->TCR'", "TRC'"),
    ),
    "unknown lesion": ("lesions = ['pacin']\n", (), ("lesions", "'pacin'", "'pacing'")),
    "wrong unit": (
        "[projections]\n'V1.L5IB->TRC' = { weight = '30 mV' }\n",
        (), ("weight", "'30 mV'", "dimension"),
    ),
    "wrong unit of a cell": (
        "[cells]\nTRC = { g_KL = '3 mV' }\n", (), ("[cells] TRC g_KL", "'3 mV'", "dimension"),
    ),
    "negative conductance": (
        "[projections]\n'V1.L5IB->TRC' = { weight = '-30 nS' }\n",
        (), ("'V1.L5IB->TRC' weight", "-30 nS", "cannot be negative", "0 nS"),
    ),
    "negative conductance of a cell": (
        "[cells]\nTRC = { g_KL = '-3e-5 S/cm**2' }\n",
        (), ("[cells] TRC g_KL", "-3e-5", "cannot be negative"),
    ),
    "negative factor": (
        "[factors]\n'TRN->TRC' = -0.5\n", (), ("[factors] 'TRN->TRC'", "cannot be negative"),
    ),
    "in-degree above the source": (
        "[projections]\n'V1.L5IB->TRC' = { indegree = 500 }\n",
        (), ("V1.L5IB->TRC", "indegree 500", "largest valid: 3"),
    ),
    "image not found": (
        "[stimulus]\nkind = 'file'\npath = 'no_such_picture.png'\n",
        (), ("[stimulus] path", "no_such_picture.png"),
    ),
    "unknown photograph": ("[stimulus]\nimage = 'camra'\n", (), ("'camra'", "'camera'")),
    "unknown device": ("", ("--device", "cppp"), ("device", "'cppp'", "'cpp'")),
    "unknown size": ("", ("--size", "tyni"), ("size", "'tyni'", "'tiny'")),
    "unknown cell class": ("[cells]\nL5IBB = { g_c = 1 }\n", (), ("'L5IBB'", "'L5IB'")),
    "unknown method": ("[integration]\nmethod = 'rk5'\n", (), ("[integration]", "'rk5'", "rk4")),
    "step that does not fit": ("[integration]\ndt = '0.3 ms'\n", (), ("[integration]", "0.3")),
    "cycle out of range": ("[cycle]\nlength = '50 ms'\n", (), ("[cycle] length", "100 to 300 ms")),
    "cycle of broken bins": ("[cycle]\nlength = '201 ms'\n", (), ("[cycle] length", "200 ms")),
    "size in a condition": (
        "[[condition]]\nname = 'a'\nsize = 'column'\n", (), ("condition 'a'", "'size'"),
    ),
    "unknown key in a condition": (
        "[[condition]]\nname = 'a'\nstimulus.contrst = 1\n",
        (), ("condition 'a'", "'contrst'", "'contrast'"),
    ),
    "criterion of no condition": (
        "[[criteria]]\nid='x'\nclaim='c'\nobservable='burst_rate'\nmin=1\ncondition='bse'\n",
        (), ("criterion 'x'", "'bse'", "baseline"),
    ),
    "criterion against itself": (
        "[[condition]]\nname='a'\n[[condition]]\nname='b'\n"
        "[[criteria]]\nid='x'\nclaim='c'\nobservable='burst_rate'\nmax=0.1\nreference='a'\n",
        (), ("criterion 'x'", "'a' is compared with itself"),
    ),
    "unknown observable": (
        "[[criteria]]\nid='x'\nclaim='c'\nobservable='burst_rat'\nmin=1\n",
        (), ("criterion 'x'", "'burst_rat'", "'burst_rate'"),
    ),
    "unknown population in a criterion": (
        "[[criteria]]\nid='x'\nclaim='c'\nobservable='burst_rate'\nmin=1\n"
        "args = { population = 'V1.L5B' }\n",
        (), ("criterion 'x'", "'V1.L5B'", "'V1.L5IB'"),
    ),
    "no range of seeds": ("", ("--seeds", "5-1"), ("seeds", "'5-1'")),
    "setting that is none": ("", ("--set", "contrast"), ("--set contrast", "key=value")),
    "capacitance of zero": (
        "[cells]\nTRC = { C_m = '0 F/m**2' }\n", (), ("[cells] TRC C_m", "valid: 0.0001 F/m**2"),
    ),
    "time constant of zero": (
        "[cells]\nL5IB = { tau_Ca = '0 ms' }\n", (), ("[cells] L5IB tau_Ca", "above 0"),
    ),
    "wrong prefix of a unit": (
        "[populations]\nTRC = { bias = '100 A' }\n", (), ("'TRC' bias", "100. A", "1e-06 A"),
    ),
    "rate above the clock": (
        "[populations]\nTHETA = { rate = '3 kHz' }\n", (), ("'THETA' rate", "1000 Hz"),
    ),
    "unknown class of cells": (
        "[populations]\nTRC = { cell = 'TRCs' }\n", (), ("'TRC' cell", "'TRC'"),
    ),
    "cells of an input": (
        "[populations]\nTHETA = { cell = 'TRC' }\n", (), ("[populations]", "'THETA' is an input"),
    ),
    "cells that inhibit": (
        "[populations]\nTRC = { cell = 'PV' }\n", (), ("'TRC' excites", "'PV'"),
    ),
    "delay of an hour": (
        "[projections]\n'V1.L5IB->TRC' = { delay = '3600 s' }\n",
        (), ("'V1.L5IB->TRC' delay", "1000 ms"),
    ),
    "factor beyond all bounds": ("[factors]\n'TRN->TRC' = 1e9\n", (), ("'TRN->TRC'", "0.001 S")),
    "cycles without end": (
        "[cycle]\ncount = 1000000000000\n", (), ("1000000000005 cycles", "GB of memory", "free"),
    ),
    "parts of cells": ("scale = 1.3\n", (), ("scale 1.3", "cells", "nearest valid: 1")),
    "circuit without end": ("scale = 1e9\n", (), ("scale 1e+09", "GB of memory")),
    "circuit beyond all numbers": ("scale = 1e300\n", (), ("scale 1e+300", "GB of memory")),
    "positions without end": (
        "[stimulus]\nn_x = 10000000000000\n", (), ("10000000000000 positions", "GB of memory"),
    ),
    "not TOML": ("[cycle\n", (), ("not TOML",)),
}  # fmt: skip


@pytest.fixture
def write(tmp_path):
    def write(text):
        path = tmp_path / "in" / "small.toml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(BASE + text)
        return path

    return write


@pytest.mark.parametrize("what", MISTAKES)
def test_mistake_is_told_in_one_line(what, write, tmp_path, capsys, monkeypatch):
    text, arguments, wanted = MISTAKES[what]
    out = tmp_path / "out" / "r"
    path = write(text)
    monkeypatch.chdir(tmp_path)
    status = main.main(["run", str(path), *arguments, "--out", str(out)])
    error = capsys.readouterr().err
    assert status == 2
    assert error.startswith("pulvinar: error: ") and error.count("\n") == 1
    if not arguments or "--set" not in arguments:
        assert "small.toml" in error or "--seeds" in arguments
    for part in wanted:
        assert part in error
    assert not out.parent.exists()


def test_unknown_run_file_names_the_nearest(capsys):
    assert main.main(["run", "first_ligth"]) == 2
    assert "did you mean 'first_light'?" in capsys.readouterr().err


def test_no_compiler_is_told_before_anything_runs(write, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PULVINAR_CACHE", str(tmp_path / "cache"))
    out = tmp_path / "out"
    status = main.main(["run", str(write("")), "--device", "cpp", "--out", str(out)])
    error = capsys.readouterr().err
    assert status == 2 and error.count("\n") == 1
    assert "g++" in error and "--device numpy" in error and "small.toml" in error
    assert not out.exists() and not (tmp_path / "cache").exists()


def test_folder_that_is_no_run_is_left_alone(write, tmp_path, capsys):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("years of work")
    assert main.main(["run", str(write("")), "--out", str(tmp_path / "thesis")]) == 2
    assert "no run folder" in capsys.readouterr().err
    assert (tmp_path / "thesis" / "chapter.tex").read_text() == "years of work"


@pytest.fixture
def canned(monkeypatch):
    """Let runs return silence at once: for what comes after the simulation."""
    import numpy as np

    def run_plan(plan, arrays, **options):
        nothing = np.array([], dtype=np.int32), np.array([])
        return launch.Recording({g.name: nothing for g in plan.groups}, wall={"run": 1.0})

    monkeypatch.setattr("circuits.driver.simulate.run_plan", run_plan)


def test_disk_full_leaves_nothing(write, tmp_path, capsys, monkeypatch, canned):
    def full(path, ds):
        path.write_bytes(b"half of it")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr(store, "write_dataset", full)
    out = tmp_path / "out" / "r"
    arguments = ["--device", "numpy", "--cycles", "2", "--jobs", "1", "--out", str(out)]
    assert main.main(["run", str(write("")), *arguments]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert "No space left on device" in error
    assert not out.parent.exists()


def test_disk_full_keeps_the_run_that_was_there(tmp_path, monkeypatch):
    out = tmp_path / "r"
    with store.new_folder(out) as partial:
        store.write_json(partial / "run.json", {"name": "old"})
    with pytest.raises(OSError, match="No space"), store.new_folder(out) as partial:
        (partial / "run.json").write_text("{")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert "old" in (out / "run.json").read_text()
    assert [p.name for p in tmp_path.iterdir()] == ["r"]


def test_file_size_limit_in_a_real_process_leaves_nothing(tmp_path):
    # the kernel refuses every byte above 20 kB, as a full disk would
    code = (
        "import numpy as np, xarray as xr\n"
        "from pathlib import Path\n"
        "from circuits.driver import store\n"
        "ds = xr.Dataset({'x': ('n', np.random.default_rng(1).random(100000))})\n"
        "try:\n"
        f"    with store.new_folder(Path({str(tmp_path / 'out')!r})) as partial:\n"
        "        store.write_dataset(partial / 'result.nc', ds)\n"
        "except OSError as error:\n"
        "    print('told:', error.strerror)\n"
    )

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, preexec_fn=limit, capture_output=True, text=True
    )
    assert "told: File too large" in done.stdout, done.stderr
    assert list(tmp_path.iterdir()) == []


def processes_with(marker: str) -> list[str]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if marker in (entry / "environ").read_bytes().decode(errors="replace"):
                    found.append((entry / "cmdline").read_bytes().decode(errors="replace"))
            except OSError:
                continue
    return found


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for orphans in /proc")
@pytest.mark.parametrize(
    ("jobs", "how"), [(1, signal.SIGINT), (2, signal.SIGINT), (2, signal.SIGTERM)]
)
def test_interrupt_leaves_no_folder_and_no_process(jobs, how, write, tmp_path):
    out = tmp_path / "out" / "r"
    environment = {**os.environ, "PULVINAR_TEST_MARK": str(tmp_path), "TMPDIR": str(tmp_path)}
    process = subprocess.Popen(
        [sys.executable, "-m", "circuits.cli.main", "run", str(write("seeds = [1, 2]\n")),
         "--device", "numpy", "--out", str(out), "--jobs", str(jobs)],
        cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        if jobs > 1:
            deadline = time.monotonic() + 120
            while len(processes_with(str(tmp_path))) < 1 + jobs and time.monotonic() < deadline:
                time.sleep(0.2)
        time.sleep(6)
        assert process.poll() is None
        process.send_signal(how)
        _, error = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert error.strip().splitlines()[-1] == "pulvinar: interrupted, nothing was written"
    assert "Traceback" not in error
    assert not out.parent.exists()
    deadline = time.monotonic() + 20
    while processes_with(str(tmp_path)) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert processes_with(str(tmp_path)) == []


def test_memory_that_runs_out_is_told_in_one_line(write, capsys, monkeypatch):
    def run_file(*args, **options):
        raise MemoryError("Unable to allocate 238. GiB")

    monkeypatch.setattr("circuits.driver.run.run_file", run_file)
    assert main.main(["run", str(write(""))]) == 2
    told = capsys.readouterr().err
    assert told == "pulvinar: error: not enough memory: Unable to allocate 238. GiB\n"
