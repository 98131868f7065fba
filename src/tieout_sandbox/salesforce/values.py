"""Values as they are stored: the vendor's own wire form, so that text order is time order.

Date-times are strings `2026-03-31T09:14:02.000+0000`, dates `2026-03-31`, amounts are
Decimal. Equal moments have equal strings, and later ones sort after earlier ones.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal

Value = str | int | bool | Decimal | None
Row = dict[str, Value]
Json = object

_STAMP = re.compile(
    r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d)(:\d\d)?(\.\d+)?(Z|[+-]\d\d:?\d\d)?", re.IGNORECASE
)


def stamp(moment: datetime) -> str:
    """The date-time of a moment, in UTC, cut to the second as system stamps are."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000+0000")


def stamp_millis(moment: datetime) -> str:
    """The date-time of a moment with its milliseconds."""
    utc = moment.astimezone(UTC)
    return utc.strftime("%Y-%m-%dT%H:%M:%S.") + f"{utc.microsecond // 1000:03d}+0000"


def moment(text: str) -> datetime | None:
    """The moment that an ISO 8601 date-time names; None when it is none. Without a zone: UTC."""
    found = _STAMP.fullmatch(text.strip())
    if found is None:
        return None
    day, minutes, seconds, fraction, zone = found.groups()
    zone = (zone or "Z").upper()
    if zone == "Z":
        zone = "+0000"
    try:
        base = datetime.strptime(
            f"{day}T{minutes}{seconds or ':00'}{zone.replace(':', '')}", "%Y-%m-%dT%H:%M:%S%z"
        )
    except ValueError:
        return None
    millis = int(((fraction or ".0")[1:] + "000")[:3])
    return (base + timedelta(milliseconds=millis)).astimezone(UTC)


def day(text: str) -> date | None:
    """The date that `2026-03-31` names (or that starts a date-time); None when it is none."""
    try:
        return date.fromisoformat(text[:10])
    except ValueError:
        return None


def to_scale(amount: Decimal, scale: int) -> Decimal:
    """The amount with so many decimals, half away from zero."""
    return amount.quantize(Decimal(1).scaleb(-scale), rounding=ROUND_HALF_UP)


def plain(amount: Decimal) -> Decimal:
    """A number with at least one decimal and no trailing zeros after it: 5.0, 6.25, 100.0."""
    text = f"{amount:f}"
    if "." not in text:
        return Decimal(text + ".0")
    text = text.rstrip("0")
    return Decimal(text + "0" if text.endswith(".") else text)


def text_of(value: Value) -> str:
    """The value as a CSV cell or a label shows it; null is empty."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
