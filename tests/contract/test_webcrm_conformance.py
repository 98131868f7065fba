"""Every request of the connector against the vendor's description: paths, queries, bodies."""

from __future__ import annotations

import asyncio
import re
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from support.described import Webcrm
from support.webcrm_rig import (
    CONTACTS,
    CUSTOMERS,
    DEALS,
    ITEMS,
    NAME,
    Rig,
    prepared,
    rig,
    standing_change,
)
from tieout.core.change import Action, Applied, Change, Wanted
from tieout.core.model import Customer, Deal, Entity, ExternalRef, Item
from tieout.ports import HttpRequest

pytestmark = pytest.mark.shared


@pytest.fixture(scope="module")
def description(shared_dir: Path) -> Webcrm:
    return Webcrm(shared_dir / "specs" / "webcrm")


async def everything(found: Rig) -> None:
    """All that the connector does, at least once."""
    organisation = found.organisation()
    found.item()
    delivery = found.deal(organisation=organisation)
    opportunity = found.deal("add_opportunity", organisation=organisation)
    connector = found.connector
    await connector.check()
    await connector.describe()
    for want in (CUSTOMERS, CONTACTS, ITEMS, DEALS):
        pages = await found.read(want)
        found.clock.advance(60)
        await found.read(want, pages[-1].cursor)
        _ = [keys async for keys in connector.keys(want.entity)]
    refs = [ExternalRef(NAME, "deal", f"deal:{n}") for n in (delivery, opportunity, 9, 8, 7)]
    await connector.get(refs, DEALS)
    await connector.trace(refs)
    values: dict[str, Any] = {"status": "booked", "number": "7", "books_id": "invoice:1"}
    changes = [
        standing_change("A", f"deal:{delivery}", **values),
        standing_change("B", f"deal:{opportunity}", **values),
        standing_change("C", f"organisation:{organisation}", open=Decimal("1.50")),
        Change(
            key="D",
            entity=Entity.CUSTOMER,
            action=Action.UPDATE,
            wanted=Wanted(record=Customer(number="C-1"), fields=frozenset({"number"})),
            target=ExternalRef(NAME, "customer", f"organisation:{organisation}"),
        ),
        Change(
            key="E",
            entity=Entity.DEAL,
            action=Action.UPDATE,
            wanted=Wanted(record=Deal(number="100"), fields=frozenset({"number"})),
            target=refs[0],
        ),
    ]
    item = Item(number="PUMP-1", name="Vattenpump", unit="st", price=Decimal("1249.50"))
    named = frozenset({"number", "name", "unit", "price", "active"})
    wanted = Wanted(record=item, fields=named)
    for row in found.rows("QuotationLineLinkedData")[:1]:
        ref = ExternalRef(NAME, "item", f"item:{row['QuotationLineLinkedDataItemId']}")
        changes.append(
            Change(key="F", entity=Entity.ITEM, action=Action.UPDATE, wanted=wanted, target=ref)
        )
    await send(found, changes)
    other = Wanted(record=Item(number="PUMP-2", name="Pump", price=Decimal(5)), fields=named)
    made = Change(key="G" * 16, entity=Entity.ITEM, action=Action.CREATE, wanted=other)
    await send(found, [made])


async def send(found: Rig, changes: list[Change]) -> None:
    for wire in found.connector.pack(await prepared(found, *changes)):
        for outcome in await found.connector.send(wire):
            assert isinstance(outcome, Applied), outcome


async def _all_requests(changes: str) -> Rig:
    found = rig(changes=changes, size=3, lines_every_s=0, page_rows=60, line={"key": "Data4"})
    found.act("set_columns", columns=["Varenummer", "Navn", "Enhed", "Tieout"])
    await everything(found)
    return found


@pytest.mark.parametrize("changes", ["queries", "lists"])
def test_every_request_is_one_that_the_vendor_knows(description: Webcrm, changes: str) -> None:
    found = asyncio.run(_all_requests(changes))
    problems = [p for request in found.transport.requests for p in description.problems(request)]
    assert problems == []
    assert {
        "/Auth",
        "/Auth/ApiLogin",
        "/FieldsMetadata/{entityTypes}",
        "/Deliveries",
        "/Deliveries/{id}",
        "/Deliveries/{id}/QuotationLines",
        "/Opportunities/{id}/QuotationLines",
        "/Organisations/{id}",
        "/QuotationLines",
        "/QuotationLines/LinkedData",
        "/QuotationLines/LinkedData/{id}",
        "/Users",
    } <= description.templates
    wanted = "/Queries" if changes == "queries" else "/Organisations/FindByUpdateDates"
    assert any(wanted in template for template in description.templates)


def test_nothing_is_ever_deleted() -> None:
    found = asyncio.run(_all_requests("queries"))
    assert {request.method for request in found.transport.requests} <= {
        "GET",
        "POST",
        "PUT",
        "PATCH",
    }
    posts = [r for r in found.transport.requests if r.method == "POST"]
    assert {urlsplit(r.url).path for r in posts} == {"/Auth/ApiLogin", "/QuotationLines/LinkedData"}


def test_scripts_ask_only_tables_and_fields_that_were_seen(description: Webcrm) -> None:
    found = asyncio.run(_all_requests("queries"))
    forms = {
        "Organisation": "OrganisationDto",
        "Person": "PersonDto",
        "Delivery": "DeliveryDto",
        "Opportunity": "OpportunityDto",
    }
    for script in found.scripts():
        table = script.split(" FROM ")[1].split(" ")[0]
        assert table in description.tables
        fields = set(description.models[forms[table]]["properties"])
        bare = re.sub(r"'(?:[^']|'')*'", "", script)
        assert set(re.findall(rf"\b{table}\w+", bare)) <= fields
        signs = set(re.findall(r"[<>=!]+", bare))
        assert signs <= {"=", ">="}


def test_a_call_that_nobody_describes_would_be_seen(description: Webcrm) -> None:
    """What holds for every test (`only_calls_that_vendors_describe`) can fail."""
    for method, url, told in (
        ("GET", "https://x/Invoices", "no such operation"),
        ("DELETE", "https://x/QuotationLines", "no such operation"),
        ("GET", "https://x/Organisations?Colour=1", "parameter Colour"),
    ):
        request = HttpRequest(method=method, url=url)
        (problem,) = description.problems(request)
        assert told in problem
