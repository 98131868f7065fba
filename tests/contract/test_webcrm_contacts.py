"""Persons of organisations: made and changed one by one, found by address, never deleted."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from support.webcrm_rig import NAME, Rig, prepared, records, rig
from tieout.connectors.http.json import loads
from tieout.core.change import (
    Action,
    Applied,
    Change,
    Doubt,
    Prepared,
    Refused,
    Rejected,
    Sight,
    Stale,
    Unknown,
    Wanted,
)
from tieout.core.model import Contact, Entity, ExternalRef
from tieout.ports import Selection

PERSONS = Selection(entity=Entity.CONTACT, extra=("PersonCheckMark1",), shape="p")
FIELDS = frozenset({"given", "family", "email", "phone", "mobile", "title", "active"})
KEY = "K" * 13 + "M00"


def run(story: Any) -> None:
    asyncio.run(story)


def at(number: int) -> ExternalRef:
    return ExternalRef(NAME, "customer", f"organisation:{number}")


def person(owner: int, **more: Any) -> Contact:
    values: dict[str, Any] = {"given": "Ann", "family": "Ek", "email": "ann@kund.example"}
    return Contact(customer=at(owner), **{**values, **more})


def create(record: Contact) -> Change:
    return Change(
        key=KEY,
        entity=Entity.CONTACT,
        action=Action.CREATE,
        wanted=Wanted(record=record, fields=FIELDS | {"customer"}),
    )


def update(ref: ExternalRef, record: Contact, *fields: str) -> Change:
    return Change(
        key=KEY,
        entity=Entity.CONTACT,
        action=Action.UPDATE,
        wanted=Wanted(record=record, fields=frozenset(fields)),
        target=ref,
    )


async def write(found: Rig, change: Change) -> tuple[Prepared, Any]:
    (made,) = await prepared(found, change)
    (wire,) = found.connector.pack([made])
    (outcome,) = await found.connector.send(wire)
    return made, outcome


async def look(found: Rig, change: Change, made: Prepared) -> Sight:
    owner = change.wanted.record.customer if change.wanted else None  # type: ignore[union-attr]
    doubt = Doubt(
        key=change.key,
        key13=change.key[:13],
        entity=Entity.CONTACT,
        action=change.action,
        target=change.target,
        bodies=(made.body,),
        witness=made.witness,
        customers=(owner,) if owner else (),
        first_sent_at=found.clock.now(),
    )
    (sight,) = await found.connector.find_by_key([doubt])
    return sight


def test_a_person_is_made_and_read_as_it_was_sent() -> None:
    async def story() -> None:
        found = rig()
        owner = found.organisation()
        record = person(owner, phone="08-1", mobile="070-1", title="CFO")
        made, outcome = await write(found, create(record))
        assert isinstance(outcome, Applied)
        assert loads(made.body)["PersonOrganisationId"] == owner
        shown = records(await found.read(PERSONS))[outcome.ref.id]
        assert isinstance(shown, Contact)
        values = [getattr(shown, name) for name in ("given", "family", "email", "customer")]
        assert values == ["Ann", "Ek", "ann@kund.example", at(owner)]
        assert (shown.phone, shown.mobile, shown.title, shown.active) == (
            *("08-1", "070-1", "CFO"),
            True,
        )
        assert shown.extra == {"PersonCheckMark1": False}
        assert isinstance(made.shows, Contact)
        assert all(getattr(made.shows, name) == getattr(shown, name) for name in FIELDS)

    run(story())


def test_no_last_name_is_a_dash_and_comes_back_as_none() -> None:
    async def story() -> None:
        found = rig()
        made, outcome = await write(found, create(person(found.organisation(), family="")))
        assert isinstance(outcome, Applied)
        assert loads(made.body)["PersonLastName"] == "-"
        shown = records(await found.read(PERSONS))[outcome.ref.id]
        assert isinstance(shown, Contact)
        assert shown.family == ""

    run(story())


def test_only_what_differs_is_sent_and_who_is_gone_is_resigned() -> None:
    async def story() -> None:
        found = rig()
        owner = found.organisation()
        _, outcome = await write(found, create(person(owner)))
        record = person(owner, phone="08-2", active=False)
        made, done = await write(found, update(outcome.ref, record, *FIELDS))
        assert isinstance(done, Applied)
        sent = loads(made.body)
        assert sent.keys() == {"PersonId", "PersonDirectPhone", "PersonStatus"}
        assert sent["PersonStatus"] == "Resigned"
        shown = records(await found.read(PERSONS))[outcome.ref.id]
        assert isinstance(shown, Contact)
        assert (shown.phone, shown.active) == ("08-2", False)

        calls = len(found.writes())
        same, again = await write(found, update(outcome.ref, record, "phone", "active"))
        assert (same.body, again.ref) == (b"", outcome.ref)
        assert len(found.writes()) == calls

    run(story())


def test_nobody_is_moved_to_another_organisation() -> None:
    found = rig()
    has = found.connector.abilities.of(Entity.CONTACT)
    assert has.fields == FIELDS
    assert "customer" not in has.fields


def test_a_lost_answer_is_found_by_the_address_at_its_organisation_only() -> None:
    async def story() -> None:
        found = rig()
        owner, other = found.organisation(), found.organisation("Annan AB")
        await write(found, create(person(other)))
        change = create(person(owner, email="Ann@KUND.example"))
        (made,) = await prepared(found, change)
        sight = await look(found, change, made)
        assert (sight.hits, sight.complete) == ((), True)

        found.fault("drop_after_commit", method="POST", path="*", times=1)
        (outcome,) = await found.connector.send(found.connector.pack([made])[0])
        assert isinstance(outcome, Unknown)
        (hit,) = (await look(found, change, made)).hits
        assert hit.key == KEY
        assert isinstance(hit.record, Contact)
        assert hit.record.customer == at(owner)

    run(story())


def test_an_update_in_doubt_is_looked_at_where_it_stands() -> None:
    async def story() -> None:
        found = rig()
        owner = found.organisation()
        _, outcome = await write(found, create(person(owner)))
        change = update(outcome.ref, person(owner, phone="08-2"), "phone")
        (made,) = await prepared(found, change)
        sight = await look(found, change, made)
        assert isinstance(sight.target, Contact)
        assert sight.target.phone == ""
        missing = replace(change, target=ExternalRef(NAME, "contact", "person:1"))
        gone = await look(found, missing, made)
        assert gone.target_gone

    run(story())


def test_what_webcrm_refuses_is_said_in_words() -> None:
    async def story() -> None:
        found = rig()
        _, outcome = await write(found, create(person(77_777)))
        assert isinstance(outcome, Rejected)
        assert outcome.findings[0].message
        owner = found.organisation()
        (refused,) = await found.connector.prepare(
            [update(ExternalRef(NAME, "contact", "person:1"), person(owner), "phone")]
        )
        assert isinstance(refused, Refused)
        assert refused.stale
        (void,) = await found.connector.prepare(
            [replace(create(person(owner)), action=Action.VOID)]
        )
        assert isinstance(void, Refused)
        assert void.findings[0].code == "action_not_possible"

    run(story())


def test_too_many_calls_and_a_vanished_person_are_no_doubt() -> None:
    async def story() -> None:
        found = rig()
        owner = found.organisation()
        _, outcome = await write(found, create(person(owner)))
        (made,) = await prepared(found, update(outcome.ref, person(owner, phone="1"), "phone"))
        (wire,) = found.connector.pack([made])
        found.fault("status", method="PUT", path="*", times=1, status=404)
        assert isinstance((await found.connector.send(wire))[0], Stale)

    run(story())
