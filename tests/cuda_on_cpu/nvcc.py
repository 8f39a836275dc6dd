"""What `install` calls nvcc: the arguments of the project's makefile, and g++ behind them."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from pathlib import Path

from cells.fast_math import COS_CPP, INLINED

HERE = Path(__file__).parent
HEADERS = (
    "cuda.h", "cuda_profiler_api.h", "cuda_runtime.h", "curand.h", "curand_kernel.h",
    *(f"thrust/{name}.h" for name in (
        "copy", "count", "device_ptr", "device_vector", "execution_policy", "fill", "host_vector",
        "reduce", "sequence", "sort", "system_error", "unique",
    )),
)  # fmt: skip
COMPILE = ("g++", "-std=c++17", "-w")
_LAUNCH = re.compile(r"(\w+)\s*<<<(.*?)>>>\s*\(", re.DOTALL)
_SHARED = re.compile(r"extern\s+__shared__\s+char\s+(\w+)\[\];")
_LIKE_CPP = ("exp", "expm1", "log", "cos")


def translated(text: str) -> str:
    """Return a CUDA file as the C++ that ``emu.h`` makes of it: launches are calls."""
    text = _LAUNCH.sub(r"EMU_LAUNCH(\1, \2)(", text)
    return _SHARED.sub(r"char* \1 = emu::shared_memory();", text)


def like_cpp_header() -> str:
    """Return a header that puts the functions of device cpp for those of libm."""
    codes = dict.fromkeys([*(INLINED[name] for name in ("exp", "log")), COS_CPP])
    macros = [f"#define {name}(x) _pulvinar_{name}(x)" for name in _LIKE_CPP]
    return "\n".join([*codes, *macros]) + "\n"


def _compile(source: str, out: Path, level: str, like_cpp: bool) -> int:
    with tempfile.TemporaryDirectory(prefix="emu-") as name:
        copy, include = Path(name) / "project", Path(name) / "include"
        for path in (*Path().rglob("*.cu"), *Path().rglob("*.h")):
            (copy / path).parent.mkdir(parents=True, exist_ok=True)
            (copy / path).write_text(translated(path.read_text()))
        (include / "thrust").mkdir(parents=True)
        for header in HEADERS:
            (include / header).write_text('#include "emu.h"\n')
        (include / "emu_math.h").write_text(like_cpp_header() if like_cpp else "")
        flags = [level, "-I.", f"-I{include}", f"-I{HERE}", "-include", "emu.h"]
        command = [*COMPILE, *_more(), *flags, "-x", "c++", "-c", source, "-o", str(out)]
        return subprocess.run(command, cwd=copy).returncode


def _more() -> list[str]:
    return os.environ.get("EMU_FLAGS", "").split()


def main(arguments: list[str], *, like_cpp: bool) -> int:
    """Answer what the project asks of nvcc; compile one file, or link."""
    if "--version" in arguments:
        print("Cuda compilation tools, release 13.0, V13.0.88 (emulated)")
        return 0
    if "--list-gpu-arch" in arguments:
        print("compute_80\ncompute_90")
        return 0
    out = Path(arguments[arguments.index("-o") + 1]).absolute()
    if "-dc" in arguments:
        source = next(a for a in arguments if a.endswith(".cu"))
        level = "-O0" if any("-O0" in a for a in arguments) else "-O1"
        return _compile(source, out, level, like_cpp)
    objects = [a for a in arguments if a.endswith(".o")]
    with tempfile.TemporaryDirectory(prefix="emu-") as include:
        (Path(include) / "emu_math.h").write_text("")
        flags = ["-O2", f"-I{include}", f"-I{HERE}"]
        command = [*COMPILE, *_more(), *flags, *objects, str(HERE / "emu.cpp"), "-o", str(out)]
        return subprocess.run(command).returncode
