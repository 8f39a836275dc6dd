"""Sweeps on workers that are killed, by the scheduler of another process tree, cut short."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import circuits
from cells.parameters import InputError
from circuits.cli.main import main
from circuits.driver.progress import Progress
from circuits.engine.machine import is_complete
from circuits.sweeps.cluster import connected, ship, slurm_cluster
from circuits.sweeps.sweep import sweep_folder
from tests.circuits.sweeps.scheduler import SCHEDULER

RUN = """
experiment = "synapse"
name = "probe"
seeds = [1, 2]
extensions = ["probe.py"]
[protocol]
rates = [[25, 50], [50, 25]]
cycle = "200 ms"
phases = ["100 ms", "100 ms"]
gap = "400 ms"
repeats = 2
trains = ["regular"]
start_phases = 1
[published]
"25-50" = { mean = 1.42, sem = 0.15, n = 12 }
"50-25" = { mean = 0.73, sem = 0.10, n = 18 }
[rules]
names = ["kinase_ratio"]
[[criteria]]
id = "probe"
claim = "c"
observable = "probe"
min = 0.0
"""
PROBE = '''
import os
from pathlib import Path

from analysis.observables import observable

HERE = Path(__file__).parent


@observable("1", "synapse")
def probe(ds):
    """Note the run; kill the worker or raise where the run file says so."""
    repeats, seed = int(ds.attrs["repeats"]), int(ds["seed"].values[0])
    with open(HERE / "runs.log", "a") as log:
        log.write(f"{repeats} {seed}\\n")
    if repeats == 7:
        raise RuntimeError("this one failed")
    killed = HERE / f"killed {seed}"
    if repeats == 6 and not killed.exists():
        killed.touch()
        os.kill(os.getpid(), 9)
    return repeats + 0.1 * seed + float(ds["chi2"].mean())
'''


@pytest.fixture
def file(tmp_path):
    (tmp_path / "probe.py").write_text(PROBE)
    (tmp_path / "probe.toml").write_text(RUN)
    return tmp_path / "probe.toml"


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory):
    """One with a worker, in a process tree and with a cache of its own."""
    folder = tmp_path_factory.mktemp("scheduler")
    (folder / "cluster.py").write_text(SCHEDULER)
    path = os.pathsep.join([str(Path(__file__).parents[3]), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PULVINAR_CACHE": str(folder / "cache"), "PYTHONPATH": path}
    with subprocess.Popen(
        [sys.executable, str(folder / "cluster.py")], env=environment, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as process:  # fmt: skip
        yield process.stdout.readline().strip(), folder / "cache"
        process.stdin.close()


def log(file):
    return (file.parent / "runs.log").read_text().split("\n")[:-1]


def test_a_sweep_by_address_loses_no_run_and_repeats_none(file, scheduler, capsys):
    out = file.parent / "out"
    over = ["sweep", str(file), "--over", "protocol.repeats=2,6,7", "--out", str(out)]
    by = ["--scheduler", scheduler[0]]
    assert main([*over, *by]) == 1
    said = capsys.readouterr()
    assert "4 of 6 runs; 2 failed" in said.out and "this one failed" in said.err
    with xr.open_dataset(out / "sweep.nc", engine="h5netcdf") as ds:
        ds.load()
    value = ds["value"].sel(criterion="probe")
    assert value.dims == ("seed", "protocol.repeats")
    np.testing.assert_allclose(value.diff("seed").values, [[0.1, 0.1, np.nan]], rtol=1e-9)
    np.testing.assert_allclose(value.isel({"protocol.repeats": 1}) > 6, True)
    assert ds["failed"].sum("seed").values.tolist() == [0, 0, 2]
    # the workers of two runs were killed, and both were done again
    assert sorted(log(file)) == sorted(["2 1", "2 2"] + 2 * ["6 1", "6 2"] + ["7 1", "7 2"])
    told = json.loads((out / "sweep.json").read_text())
    assert [f["point"] for f in told["failed"]] == 2 * [{"protocol.repeats": 7}]

    # again, and with a value more: only what failed and what is new
    (file.parent / "runs.log").unlink()
    again = circuits.sweep(file, ["protocol.repeats=2,3,6"], out=out, scheduler=scheduler[0])
    assert sorted(log(file)) == ["3 1", "3 2"]
    xr.testing.assert_identical(
        again["value"].sel({"protocol.repeats": [2, 6]}).drop_attrs(),
        ds["value"].sel({"protocol.repeats": [2, 6]}).drop_attrs(),
    )
    with pytest.raises(InputError, match="another run file"):
        sweep_folder(file, ["protocol.repeats=2"], out=out, settings=["protocol.start_phases=2"])


def test_an_optimiser_finds_the_largest(file, scheduler):
    found = circuits.sweep(
        file, ["protocol.repeats=2,5"], choose="optuna:5", maximise="probe", seeds=[1],
        out=file.parent / "out", scheduler=scheduler[0],
    )  # fmt: skip
    assert found["value"].dims == ("criterion", "seed", "point") and found.sizes["point"] == 5
    best = found["value"].sel(criterion="probe", seed=1).argmax("point")
    tried = found["protocol.repeats"]
    assert int(tried[int(best)]) == tried.max() and 2 <= tried.min() < tried.max() <= 5


@pytest.mark.slow
def test_a_sweep_that_is_killed_goes_on(file, scheduler):
    """Kill the whole tree at once, as a machine that goes down does."""
    over, out = "protocol.repeats=2,3,4,5", file.parent / "out"
    command = ["sweep", str(file), "--over", over, "--out", str(out), "--workers", "1"]
    process = subprocess.Popen(
        [sys.executable, "-m", "circuits.cli.main", *command], cwd=Path(__file__).parents[3],
        start_new_session=True, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    end = time.monotonic() + 100
    while len(list(out.glob("runs/*.nc"))) < 2 and time.monotonic() < end:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    done = len(list(out.glob("runs/*.nc")))
    assert 2 <= done < 8 and not (out / "sweep.nc").exists()
    (file.parent / "runs.log").unlink()
    found = circuits.sweep(file, [over], out=out, scheduler=scheduler[0])
    assert len(log(file)) == 8 - done
    whole = circuits.sweep(file, [over], out=file.parent / "whole", scheduler=scheduler[0])
    xr.testing.assert_identical(found, whole)


def test_programs_are_sent_to_workers_with_a_cache_of_their_own(tmp_path, scheduler, monkeypatch):
    monkeypatch.setenv("PULVINAR_CACHE", str(tmp_path))
    program = tmp_path / "programs" / "abc"
    (program / "static_arrays").mkdir(parents=True)
    (program / "program.json").write_text('{"files": {"x": ["d", 1]}}')
    (program / "static_arrays" / "x").write_bytes(b"12345678")
    (program / "main").write_text("#!/bin/sh\n")
    (program / "main").chmod(0o755)
    with connected(scheduler[0], None, None, Progress()) as client:
        ship(client, ["abc"], 1)
    there = scheduler[1] / "programs" / "abc"
    assert is_complete(there) and os.access(there / "main", os.X_OK)


def test_two_sweeps_at_once_warn_of_nothing():
    with socket.socket() as other, warnings.catch_warnings(record=True) as told:
        with contextlib.suppress(OSError):  # somebody has it already
            other.bind(("", 8787))
            other.listen()
        warnings.simplefilter("always")
        with connected(None, None, 1, Progress()) as client:
            assert client.submit(int, "3").result(timeout=60) == 3
    assert [str(one.message) for one in told if "Port" in str(one.message)] == []


def test_a_job_script_says_what_a_worker_needs():
    with slurm_cluster({"partition": "short", "account": "lab", "time": "0:30:00"}) as cluster:
        script = cluster.job_script()
    for line in ("#SBATCH -p short", "#SBATCH -A lab", "#SBATCH -t 0:30:00",
                 "#SBATCH --cpus-per-task=1", "#SBATCH --mem=2G"):  # fmt: skip
        assert line in script
    assert "distributed.cli.dask_worker" in script
    with pytest.raises(InputError, match="did you mean 'partition'"):
        slurm_cluster({"partitoin": "short"})


@pytest.mark.parametrize(
    ("over", "options", "message"),
    [
        ([], {}, "--over KEY"), (["a=1", "a=2"], {}, "a key comes twice"),
        (["protocol.repeats=1,2"], {"choose": "optuna:3"}, "go together"),
        (["protocol.repeats=1,2"], {"choose": "latin-hypercube"}, "latin-hypercube:N"),
        (["protocol.repeats=1,2"], {"choose": "optuna:3", "maximise": "prob"}, "valid: probe"),
        (["protocol.repeets=1,2"], {}, "did you mean 'repeats'"),
        (["protocol.repeats=0,2"], {}, "repeats"),
        (["protocol.repeats=1,2"], {"n_workers": 0}, "--workers 0"),
    ],
)  # fmt: skip
def test_mistakes_are_told_before_anything_runs(file, over, options, message):
    out = file.parent / "out"
    with pytest.raises(InputError, match=message) as error:
        sweep_folder(file, over, out=out, **options)
    assert "\n" not in str(error.value) and not (out / "runs").exists()
