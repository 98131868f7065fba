"""Records as what mapping expressions see: our field names, then the vendor's own paths."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tieout.core.digest import field_names
from tieout.core.model import Contact, Customer, Deal, Line, Record

LINE_MARK = "line."
"""What a selection puts before a path that is a line's: `line.Product2.Family`."""


def record_scope(record: Record | Line | None) -> Mapping[str, Any] | None:
    """
    The record's fields by our names, with its ``extra`` paths nested under the vendor's names.

    A path ``Product2.Family`` is reached by two dots, as it is written in a query. What was asked
    of a line is kept as it was asked, with ``line.`` before it, and stands without that in the
    line's own scope. None for None.
    """
    if record is None:
        return None
    names = field_names(type(record))
    scope: dict[str, Any] = {name: getattr(record, name) for name in names if name != "extra"}
    mark = LINE_MARK if isinstance(record, Line) else ""
    for path, value in getattr(record, "extra", {}).items():
        _put(scope, path.removeprefix(mark).split("."), value)
    return scope


def customer_scope(customer: Customer | None) -> Mapping[str, Any] | None:
    """
    A customer with the parts that mappings name most: ``billing`` and ``shipping`` addresses,
    ``org_number``, ``vat_number``, ``email``, ``phone``.
    """
    if customer is None:
        return None
    scope = dict(record_scope(customer) or {})
    for role in ("billing", "shipping"):
        address = customer.address(role)
        scope[role] = None if address is None else _address(address)
    for kind, name in (("company", "org_number"), ("vat", "vat_number"), ("einvoice", "einvoice")):
        number = customer.identifier(kind)
        scope[name] = "" if number is None else (number.normal or number.raw)
    scope["email"] = customer.emails.get("invoice") or customer.emails.get("general", "")
    scope["phone"] = customer.phones.get("general", "")
    return scope


def deal_scope(deal: Deal, customer: Customer | None) -> dict[str, Any]:
    """The whole scope of a document: ``deal``, ``customer`` (also ``account``), ``contact``."""
    seen = dict(record_scope(deal) or {})
    seen["won"] = deal.state == "won"
    seen["contact"] = contact_scope(deal.billing_contact)
    buyer = customer_scope(customer)
    return {"deal": seen, "customer": buyer, "account": buyer, "contact": seen["contact"]}


def contact_scope(contact: Contact | None) -> Mapping[str, Any] | None:
    """A person with ``name``, and what the configuration asked for under the vendor's names."""
    if contact is None:
        return None
    scope = dict(record_scope(contact) or {})
    scope["name"] = contact.name
    return scope


def _address(address: Any) -> dict[str, Any]:
    lines = address.lines
    return {
        "name": address.name,
        "line1": lines[0] if lines else "",
        "line2": lines[1] if len(lines) > 1 else "",
        "postcode": address.postcode,
        "city": address.city,
        "country": address.country,
    }


def _put(scope: dict[str, Any], path: list[str], value: Any) -> None:
    for part in path[:-1]:
        # A copy: what stands there may be a record's own mapping, which is never written to.
        inner = scope.get(part)
        scope[part] = dict(inner) if isinstance(inner, Mapping) else {}
        scope = scope[part]
    scope[path[-1]] = value
