"""Files are shown as a viewer shows them: what their tags say, and one scale for each file."""

import sys

import numpy as np
import pytest
import tifffile
from brian2 import Hz
from PIL import Image

from cells.parameters import InputError
from circuits.stimuli.lgn import lgn_table
from circuits.stimuli.pictures import BACKGROUND, frames_of, photograph
from circuits.stimuli.render import render
from circuits.stimuli.stimulus import Stimulus

GREY = (photograph("camera")[150:250, 150:300] * 255).astype(np.uint8)
EXACT = 1e-9


def shown(path):
    """The only frame of a file."""
    (frame,) = frames_of(str(path))
    return frame


def colours(picture):
    """The picture in slightly red grey: three planes that differ."""
    return np.stack([picture, picture // 2, picture // 3], axis=-1)


def brightness(picture, top=255):
    return picture / top @ [0.2125, 0.7154, 0.0721]


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "CMYK", "YCbCr", "LA", "RGBA"])
def test_the_inks_and_the_palette_of_a_picture_count(tmp_path, mode):
    ending = {"CMYK": "jpg", "YCbCr": "jpg", "1": "tif"}.get(mode, "png")
    picture = Image.fromarray(np.where(GREY > 120, 255, 0).astype(np.uint8)).convert("RGB")
    path = tmp_path / f"picture.{ending}"
    picture.convert(mode).save(path, **({"quality": 100} if ending == "jpg" else {}))
    np.testing.assert_allclose(shown(path), np.asarray(picture)[..., 0] / 255, atol=0.05)


def test_a_cmyk_tiff_is_not_inverted(tmp_path):
    Image.fromarray(colours(GREY)).convert("CMYK").save(tmp_path / "inks.tif")
    np.testing.assert_allclose(shown(tmp_path / "inks.tif"), brightness(colours(GREY)), atol=0.02)


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_planes_one_after_the_other_are_colours(tmp_path, depth, planar):
    picture = colours(GREY).astype(depth)
    stored = picture if planar == "contig" else np.moveaxis(picture, -1, 0)
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="rgb", planarconfig=planar)
    expected = brightness(picture, np.iinfo(depth).max)
    np.testing.assert_allclose(shown(tmp_path / "a.tif"), expected, atol=EXACT)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["jpg", "png", "tif", "deep.tif"])
def test_orientation_tags_are_obeyed(tmp_path, kind, orientation):
    """What the tag says: where row 0 and column 0 of the stored picture lie on the screen."""
    screen = np.zeros((20, 30), np.uint8)
    screen[:8, :12], screen[:8, 18:] = 250, 100  # no two of the eight look alike
    stored = screen if orientation < 5 else screen.T
    row_0_below, column_0_right = orientation in (3, 4, 7, 8), orientation in (2, 3, 6, 7)
    stored = {
        1: stored, 2: stored[:, ::-1], 3: stored[::-1, ::-1], 4: stored[::-1],
        5: stored, 6: stored[::-1], 7: stored[::-1, ::-1], 8: stored[:, ::-1],
    }[orientation]  # fmt: skip
    corner = screen[-1 if row_0_below else 0, -1 if column_0_right else 0]
    assert stored[0, 0] == corner
    path = tmp_path / f"turned.{kind}"
    if kind == "deep.tif":
        options = {"extratags": [(274, 3, 1, orientation, True)], "photometric": "minisblack"}
        tifffile.imwrite(path, stored.astype(np.uint16) * 257, **options)
    else:
        tags = Image.Exif()
        tags[274] = orientation
        Image.fromarray(np.ascontiguousarray(stored)).save(path, exif=tags)
    np.testing.assert_allclose(shown(path), screen / 255, atol=0.2)


@pytest.mark.parametrize("kind", ["png", "gif", "deep.tif", "associated.tif"])
def test_what_is_transparent_lies_over_grey(tmp_path, kind):
    alpha = np.zeros_like(GREY)
    alpha[:, 50:] = 255
    picture = np.dstack([GREY, GREY, GREY, alpha])
    path = tmp_path / f"hole.{kind}"
    if kind.endswith("tif"):
        extra = "unassalpha" if kind == "deep.tif" else "assocalpha"
        deep = picture.astype(np.uint16) * 257
        if extra == "assocalpha":
            deep[:, :50, :3] = 0
        tifffile.imwrite(path, deep, photometric="rgb", extrasamples=[extra])
    else:
        Image.fromarray(picture).save(path)
    frame = shown(path)
    np.testing.assert_allclose(frame[:, :50], BACKGROUND / 255, atol=0.01)
    np.testing.assert_allclose(frame[:, 50:], GREY[:, 50:] / 255, atol=0.06)


@pytest.mark.parametrize("depth", [np.int16, np.int32, np.uint32, np.float32, np.float64])
def test_numbers_without_a_full_scale_are_scaled_by_what_the_file_holds(tmp_path, depth):
    """By the type's largest number 32 bits would be black, and every cell at its base rate."""
    tifffile.imwrite(tmp_path / "a.tif", GREY.astype(depth) * 20)
    expected = (GREY - float(GREY.min())) / np.ptp(GREY)
    np.testing.assert_allclose(shown(tmp_path / "a.tif"), expected, atol=1e-6)


def test_real_numbers_within_zero_and_one_are_luminances(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", 0.2 + GREY / np.float32(1000))
    np.testing.assert_allclose(shown(tmp_path / "a.tif"), 0.2 + GREY / 1000, atol=1e-6)


def test_a_scale_of_few_bits_is_that_of_the_bits(tmp_path):
    Image.fromarray(GREY > 120).save(tmp_path / "bits.png")
    np.testing.assert_array_equal(shown(tmp_path / "bits.png"), GREY > 120)


def test_min_is_white(tmp_path):
    for depth in (np.uint8, np.uint16):
        top = np.iinfo(depth).max
        inverted = top - GREY.astype(depth) * (top // 255)
        tifffile.imwrite(tmp_path / "a.tif", inverted, photometric="miniswhite")
        np.testing.assert_allclose(shown(tmp_path / "a.tif"), GREY / 255, atol=EXACT)
    tifffile.imwrite(tmp_path / "a.tif", GREY / np.float32(255), photometric="miniswhite")
    with pytest.raises(InputError, match=r"MINISWHITE of float32; valid: grey or RGB, or 8 bits"):
        shown(tmp_path / "a.tif")


@pytest.mark.parametrize("depth", [np.uint8, np.float32, np.int32])
def test_a_film_that_fades_fades(tmp_path, depth):
    """One scale for a file: frames that are stretched one by one would all be alike."""
    fade = np.array([1, 0.5, 0.02])
    frames = (fade[:, None, None] * GREY.astype(float) * (1 if depth == np.uint8 else 300)).astype(
        depth
    )
    tifffile.imwrite(tmp_path / "fade.tif", frames, photometric="minisblack")
    found = np.array(list(frames_of(str(tmp_path / "fade.tif"))))
    np.testing.assert_allclose(np.ptp(found, axis=(1, 2)) / np.ptp(found[0]), fade, atol=0.01)


def test_how_much_of_a_film_is_shown_does_not_change_its_scale(tmp_path):
    frames = np.stack([GREY * np.float32(k) for k in range(1, 9)])
    tifffile.imwrite(tmp_path / "film.tif", frames, photometric="minisblack")
    first = next(frames_of(str(tmp_path / "film.tif")))
    assert first.max() == pytest.approx(1 / 8, rel=0.1)
    stimulus = Stimulus(kind="file", path=str(tmp_path / "film.tif"), step=1, row=50, n_x=4)
    short, long = (render(stimulus, n_cycles=n)["frame"].values for n in (2, 6))
    assert short.max() < long.max() <= 1


def test_a_fixed_gain_is_that_of_the_whole_film(tmp_path):
    """The first frame is grey: a gain of its own would be twice that of a film of contrasts."""
    frames = np.stack([np.full_like(GREY, 120), *[GREY] * 9])
    for name, film in (("late.tif", frames), ("early.tif", frames[::-1])):
        tifffile.imwrite(tmp_path / name, film, photometric="minisblack")
    options = {"sweep": 1, "row": 50, "n_x": 20, "spacing": 2, "motion": "stepped"}
    late, early = (
        render(
            Stimulus(
                kind="file", path=str(tmp_path / name), step=step, gain_control=False, **options
            ),
            n_cycles=6,
            seed=2,
        )["rate"].values
        for name, step in (("late.tif", 1), ("early.tif", -1))
    )
    assert late.max() > 20
    assert late.max() == pytest.approx(early.max(), rel=1e-6)


@pytest.mark.parametrize("value", [0.5, 7.0, -3.0, 1e300])
def test_a_picture_of_one_grey_leaves_the_cells_at_their_base_rate(tmp_path, value):
    tifffile.imwrite(tmp_path / "flat.tif", np.full((60, 80), value))
    data = render(Stimulus(kind="file", path=str(tmp_path / "flat.tif")), n_cycles=3)
    np.testing.assert_allclose(data["rate"], float(lgn_table()["r_base"] / Hz))


@pytest.mark.parametrize(
    ("values", "words"),
    [([[0, np.nan]], "not finite"), ([[0, np.inf]], "not finite"), ([[-1e308, 1e308]], "span")],
)
def test_numbers_that_are_no_luminances_are_refused_in_one_line(tmp_path, values, words):
    tifffile.imwrite(tmp_path / "bad.tif", np.array(values))
    with pytest.raises(InputError, match=rf"path: cannot read '.*bad\.tif'.*{words}"):
        list(frames_of(str(tmp_path / "bad.tif")))


def test_other_pictures_within_a_photograph_are_no_film(tmp_path):
    first, preview = (Image.fromarray(a) for a in (colours(GREY), colours(GREY)[::2, ::2]))
    first.save(tmp_path / "phone.jpg", format="MPO", save_all=True, append_images=[preview])
    with Image.open(tmp_path / "phone.jpg") as file:
        assert (file.format, file.n_frames) == ("MPO", 2)
    assert shown(tmp_path / "phone.jpg").shape == GREY.shape


@pytest.mark.parametrize("turned", [0, 90, -90, 180])
def test_a_film_is_turned_as_its_player_turns_it(tmp_path, turned):
    import av

    stored = np.zeros((64, 96, 3), np.uint8)
    stored[:32, :48], stored[:32, 48:] = 250, 100
    path = str(tmp_path / "film.mp4")
    with av.open(path, "w") as film:
        stream = film.add_stream("mpeg4", rate=10, width=96, height=64)
        stream.set_display_rotation(turned)
        for _ in range(3):
            film.mux(stream.encode(av.VideoFrame.from_ndarray(stored)))
        film.mux(stream.encode())
    frames = list(frames_of(path))
    assert len(frames) == 3
    expected = {0: stored, 90: stored.swapaxes(0, 1)[::-1], -90: stored.swapaxes(0, 1)[:, ::-1],
                180: stored[::-1, ::-1]}[turned]  # fmt: skip
    assert np.median(np.abs(frames[1] - expected[..., 0] / 255)) < 0.02


def test_a_film_without_its_package_is_told_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    (tmp_path / "film.mp4").write_bytes(bytes(64))
    with pytest.raises(InputError, match=r"path: film '.*film\.mp4' needs av: pip install av"):
        list(frames_of(str(tmp_path / "film.mp4")))
