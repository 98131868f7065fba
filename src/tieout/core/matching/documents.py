"""
Documents that are in the books already, held against the deals that could be theirs.

By reference or by date, with equal currency and equal net, and only where each has no other one;
everything else is a person's. The same amount in another currency is no match.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final

# An invoice is dated on the day of the deal or later; offers are closed a little late.
EARLIER_DAYS: Final = 7
LATER_DAYS: Final = 60
_SHORTEST_REFERENCE = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """
    A billing step without a document. ``key13`` names its place; ``references`` are what the
    books could quote: the deal's number, the buyer's order.
    """

    key13: str
    deal: str
    part: int
    number: str
    currency: str
    net: Decimal
    day: date | None
    references: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Loose:
    """A draft or invoice of the books that belongs to no deal; ``texts`` are its references."""

    id: str
    number: str
    currency: str
    net: Decimal
    day: date | None
    texts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A document that could be a step's. ``alone``: neither has another candidate."""

    step: Step
    document: Loose
    key: str
    alone: bool
    reason: str


def propose(
    steps: Sequence[Step],
    documents: Sequence[Loose],
    refused: Iterable[tuple[str, str]] = (),
) -> tuple[Proposal, ...]:
    """
    All that could belong together among the steps and documents of one customer, in order of step
    and document, whatever the order in which they are given.

    A reference goes before a date: where a document names a step's deal, neither of the two is
    held against others by its date. ``refused`` are (key13, document) pairs that a person told
    apart.
    """
    apart = set(refused)
    pairs = [
        (step, document)
        for step in sorted(steps, key=lambda step: (step.key13, step.deal))
        for document in sorted(documents, key=lambda document: document.id)
        if (step.currency, step.net) == (document.currency, document.net)
        and (step.key13, document.id) not in apart
    ]
    named = [pair for pair in pairs if _names(*pair)]
    taken = {step.key13 for step, _ in named} | {document.id for _, document in named}
    dated = [
        (step, document)
        for step, document in pairs
        if step.key13 not in taken and document.id not in taken and _near(step, document)
    ]
    return (*_proposals(named, "reference"), *_proposals(dated, "date"))


def _proposals(pairs: Sequence[tuple[Step, Loose]], key: str) -> Iterable[Proposal]:
    of_step = Counter(step.key13 for step, _ in pairs)
    of_document = Counter(document.id for _, document in pairs)
    for step, document in pairs:
        alone = of_step[step.key13] == 1 and of_document[document.id] == 1
        yield Proposal(
            step=step,
            document=document,
            key=key,
            alone=alone,
            reason=_reason(step, document, key, of_step[step.key13], of_document[document.id]),
        )


def _reason(step: Step, document: Loose, key: str, mine: int, theirs: int) -> str:
    amount = f"{document.currency} {document.net:,.2f} net"
    if key == "reference":
        told = f"it names {_named(step, document)}"
    elif step.day and document.day:
        days = (document.day - step.day).days
        when = "on the day of the deal" if days == 0 else _days(abs(days))
        told = f"dated {when}{'' if days == 0 else 'after it' if days > 0 else 'before it'}"
    else:
        told = "a date is missing"
    others = []
    if mine > 1:
        others.append(f"{mine} documents fit the deal")
    if theirs > 1:
        others.append(f"it fits {theirs} deals")
    return "; ".join([told, f"same customer, {amount}", *others])


def _days(number: int) -> str:
    return f"{number} day{'' if number == 1 else 's'} "


def _names(step: Step, document: Loose) -> bool:
    return bool(_named(step, document))


def _named(step: Step, document: Loose) -> str:
    """The reference of the step that one of the document's texts holds as a whole word."""
    for reference in step.references:
        plain = reference.strip().casefold()
        if len(plain) < _SHORTEST_REFERENCE:
            continue
        for text in document.texts:
            if _whole(plain, text.casefold()):
                return reference.strip()
    return ""


def _whole(word: str, text: str) -> bool:
    """Whether the word stands in the text with no letter or digit before or behind it."""
    at = text.find(word)
    while at >= 0:
        before, behind = text[at - 1 : at] if at else "", text[at + len(word) :][:1]
        if not before.isalnum() and not behind.isalnum():
            return True
        at = text.find(word, at + 1)
    return False


def _near(step: Step, document: Loose) -> bool:
    if step.day is None or document.day is None:
        return False
    return -EARLIER_DAYS <= (document.day - step.day).days <= LATER_DAYS
