"""The line of progress on a terminal: what is done, how long it takes, what it waits for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TextIO

SHOWN_AFTER_MS, WAITS_AFTER_MS = 2_000, 10_000
TICK_S = 1.0


class Ticking:
    """
    One line that stays and is written anew each second, also while the program is busy.

    ``steady``: milliseconds of a clock that never jumps.
    """

    def __init__(self, err: TextIO, steady: Callable[[], int]) -> None:
        self._err = err
        self._steady = steady
        self._text = ""
        self._since = 0
        self._over = threading.Event()
        self._turn = threading.Lock()
        self._thread: threading.Thread | None = None

    def say(self, text: str) -> None:
        """What is done now; its time counts from here."""
        with self._turn:
            self._text, self._since = text, self._steady()
        self._write()
        if self._thread is None:
            self._thread = threading.Thread(target=self._tick, name="progress", daemon=True)
            self._thread.start()

    def end(self) -> None:
        """The line goes."""
        self._over.set()
        if self._thread is not None:
            self._thread.join(timeout=TICK_S)
        with self._turn, suppress(OSError, ValueError):
            self._err.write("\r\x1b[K")
            self._err.flush()

    def line(self) -> str:
        """The line as it stands now."""
        took = self._steady() - self._since
        if took < SHOWN_AFTER_MS:
            return self._text
        seconds = took // 1000
        span = f"{seconds} s" if seconds < 120 else f"{seconds // 60} min"
        waits = ", waiting for answers" if took >= WAITS_AFTER_MS else ""
        return f"{self._text}  {span}{waits}"

    def _tick(self) -> None:
        while not self._over.wait(TICK_S):
            self._write()

    def _write(self) -> None:
        with self._turn:
            if self._over.is_set():
                return
            try:
                self._err.write(f"\r\x1b[K{self.line()}")
                self._err.flush()
            except (OSError, ValueError):
                # The terminal is gone: the work goes on without its line.
                self._over.set()
