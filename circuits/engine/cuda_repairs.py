"""What is changed in a project that Brian2CUDA 1.0b1 wrote, by checked replacement of text.

Each change replaces what must be in the project as often as it says, or the project is refused:
another Brian2CUDA needs another look. Races and fences:

- ``brianlib/spikequeue.h``, ``prepare``: all threads read whether the queue is new, thread 0 makes
  it, and nothing kept them apart. A thread that is late sees a queue that is not new, and leaves
  its lock as it came from the heap.
- The same file, ``acquire_semaphore`` and ``release_semaphore``: a fence belongs before the store
  that opens a lock and after the load that closes it (CUDA C++ Programming Guide, memory fence
  functions); it stood after the store alone, so that another block could find the lock open and
  the old size of the queue.
- ``code_objects/*_codeobject.cu``: synapses ask the default clock whether spikes can have come;
  a project all of whose objects have clocks of their own has none.
- ``network.cu``: as for C++ (`cells.fast_math.CLOCKS`).

And what a step does more often than it must:

- A copy to the host, which waits for the device, asks for every pathway and monitor how many cells
  fired. The answer is kept until the next threshold of these cells.
- A launch for each queue lets it go on by a step: all queues of a clock go on in one.
"""

from __future__ import annotations

import re
from pathlib import Path

from cells.fast_math import CLOCKS
from circuits.engine.project import DeviceError

__all__ = ["QUEUES", "repair"]

QUEUES = "queues"  # name of the file that is added

_RACE = (
    "        bool initialize_semaphores = (!semaphore);\n",
    "        bool initialize_semaphores = (!semaphore);\n        __syncthreads();\n",
)
_ACQUIRE = (
    "while (atomicCAS((int *)lock, 0, 1) != 0);\n",
    "while (atomicCAS((int *)lock, 0, 1) != 0);\n        __threadfence();\n",
)
_RELEASE = ("*lock = 0;\n        __threadfence();\n", "__threadfence();\n        *lock = 0;\n")
_FIXED = {"brianlib/spikequeue.h": (_RACE, _ACQUIRE, _RELEASE), "network.cu": (CLOCKS,)}

_COUNT = re.compile(
    r"int32_t num_spiking_neurons;\s*CUDA_SAFE_CALL\(\s*cudaMemcpy\(&num_spiking_neurons,\s*"
    r"(.+?),\s*sizeof\(int32_t\), cudaMemcpyDeviceToHost\)\s*\);"
)
_COUNT_OF_MONITOR = re.compile(
    r"CUDA_SAFE_CALL\(\s*cudaMemcpy\(\s*&_num_events,\s*(.+?),\s*sizeof\(int32_t\),"
    r"\s*cudaMemcpyDeviceToHost\s*\)\s*\);"
)
_ADVANCE = re.compile(
    r"(_advance_kernel_\w+)<<<1, num_parallel_blocks>>>\(\);\s*CUDA_CHECK_ERROR\(\"\1\"\);"
)
_CHECKED = re.compile(
    r"(<<<num_blocks, num_threads>>>\(\s*_N,\s*num_threads,[^;]*?(dev_\w+space\[\w+\]),[^;]*;"
    r'\s*CUDA_CHECK_ERROR\("_run_kernel_\w+_thresholder_codeobject"\);)'
)
_END = re.compile(r"#endif\s*\Z")

_DECLARED = """
namespace brian {
int32_t events_counted(const int32_t* counter);
void forget_events(const int32_t* counter);
}
"""
_DEFINED = """#include "objects.h"
#include "brianlib/cuda_utils.h"
#include <map>

namespace brian {

static std::map<const int32_t*, int32_t> known;

int32_t events_counted(const int32_t* counter)
{
    const auto found = known.find(counter);
    if (found != known.end())
        return found->second;
    int32_t n;
    CUDA_SAFE_CALL(cudaMemcpy(&n, counter, sizeof(int32_t), cudaMemcpyDeviceToHost));
    return known[counter] = n;
}

void forget_events(const int32_t* counter) { known.erase(counter); }

}
"""
_ADVANCE_ALL = """
__global__ void _advance_{clock}()
{{
    using namespace brian;
    CudaSpikeQueue* queue = 0;
    switch (blockIdx.x) {{
{cases}
    }}
    if (queue->num_queues)  // one without synapses has none
        queue->advance(threadIdx.x);
}}

void _run_advance_{clock}()
{{
    _advance_{clock}<<<{n}, brian::num_parallel_blocks>>>();
    CUDA_CHECK_ERROR("_advance_{clock}");
}}
"""


def repair(folder: Path) -> None:
    """Repair a project and let it wait less.

    Parameters
    ----------
    folder : Path
        As Brian2CUDA wrote it.

    Raises
    ------
    DeviceError
        If what is to be changed is not there.
    """
    for name, changes in _FIXED.items():
        for old, new in changes:
            _edit(folder / name, old, new)
    objects = folder / "code_objects"
    pathways = [p for p in objects.glob("*_push_spikes.cu") if not p.stem.startswith("before_run")]
    thresholds = [p for p in objects.glob("*_thresholder_*.cu") if not p.stem.startswith("after_")]
    for path in sorted(objects.glob("*.cu")):
        _ask_own_clock(path)
    for path in pathways:
        _edit(path, _COUNT, r"const int32_t num_spiking_neurons = events_counted(\1);")
        _edit(path, _ADVANCE, "")
    for path in objects.glob("spikes_*_codeobject.cu"):
        _edit(path, _COUNT_OF_MONITOR, r"_num_events = events_counted(\1);")
    for path in thresholds:
        _edit(path, _CHECKED, r"\1\n    forget_events(&\2[_N]);")
    _edit(folder / "objects.h", _END, f"{_DECLARED}#endif\n")
    _advance_together(folder, {path.stem for path in pathways})


def _edit(path: Path, old: str | re.Pattern, new: str) -> None:
    """Replace what must be in a file once."""
    text = path.read_text()
    if isinstance(old, str):
        text, times = text.replace(old, new), text.count(old)
    else:
        text, times = old.subn(new, text)
    if times != 1:
        raise DeviceError(f"{path.name} is not what Brian2CUDA 1.0b1 writes")
    path.write_text(text)


def _ask_own_clock(path: Path) -> None:
    text = path.read_text()
    if "defaultclock.timestep[0]" not in text:
        return
    clocks = set(re.findall(r"^\s*(\w+_clock)\.timestep\[0\],", text, re.MULTILINE))
    if len(clocks) != 1:
        raise DeviceError(f"{path.stem} has no clock of its own; is this another Brian2CUDA?")
    path.write_text(text.replace("defaultclock.timestep", f"{clocks.pop()}.timestep"))


def _advance_together(folder: Path, expected: set[str]) -> None:
    """Write the launches that let all queues of a clock go on, before the first of them is used."""
    main = folder / "main.cu"
    clocks: dict[str, list[str]] = {}
    for clock, pathway in re.findall(r"network\.add\(&(\w+), _run_(\w+)\);", main.read_text()):
        if pathway in expected:
            clocks.setdefault(clock, []).append(pathway.removesuffix("_push_spikes"))
    if sum(map(len, clocks.values())) != len(expected):
        raise DeviceError("main.cu is not what Brian2CUDA 1.0b1 writes")
    parts = [_DEFINED]
    for clock, names in clocks.items():
        cases = [f"    case {k}: queue = {name}.queue; break;" for k, name in enumerate(names)]
        parts.append(_ADVANCE_ALL.format(clock=clock, cases="\n".join(cases), n=len(names)))
        first = f"network.add(&{clock}, _run_{names[0]}_push_spikes);"
        _edit(main, first, f"network.add(&{clock}, _run_advance_{clock});\n        {first}")
        main.write_text(f"void _run_advance_{clock}();\n{main.read_text()}")
    (folder / f"{QUEUES}.cu").write_text("".join(parts))
