"""Writes to Salesforce whose answer is lost, late, refused for now; and looking after doubt."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import pytest

from support.inprocess_salesforce import rig, standing_change
from support.salesforce_writing import (
    COLLECTION,
    customer_change,
    doubt,
    furnish,
    prepared,
    write,
)
from tieout.core.change import (
    Applied,
    Deferred,
    FateKind,
    Outcome,
    Prepared,
    Rejected,
    Unknown,
)
from tieout.core.errors import ConnectionBrokenError
from tieout.core.model import Customer, Deal, Entity, ExternalRef, Standing
from tieout.ports import Selection


@pytest.mark.parametrize("kind", ["drop_before", "drop_after_commit", "truncated", "garbage"])
def test_a_lost_answer_is_unknown_and_a_look_tells(kind: str) -> None:
    async def story() -> None:
        found = furnish(rig(), deals=2)
        changes = [
            standing_change(f"K{n}", deal, status="booked")
            for n, deal in enumerate(found.made["deals"])
        ]
        items = await prepared(found, *changes)
        (wire,) = found.connector.pack(items)
        found.fault(kind, method="PATCH", path=COLLECTION)
        outcomes = await found.connector.send(wire)
        assert [type(outcome) for outcome in outcomes] == [Unknown, Unknown]
        assert len(found.transport.to("/composite/sobjects")) == 1
        sights = await found.connector.find_by_key([doubt(item) for item in items])
        done = kind != "drop_before"
        for sight, item in zip(sights, items, strict=True):
            assert sight.key == item.key
            assert isinstance(sight.target, Standing)
            assert (sight.target.status == "booked") is done
            assert sight.began_at <= sight.vendor_time
            assert sight.complete
            assert not sight.target_gone
        # The rows are ours whole: the same bytes may go again.
        again = await found.connector.send(wire)
        assert all(isinstance(outcome, Applied) for outcome in again)

    asyncio.run(story())


def test_a_batch_of_which_only_a_part_was_answered_settles_singly() -> None:
    async def story() -> None:
        found = furnish(rig(), deals=3)
        changes = [
            standing_change(f"K{n}", deal, status="booked")
            for n, deal in enumerate(found.made["deals"])
        ]
        found.fault("batch_cut", method="PATCH", path=COLLECTION, items=2)
        outcomes = await write(found, *changes)
        assert [type(outcome) for outcome in outcomes] == [Applied, Applied, Unknown]

    asyncio.run(story())


def test_a_write_that_comes_late_is_seen_by_a_later_look() -> None:
    async def story() -> None:
        found = furnish(rig())
        items = await prepared(found, standing_change("K1", found.made["deals"][0], status="late"))
        (wire,) = found.connector.pack(items)
        found.fault("commit_late", method="PATCH", path=COLLECTION, seconds=120)
        (outcome,) = await found.connector.send(wire)
        assert isinstance(outcome, Unknown)
        (early,) = await found.connector.find_by_key([doubt(items[0])])
        assert isinstance(early.target, Standing)
        assert early.target.status is None
        found.clock.advance(121)
        (late,) = await found.connector.find_by_key([doubt(items[0])])
        assert isinstance(late.target, Standing)
        assert late.target.status == "late"
        assert (late.vendor_time - early.vendor_time).total_seconds() >= 121

    asyncio.run(story())


def test_the_call_limit_defers_everything_for_long_and_stops_the_next_calls() -> None:
    async def story() -> None:
        found = furnish(rig(), deals=2)
        changes = [
            standing_change(f"K{n}", deal, status="booked")
            for n, deal in enumerate(found.made["deals"])
        ]
        items = await prepared(found, *changes)
        (wire,) = found.connector.pack(items)
        found.fault("rate_limited", method="PATCH", path=COLLECTION)
        outcomes = await found.connector.send(wire)
        assert all(isinstance(o, Deferred) and o.retry_after_s >= 600 for o in outcomes)
        before = found.calls()
        again = await found.connector.send(wire)
        assert all(isinstance(o, Deferred) for o in again)
        assert found.calls() == before
        found.clock.advance(3600)
        assert all(isinstance(o, Applied) for o in await found.connector.send(wire))

    asyncio.run(story())


def test_the_last_calls_of_the_day_are_left_to_people() -> None:
    async def story() -> None:
        found = furnish(rig())
        found.act("set_switch", name="daily_api_requests", value=20)
        changes = [standing_change("K1", found.made["deals"][0], status="booked")]
        for _ in range(30):
            (item,) = await found.connector.prepare(changes)
            assert isinstance(item, Prepared)
            if found.connector.quota() is not None:
                break
        warned = found.connector.quota()
        assert warned is not None
        assert "of 20 calls" in warned.message
        (wire,) = found.connector.pack([item])
        outcomes: Sequence[Outcome] = []
        for _ in range(5):
            outcomes = await found.connector.send(wire)
        assert all(isinstance(o, Deferred) for o in outcomes)
        assert found.simulator.usage.used < 20

    asyncio.run(story())


def test_maintenance_on_a_write_is_unknown_and_a_well_formed_refusal_is_not() -> None:
    async def story() -> None:
        found = furnish(rig())
        change = standing_change("K1", found.made["deals"][0], status="booked")
        body = [{"errorCode": "SERVER_UNAVAILABLE", "message": "down"}]
        found.fault("status", method="PATCH", path=COLLECTION, status=503, body=body)
        assert [type(o) for o in await write(found, change)] == [Unknown]
        refused = [{"errorCode": "JSON_PARSER_ERROR", "message": "bad"}]
        found.fault("status", method="PATCH", path=COLLECTION, status=400, body=refused)
        (outcome,) = await write(found, change)
        assert isinstance(outcome, Rejected)
        found.fault("status", method="PATCH", path=COLLECTION, status=403, body="<html>")
        assert [type(o) for o in await write(found, change)] == [Unknown]
        found.fault("status", method="PATCH", path=COLLECTION, status=420, body="")
        assert [type(o) for o in await write(found, change)] == [Deferred]
        off = [{"errorCode": "API_DISABLED_FOR_ORG", "message": "off"}]
        found.fault("status", method="PATCH", path=COLLECTION, status=403, body=off)
        with pytest.raises(ConnectionBrokenError):
            await write(found, change)

    asyncio.run(story())


def test_a_session_that_ended_is_renewed_and_the_write_done_once() -> None:
    async def story() -> None:
        found = furnish(rig())
        change = standing_change("K1", found.made["deals"][0], status="booked")
        items = await prepared(found, change)
        (wire,) = found.connector.pack(items)
        found.act("expire_sessions")
        (outcome,) = await found.connector.send(wire)
        assert isinstance(outcome, Applied)

    asyncio.run(story())


def test_a_ref_may_say_what_the_standing_is_of() -> None:
    async def story() -> None:
        found = furnish(rig())
        deal, account = found.made["deals"][0], found.made["account"]
        marked = [f"deal:{deal}", f"customer:{account}"]
        changes = [
            replace(standing_change("K1", marked[0], status="booked"), target=None),
            standing_change("K2", marked[1], open=Decimal("5.00")),
        ]
        items = await prepared(found, *changes)
        outcomes = await write(found, *changes)
        assert all(isinstance(outcome, Applied) for outcome in outcomes)
        refs = [ExternalRef("sf", "standing", record_id) for record_id in marked]
        first, second = await found.connector.get(refs, Selection(entity=Entity.STANDING))
        assert isinstance(first, Standing)
        assert isinstance(second, Standing)
        assert (first.status, second.open) == ("booked", Decimal("5.00"))
        sights = await found.connector.find_by_key(
            [replace(doubt(items[0]), target=refs[0]), replace(doubt(items[1]), target=None)]
        )
        assert [sight.target for sight in sights] == [first, second]
        fates = await found.connector.trace(refs)
        assert [fate.kind for fate in fates] == [FateKind.PRESENT, FateKind.PRESENT]

    asyncio.run(story())


def test_a_doubt_about_a_customer_reads_the_fields_that_were_sent() -> None:
    async def story() -> None:
        found = furnish(rig())
        account = found.made["account"]
        change = customer_change("K1", account, Customer(extra={"Site": "Umeå"}), "extra")
        (item,) = await prepared(found, change)
        (wire,) = found.connector.pack([item])
        found.fault("drop_after_commit", method="PATCH", path="/services/data/v68.0/sobjects*")
        (outcome,) = await found.connector.send(wire)
        assert isinstance(outcome, Unknown)
        (sight,) = await found.connector.find_by_key([doubt(item)])
        assert isinstance(sight.target, Customer)
        assert sight.target.extra == {"Site": "Umeå"}
        found.act("delete_opportunity", id=found.made["deals"][0])
        deal = ExternalRef("sf", "deal", found.made["deals"][0])
        deal_doubt = doubt(item, deal)
        (gone,) = await found.connector.find_by_key([replace(deal_doubt, entity=Entity.DEAL)])
        assert gone.target_gone
        assert gone.target is None

    asyncio.run(story())


def test_vanished_records_are_traced() -> None:
    async def story() -> None:
        found = furnish(rig(), deals=3)
        here, binned, purged = found.made["deals"]
        winner = found.made["account"]
        loser = found.act("create_account", name="Ekfors Tra")["id"]
        twice = found.act("create_account", name="Ekfors T")["id"]
        found.act("merge_accounts", winner=loser, losers=[twice])
        found.act("merge_accounts", winner=winner, losers=[loser])
        found.act("delete_opportunity", id=purged)
        refs = [
            ExternalRef("sf", "deal", here),
            ExternalRef("sf", "deal", binned),
            ExternalRef("sf", "customer", twice),
            ExternalRef("sf", "deal", "no-id"),
            ExternalRef("sf", "deal", purged),
        ]
        found.act("delete_opportunity", id=binned)
        fates = await found.connector.trace(refs)
        assert [fate.kind for fate in fates] == [
            FateKind.PRESENT,
            FateKind.DELETED,
            FateKind.MERGED,
            FateKind.CANNOT_TELL,
            FateKind.DELETED,
        ]
        assert isinstance(fates[0].record, Deal)
        assert fates[2].into == ExternalRef("sf", "customer", winner)
        assert isinstance(fates[2].record, Customer)
        found.act("empty_recycle_bin")
        (fate,) = await found.connector.trace([refs[4]])
        # A purged row and one hidden from us look alike: nobody may conclude a deletion.
        assert fate.kind is FateKind.CANNOT_TELL

    asyncio.run(story())
