from __future__ import annotations

from dataclasses import replace

import pytest

from support.cases import slot
from tieout.core.keys import (
    KeyKind,
    Slot,
    by_number,
    generation_of,
    key_in,
    keys_in,
    operation_key,
    parts_with_keys,
    wire_key,
)


def test_a_key_never_changes() -> None:
    """Documents in real books carry these: a change here would lose them."""
    place = Slot(
        crm_org="00D000000000001EAA",
        source_id="006000000000001AAA",
        company="5560001234",
        kind=KeyKind.DOCUMENT,
    )
    assert operation_key(place, 0) == f"{place.key13}D00"
    assert place.key13 == "R3CXHEYWCTV6W"
    assert operation_key(place, 33)[13:] == "D11"


@pytest.mark.parametrize(
    "other",
    [
        {"crm_org": "00D000000000002EAA"},
        {"source_id": "D-109"},
        {"company": "5560009999"},
        {"kind": KeyKind.CUSTOMER},
        {"part": 1},
    ],
)
def test_another_place_has_another_key(other: dict[str, object]) -> None:
    assert replace(slot(), **other).key13 != slot().key13  # type: ignore[arg-type]


def test_fields_do_not_run_into_each_other() -> None:
    left = Slot(crm_org="ab", source_id="c", company="d", kind=KeyKind.DOCUMENT)
    right = Slot(crm_org="a", source_id="bc", company="d", kind=KeyKind.DOCUMENT)
    assert left.key13 != right.key13


def test_the_step_of_a_key_is_found_by_trying() -> None:
    keys = {replace(slot(), part=part).key13: part for part in (0, 7, 60)}
    wanted = by_number([*keys, "0000000000000"])
    assert parts_with_keys(slot(), range(61), wanted) == keys
    assert parts_with_keys(slot(), range(60), wanted) == {
        key: part for key, part in keys.items() if part != 60
    }
    assert parts_with_keys(replace(slot(), source_id="D-109"), range(61), wanted) == {}


@pytest.mark.parametrize("generation", [0, 1, 31, 32, 1023])
def test_the_generation_is_in_the_key(generation: int) -> None:
    key = operation_key(slot(), generation)
    assert len(key) == 16
    assert generation_of(key) == generation


@pytest.mark.parametrize("generation", [-1, 1024])
def test_a_generation_has_two_characters(generation: int) -> None:
    with pytest.raises(ValueError):
        operation_key(slot(), generation)


def test_another_text_is_no_key() -> None:
    for text in ("short", "0123456789ABCD!!", "0123456789ABCDUL"):
        with pytest.raises(ValueError):
            generation_of(text)


def test_a_key_is_found_in_a_text_whatever_its_case() -> None:
    key = operation_key(slot(), 3)
    for text in (key, f"Maria Ek {key}", f"TIEOUT-{key}", key.lower(), f"({key})", f"{key}-2"):
        assert key_in(text, slot().key13) == key
    assert key_in("Maria Ek", slot().key13) is None
    assert key_in(slot().key13, slot().key13) is None
    assert key_in(f"{slot().key13}X00", slot().key13) is None
    assert key_in(f"{slot().key13}X00 {key}", slot().key13) == key


def test_every_key_of_a_text() -> None:
    first, second = operation_key(slot(), 0), operation_key(slot(part=1), 2)
    assert keys_in(f"TIEOUT-{first}, then {second.lower()}; 5560001234 and more") == (first, second)
    assert keys_in("KUNDNUMMER123456 och en rad till") == ()


def test_a_wire_key_changes_with_each_part() -> None:
    key = operation_key(slot(), 0)
    assert wire_key(key, 1, 0) == wire_key(key, 1, 0)
    assert len({wire_key(key, 1, 0), wire_key(key, 2, 0), wire_key(key, 1, 1)}) == 3
