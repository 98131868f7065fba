"""Who could be whom: by number, place, name and mail; and which document could be whose."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from tieout.core.matching.blocks import block_keys
from tieout.core.matching.documents import Loose, Step, propose
from tieout.core.matching.judge import ALIKE, EXACT, NUMBER, OURS, PLACED, Pairing, judge
from tieout.core.matching.likeness import letters_apart, likeness
from tieout.core.matching.party import NameParts, Party, domain_of, party_of
from tieout.core.model import Address, Customer, ExternalRef, Identifier, IdState
from tieout.services.enrich import NordicEnricher

ENRICH = NordicEnricher()


def party(name: str = "Tallmo Skog AB", id: str = "x", **more: Any) -> Party:
    values = {"country": "SE", "postcode": "11122", **more}
    return Party(id=id, name=name, parts=ENRICH.name_parts(name, "SE"), **values)


def told(left: Party, right: Party) -> tuple[str, int, int] | None:
    found = judge(left, right)
    assert found == _turned(judge(right, left)), "the same from both ends"
    return None if found is None else (found.key, found.tier, found.score)


def _turned(found: Pairing | None) -> Pairing | None:
    return None if found is None else replace(found, left=found.right, right=found.left)


ORG, OTHER = {"company": "SE5560160680"}, {"company": "SE5560743089"}


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ({"carried": "K"}, {"carried": "K", "name": "Annat AB"}, ("external_id", OURS, 100)),
        ({"numbers": ORG}, {"numbers": ORG, "name": "X"}, ("company_number", PLACED, 100)),
        (
            {"numbers": ORG},
            {"numbers": ORG, "postcode": ""},
            ("company_number", EXACT, 95),
        ),
        (
            {"numbers": ORG},
            {"numbers": ORG, "postcode": "98231"},
            ("company_number", NUMBER, 85),
        ),
        ({"numbers": ORG}, {"numbers": OTHER}, None),
        (
            {"numbers": {"vat": "SE5560160680"}},
            {"numbers": {"vat": "SE5560160680"}},
            ("vat_number", PLACED, 100),
        ),
        (
            {"numbers": ORG},
            {"numbers": {"vat": "SE5560160680"}},
            ("vat_number", NUMBER, 90),
        ),
        # One number, two addresses for e-invoices: branches of one company.
        (
            {"numbers": {**ORG, "einvoice": "0088:1"}},
            {"numbers": {**ORG, "einvoice": "0088:2"}},
            ("company_number", NUMBER, 85),
        ),
        ({}, {}, ("name_postcode", ALIKE, 85)),
        ({"name": "Skog Tallmo Aktiebolag"}, {}, ("name_postcode", ALIKE, 85)),
        ({"name": "Talmo Skog AB"}, {}, ("name_alike", ALIKE, 79)),
        ({"postcode": "98231"}, {}, ("name_alike", ALIKE, 50)),
        (
            {"postcode": "98231", "domains": ("tallmo.se",)},
            {"domains": ("tallmo.se",)},
            ("name_alike", ALIKE, 65),
        ),
        (
            {"name": "Nya namnet AB", "domains": ("tallmo.se",)},
            {"domains": ("tallmo.se",)},
            ("email_domain", ALIKE, 58),
        ),
        ({"name": "Annat namn helt AB"}, {}, None),
        ({"country": "NO"}, {}, None),
        ({"name": "Tallmo Skog HB"}, {}, ("name_postcode", ALIKE, 75)),
        ({"street": "storgatan 1"}, {"street": "storgatan 1"}, ("name_postcode", PLACED, 90)),
        (
            {"street": "storgatan 1", "numbers": ORG},
            {"street": "storgatan 1"},
            ("name_postcode", ALIKE, 90),
        ),
    ],
)
def test_why_two_could_be_one(left: Any, right: Any, expected: Any) -> None:
    assert told(party(id="a", **left), party(id="b", **right)) == expected


def test_the_reason_is_said_in_plain_words() -> None:
    mine = party("Talmo Skog AB", "a", domains=("tallmo.se",), postcode="98231")
    found = judge(mine, party(id="b", domains=("tallmo.se",)))
    assert found is not None
    assert found.reason == (
        "names 1 letter apart; other post code (11122, 98231); same e-mail domain tallmo.se"
    )


@pytest.mark.parametrize(
    ("left", "right", "percent", "apart"),
    [
        ("tallmo skog", "skog tallmo", 100, 0),
        ("tallmo skog", "talmo skog", 90, 1),
        ("tallmo skog", "tlalmo skog", 90, 1),
        ("tallmo skog", "tallmoskog", 100, 0),
        ("volvo", "volvo cars", 55, 4),
        ("skog talmo", "tallmo skog", 90, 1),
        ("", "tallmo", 0, 6),
    ],
)
def test_how_alike_two_names_are(left: str, right: str, percent: int, apart: int) -> None:
    assert likeness(left.split(), right.split()) == (percent, apart)
    assert likeness(right.split(), left.split()) == (percent, apart)


@pytest.mark.parametrize(
    ("left", "right", "apart"),
    [("", "", 0), ("ab", "", 2), ("abc", "acb", 1), ("kitten", "sitting", 3), ("ca", "abc", 3)],
)
def test_letters_apart(left: str, right: str, apart: int) -> None:
    assert letters_apart(left, right) == letters_apart(right, left) == apart


@pytest.mark.parametrize(
    ("mail", "domain"),
    [
        ("faktura@Tallmo.se", "tallmo.se"),
        ("a@mail.tallmo.se", "tallmo.se"),
        ("a@shop.tallmo.co.uk", "tallmo.co.uk"),
        ("a@gmail.com", ""),
        ("tallmo.se", ""),
        ("a@localhost", ""),
        ("", ""),
    ],
)
def test_the_domain_of_a_mail(mail: str, domain: str) -> None:
    assert domain_of(mail) == domain


def test_a_customer_as_a_party() -> None:
    customer = Customer(
        ref=ExternalRef("books", "customer", "318"),
        name="Tallmo Skog AB",
        identifiers=(
            Identifier(kind="company", country="SE", raw="1", key="SE1", state=IdState.VALID),
            Identifier(kind="vat", country="SE", raw="2", key="SE2", state=IdState.INVALID),
        ),
        addresses=(Address(lines=("Storgatan  1",), postcode="111 22", country="se"),),
        emails={"invoice": "a@tallmo.se", "general": "b@gmail.com"},
    )
    found = party_of(customer, NameParts(words=("tallmo", "skog")), "111 22")
    assert found.numbers == {"company": "SE1"}, "a number that is wrong says nothing"
    assert (found.country, found.postcode, found.street) == ("SE", "11122", "storgatan 1")
    assert found.domains == ("tallmo.se",)


def test_whom_a_corruption_leaves_in_one_block() -> None:
    whole = block_keys(party("Västra Tallmo Skogsbruk AB", domains=("tallmo.se",), numbers=ORG))
    for other in (
        party("Tallmo Västra Skogsbruk", postcode="98231"),
        party("Vastra Tallmo Skogsbruk Aktiebolag", postcode="98231"),
        party("Västra Talmo Skogsbruk AB", postcode="98231"),
        party("Västra Tallmo Skogbruk AB", postcode="98231"),
        party("Helt nytt namn AB", domains=("tallmo.se",)),
        party("Helt nytt namn AB", numbers=ORG),
    ):
        assert set(whole) & set(block_keys(other)), other.name
    assert not set(whole) & set(block_keys(party("Ekfors Trä AB", postcode="98231")))


# --- documents -----------------------------------------------------------------------------------

DAY = date(2026, 10, 5)


def step(key: str = "S1", net: str = "100.00", **more: Any) -> Step:
    values: dict[str, Any] = {
        "deal": f"deal-{key}",
        "part": 0,
        "number": f"D-{key}",
        "currency": "SEK",
        "day": DAY,
        "references": (f"D-{key}", "PO-77"),
        **more,
    }
    return Step(key13=key, net=Decimal(net), **values)


def loose(id: str = "1", net: str = "100.00", **more: Any) -> Loose:
    values: dict[str, Any] = {"number": id, "currency": "SEK", "day": DAY, **more}
    return Loose(id=id, net=Decimal(net), **values)


def found(steps: Any, documents: Any, **more: Any) -> list[tuple[str, str, str, bool]]:
    return [
        (one.step.key13, one.document.id, one.key, one.alone)
        for one in propose(steps, documents, **more)
    ]


@pytest.mark.parametrize(
    ("mine", "theirs", "expected"),
    [
        ({}, {}, ("date", True)),
        ({}, {"net": "100.01"}, None),
        ({}, {"currency": "EUR"}, None),
        ({}, {"day": date(2026, 9, 27)}, None),
        ({}, {"day": date(2026, 9, 28)}, ("date", True)),
        ({}, {"day": date(2026, 12, 4)}, ("date", True)),
        ({}, {"day": date(2026, 12, 5)}, None),
        ({}, {"day": None}, None),
        ({}, {"day": None, "texts": ("Er ref: D-S1.",)}, ("reference", True)),
        ({}, {"day": date(2020, 1, 1), "texts": ("po-77",)}, ("reference", True)),
        ({}, {"day": None, "texts": ("D-S11",)}, None),
        ({"references": ("7",)}, {"day": None, "texts": ("7",)}, None),
    ],
)
def test_which_document_could_be_the_deals(mine: Any, theirs: Any, expected: Any) -> None:
    one = found([step(**mine)], [loose(**theirs)])
    assert one == ([] if expected is None else [("S1", "1", *expected)])


def test_one_on_each_side_or_a_person() -> None:
    two = [loose("1"), loose("2", day=date(2026, 10, 6))]
    assert [one[3] for one in found([step()], two)] == [False, False]
    assert [one[3] for one in found([step("S1"), step("S2")], [loose()])] == [False, False]
    # A reference settles which of the two it is, and leaves the other for the other.
    named = [loose("1", texts=("D-S2",)), loose("2")]
    assert found([step("S1"), step("S2")], named) == [
        ("S2", "1", "reference", True),
        ("S1", "2", "date", True),
    ]


def test_what_a_person_told_apart_is_no_candidate() -> None:
    both = [loose("1"), loose("2")]
    assert found([step()], both, refused=[("S1", "1")]) == [("S1", "2", "date", True)]
