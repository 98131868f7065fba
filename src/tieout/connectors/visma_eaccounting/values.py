"""Small readings of the vendor's JSON: dates, stamps, numbers, texts, and filters."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any

from tieout.connectors.http.json import as_decimal
from tieout.connectors.lengths import cut_units
from tieout.core.money import ZERO
from tieout.ports import HttpResponse

Payload = Mapping[str, Any]
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?", re.ASCII)


def text_of(payload: Payload, name: str) -> str:
    """The text of a field, '' for null and for what is absent."""
    value = payload.get(name)
    return value if isinstance(value, str) else "" if value is None else str(value)


def number_of(payload: Payload, name: str) -> Decimal | None:
    """
    The number of a field with its scale, also one in quotes; None for null and for what is absent.

    Raises ValueError where there is something else: an amount that is not understood is not 0.
    """
    value = payload.get(name)
    if value is None or value == "":
        return None
    found = as_decimal(value)
    if found is None and isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        return Decimal(value.strip())
    if found is None:
        raise ValueError(f"{name} is no number")
    return found


def amount_of(payload: Payload, name: str) -> Decimal:
    """The number of a field, 0 where there is none."""
    found = number_of(payload, name)
    return ZERO if found is None else found


def day_of(payload: Payload, name: str) -> date | None:
    """The first ten characters of a date field, whichever of the three shapes it has."""
    value = payload.get(name)
    return date.fromisoformat(value[:10]) if isinstance(value, str) and value else None


def instant_of(payload: Payload, name: str) -> datetime | None:
    """A stamp as an instant; stamps are UTC and have up to seven decimals."""
    value = payload.get(name)
    return instant(value) if isinstance(value, str) and value else None


def instant(text: str) -> datetime:
    """An instant from a stamp. Raises ValueError where it is none."""
    when = datetime.fromisoformat(text)
    return when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)


def stamp_text(when: datetime) -> str:
    """An instant as the vendor takes it, whole seconds, rounded down: 2026-11-24T09:10:00Z."""
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def rate_of(payload: Payload, name: str) -> Decimal | None:
    """
    A VAT rate as a fraction. The vendor writes some as 0.25 and some as 25; above 1 is percent.
    """
    found = number_of(payload, name)
    if found is None:
        return None
    return found / 100 if found > 1 else found


def quoted(text: str) -> str:
    """A text for a filter: in single quotes, quotes inside doubled."""
    return "'" + text.replace("'", "''") + "'"


def any_equal(name: str, guids: Iterable[str]) -> str:
    """``Id eq a or Id eq b``; guids stand without quotes."""
    return " or ".join(f"{name} eq {guid}" for guid in guids)


def vendor_time(response: HttpResponse) -> datetime | None:
    """The vendor's clock as the answer's Date header shows it."""
    return _instant_of_date(response.headers.get("date", ""))


@lru_cache(maxsize=16)
def _instant_of_date(text: str) -> datetime | None:
    """A Date header as an instant; hundreds of answers of one second bear the same."""
    if not text:
        return None
    try:
        return parsedate_to_datetime(text).astimezone(UTC)
    except ValueError:
        return None


def cut_at_word(text: str, length: int) -> str:
    """
    The text with at most so many characters, cut between words where there is a gap in its second
    half: ``cut_at_word('Nordljus Konsult', 10)`` is ``'Nordljus'``.
    """
    text = text.strip()
    kept = cut_units(text, length)
    if kept == text:
        return text
    head = text[: len(kept) + 1]
    gap = head.rfind(" ")
    return (head[:gap] if gap > len(kept) // 2 else kept).rstrip()
