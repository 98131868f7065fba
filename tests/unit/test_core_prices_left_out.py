"""Every price of the books is shown in the CRM or told with its reason; none is silent."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tieout.core.model import ExternalRef, Item, ItemRef, Price
from tieout.core.policy import STANDARD_LIST, PriceRule
from tieout.core.prices_left_out import left_out
from tieout.core.pricing import LeftOut, shown_prices
from tieout.services.items import NOT_SHOWN, ItemRow, not_shown, report

DAY = date(2026, 11, 25)
ITEM = Item(ref=ExternalRef("books", "item", "i"), number="CONS", unit="h", price=Decimal(5))
RULES = (
    PriceRule(list="A", book="Partners", currencies=("SEK",)),
    PriceRule(list="", book=STANDARD_LIST),
)


def price(name: str, amount: str = "1.00", **more: Any) -> Price:
    values: dict[str, Any] = {"list": "A", "currency": "SEK", "unit": "h", **more}
    return Price(
        ref=ExternalRef("books", "price", name),
        item=ItemRef(number="CONS"),
        amount=Decimal(amount),
        **values,
    )


REASONS: list[tuple[dict[str, Any], LeftOut]] = [
    ({"from_quantity": Decimal(10)}, LeftOut.QUANTITY),
    ({"customer": "10001", "list": ""}, LeftOut.CUSTOMER),
    ({"customer": "10001", "from_quantity": Decimal(10)}, LeftOut.CUSTOMER),
    ({"valid_from": date(2026, 11, 26)}, LeftOut.LATER),
    ({"valid_to": date(2026, 11, 24)}, LeftOut.OVER),
    ({"includes_tax": True}, LeftOut.TAX),
    ({"unit": "day"}, LeftOut.UNIT),
    ({"active": False}, LeftOut.PART),
    ({"list": "B"}, LeftOut.LIST),
    ({"currency": "EUR"}, LeftOut.LIST),
]


@pytest.mark.parametrize(("values", "why"), REASONS)
def test_what_is_not_shown_says_why(values: dict[str, Any], why: LeftOut) -> None:
    usual, other = price("1", "100.00"), price("2", "70.00", **values)
    assert left_out(ITEM, [usual, other], RULES, DAY) == [(other, why)]
    shown = shown_prices(ITEM, [usual, other], RULES, DAY, "SEK")
    assert Decimal("70.00") not in {one.amount for one in shown.prices} | {shown.price}
    # Alone it is not taken for the price of the list either.
    alone = shown_prices(ITEM, [other], RULES, DAY, "SEK")
    assert {one.amount for one in alone.prices} <= {None}
    assert alone.price == ITEM.price


def test_days_and_limits_are_part_of_the_time() -> None:
    first = price("1", "2.00", valid_from=DAY, valid_to=DAY)
    assert left_out(ITEM, [first, price("2")], RULES, DAY) == [(price("2"), LeftOut.BEHIND)]
    assert left_out(ITEM, [price("1", from_quantity=Decimal(1))], RULES, DAY) == []


def test_a_price_without_its_item_is_told() -> None:
    assert left_out(None, [price("1")], RULES, DAY) == [(price("1"), LeftOut.NO_ITEM)]


@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "list": st.sampled_from(["A", "", "B"]),
                "currency": st.sampled_from(["SEK", "EUR"]),
                "unit": st.sampled_from(["h", "", "day"]),
                "from_quantity": st.sampled_from([Decimal(0), Decimal(1), Decimal(10)]),
                "valid_from": st.sampled_from([None, DAY, date(2026, 12, 1)]),
                "valid_to": st.sampled_from([None, DAY, date(2026, 11, 1)]),
                "customer": st.sampled_from(["", "", "10001"]),
                "promotion": st.booleans(),
            }
        ),
        max_size=6,
    )
)
def test_each_price_is_shown_or_told(rows: list[dict[str, Any]]) -> None:
    prices = [price(str(n), f"{n + 10}.00", **row) for n, row in enumerate(rows)]
    told = {one.amount for one, _ in left_out(ITEM, prices, RULES, DAY)}
    found = shown_prices(ITEM, prices, RULES, DAY, "SEK")
    shown = {one.amount for one in found.prices if one.amount is not None}
    shown |= {found.price} - {ITEM.price}
    assert told | shown == {one.amount for one in prices}
    assert not told & shown


def test_the_report_says_it_in_words() -> None:
    one = price("1", "700.00", from_quantity=Decimal("10.00"))
    assert not_shown(one, LeftOut.QUANTITY) == (
        "700.00 SEK in A is not shown: price from quantity 10"
    )
    own = price("2", "9.50", list="", customer="10001")
    assert not_shown(own, LeftOut.CUSTOMER) == ("9.50 SEK is not shown: customer 10001's own price")
    assert not_shown(price("3", list="", valid_to=DAY), LeftOut.OVER).endswith(
        "in base is not shown: price until 2026-11-25"
    )
    row = ItemRow(state=NOT_SHOWN, where="books", number="CONS", name="", id="1", message="x")
    assert report([], [], (), [row]).counts() == {NOT_SHOWN: 1}


@pytest.mark.parametrize("why", list(LeftOut))
def test_every_reason_has_words(why: LeftOut) -> None:
    assert " is not shown: " in not_shown(price("1"), why)
