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
from tieout.services import prove, why

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


def proof(pair: RealPair) -> prove.Proof:
    return pair.do(prove.prove(pair.engine, pair.store, None, []))


def test_each_step_of_a_plan_is_proven(pair: RealPair) -> None:
    pair.deal("D-3", "Alvik Analys AB", "900.00", Order_Confirmed__c=True,
              Billing_Plan__c="1/3, 1/3, rest 2026-12-01")  # fmt: skip
    pair.run()
    found = proof(pair)
    assert (found.deals, found.one, found.none_with_reason) == (3, 4, 1)
    assert (found.holds, found.orphans) == (True, [])
    waits = next(step for step in found.steps if not step.carriers)
    assert (waits.deal, waits.part, waits.reason) == ("D-3", 3, "not_due_yet")
    pair.clock.advance(60)
    pair.in_books("copy_draft", draft=pair.draft_of("D-3", 1))
    (twice,) = proof(pair).several
    assert (twice.deal, twice.part) == ("D-3", 1)


def test_a_step_of_a_former_plan_is_no_document_of_a_deal_that_is_not_won(pair: RealPair) -> None:
    pair.book("D-1")
    pair.run()
    pair.edit("D-1", Billing_Plan__c="2")
    pair.run()
    found = proof(pair)
    steps = [(s.part, len(s.carriers), s.reason) for s in found.steps if s.deal == "D-1"]
    assert steps == [(0, 1, ""), (1, 0, "former_plan_invoiced"), (2, 0, "former_plan_invoiced")]
    assert (found.holds, found.orphans) == (True, [])


def test_why_says_of_a_step_that_it_is_one(pair: RealPair) -> None:
    pair.edit("D-1", Billing_Plan__c="2")
    pair.run()
    pair.run()
    named = pair.do(why.find(pair.engine, pair.store, "D-1"))
    told = pair.do(why.why(pair.engine, pair.store, named))
    nets = [(value.value, value.source) for value in told.values if value.name == "net"]
    assert nets[-2:] == [
        ("30,000.00", "step 1 of the billing plan of D-1"),
        ("30,000.00", "step 2 of the billing plan of D-1"),
    ]


def october_parts(pair: RealPair) -> list[tuple[str, str]]:
    row = next(row for row in tied_out_of(pair).deals if row.number == "D-3")
    return [(part.cause.value, str(part.amount)) for part in row.parts]


def tied_out_of(pair: RealPair) -> TieOut:
    result = pair.tie_out(Period.month(2026, 10)).tie_out
    assert result.explained, result.unexplained_parts
    return result


def test_a_step_that_was_not_due_at_the_cut_off_stays_that_in_its_month(pair: RealPair) -> None:
    pair.deal("D-3", "Alvik Analys AB", "900.00", Order_Confirmed__c=True,
              Billing_Plan__c="1/3, 1/3 2026-11-30, rest 2026-12-15")  # fmt: skip
    pair.run()
    pair.book("D-3", 1)
    pair.at(moment(11, 1, 0, 30))
    pair.run()
    then = october_parts(pair)
    assert then == [("remaining_instalments", "300.00")] * 2
    pair.at(moment(11, 30))
    pair.run()
    assert pair.draft_of("D-3", 2)
    assert october_parts(pair) == then
    pair.book("D-3", 2)
    pair.run()
    pair.at(moment(12, 20))
    pair.run()
    assert october_parts(pair) == then
    assert (tied_out_of(pair).sold, tied_out_of(pair).invoiced) == (D("61400.00"), D("300.00"))
    # What became of it since is told of a later day, and by the month of its invoice.
    later = pair.tie_out(Period.month(2026, 10), date(2026, 12, 20)).tie_out
    row = next(row for row in later.deals if row.number == "D-3")
    assert [(part.cause.value, str(part.amount)) for part in row.parts] == [("in_draft", "300.00")]
    november = pair.tie_out(Period.month(2026, 11)).tie_out
    assert (november.explained, november.ledger_net) == (True, D("300.00"))


def test_a_step_that_came_due_and_is_held_is_told_as_held(pair: RealPair) -> None:
    pair.deal("D-3", "Alvik Analys AB", "900.00", Order_Confirmed__c=True,
              Billing_Plan__c="1/3, rest 2026-11-30")  # fmt: skip
    pair.run()
    customer = next(row for row in pair.records("customers") if row["Name"] == "Alvik Analys AB")
    pair.in_books("deactivate_customer", customer=customer["Id"])
    pair.at(moment(11, 30))
    pair.run()
    assert ("exception_open", "600.00") in october_parts(pair)
