import socket
from importlib.metadata import files as distribution_files

import imageio.v3 as imageio
import numpy as np
import pytest
import tifffile
import xarray as xr
from brian2 import Hz, ms, mV
from hypothesis import given, settings
from hypothesis import strategies as st

from cells.parameters import InputError
from circuits.stimuli.lgn import centre_surround, lgn_table, relay_rate
from circuits.stimuli.pictures import photograph
from circuits.stimuli.render import render, sequence
from circuits.stimuli.stimulus import HELD_OUT, PHOTOGRAPHS, TRAINING, WHITE_NOISE, Stimulus

R_BASE = float(lgn_table()["r_base"] / Hz)


def cube(dataset, stimulus):
    """Rates as (cycle, bin, polarity, x)."""
    n_cycles = dataset.sizes["cycle"]
    shape = (n_cycles, -1, len(stimulus.polarities), stimulus.n_x)
    return dataset["rate"].values.reshape(shape)


def shifted(now, later, step):
    """Pairs of equal content: what x + step shows now, x shows later (last axis)."""
    n = now.shape[-1]
    if step >= 0:
        return now[..., step:], later[..., : n - step]
    return now[..., :step], later[..., -step:]


# ---------------------------------------------------------------- photographs


def test_photographs_lie_in_the_wheel_and_need_no_network(monkeypatch):
    def no_network(*args, **kwargs):
        raise AssertionError("network used")

    monkeypatch.setattr(socket.socket, "connect", no_network)
    photograph.cache_clear()
    shipped = {path.stem for path in distribution_files("scikit-image") if "data" in path.parts}
    for name in PHOTOGRAPHS:
        assert name in shipped
        picture = photograph(name)
        assert picture.ndim == 2
        assert 0 <= picture.min() < picture.max() <= 1


def test_training_and_held_out_share_nothing():
    assert not set(TRAINING) & set(HELD_OUT)
    assert set(TRAINING) | set(HELD_OUT) <= set(PHOTOGRAPHS)
    assert len(set(PHOTOGRAPHS)) == len(PHOTOGRAPHS)


def test_white_noise_has_no_structure():
    one, other = (photograph(name) for name in WHITE_NOISE)
    for a, b in ((one, other), (one[1:], one[:-1]), (one[:, 1:], one[:, :-1])):
        assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 0.01
    assert one is photograph(WHITE_NOISE[0]) and 0 <= one.min() < one.max() <= 1


# ---------------------------------------------------------------- filters


@pytest.mark.parametrize("period", [12, 24, 48])
def test_centre_surround_has_the_analytic_gain_on_a_grating(period):
    spacing, amplitude = 6, 0.1
    x = np.arange(480)
    grating = 0.5 + amplitude * np.sin(2 * np.pi * x / period)
    signal, local, mean = centre_surround(np.tile(grating, (480, 1)), spacing)
    t = lgn_table()

    def passes(key):
        return np.exp(-2 * (np.pi * float(t[key]) * spacing / period) ** 2)

    # the local mean itself follows the slow grating a little
    left = 1 - passes("sigma_luminance")
    weber = amplitude * left / (0.5 + float(t["dark_light"]))
    band = passes("sigma_centre") - float(t["surround_strength"]) * passes("sigma_surround")
    gain = weber * band
    middle = slice(200, 280)
    assert signal[240, middle].max() == pytest.approx(gain, rel=0.02)
    ripple = np.exp(-8 * (np.pi * float(t["sigma_suppressive"]) * spacing / period) ** 2)
    wave = np.sqrt((1 + ripple * np.cos(4 * np.pi * x / period)) / 2) * gain
    assert local[240, middle].max() == pytest.approx(wave.max(), rel=0.02)
    np.testing.assert_allclose(mean[240, middle], 0.5, atol=amplitude)


def test_uniform_field_leaves_every_cell_at_its_base_rate():
    signal, local, _ = centre_surround(np.full((64, 64), 0.7), 4)
    for polarity in ("on", "off"):
        np.testing.assert_allclose(relay_rate(signal, local, polarity=polarity), R_BASE)


def test_on_and_off_are_mirror_images():
    signal, local, _ = centre_surround(photograph("coins"), 6)
    on = relay_rate(signal, local, polarity="on")
    off = relay_rate(signal, local, polarity="off")
    np.testing.assert_array_equal(relay_rate(-signal, local, polarity="off"), on)
    assert not np.any((on > R_BASE) & (off > R_BASE))
    assert np.mean(on > R_BASE) > 0.15
    assert np.mean(off > R_BASE) > 0.15


@pytest.mark.parametrize("name", TRAINING + HELD_OUT)
def test_gain_control_holds_the_rates_over_a_fourfold_contrast_range(name):
    def rates(**options):
        options = {"image": name, **options}
        return render(Stimulus(**options), n_cycles=300, bin=20 * ms, seed=13)["rate"].values

    full = rates()
    active = full > 10
    assert 1 < full[active].mean() / rates(contrast=0.25)[active].mean() < 2
    linear = rates(gain_control=False)
    active = linear > 10
    faint = rates(gain_control=False, contrast=0.25)
    assert (linear[active] - R_BASE).mean() > 4 * (faint[active] - R_BASE).mean()


@pytest.mark.parametrize("name", TRAINING + HELD_OUT)
def test_photographs_drive_a_physiological_share_of_the_cells(name):
    data = render(Stimulus(image=name), n_cycles=5000, bin=20 * ms, seed=13)
    rate = data["rate"].values
    assert 0.15 < (rate > 10).mean() < 0.4
    assert 50 < np.quantile(rate, 0.99) < 90
    # a pattern must not be a good prediction of the next one by itself
    drive = data["drive"].values
    z = drive - drive.mean(axis=1, keepdims=True)
    norm = np.sqrt((z**2).sum(axis=1))
    pairs = ~data["jump"].values[1:] & (norm[1:] > 1e-6) & (norm[:-1] > 1e-6)
    r = (z[1:] * z[:-1]).sum(axis=1)[pairs] / (norm[1:] * norm[:-1])[pairs]
    assert pairs.sum() > 3000
    assert r.mean() <= 0.3


# ---------------------------------------------------------------- movement


@settings(max_examples=25, deadline=None)
@given(
    image=st.sampled_from(PHOTOGRAPHS),
    step=st.integers(-4, 4),
    n_x=st.integers(5, 12),
    spacing=st.integers(1, 6),
    motion=st.sampled_from(["smooth", "stepped"]),
    contrast=st.floats(0.1, 1),
    seed=st.integers(0, 2**31),
)
def test_next_cycle_shows_the_same_pattern_moved_on(
    image, step, n_x, spacing, motion, contrast, seed
):
    stimulus = Stimulus(
        image=image, step=step, n_x=n_x, spacing=spacing, motion=motion, contrast=contrast
    )
    data = render(stimulus, n_cycles=6, bin=20 * ms, seed=seed)
    rate = cube(data, stimulus)
    assert np.isfinite(rate).all()
    assert rate.min() >= R_BASE
    for k in np.flatnonzero(~data["jump"].values):
        before, after = shifted(rate[k - 1], rate[k], step)
        np.testing.assert_allclose(after, before, atol=1e-6)
    known = np.zeros(n_x, bool)
    known[max(0, -step) : n_x - max(0, step)] = True
    expected = ~data["jump"].values[:, None] & np.tile(known, 2)
    np.testing.assert_array_equal(data["predictable"].values, expected)


def test_smooth_motion_marks_no_phase_and_stepped_motion_does():
    options = {"n_cycles": 6, "cycle_length": 200 * ms, "bin": 5 * ms, "seed": 2}
    smooth = Stimulus(step=2, motion="smooth", row=250)
    rate = render(smooth, **options)["rate"].values.reshape(240, 2, 8)
    # one position takes half a cycle, 20 bins, wherever in the cycle one starts
    before, after = shifted(rate[:-20], rate[20:], 1)
    np.testing.assert_allclose(after, before, atol=1e-6)
    stepped = Stimulus(step=2, motion="stepped", row=250)
    rate = render(stepped, **options)["rate"].values.reshape(6, 40, 16)
    np.testing.assert_array_equal(rate, np.broadcast_to(rate[:, :1], rate.shape))
    assert np.abs(np.diff(rate[:, 0], axis=0)).max() > 10


@pytest.mark.parametrize("step", [3, -3])
def test_hundreds_of_cycles_keep_their_direction_and_stay_in_the_picture(step):
    stimulus = Stimulus(image="coins", step=step, spacing=5)
    data = render(stimulus, n_cycles=400, bin=20 * ms, seed=11)
    left, row, jump = (data[k].values for k in ("left", "row", "jump"))
    moved = np.diff(left)
    np.testing.assert_allclose(moved[~jump[1:]], step * 5)
    assert jump[0]
    assert 5 < jump.sum() < 60
    height, width = photograph("coins").shape
    assert left.min() >= 0
    assert left.max() + 7 * 5 <= width - 1
    assert 0 <= row.min() < row.max() < height
    assert len(set(row[jump])) > jump.sum() // 2
    assert len(np.unique(data["drive"].values.round(6), axis=0)) > 390


def test_a_window_that_rests_sees_one_pattern():
    data = render(Stimulus(step=0), n_cycles=5)
    assert data["rate"].values.std(axis=0).max() < 1e-9
    assert data["jump"].values.tolist() == [True, False, False, False, False]


def test_seed_decides_everything():
    one, again, other = (render(Stimulus(), n_cycles=8, seed=s) for s in (4, 4, 5))
    assert one.identical(again)
    assert not np.array_equal(one["rate"], other["rate"])


# ---------------------------------------------------------------- many photographs


def sweeps(data):
    """First cycle of each sweep."""
    return np.flatnonzero(data["jump"].values)


def cycles_of(data, k):
    """What one cycle shows: (bin, channel)."""
    return data["rate"].values.reshape(data.sizes["cycle"], -1, data.sizes["channel"])[k]


@settings(max_examples=20, deadline=None)
@given(
    image=st.sampled_from(["training", "held_out", ("camera", "moon"), ("text", "coins", "page")]),
    sweep=st.integers(1, 6),
    seed=st.integers(0, 2**31),
)
def test_every_photograph_is_shown_before_any_comes_again(image, sweep, seed):
    stimulus = Stimulus(image=image, sweep=sweep, n_x=5)
    names = {"training": TRAINING, "held_out": HELD_OUT}.get(image, image)
    assert stimulus.photographs == names
    data = render(stimulus, n_cycles=4 * len(names) * sweep, bin=100 * ms, seed=seed)
    shown = data["picture"].values[sweeps(data)]
    for start in range(0, len(shown) - len(names) + 1, len(names)):
        assert sorted(shown[start : start + len(names)]) == sorted(names)


def test_the_order_of_photographs_comes_from_the_seed():
    orders = {
        tuple(render(Stimulus(image="training", sweep=1), n_cycles=6, seed=s)["picture"].values)
        for s in range(8)
    }
    assert len(orders) > 5


@pytest.mark.parametrize("name", ["coins", "astronaut"])
def test_each_photograph_of_a_group_is_seen_as_it_is_alone(name):
    data = render(Stimulus(image="training", motion="stepped", sweep=3), n_cycles=18, seed=3)
    signal, local, _ = centre_surround(photograph(name), 6)
    (mine,) = (k for k in sweeps(data) if data["picture"].values[k] == name)
    for k in range(mine, mine + 3):
        row = int(data["row"].values[k])
        columns = int(data["left"].values[k]) + 6 * np.arange(8)
        expected = [
            relay_rate(signal[row, columns], local[row, columns], polarity=p) for p in ("on", "off")
        ]
        np.testing.assert_allclose(data["drive"].values[k], np.concatenate(expected))


def test_without_gain_control_all_photographs_have_one_gain():
    names = ("grass", "rocket")
    options = {"gain_control": False, "motion": "stepped", "sweep": 1, "contrast": 0.5}
    data = render(Stimulus(image=names, **options), n_cycles=40, seed=3)
    filtered = {name: centre_surround(photograph(name), 6) for name in names}
    pooled = np.sqrt(np.mean([np.mean(local**2) for _, local, _ in filtered.values()]))
    columns = data["left"].values.astype(int)[:, None] + 6 * np.arange(8)
    t = lgn_table()
    for k, name in enumerate(data["picture"].values):
        s = 0.5 * filtered[name][0][int(data["row"].values[k]), columns[k]]
        above = np.maximum(0, s / (float(t["c50"]) + pooled) - float(t["threshold"]))
        expected = R_BASE + float(t["r_max"]) * above
        np.testing.assert_allclose(data["drive"].values[k, :8], expected, atol=1e-9)


# ---------------------------------------------------------------- sweeps and directions


@settings(max_examples=30, deadline=None)
@given(
    kind=st.sampled_from(["photograph", "ring"]),
    sweep=st.integers(1, 9),
    step=st.integers(-3, 3),
    direction=st.sampled_from(["forward", "backward", "both"]),
    motion=st.sampled_from(["smooth", "stepped"]),
    seed=st.integers(0, 2**31),
)
def test_a_sweep_has_one_direction_and_its_length(kind, sweep, step, direction, motion, seed):
    own = {"image": "training"} if kind == "photograph" else {}
    stimulus = Stimulus(
        kind=kind, sweep=sweep, step=step, direction=direction, motion=motion, **own
    )
    data = render(stimulus, n_cycles=30, bin=50 * ms, seed=seed)
    assert sweeps(data).tolist() == list(range(0, 30, sweep))
    sign = data["direction"].values
    where = data["left"].values / 6 if kind == "photograph" else data["centre"].values
    moved = np.diff(where)
    if kind == "ring":
        moved = (moved + 4) % 8 - 4
    inside = ~data["jump"].values[1:]
    np.testing.assert_allclose(moved[inside], abs(step) * sign[1:][inside], atol=1e-9)
    first = sign[sweeps(data)]
    if step == 0:
        assert not sign.any()
    elif direction == "both":
        n_pairs = len(first) // 2
        assert (first[: 2 * n_pairs].reshape(-1, 2).sum(axis=1) == 0).all()
    else:
        assert set(sign) == {np.sign(step) * (1 if direction == "forward" else -1)}


@settings(max_examples=20, deadline=None)
@given(
    kind=st.sampled_from(["photograph", "ring"]),
    n_bumps=st.integers(1, 4),
    sweep=st.integers(2, 6),
    seed=st.integers(0, 2**31),
)
def test_predictable_channels_and_no_others_were_seen_one_cycle_before(kind, n_bumps, sweep, seed):
    own = {"image": "held_out"} if kind == "photograph" else {"n_bumps": n_bumps}
    stimulus = Stimulus(kind=kind, direction="both", sweep=sweep, n_x=9, **own)
    data = render(stimulus, n_cycles=24, bin=20 * ms, seed=seed)
    known = data["predictable"].values
    assert not known[data["jump"].values].any()
    n_polarities = len(stimulus.polarities)
    for k in np.flatnonzero(~data["jump"].values):
        # a bump goes with its direction; a picture goes against that of the window
        shift = int(data["direction"].values[k]) * abs(stimulus.step)
        before = cycles_of(data, k - 1).reshape(-1, n_polarities, 9)
        now = cycles_of(data, k).reshape(-1, n_polarities, 9)
        if kind == "ring":
            assert known[k].all()
            np.testing.assert_allclose(now, np.roll(before, shift, axis=-1), atol=1e-6)
        else:
            expected = np.zeros(9, bool)
            expected[max(0, -shift) : 9 - max(0, shift)] = True
            np.testing.assert_array_equal(known[k], np.tile(expected, 2))
            moved = np.roll(before, -shift, axis=-1)
            np.testing.assert_allclose(now[..., expected], moved[..., expected], atol=1e-6)


def test_sweeps_begin_all_over_the_picture():
    data = render(Stimulus(image="camera", sweep=2, step=2), n_cycles=1000, bin=100 * ms, seed=5)
    left = data["left"].values
    assert left.min() < 40
    assert left.max() > 511 - 7 * 6 - 40
    longest = render(Stimulus(image="camera", sweep=10**6), n_cycles=90, seed=5)
    np.testing.assert_array_equal(longest["rate"], render(Stimulus(), n_cycles=90, seed=5)["rate"])


def test_both_directions_cover_the_photograph_alike():
    stimulus = Stimulus(image="camera", direction="both", sweep=4)
    data = render(stimulus, n_cycles=4000, bin=100 * ms, seed=5)
    sign, left = data["direction"].values, data["left"].values
    assert (sign == 1).sum() == (sign == -1).sum() == 2000
    assert abs(left[sign > 0].mean() - left[sign < 0].mean()) < 20


@settings(max_examples=20, deadline=None)
@given(
    n_x=st.integers(5, 12),
    spacing=st.integers(2, 9),
    step=st.integers(-3, 3),
    sweep=st.none() | st.integers(1, 12),
    order=st.sampled_from(["moving", "shuffled"]),
    seed=st.integers(0, 2**31),
)
def test_the_window_never_leaves_its_photograph(n_x, spacing, step, sweep, order, seed):
    stimulus = Stimulus(
        image="training", n_x=n_x, spacing=spacing, step=step, sweep=sweep, order=order,
        direction="both", motion="stepped",
    )  # fmt: skip
    data = render(stimulus, n_cycles=60, bin=100 * ms, seed=seed)
    height, width = np.array([photograph(name).shape for name in data["picture"].values]).T
    assert (data["row"].values < height).all()
    assert data["left"].values.min() >= 0
    right = data["left"].values + (n_x - 1) * spacing
    assert (right <= width - 1).all()


# ---------------------------------------------------------------- shuffled control


def pattern_r(one, other):
    """Mean Pearson r between the rows of two arrays."""
    z = [a - a.mean(axis=1, keepdims=True) for a in (one, other)]
    norm = np.sqrt((z[0] ** 2).sum(axis=1) * (z[1] ** 2).sum(axis=1))
    defined = norm > 1e-6
    return float(np.mean((z[0] * z[1]).sum(axis=1)[defined] / norm[defined]))


@pytest.mark.parametrize(
    "options",
    [{"image": "training", "n_x": 12}, {"kind": "ring", "n_x": 16, "n_bumps": 3, "sweep": 6}],
    ids=["photographs", "ring"],
)
def test_shuffled_cycles_keep_their_statistics_and_predict_nothing(options):
    moving, shuffled = (
        render(Stimulus(**options, order=order), n_cycles=6000, bin=20 * ms, seed=8)
        for order in ("moving", "shuffled")
    )
    np.testing.assert_array_equal(moving["jump"], shuffled["jump"])
    np.testing.assert_array_equal(moving["predictable"], shuffled["predictable"])
    np.testing.assert_array_equal(np.sort(moving["picture"]), np.sort(shuffled["picture"]))
    quantiles = np.linspace(0.05, 0.99, 40)
    one, other = (np.quantile(d["drive"], quantiles) for d in (moving, shuffled))
    np.testing.assert_allclose(one, other, atol=2.5)
    # the best that one cycle can tell of the next: the pattern moved on, where it was seen
    predicted = []
    for data in (moving, shuffled):
        ring = options.get("kind") == "ring"
        shift = 3 if ring else -2
        drive = data["drive"].values.reshape(6000, -1, options["n_x"])
        keep = slice(None) if ring else slice(0, shift)
        scored = ~data["jump"].values[1:]
        after = drive[1:, :, keep].reshape(5999, -1)[scored]
        before = np.roll(drive[:-1], shift, axis=-1)[..., keep].reshape(5999, -1)[scored]
        predicted.append(pattern_r(before, after))
    assert predicted[0] > 0.999
    assert abs(predicted[1]) < 0.03


def test_a_shuffled_cycle_moves_as_before():
    options = {"image": "training", "direction": "both", "sweep": 5, "n_x": 9}
    stimulus = Stimulus(**options, order="shuffled")
    data = render(stimulus, n_cycles=40, bin=5 * ms, seed=4)
    sign = data["direction"].values
    assert sign.sum() == 0
    for k in range(40):
        rate = cycles_of(data, k).reshape(40, 2, 9)
        # one position takes half a cycle
        before, after = shifted(rate[:-20], rate[20:], int(sign[k]))
        np.testing.assert_allclose(after, before, atol=1e-6)
    assert sweeps(data).tolist() == list(range(0, 40, 5))


def test_shuffled_film_shows_its_frames_in_another_order(tmp_path):
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, drifting(30, 6), photometric="minisblack")
    options = {"kind": "file", "path": str(path), "step": 1, "motion": "stepped", "row": 50}
    shown = [
        render(Stimulus(**options, order=order), n_cycles=25, seed=3)
        for order in ("moving", "shuffled")
    ]
    np.testing.assert_array_equal(shown[0]["jump"], shown[1]["jump"])
    r = [pattern_r(d["frame"].values[:-1, 1:], d["frame"].values[1:, :-1]) for d in shown]
    assert r[0] > 0.99
    assert r[1] < 0.8


# ---------------------------------------------------------------- sequence


@settings(max_examples=15, deadline=None)
@given(
    first=st.integers(1, 12),
    second=st.integers(1, 12),
    other=st.integers(1, 12),
    seed=st.integers(0, 2**31),
)
def test_a_block_does_not_depend_on_the_length_of_the_others(first, second, other, seed):
    training = Stimulus(image="training", sweep=3, direction="both")
    held_out = Stimulus(image="held_out", order="shuffled", n_x=8)
    options = {"bin": 20 * ms, "seed": seed}
    one = sequence([(training, first), (held_out, second)], **options)
    two = sequence([(training, other), (held_out, second)], **options)
    for name in one.data_vars:
        if one[name].dims[0] == "bin":
            tail = [d[name].values[-10 * second :] for d in (one, two)]
        else:
            tail = [d[name].values[-second:] for d in (one, two)]
        np.testing.assert_array_equal(*tail)
    alone = render(training, n_cycles=first, **options)
    np.testing.assert_array_equal(one["rate"].values[: 10 * first], alone["rate"])
    assert one["cycle_block"].values.tolist() == [0] * first + [1] * second
    assert one["jump"].values[[0, first]].all()
    assert not one["predictable"].values[[0, first]].any()
    again = sequence([(training, first), (training, first)], **options)
    assert not np.array_equal(again["left"].values[:first], again["left"].values[first:])


def test_blocks_of_ring_and_photograph_follow_each_other(tmp_path):
    ring = Stimulus(kind="ring", n_x=8)
    picture = Stimulus(polarities="on", contrast=0.5)
    data = sequence([(ring, 3), (picture, 4)], bin=10 * ms)
    assert data.sizes == {"bin": 140, "channel": 8, "cycle": 7, "x_position": 8}
    assert np.isnan(data["left"].values).tolist() == [True] * 3 + [False] * 4
    assert np.isnan(data["centre"].values).tolist() == [False] * 3 + [True] * 4
    assert data["picture"].values.tolist() == ["ring"] * 3 + ["camera"] * 4
    np.testing.assert_allclose(data["time"], 0.01 * np.arange(140))
    assert data.attrs["n_x"] == 8
    assert "contrast" not in data.attrs
    assert all("units" in data[name].attrs for name in data.data_vars)
    data.to_netcdf(tmp_path / "sequence.nc", engine="h5netcdf")
    with xr.open_dataset(tmp_path / "sequence.nc", engine="h5netcdf") as read:
        np.testing.assert_array_equal(read["predictable"], data["predictable"])


@pytest.mark.parametrize(
    ("blocks", "words"),
    [
        ([], ["blocks", "at least one"]),
        ([(Stimulus(), 3), (Stimulus(n_x=9), 3)], ["n_x", "block 1 has 9", "block 0 8"]),
        ([(Stimulus(), 3), (Stimulus(polarities="on"), 3)], ["polarities", "'on off'", "on"]),
        ([(Stimulus(), 3), (Stimulus(), 0)], ["n_cycles", "below 1"]),
    ],
    ids=["none", "positions", "polarities", "length"],
)
def test_blocks_that_do_not_fit_are_told_in_one_line(blocks, words):
    with pytest.raises(InputError) as error:
        sequence(blocks)
    message = str(error.value)
    assert "\n" not in message
    for word in words:
        assert word.strip("'") in message


# ---------------------------------------------------------------- dataset


def test_dataset_says_what_it_holds(tmp_path):
    data = render(
        Stimulus(contrast=0.5), n_cycles=4, cycle_length=150 * ms, bin=10 * ms, plus_start=0.6
    )
    rate = data["rate"].values.reshape(4, 15, 16)
    np.testing.assert_allclose(data["drive"], rate[:, 9:].mean(axis=1))
    assert data.sizes == {"bin": 60, "channel": 16, "cycle": 4, "x_position": 8}
    assert data["polarity"].values.tolist() == ["on"] * 8 + ["off"] * 8
    assert data["x"].values.tolist() == [*range(8), *range(8)]
    np.testing.assert_allclose(np.diff(data["time"]), 0.01)
    for name in (*data.data_vars, "time"):
        assert "units" in data[name].attrs
    data.to_netcdf(tmp_path / "stimulus.nc", engine="h5netcdf")
    with xr.open_dataset(tmp_path / "stimulus.nc", engine="h5netcdf") as read:
        np.testing.assert_array_equal(read["rate"], data["rate"])
        assert read.attrs["image"] == "camera"


def test_frame_is_the_luminance_at_the_window():
    stimulus = Stimulus(motion="stepped", row=100)
    data = render(stimulus, n_cycles=3, seed=7)
    columns = int(data["left"].values[1]) + 6 * np.arange(8)
    np.testing.assert_allclose(data["frame"].values[1], photograph("camera")[100, columns])


# ---------------------------------------------------------------- ring


@settings(max_examples=30, deadline=None)
@given(
    n_x=st.integers(3, 40),
    step=st.integers(-5, 5),
    width=st.floats(0.3, 1.5),
    seed=st.integers(0, 1000),
)
def test_bump_goes_round_the_ring(n_x, step, width, seed):
    stimulus = Stimulus(kind="ring", n_x=n_x, step=step, width=width)
    data = render(stimulus, n_cycles=5, bin=20 * ms, seed=seed)
    rate = cube(data, stimulus)[:, :, 0]
    for k in range(1, 5):
        np.testing.assert_allclose(rate[k], np.roll(rate[k - 1], step, axis=-1), atol=1e-6)
    assert data["jump"].values.tolist() == [True, False, False, False, False]
    peak = data["rate"].values.max()
    assert 35 < peak < 130


def test_bump_is_where_the_dataset_says_and_falls_off_around_it():
    data = render(Stimulus(kind="ring", n_x=12, motion="stepped"), n_cycles=9)
    centre = data["centre"].values.astype(int)
    assert np.diff(centre).tolist()[0] % 12 == 3
    drive = data["drive"].values
    np.testing.assert_array_equal(drive.argmax(axis=1), centre)
    for pattern, c in zip(drive, centre, strict=True):
        around = np.roll(pattern, 6 - c)
        np.testing.assert_allclose(around[5], around[7])
        assert around[6] > 3 * around[5] > 3 * around[4]
        np.testing.assert_allclose(around[[0, 1, 2, 3, 9, 10, 11]], R_BASE)


@settings(max_examples=20, deadline=None)
@given(n_bumps=st.integers(1, 5), sweep=st.integers(2, 5), seed=st.integers(0, 2**31))
def test_bumps_move_together_and_are_redrawn_with_each_sweep(n_bumps, sweep, seed):
    stimulus = Stimulus(
        kind="ring", n_x=24, n_bumps=n_bumps, sweep=sweep, motion="stepped", width=0.2
    )
    data = render(stimulus, n_cycles=30, bin=100 * ms, seed=seed)
    active = data["drive"].values > 10
    assert (active.sum(axis=1) == n_bumps).all()
    centre = data["centre"].values.astype(int)
    assert active[np.arange(30), centre].all()
    constellations = {
        tuple(np.flatnonzero(np.roll(a, -c))) for a, c in zip(active, centre, strict=True)
    }
    n_sweeps = -(-30 // sweep)
    assert len(constellations) <= n_sweeps
    if n_bumps > 2:
        assert len(constellations) > n_sweeps // 2


def test_both_directions_on_a_ring_jump_after_sixteen_cycles():
    stimulus = Stimulus(kind="ring", direction="both")
    assert stimulus.sweep == 16
    assert sweeps(render(stimulus, n_cycles=40, bin=100 * ms)).tolist() == [0, 16, 32]
    assert Stimulus(kind="ring").sweep is Stimulus(direction="both").sweep is None
    assert Stimulus(kind="ring", direction="both", sweep=4).sweep == 4


def test_ring_has_gain_control_too():
    full, faint = (
        render(Stimulus(kind="ring", contrast=c), n_cycles=4)["rate"].values for c in (1.0, 0.25)
    )
    assert 1 < full.max() / faint.max() < 1.5
    ablated = render(Stimulus(kind="ring", contrast=0.25, gain_control=False), n_cycles=4)
    assert full.max() > 2.5 * ablated["rate"].values.max()


# ---------------------------------------------------------------- files


def written(path, picture, **options):
    imageio.imwrite(path, picture, **options)
    return str(path)


def test_picture_files_of_every_depth_show_the_same(tmp_path):
    grey = (photograph("camera")[150:270, 150:350] * 255).astype(np.uint8)
    paths = [
        written(tmp_path / "grey.png", grey),
        written(tmp_path / "colour.png", np.stack([grey] * 3, axis=-1)),
        written(tmp_path / "alpha.png", np.stack([grey] * 3 + [np.full_like(grey, 255)], axis=-1)),
        written(tmp_path / "deep.png", grey.astype(np.uint16) * 257),
    ]
    tifffile.imwrite(tmp_path / "real.tif", grey / np.float32(255))
    paths.append(str(tmp_path / "real.tif"))
    first, *others = (
        render(Stimulus(kind="file", path=p), n_cycles=4, seed=1)["rate"].values for p in paths
    )
    assert first.max() > 20
    for other in others:
        np.testing.assert_allclose(other, first, atol=0.05)


def drifting(n_frames, pixels):
    """Frames of a photograph that passes by, ``pixels`` a frame."""
    wide = (photograph("camera") * 255).astype(np.uint8)
    return np.stack([wide[100:200, pixels * k : pixels * k + 150] for k in range(n_frames)])


@pytest.mark.parametrize("ending", ["tif", "gif"])
def test_a_stack_of_frames_is_shown_frame_by_frame(tmp_path, ending):
    frames = drifting(12, 6)
    path = tmp_path / f"stack.{ending}"
    if ending == "tif":
        tifffile.imwrite(path, frames, photometric="minisblack")
    else:
        imageio.imwrite(path, frames, loop=0)
    stimulus = Stimulus(kind="file", path=str(path), step=1, motion="stepped", row=50, n_x=10)
    data = render(stimulus, n_cycles=8, seed=3, bin=20 * ms)
    frame = data["frame"].values
    # the picture moves one position a frame, so the next frame shows it one place on
    np.testing.assert_allclose(frame[1:, :-1], frame[:-1, 1:], atol=0.02)
    rate = cube(data, stimulus)
    np.testing.assert_array_equal(rate, np.broadcast_to(rate[:, :1], rate.shape))
    assert data["jump"].values.sum() == 1
    assert np.abs(np.diff(frame, axis=0)).max() > 0.05


def test_smooth_movie_runs_at_constant_speed_and_starts_again_at_its_end(tmp_path):
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, drifting(9, 6), photometric="minisblack")
    stimulus = Stimulus(kind="file", path=str(path), step=1, row=50)
    data = render(stimulus, n_cycles=20, seed=3)
    assert data["jump"].values[[0, 7, 14]].all()
    assert data["jump"].values.sum() == 3
    rate = data["rate"].values.reshape(20, 40, 16)
    inside = np.abs(np.diff(rate[:7].reshape(280, 16), axis=0)).max(axis=1)
    # no larger change at a cycle start than within a cycle
    assert inside[39::40].max() <= inside.max()
    assert inside.min() > 0


def test_a_movie_of_one_picture_gives_the_rates_of_that_picture(tmp_path):
    """The movie filters a crop: it must give what filtering the whole frame gives."""
    picture = (photograph("astronaut") * 255).astype(np.uint8)
    path = tmp_path / "still.tif"
    tifffile.imwrite(path, np.stack([picture] * 4), photometric="minisblack")
    stimulus = Stimulus(kind="file", path=str(path), step=1, spacing=2, n_x=6, row=200)
    data = render(stimulus, n_cycles=3, seed=9)
    columns = int(data["left"].values[0]) + 2 * np.arange(6)
    signal, local, _ = centre_surround(picture / 255, 2)
    on, off = (
        relay_rate(signal[200, columns], local[200, columns], polarity=p) for p in ("on", "off")
    )
    expected = np.broadcast_to([*on, *off], data["rate"].shape)
    np.testing.assert_allclose(data["rate"], expected, atol=1e-6)
    assert expected.max() > 10


def test_frames_of_different_size_are_refused(tmp_path):
    path = tmp_path / "mixed.tif"
    with tifffile.TiffWriter(path) as writer:
        writer.write(np.zeros((50, 60), np.uint8))
        writer.write(np.zeros((40, 60), np.uint8))
    with pytest.raises(InputError, match=r"path.*mixed\.tif.*differ in size"):
        render(Stimulus(kind="file", path=str(path)), n_cycles=2)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("film.mp4", b"\x00\x00\x00\x18ftypmp42" + bytes(64), ["cannot read", "film.mp4"]),
        ("notes.txt", b"not a picture", ["cannot read", "notes.txt"]),
        ("broken.png", b"\x89PNG\r\n\x1a\n" + bytes(20), ["cannot read", "broken.png"]),
        ("empty.png", b"", ["cannot read", "empty.png"]),
    ],
    ids=["video", "text", "broken", "empty"],
)
def test_unreadable_files_are_told_in_one_line(tmp_path, name, content, words):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError) as error:
        render(Stimulus(kind="file", path=str(path)), n_cycles=2)
    message = str(error.value)
    assert "\n" not in message
    assert all(word in message for word in ["path", *words])


def test_window_must_fit_the_picture(tmp_path):
    path = written(tmp_path / "small.png", np.zeros((20, 30), np.uint8))
    with pytest.raises(InputError, match=r"n_x.*43 px.*30"):
        render(Stimulus(kind="file", path=path), n_cycles=2)
    with pytest.raises(InputError, match=r"row.*25.*20"):
        render(Stimulus(kind="file", path=path, row=25, spacing=1), n_cycles=2)


# ---------------------------------------------------------------- mistakes


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"kind": "photo"}, ["kind", "photo", "'photograph'"]),
        ({"image": "camra"}, ["image", "camra", "'camera'"]),
        ({"motion": "smoth"}, ["motion", "'smooth'"]),
        ({"polarities": ["on", "of"]}, ["polarities", "'of'", "did you mean"]),
        ({"polarities": ["on", "on"]}, ["polarities", "at most once"]),
        ({"polarities": []}, ["polarities", "at least one"]),
        ({"kind": "ring", "polarities": ["on", "off"]}, ["polarities", "ring"]),
        ({"contrast": 0}, ["contrast", "(0, 1]"]),
        ({"contrast": 1.5}, ["contrast", "1.5", "(0, 1]"]),
        ({"contrast": float("nan")}, ["contrast", "nan"]),
        ({"contrast": "high"}, ["contrast", "'high'"]),
        ({"n_x": 1}, ["n_x", "below 2"]),
        ({"n_x": 8.5}, ["n_x", "8.5"]),
        ({"spacing": 0}, ["spacing", "below 1"]),
        ({"step": True}, ["step", "True"]),
        ({"row": -1}, ["row", "below 0"]),
        ({"kind": "ring", "width": 0.0}, ["width", "outside"]),
        ({"gain_control": "no"}, ["gain_control", "no"]),
        ({"kind": "file"}, ["path"]),
        ({"kind": "file", "path": "nowhere.png"}, ["path", "nowhere.png"]),
        ({"contrst": 1.0}, ["contrst", "'contrast'"]),
        ({"image": "trainig"}, ["image", "trainig", "'training'"]),
        ({"image": ["camera", "moo"]}, ["image", "'moo'", "'moon'"]),
        ({"image": ["camera", "camera"]}, ["image", "each name once"]),
        ({"image": []}, ["image", "at least one"]),
        ({"image": [1]}, ["image", "[1]", "list of names"]),
        ({"image": 3}, ["image", "3", "list of names"]),
        ({"sweep": 0}, ["sweep", "below 1"]),
        ({"sweep": 2.5}, ["sweep", "2.5"]),
        ({"order": "shufled"}, ["order", "'shuffled'"]),
        ({"direction": "forwards"}, ["direction", "'forward'"]),
        ({"kind": "ring", "n_bumps": 0}, ["n_bumps", "below 1"]),
        ({"kind": "ring", "n_x": 6, "n_bumps": 7}, ["n_bumps", "7", "positions, 6"]),
        ({"n_x": 8, "step": 100000}, ["step", "leads out of the 8 positions"]),
    ],
)
def test_mistakes_name_the_key_and_the_way_out(values, words):
    with pytest.raises(InputError) as error:
        Stimulus.from_mapping(values, where="a.toml: [stimulus]")
    message = str(error.value)
    assert message.startswith("a.toml: [stimulus] ")
    assert message.count("[stimulus]") == 1
    assert "\n" not in message
    for word in words:
        assert word in message


def test_missing_file_names_its_neighbour(tmp_path):
    written(tmp_path / "garden.png", np.zeros((20, 30), np.uint8))
    with pytest.raises(InputError, match=r"gardne\.png.*did you mean 'garden\.png'"):
        Stimulus(kind="file", path=str(tmp_path / "gardne.png"))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"bin": 7 * ms}, ["bin", "whole number of bins"]),
        ({"cycle_length": 0.2}, ["cycle_length", "time"]),
        ({"cycle_length": 200 * mV}, ["cycle_length", "time"]),
        ({"bin": 0 * ms}, ["bin", "not above 0"]),
        ({"plus_start": 1.0}, ["plus_start", "[0, 1)"]),
        ({"n_cycles": 0}, ["n_cycles", "below 1"]),
        ({"seed": -1}, ["seed", "below 0"]),
        ({"seed": 1.5}, ["seed", "1.5"]),
    ],
)
def test_render_checks_its_arguments(options, words):
    with pytest.raises(InputError) as error:
        render(Stimulus(), **{"n_cycles": 3, **options})
    for word in words:
        assert word in str(error.value)


def test_stimulus_is_frozen_and_hashable():
    stimulus = Stimulus(polarities=["on"])
    assert hash(stimulus) == hash(Stimulus(polarities=("on",)))
    with pytest.raises(AttributeError):
        stimulus.contrast = 0.5
    assert stimulus.n_channels == 8


SET = {"n_x": 8, "image": "training", "n_images": 4}


def test_a_set_of_images_is_the_same_in_every_order_and_block():
    blocks = [(Stimulus(**SET, order=order), 40) for order in ("sequence", "rounds", "random")]
    shown = sequence(blocks, seed=3)
    image, drive = shown["image"].values.astype(int), shown["drive"].values
    for k in range(4):
        same = drive[image == k]
        np.testing.assert_array_equal(same, same[:1].repeat(len(same), axis=0))
    assert len(np.unique(drive, axis=0)) == 4
    np.testing.assert_array_equal(image[:40], np.arange(40) % 4)
    np.testing.assert_array_equal(np.sort(image[40:80].reshape(-1, 4)), [[0, 1, 2, 3]] * 10)
    assert (image[40:80] != np.arange(40) % 4).any()
    assert (np.diff(image[80:]) == 0).any() and set(image[80:]) == {0, 1, 2, 3}
    assert shown["predictable"].values[1:40].all() and not shown["predictable"].values[0].any()


def test_deviants_come_third_and_are_no_image_of_the_sequence():
    shown = render(Stimulus(**SET, order="sequence", deviants=0.2), n_cycles=40)
    at = np.flatnonzero(shown["deviant"])
    assert at.size == 2 and (at % 4 == 2).all()
    assert (shown["image"].values[at] == 4).all() and (shown["image"] == 4).sum() == 2
    wide = render(Stimulus(**SET | {"n_images": 5}, order="random"), n_cycles=40)
    fifth = wide["drive"].values[wide["image"].values == 4]
    np.testing.assert_array_equal(shown["drive"].values[at[0]], fifth[0])  # many standards
    few = render(Stimulus(**SET, order="sequence", deviants=0.01), n_cycles=40)
    assert few["deviant"].sum() == 1


@pytest.mark.parametrize(
    ("given", "message"),
    [({"order": "sequence", "n_images": 1}, "1; order 'sequence' has 2 to 16"),
     ({"order": "sequence", "n_images": 16, "deviants": 0.1}, "has 2 to 15"),
     ({"n_images": 4}, "order 'moving' has no set"),
     ({"order": "random", "n_images": 4, "deviants": 0.1}, "'random' has none"),
     ({"order": "sequence", "n_images": 4, "deviants": 2.0}, "outside")],
)  # fmt: skip
def test_what_a_set_cannot_be_is_told(given, message):
    with pytest.raises(InputError, match=message):
        Stimulus(**given)
