"""Customers and a few documents, so many as the size says; the same for the same seed."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from random import Random
from typing import Any

from tieout_sandbox.visma_net import customers, documents, payments, settlement
from tieout_sandbox.visma_net.company import Company
from tieout_sandbox.visma_net.release import release
from tieout_sandbox.visma_net.tables import Record

_FIRST = (
    "Fjord",
    "Nordlys",
    "Bjørk",
    "Vestland",
    "Fjell",
    "Havn",
    "Skog",
    "Sol",
    "Vind",
    "Granitt",
)
_SECOND = ("Logistikk", "Kaffe", "Teknikk", "Bygg", "Data", "Handel", "Energi", "Trykk")
_CITIES = (("7010", "Trondheim"), ("0150", "Oslo"), ("5003", "Bergen"), ("4006", "Stavanger"))
_INVOICED_EVERY = 3
_DRAFTED_EVERY = 10


def fill(company: Company, size: int) -> None:
    """Puts so many customers, an invoice for every third and a draft for every tenth."""
    chance = Random(company.seed)
    for place in range(size):
        customer = customers.put_new(company, _customer(chance, place))
        if place % _INVOICED_EVERY == 0:
            _invoice(company, chance, customer)
        if place % _DRAFTED_EVERY == 0:
            body = _document(chance, customer, company.today(), hold=True)
            documents.create(company, documents.INVOICE, body)


def wrapped(**fields: Any) -> dict[str, Any]:
    """A body whose every value is wrapped."""
    return {name: {"value": value} for name, value in fields.items()}


def _customer(chance: Random, place: int) -> dict[str, Any]:
    code, city = chance.choice(_CITIES)
    name = f"{chance.choice(_FIRST)} {chance.choice(_SECOND)} {place + 1} AS"
    line = f"Havnegata {chance.randint(1, 99)}"
    address = wrapped(addressLine1=line, postalCode=code, city=city, countryId="NO")
    return wrapped(
        name=name,
        corporateId=f"9{place:08d}",
        mainAddress=address,
        mainContact=wrapped(name=name, email=f"faktura{place + 1}@kunde.example"),
    )


def _document(chance: Random, customer: Record, day: Any, *, hold: bool) -> dict[str, Any]:
    numbers = chance.sample(("CONS", "LIC", "SUPP", "FOOD", "COURSE"), chance.randint(1, 3))
    lines = [
        {
            "operation": "Insert",
            **wrapped(inventoryNumber=number, quantity=Decimal(chance.randint(1, 9))),
        }
        for number in numbers
    ]
    head = wrapped(customerNumber=customer["number"], documentDate=day.isoformat(), hold=hold)
    return {**head, "invoiceLines": lines}


def _invoice(company: Company, chance: Random, customer: Record) -> None:
    day = company.today() - timedelta(days=chance.randint(1, 60))
    body = _document(chance, customer, day, hold=False)
    made = release(company, documents.create(company, documents.INVOICE, body))
    if chance.random() < 0.5:
        money = payments.pay(company, customer, made["amount"], company.today())
        settlement.apply(company, money, made, made["amount"], company.today())
