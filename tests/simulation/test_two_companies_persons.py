"""Persons of a customer of two companies: in both books once, and every edit arrives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from sqlalchemy import Engine as SqlEngine

from test_two_companies import SECOND, TwoBooks, play_two
from tieout.core.mapping.fields import Owner
from tieout.core.model import Entity
from tieout.core.policy import ContactPolicy, FlowMode
from tieout.engine.context import Engine
from tieout.ports import Selection
from tieout_sandbox.plain import PlainBook

BOTH = ContactPolicy(mode=FlowMode.AUTO, to_crm=True)
OWNED = ContactPolicy(mode=FlowMode.AUTO, to_crm=True, owners={"phone": Owner.BOOKS})
FIELDS = ("given", "family", "email", "phone", "title", "active")


class Shared(TwoBooks):
    """Both companies' books are read for persons."""

    def engine(self, *given: Any, **more: Any) -> Engine:
        engine = super().engine(*given, **more)
        persons = {Entity.CONTACT: Selection(entity=Entity.CONTACT, shape="s")}
        engine.selections = {
            **engine.selections,
            SECOND: {**engine.selections[SECOND], **persons},
        }
        return engine

    def books(self) -> tuple[PlainBook, PlainBook]:
        return self.book, self.other

    def in_books(self, book: PlainBook, action: str, **given: Any) -> Any:
        """A person does something in the books of one of the two."""
        done = book.act(action, given)
        self.note(f"{book.company_id} {action} {given} -> {done}")
        return done

    def here(self) -> list[Mapping[str, Any]]:
        return list(self.crm.rows.live("contacts"))

    def there(self, book: PlainBook) -> list[Mapping[str, Any]]:
        return list(book.ledger.live("contacts"))

    def alike(self) -> None:
        """The CRM and both books show the same persons, each once."""
        mine = sorted(tuple(row[name] or "" for name in FIELDS) for row in self.here())
        for book in self.books():
            theirs = sorted(tuple(row[name] or "" for name in FIELDS) for row in self.there(book))
            assert theirs == mine, book.company_id
        assert len({row[2] for row in mine}) == len(mine)

    def requests(self) -> int:
        systems = (self.crm, *self.books())
        return sum(len(system.received) for system in systems)

    async def comes_to_rest(self) -> None:
        """Everything arrives, and then nothing is written, however often it is looked."""
        await self.wait(130)
        await self.settle()
        before = self.requests()
        for _ in range(2):
            await self.wait(130)
            await self.run_once()
        assert self.requests() == before, "they write to each other without end"

    async def begin(self) -> str:
        """A customer that is linked in both companies; its id in the CRM."""
        company = self.make_company()
        self.make_deal(company, "1000.00")
        self.make_deal(company, "70.00", title="Second")
        await self.settle()
        assert [len(list(book.ledger.live("customers"))) for book in self.books()] == [1, 1]
        return company


def _customer(book: PlainBook) -> str:
    (row,) = book.ledger.live("customers")
    return str(row["id"])


@pytest.mark.parametrize("first", ["crm", "one", "other"])
def test_a_person_is_in_both_companies_once(
    app_engine: SqlEngine, owner_engine: SqlEngine, first: str
) -> None:
    """Who is put in on one of the three sides is on all, and edits of each reach the others."""

    async def tell(world: Shared) -> None:
        company = await world.begin()
        ann = {"given": "Ann", "family": "Ek", "email": "ann@kund.example", "phone": "08-1"}
        if first == "crm":
            world.in_crm("create_contact", company=company, **ann)
        else:
            book = world.book if first == "one" else world.other
            world.in_books(book, "create_contact", customer=_customer(book), **ann)
        await world.comes_to_rest()
        assert len(world.here()) == 1
        world.alike()

        # One field after the other, on each of the three sides.
        (mine,) = world.here()
        world.in_crm("edit_contact", contact=mine["id"], title="CFO")
        await world.comes_to_rest()
        world.alike()
        assert world.here()[0]["title"] == "CFO"
        for number, book in enumerate(world.books(), 2):
            (row,) = world.there(book)
            world.in_books(book, "edit_contact", contact=row["id"], phone=f"08-{number}")
            await world.comes_to_rest()
            assert world.here()[0]["phone"] == f"08-{number}"
            world.alike()
        assert world.exceptions() == []

    play_two(app_engine, owner_engine, f"persons-{first}", tell, Shared, contacts=BOTH)


def test_both_companies_knew_the_person_before(
    app_engine: SqlEngine, owner_engine: SqlEngine
) -> None:
    """The same address in both books and in the CRM is one person; what is empty is filled."""

    async def tell(world: Shared) -> None:
        company = await world.begin()
        for book, more in zip(world.books(), ({"phone": "08-1"}, {"title": "CFO"}), strict=True):
            values = {"given": "Ann", "family": "Ek", "email": "Ann@Kund.example", **more}
            world.in_books(book, "create_contact", customer=_customer(book), **values)
        world.in_crm(
            "create_contact", company=company, given="Ann", family="Ek", email="Ann@Kund.example"
        )
        await world.comes_to_rest()
        world.alike()
        (mine,) = world.here()
        assert (mine["phone"], mine["title"]) == ("08-1", "CFO")
        assert world.exceptions() == []

    play_two(app_engine, owner_engine, "persons-before", tell, Shared, contacts=BOTH)


@pytest.mark.parametrize("policy", [BOTH, OWNED], ids=["latest", "books"])
def test_both_companies_change_one_field_at_once(
    app_engine: SqlEngine, owner_engine: SqlEngine, policy: ContactPolicy
) -> None:
    """One of the two values is everywhere in the end, and nobody writes it back and forth."""

    async def tell(world: Shared) -> None:
        company = await world.begin()
        ann = {"given": "Ann", "family": "Ek", "email": "ann@kund.example", "phone": "08-0"}
        world.in_crm("create_contact", company=company, **ann)
        await world.comes_to_rest()
        world.alike()
        for number, book in enumerate(world.books(), 1):
            (row,) = world.there(book)
            world.in_books(book, "edit_contact", contact=row["id"], phone=f"08-{number}")
        await world.comes_to_rest()
        world.alike()
        assert world.here()[0]["phone"] in ("08-1", "08-2")

        # And where the CRM changes it together with one company.
        (mine,), (row,) = world.here(), world.there(world.other)
        world.in_crm("edit_contact", contact=mine["id"], phone="08-3")
        world.in_books(world.other, "edit_contact", contact=row["id"], phone="08-4")
        await world.comes_to_rest()
        world.alike()
        # Where the books own the field it is the company's that the CRM shows.
        wanted = ("08-1",) if policy is OWNED else ("08-3", "08-4")
        assert world.here()[0]["phone"] in wanted

    name = f"persons-at-once-{'books' if policy is OWNED else 'latest'}"
    play_two(app_engine, owner_engine, name, tell, Shared, contacts=policy)


def test_who_leaves_one_company_is_nobody_twice(
    app_engine: SqlEngine, owner_engine: SqlEngine
) -> None:
    """Out of use, deleted, and a new address: no second record on any side."""

    async def tell(world: Shared) -> None:
        company = await world.begin()
        for name in ("ann", "bo"):
            email = f"{name}@kund.example"
            world.in_crm("create_contact", company=company, given=name, family="Ek", email=email)
        await world.comes_to_rest()
        world.alike()
        ann = next(row for row in world.there(world.other) if row["given"] == "ann")
        world.in_books(world.other, "edit_contact", contact=ann["id"], email="ann.ek@kund.example")
        await world.comes_to_rest()
        world.alike()
        assert len(world.here()) == 2
        bo = next(row for row in world.there(world.book) if row["given"] == "bo")
        world.in_books(world.book, "delete_contact", contact=bo["id"])
        await world.comes_to_rest()
        # A deletion is told, and nobody is made again or taken away elsewhere.
        assert [row["given"] for row in world.there(world.book)] == ["ann"]
        assert sorted(row["given"] for row in world.here()) == ["ann", "bo"]
        assert sorted(row["given"] for row in world.there(world.other)) == ["ann", "bo"]

    play_two(app_engine, owner_engine, "persons-leave", tell, Shared, contacts=BOTH)
