"""Values of one picklist field: added without losing anything, whatever the org's answer is."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any

import pytest

from support.inprocess_salesforce import Rig, records, rig
from tieout.core.change import (
    Action,
    Applied,
    Change,
    Doubt,
    Outcome,
    Prepared,
    Refused,
    Rejected,
    Stale,
    Unknown,
    Wanted,
)
from tieout.core.keys import KeyKind, Slot, operation_key
from tieout.core.model import Code, Entity, ExternalRef, ValueList
from tieout.core.value_list import wanted_values
from tieout.ports import Selection

NAME = "Account.Terms__c"
WANT = Selection(entity=Entity.VALUES, kinds=frozenset({NAME}), shape="s")
KEY = operation_key(Slot(crm_org="o", source_id="terms", company="b", kind=KeyKind.VALUES), 0)
REF = ExternalRef("sf", "values", NAME)
FIELD = "/services/data/v68.0/tooling/sobjects/CustomField/*"
CODES = tuple(
    Code(kind="terms", code=code, name=name, active=True)
    for code, name in (("30", "30 days"), ("14", "14"))
)


def run(story: Coroutine[Any, Any, None]) -> None:
    asyncio.run(story)


@pytest.fixture
def org() -> Rig:
    found = rig()
    found.act(
        "create_picklist",
        object="Account",
        field="Terms__c",
        values=["Cash", "Net 30"],
        restricted=True,
    )
    return found


def listed(found: Rig, place: str = NAME) -> dict[str, Any]:
    rows = found.simulator.entities()["CustomField"]()
    return next(row for row in rows if row["FullName"] == place)


def in_use(found: Rig) -> dict[str, bool]:
    return {one["code"]: one["active"] for one in listed(found)["values"]}


async def read(found: Rig, want: Selection = WANT) -> ValueList:
    (only,) = records(await found.read(want))
    assert isinstance(only, ValueList)
    return only


async def change(found: Rig, codes: tuple[Code, ...] = CODES) -> Change:
    shown = await read(found)
    wanted = wanted_values(codes, shown, None, "name")
    return Change(
        key=KEY,
        entity=Entity.VALUES,
        action=Action.UPDATE,
        wanted=Wanted(record=wanted, fields=frozenset({"values"})),
        target=REF,
        base=shown,
    )


async def prepared(found: Rig, what: Change) -> Prepared:
    (made,) = await found.connector.prepare([what])
    assert isinstance(made, Prepared), made
    return made


async def send(found: Rig, made: Prepared) -> Outcome:
    (wire,) = found.connector.pack([made])
    (outcome,) = await found.connector.send(wire)
    return outcome


def doubt(made: Prepared, found: Rig) -> Doubt:
    return Doubt(
        key=KEY,
        key13=KEY[:13],
        entity=Entity.VALUES,
        action=Action.UPDATE,
        target=REF,
        bodies=(made.body,),
        witness=made.witness,
        customers=(),
        first_sent_at=found.clock.now(),
    )


def test_codes_are_added_and_all_else_stays(org: Rig) -> None:
    async def story() -> None:
        org.act("edit_values", list=NAME, relabel={"Net 30": "Thirty"}, close=["Cash"])
        made = await prepared(org, await change(org))
        outcome = await send(org, made)
        assert isinstance(outcome, Applied), outcome
        assert outcome.ref == REF
        assert in_use(org) == {"Cash": False, "Net 30": True, "14": True, "30": True}
        field = listed(org)
        assert (field["label"], field["restricted"]) == ("Terms", True)
        assert [one["label"] for one in field["values"]] == ["Cash", "Thirty", "14", "30 days"]
        # A row takes the new code at once, and no text that nobody offers.
        account = org.act("create_account", name="A", fields={"Terms__c": "30"})
        assert account["id"]
        # What is in step is not written again.
        again = await change(org)
        assert again.wanted is not None
        assert again.base is not None
        assert again.wanted.record.values == again.base.values  # type: ignore[union-attr]

    run(story())


def test_what_a_person_did_since_the_read_is_seen(org: Rig) -> None:
    async def story() -> None:
        decided = await change(org)
        org.act("edit_values", list=NAME, add=["Mine"])
        made = await prepared(org, decided)
        # The engine decides anew on this; and even if it did not, nothing would be left out.
        assert isinstance(made.read, ValueList)
        assert decided.base is not None
        assert made.read.values != decided.base.values  # type: ignore[union-attr]
        assert isinstance(await send(org, made), Applied)
        assert in_use(org) == {"Cash": True, "Net 30": True, "Mine": True, "14": True, "30": True}

    run(story())


def test_an_edit_between_preparing_and_sending_keeps_the_write_back(org: Rig) -> None:
    async def story() -> None:
        made = await prepared(org, await change(org))
        org.act("edit_values", list=NAME, add=["Mine"], close=["Cash"])
        assert isinstance(await send(org, made), Stale)
        assert in_use(org) == {"Cash": False, "Net 30": True, "Mine": True}

    run(story())


def test_an_edit_to_a_global_set_in_that_moment_keeps_the_deployment_back() -> None:
    async def story() -> None:
        org = rig()
        org.act("create_value_set", name="Terms", values=["Cash"])
        want = replace(WANT, kinds=frozenset({"Terms"}))
        shown = await read(org, want)
        what = Change(
            key=KEY,
            entity=Entity.VALUES,
            action=Action.UPDATE,
            wanted=Wanted(record=wanted_values(CODES, shown, None, "name"), fields=frozenset()),
            target=ExternalRef("sf", "values", "Terms"),
            base=shown,
        )
        made = await prepared(org, what)
        org.act("edit_values", list="Terms", add=["Mine"])
        assert isinstance(await send(org, made), Stale)
        assert [one.code for one in (await read(org, want)).values] == ["Cash", "Mine"]

    run(story())


@pytest.mark.parametrize("minds", [False, True])
def test_an_org_may_mind_the_stamp_or_not(org: Rig, *, minds: bool) -> None:
    async def story() -> None:
        org.act("set_switch", name="tooling_preconditions", value=minds)
        org.clock.advance(5)
        assert isinstance(await send(org, await prepared(org, await change(org))), Applied)
        assert in_use(org)["30"]

    run(story())


@pytest.mark.parametrize("omitted", ["inactive", "gone"])
@pytest.mark.parametrize("shown", [False, True])
def test_values_out_of_use_may_be_told_or_not(omitted: str, *, shown: bool) -> None:
    async def story() -> None:
        org = rig()
        org.act("create_picklist", object="Account", field="Terms__c", values=["Cash", "Old"])
        org.act("set_switch", name="omitted_values", value=omitted)
        org.act("set_switch", name="inactive_values_shown", value=shown)
        org.act("edit_values", list=NAME, close=["Old"])
        assert isinstance(await send(org, await prepared(org, await change(org))), Applied)
        assert in_use(org)["Cash"]
        assert not in_use(org).get("Old", False)
        assert in_use(org)["30"]
        # One that the books close goes out of use, and comes back with them.
        closed = (replace(CODES[0], active=False), CODES[1])
        assert isinstance(await send(org, await prepared(org, await change(org, closed))), Applied)
        assert not in_use(org).get("30", False)
        quiet = await change(org, closed)
        assert quiet.wanted is not None
        assert quiet.base is not None
        assert quiet.wanted.record.values == quiet.base.values  # type: ignore[union-attr]
        assert isinstance(await send(org, await prepared(org, await change(org))), Applied)
        assert in_use(org)["30"]

    run(story())


@pytest.mark.parametrize(
    ("place", "value_set"),
    [
        ("Account.Industry", ""),
        ("Account.Nobodys__c", ""),
        ("Account.Shared__c", "Terms"),
        ("Nothing__c.Terms__c", ""),
        ("Opportunity.Erp_Status__c", ""),
    ],
)
def test_only_a_custom_field_with_values_of_its_own_is_a_list(place: str, value_set: str) -> None:
    async def story() -> None:
        org = rig()
        if value_set:
            org.act("create_value_set", name=value_set, values=["Cash"])
            org.act("create_picklist", object="Account", field="Shared__c", value_set=value_set)
        assert records(await org.read(replace(WANT, kinds=frozenset({place})))) == []
        what = Change(
            key=KEY,
            entity=Entity.VALUES,
            action=Action.UPDATE,
            wanted=Wanted(record=ValueList(name=place), fields=frozenset()),
            target=ExternalRef("sf", "values", place),
        )
        (refused,) = await org.connector.prepare([what])
        assert isinstance(refused, Refused)
        assert [finding.code for finding in refused.findings] == ["value_list_missing"]

    run(story())


def test_what_the_org_does_not_take_is_said(org: Rig) -> None:
    async def story() -> None:
        same = (replace(CODES[0], name="cash"), CODES[1])
        outcome = await send(org, await prepared(org, await change(org, same)))
        assert isinstance(outcome, Rejected)
        assert "Duplicate label" in outcome.findings[0].message
        assert in_use(org) == {"Cash": True, "Net 30": True}

    run(story())


def test_a_user_without_the_right_is_told(org: Rig) -> None:
    async def story() -> None:
        made = await prepared(org, await change(org))
        org.act("set_switch", name="metadata_rights", value=False)
        outcome = await send(org, made)
        assert isinstance(outcome, Rejected)
        assert outcome.findings[0].code == "rights_missing"

    run(story())


def test_a_lost_answer_is_looked_for_and_never_sent_over_an_edit(org: Rig) -> None:
    async def story() -> None:
        made = await prepared(org, await change(org))
        org.simulator.faults.add({"kind": "drop_after_commit", "method": "PATCH", "path": FIELD})
        outcome = await send(org, made)
        assert isinstance(outcome, Unknown), outcome
        (sight,) = await org.connector.find_by_key([doubt(made, org)])
        assert sight.complete
        assert isinstance(sight.target, ValueList)
        assert made.shows is not None
        assert sight.target.values == made.shows.values  # type: ignore[union-attr]
        # The same request once more: the field is not what it was decided on.
        org.act("edit_values", list=NAME, add=["Mine"])
        assert isinstance(await send(org, made), Stale)
        assert in_use(org)["Mine"]

    run(story())


def test_a_field_that_was_made_anew_is_found_under_its_new_id(org: Rig) -> None:
    async def story() -> None:
        await read(org)
        installed = org.simulator.org.installed
        number = installed.field_numbers.pop(NAME)
        installed.field_numbers["Account.Gone__c"] = number
        assert records(await org.read(WANT)) == []
        assert len((await read(org)).values) == 2

    run(story())


def test_a_restored_org_has_its_fields(org: Rig) -> None:
    async def story() -> None:
        assert isinstance(await send(org, await prepared(org, await change(org))), Applied)
        before = in_use(org)
        org.simulator.load_state(org.simulator.state())
        assert in_use(org) == before
        assert len((await read(org)).values) == 4

    run(story())
