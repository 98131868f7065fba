"""Written forms of identifiers: labels, trailing words, separators, and what must be masked."""

from __future__ import annotations

import re
from datetime import date

from tieout.nordic.text import clean_text, is_digits

# "NO" after VAT, ORG or REG is a label only when no digit follows directly: NO923609016 is Norway.
_NUMBER_WORD = r"(?:[. -]*(?:NRO|NR|NUMMER|NÚMER|NUMERO|NUMBER|NO(?=[.:# ]|$)))?"
_LABELS = (
    r"ORG(?:ANISATIONS?|ANISASJONS|ANISATION)?" + _NUMBER_WORD,
    r"REG[. -]*(?:NR|NO(?=[.:# ]|$))",
    r"FORETAKSREGISTERET",
    r"L?Y[- ]?TUNNUS",
    r"FO[- ](?:NUMMER|NR)",
    r"BUSINESS ID",
    r"ALV(?:[- ]?(?:TUNNUS|REK))?" + _NUMBER_WORD,
    r"CVR" + _NUMBER_WORD,
    r"SE[ -](?:NR|NUMMER)",
    r"P[ -](?:NR|NUMMER)",
    r"MOMS(?:REG(?:ISTRERINGS)?)?" + _NUMBER_WORD,
    r"(?:EU )?V\.?A\.?T\.?(?: ?(?:ID|REG))?" + _NUMBER_WORD,
    r"MVA[. -]*(?:NR|NUMMER)",
    r"UST-?ID(?:-?NR)?",
    r"BTW" + _NUMBER_WORD,
    r"TVA" + _NUMBER_WORD,
    r"KT",
    r"KENNITALA",
    r"VSK" + _NUMBER_WORD,
    r"KMKR" + _NUMBER_WORD,
    r"PERSON(?:NUMMER|NR)",
    r"GLN",
)
_LABEL = re.compile(r"(?:" + "|".join(_LABELS) + r")(?![A-ZÀ-Þ])[ :.#/-]*")
_NORWEGIAN_TAIL = re.compile(r"[ .-]*(?:FORETAKSREGISTERET|M\.?V\.?A\.?)$")
_SWISS_TAIL = re.compile(r"[ .-]*(?:MWST|TVA|IVA)$")
_SEPARATORS = str.maketrans("", "", " .-/")
_OTHER_PREFIX = re.compile(r"^[A-Z]{2}(?=[\d .\-/]*\d)[\d .\-/]+$")
_FINNISH_PERSON = re.compile(r"(?<!\d)(\d{6})[-+A-FU-Y]\d{3}[0-9A-Z](?![0-9A-Z])")
_LONG_DIGITS = re.compile(r"(?<!\d)\d{10,12}(?!\d)")


def written(raw: str) -> str:
    """The cleaned text in upper case without labels in front; empty where nothing is left.

    A dash alone and a label alone both come back empty: there is no number in them.
    """
    text = clean_text(raw).upper().lstrip("'# ")  # a spreadsheet marks text by an apostrophe
    while (found := _LABEL.match(text)) is not None:
        text = text[found.end() :]
    return "" if not text.strip("-.:# ") else text


def without_norwegian_tail(text: str) -> tuple[str, bool]:
    """The text without MVA and Foretaksregisteret at its end, and whether MVA was there."""
    has_mva = False
    while (found := _NORWEGIAN_TAIL.search(text)) is not None:
        has_mva = has_mva or "FORETAK" not in found.group()
        text = text[: found.start()]
    return text, has_mva


def without_swiss_tail(text: str) -> str:
    """The text without MWST, TVA or IVA at its end."""
    return _SWISS_TAIL.sub("", text)


def compact(text: str) -> str:
    """The text without blanks, dots, dashes and strokes."""
    return text.translate(_SEPARATORS)


def has_other_prefix(text: str) -> bool:
    """True for two letters of a country followed by nothing but digits and separators."""
    return _OTHER_PREFIX.match(text) is not None


def looks_personal(raw: str) -> bool:
    """True if the text holds something shaped like a personal number of a Nordic country.

    Used for masking only, so it is generous: a false alarm costs a few stars in a log line.
    """
    text = clean_text(raw).upper()
    if any(_is_day(born[2:4], born[:2]) for born in _FINNISH_PERSON.findall(text)):
        return True
    return any(
        _begins_with_date(run)
        for form in (text, re.sub(r"(?<=\d)[ .+\-/]+(?=\d)", "", text))
        for run in _LONG_DIGITS.findall(form)
    )


def _begins_with_date(digits: str) -> bool:
    if len(digits) == 12:  # century in front; a Swedish VAT number has its suffix behind
        return _is_day(digits[4:6], digits[6:8]) or _is_day(digits[2:4], digits[4:6])
    if len(digits) == 11:  # Norwegian numbers: day, month, year
        return _is_day(digits[2:4], digits[0:2])
    return _is_day(digits[2:4], digits[4:6]) or _is_day(digits[2:4], digits[0:2])


def _is_day(month: str, day: str) -> bool:
    number = int(day)
    return 1 <= int(month) <= 12 and (1 <= number <= 31 or 61 <= number <= 91)


def is_date(year: int, month: int, day: int) -> bool:
    """True if the calendar has that day."""
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True


def mask(text: str) -> str:
    """The text with every letter and digit starred but the last two: enough to recognise it."""
    marks = [place for place, sign in enumerate(text) if sign.isalnum()]
    hidden = set(marks[:-2] if len(marks) > 4 else marks)
    return "".join("*" if place in hidden else sign for place, sign in enumerate(text))


def grouped(digits: str, *sizes: int, sign: str = " ") -> str:
    """The digits in groups of the given sizes, the rest as a last group."""
    if not is_digits(digits):
        raise ValueError("only digits can be grouped")
    parts, start = [], 0
    for size in sizes:
        parts.append(digits[start : start + size])
        start += size
    if digits[start:]:
        parts.append(digits[start:])
    return sign.join(parts)
