"""The twenty situations of the revenue cycle, each played by people in both simulators."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from support.october import CONFIGURATION, moment
from support.real_pair import BOOKS, RealPair
from tieout.core.chain import Cause
from tieout.core.ledger_list import Period
from tieout.core.tieout import TieOut

D = Decimal
OCTOBER, NOVEMBER = Period.month(2026, 10), Period.month(2026, 11)
CUT_OFF = date(2026, 10, 31)
BUYER = "Tallmo Skog AB"

CONFIGURED = CONFIGURATION.replace("approve_above: 100000", "approve_above: 1000000")
KEPT = CONFIGURED.replace("mode: approve", "mode: approve\n    void_on_reopen: false")
DISCOUNT = CONFIGURED.replace("tolerance: 0.01", "tolerance: 0.00\n    discount_item: RABATT")


@pytest.fixture
def make(database_url: str) -> Iterator[Callable[..., RealPair]]:
    """Makes the pair of a test, on the morning of 5 October."""
    made: list[RealPair] = []

    def making(configuration: str = CONFIGURED) -> RealPair:
        made.append(RealPair(database_url, configuration, start=moment(10, 5)))
        return made[-1]

    yield making
    for pair in made:
        pair.__exit__()


def deal(pair: RealPair, number: str, *amounts: Any, account: str = BUYER, **more: Any) -> None:
    """A won deal whose order is confirmed."""
    pair.deal(number, account, *amounts, **{"Order_Confirmed__c": True, **more})


def invoiced(pair: RealPair, number: str, *amounts: Any, **more: Any) -> str:
    """A deal whose draft was made by a run and booked by finance; the invoice's number."""
    deal(pair, number, *amounts, **more)
    pair.run()
    booked = pair.book(number)
    pair.run()
    return booked


def figures(pair: RealPair, number: str) -> dict[str, str]:
    """What the CRM shows of a deal, as text; flags that are not set left out."""
    shown = pair.shown(number)
    # Zero is told, and equal to False.
    told = {name: value for name, value in shown.items() if value is not None}
    return {name: str(value) for name, value in told.items() if value is not False}


def parts(result: TieOut, number: str) -> list[tuple[str, str]]:
    """The parts of a deal's gap."""
    row = next(row for row in result.deals if row.number == number)
    return [(part.cause.value, str(part.amount)) for part in row.parts]


def october(pair: RealPair) -> TieOut:
    """The tie-out of October, which has to be explained whatever the situation."""
    result = pair.tie_out(OCTOBER, CUT_OFF).tie_out
    assert result.explained, result.unexplained_parts
    return result


def row_of(pair: RealPair, number: str) -> dict[str, Any]:
    """An invoice as the books store it."""
    return next(r for r in pair.records("customerinvoices") if str(r["InvoiceNumber"]) == number)


def test_01_a_payment_short_by_a_rounding(make) -> None:
    pair = make()
    booked = invoiced(pair, "D-1", "33333.33")
    assert row_of(pair, booked)["TotalAmount"] == D("41667.00")
    pair.in_books("pay", invoice=booked, amount="41666.66", kind=3)
    pair.run()
    assert figures(pair, "D-1") == {
        "status": "paid",
        "number": booked,
        "net": "33333.33",
        "paid": "41666.66",
        "open": "0.00",
    }
    rolled = pair.tie_out(OCTOBER, CUT_OFF, receivables=True).report.receivables
    assert rolled is not None
    assert rolled.movements.small_differences == D("0.34")
    assert rolled.agrees
    assert parts(october(pair), "D-1") == []


def test_02_a_part_payment_of_an_invoice_that_is_overdue(make) -> None:
    pair = make()
    booked = invoiced(pair, "D-2", "30000.00", "18750.00")
    pair.in_books("pay", invoice=booked, amount="30000.00")
    pair.run()
    pair.at(moment(11, 4))
    pair.run()
    assert figures(pair, "D-2")["status"] == "partly_paid"
    assert "overdue" not in figures(pair, "D-2")  # due today
    pair.at(moment(11, 5))
    pair.run()
    shown = figures(pair, "D-2")
    assert (shown["status"], shown["overdue"]) == ("partly_paid", "True")
    assert (shown["paid"], shown["open"]) == ("30000.00", "30938.00")
    assert pair.balance(BUYER) == (D("30938.00"), D("30938.00"))
    (row,) = october(pair).deals
    assert row.paid == D("23999.80")


def test_03_a_payment_that_is_too_large(make) -> None:
    pair = make()
    booked = invoiced(pair, "D-3", "26000.00")
    pair.in_books("pay", invoice=booked, amount="33000.00")
    pair.run()
    shown = figures(pair, "D-3")
    assert (shown["status"], shown["paid"], shown["open"]) == ("paid", "32500.00", "0.00")
    report = pair.tie_out(OCTOBER, CUT_OFF, receivables=True).report
    assert report.receivables is not None
    assert report.ageing is not None
    assert report.receivables.movements.on_account == D("500.00")
    assert report.ageing.on_account == D("-500.00")
    assert report.receivables.agrees


def test_04_an_invoice_credited_in_the_next_month(make) -> None:
    pair = make()
    booked = invoiced(pair, "D-4", "54000.00")
    before = october(pair)
    pair.at(moment(11, 10))
    pair.in_books("credit", invoice=booked)
    pair.run()
    shown = figures(pair, "D-4")
    assert (shown["status"], shown["net"], shown["open"]) == ("credited", "0.00", "0.00")
    assert (october(pair).invoiced, before.invoiced) == (D("54000.00"), D("54000.00"))
    november = pair.tie_out(NOVEMBER).tie_out
    assert november.explained
    assert november.ledger_net == D("-54000.00")
    assert [(line.code, line.month, line.amount) for line in november.by_period[1:]] == [
        ("credits", date(2026, 10, 1), D("-54000.00"))
    ]


def test_05_a_credit_larger_than_what_is_open(make) -> None:
    pair = make()
    booked = invoiced(pair, "D-5", "8000.00")
    pair.in_books("pay", invoice=booked, amount="8000.00")
    note = pair.in_books("credit", invoice=booked, amount="5000.00")
    pair.run()
    shown = figures(pair, "D-5")
    assert shown["status"] == "paid"
    assert (shown["credited_in_part"], shown["refund_due"]) == ("True", "True")
    assert (shown["paid"], shown["open"]) == ("8000.00", "-3000.00")
    assert D(row_of(pair, str(note["InvoiceNumber"]))["RemainingAmount"]) == D("-3000.00")
    pair.in_books("pay", invoice=note["InvoiceNumber"], amount="3000.00")
    pair.run()
    shown = figures(pair, "D-5")
    assert (shown["paid"], shown["open"]) == ("5000.00", "0.00")
    assert "refund_due" not in shown
    assert parts(october(pair), "D-5") == [("credited", "4000.00")]


def test_06_a_credit_note_that_names_nothing(make) -> None:
    pair = make()
    booked = invoiced(pair, "D-6", "6300.00")
    customer = row_of(pair, booked)["CustomerId"]
    pair.in_books("create_invoice", customer=customer, amount="6300.00", credit=True)
    pair.run()
    shown = figures(pair, "D-6")
    assert (shown["status"], shown["open"]) == ("booked", "7875.00")
    (case,) = pair.cases("credit_without_invoice")
    assert "names no invoice" in case.message
    assert case.amount == D("6300.00")
    result = october(pair)
    (loose,) = result.without_deal
    assert loose.invoiced == D("-6300.00")
    assert result.gap == D("6300.00")
    assert parts(result, "D-6") == []
    # A person matches the two: then it is the deal's, and the case closes by itself.
    number = next(r for r in pair.records("customerinvoices") if r["IsCreditInvoice"])
    pair.in_books("set_off", invoice=booked, credit=number["InvoiceNumber"])
    pair.run()
    assert figures(pair, "D-6")["status"] == "credited"
    assert pair.cases() == []
    assert parts(october(pair), "D-6") == [("credited", "6300.00")]


@pytest.mark.parametrize(
    ("said", "assigned"),
    [
        ("{}", True),
        ("Kreditering av faktura nr {}", True),
        ("faktura{}", True),
        ("{}0", False),
        ("faktura {}1", False),
        ("", False),
    ],
)
def test_06b_a_credit_note_that_names_its_invoice_in_words(make, said: str, assigned: bool) -> None:
    pair = make()
    booked = invoiced(pair, "D-6", "6300.00")
    customer = row_of(pair, booked)["CustomerId"]
    text = said.format(booked)
    # Another customer's credit note that says the same is never this deal's.
    other = pair.in_books("create_customer", set={"Name": "Annan AB", "InvoiceCity": "Lund"})
    for whose in (customer, other["Id"]):
        pair.in_books(
            "create_invoice",
            customer=whose,
            amount="1300.00",
            credit=True,
            set={"YourReference": text},
        )
    pair.run()
    open_cases = pair.cases("credit_without_invoice")
    assert len(open_cases) == (1 if assigned else 2)
    shown = figures(pair, "D-6")
    assert shown["net"] == ("5000.00" if assigned else "6300.00")
    expected = [("credited", "1300.00")] if assigned else []
    assert parts(october(pair), "D-6") == expected
    pair.run()
    assert len(pair.cases("credit_without_invoice")) == len(open_cases)


def test_07_a_loss(make) -> None:
    pair = make()
    booked = invoiced(pair, "D-7", "10000.00")
    pair.in_books("write_off", invoice=booked)
    pair.run()
    shown = figures(pair, "D-7")
    assert (shown["status"], shown["net"]) == ("written_off", "10000.00")
    assert (shown["paid"], shown["open"]) == ("0.00", "0.00")
    result = october(pair)
    assert (result.invoiced, result.paid, result.gap) == (D("10000.00"), D(0), D(0))


def test_08_a_fee_that_the_bank_kept_and_a_better_rate(make) -> None:
    pair = make()
    pair.account("Saimaan Telakka Oy", "FI")
    deal(pair, "D-8", "12000.00", account="Saimaan Telakka Oy", currency="EUR",
         Sales_Rate__c=D("11.0432"))  # fmt: skip
    pair.run()
    booked = pair.book("D-8")
    pair.in_books("set_exchange_rate", currency="EUR", rate="11.10")
    pair.in_books("pay", invoice=booked, amount="12000.00", fee="166.50")
    pair.run()
    shown = figures(pair, "D-8")
    assert (shown["status"], shown["paid"], shown["open"]) == ("paid", "12000.00", "0.00")
    done = pair.tie_out(OCTOBER, CUT_OFF, receivables=True)
    rolled = done.report.receivables
    assert rolled is not None
    assert rolled.bank is not None
    assert (rolled.bank.exchange_gain, rolled.bank.fees) == (D("681.60"), D("166.50"))
    assert rolled.agrees
    assert done.tie_out.invoiced == D("132518.40")
    assert parts(october(pair), "D-8") == []


def test_09_a_reminder_fee_is_a_claim_of_its_own(make) -> None:
    pair = make()
    booked = invoiced(pair, "D-9", "10000.00")
    before, shown = october(pair), figures(pair, "D-9")
    assert pair.balance(BUYER)[0] == D("12500.00")
    pair.in_books("reminder_fee", invoice=booked)
    pair.run()
    assert pair.balance(BUYER)[0] == D("12560.00")
    after = october(pair)
    assert (after.sold, after.invoiced, after.paid) == (before.sold, before.invoiced, before.paid)
    assert after.without_deal == ()
    assert figures(pair, "D-9") == shown


def test_10_a_credit_that_is_set_off(make) -> None:
    pair = make()
    booked = invoiced(pair, "D-10", "54000.00")
    pair.in_books("credit", invoice=booked, amount="16875.00")
    pair.run()
    shown = figures(pair, "D-10")
    assert (shown["status"], shown["credited_in_part"]) == ("booked", "True")
    assert (shown["paid"], shown["open"], shown["net"]) == ("0.00", "50625.00", "40500.00")
    assert parts(october(pair), "D-10") == [("credited", "13500.00")]


def test_11_a_deal_raised_after_booking(make) -> None:
    pair = make()
    invoiced(pair, "D-11", "80000.00")
    pair.price("D-11", "82000.00")
    pair.run()
    (case,) = pair.cases()
    assert (case.code, case.deal) == ("changed_after_booking", "D-11")
    assert case.hint == "Proposal: a supplementary invoice over 2,000.00. Finance decides."
    assert pair.records("customerinvoicedrafts") == []
    assert parts(october(pair), "D-11") == [("exception_open", "2000.00")]


def test_12_another_buyer_after_booking(make) -> None:
    pair = make()
    booked = invoiced(pair, "D-12", "80000.00")
    other = pair.account("Vattenbo Teknik AB")
    pair.edit("D-12", AccountId=other)
    pair.run()
    (case,) = pair.cases()
    assert case.code == "changed_after_booking"
    assert case.hint == "Proposal: full credit and a new invoice. Finance decides."
    assert len(pair.records("customerinvoices")) == 1
    assert pair.records("customerinvoicedrafts") == []
    assert row_of(pair, booked)["CustomerName"] == BUYER
    october(pair)


def test_13_reopened_and_won_again_while_the_draft_lives(make) -> None:
    pair = make(KEPT)
    deal(pair, "D-13", "80000.00")
    pair.run()
    draft = pair.draft_of("D-13")
    pair.in_crm("reopen", id=pair.deals["D-13"])
    pair.run()
    (case,) = pair.cases()
    assert case.code == "reopened_draft_kept"
    pair.price("D-13", "81000.00")
    pair.in_crm("win", id=pair.deals["D-13"])
    pair.run()
    assert pair.cases() == []
    (row,) = pair.records("customerinvoicedrafts")
    assert row["Id"] == draft
    assert [D(line["UnitPrice"]) for line in row["Rows"]] == [D("81000.00")]
    assert parts(october(pair), "D-13") == [("in_draft", "81000.00")]


def test_14_won_again_after_a_full_credit(make) -> None:
    pair = make()
    booked = invoiced(pair, "D-14", "80000.00")
    pair.in_crm("reopen", id=pair.deals["D-14"])
    pair.run()
    assert [case.code for case in pair.cases()] == ["reopened_after_booking"]
    result = october(pair)
    assert (result.sold, result.invoiced) == (D(0), D("80000.00"))
    pair.in_books("credit", invoice=booked)
    pair.run()
    assert pair.cases() == []
    pair.in_crm("win", id=pair.deals["D-14"])
    pair.run()
    pair.run()
    (row,) = pair.records("customerinvoicedrafts")
    first = row_of(pair, booked)["OurReference"]
    assert row["OurReference"][:-2] == first[:-2]
    assert (first[-2:], row["OurReference"][-2:]) == ("00", "01")  # generation 2
    assert figures(pair, "D-14")["status"] == "draft"
    assert parts(october(pair), "D-14") == [("in_draft", "80000.00")]


def test_15_won_on_the_last_day_and_booked_in_the_next_month(make) -> None:
    pair = make()
    pair.at(moment(10, 31, 16))
    deal(pair, "D-15", "25000.00", Delivered_On__c="2026-10-30")
    pair.run()
    pair.at(moment(11, 2))
    booked = pair.book("D-15")
    pair.run()
    row = row_of(pair, booked)
    assert (row["InvoiceDate"], row["DeliveryDate"]) == ("2026-11-02", "2026-10-30")
    result = october(pair)
    assert result.sold == D("25000.00")
    assert parts(result, "D-15") == [("booked_after_cut_off", "25000.00")]
    november = pair.tie_out(NOVEMBER).tie_out
    assert november.explained
    assert (november.sold, november.ledger_net) == (D(0), D("25000.00"))


def test_16_finance_deletes_a_draft(make) -> None:
    pair = make()
    deal(pair, "D-16", "8900.00")
    deal(pair, "D-1", "100.00")
    pair.run()
    pair.in_books("delete_draft", draft=pair.draft_of("D-16"))
    for _ in range(3):
        pair.run()
    assert len(pair.records("customerinvoicedrafts")) == 1
    assert figures(pair, "D-16")["status"] == "cancelled"
    (case,) = pair.cases()
    assert case.code == "draft_deleted"
    assert parts(october(pair), "D-16") == [("cancelled", "8900.00")]


def test_17_an_instalment_that_finance_lowers(make) -> None:
    pair = make()
    thirds = "1/3 2026-10-05, 1/3 2026-10-19, rest 2026-11-30"
    deal(pair, "D-17", "100000.00", Billing_Plan__c=thirds)
    pair.run()
    draft = pair.draft_of("D-17", 1)
    pair.in_books("edit_draft", draft=draft, line=1, price="33000.00")
    pair.book("D-17", 1)
    pair.run()
    pair.at(moment(10, 19))
    pair.run()
    pair.book("D-17", 2)
    pair.run()
    assert parts(october(pair), "D-17") == [
        ("remaining_instalments", "33333.34"),
        ("edited_in_the_books", "333.33"),
    ]
    pair.at(moment(11, 30))
    pair.run()
    (row,) = pair.records("customerinvoicedrafts")
    assert [D(line["UnitPrice"]) for line in row["Rows"] if not line["IsTextRow"]] == [
        D("33333.34")
    ]
    assert pair.cases() == []


def test_18_a_municipality_without_the_buyers_reference(make) -> None:
    pair = make()
    pair.account("Ekfors kommun", Buyer_Reference_Required__c=True)
    deal(pair, "D-18", "15000.00", account="Ekfors kommun")
    pair.run()
    (case,) = pair.cases()
    assert case.code == "buyer_reference_missing"
    assert case.message == "Ekfors kommun returns e-invoices without its reference."
    owner = next(r for r in pair.crm_records("Opportunity") if r["Id"] == pair.deals["D-18"])
    users = {user["Id"]: user["Name"] for user in pair.crm_records("User")}
    assert case.owner == users[owner["OwnerId"]]
    assert pair.records("customerinvoicedrafts") == []
    assert pair.records("customers") == []
    assert parts(october(pair), "D-18") == [("exception_open", "15000.00")]
    pair.edit("D-18", Buyer_Reference__c="Förvaltning 4711")
    pair.run()
    assert pair.cases() == []
    assert parts(october(pair), "D-18") == [("in_draft", "15000.00")]


def test_19_equal_worth_in_another_currency_is_no_match(make) -> None:
    pair = make()
    deal(pair, "D-0", "100.00")
    pair.run()
    (customer,) = pair.records("customers")
    pair.in_books("edit_customer", customer=customer["Id"], set={"CurrencyCode": "EUR"})
    old = pair.in_books("create_invoice", customer=customer["Id"], amount="1000.00")
    assert D(old["TotalAmount"]) - D(old["TotalVatAmount"]) - D(old["TotalRoundings"]) == D(
        "11043.20"
    )
    pair.in_books("edit_customer", customer=customer["Id"], set={"CurrencyCode": "SEK"})
    deal(pair, "D-19", "11043.20")
    pair.run()
    assert figures(pair, "D-19")["status"] == "draft"
    drafts = pair.records("customerinvoicedrafts")
    assert sorted(D(row["Rows"][0]["UnitPrice"]) for row in drafts) == [D("100"), D("11043.20")]
    result = october(pair)
    assert parts(result, "D-19") == [("in_draft", "11043.20")]
    (loose,) = result.without_deal
    assert loose.invoiced == D("11043.20")
    assert next(c.amount for c in result.causes if c.cause is Cause.INVOICED_WITHOUT_DEAL) == D(
        "-11043.20"
    )


def test_20_a_discount_that_no_fraction_gives(make) -> None:
    pair = make(DISCOUNT)
    coding = next(r for r in pair.records("articles") if r["Number"] == "KONS-1")["CodingId"]
    pair.in_books("create_article", set={"Number": "RABATT", "Name": "Rabatt", "CodingId": coding})
    deal(pair, "D-20", *["1000.00"] * 3, Discount_Amount__c=D("100.00"))
    pair.run()
    assert pair.cases() == []
    (row,) = pair.records("customerinvoicedrafts")
    lines = [
        (D(line["Quantity"]) * D(line["UnitPrice"]), line["DiscountPercentage"])
        for line in row["Rows"]
        if not line["IsTextRow"]
    ]
    assert [amount for amount, _ in lines] == [D(1000), D(1000), D(1000), D(-100)]
    assert not any(discount for _, discount in lines)
    pair.book("D-20")
    pair.run()
    result = october(pair)
    assert (result.sold, result.invoiced, result.gap) == (D("2900.00"), D("2900.00"), D(0))
    assert pair.companies[BOOKS].currency == "SEK"
