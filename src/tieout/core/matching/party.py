"""A customer of one side as matching sees it: names folded, numbers by their keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from tieout.core.model import Customer, IdState

# Providers of mail boxes: a domain of theirs says nothing about a company.
PUBLIC_DOMAINS: Final = frozenset(
    {
        "gmail.com", "googlemail.com", "hotmail.com", "hotmail.se", "outlook.com", "live.com",
        "live.se", "msn.com", "yahoo.com", "yahoo.se", "icloud.com", "me.com", "mac.com",
        "telia.com", "bredband.net", "comhem.se", "spray.se", "online.no", "getmail.no",
        "frisurf.no", "broadpark.no", "mail.dk", "jubii.dk", "stofanet.dk", "kolumbus.fi",
        "elisanet.fi", "saunalahti.fi", "luukku.com", "suomi24.fi", "simnet.is", "gmx.de",
        "gmx.net", "web.de", "t-online.de", "proton.me", "protonmail.com", "aol.com",
    }
)  # fmt: skip
# Second levels that belong to a country, not to a company: co.uk, com.tr.
_SECOND_LEVELS: Final = frozenset({"co", "com", "org", "net", "ac", "gov", "edu"})


@dataclass(frozen=True, slots=True, kw_only=True)
class NameParts:
    """
    A name in plain lower-case words without its legal form; ``forms`` are the forms that were
    taken off, each as the set of what it can stand for.
    """

    words: tuple[str, ...]
    forms: tuple[frozenset[str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """
    One customer. ``numbers`` by kind ('company', 'vat', 'einvoice') are keys for equality,
    ``wrong`` the kinds whose number is known to be wrong. ``carried``: our key that it carries, or
    that of its place.
    """

    id: str
    name: str = ""
    parts: NameParts = field(default_factory=lambda: NameParts(words=()))
    numbers: Mapping[str, str] = field(default_factory=dict)
    country: str = ""
    postcode: str = ""
    street: str = ""
    domains: tuple[str, ...] = ()
    carried: str = ""

    @property
    def numbered(self) -> bool:
        """Whether it has a company or VAT number at all."""
        return bool(self.numbers.get("company") or self.numbers.get("vat"))


def party_of(customer: Customer, parts: NameParts, postcode: str, carried: str = "") -> Party:
    """A checked customer as a party; ``postcode`` in its normal form."""
    address = customer.address("billing")
    numbers = {
        number.kind: number.key or number.normal
        for number in reversed(customer.identifiers)
        if (number.key or number.normal) and number.state is not IdState.INVALID
    }
    return Party(
        id=customer.ref.id if customer.ref else "",
        name=customer.name,
        parts=parts,
        numbers=numbers,
        country=(address.country if address else "").upper(),
        postcode=squeezed(postcode),
        street=" ".join(" ".join(address.lines).casefold().split()) if address else "",
        domains=tuple(sorted({domain_of(mail) for mail in customer.emails.values()} - {""})),
        carried=carried,
    )


def squeezed(postcode: str) -> str:
    """A post code by its letters and digits only."""
    return "".join(character for character in postcode.upper() if character.isalnum())


def domain_of(mail: str) -> str:
    """The registered domain of an address, '' where it is none or one of a mail provider."""
    labels = mail.strip().casefold().rpartition("@")[2].strip(".").split(".")
    if "@" not in mail or len(labels) < 2:
        return ""
    size = 3 if len(labels) > 2 and labels[-2] in _SECOND_LEVELS else 2
    found = ".".join(labels[-size:])
    return "" if found in PUBLIC_DOMAINS else found
