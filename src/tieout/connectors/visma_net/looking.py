"""Looking: is there a record that carries our key, and what became of one that vanished?"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from tieout.connectors.http.json import dumps, loads
from tieout.connectors.http.together import in_order
from tieout.connectors.visma_net.api import (
    CONTACTS,
    CREDIT_NOTES,
    CUSTOMERS,
    INVOICES,
    Query,
    Row,
    VismaNetApi,
    key_of,
)
from tieout.connectors.visma_net.documents import is_document
from tieout.connectors.visma_net.making import carried
from tieout.connectors.visma_net.orders import ORDERS, OrderService
from tieout.connectors.visma_net.reading import Reader, place_of
from tieout.connectors.visma_net.stamps import CREATED
from tieout.connectors.visma_net.translate import carrier_of
from tieout.connectors.visma_net.values import text_of, unwrapped, wall_text
from tieout.core.change import Action, Doubt, Fate, FateKind, Hit, Sight
from tieout.core.contacts import normal_address
from tieout.core.keys import generation_of, key_in, keys_in
from tieout.core.model import Document, Entity, ExternalRef, Record

_BEFORE = timedelta(seconds=60)
# Nobody has shown in which zone the list of orders asks for changes.
_ORDERS_BEFORE = timedelta(hours=3)
_DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_LATER = 2  # generations after the one in doubt that are asked for


class Looker:
    """Finds records by what they carry."""

    def __init__(
        self, api: VismaNetApi, reader: Reader, service: OrderService | None = None
    ) -> None:
        self._api = api
        self._service = service
        self._reader = reader

    async def find_by_key(self, doubts: Sequence[Doubt]) -> list[Sight]:
        """
        One look for each doubt; see `ports.Connector.find_by_key`. The company is asked for first:
        where it cannot be seen any more, everything looks absent.
        """
        if doubts:
            await self._api.organization()
        return await in_order([self._sight(doubt) for doubt in doubts])

    async def trace(self, refs: Sequence[ExternalRef]) -> list[Fate]:
        """What became of records: a draft that was released keeps its number and is an invoice."""
        if refs:
            await self._api.organization()
        return await in_order([self._fate(ref) for ref in refs])

    async def _fate(self, ref: ExternalRef) -> Fate:
        row = await self._reader.payload(ref)
        if row is None:
            return Fate(ref=ref, kind=FateKind.DELETED)
        (record,) = await self._reader.records([row], place_of(ref)[0])
        now = record.ref
        if now != ref and now is not None:
            return Fate(ref=ref, kind=FateKind.BECAME, into=now, record=record)
        return Fate(ref=ref, kind=FateKind.PRESENT, record=record)

    # --- a look ----------------------------------------------------------------------------------

    async def _sight(self, doubt: Doubt) -> Sight:
        times: list[datetime] = []
        target: Record | None = None
        gone = False
        hits: list[Hit] = []
        near: list[Record] = []
        if doubt.target is not None:
            fate = await self._fate(doubt.target)
            times.append(self._api.now())
            target = fate.record if fate.kind is FateKind.PRESENT else None
            gone = target is None
            if fate.kind is FateKind.BECAME and fate.record is not None:
                hits.append(Hit(key=doubt.key, record=fate.record))
        if doubt.action is Action.CREATE and doubt.entity is Entity.CUSTOMER:
            hits += await self._customers(doubt, times)
        elif doubt.action is Action.CREATE and doubt.entity is Entity.CONTACT:
            hits += await self._persons(doubt, times)
        elif doubt.entity is Entity.DOCUMENT and self._is_order(doubt):
            hits, near = await self._orders(doubt, times)
            if not hits and not any(doubt.bodies):
                # Nobody knows any more what was sent, as after a restore.
                hits, others = await self._documents(doubt, times)
                near = [] if hits else [*near, *others]
            target, gone = None, False
        elif doubt.entity is Entity.DOCUMENT and doubt.action in (Action.CREATE, Action.CREDIT):
            hits, near = await self._documents(doubt, times)
            target, gone = None, False
        now = self._api.now()
        return Sight(
            key=doubt.key,
            began_at=times[0] if times else now,
            vendor_time=times[-1] if times else now,
            hits=tuple(hits),
            near=tuple(near),
            target=target,
            target_gone=gone,
            complete=True,
        )

    def _is_order(self, doubt: Doubt) -> bool:
        """Whether the order service was asked to make it, or may have been."""
        return (
            self._service is not None
            and doubt.action is Action.CREATE
            and (not any(doubt.bodies) or any(b'"orderLines"' in body for body in doubt.bodies))
        )

    async def _orders(self, doubt: Doubt, times: list[datetime]) -> tuple[list[Hit], list[Record]]:
        """
        The customers' orders that changed since the first send, all of them, since no filter asks
        for our key; where the customers are not known, everybody's.
        """
        assert self._service is not None
        since = doubt.first_sent_at - _ORDERS_BEFORE
        rows: dict[str, Row] = {}
        kind = self._api.settings.order_type
        for number in await self._numbers(doubt.customers) or [""]:
            for row in await self._service.listed(kind, number, since, times):
                rows[text_of(row, "orderId")] = row
        hits: list[Hit] = []
        near: list[Record] = []
        for number, row in rows.items():
            said = text_of(row, "customerRefNo")
            key = key_in(said, doubt.key13)
            if key is None and (keys_in(said) or not doubt.customers):
                continue
            whole = await self._service.one(f"{kind}/{number}")
            if whole is None:
                continue
            (record,) = await self._reader.records([whole], ORDERS)
            if key is not None:
                hits.append(Hit(key=key, record=record))
            else:
                near.append(record)
        return hits, [] if hits else near

    async def _documents(
        self, doubt: Doubt, times: list[datetime]
    ) -> tuple[list[Hit], list[Record]]:
        """
        Invoices, then credit notes, released or not: a release moves nothing to another list. The
        key is asked for whole, since the filter may mean equal, and by its beginning, since it may
        mean contains; what comes is compared here, since a filter can be ignored.
        """
        found: dict[ExternalRef, Hit] = {}
        for path in (INVOICES, CREDIT_NOTES):
            rows: dict[str, Row] = {}
            for text in self._texts(doubt):
                query: Query = ((self._filter, text),)
                listed = await self._api.whole(path, query, times=times)
                for row in listed:
                    if key_in(_carried_by(row), doubt.key13) is not None:
                        rows[key_of(row)] = row
                if any(text.casefold() not in _carried_by(row).casefold() for row in listed):
                    break  # the filter was not looked at: that was the whole list
            for record in await self._reader.records(list(rows.values()), path):
                assert isinstance(record, Document)
                key = key_in(record.carrier_text, doubt.key13)
                if key is not None and record.ref is not None:
                    found[record.ref] = Hit(key=key, record=record)
        if found:
            return list(found.values()), []
        return [], await self._near(doubt, times)

    @property
    def _filter(self) -> str:
        reference = self._api.settings.carrier == "external_reference"
        return "externalReference" if reference else "customerRefNumber"

    @staticmethod
    def _texts(doubt: Doubt) -> list[str]:
        """What may be carried: the key of this generation, of the last one and the next ones."""
        number = generation_of(doubt.key)
        near = range(max(0, number - 1), number + _LATER + 1)
        keys = [carried(_of_generation(doubt.key, one)) for one in near]
        return [*keys, doubt.key13]

    async def _near(self, doubt: Doubt, times: list[datetime]) -> list[Record]:
        """
        Documents of the customers without any key, made since the first send. Where nobody knows
        whose it would be, as after a restore, those of all customers.
        """
        earliest = doubt.first_sent_at - _BEFORE
        path = CREDIT_NOTES if doubt.action is Action.CREDIT else INVOICES
        found: list[Record] = []
        asked: list[str | None] = [*await self._numbers(doubt.customers)]
        for number in asked if doubt.customers else [None]:
            since: Query = (
                (CREATED, wall_text(earliest)),
                (f"{CREATED}Condition", ">="),
            )
            query = since if number is None else (("customer", number), *since)
            rows = [
                row
                for row in await self._api.whole(path, query, times=times)
                if number in (None, text_of(row, "customer", "number"))
                and ((made := self._api.stamps.latest(row, CREATED)) is None or made >= earliest)
                and not keys_in(_carried_by(row))
                and is_document(row)
            ]
            found += await self._reader.records(rows, path)
        return found

    async def _numbers(self, customers: Sequence[ExternalRef]) -> list[str]:
        """The numbers that these customers have now."""
        rows = await in_order([self._api.record(CUSTOMERS, ref.id) for ref in customers])
        return [text_of(row, "number") for row in rows if row is not None]

    async def _persons(self, doubt: Doubt, times: list[datetime]) -> list[Hit]:
        """A contact has no field for a key: who has the address at that customer is the one."""
        sent = [loads(body) for body in doubt.bodies if body]
        addresses = {normal_address(str(unwrapped(one, "email") or "")) for one in sent} - {""}
        numbers = {str(unwrapped(one, "businessAccount") or "") for one in sent} - {""}
        numbers |= set(await self._numbers(doubt.customers))
        found: dict[str, Row] = {}
        for number in sorted(numbers):
            query: Query = (("businessAccount", number),)
            for row in await self._api.whole(CONTACTS, query, times=times):
                mine = text_of(row, "businessAccount") in numbers
                if mine and normal_address(text_of(row, "email")) in addresses:
                    found[key_of(row)] = row
        records = await self._reader.records(list(found.values()), CONTACTS)
        return [Hit(key=doubt.key, record=record) for record in records]

    async def _customers(self, doubt: Doubt, times: list[datetime]) -> list[Hit]:
        """
        By the attribute; a customer with one of the numbers that were drawn counts where the
        attribute was not carried, and its name is ours.
        """
        found: dict[str, Row] = {}
        attribute = self._api.settings.customer_attribute
        if attribute:
            # Several values are asked for with a comma: any of them.
            wanted = ",".join(text for text in self._texts(doubt)[:-1])
            query: Query = (("attributes", dumps({attribute: wanted}).decode()),)
            for row in await self._api.whole(CUSTOMERS, query, times=times):
                if key_in(carrier_of(row), doubt.key13) is not None:
                    found[key_of(row)] = row
        number = doubt.witness.get("number", "")
        if number:
            mine = await self._api.customer(number)
            times.append(self._api.now())
            if mine is not None and _is_ours(mine, doubt):
                found[key_of(mine)] = mine
        hits = []
        for record, row in zip(
            await self._reader.records(list(found.values()), CUSTOMERS),
            found.values(),
            strict=True,
        ):
            hits.append(Hit(key=key_in(carrier_of(row), doubt.key13) or doubt.key, record=record))
        return hits


def _of_generation(key: str, number: int) -> str:
    """The key of the same place in another generation."""
    high, low = divmod(min(number, len(_DIGITS) ** 2 - 1), len(_DIGITS))
    return key[:14] + _DIGITS[high] + _DIGITS[low]


def _is_ours(row: Row, doubt: Doubt) -> bool:
    """Whether a customer under a number that we drew is the one that we sent."""
    other = carrier_of(row)
    if other:
        return key_in(other, doubt.key13) is not None
    name = text_of(row, "name").encode()
    return bool(name) and any(name in body for body in doubt.bodies)


def _carried_by(row: Row) -> str:
    return f"{text_of(row, 'externalReference')}\n{text_of(row, 'customerRefNumber')}"
