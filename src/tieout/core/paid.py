"""What money had paid of a document by a day, from its payments or from what was read of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from tieout.core.model import Paid
from tieout.core.money import ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class PaidSeen:
    """
    What a reading told: how much was paid of the document, gross, and the books' day of the last
    payment, if they told one. ``on`` is the day of the reading in the books' zone.
    """

    on: date
    paid: Decimal
    last_on: date | None = None


def stated_by(day: date, payments: Iterable[Paid]) -> Decimal:
    """What the payments that the books name came to by the end of a day, gross."""
    return sum((one.amount for one in payments if one.on <= day), ZERO)


def seen_by(day: date, readings: Iterable[PaidSeen]) -> Decimal:
    """
    What had been paid by the end of a day, gross, where the books tell only the sum and the last
    payment's day. ``readings`` are in the order in which they were made.

    What came between two readings is one payment of the last day that the second one told; where
    it told none, of the day of that reading. Less money is a payment that was returned, on the day
    of the reading unless the books' last day went on with it: the month in which it had come keeps
    it. The same money with an earlier last day was booked on a wrong day before.
    """
    found: list[Paid] = []
    before, last_on = ZERO, None
    for reading in readings:
        moved = reading.paid - before
        if moved:
            found.append(Paid(on=_day(reading, moved, last_on), amount=moved))
        elif reading.last_on is not None:
            found = [Paid(on=min(p.on, reading.last_on), amount=p.amount) for p in found]
        before, last_on = reading.paid, reading.last_on
    return stated_by(day, found)


def _day(reading: PaidSeen, moved: Decimal, before: date | None) -> date:
    if reading.last_on is None:
        return reading.on
    if moved < 0 and before is not None and reading.last_on <= before:
        return reading.on
    return reading.last_on
