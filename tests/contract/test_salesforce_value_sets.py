"""Global value sets of an org: read whole, written by a deployment, nothing taken away."""

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
    Unknown,
    Wanted,
)
from tieout.core.keys import KeyKind, Slot, operation_key
from tieout.core.model import Entity, ExternalRef, ListedValue, ValueList
from tieout.ports import Selection

WANT = Selection(entity=Entity.VALUES, kinds=frozenset({"Terms"}), shape="s")
KEY = operation_key(Slot(crm_org="o", source_id="terms>Terms", company="b", kind=KeyKind.VALUES), 0)
REF = ExternalRef("sf", "values", "Terms")
DEPLOY = "/services/data/v68.0/metadata/deployRequest"
OTHER = Selection(entity=Entity.VALUES, kinds=frozenset({"X"}))


def run(story: Coroutine[Any, Any, None]) -> None:
    asyncio.run(story)


@pytest.fixture
def org() -> Rig:
    found = rig()
    found.act("create_value_set", name="Terms", values=["Cash", "Net 30"])
    return found


def values(*rows: tuple[str, str, bool]) -> tuple[ListedValue, ...]:
    return tuple(ListedValue(code=code, label=label, active=active) for code, label, active in rows)


def change(*rows: tuple[str, str, bool], name: str = "Terms") -> Change:
    record = ValueList(name=name, values=values(*rows), ours=("30",))
    return Change(
        key=KEY,
        entity=Entity.VALUES,
        action=Action.UPDATE,
        wanted=Wanted(record=record, fields=frozenset({"values"})),
        target=ExternalRef("sf", "values", name),
    )


async def write(found: Rig, what: Change) -> tuple[Prepared, Outcome]:
    (made,) = await found.connector.prepare([what])
    assert isinstance(made, Prepared), made
    (wire,) = found.connector.pack([made])
    (outcome,) = await found.connector.send(wire)
    return made, outcome


async def read(found: Rig) -> ValueList:
    (only,) = records(await found.read(WANT))
    assert isinstance(only, ValueList)
    return only


MORE = (("Cash", "Cash", False), ("Net 30", "Net 30", True), ("30", "30 days & more", True))


def test_values_are_added_and_put_out_of_use(org: Rig) -> None:
    async def story() -> None:
        before = await read(org)
        assert (before.ref, before.shape) == (REF, "s")
        assert before.values == values(("Cash", "Cash", True), ("Net 30", "Net 30", True))
        made, outcome = await write(org, change(*MORE))
        assert isinstance(outcome, Applied), outcome
        assert outcome.ref == REF
        after = await read(org)
        assert after.values == values(*MORE)
        assert made.shows is not None
        assert made.shows.values == after.values  # type: ignore[union-attr]
        # The same bytes on every try, whatever the clock says.
        org.clock.advance(60)
        (again,) = await org.connector.prepare([change(*MORE)])
        assert isinstance(again, Prepared)
        assert org.connector.pack([again])[0].body == org.connector.pack([made])[0].body

    run(story())


def test_a_value_that_somebody_made_since_is_seen_before_the_set_is_written(org: Rig) -> None:
    async def story() -> None:
        base = await read(org)
        await write(org, change(*MORE))  # somebody else, in the meantime
        (made,) = await org.connector.prepare([replace(change(*MORE), base=base)])
        assert isinstance(made, Prepared)
        # The engine compares what was read for the write with the base, and decides anew.
        assert isinstance(made.read, ValueList)
        assert made.read.values == values(*MORE) != base.values

    run(story())


def test_a_set_that_is_not_there_is_named(org: Rig) -> None:
    async def story() -> None:
        (refused,) = await org.connector.prepare([change(*MORE, name="Nobodys")])
        assert isinstance(refused, Refused)
        assert [finding.code for finding in refused.findings] == ["value_list_missing"]
        assert (
            records(await org.read(Selection(entity=Entity.VALUES, kinds=frozenset({"X"})))) == []
        )

    run(story())


def test_what_the_org_does_not_take_is_said(org: Rig) -> None:
    async def story() -> None:
        _, outcome = await write(org, change(("A", "Same", True), ("B", "same", True)))
        assert isinstance(outcome, Rejected)
        assert "Duplicate label" in outcome.findings[0].message
        assert len((await read(org)).values) == 2

    run(story())


def test_a_lost_answer_is_looked_for_in_the_set(org: Rig) -> None:
    async def story() -> None:
        org.simulator.faults.add({"kind": "drop_after_commit", "method": "POST", "path": DEPLOY})
        made, outcome = await write(org, change(*MORE))
        assert isinstance(outcome, Unknown), outcome
        org.clock.advance(120)
        doubt = Doubt(
            key=KEY,
            key13=KEY[:13],
            entity=Entity.VALUES,
            action=Action.UPDATE,
            target=REF,
            bodies=(made.body,),
            witness=made.witness,
            customers=(),
            first_sent_at=org.clock.now(),
        )
        (sight,) = await org.connector.find_by_key([doubt])
        assert sight.complete
        assert isinstance(sight.target, ValueList)
        assert sight.target.values == values(*MORE)

    run(story())
