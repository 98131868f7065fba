"""Looking for what an unanswered write left behind, and for what became of a vanished record."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tieout.connectors.http.json import loads
from tieout.connectors.plain.api import Answer, PlainApi, Query, Row
from tieout.connectors.plain.book_rows import BookRows
from tieout.connectors.plain.settings import PlainBookSettings
from tieout.core.change import Action, Doubt, Fate, FateKind, Hit, Sight
from tieout.core.contacts import normal_address
from tieout.core.keys import key_in, keys_in
from tieout.core.model import Customer, Document, Entity, ExternalRef, Record
from tieout.ports import Selection


@dataclass(slots=True)
class _Look:
    """One look while it goes on. ``began_at`` is the vendor's time of its first answer."""

    doubt: Doubt
    customers: frozenset[str] = frozenset()
    began_at: datetime | None = None
    last_at: datetime | None = None
    hits: dict[ExternalRef, Hit] = field(default_factory=dict)
    near: dict[ExternalRef, Record] = field(default_factory=dict)
    target: Record | None = None
    target_gone: bool = False
    complete: bool = True
    deleted: list[Hit] = field(default_factory=list)

    def note(self, answer: Answer) -> Answer:
        """Keeps the vendor's times."""
        self.began_at = self.began_at or answer.at
        self.last_at = answer.at
        return answer


class BookLooker:
    """Looks into one book, in the way that its guard allows."""

    def __init__(self, api: PlainApi, rows: BookRows, settings: PlainBookSettings) -> None:
        self._api = api
        self._rows = rows
        self._settings = settings

    async def look(self, doubt: Doubt) -> Sight:
        """One look over every collection in the order in which documents move."""
        look = _Look(doubt, customers=_customer_ids(doubt))
        by_customer = doubt.entity is Entity.DOCUMENT and not self._settings.searchable
        if by_customer:
            look.customers |= await self._winners(look)
        if doubt.action is not Action.CREATE and doubt.target is not None:
            await self._see_target(look, doubt.target)
        for collection in self._collections(doubt.entity):
            await self._see_collection(look, collection)
        if doubt.entity is Entity.CONTACT and doubt.action is Action.CREATE:
            look.customers |= await self._winners(look)
            await self._see_persons(look)
        if doubt.entity is Entity.DOCUMENT:
            await self._see_deleted(look)
            await self._drop_moved(look)
        if by_customer:
            await self._require_all_customers(look)
        assert look.began_at is not None
        assert look.last_at is not None
        return Sight(
            key=doubt.key,
            began_at=look.began_at,
            vendor_time=look.last_at,
            hits=tuple(look.hits.values()),
            near=tuple(look.near.values()),
            target=look.target,
            target_gone=look.target_gone,
            complete=look.complete,
            deleted=tuple(look.deleted),
        )

    def _collections(self, entity: Entity) -> tuple[str, ...]:
        if entity is Entity.CONTACT:
            return ()
        return self._settings.collections if entity is Entity.DOCUMENT else ("customers",)

    async def _see_persons(self, look: _Look) -> None:
        """A person carries no key: who has the address at that customer is the one."""
        query = (("customer", ",".join(sorted(look.customers))),)
        addresses = {normal_address(str(row.get("email") or "")) for row in _sent(look.doubt)}
        for row in await self._listed(look, "contacts", query):
            if normal_address(str(row.get("email") or "")) in addresses - {""}:
                self._hit(look, "contacts", row, look.doubt.key)

    async def _see_target(self, look: _Look, target: ExternalRef) -> None:
        collection, row_id = self._rows.place(target)
        answer = look.note(await self._api.read(f"/{collection}/{row_id}"))
        if answer.status == 200:
            look.target = self._record(collection, answer.value, look.doubt)
        else:
            look.target_gone = True
            await self._see_successor(look, collection, row_id)

    async def _see_successor(self, look: _Look, collection: str, row_id: str) -> None:
        """What a booked draft became: the vendor's own word, whatever stands in the carrier."""
        if collection != "drafts" or not self._settings.tells_origin:
            return
        query = (("created_from", row_id),)
        for row in await self._listed(look, "invoices", query):
            self._hit(look, "invoices", row, look.doubt.key)

    async def _see_collection(self, look: _Look, collection: str) -> None:
        doubt = look.doubt
        if self._settings.searchable:
            found = await self._listed(look, collection, (("carrier", doubt.key13),))
            number = doubt.witness.get("number", "")
            if number and doubt.action is Action.CREATE:
                found += await self._listed(look, collection, (("number", number),))
            for row in found:
                # Our number without our key is a person's: no hit, and no more near than others.
                key = key_in(self._rows.carrier(row), doubt.key13)
                if key is not None:
                    self._hit(look, collection, row, key)
        if doubt.action is Action.CREATE or not self._settings.searchable:
            for row in await self._listed(look, collection, self._near_query(look)):
                self._judge_row(look, collection, row)

    def _near_query(self, look: _Look) -> Query:
        doubt = look.doubt
        since = doubt.first_sent_at - timedelta(seconds=self._settings.margin_s)
        query: Query = (("created_since", since.isoformat()),)
        if doubt.entity is not Entity.DOCUMENT:
            return query
        if not look.customers:
            # Whose document it would be is not known: those of everybody, since then.
            return query
        return (*query, ("customer", ",".join(sorted(look.customers))))

    def _judge_row(self, look: _Look, collection: str, row: Row) -> None:
        """A hit by its key, a near one where it carries none and could be ours."""
        doubt = look.doubt
        carrier = self._rows.carrier(row)
        key = key_in(carrier, doubt.key13)
        if key is not None:
            self._hit(look, collection, row, key)
            return
        if doubt.action is not Action.CREATE or keys_in(carrier):
            return
        record = self._record(collection, row, doubt)
        assert record.ref is not None
        if record.ref not in look.hits and _could_be(record, doubt):
            look.near[record.ref] = record

    def _hit(self, look: _Look, collection: str, row: Row, key: str) -> None:
        record = self._record(collection, row, look.doubt)
        assert record.ref is not None
        look.hits[record.ref] = Hit(key=key, record=record)

    async def _see_deleted(self, look: _Look) -> None:
        """Where the book remembers what was deleted, it also tells which key that carried."""
        if not self._settings.tombstones or look.doubt.action is not Action.CREATE:
            return
        answer = look.note(await self._api.read("/gone", (("after", "0"),)))
        for row in answer.value["rows"]:
            key = key_in(self._rows.carrier(row), look.doubt.key13)
            if key is not None and row["collection"] != "customers":
                ref = self._rows.ref_of(row["collection"], row)
                look.deleted.append(Hit(key=key, record=Document(ref=ref)))

    async def _drop_moved(self, look: _Look) -> None:
        """A draft that was booked between two calls of this look is seen twice: once too often."""
        found: dict[ExternalRef, Record] = {ref: hit.record for ref, hit in look.hits.items()}
        found.update(look.near)
        drafts = [ref for ref in found if ref.id.startswith("draft:")]
        if not drafts or len(found) == len(drafts):
            return
        ids = ",".join(self._rows.place(ref)[1] for ref in drafts)
        rows = await self._listed(look, "drafts", (("ids", ids),))
        still = {self._rows.document_ref("drafts", row["id"]) for row in rows}
        for ref in drafts:
            if ref not in still:
                look.hits.pop(ref, None)
                look.near.pop(ref, None)

    async def _winners(self, look: _Look) -> frozenset[str]:
        """Those into which the asked customers were merged in the books, and theirs in turn."""
        found: set[str] = set()
        waiting = sorted(look.customers)
        while waiting:
            answer = look.note(await self._api.read(f"/customers/{waiting.pop()}"))
            winner = str(answer.error.get("merged_into") or "")
            if winner and winner not in look.customers | found:
                found.add(winner)
                waiting.append(winner)
        return frozenset(found)

    async def _require_all_customers(self, look: _Look) -> None:
        """Where only a customer's list can be asked, a merge in the books hides documents."""
        if await self._winners(look):
            look.complete = False

    async def _listed(self, look: _Look, collection: str, query: Query) -> list[Row]:
        rows: list[Row] = []
        async for answer in self._api.pages(f"/{collection}", query):
            rows.extend(look.note(answer).value["rows"])
        return rows

    def _record(self, collection: str, row: Row, doubt: Doubt) -> Record:
        return self._rows.record(collection, row, Selection(entity=doubt.entity))

    # Vanished records.

    async def trace(self, ref: ExternalRef) -> Fate:
        """
        What became of one record. A booked draft is known by its successor's own word; where the
        book has none, only a tombstone is certain.
        """
        collection, row_id = self._rows.place(ref)
        answer = await self._api.read(f"/{collection}/{row_id}")
        if answer.status == 200:
            want = Selection(entity=Entity(ref.entity))
            record = self._rows.record(collection, answer.value, want)
            return Fate(ref=ref, kind=FateKind.PRESENT, record=record)
        merged = answer.error.get("merged_into")
        if merged:
            into = self._rows.ref(Entity.CUSTOMER, str(merged))
            return Fate(ref=ref, kind=FateKind.MERGED, into=into)
        if answer.status == 410 or collection != "drafts":
            return Fate(ref=ref, kind=FateKind.DELETED)
        return await self._fate_of_draft(ref, row_id)

    async def _fate_of_draft(self, ref: ExternalRef, row_id: str) -> Fate:
        if not self._settings.tells_origin:
            return Fate(ref=ref, kind=FateKind.CANNOT_TELL)
        answer = await self._api.read("/invoices", (("created_from", row_id),))
        for row in answer.value.get("rows", ()):
            record = self._rows.document("invoices", row, Selection(entity=Entity.DOCUMENT))
            return Fate(ref=ref, kind=FateKind.BECAME, into=record.ref, record=record)
        return Fate(ref=ref, kind=FateKind.DELETED)


def _customer_ids(doubt: Doubt) -> frozenset[str]:
    """The customers whose document it would be: those of the lineage, and those we named."""
    named = (loads(body).get("customer") for body in doubt.bodies if body)
    return frozenset(ref.id for ref in doubt.customers) | {str(one) for one in named if one}


def _sent(doubt: Doubt) -> list[Row]:
    """The rows that were sent for it, alone or together with others."""
    rows: list[Row] = []
    for body in doubt.bodies:
        sent = loads(body) if body else {}
        rows += [row for row in sent.get("items", (sent,)) if row.get("tag") == doubt.key]
    return rows


def _could_be(record: Record, doubt: Doubt) -> bool:
    """Documents are judged by the engine; a customer could be ours by its name or number."""
    if isinstance(record, Document):
        return True
    assert isinstance(record, Customer)
    sent: Sequence[Row] = [loads(body) for body in doubt.bodies if body]
    numbers = {one.raw for one in record.identifiers}
    return any(record.name == row.get("name") or bool(numbers & _numbers(row)) for row in sent)


def _numbers(row: Row) -> set[str]:
    names: Iterable[str] = ("org_number", "vat_number")
    return {str(row[name]) for name in names if row.get(name)}
