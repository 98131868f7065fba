"""Items of the books and products of the CRM: which go together, and why others do not."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby

from tieout.core.digest import plain
from tieout.core.model import Price
from tieout.core.policy import PriceRule
from tieout.core.prices_left_out import left_out
from tieout.core.pricing import LeftOut
from tieout.store import items as tables
from tieout.store.items import ItemFound, PriceFound
from tieout.store.postgres import PostgresStore

HEADER = ("state", "where", "number", "name", "id", "crm_id", "message")
IN_STEP = "in_step"
NOT_SHOWN = "price_not_shown"
# In the order in which they are looked at: what stops deals comes first.
WORDS: Mapping[str, str] = {
    "no_code": "no code in the CRM",
    "number_twice_in_crm": "code on several products",
    "only_in_crm": "not in the books",
    "item_gone_in_use": "deleted, in open deals",
    "price_missing": "a price is missing",
    "deleted_in_crm": "deleted in the CRM",
    "only_in_books": "not in the CRM",
    "out_of_use": "out of use",
    NOT_SHOWN: "price not shown",
    IN_STEP: "in step",
}
# Nobody has to do anything about these: they are counted, and shown where they are asked for.
QUIET = frozenset({NOT_SHOWN, IN_STEP})


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemRow:
    """
    One item or product with what it is: ``state`` is a word of `WORDS`, ``where`` the connection.

    ``id`` is that of the system named by ``where``, ``crm_id`` of the product that shows an item.
    """

    state: str
    where: str
    number: str
    name: str
    id: str
    crm_id: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemsReport:
    """Rows by state, and ``lines``: texts on lines of deals that name no product."""

    rows: tuple[ItemRow, ...]
    lines: tuple[tuple[str, int], ...] = ()

    def counts(self) -> dict[str, int]:
        """How many rows there are of each state."""
        found = Counter(row.state for row in self.rows)
        return {state: found[state] for state in WORDS if state in found}


async def items(
    store: PostgresStore,
    bridge: str,
    crm: str,
    books: Sequence[str],
    rules: Sequence[PriceRule] = (),
    today: date | None = None,
) -> ItemsReport:
    """
    The report over what was last read of both sides. With ``rules`` and the books' day also the
    prices that no list of the CRM shows.
    """
    priced = today is not None and bool(rules)
    found = await store.do(lambda tx: tables.prices_of_books(tx, books)) if priced else []
    return report(
        await store.do(lambda tx: tables.items_of_books(tx, bridge, books)),
        await store.do(lambda tx: tables.products_alone(tx, crm)),
        await store.do(lambda tx: tables.lines_without_code(tx, crm)),
        _prices(found, rules, today) if today is not None else (),
    )


def report(
    of_books: Sequence[ItemFound],
    alone: Sequence[ItemFound],
    lines: Sequence[tuple[str, int]] = (),
    prices: Sequence[ItemRow] = (),
) -> ItemsReport:
    """
    Every item and every product that shows none, each in one state, and the ``prices`` that are
    not shown.
    """
    numbers = {item.number for item in of_books if item.number and not item.gone}
    twice = Counter(product.number for product in alone if product.number)
    rows = [_of_books(item) for item in of_books]
    rows += [_alone(product, numbers, twice) for product in alone]
    rows += prices
    order = list(WORDS)
    rows.sort(key=lambda row: (order.index(row.state), row.number, row.where, row.id))
    return ItemsReport(rows=tuple(rows), lines=tuple(lines))


def _prices(found: Sequence[PriceFound], rules: Sequence[PriceRule], day: date) -> list[ItemRow]:
    """Each price that is not shown, with its reason."""
    rows: list[ItemRow] = []
    by_item = groupby(found, lambda one: (one.connection, one.item))
    for (connection, item), group in by_item:
        prices = [one.price for one in group]
        rows += [
            ItemRow(
                state=NOT_SHOWN,
                where=connection,
                number=item.number if item else price.item.number if price.item else "",
                name=item.name if item else "",
                id=price.ref.id if price.ref else "",
                message=not_shown(price, why),
            )
            for price, why in left_out(item, prices, rules, day)
        ]
    return rows


def not_shown(price: Price, why: LeftOut) -> str:
    """`700.00 NOK in PARTNER is not shown: price from quantity 10.`"""
    place = f" in {price.list or 'base'}" if not price.customer else ""
    reasons = {
        LeftOut.NO_ITEM: "the books have no such item",
        LeftOut.CUSTOMER: f"customer {price.customer}'s own price",
        LeftOut.PART: "it is not for everybody, such as the price of one warehouse",
        LeftOut.TAX: "VAT may be in it",
        LeftOut.UNIT: f"price of the unit {price.unit}",
        LeftOut.QUANTITY: f"price from quantity {plain(price.from_quantity)}",
        LeftOut.LATER: f"price from {price.valid_from}",
        LeftOut.OVER: f"price until {price.valid_to}",
        LeftOut.LIST: "flows.items.prices does not name the list in this currency",
        LeftOut.BEHIND: "another price of the list goes before it",
    }
    return f"{price.amount} {price.currency}{place} is not shown: {reasons[why]}"


def _of_books(item: ItemFound) -> ItemRow:
    state, message = IN_STEP, ""
    if not item.crm_id:
        held = item.reason in ("number_twice_in_crm", "deleted_in_crm")
        state = item.reason if held else "only_in_books"
        message = item.message or _WHY_NOT.get(item.reason, "")
    elif item.reason in WORDS and item.reason != IN_STEP:
        state, message = item.reason, item.message
    elif item.gone or not item.active:
        state = "out_of_use"
    return ItemRow(
        state=state,
        where=item.connection,
        number=item.number,
        name=item.name,
        id=item.id,
        crm_id=item.crm_id,
        message=message,
    )


_WHY_NOT: Mapping[str, str] = {
    "": "the items flow has not decided it",
    "inactive": "the books do not sell it",
    "left_out_by_rule": "flows.items.when leaves it out",
    "no_number": "it has no number",
    "number_of_another_company": "another company's item has its number",
}


def _alone(product: ItemFound, numbers: set[str], twice: Mapping[str, int]) -> ItemRow:
    message = ""
    if not product.number:
        state = "no_code"
    elif twice[product.number] > 1:
        state = "number_twice_in_crm"
    elif product.number in numbers:
        state, message = "only_in_crm", "the item of that number has another product"
    else:
        state = "only_in_crm"
    return ItemRow(
        state=state,
        where=product.connection,
        number=product.number,
        name=product.name,
        id=product.id,
        message=message,
    )


def csv_text(found: Sequence[ItemRow]) -> str:
    """Rows for a spreadsheet; texts that it would take for a formula are quoted."""
    from tieout.report.csv import plain_text

    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\r\n")
    writer.writerow(HEADER)
    for row in found:
        writer.writerow([plain_text(getattr(row, name)) for name in HEADER])
    return stream.getvalue()
