"""What counts as agreed after a write: what it set, and nothing that somebody else changed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tieout.core.case import LinkBase
from tieout.core.change import Action, Change, Wanted
from tieout.core.model import Contact, Customer, Entity, Record
from tieout.store.linking import agreed_on


def write(action: Action, wanted: Record, base: Record | None = None, *fields: str) -> Any:
    entity = Entity.CUSTOMER if isinstance(wanted, Customer) else Entity.CONTACT
    change = Change(
        key="K",
        entity=entity,
        action=action,
        wanted=Wanted(record=wanted, fields=frozenset(fields)),
        base=base,
    )
    return SimpleNamespace(change=change)


@pytest.mark.parametrize("kind", [Customer, Contact])
def test_of_an_update_only_its_own_fields_are_agreed_on(kind: type[Any]) -> None:
    text = "name" if kind is Customer else "title"
    other = "contact_name" if kind is Customer else "mobile"
    base = kind(**{text: "old", other: "before"})
    shown = kind(**{text: "new", other: "theirs"})
    agreed: Any
    _, agreed = agreed_on(write(Action.UPDATE, shown, base, text), shown)
    assert (getattr(agreed, text), getattr(agreed, other)) == ("new", "before")


@pytest.mark.parametrize("kind", [Customer, Contact])
def test_what_neither_wrote_nor_agrees_stays_as_it_was(kind: type[Any]) -> None:
    """The other direction has yet to carry it over, and knows by the base that it has to."""
    text = "name" if kind is Customer else "title"
    theirs, mine = ("contact_name", "language") if kind is Customer else ("mobile", "phone")
    wanted = kind(**{text: "new", theirs: "", mine: "both"})
    base = kind(**{text: "old", theirs: "theirs", mine: "both"})
    before = LinkBase(
        wanted=kind(**{text: "old", theirs: "", mine: ""}),
        shown=kind(**{text: "old", theirs: "", mine: ""}),
        known=True,
    )
    op = write(Action.UPDATE, wanted, base, text)
    shown = kind(**{text: "new", theirs: "theirs", mine: "both"})
    for side in agreed_on(op, shown, before):
        assert [getattr(side, name) for name in (text, theirs, mine)] == ["new", "", "both"]


@pytest.mark.parametrize(
    ("sent", "found", "agreed"),
    [
        ("Tallmo AB", "Tallmo AB", "Tallmo AB"),
        ("Tallmo AB", "Tallmo Skog", "Tallmo AB"),
        ("T" * 60, "T" * 50, "T" * 50),
        ("Tallmo AB", "Tal", "Tallmo AB"),
        ("", "Tallmo", ""),
    ],
)
def test_what_a_look_found_is_held_against_what_was_sent(
    sent: str, found: str, agreed: str
) -> None:
    op = write(Action.CREATE, Customer(name=sent, phones={"general": "1"}))
    shown = Customer(name=found, phones={"general": "2"})
    looked: Any
    _, looked = agreed_on(op, shown, None, "key")
    assert (looked.name, looked.phones) == (agreed, {"general": "1"})
    # An answer is what the books made of it themselves.
    assert agreed_on(op, shown)[1] is shown
