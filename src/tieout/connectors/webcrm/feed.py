"""
Rows of one table: all of them, what changed, and those with given ids.

By scripts where `/Queries` takes them: every page is asked for behind the last row of the one
before, so that rows that move or go meanwhile hide none. Else by whole lists, read twice.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from tieout.connectors.webcrm import scripts
from tieout.connectors.webcrm.api import RESOURCES, Row, ScriptRefusedError, WebcrmApi, rows_of
from tieout.connectors.webcrm.settings import WebcrmSettings
from tieout.connectors.webcrm.translate import stamp_text
from tieout.core.errors import TransientError

# Fewer records are read one by one: a script may answer from a copy that lags.
_ONE_BY_ONE = 3
# More, where there are no scripts, cost fewer calls by the whole list.
_WALK = 25
_SURELY_LAST = 50
_AHEAD = timedelta(days=2)


class Feed:
    """Reads tables of one system. ``refused`` is why scripts are not used, '' while they are."""

    def __init__(self, api: WebcrmApi, settings: WebcrmSettings) -> None:
        self._api = api
        self._size = settings.page_rows
        self._lists = settings.changes == "lists"
        self.refused = ""

    @property
    def by_scripts(self) -> bool:
        """Whether `/Queries` is used."""
        return not self._lists and not self.refused

    async def all(
        self, kind: str, after: int = 0, columns: Sequence[str] = ()
    ) -> AsyncIterator[list[Row]]:
        """
        Every row, in pages; those behind an id where scripts are used. Complete for all that was
        there when it began and still is when it ends.
        """
        if self.by_scripts:
            try:
                first = await self._behind(kind, after, columns)
            except ScriptRefusedError as refused:
                self.refused = str(refused)
            else:
                async for rows in self._rest(kind, first, columns):
                    yield rows
                return
        async for rows in self._twice(f"/{RESOURCES[kind]}", kind):
            yield rows

    async def _rest(
        self, kind: str, first: list[Row], columns: Sequence[str]
    ) -> AsyncIterator[list[Row]]:
        rows = first
        while rows:
            yield rows
            if len(rows) < min(self._size, _SURELY_LAST):
                return
            last = max(rows_of(rows, f"{kind}Id"))
            try:
                rows = await self._behind(kind, last, columns)
            except ScriptRefusedError as refused:
                raise _midway(kind, refused) from None

    async def _behind(self, kind: str, after: int, columns: Sequence[str]) -> list[Row]:
        key = f"{kind}Id"
        where = f"{key} >= {after + 1}"
        script = scripts.select(kind, where=where, order=key, columns=columns)
        return await self._api.script(script, size=self._size)

    async def _twice(self, path: str, kind: str) -> AsyncIterator[list[Row]]:
        """A whole list, twice: what one walk skips, because a row went before it, the other has."""
        seen: set[int] = set()
        for _ in range(2):
            async for rows in self._api.pages(path, template=_template(path)):
                fresh = [row for row in rows if row.get(f"{kind}Id") not in seen]
                seen.update(rows_of(fresh, f"{kind}Id"))
                if fresh:
                    yield fresh

    async def since(self, kind: str, since: datetime, table: str = "") -> AsyncIterator[list[Row]]:
        """
        The rows that changed at this time or later, in the order of their stamps, in pages.
        ``table`` is what scripts call it, where that is not its kind.
        """
        if self.by_scripts:
            try:
                first = await self._from(kind, since, 1, table)
            except ScriptRefusedError as refused:
                self.refused = str(refused)
            else:
                try:
                    async for rows in self._onward(kind, since, first, table):
                        yield rows
                except ScriptRefusedError as refused:
                    raise _midway(kind, refused) from None
                return
        mark = f"{kind}UpdatedAt"
        low = stamp_text(since.isoformat())
        async for rows in self._twice(self._listed(kind, since), kind):
            changed = [row for row in rows if stamp_text(row.get(mark)) >= low]
            if changed:
                yield changed

    def _listed(self, kind: str, since: datetime) -> str:
        if kind != "Organisation":
            return f"/{RESOURCES[kind]}"
        start = since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        end = ((self._api.vendor_time or since) + _AHEAD).strftime("%Y-%m-%dT%H:%M:%SZ")
        return f"/Organisations/FindByUpdateDates/{quote(start)}/{quote(end)}"

    async def _from(self, kind: str, since: datetime, page: int, table: str) -> list[Row]:
        mark = f"{kind}UpdatedAt"
        script = scripts.select(
            table or kind, where=f"{mark} >= {scripts.moment(since)}", order=mark
        )
        return await self._api.script(script, size=self._size, page=page)

    async def _onward(
        self, kind: str, since: datetime, first: list[Row], table: str
    ) -> AsyncIterator[list[Row]]:
        """
        Page after page, each asked for from the last stamp of the one before. A stamp that fills
        pages by itself is walked through until a walk finds nothing new.
        """
        mark = f"{kind}UpdatedAt"
        seen: set[tuple[object, str]] = set()
        rows, number, news = first, 1, False
        while rows:
            fresh = [row for row in rows if _mark_of(row, kind) not in seen]
            seen.update(_mark_of(row, kind) for row in fresh)
            news = news or bool(fresh)
            if fresh:
                yield fresh
            if len(rows) < min(self._size, _SURELY_LAST) and number == 1:
                return
            last = datetime.fromisoformat(stamp_text(rows[-1].get(mark)))
            if last > since:
                # Forget what lies before: it cannot come again.
                low = stamp_text(last.isoformat())
                seen = {entry for entry in seen if entry[1] >= low}
                since, number, news = last, 1, False
            else:
                number += 1
            rows = await self._from(kind, since, number, table)
            if not rows and news and number > 1:
                number, news = 1, False
                rows = await self._from(kind, since, number, table)

    async def some(self, kind: str, ids: Iterable[int]) -> dict[int, Row]:
        """Those of the records that are there, by id. What is missing is asked for by itself."""
        found = await self.either((kind,), ids)
        return {number: row for number, (_, row) in found.items()}

    async def either(self, kinds: Sequence[str], ids: Iterable[int]) -> dict[int, tuple[str, Row]]:
        """
        The records of these ids, of whichever kind they are. One is missing only where it was
        asked for by itself and is of none of them: lists and scripts may lag.
        """
        wanted = list(dict.fromkeys(ids))
        found: dict[int, tuple[str, Row]] = {}
        for kind in kinds:
            left = [number for number in wanted if number not in found]
            rows: dict[int, Row] = {}
            if len(wanted) > _ONE_BY_ONE and self.by_scripts:
                rows = await self.listed(kind, f"{kind}Id", left)
            elif len(left) > _WALK:
                async for page in self.all(kind):
                    mine = rows_of(page, f"{kind}Id")
                    rows.update({number: mine[number] for number in left if number in mine})
            found.update({number: (kind, row) for number, row in rows.items()})
        for number in wanted:
            for kind in kinds if number not in found else ():
                row = await self._api.one(kind, number)
                if row is not None:
                    found[number] = (kind, row)
                    break
        return found

    async def listed(self, kind: str, field: str, numbers: Sequence[int]) -> dict[int, Row]:
        """The rows whose field is one of these numbers, by their ids, as scripts tell them."""
        found: dict[int, Row] = {}
        if not self.by_scripts:
            return found
        for part in scripts.chunks(numbers):
            script = scripts.select(kind, where=scripts.any_id(field, part), order=f"{kind}Id")
            number = 1
            try:
                while rows := await self._api.script(script, size=self._size, page=number):
                    found.update(rows_of(rows, f"{kind}Id"))
                    if len(rows) < min(self._size, _SURELY_LAST):
                        break
                    number += 1
            except ScriptRefusedError as refused:
                self.refused = str(refused)
                return {}
        return found

    async def named(self, kind: str, field: str, text: str) -> list[Row]:
        """The ids of up to ten rows whose text field is this, in any case."""
        if not self.by_scripts:
            return []
        where = f"{field} = {scripts.text(text)}"
        script = scripts.select(kind, where=where, columns=(f"{kind}Id", field))
        try:
            return await self._api.script(script, size=10)
        except ScriptRefusedError as refused:
            self.refused = str(refused)
            return []

    async def beginning(self, kind: str, field: str, text: str) -> list[Row]:
        """The rows whose text field begins so; scripts have no LIKE, but an order."""
        if not self.by_scripts:
            return []
        columns = (f"{kind}Id", field)
        where = f"{field} >= {scripts.text(text)}"
        script = scripts.select(kind, where=where, order=field, columns=columns)
        try:
            rows = await self._api.script(script, size=10)
        except ScriptRefusedError as refused:
            self.refused = str(refused)
            return []
        return [row for row in rows if str(row.get(field) or "").startswith(text)]


def _mark_of(row: Row, kind: str) -> tuple[object, str]:
    return row.get(f"{kind}Id"), stamp_text(row.get(f"{kind}UpdatedAt"))


def _midway(kind: str, refused: ScriptRefusedError) -> TransientError:
    return TransientError(
        f"webCRM stopped taking scripts about {kind}: {refused}", code="answer_garbled"
    )


def _template(path: str) -> str:
    if path.startswith("/Organisations/FindByUpdateDates"):
        return "/Organisations/FindByUpdateDates/{startDate}/{endDate}"
    return path
