"""Countries, post codes, and territories that are not what they look like.

A country is looked up, never guessed: "Sverge" is a suggestion and "Skandinavien" a finding.
A post code moves a record to Åland, Greenland or Svalbard for tax, whatever its country says.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, lru_cache

from rapidfuzz import fuzz, process

from tieout.nordic.tables import load_table
from tieout.nordic.text import clean_text

_CARE_OF = re.compile(r"(?:c ?/ ?o\b|co/|v/|att(?:n)?\b|p\.? ?a\.)", re.IGNORECASE)
SUGGEST_FROM = 75  # similarity in percent below which a suggestion would only confuse


@dataclass(frozen=True, slots=True, kw_only=True)
class Country:
    """Facts of one country or territory code."""

    code: str
    english: str
    eu_member: bool
    vat_prefix: str | None
    currency: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PostCode:
    """A post code: stored as `normal`, shown as `display`, taxed in `territory`."""

    normal: str
    display: str
    territory: str


def country_code(written: str) -> str | None:
    """The ISO code for a code, a car sign or a name in a language of the region; else None.

    XI, IC and EA come back for Northern Ireland, the Canary Islands, and Ceuta and Melilla.
    """
    return _spellings().get(clean_text(written).casefold())


def suggest_country(written: str) -> str | None:
    """The code that a person may have meant, to be shown and never used by itself."""
    text = clean_text(written).casefold()
    names = [name for name in _spellings() if len(name) > 3]
    found = process.extractOne(text, names, scorer=fuzz.ratio, score_cutoff=SUGGEST_FROM)
    return None if found is None else _spellings()[found[0]]


def country(code: str) -> Country | None:
    """The facts of a country or territory code, or None for a code that is not known."""
    row = load_table("countries")["countries"].get(code)
    if row is None:
        return None
    return Country(
        code=code,
        english=row["english"],
        eu_member=row["eu"],
        vat_prefix=row["vat"],
        currency=row["currency"],
    )


@cache
def eu_members() -> frozenset[str]:
    """The codes of the member states, Greece as GR."""
    rows = load_table("countries")["countries"]
    return frozenset(code for code, row in rows.items() if row["eu"])


def post_code(written: str, country: str) -> PostCode | None:
    """The post code of that country, or None if it cannot be one.

    Letters of the country in front are taken off. For countries whose form is not known the
    cleaned text comes back.
    """
    text = clean_text(written).upper()
    row = load_table("countries")["countries"].get(country, {})
    rule = row.get("post_code")
    if rule is None:
        return PostCode(normal=text, display=text, territory=country) if text else None
    normal = _without_sign(text, rule["signs"])
    if not re.fullmatch(rule["form"], normal):
        return None
    return PostCode(
        normal=normal, display=_shown(normal, rule["shown"]), territory=territory(country, normal)
    )


@lru_cache(maxsize=4096)
def territory(country: str, post_code: str | None) -> str:
    """The territory that counts for tax: the country, or the part of it that the code lies in."""
    text = re.sub(r"[ -]", "", clean_text(post_code or "").upper())
    rows = load_table("territories")["territories"]
    for code, row in rows.items():
        if row.get("of") == country and any(_begins(text, p) for p in row["post_codes"]):
            return str(code)
    return country


def is_care_of(line: str) -> bool:
    """True for an address line that names a person or a host (c/o, v/, att.).

    Such a line is never part of the customer's name.
    """
    return _CARE_OF.match(clean_text(line)) is not None


def _begins(text: str, prefix: str) -> bool:
    if prefix.isalpha():  # an area of the United Kingdom: BT1, not BTX
        return re.match(rf"{prefix}\d", text) is not None
    text = re.sub(r"^[A-Z]{1,3}(?=\d)", "", text)
    return text.startswith(prefix)


def _without_sign(text: str, signs: list[str]) -> str:
    found = re.match(r"([A-Z]{1,3})[ -]*(?=\d)", text)
    if found is not None and found[1] in signs:
        text = text[found.end() :]
    return re.sub(r"(?<=\w)[ -](?=\w)", "", text)


def _shown(normal: str, form: str) -> str:
    """The signs laid into the form: N takes one sign, a star takes what the rest leaves over."""
    spare = len(normal) - form.count("N")
    signs = iter(normal)
    out: list[str] = []
    for mark in form:
        if mark == "N":
            out.append(next(signs))
        elif mark == "*":
            rest = "".join(next(signs) for _ in range(spare))
            out.append("-" + rest if rest and out else rest)
        else:
            out.append(mark)
    return "".join(out)


@cache
def _spellings() -> dict[str, str]:
    found: dict[str, str] = {}
    for code, row in load_table("countries")["countries"].items():
        for spelling in (code, row["iso3"], *row["written"]):
            if spelling:
                found[clean_text(spelling).casefold()] = code
    # Countries without a row of their own: known by code only, outside the union and the region.
    for code in load_table("countries")["other_codes"]["codes"].split():
        found.setdefault(code.casefold(), code)
    return found
