"""Contacts of customers in Visma.net: read by stamp, made, changed, moved, found by address."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from contract.connector_contract import doubt, look, new_customer, prepared, run, sent, write
from support.visma_net_rig import VismaNetRig
from tieout.connectors.http.json import loads
from tieout.core.change import (
    Action,
    Applied,
    Change,
    FateKind,
    Refused,
    Stale,
    Unknown,
    Wanted,
)
from tieout.core.model import Contact, Entity, ExternalRef
from tieout.ports import Selection

PERSONS = Selection(entity=Entity.CONTACT, extra=("position",), shape="p")
FIELDS = frozenset({"given", "family", "email", "phone", "mobile", "title", "active"})
KEY = "K" * 13 + "N00"


def create(customer: ExternalRef, key: str = KEY, **more: Any) -> Change:
    values: dict[str, Any] = {"given": "Ann", "family": "Ek", "email": "ann@kund.example"}
    return Change(
        key=key,
        entity=Entity.CONTACT,
        action=Action.CREATE,
        wanted=Wanted(
            record=Contact(customer=customer, **{**values, **more}),
            fields=FIELDS | {"customer"},
        ),
    )


def update(ref: ExternalRef, record: Contact, *fields: str) -> Change:
    return Change(
        key=KEY,
        entity=Entity.CONTACT,
        action=Action.UPDATE,
        wanted=Wanted(record=record, fields=frozenset(fields)),
        target=ref,
        base=record,
    )


async def one(rig: VismaNetRig, ref: ExternalRef) -> Contact:
    (found,) = await rig.connector.get([ref], PERSONS)
    assert isinstance(found, Contact)
    return found


async def read(rig: VismaNetRig, cursor: bytes | None = None) -> tuple[list[Contact], bytes]:
    found: list[Contact] = []
    async for page in rig.connector.changes_since(PERSONS, cursor):
        assert not page.unread
        found += [record for record in page.records if isinstance(record, Contact)]
        cursor = page.cursor or cursor
    assert cursor is not None
    return found, cursor


def test_a_person_is_made_and_read_as_it_was_sent() -> None:
    async def story() -> None:
        rig = VismaNetRig()
        customer = await new_customer(rig)
        change = create(customer, phone="08-1", mobile="070-1", title="CFO")
        made, outcome = await write(rig, change)
        body = loads(made.body)
        assert body["businessAccount"] == {"value": rig.customer_number(customer)}
        assert body["position"] == {"value": "CFO"}
        shown = await one(rig, outcome.ref)
        assert shown == replace(outcome.shows, extra=shown.extra, shape="p")  # type: ignore[type-var]
        assert (shown.given, shown.family, shown.email) == ("Ann", "Ek", "ann@kund.example")
        assert (shown.phone, shown.mobile, shown.title) == ("08-1", "070-1", "CFO")
        assert (shown.customer, shown.active) == (customer, True)
        assert shown.extra == {"position": "CFO"}
        assert isinstance(made.shows, Contact)
        assert all(getattr(made.shows, name) == getattr(shown, name) for name in FIELDS)

    run(story())


def test_many_are_read_page_by_page_and_then_only_what_changed() -> None:
    async def story() -> None:
        rig = VismaNetRig()
        customer = await new_customer(rig)
        refs = []
        for number in range(12):
            change = create(customer, f"{number:013d}N00", email=f"p{number}@kund.example")
            refs.append((await write(rig, change))[1].ref)
        found, cursor = await read(rig)
        assert {contact.ref for contact in found} == set(refs)
        keys = [ref async for part in rig.connector.keys(Entity.CONTACT) for ref, _ in part]
        assert set(keys) == set(refs)
        rig.clock.advance(4 * 3600)
        _, cursor = await read(rig, cursor)
        record = replace(await one(rig, refs[3]), phone="08-9")
        await write(rig, update(refs[3], record, "phone"))
        again, _ = await read(rig, cursor)
        assert [(contact.ref, contact.phone) for contact in again] == [(refs[3], "08-9")]

    run(story())


def test_no_last_name_is_a_dash_and_comes_back_as_none() -> None:
    async def story() -> None:
        rig = VismaNetRig()
        made, outcome = await write(rig, create(await new_customer(rig), family=""))
        assert loads(made.body)["lastName"] == {"value": "-"}
        assert (await one(rig, outcome.ref)).family == ""

    run(story())


def test_a_change_is_tied_to_the_version_that_was_read_and_clears_what_is_empty() -> None:
    async def story() -> None:
        rig = VismaNetRig()
        customer = await new_customer(rig)
        _, outcome = await write(rig, create(customer, phone="08-1"))
        shown = await one(rig, outcome.ref)
        record = replace(shown, phone="", active=False)
        late = await prepared(rig, update(outcome.ref, record, "phone", "active"))
        assert "If-Match" in late.headers
        assert loads(late.body).keys() == {"phone1", "active"}
        await write(rig, update(outcome.ref, replace(shown, title="CEO"), "title"))
        assert isinstance((await sent(rig, late))[1], Stale)
        await write(rig, update(outcome.ref, record, "phone", "active"))
        after = await one(rig, outcome.ref)
        assert (after.phone, after.active, after.title) == ("", False, "CEO")

    run(story())


def test_a_person_moves_to_another_customer() -> None:
    async def story() -> None:
        rig = VismaNetRig()
        first, second = await new_customer(rig), await new_customer(rig, "001B", name="Annan AB")
        _, outcome = await write(rig, create(first))
        record = replace(await one(rig, outcome.ref), customer=second)
        await write(rig, update(outcome.ref, record, "customer"))
        assert (await one(rig, outcome.ref)).customer == second

    run(story())


def test_a_lost_answer_is_found_by_the_address_at_its_customer_only() -> None:
    async def story() -> None:
        rig = VismaNetRig()
        first, second = await new_customer(rig), await new_customer(rig, "001B", name="Annan AB")
        await write(rig, create(second))
        change = create(first, email="Ann@KUND.example")
        made = await prepared(rig, change)
        asked = doubt(rig, change, made, first)
        sight = await look(rig, asked)
        assert (sight.hits, sight.complete) == ((), True)
        rig.sim.faults.add(
            {"kind": "drop_after_commit", "method": "POST", "path": "/v1/contact", "times": 1}
        )
        assert isinstance((await sent(rig, made))[1], Unknown)
        (hit,) = (await look(rig, asked)).hits
        assert hit.key == KEY
        assert isinstance(hit.record, Contact)
        assert hit.record.customer == first

    run(story())


def test_what_is_not_there_is_told() -> None:
    async def story() -> None:
        rig = VismaNetRig()
        customer = await new_customer(rig)
        nobody = ExternalRef(customer.connection, "contact", "99")
        (fate,) = await rig.connector.trace([nobody])
        assert fate.kind is FateKind.DELETED
        (refused,) = await rig.connector.prepare([update(nobody, Contact(), "phone")])
        assert isinstance(refused, Refused)
        assert refused.stale
        nowhere = create(ExternalRef(customer.connection, "customer", "99"))
        (refused,) = await rig.connector.prepare([nowhere])
        assert isinstance(refused, Refused)
        assert refused.stale
        _, outcome = await write(rig, create(customer))
        (fate,) = await rig.connector.trace([outcome.ref])
        assert (fate.kind, isinstance(fate.record, Contact)) == (FateKind.PRESENT, True)
        assert isinstance(outcome, Applied)

    run(story())
