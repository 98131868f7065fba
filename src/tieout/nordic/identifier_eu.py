"""VAT numbers of the European Union and Northern Ireland, of Great Britain and of Switzerland."""

from __future__ import annotations

import re

from stdnum.ch import vat as stdnum_ch_vat
from stdnum.eu import vat as stdnum_eu_vat
from stdnum.exceptions import InvalidChecksum, ValidationError
from stdnum.gb import vat as stdnum_gb_vat

from tieout.nordic.identifier_forms import compact, without_norwegian_tail, without_swiss_tail
from tieout.nordic.identifier_kinds import (
    EMPTY,
    Context,
    Verdict,
    dk_vat,
    ee_kmkr,
    fi_vat,
    invalid,
    se_vat,
)
from tieout.nordic.text import is_digits

# Form of the part after the two letters. Lengths and patterns are national; the check digit is
# python-stdnum's. Denmark, Estonia, Finland and Sweden go through our own rules instead.
EU_BODIES = {
    "AT": r"U\d{8}",
    "BE": r"[01]\d{9}",
    "BG": r"\d{9,10}",
    "CY": r"\d{8}[A-Z]",
    "CZ": r"\d{8,10}",
    "DE": r"[1-9]\d{8}",
    "EL": r"\d{9}",
    "ES": r"[A-Z]\d{8}|\d{8}[A-Z]|[A-Z]\d{7}[A-Z]",
    "FR": r"[A-HJ-NP-Z0-9]{2}\d{9}",
    "HR": r"\d{11}",
    "HU": r"\d{8}",
    "IE": r"\d{7}[A-W][A-IW]?|\d[A-Z+*]\d{5}[A-W]",
    "IT": r"\d{11}",
    "LT": r"\d{9}|\d{12}",
    "LU": r"\d{8}",
    "LV": r"\d{11}",
    "MT": r"\d{8}",
    "NL": r"[A-Z0-9+*]{10}\d{2}",
    "PL": r"\d{10}",
    "PT": r"\d{9}",
    "RO": r"[1-9]\d{1,9}",
    "SI": r"\d{8}",
    "SK": r"\d{10}",
    "XI": r"\d{9}|\d{12}|GD[0-4]\d{2}|HA[5-9]\d{2}",
}
_LENGTHS = {
    "BG": (9, 10),
    "CZ": (8, 9, 10),
    "FR": (11,),
    "IE": (8, 9),
    "LT": (9, 12),
    "RO": tuple(range(2, 11)),
    "XI": (5, 9, 12),
    "AT": (9,),
    "BE": (10,),
    "CY": (9,),
    "DE": (9,),
    "EL": (9,),
    "ES": (9,),
    "HR": (11,),
    "HU": (8,),
    "IT": (11,),
    "LU": (8,),
    "LV": (11,),
    "MT": (8,),
    "NL": (12,),
    "PL": (10,),
    "PT": (9,),
    "SI": (8,),
    "SK": (10,),
}
_OWN_RULES = {"SE": se_vat, "FI": fi_vat, "DK": dk_vat, "EE": ee_kmkr}
EU_PREFIXES = frozenset(EU_BODIES) | frozenset(_OWN_RULES)
ONE_STOP_SHOP = ("EU", "IM")
# Countries whose numbers carry another prefix than their country code.
PREFIX_OF_COUNTRY = {"GR": "EL", "MC": "FR", "AX": "FI"}


def eu_vat(text: str, context: Context) -> Verdict:
    """A VAT number that VIES could hold. Its letters must agree with the record's country."""
    own = PREFIX_OF_COUNTRY.get(context.country or "", context.country)
    if not any(sign.isdigit() for sign in text):
        return EMPTY if text in EU_PREFIXES else invalid("format")
    letters = text[:2]
    if not letters.isalpha():
        if own not in EU_PREFIXES:
            return invalid("no_country")
        letters, text = own or "", (own or "") + text
    if letters == "GR":
        letters, text = "EL", "EL" + text[2:]
    if letters in ONE_STOP_SHOP:
        return invalid("oss_number")
    if letters not in EU_PREFIXES:
        return invalid("not_eu_vat")
    if own is not None and letters != own and not (own == "GB" and letters == "XI"):
        return invalid("country_prefix")
    if letters in _OWN_RULES:
        return _OWN_RULES[letters](text, context)
    return _national(letters, compact(text[2:]))


def _national(letters: str, body: str) -> Verdict:
    if letters == "BE" and len(body) == 9 and is_digits(body):
        body = "0" + body  # the form before 2008
    if len(body) not in _LENGTHS[letters]:
        return invalid("length")
    if not re.fullmatch(EU_BODIES[letters], body):
        return invalid("format")
    try:
        stdnum_eu_vat.validate(letters + body)
    except InvalidChecksum:
        return invalid("checksum")
    except ValidationError:
        return invalid("format")
    number = letters + body
    return Verdict(state="valid", normal=number, display=number, key=number)


def gb_vat(text: str, context: Context) -> Verdict:
    """A number of Great Britain: GB and 9 or 12 digits, or five signs for public bodies."""
    if text.startswith("XI"):
        return eu_vat(text, context)
    body = compact(text.removeprefix("GB"))
    if not body:
        return EMPTY
    if not re.fullmatch(r"\d+|(?:GD|HA)\d+", body):
        return invalid("country_prefix" if re.match(r"[A-Z]{2}\d", body) else "format")
    if len(body) not in (5, 9, 12):
        return invalid("length")
    try:
        stdnum_gb_vat.validate(body)
    except InvalidChecksum:
        return invalid("checksum")
    except ValidationError:
        return invalid("format")
    number = "GB" + body
    # Twelve digits are nine and a branch: the company is named by the nine.
    return Verdict(state="valid", normal=number, display=number, key="GB" + body[:9])


def ch_vat(text: str, context: Context) -> Verdict:
    """A Swiss or Liechtenstein number: CHE and nine digits, with MWST, TVA or IVA behind."""
    stem = without_swiss_tail(text)
    has_tail = stem != text
    body = compact(stem.removeprefix("CHE").removeprefix("CH"))
    if not body:
        return EMPTY
    if not is_digits(body):
        return invalid("country_prefix" if re.match(r"[A-Z]{2}\d", body) else "format")
    if len(body) != 9:
        return invalid("length")
    try:
        stdnum_ch_vat.validate(f"CHE{body}MWST")
    except InvalidChecksum:
        return invalid("checksum")
    except ValidationError:
        return invalid("format")
    number = "CHE" + body
    return Verdict(
        state="valid" if has_tail else "doubtful",
        reason=None if has_tail else "mwst_missing",
        normal=number,
        display=f"CHE-{body[:3]}.{body[3:6]}.{body[6:]}" + (" MWST" if has_tail else ""),
        key=number,
    )


def ch_uid(text: str, context: Context) -> Verdict:
    """The Swiss company number, which is the VAT number without its last word."""
    verdict = ch_vat(without_swiss_tail(text) + " MWST", context)
    if verdict.display is None:
        return verdict
    return Verdict(
        state=verdict.state,
        normal=verdict.normal,
        display=verdict.display.removesuffix(" MWST"),
        key=verdict.key,
    )


def unknown_rule(text: str, context: Context) -> Verdict:
    """A number for which this package knows no rule: kept, never proof of anything."""
    value = compact(without_norwegian_tail(text)[0])
    if not any(sign.isdigit() for sign in value):
        return invalid("format")
    return Verdict(
        state="doubtful",
        reason="no_rule",
        normal=value,
        display=text,
        key=f"{context.country}?{value}" if context.country else None,
    )
