"""Company names: folding, comparing, suggesting. A name never merges two customers by itself.

A name is cleaned, its legal form taken off and kept, and its letters spelled out in all the ways
in which people write them without a Nordic keyboard. Two names are equal when their spellings
meet; what the forms say then decides between *same*, *review* and *different*.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Literal

from rapidfuzz import fuzz, process

from tieout.nordic.tables import load_table
from tieout.nordic.text import clean_text

Likeness = Literal["same", "review", "different"]
Words = tuple[str, ...]
Form = frozenset[str]  # what one written form can stand for: {"SE:AB", "FI:OY"} without a country

MOST_SPELLED_LETTERS = 10  # two ways each: a thousand spellings
SUGGEST_FROM = 70.0

_DOTTED = re.compile(r"\b\w(?:\.\w)+\b\.?")
_INITIALS = re.compile(r"\b(\w)\.")


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldedName:
    """A name reduced to what counts.

    `text` is the name in lower case without forms and signs, `plain` the same in plain letters,
    `key` that without blanks, for an index: two names with one key are equal, but equal names may
    have two keys, so `spellings` decides.
    `forms` are the legal forms that were taken off; `unsure` says that a word which was taken
    for a form may belong to the name.
    """

    country: str | None
    text: str
    plain: str
    key: str
    spellings: frozenset[str]
    forms: frozenset[Form]
    only_form: bool
    unsure: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """A candidate that looks like the name, with its likeness in percent (whole)."""

    name: str
    percent: int


def fold_name(name: str, country: str | None) -> FoldedName:
    """The name without case, signs, legal form and special letters.

    Folding the text of what was folded changes nothing. An unknown country (None) allows the
    forms of all countries, and aa as a spelling of å.
    """
    words = _words(name)
    rest, forms, unsure = _take_forms(words, country)
    double_a = country is None or country in load_table("names")["double_a"]
    plain = " ".join(folded for folded in map(_plain, rest) if folded)
    return FoldedName(
        country=country,
        text=" ".join(rest),
        plain=plain,
        key=plain.replace(" ", ""),
        spellings=_spellings("".join(rest), double_a),
        forms=forms,
        only_form=len(rest) == 1 and bool(_form_of(rest, country)),
        unsure=unsure,
    )


def compare_names(a: str, country_a: str | None, b: str, country_b: str | None) -> Likeness:
    """How two names relate. *Same* still needs a number, or a post code and a person."""
    if country_a is not None and country_b is not None and country_a != country_b:
        return "different"
    first, second = fold_name(a, country_a), fold_name(b, country_b)
    if not first.spellings & second.spellings:
        return "different"
    if bool(first.forms) != bool(second.forms):
        # "AB" is a name that is only a form; "AB AB" is a company called AB.
        return "different" if first.only_form or second.only_form else "review"
    if not _forms_agree(first.forms, second.forms):
        return "different"
    return "review" if first.unsure != second.unsure else "same"


def suggest(name: str, candidates: Sequence[str], limit: int = 5) -> tuple[Suggestion, ...]:
    """Candidates that a person should see, most alike first. Never a decision."""
    folded = [fold_name(candidate, None).plain for candidate in candidates]
    found = process.extract(
        fold_name(name, None).plain,
        folded,
        scorer=fuzz.token_sort_ratio,
        score_cutoff=SUGGEST_FROM,
        limit=limit,
    )
    return tuple(
        Suggestion(name=candidates[place], percent=round(score)) for _, score, place in found
    )


def _words(name: str) -> Words:
    """The words in lower case; `&` and its words are one sign, dotted letters are joined."""
    text = _composed(clean_text(name))
    text = _DOTTED.sub(lambda found: found.group().replace(".", ""), text)
    text = _INITIALS.sub(r"\1 ", text)
    text = re.sub(r"['’‘`´]", "", text)
    text = re.sub(r"(?<=\b\w)/(?=\w\b)", "\x00", text).replace("/", " ").replace("\x00", "/")
    text = re.sub(r"[^\w&/]|_", " ", text.replace("&", " & "))
    linked = load_table("names")["words"]
    return tuple(linked.get(word, word) for word in text.split())


def _composed(text: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFKC", text).casefold())


def _take_forms(words: Words, country: str | None) -> tuple[Words, frozenset[Form], bool]:
    """The words without legal forms, the forms, and whether one of them may be a word."""
    found: list[Form] = []
    tails: set[str] = set()
    longest = _longest_form()
    while (size := _tail_size(words, country, longest)) > 0:
        found.append(_form_of(words[-size:], country))
        tails.add(words[-size])
        words = words[:-size]
    unsure = False
    front = load_table("names")["front"]
    while len(words) > 1 and words[0] in front and (form := _form_of(words[:1], country)):
        phrase = f"{words[0]} {words[1]}"
        repeated = words[0] in tails  # "AB Foo AB": one of them may be a word
        unsure = unsure or phrase in load_table("names")["words_in_front"] or repeated
        found.append(form)
        words = words[1:]
    return words, frozenset(found), unsure


def _tail_size(words: Words, country: str | None, longest: int) -> int:
    """How many last words are a form, one word always being left over."""
    for size in range(min(longest, len(words) - 1), 0, -1):
        if _form_of(words[-size:], country):
            return size
    return 0


def _form_of(words: Words, country: str | None) -> Form:
    """What the words stand for: the forms of that country, else those of any."""
    spelled = " ".join(_plain(word) for word in words)
    home = load_table("names")["forms_as"].get(country, country)
    every = _forms().get(spelled, frozenset())
    own = frozenset(form for form in every if form.split(":")[0] in (home, "EU"))
    return own or every


@cache
def _forms() -> dict[str, Form]:
    table: dict[str, set[str]] = {}
    for country, forms in load_table("names")["forms"].items():
        for form, spellings in forms.items():
            for spelling in spellings:
                plain = " ".join(_plain(word) for word in _words(spelling))
                table.setdefault(plain, set()).add(f"{country}:{form}")
    return {plain: frozenset(forms) for plain, forms in table.items()}


@cache
def _longest_form() -> int:
    return max(len(form.split(" ")) for form in _forms())


def _forms_agree(a: frozenset[Form], b: frozenset[Form]) -> bool:
    return all(any(x & y for y in b) for x in a) and all(any(x & y for x in a) for y in b)


def _plain(word: str) -> str:
    """The word with every special letter in its first spelling, accents and strokes dropped."""
    return "".join(_ways(letter)[0] for letter in word)


@cache
def _ways(letter: str) -> tuple[str, ...]:
    """How a letter may be written with plain ones."""
    listed = load_table("names")["letters"].get(letter)
    if listed is not None:
        return tuple(listed)
    bare = unicodedata.normalize("NFKC", unicodedata.normalize("NFD", letter)[:1])
    return (bare if bare.isalnum() or bare == "&" else "",)


def _spellings(letters: str, double_a: bool) -> frozenset[str]:
    """All ways to write the name; with too many special letters only the first and the last."""
    ways = [("a", "aa") if letter == "å" and double_a else _ways(letter) for letter in letters]
    if sum(len(way) > 1 for way in ways) > MOST_SPELLED_LETTERS:
        return frozenset({"".join(way[0] for way in ways), "".join(way[-1] for way in ways)})
    return frozenset("".join(choice) for choice in product(*ways))
