"""Values as the API writes and reads them: local stamps, years of one, doubles."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Context, Decimal
from typing import Any
from zoneinfo import ZoneInfo

from tieout_sandbox.webcrm.fields import Field

COPENHAGEN = ZoneInfo("Europe/Copenhagen")
PLACEHOLDER = "-- vælg --"
OTHER_PLACEHOLDER = "-- Vælg ---"
NO_DATE = {
    "utc": "0001-01-01T00:00:00+00:00",
    "local": "0001-01-01T01:00:00+01:00",
    "bare": "0001-01-01T00:00:00",
}
_FORMS = tuple(NO_DATE.values())
_DOUBLE = Context(prec=15)


def stamp_text(moment: datetime) -> str:
    """`2024-06-12T11:22:33.123+02:00`: Copenhagen's time with its offset, no zeros at the end of
    the fraction."""
    local = moment.astimezone(COPENHAGEN)
    text = f"{local:%Y-%m-%dT%H:%M:%S}"
    millis = local.microsecond // 1000
    if millis:
        text += f".{millis:03d}".rstrip("0")
    offset = f"{local:%z}"
    return f"{text}{offset[:3]}:{offset[3:]}"


def no_date_text(form: str, place: int) -> str:
    """What stands where there is no date; `mixed` gives every field its own of the forms seen."""
    return NO_DATE.get(form) or _FORMS[place % len(_FORMS)]


def double(value: Decimal | int) -> Decimal:
    """A number as a double is written: fifteen digits, no zeros at the end but one."""
    text = f"{_DOUBLE.create_decimal(value):f}"
    if "." not in text:
        return Decimal(text + ".0")
    text = text.rstrip("0")
    return Decimal(text + "0" if text.endswith(".") else text)


def moment_of(text: str, *, without_zone: str) -> datetime | None:
    """The instant that ISO 8601 text names, to the millisecond; None for year one. Without a zone
    it is in UTC or, where `without_zone` says local, in Copenhagen. ValueError where it is none."""
    found = datetime.fromisoformat(text.strip())
    if found.year <= 1:
        return None
    if found.tzinfo is None:
        found = found.replace(tzinfo=COPENHAGEN if without_zone == "local" else UTC)
    found = found.astimezone(UTC)
    return found.replace(microsecond=found.microsecond // 1000 * 1000)


def wire(field: Field, value: Any) -> Any:
    """A stored value as JSON has it."""
    match value:
        case datetime():
            return stamp_text(value)
        case bool():
            return value
        case int() | Decimal() if field.kind == "number":
            return double(value)
        case _:
            return value


def blank(field: Field, form: str, place: int) -> Any:
    """What an unset field shows, custom fields and drop-downs apart."""
    match field.kind:
        case "int":
            return 0
        case "number":
            return Decimal("0.0")
        case "bool":
            return False
        case "date":
            return no_date_text(form, place)
        case "ids":
            return []
        case "enum":
            return field.names[0]
        case _:
            return "00:00:00" if field.stored == "SpentTime" else ""
