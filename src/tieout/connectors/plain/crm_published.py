"""Items and invoices of the books as rows of the plain CRM, both ways."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tieout.connectors.plain.api import Row
from tieout.connectors.plain.contact_rows import contact_row
from tieout.connectors.plain.values import (
    address_row,
    day,
    instant,
    number,
    number_or_none,
    text,
    wire_value,
)
from tieout.core.change import Change
from tieout.core.model import (
    Contact,
    Customer,
    Document,
    DocumentKind,
    Entity,
    ExternalRef,
    Item,
    ItemRef,
    Line,
    LineKind,
    Record,
    Totals,
)

PATHS: Mapping[Entity, str] = {
    Entity.ITEM: "/products",
    Entity.DOCUMENT: "/invoices",
    Entity.CUSTOMER: "/companies",
    Entity.CONTACT: "/contacts",
}
_PLAIN = ("number", "raw_status", "booked", "currency", "paid", "credited", "sale", "url")
_DAYS = ("issue_date", "due_date", "last_payment_on")
_EXTRA = ("status", "deal")


def published_row(change: Change) -> Row:
    """The row of the request: an upsert by our key, or of the row that is linked."""
    assert change.wanted is not None
    return {
        "tag": change.key,
        "key": change.key,
        "id": change.target.id if change.target else None,
        "fields": _fields(change.wanted.record, change.wanted.fields),
    }


def shows(change: Change) -> Record:
    """The record as the CRM will show it: it keeps what it is given."""
    assert change.wanted is not None
    wanted = change.wanted.record
    if change.base is None:
        return wanted
    values = {name: getattr(wanted, name) for name in change.wanted.fields}
    return replace(change.base, **values)


def _fields(record: Record, names: frozenset[str]) -> dict[str, Any]:
    if isinstance(record, Customer):
        return _company(record, names)
    if isinstance(record, Contact):
        return contact_row(record, names, "company")
    if isinstance(record, Item):
        return _product(record, names)
    assert isinstance(record, Document)
    found: dict[str, Any] = {
        name: wire_value(getattr(record, name))
        for name in sorted(names)
        if name in (*_PLAIN, *_DAYS)
    }
    if "kind" in names:
        found["kind"] = record.kind.value
    if "customer" in names:
        found["company"] = record.customer.id if record.customer else None
    if "totals" in names and record.totals is not None:
        totals = record.totals
        found |= {
            name: getattr(totals, name) for name in ("net", "tax", "gross", "rounding", "open")
        }
    if "extra" in names:
        found |= {name: record.extra.get(name) for name in _EXTRA}
    if "lines" in names:
        found["lines"] = [_line_row(line) for line in record.lines]
    return found


def _product(item: Item, names: frozenset[str]) -> dict[str, Any]:
    plain = names - {"prices", "extra"}
    found = {name: wire_value(getattr(item, name)) for name in sorted(plain)}
    if "prices" in names:
        found["prices"] = [
            {"list": one.list, "currency": one.currency, "amount": one.amount}
            for one in item.prices
        ]
    if "extra" in names:
        found["custom"] = dict(item.extra)
    return found


def _company(record: Customer, names: frozenset[str]) -> dict[str, Any]:
    found: dict[str, Any] = {
        name: getattr(record, name) for name in ("name", "language") if name in names
    }
    if "contact_name" in names:
        found["contact"] = record.contact_name
    if "emails" in names:
        found["email"] = record.emails.get("invoice") or record.emails.get("general")
    if "phones" in names:
        found["phone"] = record.phones.get("general")
    if "addresses" in names:
        found["address"] = address_row(record.address("billing"))
        if record.address("shipping"):
            found["shipping"] = address_row(record.address("shipping"))
    if "identifiers" in names:
        numbers = {"company": "org_number", "vat": "vat_number", "einvoice": "einvoice"}
        for kind, name in numbers.items():
            number = record.identifier(kind)
            if number is not None:
                found[name] = number.raw
    return found


def _line_row(line: Line) -> Row:
    return {
        "item": line.item.number if line.item else "",
        "text": line.text,
        "kind": line.kind.value,
        "quantity": line.quantity,
        "unit": line.unit,
        "unit_price": line.unit_price,
        "discount": line.discount,
        "tax_rate": line.tax_rate,
        "dimensions": dict(line.dimensions),
    }


def invoice(connection: str, row: Row, shape: str = "") -> Document:
    """A row of the CRM's invoices. Raises one of `api.UNREADABLE` for a strange one."""
    company = text(row, "company")
    return Document(
        ref=ExternalRef(connection, "document", row["id"]),
        version=row["changed_at"],
        changed_at=instant(row, "changed_at"),
        kind=DocumentKind(row["kind"]),
        number=text(row, "number"),
        raw_status=text(row, "raw_status"),
        booked=bool(row["booked"]),
        customer=ExternalRef(connection, "customer", company) if company else None,
        issue_date=day(row, "issue_date"),
        due_date=day(row, "due_date"),
        last_payment_on=day(row, "last_payment_on"),
        currency=text(row, "currency"),
        totals=_totals(row),
        paid=number_or_none(row, "paid"),
        credited=number_or_none(row, "credited"),
        sale=bool(row["sale"]),
        url=text(row, "url"),
        lines=tuple(_line(one, at) for at, one in enumerate(row.get("lines") or (), 1)),
        extra={name: text(row, name) for name in _EXTRA},
        carrier_text=text(row, "key"),
        shape=shape,
    )


def _totals(row: Row) -> Totals | None:
    if row.get("net") is None:
        return None
    amounts: dict[str, Any] = {name: number(row, name) for name in ("net", "tax", "gross")}
    return Totals(
        currency=text(row, "currency"),
        rounding=number(row, "rounding"),
        open=number_or_none(row, "open"),
        **amounts,
    )


def _line(row: Row, position: int) -> Line:
    code = text(row, "item")
    return Line(
        position=position,
        kind=LineKind(row["kind"]),
        item=ItemRef(number=code) if code else None,
        text=text(row, "text"),
        quantity=number(row, "quantity"),
        unit=text(row, "unit"),
        unit_price=number(row, "unit_price"),
        discount=number(row, "discount"),
        tax_rate=number_or_none(row, "tax_rate"),
        dimensions=dict(row.get("dimensions") or {}),
    )
