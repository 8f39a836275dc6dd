"""Where a compiled program writes."""

from collections import namedtuple
from types import SimpleNamespace

import numpy as np
import pytest

from circuits.engine import launch

Usage = namedtuple("Usage", "total used free")
NAMES = ("TMPDIR", "TEMP", "TMP")


@pytest.fixture
def memory(monkeypatch, tmp_path):
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(launch, "_IN_MEMORY", str(tmp_path))
    monkeypatch.setattr(launch.shutil, "disk_usage", lambda path: Usage(64e6, 0, 64e6))
    return str(tmp_path)


def test_a_small_run_writes_in_memory(memory):
    assert launch._scratch(3e6) == memory


def test_a_large_run_does_not(memory):
    assert launch._scratch(5e6) is None


@pytest.mark.parametrize("name", NAMES)
def test_a_place_that_the_user_names_is_kept(memory, monkeypatch, name):
    monkeypatch.setenv(name, "/var/tmp")
    assert launch._scratch(1.0) is None


def test_a_system_without_such_a_folder_has_its_own(memory, monkeypatch):
    def missing(path):
        raise FileNotFoundError(path)

    monkeypatch.setattr(launch.shutil, "disk_usage", missing)
    assert launch._scratch(1.0) is None


def test_arrays_notes_and_traces_are_counted():
    plan = SimpleNamespace(
        synapses=[SimpleNamespace(n=100, plastic=True), SimpleNamespace(n=9, plastic=False)],
        noted_ms=200.0,
        traces=[SimpleNamespace(indices=(1, 2), variables=("v", "w"), period_ms=1.0)],
    )
    # 10 s: 50 notes of 100 weights, 10,000 samples of four values
    assert launch._bytes(plan, {"a": np.zeros(1000)}, 10.0) == pytest.approx(
        2 * 8000 + 8 * (50 * 100 + 10_000 * 4)
    )
