"""Which of the books' prices an item shows in each price list of the CRM, and until when."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum

from tieout.core.model import Item, ListedPrice, Price
from tieout.core.policy import STANDARD_LIST, PriceRule

_ONE = Decimal(1)


class LeftOut(StrEnum):
    """Why a price is not shown: what the price itself says first, then what else there is."""

    NO_ITEM = "no_item"
    CUSTOMER = "customer"
    PART = "part"
    TAX = "tax"
    UNIT = "unit"
    QUANTITY = "quantity"
    LATER = "later"
    OVER = "over"
    LIST = "list"
    BEHIND = "behind"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """
    What an item should show: ``price`` is its list price, ``prices`` those of the other lists.

    A list and currency that the configuration asks for and that has no price is among ``prices``
    without an amount, and named in ``missing``. ``until`` is the first day on which time alone
    changes any of it. A price list that the item has no price for is never shown as zero.
    """

    price: Decimal | None
    prices: tuple[ListedPrice, ...] = ()
    missing: tuple[str, ...] = ()
    until: date | None = None


def shown_prices(
    item: Item,
    prices: Sequence[Price],
    rules: Sequence[PriceRule],
    today: date,
    base_currency: str,
    seen: Iterable[ListedPrice] = (),
) -> Shown:
    """
    The prices that the CRM should show of an item today.

    ``seen`` are those that it shows: a price in a list of ours that the books do not have (any
    more) goes out of use. The list price in base currency is the item's own unless a rule gives
    one to the standard list. No price is made up, converted, or taken from another list.
    """
    listed: dict[tuple[str, str], Decimal | None] = {}
    missing: list[str] = []
    price = item.price
    for rule in rules:
        mine = [one for one in prices if one.list == rule.list and why_never(one, item) is None]
        named = rule.currencies or tuple(sorted({one.currency for one in mine}))
        here = {currency: _amount(mine, currency, today) for currency in named}
        if rule.book == STANDARD_LIST and base_currency in here:
            given = here.pop(base_currency)
            price = price if given is None else given
        for currency, amount in here.items():
            if amount is None and rule.currencies:
                missing.append(f"{rule.list or 'base'} in {currency}")
            place = (rule.book, currency)
            listed[place] = amount if amount is not None else listed.get(place)
        if not rule.currencies and not any(one is not None for one in here.values()):
            missing.append(rule.list or "base")
    for one in seen:
        if any(_is_of(rule, one, base_currency) for rule in rules):
            listed.setdefault((one.list, one.currency), None)
    return Shown(
        price=price,
        prices=tuple(
            ListedPrice(list=book, currency=currency, amount=listed[book, currency])
            for book, currency in sorted(listed)
        ),
        missing=tuple(dict.fromkeys(missing)),
        until=_until(prices, today) if rules else None,
    )


def with_list_price(item: Item, currency: str) -> Item:
    """
    An item of the CRM with its list price in that currency, where the CRM has one in several.

    Such a CRM shows them among ``prices``, under the standard list.
    """
    listed = amounts(one for one in item.prices if one.list == STANDARD_LIST)
    return replace(item, price=listed.get((STANDARD_LIST, currency))) if listed else item


def price_on(prices: Sequence[Price], day: date) -> Price | None:
    """
    The price of one unit on that day, out of those of one item, list, and currency.

    A promotion goes before the usual price, then the highest quantity that one unit reaches, then
    the price that began last; of two that are alike the one with the lower id.
    """
    fit = [
        one
        for one in prices
        if one.from_quantity <= _ONE
        and (one.valid_from is None or one.valid_from <= day)
        and (one.valid_to is None or day <= one.valid_to)
    ]
    return min(fit, key=_rank, default=None)


def amounts(prices: Iterable[ListedPrice]) -> dict[tuple[str, str], Decimal]:
    """By list and currency what is sold there; what is not sold is left out."""
    return {(one.list, one.currency): one.amount for one in prices if one.amount is not None}


def _amount(prices: Sequence[Price], currency: str, day: date) -> Decimal | None:
    found = price_on([one for one in prices if one.currency == currency], day)
    return None if found is None else found.amount


def why_never(price: Price, item: Item) -> LeftOut | None:
    """
    What keeps a price out of every list, whatever the day: it is one customer's, it has VAT in
    it, of which no quote is made, or it is that of another unit.
    """
    if price.customer:
        return LeftOut.CUSTOMER
    if not price.active:
        return LeftOut.PART
    if price.includes_tax:
        return LeftOut.TAX
    return None if price.unit in ("", item.unit) else LeftOut.UNIT


def _rank(price: Price) -> tuple[bool, Decimal, int, str]:
    began = price.valid_from.toordinal() if price.valid_from else 0
    return (
        not price.promotion,
        -price.from_quantity,
        -began,
        price.ref.id if price.ref else "",
    )


def _is_of(rule: PriceRule, one: ListedPrice, base_currency: str) -> bool:
    """Whether that price of the CRM is of this rule; the standard one in base currency is not."""
    if one.list != rule.book or (rule.currencies and one.currency not in rule.currencies):
        return False
    return not (rule.book == STANDARD_LIST and one.currency in ("", base_currency))


def _until(prices: Sequence[Price], today: date) -> date | None:
    """The next day on which a price begins, or is over."""
    days = {one.valid_from for one in prices if one.valid_from is not None}
    days |= {
        one.valid_to + timedelta(days=1)
        for one in prices
        if one.valid_to is not None and one.valid_to < date.max
    }
    return min((day for day in days if day > today), default=None)
