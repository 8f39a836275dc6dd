"""What a run will take is told before it, if it is long."""

import re

import pytest

from circuits.driver import needs
from circuits.runfiles.resolve import resolve


@pytest.fixture(autouse=True)
def nothing_compiled(monkeypatch, tmp_path):
    monkeypatch.setenv("PULVINAR_CACHE", str(tmp_path))
    monkeypatch.setattr(needs, "cores", lambda: 2)


def told(jobs=1, **options):
    return needs.needs_text(resolve("first_light", size="tiny", **options), jobs)


def test_a_short_run_says_nothing():
    assert told(cycles=4) is None
    assert told(cycles=100_000, device="numpy") is None  # nobody has measured it


def test_a_long_run_says_what_the_bench_measured():
    run = resolve("first_light", size="tiny", cycles=10_000)
    cells = sum(group.n for group in run.conditions[0].plan.groups)
    text = needs.needs_text(run, 1)
    assert f"{len(run.conditions) * len(run.seeds)} runs of {run.cycle.duration:g} s" in text
    n, compiling = map(int, re.search(r"(\d+) to compile, (\d+) s of it", text).groups())
    assert compiling == round(n * 45 / 2)  # CPU seconds of a program, on two cores
    seconds = 152e-6 * cells * len(run.conditions) * len(run.seeds) * run.cycle.duration
    minutes = re.search(r"about (\d+):(\d\d) min", text)
    assert int(minutes[1]) * 60 + int(minutes[2]) == pytest.approx(seconds + n * 45 / 2, abs=1)
    assert re.search(r"\d\.\d GiB$", text)


def test_two_at_a_time_take_half_as_long():
    def minutes(jobs):
        found = re.search(
            r"about (\d+):(\d\d) min; \d+ to compile, (\d+) s", told(jobs, cycles=20_000)
        )
        return int(found[1]) * 60 + int(found[2]) - int(found[3])

    assert minutes(2) == pytest.approx(minutes(1) / 2, abs=2)
