"""The ledger's part of the port for systems that keep none."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import date

from tieout.core.model import Document
from tieout.ports import Control, Subledger


class WithoutLedger:
    """A system without a ledger, as a CRM is: nothing booked, no account, no receivables."""

    async def ledger(self, first: date, last: date) -> AsyncIterator[Sequence[Document]]:
        """Nothing."""
        del first, last
        pages: tuple[Sequence[Document], ...] = ()
        for page in pages:
            yield page

    async def control(self, day: date) -> Control | None:
        """None."""
        del day
        return None

    async def subledger(self, first: date, last: date) -> Subledger | None:
        """None."""
        del first, last
        return None
