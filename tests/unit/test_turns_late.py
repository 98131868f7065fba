"""The day on which time alone makes a document late."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

from tieout.core.model import Document, Totals
from tieout.engine.standing import turns_late

D = Decimal
TODAY = date(2026, 11, 4)


def document(due: date | None, left: str | None = "100.00") -> Document:
    opened = None if left is None else D(left)
    totals = Totals(currency="SEK", net=D(80), tax=D(20), gross=D(100), open=opened)
    return Document(due_date=due, totals=totals)


def late(*documents: Document) -> date | None:
    return turns_late(documents, today=TODAY, last_day=lambda due: due)


def test_the_day_after_the_last_one_on_which_paying_is_not_late():
    assert late(document(TODAY)) == date(2026, 11, 5)
    monday = date(2026, 11, 9)
    moved = turns_late([document(date(2026, 11, 7))], today=TODAY, last_day=lambda _: monday)
    assert moved == date(2026, 11, 10)


def test_the_first_of_several():
    assert late(document(date(2026, 12, 1)), document(date(2026, 11, 20))) == date(2026, 11, 21)


def test_what_is_late_already_paid_or_without_a_day_turns_no_more():
    yesterday = TODAY - timedelta(days=1)
    assert late(document(yesterday), document(TODAY, "0.00"), document(None)) is None
    assert late(document(TODAY, None), document(TODAY, "-5.00")) is None
    assert late() is None
