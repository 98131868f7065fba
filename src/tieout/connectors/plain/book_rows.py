"""Rows of the plain book as our records, and our records as its rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from tieout.connectors.plain.api import Row
from tieout.connectors.plain.contact_rows import contact
from tieout.connectors.plain.feed import understood
from tieout.connectors.plain.settings import PlainBookSettings
from tieout.connectors.plain.values import (
    address_row,
    addresses,
    by_role,
    day,
    extra,
    identifiers,
    instant,
    number,
    text,
    wire_value,
)
from tieout.core.change import Predicted, Wanted
from tieout.core.model import (
    Balance,
    Code,
    Customer,
    Document,
    DocumentKind,
    Entity,
    ExternalRef,
    Item,
    ItemRef,
    ItemTax,
    Line,
    LineKind,
    OrderState,
    PartyKind,
    Payment,
    Price,
    Record,
    Totals,
)
from tieout.core.money import round_money
from tieout.core.predict import net_of
from tieout.core.tax import Treatment
from tieout.ports import Selection

NAME_LENGTH = 50
ZERO = Decimal(0)
_HEADER = (
    "currency",
    "issue_date",
    "terms",
    "delivered_on",
    "our_reference",
    "your_reference",
    "po_number",
    "buyer_reference",
)
# The whole of what this book can book; its own rate stands on the item.
_UNTAXED = (
    Treatment.DOMESTIC_ZERO,
    Treatment.EXEMPT,
    Treatment.DOMESTIC_REVERSE_CHARGE,
    Treatment.EU_GOODS_EXEMPT,
    Treatment.EU_SERVICE_REVERSE_CHARGE,
    Treatment.EXPORT_GOODS,
    Treatment.SERVICE_OUTSIDE_EU,
)


class BookRows:
    """Translates for one connection. Reading raises one of `api.UNREADABLE` for a strange row."""

    def __init__(self, connection: str, settings: PlainBookSettings) -> None:
        self._connection = connection
        self._settings = settings

    # Refs.

    def ref(self, entity: Entity, row_id: str) -> ExternalRef:
        """The ref of a row of ours."""
        return ExternalRef(self._connection, entity.value, row_id)

    def document_ref(self, collection: str, row_id: str) -> ExternalRef:
        """`drafts` and `d7` give the id `draft:d7`."""
        return self.ref(Entity.DOCUMENT, f"{collection.removesuffix('s')}:{row_id}")

    def place(self, ref: ExternalRef) -> tuple[str, str]:
        """The collection and the vendor's id that a ref names."""
        if ref.entity == Entity.DOCUMENT.value:
            kind, _, row_id = ref.id.partition(":")
            return f"{kind}s", row_id
        return _TABLES[Entity(ref.entity)], ref.id

    def ref_of(self, collection: str, row: Row) -> ExternalRef:
        """The ref of a row of any collection."""
        entity = ENTITY_OF.get(collection, Entity.DOCUMENT)
        if entity is Entity.DOCUMENT:
            return self.document_ref(collection, str(row["id"]))
        return self.ref(entity, str(row["id"]))

    # Reading.

    def record(self, collection: str, row: Row, want: Selection) -> Record:
        """A row of any collection as a record. Raises `UnreadableError` where it is none."""
        with understood(row):
            return self._record(collection, row, want)

    def _record(self, collection: str, row: Row, want: Selection) -> Record:
        match ENTITY_OF.get(collection, Entity.DOCUMENT):
            case Entity.CUSTOMER:
                return self.customer(row, want)
            case Entity.ITEM:
                return self._item(row, want)
            case Entity.PAYMENT:
                return self._payment(row, want)
            case Entity.PRICE:
                return self._price(row, want)
            case Entity.CONTACT:
                version = str(row["revision"])
                return contact(self._connection, row, want, customer="customer", version=version)
            case _:
                return self.document(collection, row, want)

    def carrier(self, row: Row) -> str:
        """The text that carries our key, '' where it cannot be read."""
        return text(row, self._settings.carrier_field)

    def document(self, collection: str, row: Row, want: Selection) -> Document:
        """A draft, order, invoice or credit note."""
        status = row["status"]
        order = row["type"] == "order"
        if status not in (_ORDER_STATES if order else ("draft", "booked", "void")):
            raise ValueError(f"unknown status {status!r}")
        kind = DocumentKind.DRAFT if status == "draft" else DocumentKind.INVOICE
        if row["type"] == "credit_note":
            kind = DocumentKind.CREDIT_NOTE
        if order:
            kind = DocumentKind.ORDER
        made_of = text(row, "from_order")
        origin = text(row, "created_from")
        currency = row["currency"]
        return Document(
            ref=self.document_ref(collection, row["id"]),
            version=str(row["revision"]),
            changed_at=instant(row, "changed_at"),
            came_from=(
                *((self.document_ref("orders", made_of),) if made_of else ()),
                *((self.document_ref("drafts", origin),) if origin else ()),
            ),
            kind=kind,
            number=text(row, "number"),
            raw_status=status,
            booked=status != "draft" and not order,
            voided=status == "void",
            order_state=_ORDER_STATES[status] if order else None,
            customer=self.ref(Entity.CUSTOMER, row["customer"]),
            customer_name=text(row, "customer_name"),
            issue_date=day(row, "issue_date"),
            due_date=day(row, "due_date"),
            delivered_on=day(row, "delivered_on"),
            currency=currency,
            totals=Totals(
                currency=currency,
                net=number(row, "net"),
                tax=number(row, "tax"),
                gross=number(row, "gross"),
                open=number(row, "open") if status == "booked" else None,
            ),
            lines=tuple(
                self._line(position, line, want) for position, line in enumerate(row["lines"], 1)
            ),
            credited=number(row, "credited"),
            paid=number(row, "paid"),
            last_payment_on=day(row, "last_payment_on"),
            terms=text(row, "terms"),
            our_reference=text(row, "our_reference"),
            your_reference=text(row, "your_reference"),
            po_number=text(row, "po_number"),
            buyer_reference=text(row, "buyer_reference"),
            carrier_text=self.carrier(row),
            credits=tuple(self.document_ref("invoices", other) for other in row["credits"])
            if not self._settings.keeps_id
            else tuple(self.document_ref("documents", other) for other in row["credits"]),
            created_at=instant(row, "created_at"),
            extra=extra(row, want.extra),
            shape=want.shape,
        )

    def _line(self, position: int, row: Row, want: Selection) -> Line:
        code = text(row, "item")
        if row["kind"] == LineKind.TEXT:
            return Line(
                position=position, kind=LineKind.TEXT, text=text(row, "text"), stated_net=ZERO
            )
        return Line(
            position=position,
            kind=LineKind(row["kind"]),
            item=ItemRef(number=code) if code else None,
            text=text(row, "text"),
            quantity=number(row, "quantity"),
            unit_price=number(row, "unit_price"),
            discount=number(row, "discount"),
            stated_net=number(row, "net"),
            tax_rate=number(row, "rate"),
            dimensions=dict(row.get("dimensions") or {}),
            extra=extra(row, want.extra, line=True),
        )

    def customer(self, row: Row, want: Selection) -> Customer:
        """A customer."""
        merged = text(row, "merged_into")
        return Customer(
            ref=self.ref(Entity.CUSTOMER, row["id"]),
            version=str(row["revision"]),
            changed_at=instant(row, "changed_at"),
            number=text(row, "number"),
            name=row["name"],
            kind=PartyKind(text(row, "kind") or PartyKind.UNKNOWN),
            identifiers=identifiers(row),
            addresses=addresses(row),
            emails=by_role(row, "email", "invoice"),
            phones=by_role(row, "phone", "general"),
            contact_name=text(row, "contact"),
            language=text(row, "language"),
            currency=text(row, "currency"),
            terms=text(row, "terms"),
            active=bool(row["active"]),
            merged_into=self.ref(Entity.CUSTOMER, merged) if merged else None,
            note=self.carrier(row),
            extra=extra(row, want.extra),
            shape=want.shape,
        )

    def _item(self, row: Row, want: Selection) -> Item:
        rate = number(row, "rate")
        return Item(
            ref=self.ref(Entity.ITEM, row["id"]),
            version=str(row["revision"]),
            changed_at=instant(row, "changed_at"),
            number=row["number"],
            name=text(row, "name"),
            tax=(
                ItemTax(treatment=Treatment.DOMESTIC_RATE, rate=rate),
                *(ItemTax(treatment=treatment, rate=ZERO) for treatment in _UNTAXED),
            ),
            price=number(row, "price"),
            active=bool(row["active"]),
            extra=extra(row, want.extra),
            shape=want.shape,
        )

    def _price(self, row: Row, want: Selection) -> Price:
        return Price(
            ref=self.ref(Entity.PRICE, row["id"]),
            version=str(row["revision"]),
            changed_at=instant(row, "changed_at"),
            item=ItemRef(ref=self.ref(Entity.ITEM, row["item"])),
            list=text(row, "list"),
            currency=row["currency"],
            from_quantity=number(row, "from_quantity"),
            valid_from=day(row, "valid_from"),
            valid_to=day(row, "valid_to"),
            amount=number(row, "amount"),
            shape=want.shape,
        )

    def _payment(self, row: Row, want: Selection) -> Payment:
        collection = "documents" if self._settings.keeps_id else "invoices"
        return Payment(
            ref=self.ref(Entity.PAYMENT, row["id"]),
            version=str(row["revision"]),
            changed_at=instant(row, "changed_at"),
            customer=self.ref(Entity.CUSTOMER, row["customer"]),
            document=self.document_ref(collection, row["document"]),
            paid_on=day(row, "paid_on"),
            amount=number(row, "amount"),
            currency=row["currency"],
            shape=want.shape,
        )

    def code(self, row: Row, want: Selection) -> Code:
        """Terms of payment or a currency."""
        facts = {"days": row["days"]} if "days" in row else {}
        code_id = f"{row['kind']}:{row['code']}"
        return Code(
            kind=row["kind"],
            code=row["code"],
            name=text(row, "name"),
            ref=self.ref(Entity.CODE, code_id),
            active=bool(row.get("active", True)),
            facts=facts,
            shape=want.shape,
        )

    def balance(self, row: Row, want: Selection) -> Balance:
        """What one customer owes in one currency."""
        return Balance(
            ref=self.ref(Entity.BALANCE, f"{row['customer']}:{row['currency']}"),
            customer=self.ref(Entity.CUSTOMER, row["customer"]),
            currency=row["currency"],
            open=number(row, "open"),
            overdue=number(row, "overdue"),
            shape=want.shape,
        )

    # Writing.

    def document_row(self, wanted: Wanted) -> dict[str, Any]:
        """The named fields of a document as the book takes them."""
        record = wanted.record
        assert isinstance(record, Document)
        row: dict[str, Any] = {}
        if "customer" in wanted.fields and record.customer is not None:
            row["customer"] = record.customer.id
        for name in _HEADER:
            if name in wanted.fields:
                row[name] = wire_value(getattr(record, name)) or None
        if "lines" in wanted.fields:
            row["lines"] = [_line_row(line) for line in record.lines]
        return row

    def customer_row(self, wanted: Wanted) -> dict[str, Any]:
        """The named fields of a customer as the book takes them, a long name cut."""
        record = wanted.record
        assert isinstance(record, Customer)
        row: dict[str, Any] = {}
        fields = wanted.fields
        if "name" in fields:
            row["name"] = record.name[:NAME_LENGTH]
        if "kind" in fields:
            row["kind"] = record.kind.value
        if "identifiers" in fields:
            for kind, name in _NUMBERS:
                found = record.identifier(kind)
                row[name] = (found.normal or found.raw) if found else None
            row["country"] = next((one.country for one in record.identifiers if one.country), None)
        if "addresses" in fields:
            row["address"] = address_row(record.address("billing"))
            row["shipping"] = address_row(record.address("shipping"))
        if "emails" in fields:
            row["email"] = record.emails.get("invoice") or record.emails.get("general")
        if "phones" in fields:
            row["phone"] = record.phones.get("general")
        if "contact_name" in fields:
            row["contact"] = record.contact_name or None
        for name in ("language", "currency", "terms"):
            if name in fields:
                row[name] = getattr(record, name) or None
        return row

    def document_shows(
        self, wanted: Wanted, before: Document | None, carrier: str, drawn: str, totals: Predicted
    ) -> Document:
        """The document as the book will show it after this write."""
        record = wanted.record
        assert isinstance(record, Document)
        state = OrderState.APPROVED if record.kind is DocumentKind.ORDER else None
        shown = before or Document(
            kind=record.kind, raw_status="draft", number=drawn, order_state=state
        )
        values = {name: getattr(record, name) for name in _HEADER if name in wanted.fields}
        if "customer" in wanted.fields:
            values["customer"] = record.customer
        if "lines" in wanted.fields:
            lines = enumerate(record.lines, 1)
            values["lines"] = tuple(_shown_line(n, line, record.currency) for n, line in lines)
            values["totals"] = totals.totals
        if before is None:
            values["carrier_text"] = "" if self._opaque else carrier
            values.update(customer_name=record.customer_name, paid=ZERO, credited=ZERO)
        return replace(shown, **values)

    def customer_shows(
        self, row: Mapping[str, Any], before: Customer | None, carrier: str, drawn: str = ""
    ) -> Customer:
        """The customer as the book will show it after this write."""
        made = self.customer(
            {"id": "", "revision": 0, "active": True, "name": "", **row},
            Selection(entity=_CUSTOMER),
        )
        shown = before or Customer(number=drawn, note="" if self._opaque else carrier)
        values: dict[str, Any] = {}
        for field, names in _CUSTOMER_NAMES.items():
            if names & row.keys():
                values[field] = getattr(made, field)
        return replace(shown, **values)

    @property
    def _opaque(self) -> bool:
        return self._settings.guard.value == "e2"


_CUSTOMER = Entity.CUSTOMER
_ORDER_STATES = {
    "draft": OrderState.APPROVED,
    "shipped": OrderState.SHIPPED,
    "invoiced": OrderState.INVOICED,
    "void": OrderState.CANCELLED,
}
_TABLES = {
    Entity.CUSTOMER: "customers",
    Entity.ITEM: "items",
    Entity.PAYMENT: "payments",
    Entity.PRICE: "prices",
    Entity.CONTACT: "contacts",
}
ENTITY_OF = {table: entity for entity, table in _TABLES.items()}
_NUMBERS = (("company", "org_number"), ("vat", "vat_number"), ("einvoice", "einvoice"))
_CUSTOMER_NAMES: Mapping[str, frozenset[str]] = {
    "name": frozenset({"name"}),
    "kind": frozenset({"kind"}),
    "identifiers": frozenset({"org_number"}),
    "addresses": frozenset({"address"}),
    "emails": frozenset({"email"}),
    "phones": frozenset({"phone"}),
    "contact_name": frozenset({"contact"}),
    "language": frozenset({"language"}),
    "currency": frozenset({"currency"}),
    "terms": frozenset({"terms"}),
}


def _line_row(line: Line) -> dict[str, Any]:
    row: dict[str, Any] = {"kind": line.kind.value, "text": line.text}
    if line.kind is LineKind.TEXT:
        return row
    if line.item is not None and line.item.number:
        row["item"] = line.item.number
    row.update(quantity=line.quantity, unit_price=line.unit_price, discount=line.discount)
    if line.tax_rate is not None:
        row["rate"] = line.tax_rate
    if line.dimensions:
        row["dimensions"] = dict(line.dimensions)
    return row


def _shown_line(position: int, line: Line, currency: str) -> Line:
    if line.kind is LineKind.TEXT:
        return Line(position=position, kind=line.kind, text=line.text, stated_net=ZERO)
    code = line.item.number if line.item else ""
    return Line(
        position=position,
        kind=line.kind,
        item=ItemRef(number=code) if code else None,
        text=line.text,
        quantity=line.quantity,
        unit_price=line.unit_price,
        discount=line.discount,
        stated_net=round_money(net_of(line, currency), currency),
        tax_rate=line.tax_rate,
        dimensions=dict(line.dimensions),
    )
