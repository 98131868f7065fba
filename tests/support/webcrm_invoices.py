"""Invoices of the books in webCRM: the fields of the generated system, changes, and the rows."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from support.salesforce_published import line
from support.webcrm_rig import NAME, Rig, prepared, records, rig
from tieout.core.change import Action, Applied, Change, Outcome, Wanted
from tieout.core.decide_published import INVOICE_FIELDS
from tieout.core.keys import KeyKind, Slot, operation_key
from tieout.core.model import Document, DocumentKind, Entity, ExternalRef, LineKind, Totals
from tieout.ports import Selection

DOCUMENTS = Selection(entity=Entity.DOCUMENT, shape="i1")
INVOICE: Mapping[str, str] = {
    "key": "ProductCustom1",
    "kind": "ProductCustom2",
    "number": "ProductCustom3",
    "status": "ProductCustom4",
    "issue_date": "ProductCustom5",
    "due_date": "ProductCustom6",
    "currency": "ProductCustom7",
    "net": "ProductCustom8",
    "tax": "ProductCustom9",
    "gross": "ProductCustom10",
    "open": "ProductCustom11",
    "amount": "ProductCustom12",
    "item": "ProductCustom13",
    "unit": "ProductCustom14",
    "tax_rate": "ProductCustom15",
    "paid": "ProductPlus1",
    "credited": "ProductPlus2",
    "rounding": "ProductPlus3",
    "last_payment_on": "ProductPlus4",
    "deal": "ProductPlus5",
    "vendor_status": "ProductPlus6",
    "line_kind": "ProductPlus7",
    "dimensions": "ProductPlus8",
    "synced_at": "ProductPlus9",
    "url": "ProductPlus10",
}
"""What the generated system calls its fields."""


def crm(**settings: Any) -> Rig:
    """A system in which invoices are shown, with an organisation."""
    found = rig(**{"invoice": INVOICE, **settings})
    found.made["owner"] = found.organisation()
    return found


def key(number: int = 1, generation: int = 0) -> str:
    slot = Slot(crm_org="nordljus", source_id=f"inv-{number}", company="b", kind=KeyKind.INVOICE)
    return operation_key(slot, generation)


def document(found: Rig, number: str = "1038", **more: Any) -> Document:
    values: dict[str, Any] = {
        "kind": DocumentKind.INVOICE,
        "number": number,
        "raw_status": "Bokförd",
        "booked": True,
        "customer": ExternalRef(NAME, "customer", f"organisation:{found.made['owner']}"),
        "issue_date": date(2026, 11, 25),
        "due_date": date(2026, 12, 25),
        "currency": "SEK",
        "totals": Totals(
            currency="SEK",
            net=Decimal("180.00"),
            tax=Decimal("45.00"),
            gross=Decimal("225.00"),
            open=Decimal("125.00"),
        ),
        "paid": Decimal("100.00"),
        "credited": Decimal("0.00"),
        "sale": True,
        "lines": (
            line(tax_code="MP1"),
            line(kind=LineKind.TEXT, item=None, text="Tack!", quantity=Decimal(0), stated_net=None),
        ),
        "last_payment_on": date(2026, 11, 26),
        "url": "https://books.example/1038",
        "extra": {"status": "partly_paid", "deal": "deal:88231"},
    }
    return Document(**{**values, **more})


def invoice_change(
    wanted: Document,
    number: int = 1,
    ref: ExternalRef | None = None,
    base: Document | None = None,
    fields: frozenset[str] = INVOICE_FIELDS,
) -> Change:
    return Change(
        key=key(number),
        entity=Entity.DOCUMENT,
        action=Action.UPDATE if ref else Action.CREATE,
        wanted=Wanted(record=wanted, fields=fields),
        target=ref,
        base=base,
    )


async def write(found: Rig, *changes: Change) -> list[Outcome]:
    outcomes: list[Outcome] = []
    for wire in found.connector.pack(await prepared(found, *changes)):
        outcomes.extend(await found.connector.send(wire))
    return outcomes


async def one(found: Rig, change: Change) -> ExternalRef:
    (outcome,) = await write(found, change)
    assert isinstance(outcome, Applied), outcome
    return outcome.ref


async def read(found: Rig) -> list[Document]:
    shown = records(await found.read(DOCUMENTS))
    return [one for one in shown.values() if isinstance(one, Document)]


def products(found: Rig) -> dict[str, dict[str, Any]]:
    """All rows by their key; a key that two have is an error here."""
    rows = found.rows("Products")
    by_key = {row["ProductCustom1"]: row for row in rows}
    assert len(by_key) == len(rows)
    return by_key


def sums(found: Rig) -> tuple[Decimal, Decimal]:
    """What heads say net, and what the rows of lines come to."""
    rows = found.rows("Products")
    heads = sum((Decimal(row["ProductCustom8"] or 0) for row in rows), Decimal(0))
    lines = sum((Decimal(row["ProductCustom12"] or 0) for row in rows), Decimal(0))
    return heads, lines
