"""Two parties held against each other: by which key they match, how surely, and why in words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tieout.core.matching.likeness import Distance, letters_apart, likeness
from tieout.core.matching.party import Party

# Tiers, the surest first. What is `EXACT` or above and alone on both sides needs no person.
OURS, PLACED, EXACT, NUMBER, ALIKE = 4, 3, 2, 1, 0

LEAST_SCORE: Final = 50
"""What scores less is not shown: a person would look at strangers."""
MARGIN: Final = 8
"""A candidate is the only one where the next one scores less by more than this."""
_SAME_NAME = 100
_NEARLY = 70

KEYS: Final = {
    "external_id": "external id",
    "company_number": "company number",
    "vat_number": "VAT number",
    "name_postcode": "name and post code",
    "email_domain": "e-mail domain",
    "name_alike": "name that is alike",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairing:
    """
    Two that could be one. ``left`` and ``right`` are ids; ``score`` is 50 to 100 and orders
    proposals, it is no probability. ``tier`` says what kind of evidence there is.
    """

    left: str
    right: str
    key: str
    tier: int
    score: int
    reason: str


def judge(left: Party, right: Party, distance: Distance = letters_apart) -> Pairing | None:
    """
    Why these two could be one, or None: too little speaks for it, or a number speaks against it.

    The same from both ends. Two different company numbers of one country, or two different VAT
    numbers, are two companies, whatever their names are.
    """
    if _contradict(left, right):
        return None
    if left.carried and left.carried == right.carried:
        return _pairing(left, right, "external_id", OURS, 100, "it carries our key")
    for kind, key, words in (
        ("company", "company_number", "same company number"),
        ("vat", "vat_number", "same VAT number"),
    ):
        number = left.numbers.get(kind)
        if number and number == right.numbers.get(kind):
            return _by_number(left, right, key, f"{words} {number}")
    crossed = _crossed(left, right)
    if crossed:
        same = _same_place(left, right)
        score = 90 if same else 75
        told = f"the VAT number of one holds the company number {crossed} of the other"
        return _pairing(left, right, "vat_number", NUMBER, score, _and(told, _place(left, right)))
    return _by_name(left, right, distance)


def _pairing(left: Party, right: Party, key: str, tier: int, score: int, reason: str) -> Pairing:
    return Pairing(left=left.id, right=right.id, key=key, tier=tier, score=score, reason=reason)


def _contradict(left: Party, right: Party) -> bool:
    return any(
        mine != theirs and mine[:2] == theirs[:2]
        for mine, theirs in (
            (left.numbers.get(kind, ""), right.numbers.get(kind, "")) for kind in ("company", "vat")
        )
        if mine and theirs
    )


def _crossed(left: Party, right: Party) -> str:
    """A number that one has as its company number and the other inside its VAT number."""
    for one, other in ((left, right), (right, left)):
        number = one.numbers.get("company", "")
        if number and number == other.numbers.get("vat") and not other.numbers.get("company"):
            return number
    return ""


# --- by number --------------------


def _by_number(left: Party, right: Party, key: str, words: str) -> Pairing:
    reason = _and(words, _place(left, right))
    if _same_place(left, right):
        return _pairing(left, right, key, PLACED, 100, reason)
    if left.postcode and right.postcode:
        # One number may be many customers: branches, departments of a municipality.
        return _pairing(left, right, key, NUMBER, 85, reason)
    return _pairing(left, right, key, EXACT, 95, reason)


def _same_place(left: Party, right: Party) -> bool:
    mine, theirs = left.numbers.get("einvoice"), right.numbers.get("einvoice")
    if mine and theirs:
        return mine == theirs
    return bool(left.postcode) and left.postcode == right.postcode


def _place(left: Party, right: Party) -> str:
    mine, theirs = left.numbers.get("einvoice"), right.numbers.get("einvoice")
    if mine and theirs:
        return "same e-invoice address" if mine == theirs else "other e-invoice address"
    if not left.postcode or not right.postcode:
        return "a post code is missing"
    if left.postcode == right.postcode:
        return f"same post code {left.postcode}"
    one, other = sorted((left.postcode, right.postcode))
    return f"other post code ({one}, {other})"


# --- by name --------------------


def _by_name(left: Party, right: Party, distance: Distance) -> Pairing | None:
    if left.country and right.country and left.country != right.country:
        return None
    percent, apart = likeness(left.parts.words, right.parts.words, distance)
    domains = set(left.domains) & set(right.domains)
    same_code = bool(left.postcode) and left.postcode == right.postcode
    other_code = bool(left.postcode and right.postcode) and not same_code
    apart_forms = _other_form(left, right)
    score = (
        60 * percent // 100
        + (25 if same_code else -10 if other_code else 0)
        + (15 if domains else 0)
        # A company that took another name keeps its mail and its door.
        + (12 if domains and same_code else 0)
        - (10 if apart_forms else 0)
    )
    same_door = same_code and percent == _SAME_NAME and left.street and left.street == right.street
    score = min(99, score + (5 if same_door else 0))
    if score < LEAST_SCORE:
        return None
    if same_door and not left.numbered and not right.numbered and left.name == right.name:
        # Nobody has a number, and the whole door is the same.
        return _pairing(left, right, "name_postcode", PLACED, score, "same name, same address")
    key = "name_alike"
    if percent == _SAME_NAME and same_code:
        key = "name_postcode"
    elif domains and percent < _NEARLY:
        key = "email_domain"
    reason = _and(*_name_words(left, right, percent, apart), _place(left, right))
    if domains:
        reason = _and(reason, f"same e-mail domain {min(domains)}")
    return _pairing(left, right, key, ALIKE, score, reason)


def _name_words(left: Party, right: Party, percent: int, apart: int) -> Iterator[str]:
    mine, theirs = left.parts.words, right.parts.words
    if mine == theirs:
        yield "same name"
    elif sorted(mine) == sorted(theirs):
        yield "same words in another order"
    elif apart <= 2:
        yield f"names {apart} letter{'s' if apart > 1 else ''} apart"
    else:
        yield f"names {percent} % alike"
    if _other_form(left, right):
        yield "another legal form"


def _other_form(left: Party, right: Party) -> bool:
    """Both have a legal form, and no form of one can stand for one of the other."""
    mine, theirs = left.parts.forms, right.parts.forms
    if not mine or not theirs:
        return False
    return not (
        all(any(one & other for other in theirs) for one in mine)
        and all(any(one & other for other in mine) for one in theirs)
    )


def _and(*parts: str) -> str:
    return "; ".join(part for part in parts if part)
