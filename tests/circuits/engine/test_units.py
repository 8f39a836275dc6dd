"""The units that a program is compiled from, and what programs share of them."""

import os
import subprocess

import pytest

from circuits.engine import cpp, machine
from circuits.engine.units import put_together

_SMALL = """#include "code_objects/{name}.h"
#include "objects.h"
#include <cmath>
namespace {{
    #ifndef _TWICE
    #define _TWICE
    #include <cstdlib>
    static inline int twice(int x) {{ return {n}*x; }}
    #endif
    #define _ADDED {n}
    int own(int x) {{ return twice(x) + _ADDED; }}
}}

void _run_{name}()
{{
    using namespace brian;
    const int64_t N = {size};
    kept_{object} += own(std::abs(-10))*N;
}}
"""
_OBJECTS = """#ifndef _OBJECTS
#define _OBJECTS
#include <cstdint>
#include <cstdio>
namespace brian {{
{declared}
}}
#endif
"""
_STEPS = ("pre_codeobject", "pre_push_spikes", "synapses_create_array_codeobject")


def write(folder, sizes):
    """Write a program with synapses of these names and sizes, as Brian2 does."""
    (folder / "code_objects").mkdir(parents=True)
    declared = "".join(f"extern int kept_{name};\n" for name in sizes)
    (folder / "objects.h").write_text(_OBJECTS.format(declared=declared))
    defined = "".join(f"int kept_{name} = 0;\n" for name in sizes)
    (folder / "objects.cpp").write_text(f'#include "objects.h"\nnamespace brian {{\n{defined}}}\n')
    calls, shown = [], []
    for name, size in sizes.items():
        for n, step in enumerate(_STEPS):
            text = _SMALL.format(name=f"{name}_{step}", object=name, n=n, size=size)
            (folder / "code_objects" / f"{name}_{step}.cpp").write_text(text)
            header = f"void _run_{name}_{step}();\n"
            (folder / "code_objects" / f"{name}_{step}.h").write_text(header)
            calls.append(f"_run_{name}_{step}();")
        shown.append(f'std::printf("%d ", brian::kept_{name});')
    included = "".join(
        f'#include "code_objects/{name}_{step}.h"\n' for name in sizes for step in _STEPS
    )
    (folder / "main.cpp").write_text(
        f"{included}int main() {{ {' '.join(calls + shown)} return 0; }}\n"
    )
    return folder


def said(folder):
    done = subprocess.run([folder / "main"], check=True, capture_output=True, text=True)
    return [int(word) for word in done.stdout.split()]


@pytest.fixture
def compiled(monkeypatch, tmp_path):
    """Return a function that compiles a program and returns what was not compiled before."""
    log = tmp_path / "log"
    shim = tmp_path / "bin" / "g++"
    shim.parent.mkdir()
    shim.write_text(f'#!/bin/sh\necho "$*" >> {log}\nexec {cpp.shutil.which("g++")} "$@"\n')
    shim.chmod(0o755)
    monkeypatch.setenv("PATH", str(shim.parent), prepend=os.pathsep)
    monkeypatch.setenv("PULVINAR_CACHE", str(tmp_path / "cache"))

    def compiled(folder, *flags):
        log.write_text("")
        cpp._compile(folder, None, flags)
        lines = log.read_text().splitlines()
        return len([line for line in lines if " -c " in line and "-O0" not in line])

    return compiled


@pytest.mark.standalone
def test_each_keeps_its_macros_functions_and_sizes(compiled, tmp_path):
    folder = write(tmp_path / "a", {"a_to_b": 3, "b_to_a": 5})
    assert compiled(folder) == 3  # of each object, and what runs once
    assert said(folder) == [size * sum(10 * n + n for n in range(3)) for size in (3, 5)]
    assert not [*folder.glob("*.o")][1:]


@pytest.mark.standalone
def test_what_another_program_has_is_not_compiled_again(compiled, tmp_path):
    compiled(write(tmp_path / "a", {"a_to_b": 3, "b_to_a": 5}))
    other = write(tmp_path / "b", {"a_to_b": 7, "b_to_a": 2})
    assert compiled(other) == 0 and said(other) == [7 * 33, 2 * 33]
    more = write(tmp_path / "c", {"a_to_b": 7, "b_to_a": 2, "c_to_a": 4})
    assert compiled(more) == 2 and said(more) == [7 * 33, 2 * 33, 4 * 33]
    changed = write(tmp_path / "d", {"a_to_b": 7, "b_to_a": 2})
    path = changed / "code_objects" / "a_to_b_pre_push_spikes.cpp"
    path.write_text(path.read_text().replace("+=", "-="))
    assert compiled(changed) == 1 and said(changed) == [7 * 11, 2 * 33]
    flagged = write(tmp_path / "e", {"a_to_b": 7, "b_to_a": 2})
    assert compiled(flagged, "-fopenmp") == 3
    header = write(tmp_path / "f", {"a_to_b": 7, "b_to_a": 2})
    (header / "brianlib").mkdir()
    (header / "brianlib" / "other.h").write_text("// of another Brian2\n")
    assert compiled(header) == 3


@pytest.mark.standalone
def test_object_files_of_another_compiler_or_processor_are_not_used(
    compiled, tmp_path, monkeypatch
):
    compiled(write(tmp_path / "a", {"a_to_b": 3}))
    for name in ("compiler_version", "processor"):
        monkeypatch.setattr(cpp, name, lambda name=name: f"another {name}")
        assert compiled(write(tmp_path / name, {"a_to_b": 3})) == 2


@pytest.mark.standalone
def test_what_a_compile_leaves_unfinished_is_not_used(compiled, tmp_path):
    folder = write(tmp_path / "a", {"a_to_b": 3})
    path = folder / "code_objects" / "a_to_b_pre_codeobject.cpp"
    path.write_text("what is this")
    with pytest.raises(cpp.DeviceError, match="compiling failed"):
        compiled(folder)
    assert compiled(write(tmp_path / "b", {"a_to_b": 3})) >= 1
    (home,) = (machine.cache_folder() / "objects").iterdir()
    assert {path.suffix for path in home.iterdir()} == {".h", ".gch", ".o"}
    for path in home.iterdir():
        path.write_bytes(b"")
    other = write(tmp_path / "c", {"a_to_b": 3})
    assert compiled(other) == 2 and said(other) == [3 * 33]


def test_what_integrates_stays_alone(tmp_path):
    folder = write(tmp_path / "a", {"a_to_b": 3})
    names = ("relay_stateupdater_codeobject", "relay_noise_codeobject",
             "relay_spike_resetter_codeobject", "spikes_relay_codeobject",
             "relay_learn_thresholder_codeobject", "intrinsic_burster_to_relay_pre_codeobject",
             "spikes_intrinsic_burster_codeobject")  # fmt: skip
    for name in names:
        (folder / "code_objects" / f"{name}.cpp").write_text(f"// {name}.\n")
    parts = [{name for name in names if f"{name}." in text} for text in put_together(folder).parts]
    assert sorted(map(sorted, filter(None, parts))) == [
        ["intrinsic_burster_to_relay_pre_codeobject"],
        ["relay_learn_thresholder_codeobject", "relay_spike_resetter_codeobject",
         "spikes_relay_codeobject"],
        ["relay_noise_codeobject"],
        ["relay_stateupdater_codeobject"],
        ["spikes_intrinsic_burster_codeobject"],
    ]  # fmt: skip
