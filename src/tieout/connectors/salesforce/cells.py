"""Values of a row as the interface gives it: texts, numbers, dates, children."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from tieout.connectors.http.json import as_decimal
from tieout.connectors.salesforce import soql

Row = Mapping[str, Any]


class RowError(ValueError):
    """A row cannot be understood; the text says why, in words for people."""


def value_at(row: Row, path: str) -> Any:
    """The value at a path through parents; None where it is empty, or a parent is."""
    if type(row) is dict and "." not in path:
        return row.get(path)
    here: Any = row
    for name in path.split("."):
        if not isinstance(here, Mapping):
            return None
        here = here.get(name)
    return here


def text_of(row: Row, path: str) -> str:
    """The text at a path; '' for an empty value or an empty path."""
    value = value_at(row, path) if path else None
    return "" if value is None else str(value)


def number_of(row: Row, path: str) -> Decimal | None:
    """The number at a path with the scale that it was sent with; None where it is empty."""
    return as_decimal(value_at(row, path))


def date_of(row: Row, path: str) -> date | None:
    """The date at a path, never moved between time zones; None where it is empty."""
    value = value_at(row, path) if path else None
    if not isinstance(value, str) or not value:
        return None
    try:
        return date.fromisoformat(value[:10])
    except ValueError:
        raise RowError(f"{path} holds {value!r}, which is no date.") from None


def moment_of(row: Row, path: str) -> datetime | None:
    """The time at a path, in UTC; None where it is empty."""
    value = value_at(row, path)
    return soql.parse_moment(value) if isinstance(value, str) and value else None


def children_of(row: Row, relation: str) -> Sequence[Row]:
    """The rows of a list of children; an empty list is null on the wire."""
    found = row.get(relation)
    return tuple(found.get("records") or ()) if isinstance(found, Mapping) else ()
