"""What works on this machine, and what to do about the rest (``pulvinar doctor``).

Nothing here raises: a check that goes wrong in an unforeseen way is a failed check.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Check", "checks", "print_report"]

_BRIAN2 = "2.10.1"
_NUMPY = (2, 2)
_GCC = 9
_FREE_GB = 2.0
_INSTALL_GCC = "apt install g++ make (Debian, Ubuntu) or xcode-select --install (macOS)"
_NO_COMPILER = f"{_INSTALL_GCC}; until then run with --device numpy"
_SET_UP = "make .venv, in the folder of the project"

# As the generated state updaters: one arithmetic loop that must come out vectorised.
_LOOP = """
#include <cstdio>
int main() {
  static double v[4096], w[4096];
  for (int i = 0; i < 4096; i++) { v[i] = i; w[i] = 2.0; }
  for (int i = 0; i < 4096; i++) v[i] = v[i]*w[i]/(1.0 + w[i]);
  std::printf("%.3f", v[3]);
  return 0;
}
"""


@dataclass(frozen=True)
class Check:
    """One finding.

    Attributes
    ----------
    name : str
    ok : bool or None
        None where only an optional part is missing (CUDA, a GPU).
    found : str
        What is there, one line.
    advice : str
        What to do, one line; empty where all is well.
    """

    name: str
    ok: bool | None
    found: str
    advice: str = ""

    def __str__(self) -> str:
        sign = {True: "ok  ", False: "FAIL", None: "-   "}[self.ok]
        return f"{sign} {self.name:<18} {self.found}" + (
            f"\n{'':<24}-> {self.advice}" if self.advice else ""
        )


def _first_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[0][:100] if lines else "no output"


def _ask(*command: str, cwd: str | None = None, timeout: float = 60) -> tuple[int, str]:
    """Run a command; return its exit status and all it wrote."""
    done = subprocess.run(
        command, capture_output=True, text=True, errors="replace", timeout=timeout, cwd=cwd
    )
    return done.returncode, done.stdout + done.stderr


def _python() -> Check:
    found = f"{platform.python_version()} ({sys.executable})"
    good = (3, 12) <= sys.version_info[:2] < (3, 14)
    return Check("Python", good, found, "" if good else "install Python 3.12, then make .venv")


def _brian2() -> Check:
    version = importlib.import_module("brian2").__version__
    good = version == _BRIAN2
    return Check("Brian2", good, version, "" if good else f"pip install brian2=={_BRIAN2}")


def _numpy() -> Check:
    version = importlib.import_module("numpy").__version__
    good = tuple(int(n) for n in re.findall(r"\d+", version)[:2]) >= _NUMPY
    advice = "" if good else f"pip install 'numpy>={_NUMPY[0]}.{_NUMPY[1]}'"
    return Check("numpy", good, version, advice)


def _compiler() -> Check:
    path = shutil.which("g++")
    if path is None:
        return Check("C++ compiler", False, "no g++ on the path", _NO_COMPILER)
    status, text = _ask(path, "-dumpfullversion", "-dumpversion")
    number = re.match(r"\s*(\d+)[\d.]*\s*$", text)
    if status != 0 or number is None:
        return Check("C++ compiler", False, f"{path}: {_first_line(text)}", _NO_COMPILER)
    good = int(number[1]) >= _GCC
    advice = "" if good else f"version {_GCC} or later is needed: {_INSTALL_GCC}"
    return Check("C++ compiler", good, f"g++ {text.strip()} ({path})", advice)


def _compiles() -> Check:
    name = "compile and run"
    path = shutil.which("g++")
    if path is None:
        return Check(name, False, "no g++ on the path", _NO_COMPILER)
    from cells.fast_math import COMPILE_FLAGS

    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "loop.cpp").write_text(_LOOP)
        flags = [*COMPILE_FLAGS, "-fopt-info-vec-optimized"]
        status, text = _ask(path, *flags, "loop.cpp", "-o", "loop", cwd=folder)
        if status != 0:
            wrong = _first_line(text)
            return Check(name, False, f"g++ failed: {wrong}", "install gcc 9 or later, not clang")
        status, result = _ask(str(Path(folder, "loop")))
    if status != 0 or result != "2.000":
        found = f"compiled, but running it gave status {status}, '{_first_line(result)}'"
        return Check(name, False, found, f"mount {tempfile.gettempdir()} without noexec")
    if "vectorized" not in text:
        return Check(name, None, "works, loops not vectorised", "gcc 12 or later runs faster")
    return Check(name, True, "works, loops vectorised")


def _vector_unit() -> Check:
    name = "vector unit"
    path = shutil.which("g++")
    if path is None:
        return Check(name, None, "not known without g++", _NO_COMPILER)
    status, text = _ask(path, "-march=native", "-dM", "-E", "-x", "c++", os.devnull)
    if status != 0:
        return Check(name, None, f"not known: {_first_line(text)}", "update g++")
    for macro, label in (("AVX512F", "AVX-512"), ("AVX2", "AVX2"), ("AVX", "AVX"),
                         ("ARM_NEON", "NEON")):  # fmt: skip
        if f"__{macro}__" in text or f"__{macro} " in text:
            return Check(name, True, label)
    found = f"no AVX on this {platform.machine()}"
    return Check(name, None, found, "runs will be several times slower; nothing else to do")


def _make() -> Check:
    path = shutil.which("make")
    if path is None:
        return Check("make", False, "not on the path", _NO_COMPILER)
    status, text = _ask(path, "--version")
    return Check("make", status == 0, _first_line(text), "" if status == 0 else _INSTALL_GCC)


def _disk() -> Check:
    folder = Path.cwd()
    free = shutil.disk_usage(folder).free / 1e9
    good = free >= _FREE_GB
    advice = "" if good else f"free {_FREE_GB:g} GB, or say --out with a folder on another disk"
    return Check("disk", good, f"{free:.1f} GB free in {folder}", advice)


def _cache() -> Check:
    from cells.parameters import InputError
    from circuits.engine.machine import cache_folder

    try:
        folder = cache_folder()
    except InputError as error:
        return Check("build cache", False, str(error), "set PULVINAR_CACHE")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        found = f"cannot write to {folder} ({error.strerror})"
        return Check("build cache", False, found, "set PULVINAR_CACHE to a folder you may write to")
    return Check("build cache", True, str(folder))


def _nvcc() -> Check:
    from circuits.engine.cuda_toolkit import nvcc_release, supported_nvcc

    path = shutil.which("nvcc")
    if path is None:
        advice = "for --device cuda install the CUDA toolkit 13.0 and put nvcc on the path"
        return Check("nvcc", None, "not on the path", advice)
    release = nvcc_release()
    if release is None:
        _, text = _ask(path, "--version")
        return Check("nvcc", None, f"{path}: {_first_line(text)}", "reinstall the CUDA toolkit")
    found = f"release {release[0]}.{release[1]} ({path})"
    if not supported_nvcc(release):
        advice = (
            "the project was compiled with 13.0, and 12.0 is the oldest that may do: install it"
        )
        return Check("nvcc", None, found, advice)
    return Check("nvcc", True, found)


_PROBE = """
#include <curand.h>
#include <curand_kernel.h>
static_assert(__cplusplus >= 201703L, "C++17");
__global__ void probe(curandState* state) { curand_init(1, 0, 0, state); }
int main() { curandGenerator_t g; return curandCreateGenerator(&g, CURAND_RNG_PSEUDO_DEFAULT); }
"""


def _curand() -> Check:
    from circuits.engine.cuda_toolkit import CURAND, curand

    name, advice = "cuRAND", "for --device cuda: pip install '.[cuda]' (nvidia-curand==10.4.0.35)"
    if (found := curand()) is not None:
        return Check(name, True, f"{found[1].name} of the wheel {CURAND} ({found[0]})")
    path = shutil.which("nvcc")
    if path is None:
        return Check(name, None, f"no wheel {CURAND}, no nvcc to ask for its own", advice)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "rand.cu").write_text("#include <curand.h>\n")
        status, _ = _ask(path, "-E", "rand.cu", "-o", "rand.ii", cwd=folder)
    if status != 0:
        return Check(name, None, f"no wheel {CURAND}, and nvcc finds no curand.h", advice)
    return Check(name, True, "curand.h comes with the toolkit")


def _architectures() -> Check:
    from circuits.engine.cuda_toolkit import architectures, nvcc_architectures

    name = "GPU architectures"
    chosen = architectures()
    if shutil.which("nvcc") is None:
        return Check(name, None, f"{', '.join(chosen)}; no nvcc to compile for them", "see nvcc")
    known = nvcc_architectures()
    if wrong := [one for one in chosen if one not in known]:
        found = f"this nvcc does not compile for {', '.join(wrong)}"
        return Check(name, None, found, f"set PULVINAR_CUDA_ARCH to some of {', '.join(known)}")
    return Check(name, True, f"{', '.join(chosen)} (PULVINAR_CUDA_ARCH)")


def _cuda_compiles() -> Check:
    """Compile and link a program with the flags of the project: C++17, architectures, cuRAND."""
    from circuits.engine.cuda_toolkit import compile_flags, link_flags, link_library

    name = "compile CUDA"
    path = shutil.which("nvcc")
    if path is None or shutil.which("g++") is None:
        return Check(name, None, "needs nvcc and g++", "see nvcc and C++ compiler")
    with tempfile.TemporaryDirectory() as folder:
        link_library(Path(folder))
        Path(folder, "probe.cu").write_text(_PROBE)
        command = (path, *compile_flags(), "probe.cu", *link_flags(), "-o", "probe")
        status, text = _ask(*command, cwd=folder, timeout=300)
    if status == 0:
        return Check(name, True, "nvcc and g++ compile C++17 and link cuRAND; nothing was run")
    wrong = [line for line in text.splitlines() if "error" in line or "cannot find" in line]
    advice = "g++ 9 to 15 goes with CUDA 13.0; cuRAND must be of the toolkit's version"
    return Check(name, None, _first_line("\n".join(wrong) or text), advice)


def _brian2cuda() -> Check:
    from circuits.engine.cuda_toolkit import BRIAN2CUDA

    name, advice = "brian2cuda", f"for --device cuda: pip install brian2cuda=={BRIAN2CUDA}"
    if importlib.util.find_spec("brian2cuda") is None:
        return Check(name, None, "not installed", "for --device cuda: pip install '.[cuda]'")
    # in a process of its own: importing it changes the devices and preferences of Brian2
    code = "import brian2cuda; print('version', brian2cuda.__version__)"
    status, text = _ask(sys.executable, "-c", code, timeout=120)
    version = re.search(r"^version (\S+)", text, re.MULTILINE)
    if status != 0 or version is None:
        wrong = text.strip().splitlines()[-1][:100] if text.strip() else f"status {status}"
        return Check(name, None, f"import fails: {wrong}", advice)
    if version[1] != BRIAN2CUDA:
        return Check(name, None, f"{version[1]}, written for {BRIAN2CUDA}", advice)
    return Check(name, True, version[1])


def _gpu() -> Check:
    from circuits.engine.cuda_toolkit import architectures

    path = shutil.which("nvidia-smi")
    if path is None:
        found = "no nvidia-smi on the path"
        return Check("GPU", None, found, "CUDA code can be generated and compiled here, not run")
    query = "--query-gpu=name,memory.total,compute_cap"
    status, text = _ask(path, query, "--format=csv,noheader")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if status != 0 or not lines:
        return Check("GPU", None, _first_line(text), "install or repair the NVIDIA driver")
    found = "; ".join(lines)
    # a program for 8.0 runs on 8.x, x at least 0
    chosen = [tuple(map(int, one.split("."))) for one in architectures()]
    for line in lines:
        if (own := re.search(r"(\d+)\.(\d+)$", line)) is None:
            continue
        major, minor = int(own[1]), int(own[2])
        if not any(a == major and b <= minor for a, b in chosen):
            advice = f"set PULVINAR_CUDA_ARCH={major}.{minor}, or choose with CUDA_VISIBLE_DEVICES"
            return Check("GPU", None, found, advice)
    return Check("GPU", True, found)


_CHECKS: tuple[tuple[str, Callable[[], Check]], ...] = (
    ("Python", _python),
    ("Brian2", _brian2),
    ("numpy", _numpy),
    ("C++ compiler", _compiler),
    ("compile and run", _compiles),
    ("vector unit", _vector_unit),
    ("make", _make),
    ("disk", _disk),
    ("build cache", _cache),
    ("nvcc", _nvcc),
    ("GPU architectures", _architectures),
    ("cuRAND", _curand),
    ("compile CUDA", _cuda_compiles),
    ("brian2cuda", _brian2cuda),
    ("GPU", _gpu),
)
_CUDA = ("nvcc", "GPU architectures", "cuRAND", "compile CUDA", "brian2cuda")
_OPTIONAL = {*_CUDA, "GPU"}
_ADVICE = {"Brian2": _SET_UP, "numpy": _SET_UP, "C++ compiler": _NO_COMPILER, "make": _INSTALL_GCC}


def _guarded(name: str, check: Callable[[], Check]) -> Check:
    try:
        return check()
    except Exception as error:
        found = f"{type(error).__name__}: {_first_line(str(error))}"
        advice = _ADVICE.get(name, "repair what the message names, then run the check again")
        return Check(name, None if name in _OPTIONAL else False, found, advice)


def checks() -> list[Check]:
    """Return what works here; never raises.

    Returns
    -------
    list of Check
        Python, Brian2, numpy, compiler, a compiled loop, vector unit, make, disk and cache, which
        every run needs; then nvcc, architectures, cuRAND, a compiled CUDA program, brian2cuda and
        GPU, which device cuda needs and whose ``ok`` is None where missing.
    """
    return [_guarded(name, check) for name, check in _CHECKS]


def print_report(stream=None) -> bool:
    """Print the findings with their advice.

    Parameters
    ----------
    stream : file, optional
        Default standard output.

    Returns
    -------
    bool
        True if nothing that a run needs has failed.
    """
    stream = stream or sys.stdout
    found = []
    for name, check in _CHECKS:
        found.append(_guarded(name, check))
        print(found[-1], file=stream, flush=True)
    failed = [check.name for check in found if check.ok is False]
    devices = {check.name: check.ok for check in found}
    compiled = all(devices[k] is not False for k in ("C++ compiler", "compile and run", "make"))
    cuda = compiled and all(devices[k] for k in _CUDA)
    works = [
        "numpy",
        *(["cython", "cpp"] if compiled else []),
        *(["cuda" if devices["GPU"] else "cuda (generate and compile only)"] if cuda else []),
    ]
    print(f"\ndevices that work here: {', '.join(works)}", file=stream)
    if failed:
        print(f"to repair: {', '.join(failed)}", file=stream)
    return not failed
