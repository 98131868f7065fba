"""Reading calls: single records, lists in their three shapes, the company's words."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tieout.connectors.http.client import ApiClient, Call
from tieout.connectors.http.json import loads
from tieout.connectors.visma_net.errors import WRONG_TENANT, Kind, error_of, problem_of
from tieout.connectors.visma_net.names import Names, build_names
from tieout.connectors.visma_net.settings import VismaNetSettings
from tieout.connectors.visma_net.stamps import Stamps
from tieout.connectors.visma_net.values import Payload, part_of, segment, text_of, vendor_time
from tieout.core.errors import ConnectionBrokenError, TransientError
from tieout.core.id_set import IdSet
from tieout.ports import Clock, HttpResponse

Query = tuple[tuple[str, str], ...]
Row = dict[str, Any]

CUSTOMERS, ITEMS = "/v1/customer", "/v1/inventory"
INVOICES, CREDIT_NOTES = "/v1/customerinvoice", "/v1/customercreditnote"
DEBIT_NOTES, PAYMENTS = "/v1/customerdebitnote", "/v1/customerpayment"
BALANCES, PERIODS = "/v1/customer/balance", "/v1/financialperiod"
PRICES, CONTACTS = "/v1/customerSalesPrice", "/v1/contact"
ORGANIZATION, CLASSES = "/v1/organization", "/v1/customer/customerclass"
# What has no pages is answered whole, whatever is asked.
_BARE = frozenset(
    {"/v1/vat", "/v1/vatcategory", "/v1/currency", "/v1/branch", PERIODS, "/v1/dimension",
     ORGANIZATION, "/v1/unitofmeasure", "/v2/currencyrate", CLASSES}
)  # fmt: skip
# What is expanded by default will change, says the vendor: each is said.
_NO_EXPANDS: Query = tuple(
    (name, "false")
    for name in ("addCostPriceStatistics", "expandCrossReference", "expandAttachment",
                 "expandAttribute", "expandWarehouseDetail", "expandSupplierDetails",
                 "expandSalesCategories", "expandNote")
)  # fmt: skip
EXPANDS: dict[str, Query] = {
    ITEMS: (*_NO_EXPANDS, ("expandAccountInformation", "true"), ("expandInventoryUnits", "true")),
    **dict.fromkeys(
        (INVOICES, CREDIT_NOTES, DEBIT_NOTES),
        (("expandApplications", "true"), ("expandTaxDetails", "true")),
    ),
}
_NARROW: dict[str, Query] = {
    ITEMS: (
        *_NO_EXPANDS,
        ("expandAccountInformation", "false"),
        ("expandInventoryUnits", "false"),
    )
}
_NAMES_LIVE_MS = 3600 * 1000
_SEEN_MS = 60 * 1000
_PATIENCE = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """One page of a list. ``at`` is the vendor's clock, ``total`` what it says the list has."""

    rows: tuple[Row, ...]
    at: datetime
    page: int
    total: int | None


class VismaNetApi:
    """What the reading parts of the connector share."""

    def __init__(
        self, *, name: str, settings: VismaNetSettings, client: ApiClient, clock: Clock
    ) -> None:
        self.name = name
        self.settings = settings
        self.client = client
        self.clock = clock
        self.stamps = Stamps()
        self.seen_at: datetime | None = None
        self.calls_per_hour = 0
        self._names: Names | None = None
        self._names_at_ms = 0
        self._company_at_ms: int | None = None
        self._names_lock = asyncio.Lock()

    def now(self) -> datetime:
        """The vendor's clock as its last answer showed it; ours before the first one."""
        return self.seen_at or self.clock.now()

    # --- calls -----------------------------------------------------------------------------------

    async def ask(self, path: str, template: str, query: Query = ()) -> HttpResponse:
        """The answer to a read whatever its status."""
        try:
            response = await self.client.read(
                Call(path=path, template=template, query=query, headers=self.settings.headers)
            )
        except ConnectionBrokenError as error:
            raise explained(error) from None
        self.note(response)
        return response

    def note(self, response: HttpResponse) -> None:
        """Keeps the vendor's clock, and how many calls an hour it says that there are."""
        self.seen_at = vendor_time(response) or self.seen_at
        limit = response.headers.get("x-ratelimit-limit", "")
        if limit.isdecimal():
            self.calls_per_hour = int(limit)

    async def one(self, path: str, template: str, query: Query = ()) -> Row | None:
        """A single object, None where it does not exist. Raises as `problem_of` classifies."""
        response = await self.ask(path, template, query)
        if not 200 <= response.status < 300:
            problem = problem_of(response)
            if problem.kind is Kind.NOT_FOUND:
                return None
            raise error_of(problem)
        value = _json(response)
        if isinstance(value, list) and len(value) == 1:
            value = value[0]  # some builds answer one record as a list of one
        if not isinstance(value, dict):
            raise _garbled()
        return value

    async def record(self, path: str, number: str) -> Row | None:
        """A document, customer or item by its number; customers and items by internal id."""
        where = f"{path}/internal" if path in (CUSTOMERS, ITEMS) else path
        return await self.one(f"{where}/{segment(number)}", f"{where}/{{id}}")

    async def customer(self, number: str) -> Row | None:
        """A customer by the number that people use, which may change."""
        return await self.one(f"{CUSTOMERS}/{segment(number)}", f"{CUSTOMERS}/{{number}}")

    async def sheet(
        self,
        path: str,
        query: Query = (),
        *,
        page: int = 1,
        size: int = 0,
        skip: int = 0,
        expand: bool = True,
    ) -> Sheet:
        """
        One page of a list. The size may be cut without a word, so nobody reckons with it. Without
        ``expand`` the parts that cost time over there are left out.
        """
        asked: Query = (*query, *(EXPANDS.get(path, ()) if expand else _NARROW.get(path, ())))
        size = size or self.settings.page_size
        if path in (BALANCES, CONTACTS):
            asked = (*asked, ("numberToRead", str(size)), ("skipRecords", str(skip)))
        elif path not in _BARE:
            asked = (*asked, ("pageNumber", str(page)), ("pageSize", str(size)))
        response = await self.ask(path, path, asked)
        if not 200 <= response.status < 300:
            raise error_of(problem_of(response))
        value = _json(response)
        total: int | None = None
        if isinstance(value, dict) and isinstance(value.get("records"), list):
            total = _whole(value.get("totalCount"))
            value = value["records"]
        if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
            raise _garbled()
        if total is None and value:
            total = _whole(part_of(value[0], "metadata").get("totalCount"))
        if not value and page == 1:
            total = 0
        return Sheet(rows=tuple(value), at=self.now(), page=page, total=total)

    async def sheets(
        self, path: str, query: Query = (), *, page: int = 1, expand: bool = True
    ) -> AsyncIterator[Sheet]:
        """All pages of a list from one on, the last one with what is left; the count ends it, and
        where there is none an empty page does, or one that brings nothing new."""
        seen: set[str] = set()
        while True:
            sheet = await self.sheet(path, query, page=page, skip=len(seen), expand=expand)
            fresh = {key_of(row) for row in sheet.rows} - seen
            if not fresh:
                return
            seen |= fresh
            yield sheet
            if path in _BARE or (sheet.total is not None and len(seen) >= sheet.total):
                return
            page += 1

    async def whole(
        self, path: str, query: Query = (), *, times: list[datetime] | None = None
    ) -> list[Row]:
        """
        A complete list: read again while rows moved between its pages (the count tells). The
        vendor's clock at each page is added to ``times``.

        Raises `TransientError` where it does not come to rest.
        """
        for _ in range(_PATIENCE):
            found: dict[str, Row] = {}
            totals: list[int | None] = []
            async for sheet in self.sheets(path, query):
                totals.append(sheet.total)
                if times is not None:
                    times.append(sheet.at)
                for row in sheet.rows:
                    found[key_of(row)] = row
            if times is not None and not totals:
                times.append(self.now())
            if at_rest(totals, len(found)):
                return list(found.values())
        raise self.restless(path)

    async def complete(self, path: str, query: Query = ()) -> AsyncIterator[tuple[Row, ...]]:
        """
        A complete list page by page, without holding it. While rows come and go between its pages
        it is read again, so that rows may be given twice and one that left may be among them.

        Raises `TransientError` where it does not come to rest.
        """
        for _ in range(_PATIENCE):
            keys = IdSet()
            totals: list[int | None] = []
            async for sheet in self.sheets(path, query):
                totals.append(sheet.total)
                keys.update(key_of(row) for row in sheet.rows)
                yield sheet.rows
            if at_rest(totals, len(keys)):
                return
        raise self.restless(path)

    def restless(self, path: str) -> TransientError:
        """A list that does not come to rest."""
        return TransientError(f"The list {path} of {self.name} changes while it is read.")

    # --- the company -----------------------------------------------------------------------------

    async def names(self, *, fresh: bool = False) -> Names:
        """The company's words, at most an hour old; ``fresh`` reads them now."""
        async with self._names_lock:
            age_ms = self.clock.steady() - self._names_at_ms
            if self._names is None or fresh or age_ms > _NAMES_LIVE_MS:
                self._names = await self._read_names()
                self.stamps.zone = self._names.zone
                self._names_at_ms = self.clock.steady()
            return self._names

    def known_names(self) -> Names | None:
        """The company's words as they were last read; None before the first time."""
        return self._names

    async def require_company(self) -> None:
        """
        Makes sure that the company was seen within the last minute. Raises as `organization` does.
        """
        if self._company_at_ms is None or self.clock.steady() - self._company_at_ms > _SEEN_MS:
            await self.organization()

    async def organization(self) -> Row:
        """
        The organisation behind the sign-in. An empty list is no answer to believe: the wrong
        company is shown as one that has nothing.

        Raises `ConnectionBrokenError` (company_not_seen).
        """
        rows = await self.whole(ORGANIZATION, (("expandBranches", "true"),))
        if not rows:
            raise ConnectionBrokenError(
                f"{self.name} sees no company: Visma.net shows a wrong one as empty.",
                code="company_not_seen",
                hint="Check company_number, and that the user may see that company.",
            )
        self._company_at_ms = self.clock.steady()
        return rows[0]

    async def _read_names(self) -> Names:
        organization = await self.organization()
        subaccount = await self.one(
            "/v1/dimension/SUBACCOUNT",
            "/v1/dimension/{dimensionId}",
            (("expandSegmentsValues", "true"),),
        )
        segments = await self._segments(subaccount or {})
        return build_names(
            self.name,
            organization=organization,
            branches=await self.whole("/v1/branch"),
            terms=await self.whole("/v1/creditterm"),
            currencies=await self.whole("/v1/currency"),
            rates=await self.whole("/v2/currencyrate"),
            vats=await self.whole("/v1/vat"),
            categories=await self.whole("/v1/vatcategory"),
            zones=await self.whole("/v1/vatzone"),
            segments=segments,
            projects=await self.whole("/v1/project"),
            periods=await self.whole(PERIODS),
        )

    async def _segments(self, dimension: Payload) -> list[Row]:
        """The segments of the subaccount with their values."""
        found = []
        for row in dimension.get("segments") or ():
            if not row.get("segmentValues"):
                number = text_of(row, "segmentId")
                path = f"/v1/dimension/SUBACCOUNT/{segment(number)}"
                row = await self.one(path, "/v1/dimension/{dimensionId}/{segmentId}") or row
            found.append(dict(row))
        return found


def key_of(row: Payload) -> str:
    """What tells one row of a list from another, whichever list it is."""
    for names in (
        ("documentType", "referenceNumber"),
        ("type", "refNbr"),
        ("type", "orderId"),
        ("internalId",),
        ("internalID",),
        ("recordId",),
        ("contactId",),
        ("inventoryId",),
        ("financialPeriodId",),
        ("year", "period"),
        ("vatId",),
        ("vatCategoryId",),
        ("termsId",),
        ("number",),
        ("organizationCd",),
        ("id",),
    ):
        if all(row.get(name) is not None for name in names):
            return "/".join(text_of(row, name) for name in names)
    customer = text_of(row, "customer", "internalId") or text_of(row, "customer", "number")
    return customer or str(sorted((k, str(v)) for k, v in row.items() if k != "metadata"))


def at_rest(totals: Sequence[int | None], count: int) -> bool:
    """Whether as many rows came as the first and the last page said that there are."""
    known = [total for total in (*totals[:1], *totals[-1:]) if total is not None]
    return all(total == count for total in known)


def explained(error: ConnectionBrokenError) -> ConnectionBrokenError:
    """A fresh token that was refused, with the usual reason for it."""
    if error.code == "sign_in_withdrawn" and not error.hint:
        return ConnectionBrokenError(
            WRONG_TENANT,
            code=error.code,
            hint="Connect the application to the company's own tenant in Visma App Store.",
        )
    return error


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _json(response: HttpResponse) -> Any:
    try:
        return loads(response.body)
    except ValueError:
        return None


def _garbled() -> TransientError:
    return TransientError("Visma.net's answer has not the form that it should have.")
