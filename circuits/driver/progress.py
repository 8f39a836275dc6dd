"""A progress bar with time left on a terminal; a line per step elsewhere."""

from __future__ import annotations

import math
import shutil
import sys
import threading
import time
from types import TracebackType

__all__ = ["Progress", "duration_text"]

_WIDTH = 28
_QUIET_S = 1.5
_LINE_S = 20  # between lines where there is no terminal


def duration_text(seconds: float) -> str:
    """Return seconds as ``"42 s"``, ``"3:07 min"`` or ``"1:20 h"``."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02d} min"
    return f"{whole // 3600}:{whole % 3600 // 60:02d} h"


class Progress:
    """Shows how far a task is, as a context manager.

    Parameters
    ----------
    stream : file, optional
        Default standard error. The bar is drawn only on a terminal, and only for tasks that take
        more than a second or two; elsewhere a line every 20 s tells the same.
    level : {-1, 0, 1}
        -1: nothing is written. 1: a line for every task that begins, too.
    """

    def __init__(self, stream=None, level: int = 0):
        self.level = level
        self.stream = stream or sys.stderr
        self.terminal = bool(getattr(self.stream, "isatty", lambda: False)())
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._title = ""
        self._fraction = math.nan
        self._start = time.monotonic()
        self._drawn = False

    def __enter__(self) -> Progress:
        if self.level >= 0:
            self._thread = threading.Thread(target=self._tick, daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=1)
        with self._lock:
            self._clear()

    def begin(self, title: str) -> None:
        """Start another task; its time is counted from here."""
        with self._lock:
            self._title, self._fraction, self._start = title, math.nan, time.monotonic()
            if self.level > 0:
                self._clear()
                print(title, file=self.stream, flush=True)

    def update(self, fraction: float) -> None:
        """Say how much of the task is done: 0 to 1, or NaN where nobody knows."""
        with self._lock:
            self._fraction = float(fraction)

    def note(self, text: str) -> None:
        """Write a line that stays."""
        if self.level < 0:
            return
        with self._lock:
            self._clear()
            print(text, file=self.stream, flush=True)

    def text(self) -> str:
        """Return the bar as it would be drawn now."""
        elapsed = time.monotonic() - self._start
        if not math.isfinite(self._fraction):
            return f"{self._title}  {duration_text(elapsed)}"
        fraction = min(max(self._fraction, 0.0), 1.0)
        full = round(_WIDTH * fraction)
        bar = "#" * full + "." * (_WIDTH - full)
        # early estimates swing wildly
        known = fraction > 0.02 and elapsed > 1
        left = duration_text(elapsed * (1 - fraction) / fraction) if known else "?"
        return f"{self._title} [{bar}] {100 * fraction:3.0f} %  {left} left"

    def _clear(self) -> None:
        if self._drawn:
            self.stream.write("\r\x1b[K")
            self.stream.flush()
            self._drawn = False

    def _tick(self) -> None:
        while not self._stop.wait(0.25 if self.terminal else _LINE_S):
            with self._lock:
                if not self.terminal:
                    if self._title:
                        print(self.text(), file=self.stream, flush=True)
                    continue
                if not self._title or time.monotonic() - self._start < _QUIET_S:
                    continue
                columns = shutil.get_terminal_size().columns
                self.stream.write("\r" + self.text()[: columns - 1] + "\x1b[K")
                self.stream.flush()
                self._drawn = True
