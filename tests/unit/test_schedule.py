"""Billing plans as people write them."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tieout.core.schedule import PlanError, instalments

D = Decimal
TOTAL = D("100000.00")
THIRDS = ["33333.33", "33333.33", "33333.34"]


def amounts(text: str, total: Decimal = TOTAL, **more: date) -> list[str]:
    return [str(step.amount) for step in instalments(text, total, 2, **more)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3", THIRDS),
        ("1/3, 1/3, 1/3", THIRDS),
        ("1/3; 1/3; rest", THIRDS),
        ("30%, 30%, rest", ["30000.00", "30000.00", "40000.00"]),
        ("30 % + 70 %", ["30000.00", "70000.00"]),
        ("24000.00, rest", ["24000.00", "76000.00"]),
        ("rest, 25%", ["75000.00", "25000.00"]),
        ("60000.00, 39999.00", ["60000.00", "39999.00"]),
        ("", []),
        ("  ", []),
        ("1", []),
        ("100%", []),
        ("rest", []),
    ],
)
def test_plans(text, expected):
    assert amounts(text) == expected


def test_parts_are_numbered_from_one_and_may_have_a_day():
    steps = instalments("1/3 2026-10-05, 1/3 2026-10-19, rest 2026-11-30", TOTAL, 2)
    assert [(s.part, s.due_on) for s in steps] == [
        (1, date(2026, 10, 5)),
        (2, date(2026, 10, 19)),
        (3, date(2026, 11, 30)),
    ]


def test_a_month_that_is_shorter_ends_earlier():
    steps = instalments("3 monthly", TOTAL, 2, date(2026, 12, 31))
    assert [s.due_on for s in steps] == [date(2026, 12, 31), date(2027, 1, 31), date(2027, 2, 28)]
    assert instalments("2 yearly", TOTAL, 2, date(2024, 2, 29))[1].due_on == date(2025, 2, 28)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0", "bills nothing"),
        ("half now", '"half now" is no part'),
        ("30%, 30%", "60% of the deal together"),
        ("rest, rest", "twice"),
        ("1/0, rest", "divides by nothing"),
        ("50%,, 50%", "a part is empty"),
        ("50% 2026-13-01, rest", "no day"),
        ("3 monthly", "no close date"),
    ],
)
def test_what_is_wrong_is_said(text, words):
    with pytest.raises(PlanError, match=words):
        instalments(text, TOTAL, 2)


@given(
    st.integers(2, 24),
    st.decimals(min_value=0, max_value=10**9, places=2, allow_nan=False, allow_infinity=False),
)
def test_equal_parts_add_up_and_differ_by_little(count, total):
    found = [step.amount for step in instalments(str(count), total, 2)]
    assert sum(found) == total
    assert max(found) - min(found) <= D("0.01") * count
