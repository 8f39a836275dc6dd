"""What is asked of delays and first weights is what is drawn, or it is refused."""

import numpy as np
import pytest

from cells.parameters import InputError
from circuits.driver.inputs import arrays_of
from circuits.engine.arrays import projection_parts
from circuits.runfiles.resolve import resolve

BASE = 'experiment = "circuit"\nclaim = "A test."\n[cycle]\ncount = 2\nwarmup = 1\n'


@pytest.fixture
def resolved(tmp_path):
    def resolved(text):
        path = tmp_path / "small.toml"
        path.write_text(BASE + text)
        return resolve(path)

    return resolved


@pytest.mark.parametrize(
    ("projection", "delay", "delay_sd", "words"),
    [
        ("LGN->V1.L4", 1.2, 0, "delay: 1.2 ms is no multiple of its step, 0.5 ms; .* 1 ms"),
        ("LGN->V1.L4", 0.1, 0, "delay: 0.1 ms .* nearest valid: 0.5 ms"),
        ("V1.L5IB->TRC", 0.05, 0, "delay: 0.05 ms .* 0.1 ms; nearest valid: 0.1 ms"),
        ("V1.L5IB->TRC", 0.25, 0, "delay: 0.25 ms .* nearest valid: 0.3 ms"),
        ("V1.L5IB->TRC", 0.6, 0.5, "delay_sd: 0.5 ms around 0.6 ms would .* valid: 0.2 ms"),
        ("LGN->V1.L4", 3, 0.1, "delay_sd: 0.1 ms around 3 ms would come out as 0.0548 around 3 ms"),
    ],
)
def test_delays_that_would_come_out_otherwise_are_refused(
    resolved, projection, delay, delay_sd, words
):
    changed = f"{{ delay = '{delay} ms', delay_sd = '{delay_sd} ms' }}"
    with pytest.raises(InputError, match=rf"^small.toml: \[projections\] '{projection}' {words}"):
        resolved(f"[projections]\n'{projection}' = {changed}\n")


@pytest.mark.parametrize(("delay", "delay_sd"), [(0.1, 0), (0.2, 0), (1.1, 0), (0.6, 0.2)])
def test_delays_that_are_accepted_arrive(resolved, delay, delay_sd):
    changed = f"{{ delay = '{delay} ms', delay_sd = '{delay_sd} ms' }}"
    run = resolved(f"[projections]\n'V2.L6CT->TRC' = {changed}\n")
    (condition,) = run.conditions
    arrays, _ = arrays_of(condition, run.cycle, 1)
    (found,) = [
        arrays[f"{name}.delay"][part]
        for p, name, part in projection_parts(condition.spec, condition.plan)
        if p == "V2.L6CT->TRC"
    ]
    steps = np.floor(found * 1e4 + 0.5) / 10  # as Brian2 rounds them
    assert steps.mean() == pytest.approx(delay, rel=0.03)
    assert steps.std() == pytest.approx(delay_sd, rel=0.08)


@pytest.mark.parametrize(
    ("start", "start_sd", "words"),
    [
        (0.05, 0.1, "0.1 around 0.05 would come out as .* nearest valid: 0.02"),
        (0.9, 0.2, "0.2 around 0.9 would come out as "),
        (0.0, 0.02, "nearest valid: 0"),
    ],
)
def test_first_weights_whose_spread_would_be_cut_are_refused(resolved, start, start_sd, words):
    with pytest.raises(InputError, match=rf"\[plasticity\] 'V2.L6CT->TRC' start_sd: .*{words}"):
        resolved(f"[plasticity]\nstart = {start}\nstart_sd = {start_sd}\n")


def test_a_step_of_the_membrane_is_one_of_the_delays(resolved):
    text = "[projections]\n'V1.L5IB->TRC' = { delay = '0.25 ms', delay_sd = '0 ms' }\n"
    resolved(f"{text}[integration]\ndt = '0.05 ms'\n")
