"""Values as webCRM writes them: years of one, local stamps, placeholders; and ours as it takes."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from tieout.connectors.http.json import as_decimal
from tieout.connectors.webcrm.system import SystemField
from tieout.core.finding import Finding

Wire = str | bool | int | Decimal
NO_DATE = "0001-01-01T00:00:00"
_STAMP = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}")
_PLACEHOLDER = re.compile(r"--+ ?.*? ?--+")
_PREFIX = re.compile(r"\d{1,3}:\s*")
_BREAK = re.compile(r"<\s*(?:br|/p|/li|/div|/tr|/h\d)\b[^>]*>", re.I)
_TAG = re.compile(r"<[^>]*>")
_CHECKED = {"Yes": True, "No": False}


class RowError(ValueError):
    """A row cannot be understood; the text says why, in words for people."""


@dataclass(frozen=True, slots=True)
class Unfit:
    """A value that a field does not take, with the reason for people."""

    finding: Finding


# What comes in.


def text_at(row: Any, name: str) -> str:
    """The text of a field, '' where nothing is chosen or written: placeholders are nothing."""
    value = row.get(name) if name else None
    if value is None or isinstance(value, (dict, list)):
        return ""
    if isinstance(value, Decimal):
        return f"{value:f}"
    text = str(value).strip()
    return "" if text == "[]" or _PLACEHOLDER.fullmatch(text) else text


def number_at(row: Any, name: str) -> Decimal | None:
    """The number of a field with the scale that it was sent with; None where there is none."""
    return as_decimal(row.get(name))


def id_at(row: Any, name: str) -> int:
    """A reference to a record; 0 means none."""
    value = row.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def flag_at(row: Any, name: str) -> bool:
    """A yes or no, of a native field or of a check box, which is a text."""
    value = row.get(name) if name else None
    return value if isinstance(value, bool) else _CHECKED.get(str(value), False)


def moment_at(row: Any, name: str, zone: ZoneInfo) -> datetime | None:
    """The time of a field in UTC; None where there is none, which is written as the year 1."""
    found = _stamp(row.get(name), name)
    if found is None:
        return None
    return (found if found.tzinfo else found.replace(tzinfo=zone)).astimezone(UTC)


def day_at(row: Any, name: str, zone: ZoneInfo) -> date | None:
    """
    The day of a field that holds one: as UTC midnight written in local time, as local midnight,
    or as a text. Anything with another time of day is the day that people there saw.
    """
    value = row.get(name) if name else None
    if isinstance(value, str) and value and not _STAMP.match(value):
        return _written_day(value, name)
    found = _stamp(value, name)
    if found is None:
        return None
    if found.tzinfo is None:
        return found.date()
    utc = found.astimezone(UTC)
    at_midnight = (utc.hour, utc.minute, utc.second) == (0, 0, 0)
    return utc.date() if at_midnight else found.astimezone(zone).date()


def plain_text(value: str) -> str:
    """The text of rich text: tags away, a line for each paragraph."""
    if "<" not in value and "&" not in value:
        return value.strip()
    text = html.unescape(_TAG.sub("", _BREAK.sub("\n", value)))
    lines = (" ".join(line.split()) for line in text.split("\n"))
    return "\n".join(line for line in lines if line)


def extra_value(name: str, value: Any, field: SystemField | None, zone: ZoneInfo) -> Any:
    """A value that a mapping asked for. What is unset is None."""
    if value is None or isinstance(value, (bool, Decimal)):
        return value
    if isinstance(value, int):
        return value
    if isinstance(value, list):
        return ", ".join(str(part) for part in value) or None
    if isinstance(value, dict):
        return str(value.get("CodeISO") or value.get("Name") or "") or None
    text = str(value)
    if _STAMP.match(text):
        return _shown_time(name, text, zone)
    if field is not None and field.is_check_box and text in _CHECKED:
        return _CHECKED[text]
    if name.endswith(("Memo", "History")):
        return plain_text(text) or None
    return text_at({name: text}, name) or None


def _shown_time(name: str, text: str, zone: ZoneInfo) -> str | None:
    if name.endswith(("OrderDate", "XDate1", "XDate2")):
        day = day_at({name: text}, name, zone)
        return day.isoformat() if day else None
    found = moment_at({name: text}, name, zone)
    return found.isoformat() if found else None


def _stamp(value: Any, name: str) -> datetime | None:
    if value in (None, ""):
        return None
    try:
        found = datetime.fromisoformat(str(value))
    except ValueError:
        raise RowError(f"{name} holds {value!r}, which is no time.") from None
    return None if found.year <= 1 else found


def _written_day(value: str, name: str) -> date | None:
    text = value.strip()
    if not text or _PLACEHOLDER.fullmatch(text):
        return None
    for form in ("%Y-%m-%d", "%d-%m-%Y", "%d.%m.%Y", "%d/%m/%Y"):
        try:
            return datetime.strptime(text[:10], form).date()  # noqa: DTZ007 - a day has no zone
        except ValueError:
            continue
    raise RowError(f"{name} holds {value!r}, which is no day.")


# What goes out.


def to_wire(field: SystemField, value: object, *, cut: bool = False) -> Wire | Unfit:
    """
    The JSON value for a field. Nothing becomes an empty text, zero, or the year 1: null would
    leave the field as it is.

    With ``cut`` a text that is too long ends with an ellipsis, else it does not fit.
    """
    match field.kind:
        case "bool":
            return bool(value)
        case "int" | "number":
            return _number(field, value)
        case "date":
            return _time(field, value)
        case _:
            return _text(field, value, cut=cut)


def same(field: SystemField, wanted: Wire, shown: object) -> bool:
    """Whether a field that shows this has that value already."""
    if field.kind == "date":
        return _moment(wanted) == _moment(shown)
    if field.kind in ("int", "number"):
        return as_decimal(wanted) == (as_decimal(shown) or Decimal(0))
    if field.kind == "bool":
        return bool(wanted) == bool(shown)
    return _unset(field, wanted) == _unset(field, shown)


def _unset(field: SystemField, value: object) -> str:
    text = text_at({"v": value}, "v")
    # A check box that nobody ticked shows No.
    return "" if field.is_check_box and text == "No" else text


def _moment(value: object) -> datetime | None:
    found = _stamp(value, "date")
    if found is None:
        return None
    known = found if found.tzinfo else found.replace(tzinfo=UTC)
    return known.astimezone(UTC).replace(microsecond=0)


def _number(field: SystemField, value: object) -> Wire | Unfit:
    if value is None or value == "":
        return 0
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
        return _unfit(field, f"{field.label} takes a number, not {value!r}.")
    if field.kind == "int" and value != int(value):
        return _unfit(field, f"{field.label} takes whole numbers only, not {value}.")
    return int(value) if field.kind == "int" else Decimal(value)


def _time(field: SystemField, value: object) -> Wire | Unfit:
    if value is None or value == "":
        return NO_DATE
    if isinstance(value, datetime):
        utc = value.astimezone(UTC)
        return f"{utc:%Y-%m-%dT%H:%M:%S}Z"
    if isinstance(value, date):
        return f"{value.isoformat()}T00:00:00Z"
    return _unfit(field, f"{field.label} takes a date, not {value!r}.")


def _text(field: SystemField, value: object, *, cut: bool) -> Wire | Unfit:
    if value is None or value == "":
        return "No" if field.is_check_box else ""
    if isinstance(value, bool):
        text = "Yes" if value else "No"
    elif isinstance(value, Decimal):
        text = f"{value:f}"
    elif isinstance(value, datetime):
        text = f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    else:
        text = value.isoformat() if isinstance(value, date) else str(value)
    if field.is_check_box and text not in _CHECKED:
        return _unfit(field, f"{field.label} is a check box and takes Yes or No, not {text!r}.")
    if field.options and not field.is_check_box:
        return _option(field, text)
    if field.length and len(text) > field.length:
        if not cut:
            return _unfit(
                field, f"{field.label} has room for {field.length} characters, not {len(text)}."
            )
        text = text[: field.length - 1].rstrip() + "…"
    return text


def _option(field: SystemField, text: str) -> Wire | Unfit:
    """The whole string of a drop-down, its prefix included: `7 dage` finds `07: 7 dage`."""
    if text in field.options:
        return text
    folded = text.casefold()
    fitting = [
        option
        for option in field.options
        if option.casefold() == folded or _PREFIX.sub("", option, count=1).casefold() == folded
    ]
    if len(fitting) == 1:
        return fitting[0]
    return _unfit(field, f"{field.label} has no value {text!r} in its list.")


def _unfit(field: SystemField, message: str) -> Unfit:
    return Unfit(
        Finding(
            code="value_not_accepted",
            message=message,
            hint="Correct the value, or change the field in webCRM's configuration.",
            place=field.name,
        )
    )
