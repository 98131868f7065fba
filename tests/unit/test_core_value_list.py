"""Codes of the books as a list of values: what is added, relabelled, put out of use, left alone."""

from __future__ import annotations

from tieout.core.model import Code, ListedValue, ValueList
from tieout.core.value_list import emptied, wanted_values


def code(text: str, name: str = "", *, active: bool = True) -> Code:
    return Code(kind="terms", code=text, name=name, active=active)


def shown(*values: tuple[str, str, bool]) -> ValueList:
    made = tuple(ListedValue(code=c, label=label, active=active) for c, label, active in values)
    return ValueList(name="Terms", values=made)


def told(found: ValueList) -> list[tuple[str, str, bool]]:
    return [(one.code, one.label, one.active) for one in found.values]


def test_new_codes_come_last_and_what_a_person_made_stays() -> None:
    there = shown(("Cash", "Cash", True), ("30", "Thirty", True))
    found = wanted_values([code("30", "30 days"), code("14", "14 days")], there, None, "name")
    assert told(found) == [
        ("Cash", "Cash", True),
        ("30", "30 days", True),
        ("14", "14 days", True),
    ]
    assert found.ours == ("14", "30")


def test_what_the_books_do_not_have_any_more_goes_out_of_use_and_comes_back() -> None:
    before = wanted_values([code("30"), code("14")], shown(), None, "name")
    after = wanted_values([code("30")], before, before, "name")
    assert told(after) == [("14", "14", False), ("30", "30", True)]
    again = wanted_values([code("30"), code("14", "Two weeks")], after, after, "name")
    assert told(again) == [("14", "Two weeks", True), ("30", "30", True)]


def test_a_code_that_may_not_be_used_is_not_offered() -> None:
    assert told(wanted_values([code("R3", active=False)], shown(), None, "name")) == []
    offered = wanted_values([code("R3")], shown(), None, "name")
    closed = wanted_values([code("R3", active=False)], offered, offered, "name")
    assert told(closed) == [("R3", "R3", False)]


def test_people_see_name_code_or_both() -> None:
    labels = {
        kind: wanted_values([code("30", "30 days")], shown(), None, kind).values[0].label
        for kind in ("name", "code", "both")
    }
    assert labels == {"name": "30 days", "code": "30", "both": "30 30 days"}
    assert wanted_values([code("30", " ")], shown(), None, "name").values[0].label == "30"


def test_it_is_at_rest_once_it_shows_what_was_wanted() -> None:
    codes = [code("30", "30 days"), code("14", active=False), code("7")]
    first = wanted_values(codes, shown(("Cash", "Cash", True)), None, "both")
    again = wanted_values(codes, ValueList(name="Terms", values=first.values), first, "both")
    assert again.values == first.values


def test_books_that_tell_of_no_code_at_all_close_no_list() -> None:
    offered = wanted_values([code("30"), code("14")], shown(("Cash", "Cash", True)), None, "name")
    assert emptied([], offered, offered)
    assert not emptied([code("30", active=False)], offered, offered)
    assert not emptied([], shown(("Cash", "Cash", True)), None)
    closed = wanted_values([], offered, offered, "name")
    assert not emptied([], closed, closed)
