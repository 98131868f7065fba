"""Customers and a few documents, so many as the size says; the same for the same seed."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from random import Random

from tieout_sandbox.visma_eaccounting import customers, drafts, invoices, settlement
from tieout_sandbox.visma_eaccounting.booking import Order, book
from tieout_sandbox.visma_eaccounting.books import Books
from tieout_sandbox.visma_eaccounting.documents import Terms, read_rows
from tieout_sandbox.visma_eaccounting.fields import Record

_FIRST = [
    "Nordhavn",
    "Björk",
    "Svea",
    "Fjäll",
    "Älv",
    "Kust",
    "Skog",
    "Malm",
    "Hamn",
    "Sol",
    "Vind",
    "Granit",
]
_SECOND = [
    "Kaffe",
    "Teknik",
    "Bygg",
    "Data",
    "Transport",
    "Handel",
    "Energi",
    "Konsult",
    "Foto",
    "Tryck",
]
_CITIES = (
    ("111 22", "Stockholm"),
    ("211 19", "Malmö"),
    ("411 04", "Göteborg"),
    ("903 26", "Umeå"),
    ("753 20", "Uppsala"),
)
_INVOICED_EVERY = 3  # every third customer has an invoice
_DRAFTED_EVERY = 10


def fill(books: Books, size: int) -> None:
    """Puts so many customers, an invoice for every third and a draft for every tenth."""
    chance = Random(books.seed)
    for place in range(size):
        customer = _customer(books, chance, place)
        if place % _INVOICED_EVERY == 0:
            _invoice(books, chance, customer)
        if place % _DRAFTED_EVERY == 0:
            _draft(books, chance, customer)


def _customer(books: Books, chance: Random, place: int) -> Record:
    code, city = chance.choice(_CITIES)
    name = f"{chance.choice(_FIRST)} {chance.choice(_SECOND)} {place + 1} AB"
    body = {
        "Name": name,
        "CorporateIdentityNumber": f"559{place:07d}",
        "InvoiceAddress1": f"Storgatan {chance.randint(1, 99)}",
        "InvoicePostalCode": code,
        "InvoiceCity": city,
        "InvoiceCountryCode": "SE",
        "EmailAddress": f"faktura{place + 1}@kund.example",
        "IsActive": True,
        "IsPrivatePerson": False,
        "TermsOfPaymentId": next(iter(books.terms.records)),
    }
    return customers.put(books, customers.read(books, body))


def _rows(books: Books, chance: Random) -> list[Record]:
    articles = list(books.articles.records.values())[:8]
    return [
        {"ArticleId": article["Id"], "Quantity": Decimal(chance.randint(1, 9))}
        for article in chance.sample(articles, chance.randint(1, 3))
    ]


def _invoice(books: Books, chance: Random, customer: Record) -> None:
    terms = Terms(
        customer=customer,
        currency=customer["CurrencyCode"],
        includes_vat=False,
        third_party=False,
    )
    order = Order(
        terms=terms,
        head={"EuThirdParty": False, "OurReference": "Sara Ek"},
        rows=read_rows(books, _rows(books, chance), invoices.KIND, terms),
        day=books.today() - timedelta(days=chance.randint(1, 60)),
    )
    made = book(books, order)
    if chance.random() < 0.5:
        settlement.pay(books, made, settlement.open_size(made), books.today())


def _draft(books: Books, chance: Random, customer: Record) -> None:
    rows = [
        {**row, "IsTextRow": False, "ReversedConstructionServicesVatFree": False}
        for row in _rows(books, chance)
    ]
    drafts.put(books, {"CustomerId": customer["Id"], "OurReference": "Sara Ek", "Rows": rows})
