"""Items of the books in an org: made once, followed, found again, read back."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from random import Random

import pytest

from support.inprocess_salesforce import Rig, cursor_of, records, rig
from support.salesforce_published import (
    DOCUMENTS,
    GRAPH,
    ITEMS,
    awaited,
    document,
    fresh,
    invoice_change,
    item,
    item_change,
    key,
    live,
    look,
    one,
    read,
    said,
)
from support.salesforce_writing import prepared, write
from tieout.connectors.http.json import loads
from tieout.core.change import (
    AlreadyApplied,
    Applied,
    Deferred,
    FateKind,
    Outcome,
    Refused,
    Rejected,
    Unknown,
)
from tieout.core.decide_published import ITEM_FIELDS
from tieout.core.keys import KeyKind
from tieout.core.model import (
    ExternalRef,
    Item,
    Record,
)


@pytest.fixture
def org() -> Rig:
    return fresh()


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


@pytest.mark.parametrize("seed", range(4))
@awaited
async def test_items_read_in_parts_equal_a_whole_read(org: Rig, seed: int) -> None:
    random = Random(seed)
    kept: dict[str, Record] = {}
    refs: dict[int, ExternalRef] = {}
    cursor: bytes | None = None
    for step in range(40):
        number = random.randrange(6)
        price = Decimal(random.randrange(1, 9999)) / 100
        doing = random.choice(["write", "write", "price", "delete", "read"])
        if doing == "write":
            change = item_change(item(number, price=price), number, refs.get(number))
            refs[number] = await one(org, change)
        elif doing == "price" and number in refs:
            org.act("change_price", product=refs[number].id, price=str(price), currency="SEK")
        elif doing == "delete" and number in refs and step % 3 == 0:
            org.act("delete_record", id=refs.pop(number).id)
        org.clock.advance(random.choice([0, 1, 60, 2000]))
        if doing == "read" or step == 39:
            for page in await org.read(ITEMS, cursor):
                for gone in page.gone:
                    kept.pop(gone.ref.id, None)
                kept |= {record.ref.id: record for record in page.records if record.ref}
                cursor = page.cursor or cursor
    whole = {record.ref.id: record for record in await read(org, ITEMS)}
    assert kept == whole
    assert set(whole) == {ref.id for ref in refs.values()}


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


@pytest.mark.parametrize("ours", [True, False])
@awaited
async def test_two_requests_at_once_with_one_key_are_one_and_another_value_is_refused(
    org: Rig, ours: bool
) -> None:
    (made,) = await prepared(org, item_change(item()))
    (wire,) = org.connector.pack([made])
    field = "Erp_Id__c" if ours else "StockKeepingUnit"
    text = f"duplicate value found: {field} duplicates value on record with id: 01txx0000001"
    refused = [{"errorCode": "DUPLICATE_VALUE", "message": text, "fields": []}]
    answer = {
        "graphId": f"c{made.key}",
        "isSuccessful": False,
        "graphResponse": {
            "compositeResponse": [
                {"referenceId": "head", "httpStatusCode": 400, "body": refused},
            ]
        },
    }
    org.fault("status", method="POST", path=GRAPH, status=200, body={"graphs": [answer]})
    (outcome,) = await org.connector.send(wire)
    assert isinstance(outcome, AlreadyApplied if ours else Rejected)


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
