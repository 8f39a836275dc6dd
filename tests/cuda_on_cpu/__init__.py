"""CUDA on a CPU: an nvcc and a GPU that are none, to execute what Brian2CUDA generates.

`install` writes two scripts, ``nvcc`` and ``nvidia-smi``; with their folder first on the path,
everything that asks for device ``cuda`` runs unchanged. The nvcc (`nvcc.py`) compiles the project
with g++ behind ``emu.h``; ``emu.cpp`` runs its kernels, block after block and thread after thread,
or in random order with several blocks under way, and checks what they do to device memory.

It cannot show how fast a GPU would be, nor a missing fence between blocks, nor CUDA's own libm.

Settings, in the environment of a compiled program:

================== ======= =========================================================
EMU_ORDER          0       of blocks and threads: 0 forward, 1 backward, n > 1 random
EMU_RESIDENT       1       blocks that are under way at once (random order only)
EMU_SMS            4       multiprocessors
EMU_THREADS        1024    the largest block
EMU_KERNEL_THREADS 1024    the largest block of a kernel that needs registers
EMU_OCCUPANCY      256     the block that cudaOccupancyMaxPotentialBlockSize suggests
EMU_HEAP_OVERHEAD  0       bytes that malloc in a kernel takes beside what was asked for
EMU_STRICT         0       1: device memory is closed to the host (15 times slower)
EMU_REPORT                 file for the counts of launches and copies, as JSON
================== ======= =========================================================
"""

from __future__ import annotations

import sys
from pathlib import Path

__all__ = ["install"]

HERE = Path(__file__).parent
_SMI = "#!/bin/sh\necho 'GPU 0: emulated'\n"


def install(folder: Path, *, like_cpp: bool = True) -> Path:
    """Write ``nvcc`` and ``nvidia-smi`` into a folder; return it.

    Parameters
    ----------
    folder : Path
    like_cpp : bool
        exp, log and cos are those of device cpp, not those of libm.
    """
    folder.mkdir(parents=True, exist_ok=True)
    script = f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(HERE.parents[1])!r})\n"
    script += "from tests.cuda_on_cpu.nvcc import main\n"
    script += f"sys.exit(main(sys.argv[1:], like_cpp={like_cpp}))\n"
    for name, text in (("nvcc", script), ("nvidia-smi", _SMI)):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    return folder
