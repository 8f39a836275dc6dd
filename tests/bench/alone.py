"""Other simulators, each in a Python environment of its own: what they need excludes one another.

``python -m tests.bench.alone`` makes them, in ``.venv/peers``; one that cannot be made is
left out of the bench, and a line says so.
"""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

__all__ = ["call", "install", "python_of", "version_of"]

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".venv" / "peers"
_MARK = b"\n-- what the function returned --\n"  # simulators say hello on the same stream
#: The package of each; constraints.txt has the version.
PEERS = {"nest": "nest-simulator", "neuron": "neuron"}


def python_of(peer: str) -> Path | None:
    """Return the interpreter of a simulator; None where it is not installed."""
    python = FOLDER / peer / "bin" / "python"
    return python if (FOLDER / peer / "done").is_file() else None


def version_of(peer: str) -> str:
    """Return the version of a simulator; ``none`` where it is not installed."""
    return "none" if python_of(peer) is None else (FOLDER / peer / "done").read_text()


def install(peer: str) -> str:
    """Make the environment of a simulator; return why it could not be made, else nothing."""
    if python_of(peer) is not None:
        return ""
    home, package = FOLDER / peer, PEERS[peer]
    python = str(home / "bin" / "python")
    commands = (
        [sys.executable, "-m", "venv", "--clear", str(home)],
        [python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "-c",
         str(ROOT / "constraints.txt"), "numpy", package],
        [python, "-c", f"from importlib.metadata import version; print(version('{package}'))"],
    )  # fmt: skip
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            return (done.stderr or done.stdout).strip().splitlines()[-1]
    (home / "done").write_text(done.stdout.strip())
    return ""


def call(peer: str, function: Callable, *arguments):
    """Call a function of a module in a new process of the environment of a simulator.

    The module imports at its top what every environment has: numpy and the standard library.

    Raises
    ------
    RuntimeError
        With the last line that the process wrote to its error stream.
    """
    python = python_of(peer)
    assert python is not None, f"{peer} is not installed"
    asked = pickle.dumps((function.__module__, function.__name__, arguments))
    done = subprocess.run(
        [str(python), "-m", "tests.bench.alone", "--call"], input=asked, capture_output=True,
        cwd=ROOT,
    )  # fmt: skip
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        raise RuntimeError(f"{peer}: {lines[-1] if lines else done.returncode}")
    return pickle.loads(done.stdout.rpartition(_MARK)[2])


def _answer() -> None:
    module, name, arguments = pickle.load(sys.stdin.buffer)
    found = getattr(import_module(module), name)(*arguments)
    sys.stdout.flush()
    sys.stdout.buffer.write(_MARK + pickle.dumps(found))


if __name__ == "__main__":
    if sys.argv[1:] == ["--call"]:
        _answer()
    else:
        for one in PEERS:
            if why := install(one):
                print(f"{one} could not be installed, its rows will say so: {why}", file=sys.stderr)
