"""Contacts of customers, both ways: rows as persons, and changes of persons as bodies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from tieout.connectors.http.json import dumps
from tieout.connectors.visma_net.api import CONTACTS, Row
from tieout.connectors.visma_net.names import Names
from tieout.connectors.visma_net.stamps import Stamps
from tieout.connectors.visma_net.translate import extra_of, require_readable
from tieout.connectors.visma_net.values import Payload, segment, text_of, wrapped
from tieout.core.change import Change, Prepared
from tieout.core.model import Contact
from tieout.ports import FieldInfo, Selection

PLACES: Final[Mapping[str, str]] = {
    "given": "firstName",
    "family": "lastName",
    "email": "email",
    "phone": "phone1",
    "mobile": "phone2",
    "title": "position",
    "active": "active",
    "customer": "businessAccount",
}
"""Our fields of a person and the vendor's, whose own title is Mr or Ms."""

CONTACT_SCHEMA: Final = (
    *(
        FieldInfo(path=name, type="text")
        for name in ("firstName", "lastName", "position", "email", "phone1", "phone2", "phone3")
    ),
    *(FieldInfo(path=name, type="text") for name in ("title", "web", "fax", "contactMethod")),
    FieldInfo(path="active", type="boolean"),
    FieldInfo(path="doNotEmail", type="boolean"),
)
_NO_NAME: Final = "-"


def is_of_customer(row: Payload) -> bool:
    """Whether a contact is a customer's; suppliers and leads have contacts in the same list."""
    kind = text_of(row, "businessAccountType")
    return bool(text_of(row, "businessAccount")) and kind in ("", "Customer", "CustomerAndSupplier")


def contact(
    payload: Payload,
    customers: Mapping[str, str],
    names: Names,
    stamps: Stamps,
    want: Selection | None = None,
) -> Contact:
    """A person; ``customers`` are internal ids by number. A last name of `-` is none."""
    require_readable(payload)
    owner = customers.get(text_of(payload, "businessAccount"), "")
    family = text_of(payload, "lastName")
    return Contact(
        ref=names.ref("contact", text_of(payload, "contactId")),
        version=text_of(payload, "timeStamp") or None,
        changed_at=stamps.instant("contact", payload),
        customer=names.ref("customer", owner) if owner else None,
        given=text_of(payload, "firstName"),
        family="" if family == _NO_NAME else family,
        email=text_of(payload, "email"),
        phone=text_of(payload, "phone1"),
        mobile=text_of(payload, "phone2"),
        title=text_of(payload, "position"),
        active=payload.get("active") is not False,
        extra=extra_of(payload, want),
        shape=want.shape if want else "",
    )


def contact_prepared(
    change: Change,
    wanted: Contact,
    number: str,
    read: Row | None,
    before: Contact | None,
    noted: Mapping[str, str],
) -> Prepared:
    """The request; ``number`` is that of the customer where it is set."""
    assert change.wanted is not None
    names = change.wanted.fields
    values: dict[str, Any] = {}
    for ours, theirs in PLACES.items():
        if ours not in names:
            continue
        if ours == "active":
            values[theirs] = wanted.active
        elif ours == "customer":
            values[theirs] = number
        else:
            text = str(getattr(wanted, ours)).strip()
            values[theirs] = text or (_NO_NAME if ours == "family" else "")
    shown = {
        ours: getattr(wanted, ours).strip() if ours not in ("active", "customer")
        else getattr(wanted, ours)
        for ours in PLACES if ours in names
    }  # fmt: skip
    base = change.base if isinstance(change.base, Contact) else before or Contact()
    version = text_of(read or {}, "timeStamp")
    path = CONTACTS if read is None else f"{CONTACTS}/{segment(text_of(read, 'contactId'))}"
    return Prepared(
        key=change.key,
        entity=change.entity,
        action=change.action,
        target=change.target,
        method="POST" if read is None else "PUT",
        path=path,
        body=dumps(wrapped(**values)),
        headers={
            "Content-Type": "application/json",
            **({"If-Match": f'"{version}"'} if version else {}),
        },
        witness=dict(noted),
        shows=replace(before or Contact(), extra=base.extra, shape=base.shape, **shown),
        read=None if before is None else replace(before, extra=base.extra),
        revision=change.revision,
    )
