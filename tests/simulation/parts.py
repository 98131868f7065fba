"""What engines of a simulated world are given: machines, ids, and stores that wait or take note."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from tieout.storing import Lease
from virtual_loop import Simulation, VirtualClock

Claim = tuple[str, str, bytes]


class Machine:
    """One computer: its wall clock can be set wrong, its steady clock cannot."""

    def __init__(self, simulation: Simulation) -> None:
        self.wall = VirtualClock(simulation.loop)
        self._loop = simulation.loop

    def now(self) -> datetime:
        return self.wall.now()

    def steady(self) -> int:
        return round(self._loop.time() * 1000)

    async def sleep(self, seconds: float) -> None:
        await self.wall.sleep(seconds)


class SeededIds:
    """Ids in order of time, from the seed."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._count = itertools.count(1)

    def new(self, kind: str) -> str:
        return f"{kind[:2]}-{self._name}-{next(self._count):06d}"


class Paced:
    """Something an engine was given, whose calls wait as long as ``pace`` says before and after."""

    def __init__(self, inner: Any, pace: Callable[[str, str], float]) -> None:
        self._inner = inner
        self._pace = pace

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._inner, name)
        if not asyncio.iscoroutinefunction(value):
            return value

        async def call(*args: Any, **options: Any) -> Any:
            for when in ("before", "after"):
                seconds = self._pace(name, when)
                if seconds:
                    await asyncio.sleep(seconds)
                if when == "before":
                    result = await value(*args, **options)
            return result

        return call


class Unleased:
    """A store whose bridge lease is always granted: safety must not rest on it."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def take_lease(
        self, bridge: str, holder: str, process: str, seconds: int, now: datetime
    ) -> Lease:
        return Lease(bridge=bridge, holder=holder, fence=1, until=now + timedelta(seconds=seconds))

    async def renew_lease(self, lease: Lease, seconds: int, now: datetime) -> bool:
        return True

    async def release_lease(self, lease: Lease) -> None:
        """Nobody holds it."""


class Claims:
    """A store that notes when the claim of each request was committed, by a clock that is right."""

    def __init__(self, inner: Any, time: Callable[[], float], noted: dict[Claim, float]) -> None:
        self._inner = inner
        self._time = time
        self._noted = noted

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def mark_started(self, sendings: Any, *args: Any) -> Any:
        started = await self._inner.mark_started(sendings, *args)
        for sending in sendings:
            if sending.send_id in started:
                wire = sending.wire
                self._noted[(wire.method, wire.path, wire.body)] = self._time()
        return started


class Forgetful:
    """
    A store that does not record what is about to be sent: the rule that every request is stored
    before its first byte leaves, turned off.
    """

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def mark_started(self, sendings: Any, *_: Any) -> Any:
        return {s.send_id: {op.id: (1, op.seq + 1) for op, _ in s.items} for s in sendings}
