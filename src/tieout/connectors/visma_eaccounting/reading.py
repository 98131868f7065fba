"""Reading: what may have changed, all keys, and single records now."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from tieout.connectors.http.json import dumps, loads
from tieout.connectors.http.together import in_order
from tieout.connectors.visma_eaccounting import documents, translate
from tieout.connectors.visma_eaccounting.api import (
    BareNotFoundError,
    FilterNotSupportedError,
    Query,
    VismaApi,
)
from tieout.connectors.visma_eaccounting.codes import read_codes
from tieout.connectors.visma_eaccounting.filters import (
    ARTICLES,
    CUSTOMERS,
    DRAFTS,
    INVOICES,
    ORDERS,
    FilterBook,
)
from tieout.connectors.visma_eaccounting.guid_list import GuidList
from tieout.connectors.visma_eaccounting.names import Names, split_ref
from tieout.connectors.visma_eaccounting.postings import Postings
from tieout.connectors.visma_eaccounting.prices import read_prices
from tieout.connectors.visma_eaccounting.sweeping import (
    DAWN,
    Sweep,
    ascending,
    remember_booked,
    remember_open,
)
from tieout.connectors.visma_eaccounting.values import (
    Payload,
    any_equal,
    instant,
    stamp_text,
    text_of,
)
from tieout.core.errors import NOT_UNDERSTOOD, UnreadableError
from tieout.core.finding import Finding, unreadable
from tieout.core.id_set import IdSet
from tieout.core.model import Document, Entity, ExternalRef, Record
from tieout.ports import Gone, Page, Selection

Maker = Callable[[Payload, Names, Selection | None], Record]
_IDS_PER_CALL = 20
_KEPT = ("since", "open", "booked", "orders")
_NAMED_BY = ("InvoiceNumber", "CustomerNumber", "Number", "Id")
_MAKERS: Mapping[str, Maker] = {
    CUSTOMERS: translate.customer,
    ARTICLES: translate.item,
    DRAFTS: documents.draft,
    INVOICES: documents.invoice,
    ORDERS: documents.order,
}
_PREFIX = {DRAFTS: "draft:", INVOICES: "invoice:", ORDERS: "order:"}
_ENTITY = {CUSTOMERS: "customer", ARTICLES: "item", **dict.fromkeys(_PREFIX, "document")}


class Reader:
    """Changes, keys and records of one connection."""

    def __init__(self, api: VismaApi, filters: FilterBook) -> None:
        self._api = api
        self._filters = filters
        self._postings = Postings(api, filters)
        # Drafts that the vendor still lists though they were booked, as the last read saw it.
        self._booked: frozenset[str] = frozenset()

    # --- changes ---------------------------------------------------------------------------------

    async def changes_since(
        self, want: Selection, cursor: bytes | None, resume: bytes | None
    ) -> AsyncIterator[Page]:
        """All that may have changed since the cursor; see `ports.Connector.changes_since`."""
        match want.entity:
            case Entity.CUSTOMER:
                stream = self._stamped(CUSTOMERS, "ChangedUtc", want, cursor, resume)
            case Entity.ITEM:
                stream = self._stamped(ARTICLES, "ChangedUtc", want, cursor, resume)
            case Entity.DOCUMENT:
                stream = self._documents(want, cursor, resume)
            case Entity.BALANCE:
                stream = self._balances(want)
            case Entity.CODE:
                stream = self._codes(want)
            case Entity.PRICE:
                stream = self._prices(want)
            case _:
                return
        async for page in stream:
            yield page

    async def _stamped(
        self, path: str, stamp: str, want: Selection, cursor: bytes | None, resume: bytes | None
    ) -> AsyncIterator[Page]:
        state = _state(resume) or _state(cursor)
        sweep = _sweep(path, stamp, state, resumed=resume is not None)
        async for rows, more in self._swept(sweep):
            records, unread = await self._translated(rows, path, want)
            yield Page(
                records=records,
                unread=unread,
                resume=dumps(_marks(sweep)) if more else None,
                cursor=None if more else self._cursor(sweep, {}),
            )

    async def _documents(
        self, want: Selection, cursor: bytes | None, resume: bytes | None
    ) -> AsyncIterator[Page]:
        kinds = want.kinds or frozenset({"draft", "invoice"})
        before, resumed = _state(cursor), _state(resume)
        state: dict[str, Any] = dict(resumed or before or {})
        booked, listed = frozenset(GuidList.of(state.get("booked") or {})), IdSet()
        if "draft" in kinds and resumed is None:
            # Drafts have no stamp: the whole list each time. One that is listed although it was
            # booked is none any more.
            async for sheet in self._api.complete(DRAFTS):
                listed.update(text_of(row, "Id") for row in sheet)
                drafts = [row for row in sheet if text_of(row, "Id") not in booked]
                records, unread = await self._translated(drafts, DRAFTS, want)
                yield Page(records=records, unread=unread, whole=True, scope="draft:")
            state["booked"] = GuidList(sorted(one for one in booked if one in listed)).state()
        if "invoice" in kinds:
            sweep = _sweep(INVOICES, "ModifiedUtc", state or None, resumed=resumed is not None)
            async for rows, more in self._swept(sweep):
                records, unread = await self._translated(rows, INVOICES, want)
                if before is not None:
                    # The first read has the list of all open ones behind it.
                    remember_open(state, rows)
                names = await self._api.names()
                gone = [
                    Gone(ref=names.ref("document", f"draft:{guid}"), certain=False)
                    for guid in remember_booked(state, rows, listed)
                ]
                marks = {**_marks(sweep), **_carried(state)} if more else None
                yield Page(
                    records=records,
                    gone=tuple(gone),
                    unread=unread,
                    resume=dumps(marks) if marks else None,
                )
            state["since"] = stamp_text(
                (sweep.started or DAWN) - timedelta(seconds=self._api.settings.overlap_s)
            )
            async for page in self._open_invoices(want, state, first=before is None):
                yield page
        if self._api.settings.orders:
            async for page in self._orders(want, state):
                yield page
        self._booked = frozenset(GuidList.of(state.get("booked") or {}))
        kept = {name: state[name] for name in _KEPT if name in state}
        yield Page(cursor=dumps(kept))

    async def _orders(self, want: Selection, state: dict[str, Any]) -> AsyncIterator[Page]:
        """The orders that changed since the last time, all of them where nothing narrows."""
        began = self._api.seen_at or self._api.clock.now()
        query: Query = ()
        if state.get("orders") and await self._filters.can(ORDERS, "ModifiedUtc"):
            query = (("$filter", f"ModifiedUtc ge {state['orders']}"),)
        try:
            async for rows in self._api.complete(ORDERS, query):
                records, unread = await self._translated(rows, ORDERS, want)
                yield Page(records=records, unread=unread)
        except FilterNotSupportedError:
            self._filters.refuse(ORDERS, "ModifiedUtc")
            async for rows in self._api.complete(ORDERS):
                records, unread = await self._translated(rows, ORDERS, want)
                yield Page(records=records, unread=unread)
        overlap = timedelta(seconds=self._api.settings.overlap_s)
        state["orders"] = stamp_text(began - overlap)

    async def _open_invoices(
        self, want: Selection, state: dict[str, Any], *, first: bool
    ) -> AsyncIterator[Page]:
        """
        Every open invoice on a timetable of its own: a payment may not move the stamp. One that
        left the list since the last time was settled, and is read once more.
        """
        now = self._api.seen_at or self._api.clock.now()
        memory = state.get("open") or {}
        every = timedelta(seconds=self._api.settings.open_invoices_every_s)
        if memory.get("at") and now - instant(memory["at"]) < every:
            return
        ids, open_now = GuidList(), IdSet()
        async for rows in self._open_rows():
            listed = [text_of(row, "Id") for row in rows]
            ids.extend(listed)
            open_now.update(listed)
            if not first:
                # The first read gave every invoice already.
                records, unread = await self._translated(rows, INVOICES, want)
                yield Page(records=records, unread=unread)
        # One that slipped from page to page while we read is among these too, and is read singly.
        left = sorted({guid for guid in GuidList.of(memory) if guid not in open_now})
        state["open"] = {"at": stamp_text(now), **ids.state()}
        if left:
            names = await self._api.names()
            refs = [names.ref("document", f"invoice:{guid}") for guid in left]
            settled = await self.get(refs, want)
            yield Page(records=tuple(record for record in settled if record is not None))

    async def _open_rows(self) -> AsyncIterator[list[dict[str, Any]]]:
        """Pages of invoices that are not settled, by a filter where it works."""
        prop = "RemainingAmountInvoiceCurrency"
        query: Query = ()
        if await self._filters.can(INVOICES, prop):
            query = (("$filter", f"{prop} ne 0"),)
        try:
            async for sheet in self._api.sheets(INVOICES, query):
                yield [row for row in sheet.rows if row.get(prop) != 0]
        except FilterNotSupportedError:
            self._filters.refuse(INVOICES, prop)
            async for sheet in self._api.sheets(INVOICES):
                yield [row for row in sheet.rows if row.get(prop) != 0]

    async def _balances(self, want: Selection) -> AsyncIterator[Page]:
        names = await self._api.names()
        async for rows in self._api.complete(CUSTOMERS):
            found, unread = self._made(rows, CUSTOMERS, names, want, translate.balance)
            yield Page(records=tuple(made for _, made in found), unread=unread, whole=True)
        yield Page(cursor=dumps({"at": self._now_text()}))

    async def _codes(self, want: Selection) -> AsyncIterator[Page]:
        async for kind, found in read_codes(self._api, want):
            yield Page(records=found, whole=True, scope=f"{kind}:")
        yield Page(cursor=dumps({"at": self._now_text()}))

    async def _prices(self, want: Selection) -> AsyncIterator[Page]:
        async for found in read_prices(self._api, want):
            yield Page(records=found, whole=True)
        yield Page(cursor=dumps({"at": self._now_text()}), whole=True)

    # --- keys ------------------------------------------------------------------------------------

    async def keys(self, entity: Entity) -> AsyncIterator[Sequence[tuple[ExternalRef, str]]]:
        """Ids and stamps, complete or an error; drafts before invoices, as documents move."""
        names = await self._api.names()
        match entity:
            case Entity.CUSTOMER:
                lists = [(CUSTOMERS, "ChangedUtc")]
            case Entity.ITEM:
                lists = [(ARTICLES, "ChangedUtc")]
            case Entity.BALANCE:
                lists = [(CUSTOMERS, "")]
            case Entity.DOCUMENT:
                orders = [(ORDERS, "ModifiedUtc")] if self._api.settings.orders else []
                lists = [*orders, (DRAFTS, ""), (INVOICES, "ModifiedUtc")]
            case Entity.CODE:
                async for _, codes in read_codes(self._api, Selection(entity=Entity.CODE)):
                    yield [(code.ref, "") for code in codes if code.ref is not None]
                return
            case Entity.PRICE:
                async for prices in read_prices(self._api, Selection(entity=Entity.PRICE)):
                    yield [(price.ref, price.version or "") for price in prices if price.ref]
                return
            case _:
                return
        for path, stamp in lists:
            select = f"Id,{stamp}" if stamp else "Id"
            name = "balance" if entity is Entity.BALANCE else _ENTITY[path]
            prefix = _PREFIX.get(path, "")
            async for rows in self._api.complete(path, (("$select", select),)):
                yield [
                    (names.ref(name, prefix + text_of(row, "Id")), text_of(row, stamp))
                    for row in rows
                    if path != DRAFTS or text_of(row, "Id") not in self._booked
                ]

    # --- single records --------------------------------------------------------------------------

    async def get(self, refs: Sequence[ExternalRef], want: Selection) -> list[Record | None]:
        """The records now, in order; None where one is not there."""
        if want.entity is Entity.PRICE:
            listed: dict[ExternalRef | None, Record] = {}
            async for prices in read_prices(self._api, want):
                listed.update({price.ref: price for price in prices})
            return [listed.get(ref) for ref in refs]
        by_path: dict[str, list[str]] = {}
        for ref in refs:
            path, guid = place_of(ref)
            by_path.setdefault(path, []).append(guid)
        payloads: dict[tuple[str, str], dict[str, Any]] = {}
        for path, guids in by_path.items():
            for guid, payload in (await self.payloads(path, guids)).items():
                payloads[path, guid] = payload
        found: list[Record | None] = []
        names = await self._names_for(list(payloads.values()))
        try:
            told = await self._invoices(payloads, names, want)
            for ref in refs:
                path, guid = place_of(ref)
                payload_or_none = payloads.get((path, guid))
                if payload_or_none is None:
                    found.append(None)
                elif ref.entity == "balance":
                    found.append(translate.balance(payload_or_none, names, want))
                elif path == INVOICES:
                    found.append(told[guid])
                else:
                    found.append(_MAKERS[path](payload_or_none, names, want))
        except NOT_UNDERSTOOD as error:
            # Of several, the caller finds out which by asking for fewer.
            payload = payloads.get(place_of(refs[0]), {})
            raise UnreadableError(_told_of(payload, place_of(refs[0])[0])) from error
        return found

    async def _invoices(
        self, payloads: Mapping[tuple[str, str], Payload], names: Names, want: Selection
    ) -> dict[str, Record]:
        rows = {guid: row for (path, guid), row in payloads.items() if path == INVOICES}
        records = [documents.invoice(row, names, want) for row in rows.values()]
        told = await self._postings.told(list(rows.values()), records)
        return dict(zip(rows, told, strict=True))

    async def payloads(self, path: str, guids: Sequence[str]) -> dict[str, dict[str, Any]]:
        """
        The vendor's objects by id, in the fewest calls. What a filter does not give is asked for
        singly before it counts as not there.
        """
        wanted = list(dict.fromkeys(guids))
        found: dict[str, dict[str, Any]] = {}
        if len(wanted) > 2 and await self._filters.can(path, "Id"):
            for start in range(0, len(wanted), _IDS_PER_CALL):
                chunk = wanted[start : start + _IDS_PER_CALL]
                try:
                    rows = await self._api.filtered(path, any_equal("Id", chunk))
                except FilterNotSupportedError:
                    self._filters.refuse(path, "Id")
                    break
                found.update((text_of(row, "Id"), row) for row in rows)
        missing = [guid for guid in wanted if guid not in found]
        singles = await in_order([self._single(path, guid) for guid in missing])
        for guid, payload in zip(missing, singles, strict=True):
            if payload is not None:
                found[guid] = payload
        return {guid: found[guid] for guid in wanted if guid in found}

    async def payload(self, ref: ExternalRef) -> dict[str, Any] | None:
        """The vendor's object behind a ref, read now and singly."""
        return await self._single(*place_of(ref))

    async def _single(self, path: str, guid: str) -> dict[str, Any] | None:
        try:
            return await self._api.one(f"{path}/{guid}", f"{path}/{{id}}")
        except BareNotFoundError:
            # Nobody signed this: what is really not there is not in the list, either.
            return await self._listed(path, guid)

    async def _listed(self, path: str, guid: str) -> dict[str, Any] | None:
        rows: list[dict[str, Any]] | None = None
        if await self._filters.can(path, "Id"):
            try:
                rows = await self._api.filtered(path, f"Id eq {guid}")
            except FilterNotSupportedError:
                self._filters.refuse(path, "Id")
        if rows is None:
            rows = await self._api.whole(path)
        return next((row for row in rows if text_of(row, "Id") == guid), None)

    async def record(self, payload: Payload, path: str) -> Record:
        """A payload of a list as our record. Raises `UnreadableError` where it is none."""
        names = await self._names_for([payload])
        try:
            return _MAKERS[path](payload, names, None)
        except NOT_UNDERSTOOD as error:
            raise UnreadableError(_told_of(payload, path)) from error

    # --- inside ----------------------------------------------------------------------------------

    async def _swept(self, sweep: Sweep) -> AsyncIterator[tuple[list[dict[str, Any]], bool]]:
        # Of a list that is read from its beginning it is known how many there are.
        total = 0
        given = IdSet()
        while True:
            sheet = await self._api.sheet(sweep.path, sweep.query(), page=sweep.page)
            if sweep.started is None:
                sweep.started = sheet.at
                total = sheet.total if sweep.everything else 0
            if not ascending(sheet.rows, sweep.stamp):
                # The order is not kept: then only the complete list loses nothing.
                yield await self._api.whole(sweep.path, sweep.narrowed()), False
                return
            fresh = sweep.fresh(sheet.rows)
            if total:
                given.update(text_of(row, "Id") for row in fresh)
            if sheet.last or not sheet.rows:
                if len(given) < total:
                    # Rows without a stamp, behind the others: no position leads to them.
                    fresh = await self._api.whole(sweep.path)
                yield fresh, False
                return
            sweep.move_behind(sheet.rows)
            yield fresh, True

    async def _translated(
        self, rows: Sequence[dict[str, Any]], path: str, want: Selection
    ) -> tuple[tuple[Record, ...], tuple[tuple[ExternalRef, Finding], ...]]:
        names = await self._names_for(rows)
        made, unread = self._made(rows, path, names, want, _MAKERS[path])
        kept, records = [row for row, _ in made], [record for _, record in made]
        return await self._told(kept, records, path), unread

    def _made(
        self,
        rows: Sequence[dict[str, Any]],
        path: str,
        names: Names,
        want: Selection,
        maker: Maker,
    ) -> tuple[list[tuple[dict[str, Any], Record]], tuple[tuple[ExternalRef, Finding], ...]]:
        """The rows with their records, and those that are not understood."""
        made: list[tuple[dict[str, Any], Record]] = []
        unread: list[tuple[ExternalRef, Finding]] = []
        for row in rows:
            try:
                made.append((row, maker(row, names, want)))
            except NOT_UNDERSTOOD as error:
                entity = want.entity.value if want.entity is Entity.BALANCE else _ENTITY[path]
                ref = names.ref(entity, _PREFIX.get(path, "") + text_of(row, "Id"))
                unread.append((ref, unreadable(_told_of(row, path), error=type(error).__name__)))
        return made, tuple(unread)

    async def _told(
        self, rows: Sequence[Payload], records: Sequence[Record], path: str
    ) -> tuple[Record, ...]:
        """Invoices with what closed them, of which the list itself does not tell the kind."""
        if path != INVOICES:
            return tuple(records)
        invoices = [record for record in records if isinstance(record, Document)]
        return await self._postings.told(rows, invoices)

    async def _names_for(self, payloads: Sequence[Payload]) -> Names:
        names = await self._api.names()
        if any(translate.unknown_ids(payload, names) for payload in payloads):
            names = await self._api.names(fresh=self._may_refresh())
        return names

    def _may_refresh(self) -> bool:
        # At most once a minute: an id that stays unknown must not cost five calls a page.
        now = self._api.clock.steady()
        if now - self._refreshed_ms < 60_000:
            return False
        self._refreshed_ms = now
        return True

    _refreshed_ms = -60_000

    def _cursor(self, sweep: Sweep, more: Mapping[str, Any]) -> bytes:
        overlap = timedelta(seconds=self._api.settings.overlap_s)
        return dumps({"since": stamp_text((sweep.started or DAWN) - overlap), **more})

    def _now_text(self) -> str:
        return stamp_text(self._api.seen_at or self._api.clock.now())


def _told_of(row: Payload, path: str) -> str:
    named = next((n for key in _NAMED_BY if (n := text_of(row, key))), "")
    return f"{_ENTITY.get(path, 'record').capitalize()} {named} was not understood."


def place_of(ref: ExternalRef) -> tuple[str, str]:
    """The list and the id in it where a record is found. Raises ValueError for another's ref."""
    head, guid = split_ref(ref)
    match (ref.entity, head):
        case ("document", "draft"):
            return DRAFTS, guid
        case ("document", "invoice"):
            return INVOICES, guid
        case ("document", "order"):
            return ORDERS, guid
        case (("customer" | "balance"), ""):
            return CUSTOMERS, guid
        case ("item", ""):
            return ARTICLES, guid
    raise ValueError(f"{ref} is no record of this system")


def _sweep(path: str, stamp: str, state: Mapping[str, Any] | None, *, resumed: bool) -> Sweep:
    if state is None:
        return Sweep(path, stamp, DAWN)
    if resumed:
        started = instant(state["started"]) if state.get("started") else None
        return Sweep(path, stamp, instant(state["position"]), int(state["page"]), started)
    since = state.get("since")
    return Sweep(path, stamp, instant(since) if since else DAWN)


def _marks(sweep: Sweep) -> dict[str, Any]:
    return {
        "position": stamp_text(sweep.position),
        "page": sweep.page,
        "started": stamp_text(sweep.started) if sweep.started else None,
    }


def _carried(state: Mapping[str, Any]) -> dict[str, Any]:
    return {name: state[name] for name in _KEPT if name in state and name != "since"}


def _state(blob: bytes | None) -> dict[str, Any] | None:
    if blob is None:
        return None
    value = loads(blob)
    return value if isinstance(value, dict) else None
