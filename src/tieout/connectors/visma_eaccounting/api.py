"""Reading calls of this vendor: single records, lists page by page, and the company's names."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from tieout.connectors.http.client import ApiClient, Call
from tieout.connectors.http.json import loads
from tieout.connectors.visma_eaccounting.errors import Kind, Problem, error_of, problem_of
from tieout.connectors.visma_eaccounting.names import (
    Names,
    dimension_names,
    settings_names,
    terms_names,
)
from tieout.connectors.visma_eaccounting.settings import VismaSettings
from tieout.connectors.visma_eaccounting.values import Payload, instant, text_of, vendor_time
from tieout.core.errors import SyncError, TransientError
from tieout.core.id_set import IdSet
from tieout.ports import Clock, HttpResponse

Query = tuple[tuple[str, str], ...]

_NAMES_LIVE_MS = 3600 * 1000
_PATIENCE = 5
# The vendor's own page where none is asked for: it must take that one.
_SURE_PAGE = 50


class FilterNotSupportedError(TransientError):
    """The vendor does not filter by that property; the list has to be read and filtered here."""

    code = "filter_not_supported"


class BareNotFoundError(TransientError):
    """404 without a word: the record is gone, or a gateway knows no such address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """One page of a list. ``at`` is the vendor's clock, ``total`` the rows of the whole list."""

    rows: tuple[dict[str, Any], ...]
    at: datetime
    page: int
    pages: int
    total: int

    @property
    def last(self) -> bool:
        """Whether no page follows; an empty list may say 0 or 1 pages."""
        return self.page >= self.pages


class VismaApi:
    """What the reading parts of the connector share."""

    def __init__(
        self, *, name: str, settings: VismaSettings, client: ApiClient, clock: Clock
    ) -> None:
        self.name = name
        self.settings = settings
        self.client = client
        self.clock = clock
        self._names: Names | None = None
        self._names_at_ms = 0
        self._names_lock = asyncio.Lock()
        self._page_most = settings.page_size
        self.seen_at: datetime | None = None

    async def one(self, path: str, template: str, query: Query = ()) -> dict[str, Any] | None:
        """
        A single object, None where it does not exist. Raises as `problem_of` classifies, and
        `BareNotFoundError` where a 404 does not say whose it is.
        """
        response = await self.client.read(Call(path=path, template=template, query=query))
        self._note_time(response)
        if not 200 <= response.status < 300:
            problem = problem_of(response)
            if problem.kind is Kind.NOT_FOUND:
                return None
            if response.status == 404 and not response.body.strip():
                raise BareNotFoundError(problem.message, code=problem.code)
            raise self._error(problem)
        value = _object(response)
        if value is None:
            raise _garbled()
        return value

    async def sheet(self, path: str, query: Query = (), *, page: int = 1, size: int = 0) -> Sheet:
        """One page of a list. Raises `FilterNotSupportedError` where it cannot filter like that."""
        size = min(size or self._page_most, self._page_most)
        asked = (*query, ("$page", str(page)), ("$pagesize", str(size)))
        response = await self.client.read(Call(path=path, template=path, query=asked))
        self._note_time(response)
        if not 200 <= response.status < 300:
            problem = problem_of(response)
            if problem.kind in (Kind.FILTER, Kind.REJECTED) and size > _SURE_PAGE and page == 1:
                # Either the filter is refused or the size, and the answer does not say which.
                sheet = await self.sheet(path, query, size=_SURE_PAGE)
                self._page_most = _SURE_PAGE
                return sheet
            if problem.kind is Kind.FILTER:
                raise FilterNotSupportedError(f"Visma does not filter {path} as it was asked.")
            raise self._error(problem)
        value = _object(response)
        if value is None or not isinstance(value.get("Data"), list):
            raise _garbled()
        meta = value.get("Meta") or {}
        told = text_of(meta, "ServerTimeUtc")
        at = instant(told) if told else (self.seen_at or self.clock.now())
        self.seen_at = at
        rows, pages = tuple(value["Data"]), int(meta.get("TotalNumberOfPages") or 0)
        if rows and pages < page:
            # Not counted: a page that is not full is the last one, a full one may not be.
            if len(rows) >= size:
                raise _garbled()
            pages = page
        counted = meta.get("TotalNumberOfResults")
        return Sheet(
            rows=rows,
            at=at,
            page=int(meta.get("CurrentPage") or page),
            pages=pages,
            total=int(counted) if counted is not None else (page - 1) * size + len(rows),
        )

    async def sheets(self, path: str, query: Query = ()) -> AsyncIterator[Sheet]:
        """All pages of a list, one at a time."""
        page = 1
        while True:
            sheet = await self.sheet(path, query, page=page)
            yield sheet
            if sheet.last or not sheet.rows:
                return
            page += 1

    async def complete(
        self, path: str, query: Query = ()
    ) -> AsyncIterator[tuple[dict[str, Any], ...]]:
        """
        A complete list page by page, without holding it. While rows come and go between its pages
        it is read again, so that rows may be given twice and one that left may be among them.

        Raises `TransientError` where it does not come to rest.
        """
        for _ in range(_PATIENCE):
            ids = IdSet()
            totals: list[int] = []
            async for sheet in self.sheets(path, query):
                totals.append(sheet.total)
                ids.update(text_of(row, "Id") for row in sheet.rows)
                yield sheet.rows
            if totals[0] == totals[-1] == len(ids):
                return
        raise self._restless(path)

    async def whole(
        self, path: str, query: Query = (), *, times: list[datetime] | None = None
    ) -> list[dict[str, Any]]:
        """
        A complete list: read again while rows moved between its pages (the count tells). The
        vendor's clock at each page is added to ``times``.

        Raises `TransientError` where it does not come to rest.
        """
        for _ in range(_PATIENCE):
            found: dict[str, dict[str, Any]] = {}
            totals: list[int] = []
            async for sheet in self.sheets(path, query):
                totals.append(sheet.total)
                if times is not None:
                    times.append(sheet.at)
                for row in sheet.rows:
                    found[text_of(row, "Id") or text_of(row, "Code") or str(len(found))] = row
            # A row that left or came between two pages shows in the count; it is read anew then.
            if totals[0] == totals[-1] == len(found):
                return list(found.values())
        raise self._restless(path)

    async def filtered(
        self, path: str, text: str, query: Query = (), *, times: list[datetime] | None = None
    ) -> list[dict[str, Any]]:
        """The whole list narrowed by a filter. The caller compares again: it may be ignored."""
        return await self.whole(path, (("$filter", text), *query), times=times)

    async def names(self, *, fresh: bool = False) -> Names:
        """The company's names, at most an hour old; ``fresh`` reads them now."""
        async with self._names_lock:
            age_ms = self.clock.steady() - self._names_at_ms
            if self._names is None or fresh or age_ms > _NAMES_LIVE_MS:
                self._names = await self._read_names()
                self._names_at_ms = self.clock.steady()
            return self._names

    async def company_settings(self) -> dict[str, Any]:
        """The settings of the company behind the sign-in."""
        found = await self.one("/v2/companysettings", "/v2/companysettings")
        if found is None:
            raise _garbled()
        return found

    async def _read_names(self) -> Names:
        settings = await self.company_settings()
        years = await self.whole("/v2/fiscalyears")
        terms = await self.whole("/v2/termsofpayments")
        codings = await self.whole("/v2/articleaccountcodings")
        centres = await self.whole("/v2/costcenters") if settings.get("UsesCostCenter") else []
        projects = await self.whole("/v2/projects") if settings.get("UsesProject") else []
        codes, days, ids = terms_names(terms)
        dimensions = dimension_names(centres, projects)
        return replace(
            settings_names(self.name, settings, years),
            terms_code=codes,
            terms_days=days,
            terms_id=ids,
            dimension=dimensions,
            dimension_id={(k, code.casefold()): guid for guid, (k, code) in dimensions.items()},
            codings={text_of(row, "Id"): row for row in codings},
        )

    def _restless(self, path: str) -> TransientError:
        return TransientError(f"The list {path} of {self.name} changes while it is read.")

    def _note_time(self, response: HttpResponse) -> None:
        self.seen_at = vendor_time(response) or self.seen_at

    def _error(self, problem: Problem) -> SyncError:
        return error_of(problem)


def _object(response: HttpResponse) -> dict[str, Any] | None:
    try:
        value: Payload = loads(response.body)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _garbled() -> TransientError:
    return TransientError("Visma's answer has not the form that it should have.")
