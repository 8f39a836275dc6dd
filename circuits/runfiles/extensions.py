"""Files of the user's that add rules, observables, manipulations or cell classes."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from collections.abc import Iterable
from pathlib import Path

from cells.models import add_classes
from cells.parameters import InputError

__all__ = ["load_extensions"]

_loaded: dict[str, str] = {}


def load_extensions(paths: Iterable[str], where: str, folder: Path = Path()) -> dict[str, str]:
    """Load files, each once in a process.

    Parameters
    ----------
    paths : iterable of str
        Python files, which register what they add as the files of this project do, and tables of
        cell classes (TOML).
    where : str
        For messages.
    folder : path
        Where relative paths start.

    Returns
    -------
    dict of str to str
        Absolute path and SHA-256 of each, the table that a Python file reads beside it included.

    Raises
    ------
    InputError
        If a file is missing, of another kind, or fails; or if it changed since it was loaded.
    """
    if isinstance(paths, str) or not all(isinstance(path, str) for path in paths):
        raise InputError(f"{where}: expected a list of files")
    found = {}
    for name in paths:
        path = (folder / name).resolve()
        if not path.is_file():
            raise InputError(f"{where}: no such file '{name}'")
        digest = _digest(path)
        if _loaded.setdefault(str(path), digest) != digest:
            raise InputError(f"{where}: '{name}' or its table changed since it was loaded;"
                             " start anew")  # fmt: skip
        found[str(path)] = digest
        if path.suffix == ".toml":
            add_classes(path)
        elif path.suffix == ".py":
            _import(path, f"{where}: '{name}'")
        else:
            raise InputError(f"{where}: '{name}' is neither .py nor .toml")
    return found


def _digest(path: Path) -> str:
    content, table = path.read_bytes(), path.with_suffix(".toml")
    if path.suffix == ".py" and b".toml" in content and table.is_file():
        content += table.read_bytes()
    return hashlib.sha256(content).hexdigest()


def _import(path: Path, where: str) -> None:
    name = f"pulvinar_extension_{path.stem}"
    known = sys.modules.get(name)
    if known is not None and known.__file__ == str(path):
        return
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None  # of a path that ends in .py
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise InputError(f"{where} fails: {type(error).__name__}: {error}") from None
