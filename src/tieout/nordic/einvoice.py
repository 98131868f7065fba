"""Electronic addresses on the Peppol network: candidates, checks, and schemes that are gone.

An address is written `scheme:value` ("0192:923609016"). One that is made from a company number
is a candidate: it is looked up before it is used, since larger companies have suffixes and public
buyers often use a GLN.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Literal

from tieout.nordic.identifiers import Identifier, parse_identifier
from tieout.nordic.tables import load_table
from tieout.nordic.text import clean_text

SchemeState = Literal["active", "deprecated", "removed"]

# Kind of identifier: the scheme in which it is registered today.
_SCHEME_OF_KIND = {
    "se.orgnr": "0007",
    "se.vat": "0007",
    "no.orgnr": "0192",
    "no.mva": "0192",
    "dk.cvr": "0184",
    "dk.vat": "0184",
    "dk.se": "0198",
    "dk.pnr": "0096",
    "is.kennitala": "0196",
    "fi.ovt": "0216",
    "fi.ytunnus": "0216",
    "fi.vat": "0216",
    "ee.regcode": "0191",
    "ee.kmkr": "9931",
    "gln": "0088",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheme:
    """A scheme of the code list."""

    icd: str
    name: str
    country: str | None
    state: SchemeState
    removed_on: date | None
    use_instead: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """An electronic address as it was understood; `reason` says what is wrong with it."""

    scheme: str
    value: str
    reason: str | None = None

    @property
    def text(self) -> str:
        """The address as it is written: scheme, colon, value."""
        return f"{self.scheme}:{self.value}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewritten:
    """An address in a scheme that can be registered, and why it had to change."""

    old: str
    new: str
    reason: str


def scheme(icd: str) -> Scheme | None:
    """The scheme with that code, or None if the list of the region does not have it."""
    row = load_table("einvoice_schemes")["schemes"].get(icd)
    if row is None:
        return None
    removed = row.get("removed_on")
    return Scheme(
        icd=icd,
        name=row["name"],
        country=row["country"],
        state=row["state"],
        removed_on=None if removed is None else date.fromisoformat(removed),
        use_instead=row.get("use_instead"),
    )


def check_address(text: str) -> Address:
    """The address with the first thing that is wrong with it, if any.

    Reasons: `format`, `scheme_unknown`, `scheme_removed`, `value` (wrong form), or the reason of
    the identifier that the scheme carries (`checksum`). A deprecated scheme passes.
    """
    icd, _, value = clean_text(text).replace(" ", "").upper().partition(":")
    if not re.fullmatch(r"\d{4}", icd) or not value:
        return Address(scheme=icd, value=value, reason="format")
    row = load_table("einvoice_schemes")["schemes"].get(icd)
    if row is None:
        return Address(scheme=icd, value=value, reason="scheme_unknown")
    if row["state"] == "removed":
        return Address(scheme=icd, value=value, reason="scheme_removed")
    form = row.get("form")
    if form is not None and not re.fullmatch(form, value, re.ASCII):
        return Address(scheme=icd, value=value, reason="value")
    number = _identifier(icd, value)
    bad = number is not None and not number.usable
    return Address(scheme=icd, value=value, reason=number.reason if number and bad else None)


def candidate(number: Identifier) -> str | None:
    """The address that a company with this number may have; None if none can be made.

    Personal numbers never become an address. Look it up before it is used.
    """
    icd = _SCHEME_OF_KIND.get(number.kind)
    if icd is None or not number.usable or number.normal is None:
        return None
    if number.personal and number.kind != "dk.pnr":
        return None
    return f"{icd}:{_value(icd, number)}"


def candidates(numbers: Iterable[Identifier]) -> tuple[str, ...]:
    """The addresses to look up for a customer, most exact first, each once.

    An address that was given (OVT, GLN) goes before one that is made from a company number.
    """
    ranked = sorted(numbers, key=lambda number: number.kind not in ("fi.ovt", "gln"))
    return tuple(dict.fromkeys(found for one in ranked if (found := candidate(one)) is not None))


def rewrite(text: str) -> Rewritten | None:
    """The address in the scheme that took over from a removed or deprecated one.

    None if the scheme is in force, has no successor, or its value is not a valid number.
    """
    icd, _, value = clean_text(text).replace(" ", "").upper().partition(":")
    row = load_table("einvoice_schemes")["schemes"].get(icd)
    if row is None or "use_instead" not in row:
        return None
    number = _identifier(icd, value)
    if number is None or not number.usable:
        return None
    new = f"{row['use_instead']}:{_value(row['use_instead'], number)}"
    return Rewritten(old=text, new=new, reason=f"scheme_{row['state']}")


def _identifier(icd: str, value: str) -> Identifier | None:
    """The value read as the kind of number that the scheme carries."""
    row = load_table("einvoice_schemes")["schemes"][icd]
    kind = row.get("kind")
    if kind is None:
        return None
    if icd == "0037" and not value.startswith("0037"):
        kind = "fi.ytunnus"  # the removed scheme was also used with the bare business id
    return parse_identifier(value, row["country"], kind)


def _value(icd: str, number: Identifier) -> str:
    """The value that the scheme wants for a number: digits, or digits with letters in front."""
    normal = number.normal or ""
    if icd == "0216":
        return normal if number.kind == "fi.ovt" else "0037" + normal.removeprefix("FI")
    if icd == "0007":
        return normal.removeprefix("SE")[:10]
    if icd == "0192":
        return normal.removeprefix("NO").removesuffix("MVA")
    if icd == "0184":
        return normal.removeprefix("DK")
    if icd == "0198":
        return "DK" + normal.removeprefix("DK")
    return normal
