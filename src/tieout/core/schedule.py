"""A billing plan, written as people write it, as the steps of a deal."""

from __future__ import annotations

import calendar
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction

from tieout.core.model import Instalment
from tieout.core.money import ZERO, round_to

_EQUAL = re.compile(r"(\d{1,3})(?:\s+(monthly|quarterly|yearly))?", re.I)
_MONTHS = {"monthly": 1, "quarterly": 3, "yearly": 12}
_PART = re.compile(
    r"(?P<share>rest|\d+(?:\.\d+)?\s*%|\d+\s*/\s*\d+|\d+(?:\.\d+)?)"
    r"(?:\s+(?P<day>\d{4}-\d{2}-\d{2}))?",
    re.I,
)


class PlanError(ValueError):
    """The plan cannot be understood; the text says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class _Share:
    """A part of the whole: a fraction of it, an amount, or (both None) what is left."""

    fraction: Fraction | None
    amount: Decimal | None
    day: date | None


def instalments(
    text: str, total: Decimal, places: int, start: date | None = None
) -> tuple[Instalment, ...]:
    """
    The steps of a plan over a total; none for an empty plan or for a single part.

    ``3`` is three equal parts, all due at once, ``3 monthly`` one a month from ``start`` on;
    ``30% 2026-10-05, 1/3, 20000.00, rest 2026-11-30`` says each part, with its day where it has
    one. Amounts are rounded half away from zero; the last is the total less the others. Raises
    `PlanError`.
    """
    written = " ".join(text.split())
    if not written:
        return ()
    equal = _EQUAL.fullmatch(written)
    shares = _equal(equal, start) if equal else [_share(part) for part in _parts(written)]
    if len(shares) == 1 and shares[0].amount is None and shares[0].fraction in (None, 1):
        return ()
    amounts = _amounts(shares, total, places)
    return tuple(
        Instalment(part=number, amount=amount, due_on=share.day)
        for number, (share, amount) in enumerate(zip(shares, amounts, strict=True), start=1)
    )


def _equal(found: re.Match[str], start: date | None) -> list[_Share]:
    count, every = int(found[1]), found[2]
    if not count:
        raise PlanError("a plan of 0 parts bills nothing")
    step = _MONTHS[every.lower()] if every else 0
    if step and start is None:
        raise PlanError("its first day is not known: the deal has no close date")
    days = [_later(start, step * at) if step and start else None for at in range(count)]
    return [_Share(Fraction(1, count), None, day) for day in days]


def _later(day: date, months: int) -> date:
    """The same day so many months later, or the last of a shorter month."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def _parts(written: str) -> list[str]:
    parts = [part.strip() for part in re.split(r"[,;+]", written)]
    if not all(parts):
        raise PlanError("a part is empty")
    return parts


def _share(text: str) -> _Share:
    found = _PART.fullmatch(text)
    if found is None:
        raise PlanError(f'"{text}" is no part: write 30%, 1/3, 20000.00 or rest, and a day')
    share = found["share"].replace(" ", "").lower()
    try:
        day = date.fromisoformat(found["day"]) if found["day"] else None
    except ValueError:
        raise PlanError(f'"{found["day"]}" is no day') from None
    if share == "rest":
        return _Share(None, None, day)
    if share.endswith("%"):
        return _Share(Fraction(share[:-1]) / 100, None, day)
    if "/" in share:
        top, _, bottom = share.partition("/")
        if not int(bottom):
            raise PlanError(f'"{share}" divides by nothing')
        return _Share(Fraction(int(top), int(bottom)), None, day)
    return _Share(None, Decimal(share), day)


def _amounts(shares: Sequence[_Share], total: Decimal, places: int) -> list[Decimal]:
    rests = [share for share in shares if share.fraction is None and share.amount is None]
    if len(rests) > 1:
        raise PlanError("rest stands there twice")
    fractions = sum((share.fraction or Fraction(0) for share in shares), Fraction(0))
    only_fractions = all(share.fraction is not None for share in shares)
    if only_fractions and fractions != 1:
        raise PlanError(f"its parts are {_percent(fractions)} of the deal together, not 100%")
    amounts = [_amount(share, total, places) for share in shares]
    left = total - sum((amount for amount in amounts if amount is not None), ZERO)
    if rests:
        return [left if amount is None else amount for amount in amounts]
    exact = [amount for amount in amounts if amount is not None]
    # Fractions add up to the whole, their rounded amounts need not: the last one makes it so.
    return [*exact[:-1], exact[-1] + left] if only_fractions else exact


def _amount(share: _Share, total: Decimal, places: int) -> Decimal | None:
    if share.amount is not None:
        return share.amount
    if share.fraction is None:
        return None
    fraction = share.fraction
    return round_to(total * fraction.numerator / Decimal(fraction.denominator), places)


def _percent(fraction: Fraction) -> str:
    hundred = fraction * 100
    number = round_to(Decimal(hundred.numerator) / Decimal(hundred.denominator), 2)
    return f"{number.normalize():f}%"
