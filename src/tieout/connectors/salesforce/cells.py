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
    if isinstance(value, Decimal):
        value = as_written(value)
    return "" if value is None else str(value)


def number_of(row: Row, path: str) -> Decimal | None:
    """The number at a path with the scale that it was sent with; None where it is empty."""
    found = as_decimal(value_at(row, path))
    return as_written(found) if found is not None and _exponent(found) > 0 else found


def as_written(value: Decimal) -> Decimal:
    """
    A number as people write it: the platform writes 4711 as 4711.0, and 5567890120 as
    5.56789012E9. Money with its two decimals stays as it is.
    """
    whole = _exponent(value) in (-1, *range(1, _LONGEST)) and value == value.to_integral_value()
    return Decimal(int(value)) if whole else value


def _exponent(value: Decimal) -> int:
    exponent = value.as_tuple().exponent
    return exponent if isinstance(exponent, int) else 0


_LONGEST = 40  # digits; no field has so many


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
