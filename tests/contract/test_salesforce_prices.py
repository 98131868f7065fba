"""Price lists of the books in price books of an org, one entry for each currency."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from support.inprocess_salesforce import Rig
from support.salesforce_published import awaited, fresh, item, item_change, live, one, read
from support.salesforce_writing import prepared, write
from tieout.connectors.http.json import loads
from tieout.core.change import Applied, Change, Refused
from tieout.core.decide_published import ITEM_FIELDS
from tieout.core.model import Entity, ExternalRef, ListedPrice
from tieout.core.pricing import with_list_price
from tieout.ports import Selection

BOOKS = frozenset({"Wholesale", "standard"})
WANT = Selection(entity=Entity.ITEM, kinds=BOOKS)
Wished = tuple[str, str, str | None]


@pytest.fixture
def org() -> Rig:
    found = fresh()
    found.act("create_price_book", name="Wholesale")
    return found


def priced(*prices: Wished, ref: ExternalRef | None = None, **more: Any) -> Change:
    """An item with these prices: list, currency, amount."""
    wanted = item(
        prices=tuple(
            ListedPrice(list=name, currency=currency, amount=Decimal(amount) if amount else None)
            for name, currency, amount in prices
        ),
        **more,
    )
    change = item_change(wanted, ref=ref)
    assert change.wanted is not None
    return replace(change, wanted=replace(change.wanted, fields=ITEM_FIELDS | {"prices", "extra"}))


def entries(org: Rig) -> list[tuple[str, str, Decimal, bool]]:
    books = {row["Id"]: row["Name"] for row in live(org, "Pricebook2")}
    return sorted(
        (books[row["Pricebook2Id"]], row["CurrencyIsoCode"], row["UnitPrice"], row["IsActive"])
        for row in live(org, "PricebookEntry")
    )


def shown(back: Sequence[Any]) -> dict[tuple[str, str], Decimal]:
    (only,) = back
    return {(price.list, price.currency): price.amount for price in only.prices}


@awaited
async def test_a_list_becomes_entries_behind_the_standard_price(org: Rig) -> None:
    change = priced(
        ("Wholesale", "EUR", "25.50"),
        ("Wholesale", "SEK", "280.00"),
        ("standard", "EUR", "29.00"),
    )
    (made,) = await prepared(org, change)
    await one(org, change)
    assert entries(org) == [
        ("Standard Price Book", "EUR", Decimal("29.00"), True),
        ("Standard Price Book", "SEK", Decimal("310.50"), True),
        ("Wholesale", "EUR", Decimal("25.50"), True),
        ("Wholesale", "SEK", Decimal("280.00"), True),
    ]
    found = await read(org, WANT)
    assert shown(found) == {
        ("Wholesale", "EUR"): Decimal("25.50"),
        ("Wholesale", "SEK"): Decimal("280.00"),
        ("standard", "EUR"): Decimal("29.00"),
        # What the list price is, is shown too; the engine leaves it to `price`.
        ("standard", "SEK"): Decimal("310.50"),
    }
    assert found[0].price == Decimal("310.50")
    assert made.shows is not None
    assert {(p.list, p.currency): p.amount for p in made.shows.prices} == shown(found)


@awaited
async def test_what_is_shown_is_not_sent_and_an_entry_goes_out_of_use(org: Rig) -> None:
    ref = await one(org, priced(("Wholesale", "SEK", "280.00")))
    before = len(org.transport.to("graph"))
    await one(org, priced(("Wholesale", "SEK", "280.00"), ref=ref))
    assert len(org.transport.to("graph")) == before
    (made,) = await prepared(org, priced(("Wholesale", "SEK", "270.00"), ref=ref))
    nodes = loads(made.body)["compositeRequest"]
    assert [node["method"] for node in nodes] == ["PATCH", "PATCH"]
    assert nodes[1]["body"] == {"UnitPrice": Decimal("270.00")}
    await one(org, priced(("Wholesale", "SEK", None), ref=ref))
    assert ("Wholesale", "SEK", Decimal("280.00"), False) in entries(org)
    assert ("Wholesale", "SEK") not in shown(await read(org, WANT))
    await one(org, priced(("Wholesale", "SEK", "5.00"), ref=ref))
    assert ("Wholesale", "SEK", Decimal("5.00"), True) in entries(org)
    assert len(entries(org)) == 2


@awaited
async def test_no_standard_price_is_made_up(org: Rig) -> None:
    (refused,) = await org.connector.prepare([priced(("Wholesale", "EUR", "25.50"))])
    assert isinstance(refused, Refused)
    assert [finding.code for finding in refused.findings] == ["no_standard_price"]
    assert "EUR" in refused.findings[0].message
    assert live(org, "Product2") == []


@awaited
async def test_a_price_book_that_is_not_there_is_named(org: Rig) -> None:
    (refused,) = await org.connector.prepare([priced(("Retail", "SEK", "25.50"))])
    assert isinstance(refused, Refused)
    assert [finding.code for finding in refused.findings] == ["price_book_missing"]
    org.act("create_price_book", name="Retail")
    (done,) = await write(org, priced(("Retail", "SEK", "25.50")))
    assert isinstance(done, Applied)


@awaited
async def test_a_price_book_is_known_by_its_id_too(org: Rig) -> None:
    (book,) = [row["Id"] for row in live(org, "Pricebook2") if row["Name"] == "Wholesale"]
    await one(org, priced((book, "SEK", "280.00")))
    found = await read(org, Selection(entity=Entity.ITEM, kinds=frozenset({book})))
    assert shown(found) == {(book, "SEK"): Decimal("280.00")}
    assert shown(await read(org, Selection(entity=Entity.ITEM))) == {}


@awaited
async def test_a_price_that_follows_the_standard_price_gets_its_own(org: Rig) -> None:
    ref = await one(org, priced(("Wholesale", "SEK", "280.00")))
    (entry,) = [row for row in live(org, "PricebookEntry") if row["UnitPrice"] == Decimal("280.00")]
    org.act("edit_record", id=entry["Id"], fields={"UseStandardPrice": True})
    assert shown(await read(org, WANT))["Wholesale", "SEK"] == Decimal("310.50")
    await one(org, priced(("Wholesale", "SEK", "280.00"), ref=ref))
    assert shown(await read(org, WANT))["Wholesale", "SEK"] == Decimal("280.00")


@awaited
async def test_a_price_that_a_seller_writes_over_is_read_as_news(org: Rig) -> None:
    await one(org, priced(("Wholesale", "SEK", "280.00")))
    first = await org.read(WANT)
    org.clock.advance(3600)
    (book,) = [row["Id"] for row in live(org, "Pricebook2") if row["Name"] == "Wholesale"]
    org.act("change_price", product="A-1", price="1.00", book=book)
    cursor = next(page.cursor for page in reversed(first) if page.cursor)
    again = [record for page in await org.read(WANT, cursor) for record in page.records]
    assert shown(again)["Wholesale", "SEK"] == Decimal("1.00")


@awaited
async def test_fields_that_the_configuration_names_are_written(org: Rig) -> None:
    ref = await one(org, priced(extra={"Family": "Hardware", "erp_cost_price__c": Decimal("12.5")}))
    (product,) = live(org, "Product2")
    assert (product["Family"], product["Erp_Cost_Price__c"]) == ("Hardware", Decimal("12.5"))
    want = Selection(entity=Entity.ITEM, extra=("Family", "erp_cost_price__c"))
    (back,) = await read(org, want)
    assert back.extra == {"Family": "Hardware", "erp_cost_price__c": Decimal("12.5")}
    await one(org, priced(extra={"Family": None}, ref=ref))
    assert live(org, "Product2")[0]["Family"] is None
    (refused,) = await org.connector.prepare([priced(extra={"Famly": "X"}, ref=ref)])
    assert isinstance(refused, Refused)
    assert "Famly" in refused.findings[0].message


@awaited
async def test_the_list_price_stands_in_the_currency_of_the_books(org: Rig) -> None:
    ref = await one(org, item_change(item(currency="EUR")))
    assert entries(org) == [("Standard Price Book", "EUR", Decimal("310.50"), True)]
    await one(org, item_change(item(currency="EUR", price=Decimal(3)), ref=ref))
    assert entries(org) == [("Standard Price Book", "EUR", Decimal(3), True)]
    (back,) = await read(org, WANT)
    assert with_list_price(back, "EUR").price == Decimal(3)
    assert with_list_price(back, "SEK").price is None
