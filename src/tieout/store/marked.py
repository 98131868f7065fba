"""The store of production: what is about to be sent is also noted outside the database."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from tieout.core.errors import StoreError
from tieout.store import alive, runs
from tieout.store.evidence import HighWater, head
from tieout.store.postgres import PostgresStore
from tieout.storing import Lease, Sending


class MarkedStore(PostgresStore):
    """
    Moves the high-water mark before a byte leaves, so that a database which was put back to a
    state before that send is recognised.

    ``check_space`` is asked before each group of sends and raises where what comes of them could
    not be recorded; a disk that fills up later than that ends the server, not the record.
    """

    def __init__(
        self,
        *given: Any,
        mark: HighWater,
        check_space: Callable[[], None] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(*given, **more)
        self._mark = mark
        self._check_space = check_space
        self._sent = False

    async def take_lease(
        self, bridge: str, holder: str, process: str, seconds: int, now: datetime
    ) -> Lease | tuple[str, datetime]:
        me = alive.marked(process)
        return await self.do(
            lambda tx: runs.take_lease(tx, bridge, holder, me, seconds, now, alive.is_gone)
        )

    async def mark_started(
        self, sendings: Sequence[Sending], worker: str, lease_s: int, now: datetime
    ) -> dict[str, dict[str, tuple[int, int]]]:
        if sendings:
            self._require_space()
        started = await super().mark_started(sendings, worker, lease_s, now)
        if started:
            self._sent = True
            await self.note_mark()
        return started

    def _require_space(self) -> None:
        if self._check_space is None:
            return
        try:
            self._check_space()
        except StoreError as error:
            if not self._sent:
                raise
            # Groups before this one went out, and are recorded.
            message = error.message.replace("Nothing was sent.", "Nothing more was sent.")
            raise StoreError(message, code=error.code, hint=error.hint) from None

    async def note_mark(self) -> None:
        """The mark at the present end of the log, on the disk before this returns."""
        await asyncio.to_thread(self._mark.write, await self.do(head))
