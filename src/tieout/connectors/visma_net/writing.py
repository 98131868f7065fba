"""Writing: decisions to bytes. What a change replaces is read for it, and nothing is written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from tieout.connectors.http.json import dumps
from tieout.connectors.http.together import in_order
from tieout.connectors.visma_net import documents, translate
from tieout.connectors.visma_net.api import (
    CONTACTS,
    CUSTOMERS,
    ITEMS,
    Query,
    Row,
    VismaNetApi,
)
from tieout.connectors.visma_net.compose_credit import credit_body
from tieout.connectors.visma_net.compose_customer import customer_body
from tieout.connectors.visma_net.compose_document import Drafted, Setting, document_body
from tieout.connectors.visma_net.contacts import contact_prepared
from tieout.connectors.visma_net.directory import Directory
from tieout.connectors.visma_net.names import HEADS, Names, customer_number, split_ref
from tieout.connectors.visma_net.order_writing import OrderWriter, is_order
from tieout.connectors.visma_net.orders import OrderService
from tieout.connectors.visma_net.outcomes import NEW_INVOICE, NEW_NOTE, RELEASE
from tieout.connectors.visma_net.predict import Taxed, VatRule
from tieout.connectors.visma_net.reading import Reader, document_path
from tieout.connectors.visma_net.values import Payload, segment, text_of
from tieout.core.change import Action, Change, Predicted, Prepared, Refused, Wire
from tieout.core.finding import Finding
from tieout.core.keys import wire_key
from tieout.core.model import Contact, Document, DocumentKind, Entity, Record

_JSON = {"Content-Type": "application/json"}
_BACKGROUND = {"erp-api-background": "none"}
_ITEMS_LIVE_MS = 600_000
_SINGLY = 10  # more than so many unknown items are found quicker in the whole list


class Writer:
    """Prepares and packs the changes of one connection."""

    def __init__(
        self,
        api: VismaNetApi,
        reader: Reader,
        directory: Directory,
        service: OrderService | None = None,
    ) -> None:
        self._api = api
        self._orders = OrderWriter(service, api.now)
        self._reader = reader
        self._directory = directory
        self._rule = VatRule(api.settings.totals_rule)
        self._taxed: dict[str, list[Taxed]] = {}
        self._items: dict[str, Payload] = {}
        self._items_at_ms = 0
        self._items_whole = False

    def learn(self, key: str, shown: Document) -> None:
        """Takes in what a document that was written came to."""
        taxed = self._taxed.pop(key, [])
        names = self._api.known_names()
        if names is not None:
            self._rule.learn(taxed, shown.totals, names)

    # --- prepare ---------------------------------------------------------------------------------

    async def prepare(self, changes: Sequence[Change]) -> list[Prepared | Refused]:
        """Decisions to bytes, in order. Reads what is changed; writes nothing."""
        names = await self._words(changes)
        customers = await self._customers(changes)
        await self._load_items(changes)
        return await in_order([self._prepared(change, names, customers) for change in changes])

    async def _prepared(
        self, change: Change, names: Names, customers: Mapping[str, Row]
    ) -> Prepared | Refused:
        match (change.entity, change.action):
            case (Entity.CUSTOMER, Action.CREATE | Action.UPDATE):
                return await self._customer(change, names)
            case (Entity.CONTACT, Action.CREATE | Action.UPDATE):
                return await self._contact(change)
            case (Entity.DOCUMENT, Action.CREATE):
                return await self._create(change, names, customers)
            case (Entity.DOCUMENT, Action.UPDATE | Action.VOID | Action.CONVERT):
                return await self._existing(change, names)
            case (Entity.DOCUMENT, Action.CREDIT):
                return await self._credit(change, names)
        message = f"Visma.net has no {change.action} of a {change.entity} by this connection."
        return _refused(change, "not_supported", message)

    async def _customer(self, change: Change, names: Names) -> Prepared | Refused:
        if change.wanted is None:
            return _refused(change, "nothing_wanted", "The change sets nothing.")
        settings, stamps = self._api.settings, self._api.stamps
        read: Row | None = None
        number = change.number
        if change.action is Action.UPDATE:
            assert change.target is not None
            read = await self._reader.payload(change.target)
            if read is None:
                return Refused(key=change.key, stale=True)
        elif number:
            number = number.zfill(settings.number_width)
        elif not settings.customer_attribute:
            return _refused(
                change,
                "customer_number_missing",
                "The customer has no number drawn for it and no attribute for our key; a second "
                "try could make a second customer.",
                hint="Set customer_attribute of the connection, or number_start.",
            )
        made = customer_body(
            change.wanted, names, settings, key=change.key, number=number, read=read
        )
        if made.findings:
            return Refused(key=change.key, findings=tuple(made.findings))
        before = translate.customer(read, names, stamps) if read is not None else None
        after = translate.customer(made.shown, names, stamps)
        path = CUSTOMERS
        if read is not None:
            path = f"{CUSTOMERS}/internal/{segment(text_of(read, 'internalId'))}"
        return self._made(
            change,
            method="POST" if read is None else "PUT",
            path=path,
            body=dumps(made.body),
            headers=_if_match(read),
            shows=after if read is not None else replace(after, ref=None),
            read=before,
            witness={"number": number or ""},
        )

    async def _contact(self, change: Change) -> Prepared | Refused:
        wanted = change.wanted.record if change.wanted is not None else None
        if change.wanted is None or not isinstance(wanted, Contact):
            return _refused(change, "nothing_wanted", "The change sets nothing.")
        read: Row | None = None
        before: Contact | None = None
        if change.action is Action.UPDATE:
            assert change.target is not None
            read = await self._reader.payload(change.target)
            if read is None:
                return Refused(key=change.key, stale=True)
            (record,) = await self._reader.records([read], CONTACTS)
            before = record if isinstance(record, Contact) else None
        number = ""
        if "customer" in change.wanted.fields:
            owner = wanted.customer
            found = await self._api.record(CUSTOMERS, owner.id) if owner is not None else None
            if found is None:
                return Refused(key=change.key, stale=True)
            number = text_of(found, "number")
        noted = {"vendor_time": self._api.now().isoformat()}
        return contact_prepared(change, wanted, number, read, before, noted)

    async def _create(
        self, change: Change, names: Names, customers: Mapping[str, Row]
    ) -> Prepared | Refused:
        wanted = change.wanted
        if wanted is None or not isinstance(wanted.record, Document):
            return _refused(change, "nothing_wanted", "The change sets nothing.")
        if wanted.record.customer is None:
            return _refused(change, "customer_missing", "The document names no customer.")
        customer = customers.get(wanted.record.customer.id)
        if customer is None:
            return Refused(key=change.key, stale=True)
        problem = _stopped(customer)
        if problem:
            return _refused(change, "customer_inactive", problem,
                            hint="Finance changes its status in Visma.net.")  # fmt: skip
        setting = self._setting(names, customer)
        if wanted.record.kind is DocumentKind.ORDER:
            return self._orders.create(change, wanted.record, setting)
        drafted = document_body(wanted, setting, key=change.key, read=None, base=None)
        if drafted.made.findings:
            return Refused(key=change.key, findings=tuple(drafted.made.findings))
        return self._drafted(
            change, drafted, setting, method="POST", path=NEW_INVOICE, read=None, customer=customer
        )

    async def _existing(self, change: Change, names: Names) -> Prepared | Refused:
        assert change.target is not None
        if is_order(change):
            return await self._order(change, names)
        head, _ = split_ref(change.target)
        if HEADS.get(head, ("", True))[1]:
            return _refused(
                change,
                "booked",
                "A released document is not changed or deleted; a credit note corrects it.",
                hint="Finance makes a credit note.",
            )
        read = await self._reader.payload(change.target)
        if read is None or documents.is_released(read):
            return Refused(key=change.key, stale=True)
        customer = await self._api.customer(customer_number(read))
        if customer is None:
            return Refused(key=change.key, stale=True)
        setting = self._setting(names, customer)
        record = documents.document(read, setting.reading)
        path = document_path(change.target)
        if change.action is Action.UPDATE:
            return self._update(change, setting, read, record, path, customer)
        if change.action is Action.VOID:
            return self._made(change, method="DELETE", path=path, body=b"", headers={}, shows=None,
                              read=record)  # fmt: skip
        return self._release(change, names, read, record, path)

    async def _order(self, change: Change, names: Names) -> Prepared | Refused:
        read = await self._orders.existing(change)
        if read is None:
            return Refused(key=change.key, stale=True)
        customer = await self._api.customer(text_of(read, "customer", "id"))
        if customer is None:
            return Refused(key=change.key, stale=True)
        return self._orders.change(change, self._setting(names, customer), read)

    def _update(
        self,
        change: Change,
        setting: Setting,
        read: Row,
        record: Document,
        path: str,
        customer: Row,
    ) -> Prepared | Refused:
        wanted = change.wanted
        if wanted is None or not isinstance(wanted.record, Document):
            return _refused(change, "nothing_wanted", "The change sets nothing.")
        if split_ref(change.target)[0] != "draft" if change.target else True:
            return _refused(change, "not_supported", "Only drafts of invoices are changed.")
        base = change.base if isinstance(change.base, Document) else None
        drafted = document_body(wanted, setting, key=change.key, read=read, base=base)
        if drafted.made.findings:
            return Refused(key=change.key, findings=tuple(drafted.made.findings), seen=record)
        return self._drafted(
            change, drafted, setting, method="PUT", path=path, read=read, customer=customer
        )

    def _release(
        self, change: Change, names: Names, read: Row, record: Document, path: str
    ) -> Prepared | Refused:
        status = text_of(read, "status")
        if status != "Balanced":
            return _refused(
                change,
                "release_failed",
                f"{text_of(read, 'referenceNumber')} has status {status} in Visma.net; only a "
                "balanced document can be released.",
                hint="Finance takes it off hold, prints, mails or approves it.",
                seen=record,
            )
        day = record.issue_date
        period = names.period(day) if day else None
        if period is not None and not period.open:
            return _refused(
                change,
                "period_closed",
                f"{text_of(read, 'referenceNumber')} would be booked in period {period.code}, "
                "which is closed.",
                hint="Finance opens the period or chooses the date.",
                seen=record,
            )
        background = _BACKGROUND if self._api.settings.release_in_background else {}
        return self._made(
            change,
            method="POST",
            path=path + RELEASE,
            body=b"{}",
            headers={**_if_match(read), **background},
            shows=None,
            read=record,
            totals=Predicted(totals=record.totals) if record.totals is not None else None,
        )

    async def _credit(self, change: Change, names: Names) -> Prepared | Refused:
        assert change.target is not None
        read = await self._reader.payload(change.target)
        if read is None or not documents.is_released(read):
            return Refused(key=change.key, stale=True)
        customer = await self._api.customer(customer_number(read))
        if customer is None:
            return Refused(key=change.key, stale=True)
        setting = self._setting(names, customer)
        wanted = change.wanted.record if change.wanted is not None else None
        record = wanted if isinstance(wanted, Document) else None
        drafted = credit_body(record, setting, key=change.key, invoice=read)
        if drafted.made.findings:
            return Refused(key=change.key, findings=tuple(drafted.made.findings))
        return self._drafted(
            change, drafted, setting, method="POST", path=NEW_NOTE, read=None, customer=customer
        )

    # --- what it is made of ----------------------------------------------------------------------

    def _setting(self, names: Names, customer: Row) -> Setting:
        number = text_of(customer, "number")
        settings = self._api.settings
        return Setting(
            names=names,
            settings=settings,
            reading=documents.Reading(
                names=names,
                stamps=self._api.stamps,
                settings=settings,
                customers={number: text_of(customer, "internalId")},
            ),
            rule=self._rule,
            customer=customer,
            items=self._items,
            today=self._api.now().astimezone(names.zone).date(),
        )

    def _drafted(
        self,
        change: Change,
        drafted: Drafted,
        setting: Setting,
        *,
        method: str,
        path: str,
        read: Row | None,
        customer: Row,
    ) -> Prepared:
        made = drafted.made
        self._taxed[change.key] = drafted.taxed
        lines = len(made.body.get("invoiceLines") or made.body.get("lines") or ())
        most = self._api.settings.background_above
        # What takes long over there is cut off by its gateway after four minutes.
        background = _BACKGROUND if most and lines > most else {}
        return self._made(
            change,
            method=method,
            path=path,
            body=dumps(made.body),
            headers={**_if_match(read), **background},
            shows=documents.document(made.shown, setting.reading),
            read=documents.document(read, setting.reading) if read is not None else None,
            totals=made.totals,
            witness={"customer": text_of(customer, "internalId")},
        )

    def _made(
        self,
        change: Change,
        *,
        method: str,
        path: str,
        body: bytes,
        headers: Mapping[str, str],
        shows: Record | None,
        read: Record | None,
        totals: Predicted | None = None,
        witness: Mapping[str, str] | None = None,
    ) -> Prepared:
        noted = {name: value for name, value in (witness or {}).items() if value}
        noted["vendor_time"] = self._api.now().isoformat()
        return Prepared(
            key=change.key,
            entity=change.entity,
            action=change.action,
            target=change.target,
            method=method,
            path=path,
            body=body,
            headers={**(_JSON if body else {}), **headers},
            witness=noted,
            shows=shows,
            totals=totals,
            read=read,
            revision=change.revision,
        )

    async def _words(self, changes: Sequence[Change]) -> Names:
        """The company's words; read anew where a change says something that they do not know."""
        names = await self._api.names()
        if any(_unknown(change, names) for change in changes):
            names = await self._api.names(fresh=True)
        return names

    async def _customers(self, changes: Iterable[Change]) -> dict[str, Row]:
        """The customers of new documents by internal id, read now."""
        ids: dict[str, None] = {}
        for change in changes:
            record = change.wanted.record if change.wanted is not None else None
            creates = change.action is Action.CREATE and change.entity is Entity.DOCUMENT
            if creates and isinstance(record, Document) and record.customer is not None:
                ids[record.customer.id] = None
        rows = await in_order([self._api.record(CUSTOMERS, internal) for internal in ids])
        found = {key: row for key, row in zip(ids, rows, strict=True) if row is not None}
        self._directory.note(found.values())
        return found

    async def _load_items(self, changes: Iterable[Change]) -> None:
        """Reads the items that the lines name and that are not known, in few calls."""
        now = self._api.clock.steady()
        if now - self._items_at_ms > _ITEMS_LIVE_MS:
            self._items.clear()
            self._items_at_ms, self._items_whole = now, False
        ids, numbers = _named_items(changes)
        ids = [one for one in ids if f"id:{one}" not in self._items]
        for row in await in_order([self._api.record(ITEMS, one) for one in ids]):
            self._know(row)
        numbers = [one for one in numbers if one.casefold() not in self._items]
        if len(numbers) <= _SINGLY:
            asked = [self._by_number(number) for number in numbers]
            for rows in await in_order(asked):
                for row in rows:
                    self._know(row)
        numbers = [one for one in numbers if one.casefold() not in self._items]
        if numbers and not self._items_whole:
            # Written in other letters than over there, or not there at all: the list tells.
            async for part in self._api.complete(ITEMS):
                for row in part:
                    self._know(row)
            self._items_whole = True

    async def _by_number(self, number: str) -> list[Row]:
        """The item of a number, by a filter: a stroke in it would break the path."""
        query: Query = (("inventoryNumber", number),)
        rows: list[Row] = []
        async for sheet in self._api.sheets(ITEMS, query):
            rows += sheet.rows
        return rows

    def _know(self, row: Row | None) -> None:
        if row is not None:
            self._items[f"id:{text_of(row, 'inventoryId')}"] = row
            self._items[text_of(row, "inventoryNumber").casefold()] = row

    # --- pack ------------------------------------------------------------------------------------

    @staticmethod
    def pack(items: Sequence[Prepared]) -> list[Wire]:
        """One request for each: the vendor has no batches to build on."""
        return [
            Wire(
                wire_key=wire_key(item.key, item.revision, item.action, item.path),
                method=item.method,
                path=item.path,
                body=item.body,
                items=(item.key,),
                headers=item.headers,
            )
            for item in items
        ]


def _if_match(read: Payload | None) -> dict[str, str]:
    version = text_of(read or {}, "timeStamp")
    return {"If-Match": f'"{version}"'} if version else {}


def _stopped(customer: Payload) -> str:
    """Why no document can be made for a customer, '' where one can."""
    status, name = text_of(customer, "status"), text_of(customer, "name")
    return {
        "Inactive": f"{name} is not active in Visma.net.",
        "OnHold": f"{name} is on hold in Visma.net; no documents are made for it.",
        "CreditHold": f"{name} is on credit hold in Visma.net; it only takes payments.",
    }.get(status, "")


def _unknown(change: Change, names: Names) -> bool:
    record = change.wanted.record if change.wanted is not None else None
    said = getattr(record, "terms", "")
    if said and names.find_terms(said) is None:
        return True
    for line in record.lines if isinstance(record, Document) else ():
        for kind, code in line.dimensions.items():
            segment_of = names.segment(kind)
            known = segment_of.values if segment_of else {**names.projects, **names.branches}
            if code not in known:
                return True
    return False


def _named_items(changes: Iterable[Change]) -> tuple[list[str], list[str]]:
    ids: dict[str, None] = {}
    numbers: dict[str, None] = {}
    for change in changes:
        record = change.wanted.record if change.wanted is not None else None
        for line in record.lines if isinstance(record, Document) else ():
            if line.item is not None and line.item.ref is not None:
                ids[line.item.ref.id] = None
            if line.item is not None and line.item.number:
                numbers[line.item.number] = None
    return list(ids), list(numbers)


def _refused(
    change: Change, code: str, message: str, *, hint: str = "", seen: Record | None = None
) -> Refused:
    finding = Finding(code=code, message=message, hint=hint)
    return Refused(key=change.key, findings=(finding,), seen=seen)
