"""Pieces of answers that several resources share: numbers, addresses, names."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tieout_sandbox.visma_net.company import Company, stamp_text
from tieout_sandbox.visma_net.tables import Record


def short(value: Decimal | None) -> Decimal | None:
    """A number as most answers write it: no trailing zeros, but one decimal at least."""
    if value is None:
        return None
    plain = value.normalize()
    exponent = plain.as_tuple().exponent
    if isinstance(exponent, int) and exponent > -1:
        return plain.quantize(Decimal("0.1"))
    return plain


def four(value: Decimal) -> Decimal:
    """Money with the four decimals it is stored with."""
    return value.quantize(Decimal("0.0001"))


def six(value: Decimal) -> Decimal:
    """A rate with six decimals."""
    return value.quantize(Decimal("0.000001"))


def stamps(company: Company, resource: str, record: Record) -> Record:
    """When a record was made and changed, as the resource writes it."""
    known = company.assumptions
    zone, form = known.zone_of(resource), known.form_of(resource)
    return {
        "lastModifiedDateTime": stamp_text(record["_modified"], zone, form),
        "createdDateTime": stamp_text(record["_created"], zone, form),
    }


def country(company: Company, code: str | None) -> Record | None:
    """A country inside an address; it has a metadata of its own, which is not the list's."""
    row = company.countries.get(code)
    if row is None:
        return None
    return {
        "id": row["id"],
        "name": row["name"],
        "metadata": {"totalCount": 0, "maxPageSize": 0},
    }


def address(company: Company, stored: Record | None) -> Record | None:
    """An address as answers carry it."""
    if stored is None:
        return None
    found = {
        name: stored.get(name)
        for name in ("addressId", "addressLine1", "addressLine2", "addressLine3")
    }
    found["postalCode"], found["city"] = stored.get("postalCode"), stored.get("city")
    found["country"] = country(company, stored.get("countryId"))
    if stored.get("county"):
        found["county"] = {"id": stored["county"], "name": stored["county"]}
    return without_nothing(found)


def contact(stored: Record | None) -> Record | None:
    """A contact of a customer as answers carry it."""
    if stored is None:
        return None
    names = ("contactId", "name", "attention", "email", "web", "phone1", "phone2", "fax")
    return without_nothing({name: stored.get(name) for name in names})


def described(row: Record | None, key: str = "id") -> Record | None:
    """Id and description of a record of a look-up table."""
    if row is None:
        return None
    return {"id": row[key], "description": row["description"]}


def account(company: Company, number: str | None) -> Record | None:
    """An account inside another record."""
    row = company.accounts.get(number)
    if row is None:
        return None
    return {
        "type": row["type"],
        "active": row["active"],
        "number": row["accountCD"],
        "description": row["description"],
    }


def branch(company: Company, number: str | None) -> Record | None:
    """Number and name of a branch."""
    row = company.branches.get(number)
    return None if row is None else {"number": row["number"], "name": row["name"]}


def without_nothing(record: Record) -> Record:
    """The record without what has no value."""
    return {name: value for name, value in record.items() if value is not None}


def finished(company: Company, record: Record) -> Any:
    """An answer as the company writes it: with or without what has no value."""
    if company.assumptions.null_fields == "written":
        return record
    return without_nothing(record)
