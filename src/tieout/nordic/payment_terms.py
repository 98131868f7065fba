"""Payment terms in words: read into a rule, and a rule with dates into a due date.

    >>> terms = parse_terms("løbende måned + 30 dage")
    >>> due_date(terms, date(2026, 11, 5)).day
    datetime.date(2026, 12, 30)

No date is moved for weekends; that a payment on the next business day is in time is said by
`overdue_from`. The books compute the due date: this predicts it, to compare.
"""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Literal

import holidays

from tieout.nordic.text import clean_text

Base = Literal["invoice_date", "end_of_month", "delivery_date", "delivery_end_of_month"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Discount:
    """Percent off if paid within so many days after the invoice date."""

    percent: Decimal
    days: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """When a document is due: days, or whole months, after the base; or a day of next month."""

    base: Base = "invoice_date"
    days: int = 0
    months: int = 0
    day_of_month: int | None = None
    discount: Discount | None = None
    finding: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unresolved:
    """The words name no date. Show the list of terms that the books have."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DueDate:
    """The day on the document, the last day of the discount, and what a person should see."""

    day: date
    discount_until: date | None = None
    discount_percent: Decimal | None = None
    findings: tuple[str, ...] = ()


_DAYS = r"(?:dagar|dager|dage|dag|dgr|dg|days?|pv|päivää|päivä|daga)\.?"
_MONTHS = r"(?:månader|månad|måneder|måned|mnd|md|months?|kk|kuukautta|kuukausi|mánuð(?:ur|ir))\.?"
_MONTH = r"(?:månaden|månad|måneden|måned|mnd\.?|md\.?|month)"
_MONTH_END = re.compile(
    rf"(?:(?:løbende|lb\.?|løpende|fri|innevarande|inneværende|löpande) {_MONTH}"
    r"|eom|end of month|kuukauden loppu)"
    rf"(?: ?\+? ?(\d+)(?: ?{_DAYS})?)?"
)
_DELIVERY_MONTH_END = re.compile(
    rf"fri (?:leveringsmåned|leveransmånad)(?: ?\+? ?(\d+)(?: ?{_DAYS})?)?"
)
_DAY_OF_NEXT_MONTH = re.compile(rf"(?:den )?(\d+)\.? i (?:næste|neste|nästa) {_MONTH}")
_AFTER_DELIVERY = re.compile(rf"(\d+) ?{_DAYS} (?:efter leverans|efter levering|etter levering)")
_PLAIN_DAYS = re.compile(rf"(\d+) ?{_DAYS}")
_PLAIN_MONTHS = re.compile(rf"(\d+) ?{_MONTHS}")
_DISCOUNT = re.compile(rf"(\d+) ?{_DAYS},? ?-? ?(\d+(?:[.,]\d+)?) ?%(?:[,;/]? ?(.*))?")
_ENGLISH_DISCOUNT = re.compile(r"(\d+(?:[.,]\d+)?)(?: ?%)?/(\d+),? (?:net|n/?) ?(\d+)")
_NET = re.compile(r"\b(?:netto|net|pr|per)\b\.?")
_AT_ONCE = frozenset(
    (
        "kontant",
        "kontanter",
        "omgående",
        "omgaaende",
        "heti",
        "käteinen",
        "forskud",
        "forskudd",
        "förskott",
        "staðgreitt",
        "due on receipt",
        "on receipt",
        "immediately",
    )
)
_BY_AGREEMENT = re.compile(r"överenskommelse|sopimuksen|avtale|aftale|agreement|samkomulagi")
_BANK_DAYS = re.compile(r"bankdag|bankdager|bankdage|pankkipäiv|business days|arbeidsdag|hverdag")


def parse_terms(text: str) -> Terms | Unresolved:
    """The rule that the words state, or why they state none.

    Every word must be understood: "30 dagar 2" is unresolved, not thirty days.
    """
    words = clean_text(text).casefold()
    if not words.strip("-"):
        return Unresolved(reason="empty")
    if words.startswith("-"):
        return Unresolved(reason="negative")
    if words.isdigit():
        return Unresolved(reason="bare_number")
    if _BANK_DAYS.search(words):
        return Unresolved(reason="bank_days")
    return _discounted(words) or _net(words) or _why_not(words)


def _discounted(words: str) -> Terms | None:
    if (found := _ENGLISH_DISCOUNT.fullmatch(words)) is not None:
        return Terms(days=int(found[3]), discount=_discount(found[1], found[2]))
    if (found := _DISCOUNT.fullmatch(words)) is None:
        return None
    discount = _discount(found[2], found[1])
    if not found[3]:  # no net term: the discount day is all that was said
        return Terms(days=discount.days, discount=discount, finding="net_term_missing")
    terms = _net(found[3])
    return None if terms is None else replace(terms, discount=discount)


def _discount(percent: str, days: str) -> Discount:
    return Discount(percent=Decimal(percent.replace(",", ".")), days=int(days))


def _net(words: str) -> Terms | None:
    plain = " ".join(_NET.sub(" ", words).split())
    said_net = plain != words
    if plain in _AT_ONCE:
        return Terms()
    if said_net and plain.isdigit():
        return Terms(days=int(plain))
    if (found := _PLAIN_DAYS.fullmatch(plain)) is not None:
        return Terms(days=int(found[1]))
    if (found := _PLAIN_MONTHS.fullmatch(plain)) is not None:
        return Terms(months=int(found[1]))
    if (found := _MONTH_END.fullmatch(plain)) is not None:
        return Terms(base="end_of_month", days=int(found[1] or 0))
    if (found := _DELIVERY_MONTH_END.fullmatch(plain)) is not None:
        return Terms(base="delivery_end_of_month", days=int(found[1] or 0))
    if (found := _AFTER_DELIVERY.fullmatch(plain)) is not None:
        return Terms(base="delivery_date", days=int(found[1]))
    found = _DAY_OF_NEXT_MONTH.fullmatch(plain)
    if found is not None and 1 <= int(found[1]) <= 31:
        return Terms(base="end_of_month", day_of_month=int(found[1]))
    return None


def _why_not(words: str) -> Unresolved:
    return Unresolved(reason="by_agreement" if _BY_AGREEMENT.search(words) else "not_understood")


def due_date(
    terms: Terms, invoice_date: date, delivery_date: date | None = None
) -> DueDate | Unresolved:
    """The day on which the document is due, as it is written on it.

    Terms that count from the delivery are unresolved without its date.
    """
    start = delivery_date if terms.base.startswith("delivery") else invoice_date
    if start is None:
        return Unresolved(reason="delivery_date_missing")
    day = _count(terms, start)
    discount = terms.discount
    findings = [] if terms.finding is None else [terms.finding]
    if day < invoice_date:
        findings.append("due_before_invoice_date")
    return DueDate(
        day=day,
        discount_until=None if discount is None else invoice_date + timedelta(days=discount.days),
        discount_percent=None if discount is None else discount.percent,
        findings=tuple(findings),
    )


def _count(terms: Terms, start: date) -> date:
    if terms.base in ("end_of_month", "delivery_end_of_month"):
        start = _clipped(start, 0, 31)
    if terms.day_of_month is not None:
        return _clipped(start, 1, terms.day_of_month)
    if terms.months:
        start = _clipped(start, terms.months, start.day)
    return start + timedelta(days=terms.days)


def _clipped(day: date, months: int, day_of_month: int) -> date:
    """That day so many months later, or the last day of the month where it does not exist."""
    month = day.month - 1 + months
    year, month = day.year + month // 12, month % 12 + 1
    return date(year, month, min(day_of_month, calendar.monthrange(year, month)[1]))


def is_business_day(day: date, country: str) -> bool:
    """True unless it is a weekend or a holiday there.

    In Sweden the eves of midsummer, Christmas and the new year count as holidays, since no bank
    pays then. A country that the calendar does not know has weekends only.
    """
    return day.weekday() < 5 and day not in _holidays(country, day.year)


def next_business_day(day: date, country: str) -> date:
    """The day itself, or the first business day after it."""
    while not is_business_day(day, country):
        day += timedelta(days=1)
    return day


def overdue_from(due: date, country: str) -> date:
    """The first day on which an unpaid document is overdue.

    The due date that is written stays; a payment on the next business day is still in time.
    """
    return next_business_day(due, country) + timedelta(days=1)


@lru_cache(maxsize=256)
def _holidays(country: str, year: int) -> frozenset[date]:
    try:
        found = holidays.country_holidays(country, years=year)
        if country == "SE":
            found = holidays.country_holidays(
                country, years=year, categories=(holidays.PUBLIC, holidays.DE_FACTO)
            )
    except NotImplementedError:  # the calendar does not know the country
        return frozenset()
    # The calendar names every Sunday in some years and countries; weekends are tested apart.
    return frozenset(day for day in found if day.year == year)
