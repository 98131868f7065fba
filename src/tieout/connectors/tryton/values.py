"""Values on this wire: Decimals, dates and stamps as objects with a class name, and small reads."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import Any

from tieout.connectors.http.json import as_decimal, dumps, loads
from tieout.core.money import ZERO
from tieout.ports import HttpResponse

Payload = Mapping[str, Any]


def encoded(value: object) -> object:
    """
    A value as it is written: money, dates and times as objects, numbers and texts as they are.

    A quantity is a bare number over there: give it as `quantity_json`.
    """
    if isinstance(value, Decimal):
        return {"__class__": "Decimal", "decimal": format(value, "f")}
    if isinstance(value, datetime):
        when = value.astimezone(UTC)
        parts = ("year", "month", "day", "hour", "minute", "second", "microsecond")
        return {"__class__": "datetime", **{name: getattr(when, name) for name in parts}}
    if isinstance(value, date):
        return {"__class__": "date", "year": value.year, "month": value.month, "day": value.day}
    if isinstance(value, Number):
        return value.value
    if isinstance(value, bytes):
        return {"__class__": "bytes", "base64": base64.b64encode(value).decode()}
    if isinstance(value, Mapping):
        return {key: encoded(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [encoded(item) for item in value]
    return value


class Number:
    """A quantity: a bare JSON number with the digits of its Decimal."""

    __slots__ = ("value",)

    def __init__(self, value: Decimal) -> None:
        self.value = value


def decoded(value: object) -> Any:
    """A value as it was read, objects with a class name made into ours. Stamps are aware UTC."""
    if isinstance(value, dict):
        match value.get("__class__"):
            case "Decimal":
                return Decimal(str(value["decimal"]))
            case "date":
                return date(value["year"], value["month"], value["day"])
            case "datetime":
                return datetime(
                    int(value["year"]),
                    int(value["month"]),
                    int(value["day"]),
                    int(value["hour"]),
                    int(value["minute"]),
                    int(value["second"]),
                    int(value["microsecond"]),
                    tzinfo=UTC,
                )
            case "bytes":
                return base64.b64decode(value["base64"])
            case "timedelta":
                return as_decimal(value.get("seconds"))
            case None:
                return {key: decoded(item) for key, item in value.items()}
        return value
    if isinstance(value, list):
        return [decoded(item) for item in value]
    return value


def call_body(method: str, params: list[object], *, raw: bool = False) -> bytes:
    """
    The body of a call. Exactly these three keys: with any other the server changes its protocol,
    so that results come bare and errors as pages of HTML. ``raw``: the values are in the form of
    the wire already.
    """
    return dumps({"id": 1, "method": method, "params": params if raw else encoded(params)})


def method_of(body: bytes) -> str:
    """The method that a stored body calls, '' where it is no call."""
    try:
        value = loads(body)
    except ValueError:
        return ""
    return str(value.get("method", "")) if isinstance(value, dict) else ""


# --- small reads ---------------------------------------------------------------------------------


def text_of(row: Payload, name: str) -> str:
    """A text; null and '' are both empty."""
    value = row.get(name)
    return "" if value is None else value if isinstance(value, str) else str(value)


def amount_of(row: Payload, name: str) -> Decimal:
    """A number, 0 where there is none."""
    found = as_decimal(row.get(name))
    return ZERO if found is None else found


def number_of(row: Payload, name: str) -> Decimal | None:
    """A number, None where there is none."""
    return as_decimal(row.get(name))


def day_of(row: Payload, name: str) -> date | None:
    """A date without time, None where there is none."""
    value = row.get(name)
    return value if isinstance(value, date) and not isinstance(value, datetime) else None


def stamp_of(row: Payload, name: str) -> datetime | None:
    """A time stamp, None where there is none."""
    value = row.get(name)
    return value if isinstance(value, datetime) else None


def id_of(row: Payload, name: str) -> int | None:
    """The id of a link, None where it is empty."""
    value = row.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def linked(row: Payload, name: str) -> Payload:
    """What was read through a link (the key with the dot behind it), {} where it is empty."""
    value = row.get(f"{name}.")
    return value if isinstance(value, Mapping) else {}


def rows_of(row: Payload, name: str) -> list[Payload]:
    """The rows that were read through a list, [] where there are none."""
    value = row.get(f"{name}.")
    return [entry for entry in value if isinstance(entry, Mapping)] if value else []


def ids_of(row: Payload, name: str) -> list[int]:
    """The ids of a list, also where its rows were read."""
    value = row.get(name)
    if isinstance(value, list):
        return [entry for entry in value if isinstance(entry, int)]
    return [int(entry["id"]) for entry in rows_of(row, name)]


def reference_of(row: Payload, name: str) -> tuple[str, int] | None:
    """A link to any model, 'account.invoice,31', as its model and id."""
    model, comma, number = text_of(row, name).partition(",")
    return (model, int(number)) if comma and number.lstrip("-").isdecimal() else None


def vendor_time(response: HttpResponse) -> datetime | None:
    """The server's clock as the answer's Date header shows it."""
    text = response.headers.get("date", "")
    if not text:
        return None
    try:
        return parsedate_to_datetime(text).astimezone(UTC)
    except ValueError:
        return None
