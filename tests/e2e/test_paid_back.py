"""An invoice that was paid and then credited in full, whose deal is won once more."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal

import pytest

from support.october import CONFIGURATION, moment
from support.real_pair import RealPair
from tieout.core.ledger_list import Period

D = Decimal
OCTOBER, CUT_OFF = Period.month(2026, 10), date(2026, 10, 31)


@pytest.fixture
def pair(database_url: str) -> Iterator[RealPair]:
    with RealPair(database_url, CONFIGURATION, start=moment(10, 5)) as made:
        made.deal("D-1", "Tallmo Skog AB", "10000.00", Order_Confirmed__c=True)
        made.run()
        made.in_books("pay", invoice=made.book("D-1"), amount="12500.00")
        made.run()
        yield made


def _documents(pair: RealPair) -> tuple[int, int]:
    """Invoices and drafts; credit notes are no invoices."""
    rows = pair.records("customerinvoices")
    drafts = pair.records("customerinvoicedrafts")
    return sum(not row["IsCreditInvoice"] for row in rows), len(drafts)


def test_it_is_invoiced_anew_and_nothing_is_asked(pair: RealPair) -> None:
    (invoice,) = pair.records("customerinvoices")
    pair.in_crm("reopen", id=pair.deals["D-1"])
    pair.run()
    assert [case.code for case in pair.cases()] == ["reopened_after_booking"]
    pair.in_books("credit", invoice=invoice["Id"])
    pair.run()
    pair.run()
    assert pair.cases() == []
    assert _documents(pair) == (1, 0)

    pair.in_crm("win", id=pair.deals["D-1"])
    pair.run()
    pair.run()
    assert pair.cases() == []
    assert _documents(pair) == (1, 1)
    shown = pair.tie_out(OCTOBER, CUT_OFF).tie_out
    assert shown.explained
    assert (shown.sold, shown.invoiced) == (D("10000.00"), D("0.00"))

    pair.book("D-1")
    pair.run()
    shown = pair.tie_out(OCTOBER, CUT_OFF).tie_out
    assert shown.explained
    assert (shown.sold, shown.invoiced, shown.gap) == (D("10000.00"), D("10000.00"), D("0.00"))


def test_of_a_deal_that_stays_won_no_second_one_is_made(pair: RealPair) -> None:
    (invoice,) = pair.records("customerinvoices")
    pair.in_books("credit", invoice=invoice["Id"])
    pair.run()
    pair.run()
    assert _documents(pair) == (1, 0)
    rows = pair.in_store(
        lambda tx: tx.rows(
            "SELECT verdict, reason FROM outcome WHERE workspace = %(ws)s"
            " AND split_part(lane, '/', 2) = 'documents'"
        )
    )
    assert [tuple(row) for row in rows] == [("nothing", "credited")]
    shown = pair.tie_out(OCTOBER, CUT_OFF).tie_out
    assert shown.explained
    assert (shown.sold, shown.invoiced) == (D("10000.00"), D("0.00"))
