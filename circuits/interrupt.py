"""An interrupt that falls into a destructor is swallowed there by Python: send it again."""

from __future__ import annotations

import os
import signal
import sys
import threading

__all__ = ["repeat_swallowed_interrupts"]


def repeat_swallowed_interrupts() -> None:
    """Repeat an interrupt or an exit that a destructor swallowed, without a word about it."""
    before = sys.unraisablehook
    again = {KeyboardInterrupt: signal.SIGINT, SystemExit: signal.SIGTERM}

    def hook(unraisable) -> None:
        number = again.get(unraisable.exc_type)
        if number is None:
            before(unraisable)
            return
        # later, and from outside: here we are still inside the destructor
        timer = threading.Timer(0.02, os.kill, (os.getpid(), number))
        timer.daemon = True
        timer.start()

    sys.unraisablehook = hook
