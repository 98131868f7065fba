"""What an action was asked with, read into records and values."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from tieout_sandbox.kit import ActionError
from tieout_sandbox.webcrm.crm import Crm
from tieout_sandbox.webcrm.fields import LINE, USER, Entity, Row
from tieout_sandbox.webcrm.reading import read
from tieout_sandbox.webcrm.writes import deal_of

Arguments = Mapping[str, Any]


def record_of(crm: Crm, entity: Entity, given: Any) -> Row:
    """The record with that id; ActionError without one."""
    row = crm.get(entity, int(given)) if str(given).isdigit() else None
    if row is None:
        raise ActionError(f"there is no {entity.name} {given!r}")
    return row


def deal_named(crm: Crm, given: Any) -> tuple[Entity, Row]:
    """The opportunity or delivery with that id; ActionError without one."""
    found = deal_of(crm, int(given)) if str(given).isdigit() else None
    if found is None:
        raise ActionError(f"there is no deal {given!r}")
    return found


def person_acting(crm: Crm, arguments: Arguments) -> str:
    """Who does it: the user with that login or id, the first one where none is named."""
    given = arguments.get("user")
    for row in crm.every(USER):
        if given is None or given in (row["Id"], row.get("LoginName"), row.get("Name")):
            return str(row["Name"])
    raise ActionError(f"there is no user {given!r}")


def values_of(crm: Crm, entity: Entity, given: Any) -> Row:
    """An object of field names, with or without the prefix, and values, as a body has them."""
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise ActionError("set must be an object of field names and values")
    body: dict[str, Any] = {}
    for name, value in given.items():
        known = name if name in entity.fields else entity.name + name
        if known not in entity.fields:
            raise ActionError(f"{entity.name} has no field {name}")
        body[known] = value
    return read(crm, entity, body)


def number_of(arguments: Arguments, name: str) -> Decimal | None:
    """A number, None where it was left out; ActionError where it is none."""
    given = arguments.get(name)
    if given is None:
        return None
    try:
        found = Decimal(str(given))
    except InvalidOperation as error:
        raise ActionError(f"{name} must be a number, not {given!r}") from error
    if not found.is_finite():
        raise ActionError(f"{name} must be a number, not {given!r}")
    return found


def text_of(arguments: Arguments, name: str) -> str:
    """A text that may not be left out."""
    given = arguments.get(name)
    if not isinstance(given, str) or not given:
        raise ActionError(f"{name} is needed")
    return given


def lines_of_arguments(crm: Crm, given: Any) -> list[Row]:
    """Lines as people write them: item, text, unit, quantity, price, list_price, discount, vat,
    memo; a catalogue's item fills what is left out."""
    if given is None:
        return []
    if not isinstance(given, list):
        raise ActionError("lines must be a list of objects")
    return [_line(crm, one) for one in given]


_LINE_WORDS = {
    "item": "Data1",
    "text": "Data2",
    "unit": "Data3",
    "memo": "Memo",
    "quantity": "Quantity",
    "price": "Price",
    "list_price": "ListPrice",
    "discount": "Discount",
    "vat": "VatPercentage",
    "sort": "SortOrder",
}


def line_values(given: Any) -> Row:
    """The fields of a line by the words that people use for them."""
    if not isinstance(given, dict):
        raise ActionError("a line is an object")
    values: Row = {}
    for word, value in given.items():
        stored = _LINE_WORDS.get(word)
        if stored is None:
            raise ActionError(f"a line takes no {word}; there are {', '.join(_LINE_WORDS)}")
        if stored in ("Data1", "Data2", "Data3", "Memo"):
            values[stored] = str(value)
        elif stored == "SortOrder":
            values[stored] = int(value)
        else:
            values[stored] = number_of(given, word)
    return values


def _line(crm: Crm, given: Any) -> Row:
    values = line_values(given)
    item = next(
        (
            row
            for row in crm.tables["LinkedData"].rows.values()
            if row.get("_of") == LINE.resource and row.get("Data1") == values.get("Data1")
        ),
        None,
    )
    if item is not None and values.get("Data1"):
        values.setdefault("Data2", item.get("Data2"))
        values.setdefault("Data3", item.get("Data3"))
        values.setdefault("Price", item.get("Price"))
        values.setdefault("ListPrice", item.get("Price"))
    return values
