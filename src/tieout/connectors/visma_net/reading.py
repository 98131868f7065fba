"""Reading: what may have changed, all keys, and single records now."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from tieout.connectors.http.json import dumps, loads
from tieout.connectors.http.together import in_order
from tieout.connectors.visma_net import contacts, documents, orders, prices, translate
from tieout.connectors.visma_net.api import (
    BALANCES,
    CONTACTS,
    CREDIT_NOTES,
    CUSTOMERS,
    DEBIT_NOTES,
    INVOICES,
    ITEMS,
    PRICES,
    Query,
    Row,
    VismaNetApi,
    at_rest,
    key_of,
)
from tieout.connectors.visma_net.codes import read_codes
from tieout.connectors.visma_net.directory import Directory
from tieout.connectors.visma_net.names import HEADS, Names, document_ref, split_ref
from tieout.connectors.visma_net.stamps import MODIFIED, Stamps
from tieout.connectors.visma_net.values import Payload, segment, text_of, wall_text
from tieout.core.errors import NOT_UNDERSTOOD, UnreadableError
from tieout.core.finding import Finding, unreadable
from tieout.core.model import Balance, Code, Document, Entity, ExternalRef, Record
from tieout.ports import Gone, Page, Selection

DOCUMENT_LISTS = (INVOICES, CREDIT_NOTES, DEBIT_NOTES)
_LIST_OF = {"Invoice": INVOICES, "FinCharge": INVOICES, "CashSale": INVOICES,
            "CreditNote": CREDIT_NOTES,
            "DebitNote": DEBIT_NOTES}  # fmt: skip
# So many records are remembered as given, to leave them out of the overlap; above it they are
# given twice.
_MEMORY = 2000
# How far the clocks on the vendor's walls are apart at most, with an hour to spare.
_APART = timedelta(hours=3)
Marks = dict[str, str]


@dataclass(slots=True)
class Sweep:
    """
    Where a sweep over one list stands. ``since`` is a wall clock that none of the vendor's is
    behind, None from the beginning on; ``given`` are the versions that the last sweep gave, of
    records so new that this one meets them again.
    """

    path: str
    since: str | None = None
    given: Marks = field(default_factory=dict)
    page: int = 1
    total: int | None = None
    count: int = 0
    began: datetime | None = None
    seen: Marks = field(default_factory=dict)

    def query(self) -> Query:
        """The list from there on: the time alone, without its condition, would give everything."""
        if self.since is None:
            return ()
        return ((MODIFIED, self.since), (f"{MODIFIED}Condition", ">="))

    def fresh(self, rows: Iterable[Row], stamps: Stamps, overlap: timedelta) -> list[Row]:
        """The rows that were not given in this state; remembers those that are new enough."""
        found = []
        edge = None if self.began is None else self.began - overlap - _APART
        for row in rows:
            key, version = key_of(row), version_of_row(row)
            when = _latest(stamps, row)
            if edge is None or when is None or when >= edge:
                self.seen[key] = version
            if self.given.get(key) != version:
                found.append(row)
        return found

    def marks(self) -> Marks:
        """What the next sweep meets again and leaves out; nothing where it is too much to keep."""
        return self.seen if len(self.seen) <= _MEMORY else {}


class Reader:
    """Changes, keys and records of one connection."""

    def __init__(self, api: VismaNetApi, directory: Directory, order_reader: OrderReader) -> None:
        self._api = api
        self._directory = directory
        self._orders = order_reader

    # --- changes ---------------------------------------------------------------------------------

    async def changes_since(
        self, want: Selection, cursor: bytes | None, resume: bytes | None
    ) -> AsyncIterator[Page]:
        """
        All that may have changed since the cursor; see `ports.Connector.changes_since`. A company
        that cannot be seen is shown as one with nothing in it, so that it is asked for first.
        """
        await self._api.require_company()
        match want.entity:
            case Entity.CUSTOMER:
                stream = self._listed((CUSTOMERS,), want, cursor, resume)
            case Entity.ITEM:
                stream = self._listed((ITEMS,), want, cursor, resume)
            case Entity.PRICE:
                stream = self._listed((PRICES,), want, cursor, resume)
            case Entity.CONTACT:
                stream = self._listed((CONTACTS,), want, cursor, resume)
            case Entity.DOCUMENT:
                stream = self._documents(want, cursor, resume)
            case Entity.BALANCE:
                stream = self._balances(want)
            case Entity.CODE:
                stream = self._codes(want)
            case _:
                return
        async for page in stream:
            yield page

    async def _listed(
        self,
        paths: Sequence[str],
        want: Selection,
        cursor: bytes | None,
        resume: bytes | None,
        more: Mapping[str, Any] | None = None,
    ) -> AsyncIterator[Page]:
        """The changed rows of these lists, one after the other; the cursor is in the last page."""
        before, going = _state(cursor) or {}, _state(resume) or {}
        done: dict[str, Any] = dict(going.get("done") or {})
        extra = dict(more or {})
        for path in paths:
            if path in done:
                continue
            told = (before.get("lists") or {}).get(path) or {}
            sweep = Sweep(path, told.get("since"), dict(told.get("given") or {}))
            at = going.get("at") or {}
            if at.get("path") == path:
                sweep.page, sweep.total = int(at["page"]), at.get("total")
                sweep.count = int(at.get("count") or 0)
                sweep.began = datetime.fromisoformat(at["began"])
            async for rows in self._swept(sweep):
                marks = {"path": path, "page": sweep.page, "total": sweep.total,
                         "count": sweep.count,
                         "began": (sweep.began or self._api.now()).isoformat()}  # fmt: skip
                yield await self._page(rows, path, want, {"done": done, "at": marks, **extra})
            began = sweep.began or self._api.now()
            until = wall_text(began - timedelta(seconds=self._api.settings.overlap_s))
            done[path] = {"since": until, "given": sweep.marks()}
        yield Page(cursor=dumps({"lists": done, **extra}))

    async def _swept(self, sweep: Sweep) -> AsyncIterator[list[Row]]:
        """
        The rows of a list, page by page; ``sweep.page`` is the one to go on with. It is walked
        again where rows left it meanwhile: what stood behind them moved to a page read before.
        """
        overlap = timedelta(seconds=self._api.settings.overlap_s)
        for _ in range(5):
            totals: list[int | None] = [sweep.total] if sweep.page > 1 else []
            before, keys = sweep.count, set[str]()
            async for sheet in self._api.sheets(sweep.path, sweep.query(), page=sweep.page):
                sweep.began = sweep.began or sheet.at
                totals.append(sheet.total)
                keys.update(key_of(row) for row in sheet.rows)
                sweep.page, sweep.total = sheet.page + 1, sheet.total
                sweep.count = before + len(keys)
                yield sweep.fresh(sheet.rows, self._api.stamps, overlap)
            sweep.began = sweep.began or self._api.now()
            known = [total for total in totals if total is not None]
            shrank = any(later < earlier for earlier, later in pairwise(known))
            # Fewer than there are: one that changed moved, and the next one fell between two pages.
            if not shrank and (not known or sweep.count >= known[-1]):
                return
            sweep.page, sweep.total, sweep.count = 1, None, 0
        raise self._api.restless(sweep.path)

    async def _documents(
        self, want: Selection, cursor: bytes | None, resume: bytes | None
    ) -> AsyncIterator[Page]:
        state = _state(resume) or _state(cursor) or {}
        timed: dict[str, Any] = {
            name: state[name] for name in ("drafts_at", "open", "orders") if name in state
        }
        last: Page | None = None
        async for page in self._listed(DOCUMENT_LISTS, want, cursor, resume, timed):
            if page.cursor is not None:
                last = page
            else:
                yield page
        now = self._api.now()
        if self._due(timed.get("drafts_at"), self._api.settings.drafts_every_s, now):
            # A draft that was deleted leaves no trace: only the whole list shows it.
            async for page in self._drafts(want):
                yield page
            timed["drafts_at"] = now.isoformat()
        async for page in self._open(want, timed, now, first=cursor is None):
            yield page
        if "order" in want.kinds or (not want.kinds and self._api.settings.orders):
            async for page in self._orders.changed(want, timed, self._directory):
                yield page
        lists = (_state(last.cursor if last else None) or {}).get("lists", {})
        yield Page(cursor=dumps({"lists": lists, **timed}))

    async def _drafts(self, want: Selection) -> AsyncIterator[Page]:
        """Every unreleased invoice, whole."""
        async for rows in self._api.complete(INVOICES, (("released", "0"),)):
            unreleased = [row for row in rows if not _released(row)]
            page = await self._page(unreleased, INVOICES, want, None)
            yield Page(records=page.records, unread=page.unread, whole=True, scope="draft:")
        yield Page(whole=True, scope="draft:")

    async def _open(
        self, want: Selection, timed: dict[str, Any], now: datetime, *, first: bool
    ) -> AsyncIterator[Page]:
        """
        Every open invoice and note on a timetable of its own: whether a payment moves the stamp
        nobody says. One that left the list since the last time was closed, and is read once more.
        """
        memory = timed.get("open") or {}
        if not self._due(memory.get("at"), self._api.settings.open_invoices_every_s, now):
            return
        refs: set[str] = set()
        names = await self._api.names()
        for path in DOCUMENT_LISTS:
            async for sheet in self._api.sheets(path, (("status", "Open"),)):
                rows = [row for row in sheet.rows if text_of(row, "status") == "Open"]
                refs.update(_ref_of(row, names).id for row in rows)
                if not first:
                    yield await self._page(rows, path, want, None)
        left = sorted(set(memory.get("refs", ())) - refs)
        timed["open"] = {"at": now.isoformat(), "refs": sorted(refs)}
        if left:
            settled = await self.get([names.ref("document", ref) for ref in left], want)
            yield Page(records=tuple(record for record in settled if record is not None))

    @staticmethod
    def _due(last: object, every_s: int, now: datetime) -> bool:
        if not last:
            return True
        return now - datetime.fromisoformat(str(last)) >= timedelta(seconds=every_s)

    async def _balances(self, want: Selection) -> AsyncIterator[Page]:
        names = await self._api.names()
        async for rows in self._api.complete(BALANCES):
            self._directory.note(row.get("customer") or {} for row in rows)
            found = tuple(translate.balance(row, names, want) for row in rows)
            yield Page(records=found, whole=True)
        yield Page(cursor=dumps({"at": self._api.now().isoformat()}), whole=True)

    async def _codes(self, want: Selection) -> AsyncIterator[Page]:
        for kind, found in await read_codes(self._api, want):
            yield Page(records=found, whole=True, scope=f"{kind}:")
        yield Page(cursor=dumps({"at": self._api.now().isoformat()}))

    # --- keys ------------------------------------------------------------------------------------

    async def keys(self, entity: Entity) -> AsyncIterator[Sequence[tuple[ExternalRef, str]]]:
        """Ids and versions, complete or an error."""
        await self._api.require_company()
        names = await self._api.names()
        match entity:
            case Entity.CUSTOMER:
                lists = [(CUSTOMERS, lambda row: names.ref("customer", text_of(row, "internalId")))]
            case Entity.ITEM:
                lists = [(ITEMS, lambda row: names.ref("item", text_of(row, "inventoryId")))]
            case Entity.PRICE:
                lists = [(PRICES, lambda row: names.ref("price", text_of(row, "recordId")))]
            case Entity.CONTACT:
                lists = [(CONTACTS, lambda row: names.ref("contact", text_of(row, "contactId")))]
            case Entity.DOCUMENT:
                lists = [(path, lambda row: _ref_of(row, names)) for path in DOCUMENT_LISTS]
            case Entity.BALANCE:
                lists = [(BALANCES, lambda row: names.ref("balance", key_of(row)))]
            case Entity.CODE:
                for _, codes in await read_codes(self._api, Selection(entity=Entity.CODE)):
                    yield [(code.ref, "") for code in codes if code.ref is not None]
                return
            case _:
                return
        if entity is Entity.DOCUMENT:
            known = await self._orders.keys()
            yield [(names.ref("document", f"order:{key}"), at) for key, at in known.items()]
        for path, ref_of in lists:
            found = list((await self._all(path, ref_of)).items())
            for start in range(0, len(found), 1000):
                yield found[start : start + 1000]

    async def _all(
        self, path: str, ref_of: Callable[[Payload], ExternalRef]
    ) -> dict[ExternalRef, str]:
        """The refs and versions of a complete list; no more of it is held."""
        for _ in range(5):
            found: dict[ExternalRef, str] = {}
            totals: list[int | None] = []
            others: set[str] = set()
            async for sheet in self._api.sheets(path, expand=False):
                totals.append(sheet.total)
                for row in sheet.rows:
                    if not _is_meant(row, path):
                        others.add(key_of(row))
                    else:
                        found[ref_of(row)] = "" if path == BALANCES else version_of_row(row)
            if at_rest(totals, len(found) + len(others)):
                return found
        raise self._api.restless(path)

    # --- single records --------------------------------------------------------------------------

    async def get(self, refs: Sequence[ExternalRef], want: Selection) -> list[Record | None]:
        """The records now, in order; None where one is not there, or is another thing by now."""
        if refs:
            # To a company that cannot be seen, nothing is there.
            await self._api.require_company()
        if refs and refs[0].entity in ("balance", "code"):
            return await self._whole(refs, want)
        unique = list(dict.fromkeys(refs))
        rows = await in_order([self.payload(ref) for ref in unique])
        found: dict[ExternalRef, Record] = {}
        by_path: dict[str, list[Row]] = {}
        for ref, row in zip(unique, rows, strict=True):
            if row is not None:
                by_path.setdefault(place_of(ref)[0], []).append(row)
        for path, listed in by_path.items():
            page = await self._page(listed, path, want, None)
            if page.unread:
                raise UnreadableError(page.unread[0][1].message)
            found.update((record.ref, record) for record in page.records if record.ref is not None)
        return [found.get(ref) for ref in refs]

    async def _whole(self, refs: Sequence[ExternalRef], want: Selection) -> list[Record | None]:
        listed: list[Balance | Code] = []
        names = await self._api.names()
        if refs[0].entity == "balance":
            rows = await self._api.whole(BALANCES)
            listed += [translate.balance(row, names, want) for row in rows]
        else:
            for _, codes in await read_codes(self._api, want):
                listed += codes
        found: dict[ExternalRef | None, Record] = {record.ref: record for record in listed}
        return [found.get(ref) for ref in refs]

    async def payload(self, ref: ExternalRef) -> Row | None:
        """The vendor's object behind a ref, read now and singly."""
        path, number = place_of(ref)
        if path == orders.ORDERS:
            return await self._orders.payload(number)
        return await self._api.record(path, number)

    async def records(
        self, rows: Sequence[Payload], path: str, want: Selection | None = None
    ) -> list[Record]:
        """Rows of a list as our records. Raises `UnreadableError` for one that is none."""
        make = await self._maker(path, rows, want)
        found: list[Record] = []
        for row in rows:
            try:
                found.append(make(row))
            except NOT_UNDERSTOOD as error:
                raise UnreadableError(_told_of(row, "A record")) from error
        return found

    # --- inside ----------------------------------------------------------------------------------

    async def _maker(
        self, path: str, rows: Sequence[Payload], want: Selection | None
    ) -> Callable[[Payload], Record]:
        names = await self._api.names()
        stamps, settings = self._api.stamps, self._api.settings
        if path == CUSTOMERS:
            self._directory.note(rows)
            return lambda row: translate.customer(row, names, stamps, want)
        if path == ITEMS:
            today = self._api.now().astimezone(names.zone).date()
            return lambda row: translate.item(row, names, stamps, settings, today, want)
        if path == PRICES:
            return lambda row: prices.price(row, names, stamps, want)
        customers = await self._directory.of(rows)
        if path == CONTACTS:
            return lambda row: contacts.contact(row, customers, names, stamps, want)
        if path == orders.ORDERS:
            return lambda row: orders.order(row, names, customers, want)
        reading = documents.Reading(
            names=names, stamps=stamps, settings=settings, customers=dict(customers), want=want
        )
        return lambda row: documents.document(row, reading)

    async def _page(
        self,
        rows: Sequence[Row],
        path: str,
        want: Selection,
        marks: Mapping[str, Any] | None,
    ) -> Page:
        rows = [row for row in rows if _is_meant(row, path)]
        make = await self._maker(path, rows, want)
        names = await self._api.names()
        records: list[Record] = []
        unread: list[tuple[ExternalRef, Finding]] = []
        for row in rows:
            try:
                records.append(make(row))
            except NOT_UNDERSTOOD as error:
                ref = _any_ref(row, path, names)
                message = _told_of(row, ref.entity.capitalize(), ref.id)
                values = {"error": type(error).__name__, "said": str(error)[:200]}
                unread.append((ref, unreadable(message, **values)))
        gone = tuple(
            Gone(ref=ref, certain=False)
            for record in records
            if isinstance(record, Document) and record.booked
            for ref in record.came_from
            if not ref.id.startswith("order:")
        )
        resume = None if marks is None else dumps(marks)
        return Page(records=tuple(records), unread=tuple(unread), gone=gone, resume=resume)


class OrderReader:
    """Orders of the Sales Order service, where a connection reads them."""

    def __init__(self, api: VismaNetApi, service: orders.OrderService | None) -> None:
        self._api = api
        self._service = service

    async def changed(
        self, want: Selection, timed: dict[str, Any], directory: Directory
    ) -> AsyncIterator[Page]:
        """Orders that changed since the last time, with what they do not tell in the list."""
        if self._service is None:
            return
        names = await self._api.names()
        now = self._api.now()
        before = timed.get("orders") or {}
        since = datetime.fromisoformat(before["since"]) if before else None
        seen: Marks = {}
        async for rows in self._service.changed(since, before.get("given") or {}, seen):
            customers = await directory.of([orders.named_customer(row) for row in rows])
            records: list[Record] = []
            unread: list[tuple[ExternalRef, Finding]] = []
            for row in rows:
                try:
                    records.append(orders.order(row, names, customers, want))
                except (ValueError, TypeError, ArithmeticError) as error:
                    unread.append((_any_ref(row, orders.ORDERS, names), _not_read(row, error)))
            yield Page(records=tuple(records), unread=tuple(unread))
        edge = now - timedelta(seconds=self._api.settings.overlap_s)
        kept = {number: at for number, at in seen.items() if at >= wall_text(edge)}
        timed["orders"] = {"since": edge.isoformat(), "given": kept}

    async def keys(self) -> dict[str, str]:
        """Every order by type and number, with its stamp; none where they are not read."""
        return {} if self._service is None else await self._service.keys()

    async def payload(self, number: str) -> Row | None:
        """One order by type and number ('SO/000223')."""
        return None if self._service is None else await self._service.one(number)


def _told_of(row: Payload, what: str, named: str = "") -> str:
    said = text_of(row, "number") or text_of(row, "referenceNumber") or named
    return f"{what} {said} was not understood."


def _not_read(row: Payload, error: Exception) -> Finding:
    values = {"error": type(error).__name__, "said": str(error)[:200]}
    message = f"Order {text_of(row, 'orderId')} was not understood."
    return unreadable(message, **values)


def version_of_row(row: Payload) -> str:
    """The row version as the body tells it; a digest where there is none."""
    told = text_of(row, "timeStamp") or text_of(row, "timestamp")
    if told:
        return told
    bare = {name: value for name, value in row.items() if name != "metadata"}
    return hashlib.sha256(repr(sorted(bare.items(), key=lambda p: p[0])).encode()).hexdigest()[:16]


def place_of(ref: ExternalRef) -> tuple[str, str]:
    """The list and the number in it where a record is found. ValueError for another's ref."""
    head, number = split_ref(ref)
    match (ref.entity, head):
        case (("customer" | "balance"), ""):
            return CUSTOMERS, number
        case ("item", ""):
            return ITEMS, number
        case ("price", ""):
            return PRICES, number
        case ("contact", ""):
            return CONTACTS, number
        case ("document", "order"):
            return orders.ORDERS, number
        case ("document", known) if known in HEADS:
            return _LIST_OF[HEADS[known][0]], number
        case ("document", _) if number:
            return INVOICES, number  # of a type that is not understood
    raise ValueError(f"{ref} is no record of this system")


def document_path(ref: ExternalRef) -> str:
    """The address of a document."""
    path, number = place_of(ref)
    return f"{path}/{segment(number)}"


def _ref_of(row: Payload, names: Names) -> ExternalRef:
    return document_ref(
        names,
        text_of(row, "documentType") or "Invoice",
        text_of(row, "referenceNumber"),
        booked=_released(row),
    )


def _is_meant(row: Payload, path: str) -> bool:
    """Whether a row of a list is of the kind that is read: there are others in two of them."""
    if path in DOCUMENT_LISTS:
        return documents.is_document(row)
    if path == CONTACTS:
        return contacts.is_of_customer(row)
    return path != PRICES or prices.is_known(row)


def _released(row: Payload) -> bool:
    try:
        return documents.is_released(row)
    except ValueError:
        return False


def _latest(stamps: Stamps, row: Payload) -> datetime | None:
    try:
        return stamps.latest(row)
    except ValueError:
        return None


def _any_ref(row: Payload, path: str, names: Names) -> ExternalRef:
    if path == CUSTOMERS:
        return names.ref("customer", text_of(row, "internalId"))
    if path == ITEMS:
        return names.ref("item", text_of(row, "inventoryId"))
    if path == CONTACTS:
        return names.ref("contact", text_of(row, "contactId"))
    if path == PRICES:
        return names.ref("price", text_of(row, "recordId"))
    if path == orders.ORDERS:
        return names.ref("document", f"order:{text_of(row, 'type')}/{text_of(row, 'orderId')}")
    return _ref_of(row, names)


def _state(blob: bytes | None) -> dict[str, Any] | None:
    if blob is None:
        return None
    value = loads(blob)
    return value if isinstance(value, dict) else None
