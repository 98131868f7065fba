"""Our values as fields take them: type, scale, length, list of values; and how they come back."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from tieout.connectors.lengths import cut_units, units
from tieout.connectors.salesforce import soql
from tieout.connectors.salesforce.org import OrgField
from tieout.core.finding import Finding
from tieout.core.money import round_to

Wire = str | bool | int | Decimal | None
_TEXT = frozenset(
    {
        "string",
        "textarea",
        "picklist",
        "phone",
        "url",
        "email",
        "combobox",
        "reference",
        "encryptedstring",
    }
)
_NUMBERS = frozenset({"currency", "double", "percent"})


@dataclass(frozen=True, slots=True)
class Unfit:
    """A value that a field does not take, with the reason for people."""

    finding: Finding


def to_wire(field: OrgField, value: object, *, cut: bool = False) -> Wire | Unfit:
    """
    The JSON value for a field. Empty values clear it; a checkbox cannot be empty and is false.

    Numbers get the field's decimals, half away from zero, as the platform would round them. With
    ``cut`` a text that is too long ends with an ellipsis, else it does not fit.
    """
    if field.type == "boolean":
        return bool(value)
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        value = "Yes" if value else "No"
    if field.type in _NUMBERS or field.type == "int":
        return _number(field, value)
    if field.type in ("date", "datetime"):
        return _time(field, value)
    return _text(field, value, cut=cut)


def same(one: Wire, other: object) -> bool:
    """Whether a field that shows ``other`` already has this value: 5 is 5.00, '' is nothing."""
    return _plain(one) == _plain(other)


def _plain(value: object) -> object:
    if isinstance(value, bool):
        return value
    if value in (None, ""):
        return None
    if isinstance(value, int):
        return Decimal(value)
    if isinstance(value, str) and "T" in value and value.endswith("+0000"):
        # A text of somebody's may look like a time.
        with suppress(ValueError):
            return soql.parse_moment(value)
    return value


def _number(field: OrgField, value: object) -> Wire | Unfit:
    if isinstance(value, int):
        value = Decimal(value)
    if not isinstance(value, Decimal):
        return _unfit(field, f"{field.label} takes a number, not {value!r}.")
    rounded = round_to(value, 0 if field.type == "int" else field.scale)
    whole_digits = (field.precision or 18) - field.scale
    if abs(rounded) >= Decimal(1).scaleb(whole_digits):
        return _unfit(field, f"{field.label} has room for {whole_digits} digits before the point.")
    return int(rounded) if field.type == "int" else rounded


def _time(field: OrgField, value: object) -> Wire | Unfit:
    if isinstance(value, datetime):
        return value.date().isoformat() if field.type == "date" else soql.stamp(value)
    if isinstance(value, date):
        return value.isoformat() if field.type == "date" else f"{value}T00:00:00.000+0000"
    return _unfit(field, f"{field.label} takes a date, not {value!r}.")


def _text(field: OrgField, value: object, *, cut: bool) -> Wire | Unfit:
    if isinstance(value, Decimal):
        text = f"{value:f}"
    else:
        text = value.isoformat() if isinstance(value, date) else str(value)
    if field.restricted and field.options and text not in field.options:
        return _unfit(field, f"{field.label} has no value {text!r} in its list.")
    if field.length and units(text) > field.length:
        if not cut:
            return _unfit(
                field, f"{field.label} has room for {field.length} characters, not {units(text)}."
            )
        text = cut_units(text, field.length - 1).rstrip() + "…"
    return text


def _unfit(field: OrgField, message: str) -> Unfit:
    return Unfit(
        Finding(
            code="value_not_accepted",
            message=message,
            hint="Correct the value, or change the field in Salesforce.",
            place=field.name,
        )
    )
