"""The generated project of a plan, in C++ or CUDA.

All numbers of a run (weights, wiring, delays, parameters, stimulus, keys of the noise, duration)
reach its program at launch as files and environment, so other seeds, weights, stimuli or lesions
do not compile anything.
"""

from __future__ import annotations

import gc
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import brian2
import numpy as np
from brian2 import Synapses, get_device, prefs, second

from cells.fast_math import use_fast_math
from cells.preferences import own_preferences
from circuits.engine.plan import Plan
from circuits.engine.program import TIMED, check_network, construct

__all__ = ["DeviceError", "generate"]


Progress = Callable[[float, float], None]

_REPORT = """
std::cout << "progress " << completed << " " << elapsed << std::endl;
"""


_STATE = Path(__file__).with_name("state.h")


class DeviceError(RuntimeError):
    """A build or a launch went wrong; the message is one line."""


@own_preferences()
def generate(plan: Plan, arrays, folder: Path, target: str = "cpp_standalone") -> dict:
    """Write the project of a plan; return where its numbers go in and come out.

    Parameters
    ----------
    plan : Plan
    arrays : mapping of str to array
    folder : Path
    target : {"cpp_standalone", "cuda_standalone"}

    Returns
    -------
    dict
        What ``program.json`` holds: ``static`` (array of the run -> files), ``files`` (file ->
        dtype, size), and by name the result files of ``spikes``, ``traces``, ``weights`` and
        ``potentials``.
    """
    use_fast_math()
    brian2.set_device(target, build_on_run=False, directory=None)
    device = get_device()
    device.reinit()
    device.activate(build_on_run=False, directory=None)
    prefs.devices.cpp_standalone.openmp_threads = plan.threads if plan.threads > 1 else 0
    try:
        gc.collect()  # names of an earlier program are free only then
        program = construct(plan, arrays)
        check_network(program.network)
        program.network.run(1 * second, report=_REPORT, report_period=0.5 * second)
        keeps_state = target == "cpp_standalone" and plan.threads == 1
        _take_over_run(device, program, plan, keeps_state)
        if keeps_state:
            device.insert_code("before_start", "pulvinar::end_with_parent();")
        device.build(directory=str(folder), compile=False, run=False)
        if target == "cpp_standalone":
            _hide_sizes(folder)
            _fill_from_files(folder)
        timed = {
            key: [name for name in device.static_arrays if name.endswith(f"{TIMED[key]}_values")]
            for key in TIMED
            if key in arrays
        }
        static = {**program.static, **timed}

        def result(variable):
            return [device.get_array_filename(variable), str(np.dtype(variable.dtype))]

        description = {
            "static": static,
            "files": {k: [str(a.dtype), a.size] for k, a in device.static_arrays.items()},
            "spikes": {
                name: {k: result(monitor.variables[k]) for k in ("i", "t")}
                for name, monitor in program.spikes.items()
            },
            "traces": {
                one.name: {
                    k: result(program.traces[one.name].variables[k]) for k in ("t", *one.variables)
                }
                for one in plan.traces
            },
            "weights": {
                name: [result(monitor.variables["w"]), result(monitor.source.variables["w"])]
                for name, monitor in program.weights.items()
            },
            "potentials": {
                f"{name}.{v}": result(group.variables[v])
                for name, group in program.groups.items()
                for v in plan.group(name).potentials
            },
        }
        if target == "cpp_standalone":
            _leave_out(folder, description)
        return description
    finally:
        prefs.devices.cpp_standalone.openmp_threads = 0
        device.reinit()
        brian2.set_device("runtime")


def _hide_sizes(folder: Path) -> None:
    """Keep the compiler from knowing how many cells a loop goes over.

    It unrolls short loops and rounds there in another way, so that a cell would not do the same in
    a group of another size.
    """
    known = re.compile(r"^(\s*)const int64_t N = (\d+);$", re.MULTILINE)
    changed = 0
    for path in (folder / "code_objects").glob("*.cpp"):
        hidden = r'\1int64_t N = \2; __asm__("" : "+r"(N));'
        text, n = known.subn(hidden, path.read_text())
        path.write_text(text)
        changed += n
    if not changed:
        raise DeviceError("the generated program has no sizes; is this another Brian2?")


_FILLED = re.compile(
    r"(?:#pragma omp[^\n]*\s*)?for\(int i=0; i<([^;]+); i\+\+\)\s*"
    r"\{\s*(\w+)\[i\] = (_static_array_\w+)\[i\];\s*\}"
)
_ALLOCATED = re.compile(r"^ *(\w+) = new \w+\[\d+\];\n", re.MULTILINE)
_LOADED = re.compile(r"^ *ifstream f(\w+);\n.*?^ *\} else\n.*?^ *\}\n", re.MULTILINE | re.DOTALL)


def _fill_from_files(folder: Path) -> None:
    """Let a program fill its arrays from their files, and include state.h.

    As Brian2 writes it, it first reads all files into arrays that it keeps until its end.
    """
    shutil.copy(_STATE, folder)
    main, objects = folder / "main.cpp", folder / "objects.cpp"
    used = "".join(path.read_text() for path in (folder / "code_objects").glob("*.cpp"))
    own = {name for *_, name in _FILLED.findall(main.read_text()) if name not in used}
    if not own:
        raise DeviceError("the generated program fills no arrays; is this another Brian2?")

    def fill(found: re.Match) -> str:
        n, array, name = found.groups()
        if name not in own:
            return found[0]
        return f'pulvinar::fill({array}, {n}, "static_arrays/{name}", {name});'

    def drop(found: re.Match) -> str:
        return "" if found[1] in own else found[0]

    main.write_text(f'#include "{_STATE.name}"\n{_FILLED.sub(fill, main.read_text())}')
    objects.write_text(_LOADED.sub(drop, _ALLOCATED.sub(drop, objects.read_text())))


_BY_NAME = re.compile(r"(^void set_variable_by_name\(.*?\) \{\n).*?^\}\n", re.MULTILINE | re.DOTALL)
_WRITTEN = re.compile(
    r"^ {4}ofstream outfile_\w+;\n.*?(?=^ {4}ofstream |^ {4}//|^\})", re.MULTILINE | re.DOTALL
)
_FILE = re.compile(r'results_dir \+ "(\w+)"')


def _leave_out(folder: Path, description: dict) -> None:
    """Take out what nobody asks a program for: it would be most of what it writes.

    Brian2 lets a program write every array at its end, and set every array by its name.
    """
    objects = folder / "objects.cpp"
    kinds = (description[kind].values() for kind in ("spikes", "traces"))
    read = [file for kind in kinds for files in kind for file, _ in files.values()]
    read += [file for files in description["weights"].values() for file, _ in files]
    read += [file for file, _ in description["potentials"].values()]
    found = []

    def keep(block: re.Match) -> str:
        file = _FILE.search(block[0])
        if file is None or file[1] not in read:
            return block[0] if file is None else ""
        found.append(file[1])
        return block[0]

    text = _WRITTEN.sub(keep, _BY_NAME.sub(r"\1}\n", objects.read_text()))
    if set(found) != set(read):
        raise DeviceError("the generated program writes no results; is this another Brian2?")
    objects.write_text(text)


def _state_items(device, program) -> list[str]:
    """Return C++ statements that visit all that changes in a run; see state.h."""
    monitors = [*program.spikes.values(), *program.traces.values(), *program.weights.values()]
    passive = {monitor.name for monitor in monitors}
    lines = []
    for variable, name in sorted(device.arrays.items(), key=lambda item: item[1]):
        # what is constant is given at every launch
        if variable.constant or variable.owner.name in passive:
            continue
        if variable in device.dynamic_arrays:
            lines.append(f'state.array("{name}", {device.dynamic_arrays[variable]});')
        else:
            size = f"_num_{name}*sizeof({name}[0])"
            lines.append(f'state.array("{name}", {name}, {size});')
    pathways = [p for o in program.network.objects if isinstance(o, Synapses) for p in o._pathways]
    lines += [
        f'state.queue("{name}", *{name}.queue[0]);' for name in sorted(p.name for p in pathways)
    ]
    return lines


def _take_over_run(device, program, plan: Plan, keeps_state: bool) -> None:
    """Let the compiled program take its duration, and its state, from what it is launched with."""
    changed = 0
    for k, (kind, args) in enumerate(device.main_queue):
        if kind != "run_network":
            continue
        network, lines = args
        fixed = f"{network.name}.run(1.0,"
        new = []
        for line in lines:
            if fixed not in line:
                new.append(line)
                continue
            changed += 1
            run = line.replace(fixed, f'{network.name}.run(atof(getenv("PULVINAR_DURATION")),')
            if not keeps_state:
                new.append(run)
                continue
            time = f"state.time({network.name}.t, {plan.dt_ms * 1e-3!r});"
            new += [
                f'pulvinar::State state("{plan.digest}");',
                "const auto visit = [&]() {",
                time,
                *_state_items(device, program),
                "state.close();",
                "};",
                'if(state.open(getenv("PULVINAR_STATE_IN"))) visit();',
                run,
                'if(state.create(getenv("PULVINAR_STATE_OUT"))) visit();',
            ]
        device.main_queue[k] = (kind, (network, new))
    if changed != 1:
        raise DeviceError("the generated program has no single run; is this another Brian2?")
