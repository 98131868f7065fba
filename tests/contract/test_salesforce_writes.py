"""Writing to Salesforce through the port: bytes, batches, outcomes, and looking after doubt."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from support.inprocess_salesforce import Rig, rig, standing_change
from tieout.connectors.http.json import loads
from tieout.core.change import (
    Action,
    Applied,
    Change,
    Deferred,
    Doubt,
    FateKind,
    Outcome,
    Prepared,
    Refused,
    Rejected,
    Stale,
    Unknown,
    Wanted,
)
from tieout.core.errors import ConnectionBrokenError
from tieout.core.model import Customer, Deal, Entity, ExternalRef, Identifier, Standing
from tieout.ports import Selection

COLLECTION = "/services/data/v68.0/composite/sobjects"


def furnish(found: Rig, deals: int = 1) -> Rig:
    found.made["account"] = found.act("create_account", name="Ekfors Trä AB")["id"]
    found.made["deals"] = [
        found.act("create_opportunity", name=f"Lager {n}", account=found.made["account"])["id"]
        for n in range(deals)
    ]
    return found


async def prepared(found: Rig, *changes: Change) -> list[Prepared]:
    made = await found.connector.prepare(changes)
    assert all(isinstance(item, Prepared) for item in made), made
    return [item for item in made if isinstance(item, Prepared)]


async def write(found: Rig, *changes: Change) -> list[Outcome]:
    outcomes: list[Outcome] = []
    for wire in found.connector.pack(await prepared(found, *changes)):
        outcomes.extend(await found.connector.send(wire))
    return outcomes


def shown(**more: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "status": "booked",
        "books_id": "visma-se:invoice:1001",
        "number": "1001",
        "issue_date": date(2026, 11, 25),
        "due_date": date(2026, 12, 25),
        "paid": Decimal("0.00"),
        "open": Decimal("23437.50"),
        "overdue": False,
    }
    return {**values, **more}


def test_a_standing_is_shown_on_its_opportunity_to_the_cent() -> None:
    async def story() -> None:
        found = furnish(rig())
        deal = found.made["deals"][0]
        items = await prepared(found, standing_change("K1", deal, **shown()))
        (wire,) = found.connector.pack(items)
        assert b'"Erp_Open_Amount__c":23437.50' in wire.body
        assert loads(wire.body)["allOrNone"] is False
        (outcome,) = await found.connector.send(wire)
        assert isinstance(outcome, Applied)
        assert outcome.ref == ExternalRef("sf", "standing", deal)
        assert outcome.vendor_time is not None
        row = found.row("Opportunity", deal)
        assert row["Erp_Status__c"] == "booked"
        assert row["Erp_Open_Amount__c"] == Decimal("23437.50")
        assert row["Erp_Due_Date__c"] == "2026-12-25"
        assert row["Erp_Synced_At__c"] == "2026-11-25T09:00:00.000+0000"
        # What was promised is what is read back.
        (read,) = await found.connector.get([outcome.ref], Selection(entity=Entity.STANDING))
        promised = items[0].shows
        assert isinstance(read, Standing)
        assert isinstance(promised, Standing)
        assert [getattr(read, name) for name in shown()] == list(shown().values())
        assert [getattr(promised, name) for name in shown()] == list(shown().values())

    asyncio.run(story())


def test_only_what_differs_is_sent_and_nothing_when_nothing_does() -> None:
    async def story() -> None:
        found = furnish(rig())
        deal = found.made["deals"][0]
        await write(found, standing_change("K1", deal, **shown()))
        found.clock.advance(60)
        later = standing_change("K2", deal, **shown(status="paid", open=Decimal("0")))
        (item,) = await prepared(found, later)
        sent = loads(item.body)
        assert set(sent) == {
            "attributes",
            "Id",
            "Erp_Status__c",
            "Erp_Open_Amount__c",
            "Erp_Synced_At__c",
        }
        assert isinstance(item.read, Standing)
        assert item.read.status == "booked"
        await write(found, later)
        before = len(found.transport.to("composite"))
        outcomes = await write(found, later)
        assert [type(outcome) for outcome in outcomes] == [Applied]
        assert isinstance(outcomes[0], Applied)
        assert outcomes[0].ref == ExternalRef("sf", "standing", deal)
        assert len(found.transport.to("composite")) == before
        # A field that is not named is left alone.
        (partly,) = await prepared(found, standing_change("K3", deal, status="credited"))
        assert set(loads(partly.body)) == {"attributes", "Id", "Erp_Status__c", "Erp_Synced_At__c"}
        await write(found, standing_change("K4", deal, number=None))
        assert found.row("Opportunity", deal)["Erp_Invoice_Number__c"] is None

    asyncio.run(story())


def test_two_hundred_standings_cost_one_read_and_one_write() -> None:
    async def story() -> None:
        found = furnish(rig(), deals=201)
        deals = found.made["deals"]
        await write(found, standing_change("K-first", deals[200], **shown(books_id="x")))
        before = found.calls()
        changes = [
            standing_change(f"K{n}", deal, **shown(books_id=f"b{n}"))
            for n, deal in enumerate(deals[:200])
        ]
        outcomes = await write(found, *changes)
        assert found.calls() - before == 2
        assert all(isinstance(outcome, Applied) for outcome in outcomes)
        assert {outcome.key for outcome in outcomes} == {change.key for change in changes}

    asyncio.run(story())


def test_batches_hold_two_hundred_rows_of_one_object_in_the_order_of_accounts() -> None:
    async def story() -> None:
        found = furnish(rig(), deals=150)
        other = found.act("create_account", name="Alvik Analys AB")["id"]
        more = [
            found.act("create_opportunity", name=f"B{n}", account=other)["id"] for n in range(80)
        ]
        mixed = [d for pair in zip(found.made["deals"], more, strict=False) for d in pair]
        mixed += found.made["deals"][80:]
        changes = [standing_change(f"K{n}", deal, status="booked") for n, deal in enumerate(mixed)]
        changes.append(standing_change("KA", found.made["account"], open=Decimal("5.00")))
        items = await prepared(found, *changes)
        wires = found.connector.pack(items)
        assert sorted(len(wire.items) for wire in wires) == [1, 30, 200]
        parents = []
        for wire in wires:
            rows = loads(wire.body)["records"]
            assert len({row["attributes"]["type"] for row in rows}) == 1
            if rows[0]["attributes"]["type"] == "Opportunity":
                parents += [found.row("Opportunity", r["Id"])["AccountId"] for r in rows]
        assert parents == sorted(parents)
        assert sorted(key for wire in wires for key in wire.items) == sorted(c.key for c in changes)
        # Pure: the same items give the same requests.
        assert found.connector.pack(items) == wires

    asyncio.run(story())


def test_one_row_is_never_twice_in_a_batch() -> None:
    async def story() -> None:
        found = furnish(rig())
        deal = found.made["deals"][0]
        changes = [standing_change("K1", deal, status="a"), standing_change("K2", deal, status="b")]
        wires = found.connector.pack(await prepared(found, *changes))
        assert [wire.items for wire in wires] == [("K1",), ("K2",)]

    asyncio.run(story())


def test_a_locked_row_waits_alone_and_a_rule_speaks_for_itself() -> None:
    async def story() -> None:
        found = furnish(rig(), deals=3)
        locked, free, ruled = found.made["deals"]
        for deal in (locked, free):
            found.act("edit_opportunity", id=deal, fields={"Po_Number__c": "PO"})
        found.act("lock_row", id=locked, seconds=60)
        found.act("require", object="Opportunity", field="Po_Number__c", message="Fyll i PO-numret")
        outcomes = {
            outcome.key: outcome
            for outcome in await write(
                found,
                standing_change("locked", locked, status="booked"),
                standing_change("free", free, status="booked"),
                standing_change("ruled", ruled, status="booked"),
            )
        }
        waits = outcomes["locked"]
        assert isinstance(waits, Deferred)
        assert 0 < waits.retry_after_s <= 10
        assert isinstance(outcomes["free"], Applied)
        refused = outcomes["ruled"]
        assert isinstance(refused, Rejected)
        assert refused.findings[0].code == "rule_refused"
        assert "Fyll i PO-numret" in refused.findings[0].message
        assert found.row("Opportunity", locked).get("Erp_Status__c") is None

    asyncio.run(story())


def test_a_row_that_is_gone_is_decided_anew() -> None:
    async def story() -> None:
        found = furnish(rig(), deals=2)
        here, gone = found.made["deals"]
        items = await prepared(
            found,
            standing_change("here", here, status="booked"),
            standing_change("gone", gone, status="booked"),
        )
        found.act("delete_opportunity", id=gone)
        outcomes = [o for w in found.connector.pack(items) for o in await found.connector.send(w)]
        assert {o.key: type(o) for o in outcomes} == {"here": Applied, "gone": Stale}
        (refused,) = await found.connector.prepare([standing_change("gone", gone, status="x")])
        assert isinstance(refused, Refused)
        assert refused.stale

    asyncio.run(story())


def test_a_value_that_another_row_has_is_told() -> None:
    async def story() -> None:
        found = furnish(rig(), deals=2)
        first, second = found.made["deals"]
        await write(found, standing_change("K1", first, books_id="b1"))
        (outcome,) = await write(found, standing_change("K2", second, books_id="b1"))
        assert isinstance(outcome, Rejected)
        assert outcome.findings[0].code == "value_taken"

    asyncio.run(story())


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


def doubt(item: Prepared, target: ExternalRef | None = None) -> Doubt:
    from support.inprocess_salesforce import START

    return Doubt(
        key=item.key,
        key13=item.key,
        entity=item.entity,
        action=item.action,
        target=target or item.target,
        bodies=(item.body,),
        witness=item.witness,
        customers=(),
        first_sent_at=START,
    )


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


def test_balances_are_shown_on_accounts_and_never_in_another_currency() -> None:
    async def story() -> None:
        found = furnish(rig())
        account = found.made["account"]
        currency = found.row("Account", account).get("CurrencyIsoCode")
        values: dict[str, Any] = {
            "open": Decimal("31250"),
            "overdue_amount": Decimal("100.005"),
            "currency": currency,
        }
        (outcome,) = await write(found, standing_change("K1", account, **values))
        assert isinstance(outcome, Applied)
        row = found.row("Account", account)
        assert (row["Ar_Balance__c"], row["Ar_Overdue__c"]) == (
            Decimal("31250.00"),
            Decimal("100.01"),
        )
        if currency is not None:
            other = {**values, "currency": "EUR" if currency != "EUR" else "SEK"}
            (refused,) = await found.connector.prepare([standing_change("K2", account, **other)])
            assert isinstance(refused, Refused)
            assert refused.findings[0].code == "currency_not_allowed"

    asyncio.run(story())


def test_a_missing_field_is_left_out_and_reported() -> None:
    async def story() -> None:
        found = furnish(rig())
        found.act("hide_field", object="Opportunity", field="Erp_Open_Amount__c")
        (item,) = await prepared(found, standing_change("K1", found.made["deals"][0], **shown()))
        assert "Erp_Open_Amount__c" not in loads(item.body)
        assert isinstance(item.shows, Standing)
        assert item.shows.open is None
        told = await found.connector.check()
        assert "Opportunity.Erp_Open_Amount__c" in [finding.place for finding in told]

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


def test_a_field_that_nobody_can_write_is_left_out_like_a_missing_one() -> None:
    async def story() -> None:
        found = furnish(rig(deal_standing={"net": "ExpectedRevenue"}))
        values = shown(net=Decimal("1.00"))
        (item,) = await prepared(found, standing_change("K1", found.made["deals"][0], **values))
        assert "ExpectedRevenue" not in loads(item.body)
        told = await found.connector.check()
        assert "Opportunity.ExpectedRevenue" in [finding.place for finding in told]

    asyncio.run(story())


def customer_change(key: str, record_id: str, record: Customer, *fields: str) -> Change:
    return Change(
        key=key,
        entity=Entity.CUSTOMER,
        action=Action.UPDATE,
        wanted=Wanted(record=record, fields=frozenset(fields)),
        target=ExternalRef("sf", "customer", record_id),
    )


def test_single_fields_of_an_account_are_written_on_the_version_read() -> None:
    async def story() -> None:
        found = furnish(rig())
        account = found.made["account"]
        wanted = Customer(
            terms="Net 30",
            credit_stop=True,
            identifiers=(Identifier(kind="company", country="SE", raw="556917-3072"),),
            extra={"Site": "Umeå"},
        )
        change = customer_change("K1", account, wanted, "terms", "credit_stop", "extra.Site")
        (item,) = await prepared(found, change)
        assert item.path.endswith(f"/sobjects/Account/{account}")
        assert item.headers["If-Unmodified-Since"] == "Wed, 25 Nov 2026 09:00:00 GMT"
        assert loads(item.body) == {
            "Payment_Terms__c": "Net 30",
            "Credit_Hold__c": True,
            "Site": "Umeå",
        }
        (wire,) = found.connector.pack([item])
        (outcome,) = await found.connector.send(wire)
        assert isinstance(outcome, Applied)
        assert outcome.ref == ExternalRef("sf", "customer", account)
        row = found.row("Account", account)
        assert (row["Payment_Terms__c"], row["Credit_Hold__c"]) == ("Net 30", True)
        writes = len(found.transport.to("/sobjects/Account/0"))
        (again,) = await write(found, change)
        assert isinstance(again, Applied)
        assert again.ref == outcome.ref
        assert len(found.transport.to("/sobjects/Account/0")) == writes
        assert isinstance(item.shows, Customer)
        assert (item.shows.terms, item.shows.name) == ("Net 30", "Ekfors Trä AB")
        # An edit between read and write is not overwritten.
        (late,) = await prepared(found, customer_change("K2", account, Customer(), "terms"))
        found.clock.advance(5)
        found.act("edit_account", id=account, fields={"Payment_Terms__c": "Net 60"})
        (wire,) = found.connector.pack([late])
        (outcome,) = await found.connector.send(wire)
        assert isinstance(outcome, Stale)
        assert found.row("Account", account)["Payment_Terms__c"] == "Net 60"

    asyncio.run(story())


def test_what_cannot_be_written_is_refused_before_anything_is_sent() -> None:
    async def story() -> None:
        found = furnish(rig())
        account, deal = found.made["account"], found.made["deals"][0]
        too_long = customer_change("K1", account, Customer(number="9" * 41), "number")
        unknown = customer_change("K2", account, Customer(extra={"Sitte": 1}), "extra")
        read_only = customer_change("K3", account, Customer(extra={"CreatedDate": "x"}), "extra")
        create = Change(key="K4", entity=Entity.DEAL, action=Action.CREATE, wanted=None)
        payment = Change(key="K5", entity=Entity.PAYMENT, action=Action.CREATE, wanted=None)
        nowhere = Change(
            key="K6",
            entity=Entity.STANDING,
            action=Action.UPDATE,
            wanted=Wanted(record=Standing(), fields=frozenset({"status"})),
        )
        gone = customer_change("K7", deal, Customer(), "terms")
        made = await found.connector.prepare(
            [too_long, unknown, read_only, create, payment, nowhere, gone]
        )
        assert all(isinstance(item, Refused) for item in made)
        codes = [item.findings[0].code for item in made if isinstance(item, Refused)]
        assert codes == [
            "value_refused",
            "unknown_field",
            "right_missing",
            "action_not_possible",
            "action_not_possible",
            "target_missing",
            "record_gone",
        ]
        assert [item.key for item in made] == ["K1", "K2", "K3", "K4", "K5", "K6", "K7"]

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
