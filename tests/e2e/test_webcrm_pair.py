"""webCRM and Visma eAccounting: won once, invoiced once, and shown on the delivery."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from support.webcrm_pair import CONFIGURATION, WebcrmPair
from tieout.engine.run import RunResult


@pytest.fixture
def pair(database_url: str) -> Iterator[WebcrmPair]:
    with WebcrmPair(database_url) as made:
        yield made


def writes(pair: WebcrmPair) -> int:
    """Every write that arrived on either side, sign-ins left out."""
    wires = (pair.crm_wire, pair.books_wire)
    return sum(
        request.method != "GET" and "/Auth/" not in request.url and "/connect/" not in request.url
        for wire in wires
        for request in wire.requests
    )


def quiet(pair: WebcrmPair) -> RunResult:
    """A further run, which has nothing to do."""
    before = writes(pair)
    result = pair.run()
    assert writes(pair) == before
    return result


def settle(pair: WebcrmPair, minutes: int = 60) -> None:
    """Runs until every wait is over."""
    for _ in range(6):
        pair.clock.advance(minutes * 10)
        pair.run()


def test_a_won_delivery_becomes_customer_and_draft_and_its_status_comes_back(
    pair: WebcrmPair,
) -> None:
    number = pair.sell("D-1", "12000.00", "500.50")
    pair.run()
    (draft,) = pair.drafts()
    assert draft["CustomerName"] == "Nordhavn Kaffe AB"
    assert draft["TotalAmount"] == Decimal("15625.63") or draft["TotalAmount"] == Decimal("15626")
    (customer,) = pair.records("customers")
    assert customer["InvoiceCity"] == "Stockholm"
    assert customer["InvoiceAddress2"] == "2 tr"
    row = pair.webcrm_row("Deliveries", number)
    assert row["DeliveryCustom4"] == "draft"
    assert row["DeliveryErpStatus"] == "Synchronized"
    assert row["DeliveryErpId"].startswith(f"T{number}/draft:")
    assert not row["DeliveryErpSyncDateTime"].startswith("0001")
    assert pair.cases() == []
    quiet(pair)

    made = pair.in_books("book_draft", draft=draft["Id"])
    pair.run()
    row = pair.webcrm_row("Deliveries", number)
    assert row["DeliveryCustom3"] == str(made["InvoiceNumber"])
    assert row["DeliveryCustom4"] == "booked"
    assert Decimal(row["DeliveryCustom6"]) == draft["TotalAmount"]
    assert row["DeliveryErpId"].startswith(f"T{number}/invoice:")
    balance = pair.webcrm_row("Organisations", pair.organisation())["OrganisationCustom7"]
    assert Decimal(balance) == draft["TotalAmount"]
    quiet(pair)

    pair.in_books("pay", invoice=made["InvoiceNumber"], amount=str(draft["TotalAmount"]))
    pair.run()
    row = pair.webcrm_row("Deliveries", number)
    assert row["DeliveryCustom4"] == "paid"
    assert Decimal(row["DeliveryCustom6"]) == 0
    assert row["DeliveryCustom7"]
    quiet(pair)


def test_an_answer_that_was_dropped_makes_no_second_draft(pair: WebcrmPair) -> None:
    pair.sell("D-1", "12000.00")
    pair.books.faults.add(
        {"kind": "drop_after_commit", "method": "POST", "path": "/v2/customerinvoicedrafts"}
    )
    pair.run()
    settle(pair)
    assert len(pair.drafts()) == 1
    assert len(pair.records("customers")) == 1
    quiet(pair)


def test_an_answer_of_webcrm_that_was_dropped_is_looked_for_and_shown_once(
    pair: WebcrmPair,
) -> None:
    number = pair.sell("D-1", "12000.00")
    pair.webcrm.faults.add({"kind": "drop_after_commit", "method": "PATCH", "path": "*"})
    pair.run()
    settle(pair)
    assert pair.webcrm_row("Deliveries", number)["DeliveryCustom4"] == "draft"
    assert len(pair.drafts()) == 1
    quiet(pair)


def test_an_organisation_that_is_no_customer_is_left_out_by_rule(pair: WebcrmPair) -> None:
    other = pair.organisation("Leverandør AB", Type="Kreditor")
    pair.sell("D-1", "12000.00", organisation=other)
    pair.run()
    assert pair.drafts() == []
    pair.act("change_type", organisation=other, type="Debitor")
    pair.run()
    assert len(pair.drafts()) == 1


def test_a_country_that_nobody_knows_holds_the_deal_and_a_correction_lets_it_go(
    pair: WebcrmPair,
) -> None:
    strange = pair.organisation("Langt Væk AB", Country="Narnia")
    pair.sell("D-1", "12000.00", organisation=strange)
    pair.run()
    assert pair.drafts() == []
    (case,) = pair.cases("address_incomplete")
    assert "no country" in case.message
    pair.act("edit_organisation", organisation=strange, set={"Country": "Sverige"})
    pair.run()
    assert len(pair.drafts()) == 1
    assert pair.cases() == []


def test_a_delivery_that_is_edited_or_taken_back_is_followed(pair: WebcrmPair) -> None:
    number = pair.sell("D-1", "12000.00")
    pair.run()
    line = next(iter(pair.webcrm.entities()["QuotationLines"]()))["QuotationLineId"]
    pair.act("edit_lines", deal=number, change=[{"line": line, "price": "10000.00"}])
    pair.act("edit_deal", deal=number, set={"Note": "ny pris"})
    pair.run()
    (draft,) = pair.drafts()
    assert draft["TotalAmount"] == Decimal("12500")
    pair.act("reopen", deal=number)
    pair.run()
    settle(pair)
    assert pair.drafts() == []
    pair.act("win", deal=number)
    pair.run()
    settle(pair)
    assert len(pair.drafts()) == 1
    quiet(pair)


@pytest.mark.parametrize("keeps", [True, False])
def test_an_opportunity_that_was_invoiced_and_then_converted_is_invoiced_once(
    database_url: str, keeps: bool
) -> None:
    with WebcrmPair(database_url, crm={"won": "flag"}) as pair:
        pair.assume("conversion_keeps_id", keeps)
        number = pair.sell("D-1", "12000.00", how="add_opportunity")
        pair.run()
        assert pair.drafts() == []
        pair.act("win", deal=number, how="flag")
        pair.run()
        assert len(pair.drafts()) == 1
        new = int(pair.act("win", deal=number)["DeliveryId"])
        assert (new == number) is keeps
        pair.run()
        # The daily comparison of all ids does not take the old number for a deletion.
        pair.clock.advance(26 * 3600)
        pair.run()
        settle(pair)
        (draft,) = pair.drafts()
        pair.in_books("book_draft", draft=draft["Id"])
        pair.run()
        row = pair.webcrm_row("Deliveries", new)
        assert row["DeliveryCustom4"] == "booked"
        assert row["DeliveryErpId"].startswith(f"T{number}/invoice:")
        assert pair.drafts() == []
        assert pair.cases() == []
        quiet(pair)


def test_being_ready_is_a_trigger_and_the_handshake_does_not_undo_it(database_url: str) -> None:
    with WebcrmPair(database_url, crm={"won": "ready"}) as pair:
        number = pair.sell("D-1", "12000.00")
        pair.run()
        assert pair.drafts() == []
        pair.act("mark_ready", deal=number)
        pair.run()
        assert len(pair.drafts()) == 1
        row = pair.webcrm_row("Deliveries", number)
        assert row["DeliveryErpStatus"] == "Synchronized"
        settle(pair)
        assert len(pair.drafts()) == 1
        quiet(pair)
        pair.act("edit_deal", deal=number, set={"ErpStatus": "NotReadyForSynchronization"})
        settle(pair)
        assert pair.drafts() == []
        row = pair.webcrm_row("Deliveries", number)
        assert row["DeliveryErpStatus"] == "NotReadyForSynchronization"


def test_many_standings_go_in_arrays_and_a_twin_does_not_stop_the_others(
    pair: WebcrmPair,
) -> None:
    numbers = [pair.sell(f"D-{n}", "1000.00") for n in range(1, 6)]
    twins = [pair.sell("D-9", "2000.00"), pair.sell("D-9", "3000.00")]
    pair.run()
    shown: Any = {n: pair.webcrm_row("Deliveries", n)["DeliveryCustom4"] for n in numbers}
    assert set(shown.values()) == {"draft"}
    assert {pair.webcrm_row("Deliveries", n)["DeliveryCustom4"] for n in twins} == {""}
    cases = pair.cases("twin_number")
    assert len(cases) == 2
    assert "number D-9 of another delivery" in cases[0].message
    assert len(pair.drafts()) == 7
    pair.act("renumber_delivery", delivery=twins[1], number="D-10")


def test_another_process_on_an_empty_database_adopts_what_is_there(database_url: str) -> None:
    with WebcrmPair(database_url) as pair:
        pair.sell("D-1", "12000.00")
        pair.run()
        assert len(pair.drafts()) == 1
        again = CONFIGURATION
        with WebcrmPair(database_url, again) as other:
            other.webcrm_connector = pair.webcrm_connector
            other.books_connector = pair.books_connector
            other.books, other.books_wire = pair.books, pair.books_wire
            other.clock = pair.clock
            other.store._clock = pair.clock
            other.configure(again)
            other.run()
            other.run()
            assert len(pair.drafts()) == 1
            assert other.cases() == []


def test_items_of_the_books_can_be_quoted_with_and_follow(database_url: str) -> None:
    text = CONFIGURATION.replace(
        "  status: {mode: auto}", "  items: {mode: auto}\n  status: {mode: auto}"
    )
    with WebcrmPair(database_url, text, crm={"line": {"key": "Data4"}}) as pair:
        pair.act("set_columns", columns=["Varenummer", "Navn", "Enhed", "Tieout"])
        articles = {row["Number"]: row for row in pair.records("articles") if row["IsActive"]}
        pair.run()
        stem = "QuotationLineLinkedDataItem"

        def catalogue() -> dict[str, Any]:
            rows = pair.webcrm.entities()["QuotationLineLinkedData"]()
            return {row[f"{stem}Data1"]: row for row in rows if not row.get("_deleted")}

        shown = catalogue()
        assert set(articles) <= set(shown)
        some = articles["KONS-1"]
        assert shown["KONS-1"][f"{stem}Price"] == some["NetPrice"]
        pair.clock.advance(3700)
        pair.run()
        quiet(pair)
        pair.in_books("edit_article", article="KONS-1", set={"NetPrice": Decimal("1999.50")})
        pair.clock.advance(3700)
        pair.run()
        assert catalogue()["KONS-1"][f"{stem}Price"] == Decimal("1999.5")
        pair.clock.advance(3700)
        pair.run()
        quiet(pair)
        assert len(catalogue()) == len(shown)


def test_what_the_books_own_of_a_customer_comes_to_the_organisation(database_url: str) -> None:
    text = CONFIGURATION.replace(
        "    match: [external_id",
        "    direction: both\n    owners: {phones: books, addresses: latest}\n"
        "    match: [external_id",
    )
    with WebcrmPair(database_url, text) as pair:
        pair.sell("D-1", "12000.00")
        pair.run()
        settle(pair, 1)
        quiet(pair)
        (customer,) = pair.records("customers")
        change = {"Telephone": "+46 8 123 45 67", "InvoiceCity": "Nacka"}
        pair.in_books("edit_customer", customer=customer["Id"], set=change)
        settle(pair, 1)
        row = pair.webcrm_row("Organisations", pair.organisation())
        assert row["OrganisationTelephone"] == "+46 8 123 45 67"
        assert row["OrganisationCity"] == "Nacka"
        assert row["OrganisationAddress"] == "Sandkajen 14\n2 tr"
        assert row["OrganisationCountry"] == "Sverige"
        assert pair.cases() == []
        quiet(pair)
