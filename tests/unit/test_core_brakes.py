from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from support.cases import BOOKS
from tieout.core.brakes import Counts, brakes
from tieout.core.policy import BrakePolicy
from tieout.core.safeguards import ALL_ON

POLICY = BrakePolicy()
QUIET = Counts(
    connection=BOOKS,
    linked=1000,
    seen_before=318,
    seen_now=318,
    read_through=True,
    creates=10,
    updates=300,
    voids=0,
    newly_gone=10,
    sent_last_hour=400,
    unknown_now=20,
    double_hits_today=1,
    clock_offset_s=-3600,
)


def codes(**more: Any) -> list[str]:
    return [found.code for found in brakes(replace(QUIET, **more), POLICY)]


def test_a_usual_run_goes() -> None:
    assert codes() == []


@pytest.mark.parametrize(
    ("change", "code", "creates_only"),
    [
        ({"company_changed": "Other AB"}, "company_changed", False),
        ({"read_through": False}, "not_read_yet", False),
        ({"seen_now": 0}, "side_looks_empty", False),
        ({"high_water_behind": True}, "database_restored", False),
        ({"clock_offset_s": -3601}, "clock_off", False),
        ({"newly_gone": 11}, "many_gone", False),
        ({"creates": 1001}, "many_creates", True),
        ({"updates": 301}, "many_updates", False),
        ({"updates": 300, "voids": 1}, "many_updates", False),
        ({"unknown_now": 21}, "many_unknown", True),
        ({"double_hits_today": 2}, "double_hits", True),
    ],
)
def test_each_brake_stops_at_its_limit(
    change: dict[str, Any], code: str, creates_only: bool
) -> None:
    found = brakes(replace(QUIET, **change), POLICY)
    assert [(one.code, one.creates_only) for one in found] == [(code, creates_only)]
    assert found[0].message.endswith(".")
    assert found[0].hint


def test_the_empty_side_is_named_with_what_it_was() -> None:
    found = brakes(replace(QUIET, seen_now=0), POLICY)[0]
    assert found.message == "visma-se shows 0 records, before 318. Nothing is planned."
    assert found.hint == "Wrong company or rights? tieout connection test visma-se"


def test_small_numbers_do_not_stop() -> None:
    few = {"linked": 5, "newly_gone": 3, "updates": 10, "creates": 10, "unknown_now": 9}
    assert codes(**few, sent_last_hour=0) == []
    assert codes(**{**few, "newly_gone": 4}) == ["many_gone"]
    assert codes(**{**few, "updates": 11}) == ["many_updates"]
    assert codes(**{**few, "creates": 11}) == ["many_creates"]
    assert codes(**{**few, "unknown_now": 10}, sent_last_hour=0) == ["many_unknown"]


def test_a_first_run_may_make_all() -> None:
    assert codes(linked=0, seen_before=0, seen_now=0, creates=500, updates=0, newly_gone=0) == []


def test_the_worst_comes_first_and_all_come() -> None:
    everything = codes(
        company_changed="Other AB", seen_now=0, newly_gone=500, creates=5000, double_hits_today=9
    )
    assert everything == [
        "company_changed",
        "side_looks_empty",
        "many_gone",
        "many_creates",
        "double_hits",
    ]


def test_without_the_rule_an_empty_side_goes_on() -> None:
    off = ALL_ON.without("empty_mirror_stops")
    for change in ({"seen_now": 0}, {"read_through": False}):
        assert brakes(replace(QUIET, **change), POLICY, off) == ()


@pytest.mark.parametrize(
    ("offset_s", "said"),
    [
        (3601, "60 min behind"),
        (-5 * 3600 + 1, "5 h ahead of"),
        (3 * 86_400, "3 days behind"),
    ],
)
def test_a_clock_is_told_as_people_tell_it(offset_s: int, said: str) -> None:
    [found] = brakes(replace(QUIET, clock_offset_s=offset_s), POLICY)
    assert found.message == f"This machine's clock is {said} that of {BOOKS}."
