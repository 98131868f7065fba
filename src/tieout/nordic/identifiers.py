"""Company, VAT and location numbers: one way in, one answer.

    >>> parse_identifier("Org.nr: 556016-0680", "SE", "se.orgnr").key
    'SE5560160680'

The *key* is what customers are matched by; the *normal* form is stored, the *display* form shown,
the *raw* text kept. A number that belongs to a person is starred wherever it is printed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from types import MappingProxyType
from typing import Literal

from tieout.nordic import identifier_eu as eu
from tieout.nordic import identifier_kinds as kinds
from tieout.nordic.identifier_forms import compact, looks_personal, mask, written
from tieout.nordic.identifier_kinds import EMPTY, Context, Rule, Verdict

State = Literal["valid", "doubtful", "invalid", "absent"]

RULES: MappingProxyType[str, Rule] = MappingProxyType(
    {
        "se.orgnr": kinds.se_orgnr,
        "se.personnummer": kinds.se_personnummer,
        "se.vat": kinds.se_vat,
        "fi.ytunnus": kinds.fi_ytunnus,
        "fi.vat": kinds.fi_vat,
        "fi.ovt": kinds.fi_ovt,
        "no.orgnr": kinds.no_orgnr,
        "no.mva": kinds.no_mva,
        "dk.cvr": kinds.dk_cvr,
        "dk.se": kinds.dk_cvr,
        "dk.vat": kinds.dk_vat,
        "dk.pnr": kinds.dk_pnr,
        "is.kennitala": kinds.is_kennitala,
        "is.vsk": kinds.is_vsk,
        "ee.kmkr": kinds.ee_kmkr,
        "ee.regcode": kinds.ee_regcode,
        "gln": kinds.gln,
        "eu.vat": eu.eu_vat,
        "gb.vat": eu.gb_vat,
        "ch.vat": eu.ch_vat,
        "ch.uid": eu.ch_uid,
        "other.company": eu.unknown_rule,
        "other.vat": eu.unknown_rule,
    }
)
KINDS = frozenset(RULES)
# A site and a location are not the company: they never show that two customers are one.
NOT_A_COMPANY = frozenset({"dk.pnr", "gln", "fi.ovt"})

# Kinds whose rules cannot tell a person from a company: the shape alone decides on masking.
UNCHECKED_KINDS = frozenset({"dk.pnr", "eu.vat", "other.company", "other.vat"})

_TAX_HOME = {"AX": "FI", "SJ": "NO"}  # territories that use the numbers of another country
_COMPANY_KINDS = {
    "SE": ("se.orgnr", "se.personnummer", "se.vat"),
    "FI": ("fi.ytunnus",),
    "NO": ("no.orgnr",),
    "DK": ("dk.cvr",),
    "IS": ("is.kennitala",),
    "EE": ("ee.regcode", "ee.kmkr"),
    "CH": ("ch.uid",),
    "LI": ("ch.uid",),
}
_VAT_KINDS = {
    "SE": "se.vat",
    "FI": "fi.vat",
    "NO": "no.mva",
    "DK": "dk.vat",
    "IS": "is.vsk",
    "EE": "ee.kmkr",
    "GB": "gb.vat",
    "IM": "gb.vat",
    "CH": "ch.vat",
    "LI": "ch.vat",
    "GR": "eu.vat",
    "MC": "eu.vat",
}
_KIND_OF_LETTERS = {"NO": "no.mva", "IS": "is.vsk", "GB": "gb.vat", "CH": "ch.vat"}


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Identifier:
    """A number as it was given and as it was understood.

    `reason` is a code (in words: `tieout.nordic.reasons`): why it is invalid or doubtful, or
    "empty" when it is absent. `normal`, `display` and `key` are None unless the number is valid
    or doubtful. Printing it, in whatever way, shows personal numbers starred.
    """

    kind: str
    country: str | None
    raw: str
    normal: str | None
    display: str | None
    key: str | None
    state: State
    reason: str | None
    personal: bool

    def masked(self) -> str:
        """The number as a person may see it in a log, a report or an error text."""
        shown = self.raw if self.display is None else self.display
        return mask(shown) if self.personal else shown

    @property
    def usable(self) -> bool:
        """True if there is a number to store: valid, or doubtful with a warning."""
        return self.state in ("valid", "doubtful")

    def __str__(self) -> str:
        return self.masked()

    def __repr__(self) -> str:
        reason = f" {self.reason}" if self.reason else ""
        return f"<Identifier {self.kind} {self.masked()!r} {self.state}{reason}>"


def parse_identifier(
    raw: str,
    country: str | None,
    kind: str,
    *,
    today: date | None = None,
    test_numbers: bool = False,
) -> Identifier:
    """What the text says, read as a number of that kind for a record of that country.

    `today` lets a birth date in the future be refused; `test_numbers` lets the first digits
    through that the Norwegian authorities use in their test systems. Raises TypeError for
    anything but text and ValueError for a kind that does not exist.
    """
    if kind not in RULES:
        raise ValueError(f"no such kind of identifier: {kind!r}")
    text = written(raw)
    context = Context(country=country, today=today, test_numbers=test_numbers)
    verdict = RULES[kind](text, context) if text else EMPTY
    return _identifier(kind, country, raw, verdict)


def _identifier(kind: str, country: str | None, raw: str, verdict: Verdict) -> Identifier:
    state: State = verdict.state  # type: ignore[assignment]
    unsure = verdict.state == "invalid" or kind in UNCHECKED_KINDS
    return Identifier(
        kind=kind,
        country=country,
        raw=raw,
        normal=verdict.normal,
        display=verdict.display,
        key=verdict.key,
        state=state,
        reason=verdict.reason,
        personal=verdict.personal
        or (kind == "se.personnummer" and verdict.state != "absent")
        or (unsure and looks_personal(raw)),
    )


def parse_company_number(
    raw: str, country: str | None, *, today: date | None = None, test_numbers: bool = False
) -> Identifier:
    """The company number of a record of that country, whatever its form.

    In Sweden the number of a sole trader is a personal number, and a VAT number in this field
    yields its ten digits. Countries without a rule here give a doubtful number.
    """
    home = _TAX_HOME.get(country or "", country or "")
    first: Identifier | None = None
    for kind in _COMPANY_KINDS.get(home, ("other.company",)):
        found = parse_identifier(raw, country, kind, today=today, test_numbers=test_numbers)
        if found.state != "invalid":
            return found
        if first is None or first.reason == "third_digit":
            first = found
    assert first is not None, "every country has at least one kind"
    return first


def parse_vat_number(
    raw: str, country: str | None, *, today: date | None = None, test_numbers: bool = False
) -> Identifier:
    """The VAT number of a record of that country.

    Letters of another country make it invalid (`country_prefix`): ask again with country None if
    the record may hold a number of another state. Without a country the letters name the kind;
    digits alone never do.
    """
    kind = _vat_kind(raw, _TAX_HOME.get(country or "", country or ""))
    return parse_identifier(raw, country, kind, today=today, test_numbers=test_numbers)


def _vat_kind(raw: str, home: str) -> str:
    if home in _VAT_KINDS:
        return _VAT_KINDS[home]
    if home:
        return "eu.vat" if home in eu.EU_PREFIXES else "other.vat"
    return _KIND_OF_LETTERS.get(compact(written(raw))[:2], "eu.vat")


def same_company(a: Identifier, b: Identifier) -> bool:
    """True if the two numbers show that both records are one company.

    Both must be valid and have one key. A doubtful number shows nothing by itself, a site or
    location number names no company, and the same ten digits of two centuries are two people.
    """
    if a.state != "valid" or b.state != "valid" or a.key is None or a.key != b.key:
        return False
    if a.kind in NOT_A_COMPANY or b.kind in NOT_A_COMPANY:
        return False
    return not _born_in_different_centuries(a, b)


def _born_in_different_centuries(a: Identifier, b: Identifier) -> bool:
    first, second = _centuries(a), _centuries(b)
    return not first & second


def _centuries(number: Identifier) -> frozenset[str]:
    if number.kind == "se.personnummer" and number.normal is not None:
        if len(number.normal) == 12:
            return frozenset({number.normal[:2]})
        if number.display is not None and "+" in number.display:
            return frozenset({"18", "19"})  # a plus: the person is a hundred years old
    return frozenset({"18", "19", "20"})
