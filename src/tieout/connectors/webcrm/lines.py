"""Quotation lines: of some deals, of all of them, and which deals' lines moved."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from tieout.connectors.webcrm.api import Row, WebcrmApi, rows_of
from tieout.connectors.webcrm.feed import Feed
from tieout.connectors.webcrm.settings import WebcrmSettings
from tieout.connectors.webcrm.translate import lines_digest, stamp_text
from tieout.connectors.webcrm.values import id_at

# From so many deals on, reading all lines at once costs fewer calls.
_MANY = 25
_PARENT = "QuotationLineOpportunityId"
_PATH = "/QuotationLines"

Lines = dict[int, list[Row]]


class LineFeed:
    """
    Reads lines. Those of all deals are kept for one sweep, from `begin` on.

    A line belongs to an opportunity or to a delivery by one and the same field: ids of both come
    from one sequence.
    """

    def __init__(self, api: WebcrmApi, feed: Feed, settings: WebcrmSettings) -> None:
        self._api = api
        self._feed = feed
        self._settings = settings
        self._all: Lines | None = None
        self._doubtful: set[int] = set()

    def begin(self) -> None:
        """A new sweep: what was read of all lines is old."""
        self._all = None
        self._doubtful = set()

    async def of(self, deals: Sequence[tuple[str, int]]) -> Lines:
        """The lines of these deals (kind and id), each whole."""
        if len(deals) >= _MANY and self._all is None:
            await self._load()
        found: Lines = {}
        for kind, number in deals:
            if self._all is not None and number not in self._doubtful and len(deals) >= _MANY:
                found[number] = self._all.get(number, [])
            else:
                found[number] = await self._api.lines(kind, number)
        return found

    async def _load(self) -> None:
        """
        All lines, twice: a line that goes while a list is walked hides the one behind it. Deals
        of which the two walks differ are read by themselves.
        """
        first = await self.walk()
        second = await self.walk()
        self._doubtful = {
            number
            for number in first.keys() | second.keys()
            if lines_digest(first.get(number, ())) != lines_digest(second.get(number, ()))
        }
        self._all = second

    async def walk(self) -> Lines:
        """The lines of all deals by one walk through the list."""
        found: dict[int, dict[int, Row]] = {}
        async for rows in self._api.pages(_PATH):
            for row in rows:
                mine = found.setdefault(id_at(row, _PARENT), {})
                mine[id_at(row, "QuotationLineId")] = row
        return {number: list(mine.values()) for number, mine in found.items()}

    async def moved(self, since: datetime) -> set[int]:
        """The deals of which a line was added or changed at this time or later."""
        table = self._settings.line_table
        if table and self._feed.by_scripts:
            return await self._moved_by_script(table, since)
        low = stamp_text(since.isoformat())
        found: set[int] = set()
        async for rows in self._api.pages(_PATH):
            found.update(
                id_at(row, _PARENT)
                for row in rows
                if stamp_text(row.get("QuotationLineUpdatedAt")) >= low
            )
        return found - {0}

    async def _moved_by_script(self, table: str, since: datetime) -> set[int]:
        found: set[int] = set()
        async for rows in self._feed.since("QuotationLine", since, table=table):
            found.update(_parents(rows))
        return found - {0}


def _parents(rows: Iterable[Row]) -> set[int]:
    return {id_at(row, _PARENT) for row in rows_of(list(rows), "QuotationLineId").values()}
