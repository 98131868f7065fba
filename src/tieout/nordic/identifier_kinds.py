"""The rules of each kind of identifier, after its labels are gone.

A rule takes the written text (upper case, no labels, not empty) and answers with a Verdict.
python-stdnum does the check digits; the guards around it are the cases in which it is too lax
(personal numbers as organisation numbers, zeros, first digits) or too strict (coordination
numbers, Icelandic persons since 2026).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

from stdnum import ean, luhn
from stdnum.dk import cvr as stdnum_cvr
from stdnum.ee import kmkr as stdnum_kmkr
from stdnum.ee import registrikood as stdnum_registrikood
from stdnum.fi import ytunnus as stdnum_ytunnus
from stdnum.is_ import kennitala as stdnum_kennitala
from stdnum.no import orgnr as stdnum_orgnr

from tieout.nordic.identifier_forms import (
    compact,
    grouped,
    has_other_prefix,
    is_date,
    without_norwegian_tail,
)
from tieout.nordic.text import is_digits

FINNISH_WEIGHTS = (7, 9, 10, 5, 8, 4, 2)
NORWEGIAN_WEIGHTS = (3, 2, 7, 6, 5, 4, 3, 2)
DANISH_WEIGHTS = (2, 7, 6, 5, 4, 3, 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a rule may know besides the text."""

    country: str | None = None
    today: date | None = None
    test_numbers: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The answer of a rule; an invalid one has a reason and nothing else."""

    state: str
    reason: str | None = None
    normal: str | None = None
    display: str | None = None
    key: str | None = None
    personal: bool = False


Rule = Callable[[str, Context], Verdict]


def invalid(reason: str) -> Verdict:
    """Not a number of this kind, for that reason."""
    return Verdict(state="invalid", reason=reason)


EMPTY = Verdict(state="absent", reason="empty")


def weighted(digits: str, weights: Sequence[int]) -> int:
    """The weighted sum of the digits, modulo 11."""
    return sum(w * int(d) for w, d in zip(weights, digits, strict=False)) % 11


def digits_after_prefix(text: str, country: str, *, other: str = "country_prefix") -> str | Verdict:
    """The digits with the country's own letters taken off, or why they cannot be had."""
    body = text
    if text.startswith(country):
        body = text[2:]
        if body[:1].isalpha():
            return invalid("format")
    digits = compact(body)
    if not digits:
        return EMPTY
    if is_digits(digits):
        return digits
    return invalid(other if has_other_prefix(text) else "format")


# Sweden


def se_orgnr(text: str, context: Context) -> Verdict:
    """Organisation number: ten digits, third digit at least 2, Luhn."""
    plain = text.removeprefix("01-") if re.match(r"01-\d{6}-\d{4}$", text) else text
    digits = digits_after_prefix(plain, "SE", other="format")
    if isinstance(digits, Verdict):
        return digits
    if len(digits) == 12 and text.startswith("SE"):
        if digits.endswith("00"):
            return invalid("suffix")
        digits = digits[:10]
    elif len(digits) == 12 and digits[:2] in ("16", "17", "18", "19", "20"):
        if digits[:2] != "16":
            return invalid("century")
        digits = digits[2:]
    return _swedish_organisation(digits)


def _swedish_organisation(digits: str) -> Verdict:
    if len(digits) != 10:
        return invalid("length")
    if not digits.strip("0"):
        return invalid("all_zero")
    if digits[0] == "0":
        return invalid("first_digit")
    if digits[2] < "2":
        return invalid("third_digit")
    if not luhn.is_valid(digits):
        return invalid("checksum")
    return Verdict(
        state="valid", normal=digits, display=grouped(digits, 6, sign="-"), key="SE" + digits
    )


def se_personnummer(text: str, context: Context) -> Verdict:
    """Personal or coordination number of a sole trader, with or without its century."""
    plus = re.search(r"\d ?\+ ?\d{4}$", text) is not None
    digits = compact(text.replace("+", "") if plus else text)
    if not is_digits(digits):
        return invalid("format")
    if len(digits) not in (10, 12):
        return invalid("length")
    century = digits[:-10]
    if century and century not in ("18", "19", "20"):
        return invalid("century")
    if digits[-8] >= "2":
        return invalid("is_organisation")
    reason = swedish_person_problem(digits, context.today)
    if reason:
        return invalid(reason)
    last = digits[-10:]
    plus = plus or _turned_hundred(digits, context.today)
    display = grouped(last, 6, sign="+" if plus else "-")
    return Verdict(state="valid", normal=digits, display=display, key="SE" + last, personal=True)


def swedish_person_problem(digits: str, today: date | None) -> str | None:
    """The reason why ten or twelve digits are no Swedish person, or None."""
    last = digits[-10:]
    year, month, day = int(last[:2]), int(last[2:4]), int(last[4:6])
    day = day - 60 if day > 60 else day
    centuries = (digits[:2],) if len(digits) == 12 else ("18", "19", "20")
    years = [int(century) * 100 + year for century in centuries]
    born = [date(y, month, day) for y in years if is_date(y, month, day)]
    if not born or (today is not None and all(birth > today for birth in born)):
        return "date"
    if last[6:9] == "000":
        return "serial"
    return None if luhn.is_valid(last) else "checksum"


def _turned_hundred(digits: str, today: date | None) -> bool:
    return len(digits) == 12 and today is not None and today.year - int(digits[:4]) >= 100


def se_vat(text: str, context: Context) -> Verdict:
    """SE, the ten digits of the company or sole trader, and 01."""
    digits = digits_after_prefix(text, "SE")
    if isinstance(digits, Verdict):
        return digits
    if len(digits) != 12:
        return invalid("length")
    ten, suffix = digits[:10], digits[10:]
    if not ten.strip("0"):
        return invalid("all_zero")
    if suffix == "00":
        return invalid("suffix")
    personal = ten[2] < "2"
    if personal:
        reason = swedish_person_problem(ten, context.today)
    else:
        reason = _swedish_organisation(ten).reason
    if reason:
        return invalid(reason)
    doubt = None if suffix == "01" else "suffix_not_01"
    if not text.startswith("SE") and _may_be_person(digits, context.today):
        doubt, personal = "may_be_person", True
    return Verdict(
        state="doubtful" if doubt else "valid",
        reason=doubt,
        normal="SE" + digits,
        display="SE" + digits,
        key="SE" + ten,
        personal=personal,
    )


def _may_be_person(digits: str, today: date | None) -> bool:
    """True for twelve bare digits that are also a personal number with its century."""
    return digits[:2] in ("18", "19", "20") and swedish_person_problem(digits, today) is None


# Finland


def finnish_digits(text: str) -> str | Verdict:
    """Eight checked digits; the old six-digit form is padded only with its dash and without FI."""
    if re.fullmatch(r"\d{6} ?- ?\d", text):
        text = "0" + text
    digits = digits_after_prefix(text, "FI")
    if isinstance(digits, Verdict):
        return digits
    if 12 <= len(digits) <= 17 and digits.startswith("0037"):
        return invalid("is_ovt")
    if len(digits) != 8:
        return invalid("length")
    return finnish_problem(digits) or digits


def finnish_problem(digits: str) -> Verdict | None:
    """Why eight digits are no Finnish business id, or None."""
    if not digits.strip("0"):
        return invalid("all_zero")
    if weighted(digits[:7], FINNISH_WEIGHTS) == 1:
        return invalid("check_digit_impossible")
    return None if stdnum_ytunnus.is_valid(digits) else invalid("checksum")


def fi_ytunnus(text: str, context: Context) -> Verdict:
    """Business id: seven digits and a check digit."""
    digits = finnish_digits(text)
    if isinstance(digits, Verdict):
        return digits
    return Verdict(
        state="valid", normal=digits, display=grouped(digits, 7, sign="-"), key="FI" + digits
    )


def fi_vat(text: str, context: Context) -> Verdict:
    """FI and the eight digits of the business id."""
    digits = finnish_digits(text)
    if isinstance(digits, Verdict):
        return digits
    number = "FI" + digits
    return Verdict(state="valid", normal=number, display=number, key=number)


def fi_ovt(text: str, context: Context) -> Verdict:
    """E-invoice address: 0037, the eight digits, up to five letters or digits."""
    value = re.sub(r"^(?:0216|0037):", "", text).replace(" ", "")
    if not value:
        return EMPTY
    if re.fullmatch(r"\d{7}-?\d", value):
        return invalid("is_ytunnus")
    if not re.fullmatch(r"0037[0-9A-Z]*", value):
        return invalid("format")
    if not 12 <= len(value) <= 17:
        return invalid("length")
    if not is_digits(value[4:12]):
        return invalid("format")
    problem = finnish_problem(value[4:12])
    return problem or Verdict(state="valid", normal=value, display=value, key="0216:" + value)


# Norway


def norwegian_digits(text: str, context: Context) -> str | Verdict:
    """Nine checked digits without NO in front."""
    digits = digits_after_prefix(text, "NO")
    if isinstance(digits, Verdict):
        return digits
    if len(digits) != 9:
        return invalid("length")
    if digits[0] not in ("2389" if context.test_numbers else "89"):
        return invalid("first_digit")
    if weighted(digits[:8], NORWEGIAN_WEIGHTS) == 1:
        return invalid("check_digit_impossible")
    return digits if stdnum_orgnr.is_valid(digits) else invalid("checksum")


def no_orgnr(text: str, context: Context) -> Verdict:
    """Organisation number; MVA behind it is not part of it."""
    text, _ = without_norwegian_tail(text)
    digits = norwegian_digits(text, context) if text else EMPTY
    if isinstance(digits, Verdict):
        return digits
    return Verdict(state="valid", normal=digits, display=grouped(digits, 3, 3), key="NO" + digits)


def no_mva(text: str, context: Context) -> Verdict:
    """NO, nine digits, MVA. Without MVA nobody said that the company is registered: doubtful."""
    text, has_mva = without_norwegian_tail(text)
    digits = norwegian_digits(text, context) if text else EMPTY
    if isinstance(digits, Verdict):
        return digits
    return Verdict(
        state="valid" if has_mva else "doubtful",
        reason=None if has_mva else "mva_missing",
        normal=f"NO{digits}MVA",
        display=f"NO {grouped(digits, 3, 3)} MVA",
        key="NO" + digits,
    )


# Denmark


def danish_digits(text: str) -> str | Verdict:
    """Eight checked digits of a CVR or SE number."""
    se_number = re.fullmatch(r"SE([ .-]*\d){8}", text)  # in Denmark SE is no country
    digits = digits_after_prefix(text[2:].lstrip(" .-") if se_number else text, "DK")
    if isinstance(digits, Verdict):
        return digits
    if len(digits) == 10:
        return invalid("is_p_number_or_cpr")
    if len(digits) != 8:
        return invalid("length")
    if digits[0] == "0":
        return invalid("first_digit")
    if weighted(digits[:7], DANISH_WEIGHTS) == 1:
        return invalid("check_digit_impossible")
    return digits if stdnum_cvr.is_valid(digits) else invalid("checksum")


def dk_cvr(text: str, context: Context) -> Verdict:
    """CVR number, and an SE number in the same form."""
    digits = danish_digits(text)
    if isinstance(digits, Verdict):
        return digits
    return Verdict(state="valid", normal=digits, display=digits, key="DK" + digits)


def dk_vat(text: str, context: Context) -> Verdict:
    """DK and eight digits."""
    digits = danish_digits(text)
    if isinstance(digits, Verdict):
        return digits
    number = "DK" + digits
    return Verdict(state="valid", normal=number, display=number, key=number)


def dk_pnr(text: str, context: Context) -> Verdict:
    """P number of a site: ten digits without a usable check."""
    digits = compact(text)
    if not is_digits(digits):
        return invalid("format")
    if len(digits) == 8:
        return invalid("is_cvr")
    if len(digits) != 10:
        return invalid("length")
    if digits[0] == "0":
        return invalid("first_digit")
    return Verdict(state="valid", normal=digits, display=digits, key="DKP" + digits)


# Iceland


def is_kennitala(text: str, context: Context) -> Verdict:
    """Kennitala. Since 2026-02-18 persons get numbers without a computed check digit."""
    digits = digits_after_prefix(text, "IS")
    if isinstance(digits, Verdict):
        return digits
    if len(digits) != 10:
        return invalid("length")
    if not digits.strip("0"):
        return invalid("all_zero")
    doubt = None
    if digits[0] in "89":
        doubt = "system_kennitala"
    else:
        reason = _kennitala_problem(digits)
        if reason == "checksum" and digits[0] < "4":
            doubt = "no_check_digit"
        elif reason:
            return invalid(reason)
    return Verdict(
        state="doubtful" if doubt else "valid",
        reason=doubt,
        normal=digits,
        display=grouped(digits, 6, sign="-"),
        key="ISKT" + digits,
        personal=not "4" <= digits[0] <= "7",
    )


def _kennitala_problem(digits: str) -> str | None:
    centuries = {"8": 1800, "9": 1900, "0": 2000}
    if digits[9] not in centuries:
        return "century"
    day = int(digits[:2]) - (40 if digits[0] >= "4" else 0)
    if not is_date(centuries[digits[9]] + int(digits[4:6]), int(digits[2:4]), day):
        return "date"
    if digits[0] >= "4":
        return None if stdnum_kennitala.is_valid(digits) else "checksum"
    return None if -weighted(digits[:8], NORWEGIAN_WEIGHTS) % 11 == int(digits[8]) else "checksum"


def is_vsk(text: str, context: Context) -> Verdict:
    """VAT number: five or six digits, no check; never derived from a kennitala."""
    digits = digits_after_prefix(text, "IS", other="format")
    if isinstance(digits, Verdict):
        return digits
    if len(digits) == 10:
        return invalid("is_kennitala")
    if len(digits) not in (5, 6):
        return invalid("length")
    if not digits.strip("0"):
        return invalid("all_zero")
    return Verdict(state="valid", normal=digits, display=digits, key="ISVSK" + digits)


# Estonia and everywhere


def ee_kmkr(text: str, context: Context) -> Verdict:
    """Estonian VAT number: EE and nine digits that begin with 10."""
    digits = digits_after_prefix(text, "EE")
    if isinstance(digits, Verdict):
        return digits
    if len(digits) != 9:
        return invalid("length")
    if not digits.startswith("10"):
        return invalid("first_digit")
    if not stdnum_kmkr.is_valid(digits):
        return invalid("checksum")
    number = "EE" + digits
    return Verdict(state="valid", normal=number, display=number, key=number)


def ee_regcode(text: str, context: Context) -> Verdict:
    """Estonian registry code: eight digits that begin with 1, 7, 8 or 9."""
    digits = compact(text)
    if not is_digits(digits):
        return invalid("format")
    if len(digits) != 8:
        return invalid("length")
    if digits[0] not in "1789":
        return invalid("first_digit")
    if not stdnum_registrikood.is_valid(digits):
        return invalid("checksum")
    return Verdict(state="valid", normal=digits, display=digits, key="EERC" + digits)


def gln(text: str, context: Context) -> Verdict:
    """Global Location Number: thirteen digits, modulus 10. Shorter and longer codes are goods."""
    digits = compact(text.removeprefix("0088:"))
    if not digits:
        return EMPTY
    if not is_digits(digits):
        return invalid("format")
    if len(digits) != 13:
        return invalid("length")
    if not digits.strip("0"):
        return invalid("all_zero")
    if not ean.is_valid(digits):
        return invalid("checksum")
    return Verdict(state="valid", normal=digits, display=digits, key="GLN" + digits)
