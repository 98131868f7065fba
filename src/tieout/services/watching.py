"""How far long work has come: counted where the engine stores it, which itself says nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Protocol, cast

from tieout.engine.context import Engine
from tieout.storing import DueRow, PageIn, PageResult, ReadyOperation, Settled, Store

# Totals are asked of the database, so not with every window.
COUNT_EVERY_MS = 5_000


class Say(Protocol):
    """Says what is done now, and of how much so much is done; 0: not known."""

    def __call__(self, step: str, done: int = 0, total: int = 0) -> None: ...


def silent(step: str, done: int = 0, total: int = 0) -> None:
    """Nobody reads it."""


def watch(engine: Engine, say: Say) -> None:
    """From here on the engine's reading, deciding and writing is told, with its counts."""
    engine.store = cast(Store, _Watched(engine, say))


class _Watched:
    """The engine's store, which also counts what goes through it."""

    def __init__(self, engine: Engine, say: Say) -> None:
        known = engine.store
        self._store: Store = known._store if isinstance(known, _Watched) else known
        self._bridge = engine.bridge
        self._steady = engine.clock.steady
        self._say = say
        self._read: Counter[str] = Counter()
        self._decided = 0
        self._sent = self._to_send = 0
        self._to = ""
        self._totals: dict[str, tuple[int, int]] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def cursor(self, connection: str, *rest: Any) -> Any:
        self._say(f"Reading {connection}", self._read[connection])
        return await self._store.cursor(connection, *rest)

    async def page_in(self, page: PageIn) -> PageResult:
        result = await self._store.page_in(page)
        self._read[page.connection] += len(page.rows) + len(page.gone)
        self._say(f"Reading {page.connection}", self._read[page.connection])
        return result

    async def due_window(self, *given: Any) -> list[DueRow]:
        due = await self._store.due_window(*given)
        if due:
            total = await self._total("due.due", self._decided)
            self._say("Deciding", self._decided, total)
        return due

    async def record(self, *, due: Sequence[DueRow], **given: Any) -> dict[str, int]:
        counts = await self._store.record(due=due, **given)
        self._decided += len(due)
        return counts

    async def pick_ready(self, bridge: str, connection: str, *rest: Any) -> list[ReadyOperation]:
        picked = await self._store.pick_ready(bridge, connection, *rest)
        if picked:
            only: Sequence[str] | None = rest[-1]
            self._to = connection
            if only is None:
                self._to_send = await self._total("operation.ready", self._sent)
            else:
                self._to_send = len(only)
            self._say(f"Writing to {connection}", self._sent, self._to_send)
        return picked

    async def settle(self, bridge: str, settled: Sequence[Settled], *rest: Any) -> None:
        await self._store.settle(bridge, settled, *rest)
        self._sent += len(settled)
        if settled:
            self._say(f"Writing to {self._to}", self._sent, self._to_send)

    async def _total(self, name: str, done: int) -> int:
        """What is done and what is left, as the database has it; kept for some seconds."""
        now = self._steady()
        known = self._totals.get(name)
        if known is not None and now - known[1] < COUNT_EVERY_MS:
            return known[0]
        total = done + (await self._store.open_work(self._bridge)).get(name, 0)
        self._totals[name] = (total, now)
        return total
