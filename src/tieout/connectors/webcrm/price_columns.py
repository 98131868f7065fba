"""
Price lists and fields of the configuration in the columns of webCRM's catalogue.

The catalogue has one price of its own; a price list is a column, as an amount with its currency.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from tieout.connectors.webcrm.api import Row
from tieout.connectors.webcrm.settings import LineFields
from tieout.core.finding import Finding
from tieout.core.mapping import to_text
from tieout.core.model import Item, ListedPrice
from tieout.core.policy import STANDARD_LIST

STEM = "QuotationLineLinkedDataItem"
EMPTY = "-"
_PRICE = re.compile(r"(-?\d+(?:\.\d+)?) ([A-Z]{3})")
_COLUMN = re.compile(r"Data[1-9]")
_OTHERS = frozenset({"DataMemo", "ItemGroup", "VatCode"})


def column_name(path: str) -> str:
    """The whole name of a column: `Data7` and `ItemGroup` may be written short."""
    return path if path.startswith(STEM) else f"{STEM}{path}"


def listed_prices(row: Row, lists: Iterable[str]) -> tuple[ListedPrice, ...]:
    """The prices that stand in these columns; what is no amount with a currency is none."""
    found = []
    for name in sorted(lists):
        told = _PRICE.fullmatch(str(row.get(column_name(name)) or "").strip())
        if told is not None:
            found.append(ListedPrice(list=name, currency=told[2], amount=Decimal(told[1])))
    return tuple(found)


def shown_field(row: Row, path: str) -> str | None:
    """What stands in a column that the configuration names; None for nothing."""
    text = str(row.get(column_name(path)) or "").strip()
    return None if text in ("", EMPTY) else text


def price_values(item: Item, columns: LineFields, findings: list[Finding]) -> dict[str, str]:
    """Columns with the prices of these lists; one without a price there is emptied."""
    label = item.number or item.name
    found: dict[str, str] = {}
    for one in item.prices:
        if one.list == STANDARD_LIST:
            if one.amount is not None:
                findings.append(_one_list_price(label, one))
            continue
        if not _is_free(one.list, columns):
            findings.append(no_column(one.list))
            continue
        name = column_name(one.list)
        if one.amount is None:
            found.setdefault(name, EMPTY)
        elif found.get(name, EMPTY) != EMPTY:
            findings.append(_two_prices(label, one))
        else:
            found[name] = f"{one.amount:f} {one.currency}"
    return found


def field_values(
    extra: Mapping[str, Any], columns: LineFields, findings: list[Finding]
) -> dict[str, str]:
    """Columns with the fields that the configuration names, as texts."""
    found: dict[str, str] = {}
    for path, value in extra.items():
        short = path.removeprefix(STEM)
        if short not in _OTHERS and not _is_free(short, columns):
            findings.append(no_column(path))
            continue
        text = "" if value is None else to_text(value).strip()
        found[column_name(path)] = text or (EMPTY if _COLUMN.fullmatch(short) else "")
    return found


def _is_free(name: str, columns: LineFields) -> bool:
    """Whether a column may hold what the configuration says: those of ours are taken."""
    taken = {columns.item, columns.name, columns.unit, columns.key}
    short = name.removeprefix(STEM)
    return _COLUMN.fullmatch(short) is not None and short not in taken


def no_column(name: str) -> Finding:
    """A name in the configuration that is no column which may be written."""
    return Finding(
        code="field_missing",
        message=f"webCRM's catalogue has no column {name} for prices and fields of items.",
        hint="Name one of Data1 to Data9 that is used and free, as in book: Data7; fields may also "
        "be DataMemo, ItemGroup or VatCode.",
        place=name,
        hold_on="configuration",
        values={"object": "QuotationLineLinkedDataItem", "field": name},
    )


def _two_prices(label: str, price: ListedPrice) -> Finding:
    return Finding(
        code="value_not_accepted",
        message=f"{label} has prices in several currencies for {price.list}, which holds one.",
        hint="Name one currency for it: flows.items.prices.",
        place=price.list,
        hold_on="configuration",
    )


def _one_list_price(label: str, price: ListedPrice) -> Finding:
    return Finding(
        code="currency_not_in_crm",
        message=f"{label} has a list price in {price.currency}; webCRM has one list price alone.",
        hint="Show it in a column instead: flows.items.prices, book: Data7.",
        place="Price",
        hold_on="configuration",
        values={"currency": price.currency},
    )


def other_currency(label: str, currency: str, own: str) -> Finding:
    """A list price that would be read in another currency: the catalogue names none."""
    return Finding(
        code="currency_not_in_crm",
        message=f"{label} has a list price in {currency}; those of webCRM's catalogue are in "
        f"{own}.",
        hint="Set currency of this connection, or leave the items of those books out: "
        "flows.items.when.",
        place="Price",
        hold_on="configuration",
        values={"currency": currency},
    )
