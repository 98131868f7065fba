"""Salesforce shows the books' items and invoices to the cent, and takes over what they own."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from random import Random
from typing import Any

import pytest

from support.real_pair import RealPair
from tieout_sandbox.kit import company_numbers

CONFIGURATION = """
bridge: nordic
crm: salesforce-prod
books:
  - connection: visma-se
    currency: [SEK, EUR]
flows:
  customers:
    mode: auto
    direction: both
    owners: {emails: books}
  documents:
    mode: auto
    when: deal.won
  status: {mode: auto}
  items: {mode: auto}
  invoices: {mode: auto}
tables:
  payment_terms: {"Net 10": "10", "Net 14": "14", "Net 30": "30", "Net 60": "60"}
  items: {CONS: KONS-1}
"""
BUYER = "Tallmo Skog AB"
GRAPH = "/services/data/v68.0/composite/graph"


@pytest.fixture
def pair(database_url: str) -> Iterator[RealPair]:
    with RealPair(database_url, CONFIGURATION) as made:
        yield made


def crm_writes(pair: RealPair) -> int:
    """Writes to Salesforce: everything but reads, and composites of queries."""
    return sum(
        request.method != "GET"
        and "/oauth2/" not in request.url
        and not request.url.endswith("/composite")
        for request in pair.crm_wire.requests
    )


def settle(pair: RealPair, times: int = 3) -> None:
    """Runs until every overlap and wait is over."""
    for _ in range(times):
        pair.clock.advance(1200)
        pair.run()


def quiet(pair: RealPair) -> int:
    """A run that has nothing to do; the number of its calls to Salesforce."""
    writes, calls = crm_writes(pair), len(pair.crm_wire.requests)
    pair.clock.advance(1200)
    pair.run()
    assert crm_writes(pair) == writes
    return len(pair.crm_wire.requests) - calls


def products(pair: RealPair) -> dict[str, dict[str, Any]]:
    # The org has products without a code from its beginning.
    rows = [row for row in pair.crm_records("Product2") if row.get("ProductCode")]
    found = {row["ProductCode"]: row for row in rows}
    assert len(found) == len(rows)
    return found


def prices(pair: RealPair) -> dict[str, Decimal]:
    """Standard prices in the org's own currency, by item."""
    book = pair.crm.org.standard_book()
    return {
        row["ProductCode"]: row["UnitPrice"]
        for row in pair.crm_records("PricebookEntry")
        if row["Pricebook2Id"] == book
        and row["IsActive"]
        and row.get("CurrencyIsoCode") in (None, "SEK")
    }


def invoices(pair: RealPair) -> dict[str, dict[str, Any]]:
    rows = pair.crm_records("Tieout_Invoice__c")
    found = {row["Number__c"]: row for row in rows}
    assert len(found) == len(rows)
    return found


def lines(pair: RealPair, invoice: str) -> list[dict[str, Any]]:
    rows = pair.crm_records("Tieout_Invoice_Line__c")
    return sorted(
        (row for row in rows if row["Tieout_Invoice__c"] == invoice), key=lambda r: r["Position__c"]
    )


def same_as_books(pair: RealPair) -> None:
    """Every invoice of the books is there once, with its amounts, its lines and its customer."""
    booked = {str(row["InvoiceNumber"]): row for row in pair.records("customerinvoices")}
    shown = invoices(pair)
    assert set(shown) == set(booked)
    for number, row in booked.items():
        mine = shown[number]
        assert mine["Total__c"] == row["TotalAmount"], number
        assert mine["Balance__c"] == row["RemainingAmount"], number
        assert mine["Tax__c"] == row["TotalVatAmount"], number
        assert mine["Account__c"] == pair.accounts[row["InvoiceCustomerName"]], number
        theirs = [one for one in row["Rows"] if not one["IsTextRow"]]
        ours = [one for one in lines(pair, mine["Id"]) if one["Kind__c"] != "text"]
        assert [one["Unit_Price__c"] for one in ours] == [one["UnitPrice"] for one in theirs]
        assert [one["Quantity__c"] for one in ours] == [one["Quantity"] for one in theirs]


def test_items_and_invoices_are_those_of_the_books_to_the_cent(pair: RealPair) -> None:
    pair.deal("D-1", BUYER, "500.00", "1250.55")
    pair.run()
    settle(pair)
    articles = {row["Number"]: row for row in pair.records("articles") if row["IsActive"]}
    assert set(articles) <= set(products(pair))
    shown = prices(pair)
    for number, row in articles.items():
        assert shown[number] == row["NetPrice"], number
    assert invoices(pair) == {}
    first = pair.book("D-1")
    customer = next(row for row in pair.records("customers") if row["Name"] == BUYER)
    # One that a person made in the books, for the same customer.
    pair.in_books("create_invoice", customer=customer["Id"], amount="8000.00", date="2026-09-02")
    settle(pair)
    same_as_books(pair)
    assert invoices(pair)[first]["Opportunity__c"] == pair.deals["D-1"]
    assert invoices(pair)[first]["Status__c"] == "booked"
    quiet(pair)

    total = next(
        row["TotalAmount"]
        for row in pair.records("customerinvoices")
        if str(row["InvoiceNumber"]) == first
    )
    pair.in_books("pay", invoice=first, amount=str(total))
    pair.in_books("edit_article", article="KONS-1", set={"NetPrice": Decimal("1999.50")})
    settle(pair)
    same_as_books(pair)
    assert invoices(pair)[first]["Status__c"] == "paid"
    assert prices(pair)["KONS-1"] == Decimal("1999.50")
    quiet(pair)

    # What a person writes over what the books own is set right again.
    pair.in_crm("change_price", product="KONS-1", price="1.00", currency="SEK")
    settle(pair)
    assert prices(pair)["KONS-1"] == Decimal("1999.50")
    quiet(pair)
    assert pair.cases() == []


@pytest.mark.slow
def test_a_quiet_run_costs_the_same_however_many_invoices_there_are(pair: RealPair) -> None:
    pair.deal("D-1", BUYER, "500.00")
    pair.run()
    pair.book("D-1")
    settle(pair)
    few = quiet(pair)
    customer = next(row for row in pair.records("customers") if row["Name"] == BUYER)
    for number in range(60):
        pair.in_books(
            "create_invoice", customer=customer["Id"], amount=f"{number + 1}.25", date="2026-09-02"
        )
    before = crm_writes(pair)
    pair.run()
    # All in one request, the balance and nothing else beside it.
    assert crm_writes(pair) - before <= 3
    settle(pair)
    same_as_books(pair)
    assert len(invoices(pair)) == 61
    assert quiet(pair) == few


@pytest.mark.parametrize(
    "kind",
    [
        "drop_after_commit",
        *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("drop_before", "batch_cut")),
    ],
)
def test_lost_answers_make_nothing_twice(pair: RealPair, kind: str) -> None:
    more = {"items": 1} if kind == "batch_cut" else {}
    fault = {"kind": kind, "method": "POST", "path": GRAPH, "times": 1, **more}
    pair.crm.faults.add(dict(fault))
    pair.deal("D-1", BUYER, "500.00")
    pair.run()
    settle(pair, 5)
    articles = {row["Number"] for row in pair.records("articles") if row["IsActive"]}
    assert articles <= set(products(pair))
    pair.book("D-1")
    pair.crm.faults.add(dict(fault))
    settle(pair, 5)
    same_as_books(pair)
    # Both faults struck.
    assert [one["hits"] for one in pair.crm.faults.listed()] == [1, 1]
    quiet(pair)
    assert pair.cases() == []


def test_what_is_deleted_is_told_and_what_was_there_is_taken(pair: RealPair) -> None:
    made = pair.in_crm("create_product", name="Min egen", code="KONS-1", price="1.00")
    pair.deal("D-1", BUYER, "500.00")
    pair.run()
    number = pair.book("D-1")
    settle(pair)
    mine = products(pair)["KONS-1"]
    (article,) = [row for row in pair.records("articles") if row["Number"] == "KONS-1"]
    assert (mine["Id"], mine["Name"]) == (made["id"], article["Name"])
    assert prices(pair)["KONS-1"] == article["NetPrice"]
    assert pair.cases() == []
    pair.in_crm("delete_record", id=invoices(pair)[number]["Id"])
    settle(pair)
    assert invoices(pair) == {}
    assert [case.code for case in pair.cases()] == ["deleted_in_crm"]
    pair.in_crm("edit_record", id=mine["Id"], fields={"Name": "Min egen"})
    settle(pair)
    assert products(pair)["KONS-1"]["Name"] == article["Name"]
    quiet(pair)


def test_what_the_books_own_of_a_customer_comes_to_the_account(pair: RealPair) -> None:
    pair.deal("D-1", BUYER, "500.00")
    pair.run()
    settle(pair)
    quiet(pair)
    (customer,) = pair.records("customers")
    change = {"EmailAddress": "ny@tallmo.example", "Telephone": "08-99"}
    pair.in_books("edit_customer", customer=customer["Id"], set=change)
    settle(pair)
    row = next(r for r in pair.crm_records("Account") if r["Id"] == pair.accounts[BUYER])
    # The telephone is the CRM's: only a field that the books own comes over.
    assert (row["Invoice_Email__c"], row.get("Phone")) == ("ny@tallmo.example", None)
    quiet(pair)
    pair.in_crm("edit_account", id=row["Id"], fields={"Invoice_Email__c": "gammal@tallmo.example"})
    settle(pair)
    row = next(r for r in pair.crm_records("Account") if r["Id"] == pair.accounts[BUYER])
    assert row["Invoice_Email__c"] == "ny@tallmo.example"
    quiet(pair)
    assert pair.cases() == []


def test_where_the_flows_are_off_nothing_of_it_is_read_or_written(database_url: str) -> None:
    text = CONFIGURATION.replace("items: {mode: auto}\n", "items: {mode: 'off'}\n").replace(
        "invoices: {mode: auto}", "invoices: {mode: 'off'}"
    )
    with RealPair(database_url, text) as pair:
        before = len(pair.crm_records("Product2"))
        pair.deal("D-1", BUYER, "500.00")
        pair.run()
        pair.book("D-1")
        settle(pair)
        assert len(pair.crm_records("Product2")) == before
        assert invoices(pair) == {}
        asked = " ".join(request.url for request in pair.crm_wire.requests)
        assert "Tieout_Invoice" not in asked
        assert "PricebookEntry" not in asked


def test_address_numbers_and_telephone_come_over_where_the_books_own_them(
    database_url: str,
) -> None:
    owners = "{emails: books, phones: books, addresses: books, identifiers: books, name: latest}"
    text = CONFIGURATION.replace("{emails: books}", owners)
    with RealPair(database_url, text) as pair:
        pair.deal("D-1", BUYER, "500.00")
        pair.run()
        settle(pair)
        quiet(pair)
        (customer,) = pair.records("customers")
        change = {
            "Name": "Tallmo Skog & Mark AB",
            "Telephone": "08-99",
            "InvoiceAddress1": "Nygatan 2",
            "InvoicePostalCode": "222 33",
            "InvoiceCity": "Lund",
        }
        pair.in_books("edit_customer", customer=customer["Id"], set=change)
        settle(pair)
        row = next(r for r in pair.crm_records("Account") if r["Id"] == pair.accounts[BUYER])
        assert (row["Name"], row["Phone"]) == ("Tallmo Skog & Mark AB", "08-99")
        assert (row["BillingStreet"], row["BillingCity"]) == ("Nygatan 2", "Lund")
        assert (row["BillingPostalCode"], row["BillingCountryCode"]) == ("222 33", "SE")
        quiet(pair)
        number = company_numbers.swedish(Random(99), "556")
        pair.in_books(
            "edit_customer", customer=customer["Id"], set={"CorporateIdentityNumber": number}
        )
        settle(pair)
        row = next(r for r in pair.crm_records("Account") if r["Id"] == pair.accounts[BUYER])
        assert row["Org_Number__c"].replace("-", "") == number.replace("-", "")
        quiet(pair)
        assert pair.cases() == []


def test_where_a_key_cannot_be_seen_nothing_is_written_until_it_can(pair: RealPair) -> None:
    hidden = (("Product2", "Erp_Id__c"), ("Tieout_Invoice__c", "External_Id__c"))
    for kind, field in hidden:
        pair.in_crm("hide_field", object=kind, field=field)
    before = len(pair.crm_records("Product2"))
    pair.deal("D-1", BUYER, "500.00")
    pair.run()
    number = pair.book("D-1")
    settle(pair)
    assert {case.code for case in pair.cases()} == {"field_missing"}
    assert (len(pair.crm_records("Product2")), invoices(pair)) == (before, {})
    quiet(pair)
    for kind, field in hidden:
        pair.in_crm("hide_field", object=kind, field=field, hidden=False)
    pair.crm_connector.api.forget_objects()
    for case in pair.cases():
        pair.do(pair.store.make_due(case.lane, [case.source_id], pair.clock.now()))
    settle(pair)
    same_as_books(pair)
    assert set(invoices(pair)) == {number}
    assert len(pair.crm_records("Product2")) > before
    assert pair.cases() == []
