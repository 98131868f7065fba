"""Single values between the wire of the plain pair and our records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from tieout.connectors.http.json import as_decimal
from tieout.connectors.plain.api import Row
from tieout.core.model import Address, Identifier


def text(row: Row, name: str) -> str:
    """A text, '' for null or absent."""
    value = row.get(name)
    return "" if value is None else str(value)


def day(row: Row, name: str) -> date | None:
    """A date, None for null or absent; ValueError where it is none."""
    value = row.get(name)
    return date.fromisoformat(value) if value else None


def instant(row: Row, name: str) -> datetime | None:
    """A time, None for null or absent; ValueError where it is none."""
    value = row.get(name)
    return datetime.fromisoformat(value) if value else None


def number(row: Row, name: str) -> Decimal:
    """A number; ValueError where it is absent or none."""
    found = as_decimal(row.get(name))
    if found is None:
        raise ValueError(f"{name} is no number: {row.get(name)!r}")
    return found


def number_or_none(row: Row, name: str) -> Decimal | None:
    """A number, None for null or absent; ValueError for anything else."""
    return None if row.get(name) is None else number(row, name)


def extra(row: Row, paths: Iterable[str], *, line: bool = False) -> dict[str, Any]:
    """The values at the paths that the configuration names; absent ones are left out."""
    found: dict[str, Any] = {}
    for path in paths:
        if path.startswith("line.") is not line:
            continue
        value: Any = row
        for part in path.removeprefix("line.").split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        if value is not None and not isinstance(value, (Mapping, list)):
            found[path] = value
    return found


def identifiers(row: Row) -> tuple[Identifier, ...]:
    """The numbers of a company as they stand there, unchecked."""
    country = text(row, "country") or text(row.get("address") or {}, "country") or None
    return tuple(
        Identifier(kind=kind, country=country, raw=text(row, name))
        for kind, name in (
            ("company", "org_number"),
            ("vat", "vat_number"),
            ("einvoice", "einvoice"),
        )
        if text(row, name)
    )


def addresses(row: Row) -> tuple[Address, ...]:
    """The billing address, then the shipping address, those that are there."""
    return tuple(
        Address(
            role=role,
            name=text(found, "name"),
            lines=tuple(found.get("lines") or ()),
            postcode=text(found, "postcode"),
            city=text(found, "city"),
            country=text(found, "country"),
        )
        for role, name in (("billing", "address"), ("shipping", "shipping"))
        if (found := row.get(name))
    )


def address_row(address: Address | None) -> dict[str, Any] | None:
    """An address as the wire has it."""
    if address is None:
        return None
    return {
        "name": address.name,
        "lines": list(address.lines),
        "postcode": address.postcode,
        "city": address.city,
        "country": address.country,
    }


def by_role(row: Row, name: str, role: str) -> dict[str, str]:
    """The one address of a kind that these systems keep, under its role."""
    value = text(row, name)
    return {role: value} if value else {}


def wire_value(value: object) -> Any:
    """Dates and times as text, enumerations as their text, the rest as it is."""
    return value.isoformat() if isinstance(value, (date, datetime)) else value
