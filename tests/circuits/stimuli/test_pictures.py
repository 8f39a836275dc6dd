"""Files are shown as a viewer shows them: what their tags say, and one scale for each file."""

import copy
import sys

import numpy as np
import pytest
import tifffile
from brian2 import Hz
from PIL import Image

from cells.parameters import InputError
from circuits.stimuli.arrays import Arrays
from circuits.stimuli.lgn import lgn_table
from circuits.stimuli.pictures import BACKGROUND, array_frames, frames_of, photograph
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


@pytest.mark.parametrize(
    "values",
    [
        GREY,
        GREY.astype(np.uint16) * 257,
        GREY / 255,
        np.dstack([GREY] * 3),
        np.stack([GREY, GREY[::-1]]),
        (GREY / 255).astype(np.float32),
    ],
    ids=["8 bits", "16 bits", "real", "colour", "film", "single"],
)
def test_an_array_is_what_its_file_shows(tmp_path, values):
    path = tmp_path / "own.npy"
    np.save(path, values)
    frames = list(frames_of(str(path)))
    for frame, same in zip(frames, array_frames(values), strict=True):
        np.testing.assert_array_equal(frame, same)
    assert len(frames) == (2 if len(values) == 2 else 1)
    np.testing.assert_allclose(frames[0], GREY / 255, atol=1e-6)


def test_numbers_beyond_0_and_1_are_scaled_for_the_whole_film():
    frames = list(array_frames(np.stack([np.full((4, 5), -2.0), np.full((4, 5), 6.0)])))
    assert (frames[0] == 0).all() and (frames[1] == 1).all()


def shown_of(**keys):
    return render(Stimulus(n_x=4, spacing=4, step=1, sweep=3, **keys), n_cycles=12)


def test_a_set_of_pictures_is_shown_as_photographs_are(tmp_path):
    """From files, from their folder and from arrays: the same, each picture in its turn."""
    rng = np.random.default_rng(1)
    pictures = [rng.integers(0, 255, (30, 60), np.uint8), rng.integers(0, 255, (25, 70), np.uint8)]
    (tmp_path / ".hidden").write_text("no picture")
    paths = [tmp_path / name for name in ("a.png", "b \u00fc.png")]
    for path, picture in zip(paths, pictures, strict=True):
        Image.fromarray(picture).save(path)
    files = shown_of(kind="file", path=[str(path) for path in paths])
    folder = shown_of(kind="file", path=str(tmp_path))
    arrays = shown_of(kind="array", array=Arrays.of(pictures, "here"))
    np.testing.assert_array_equal(files["rate"], folder["rate"])
    np.testing.assert_array_equal(files["rate"], arrays["rate"])
    assert sorted(set(files["picture"].values.tolist())) == ["a.png", "b \u00fc.png"]
    assert set(arrays["picture"].values) == {"array 1", "array 2"}
    one = shown_of(kind="array", array=Arrays.of(pictures[0], "here"))
    assert set(one["picture"].values) == {"array"}
    assert not np.array_equal(one["rate"], arrays["rate"])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros(5), "its shape is"),
        (np.zeros((2, 3, 4, 5)), "its shape is"),
        ([np.zeros((4, 5)), np.zeros((2, 4, 5))], "of several"),
    ],
)
def test_an_array_of_another_shape_is_refused(values, message):
    with pytest.raises(InputError, match=message):
        Stimulus(kind="array", array=Arrays.of(values, "here"))


@pytest.mark.parametrize("values", [np.array(["a"]), np.zeros((0, 3)), np.full((3, 3), np.nan)])
def test_no_picture_is_made_of_what_is_no_number(values):
    with pytest.raises(InputError, match=r"^here: "):
        Arrays.of(values, "here")


def test_several_files_are_pictures_and_no_film(tmp_path):
    for name in "ab":
        np.save(tmp_path / f"{name}.npy", np.zeros((3, 20, 60)))
    with pytest.raises(InputError, match="file 1 of several has frames"):
        shown_of(kind="file", path=str(tmp_path))
    with pytest.raises(InputError, match="no such file"):
        Stimulus(kind="file", path=[str(tmp_path / "a.npy"), str(tmp_path / "c.npy")])


def test_arrays_are_told_apart_by_what_they_hold():
    a, b = Arrays.of(GREY, "a"), Arrays.of(GREY.copy(), "b")
    assert a == b and hash(a) == hash(b) and str(a) == str(b) and copy.deepcopy(a) is a
    assert a != Arrays.of(GREY.astype(float), "c") and a != Arrays.of([GREY, GREY], "d")
    with pytest.raises(ValueError, match="read-only"):
        a.values[0][0, 0] = 1
