"""A field that both sides changed: what a person is shown of it, and the side that they chose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass
from decimal import Decimal
from enum import Enum
from typing import Any

from tieout.core.digest import digest
from tieout.core.finding import Finding
from tieout.core.mapping.fields import Owner
from tieout.core.model import Customer


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """
    A person's word on one field: the side that counts. ``crm`` and ``books`` are the marks of the
    two values that they saw; over other values nothing was said.
    """

    field: str
    side: Owner
    crm: str
    books: str


def field_content(record: Any, name: str) -> Any:
    """A field as it is compared: a number by its digits, not by what a register said of it."""
    value = getattr(record, name, None)
    if name == "identifiers" and value is not None:
        return tuple((number.kind, number.normal or number.raw) for number in value)
    return value


def mark(record: Any, name: str) -> str:
    """Equal contents of a field have equal marks."""
    return digest(name, field_content(record, name))


def chosen(choices: Sequence[Choice], name: str, wanted: Customer, shown: Customer) -> Owner | None:
    """The side that a person chose for this field over just these two values, or None."""
    for choice in choices:
        if choice.field == name:
            same = choice.crm == mark(wanted, name) and choice.books == mark(shown, name)
            return choice.side if same else None
    return None


def conflict_findings(
    source: Customer,
    names: Sequence[str],
    wanted: Customer,
    base_wanted: Any,
    shown: Customer,
    base_shown: Any,
) -> tuple[Finding, ...]:
    """
    One finding for each of these fields, all with one sentence: what each side showed when both
    agreed, what it shows now, and since when.
    """
    message = f"{source.name} changed on both sides: {', '.join(names)}."
    return tuple(
        Finding(
            code="both_changed",
            message=message,
            hint="Say which side counts, or change one of them.",
            place=name,
            hold_on="customer",
            values={
                "fields": ", ".join(names),
                "field": name,
                "crm_then": value_text(field_content(base_wanted, name)),
                "crm_now": value_text(field_content(wanted, name)),
                "crm_at": source.changed_at.isoformat() if source.changed_at else "",
                "crm_mark": mark(wanted, name),
                "books_then": value_text(field_content(base_shown, name)),
                "books_now": value_text(field_content(shown, name)),
                "books_at": shown.changed_at.isoformat() if shown.changed_at else "",
                "books_mark": mark(shown, name),
            },
        )
        for name in names
    )


def value_text(value: Any) -> str:
    """A value of a field as people read it."""
    match value:
        case None:
            return ""
        case Decimal():
            return format(value, "f")
        case Enum():
            return str(value.value)
        case str():
            return value
        case dict():
            return ", ".join(f"{key} {value_text(inner)}" for key, inner in sorted(value.items()))
        case tuple() | list():
            return "; ".join(value_text(inner) for inner in value)
    if is_dataclass(value) and not isinstance(value, type):
        inner = (value_text(getattr(value, entry.name)) for entry in fields(value))
        return " ".join(word for word in inner if word)
    return str(value)
