"""The command line: what it prints, how fast it starts, and that it works outside the clone."""

import csv
import io
import os
import shutil
import subprocess
import sys
import sysconfig
import time
import tomllib
from pathlib import Path

import pytest

from analysis.verdicts import judge
from circuits.anatomy.folder import DEFAULT, find_anatomy
from circuits.cli import main
from circuits.cli.params import FIELDS, parameters
from circuits.driver.progress import Progress, duration_text
from circuits.engine import machine
from circuits.runfiles import catalogue, provenance

ROOT = Path(__file__).parents[3]


def test_list_names_every_run_file_and_its_claim(capsys):
    assert main.main(["list"]) == 0
    text = capsys.readouterr().out
    found = catalogue.runs()
    assert len(found) >= 2
    for path in found:
        assert path.stem in text
        assert tomllib.loads(path.read_text())["claim"] in text


def test_last_verdicts_are_those_of_the_newest_run(tmp_path, monkeypatch):
    monkeypatch.setattr(catalogue, "out_folder", lambda: tmp_path)
    monkeypatch.setattr(catalogue, "run_folders", lambda: [tmp_path / "runs"])
    assert catalogue.last_verdicts("x") is None
    kept = tmp_path / "runs" / "results" / "x"
    kept.mkdir(parents=True)
    (kept / "verdicts.json").write_text('[{"id": "kept"}]')
    assert catalogue.last_verdicts("x") == [{"id": "kept"}]
    for k, name in enumerate(("x-aaa", "x-bbb")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "verdicts.json").write_text(f'[{{"id": "{name}"}}]')
        os.utime(tmp_path / name / "verdicts.json", (1000 + k, 1000 + k))
    assert catalogue.last_verdicts("x") == [{"id": "x-bbb"}]


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["--version"], ["list"], ["run", "--help"], ["run", "frist_light"],
     ["run", "typo.toml"], ["sweep", "typo.toml"], ["run", "rates.toml"],
     ["run", "first_light", "--size", "tyni"],
     ["run", "first_light", "--conditions", "basline"],
     ["run", "first_light", "--set", "stimulus.contrats=1"]],
)  # fmt: skip
def test_looking_around_and_typos_import_nothing_heavy(arguments, tmp_path):
    (tmp_path / "typo.toml").write_text('claim = "x"\n[stimulus]\ncontrats = 1\n')
    (tmp_path / "rates.toml").write_text('experiment = "rate"\nkind = "depth"\n[task]\nnme = 1\n')
    code = (
        "import sys\n"
        "from circuits.cli.main import main\n"
        "try:\n"
        f"    main({arguments!r})\n"
        "except SystemExit:\n"
        "    pass\n"
        "print([m for m in ('brian2', 'numpy', 'xarray', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.stdout.strip().splitlines()[-1] == "[]"
    if "rates.toml" in arguments:
        assert "rates.toml: [task]: unknown key 'nme'; did you mean 'name'?" in done.stderr
    if "typo.toml" in arguments:
        told = "typo.toml: [stimulus]: unknown key 'contrats'; did you mean 'contrast'?"
        assert told in done.stderr


def test_a_run_imports_nothing_slow_that_it_does_not_need():
    code = (
        "import sys\n"
        "from circuits.cli.running import _leave_out\n"
        "_leave_out()\n"
        "import circuits.driver.run, analysis.observables, analysis.report.page\n"
        "print([m for m in ('pylab', 'dask', 'scipy.optimize', 'scipy.stats', 'matplotlib.pyplot')"
        " if sys.modules.get(m)])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_every_parameter_has_value_unit_meaning_source_and_mark(capsys):
    rows = list(parameters())
    tables = {row.table for row in rows}
    assert {"l5ib", "thalamus", "receptors", "release", "lgn", "kinase", "populations",
            "projections"} <= tables  # fmt: skip
    for row in rows:
        assert all(getattr(row, field).strip() for field in FIELDS), row
        assert row.mark in "VMRDF"
        float(row.value)
    assert main.main(["params", "--format", "csv"]) == 0
    read = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert len(read) == len(rows) and tuple(read[0]) == FIELDS
    assert main.main(["params"]) == 0
    text = capsys.readouterr().out
    assert text.count("\n| ") == len(rows) + len(tables)


def test_parameters_of_another_anatomy_are_listed(tmp_path, capsys):
    (tmp_path / "areas.toml").write_text(
        'extends = "v1_v2_pulvinar"\n[groups]\ncortex = ["V1", "V2", "V3"]\n[[step]]\n'
        'lower = "V2"\nhigher = "V3"\nnucleus = "P2"\n'
        'relay = "TRC2"\nreticular = "TRN2"\nincerta = "ZI2"\n'
    )
    assert main.main(["params", "--anatomy", str(tmp_path)]) == 0
    text = capsys.readouterr().out
    assert "V3.L6CT->TRC2 | weight" in text and "L23->L23 (V1, V2, V3) | weight" in text
    assert main.main(["params", "--anatomy", "v1_v2_pulvina"]) == 2
    assert "did you mean 'v1_v2_pulvinar'" in capsys.readouterr().err


def test_parameters_are_the_values_of_the_tables():
    table = tomllib.loads((ROOT / "cells" / "tables" / "thalamus.toml").read_text())
    listed = {
        row.parameter: float(row.value)
        for row in parameters()
        if row.table == "thalamus" and row.object == "TRC"
    }
    assert listed == {
        k: pytest.approx(v["value"], rel=1e-5) for k, v in table["TRC"].items() if k != "class"
    }


def test_no_number_of_a_projection_is_left_out():
    table = tomllib.loads((find_anatomy(DEFAULT) / "projections.toml").read_text())["projection"]
    wanted = []
    for row in table:
        numbers = {key: row[key] for key in ("weight", "delay", "delay_sd")} | row["receptors"]
        numbers |= {f"indegree.{size}": n for size, n in row["indegree"].items()}
        wanted += [(key, f"{value:g}") for key, value in numbers.items()]
    listed = [(r.parameter, r.value) for r in parameters() if r.table == "projections"]
    assert sorted(listed) == sorted(wanted)


def test_report_of_no_run_folder_is_told(tmp_path, capsys):
    assert main.main(["report", str(tmp_path)]) == 2
    assert "no run.json" in capsys.readouterr().err


def test_a_second_interrupt_hides_nothing_of_the_first():
    assert main._interrupted(KeyboardInterrupt()) == "pulvinar: interrupted, nothing was written"
    with pytest.raises(KeyboardInterrupt) as stop:
        try:
            first = KeyboardInterrupt()
            first.add_note("2 pieces are kept")
            raise first
        finally:
            raise KeyboardInterrupt
    assert main._interrupted(stop.value) == "pulvinar: interrupted, 2 pieces are kept"


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_bar_shows_share_and_time_left(monkeypatch):
    now = [100.0]
    monkeypatch.setattr("circuits.driver.progress.time.monotonic", lambda: now[0])
    bar = Progress(io.StringIO())
    bar.begin("runs")
    assert "left" not in bar.text()
    now[0] += 30
    bar.update(0.25)
    assert "25 %" in bar.text() and bar.text().endswith("1:30 min left")
    bar.update(float("nan"))
    assert bar.text() == "runs  30 s"


def test_bar_is_drawn_on_terminals_alone_and_cleared():
    import time

    pipe, terminal = io.StringIO(), Terminal()
    for stream in (pipe, terminal):
        with Progress(stream) as bar:
            bar.begin("runs")
            bar._start -= 10
            bar.update(0.5)
            time.sleep(0.6)
            bar.note("a line")
    assert pipe.getvalue() == "a line\n"
    assert "50 %" in terminal.getvalue() and terminal.getvalue().endswith("a line\n")


def test_durations_are_read_easily():
    assert [duration_text(s) for s in (3.2, 75, 3700)] == ["3 s", "1:15 min", "1:01 h"]


def test_version_names_the_commit(capsys):
    with pytest.raises(SystemExit) as stop:
        main.main(["--version"])
    words = capsys.readouterr().out.split()
    assert stop.value.code == 0 and words[0] == "pulvinar"
    assert words[1] == tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert provenance.commit().get("commit", "")[:12] in " ".join(words[2:])


def test_citation_names_this_version():
    assert f"\nversion: {provenance.version()}\n" in (ROOT / "CITATION.cff").read_text()


@pytest.mark.slow
def test_installed_wheel_finds_run_files_and_tables(tmp_path):
    build = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(tmp_path), "."]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    environment = tmp_path / "env"
    subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
    python = environment / "bin" / "python"
    install = [python, "-m", "pip", "install", "-q", "--no-deps", "--no-index", str(wheel)]
    subprocess.run(install, check=True)
    # what it depends on comes from here; the packages of the clone itself must not
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
    borrowed = f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n"
    (Path(site.stdout.strip()) / "borrowed.pth").write_text(borrowed)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()

    def pulvinar(*arguments):
        done = subprocess.run(
            [environment / "bin" / "pulvinar", *arguments],
            cwd=elsewhere, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    code = "import circuits, cells; print(circuits.__file__, cells.__file__)"
    where = subprocess.run(
        [python, "-c", code], cwd=elsewhere, capture_output=True, text=True, check=True
    ).stdout
    assert where.count(str(environment)) == 2
    assert "first_light" in pulvinar("list")
    brought = {p.name for p in (environment / "share" / "pulvinar" / "runs").iterdir()}
    assert brought == {p.name for p in (ROOT / "runs").iterdir()} - {"out"}
    assert len(pulvinar("params", "--format", "csv").splitlines()) == 1 + len(list(parameters()))
    done = subprocess.run(
        [environment / "bin" / "pulvinar", "run", "first_light", "--size", "tyni"],
        cwd=elsewhere, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 2 and "did you mean 'tiny'" in done.stderr
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("baseline,drivers cut", ["baseline", "drivers cut"]),
        ('baseline, "at rest, contrast 0.25"', ["baseline", "at rest, contrast 0.25"]),
    ],
)
def test_a_condition_with_a_comma_can_be_chosen(text, names, monkeypatch):
    chosen = []

    def run_file(file, **options):
        chosen.append(options["conditions"])
        raise OSError("enough")

    monkeypatch.setattr("circuits.driver.run.run_file", run_file)
    assert main.main(["run", "working_point", "--conditions", text]) == 2
    assert chosen == [names]


def test_one_parameter_is_found_by_any_of_its_names(capsys):
    for name, n in (("TRC.g_KL", 1), ("V1.L5IB->TRC.weight", 1), ("lgn", None), ("*.g_KL", None)):
        assert main.main(["params", name, "--format", "csv"]) == 0
        rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
        assert rows and (n is None or len(rows) == n), name
    assert main.main(["params", "TRC.g_KX"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "did you mean 'TRC.g_K" in error


def test_the_cache_is_told_and_what_is_old_is_deleted(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PULVINAR_CACHE", str(tmp_path))
    for name, age in (("new", 0), ("old", 40)):
        folder = tmp_path / "programs" / name
        folder.mkdir(parents=True)
        (folder / "main").write_bytes(b"0" * 2_000_000)
        when = time.time() - 86400 * age
        machine.sign(folder, f"run_{name}")
        machine.sign(folder, f"run_{name}")
        for path in folder.iterdir():
            os.utime(path, (when, when))
    assert machine.signed(tmp_path / "programs" / "old") == ["run_old"]
    for name in ("unit", "common"):
        (tmp_path / "objects" / "of_a_compiler").mkdir(parents=True, exist_ok=True)
        (tmp_path / "objects" / "of_a_compiler" / name).write_bytes(b"0" * 500_000)
    for k in range(20):
        (tmp_path / "programs" / f"unsigned{k}").mkdir()
    assert main.main(["cache"]) == 0
    text = capsys.readouterr().out
    assert "22 compiled programs, 4.0 MB" in text
    assert "1 sets of object files, for the next programs, 1.0 MB" in text
    assert "1     2.0 MB  used 40 days ago  run_old" in text
    assert "20     0.0 MB  used 0 days ago  (of runs not known)" in text
    for k in range(20):
        machine.sign(tmp_path / "programs" / f"unsigned{k}", f"run_{k}")
    assert main.main(["cache"]) == 0
    text = capsys.readouterr().out
    assert "others" in text and text.count("\n") == 16
    assert main.main(["cache", "--clear", "--older", "30"]) == 0
    capsys.readouterr()
    for k in range(20):
        shutil.rmtree(tmp_path / "programs" / f"unsigned{k}")
    old = tmp_path / "programs" / "old"
    old.mkdir()
    (old / "main").write_bytes(b"0" * 2_000_000)
    os.utime(old / "main", (when, when))
    assert main.main(["cache", "--clear", "--older", "30"]) == 0
    assert "1 compiled programs, 2.0 MB\n    deleted; 1 are left" in capsys.readouterr().out
    assert [p.name for p in (tmp_path / "programs").iterdir()] == ["new"]
    assert main.main(["cache", "--clear"]) == 0
    assert not list((tmp_path / "programs").iterdir())
    assert not list((tmp_path / "objects").iterdir())
    assert main.main(["cache", "--older", "-1"]) == 2


def test_one_observable_is_told_in_full_and_all_with_the_keys_of_criteria(capsys):
    assert main.main(["observables", "r_pred"]) == 0
    assert "a silent minus pattern counts 0" in capsys.readouterr().out
    assert main.main(["observables"]) == 0
    text = capsys.readouterr().out
    assert "a silent minus pattern" not in text
    for key in judge.CRITERION:
        assert f"\n{key}\n    " in text


def test_without_a_terminal_a_line_tells_now_and_then_how_far_it_is(monkeypatch):
    monkeypatch.setattr("circuits.driver.progress._LINE_S", 0.01)
    for level, wanted in ((0, "work  0 s"), (1, "work\n"), (-1, "")):
        stream = io.StringIO()
        with Progress(stream, level) as bar:
            bar.begin("work")
            time.sleep(0.1)
            if level < 0:
                bar.note("a note")
        assert wanted in stream.getvalue() and (level >= 0 or not stream.getvalue())
