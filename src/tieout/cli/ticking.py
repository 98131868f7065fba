"""The line of progress on a terminal: what is done, how long it takes, what it waits for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TextIO

from tieout.cells import cells, head
from tieout.cli.formats import one_line

SHOWN_AFTER_MS, WAITS_AFTER_MS = 2_000, 10_000
TICK_S = 1.0
_BAR = 20


class Ticking:
    """
    One line that stays and is written anew each second, also while the program is busy.

    ``steady``: milliseconds of a clock that never jumps. ``columns``: how wide the terminal is.
    """

    def __init__(
        self, err: TextIO, steady: Callable[[], int], columns: Callable[[], int] = lambda: 100
    ) -> None:
        self._err = err
        self._steady = steady
        self._columns = columns
        self._text = ""
        self._since = self._moved = 0
        self._before = self._done = self._total = 0
        self._over = threading.Event()
        self._turn = threading.Lock()
        self._thread: threading.Thread | None = None

    def say(self, step: str, done: int = 0, total: int = 0) -> None:
        """
        What is done now; its time counts from here. Said again with other counts it goes on: the
        next tick shows them.
        """
        step = one_line(step)
        with self._turn:
            now, fresh = self._steady(), step != self._text
            if fresh:
                self._text, self._since, self._before = step, now, done
            if fresh or done != self._done:
                self._moved = now
            self._done, self._total = done, total
        if fresh:
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
        """The line as it stands now, no wider than the terminal."""
        now = self._steady()
        took = now - self._since
        if took < SHOWN_AFTER_MS:
            return self._cut(self._text)
        waits = ", waiting for answers" if now - self._moved >= WAITS_AFTER_MS else ""
        told = f"  {_span(took)}{self._left(took)}{waits}"
        bar = self._bar()
        whole = f"{self._text}{bar}{self._counts()}{told}"
        return self._cut(whole if cells(whole) < self._columns() else whole.replace(bar, "", 1))

    def _counts(self) -> str:
        if self._total > 0 and self._done <= self._total:
            return f", {self._done:,} of {self._total:,}"
        return f", {self._done:,}" if self._done else ""

    def _bar(self) -> str:
        if not 0 < self._done <= self._total:
            return ""
        full = self._done * _BAR // self._total
        return f"  [{'#' * full}{' ' * (_BAR - full)}]"

    def _left(self, took: int) -> str:
        """How long the rest takes at the pace so far."""
        moved = self._done - self._before
        if moved <= 0 or not self._done < self._total:
            return ""
        return f", about {_span(took * (self._total - self._done) // moved)} left"

    def _cut(self, text: str) -> str:
        # A line that wraps could not be written over.
        return head(text, max(self._columns() - 1, 1))

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


def _span(milliseconds: int) -> str:
    """`12 s`, `3 min`"""
    seconds = milliseconds // 1000
    return f"{seconds} s" if seconds < 120 else f"{seconds // 60} min"
