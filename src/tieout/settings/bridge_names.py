"""What an expression of a bridge may name: records of ours, their fields, and who reads them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tieout.core.compose import line_scope
from tieout.core.model import Address, Contact, Customer, Deal, Item, Line
from tieout.core.scope import customer_scope, deal_scope, record_scope

_BUYER: Final = customer_scope(
    Customer(addresses=(Address(role="billing"), Address(role="shipping")))
)
_DEAL: Final = deal_scope(Deal(billing_contact=Contact()), None)

_STANDARD: Final[Mapping[str, Mapping[str, Any]]] = {
    "account": dict(_BUYER or {}),
    "customer": dict(_BUYER or {}),
    "deal": dict(_DEAL["deal"]),
    "contact": dict(_DEAL["contact"]),
    "line": dict(line_scope(Line())),
    "item": dict(record_scope(Item()) or {}),
}
_HIDDEN: Final = frozenset({"shape", "extra", "came_from", "merged_into", "prices"})

CUSTOMER_ROOTS: Final = ("account", "customer")
DOCUMENT_ROOTS: Final = ("account", "contact", "customer", "deal")
ITEM_ROOTS: Final = ("item",)
CONTACT_ROOTS: Final = ("account", "contact", "customer")
PERSON_ROOTS: Final = ("contact", "customer")
LINE_ROOTS: Final = (*DOCUMENT_ROOTS, "line")

TEXT, NUMBER, DAY, PARTY, PLAIN = "text", "number", "day", "party", "plain"

CUSTOMER_TARGETS: Final[Mapping[str, str]] = {
    "name": TEXT,
    "kind": PARTY,
    "contact_name": TEXT,
    "email": TEXT,
    "phone": TEXT,
    "language": TEXT,
    "currency": TEXT,
    "terms": TEXT,
}
CONTACT_TARGETS: Final[Mapping[str, str]] = {
    "given": TEXT,
    "family": TEXT,
    "email": TEXT,
    "phone": TEXT,
    "mobile": TEXT,
    "title": TEXT,
}
DOCUMENT_TARGETS: Final[Mapping[str, str]] = {
    "your_reference": TEXT,
    "our_reference": TEXT,
    "po_number": TEXT,
    "buyer_reference": TEXT,
    "terms": TEXT,
    "delivered_on": DAY,
}
LINE_TARGETS: Final[Mapping[str, str]] = {
    "item": TEXT,
    "text": TEXT,
    "quantity": NUMBER,
    "unit_price": NUMBER,
    "discount": NUMBER,
}


def standard_names(root: str) -> frozenset[str]:
    """The fields of ours under a root such as `account`; what else stands there is the CRM's."""
    return frozenset(_STANDARD[root]) - _HIDDEN


def inner_names(root: str, name: str) -> frozenset[str] | None:
    """The fields of a field of ours that has such, as `billing` has; None where any name fits."""
    value = _STANDARD[root].get(name)
    return frozenset(value) if isinstance(value, Mapping) and value else None


def vendor_path(path: tuple[str, ...]) -> str | None:
    """The CRM's own path in `account.Owner.Name`; None where the field is one of ours."""
    root, *rest = path
    if not rest or root not in _STANDARD or rest[0] in standard_names(root):
        return None
    return ".".join(rest)
