"""The CUDA toolkit, cuRAND and the GPU of this machine, and the flags that follow from them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

from cells.parameters import InputError

__all__ = [
    "BRIAN2CUDA",
    "architectures",
    "compile_flags",
    "curand",
    "has_gpu",
    "link_flags",
    "link_library",
    "nvcc_architectures",
    "nvcc_release",
    "supported_nvcc",
]


BRIAN2CUDA = "1.0b1"
CURAND = "nvidia-curand"  # of CUDA 13; the version of the extra is that of CUDA 13.0
_ARCHITECTURES = "8.0,9.0"  # A100 and H100
OLDEST_NVCC, NEWEST_NVCC = (12, 0), (13, 0)  # 13.0 is what compiled it


def architectures() -> tuple[str, ...]:
    """Return the compute capabilities to compile for: ``PULVINAR_CUDA_ARCH``, or 8.0 and 9.0.

    Raises
    ------
    InputError
        If the variable is no list such as ``8.0,9.0``.
    """
    text = os.environ.get("PULVINAR_CUDA_ARCH") or _ARCHITECTURES
    found = tuple(part.strip() for part in text.split(","))
    for one in found:
        if not re.fullmatch(r"\d{1,2}\.\d", one):
            raise InputError(
                f"PULVINAR_CUDA_ARCH: '{one}' is no compute capability; valid: a list such as"
                f" {_ARCHITECTURES}"
            )
    return found


def _digits(architecture: str) -> str:
    return architecture.replace(".", "")


def nvcc_release() -> tuple[int, int] | None:
    """Return the release of the nvcc on the path; None where there is none, or it fails."""
    if shutil.which("nvcc") is None:
        return None
    found = re.search(r"release (\d+)\.(\d+)", _output("nvcc", "--version"))
    return (int(found[1]), int(found[2])) if found else None


def supported_nvcc(release: tuple[int, int]) -> bool:
    """Tell if a release is one that may compile the project: 12.0 to 13.0."""
    return OLDEST_NVCC <= release <= NEWEST_NVCC


def nvcc_architectures() -> tuple[str, ...]:
    """Return the compute capabilities that the nvcc on the path compiles for."""
    found = re.findall(r"compute_(\d+)(\d)\b", _output("nvcc", "--list-gpu-arch"))
    return tuple(f"{major}.{minor}" for major, minor in found)


def _output(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout if done.returncode == 0 else ""


def curand() -> tuple[Path, Path] | None:
    """Return the folder of ``curand.h`` and the library file of the cuRAND wheel; None without."""
    try:
        shipped = [Path(entry.locate()) for entry in files(CURAND) or ()]
    except PackageNotFoundError:
        return None
    headers = [path.parent for path in shipped if path.name == "curand.h"]
    libraries = [path for path in shipped if path.name.startswith("libcurand.so")]
    if not headers or not libraries:
        return None
    return headers[0], libraries[0]


def compile_flags() -> list[str]:
    """Return the flags of nvcc that say what language, architectures and headers."""
    flags = ["-std=c++17", "-w"]
    flags += [f"-gencode=arch=compute_{a},code=sm_{a}" for a in map(_digits, architectures())]
    if (found := curand()) is not None:
        flags.append(f"-I{found[0]}")
    return flags


def link_flags() -> list[str]:
    """Return the flags of nvcc that link cuRAND; see `link_library`."""
    flags = ["-L.", "-lcurand"]
    if (found := curand()) is not None:
        flags.append(f"-Xlinker=-rpath,{found[1].parent}")
    return flags


def link_library(folder: Path) -> None:
    """Give the cuRAND library of the wheel, in ``folder``, the name that a linker looks for."""
    if (found := curand()) is not None and not (folder / "libcurand.so").exists():
        (folder / "libcurand.so").symlink_to(found[1])


def has_gpu() -> bool:
    """Tell if there is a GPU here, with a driver that answers."""
    return bool(_output("nvidia-smi", "--list-gpus").strip())
