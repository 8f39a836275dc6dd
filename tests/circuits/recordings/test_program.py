"""Programs that record: nothing else changes, and what they record is what the equations say."""

from dataclasses import replace

import numpy as np
import pytest

from cells.models import cell_class
from circuits.driver.checkpoint import joined
from circuits.engine.devices import run_plan
from circuits.engine.plan import replicated
from circuits.engine.replicas import packed, unpacked
from circuits.manipulations.model import Timeline
from circuits.recordings import LFP, Record, recorded, with_records

pytestmark = pytest.mark.standalone

SECONDS = 0.4
CELLS = ("I_leak", "I_Na", "I_Kd", "I_Ca", "I_SK", "I_h", "I_M")
RECORDS = (
    Record("cell", "V1.L5IB", ("V", "V.apical", *CELLS, "I_leak.apical", "I_syn", "I_syn.apical",
                               "I_AMPA", "I_GABA_A", "calcium", "m", "g_AMPA"), 3, interval=0.1),
    Record("relay", "TRC", ("V", "I_GABA_B", "g_GABA_B", "g_AMPA"), chosen=(5, 0), interval=0.5),
    Record("rule", "V2.L6CT->TRC", ("weight", "P", "D", "x", "y", "resources"), 40, interval=0.1),
    Record("lfp", "pulvinar", (LFP,), interval=0.1),
    Record("all", "TRC", ("I_AMPA", "I_GABA_A"), interval=0.1),
)  # fmt: skip


@pytest.fixture(scope="module")
def plan(few_cells):
    return with_records(few_cells.plan(), few_cells.spec, RECORDS)


@pytest.fixture(scope="module")
def runs(few_cells):
    return [few_cells.arrays(3), few_cells.arrays(4)]


@pytest.fixture(scope="module")
def whole(plan, runs):
    """Two copies in one program, in one go."""
    return run_plan(replicated(plan, 2), packed(plan, runs), duration=SECONDS)


@pytest.fixture(scope="module")
def found(few_cells, plan, runs, whole):
    """What the first copy recorded, and its whole recording."""
    timeline = Timeline(("",) * 4, (True,) * 4, 0, 20)
    mine = unpacked(plan, whole, 2)[0]
    ds = recorded(RECORDS, few_cells.spec, plan, runs[0], mine.traces, timeline, 5e-3)
    return ds, mine


def test_recording_changes_no_spike_and_no_weight(few_cells, plan, runs, whole):
    bare = few_cells.plan()
    alone = run_plan(bare, runs[1], duration=SECONDS)
    mine = unpacked(plan, whole, 2)[1]
    for group, (index, t) in alone.spikes.items():
        assert np.array_equal(mine.spikes[group][0], index)
        assert np.array_equal(mine.spikes[group][1], t)
    assert sum(len(t) for _, t in alone.spikes.values()) > 500
    for name, weights in alone.weights.items():
        assert np.array_equal(mine.weights[name], weights)


def test_pieces_record_what_the_run_in_one_does(plan, runs, whole, tmp_path):
    two, arrays = replicated(plan, 2), packed(plan, runs)
    first = run_plan(two, arrays, duration=0.2, stop=tmp_path / "state")
    rest = run_plan(two, arrays, duration=SECONDS - 0.2, start=tmp_path / "state")
    for name, values in joined([first, rest]).traces.items():
        for key, expected in whole.traces[name].items():
            assert np.array_equal(values[key], expected), (name, key)


def test_samples_are_where_they_should_be(found):
    ds, _ = found
    np.testing.assert_allclose(ds["record_cell_time"], np.arange(4000) * 1e-4, atol=1e-12)
    np.testing.assert_allclose(ds["record_relay_time"], np.arange(800) * 5e-4, atol=1e-12)
    assert ds["record_relay_index"].values.tolist() == [5, 0]
    assert ds["record_cell_index"].values.tolist() == [0, 16, 32]


def test_spikes_are_upward_crossings_of_the_recorded_potential(few_cells, found):
    ds, mine = found
    v = ds["record_cell_V"].values
    index, t = mine.spikes["intrinsic_burster"]
    n = 0
    for k, cell in enumerate((0, 16, 32)):
        up = np.flatnonzero((v[1:, k] > -15) & (v[:-1, k] <= -15))
        # a step is told by the time at which it begins
        np.testing.assert_allclose(ds["record_cell_time"].values[up], t[index == cell], atol=1e-9)
        n += len(up)
    assert n > 5


@pytest.mark.parametrize(("part", "share"), [("", 3e-3), ("_apical", 3e-2)])
def test_recorded_currents_charge_the_membrane(found, part, share):
    """Between spikes the sum of the currents is C dV/dt; samples are taken at both ends of a step.

    Left out are steps at whose ends a synapse or the noise has jumped, and 2 ms after a spike:
    gates are recorded half a step late, which tells as long as its potassium current falls.
    """
    ds, _ = found
    p = {k: float(q) for k, q in cell_class("L5IB").parameters.items()}
    area = p["area_d" if part else "area"]
    names = [*CELLS[3:], "I_leak_apical"] if part else CELLS[:3]
    density = sum(ds[f"record_cell_{n}"].values.astype(float) for n in names)
    v = {k: ds[f"record_cell_V{k}"].values.astype(float) * 1e-3 for k in ("", "_apical")}
    other = v["" if part else "_apical"]
    outside = ds[f"record_cell_I_syn{part}"].values.astype(float)
    total = density * 1e-2 + (outside * 1e-12 + p["g_c"] * (other - v[part])) / area
    charged = p["C_m"] * np.diff(v[part], axis=0) / 1e-4
    rest = v[""] < -60e-3
    fired = np.apply_along_axis(np.convolve, 0, v[""] > -30e-3, np.ones(20))[: len(rest)]
    rest &= fired == 0
    calm = rest[1:] & rest[:-1] & (np.abs(np.diff(outside, axis=0)) < 0.5)
    assert calm.mean() > 0.4
    error = (charged - (total[1:] + total[:-1]) / 2)[calm]
    assert np.sqrt(np.mean(error**2)) < share * np.sqrt(np.mean(charged[calm] ** 2))


def test_summed_currents_are_those_of_all_cells(found):
    ds, _ = found
    assert ds.sizes["record_all_cell"] == 48
    for receptor in ("AMPA", "GABA_A"):
        summed = np.abs(ds[f"record_all_I_{receptor}"].values.astype(float)).sum(1)
        np.testing.assert_allclose(ds[f"record_lfp_{receptor}"], summed * 1e-3, rtol=1e-5)
        assert summed.max() > 10  # pA


def test_a_conductance_is_its_current_over_the_driving_force(found):
    ds, _ = found
    force = -95.0 - ds["record_relay_V"]
    expected = ds["record_relay_g_GABA_B"] * force
    assert float(ds["record_relay_g_GABA_B"].max()) > 0
    np.testing.assert_allclose(ds["record_relay_I_GABA_B"], expected, rtol=1e-3, atol=1e-9)


def test_levels_of_the_rule_follow_their_equations(found):
    """Traces decay between spikes, and drive the cascade M, P, D of the published rule."""
    ds, _ = found
    x, y, kinase, dapk = (ds[f"record_rule_{k}"].values.astype(float) for k in "xyPD")
    for level in (x, y):
        still = np.diff(level, axis=0) < 0  # no spike
        ratio = level[1:][still] / level[:-1][still]
        np.testing.assert_allclose(ratio, np.exp(-0.1 / 30), rtol=1e-4)
    m, p, d = np.zeros((3, *x.shape))
    for k in range(len(x) - 1):
        # in the middle of the step: spikes come after the sample at its beginning
        q = x[k + 1] * y[k + 1] * np.exp(0.05 / 15)
        m[k + 1] = q + (m[k] - q) * np.exp(-0.1 / 5)
        middle = (m[k] + m[k + 1]) / 2
        p[k + 1] = middle + (p[k] - middle) * np.exp(-0.1 / 40)
        middle = (p[k] + p[k + 1]) / 2
        d[k + 1] = middle + (d[k] - middle) * np.exp(-0.1 / 40)
    assert p.max() > 0.3 and d.max() > 0.3
    np.testing.assert_allclose(kinase, p, atol=1e-4 * p.max())
    np.testing.assert_allclose(dapk, d, atol=1e-4 * d.max())


def test_weights_change_at_the_gate_alone(found):
    ds, mine = found
    weight = ds["record_rule_weight"].values
    changed = np.flatnonzero(np.abs(np.diff(weight, axis=0)).max(axis=1) > 0)
    # 80 ms after the start of each cycle of 100 ms
    assert changed.tolist() == [800, 1800, 2800, 3800]
    assert ds["record_rule_resources"].min() < 0.9
    (noted,) = mine.weights.values()
    np.testing.assert_array_equal(
        weight[::1000], noted[:-1, ds["record_rule_index"]].astype(np.float32)
    )


def test_a_plan_without_records_is_what_it_was(few_cells):
    plan = few_cells.plan()
    assert with_records(plan, few_cells.spec, ()) is plan
    other = with_records(plan, few_cells.spec, RECORDS[:1])
    assert other.digest != plan.digest
    assert replace(other, traces=()) == plan  # no equation is added where none is needed
