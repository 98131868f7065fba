"""
The people of the demo: sales and finance, working in the two systems' own screens.

They go past the API, through what a simulator offers for that; Tieout only sees what came of it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote, urlencode
from urllib.request import ProxyHandler, Request, build_opener

COMPANY = "Nordljus Konsult AB"
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


def furnish(crm: Desk, books: Desk, today: date) -> Company:
    """
    The books before Tieout comes: named, with articles for the CRM's products, with customers
    that finance knows already (one of them twice), and closed to the end of last month.
    """
    books.act("set_company_setting", name="Name", value=COMPANY)
    articles = _articles(crm, books)
    sell_uncoded(crm, today)
    accounts = crm.records("Account")
    deals = crm.records("Opportunity")
    won = [deal for deal in deals if deal["IsWon"]]
    _customers(books, accounts, won)
    books.act("lock_period", to=(today.replace(day=1) - timedelta(days=1)).isoformat())
    return Company(
        accounts=len(accounts),
        deals=len(deals),
        won=len(won),
        customers=len(books.records("customers")),
        articles=articles,
    )


_UNITS = {"Hour": "Timme", "Day": "Dag", "Month": "Månad"}


def _articles(crm: Desk, books: Desk) -> int:
    """An article for each product that has a code, and one for travel."""
    codings = {row["Name"]: row["Id"] for row in books.records("articleaccountcodings")}
    units = {row["Name"]: row["Id"] for row in books.records("units")}
    wanted = [
        (row["ProductCode"], row["Name"], row.get("QuantityUnitOfMeasure"))
        for row in crm.records("Product2")
        if row.get("ProductCode") and row["IsActive"]
    ]
    wanted.append(("RESA", "Resor och utlägg", None))
    for number, name, unit in wanted:
        books.act(
            "create_article",
            set={
                "Number": number,
                "Name": name,
                "CodingId": codings["Tjänster 25 %"],
                "UnitId": units[_UNITS.get(str(unit), "Styck")],
            },
        )
    return len(wanted)


KNOWN_EVERY = 7


def _customers(books: Desk, accounts: Sequence[Row], won: Sequence[Row]) -> None:
    """Every seventh Swedish buyer is a customer of the books already; the first one twice."""
    buyers = {deal["AccountId"] for deal in won}
    numbered = [
        row
        for row in accounts
        if row["Id"] in buyers
        and row["BillingCountryCode"] == "SE"
        and row.get("Org_Number__c")
        and row.get("BillingPostalCode")
    ]
    terms = books.records("termsofpayments")[0]["Id"]
    chosen = numbered[::KNOWN_EVERY]
    for place, row in enumerate([*chosen[:1], *chosen]):
        books.act(
            "create_customer",
            set={
                "Name": row["Name"] if place else f"{row['Name']} (gammal)",
                "CorporateIdentityNumber": row["Org_Number__c"],
                "InvoiceAddress1": row["BillingStreet"],
                "InvoicePostalCode": row["BillingPostalCode"],
                "InvoiceCity": row["BillingCity"],
                "InvoiceCountryCode": "SE",
                "EmailAddress": row.get("Invoice_Email__c"),
                "IsPrivatePerson": False,
                "TermsOfPaymentId": terms,
            },
        )


# --- sales ---------------------------------------------------------------------------------------

UNCODED = "Montage plus"
_UNCODED_DEALS = 4


def sell_uncoded(crm: Desk, today: date) -> None:
    """A few deals are won on a product that has no code anywhere yet."""
    crm.act("create_product", name=UNCODED, price="9640.00", currency="SEK")
    swedish = [
        row
        for row in crm.records("Account", BillingCountryCode="SE", CurrencyIsoCode="SEK")
        if row["Payment_Terms__c"] == "Net 30" and row["Invoice_Email__c"]
    ]
    for number, account in enumerate(swedish[:_UNCODED_DEALS], start=1):
        made = crm.act(
            "create_opportunity",
            name=f"{account['Name']}: {UNCODED}",
            account=account["Id"],
            currency="SEK",
            close_date=today.isoformat(),
            lines=[{"product": UNCODED, "quantity": number, "unit_price": "9640.00"}],
        )
        crm.act("win", id=made["id"], close_date=today.isoformat())


def sell_more(crm: Desk, deal: str, today: date) -> None:
    """Sales adds to a deal whose invoice was booked already, and wins one after the closing."""
    made = crm.act("clone_opportunity", id=deal, name="Tilläggsarbete")
    crm.act("win", id=made["id"], close_date=today.isoformat())
    lines = crm.records("OpportunityLineItem", OpportunityId=deal)
    if lines:
        first = lines[0]
        more = first["Quantity"] + 1
        crm.act(
            "edit_lines",
            id=deal,
            change=[{"id": first["Id"], "quantity": more, "unit_price": first["UnitPrice"]}],
        )


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


def book(books: Desk, drafts: Sequence[Draft], today: date) -> Booked:
    """
    Finance goes through the drafts: changes two and books one of them, leaves some for later,
    books the rest. Then money arrives, one invoice is credited, and the books are closed to today.
    """
    done = Booked()
    invoices: list[tuple[Draft, Row]] = []
    for place, draft in enumerate(drafts):
        if place in (0, 1):
            _cheaper(books, draft.id)
            done.edited += 1
        if place == 1 or place % _LEFT_EVERY == _LEFT_EVERY - 1:
            done.left += 1
            continue
        made = books.act("book_draft", draft=draft.id)
        invoices.append((draft, made))
        done.booked += 1
    _money(books, invoices, done)
    books.act("lock_period", to=today.isoformat())
    return done


def _cheaper(books: Desk, draft: str) -> None:
    """The first row's price goes down by a twentieth, as agreed on the telephone."""
    found = books.records("customerinvoicedrafts", Id=draft)[0]
    row = next(row for row in found["Rows"] if not row["IsTextRow"] and row["UnitPrice"] > 0)
    price = (row["UnitPrice"] * Decimal("0.95")).quantize(Decimal("0.01"))
    books.act("edit_draft", draft=draft, line=row["LineNumber"], price=price)


def _money(books: Desk, invoices: Sequence[tuple[Draft, Row]], done: Booked) -> None:
    for place, (draft, invoice) in enumerate(invoices):
        number = str(invoice["InvoiceNumber"])
        done.invoices.append(number)
        turn = place % 10
        if turn < _PAID_OF_TEN:
            books.act("pay", invoice=number, kind=2)
            done.paid += 1
        elif turn == _IN_PART:
            half = (invoice["RemainingAmountInvoiceCurrency"] / 2).quantize(Decimal("0.01"))
            books.act("pay", invoice=number, amount=half)
            done.paid_in_part += 1
        elif turn == _PAID_OF_TEN and done.credited < 1:
            books.act("credit", invoice=number)
            done.credited += 1
        elif not done.open_deal and draft.currency == "SEK":
            done.open_deal = draft.deal
