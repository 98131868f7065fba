"""A credit note of one sale settles the invoice of another: that sale stands."""

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
BUYER = "Tallmo Skog AB"


@pytest.fixture(params=[True, False], ids=["linked", "not linked"])
def pair(database_url: str, request: pytest.FixtureRequest) -> Iterator[RealPair]:
    """D-1 was paid and then credited; its credit note settled the invoice of D-2."""
    with RealPair(database_url, CONFIGURATION, start=moment(10, 5)) as made:
        made.in_books("set_assumption", name="set_off_links_documents", value=request.param)
        for number in ("D-1", "D-2"):
            made.deal(number, BUYER, "10000.00", Order_Confirmed__c=True)
        made.run()
        first, second = made.book("D-1"), made.book("D-2")
        made.run()
        made.in_books("pay", invoice=first, amount="12500.00")
        note = made.in_books("credit", invoice=first)
        made.in_books("set_off", invoice=second, credit=note["InvoiceNumber"])
        made.run()
        yield made


def _invoices(pair: RealPair) -> int:
    rows = pair.records("customerinvoices")
    return sum(not row["IsCreditInvoice"] for row in rows) + len(
        pair.records("customerinvoicedrafts")
    )


def test_a_deal_that_was_settled_so_is_not_invoiced_again(pair: RealPair) -> None:
    assert _invoices(pair) == 2
    pair.in_crm("reopen", id=pair.deals["D-2"])
    pair.run()
    pair.in_crm("win", id=pair.deals["D-2"])
    pair.run()
    pair.run()
    assert _invoices(pair) == 2
    assert [(case.code, case.deal) for case in pair.cases()] == [("former_document_stands", "D-2")]
    result = pair.tie_out(OCTOBER, CUT_OFF).tie_out
    assert result.explained
    assert (result.sold, result.invoiced) == (D("20000.00"), D("10000.00"))
