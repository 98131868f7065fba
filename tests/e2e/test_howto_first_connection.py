"""
The page on a first connection: its commands, over served simulators, say what the page says.

`TIEOUT_WRITE_PAGES=1` writes the real output into the page.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from admin_kit import open_folder

from support.console import Reader, plain, steps
from support.served_project import Served, connect_project, simulators

PAGE = Path(__file__).resolve().parents[2] / "docs" / "howto" / "first-connection.md"
HERE = {"InvoiceAddress1": "Box 12", "InvoicePostalCode": "111 22", "InvoiceCity": "Stockholm"}


def account(crm: Served, name: str, number: str = "", **more: str) -> str:
    fields = {
        "BillingStreet": "Storgatan 1",
        "BillingPostalCode": "111 22",
        "BillingCity": "Stockholm",
        "BillingCountryCode": "SE",
        "Org_Number__c": number,
        "Vat_Number__c": f"SE{number.replace('-', '')}01" if number else "",
        **more,
    }
    return str(crm.act("create_account", name=name, fields=fields)["id"])


def customer(books: Served, name: str, number: str = "", **more: str) -> str:
    facts = {"Name": name, "CorporateIdentityNumber": number, **HERE, **more}
    return str(books.act("create_customer", set=facts)["Id"])


def deal(crm: Served, name: str, account_id: str, price: str, day: str) -> None:
    made = crm.act(
        "create_opportunity",
        name=name,
        account=account_id,
        close_date=day,
        currency="SEK",
        lines=[{"product": "CONS", "quantity": "1", "unit_price": price}],
    )
    crm.act("win", id=made["id"], close_date=day)


def fill(crm: Served, books: Served) -> None:
    """Six accounts and six customers, and what was sold and invoiced before."""
    crm.act("create_product", name="Consulting hour", code="CONS", price="100.00")
    books.act("create_article", set={"Number": "CONS", "Name": "Consulting hour"})
    tallmo = account(crm, "Tallmo Skog AB", "556677-8899")
    account(crm, "Ekfors Trä AB", "556791-9070")
    account(crm, "Lindvall Data AB")
    norrsken = account(crm, "Norrsken Foto AB")
    account(crm, "Österviks Hamn AB", BillingPostalCode="952 31", BillingCity="Kalix")
    account(crm, "Havtorn Energi AB", BillingPostalCode="263 39", BillingCity="Höganäs")
    known = customer(books, "Tallmo Skog AB", "556677-8899")
    customer(
        books, "Ekfors gamla namn AB", "556791-9070",
        InvoicePostalCode="982 31", InvoiceCity="Gällivare",
    )  # fmt: skip
    customer(books, "Data Lindval")
    customer(books, "Norrsken Foto AB")
    customer(books, "Norrsken Foto")
    customer(books, "Bara i böckerna AB", InvoicePostalCode="411 05", InvoiceCity="Göteborg")
    today = datetime.now(tz=UTC).date()
    day, later = today.isoformat(), (today - timedelta(days=1)).isoformat()
    deal(crm, "D-101", tallmo, "8000.00", later)
    deal(crm, "D-102", tallmo, "9500.00", day)
    deal(crm, "D-103", norrsken, "1200.00", day)
    books.act(
        "create_invoice", customer=known, amount="8000.00", date=day,
        set={"YourReference": "Order D-101"},
    )  # fmt: skip
    books.act("create_invoice", customer=known, amount="9500.00", date=day)
    books.act("create_invoice", customer=known, amount="777.00", date=day)


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> Iterator[Reader]:
    monkeypatch.setenv("TIEOUT_TEST_NOT_DURABLE", "1")
    for name in ("TIEOUT_PROJECT", "TIEOUT_DATABASE_URL", "TIEOUT_KEY", "TIEOUT_KEYS"):
        monkeypatch.delenv(name, raising=False)
    with open_folder() as folder, simulators() as (crm, books):
        fill(crm, books)
        program = connect_project(folder, crm, books, mode="shadow")
        made = Reader(program.root, dict(program.environment))
        try:
            yield made
        finally:
            made.close()


def in_the_spreadsheet(path: Path, decisions: dict[str, str]) -> None:
    """What a person does between two commands: fills the column `decision`."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        separator = ";" if ";" in file.readline() else ","
        file.seek(0)
        rows: list[dict[str, Any]] = list(csv.DictReader(file, delimiter=separator))
    assert {row["books_name"] for row in rows} >= set(decisions)
    for row in rows:
        row["decision"] = decisions.get(row["books_name"], row["decision"])
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=";")
        writer.writeheader()
        writer.writerows(rows)


def test_the_page_on_a_first_connection_says_what_happens(reader: Reader) -> None:
    text = PAGE.read_text(encoding="utf-8")
    found = steps(text)
    filled = iter(
        ({"Norrsken Foto AB": "yes"}, {"Norrsken Foto AB": "same", "Norrsken Foto": "different"})
    )
    written = []
    for step in found:
        if step.command.startswith("tieout match decide"):
            in_the_spreadsheet(reader.folder / "match.csv", next(filled))
        said = reader.run(step)
        written.append((step.span, f"$ {step.command}\n{said}\n"))
        if os.environ.get("TIEOUT_WRITE_PAGES") != "1":
            wrong = f"{PAGE.name}:{step.line}: {step.command}"
            assert plain(said) == plain(step.shown), wrong
    assert len(found) > 9
    if os.environ.get("TIEOUT_WRITE_PAGES") == "1":
        for (start, end), new in reversed(written):
            text = text[:start] + new + text[end:]
        PAGE.write_text(text, encoding="utf-8")
