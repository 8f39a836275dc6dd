"""Processes of their own: results in order, what a job raises, what is left behind."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from circuits.driver.processes import run_jobs
from circuits.driver.progress import Progress
from circuits.engine.project import DeviceError


def job(runs, progress, wait=0.0):
    """Return where it ran; raise or die if that is what it is given."""
    if runs == "raise":
        raise DeviceError("this one failed")
    if runs == "die":
        os._exit(1)
    time.sleep(wait)
    progress(0.5, wait)
    return runs, os.getpid(), os.environ["OMP_NUM_THREADS"]


def note(runs, progress):
    """Write which process this is, and go on for long."""
    (Path(runs) / str(os.getpid())).touch()
    time.sleep(600)


_CUT_OFF = """
if __name__ == "__main__":
    from circuits.driver.processes import run_jobs
    from circuits.driver.progress import Progress
    from tests.circuits.driver.test_processes import note
    run_jobs(note, [(FOLDER, {}), (FOLDER, {})], 2, Progress(), print)
"""


def _is_there(pid: str) -> bool:
    status = Path("/proc", pid, "status")
    return status.is_file() and "zombie" not in status.read_text()


@pytest.mark.skipif(sys.platform != "linux", reason="a signal of Linux")
def test_no_process_outlives_a_parent_that_was_killed(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(_CUT_OFF.replace("FOLDER", repr(str(tmp_path / "pids"))))
    (tmp_path / "pids").mkdir()
    root = Path(__file__).parents[3]
    parent = subprocess.Popen([sys.executable, script], env=os.environ | {"PYTHONPATH": str(root)})
    try:
        while len(pids := [p.name for p in (tmp_path / "pids").iterdir()]) < 2:
            assert parent.poll() is None
            time.sleep(0.1)
        assert all(map(_is_there, pids))
    finally:
        parent.kill()
        parent.wait()
    until = time.monotonic() + 30
    while any(map(_is_there, pids)) and time.monotonic() < until:
        time.sleep(0.1)
    assert not any(map(_is_there, pids))


class Shares(Progress):
    """Keep what is told of how far all jobs are."""

    def __init__(self):
        super().__init__()
        self.told = []

    def update(self, fraction):
        self.told.append(fraction)


def test_results_come_in_the_order_of_the_jobs(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "7")
    progress, done = Shares(), []
    jobs = [("slow", {"wait": 0.5}), ("fast", {})]
    found = run_jobs(job, jobs, 2, progress, lambda k, result: done.append((k, result[0])))
    assert [(name, threads) for name, _, threads in found] == [("slow", "1"), ("fast", "1")]
    assert os.getpid() not in {pid for _, pid, _ in found}
    assert sorted(done) == [(0, "slow"), (1, "fast")]
    assert progress.told[-1] == 1.0 and progress.told == sorted(progress.told)
    assert "OMP_NUM_THREADS" not in os.environ and os.environ["OPENBLAS_NUM_THREADS"] == "7"


@pytest.mark.parametrize("ignored", [False, True])
@pytest.mark.parametrize(("what", "message"), [("raise", "this one failed"), ("die", "--jobs 1")])
def test_a_failure_ends_all_processes(what, message, ignored):
    jobs = [(what, {}), ("long", {"wait": 60.0})]
    before = set(multiprocessing.active_children())
    started = time.monotonic()
    # what the parent ignores a process ignores until it has its own handler
    kept = signal.signal(signal.SIGTERM, signal.SIG_IGN if ignored else signal.SIG_DFL)
    try:
        with pytest.raises(DeviceError, match=message):
            run_jobs(job, jobs, 2, Progress(), lambda *_: None)
    finally:
        signal.signal(signal.SIGTERM, kept)
    assert time.monotonic() - started < 45  # it does not wait for the long one
    assert set(multiprocessing.active_children()) == before


def test_whichever_process_dies_is_noticed():
    # the pool of Python 3.12.1 may not know of the second one yet (4 of 12 times)
    for jobs in [[("die", {}), ("long", {"wait": 60.0})], [("long", {"wait": 60.0}), ("die", {})]]:
        for _ in range(2):
            started = time.monotonic()
            with pytest.raises(DeviceError, match="--jobs 1"):
                run_jobs(job, jobs, 2, Progress(), lambda *_: None)
            assert time.monotonic() - started < 45
