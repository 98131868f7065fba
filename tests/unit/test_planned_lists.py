"""What a plan says of price lists, fields of the configuration, and lists of values."""

from __future__ import annotations

from decimal import Decimal

from tieout.core.change import Action, Change, Wanted
from tieout.core.model import Entity, ExternalRef, Item, ListedPrice, ListedValue, ValueList
from tieout.services.planned_words import differing_words


def price(name: str, amount: str | None) -> ListedPrice:
    return ListedPrice(
        list=name, currency="SEK", amount=None if amount is None else Decimal(amount)
    )


def words(base: Item | ValueList, wanted: Item | ValueList, *names: str) -> str:
    return differing_words(
        Change(
            key="K" * 16,
            entity=Entity.ITEM,
            action=Action.UPDATE,
            wanted=Wanted(record=wanted, fields=frozenset(names)),
            target=ExternalRef("crm", "item", "1"),
            base=base,
        )
    )


def test_each_price_that_moves_is_named() -> None:
    base = Item(prices=(price("A", "1.00"), price("B", "2.00"), price("Other", "9.00")))
    wanted = Item(prices=(price("A", "1.50"), price("B", None), price("C", "3.00")))
    assert words(base, wanted, "prices") == (
        'A SEK "1.00" -> "1.50", B SEK "2.00" -> "", C SEK "" -> "3.00"'
    )


def test_fields_of_the_configuration_are_named_one_by_one() -> None:
    base, wanted = Item(extra={"A__c": "x", "B__c": "y"}), Item(extra={"A__c": "x", "B__c": None})
    assert words(base, wanted, "extra") == 'B__c "y" -> ""'


def test_values_are_counted() -> None:
    base = ValueList(values=(ListedValue(code="30", label="30"), ListedValue(code="14")))
    wanted = ValueList(
        values=(
            ListedValue(code="30", label="30 days"),
            ListedValue(code="14", active=False),
            ListedValue(code="7"),
        )
    )
    assert words(base, wanted, "values") == "values: 1 more, 1 out of use, 1 changed"
