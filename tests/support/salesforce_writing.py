"""Shortcuts for tests that write to a simulated Salesforce org."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from support.inprocess_salesforce import START, Rig
from tieout.core.change import (
    Action,
    Change,
    Doubt,
    Outcome,
    Prepared,
    Wanted,
)
from tieout.core.model import Customer, Entity, ExternalRef

COLLECTION = "/services/data/v68.0/composite/sobjects"


def furnish(found: Rig, deals: int = 1) -> Rig:
    found.made["account"] = found.act("create_account", name="Ekfors Trä AB")["id"]
    found.made["deals"] = [
        found.act("create_opportunity", name=f"Lager {n}", account=found.made["account"])["id"]
        for n in range(deals)
    ]
    return found


async def prepared(found: Rig, *changes: Change) -> list[Prepared]:
    made = await found.connector.prepare(changes)
    assert all(isinstance(item, Prepared) for item in made), made
    return [item for item in made if isinstance(item, Prepared)]


async def write(found: Rig, *changes: Change) -> list[Outcome]:
    outcomes: list[Outcome] = []
    for wire in found.connector.pack(await prepared(found, *changes)):
        outcomes.extend(await found.connector.send(wire))
    return outcomes


def shown(**more: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "status": "booked",
        "books_id": "visma-se:invoice:1001",
        "number": "1001",
        "issue_date": date(2026, 11, 25),
        "due_date": date(2026, 12, 25),
        "paid": Decimal("0.00"),
        "open": Decimal("23437.50"),
        "overdue": False,
    }
    return {**values, **more}


def doubt(item: Prepared, target: ExternalRef | None = None) -> Doubt:
    return Doubt(
        key=item.key,
        key13=item.key,
        entity=item.entity,
        action=item.action,
        target=target or item.target,
        bodies=(item.body,),
        witness=item.witness,
        customers=(),
        first_sent_at=START,
    )


def customer_change(key: str, record_id: str, record: Customer, *fields: str) -> Change:
    return Change(
        key=key,
        entity=Entity.CUSTOMER,
        action=Action.UPDATE,
        wanted=Wanted(record=record, fields=frozenset(fields)),
        target=ExternalRef("sf", "customer", record_id),
    )
