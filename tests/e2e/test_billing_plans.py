"""Billing plans that change under way, over the real pair."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal

import pytest

from support.october import CONFIGURATION, moment
from support.real_pair import RealPair
from tieout.core.ledger_list import Period
from tieout.core.tieout import TieOut

D = Decimal


@pytest.fixture
def pair(database_url: str) -> Iterator[RealPair]:
    text = CONFIGURATION.replace("approve_above: 100000", "approve_above: 1000000")
    with RealPair(database_url, text, start=moment(10, 5)) as made:
        made.deal("D-1", "Fjällbo Hotell AB", "60000.00", Order_Confirmed__c=True)
        made.deal("D-2", "Tallmo Skog AB", "500.00", Order_Confirmed__c=True)
        made.run()
        yield made


def amounts(pair: RealPair) -> list[Decimal]:
    """Net of every draft of the hotel."""
    return sorted(
        D(line["UnitPrice"])
        for row in pair.records("customerinvoicedrafts")
        if row["InvoiceCustomerName"] == "Fjällbo Hotell AB"
        for line in row["Rows"]
        if not line["IsTextRow"]
    )


def tied_out(pair: RealPair) -> TieOut:
    result = pair.tie_out(Period.month(2026, 10), date(2026, 10, 31)).tie_out
    assert result.explained, result.unexplained_parts
    assert result.sold == D("60500.00")
    return result


def test_a_deal_gets_a_plan_while_its_draft_lives(pair: RealPair) -> None:
    assert amounts(pair) == [D("60000.00")]
    pair.edit("D-1", Billing_Plan__c="2")
    pair.run()
    pair.run()
    assert amounts(pair) == [D("30000.00"), D("30000.00")]
    assert pair.cases() == []
    row = next(r for r in tied_out(pair).deals if r.number == "D-1")
    assert (row.steps, row.sold) == (2, D("60000.00"))
    assert {part.cause.value for part in row.parts} == {"in_draft"}


def test_a_plan_is_taken_back(pair: RealPair) -> None:
    pair.edit("D-1", Billing_Plan__c="3")
    pair.run()
    pair.run()
    assert amounts(pair) == [D("20000.00")] * 3
    pair.edit("D-1", Billing_Plan__c=None)
    pair.run()
    pair.run()
    pair.run()
    # The first draft was voided by us, not by finance: the whole deal is invoiced anew.
    assert amounts(pair) == [D("60000.00")]
    tied_out(pair)


def test_a_booked_step_that_the_plan_loses_is_a_case(pair: RealPair) -> None:
    pair.edit("D-1", Billing_Plan__c="2")
    pair.run()
    pair.run()
    pair.book("D-1", 2)
    pair.edit("D-1", Billing_Plan__c="3 monthly")
    pair.run()
    (case,) = pair.cases()
    assert case.code == "changed_after_booking"
    # Only the first of the three is due; the second is booked with what it was then.
    assert amounts(pair) == [D("20000.00")]
    tied_out(pair)


def test_a_plan_that_nobody_understands_holds_the_deal(pair: RealPair) -> None:
    pair.deal("D-3", "Alvik Analys AB", "900.00", Order_Confirmed__c=True, Billing_Plan__c="soon")
    pair.run()
    (case,) = pair.cases()
    assert (case.code, case.deal) == ("schedule_not_understood", "D-3")
    assert '"soon" is no part' in case.message
    pair.edit("D-3", Billing_Plan__c="1/3, rest")
    pair.run()
    assert pair.cases() == []
    assert len(pair.records("customerinvoicedrafts")) == 4
