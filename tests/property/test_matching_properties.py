"""What holds for whatever two parties, deals and documents are held against each other."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz.distance import OSA

from tieout.core.matching.blocks import EXACT_KEYS, block_keys
from tieout.core.matching.documents import Loose, Step, propose
from tieout.core.matching.judge import EXACT, KEYS, LEAST_SCORE, judge
from tieout.core.matching.likeness import letters_apart, likeness
from tieout.core.matching.party import NameParts, Party

LETTERS = st.text(alphabet="abåö", max_size=6)
WORDS = st.lists(st.sampled_from(["tallmo", "skog", "talmo", "bygg", "el"]), max_size=3)
NUMBERS = st.dictionaries(
    st.sampled_from(["company", "vat"]), st.sampled_from(["SE1", "SE2", "NO1"]), max_size=2
)


@st.composite
def parties(draw: Any) -> Party:
    words = tuple(draw(WORDS))
    return Party(
        id=draw(st.sampled_from("abc")),
        name=" ".join(words),
        parts=NameParts(words=words),
        numbers=draw(NUMBERS),
        country=draw(st.sampled_from(["SE", "NO", ""])),
        postcode=draw(st.sampled_from(["11122", "98231", ""])),
        street=draw(st.sampled_from(["storgatan 1", ""])),
        domains=tuple(draw(st.lists(st.sampled_from(["a.se", "b.se"]), max_size=1))),
        carried=draw(st.sampled_from(["", "K"])),
    )


@given(LETTERS, LETTERS)
def test_letters_apart_is_what_the_library_says(left: str, right: str) -> None:
    assert letters_apart(left, right) == OSA.distance(left, right)


@given(WORDS, WORDS)
def test_likeness_is_the_same_from_both_ends_in_any_order_of_words(
    left: list[str], right: list[str]
) -> None:
    percent, apart = likeness(left, right)
    assert (percent, apart) == likeness(right, left)
    assert 0 <= percent <= 100
    assert (percent == 100) is (bool(left) and bool(right) and apart == 0)
    assert likeness(left, list(reversed(left)))[0] == (100 if left else 0)


@given(parties(), parties())
def test_a_pair_is_judged_the_same_from_both_ends(left: Party, right: Party) -> None:
    one, other = judge(left, right), judge(right, left)
    assert one == (None if other is None else replace(other, left=other.right, right=other.left))
    if one is not None:
        assert one.key in KEYS
        assert LEAST_SCORE <= one.score <= 100
        assert one.reason


@given(parties(), parties())
def test_numbers_that_contradict_are_never_one(left: Party, right: Party) -> None:
    for kind in ("company", "vat"):
        mine, theirs = left.numbers.get(kind), right.numbers.get(kind)
        if mine and theirs and mine != theirs and mine[:2] == theirs[:2]:
            assert judge(left, right) is None


@given(parties(), parties())
def test_what_needs_no_person_is_found_by_an_exact_key(left: Party, right: Party) -> None:
    found = judge(left, right)
    if found is None or found.tier < EXACT:
        return
    shared = set(block_keys(left)) & set(block_keys(right))
    by_number = {key for key in shared if key[:2] in EXACT_KEYS}
    nobody_has_one = not left.numbered and not right.numbered
    assert by_number or (nobody_has_one and left.name == right.name)


STEPS = st.builds(
    Step,
    key13=st.sampled_from(["S1", "S2", "S3"]),
    deal=st.just("d"),
    part=st.just(0),
    number=st.just("D-1"),
    currency=st.sampled_from(["SEK", "EUR"]),
    net=st.sampled_from([Decimal("1.00"), Decimal("2.00")]),
    day=st.sampled_from([date(2026, 10, 5), date(2026, 1, 5), None]),
    references=st.sampled_from([("D-1",), ("D-2",), ()]),
)
DOCUMENTS = st.builds(
    Loose,
    id=st.sampled_from(["1", "2", "3"]),
    number=st.just(""),
    currency=st.sampled_from(["SEK", "EUR"]),
    net=st.sampled_from([Decimal("1.00"), Decimal("2.00")]),
    day=st.integers(0, 90).map(lambda days: date(2026, 10, 1) + timedelta(days=days)),
    texts=st.sampled_from([("D-1",), ("D-2",), ()]),
)


@given(
    st.lists(STEPS, max_size=3, unique_by=lambda step: step.key13),
    st.lists(DOCUMENTS, max_size=3, unique_by=lambda document: document.id),
    st.randoms(use_true_random=False),
)
def test_documents_are_proposed_in_whatever_order_they_come(
    steps: list[Step], documents: list[Loose], chance: Any
) -> None:
    found = propose(steps, documents)
    mixed_steps, mixed_documents = list(steps), list(documents)
    chance.shuffle(mixed_steps)
    chance.shuffle(mixed_documents)
    assert propose(mixed_steps, mixed_documents) == found
    alone = [one for one in found if one.alone]
    assert len({one.step.key13 for one in alone}) == len(alone)
    assert len({one.document.id for one in alone}) == len(alone)
    for one in found:
        assert (one.step.net, one.step.currency) == (one.document.net, one.document.currency)
