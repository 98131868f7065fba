"""Changes of items and invoices, as the lanes decide them, and what an org shows of them."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine
from datetime import date
from decimal import Decimal
from typing import Any

from support.inprocess_salesforce import START, Rig, records, rig
from support.salesforce_writing import write
from tieout.core.change import (
    Action,
    Applied,
    Change,
    Doubt,
    Prepared,
    Sight,
    Wanted,
)
from tieout.core.compare import line_content
from tieout.core.decide_published import INVOICE_FIELDS, ITEM_FIELDS
from tieout.core.keys import KeyKind, Slot, operation_key
from tieout.core.model import (
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
from tieout.ports import Selection

GRAPH = "/services/data/v68.0/composite/graph"
ITEMS = Selection(entity=Entity.ITEM)
DOCUMENTS = Selection(entity=Entity.DOCUMENT)


def awaited(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """The test on a loop of its own."""

    @functools.wraps(test)
    def run(**given: Any) -> None:
        asyncio.run(test(**given))

    return run


def fresh() -> Rig:
    """An org with our package, an account with a deal, and no products."""
    found = rig()
    for name in ("PricebookEntry", "Product2"):
        table = found.simulator.org.tables[name]
        for row in list(table.live()):
            table.purge(str(row["Id"]))
    found.made["account"] = found.act("create_account", name="Ekfors Trä AB")["id"]
    found.made["deal"] = found.act(
        "create_opportunity", name="Lager 3", account=found.made["account"]
    )["id"]
    return found


def key(number: int, kind: KeyKind, generation: int = 0) -> str:
    slot = Slot(crm_org="00D", source_id=str(number), company="c1", kind=kind)
    return operation_key(slot, generation)


def item(number: int = 1, **more: Any) -> Item:
    values: dict[str, Any] = {
        "number": f"A-{number}",
        "name": f"Vara {number}",
        "unit": "st",
        "price": Decimal("310.50"),
        "active": True,
    }
    return Item(**{**values, **more})


def item_change(wanted: Item, number: int = 1, ref: ExternalRef | None = None) -> Change:
    return _change(key(number, KeyKind.ITEM), Entity.ITEM, wanted, ITEM_FIELDS, ref)


def _change(
    mark: str, entity: Entity, wanted: Record, fields: frozenset[str], ref: ExternalRef | None
) -> Change:
    return Change(
        key=mark,
        entity=entity,
        action=Action.UPDATE if ref else Action.CREATE,
        wanted=Wanted(record=wanted, fields=fields),
        target=ref,
    )


def line(amount: str = "100.00", **more: Any) -> Line:
    values: dict[str, Any] = {
        "item": ItemRef(number="CONS"),
        "text": "Konsulttid",
        "quantity": Decimal("2"),
        "unit": "h",
        "unit_price": Decimal(amount),
        "discount": Decimal("0.10"),
        "stated_net": Decimal("180.00"),
        "tax_rate": Decimal("0.25"),
        "dimensions": {"cost_centre": "10", "project": "P7"},
    }
    return Line(**{**values, **more})


def document(found: Rig, number: str = "1001", **more: Any) -> Document:
    values: dict[str, Any] = {
        "kind": DocumentKind.INVOICE,
        "number": number,
        "raw_status": "Bokförd",
        "booked": True,
        "customer": ExternalRef("sf", "customer", found.made["account"]),
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
        "lines": (line(), line(kind=LineKind.TEXT, item=None, text="Tack!", dimensions={})),
        "last_payment_on": date(2026, 11, 26),
        "url": "https://books.example/1001",
        "extra": {"status": "partly_paid", "deal": found.made["deal"]},
    }
    return Document(**{**values, **more})


def invoice_change(
    wanted: Document, number: int = 1, ref: ExternalRef | None = None, **more: Any
) -> Change:
    fields = more.get("fields", INVOICE_FIELDS)
    return _change(key(number, KeyKind.INVOICE), Entity.DOCUMENT, wanted, fields, ref)


def live(found: Rig, name: str) -> list[dict[str, Any]]:
    return [dict(row) for row in found.simulator.org.tables[name].live()]


async def one(found: Rig, change: Change) -> ExternalRef:
    (outcome,) = await write(found, change)
    assert isinstance(outcome, Applied), outcome
    return outcome.ref


async def read(found: Rig, want: Selection) -> list[Any]:
    return records(await found.read(want))


def said(record: Record, fields: frozenset[str]) -> dict[str, Any]:
    """What the decision compares."""
    values = {name: getattr(record, name) for name in sorted(fields)}
    if "lines" in values:
        values["lines"] = [line_content(one) for one in values["lines"]]
    if "extra" in values:
        values["extra"] = dict(values["extra"])
    return values


def doubt(made: Prepared) -> Doubt:
    return Doubt(
        key=made.key,
        key13=made.key[:13],
        entity=made.entity,
        action=made.action,
        target=made.target,
        bodies=(made.body,),
        witness=made.witness,
        customers=(),
        first_sent_at=START,
    )


async def look(found: Rig, made: Prepared) -> Sight:
    (sight,) = await found.connector.find_by_key([doubt(made)])
    return sight
