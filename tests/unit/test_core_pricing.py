"""Which of the books' prices an item shows in the CRM, and what is said of the rest."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from tieout.core.case import PublishedCase, SlotState, Verdict
from tieout.core.compose_item import item_fields, own_fields, told_of_item
from tieout.core.decide_published import decide_published
from tieout.core.finding import Finding
from tieout.core.keys import KeyKind, Slot
from tieout.core.mapping.errors import UnmappedValueError
from tieout.core.model import Entity, ExternalRef, Item, ItemRef, ListedPrice, Price
from tieout.core.policy import FieldRule, ItemPolicy, PriceRule
from tieout.core.pricing import Shown, amounts, price_on, shown_prices

TODAY = date(2026, 3, 15)
ITEM = Item(number="ESP", name="Espresso", unit="st", price=Decimal("100.00"))
WHOLESALE = PriceRule(list="WHOLE", book="Wholesale", currencies=("SEK", "EUR"))


def price(amount: str, *, name: str = "p1", **more: object) -> Price:
    given = {"list": "WHOLE", "currency": "SEK", **more}
    return Price(
        ref=ExternalRef("books", "price", name),
        item=ItemRef(number="ESP"),
        amount=Decimal(amount),
        **given,  # type: ignore[arg-type]
    )


def shown(*prices: Price, rules: tuple[PriceRule, ...] = (WHOLESALE,), **more: object) -> Shown:
    return shown_prices(ITEM, prices, rules, TODAY, "SEK", **more)  # type: ignore[arg-type]


def test_a_list_without_a_price_is_named_and_is_never_zero() -> None:
    found = shown(price("80.00"))
    assert amounts(found.prices) == {("Wholesale", "SEK"): Decimal("80.00")}
    assert ListedPrice(list="Wholesale", currency="EUR") in found.prices
    assert found.missing == ("WHOLE in EUR",)
    assert found.price == Decimal("100.00")
    assert told_of_item("ESP", found, active=True, gone=False, quoted=()) == (
        "price_missing",
        "ESP has no price in WHOLE in EUR.",
    )
    assert told_of_item("ESP", found, active=False, gone=False, quoted=()) == ("", "")


def test_a_standard_price_of_nothing_is_a_price() -> None:
    rule = PriceRule(list="WHOLE", book="standard")
    assert shown(price("0.00"), rules=(rule,)).price == Decimal("0.00")
    assert shown(rules=(rule,)).price == Decimal("100.00")


def test_without_named_currencies_those_that_are_there_count() -> None:
    rule = PriceRule(list="WHOLE", book="Wholesale")
    assert shown(price("8.00", currency="EUR"), rules=(rule,)).missing == ()
    assert shown(rules=(rule,)).missing == ("WHOLE",)
    over = price("8.00", valid_to=date(2026, 3, 14))
    assert shown(over, rules=(rule,)).missing == ("WHOLE",)


def test_what_the_crm_shows_and_the_books_do_not_have_goes_out_of_use() -> None:
    rule = PriceRule(list="WHOLE", book="Wholesale")
    there = (
        ListedPrice(list="Wholesale", currency="NOK", amount=Decimal(9)),
        ListedPrice(list="Somebody's own", currency="SEK", amount=Decimal(9)),
    )
    found = shown(price("80.00"), rules=(rule,), seen=there)
    assert found.prices == (
        ListedPrice(list="Wholesale", currency="NOK", amount=None),
        ListedPrice(list="Wholesale", currency="SEK", amount=Decimal("80.00")),
    )
    # One of a currency that the rule leaves to others stays as it is.
    assert [one.currency for one in shown(price("80.00"), seen=there).prices] == ["EUR", "SEK"]


def test_the_standard_list_in_base_currency_is_the_list_price() -> None:
    base = PriceRule(list="", book="standard")
    mine = (price("95.00", list=""), price("9.50", list="", currency="EUR", name="p2"))
    found = shown(*mine, rules=(base,))
    assert found.price == Decimal("95.00")
    assert amounts(found.prices) == {("standard", "EUR"): Decimal("9.50")}
    assert shown(rules=(base,)).price == Decimal("100.00")


def test_no_price_with_tax_of_another_unit_or_for_many_is_taken() -> None:
    for more in (
        {"includes_tax": True},
        {"unit": "box"},
        {"from_quantity": Decimal(10)},
        {"active": False},
    ):
        assert "WHOLE in SEK" in shown(price("80.00", **more)).missing, more
    assert shown(price("80.00", unit="st")).missing == ("WHOLE in EUR",)


def test_a_promotion_goes_first_then_the_last_that_began() -> None:
    old = price("80.00", valid_from=date(2026, 1, 1), name="old")
    new = price("85.00", valid_from=date(2026, 3, 1), name="new")
    less = price("60.00", valid_from=date(2026, 2, 1), promotion=True, name="less")
    later = price("90.00", valid_from=date(2026, 3, 16), name="later")
    assert price_on([old, new, later], TODAY) == new
    assert price_on([old, new, less], TODAY) == less
    assert price_on([later], TODAY) is None
    assert shown(old, new, later).until == date(2026, 3, 16)
    ends = price("85.00", valid_to=date(2026, 3, 31), name="ends")
    assert shown(old, ends).until == date(2026, 4, 1)
    assert shown(old, new).until is None


DAYS = st.one_of(st.none(), st.dates(date(2026, 3, 1), date(2026, 3, 31)))


@given(
    st.lists(st.tuples(st.integers(1, 9), DAYS, DAYS, st.booleans()), max_size=6),
    st.dates(date(2026, 3, 1), date(2026, 3, 30)),
)
def test_nothing_changes_before_the_day_that_is_named(
    rows: list[tuple[int, date | None, date | None, bool]], today: date
) -> None:
    mine = [
        price(str(amount), valid_from=first, valid_to=last, promotion=promotion, name=f"p{at}")
        for at, (amount, first, last, promotion) in enumerate(rows)
    ]
    found = shown_prices(ITEM, mine, (WHOLESALE,), today, "SEK")
    for ordinal in range(today.toordinal(), date(2026, 4, 3).toordinal()):
        day = date.fromordinal(ordinal)
        if found.until is not None and day >= found.until:
            return
        later = shown_prices(ITEM, mine, (WHOLESALE,), day, "SEK")
        assert (later.prices, later.missing) == (found.prices, found.missing)


# --- decisions -----------------------------------------------------------------------------------


def case(**more: object) -> PublishedCase:
    slot = Slot(crm_org="o", source_id="i1", company="b", kind=KeyKind.ITEM)
    given = {
        "source": ExternalRef("books", "item", "i1"),
        "number": "ESP",
        "state": SlotState(slot=slot, key13=slot.key13),
        **more,
    }
    return PublishedCase(**given)  # type: ignore[arg-type]


def test_what_cannot_be_composed_is_held() -> None:
    def no_row(scope: object) -> object:
        raise UnmappedValueError("families", "Odd")

    rule = FieldRule(target="Family", text="item.tax_class", value=no_row)
    findings: list[Finding] = []
    assert own_fields(ITEM, (rule,), findings) == {"Family": None}
    held = decide_published(
        case(wanted=ITEM, found=tuple(findings)), "l", Entity.ITEM, frozenset({"name"})
    )
    assert (held.verdict, held.reason) == (Verdict.HOLD, "value_unmapped")
    assert "Odd" in held.message


def test_fields_beyond_the_usual_are_compared_only_where_asked_for() -> None:
    plain = item_fields(ItemPolicy())
    assert not plain & {"cost", "prices", "extra"}
    rule = FieldRule(target="Cost__c", text="item.cost", value=lambda _: 1)
    asked = ItemPolicy(cost=True, prices=(WHOLESALE,), fields=(rule,))
    assert item_fields(asked) - plain == {"cost", "prices", "extra"}
