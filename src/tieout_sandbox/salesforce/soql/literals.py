"""The values that conditions compare with: typed by their field, relative dates as ranges."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from tieout_sandbox.salesforce.ids import normalise
from tieout_sandbox.salesforce.schema import Field
from tieout_sandbox.salesforce.soql.parse import fault
from tieout_sandbox.salesforce.soql.syntax import Literal
from tieout_sandbox.salesforce.values import Value, moment, stamp_millis

_SOAP = {
    "boolean": "boolean",
    "currency": "double",
    "double": "double",
    "percent": "double",
    "int": "int",
    "date": "date",
    "datetime": "dateTime",
}
_FITS = {
    "boolean": {"boolean"},
    "currency": {"number", "currency"},
    "double": {"number"},
    "percent": {"number"},
    "int": {"number"},
    "date": {"date", "relative"},
    "datetime": {"datetime", "relative"},
}

LONGEST_TEXT = 4000
Range = tuple[str, str]


def value_of(literal: Literal, field: Field, kind: str, statement: str) -> Value:
    """The literal as a value of that kind of field; INVALID_FIELD where it does not fit."""
    if literal.kind == "null":
        return None
    fits = _FITS.get(kind, {"string"})
    if literal.kind not in fits:
        raise _misfit(literal, field, kind, statement)
    if kind == "boolean":
        return literal.text == "TRUE"
    if literal.kind == "number":
        return Decimal(literal.text)
    if literal.kind == "datetime":
        found = moment(literal.text)
        if found is None:
            raise _misfit(literal, field, kind, statement)
        return stamp_millis(found)
    if literal.kind == "date":
        try:
            return date.fromisoformat(literal.text).isoformat()
        except ValueError:
            raise _misfit(literal, field, kind, statement) from None
    if len(literal.text) > LONGEST_TEXT:
        raise fault(
            "MALFORMED_QUERY",
            f"a string in the WHERE clause is longer than {LONGEST_TEXT} characters",
            literal.at,
            statement,
        )
    if kind in ("reference", "id"):
        record_id = normalise(literal.text)
        if record_id is None and literal.text:
            raise fault(
                "INVALID_QUERY_FILTER_OPERATOR",
                f"invalid ID field: {literal.text}",
                literal.at,
                statement,
            )
        return record_id
    return literal.text


def _misfit(literal: Literal, field: Field, kind: str, statement: str) -> Exception:
    wanted = _SOAP.get(kind)
    if wanted is None:
        text = "must be of type string and should be enclosed in quotes"
    elif literal.kind == "string":
        text = f"must be of type {wanted} and should not be enclosed in quotes"
    else:
        text = f"must be of type {wanted}"
    return fault(
        "INVALID_FIELD",
        f"value of filter criterion for field '{field.name}' {text}",
        literal.at,
        statement,
    )


def range_of(literal: Literal, kind: str, now: datetime, statement: str) -> Range:
    """First and past-the-end value of a relative date such as LAST_N_DAYS:7, in UTC days."""
    try:
        days = _days(literal.text, now.astimezone(UTC).date())
    except (OverflowError, ValueError):  # a number of days or years that no calendar has
        days = None
    if days is None:
        raise fault("MALFORMED_QUERY", f"unexpected token: '{literal.text}'", literal.at, statement)
    start, end = days
    if kind == "date":
        return start.isoformat(), end.isoformat()
    return f"{start}T00:00:00.000+0000", f"{end}T00:00:00.000+0000"


_COUNTED = re.compile(
    r"(LAST|NEXT)_N_(DAY|WEEK|MONTH|QUARTER|YEAR|FISCAL_QUARTER|FISCAL_YEAR)S:(\d+)"
)
_AGO = re.compile(r"N_(DAY|WEEK|MONTH|QUARTER|YEAR|FISCAL_QUARTER|FISCAL_YEAR)S_AGO:(\d+)")
_NAMED = re.compile(r"(LAST|THIS|NEXT)_(WEEK|MONTH|QUARTER|YEAR|FISCAL_QUARTER|FISCAL_YEAR)")


def _days(text: str, today: date) -> tuple[date, date] | None:
    one = timedelta(days=1)
    simple = {
        "TODAY": (today, today + one),
        "YESTERDAY": (today - one, today),
        "TOMORROW": (today + one, today + 2 * one),
        "LAST_90_DAYS": (today - 90 * one, today + one),
        "NEXT_90_DAYS": (today + one, today + 91 * one),
    }
    if text in simple:
        return simple[text]
    if found := _COUNTED.fullmatch(text):
        return _counted(found[1], found[2].removeprefix("FISCAL_"), int(found[3]), today)
    if found := _AGO.fullmatch(text):
        unit, count = found[1].removeprefix("FISCAL_"), int(found[2])
        return _unit(unit, -count, today), _unit(unit, 1 - count, today)
    if found := _NAMED.fullmatch(text):
        unit = found[2].removeprefix("FISCAL_")
        step = {"LAST": -1, "THIS": 0, "NEXT": 1}[found[1]]
        return _unit(unit, step, today), _unit(unit, step + 1, today)
    return None


def _counted(which: str, unit: str, count: int, today: date) -> tuple[date, date]:
    if unit == "DAY":
        # The last n days hold today as well; the next n begin tomorrow.
        if which == "LAST":
            return today - timedelta(days=count), today + timedelta(days=1)
        return today + timedelta(days=1), today + timedelta(days=count + 1)
    if which == "LAST":
        return _unit(unit, -count, today), _unit(unit, 0, today)
    return _unit(unit, 1, today), _unit(unit, count + 1, today)


def _unit(unit: str, steps: int, today: date) -> date:
    """The first day of the unit so many steps from today's."""
    if unit == "DAY":
        return today + timedelta(days=steps)
    if unit == "WEEK":
        return today - timedelta(days=today.weekday()) + timedelta(weeks=steps)
    months = {"MONTH": 1, "QUARTER": 3, "YEAR": 12}[unit]
    number = today.year * 12 + today.month - 1
    number = (number // months + steps) * months
    return date(number // 12, number % 12 + 1, 1)


def like_test(pattern: str) -> Callable[[str], bool]:
    """The test of LIKE: % any text, _ one character, \\ before one of them means itself."""
    parts: list[str] = []
    position = 0
    while position < len(pattern):
        char = pattern[position]
        if char == "\\" and position + 1 < len(pattern):
            position += 1
            parts.append(re.escape(pattern[position]))
        else:
            parts.append({"%": ".*", "_": "."}.get(char) or re.escape(char))
        position += 1
    compiled = re.compile("".join(parts), re.IGNORECASE | re.DOTALL)
    return lambda text: compiled.fullmatch(text) is not None
