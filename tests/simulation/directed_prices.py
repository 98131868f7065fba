"""Directed histories of the price lists that the CRM shows of the books."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from directed_published import SHOWN, dict_of, products, quiet_run_writes_nothing
from scenes import Scene, history
from tieout.core.policy import PriceRule
from tieout.services import items
from world import BOOK, BRIDGE, CRM

PRICED: dict[str, Any] = {
    **SHOWN,
    "prices": (
        PriceRule(list="WHOLESALE", book="Wholesale", currencies=("SEK", "EUR")),
        PriceRule(list="EXPORT", book="Export"),
    ),
}


def listed(s: Scene, number: str) -> dict[tuple[str, str], Decimal]:
    """What a product costs in the CRM's price lists that sell it."""
    return {
        (one["list"], one["currency"]): one["amount"]
        for one in products(s)[number]["prices"] or ()
        if one["active"]
    }


def outcome(s: Scene, number: str) -> tuple[str, str]:
    """Reason and message of what became of an item."""
    return s.world.rows(
        "SELECT reason, message FROM outcome WHERE workspace = %(ws)s AND number = %(number)s"
        " AND lane LIKE '%%/items/%%'",
        number=number,
    )[0]


async def stated(s: Scene) -> dict[str, tuple[str, str]]:
    """What `tieout report items` says of each number, and where that stands."""
    store: Any = s.world.engine().store
    found = await items.items(store, BRIDGE, CRM, [BOOK])
    return {row.number: (row.state, row.where) for row in found.rows}


@history(options=PRICED)
async def p20_price_lists_follow_the_books(s: Scene) -> None:
    """Prices by list and currency come, change and end; what has none is said, never zero."""
    book = s.world.in_book
    book("set_price", number="CONS", list="WHOLESALE", currency="SEK", amount="900.00")
    book("set_price", number="CONS", list="WHOLESALE", currency="EUR", amount="85.50")
    book(
        "set_price",
        number="CONS",
        list="WHOLESALE",
        currency="SEK",
        amount="700.00",
        from_quantity=10,
    )
    book("set_price", number="LIC", list="EXPORT", currency="EUR", amount="450.00")
    await s.settle()
    wholesale = {("Wholesale", "SEK"): Decimal("900.00"), ("Wholesale", "EUR"): Decimal("85.50")}
    assert listed(s, "CONS") == wholesale
    assert listed(s, "LIC") == {("Export", "EUR"): Decimal("450.00")}
    assert listed(s, "SUP") == {}
    assert outcome(s, "CONS") == ("price_missing", "CONS has no price in EXPORT.")
    assert outcome(s, "LIC") == (
        "price_missing",
        "LIC has no price in WHOLESALE in SEK, WHOLESALE in EUR.",
    )
    await quiet_run_writes_nothing(s)
    s.world.crm.act("create_product", {"name": "By word of mouth", "price": Decimal(1)})
    s.world.in_book("create_item", number="HIDDEN", name="Hidden", price="1.00")
    s.world.in_book("edit_item", number="HIDDEN", active=False)
    await s.world.wait(70)
    await s.settle()
    found = await stated(s)
    assert found[""] == ("no_code", "crm")
    assert found["HIDDEN"] == ("only_in_books", "book")
    assert found["CONS"] == ("price_missing", "book")

    row = dict_of(s, "CONS")
    own = {"list": "A seller's own", "currency": "SEK", "amount": Decimal(5), "active": True}
    wrong = [{**one, "amount": Decimal(1)} for one in row["prices"]]
    s.world.crm.rows.edit(row, {"prices": [*wrong, own]})
    export = book("set_price", number="CONS", list="EXPORT", currency="EUR", amount="99.00")
    await s.world.wait(70)
    await s.settle()
    assert listed(s, "CONS") == {
        **wholesale,
        ("Export", "EUR"): Decimal("99.00"),
        ("A seller's own", "SEK"): Decimal(5),
    }
    assert outcome(s, "CONS") == ("agreed", "")

    book("delete_price", price=export["id"])
    await s.world.wait(70)
    await s.settle()
    assert ("Export", "EUR") not in listed(s, "CONS")
    assert [one["active"] for one in products(s)["CONS"]["prices"] if one["list"] == "Export"] == [
        False
    ]
    await quiet_run_writes_nothing(s)
    assert (await stated(s))["SUP"] == ("price_missing", "book")


@history(options=PRICED)
async def p21_a_price_begins_and_ends_by_its_day(s: Scene) -> None:
    """On its first day a price is shown without anybody having touched it, after its last not."""
    today = s.world.today()
    day = {"number": "CONS", "list": "EXPORT", "currency": "SEK"}
    s.world.in_book("set_price", **day, amount="500.00", valid_to=today.isoformat())
    tomorrow = (today + timedelta(days=1)).isoformat()
    s.world.in_book("set_price", **day, amount="400.00", valid_from=tomorrow, valid_to=tomorrow)
    await s.settle()
    assert listed(s, "CONS") == {("Export", "SEK"): Decimal("500.00")}
    await s.world.wait(86_400)
    await s.settle()
    assert listed(s, "CONS") == {("Export", "SEK"): Decimal("400.00")}
    await s.world.wait(86_400)
    await s.settle()
    assert listed(s, "CONS") == {}
    await quiet_run_writes_nothing(s)


@history(options=PRICED)
async def p22_an_item_is_deleted_while_it_is_quoted(s: Scene) -> None:
    """It goes out of use in the CRM, and the open deals that name it are told."""
    s.world.in_book("create_item", number="OLD", name="Old", price="10.00")
    s.world.in_book("set_price", number="OLD", list="EXPORT", currency="EUR", amount="1.00")
    await s.settle()
    deal = s.world.crm.act(
        "create_deal",
        {"title": "Open", "company": "company-1", "lines": [{"product": "OLD", "quantity": 1}]},
    )
    await s.settle()
    s.world.in_book("delete_item", number="OLD")
    await s.world.wait(200)
    await s.settle()
    assert products(s)["OLD"]["active"] is False
    assert outcome(s, "OLD") == (
        "item_gone_in_use",
        f"OLD was deleted in the books and stands in open deals: {deal['number']}.",
    )
    assert (await stated(s))["OLD"] == ("item_gone_in_use", "book")
    await quiet_run_writes_nothing(s)
