"""Persons of accounts: made and changed one by one, found by address after a lost answer."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

import pytest

from support.inprocess_salesforce import Rig, rig
from support.salesforce_writing import doubt, prepared, write
from tieout.connectors.http.json import loads
from tieout.core.change import (
    Action,
    Applied,
    Change,
    Fate,
    FateKind,
    Refused,
    Rejected,
    Stale,
    Unknown,
    Wanted,
)
from tieout.core.model import Contact, Entity, ExternalRef
from tieout.ports import Selection

PERSONS = Selection(entity=Entity.CONTACT, extra=("Billing_Contact__c",), shape="s")
ALL = frozenset({"given", "family", "email", "phone", "mobile", "title", "customer"})
KEY = "K" * 13 + "M00"


def awaited(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """The test on a loop of its own."""

    @functools.wraps(test)
    def run(**given: Any) -> None:
        asyncio.run(test(**given))

    return run


@pytest.fixture
def org() -> Rig:
    found = rig()
    for name in ("account", "other"):
        found.made[name] = found.act("create_account", name=f"{name} AB")["id"]
    return found


def person(org: Rig, **more: Any) -> Contact:
    values = {
        "customer": ExternalRef("sf", "customer", org.made["account"]),
        "given": "Ann",
        "family": "Ek",
        "email": "ann@kund.example",
        "phone": "08-1",
        **more,
    }
    return Contact(**values)


def made(record: Contact, key: str = KEY) -> Change:
    return Change(
        key=key,
        entity=Entity.CONTACT,
        action=Action.CREATE,
        wanted=Wanted(record=record, fields=ALL),
    )


def changed(ref: ExternalRef, record: Contact, *fields: str) -> Change:
    return Change(
        key=KEY,
        entity=Entity.CONTACT,
        action=Action.UPDATE,
        wanted=Wanted(record=record, fields=frozenset(fields)),
        target=ref,
    )


async def all_of(org: Rig) -> list[Contact]:
    found: list[Contact] = []
    async for page in org.connector.changes_since(PERSONS, None):
        found += [record for record in page.records if isinstance(record, Contact)]
    return found


@awaited
async def test_a_person_is_made_with_what_is_known_of_it(org: Rig) -> None:
    (outcome,) = await write(org, made(person(org, title="CFO", mobile="070-1")))
    assert isinstance(outcome, Applied)
    (read,) = await org.connector.get([outcome.ref], PERSONS)
    assert isinstance(read, Contact)
    assert read.ref == outcome.ref
    assert (read.given, read.family, read.email) == ("Ann", "Ek", "ann@kund.example")
    assert (read.phone, read.mobile, read.title) == ("08-1", "070-1", "CFO")
    assert read.customer == ExternalRef("sf", "customer", org.made["account"])
    assert read.extra == {"Billing_Contact__c": False}
    (item,) = await prepared(org, made(person(org)))
    assert isinstance(item.shows, Contact)
    assert (item.shows.family, item.shows.customer) == ("Ek", read.customer)


@awaited
async def test_who_has_no_family_name_gets_a_dash_and_a_long_one_is_cut(org: Rig) -> None:
    (nameless,) = await prepared(org, made(person(org, family="")))
    assert loads(nameless.body)["LastName"] == "-"
    assert isinstance(nameless.shows, Contact)
    assert nameless.shows.family == "-"
    (long,) = await prepared(org, made(person(org, family="E" * 100)))
    assert isinstance(long.shows, Contact)
    assert len(long.shows.family) == 80
    assert long.shows.family == loads(long.body)["LastName"]


@awaited
async def test_only_what_differs_is_sent_and_an_edit_meanwhile_is_not_overwritten(
    org: Rig,
) -> None:
    (outcome,) = await write(org, made(person(org)))
    assert isinstance(outcome, Applied)
    record = person(org, phone="08-2", title="CEO")
    (item,) = await prepared(org, changed(outcome.ref, record, "phone", "title", "given"))
    assert loads(item.body) == {"Phone": "08-2", "Title": "CEO"}
    assert item.read is not None
    assert isinstance(item.shows, Contact)
    assert (item.shows.phone, item.shows.title, item.shows.given) == ("08-2", "CEO", "Ann")
    org.clock.advance(5)
    org.act("edit_record", id=outcome.ref.id, fields={"Phone": "08-9"})
    assert isinstance((await org.connector.send(org.connector.pack([item])[0]))[0], Stale)

    (same,) = await prepared(org, changed(outcome.ref, replace(record, phone="08-9"), "phone"))
    assert same.body == b""
    (done,) = await org.connector.send(org.connector.pack([same])[0])
    assert isinstance(done, Applied)
    assert done.ref == outcome.ref


@awaited
async def test_a_person_moves_to_another_account(org: Rig) -> None:
    (outcome,) = await write(org, made(person(org)))
    assert isinstance(outcome, Applied)
    there = ExternalRef("sf", "customer", org.made["other"])
    (moved,) = await write(org, changed(outcome.ref, person(org, customer=there), "customer"))
    assert isinstance(moved, Applied)
    (read,) = await all_of(org)
    assert read.customer == there


@awaited
async def test_a_lost_answer_is_found_by_the_address_at_its_account_only(org: Rig) -> None:
    elsewhere = ExternalRef("sf", "customer", org.made["other"])
    assert isinstance((await write(org, made(person(org, customer=elsewhere))))[0], Applied)
    (item,) = await prepared(org, made(person(org, email="Ann@KUND.example")))
    before = replace(doubt(item), key13=KEY[:13])
    (absent,) = await org.connector.find_by_key([before])
    assert (absent.hits, absent.complete) == ((), True)

    org.fault("drop_after_commit", method="POST", path="*", times=1)
    (wire,) = org.connector.pack([item])
    assert isinstance((await org.connector.send(wire))[0], Unknown)
    (sight,) = await org.connector.find_by_key([before])
    (hit,) = sight.hits
    assert hit.key == KEY
    assert isinstance(hit.record, Contact)
    assert hit.record.customer == ExternalRef("sf", "customer", org.made["account"])
    assert sight.began_at <= sight.vendor_time


@awaited
async def test_an_update_in_doubt_is_looked_at_where_it_stands(org: Rig) -> None:
    (outcome,) = await write(org, made(person(org)))
    assert isinstance(outcome, Applied)
    (item,) = await prepared(org, changed(outcome.ref, person(org, phone="08-2"), "phone"))
    (sight,) = await org.connector.find_by_key([doubt(item)])
    assert isinstance(sight.target, Contact)
    assert sight.target.phone == "08-1"


@awaited
async def test_a_merge_and_a_deletion_are_told(org: Rig) -> None:
    refs = []
    for number in range(3):
        record = person(org, email=f"p{number}@kund.example")
        (outcome,) = await write(org, made(record, f"{number}" * 13 + "M00"))
        assert isinstance(outcome, Applied)
        refs.append(outcome.ref)
    org.act("merge_contacts", winner=refs[0].id, losers=[refs[1].id])
    org.act("delete_record", id=refs[2].id)
    fates = await org.connector.trace(refs)
    assert [fate.kind for fate in fates] == [
        FateKind.PRESENT,
        FateKind.MERGED,
        FateKind.DELETED,
    ]
    assert isinstance(fates[1], Fate)
    assert fates[1].into == refs[0]
    gone = changed(refs[2], person(org), "phone")
    (refused,) = await org.connector.prepare([gone])
    assert isinstance(refused, Refused)
    assert refused.stale


@awaited
async def test_what_the_org_refuses_is_said_in_words(org: Rig) -> None:
    nowhere = ExternalRef("sf", "customer", "001000000000000AAA")
    (outcome,) = await write(org, made(person(org, customer=nowhere)))
    assert isinstance(outcome, (Rejected, Stale))
    void = replace(made(person(org)), action=Action.VOID)
    (refused,) = await org.connector.prepare([void])
    assert isinstance(refused, Refused)
    assert refused.findings[0].code == "action_not_possible"


def test_what_is_held_of_a_person_is_declared() -> None:
    has = rig().connector.abilities.of(Entity.CONTACT)
    assert has.fields == ALL
    assert has.actions == {Action.CREATE, Action.UPDATE}
    # A contact of Salesforce has no field that says whether it is in use.
    assert "active" not in has.fields
