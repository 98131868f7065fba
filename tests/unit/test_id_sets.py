"""Ids of long lists in few bytes: nothing is lost, nothing is taken for another one."""

from __future__ import annotations

import tracemalloc
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from tieout.connectors.http.json import dumps, loads
from tieout.connectors.visma_eaccounting.guid_list import GuidList
from tieout.core.id_set import IdSet


@given(st.lists(st.text(max_size=6)), st.lists(st.text(max_size=6)))
def test_it_holds_what_a_set_holds(first: list[str], second: list[str]) -> None:
    held = IdSet(first)
    assert len(held) == len(set(first))
    held.update(second)
    known = {*first, *second}
    assert len(held) == len(known)
    assert all(one in held for one in known)
    assert "an id of more than six letters" not in held


def test_a_hundred_thousand_ids_take_a_megabyte() -> None:
    tracemalloc.start()
    try:
        held = IdSet(f"{UUID(int=number)}" for number in range(100_000))
        assert len(held) == 100_000
        now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # A set of their texts takes thirteen times as much.
    assert now < 1_200_000
    assert peak < 2_500_000


# What comes in from a vendor holds no zero character (connectors/http/json.py).
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


@given(st.lists(st.one_of(st.uuids().map(str), st.uuids().map(lambda u: str(u).upper()), texts)))
def test_ids_come_out_of_a_cursor_as_they_went_in(ids: list[str]) -> None:
    again = GuidList.of(loads(dumps(GuidList(ids).state())))
    assert sorted(again) == sorted(ids)


def test_a_cursor_with_all_ids_as_texts_is_read() -> None:
    ids = [str(UUID(int=number)) for number in (5, 3)]
    assert list(GuidList.of({"at": "2026-11-26T07:50:00Z", "ids": ids})) == ids


def test_a_thousand_ids_are_kept_in_less_than_their_letters() -> None:
    ids = [str(UUID(int=number)) for number in range(1_000)]
    assert len(dumps(GuidList(ids).state())) < 22_000
