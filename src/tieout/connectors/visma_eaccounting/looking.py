"""Looking: is there a record that carries our key, and what became of one that vanished?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from tieout.connectors.http.json import loads
from tieout.connectors.http.together import in_order
from tieout.connectors.visma_eaccounting.api import (
    FilterNotSupportedError,
    Query,
    VismaApi,
)
from tieout.connectors.visma_eaccounting.filters import (
    CUSTOMERS,
    DRAFTS,
    INVOICES,
    ORDERS,
    FilterBook,
)
from tieout.connectors.visma_eaccounting.names import split_ref
from tieout.connectors.visma_eaccounting.reading import Reader, place_of
from tieout.connectors.visma_eaccounting.values import (
    Payload,
    any_equal,
    instant_of,
    quoted,
    stamp_text,
    text_of,
)
from tieout.core.change import Action, Doubt, Fate, FateKind, Hit, Sight
from tieout.core.keys import key_in, keys_in
from tieout.core.model import Document, Entity, ExternalRef, Record

_BEFORE = timedelta(minutes=5)
_AT_ONCE = 20  # ids in one filter: an address stays below 2,000 characters
Rows = list[dict[str, Any]]


class _Look:
    """One round of looks: lists that several doubts need whole are read once per stage."""

    def __init__(self, shared: dict[tuple[str, str], Rows]) -> None:
        self.times: list[datetime] = []
        self.shared = shared


class Looker:
    """Finds records by what they carry."""

    def __init__(self, api: VismaApi, reader: Reader, filters: FilterBook) -> None:
        self._api = api
        self._reader = reader
        self._filters = filters

    async def find_by_key(self, doubts: Sequence[Doubt]) -> list[Sight]:
        """One look for each doubt; see `ports.Connector.find_by_key`."""
        shared: dict[tuple[str, str], Rows] = {}
        looks = [self._sight(doubt, _Look(shared)) for doubt in doubts]
        if await self._by_key():
            return await in_order(looks)
        # One after the other: what the first one reads whole, the others use.
        return [await look for look in looks]

    async def trace(self, refs: Sequence[ExternalRef]) -> list[Fate]:
        """What became of records that vanished; one look, two are the caller's business."""
        present = await in_order([self._present(ref) for ref in refs])
        missed = [ref for ref, fate in zip(refs, present, strict=True) if fate is None]
        drafts = [place_of(ref)[1] for ref in missed if split_ref(ref)[0] == "draft"]
        # Asked for after the drafts, many at once: a month's bookings cost a few calls.
        booked: dict[str, Payload] = {}
        for start in range(0, len(drafts), _AT_ONCE):
            for row in await self._booked_from(drafts[start : start + _AT_ONCE]):
                booked[text_of(row, "CreatedFromDraftId").casefold()] = row
        return [
            await self._later(ref, booked) if fate is None else fate
            for ref, fate in zip(refs, present, strict=True)
        ]

    # --- a look ----------------------------------------------------------------------------------

    async def _sight(self, doubt: Doubt, look: _Look) -> Sight:
        target: Record | None = None
        gone = False
        hits: list[Hit] = []
        near: list[Record] = []
        if doubt.target is not None:
            fate = await self._fate(doubt.target)
            target = fate.record if fate.kind is FateKind.PRESENT else None
            gone = target is None
            if fate.kind is FateKind.BECAME and fate.record is not None:
                hits.append(Hit(key=doubt.key, record=fate.record))
        if doubt.action is Action.CREATE and doubt.entity is Entity.CUSTOMER:
            hits += await self._customers(doubt, look)
        elif doubt.action is Action.CREATE and doubt.entity is Entity.DOCUMENT:
            hits, near = await self._documents(doubt, look)
        now = self._api.seen_at or self._api.clock.now()
        return Sight(
            key=doubt.key,
            began_at=look.times[0] if look.times else now,
            vendor_time=look.times[-1] if look.times else now,
            hits=tuple(hits),
            near=tuple(near),
            target=target,
            target_gone=gone,
            complete=True,
        )

    async def _documents(self, doubt: Doubt, look: _Look) -> tuple[list[Hit], list[Record]]:
        """
        Drafts, then invoices, then drafts again: as documents move, and back where undone. Orders
        where one was sent; also where nobody knows any more what was, as after a restore.
        """
        beside: list[Record] = []
        if self._api.settings.orders and _may_be_order(doubt):
            orders, beside = await self._orders(doubt, look)
            if orders or any(doubt.bodies):
                return orders, beside
        stages = [
            (DRAFTS, await self._carrying(DRAFTS, doubt, look, "first")),
            (INVOICES, await self._carrying(INVOICES, doubt, look, "first")),
            (DRAFTS, await self._carrying(DRAFTS, doubt, look, "again")),
        ]
        found: dict[ExternalRef, Hit] = {}
        for path, rows in stages:
            for row in rows:
                record = await self._reader.record(row, path)
                assert isinstance(record, Document)
                key = key_in(record.carrier_text, doubt.key13)
                if key is not None and record.ref is not None:
                    found[record.ref] = Hit(key=key, record=record)
        # A draft that was booked while we looked is seen twice and is one document.
        moved = {
            ref
            for hit in found.values()
            if isinstance(hit.record, Document)
            for ref in hit.record.came_from
        }
        hits = [hit for ref, hit in found.items() if ref not in moved]
        if hits:
            return hits, []
        return [], [*beside, *await self._near(doubt, look)]

    async def _orders(self, doubt: Doubt, look: _Look) -> tuple[list[Hit], list[Record]]:
        """Orders, which stay where they are; those without any key since the first send beside."""
        found: dict[ExternalRef, Hit] = {}
        for row in await self._carrying(ORDERS, doubt, look, "first"):
            record = await self._reader.record(row, ORDERS)
            assert isinstance(record, Document)
            key = key_in(record.carrier_text, doubt.key13)
            if key is not None and record.ref is not None:
                found[record.ref] = Hit(key=key, record=record)
        if found:
            return list(found.values()), []
        return [], await self._near(doubt, look, (ORDERS,))

    async def _carrying(self, path: str, doubt: Doubt, look: _Look, stage: str) -> Rows:
        """The rows of a list that may carry the key, by the best filter that works."""
        prop = self._carrier
        text = (
            f"contains(OurReference,{quoted(doubt.key13)})"
            if prop == "OurReference"
            else f"Rows/any(c: contains(c/Text,{quoted(doubt.key13)}))"
        )
        if await self._filters.can(path, prop):
            try:
                return await self._api.filtered(path, text, times=look.times)
            except FilterNotSupportedError:
                self._filters.refuse(path, prop)
        return await self._of_customers(path, doubt, look, stage)

    @property
    def _carrier(self) -> str:
        return "OurReference" if self._api.settings.carrier == "our_reference" else "Rows/Text"

    async def _by_key(self) -> bool:
        drafts = await self._filters.can(DRAFTS, self._carrier)
        return drafts and await self._filters.can(INVOICES, self._carrier)

    async def _of_customers(self, path: str, doubt: Doubt, look: _Look, stage: str) -> Rows:
        """The documents of the customer's whole lineage, or the whole list where need be."""
        since: Query = ()
        if path == INVOICES:
            since = (("modifiedSinceUtc", stamp_text(doubt.first_sent_at - _BEFORE)),)
        if doubt.customers and await self._filters.can(path, "CustomerId"):
            guids = [ref.id for ref in doubt.customers]
            try:
                return await self._api.filtered(
                    path, any_equal("CustomerId", guids), since, times=look.times
                )
            except FilterNotSupportedError:
                self._filters.refuse(path, "CustomerId")
        shared = (path, stage + (since[0][1] if since else ""))
        if shared not in look.shared:
            look.shared[shared] = await self._api.whole(path, since, times=look.times)
        elif not look.times:
            look.times.append(self._api.seen_at or self._api.clock.now())
        return look.shared[shared]

    async def _near(
        self, doubt: Doubt, look: _Look, paths: Sequence[str] = (DRAFTS, INVOICES)
    ) -> list[Record]:
        """
        Documents of the customer without any key, made since the first send. Where nobody knows
        whose it would be, as after a restore, those of all customers.
        """
        customers = set(doubt.customers)
        earliest = doubt.first_sent_at - timedelta(seconds=60)
        found: list[Record] = []
        for path in paths:
            for row in await self._of_customers(path, doubt, look, "near"):
                made_at = instant_of(row, "CreatedUtc")
                if made_at is None or made_at < earliest or row.get("IsCreditInvoice"):
                    continue
                record = await self._reader.record(row, path)
                assert isinstance(record, Document)
                theirs = not customers or record.customer in customers
                if theirs and not keys_in(record.carrier_text):
                    found.append(record)
        return found

    async def _customers(self, doubt: Doubt, look: _Look) -> list[Hit]:
        """
        The customer with one of the numbers that we sent, where its name or its company number is
        ours too; anybody else's customer under that number is no hit.
        """
        sent = [body for body in (_body(raw) for raw in doubt.bodies) if body]
        numbers = {text_of(body, "CustomerNumber") for body in sent}
        numbers.add(doubt.witness.get("number", ""))
        numbers.discard("")
        hits: dict[ExternalRef, Hit] = {}
        for row in await self._numbered(sorted(numbers), look):
            if text_of(row, "CustomerNumber") not in numbers:
                continue
            if sent and not any(_same_party(row, body) for body in sent):
                continue
            record = await self._reader.record(row, CUSTOMERS)
            assert record.ref is not None
            hits[record.ref] = Hit(key=doubt.key, record=record)
        return list(hits.values())

    async def _numbered(self, numbers: Sequence[str], look: _Look) -> Rows:
        if numbers and await self._filters.can(CUSTOMERS, "CustomerNumber"):
            text = " or ".join(f"CustomerNumber eq {quoted(number)}" for number in numbers)
            try:
                return await self._api.filtered(CUSTOMERS, text, times=look.times)
            except FilterNotSupportedError:
                self._filters.refuse(CUSTOMERS, "CustomerNumber")
        shared = (CUSTOMERS, "")
        if shared not in look.shared:
            look.shared[shared] = await self._api.whole(CUSTOMERS, times=look.times)
        return look.shared[shared]

    # --- what became of it -----------------------------------------------------------------------

    async def _fate(self, ref: ExternalRef) -> Fate:
        [fate] = await self.trace([ref])
        return fate

    async def _present(self, ref: ExternalRef) -> Fate | None:
        payload = await self._reader.payload(ref)
        if payload is None:
            return None
        record = await self._reader.record(payload, place_of(ref)[0])
        return Fate(ref=ref, kind=FateKind.PRESENT, record=record)

    async def _later(self, ref: ExternalRef, booked: Mapping[str, Payload]) -> Fate:
        row = booked.get(place_of(ref)[1].casefold())
        if row is None or split_ref(ref)[0] != "draft":
            return Fate(ref=ref, kind=FateKind.DELETED)
        record = await self._reader.record(row, INVOICES)
        return Fate(ref=ref, kind=FateKind.BECAME, into=record.ref, record=record)

    async def _booked_from(self, guids: Sequence[str]) -> Rows:
        """Invoices that were made from one of these drafts; others too where nothing filters."""
        prop = "CreatedFromDraftId"
        if await self._filters.can(INVOICES, prop):
            try:
                return await self._api.filtered(INVOICES, any_equal(prop, guids))
            except FilterNotSupportedError:
                self._filters.refuse(INVOICES, prop)
        return await self._api.whole(INVOICES)


def _same_party(row: Payload, body: Payload) -> bool:
    name = text_of(row, "Name").casefold()
    number = text_of(row, "CorporateIdentityNumber")
    same_number = bool(number) and number == text_of(body, "CorporateIdentityNumber")
    return same_number or (bool(name) and name == text_of(body, "Name").casefold())


def _body(raw: bytes) -> dict[str, Any] | None:
    try:
        value = loads(raw)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _may_be_order(doubt: Doubt) -> bool:
    return not any(doubt.bodies) or any(b'"OrderDate"' in body for body in doubt.bodies)
