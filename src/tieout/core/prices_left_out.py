"""Which prices of the books the CRM does not show, each with its reason."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal

from tieout.core.model import ExternalRef, Item, Price
from tieout.core.policy import PriceRule
from tieout.core.pricing import LeftOut, price_on, why_never

_ONE = Decimal(1)


def left_out(
    item: Item | None, prices: Sequence[Price], rules: Sequence[PriceRule], today: date
) -> list[tuple[Price, LeftOut]]:
    """
    Those of one item's prices that no list of the CRM shows today, in their order. ``item`` None:
    the books have no such item, so nothing shows its prices.
    """
    shown = _shown(item, prices, rules, today) if item is not None else set()
    return [
        (one, _why(one, item, rules, today))
        for one in prices
        if (one.ref, one.currency) not in shown
    ]


def _shown(
    item: Item, prices: Sequence[Price], rules: Sequence[PriceRule], today: date
) -> set[tuple[ExternalRef | None, str]]:
    chosen: set[tuple[ExternalRef | None, str]] = set()
    for rule in rules:
        mine = [one for one in prices if why_never(one, item) is None and _asked(one, (rule,))]
        for currency in {one.currency for one in mine}:
            best = price_on([one for one in mine if one.currency == currency], today)
            if best is not None:
                chosen.add((best.ref, currency))
    return chosen


def _why(price: Price, item: Item | None, rules: Sequence[PriceRule], today: date) -> LeftOut:
    if item is None:
        return LeftOut.NO_ITEM
    never = why_never(price, item)
    if never is not None:
        return never
    if price.from_quantity > _ONE:
        return LeftOut.QUANTITY
    if price.valid_from is not None and today < price.valid_from:
        return LeftOut.LATER
    if price.valid_to is not None and price.valid_to < today:
        return LeftOut.OVER
    return LeftOut.BEHIND if _asked(price, rules) else LeftOut.LIST


def _asked(price: Price, rules: Sequence[PriceRule]) -> bool:
    return any(
        rule.list == price.list and (not rule.currencies or price.currency in rule.currencies)
        for rule in rules
    )
