"""The query resources: pages and the locators that continue them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tieout_sandbox.salesforce.calls import Call, Result
from tieout_sandbox.salesforce.errors import SalesforceError
from tieout_sandbox.salesforce.ids import make_id
from tieout_sandbox.salesforce.org import Org
from tieout_sandbox.salesforce.soql.run import Answer, prepare

PAGE = 2000
SMALLEST_PAGE = 200
LOCATOR_LIFE = timedelta(days=2)
MOST_OPEN = 500
MOST_IDS = 2_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """An answer that has more pages."""

    answer: Answer
    kind: str
    size: int
    opened: datetime

    @property
    def length(self) -> int:
        """How many rows its pages hold."""
        return len(self.answer.ids or self.answer.records or ())


class Queries:
    """Answers statements page by page; locators live two days."""

    def __init__(self, org: Org) -> None:
        self._org = org
        self._open: dict[str, Cursor] = {}
        self._count = 0

    def start(self, call: Call, *, deleted_too: bool) -> Result:
        """`/query?q=` and `/queryAll?q=`."""
        statement = call.query.get("q")
        if not statement:
            raise SalesforceError("MALFORMED_QUERY", "SOQL statement cannot be empty")
        prepared = prepare(self._org, statement, call.version, deleted_too=deleted_too)
        answer = prepared.run()
        size = page_size(call, wide=answer.wide)
        cursor = Cursor(answer=answer, kind=prepared.kind.name, size=size, opened=self._org.now())
        return Result(body=self._page(call, cursor, "", 0))

    def more(self, call: Call, locator: str) -> Result:
        """`/query/{locator}`: the next page."""
        key, _, position = locator.rpartition("-")
        cursor = self._open.get(key)
        expired = cursor is not None and self._org.now() - cursor.opened > LOCATOR_LIFE
        if cursor is None or expired or not position.isdigit():
            raise SalesforceError("INVALID_QUERY_LOCATOR", "invalid query locator")
        return Result(body=self._page(call, cursor, key, int(position)))

    def _page(self, call: Call, cursor: Cursor, key: str, start: int) -> dict[str, Any]:
        records = cursor.answer.page(self._org, cursor.kind, start, cursor.size)
        end = start + cursor.size
        shown = cursor.length
        body: dict[str, Any] = {"totalSize": cursor.answer.total, "done": end >= shown}
        if end < shown:
            key = key or self._keep(cursor)
            body["nextRecordsUrl"] = call.url("query", f"{key}-{end}")
        body["records"] = records
        return body

    def _keep(self, cursor: Cursor) -> str:
        self._count += 1
        key = make_id("0r8", self._count)
        self._open[key] = cursor
        # The oldest give way, so that a poller which never finishes cannot fill the memory.
        held = sum(each.length for each in self._open.values())
        while len(self._open) > 1 and (len(self._open) > MOST_OPEN or held > MOST_IDS):
            held -= self._open.pop(next(iter(self._open))).length
        return key


def page_size(call: Call, *, wide: bool) -> int:
    """The rows of a page: the caller's wish within bounds, fewer where rows are wide."""
    if wide:
        return SMALLEST_PAGE
    wish = call.option("sforce-query-options", "batchSize") or ""
    if not wish.isdigit():
        return PAGE
    return min(max(int(wish), SMALLEST_PAGE), PAGE)
