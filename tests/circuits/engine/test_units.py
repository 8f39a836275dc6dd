"""Small files of a program put together."""

import subprocess
from pathlib import Path

from circuits.engine.units import UNITS, put_together

_SMALL = """#include "code_objects/step_{n}.h"
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

void _run_step_{n}()
{{
    kept += own(std::abs(-10));
}}
"""
_MAIN = """#include <cstdio>
#include "objects.h"
int kept = 0;
{included}
int main() {{ {calls} std::printf("%d", kept); return 0; }}
"""


def test_each_keeps_its_macros_and_functions_and_can_be_called(tmp_path):
    (tmp_path / "code_objects").mkdir()
    (tmp_path / "objects.h").write_text("#pragma once\nextern int kept;\n")
    numbers = range(2 * UNITS + 1)
    for n in numbers:
        home = tmp_path / "code_objects"
        (home / f"step_{n}.h").write_text(f'#include "objects.h"\nvoid _run_step_{n}();\n')
        (home / f"step_{n}.cpp").write_text(_SMALL.format(n=n))
    included = "\n".join(f'#include "code_objects/step_{n}.h"' for n in numbers)
    calls = " ".join(f"_run_step_{n}();" for n in numbers)
    (tmp_path / "main.cpp").write_text(_MAIN.format(included=included, calls=calls))
    sources = put_together(tmp_path)
    assert len(sources) == UNITS + 1
    subprocess.run(["g++", "-I.", *map(str, sources), "-o", "main"], cwd=tmp_path, check=True)
    said = subprocess.run(["./main"], cwd=tmp_path, check=True, capture_output=True, text=True)
    assert int(said.stdout) == sum(n * 10 + n for n in numbers)


def test_what_integrates_stays_alone(tmp_path):
    (tmp_path / "code_objects").mkdir()
    for name in ("relay_stateupdater_codeobject", "relay_noise_codeobject", "relay_spike_resetter"):
        (tmp_path / "code_objects" / f"{name}.cpp").write_text("")
    assert put_together(tmp_path) == [
        Path("code_objects/relay_noise_codeobject.cpp"),
        Path("code_objects/relay_stateupdater_codeobject.cpp"),
        Path("unit_0.cpp"),
    ]
