"""Persons as rows of the plain pair, both ways: the CRM's companies and the book's customers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import replace
from typing import Any

from tieout.connectors.http.json import dumps
from tieout.connectors.plain.api import Row
from tieout.connectors.plain.values import extra, instant, text
from tieout.core.change import Change, Prepared
from tieout.core.model import Contact, ExternalRef
from tieout.ports import Selection

TEXTS = ("given", "family", "email", "phone", "mobile", "title")
FIELDS = frozenset({*TEXTS, "active", "customer"})
"""What both systems hold of a person and let be written."""

NAME_LENGTH = 30
"""Characters of a name in the book."""


def contact(connection: str, row: Row, want: Selection, *, customer: str, version: str) -> Contact:
    """A row as a person; ``customer`` is the name of the column that names its customer."""
    owner = text(row, customer)
    roles: Iterable[str] = row.get("roles") or ()
    return Contact(
        ref=ExternalRef(connection, "contact", row["id"]),
        version=version,
        changed_at=instant(row, "changed_at"),
        customer=ExternalRef(connection, "customer", owner) if owner else None,
        roles=tuple(roles),
        active=bool(row["active"]),
        extra=extra(row, want.extra),
        shape=want.shape,
        **{name: text(row, name) for name in TEXTS},
    )


def contact_row(record: Contact, names: Set[str], customer: str, most: int = 0) -> dict[str, Any]:
    """The named fields as the wire has them; names longer than ``most`` are cut (0: never)."""
    found: dict[str, Any] = {name: getattr(record, name) for name in TEXTS if name in names}
    for name in ("given", "family"):
        if most and name in found:
            found[name] = found[name][:most]
    if "active" in names:
        found["active"] = record.active
    if "customer" in names:
        found[customer] = record.customer.id if record.customer else None
    return found


def shown(values: Mapping[str, Any], wanted: Contact, names: Set[str]) -> dict[str, Any]:
    """What a record shows after a write of these values."""
    found = {name: values[name] for name in (*TEXTS, "active") if name in values}
    if "customer" in names:
        found["customer"] = wanted.customer
    return found


def contact_made(change: Change, record: Contact) -> Prepared:
    """A person has no key over there: the address within the customer is what it is found by."""
    assert change.wanted is not None
    names = change.wanted.fields
    values = contact_row(record, names, "customer", NAME_LENGTH)
    return Prepared(
        key=change.key,
        entity=change.entity,
        action=change.action,
        target=None,
        method="POST",
        path="/contacts",
        body=dumps({"tag": change.key, **values}),
        shows=replace(Contact(), **shown(values, record, names)),
        revision=change.revision,
    )
