"""Check 29 sees each way in which a list can be wrong, and a right one is no violation."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

import offered
from invariants import Violation
from tieout.core.policy import ValueRule
from world import World

Values = list[dict[str, Any]]


def world(values: Values) -> World:
    """Terms N10, and N30 that may not be used; a person's Cash, out of use; N60 is gone."""
    rule = ValueRule(kind="terms", target="Terms", books="book", label="both")
    codes = [
        {"kind": "terms", "code": "N10", "name": "Ten"},
        {"kind": "terms", "code": "N30", "name": "Thirty", "active": False},
        {"kind": "currency", "code": "SEK", "name": "Krona"},
    ]
    found = SimpleNamespace(
        value_rules=lambda: (rule,),
        crm=SimpleNamespace(rows=SimpleNamespace(lists={"Terms": {"values": values}})),
        book=SimpleNamespace(ledger=SimpleNamespace(codes=codes)),
        put={("Terms", "Cash"): {"label": "Cash", "active": False}},
        ended={"N60"},
    )
    return cast(World, found)


def right() -> Values:
    return [
        {"code": "Cash", "label": "Cash", "active": False},
        {"code": "N10", "label": "N10 Ten", "active": True},
        {"code": "N30", "label": "N30 Thirty", "active": False},
        {"code": "N60", "label": "N60 Sixty", "active": False},
    ]


def test_a_right_list_is_right() -> None:
    offered.check(world(right()), set())
    # A code that never was to be used need not be there; a kind that is asked about may be wrong.
    offered.check(world(right()[:2]), set())
    offered.check(world(right()[:1]), {"terms"})


BROKEN: dict[str, Callable[[Values], object]] = {
    "a code is missing": lambda values: values.pop(1),
    "a code is out of use": lambda values: values[1].update(active=False),
    "a code has another name": lambda values: values[1].update(label="Ten"),
    "a code stands twice": lambda values: values.append(dict(values[1])),
    "one that may not be used is": lambda values: values[2].update(active=True),
    "one that is gone is in use": lambda values: values[3].update(active=True),
    "a person's is gone": lambda values: values.pop(0),
    "a person's is in use again": lambda values: values[0].update(active=True),
    "a person's has another label": lambda values: values[0].update(label="Bar"),
}


@pytest.mark.parametrize("what", sorted(BROKEN))
def test_a_wrong_list_is_seen(what: str) -> None:
    values = right()
    BROKEN[what](values)
    with pytest.raises(Violation, match=r"^29:"):
        offered.check(world(values), set())
