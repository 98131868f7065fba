"""
Price books: which entries of a product are shown as the books' price lists, and how they change.

An entry is known by its book, product and currency; it is put out of use, never deleted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tieout.connectors.salesforce import soql
from tieout.connectors.salesforce.api import SalesforceApi
from tieout.connectors.salesforce.cells import Row, number_of, text_of, value_at
from tieout.connectors.salesforce.graphs import Graph
from tieout.connectors.salesforce.ids import id18, is_id
from tieout.connectors.salesforce.org import OrgField
from tieout.connectors.salesforce.values import Unfit, same, to_wire
from tieout.core.finding import Finding
from tieout.core.model import Item, ListedPrice
from tieout.core.policy import STANDARD_LIST

ENTRY = "PricebookEntry"
PARENTS = ("Pricebook2.IsStandard", "Pricebook2.Name")
_STANDARD = "Pricebook2.IsStandard = true"


def entries_where(lists: Iterable[str]) -> tuple[str, ...]:
    """Which entries of a product are read: the standard price, and those of these price books."""
    words = sorted(set(lists) - {STANDARD_LIST})
    if not words:
        return (_STANDARD,)
    ways = [_STANDARD, soql.one_of("Pricebook2.Name", words)]
    if ids := [word for word in words if is_id(word)]:
        ways.append(soql.one_of("Pricebook2Id", ids))
    return (f"({' OR '.join(ways)})",)


def is_standard(entry: Row) -> bool:
    """Whether an entry is of the standard price book."""
    return value_at(entry, "Pricebook2.IsStandard") is True


def list_of(entry: Row, lists: Iterable[str]) -> str:
    """What the configuration calls the price book of an entry; '' for one that it does not name."""
    names = set(lists)
    if is_standard(entry):
        return STANDARD_LIST if STANDARD_LIST in names else ""
    name, book = text_of(entry, "Pricebook2.Name"), text_of(entry, "Pricebook2Id")
    if name in names:
        return name
    return next((word for word in sorted(names) if is_id(word) and id18(word) == id18(book)), "")


def listed_prices(
    entries: Sequence[Row], lists: Iterable[str], currency: str
) -> tuple[ListedPrice, ...]:
    """The prices in use; ``currency`` is that of an org that has but one."""
    found = [
        ListedPrice(
            list=name,
            currency=text_of(entry, "CurrencyIsoCode") or currency,
            amount=number_of(entry, "UnitPrice"),
        )
        for entry in entries
        if value_at(entry, "IsActive") and (name := list_of(entry, lists))
    ]
    return tuple(sorted(found, key=lambda one: (one.list, one.currency)))


async def book_ids(api: SalesforceApi, lists: Iterable[str]) -> dict[str, str]:
    """The ids of the price books that the configuration names; those that are not there lack."""
    words = sorted(set(lists))
    if not words or await api.object("Pricebook2") is None:
        return {}
    ways = [_STANDARD.partition(".")[2], soql.one_of("Name", words)]
    if named := [word for word in words if is_id(word)]:
        ways.append(soql.one_of("Id", named))
    statement = soql.select(
        ("Id", "Name", "IsStandard"), "Pricebook2", where=(f"({' OR '.join(ways)})",)
    )
    found: dict[str, str] = {}
    for row in (await api.query(statement)).rows:
        entry = {"Pricebook2Id": row["Id"], "Pricebook2": row}
        if word := list_of(entry, words):
            found.setdefault(word, id18(str(row["Id"])))
    return found


@dataclass(slots=True)
class Listing:
    """
    The entries of one product as a change leaves them. ``currency`` is that of list prices, '' in
    an org with but one, whose own is ``only``.
    """

    product: str
    entries: list[dict[str, Any]]
    books: Mapping[str, str]
    price_field: OrgField
    currency: str
    only: str

    def write(self, item: Item, graph: Graph, findings: list[Finding]) -> None:
        """Requests for every price of a list that differs; standard prices come before others."""
        wanted = sorted(item.prices, key=lambda one: (one.list != STANDARD_LIST, one.list))
        for at, price in enumerate(wanted):
            home = self.currency or self.only
            if price.list == STANDARD_LIST and price.currency == home:
                continue  # the list price, which is written with the product itself
            self._one(item, price, f"list{at}", graph, findings)

    def _one(
        self, item: Item, price: ListedPrice, name: str, graph: Graph, findings: list[Finding]
    ) -> None:
        entry = self._entry(price)
        if price.amount is None:
            if entry is not None and entry.get("IsActive"):
                self._change(entry, {"IsActive": False}, name, graph)
            return
        finding = self._obstacle(item, price, entry)
        value = to_wire(self.price_field, price.amount)
        if isinstance(value, Unfit):
            finding = finding or value.finding
        if finding is not None:
            findings.append(finding)
            return
        shown: dict[str, Any] = {"UnitPrice": value, "IsActive": True}
        if entry is None:
            self._make(price, shown, name, graph)
            return
        body = {key: one for key, one in shown.items() if not same(one, entry.get(key))}
        if entry.get("UseStandardPrice"):
            body = {"UseStandardPrice": False, **shown}
        if body:
            self._change(entry, body, name, graph)

    def _obstacle(self, item: Item, price: ListedPrice, entry: Row | None) -> Finding | None:
        """What keeps a price from being shown, in plain words."""
        label = item.number or item.name
        if not self.currency and price.currency != self.only:
            return other_currency(label, price.currency, self.only)
        if price.list not in self.books:
            return no_such_book(price.list)
        if entry is None and price.list != STANDARD_LIST and not self._has_standard(price):
            return no_standard_price(label, price)
        return None

    def _entry(self, price: ListedPrice) -> dict[str, Any] | None:
        book = self.books.get(price.list)
        for entry in self.entries:
            mine = text_of(entry, "CurrencyIsoCode") or self.only
            if book and id18(text_of(entry, "Pricebook2Id")) == book and mine == price.currency:
                return entry
        return None

    def _has_standard(self, price: ListedPrice) -> bool:
        return any(
            is_standard(entry)
            and bool(entry.get("IsActive"))
            and (text_of(entry, "CurrencyIsoCode") or self.only) == price.currency
            for entry in self.entries
        )

    def _make(self, price: ListedPrice, shown: dict[str, Any], name: str, graph: Graph) -> None:
        place = {"Pricebook2Id": self.books[price.list], "Product2Id": self.product}
        if self.currency:
            place["CurrencyIsoCode"] = price.currency
        graph.add(name, "POST", ENTRY, {**place, **shown})
        standard = price.list == STANDARD_LIST
        book = {"IsStandard": standard, "Name": price.list}
        self.entries.append({**place, **shown, "Pricebook2": book})

    def _change(self, entry: dict[str, Any], body: dict[str, Any], name: str, graph: Graph) -> None:
        graph.add(name, "PATCH", f"{ENTRY}/{id18(str(entry['Id']))}", body)
        entry.update(body)


def no_such_book(name: str) -> Finding:
    """A price book that the configuration names and the org does not have."""
    return Finding(
        code="price_book_missing",
        message=f"Salesforce has no price book called {name} that the integration user can see.",
        hint="Make it there, or name another: flows.items.prices.",
        place="Pricebook2",
        hold_on="configuration",
        values={"price_book": name},
    )


def no_standard_price(label: str, price: ListedPrice) -> Finding:
    """Salesforce takes a price of its own lists only where a standard price is there first."""
    return Finding(
        code="no_standard_price",
        message=f"{label} has a price in {price.list} in {price.currency} and no standard price in "
        f"{price.currency}, without which Salesforce takes none.",
        hint="Give it a price for everybody in that currency, or say which list has the standard "
        f"prices: flows.items.prices, book: {STANDARD_LIST}.",
        place=ENTRY,
        hold_on="item",
        values={"price_book": price.list, "currency": price.currency},
    )


def other_currency(label: str, currency: str, only: str) -> Finding:
    """A price that an org with one currency cannot hold."""
    if not only:
        return Finding(
            code="currency_unknown",
            message="The org has one currency and its API does not say which.",
            hint="Set currency of this connection, for example SEK.",
            place="currency",
            hold_on="configuration",
        )
    return Finding(
        code="currency_not_in_crm",
        message=f"{label} has a price in {currency}; the org has {only} alone.",
        hint="Name the currencies to show: flows.items.prices; or switch flows.items off.",
        place=ENTRY,
        hold_on="configuration",
        values={"currency": currency},
    )
