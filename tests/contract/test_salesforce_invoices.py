"""Invoices of the books in an org: made once, followed, found again, read back."""

from __future__ import annotations

from decimal import Decimal

import pytest

from support.inprocess_salesforce import Rig, cursor_of, records
from support.salesforce_published import (
    DOCUMENTS,
    GRAPH,
    awaited,
    document,
    fresh,
    invoice_change,
    key,
    line,
    live,
    look,
    one,
    read,
    said,
)
from support.salesforce_writing import prepared, write
from tieout.connectors.http.json import loads
from tieout.core.abilities import Guard, Reads
from tieout.core.change import (
    Action,
    AlreadyApplied,
    Applied,
    FateKind,
    Refused,
    Rejected,
    Unknown,
)
from tieout.core.decide_published import INVOICE_FIELDS
from tieout.core.keys import KeyKind
from tieout.core.model import (
    Document,
    Entity,
    ExternalRef,
)


@pytest.fixture
def org() -> Rig:
    return fresh()


@awaited
async def test_an_invoice_is_a_row_with_lines_and_reads_back_as_it_is(org: Rig) -> None:
    wanted = document(org)
    change = invoice_change(wanted)
    (made,) = await prepared(org, change)
    ref = await one(org, change)
    (row,) = live(org, "Tieout_Invoice__c")
    assert (row["External_Id__c"], row["Number__c"]) == (change.key, "1001")
    assert (row["Account__c"], row["Opportunity__c"]) == (org.made["account"], org.made["deal"])
    assert (row["Total__c"], row["Balance__c"]) == (Decimal("225.00"), Decimal("125.00"))
    assert row["Status__c"] == "partly_paid"
    lines = live(org, "Tieout_Invoice_Line__c")
    assert [one["External_Id__c"] for one in lines] == [f"{change.key}-1", f"{change.key}-2"]
    assert (lines[0]["Amount__c"], lines[0]["Discount__c"]) == (Decimal("180.00"), Decimal(10))
    (back,) = await read(org, DOCUMENTS)
    assert (back.ref, back.carrier_text) == (ref, change.key)
    assert made.shows is not None
    shown = said(back, INVOICE_FIELDS)
    assert shown == said(wanted, INVOICE_FIELDS) == said(made.shows, INVOICE_FIELDS)
    assert await org.connector.get([ref], DOCUMENTS) == (back,)


@awaited
async def test_lines_follow_and_surplus_ones_go(org: Rig) -> None:
    three = (line(), line("5.00"), line("7.00"))
    ref = await one(org, invoice_change(document(org, lines=three)))
    before = len(org.transport.to("graph"))
    await one(org, invoice_change(document(org, lines=three), ref=ref))
    assert len(org.transport.to("graph")) == before
    two = (line(), line("6.00", text="Nytt"))
    await one(org, invoice_change(document(org, lines=two), ref=ref))
    (back,) = await read(org, DOCUMENTS)
    assert [one.unit_price for one in back.lines] == [Decimal(100), Decimal(6)]
    four = (*two, line("8.00"), line("9.00"))
    await one(org, invoice_change(document(org, lines=four), ref=ref))
    (back,) = await read(org, DOCUMENTS)
    assert [one.unit_price for one in back.lines] == [100, 6, 8, 9]
    assert [one.text for one in back.lines][1] == "Nytt"


@awaited
async def test_a_payment_changes_the_head_alone(org: Rig) -> None:
    ref = await one(org, invoice_change(document(org)))
    paid = document(org, paid=Decimal("225.00"), extra={"status": "paid", "deal": org.made["deal"]})
    change = invoice_change(paid, ref=ref, fields=frozenset({"paid", "extra"}))
    (made,) = await prepared(org, change)
    (node,) = loads(made.body)["compositeRequest"]
    assert node["body"].keys() == {"Paid__c", "Status__c", "Last_Synced_At__c"}
    await one(org, change)
    (row,) = live(org, "Tieout_Invoice__c")
    assert (row["Paid__c"], row["Status__c"]) == (Decimal("225.00"), "paid")
    assert made.read is None


@awaited
async def test_what_does_not_fit_is_cut_and_shown_as_it_will_be(org: Rig) -> None:
    long = document(
        org,
        raw_status="x" * 100,
        lines=(line("0.123456", text=" y" * 200, discount=Decimal("0.33333")),),
    )
    (made,) = await prepared(org, invoice_change(long))
    await one(org, invoice_change(long))
    (back,) = await read(org, DOCUMENTS)
    assert made.shows is not None
    assert said(back, INVOICE_FIELDS) == said(made.shows, INVOICE_FIELDS)
    assert len(back.raw_status) == 80
    assert back.lines[0].unit_price == Decimal("0.1235")


@awaited
async def test_a_deal_that_was_deleted_is_left_out(org: Rig) -> None:
    org.act("delete_record", id=org.made["deal"])
    (made,) = await prepared(org, invoice_change(document(org)))
    ref = await one(org, invoice_change(document(org)))
    (back,) = await org.connector.get([ref], DOCUMENTS)
    assert isinstance(back, Document)
    assert isinstance(made.shows, Document)
    assert back.extra == made.shows.extra == {"status": "partly_paid", "deal": ""}


@awaited
async def test_an_account_that_was_deleted_refuses_its_invoice_alone(org: Rig) -> None:
    other = org.act("create_account", name="Borta AB")["id"]
    org.act("delete_record", id=other)
    lost = document(org, "1002", customer=ExternalRef("sf", "customer", other))
    outcomes = await write(org, invoice_change(document(org)), invoice_change(lost, 2))
    by_key = {one.key: one for one in outcomes}
    assert isinstance(by_key[key(1, KeyKind.INVOICE)], Applied)
    assert isinstance(by_key[key(2, KeyKind.INVOICE)], Rejected)
    assert [row["Number__c"] for row in live(org, "Tieout_Invoice__c")] == ["1001"]
    assert len(live(org, "Tieout_Invoice_Line__c")) == 2


@awaited
async def test_a_lost_answer_of_an_invoice_makes_no_second_and_no_line_twice(org: Rig) -> None:
    (made,) = await prepared(org, invoice_change(document(org)))
    (wire,) = org.connector.pack([made])
    org.fault("drop_after_commit", method="POST", path=GRAPH)
    assert isinstance((await org.connector.send(wire))[0], Unknown)
    assert isinstance((await org.connector.send(wire))[0], AlreadyApplied)
    sight = await look(org, made)
    (hit,) = sight.hits
    assert isinstance(hit.record, Document)
    assert len(hit.record.lines) == 2
    assert len(live(org, "Tieout_Invoice__c")) == 1
    assert len(live(org, "Tieout_Invoice_Line__c")) == 2


@awaited
async def test_a_line_that_a_person_deletes_brings_its_invoice(org: Rig) -> None:
    ref = await one(org, invoice_change(document(org)))
    org.clock.advance(1000)
    cursor = cursor_of(await org.read(DOCUMENTS))
    org.clock.advance(7200)
    org.act("delete_record", id=live(org, "Tieout_Invoice_Line__c")[0]["Id"])
    (moved,) = records(await org.read(DOCUMENTS, cursor))
    assert moved.ref == ref
    assert isinstance(moved, Document)
    assert len(moved.lines) == 1
    await one(org, invoice_change(document(org), ref=ref))
    (back,) = await read(org, DOCUMENTS)
    assert len(back.lines) == 2


@awaited
async def test_an_invoice_that_a_person_deletes_is_gone(org: Rig) -> None:
    ref = await one(org, invoice_change(document(org)))
    cursor = cursor_of(await org.read(DOCUMENTS))
    org.clock.advance(60)
    org.act("delete_record", id=ref.id)
    gone = [one.ref for page in await org.read(DOCUMENTS, cursor) for one in page.gone]
    assert gone == [ref]
    (fate,) = await org.connector.trace([ref])
    assert fate.kind is FateKind.DELETED


@awaited
async def test_two_hundred_invoices_are_few_calls_and_keys_are_listed(org: Rig) -> None:
    changes = [invoice_change(document(org, str(n)), n) for n in range(200)]
    outcomes = await write(org, *changes)
    assert all(isinstance(one, Applied) for one in outcomes)
    # Three rows each: 75 to a call by their number.
    assert len(org.transport.to("graph")) == 3
    keys = [ref async for page in org.connector.keys(Entity.DOCUMENT) for ref, _ in page]
    assert len(keys) == 200


@awaited
async def test_an_invoice_of_too_many_lines_is_told(org: Rig) -> None:
    long = document(org, lines=tuple(line() for _ in range(500)))
    (made,) = await org.connector.prepare([invoice_change(long)])
    assert isinstance(made, Refused)
    assert "501" in made.findings[0].message
    short = document(org, lines=tuple(line() for _ in range(499)))
    assert isinstance((await write(org, invoice_change(short)))[0], Applied)


def test_the_abilities_say_so(org: Rig) -> None:
    for entity in (Entity.ITEM, Entity.DOCUMENT):
        mine = org.connector.abilities.of(entity)
        assert mine.actions == {Action.CREATE, Action.UPDATE}
        assert (mine.guard, mine.reads) == (Guard.UPSERT, Reads.STAMP)
        assert mine.owned_whole
        assert mine.tombstones
