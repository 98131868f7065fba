"""
Customers as two systems hold them after years: the truth, and a copy with documented corruption.

Everything follows from the seed. Eight in ten customers are on both sides; of these the books hold
a copy that was corrupted in one of the ways of `CORRUPTIONS`, and in half of the copies one side
or both have no company number. One in ten is on one side only; of these every third is a *sister*:
the name of another customer with a further word, at the same door.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from random import Random

from tieout_sandbox.kit import company_numbers
from tieout_sandbox.kit.names import FAMILY_NAMES, PLACES, TRADES

_ONSETS = (*"bdfghjklmnprstv", "bl", "br", "dr", "fl", "gr", "kl", "kr", "sk", "st", "tr")
_VOWELS = tuple("aeiouyåäö")
_CODAS = ["", "", "n", "r", "s", "l", "x", "k", "m"]
_STREETS = ("Storgatan", "Kungsgatan", "Hamngatan", "Industrivägen", "Skolgatan", "Verkstadsgatan")
_PUBLIC = ("gmail.com", "hotmail.com", "telia.com")
_FORMS = (("AB", ("Aktiebolag", "AB (publ)", "")), ("HB", ("Handelsbolag", "")))
_FOLDED = {"å": ("a",), "ä": ("a", "ae"), "ö": ("o", "oe"), "é": ("e",)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """A customer as one side shows it."""

    name: str
    form: str
    number: str
    street: str
    postcode: str
    city: str
    mail: str

    @property
    def shown(self) -> str:
        """The name with its form."""
        return f"{self.name} {self.form}".strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """One customer: what the CRM and the books show of it, and how the books' copy differs."""

    index: int
    crm: Facts | None
    books: Facts | None
    corruption: str


def customers(count: int, seed: int = 1) -> Iterator[Known]:
    """Customers until so many stand on each side."""
    chance = Random(seed)
    numbers: set[str] = set()
    before: list[Facts] = []
    on_each = 0
    index = 0
    while on_each < count:
        facts = _facts(chance, numbers)
        kind = index % 10
        if kind < 8:
            on_each += 1
            name = _CHOICES[index % len(_CHOICES)]
            books = CORRUPTIONS[name](facts, chance)
            # What the books ask for is missing in the CRM, not there.
            pair = (books, facts) if name == "no_address" else (facts, books)
            crm, books = _numbers(*pair, chance)
            yield Known(index=index, crm=crm, books=books, corruption=name)
            before = [*before[-200:], facts]
        elif kind == 8:
            on_each += 1
            one = _lonely(facts, before, chance)
            yield Known(index=index, crm=one, books=None, corruption="only_crm")
        else:
            one = _lonely(facts, before, chance)
            yield Known(index=index, crm=None, books=one, corruption="only_books")
        index += 1


def _facts(chance: Random, numbers: set[str]) -> Facts:
    name = _name(chance)
    form = "AB" if chance.random() < 0.9 else "HB"
    number = company_numbers.swedish(chance, chance.choice(("556", "559", "969", "916")))
    while number in numbers:
        number = company_numbers.swedish(chance, chance.choice(("556", "559", "969", "916")))
    numbers.add(number)
    postcode, city = _place(chance)
    return Facts(
        name=name,
        form=form,
        number=number,
        street=f"{chance.choice(_STREETS)} {chance.randrange(1, 90)}",
        postcode=postcode,
        city=city,
        mail=_mail(name, chance),
    )


def _place(chance: Random) -> tuple[str, str]:
    town = chance.randrange(200)
    return f"{100 + town * 4} {chance.randrange(10, 60)}", PLACES[town % len(PLACES)]


def _name(chance: Random) -> str:
    trade = chance.choice(TRADES["SE"])
    match chance.randrange(5):
        case 0:
            return f"{_invented(chance)} {trade}"
        case 1:
            return f"{chance.choice(FAMILY_NAMES)}s {trade} i {chance.choice(PLACES)}"
        case 2:
            return f"{_invented(chance)} & {_invented(chance)} {trade}"
        case 3:
            return f"{chance.choice(PLACES)} {_invented(chance)}"
        case _:
            return _invented(chance, 4)


def _invented(chance: Random, most: int = 3) -> str:
    parts = [
        chance.choice(_ONSETS) + chance.choice(_VOWELS) + chance.choice(_CODAS)
        for _ in range(chance.randrange(2, most + 1))
    ]
    return "".join(parts).capitalize()


def _mail(name: str, chance: Random) -> str:
    roll = chance.random()
    if roll < 0.15:
        return ""
    word = "".join(_plain(letter) for letter in name.lower() if letter.isalpha())[:18]
    if roll < 0.3:
        return f"{word}@{chance.choice(_PUBLIC)}"
    return f"faktura@{word}.example"


def _plain(letter: str) -> str:
    return _FOLDED.get(letter, (letter,))[0]


def _numbers(crm: Facts, books: Facts, chance: Random) -> tuple[Facts, Facts]:
    """In half of the copies a number is missing on one side or on both."""
    match chance.randrange(6):
        case 0:
            return replace(crm, number=""), books
        case 1:
            return crm, replace(books, number="")
        case 2:
            return replace(crm, number=""), replace(books, number="")
        case _:
            return crm, books


def _lonely(facts: Facts, before: list[Facts], chance: Random) -> Facts:
    """Somebody of one side only; every third is a sister of somebody on both."""
    if before and chance.randrange(3) == 0:
        other = chance.choice(before)
        word = chance.choice(("Holding", "Fastigheter", "Invest"))
        return replace(
            facts,
            name=f"{other.name} {word}",
            street=other.street,
            postcode=other.postcode,
            city=other.city,
        )
    return facts if chance.random() < 0.7 else replace(facts, number="")


# --- corruptions --------------------


def _same(facts: Facts, chance: Random) -> Facts:
    return facts


def _swapped(facts: Facts, chance: Random) -> Facts:
    words = facts.name.split()
    return replace(facts, name=" ".join([*words[1:], words[0]]))


def _legal_form(facts: Facts, chance: Random) -> Facts:
    others = dict(_FORMS)[facts.form]
    form = chance.choice(others)
    if form == "Aktiebolag" and chance.random() < 0.3:
        return replace(facts, name=f"Aktiebolaget {facts.name}", form="")
    return replace(facts, form=form)


def _folded(facts: Facts, chance: Random) -> Facts:
    """Letters of a keyboard without them: å as a, ä as a or ae, ö as o or oe."""
    way = chance.randrange(2)
    name = "".join(
        _FOLDED[letter][min(way, len(_FOLDED[letter]) - 1)] if letter in _FOLDED else letter
        for letter in facts.name.replace("Å", "A").replace("Ä", "A").replace("Ö", "O")
    )
    return replace(facts, name=name)


def _typo(facts: Facts, chance: Random) -> Facts:
    """One letter left out, doubled, swapped with its neighbour, or another one."""
    at = chance.randrange(1, max(2, len(facts.name) - 1))
    name = facts.name
    match chance.randrange(4):
        case 0:
            name = name[:at] + name[at + 1 :]
        case 1:
            name = name[:at] + name[at] + name[at:]
        case 2:
            name = name[:at] + name[at : at + 2][::-1] + name[at + 2 :]
        case _:
            name = name[:at] + chance.choice("aeinrst") + name[at + 1 :]
    return replace(facts, name=name)


def _two_typos(facts: Facts, chance: Random) -> Facts:
    return _typo(_typo(facts, chance), chance)


def _old_address(facts: Facts, chance: Random) -> Facts:
    postcode, city = _place(chance)
    street = f"{chance.choice(_STREETS)} {chance.randrange(1, 90)}"
    return replace(facts, street=street, postcode=postcode, city=city)


def _no_address(facts: Facts, chance: Random) -> Facts:
    return replace(facts, street="", postcode="", city="")


def _renamed(facts: Facts, chance: Random) -> Facts:
    """It has another name by now, and kept its door and its mail."""
    return replace(facts, name=_name(chance))


def _several(facts: Facts, chance: Random) -> Facts:
    return _legal_form(_swapped(_typo(facts, chance), chance), chance)


def _typo_and_moved(facts: Facts, chance: Random) -> Facts:
    return _old_address(_typo(facts, chance), chance)


CORRUPTIONS: dict[str, Callable[[Facts, Random], Facts]] = {
    "same": _same,
    "swapped_words": _swapped,
    "legal_form": _legal_form,
    "letters_folded": _folded,
    "typo": _typo,
    "two_typos": _two_typos,
    "old_address": _old_address,
    "no_address": _no_address,
    "renamed": _renamed,
    "form_swap_typo": _several,
    "typo_old_address": _typo_and_moved,
}
# A third is as it was.
_CHOICES = ["same"] * 5 + [name for name in CORRUPTIONS if name != "same"]


# --- history --------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """An invoice of the books, and the deal of the CRM that it is, or None where there is none."""

    customer: int
    number: str
    net: str
    day: int
    reference: bool
    deal: bool


def history(count: int, on_both: list[int], seed: int = 1) -> Iterator[History]:
    """So many invoices of customers that are on both sides; six in ten belong to a deal."""
    chance = Random(seed + 1)
    for place in range(count):
        yield History(
            customer=on_both[chance.randrange(len(on_both))],
            number=f"D-{100_000 + place}",
            net=f"{chance.randrange(500, 90_000)}.{chance.randrange(100):02d}",
            day=chance.randrange(0, 200),
            reference=chance.random() < 0.5,
            deal=place % 10 < 6,
        )
