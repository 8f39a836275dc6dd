"""A generated program as what a compiler reads: units that other programs have too, and the rest.

Brian2 writes a file for every step of every object, each with what all objects of the program
declare. Here the files of one object are put together, since each costs its compiler a start, and
say themselves what they use; how many cells and synapses there are, they are told by the rest. So
two programs that do the same in an object have, letter by letter, the same unit.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Units", "put_together"]

#: What integrates stays alone: how far a compiler inlines depends on the size of what it reads.
ALONE = re.compile("stateupdater|noise|upstroke")
#: What runs once, at the start or the end: optimising it would cost a sixth of the time.
ONCE = re.compile("^before_run|^after_run|_synapses_create_")
#: The name of an object among those of its files.
_OBJECT = re.compile(
    r"^(?:spikes_|weights_)?(.*?)(?:_(?:pre|post|learn|spike|onset))?(?:_thresholder|_resetter)?"
    r"_(?:codeobject|push_spikes)$"
)
_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"].*[>"])[ \t]*$', re.MULTILINE)
_DEFINE = re.compile(r"^[ \t]*#[ \t]*define[ \t]+(\w+)", re.MULTILINE)
_FUNCTION = re.compile(r"^void (_\w+)\(\)", re.MULTILINE)
_DECLARED = re.compile(r"^extern [^()\n]*?(\w+);\n", re.MULTILINE)
_COMMENT = re.compile(r"^//.*\n", re.MULTILINE)
_SIZE = re.compile(
    r"^(\s*(?:const )?(?:size_t|int64_t) "
    r"(N|N_pre|N_post|_n_sources|_n_targets|_source_stop|_num\w+) = )(\d+)\b",
    re.MULTILINE,
)
_SIZES = "pulvinar_sizes"  # a namespace
_SELDOM = '#pragma GCC optimize ("O1")\n'


@dataclass(frozen=True)
class Units:
    """What is to be compiled.

    Attributes
    ----------
    header : str
        Included first in every part.
    parts : tuple of str
        Text of each, those that take longest first.
    rest : str
        What is of this program alone.
    """

    header: str
    parts: tuple[str, ...]
    rest: str


def put_together(folder: Path) -> Units:
    """Put the files of a program together.

    Parameters
    ----------
    folder : Path
        Of the generated program.

    Returns
    -------
    Units
    """
    every = (folder / "objects.h").read_text()
    declared = {found[1]: found[0] for found in _DECLARED.finditer(every)}
    groups: dict[str, list[Path]] = {}
    for path in sorted((folder / "code_objects").glob("*.cpp")):
        groups.setdefault(_unit_of(path.stem), []).append(path)
    sizes: dict[str, tuple[str, str]] = {}
    parts = []
    for name, paths in groups.items():
        texts = [_without_sizes(path.stem, path.read_text(), sizes) for path in paths]
        # what the headers of the program declare is said here
        text = _together(texts, ('"code_objects/', '"objects.h"'))
        words = sorted({*re.findall(r"\w+", text)})
        own = "".join(declared[word] for word in words if word in declared)
        told = "".join(f"{sizes[word][0]};\n" for word in words if word in sizes)
        parts.append(
            f"{'' if name else _SELDOM}namespace brian {{\n{own}}}\n"
            f"namespace {_SIZES} {{\n{told}}}\n{text}"
        )
    more = [folder / "network.cpp", *sorted((folder / "brianlib").rglob("*.cpp"))]
    parts += [path.read_text() for path in more if path.is_file()]
    rest = [folder / name for name in ("objects.cpp", "run.cpp", "main.cpp")]
    values = "".join(f"{size} = {value};\n" for size, value in sizes.values())
    return Units(
        header=_COMMENT.sub("", _DECLARED.sub("", every)),
        parts=tuple(sorted(parts, key=len, reverse=True)),
        rest="".join(f"{path.read_text()}\n" for path in rest if path.is_file())
        + f"namespace {_SIZES} {{\n{values}}}\n",
    )


def _unit_of(stem: str) -> str:
    """Return the unit that a file is part of; empty for what runs once."""
    if ONCE.search(stem):
        return ""
    if ALONE.search(stem):
        return stem
    return _OBJECT.sub(r"\1", stem)


def _without_sizes(name: str, text: str, sizes: dict[str, tuple[str, str]]) -> str:
    """Return a text that is told its sizes by the linker; add declarations and values to them."""

    def told(found: re.Match) -> str:
        size = f"{name}_{found[2]}"
        sizes[size] = f"extern const int64_t {size}", found[3]
        return f"{found[1]}{_SIZES}::{size}"

    return _SIZE.sub(told, text)


def _together(texts: Sequence[str], without: tuple[str, ...]) -> str:
    """One text of several, each with a namespace and macros of its own and a global function.

    Headers whose names begin as those in ``without`` are left out.
    """
    included: dict[str, None] = {}
    parts = []
    for number, text in enumerate(texts):
        headers = (header for header in _INCLUDE.findall(text) if not header.startswith(without))
        included.update(dict.fromkeys(headers))
        name = f"_part_{number}"
        parts.append(f"namespace {name} {{\n{_INCLUDE.sub('', text)}\n}}\n")
        parts += [f"#undef {macro}\n" for macro in dict.fromkeys(_DEFINE.findall(text))]
        parts += [f"void {f}() {{ {name}::{f}(); }}\n" for f in _FUNCTION.findall(text)]
    return "".join([*(f"#include {header}\n" for header in included), *parts])
