"""What a client may send to the ERP host, read from `erp_writes.txt`: names, kinds, wrapping.

In the file `*` marks a field that is sent as `{"value": …}`, `@` an object, `[…]` an array of
objects; letters are text, whole number, number, boolean and date; names with `|` are an enum.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Any

from tieout_sandbox.visma_net.assumptions import Assumptions
from tieout_sandbox.visma_net.errors import BusinessError

Record = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field of a body: its kind, what it nests, its values, its length and its wrapping."""

    kind: str
    of: str = ""
    allowed: tuple[str, ...] = ()
    size: int = 0
    wrapped: bool = False
    required: bool = False


@cache
def shapes(file: str) -> dict[str, dict[str, Field]]:
    """Every body of a table of bodies, by its name."""
    found: dict[str, dict[str, Field]] = {}
    name = ""
    for line in files("tieout_sandbox.visma_net").joinpath(file).read_text("utf-8").splitlines():
        if not line.startswith(" "):
            name = line.strip()
            found[name] = {}
            continue
        for token in line.split():
            field, _, text = token.partition(":")
            found[name][field] = _field(text)
    return found


def _field(text: str) -> Field:
    wrapped, required = text.endswith("*"), text.endswith("!")
    text = text.rstrip("*!")
    if text.startswith("@"):
        return Field(kind="@", of=text[1:], wrapped=wrapped, required=required)
    if text.startswith("["):
        return Field(kind="[", of=text[1:-1], wrapped=wrapped, required=required)
    if "|" in text:
        values = tuple(text.split("|"))
        return Field(kind="e", allowed=values, wrapped=wrapped, required=required)
    if text == "{}":
        return Field(kind="{", required=required)
    size = int(text[1:] or 0)
    return Field(kind=text[0], size=size, wrapped=wrapped, required=required)


def read(shape: str, body: Any, assumptions: Assumptions) -> Record:
    """The fields that were sent, unwrapped; what is absent, or null, is not in the answer.
    BusinessError where a value has the wrong form. Unknown fields are ignored."""
    return _read(shape, body, assumptions, "")


def _read(shape: str, body: Any, assumptions: Assumptions, where: str) -> Record:
    if not isinstance(body, dict):
        raise _malformed(where or "body", body)
    fields = {
        name.lower(): (name, field) for name, field in shapes("erp_writes.txt")[shape].items()
    }
    found: Record = {}
    for sent, value in body.items():
        known = fields.get(sent.lower())
        if known is None or value is None:
            continue
        name, field = known
        place = f"{where}.{name}" if where else name
        for given in _unwrapped(field, value, assumptions, place):
            found[name] = _value(field, given, assumptions, place)
    return found


def _unwrapped(field: Field, value: Any, assumptions: Assumptions, place: str) -> Iterator[Any]:
    """The bare value once, or never where it says nothing."""
    if not field.wrapped:
        if isinstance(value, dict) and set(value) == {"value"} and field.kind != "@":
            raise _malformed(place, value)
        yield value
        return
    if not isinstance(value, dict) or not set(value) <= {"value"}:
        raise _malformed(place, value)
    if "value" not in value:
        return
    if value["value"] is None:
        if assumptions.null_value == "clear":
            yield None
        return
    yield value["value"]


def _value(field: Field, value: Any, assumptions: Assumptions, place: str) -> Any:
    if value is None:
        return None
    match field.kind:
        case "@":
            return _read(field.of, value, assumptions, place)
        case "[":
            if not isinstance(value, list):
                raise _malformed(place, value)
            return [
                _read(field.of, one, assumptions, f"{place}[{index}]")
                for index, one in enumerate(value)
            ]
        case "e":
            return _member(field, value, place)
        case _:
            return plain(field.kind, value, place)


def _member(field: Field, value: Any, place: str) -> str:
    if isinstance(value, str):
        for one in field.allowed:
            if one.lower() == value.lower():
                return one
    raise _malformed(place, value)


def plain(kind: str, value: Any, place: str) -> Any:
    """A scalar as it is stored: text, int, Decimal, bool, date. BusinessError otherwise."""
    number = isinstance(value, (int, Decimal)) and not isinstance(value, bool)
    if kind == "s" and (isinstance(value, str) or number):
        return str(value)
    if kind == "b" and isinstance(value, bool):
        return value
    if kind == "i" and number and value == int(value):
        return int(value)
    if kind == "n" and number and abs(value) < 10**15:
        return Decimal(value)
    if kind == "d" and isinstance(value, str):
        return _day(value, place)
    raise _malformed(place, value)


def _day(text: str, place: str) -> date:
    """The date of a date or of a time without a zone. With `Z` it is an instant of UTC, and may
    be another day at the company."""
    try:
        when = datetime.fromisoformat(text)
    except ValueError as error:
        raise _malformed(place, text) from error
    if when.tzinfo is not None:
        from tieout_sandbox.visma_net.company import ZONE

        when = when.astimezone(ZONE)
    return when.date()


def _malformed(place: str, value: object) -> BusinessError:
    return BusinessError(f"Error: the value {value!r} is not valid for {place}.", status=400)
