"""What money had paid by a day, from what the books tell at each reading."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tieout.core.model import Paid
from tieout.core.paid import PaidSeen, seen_by, stated_by

D = Decimal
OCTOBER = date(2026, 10, 31)
LATER = date(2027, 12, 31)


def seen(on: tuple[int, int], paid: str, last: tuple[int, int] | None) -> PaidSeen:
    return PaidSeen(
        on=date(2026, *on), paid=D(paid), last_on=None if last is None else date(2026, *last)
    )


@pytest.mark.parametrize(
    ("readings", "by_october", "by_then"),
    [
        ([], "0", "0"),
        # Paid in October and read in November: the books' day counts, not ours.
        ([seen((11, 2), "100", (10, 30))], "100", "100"),
        ([seen((11, 2), "100", (11, 1))], "0", "100"),
        # Books that tell no day: that of the reading.
        ([seen((10, 31), "100", None)], "100", "100"),
        ([seen((11, 2), "100", None)], "0", "100"),
        # In parts, the last one in November.
        ([seen((10, 20), "40", (10, 19)), seen((11, 3), "100", (11, 2))], "40", "100"),
        # Two between two readings are one of the last day.
        ([seen((10, 20), "0", None), seen((11, 3), "100", (11, 2))], "0", "100"),
        # Returned in November: October keeps it. The books' last day goes back or stays.
        ([seen((10, 20), "100", (10, 19)), seen((11, 3), "0", None)], "100", "0"),
        ([seen((10, 20), "100", (10, 19)), seen((11, 3), "0", (10, 19))], "100", "0"),
        # The return has a day of its own.
        ([seen((10, 20), "100", (10, 19)), seen((11, 3), "0", (10, 29))], "0", "0"),
        # Booked on a wrong day, and corrected.
        ([seen((11, 5), "100", (11, 4)), seen((11, 6), "100", (10, 28))], "100", "100"),
    ],
)
def test_by_the_end_of_october(readings: list[PaidSeen], by_october: str, by_then: str) -> None:
    assert seen_by(OCTOBER, readings) == D(by_october)
    assert seen_by(LATER, readings) == D(by_then)


def test_payments_that_the_books_name_count_on_their_days() -> None:
    payments = [
        Paid(on=date(2026, 10, 31), amount=D("60.00")),
        Paid(on=date(2026, 11, 1), amount=D("40.00")),
        Paid(on=date(2026, 11, 2), amount=D("-60.00")),
    ]
    assert stated_by(date(2026, 10, 30), payments) == 0
    assert stated_by(OCTOBER, payments) == D("60.00")
    assert stated_by(date(2026, 11, 1), payments) == D("100.00")
    assert stated_by(LATER, payments) == D("40.00")


days = st.dates(min_value=date(2026, 1, 1), max_value=date(2026, 12, 31))
readings = st.lists(
    st.builds(
        PaidSeen,
        on=days,
        paid=st.decimals(min_value=0, max_value=10**6, places=2),
        last_on=st.none() | days,
    )
)


@given(readings)
def test_in_the_end_it_is_what_was_read_last(found: list[PaidSeen]) -> None:
    assert seen_by(LATER, found) == (found[-1].paid if found else 0)
    assert seen_by(date(2025, 12, 31), found) == 0
