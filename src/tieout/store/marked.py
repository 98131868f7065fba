"""The store of production: what is about to be sent is also noted outside the database."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from tieout.store.evidence import HighWater, head
from tieout.store.postgres import PostgresStore
from tieout.storing import Sending


class MarkedStore(PostgresStore):
    """
    Moves the high-water mark before a byte leaves, so that a database which was put back to a
    state before that send is recognised.
    """

    def __init__(self, *given: Any, mark: HighWater, **more: Any) -> None:
        super().__init__(*given, **more)
        self._mark = mark

    async def mark_started(
        self, sendings: Sequence[Sending], worker: str, lease_s: int, now: datetime
    ) -> dict[str, dict[str, tuple[int, int]]]:
        started = await super().mark_started(sendings, worker, lease_s, now)
        if started:
            await self.note_mark()
        return started

    async def note_mark(self) -> None:
        """The mark at the present end of the log, on the disk before this returns."""
        await asyncio.to_thread(self._mark.write, await self.do(head))
