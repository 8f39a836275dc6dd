"""Run files: what they say is what is run, and nothing of a run's numbers compiles anew."""

from pathlib import Path

import numpy as np
import pytest

from cells import models
from cells.checked import parse_seeds
from cells.parameters import InputError
from circuits.anatomy.tables import load_circuit
from circuits.anatomy.topography import draw_sources, positions_of
from circuits.driver.store import run_folder
from circuits.engine.planner import cell_parameters
from circuits.runfiles.catalogue import runs
from circuits.runfiles.changes import apply_settings
from circuits.runfiles.model import Cycle
from circuits.runfiles.resolve import resolve

BASE = """
experiment = "circuit"
name = "small"
claim = "A test."
seeds = [3, 4]
[cycle]
length = "100 ms"
count = 2
warmup = 1
"""


@pytest.fixture
def write(tmp_path):
    def write(text="", base=BASE):
        path = tmp_path / "small.toml"
        path.write_text(base + text)
        return path

    return write


def weight(condition, name):
    return next(p.weight for p in condition.spec.projections if p.name == name)


def test_defaults_are_those_of_the_tables(write):
    run = resolve(write())
    assert (run.size, run.device, run.seeds, run.cycle) == (
        "tiny", "cpp", (3, 4), Cycle(100, 0.5, 2, 1),
    )  # fmt: skip
    (only,) = run.conditions
    assert only.name == "baseline"
    assert only.stimulus.n_channels == only.spec.channels


def test_every_run_file_of_the_repository_resolves():
    found = [path.stem for path in runs()]
    assert "first_light" in found
    for path in runs():
        assert resolve(path).name == path.stem


def test_conditions_change_what_they_say_and_nothing_else(write):
    run = resolve(
        write(
            """
[projections]
"V1.L5IB->TRC" = { weight = "30 nS" }
[stimulus]
contrast = 0.5
[[condition]]
name = "a"
[[condition]]
name = "b"
lesions = ["V1.L5IB->TRC"]
stimulus.contrast = 0.25
[[condition]]
name = "c"
factors = { "TRN->TRC" = 0.5 }
populations."V1.L5IB" = { noise_sd = "0 pA" }
cells.TRC = { g_KL = "3e-5 S/cm**2" }
"""
        )
    )
    a, b, c = run.conditions
    assert [x.stimulus.contrast for x in run.conditions] == [0.5, 0.25, 0.5]
    assert weight(a, "V1.L5IB->TRC") == pytest.approx(30)
    assert weight(b, "V1.L5IB->TRC") == 0
    assert weight(c, "TRN->TRC") == pytest.approx(0.5 * weight(a, "TRN->TRC"))
    assert c.spec.population("V1.L5IB").noise_sd == 0 < a.spec.population("V1.L5IB").noise_sd
    assert c.spec.cells == (("TRC", "g_KL", pytest.approx(0.3)),)
    assert b.spec.cells == ()
    same = {p.name for p in a.spec.projections} - {"V1.L5IB->TRC"}
    assert all(weight(a, name) == weight(b, name) for name in same)


def test_a_variant_of_a_class_keeps_its_receptors_and_its_place(write, tmp_path, monkeypatch):
    """A run file may name it; what reads the result finds the class."""
    table = (models.TABLES / "l5ib.toml").read_text(encoding="utf-8").replace("[L5IB]", "[Mine]")
    table = table.replace("class = {", 'class = { variant_of = "L5IB",')
    (tmp_path / "mine.toml").write_text(
        table.replace("tau_Ca = { value = ", "tau_Ca = { value = 1")
    )
    for name, mine in models._classes_of(tmp_path / "mine.toml").items():
        monkeypatch.setitem(models.CELL_CLASSES, name, mine)
    run = resolve(write('[populations]\n"*.L5IB" = { cell = "Mine", bias = "5 pA" }\n'))
    spec, usual = run.conditions[0].spec, load_circuit("tiny")
    assert spec.population("V2.L5IB").cell == "Mine"
    assert spec.population("V2.L5IB").kind == "L5IB" and spec.readouts == usual.readouts
    conductances = run.conditions[0].plan.group("intrinsic_burster").conductances
    new, old = (
        cell_parameters(one, one.population("V1.L5IB"), conductances, 0.1) for one in (spec, usual)
    )
    assert new["tau_GABA_A"] == old["tau_GABA_A"] == pytest.approx(12e-3)
    assert new["tau_Ca"] == pytest.approx(old["tau_Ca"] + 0.1)


def test_lesions_contrast_scale_and_seeds_keep_the_program(write):
    text = """
[[condition]]
name = "a"
[[condition]]
name = "b"
lesions = ["pacing", "TRC->*", "V1.SST->*"]
[[condition]]
name = "c"
stimulus = { contrast = 0.25, image = "coins", step = 0 }
factors = { "*" = 2.0 }
inputs = { regular = true, noise = false }
"""
    run = resolve(write(text))
    other = resolve(write(text), seeds="9", cycles=40)
    assert len({c.plan.digest for c in (*run.conditions, *other.conditions)}) == 1


def test_cell_parameters_that_change_make_one_program_for_all_of_their_values(write):
    text = "".join(
        f'[[condition]]\nname = "{name}"\n{cells}\n'
        for name, cells in (
            ("none", ""),
            ("low", 'cells.L5IB = { g_c = "1 nS" }'),
            ("high", 'cells.L5IB = { g_c = "3 nS" }'),
        )
    )
    none, low, high = (c.plan.digest for c in resolve(write(text)).conditions)
    assert low == high != none


def test_integration_of_a_condition_makes_another_program(write):
    text = '[[condition]]\nname = "a"\n[[condition]]\nname = "b"\nintegration.dt = "0.05 ms"\n'
    a, b = resolve(write(text)).conditions
    assert (a.plan.dt_ms, b.plan.dt_ms) == (0.1, 0.05)
    assert a.plan.digest != b.plan.digest


def test_more_cells_at_a_position_let_more_converge_from_the_same_receptive_field(write):
    name = "V1.L5IB->TRC"
    text = ('[populations]\n"V1.L5IB" = { cells = 10 }\n'
            f'[projections]\n"{name}" = {{ indegree = 10, weight = "37.125 nS" }}\n')  # fmt: skip
    (before,), (after,) = (resolve(write(extra)).conditions for extra in ("", text))
    drawn = []
    for spec in (before.spec, after.spec):
        (p,) = (p for p in spec.projections if p.name == name)
        sources = draw_sources(spec, p, seed=1)
        at = {key: positions_of(spec, spec.population(key)) for key in (p.source, p.target)}
        assert (at[p.source][sources] == at[p.target][:, None]).all()
        drawn.append((sources.shape[1], sources.shape[1] * p.weight))
    assert [n for n, _ in drawn] == [3, 10]
    assert drawn[1][1] == pytest.approx(drawn[0][1])


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ("0", r"'V1\.L5IB' cells: 0 is below 1"),
        ("20_000", "nearest valid: 10000"),
        ("2", r"indegree 3 is above the 2 'V1\.L5IB' cells"),
        ("2.5", "not a whole number"),
    ],
)
def test_a_number_of_cells_that_cannot_be_is_refused(write, cells, message):
    with pytest.raises(InputError, match=message):
        resolve(write(f'[populations]\n"V1.L5IB" = {{ cells = {cells} }}\n'))


def test_conditions_have_the_same_cells(write):
    text = ('[[condition]]\nname = "few"\n[[condition]]\nname = "many"\n'
            '[condition.populations]\n"V1.L5IB" = { cells = 10 }\n')  # fmt: skip
    with pytest.raises(InputError, match=r"'many': .*'V1\.L5IB' cells: 10, but 'few' has 3"):
        resolve(write(text))


def test_pacing_lesion_silences_the_rhythmic_inputs_alone(write):
    (only,) = resolve(write(), settings=['lesions=["pacing"]']).conditions
    rates = {p.name: p.rate for p in only.spec.populations if p.is_input}
    assert set(rates.values()) == {0.0}
    intact = resolve(write()).conditions[0].spec
    assert intact.population("THETA").rate > 0 and intact.population("MATRIX").rate > 0
    assert [p.weight for p in only.spec.projections] == [p.weight for p in intact.projections]


def test_one_pacing_source_can_go_alone(write):
    (only,) = resolve(write(), settings=['lesions=["THETA"]']).conditions
    assert only.spec.population("THETA").rate == 0 < only.spec.population("MATRIX").rate


def test_lesion_of_an_output_cuts_all_that_it_sends(write):
    (only,) = resolve(write(), settings=['lesions=["V1.SST->*", "LGN->*"]']).conditions
    sent = {p.name: p.weight for p in only.spec.projections if p.source in ("V1.SST", "LGN")}
    assert len(sent) >= 4 and set(sent.values()) == {0.0}
    kept = [p for p in only.spec.projections if p.source == "V2.SST"]
    assert kept and all(p.weight > 0 for p in kept)


def test_lesion_of_a_population_silences_its_cells(write):
    (only,) = resolve(write(), settings=['lesions=["V1.SST", "LGN"]']).conditions
    found = {(c.name, c.variable) for c in only.manipulated.courses}
    assert found == {("V1.SST", "g_silence"), ("LGN", "rate")}
    sent = [p for p in only.spec.projections if p.source in ("V1.SST", "LGN")]
    assert sent and all(p.weight > 0 for p in sent)


@pytest.mark.parametrize(
    ("count", "length", "bins"),
    [(10, 200, 2560), (64, 200, 2560), (65, 200, 5120), (60, 300, 5120)],
)
def test_capacity_holds_the_run_and_rarely_changes(count, length, bins):
    cycle = Cycle(length=length, count=count, warmup=0)
    assert cycle.capacity == bins >= cycle.total * cycle.bins


def test_settings_reach_quoted_keys_and_bare_text():
    document = {"stimulus": {"image": "camera"}}
    new = apply_settings(
        document,
        ["stimulus.image=coins", "cycle.count = 7", 'factors."V1.L5IB->TRC"=0.5', "seeds=[1, 2]"],
    )
    assert new == {
        "stimulus": {"image": "coins"},
        "cycle": {"count": 7},
        "factors": {"V1.L5IB->TRC": 0.5},
        "seeds": [1, 2],
    }
    assert document == {"stimulus": {"image": "camera"}}


def test_seeds_are_ranges_and_numbers():
    assert parse_seeds("1-3,8") == [1, 2, 3, 8]
    for wrong in ("", "a", "3-1", "1,,2"):
        with pytest.raises(InputError, match="seeds"):
            parse_seeds(wrong)


def test_bump_on_a_ring_has_its_own_circuit(write):
    text = '[stimulus]\nkind = "ring"\nn_x = 16\n'
    (only,) = resolve(write(text)).conditions
    assert only.spec.polarities == ("on",) and only.spec.channels == 16


def test_anatomy_is_a_name_or_a_folder_beside_the_run_file(write, tmp_path):
    (default,) = resolve(write()).conditions
    (named,) = resolve(write(base='anatomy = "v1_v2_pulvinar"\n' + BASE)).conditions
    assert named.spec == default.spec
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "sizes.toml").write_text("[size.small]\npositions = 12\n")
    (folder / "areas.toml").write_text('extends = "v1_v2_pulvinar"\n')
    run = resolve(write(base='anatomy = "mine"\nsize = "small"\n' + BASE))
    assert {Path(name).name for name in run.document["files"]} == {"areas.toml", "sizes.toml"}
    (own,) = run.conditions
    assert own.spec.n_x == own.stimulus.n_x == 12
    for text, wanted in (
        ("anatomy = 'mien'\n", "anatomy: no anatomy 'mien'"),
        ("anatomy = 3\n", "anatomy: 3 is not a text"),
        ("anatomy = 'mine'\nsize = 'smal'\n", "size: unknown size 'smal'; did you mean 'small'"),
    ):
        with pytest.raises(InputError, match=wanted):
            resolve(write(base=text + BASE))
    (folder / "areas.toml").write_text('extends = "v1_v2_pulvinar"\n[[stp]]\n')
    with pytest.raises(InputError, match=r"anatomy: mine/areas\.toml: unknown key 'stp'"):
        resolve(write(base="anatomy = 'mine'\n" + BASE))


def test_picture_beside_the_run_file_is_found(write, tmp_path):
    import imageio.v3 as imageio

    picture = np.random.default_rng(1).integers(0, 255, (64, 200), dtype=np.uint8)
    imageio.imwrite(tmp_path / "wall.png", picture)
    (only,) = resolve(write('[stimulus]\nkind = "file"\npath = "wall.png"\n')).conditions
    assert only.stimulus.path == str(tmp_path / "wall.png")


def test_chosen_conditions_keep_only_their_criteria(write):
    text = """
[[condition]]
name = "a"
[[condition]]
name = "b"
[[criteria]]
id = "x"
claim = "in a"
observable = "burst_rate"
condition = "a"
min = 1
[[criteria]]
id = "y"
claim = "everywhere"
observable = "burst_rate"
condition = "*"
min = 1
[[criteria]]
id = "z"
claim = "in the first one, which is a"
observable = "burst_rate"
min = 1
[[criteria]]
id = "w"
claim = "b against a"
observable = "burst_rate"
condition = "b"
reference = "a"
max = 0.03
"""
    run = resolve(write(text), conditions=["b"])
    assert [c.name for c in run.conditions] == ["b"]
    assert [c["id"] for c in run.criteria] == ["y"]
    assert [c["id"] for c in resolve(write(text), conditions=["a"]).criteria] == ["x", "y", "z"]
    assert len(resolve(write(text)).criteria) == 4


def test_a_key_that_the_kind_of_stimulus_does_not_use_is_refused(write):
    """With a photograph the user's own picture would be ignored."""
    with pytest.raises(
        InputError, match=r"\[stimulus\] path: kind 'photograph' .*; kind 'file' does"
    ):
        resolve(write("[stimulus]\npath = 'own.png'\n"))
    with pytest.raises(InputError, match=r"width: kind 'photograph' .*; kind 'ring' does"):
        resolve(write("[stimulus]\nwidth = 0.4\n"))
    with pytest.raises(InputError, match=r"spacing: kind 'ring' .*; kind 'photograph' or 'file' "):
        resolve(write("[stimulus]\nkind = 'ring'\nspacing = 3\nn_x = 16\n"))


def test_a_condition_of_another_kind_inherits_what_that_kind_uses(write):
    text = """
[stimulus]
n_x = 12
image = "moon"
row = 7
contrast = 0.5
polarities = ["on"]
[[condition]]
name = "photograph"
[[condition]]
name = "ring"
stimulus = { kind = "ring" }
"""
    photograph, ring = (c.stimulus for c in resolve(write(text)).conditions)
    assert (photograph.image, photograph.row, photograph.contrast) == ("moon", 7, 0.5)
    assert (ring.kind, ring.image, ring.row, ring.contrast) == ("ring", "camera", None, 0.5)


def test_a_ring_that_says_no_positions_fills_the_circuit(write):
    """A size has the cells of two polarities, and in-degrees that want as many."""
    for more, n_x in (("", 16), ("n_x = 14", 14)):
        run = resolve(write(f"[stimulus]\nkind = 'ring'\n{more}\n"))
        assert run.conditions[0].spec.n_x == run.conditions[0].stimulus.n_x == n_x


def test_files_count_by_their_content(write, tmp_path):
    """Two pictures of one name are two runs; so is a picture that was changed."""
    from PIL import Image

    text = "[stimulus]\nkind = 'file'\npath = 'pic.png'\n"
    grey = np.tile(np.arange(250, dtype=np.uint8), (40, 1))
    found = []
    for picture in (grey, grey[:, ::-1], grey):
        Image.fromarray(np.ascontiguousarray(picture)).save(tmp_path / "pic.png")
        document = resolve(write(text)).document
        assert list(document["files"]) == [str(tmp_path / "pic.png")]
        found.append(run_folder("small", document))
    assert found[0] == found[2] != found[1]
