"""Items and invoices of the books in an org: made once, followed, found again, read back."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from support.inprocess_salesforce import START, Rig, cursor_of, records, rig
from support.salesforce_writing import prepared, write
from tieout.connectors.http.json import loads
from tieout.core.abilities import Guard, Reads
from tieout.core.change import (
    Action,
    AlreadyApplied,
    Applied,
    Change,
    Deferred,
    Doubt,
    FateKind,
    Outcome,
    Prepared,
    Refused,
    Rejected,
    Sight,
    Unknown,
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


@pytest.fixture
def org() -> Rig:
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


# --- items ----------------------------------------------------------------------------------------


@awaited
async def test_an_item_is_a_product_with_a_list_price_and_reads_back_as_it_is(org: Rig) -> None:
    wanted = item(cost=Decimal("99.1234"))
    change = item_change(wanted)
    (made,) = await prepared(org, change)
    ref = await one(org, change)
    (product,) = live(org, "Product2")
    assert (product["ProductCode"], product["Erp_Item_Number__c"]) == ("A-1", "A-1")
    assert (product["Name"], product["IsActive"], product["Erp_Id__c"]) == (
        "Vara 1",
        True,
        change.key,
    )
    assert product.get("Erp_Cost_Price__c") is None
    assert product["Erp_Synced_At__c"] == "2026-11-25T09:00:00.000+0000"
    (entry,) = live(org, "PricebookEntry")
    assert (entry["UnitPrice"], entry["IsActive"]) == (Decimal("310.50"), True)
    assert entry["Pricebook2Id"] == org.simulator.org.standard_book()
    (back,) = await read(org, ITEMS)
    assert back.ref == ref
    assert made.shows is not None
    assert said(back, ITEM_FIELDS) == said(wanted, ITEM_FIELDS) == said(made.shows, ITEM_FIELDS)
    # A line of a deal can name it at once.
    lines = [{"product": "A-1", "quantity": 1, "unit_price": "1"}]
    org.act("create_opportunity", name="X", account=org.made["account"], lines=lines)


@awaited
async def test_what_is_shown_already_is_not_sent_and_only_what_differs_is(org: Rig) -> None:
    ref = await one(org, item_change(item()))
    before = len(org.transport.to("graph"))
    assert await one(org, item_change(item(), ref=ref)) == ref
    assert len(org.transport.to("graph")) == before
    (made,) = await prepared(org, item_change(item(price=Decimal("333")), ref=ref))
    nodes = loads(made.body)["compositeRequest"]
    assert [node["method"] for node in nodes] == ["PATCH", "PATCH"]
    assert set(nodes[0]["body"]) == {"Erp_Synced_At__c"}
    assert nodes[1]["body"] == {"UnitPrice": Decimal("333.00")}
    await one(org, item_change(item(number=2, price=Decimal("333"), active=False), ref=ref))
    (product,) = live(org, "Product2")
    assert (product["ProductCode"], product["IsActive"]) == ("A-2", False)
    (entry,) = live(org, "PricebookEntry")
    assert entry["UnitPrice"] == Decimal("333.00")


@awaited
async def test_the_cost_is_written_only_when_it_is_wanted(org: Rig) -> None:
    change = item_change(item(cost=Decimal("99.1234")))
    assert change.wanted is not None
    wanted = replace(change.wanted, fields=ITEM_FIELDS | {"cost"})
    await one(org, replace(change, wanted=wanted))
    (product,) = live(org, "Product2")
    assert product["Erp_Cost_Price__c"] == Decimal("99.1234")
    (back,) = await read(org, ITEMS)
    assert back.cost == Decimal("99.1234")


@awaited
async def test_a_price_that_is_taken_away_is_out_of_use_and_comes_back(org: Rig) -> None:
    ref = await one(org, item_change(item()))
    await one(org, item_change(item(price=None), ref=ref))
    (back,) = await read(org, ITEMS)
    assert back.price is None
    await one(org, item_change(item(price=Decimal("5")), ref=ref))
    (back,) = await read(org, ITEMS)
    assert back.price == Decimal(5)
    assert len(live(org, "PricebookEntry")) == 1


@awaited
async def test_a_product_that_was_there_gets_key_and_price_with_its_first_change(org: Rig) -> None:
    made = org.act("create_product", name="Gammal", code="A-1", price=1)["id"]
    bare = org.simulator.org
    (entry,) = live(org, "PricebookEntry")
    bare.tables["PricebookEntry"].purge(entry["Id"])
    ref = ExternalRef("sf", "item", made)
    await one(org, item_change(item(), ref=ref))
    (product,) = live(org, "Product2")
    assert product["Erp_Id__c"] == key(1, KeyKind.ITEM)
    assert [row["UnitPrice"] for row in live(org, "PricebookEntry")] == [Decimal("310.50")]


@awaited
async def test_prices_in_other_currencies_and_books_are_left_alone(org: Rig) -> None:
    made = org.act("create_product", name="Gammal", code="A-1", price=7, currency="EUR")["id"]
    (back,) = await read(org, ITEMS)
    assert back.price is None
    await one(org, item_change(item(), ref=ExternalRef("sf", "item", made)))
    found = {row["CurrencyIsoCode"]: row["UnitPrice"] for row in live(org, "PricebookEntry")}
    assert found == {"EUR": Decimal(7), "SEK": Decimal("310.50")}
    (back,) = await read(org, ITEMS)
    assert back.price == Decimal("310.50")
    euro = rig(item={"price_currency": "EUR"})
    await one(euro, item_change(item()))
    (entry,) = [row for row in live(euro, "PricebookEntry") if row.get("ProductCode") == "A-1"]
    assert entry["CurrencyIsoCode"] == "EUR"


@awaited
async def test_an_org_with_one_currency_has_one_price(org: Rig) -> None:
    for name in ("Account", "Product2", "PricebookEntry"):
        org.act("hide_field", object=name, field="CurrencyIsoCode")
    ref = await one(org, item_change(item()))
    await one(org, item_change(item(price=Decimal("8.00")), ref=ref))
    assert [row["UnitPrice"] for row in live(org, "PricebookEntry")] == [Decimal("8.00")]
    (back,) = await read(org, ITEMS)
    assert back.price == Decimal("8.00")
    assert not [one for one in org.transport.statements() if "CurrencyType" in one]


@awaited
async def test_without_a_price_book_an_item_is_told(org: Rig) -> None:
    table = org.simulator.org.tables["Pricebook2"]
    for row in list(table.live()):
        table.purge(str(row["Id"]))
    (made,) = await org.connector.prepare([item_change(item())])
    assert isinstance(made, Refused)
    assert (made.findings[0].code, made.findings[0].place) == ("object_missing", "Pricebook2")


@awaited
async def test_a_price_that_a_person_changes_brings_its_product(org: Rig) -> None:
    await one(org, item_change(item()))
    org.clock.advance(1000)
    cursor = cursor_of(await org.read(ITEMS))
    org.clock.advance(7200)
    cursor = cursor_of(await org.read(ITEMS, cursor))
    assert records(await org.read(ITEMS, cursor)) == []
    org.act("change_price", product="A-1", price="1.00")
    (moved,) = records(await org.read(ITEMS, cursor))
    assert isinstance(moved, Item)
    assert moved.price == Decimal("1.00")


@awaited
async def test_a_product_that_a_person_deletes_is_gone(org: Rig) -> None:
    ref = await one(org, item_change(item()))
    cursor = cursor_of(await org.read(ITEMS))
    org.clock.advance(60)
    org.act("delete_record", id=ref.id)
    gone = [one.ref for page in await org.read(ITEMS, cursor) for one in page.gone]
    assert gone == [ref]
    (fate,) = await org.connector.trace([ref])
    assert fate.kind is FateKind.DELETED
    (made,) = await org.connector.prepare([item_change(item(name="X"), ref=ref)])
    assert isinstance(made, Refused)
    assert made.stale


@awaited
async def test_many_items_are_few_calls_and_each_fails_alone(org: Rig) -> None:
    org.act("create_product", name="B", fields={"Erp_Item_Number__c": "A-7"})
    before = org.calls()
    changes = [item_change(item(n), n) for n in range(160)]
    outcomes = await write(org, *changes)
    # Describes and the standard book apart: 75 to a call.
    assert len(org.transport.to("graph")) == 3
    assert org.calls() - before < 12
    refused = [one for one in outcomes if not isinstance(one, Applied)]
    assert [one.key for one in refused] == [key(7, KeyKind.ITEM)]
    assert isinstance(refused[0], Rejected)
    assert refused[0].findings[0].code == "value_taken"
    assert len(live(org, "Product2")) == 160
    # One of them is the other product's.
    assert len(live(org, "PricebookEntry")) == 160
    assert {one.key for one in outcomes} == {change.key for change in changes}


@awaited
async def test_what_was_not_tried_behind_fourteen_refusals_goes_later(org: Rig) -> None:
    for n in range(14):
        org.act("create_product", name="B", fields={"Erp_Item_Number__c": f"A-{n}"})
    outcomes = await write(org, *(item_change(item(n), n) for n in range(20)))
    kinds = [type(one) for one in outcomes]
    assert kinds.count(Rejected) + kinds.count(Applied) + kinds.count(Deferred) == 20
    assert kinds.count(Rejected) == 14
    later = [one.key for one in outcomes if isinstance(one, Deferred)]
    again = [item_change(item(n), n) for n in range(20) if key(n, KeyKind.ITEM) in later]
    assert all(isinstance(one, Applied) for one in await write(org, *again))
    assert len(live(org, "PricebookEntry")) == 14 + 6


@pytest.mark.parametrize("code", ["DUPLICATE_VALUE", "FIELD_INTEGRITY_EXCEPTION"])
@pytest.mark.parametrize("kind", ["drop_after_commit", "truncated", "garbage"])
@awaited
async def test_a_lost_answer_is_found_by_its_key_and_a_repeat_makes_no_second(
    org: Rig, kind: str, code: str
) -> None:
    org.act("set_switch", name="second_price_code", value=code)
    (made,) = await prepared(org, item_change(item()))
    (wire,) = org.connector.pack([made])
    org.fault(kind, method="POST", path=GRAPH)
    (outcome,) = await org.connector.send(wire)
    assert isinstance(outcome, Unknown)
    sight = await look(org, made)
    assert [(hit.key, hit.record.number) for hit in sight.hits] == [  # type: ignore[union-attr]
        (made.key, "A-1")
    ]
    (again,) = await org.connector.send(wire)
    assert isinstance(again, AlreadyApplied)
    assert len(live(org, "Product2")) == len(live(org, "PricebookEntry")) == 1


@awaited
async def test_a_request_that_never_came_is_absent_and_a_deleted_one_is_told(org: Rig) -> None:
    (made,) = await prepared(org, item_change(item()))
    (wire,) = org.connector.pack([made])
    org.fault("drop_before", method="POST", path=GRAPH)
    (outcome,) = await org.connector.send(wire)
    assert isinstance(outcome, Unknown)
    sight = await look(org, made)
    assert (sight.hits, sight.deleted, sight.complete) == ((), (), True)
    (outcome,) = await org.connector.send(wire)
    assert isinstance(outcome, Applied)
    org.act("delete_record", id=outcome.ref.id)
    sight = await look(org, made)
    assert sight.hits == ()
    assert [hit.key for hit in sight.deleted] == [made.key]


@awaited
async def test_an_answer_that_is_cut_leaves_the_rest_open(org: Rig) -> None:
    made = await prepared(org, *(item_change(item(n), n) for n in range(3)))
    (wire,) = org.connector.pack(made)
    org.fault("batch_cut", method="POST", path=GRAPH, items=1)
    outcomes: list[Outcome] = list(await org.connector.send(wire))
    kinds = [type(one) for one in outcomes]
    assert kinds.count(Unknown) >= 1
    assert len(kinds) == 3


@awaited
async def test_without_the_package_nothing_is_written() -> None:
    bare = rig(package=False)
    account = bare.act("create_account", name="A")["id"]
    bare.made |= {"account": account, "deal": ""}
    made = await bare.connector.prepare([item_change(item()), invoice_change(document(bare))])
    codes = [one.findings[0].code for one in made if isinstance(one, Refused)]
    assert codes == ["field_missing", "object_missing"]
    assert await read(bare, DOCUMENTS) == []
    (finding,) = await bare.connector.unknown_fields(DOCUMENTS)
    assert (finding.code, finding.place) == ("object_missing", "Tieout_Invoice__c")
    assert await rig().connector.unknown_fields(DOCUMENTS) == []


# --- invoices -------------------------------------------------------------------------------------


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
