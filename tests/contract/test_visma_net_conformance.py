"""Every request of the connector against the vendor's tables: paths, queries, headers, bodies."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from contract.connector_contract import (
    CUSTOMERS,
    DOCUMENTS,
    doubt,
    look,
    new_customer,
    new_document,
    pages,
    run,
    write,
)
from support.described import VismaNet
from support.visma_net_rig import VismaNetRig, number_of
from tieout.core.change import Action, Change, Wanted
from tieout.core.model import Entity
from tieout.ports import HttpRequest, Selection

pytestmark = pytest.mark.shared


@pytest.fixture(scope="module")
def tables(shared_dir: Path) -> VismaNet:
    return VismaNet(shared_dir / "specs" / "visma-net")


def test_a_wrong_body_would_be_seen(tables: VismaNet) -> None:
    body = (
        b'{"hold":true,"nmae":{"value":1},"documentDate":{"value":"2026-11-25T00:00:00Z"},'
        b'"invoiceLines":[{"operation":{"value":"Insert"},"quantity":{"value":null}}]}'
    )
    request = HttpRequest(
        method="POST", url="https://x/V2/CustomerInvoice?overlap=1", headers={"X-Me": ""}, body=body
    )
    text = "\n".join(tables.problems(request))
    for word in ("hold is wrapped", "no nmae", "no plain date", "operation is none of",
                 "quantity is null", "parameter overlap", "header x-me"):  # fmt: skip
        assert word in text


@pytest.mark.parametrize("carrier", ["external_reference", "customer_ref"])
def test_every_request_is_one_that_the_vendor_describes(tables: VismaNet, carrier: str) -> None:
    rig = VismaNetRig(carrier=carrier, background_above=3)

    async def story() -> None:
        await rig.connector.check()
        await rig.connector.company()
        customer = await new_customer(rig)
        await _update_customer(rig, customer)
        change, made, outcome = await new_document(rig, customer, "006A")
        record = change.wanted.record  # type: ignore[union-attr]
        update = replace(
            change,
            action=Action.UPDATE,
            wanted=Wanted(
                record=replace(record, po_number="PO-9"), fields=frozenset({"po_number"})
            ),
            target=outcome.ref,
            base=outcome.shows,
        )
        await write(rig, update)
        fewer = replace(record, lines=record.lines[1:])
        await write(rig, replace(update, wanted=Wanted(record=fewer, fields=frozenset({"lines"}))))
        await look(rig, doubt(rig, change, made, customer))
        rig.act("hold_document", document=number_of(outcome.ref), on=False)
        _, booked = await write(rig, replace(update, action=Action.CONVERT, wanted=None))
        credit = replace(change, key=change.key[:13] + "K00", action=Action.CREDIT, wanted=None)
        await write(rig, replace(credit, target=booked.ref))
        await rig.connector.trace([outcome.ref, booked.ref])
        other, _, second = await new_document(rig, customer, "006B")
        await write(rig, replace(other, action=Action.VOID, wanted=None, target=second.ref))
        for entity in (Entity.CUSTOMER, Entity.DOCUMENT, Entity.ITEM, Entity.CODE, Entity.BALANCE):
            found = await pages(rig, Selection(entity=entity))
            rig.clock.advance(600)
            await pages(rig, Selection(entity=entity), found[-1].cursor)
            async for _ in rig.connector.keys(entity):
                pass
        await rig.connector.get([customer] * 3, CUSTOMERS)
        await rig.connector.get([booked.ref, second.ref], DOCUMENTS)
        today = rig.clock.now().date()
        async for _ in rig.connector.ledger(today, today):
            pass
        await rig.connector.control(today)
        await rig.connector.subledger(today, today)

    run(story())
    requests = [r for r in rig.transport.requests if "/connect/token" not in r.url]
    assert len(requests) > 60
    problems = [problem for request in requests for problem in tables.problems(request)]
    assert sorted(set(problems)) == []


def test_what_is_read_of_orders_is_described(shared_dir: Path) -> None:
    path = shared_dir / "specs" / "visma-net" / "salesorder-v3-subset.json"
    operations = json.loads(path.read_text(encoding="utf-8"))["operations"]
    rig = VismaNetRig(orders=True)

    async def story() -> None:
        customer = await new_customer(rig)
        rig.order(customer)
        found = await pages(rig, DOCUMENTS)
        await pages(rig, DOCUMENTS, found[-1].cursor)

    run(story())
    asked = [r for r in rig.transport.requests if "/api/v3/" in r.url]
    assert len(asked) >= 3
    for request in asked:
        where = urlsplit(request.url)
        (operation,) = [
            op
            for op in operations
            if op["method"] == request.method
            and re.fullmatch(re.sub(r"\{[^}]+\}", "[^/]+", op["path"]), where.path)
        ]
        known = {parameter["name"] for parameter in operation.get("query") or ()}
        assert {name for name, _ in parse_qsl(where.query)} <= known, request.url


async def _update_customer(rig: VismaNetRig, customer: Any) -> None:
    change = Change(
        key="K" * 16,
        entity=Entity.CUSTOMER,
        action=Action.UPDATE,
        wanted=rig.customer(name="Nordhavn Brenneri AS"),
        target=customer,
    )
    await write(rig, change)
