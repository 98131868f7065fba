"""Finance invoiced a deal by hand: it is asked about, never invoiced a second time by itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from support.october import CONFIGURATION, moment
from support.real_pair import BOOKS, RealPair
from tieout.core.ledger_list import Period
from tieout.services import exceptions
from tieout.services.exceptions import Answer
from tieout.services.usage import UsedWronglyError

BUYER = "Tallmo Skog AB"
CONFIGURED = CONFIGURATION.replace("approve_above: 100000", "approve_above: 1000000")


@pytest.fixture
def pair(database_url: str) -> Iterator[RealPair]:
    """A customer whose first deal is drafted, on 5 October."""
    with RealPair(database_url, CONFIGURED, start=moment(10, 5)) as made:
        made.deal("D-1", BUYER, "500.00", Order_Confirmed__c=True)
        made.run()
        yield made


def by_hand(pair: RealPair, amount: str = "8000.00", day: str = "2026-10-06") -> Any:
    customer = next(row for row in pair.records("customers") if row["Name"] == BUYER)
    made = pair.in_books("create_invoice", customer=customer["Id"], amount=amount, date=day)
    return made["InvoiceNumber"]


def won(pair: RealPair, number: str = "D-2", amount: str = "8000.00") -> None:
    pair.at(moment(10, 7))
    pair.deal(number, BUYER, amount, Order_Confirmed__c=True)
    pair.run()


def answer(pair: RealPair, **given: Any) -> str:
    (case,) = pair.cases("possible_duplicate")
    return pair.do(exceptions.answer(pair.engine, pair.store, case, Answer(**given), who="Eva"))


def drafts(pair: RealPair) -> list[str]:
    return sorted(str(row["TotalAmount"]) for row in pair.records("customerinvoicedrafts"))


def test_the_invoice_made_by_hand_is_asked_about(pair: RealPair) -> None:
    number = by_hand(pair)
    won(pair)
    assert len(drafts(pair)) == 1
    (case,) = pair.cases("possible_duplicate")
    assert case.message == (
        f"{BOOKS} holds invoice {number} of 2026-10-06 of this customer over the same net; no deal "
        "has it, so it could be D-2."
    )
    pair.run()
    assert len(pair.cases()) == 1


def test_it_is_the_deals_and_its_status_comes_back(pair: RealPair) -> None:
    number = by_hand(pair)
    won(pair)
    assert answer(pair, which=str(number)) == f"invoice {number} is the one of D-2."
    pair.run()
    assert len(drafts(pair)) == 1
    assert (pair.shown("D-2")["status"], pair.shown("D-2")["number"]) == ("booked", str(number))
    # The lines are another article's, so it is shown and not touched.
    assert {case.code for case in pair.cases()} <= {"found_differs"}
    result = pair.tie_out(Period.month(2026, 10)).tie_out
    assert result.explained, result.unexplained_parts
    (row,) = [row for row in result.deals if row.number == "D-2"]
    assert (row.sold, row.invoiced) == (row.invoiced, row.sold)


def test_it_is_another_one_and_the_deal_is_invoiced(pair: RealPair) -> None:
    by_hand(pair)
    won(pair)
    assert answer(pair, make_new=True) == "A new draft is made for D-2."
    pair.run()
    assert len(drafts(pair)) == 2
    assert not pair.cases()
    draft = pair.draft_of("D-2")
    pair.in_books("delete_draft", draft=draft)
    for _ in range(3):
        pair.run()
    # The word about the invoice by hand does not undo what finance deletes later.
    assert [case.code for case in pair.cases()] == ["draft_deleted"]


def test_it_goes_on_by_itself_when_the_other_one_is_gone(pair: RealPair) -> None:
    number = by_hand(pair)
    won(pair)
    pair.in_books("credit", invoice=number)
    pair.run()
    assert not pair.cases("possible_duplicate")
    assert len(drafts(pair)) == 2


def test_what_is_old_or_over_another_amount_is_not_asked_about(pair: RealPair) -> None:
    by_hand(pair, day="2026-09-15")
    by_hand(pair, amount="8000.01")
    won(pair)
    assert not pair.cases()
    assert len(drafts(pair)) == 2


def test_an_invoice_of_another_deal_is_none_to_ask_about(pair: RealPair) -> None:
    won(pair)
    pair.book("D-2")
    pair.deal("D-3", BUYER, "8000.00", Order_Confirmed__c=True)
    pair.run()
    assert not pair.cases()
    with pytest.raises(UsedWronglyError):
        pair.do(exceptions.find(pair.store, "nordic", "salesforce-prod", 99))
