"""Small working stand-ins for the ports: a clock that jumps, a vault in memory, scripted bytes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

from tieout.ports import HttpRequest, HttpResponse

START = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)


class ManualClock:
    """Time that moves only by `sleep` and `advance`; remembers every wait."""

    def __init__(self, start: datetime = START) -> None:
        self._now = start
        self._steady_ms = 0
        self.waits: list[float] = []

    def now(self) -> datetime:
        return self._now

    def steady(self) -> int:
        return self._steady_ms

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.advance(seconds)
        await asyncio.sleep(0)

    def advance(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)
        self._steady_ms += round(seconds * 1000)


class MemorySecrets:
    """A vault of one workspace with generations and a lease, as the port promises them."""

    def __init__(self, clock: ManualClock | None = None, **values: str) -> None:
        self._clock = clock
        self._generations: dict[tuple[str, str], list[str]] = {}
        self._lease: dict[str, tuple[str, int]] = {}
        self.log: list[str] = []
        self.first = values

    def _of(self, connection: str, name: str) -> list[str]:
        key = (connection, name)
        if key not in self._generations and name in self.first:
            self._generations[key] = [self.first[name]]
        return self._generations.get(key, [])

    async def get(self, connection: str, name: str) -> str | None:
        values = self._of(connection, name)
        return values[-1] if values else None

    async def put(self, connection: str, values: Mapping[str, str]) -> None:
        self.log.append("put " + " ".join(sorted(values)))
        for name, value in values.items():
            self._generations[connection, name] = [*self._of(connection, name), value]

    async def forget_old(self, connection: str) -> None:
        self.log.append("forget_old")
        for key, values in self._generations.items():
            if key[0] == connection:
                del values[:-1]

    async def older(self, connection: str, name: str) -> str | None:
        values = self._of(connection, name)
        return values[-2] if len(values) > 1 else None

    async def acquire(self, connection: str, holder: str, seconds: int) -> bool:
        now = self._clock.steady() if self._clock else 0
        owner, until = self._lease.get(connection, (holder, 0))
        if owner != holder and until > now:
            return False
        self._lease[connection] = (holder, now + seconds * 1000)
        return True


class ScriptedTransport:
    """Answers by a function and keeps what it was asked."""

    def __init__(self, answer: Callable[[HttpRequest], HttpResponse]) -> None:
        self._answer = answer
        self.requests: list[HttpRequest] = []

    async def send(self, request: HttpRequest) -> HttpResponse:
        self.requests.append(request)
        await asyncio.sleep(0)
        return self._answer(request)

    async def close(self) -> None:
        self.requests.clear()


def answer(status: int, body: bytes = b"{}", **headers: str) -> HttpResponse:
    """A response; ``retry_after='5'`` becomes the header ``retry-after``."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return HttpResponse(status=status, headers=named, body=body)
