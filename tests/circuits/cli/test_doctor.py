import io
import os
import stat
import sys
from importlib.metadata import PackageNotFoundError

import pytest

from circuits.cli import doctor
from circuits.cli.doctor import Check, checks, print_report
from circuits.engine import cuda_toolkit


def by_name():
    return {check.name: check for check in checks()}


def program(folder, name, script):
    """Put an executable shell script on the (otherwise empty) path."""
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


@pytest.fixture
def empty_path(monkeypatch, tmp_path):
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("PULVINAR_CACHE", str(tmp_path / "cache"))
    return folder


def test_this_machine_runs_the_project(monkeypatch, tmp_path):
    monkeypatch.setenv("PULVINAR_CACHE", str(tmp_path / "cache"))
    found = by_name()
    for name in ("Python", "Brian2", "numpy"):
        assert found[name].ok is True
    assert found["Python"].found.startswith(".".join(map(str, sys.version_info[:3])))
    for check in found.values():
        assert check.ok is True or check.advice
        assert "\n" not in check.found + check.advice


@pytest.mark.standalone
def test_loops_of_the_generated_kind_are_vectorised_by_this_compiler():
    check = doctor._compiles()
    assert check.ok is True, check.found
    assert "vectorised" in check.found


def test_without_compiler_every_failure_says_what_to_do(empty_path):
    found = by_name()
    for name in ("C++ compiler", "compile and run", "make"):
        assert found[name].ok is False
        assert "apt install g++ make" in found[name].advice
        assert "--device numpy" in found[name].advice
    for name in ("nvcc", "GPU architectures", "compile CUDA", "GPU"):
        assert found[name].ok is None
        assert found[name].advice
    stream = io.StringIO()
    assert print_report(stream) is False
    text = stream.getvalue()
    assert "devices that work here: numpy\n" in text
    assert "to repair: C++ compiler, compile and run, make" in text


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo 7.5.0", "g++ 7.5.0"),
        ("echo broken installation >&2; exit 1", "broken installation"),
        ("exit 0", "no output"),
    ],
)
def test_a_compiler_that_will_not_do(empty_path, script, words):
    program(empty_path, "g++", script)
    check = doctor._compiler()
    assert check.ok is False
    assert words in check.found
    assert check.advice


def test_a_compiler_that_fails_or_lies(empty_path):
    program(empty_path, "g++", "echo cannot find libstdc++ >&2; exit 1")
    check = doctor._compiles()
    assert check.ok is False
    assert "cannot find libstdc++" in check.found
    program(empty_path, "g++", "printf '#!/bin/sh\\nexit 3\\n' > loop; /bin/chmod +x loop")
    check = doctor._compiles()
    assert check.ok is False
    assert "status 3" in check.found


def test_a_current_compiler_passes(empty_path):
    program(empty_path, "g++", "echo 13.2.0")
    assert doctor._compiler().ok is True


def test_no_exception_escapes(empty_path, monkeypatch):
    (empty_path / "g++").write_text("not a program")
    (empty_path / "g++").chmod(0o755)
    program(empty_path, "nvcc", "kill -9 $$")
    program(empty_path, "nvidia-smi", "echo no driver; exit 9")

    def broken(*args, **kwargs):
        raise RuntimeError("two\nlines")

    monkeypatch.setattr(doctor.shutil, "disk_usage", broken)
    monkeypatch.setattr(doctor.importlib, "import_module", broken)
    found = by_name()
    assert len(found) == len(doctor._CHECKS)
    for name in ("Brian2", "numpy", "disk", "C++ compiler"):
        assert found[name].ok is False
        assert found[name].advice
    assert found["disk"].found == "RuntimeError: two"
    for name in (*CUDA, "GPU"):
        assert found[name].ok is not False
    assert "no driver" in found["GPU"].found


def test_a_program_that_hangs_is_a_failed_check(empty_path, monkeypatch):
    program(empty_path, "make", "while :; do :; done")
    ask = doctor._ask
    monkeypatch.setattr(doctor, "_ask", lambda *command: ask(*command, timeout=0.2))
    found = doctor._guarded("make", doctor._make)
    assert found.ok is False
    assert "TimeoutExpired" in found.found


def test_full_disk(monkeypatch):
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda path: os.terminal_size)
    assert doctor._guarded("disk", doctor._disk).ok is False
    usage = type("usage", (), {"free": 0.3e9})
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda path: usage)
    check = doctor._disk()
    assert check.ok is False
    assert check.found.startswith("0.3 GB free")
    assert "--out" in check.advice


def test_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("PULVINAR_CACHE", str(tmp_path / "own"))
    assert doctor._cache() == Check("build cache", True, str(tmp_path / "own"))
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PULVINAR_CACHE", str(tmp_path / "file" / "below"))
    check = doctor._cache()
    assert check.ok is False
    assert "PULVINAR_CACHE" in check.advice


def test_cache_without_a_home(monkeypatch, tmp_path, homeless):
    monkeypatch.chdir(tmp_path)
    check = doctor._cache()
    assert check.ok is False and "no home folder" in check.found
    assert not list(tmp_path.iterdir())  # no folder called ~


def test_old_versions_are_told(monkeypatch):
    old = type("module", (), {"__version__": "2.1.0"})
    monkeypatch.setattr(doctor.importlib, "import_module", lambda name: old)
    assert doctor._numpy().ok is False
    assert doctor._brian2() == Check("Brian2", False, "2.1.0", "pip install brian2==2.10.1")


# --- what device cuda needs


CUDA = ("nvcc", "GPU architectures", "cuRAND", "compile CUDA", "brian2cuda")


def nvcc(folder, release="13.0", compiles="exit 0"):
    program(
        folder,
        "nvcc",
        f"""case "$1" in
--version) echo "Cuda compilation tools, release {release}, V{release}.88";;
--list-gpu-arch) echo compute_75; echo compute_80; echo compute_90;;
*) {compiles};;
esac""",
    )


def test_without_cuda_each_part_says_what_to_do(empty_path, monkeypatch):
    find = doctor.importlib.util.find_spec
    monkeypatch.setattr(
        doctor.importlib.util,
        "find_spec",
        lambda name: None if name == "brian2cuda" else find(name),
    )
    monkeypatch.setattr(cuda_toolkit, "files", missing)
    found = by_name()
    for name in CUDA:
        assert found[name].ok is None, name
        assert found[name].advice
    assert "pip install" in found["brian2cuda"].advice
    assert "nvidia-curand==10.4.0.35" in found["cuRAND"].advice


def missing(name):
    raise PackageNotFoundError(name)


@pytest.mark.parametrize(
    ("release", "ok"), [("11.8", None), ("12.0", True), ("13.0", True), ("13.1", None)]
)
def test_releases_of_nvcc(empty_path, release, ok):
    nvcc(empty_path, release)
    check = doctor._nvcc()
    assert check.ok is ok
    assert f"release {release} " in check.found
    assert bool(check.advice) is (ok is None)


def test_architectures_are_those_of_this_nvcc(empty_path, monkeypatch):
    nvcc(empty_path)
    monkeypatch.setenv("PULVINAR_CUDA_ARCH", "8.0,9.0")
    assert doctor._architectures().ok is True
    monkeypatch.setenv("PULVINAR_CUDA_ARCH", "6.1,9.0")
    check = doctor._architectures()
    assert check.ok is None
    assert check.found.endswith("does not compile for 6.1")
    assert "7.5, 8.0, 9.0" in check.advice
    monkeypatch.setenv("PULVINAR_CUDA_ARCH", "new")
    assert doctor._guarded("GPU architectures", doctor._architectures).ok is None


def test_curand_is_looked_for_in_the_wheel_then_in_the_toolkit(empty_path, monkeypatch):
    monkeypatch.setattr(cuda_toolkit, "files", missing)
    nvcc(empty_path)
    assert doctor._curand() == Check("cuRAND", True, "curand.h comes with the toolkit")
    nvcc(empty_path, compiles="exit 1")
    assert doctor._curand().ok is None
    monkeypatch.setattr(
        cuda_toolkit, "files", lambda name: [File("a/curand.h"), File("b/libcurand.so.10")]
    )
    assert doctor._curand().found == "libcurand.so.10 of the wheel nvidia-curand (a)"
    # half of it is none
    monkeypatch.setattr(cuda_toolkit, "files", lambda name: [File("a/curand.h")])
    assert doctor._curand().ok is None


class File(str):
    def locate(self):
        return str(self)


def test_a_cuda_compiler_that_cannot_link(empty_path):
    program(empty_path, "g++", "exit 0")
    nvcc(empty_path)
    assert doctor._cuda_compiles().ok is True
    nvcc(empty_path, compiles="echo ptxas info; echo 'ld: cannot find -lcurand' >&2; exit 1")
    check = doctor._cuda_compiles()
    assert check.ok is None
    assert check.found == "ld: cannot find -lcurand"
    assert "g++ 9 to 15" in check.advice


def test_another_brian2cuda(monkeypatch):
    monkeypatch.setattr(doctor.importlib.util, "find_spec", lambda name: name)
    monkeypatch.setattr(doctor, "_ask", lambda *command, **options: (0, "version 0.9\n"))
    check = doctor._brian2cuda()
    assert check.ok is None
    assert "0.9" in check.found
    assert "brian2cuda==1.0b1" in check.advice


@pytest.mark.parametrize(
    ("capability", "chosen", "ok"),
    [("9.0", "8.0,9.0", True), ("8.6", "8.0,9.0", True), ("12.0", "8.0,9.0", None),
     ("8.0", "8.6", None)],
)  # fmt: skip
def test_a_gpu_for_which_nothing_is_compiled(empty_path, monkeypatch, capability, chosen, ok):
    program(empty_path, "nvidia-smi", f"echo 'Some GPU, 81559 MiB, {capability}'")
    monkeypatch.setenv("PULVINAR_CUDA_ARCH", chosen)
    check = doctor._gpu()
    assert check.ok is ok
    assert (f"PULVINAR_CUDA_ARCH={capability}" in check.advice) is (ok is None)


def test_report_marks_each_line():
    assert str(Check("make", True, "GNU Make 4.3")).startswith("ok   make")
    lines = str(Check("make", False, "none", "install it")).splitlines()
    assert lines[0].startswith("FAIL make")
    assert lines[1].strip() == "-> install it"
