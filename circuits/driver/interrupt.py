"""Interrupts that always arrive: one that falls into a destructor is swallowed there by Python."""

from __future__ import annotations

import signal
import sys

__all__ = ["handle_interrupts", "ignore_interrupts"]

_AGAIN_S = 0.02
_arrived: list[int] = []


def _inside(frame, code) -> bool:
    while frame is not None:
        if frame.f_code is code:
            return True
        frame = frame.f_back
    return False


def handle_interrupts(*numbers: int, error: type[BaseException] = KeyboardInterrupt) -> None:
    """Raise an exception at these signals, again if a destructor swallowed it.

    Parameters
    ----------
    *numbers : int
        Signals; SIGALRM is taken for the repetition. Only the main thread may call this.
    error : type of exception
        Made of the exit status, 128 and the number of the signal.
    """
    before = sys.unraisablehook

    def again() -> None:
        signal.setitimer(signal.ITIMER_REAL, _AGAIN_S)

    def hook(unraisable) -> None:
        # from here another exception could only be printed, see `raise_it`
        if _arrived and unraisable.exc_type is error:
            again()
        else:
            before(unraisable)

    def raise_it(number, frame) -> None:
        if number != signal.SIGALRM:
            _arrived.append(number)
        if _inside(frame, hook.__code__):
            again()
        elif _arrived:
            raise error(128 + _arrived[0])

    sys.unraisablehook = hook
    for number in (*numbers, signal.SIGALRM):
        signal.signal(number, raise_it)


def ignore_interrupts() -> None:
    """Let the clean-up after an interrupt come to its end."""
    signal.setitimer(signal.ITIMER_REAL, 0)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM):
        signal.signal(number, signal.SIG_IGN)
