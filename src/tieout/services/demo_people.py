"""
The people of the demo: sales and finance, working in the two systems' own screens.

They go past Tieout, through what a system offers for that; Tieout only sees what came of it. What
finance does is told here; how it is done in each system's screens, beside what starts it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Protocol
from urllib.error import HTTPError
from urllib.parse import quote, urlencode
from urllib.request import ProxyHandler, Request, build_opener

TIMEOUT_S = 60
Row = dict[str, Any]


@dataclass(slots=True)
class Desk:
    """A system's own screens. Calls block; raises ValueError where the system refuses."""

    base_url: str
    _open: Any = field(default_factory=lambda: build_opener(ProxyHandler({})).open, repr=False)

    def act(self, name: str, /, **arguments: Any) -> Any:
        """Something that a person does over there."""
        body = json.dumps(arguments, default=str).encode()
        return self._call(f"actions/{quote(name)}", body)

    def records(self, entity: str, **equal: str) -> list[Row]:
        """Everything of a kind, in the vendor's own form, deleted ones left out."""
        asked = f"?{urlencode(equal)}" if equal else ""
        found = self._call(f"records/{quote(entity)}{asked}", None)
        return [row for row in found if not row.get("_deleted")]

    def _call(self, path: str, body: bytes | None) -> Any:
        asked = Request(  # noqa: S310 - an address of our own child
            f"{self.base_url}/_sandbox/{path}",
            data=body,
            headers={"Content-Type": "application/json"},
        )
        try:
            with self._open(asked, timeout=TIMEOUT_S) as answer:
                text = answer.read()
        except HTTPError as error:
            raise ValueError(f"{path}: {error.read().decode()}") from None
        return json.loads(text, parse_float=Decimal) if text else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Company:
    """What there is before Tieout comes: how much of it, and what is wrong with it on purpose."""

    accounts: int
    deals: int
    won: int
    customers: int
    articles: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How many customers and deals a CRM has, and how many of the deals are won."""

    customers: int
    deals: int
    won: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NewItem:
    """An item for the books; ``unit`` as the CRM calls it, '' where it says none."""

    code: str
    name: str
    unit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownCustomer:
    """A company that the books know before Tieout comes."""

    name: str
    company_number: str
    street: str
    postcode: str
    city: str
    country: str
    email: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Invoice:
    """An invoice as finance sees it after booking: its id and number, and what is open of it."""

    id: str
    number: str
    open: Decimal


class Finance(Protocol):
    """What finance does in its own screens. Calls block; raise ValueError where it is refused."""

    def add_items(self, items: Sequence[NewItem]) -> None:
        """Items that can be sold."""

    def add_customers(self, customers: Sequence[KnownCustomer]) -> None:
        """Customers, in this order."""

    def count_customers(self) -> int:
        """How many customers there are."""

    def make_cheaper(self, draft: str) -> None:
        """The first row's price of a draft goes down by a twentieth."""

    def book(self, drafts: Sequence[str]) -> Sequence[Invoice]:
        """The drafts become invoices, in this order."""

    def receive(self, invoice: Invoice, amount: Decimal | None) -> None:
        """Money comes in: so much of it, or the whole."""

    def credit(self, invoice: Invoice) -> None:
        """The whole invoice is credited."""

    def close(self, day: date) -> None:
        """Nothing can be booked up to this day any more, or further where periods are longer."""

    def reopen(self, day: date) -> None:
        """The month of this day can be booked in again."""


class Sales(Protocol):
    """What sales people do in their CRM. Calls block; raise ValueError where it is refused."""

    def counts(self) -> Counts:
        """What there is."""

    def items(self) -> Sequence[NewItem]:
        """What is sold and has a code."""

    def buyers(self) -> Sequence[KnownCustomer]:
        """Customers of the books' country with a won deal, a number and a post code, in order."""

    def sell_uncoded(self, deals: int, today: date) -> None:
        """So many deals are won on a product that has no code anywhere yet."""

    def sell_more(self, deal: str, today: date) -> None:
        """They add to a deal that is invoiced already, and win a copy of it."""

    def statuses(self) -> Mapping[str, int]:
        """How many deals show which status of the books."""


UNCODED, UNCODED_PRICE = "Montage plus", "9640.00"
_UNCODED_DEALS = 4
KNOWN_EVERY = 7


def furnish(sales: Sales, finance: Finance, today: date) -> Company:
    """
    The books before Tieout comes: with items for what the CRM sells, with customers that finance
    knows already (one of them twice), and closed to the end of last month.
    """
    items = [*sales.items(), NewItem(code="RESA", name="Resor och utlägg", unit="")]
    finance.add_items(items)
    sales.sell_uncoded(_UNCODED_DEALS, today)
    counts = sales.counts()
    finance.add_customers(_known(sales.buyers()))
    finance.close(today.replace(day=1) - timedelta(days=1))
    return Company(
        accounts=counts.customers,
        deals=counts.deals,
        won=counts.won,
        customers=finance.count_customers(),
        articles=len(items),
    )


def _known(buyers: Sequence[KnownCustomer]) -> list[KnownCustomer]:
    """Every seventh buyer is a customer of the books already; the first one twice."""
    chosen = buyers[::KNOWN_EVERY]
    twice = [replace(one, name=f"{one.name} (gammal)") for one in chosen[:1]]
    return [*twice, *chosen]


# --- finance -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A draft that Tieout made: its id in the books, the deal it is for."""

    id: str
    deal: str
    currency: str


@dataclass(slots=True)
class Booked:
    """What finance did; ``open_deal`` is the deal of an invoice that nobody paid yet."""

    booked: int = 0
    left: int = 0
    edited: int = 0
    paid: int = 0
    paid_in_part: int = 0
    credited: int = 0
    invoices: list[str] = field(default_factory=list)
    open_deal: str = ""


_LEFT_EVERY = 12
_PAID_OF_TEN, _IN_PART = 5, 6


def book(finance: Finance, drafts: Sequence[Draft], today: date, currency: str) -> Booked:
    """
    Finance goes through the drafts: changes two and books one of them, leaves some for later,
    books the rest. Then money arrives, one invoice is credited, and the books are closed to today.
    The deal of an invoice in this currency is added to later.
    """
    done = Booked()
    chosen: list[Draft] = []
    for place, draft in enumerate(drafts):
        if place in (0, 1):
            finance.make_cheaper(draft.id)
            done.edited += 1
        if place == 1 or place % _LEFT_EVERY == _LEFT_EVERY - 1:
            done.left += 1
        else:
            chosen.append(draft)
    invoices = finance.book([draft.id for draft in chosen])
    done.booked = len(invoices)
    _money(finance, list(zip(chosen, invoices, strict=True)), done, currency)
    finance.close(today)
    return done


def _money(
    finance: Finance, invoices: Sequence[tuple[Draft, Invoice]], done: Booked, currency: str
) -> None:
    for place, (draft, invoice) in enumerate(invoices):
        done.invoices.append(invoice.number)
        turn = place % 10
        if turn < _PAID_OF_TEN:
            finance.receive(invoice, None)
            done.paid += 1
        elif turn == _IN_PART:
            finance.receive(invoice, (invoice.open / 2).quantize(Decimal("0.01")))
            done.paid_in_part += 1
        elif turn == _PAID_OF_TEN and done.credited < 1:
            finance.credit(invoice)
            done.credited += 1
        elif not done.open_deal and draft.currency == currency:
            done.open_deal = draft.deal
