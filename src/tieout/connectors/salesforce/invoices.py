"""Invoices of the books as rows of the package's two objects, both ways."""

from __future__ import annotations

from collections.abc import Mapping, Set
from decimal import Decimal
from typing import Any

from tieout.connectors.salesforce.cells import (
    Row,
    RowError,
    children_of,
    date_of,
    moment_of,
    number_of,
    text_of,
    value_at,
)
from tieout.connectors.salesforce.ids import id18, is_id, object_of
from tieout.connectors.salesforce.settings import SalesforceSettings
from tieout.core.model import (
    Document,
    DocumentKind,
    Entity,
    ExternalRef,
    ItemRef,
    Line,
    LineKind,
    Totals,
)
from tieout.core.status import Status

INVOICE = "Tieout_Invoice__c"
INVOICE_LINE = "Tieout_Invoice_Line__c"
LINES = "Tieout_Invoice_Lines__r"
HEAD_OF_LINE = "Tieout_Invoice__c"
KEY = "External_Id__c"
STAMP = "Last_Synced_At__c"
# Which fields of the head show each field of ours.
HEAD: Mapping[str, tuple[str, ...]] = {
    "kind": ("Kind__c",),
    "number": ("Number__c",),
    "raw_status": ("Vendor_Status__c",),
    "booked": ("Booked__c",),
    "customer": ("Account__c",),
    "issue_date": ("Issue_Date__c",),
    "due_date": ("Due_Date__c",),
    "currency": ("Erp_Currency__c",),
    "totals": ("Net__c", "Tax__c", "Total__c", "Rounding__c", "Balance__c"),
    "paid": ("Paid__c",),
    "credited": ("Credited__c", "Credited_In_Part__c"),
    "sale": ("Sale__c",),
    "last_payment_on": ("Last_Payment__c",),
    "url": ("Erp_Url__c",),
    "extra": ("Status__c", "Opportunity__c", "Order__c"),
}
HEAD_FIELDS = (KEY, *(name for names in HEAD.values() for name in names))
LINE_FIELDS = (
    KEY,
    "Position__c",
    "Kind__c",
    "Item_Number__c",
    "Text__c",
    "Quantity__c",
    "Unit__c",
    "Unit_Price__c",
    "Discount__c",
    "Amount__c",
    "Tax_Rate__c",
    "Tax_Code__c",
    "Dimensions__c",
)
_HUNDRED = Decimal(100)
_DEALS = {"Opportunity": "Opportunity__c", "Order": "Order__c"}


def head_values(document: Document, names: Set[str]) -> dict[str, Any]:
    """The package's names of the head's fields with what these fields of ours say."""
    totals = document.totals
    deal = str(document.extra.get("deal") or "")
    lookup = _DEALS.get(object_of(deal) or "") if is_id(deal) else None
    values: dict[str, Any] = {
        "Kind__c": document.kind.value,
        "Number__c": document.number,
        "Vendor_Status__c": document.raw_status,
        "Booked__c": document.booked,
        "Account__c": document.customer.id if document.customer else None,
        "Issue_Date__c": document.issue_date,
        "Due_Date__c": document.due_date,
        "Erp_Currency__c": document.currency,
        "Net__c": totals.net if totals else None,
        "Tax__c": totals.tax if totals else None,
        "Total__c": totals.gross if totals else None,
        "Rounding__c": totals.rounding if totals else None,
        "Balance__c": totals.open if totals else None,
        "Paid__c": document.paid,
        "Credited__c": document.credited,
        "Credited_In_Part__c": bool(document.credited and document.credited > 0)
        and document.extra.get("status") != Status.CREDITED,
        "Sale__c": document.sale,
        "Last_Payment__c": document.last_payment_on,
        "Erp_Url__c": document.url,
        "Status__c": document.extra.get("status"),
        "Opportunity__c": deal if lookup == "Opportunity__c" else None,
        "Order__c": deal if lookup == "Order__c" else None,
    }
    chosen = [field for name in HEAD if name in names for field in HEAD[name]]
    return {field: values[field] for field in chosen}


def line_values(line: Line, position: int) -> dict[str, Any]:
    """The same of a line at its place, from 1."""
    return {
        "Position__c": position,
        "Kind__c": line.kind.value,
        "Item_Number__c": line.item.number if line.item else None,
        "Text__c": line.text,
        "Quantity__c": line.quantity,
        "Unit__c": line.unit,
        "Unit_Price__c": line.unit_price,
        "Discount__c": line.discount * _HUNDRED,
        "Amount__c": line.stated_net,
        "Tax_Rate__c": None if line.tax_rate is None else line.tax_rate * _HUNDRED,
        "Tax_Code__c": line.tax_code,
        "Dimensions__c": ";".join(f"{k}={v}" for k, v in sorted(line.dimensions.items())),
    }


def line_key(key: str, position: int) -> str:
    """The key of a line: that of its document, and its place in it."""
    return f"{key}-{position}"


def invoice(connection: str, settings: SalesforceSettings, row: Row, shape: str = "") -> Document:
    """The document that a row shows. Raises `RowError` for one that has no meaning for us."""
    ours = settings.ours
    kind = text_of(row, ours("Kind__c")) or DocumentKind.INVOICE.value
    if kind not in (DocumentKind.INVOICE, DocumentKind.CREDIT_NOTE):
        raise RowError(f"{kind!r} is no kind of invoice.")
    deal = text_of(row, ours("Opportunity__c")) or text_of(row, ours("Order__c"))
    lines = sorted(children_of(row, ours(LINES)), key=lambda line: _place(line, settings))
    return Document(
        ref=ExternalRef(connection, Entity.DOCUMENT.value, id18(row["Id"]))
        if row.get("Id")
        else None,
        version=text_of(row, "SystemModstamp") or None,
        changed_at=moment_of(row, "SystemModstamp"),
        kind=DocumentKind(kind),
        number=text_of(row, ours("Number__c")),
        raw_status=text_of(row, ours("Vendor_Status__c")),
        booked=bool(value_at(row, ours("Booked__c"))),
        customer=_ref(connection, Entity.CUSTOMER, text_of(row, ours("Account__c"))),
        issue_date=date_of(row, ours("Issue_Date__c")),
        due_date=date_of(row, ours("Due_Date__c")),
        last_payment_on=date_of(row, ours("Last_Payment__c")),
        currency=text_of(row, ours("Erp_Currency__c")),
        totals=_totals(row, settings),
        paid=number_of(row, ours("Paid__c")),
        credited=number_of(row, ours("Credited__c")),
        sale=bool(value_at(row, ours("Sale__c"))),
        url=text_of(row, ours("Erp_Url__c")),
        lines=tuple(_line(line, at, settings) for at, line in enumerate(lines, 1)),
        extra={
            "status": text_of(row, ours("Status__c")),
            "deal": id18(deal) if is_id(deal) else "",
        },
        carrier_text=text_of(row, ours(KEY)),
        shape=shape,
    )


def _ref(connection: str, entity: Entity, value: str) -> ExternalRef | None:
    return ExternalRef(connection, entity.value, id18(value)) if is_id(value) else None


def _totals(row: Row, settings: SalesforceSettings) -> Totals | None:
    net, tax, gross = (
        number_of(row, settings.ours(name)) for name in ("Net__c", "Tax__c", "Total__c")
    )
    if net is None or tax is None or gross is None:
        return None
    return Totals(
        currency=text_of(row, settings.ours("Erp_Currency__c")),
        net=net,
        tax=tax,
        gross=gross,
        rounding=number_of(row, settings.ours("Rounding__c")) or Decimal(0),
        open=number_of(row, settings.ours("Balance__c")),
    )


def _place(row: Row, settings: SalesforceSettings) -> tuple[Decimal, str]:
    place = number_of(row, settings.ours("Position__c"))
    return (Decimal(10**6) if place is None else place, str(row.get("Id") or ""))


def _line(row: Row, position: int, settings: SalesforceSettings) -> Line:
    ours = settings.ours
    kind = text_of(row, ours("Kind__c")) or LineKind.ITEM.value
    if kind not in {one.value for one in LineKind}:
        raise RowError(f"{kind!r} is no kind of line.")
    number = text_of(row, ours("Item_Number__c"))
    tax_rate = number_of(row, ours("Tax_Rate__c"))
    pairs = text_of(row, ours("Dimensions__c")).split(";")
    return Line(
        position=position,
        kind=LineKind(kind),
        item=ItemRef(number=number) if number else None,
        text=text_of(row, ours("Text__c")).replace("\r\n", "\n"),
        quantity=number_of(row, ours("Quantity__c")) or Decimal(0),
        unit=text_of(row, ours("Unit__c")),
        unit_price=number_of(row, ours("Unit_Price__c")) or Decimal(0),
        discount=(number_of(row, ours("Discount__c")) or Decimal(0)) / _HUNDRED,
        stated_net=number_of(row, ours("Amount__c")),
        tax_code=text_of(row, ours("Tax_Code__c")),
        tax_rate=None if tax_rate is None else tax_rate / _HUNDRED,
        dimensions=dict(pair.split("=", 1) for pair in pairs if "=" in pair),
    )
