"""The simulator's own clock: another clock plus a distance that can be moved."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal

# Room on both sides for what simulators reckon from their time: due dates, logs of past weeks.
FIRST_YEAR, LAST_YEAR = 1970, 9000


class SandboxClock:
    """Time as the simulator sees it. It runs with `now` and can be set or moved ahead.

    `origin` is the time at which it began: what seeded data is dated by, so that equal starts
    give equal data.
    """

    def __init__(self, now: Callable[[], datetime], *, start: datetime | None = None) -> None:
        self._now = now
        self._held: datetime | None = None
        self.origin = start if start is not None else now()
        self.first_offset = self.origin - now() if start is not None else timedelta(0)
        self.offset = self.first_offset

    def now(self) -> datetime:
        """The present instant, aware, in UTC."""
        if self._held is not None:
            return self._held
        return self._now() + self.offset

    def advance_s(self, seconds: float) -> None:
        """Moves ahead by so many seconds; ValueError where that is no time to work in."""
        try:
            step = timedelta(seconds=seconds)
            check_workable(self._now() + self.offset + step)
        except OverflowError:
            raise ValueError(f"the clock cannot go {seconds} seconds on") from None
        self.offset += step

    def set(self, when: datetime) -> None:
        """Sets the time; it runs on from there. ValueError where that is no time to work in."""
        check_workable(when)
        self.offset = when - self._now()

    def restart(self) -> None:
        """Takes back every movement since the start."""
        self.offset = self.first_offset

    @contextmanager
    def at(self, when: datetime) -> Iterator[None]:
        """Holds the time at `when` inside the block, for work that belongs to another moment."""
        before = self._held
        self._held = when
        try:
            yield
        finally:
            self._held = before


def system_clock(start: datetime | None = None) -> SandboxClock:
    """A clock that runs with real time, from `start` where it is given."""
    return SandboxClock(lambda: datetime.now(UTC), start=start)


def check_workable(when: datetime) -> None:
    """ValueError where a simulator's clock may not stand at that time."""
    if not FIRST_YEAR <= when.year <= LAST_YEAR:
        raise ValueError(f"the clock goes from {FIRST_YEAR} to {LAST_YEAR}, not to {when.year}")


def parse_instant(text: str) -> datetime:
    """An instant from ISO text with a zone, in UTC; ValueError where it has no zone."""
    when = datetime.fromisoformat(text)
    if when.tzinfo is None:
        raise ValueError(f"{text} has no time zone; write 2026-11-25T09:00:00Z")
    try:
        return when.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{text} is no time in UTC") from None


def seconds_of(value: object, name: str) -> float:
    """A JSON number of seconds, exact to the microsecond; ValueError where it is none."""
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
        raise ValueError(f"{name} must be a number of seconds")
    return value if isinstance(value, int) else int(value * 1_000_000) / 1_000_000


def instant_text(when: datetime) -> str:
    """ISO text in UTC, ending in Z."""
    return when.astimezone(UTC).isoformat().replace("+00:00", "Z")
