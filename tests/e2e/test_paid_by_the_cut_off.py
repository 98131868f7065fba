"""What a month's report calls paid: each payment by its day in the books"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal

import pytest

from support.october import CONFIGURATION, moment
from support.real_pair import RealPair
from tieout.core.ledger_list import Period

D = Decimal
OCTOBER, CUT_OFF = Period.month(2026, 10), date(2026, 10, 31)
LATER = date(2026, 12, 31)
BUYER = "Tallmo Skog AB"


@pytest.fixture
def make(database_url: str) -> Iterator[Callable[[], tuple[RealPair, str]]]:
    """A pair with an invoice of 48,750.00 net, 60,938.00 to pay, booked in October."""
    made: list[RealPair] = []

    def making() -> tuple[RealPair, str]:
        pair = RealPair(database_url, CONFIGURATION, start=moment(10, 5))
        made.append(pair)
        pair.deal("D-1", BUYER, "48750.00", Order_Confirmed__c=True)
        pair.run()
        invoice = pair.book("D-1")
        pair.run()
        return pair, invoice

    yield making
    for pair in made:
        pair.__exit__()


def paid(pair: RealPair, cut_off: date = CUT_OFF) -> Decimal:
    """What the report of October's deals calls paid by a day."""
    return pair.tie_out(OCTOBER, cut_off).tie_out.paid


def test_the_rest_came_in_november(make) -> None:
    pair, invoice = make()
    pair.at(moment(10, 20))
    pair.in_books("pay", invoice=invoice, amount="30000.00")
    pair.run()
    assert paid(pair) == D("23999.80")
    pair.at(moment(11, 10))
    pair.in_books("pay", invoice=invoice, amount="30938.00")
    pair.run()
    assert paid(pair) == D("23999.80")
    assert paid(pair, LATER) == D("48750.00")


def test_a_payment_of_october_that_was_booked_in_november(make) -> None:
    pair, invoice = make()
    pair.at(moment(11, 10))
    pair.in_books("pay", invoice=invoice, amount="60938.00", date="2026-10-30")
    pair.run()
    assert paid(pair) == D("48750.00")
    assert paid(pair, date(2026, 10, 29)) == D(0)


def test_a_payment_that_was_returned_in_november(make) -> None:
    pair, invoice = make()
    pair.at(moment(10, 20))
    pair.in_books("pay", invoice=invoice, amount="60938.00")
    pair.run()
    pair.at(moment(11, 10))
    pair.in_books("return_payment", invoice=invoice)
    pair.run()
    assert paid(pair) == D("48750.00")
    assert paid(pair, LATER) == D(0)


def test_a_credit_note_of_november_takes_nothing_from_what_october_had_paid(make) -> None:
    pair, invoice = make()
    pair.at(moment(10, 20))
    pair.in_books("pay", invoice=invoice, amount="30000.00")
    pair.run()
    pair.at(moment(11, 10))
    pair.in_books("credit", invoice=invoice)
    pair.run()
    assert paid(pair) == D("23999.80")
    # All of it is credited, so that what was paid is to be paid back.
    assert paid(pair, LATER) == D(0)


def test_an_invoice_of_november_was_not_paid_in_october(make) -> None:
    pair, _ = make()
    pair.deal("D-2", BUYER, "1000.00", Order_Confirmed__c=True)
    pair.run()
    pair.at(moment(11, 2))
    late = pair.book("D-2")
    pair.in_books("pay", invoice=late, amount="1250.00")
    pair.run()
    assert paid(pair) == D(0)
    assert paid(pair, LATER) == D("1000.00")


def test_what_was_paid_back_on_a_credit_note_was_not_of_what_is_left(make) -> None:
    pair, invoice = make()
    pair.at(moment(10, 20))
    pair.in_books("pay", invoice=invoice, amount="60938.00")
    note = pair.in_books("credit", invoice=invoice, amount="20000.00")
    pair.run()
    # 48,750.00 less 16,000.00, all of it paid; what is to be paid back is more than that.
    assert paid(pair) == D("32750.00")
    pair.at(moment(11, 10))
    pair.in_books("pay", invoice=note["InvoiceNumber"], amount="5000.00")
    pair.run()
    assert paid(pair, LATER) == D("32750.00")
    pair.in_books("pay", invoice=note["InvoiceNumber"], amount="15000.00")
    pair.run()
    assert paid(pair, LATER) == D("32750.00")
    assert paid(pair) == D("32750.00")
