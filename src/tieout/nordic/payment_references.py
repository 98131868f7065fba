"""Payment references and giro numbers: text, whose zeros and final minus belong to it.

The kind, the check and the length are an agreement between the company and its bank. They are
read from the books; no reference is made while the books number the invoice.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from stdnum import iso11649, luhn

from tieout.nordic.text import clean_text, is_digits

State = Literal["valid", "invalid", "absent"]

LONGEST_OCR = 25
LONGEST_VIITE = 20
LONGEST_RF = 25
# Card type: digits of the payment id, and of the creditor's number.
FIK_CARDS = MappingProxyType(
    {
        "71": (15, (8,)),
        "75": (16, (8,)),
        "73": (0, (8,)),
        "04": (16, (7, 8)),
        "15": (16, (7, 8)),
        "01": (0, (7, 8)),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A reference as it was understood; `normal` is stored and compared, `display` is shown."""

    kind: str
    state: State
    normal: str | None = None
    display: str | None = None
    reason: str | None = None


def check_reference(kind: str, text: str, country: str | None = None) -> Reference:
    """What the text is as a reference of that kind.

    `country` matters for RF only: a Finnish one carries a whole Finnish reference. Raises
    ValueError for a kind that does not exist.
    """
    if kind not in _CHECKS:
        raise ValueError(f"no such kind of payment reference: {kind!r}")
    cleaned = clean_text(text).upper()
    if not cleaned:
        return Reference(kind=kind, state="absent", reason="empty")
    found = _CHECKS[kind](cleaned, country)
    if isinstance(found, _Problem):
        return Reference(kind=kind, state="invalid", reason=found.reason)
    return Reference(kind=kind, state="valid", normal=found[0], display=found[1])


def make_reference(kind: str, base: str) -> str:
    """The reference of that kind for a base number, which is text of digits (RF: also letters).

    Raises ValueError where the base is too long, too short or has other signs.
    """
    if kind not in _MAKERS:
        raise ValueError(f"no reference of kind {kind!r} can be made")
    made = _MAKERS[kind](base)
    found = check_reference(kind, made)
    if found.normal is None:
        raise ValueError(f"{kind} cannot carry {base!r}: {found.reason}")
    return made


def make_fik(card: str, base: str, creditor: str) -> str:
    """The Danish payment line for a card type with a payment id: +71<000000000000026+81234567<."""
    width = FIK_CARDS[card][0] if card in FIK_CARDS else 0
    if not width or not is_digits(base) or len(base) >= width:
        raise ValueError(f"card {card} cannot carry {base!r}")
    padded = base.zfill(width - 1)
    line = f"+{card}<{padded}{luhn.calc_check_digit(padded)}+{creditor}<"
    if check_reference("dk.fik", line).state != "valid":
        raise ValueError(f"creditor {creditor!r} does not fit card {card}")
    return line


def find_reference(text: str, known: Sequence[str]) -> tuple[str, ...]:
    """The known references or invoice numbers that a payment's text may mean.

    Compared as text, then without leading zeros, then looked for inside the text; the first way
    that finds any decides. More than one means that a person decides.
    """
    squeezed = _squeezed(text)
    ways: tuple[Callable[[str], bool], ...] = (
        lambda one: one == squeezed,
        lambda one: one.lstrip("0") == squeezed.lstrip("0") != "",
        lambda one: len(one) > 2 and _stands_in(one, clean_text(text).upper()),
    )
    for fits in ways:
        found = tuple(one for one in known if _squeezed(one) and fits(_squeezed(one)))
        if found:
            return found
    return ()


def _squeezed(text: str) -> str:
    return clean_text(text).upper().replace(" ", "")


def _stands_in(number: str, text: str) -> bool:
    """True if the number stands in the text by itself, not as a part of a longer number."""
    return re.search(rf"(?<![0-9A-Z]){re.escape(number)}(?![0-9A-Z])", text) is not None


@dataclass(frozen=True, slots=True)
class _Problem:
    reason: str


_Found = tuple[str, str] | _Problem


def _plain_digits(text: str, shortest: int, longest: int) -> str | _Problem:
    digits = text.replace(" ", "")
    if not is_digits(digits):
        return _Problem("format")
    return digits if shortest <= len(digits) <= longest else _Problem("length")


def _luhn(text: str) -> _Found:
    digits = _plain_digits(text, 2, LONGEST_OCR)
    if isinstance(digits, _Problem):
        return digits
    return (digits, digits) if luhn.is_valid(digits) else _Problem("checksum")


def _ocr_with_length(text: str) -> _Found:
    found = _luhn(text)
    if isinstance(found, _Problem):
        return found
    digits = found[0]
    if len(digits) < 3:
        return _Problem("length")
    return found if int(digits[-2]) == len(digits) % 10 else _Problem("length_digit")


def _giro(text: str, label: str, shortest: int) -> str | _Problem:
    digits = re.sub(label, "", text)
    digits = re.sub(r"[ -]", "", digits)
    if not is_digits(digits):
        return _Problem("format")
    if not shortest <= len(digits) <= 8:
        return _Problem("length")
    if not digits.strip("0"):
        return _Problem("all_zero")
    return digits if luhn.is_valid(digits) else _Problem("checksum")


def _bankgiro(text: str) -> _Found:
    digits = _giro(text, r"^(?:BANKGIRO|BG)[ .:-]*", 7)
    if isinstance(digits, _Problem):
        return digits
    return digits, f"{digits[:-4]}-{digits[-4:]}"


def _plusgiro(text: str) -> _Found:
    digits = _giro(text, r"^(?:PLUSGIRO|POSTGIRO|PG)[ .:-]*", 2)
    if isinstance(digits, _Problem):
        return digits
    return digits, f"{_from_right(digits[:-1], 2)}-{digits[-1]}"


def _from_right(digits: str, size: int) -> str:
    first = len(digits) % size
    parts = [digits[:first]] if first else []
    parts += [digits[at : at + size] for at in range(first, len(digits), size)]
    return " ".join(parts)


def _viite_digit(base: str) -> str:
    weights = (7, 3, 1)
    total = sum(int(d) * weights[at % 3] for at, d in enumerate(reversed(base)))
    return str(-total % 10)


def _viite(text: str) -> _Found:
    digits = text.replace(" ", "")
    if not is_digits(digits):
        return _Problem("format")
    if len(digits) > LONGEST_VIITE:
        return _Problem("length")
    if not digits.strip("0"):
        return _Problem("all_zero")
    digits = digits.lstrip("0")  # the machine form is padded to twenty
    if len(digits) < 4:
        return _Problem("length")
    if _viite_digit(digits[:-1]) != digits[-1]:
        return _Problem("checksum")
    return digits, _from_right(digits, 5)


def _rf(text: str, country: str | None) -> _Found:
    value = text.replace(" ", "")
    if not re.fullmatch(r"RF\d\d[0-9A-Z]*", value):
        return _Problem("format")
    if not 5 <= len(value) <= LONGEST_RF:
        return _Problem("length")
    if value[2:4] in ("00", "01", "99") or not iso11649.is_valid(value):
        return _Problem("checksum")  # 98 minus a remainder: 02 to 98
    if country == "FI" and isinstance(_viite(value[4:]), _Problem):
        return _Problem("no_finnish_reference")
    return value, " ".join(value[at : at + 4] for at in range(0, len(value), 4))


def _mod11_sign(base: str) -> str:
    """Weights 2 to 7 from the right, repeated; ten is written as a minus."""
    total = sum(int(d) * (2 + at % 6) for at, d in enumerate(reversed(base)))
    value = -total % 11
    return "-" if value == 10 else str(value)


def _kid_mod11(text: str) -> _Found:
    value = text.replace(" ", "")
    if value == "-" or (len(value) < 2 and is_digits(value)):
        return _Problem("length")
    if not re.fullmatch(r"\d+[\d-]", value) or not value.isascii():
        return _Problem("format")
    if len(value) > LONGEST_OCR:
        return _Problem("length")
    return (value, value) if _mod11_sign(value[:-1]) == value[-1] else _Problem("checksum")


def _fik(text: str) -> _Found:
    line = text.replace(" ", "")
    found = re.fullmatch(r"\+(\d\d)<([^+<]*)\+([^+<]*)<", line, re.ASCII)
    if found is None:
        return _Problem("format")
    card, payment, creditor = found.groups()
    if card not in FIK_CARDS:
        return _Problem("card")
    width, creditor_widths = FIK_CARDS[card]
    if not is_digits(creditor) or (payment and not is_digits(payment)):
        return _Problem("format")
    if payment and not width:
        return _Problem("no_payment_id")
    if len(payment) != width:
        return _Problem("length")
    if len(creditor) not in creditor_widths:
        return _Problem("creditor_length")
    if payment and not luhn.is_valid(payment):
        return _Problem("checksum")
    return line, line


_CHECKS: MappingProxyType[str, Callable[[str, str | None], _Found]] = MappingProxyType(
    {
        "se.ocr.check": lambda text, _: _luhn(text),
        "se.ocr.length": lambda text, _: _ocr_with_length(text),
        "se.bankgiro": lambda text, _: _bankgiro(text),
        "se.plusgiro": lambda text, _: _plusgiro(text),
        "fi.viite": lambda text, _: _viite(text),
        "rf": _rf,
        "no.kid.mod10": lambda text, _: _luhn(text),
        "no.kid.mod11": lambda text, _: _kid_mod11(text),
        "dk.fik": lambda text, _: _fik(text),
    }
)
KINDS = frozenset(_CHECKS)


def _base_digits(base: str) -> str:
    if not is_digits(base):
        raise ValueError(f"a reference is made from digits, not from {base!r}")
    return base


def _make_luhn(base: str) -> str:
    return base + luhn.calc_check_digit(_base_digits(base))


def _make_ocr_with_length(base: str) -> str:
    return _make_luhn(base + str((len(base) + 2) % 10))


def _make_viite(base: str) -> str:
    return base + _viite_digit(_base_digits(base))


def _make_rf(base: str) -> str:
    body = base.upper().replace(" ", "")
    if not re.fullmatch(r"[0-9A-Z]{1,21}", body):
        raise ValueError(f"RF carries 1 to 21 letters and digits, not {base!r}")
    number = int("".join(str(int(sign, 36)) for sign in body + "RF00"))
    return f"RF{98 - number % 97:02d}{body}"


def _make_kid_mod11(base: str) -> str:
    return base + _mod11_sign(_base_digits(base))


_MAKERS: MappingProxyType[str, Callable[[str], str]] = MappingProxyType(
    {
        "se.ocr.check": _make_luhn,
        "se.ocr.length": _make_ocr_with_length,
        "fi.viite": _make_viite,
        "rf": _make_rf,
        "no.kid.mod10": _make_luhn,
        "no.kid.mod11": _make_kid_mod11,
    }
)
