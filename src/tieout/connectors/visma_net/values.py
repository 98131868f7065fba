"""Small readings of the vendor's JSON, and the wrapping that its writes want."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from tieout.connectors.http.json import as_decimal
from tieout.core.money import ZERO
from tieout.ports import HttpResponse

Payload = Mapping[str, Any]


def text_of(payload: Payload, *path: str) -> str:
    """The text at the end of a path of names, '' for null and for what is absent."""
    value: object = payload
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value if isinstance(value, str) else "" if value is None else str(value)


def part_of(payload: Payload, name: str) -> Payload:
    """The object under a name, an empty one where there is none."""
    found = payload.get(name)
    return found if isinstance(found, Mapping) else {}


def rows_of(payload: Payload, name: str) -> list[Payload]:
    """The objects of a list under a name."""
    found = payload.get(name)
    return [row for row in found if isinstance(row, Mapping)] if isinstance(found, list) else []


def number_of(payload: Payload, name: str) -> Decimal | None:
    """
    The number of a field with two decimals at least and no zeros behind them: the vendor writes
    9000.00 as 9000.0 here and as 9000.0000 there. None for null and for what is absent.
    """
    found = as_decimal(payload.get(name))
    return None if found is None else plain(found)


def amount_of(payload: Payload, name: str) -> Decimal:
    """The number of a field, 0 where there is none."""
    found = number_of(payload, name)
    return ZERO if found is None else found


def plain(value: Decimal) -> Decimal:
    """The same number with two decimals at least: 0.1 → 0.10, 1.2500 → 1.25, 3.125 stays."""
    short = value.normalize()
    exponent = short.as_tuple().exponent
    return short.quantize(Decimal("0.01")) if isinstance(exponent, int) and exponent > -2 else short


def day_of(payload: Payload, name: str) -> date | None:
    """The first ten characters of a date field, whichever shape it has."""
    value = payload.get(name)
    return date.fromisoformat(value[:10]) if isinstance(value, str) and value else None


def vendor_time(response: HttpResponse) -> datetime | None:
    """The vendor's clock as the answer's Date header shows it."""
    text = response.headers.get("date", "")
    if not text:
        return None
    try:
        return parsedate_to_datetime(text).astimezone(UTC)
    except ValueError:
        return None


def wall_text(when: datetime) -> str:
    """
    A moment for a filter: the wall clock of UTC without a zone, which the vendor refuses to take.

    Nobody says which zone a list filters in; the vendor's clocks are never behind UTC, so that
    asking from this on can only give too much.
    """
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")


def number_in(location: str) -> str:
    """The number in a Location header: its last segment; host and scheme are not believed."""
    return unquote(urlsplit(location).path.rstrip("/").rpartition("/")[2])


def segment(text: str) -> str:
    """A number as a part of a path."""
    return quote(text, safe="")


def version_of(header: str) -> str:
    """The row version in an ETag header, '' where there is none."""
    return header.strip().removeprefix("W/").strip('"')


def wrapped(**values: Any) -> dict[str, Any]:
    """
    The fields as the vendor takes them, each in an object with ``value``; None is left out: what
    null does there nobody says.
    """
    return {name: {"value": value} for name, value in values.items() if value is not None}


def unwrapped(body: Payload, name: str) -> Any:
    """The value of a wrapped field of a body, None where it is not there."""
    return part_of(body, name).get("value")


def cut_at_word(text: str, length: int) -> str:
    """
    The text with at most so many characters, cut between words where there is a gap in its second
    half: ``cut_at_word('Nordljus Konsult', 10)`` is ``'Nordljus'``.
    """
    text = text.strip()
    if len(text) <= length:
        return text
    head = text[: length + 1]
    gap = head.rfind(" ")
    return (head[:gap] if gap > length // 2 else text[:length]).rstrip()


def texts(payload: Payload, names: Iterable[str]) -> tuple[str, ...]:
    """The texts of these fields that are not empty."""
    return tuple(text for text in (text_of(payload, name) for name in names) if text)
