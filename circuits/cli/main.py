"""The command ``pulvinar``. Heavy imports wait until a subcommand needs them."""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Callable, Sequence

from circuits.cli import cache, looking, running
from circuits.cli.parser import make_parser
from circuits.driver.interrupt import handle_interrupts, ignore_interrupts

__all__ = ["entry", "main"]

_FAILED, _INTERRUPTED = 2, 130


def _errors() -> tuple[type[BaseException], ...]:
    """Classes of the errors that are told in one line; of what is not loaded none can come."""
    known = (("cells.errors", "InputError"), ("analysis.data.versions", "AnalysisError"),
             ("circuits.engine.project", "DeviceError"))  # fmt: skip
    loaded = [(sys.modules.get(module), name) for module, name in known]
    # a module may still be half-way through its import
    return (OSError, *(getattr(m, name) for m, name in loaded if hasattr(m, name)))


def _one_line(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return " ".join(str(error).split()) or type(error).__name__


def _interrupted(stop: KeyboardInterrupt) -> str:
    """Return what to say of an interrupt: its notes tell what it left behind."""
    notes: list[str] = []
    error: BaseException | None = stop
    while error is not None:  # a second one may have come in the clean-up after the first
        if isinstance(error, KeyboardInterrupt):
            notes += getattr(error, "__notes__", [])
        error = error.__context__
    return f"pulvinar: interrupted, {'; '.join(dict.fromkeys(notes)) or 'nothing was written'}"


_COMMANDS: dict[str, Callable[..., int]] = {
    "list": looking.list_runs, "run": running.run, "sweep": running.sweep,
    "report": running.report, "export": looking.export, "join": running.join,
    "predictions": looking.predictions, "predict": running.predict, "compare": looking.compare,
    "params": looking.params, "observables": looking.observables,
    "manipulations": looking.manipulations, "edges": looking.edges,
    "cache": cache.cache, "doctor": looking.doctor,
}  # fmt: skip


def main(argv: Sequence[str] | None = None, *, process: bool = False) -> int:
    """Run the command.

    Parameters
    ----------
    argv : sequence of str, optional
        Default the arguments of the process.
    process : bool
        Whether the process is the command's own, and ends with it.

    Returns
    -------
    int
        Exit status: 0, 2 after an error that was told in one line, 130 if interrupted.
    """
    arguments = make_parser().parse_args(argv)
    arguments.process = process
    try:
        status = _COMMANDS[arguments.command](arguments)
        sys.stdout.flush()
        return status
    except KeyboardInterrupt as stop:
        ignore_interrupts()  # once is enough
        message = _interrupted(stop)
    except MemoryError as error:
        print(f"pulvinar: error: not enough memory: {_one_line(error)}", file=sys.stderr)
        return _FAILED
    except BrokenPipeError:
        # the reader of our output has gone, e.g. head
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        if isinstance(error, _errors()):
            told = "; ".join([_one_line(error), *getattr(error, "__notes__", [])])
            print(f"pulvinar: error: {told}", file=sys.stderr)
            return _FAILED
        raise
    # here the frames that were cut short are gone, and what their objects had to say is said
    print(message, file=sys.stderr)
    return _INTERRUPTED


def entry() -> None:
    """Run the command as a process, which ends here."""
    handle_interrupts(signal.SIGINT, signal.SIGTERM)
    gc.set_threshold(50_000, 20, 20)  # most objects of a short run are of imports, and stay
    try:
        status = main(process=True)
    except KeyboardInterrupt as stop:
        ignore_interrupts()
        print(_interrupted(stop), file=sys.stderr)
        status = _INTERRUPTED
    gc.freeze()  # or the interpreter would look through all of it once more before it ends
    sys.exit(status)


if __name__ == "__main__":
    entry()
