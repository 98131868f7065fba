"""Persons at customers: by which address they are known, and what goes over of them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from tieout.core.finding import Finding
from tieout.core.mapped import mapped_value
from tieout.core.model import Contact, ExternalRef
from tieout.core.policy import FieldRule

FIELDS: Final = ("given", "family", "email", "phone", "mobile", "title", "active")
"""What goes over of a person, in the order in which it is shown."""

ADDRESS_LENGTH: Final = 254
_LOCAL: Final = r"[^\s@<>()\[\]\\,;:\"]{1,64}"
_LABEL: Final = r"[^\W_]([\w-]{0,61}[^\W_])?"
_ADDRESS: Final = re.compile(rf"{_LOCAL}@({_LABEL}\.)+{_LABEL}")


def normal_address(text: str) -> str:
    """
    An e-mail address as it is compared: without blanks around it, in small letters.

    The part before the @ may tell capitals apart by its standard; no provider of mail does.
    """
    return text.strip().casefold()


def is_address(text: str) -> bool:
    """Whether mail could be sent there: one address, with a domain that has a dot."""
    address = normal_address(text)
    if len(address) > ADDRESS_LENGTH or ".." in address:
        return False
    local = address.partition("@")[0]
    return bool(_ADDRESS.fullmatch(address)) and not (local[:1] == "." or local[-1:] == ".")


def called(contact: Contact) -> str:
    """What a message calls a person: the name, else the address."""
    return contact.name or contact.email.strip() or (contact.ref.id if contact.ref else "a person")


def content(contact: Contact | None, name: str) -> Any:
    """A field as it is compared: an address without regard to capitals, texts without edges."""
    value = getattr(contact, name, None)
    if name == "email":
        return normal_address(value or "")
    return value.strip() if isinstance(value, str) else value


def wanted_contact(
    source: Contact,
    customer: ExternalRef,
    rules: Sequence[FieldRule],
    scope: Mapping[str, Any],
) -> tuple[Contact, tuple[Finding, ...]]:
    """The person as the other side should have it, and what does not resolve on the way."""
    findings: list[Finding] = []
    values: dict[str, Any] = {name: getattr(source, name) for name in FIELDS}
    for rule in rules:
        value = mapped_value(rule, scope, called(source), findings)
        if value is not None:
            values[rule.target] = str(value)
    return Contact(customer=customer, **values), tuple(findings)
