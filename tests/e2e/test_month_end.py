"""
The worked month-end, played by people in both simulators and carried by the real engine.

Every figure is checked twice: in the report, and by adding up what the simulators store.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from support.october import CONFIGURATION, STOCKHOLM, October, moment
from support.real_pair import BRIDGE, RealPair
from tieout.core.chain import Cause
from tieout.core.ledger_list import Period
from tieout.report.context import ReportContext
from tieout.report.text import deal_lines, reconcile_lines
from tieout.services import filing
from tieout.services import why as tracing
from tieout.services.reconcile import Reconciled
from tieout.store import evidence

D = Decimal
OCTOBER, CUT_OFF = Period.month(2026, 10), date(2026, 10, 31)
FIRST, LAST = "2026-10-01", "2026-10-31"

DEALS = {
    "D-101": ("120000.00", "120000.00"),
    "D-102": ("48750.00", "48750.00"),
    "D-103": ("15000.00", "0.00"),
    "D-104": ("64000.00", "0.00"),
    "D-105": ("210000.00", "0.00"),
    "D-106": ("9640.00", "0.00"),
    "D-107": ("18000.00", "0.00"),
    "D-108": ("37500.00", "0.00"),
    "D-109": ("25000.00", "0.00"),
    "D-110": ("100000.00", "66666.66"),
    "D-111": ("27200.00", "26000.00"),
    "D-112": ("8900.00", "0.00"),
    "D-113": ("54000.00", "40500.00"),
    "D-114": ("10000.01", "10000.02"),
    "D-115": ("134400.00", "132518.40"),
    "D-116": ("82000.00", "80000.00"),
    "D-117": ("60000.00", "27000.00"),
}
CAUSES = {
    Cause.EXCLUDED_BY_RULE: ("15000.00", ("D-103",)),
    Cause.TRIGGER_NOT_YET_TRUE: ("64000.00", ("D-104",)),
    Cause.REMAINING_INSTALMENTS: ("33333.34", ("D-110",)),
    Cause.WAITING_FOR_APPROVAL: ("210000.00", ("D-105",)),
    Cause.EXCEPTION_OPEN: ("11640.00", ("D-106", "D-116")),
    Cause.ON_ITS_WAY: ("18000.00", ("D-107",)),
    Cause.ROUNDING: ("-0.01", ("D-114",)),
    Cause.EDITED_IN_THE_BOOKS: ("2200.00", ("D-111", "D-117")),
    Cause.CANCELLED: ("8900.00", ("D-112",)),
    Cause.IN_DRAFT: ("66500.00", ("D-108", "D-117")),
    Cause.BOOKED_AFTER_CUT_OFF: ("25000.00", ("D-109",)),
    Cause.CREDITED: ("16500.00", ("D-113", "D-117")),
    Cause.CURRENCY_RATE: ("1881.60", ("D-115",)),
    Cause.INVOICED_WITHOUT_DEAL: ("-6300.00", ()),
}


@pytest.fixture(scope="module")
def pair(database_url: str) -> Iterator[RealPair]:
    with RealPair(database_url, CONFIGURATION) as made:
        October(made).play()
        yield made


@pytest.fixture(scope="module")
def done(pair: RealPair) -> Reconciled:
    """The report as it is read on 5 November."""
    return pair.tie_out(OCTOBER, CUT_OFF, receivables=True)


# --- what the simulators store, added up without the program -------------------------------------


def signed(row: dict[str, Any], name: str) -> Decimal:
    """A figure of an invoice; those of a credit note count against."""
    size = abs(Decimal(row[name]))
    return -size if row["IsCreditInvoice"] else Decimal(row[name])


def net(row: dict[str, Any]) -> Decimal:
    return signed(row, "TotalAmount") - signed(row, "TotalVatAmount") - rounding(row)


def rounding(row: dict[str, Any]) -> Decimal:
    given = Decimal(row["TotalRoundings"])
    turned = row["IsCreditInvoice"] and Decimal(row["TotalAmount"]) > 0
    return -given if turned else given


def booked(pair: RealPair, first: str = FIRST, last: str = LAST) -> list[dict[str, Any]]:
    """Sales documents of these days; a reminder fee, which has no article, is none."""
    return [
        row
        for row in pair.records("customerinvoices")
        if first <= row["InvoiceDate"] <= last and not row["IsQuickInvoice"]
    ]


def won(pair: RealPair, first: str = FIRST, last: str = LAST) -> dict[str, dict[str, Any]]:
    """Won deals of these days by number."""
    return {
        row["Deal_Number__c"]: row
        for row in pair.crm_records("Opportunity")
        if row["IsWon"] and first <= row["CloseDate"] <= last
    }


def of_deals(pair: RealPair) -> dict[str, Decimal]:
    """
    What October's deals were invoiced by the cut-off: a document belongs to the deal that names it
    (by its customer, since no customer but two has more than one deal), credits with their invoice.
    """
    names = {a["Id"]: a["Name"] for a in pair.crm_records("Account")}
    deals = {names[row["AccountId"]]: number for number, row in won(pair).items()}
    september = {"22000.00", "38000.00"}  # the invoices of September's deals
    rows = {row["Id"]: row for row in booked(pair, "2026-09-01")}
    found = dict.fromkeys(won(pair), D("0.00"))
    for row in rows.values():
        invoice = rows.get(row.get("ReferringInvoiceId") or "", row)
        number = deals.get(row["CustomerName"])
        if number is not None and str(net(invoice)) not in september:
            found[number] += net(row)
    return found


def entries(pair: RealPair, account: int, last: str = LAST) -> Decimal:
    """The balance of an account, from the vouchers."""
    return sum(
        (
            Decimal(row["DebitAmount"]) - Decimal(row["CreditAmount"])
            for voucher in pair.records("vouchers")
            if voucher["VoucherDate"] <= last
            for row in voucher["Rows"]
            if int(row["AccountNumber"]) == account
        ),
        D(0),
    )


# --- the tie-out ---------------------------------------------------------------------------------


def test_the_four_figures(pair: RealPair, done: Reconciled) -> None:
    result = done.tie_out
    assert result.sold == D("1024390.01")
    assert result.invoiced == D("557735.08")
    assert result.gap == D("466654.93")
    assert result.unexplained == 0
    assert result.explained
    deals = won(pair)
    rate = Decimal(deals["D-115"]["Sales_Rate__c"])
    assert len(deals) == 17
    amounts = {number: Decimal(row["Amount"]) for number, row in deals.items()}
    amounts["D-115"] *= rate
    assert sum(amounts.values()) == result.sold
    no_deal = next(row for row in booked(pair) if row["CustomerName"] == "Åsvik Montage AB")
    assert sum(of_deals(pair).values()) + net(no_deal) == result.invoiced


def test_every_deal_has_its_row(pair: RealPair, done: Reconciled) -> None:
    rows = done.tie_out.deals
    assert {row.number: (str(row.sold), str(row.invoiced)) for row in rows} == DEALS
    assert [row.number for row in rows] == list(DEALS)
    assert {number: str(amount) for number, amount in of_deals(pair).items()} == {
        number: invoiced for number, (_, invoiced) in DEALS.items()
    }
    names = {a["Id"]: a["Name"] for a in pair.crm_records("Account")}
    assert {row.number: row.customer for row in rows} == {
        number: names[deal["AccountId"]] for number, deal in won(pair).items()
    }


def test_causes(done: Reconciled) -> None:
    causes = {c.cause: (str(c.amount), c.deals) for c in done.tie_out.causes}
    assert causes == CAUSES
    evidence_of = {
        (p.number, p.cause): p.evidence for c in done.tie_out.causes for p in c.parts if p.number
    }
    lost = evidence_of["D-107", Cause.ON_ITS_WAY]
    assert lost == "answer lost 31 Oct 23:58, found 1 Nov 00:10"
    assert evidence_of["D-105", Cause.WAITING_FOR_APPROVAL] == "above 100,000.00"
    (loose,) = done.tie_out.without_deal
    assert (loose.note, loose.customer) == ("invoice 1049, no deal", "Åsvik Montage AB")


def test_a_deal_of_two_steps_has_three_parts(done: Reconciled) -> None:
    row = next(r for r in done.tie_out.deals if r.number == "D-117")
    assert row.steps == 2
    assert [(p.cause, str(p.amount)) for p in row.parts] == [
        (Cause.EDITED_IN_THE_BOOKS, "1000.00"),
        (Cause.IN_DRAFT, "29000.00"),
        (Cause.CREDITED, "3000.00"),
    ]


def test_what_money_has_paid_of_the_net(done: Reconciled) -> None:
    paid = {row.number: str(row.paid) for row in done.tie_out.deals if row.paid}
    assert paid == {
        "D-101": "120000.00",
        "D-102": "23999.80",
        "D-110": "33333.33",
        "D-111": "26000.00",
        "D-115": "134400.00",
    }


def test_by_period_and_net_to_gross(pair: RealPair, done: Reconciled) -> None:
    result = done.tie_out
    assert [(line.code, line.month, str(line.amount)) for line in result.by_period] == [
        ("period_deals", None, "557735.08"),
        ("invoices", date(2026, 9, 1), "22000.00"),
        ("credits", date(2026, 9, 1), "-4000.00"),
    ]
    assert result.sales_less_documents == D("448654.93")
    sums = result.net_to_gross
    assert [str(x) for x in (sums.net, sums.tax, sums.rounding, sums.gross)] == [
        "575735.08",
        "110804.17",
        "1.15",
        "686540.40",
    ]
    rows = booked(pair)
    assert result.ledger_net == sums.net == sum(net(row) for row in rows)
    assert sums.tax == sum(signed(row, "TotalVatAmount") for row in rows)
    assert sums.rounding == sum(rounding(row) for row in rows)
    assert sums.gross == sum(signed(row, "TotalAmount") for row in rows)


def test_receivables_to_the_control_account(pair: RealPair, done: Reconciled) -> None:
    rolled = done.report.receivables
    assert rolled is not None
    assert rolled.opening == D("131250.00") == entries(pair, 1510, "2026-09-30")
    assert {code: str(amount) for code, amount in rolled.movements.lines} == {
        "invoices": "712165.40",
        "credit_notes": "-25625.00",
        "payments": "-426685.06",
        "on_account": "-500.00",
        "small_differences": "-0.34",
        "discounts": "0.00",
        "bad_debt": "-12500.00",
        "fees": "60.00",
    }
    assert rolled.rolled_forward == rolled.open_items == D("378165.00")
    assert rolled.control == D("380565.00") == entries(pair, 1510)
    (voucher,) = rolled.vouchers
    assert (voucher.amount, voucher.text) == (D("2400.00"), "no invoice")
    assert rolled.agrees
    bank = rolled.bank
    assert bank is not None
    assert (bank.received, bank.exchange_gain, bank.fees) == (
        D("427700.16"),
        D("681.60"),
        D("166.50"),
    )
    assert bank.received == entries(pair, 1930)
    assert bank.exchange_gain == -entries(pair, 3960)
    assert bank.fees == entries(pair, 6570)
    open_now = sum(
        signed(row, "RemainingAmount")
        for row in pair.records("customerinvoices")
        if row["InvoiceDate"] <= LAST
    )
    kept = sum(
        Decimal(row["RemainingAmountInvoiceCurrency"])
        for row in pair.records("customerledgeritems")
    )
    assert open_now + kept == rolled.open_items


def test_ageing(pair: RealPair, done: Reconciled) -> None:
    aged = done.report.ageing
    assert aged is not None
    assert [str(amount) for _, amount in aged.buckets] == [
        "304855.00",
        "31250.00",
        "42500.00",
        "0.00",
        "0.00",
    ]
    assert (aged.fees, aged.credits, aged.on_account) == (D("60.00"), D(0), D("-500.00"))
    not_due = [
        Decimal(row["RemainingAmount"])
        for row in booked(pair, "2026-01-01")
        if row["DueDate"] >= LAST and not row["IsCreditInvoice"]
    ]
    assert sum(not_due) == aged.not_due
    assert aged.total == D("378165.00")


def test_the_screen_says_it_first(done: Reconciled) -> None:
    lines = reconcile_lines(done.report)
    assert lines[:5] == [
        "Explained to the cent.  nordic, October 2026, SEK net, cut-off 31 Oct, "
        "read 5 Nov 2026, 08:11",
        "Sold                     1,024,390.01  17 deals",
        "Invoiced                   557,735.08  by the cut-off, after credit notes",
        "Gap                        466,654.93",
        "Unexplained                      0.00  against the ledger's own list",
    ]
    assert len(deal_lines(done.tie_out)) == 1 + 17 + 2 + 1 + 1


def test_why_follows_an_invoice_to_its_credit_note(pair: RealPair, done: Reconciled) -> None:
    one = pair.do(tracing.find(pair.engine, pair.store, "D-113"))
    made = pair.do(tracing.why(pair.engine, pair.store, one))
    credited = made.chain[-1]
    assert (credited.kind, credited.role) == ("credit_note", "credit")
    assert credited.gross is not None
    assert abs(credited.gross) == Decimal("16875.00")


# --- filing, and what comes after: last, since time goes on --------------------------------------


def test_a_filed_month_never_changes(pair: RealPair, done: Reconciled) -> None:
    now = pair.clock.now()
    context: ReportContext = done.report.context
    assert context.read_at.astimezone(STOCKHOLM).strftime("%d %H:%M") == "05 08:11"
    body = filing.to_file([done.report], month="2026-10", who="Anna Lind", at=now)
    kept = pair.in_store(
        lambda tx: evidence.file_report(
            tx, bridge=BRIDGE, month="2026-10", body=body, who="Anna Lind", now=now
        )
    )
    assert kept is not None
    pair.at(moment(11, 10))
    pair.in_books("credit", invoice=pair.invoice_of("D-101"), amount="150000.00", matched=False)
    pair.run()
    again = pair.in_store(lambda tx: evidence.filed_report(tx, BRIDGE, "2026-10"))
    assert again is not None
    assert again.body == body
    assert again.intact
    assert again.sha256 == pair.in_store(
        lambda tx: evidence.logged_report_hash(tx, BRIDGE, "2026-10")
    )
    (shown,) = filing.from_file(again)
    assert "Gap                        466,654.93" in shown.lines
    refused = pair.in_store(
        lambda tx: evidence.file_report(
            tx, bridge=BRIDGE, month="2026-10", body=b"{}", who="Nobody", now=now
        )
    )
    assert refused is None

    november = pair.tie_out(Period.month(2026, 11), date(2026, 11, 10)).tie_out
    assert november.explained
    assert [(line.code, line.month, str(line.amount)) for line in november.by_period] == [
        ("period_deals", None, "0.00"),
        ("invoices", date(2026, 10, 1), "25000.00"),
        ("credits", date(2026, 10, 1), "-120000.00"),
    ]
    assert november.ledger_net == sum(net(r) for r in booked(pair, "2026-11-01", "2026-11-30"))
    computed = pair.tie_out(OCTOBER, CUT_OFF).tie_out
    assert (computed.sold, computed.invoiced) == (done.tie_out.sold, done.tie_out.invoiced)


def test_a_document_that_we_have_not_read_is_unexplained_and_named(pair: RealPair) -> None:
    customer = next(r for r in pair.records("customers") if r["Name"] == "Sjöholm Bygg AB")
    made = pair.in_books(
        "create_invoice", customer=customer["Id"], amount="1250.00", date="2026-10-30"
    )
    result = pair.tie_out(OCTOBER, CUT_OFF).tie_out
    assert not result.explained
    assert result.unexplained == D("1250.00")
    (part,) = result.unexplained_parts
    named = f"invoice {made['InvoiceNumber']}, Sjöholm Bygg AB"
    assert part.evidence == f"{named}, is in the ledger's list, not in ours"
