"""Files of a generated program put together, since each of them costs its compiler a start.

Brian2 writes a file for every step of every object. Most are a few lines, and reading what they
include takes longer than compiling them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

__all__ = ["put_together"]

#: What integrates stays alone: how far a compiler inlines depends on the size of what it reads.
ALONE = re.compile("stateupdater|noise|upstroke")
#: Files that the others are put into, so that as many cores share them.
UNITS = 4
_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"].*[>"])[ \t]*$', re.MULTILINE)
_DEFINE = re.compile(r"^[ \t]*#[ \t]*define[ \t]+(\w+)", re.MULTILINE)
_FUNCTION = re.compile(r"^void (_\w+)\(\)", re.MULTILINE)


def put_together(folder: Path) -> list[Path]:
    """Put the small files of a program together and return what is to be compiled.

    Parameters
    ----------
    folder : Path
        Of the generated program; ``unit_K.cpp`` are added to it.

    Returns
    -------
    list of Path
        Relative to ``folder``.
    """
    sources = sorted(
        path.relative_to(folder)
        for pattern in ("*.cpp", "code_objects/*.cpp", "brianlib/**/*.cpp")
        for path in folder.glob(pattern)
    )
    small = [p for p in sources if p.parent.name == "code_objects" and not ALONE.search(p.stem)]
    units = []
    for number in range(UNITS):
        part = small[number::UNITS]
        if part:
            units.append(Path(f"unit_{number}.cpp"))
            (folder / units[-1]).write_text(_unit([(folder / p).read_text() for p in part]))
    return [*(p for p in sources if p not in {*small}), *units]


def _unit(texts: Sequence[str]) -> str:
    """One file of several, each with a namespace and macros of its own and a global function."""
    included: dict[str, None] = {}
    parts = []
    for number, text in enumerate(texts):
        included.update(dict.fromkeys(_INCLUDE.findall(text)))
        name = f"_part_{number}"
        parts.append(f"namespace {name} {{\n{_INCLUDE.sub('', text)}\n}}\n")
        parts += [f"#undef {macro}\n" for macro in dict.fromkeys(_DEFINE.findall(text))]
        parts += [f"void {f}() {{ {name}::{f}(); }}\n" for f in _FUNCTION.findall(text)]
    return "".join([*(f"#include {header}\n" for header in included), *parts])
