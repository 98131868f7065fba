"""How many calls we make in a stretch of time: our share of the vendor's quota, never more."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from decimal import Decimal

from tieout.core.abilities import BudgetWindow
from tieout.ports import Clock

_SLOTS = 60


class _Window:
    """Counts calls in sixty slots, so that any stretch of the window's length stays in its share.

    Memory does not grow with the quota, and a burst up to the whole share is allowed.
    """

    def __init__(self, window: BudgetWindow) -> None:
        self._allowed = max(1, int(window.calls * Decimal(window.share)))
        self._slot_ms = max(1, window.seconds * 1000 // _SLOTS)
        self._slots: deque[tuple[int, int]] = deque()
        self._used = 0

    def wait_ms(self, now_ms: int) -> int:
        """0 where a call is within the share, else how long until one is."""
        slot = now_ms // self._slot_ms
        # One slot more than the window: calls at the end of the oldest slot still count.
        while self._slots and self._slots[0][0] < slot - _SLOTS:
            self._used -= self._slots.popleft()[1]
        if self._used < self._allowed:
            return 0
        return (self._slots[0][0] + _SLOTS + 1) * self._slot_ms - now_ms

    def take(self, now_ms: int) -> None:
        """Counts one call."""
        slot = now_ms // self._slot_ms
        if self._slots and self._slots[-1][0] == slot:
            self._slots[-1] = (slot, self._slots[-1][1] + 1)
        else:
            self._slots.append((slot, 1))
        self._used += 1

    @property
    def share_used(self) -> Decimal:
        """The part of the share that the last look found used: 0 to 1."""
        return Decimal(self._used) / self._allowed


class CallBudget:
    """
    The windows of one connection. With ``per_route`` each route has its own, as where the vendor
    counts by endpoint; else all calls share one.
    """

    def __init__(
        self, windows: Sequence[BudgetWindow], clock: Clock, *, per_route: bool = False
    ) -> None:
        self._windows = tuple(windows)
        self._clock = clock
        self._per_route = per_route
        self._counted: dict[str, tuple[_Window, ...]] = {}
        self._paused_until_ms: dict[str, int] = {}

    def wait_ms(self, route: str) -> int:
        """How long a call to this route has to wait now; 0: not at all."""
        now = self._clock.steady()
        waits = [window.wait_ms(now) for window in self._of(route)]
        waits.append(self._paused_until_ms.get(self._key(route), 0) - now)
        return max(0, *waits)

    def take(self, route: str) -> None:
        """Counts one call to this route."""
        now = self._clock.steady()
        for window in self._of(route):
            window.take(now)

    def pause(self, route: str, seconds: int) -> None:
        """The system asked to be left alone for so long."""
        key = self._key(route)
        until = self._clock.steady() + seconds * 1000
        self._paused_until_ms[key] = max(until, self._paused_until_ms.get(key, 0))

    def share_used(self) -> Decimal:
        """The most used window of all routes: 0 to 1."""
        now = self._clock.steady()
        used = [Decimal(0)]
        for windows in self._counted.values():
            for window in windows:
                window.wait_ms(now)
                used.append(window.share_used)
        return max(used)

    def _key(self, route: str) -> str:
        return route if self._per_route else ""

    def _of(self, route: str) -> tuple[_Window, ...]:
        key = self._key(route)
        if key not in self._counted:
            self._counted[key] = tuple(_Window(window) for window in self._windows)
        return self._counted[key]
