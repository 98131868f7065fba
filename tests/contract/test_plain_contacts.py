"""Persons in the plain pair: made, read, changed, moved, and found again by their address."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any

import pytest

from support.plain_pair import BookRig, CrmRig, book_rig, crm_rig, records
from tieout.core.change import (
    Action,
    Applied,
    Change,
    Doubt,
    FateKind,
    Outcome,
    Prepared,
    Sight,
    Stale,
    Unknown,
    Wanted,
)
from tieout.core.model import Contact, Entity, ExternalRef
from tieout.ports import Selection
from tieout_sandbox.plain import Variant

PERSONS = Selection(entity=Entity.CONTACT, shape="p")
FIELDS = frozenset({"given", "family", "email", "phone", "mobile", "title", "active"})
KEY = "K" * 13 + "N00"
ANN: dict[str, Any] = {"given": "Ann", "family": "Ek", "email": "ann@kund.example"}
Rig = BookRig | CrmRig


def run(story: Coroutine[Any, Any, None]) -> None:
    asyncio.run(story)


def start(side: str, **variant: Any) -> tuple[Rig, ExternalRef, ExternalRef]:
    """A system with two customers."""
    if side == "books":
        book = book_rig(Variant(**variant))
        return book, book.customer(), book.customer("Annan AB")
    crm = crm_rig()
    ids = [crm.act("create_company", name=name)["id"] for name in ("Kund AB", "Annan AB")]
    return crm, *(ExternalRef("crm", "customer", one) for one in ids)


def create(customer: ExternalRef, **more: Any) -> Change:
    record = Contact(customer=customer, active=True, **{**ANN, **more})
    wanted = Wanted(record=record, fields=FIELDS | {"customer"})
    return Change(key=KEY, entity=Entity.CONTACT, action=Action.CREATE, wanted=wanted)


def update(base: Contact, **values: Any) -> Change:
    return Change(
        key=KEY,
        entity=Entity.CONTACT,
        action=Action.UPDATE,
        wanted=Wanted(record=replace(base, **values), fields=frozenset(values)),
        target=base.ref,
        base=base,
        version=base.version,
    )


async def send(rig: Rig, change: Change) -> tuple[Prepared, Outcome]:
    (made,) = await rig.connector.prepare([change])
    assert isinstance(made, Prepared), made
    (wire,) = rig.connector.pack([made])
    (outcome,) = await rig.connector.send(wire)
    return made, outcome


async def look(rig: Rig, change: Change, made: Prepared, customer: ExternalRef) -> Sight:
    asked = Doubt(
        key=change.key,
        key13=change.key[:13],
        entity=change.entity,
        action=change.action,
        target=change.target,
        bodies=(made.body,),
        witness=made.witness,
        customers=(customer,),
        first_sent_at=rig.clock.now(),
    )
    (sight,) = await rig.connector.find_by_key([asked])
    return sight


async def one(rig: Rig, ref: ExternalRef | None) -> Contact:
    assert ref is not None
    (found,) = await rig.connector.get([ref], PERSONS)
    assert isinstance(found, Contact)
    return found


def rows(rig: Rig) -> list[Any]:
    where = rig.book.ledger if isinstance(rig, BookRig) else rig.crm.rows
    return list(where.live("contacts"))


SIDES = pytest.mark.parametrize("side", ["books", "crm"])


@SIDES
def test_a_person_is_made_read_changed_and_moved(side: str) -> None:
    async def story() -> None:
        rig, customer, other = start(side)
        _, outcome = await send(rig, create(customer, phone="08-1", title="CFO"))
        assert isinstance(outcome, Applied), outcome
        made = await one(rig, outcome.ref)
        assert (made.name, made.email, made.phone, made.title) == (
            "Ann Ek",
            "ann@kund.example",
            "08-1",
            "CFO",
        )
        assert (made.customer, made.active, made.shape) == (customer, True, "p")
        (listed,) = records(await rig.read(PERSONS))
        assert listed == made
        changed = update(made, phone="", mobile="070-1", customer=other, active=False)
        _, outcome = await send(rig, changed)
        assert isinstance(outcome, Applied), outcome
        now = await one(rig, outcome.ref)
        assert (now.phone, now.mobile, now.customer, now.active) == ("", "070-1", other, False)
        # What was not named stays.
        assert (now.title, now.email) == ("CFO", "ann@kund.example")

    run(story())


@SIDES
def test_a_lost_create_is_found_once(side: str) -> None:
    async def story() -> None:
        rig, customer, _ = start(side)
        change = create(customer)
        (made,) = await rig.connector.prepare([change])
        assert isinstance(made, Prepared)
        before = await look(rig, change, made, customer)
        assert (before.hits, before.target) == ((), None)
        rig.fault("drop_after_commit", method=made.method)
        _, outcome = await send(rig, change)
        assert isinstance(outcome, Unknown), outcome
        (hit,) = (await look(rig, change, made, customer)).hits
        assert isinstance(hit.record, Contact)
        assert (hit.record.customer, hit.record.email) == (customer, "ann@kund.example")
        assert len(rows(rig)) == 1

    run(story())


@SIDES
def test_a_person_who_is_gone_is_told(side: str) -> None:
    async def story() -> None:
        rig, customer, _ = start(side, tombstones=True)
        _, outcome = await send(rig, create(customer))
        assert isinstance(outcome, Applied)
        made = await one(rig, outcome.ref)
        pages = await rig.read(PERSONS)
        rig.act("delete_contact", contact=outcome.ref.id)
        (fate,) = await rig.connector.trace([outcome.ref])
        assert fate.kind is FateKind.DELETED
        (nothing,) = await rig.connector.get([outcome.ref], PERSONS)
        assert nothing is None
        gone = [ref.ref for page in await rig.read(PERSONS, pages[-1].cursor) for ref in page.gone]
        assert gone == [outcome.ref]
        keys = [
            key for part in [p async for p in rig.connector.keys(Entity.CONTACT)] for key in part
        ]
        assert keys == []
        (answer,) = await rig.connector.prepare([update(made, phone="08-2")])
        if isinstance(answer, Prepared):
            (wire,) = rig.connector.pack([answer])
            (late,) = await rig.connector.send(wire)
            assert isinstance(late, Stale), late
        else:
            assert answer.stale
        assert rows(rig) == []

    run(story())


def test_an_edit_in_the_books_since_the_read_keeps_the_write_back() -> None:
    async def story() -> None:
        rig, customer, _ = start("books", version_check=True)
        _, outcome = await send(rig, create(customer, phone="08-1"))
        assert isinstance(outcome, Applied)
        made = await one(rig, outcome.ref)
        rig.act("edit_contact", contact=outcome.ref.id, phone="08-9")
        _, late = await send(rig, update(made, phone="08-2"))
        assert isinstance(late, Stale), late
        assert (await one(rig, outcome.ref)).phone == "08-9"

    run(story())
