"""The connector of the plain book: the port, for every kind of book that the settings name."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from itertools import groupby
from random import Random
from typing import Any

from tieout.connectors.http.json import dumps
from tieout.connectors.http.traffic import Observer
from tieout.connectors.plain.api import (
    UNREADABLE,
    Answer,
    PlainApi,
    Row,
    broken,
    refusal,
    time_of,
    unknown,
)
from tieout.connectors.plain.book_abilities import BOOK_SCHEMA, abilities
from tieout.connectors.plain.book_rows import ENTITY_OF, BookRows
from tieout.connectors.plain.contact_rows import NAME_LENGTH, contact_made, contact_row, shown
from tieout.connectors.plain.feed import Position, changed, gone, not_understood
from tieout.connectors.plain.looking import BookLooker
from tieout.connectors.plain.settings import PlainBookSettings
from tieout.connectors.plain.values import day
from tieout.core.abilities import (
    Guard,
    TotalsRule,
)
from tieout.core.change import (
    Action,
    AlreadyApplied,
    Applied,
    Change,
    Deferred,
    Doubt,
    Fate,
    Outcome,
    Predicted,
    Prepared,
    Refused,
    Rejected,
    Sight,
    Unknown,
    Wanted,
    Wire,
)
from tieout.core.errors import ConnectionBrokenError
from tieout.core.finding import Finding
from tieout.core.keys import wire_key
from tieout.core.model import (
    Company,
    Contact,
    Customer,
    Document,
    DocumentKind,
    Entity,
    ExternalRef,
    OrderState,
    Record,
)
from tieout.core.predict import predict
from tieout.ports import (
    Clock,
    Control,
    Gone,
    HttpResponse,
    Page,
    Schema,
    Selection,
    Signal,
    Subledger,
    Transport,
)

_JSON = {"Content-Type": "application/json"}
_IDS_IN_ONE_CALL = 50
_AFTER_THE_OTHERS_S = 5
# Far above those that the book gives by itself.
NUMBERS_FROM = 500_001
_LISTS = {
    Entity.CUSTOMER: "customers",
    Entity.ITEM: "items",
    Entity.PAYMENT: "payments",
    Entity.PRICE: "prices",
    Entity.CONTACT: "contacts",
}
_TOLD_GONE = frozenset(
    {Entity.DOCUMENT, Entity.CUSTOMER, Entity.ITEM, Entity.PRICE, Entity.CONTACT}
)
_METHODS = {
    Action.UPDATE: ("PATCH", ""),
    Action.VOID: ("DELETE", ""),
    Action.CONVERT: ("POST", "/book"),
}
_DONE_WITH = (OrderState.SHIPPED, OrderState.INVOICED, OrderState.CANCELLED)


class PlainBookConnector:
    """One company's books."""

    def __init__(
        self,
        name: str,
        transport: Transport,
        clock: Clock,
        settings: PlainBookSettings | None = None,
        random: Random | None = None,
        observer: Observer | None = None,
    ) -> None:
        self.name = name
        self.settings = settings or PlainBookSettings()
        self.abilities = abilities(self.settings)
        self._transport = transport
        self._api = PlainApi(
            "The plain book",
            self.settings.base_url,
            transport,
            clock,
            random or Random(0),  # noqa: S311
            timeout_s=self.settings.timeout_s,
            in_flight=self.settings.in_flight,
            page=self.settings.page,
            observer=observer,
        )
        self._rows = BookRows(name, self.settings)
        self._looker = BookLooker(self._api, self._rows, self.settings)

    async def company(self) -> Company:
        """The company behind the connection."""
        answer = await self._api.read("/company")
        row = answer.value
        return Company(
            id=row["id"],
            name=row["name"],
            country=row["country"],
            currency=row["currency"],
            time_zone=row["time_zone"],
            first_open_day=day(row, "first_open_day"),
            last_open_day=day(row, "last_open_day"),
            facts={"number_start": NUMBERS_FROM} if self._draws_numbers else {},
        )

    @property
    def _draws_numbers(self) -> bool:
        return self.settings.guard is Guard.OUR_NUMBER

    async def check(self) -> Sequence[Finding]:
        """See `ports.Connector.check`."""
        try:
            await self.company()
            await self._api.read(f"/{self.settings.collections[0]}", (("per", "1"),))
        except ConnectionBrokenError as error:
            return (broken(error),)
        return ()

    async def describe(self) -> Schema:
        """The fields that can be named in a mapping."""
        return BOOK_SCHEMA

    # Reading.

    async def changes_since(
        self, want: Selection, cursor: bytes | None, resume: bytes | None = None
    ) -> AsyncIterator[Page]:
        """See `ports.Connector.changes_since`. Every cursor is safe, so there is no resume."""
        del resume
        if want.entity in (Entity.CODE, Entity.BALANCE):
            yield await self._whole(want)
            return
        paths = self._paths(want.entity)
        position = Position(cursor)

        def read(path: str, row: Row) -> Record:
            return self._rows.record(path, row, want)

        overlap_s = self.settings.overlap_s
        async for page in changed(self._api, paths, position, overlap_s, self._rows.ref_of, read):
            yield page
        if want.entity in _TOLD_GONE:
            async for page in gone(self._api, position, lambda row: self._gone(want, row)):
                yield page
        else:
            yield Page(cursor=position.stored())

    def _paths(self, entity: Entity) -> tuple[str, ...]:
        if entity is Entity.DOCUMENT:
            return self.settings.collections
        return (_LISTS[entity],) if entity in _LISTS else ()

    async def _whole(self, want: Selection) -> Page:
        codes = want.entity is Entity.CODE
        answer = await self._api.read("/codes" if codes else "/balances")
        records: list[Record] = []
        unread: list[tuple[ExternalRef, Finding]] = []
        read = self._rows.code if codes else self._rows.balance
        for row in answer.value["rows"]:
            if codes and want.kinds and row.get("kind") not in want.kinds:
                continue
            try:
                records.append(read(row, want))
            except UNREADABLE as error:
                ref = self._rows.ref(want.entity, str(row.get("code") or row.get("customer")))
                unread.append((ref, not_understood(row, error)))
        mark = answer.at.isoformat().encode()
        return Page(records=tuple(records), unread=tuple(unread), cursor=mark, whole=not want.kinds)

    def _gone(self, want: Selection, row: Row) -> Gone | None:
        if ENTITY_OF.get(row["collection"], Entity.DOCUMENT) is not want.entity:
            return None
        winner = row.get("merged_into")
        return Gone(
            ref=self._rows.ref_of(row["collection"], row),
            certain=True,
            merged_into=self._rows.ref(Entity.CUSTOMER, winner) if winner else None,
            at=datetime.fromisoformat(row["at"]),
        )

    async def keys(self, entity: Entity) -> AsyncIterator[Sequence[tuple[ExternalRef, str]]]:
        """See `ports.Connector.keys`. Drafts first: what is booked meanwhile is seen twice."""
        for path in self._paths(entity):
            async for answer in self._api.pages(f"/{path}", (("only", "keys"),)):
                yield [
                    (self._rows.ref_of(path, row), str(row["revision"]))
                    for row in answer.value["rows"]
                ]

    async def get(self, refs: Sequence[ExternalRef], want: Selection) -> Sequence[Record | None]:
        """See `ports.Connector.get`."""
        if want.entity in (Entity.CODE, Entity.BALANCE):
            page = await self._whole(replace(want, kinds=frozenset()))
            whole = {record.ref: record for record in page.records}
            return [whole.get(ref) for ref in refs]
        found: dict[ExternalRef, Record] = {}
        places = sorted({self._rows.place(ref) for ref in refs})
        for collection, group in groupby(places, key=lambda place: place[0]):
            ids = [row_id for _, row_id in group]
            for start in range(0, len(ids), _IDS_IN_ONE_CALL):
                query = (("ids", ",".join(ids[start : start + _IDS_IN_ONE_CALL])),)
                async for answer in self._api.pages(f"/{collection}", query):
                    for row in answer.value["rows"]:
                        record = self._rows.record(collection, row, want)
                        assert record.ref is not None
                        found[record.ref] = record
        return [found.get(ref) for ref in refs]

    # Writing.

    async def prepare(self, changes: Sequence[Change]) -> Sequence[Prepared | Refused]:
        """
        See `ports.Connector.prepare`. Creates read nothing; an update or void reads its target
        unless the version that it needs is known and the book will check it.
        """
        return [await self._prepare(change) for change in changes]

    async def _prepare(self, change: Change) -> Prepared | Refused:
        allowed = self.abilities.of(change.entity).actions
        if change.action not in allowed:
            return _refused(change, "action_not_possible", "The plain book cannot do that.")
        if change.action is Action.CREATE:
            return self._create(change)
        assert change.target is not None
        if self.settings.version_check and change.version:
            return self._change(change, change.target, None, change.version)
        want = Selection(entity=change.entity)
        (read,) = await self.get([change.target], want)
        if read is None:
            return Refused(key=change.key, stale=True)
        fixed = isinstance(read, Document) and read.order_state in _DONE_WITH
        if isinstance(read, Document) and (read.booked or fixed):
            return _booked(change, read)
        return self._change(change, change.target, read, read.version or "")

    def _create(self, change: Change) -> Prepared | Refused:
        wanted = change.wanted
        assert wanted is not None
        if isinstance(wanted.record, Contact):
            return contact_made(change, wanted.record)
        if self.settings.guard is Guard.OUR_NUMBER and not change.number:
            return _refused(change, "number_missing", "No number was drawn for it.")
        body: dict[str, Any] = {"tag": change.key, self.settings.carrier_field: change.key}
        if change.number:
            body["number"] = change.number
        if change.entity is Entity.CUSTOMER:
            values = self._rows.customer_row(wanted)
            path = "/customers"
            shows: Record = self._rows.customer_shows(values, None, change.key, change.number or "")
            totals = None
        else:
            assert isinstance(wanted.record, Document)
            if wanted.record.customer is None:
                return _refused(change, "customer_missing", "Its customer is not known.")
            values = self._rows.document_row(wanted)
            order = wanted.record.kind is DocumentKind.ORDER
            path = "/orders" if order else f"/{self.settings.drafts}"
            totals = _totals(wanted.record)
            shows = self._rows.document_shows(wanted, None, change.key, change.number or "", totals)
        return Prepared(
            key=change.key,
            entity=change.entity,
            action=change.action,
            target=None,
            method="POST",
            path=path,
            body=dumps({**body, **values}),
            witness={"number": change.number} if change.number else {},
            shows=shows,
            totals=totals,
            revision=change.revision,
        )

    def _change(
        self, change: Change, target: ExternalRef, read: Record | None, version: str
    ) -> Prepared:
        collection, row_id = self._rows.place(target)
        checked = self.settings.version_check
        before = read if read is not None else change.base
        body, totals = b"", None
        shows: Record | None = None
        if change.action is Action.UPDATE:
            assert change.wanted is not None
            if isinstance(change.wanted.record, Contact):
                record, names = change.wanted.record, change.wanted.fields
                values = contact_row(record, names, "customer", NAME_LENGTH)
                person = before if isinstance(before, Contact) else Contact()
                shows = replace(person, **shown(values, record, names))
            elif change.entity is Entity.CUSTOMER:
                values = self._rows.customer_row(change.wanted)
                customer = before if isinstance(before, Customer) else None
                shows = self._rows.customer_shows(values, customer, change.key)
            else:
                assert isinstance(change.wanted.record, Document)
                wanted = _with_added_lines(change, read)
                assert isinstance(wanted.record, Document)
                values = self._rows.document_row(wanted)
                totals = _totals(wanted.record)
                document = before if isinstance(before, Document) else None
                shows = self._rows.document_shows(wanted, document, change.key, "", totals)
            body = dumps(values)
        elif change.action is Action.CONVERT and isinstance(before, Document):
            totals = Predicted(totals=before.totals) if before.totals is not None else None
        method, tail = _METHODS[change.action]
        return Prepared(
            key=change.key,
            entity=change.entity,
            action=change.action,
            target=target,
            method=method,
            path=f"/{collection}/{row_id}{tail}",
            body=body,
            headers={"If-Match": f'"{version}"'} if checked else {},
            witness={"version": version} if version else {},
            shows=shows,
            totals=totals,
            read=read,
            revision=change.revision,
        )

    def pack(self, items: Sequence[Prepared]) -> Sequence[Wire]:
        """See `ports.Connector.pack`: creates of one collection together, all else alone."""
        wires: list[Wire] = []
        creates = [item for item in items if item.action is Action.CREATE]
        for path in dict.fromkeys(item.path for item in creates):
            mine = [item for item in creates if item.path == path]
            for start in range(0, len(mine), self.settings.batch):
                wires.append(self._together(path, mine[start : start + self.settings.batch]))
        wires.extend(_alone(item) for item in items if item.action is not Action.CREATE)
        return wires

    def _together(self, path: str, items: Sequence[Prepared]) -> Wire:
        # A number that is drawn anew makes other bytes, and so another name.
        keys = [
            wire_key(item.key, item.action.value, item.revision, item.body.hex()) for item in items
        ]
        named = keys[0] if len(keys) == 1 else wire_key(*keys)
        headers = dict(_JSON)
        if self.settings.guard is Guard.IDEMPOTENCY_KEY and path != "/contacts":
            headers["Idempotency-Key"] = named
        return Wire(
            wire_key=named,
            method="POST",
            path=path,
            body=_joined(items) if self.settings.batch > 1 else items[0].body,
            items=tuple(item.key for item in items),
            headers=headers,
        )

    async def send(self, wire: Wire) -> Sequence[Outcome]:
        """See `ports.Connector.send`."""

        def read(answer: Answer | None, response: HttpResponse) -> list[Outcome]:
            if wire.method == "POST" and not wire.path.endswith("/book"):
                return self._created(wire, answer)
            return [self._changed(wire, answer, response)]

        return await self._api.write(wire, read)

    def _created(self, wire: Wire, answer: Answer | None) -> list[Outcome]:
        at = time_of(answer)
        collection = wire.path.strip("/")
        if self.settings.batch == 1:
            result = None
            if answer is not None:
                value = answer.error if answer.status >= 400 else answer.value
                name = "error" if answer.status >= 400 else "row"
                result = {"status": answer.status, name: value}
            return [self._item(wire.items[0], collection, result, at)]
        if answer is not None and answer.status >= 400:
            return self._whole_refused(wire, answer, at)
        results = answer.value.get("results") if answer is not None else None
        if not isinstance(results, list):
            return unknown(wire, "answer_not_readable", at)
        # Paired by our own mark: an item without a result may have been made all the same.
        by_tag = {one.get("tag"): one for one in results if isinstance(one, dict)}
        return [self._item(key, collection, by_tag.get(key), at) for key in wire.items]

    def _whole_refused(self, wire: Wire, answer: Answer, at: datetime | None) -> list[Outcome]:
        """None was made: the culprits are refused, the others go again without them."""
        errors = {one["tag"]: one for one in answer.error.get("items", ()) if "tag" in one}
        if not errors:
            return [refusal(key, answer.status, answer.error, at) for key in wire.items]
        later = _AFTER_THE_OTHERS_S
        return [
            self._item_refused(key, errors[key]["status"], errors[key]["error"], at)
            if key in errors
            else Deferred(key=key, retry_after_s=later, reason="batch_refused", vendor_time=at)
            for key in wire.items
        ]

    def _item(self, key: str, collection: str, result: Row | None, at: datetime | None) -> Outcome:
        if result is None:
            return Unknown(key=key, reason="item_not_answered", vendor_time=at)
        try:
            if result["status"] >= 500:
                return Unknown(key=key, reason="server_error", vendor_time=at)
            if result["status"] >= 400:
                return self._item_refused(key, result["status"], result["error"], at)
            return self._applied(key, collection, result["row"], at)
        except UNREADABLE:
            return Unknown(key=key, reason="answer_not_readable", vendor_time=at)

    def _applied(self, key: str, collection: str, row: Row, at: datetime | None) -> Applied:
        want = Selection(entity=Entity.DOCUMENT)
        record = self._rows.record(collection, row, want)
        ref = self._rows.ref_of(collection, row)
        return Applied(key=key, ref=ref, version=record.version, shows=record, vendor_time=at)

    def _item_refused(self, key: str, status: int, error: Row, at: datetime | None) -> Outcome:
        code = error["code"]
        if code in ("exists", "number_taken"):
            ref = self._rows.ref_of(error["collection"], error)
            if str(error.get(self.settings.carrier_field, "")).upper() == key:
                return AlreadyApplied(key=key, ref=ref, vendor_time=at)
            found = Finding(
                code="number_taken",
                message=f"Refused: {error['message']}.",
                hint="Another number is drawn once it is certain that ours was not made.",
                values={"id": ref.id},
            )
            return Rejected(key=key, findings=(found,), number_taken=True, vendor_time=at)
        return refusal(key, status, error, at)

    def _changed(self, wire: Wire, answer: Answer | None, response: HttpResponse) -> Outcome:
        (key,) = wire.items
        at = time_of(answer)
        collection, row_id = wire.path.strip("/").removesuffix("/book").split("/")
        if wire.path.endswith("/book") and not self.settings.keeps_id:
            collection = "invoices"
        if response.status == 204:
            return Applied(
                key=key, ref=self._rows.ref_of(collection, {"id": row_id}), vendor_time=at
            )
        if answer is None:
            return Unknown(key=key, reason="answer_not_readable", vendor_time=at)
        if answer.status >= 400:
            return refusal(key, answer.status, answer.error, at)
        try:
            return self._applied(key, collection, answer.value, at)
        except UNREADABLE:
            return Unknown(key=key, reason="answer_not_readable", vendor_time=at)

    # Doubt.

    async def find_by_key(self, doubts: Sequence[Doubt]) -> Sequence[Sight]:
        """See `ports.Connector.find_by_key`."""
        return [await self._looker.look(doubt) for doubt in doubts]

    async def trace(self, refs: Sequence[ExternalRef]) -> Sequence[Fate]:
        """See `ports.Connector.trace`."""
        return [await self._looker.trace(ref) for ref in refs]

    async def ledger(self, first: date, last: date) -> AsyncIterator[Sequence[Document]]:
        """Its booked documents of these days; the book lists all, they are chosen here."""
        want = Selection(entity=Entity.DOCUMENT)
        for path in self.settings.collections:
            async for answer in self._api.pages(f"/{path}"):
                found = [self._rows.document(path, row, want) for row in answer.value["rows"]]
                yield [
                    document
                    for document in found
                    if document.booked
                    and not document.voided
                    and document.issue_date is not None
                    and first <= document.issue_date <= last
                ]

    async def control(self, day: date) -> Control | None:
        """None: this book shows no accounts."""
        del day
        return None

    async def subledger(self, first: date, last: date) -> Subledger | None:
        """None: this book shows no accounts."""
        del first, last
        return None

    def signals(self, headers: Mapping[str, str], body: bytes) -> Sequence[Signal]:
        """Nothing: this book calls nobody."""
        del headers, body
        return ()

    async def close(self) -> None:
        """See `ports.Connector.close`."""
        await self._transport.close()


def _joined(items: Sequence[Prepared]) -> bytes:
    # The bytes of each item are taken as they are: they were decided already.
    return b'{"items":[' + b",".join(item.body for item in items) + b"]}"


def _totals(document: Document) -> Any:
    return predict(
        document.lines, document.currency, rule=TotalsRule.PER_RATE, rounds_to_unit=False
    )


def _with_added_lines(change: Change, read: Record | None) -> Wanted:
    """The lines that replace the ones there, with those behind them that somebody added."""
    wanted, base = change.wanted, change.base
    assert wanted is not None
    if not isinstance(read, Document) or not isinstance(base, Document):
        return wanted
    if "lines" not in wanted.fields or len(read.lines) <= len(base.lines):
        return wanted
    assert isinstance(wanted.record, Document)
    added = read.lines[len(base.lines) :]
    record = replace(wanted.record, lines=(*wanted.record.lines, *added))
    return replace(wanted, record=record)


def _booked(change: Change, read: Document) -> Refused:
    finding = Finding(
        code="booked",
        message=f"{read.number} is {read.order_state or 'booked'}; it is neither changed nor "
        "deleted.",
        hint="Finance corrects it.",
        hold_on="document",
    )
    return Refused(key=change.key, findings=(finding,), stale=True, seen=read)


def _alone(item: Prepared) -> Wire:
    # Versions and bytes are part of the name: the same write of another state is another one.
    version = item.headers.get("If-Match", "")
    named = wire_key(item.key, item.action.value, item.revision, version, item.body.hex())
    return Wire(
        wire_key=named,
        method=item.method,
        path=item.path,
        body=item.body,
        items=(item.key,),
        headers={**(_JSON if item.body else {}), **item.headers},
    )


def _refused(change: Change, code: str, message: str) -> Refused:
    return Refused(key=change.key, findings=(Finding(code=code, message=message),))
