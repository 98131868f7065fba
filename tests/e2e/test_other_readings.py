"""The revenue cycle where the books do what nobody has shown that they do not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from support.october import CONFIGURATION, moment
from support.real_pair import RealPair
from tieout.core.ledger_list import Period

OCTOBER = Period.month(2026, 10)
BUYER = "Tallmo Skog AB"
CONFIGURED = CONFIGURATION.replace("approve_above: 100000", "approve_above: 1000000")


@pytest.fixture
def make(database_url: str) -> Iterator[Callable[[], RealPair]]:
    """Makes the pair of a test, on the morning of 5 October."""
    made: list[RealPair] = []

    def making() -> RealPair:
        made.append(RealPair(database_url, CONFIGURED, start=moment(10, 5)))
        return made[-1]

    yield making
    for pair in made:
        pair.__exit__()


def assume(pair: RealPair, **switches: Any) -> None:
    """Switches named assumptions of the books."""
    for name, value in switches.items():
        pair.in_books("set_assumption", name=name, value=value)


@pytest.mark.parametrize(
    "switches",
    [
        {"convert_removes_draft": False},
        {"header_copied_to_invoice": False},
        {"not_found_path_body": False},
        {"status_not_found_path": 400, "first_line_number": 0},
        {"numbers_as_text": True},
        {"payment_moves_modified": False, "set_off_moves_modified": False},
        {"credit_totals_in_invoice_currency_positive": True, "set_off_links_documents": False},
        {"page_size_limit": 50, "modified_since_includes": False, "pages_when_empty": 0},
    ],
    ids=lambda switches: "+".join(switches),
)
def test_a_deal_is_invoiced_once_and_ties_out(make, switches: dict[str, Any]) -> None:
    pair = make()
    assume(pair, **switches)
    pair.deal("D-1", BUYER, "33333.33", Order_Confirmed__c=True)
    pair.run()
    booked = pair.book("D-1")
    for _ in range(2):
        pair.run()
    live = [row for row in pair.records("customerinvoices") if not row.get("_deleted")]
    assert len(live) == 1
    assert pair.shown("D-1")["status"] == "booked"
    pair.in_books("pay", invoice=booked, amount="41667.00")
    pair.at(moment(10, 20))
    pair.run()
    assert pair.shown("D-1")["status"] == "paid"
    assert pair.shown("D-1")["paid"] == Decimal("41667.00")
    assert not pair.cases()
    result = pair.tie_out(OCTOBER, date(2026, 10, 31)).tie_out
    assert result.explained, result.unexplained_parts
    # Nothing is made or changed any more.
    executed = pair.run().executed
    assert (executed.applied, executed.rejected, executed.unknown) == (0, 0, 0)


@pytest.mark.parametrize(
    "switches",
    [
        {"set_off_moves_modified": False},
        {"credit_totals_in_invoice_currency_positive": True},
        {"set_off_links_documents": False},
        {"numbers_as_text": True, "convert_removes_draft": False},
    ],
    ids=lambda switches: "+".join(switches),
)
def test_a_deal_credited_in_part_ties_out(make, switches: dict[str, Any]) -> None:
    pair = make()
    assume(pair, **switches)
    pair.deal("D-1", BUYER, "30000.00", "10000.00", Order_Confirmed__c=True)
    pair.run()
    booked = pair.book("D-1")
    pair.run()
    pair.at(moment(10, 12))
    pair.in_books("credit", invoice=booked, amount="12500.00")
    pair.run()
    pair.in_books("pay", invoice=booked, amount="37500.00")
    pair.at(moment(10, 20))
    for _ in range(2):
        pair.run()
    shown = pair.shown("D-1")
    assert (shown["status"], shown["paid"], shown["open"]) == (
        "paid",
        Decimal("37500.00"),
        Decimal("0.00"),
    )
    result = pair.tie_out(OCTOBER, date(2026, 10, 31)).tie_out
    assert result.explained, result.unexplained_parts


@pytest.mark.parametrize("credits", [True, False])
def test_a_voided_invoice_is_no_income_however_it_shows(make, credits: bool) -> None:
    pair = make()
    assume(pair, void_makes_credit_invoice=credits)
    pair.deal("D-1", BUYER, "30000.00", Order_Confirmed__c=True)
    pair.run()
    booked = pair.book("D-1")
    pair.run()
    pair.at(moment(10, 12))
    pair.in_books("void", invoice=booked)
    for _ in range(2):
        pair.run()
    shown = pair.shown("D-1")
    ended = "credited" if credits else "cancelled"
    assert shown["status"] == ended
    assert not shown["paid"]
    result = pair.tie_out(OCTOBER, date(2026, 10, 31)).tie_out
    assert result.explained, result.unexplained_parts
    (row,) = [row for row in result.deals if row.number == "D-1"]
    assert [(part.cause.value, part.amount) for part in row.parts] == [(ended, Decimal("30000.00"))]
