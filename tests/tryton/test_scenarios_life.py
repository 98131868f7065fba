"""The spine over a real Tryton: a deal from won to paid, edited, reopened, deleted, copied."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal

import pytest

from support.tryton_pair import ALL_TIME, TrytonPair, parts
from support.tryton_rig import Fault
from support.tryton_server import RunningTryton
from tieout_sandbox.tryton import acts
from tieout_sandbox.tryton.acts import Line

D = Decimal
THIRDS = "1/3 2026-01-05, 1/3 2026-01-19, rest 2027-12-30"


@pytest.fixture(scope="module")
def pair(database_url: str, tryton_group: RunningTryton) -> Iterator[TrytonPair]:
    """One company for all of them; each test has customers and deals of its own."""
    with TrytonPair(
        database_url,
        tryton_group,
        tax_rules={"eu_service_reverse_charge": "Kund i annat EU-land"},
    ) as made:
        yield made


def test_from_won_to_paid(pair: TrytonPair) -> None:
    pair.deal("D-101", "Tallmo Skog AB", "10000.00", "250.50")
    pair.run()
    draft = pair.row("D-101", "state", "number", "untaxed_amount", "tax_amount", "total_amount")
    assert (draft["state"], draft["number"]) == ("draft", None)
    assert draft["untaxed_amount"] == D("10250.50")
    # Half to even over there: 2,562.625.
    assert (draft["tax_amount"], draft["total_amount"]) == (D("2562.62"), D("12813.12"))
    assert pair.figures("D-101") == {"status": "draft"}
    assert parts(pair.tied(), "D-101") == [("in_draft", "10250.50")]

    booked = pair.book("D-101")
    pair.run()
    shown = pair.figures("D-101")
    assert (shown["status"], shown["number"]) == ("booked", booked)
    assert (shown["net"], shown["paid"], shown["open"]) == ("10250.50", "0.00", "12813.12")
    assert pair.balance("Tallmo Skog AB") == (D("12813.12"), D(0))

    acts.pay(pair.anna, pair.id_of("D-101"), D("5000.00"))
    pair.run()
    shown = pair.figures("D-101")
    assert (shown["status"], shown["paid"], shown["open"]) == ("partly_paid", "5000.00", "7813.12")
    assert pair.balance("Tallmo Skog AB") == (D("7813.12"), D(0))

    acts.pay(pair.anna, pair.id_of("D-101"))
    pair.run()
    shown = pair.figures("D-101")
    assert (shown["status"], shown["paid"], shown["open"]) == ("paid", "12813.12", "0.00")
    assert pair.balance("Tallmo Skog AB") == (D(0), D(0))
    assert parts(pair.tied(), "D-101") == []


@pytest.mark.slow
def test_a_second_run_changes_nothing(pair: TrytonPair) -> None:
    pair.deal("D-102", "Havtorn Energi AB", "700.00")
    pair.run()
    before = pair.row("D-102", "_timestamp", "write_date")
    for _ in range(2):
        result = pair.run()
        assert (result.executed.calls, result.decided.by_verdict.get("write", 0)) == (0, 0)
    assert pair.row("D-102", "_timestamp", "write_date") == before


@pytest.mark.slow
def test_the_customer_is_made_once_and_follows_the_account(pair: TrytonPair) -> None:
    pair.account("Älvdal Kraft AB")
    for number in ("D-103", "D-104"):
        pair.deal(number, "Älvdal Kraft AB", "1000.00")
    pair.run()
    admin = pair.running.admin
    party = pair.row("D-103", "party")["party"]
    assert pair.row("D-104", "party")["party"] == party
    seen = admin.read("party.party", party, "name", "code", "identifiers.code", "tieout_key")
    assert (seen["name"], bool(seen["tieout_key"])) == ("Älvdal Kraft AB", True)
    number = next(r for r in pair.crm_records("Account") if r["Name"] == "Älvdal Kraft AB")
    codes = {row["code"].replace("-", "").replace(" ", "") for row in seen["identifiers."]}
    assert number["Vat_Number__c"] in codes
    account = pair.accounts["Älvdal Kraft AB"]
    pair.in_crm("edit_account", id=account, fields={"BillingStreet": "Nya vägen 7"})
    pair.run()
    streets = [
        row["street"] for row in admin.search("party.address", [["party", "=", party]], ["street"])
    ]
    assert streets == ["Nya vägen 7"]


@pytest.mark.slow
def test_a_changed_deal_changes_its_draft(pair: TrytonPair) -> None:
    pair.deal("D-105", "Norrsken Foto AB", "1000.00", "200.00")
    pair.run()
    invoice = pair.id_of("D-105")
    pair.price("D-105", "1200.00")
    pair.run()
    assert pair.id_of("D-105") == invoice
    seen = pair.row("D-105", "untaxed_amount", "tax_amount", "total_amount")
    assert seen["untaxed_amount"] == D("1400.00")
    assert (seen["tax_amount"], seen["total_amount"]) == (D("350.00"), D("1750.00"))
    assert pair.cases_of("D-105") == []


@pytest.mark.slow
def test_what_both_sides_changed_is_asked_about(pair: TrytonPair) -> None:
    pair.deal("D-106", "Granit & Mark AB", "27200.00")
    pair.run()
    pair.price_there("D-106", "26000.00")
    pair.run()
    assert pair.row("D-106", "untaxed_amount")["untaxed_amount"] == D("26000.00")
    assert dict(parts(pair.tied(), "D-106"))["edited_in_the_books"] == "1200.00"
    pair.price("D-106", "28000.00")
    pair.run()
    # Nobody's edit is lost: what finance did stands until a person decides.
    assert pair.row("D-106", "untaxed_amount")["untaxed_amount"] == D("26000.00")
    assert pair.cases_of("D-106") == ["draft_edited"]
    assert parts(pair.tied(), "D-106") == [
        ("exception_open", "800.00"),
        ("edited_in_the_books", "1200.00"),
        ("in_draft", "26000.00"),
    ]


@pytest.mark.slow
def test_a_line_that_finance_added_stays_when_the_deal_changes(pair: TrytonPair) -> None:
    pair.deal("D-107", "Fjällbo Hotell AB", "1000.00")
    pair.run()
    invoice = pair.id_of("D-107")
    note = [["create", [{"type": "comment", "description": "Tack för ordern"}]]]
    pair.anna.write("account.invoice", invoice, {"lines": note, "description": "Avtal 7"})
    pair.run()
    pair.edit("D-107", Name="D-107 and more")
    pair.run()
    seen = pair.row("D-107", "description", "lines.description", "untaxed_amount")
    assert seen["description"] == "Avtal 7"
    assert "Tack för ordern" in [row["description"] for row in seen["lines."]]
    assert seen["untaxed_amount"] == D("1000.00")
    pair.tied()


@pytest.mark.slow
def test_a_reopened_deal_takes_its_draft_back_and_gets_another_one(pair: TrytonPair) -> None:
    pair.deal("D-108", "Mosippa Handel AB", "3000.00")
    pair.run()
    first = pair.row("D-108", "tieout_key")
    pair.in_crm("reopen", id=pair.deals["D-108"])
    pair.run()
    admin = pair.running.admin
    assert admin.search("account.invoice", [["id", "=", first["id"]]], []) == []
    assert pair.cases_of("D-108") == []
    pair.in_crm("win", id=pair.deals["D-108"])
    pair.run()
    pair.run()
    second = pair.row("D-108", "tieout_key", "state")
    assert second["state"] == "draft"
    assert second["tieout_key"][:-2] == first["tieout_key"][:-2]
    assert (first["tieout_key"][-2:], second["tieout_key"][-2:]) == ("00", "01")
    assert parts(pair.tied(), "D-108") == [("in_draft", "3000.00")]


@pytest.mark.slow
def test_reopened_after_booking_is_for_people_and_nothing_happens(pair: TrytonPair) -> None:
    invoice = pair.invoiced("D-109", "Rönnskär Plåt AB", "80000.00")
    pair.in_crm("reopen", id=pair.deals["D-109"])
    pair.run()
    assert pair.cases_of("D-109") == ["reopened_after_booking"]
    assert pair.row("D-109", "state")["state"] == "posted"
    pair.tied()
    acts.credit(pair.anna, invoice)
    pair.run()
    assert pair.cases_of("D-109") == []
    pair.in_crm("win", id=pair.deals["D-109"])
    pair.run()
    pair.run()
    assert pair.id_of("D-109") != invoice
    seen = pair.row("D-109", "state", "tieout_key")
    assert (seen["state"], seen["tieout_key"][-2:]) == ("draft", "01")
    assert pair.figures("D-109")["status"] == "draft"
    assert parts(pair.tied(), "D-109") == [("in_draft", "80000.00")]


@pytest.mark.slow
def test_a_deal_raised_after_booking(pair: TrytonPair) -> None:
    invoice = pair.invoiced("D-110", "Vattenbo Teknik AB", "80000.00")
    pair.price("D-110", "82000.00")
    pair.run()
    assert pair.cases_of("D-110") == ["changed_after_booking"]
    assert pair.row("D-110", "untaxed_amount")["untaxed_amount"] == D("80000.00")
    assert pair.id_of("D-110") == invoice
    assert parts(pair.tied(), "D-110") == [("exception_open", "2000.00")]


@pytest.mark.slow
def test_a_deal_of_three_instalments(pair: TrytonPair) -> None:
    pair.deal("D-111", "Kustbanan Drift AB", "100000.00", Billing_Plan__c=THIRDS)
    pair.run()
    one, two = (pair.row("D-111", "untaxed_amount", "state", part=part) for part in (1, 2))
    assert (one["untaxed_amount"], two["untaxed_amount"]) == (D("33333.33"), D("33333.33"))
    pair.book("D-111", 1)
    pair.run()
    assert parts(pair.tied(), "D-111") == [
        ("remaining_instalments", "33333.34"),
        ("in_draft", "33333.33"),
    ]


@pytest.mark.slow
def test_a_sale_to_another_country_of_the_union(pair: TrytonPair) -> None:
    pair.account("Saimaan Telakka Oy", "FI")
    pair.deal("D-112", "Saimaan Telakka Oy", "12000.00", currency="EUR", Sales_Rate__c=D("11.20"))
    pair.run()
    assert [case.message for case in pair.cases() if case.deal == "D-112"] == []
    pair.book("D-112")
    pair.run()
    seen = pair.row("D-112", "currency.code", "tax_amount", "total_amount", "taxes.tax.name")
    assert seen["currency."]["code"] == "EUR"
    assert (seen["tax_amount"], seen["total_amount"]) == (D(0), D("12000.00"))
    shown = pair.figures("D-112")
    assert (shown["status"], shown["open"]) == ("booked", "12000.00")
    # 0.0880 EUR for a krona: 136,363.64 in the ledger, 134,400.00 by the deal's own rate.
    result = pair.tied()
    (row,) = [row for row in result.deals if row.number == "D-112"]
    assert (row.sold, row.invoiced) == (D("134400.00"), D("136363.64"))
    assert parts(result, "D-112") == [("currency_rate", "-1963.64")]
    acts.pay(pair.anna, pair.id_of("D-112"))
    pair.run()
    shown = pair.figures("D-112")
    assert (shown["status"], shown["paid"], shown["open"]) == ("paid", "12000.00", "0.00")


@pytest.mark.slow
def test_an_invoice_made_by_hand_is_asked_about(pair: TrytonPair) -> None:
    pair.deal("D-113", "Ekfors Trä AB", "500.00")
    pair.run()
    party = pair.row("D-113", "party")["party"]
    line = Line(item=pair.running.books.items["KON01"], price=D("8000.00"), text="Konsult")
    made = acts.make_invoice(pair.anna, party, [line])
    acts.post(pair.anna, made)
    pair.run()
    pair.deal("D-114", "Ekfors Trä AB", "8000.00")
    pair.run()
    assert pair.cases_of("D-114") == ["possible_duplicate"]
    mine = [row for row in pair.invoices() if row["party."]["id"] == party]
    assert len(mine) == 2
    result = pair.tied()
    assert [row.invoiced for row in result.without_deal if row.invoiced == D("8000.00")]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["drop_before", "drop_after", "garbage"])
def test_an_answer_that_was_lost(pair: TrytonPair, kind: str) -> None:
    number = f"D-12{len(kind)}"
    pair.deal(number, "Sjöholm Bygg AB", "4200.00")
    pair.wire.faults.append(Fault(kind, "model.account.invoice.create"))
    pair.run()
    for _ in range(3):
        pair.run()
    key13 = pair.row(number, "tieout_key")["tieout_key"][:13]
    assert [r for r in pair.invoices() if (r["tieout_key"] or "").startswith(key13)] != []
    found = [r for r in pair.invoices() if (r["tieout_key"] or "").startswith(key13)]
    assert [row["untaxed_amount"] for row in found] == [D("4200.00")]
    assert pair.figures(number)["status"] == "draft"
    assert pair.cases_of(number) == []


@pytest.mark.slow
def test_receivables_are_those_of_the_ledger(pair: TrytonPair) -> None:
    pair.invoiced("D-130", "Brännvik Logistik AB", "80000.00", "40000.00")
    acts.pay(pair.anna, pair.id_of("D-130"), D("30000.00"))
    pair.run()
    report = pair.tie_out(ALL_TIME, receivables=True).report
    assert report.receivables is not None
    assert report.receivables.agrees, report.receivables
    control = pair.do(pair.books_connector.control(ALL_TIME.end))
    assert control is not None
    lines = pair.running.admin.search(
        "account.move.line",
        [["account.type.receivable", "=", True], ["move.state", "=", "posted"]],
        ["debit", "credit"],
    )
    assert control.balance == sum((row["debit"] - row["credit"] for row in lines), D(0))
    # A year that nobody has opened yet begins with what was open at the end of the last one.
    later = pair.do(pair.books_connector.control(date(ALL_TIME.end.year + 7, 1, 31)))
    assert later is not None
    assert later.balance == control.balance
