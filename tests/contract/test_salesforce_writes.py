"""Writing to Salesforce through the port: bytes, batches, outcomes."""

from __future__ import annotations

import asyncio
from datetime import date
from decimal import Decimal
from typing import Any

from support.inprocess_salesforce import rig, standing_change
from support.salesforce_writing import (
    customer_change,
    furnish,
    prepared,
    shown,
    write,
)
from tieout.connectors.http.json import loads
from tieout.core.change import (
    Action,
    Applied,
    Change,
    Deferred,
    Refused,
    Rejected,
    Stale,
    Wanted,
)
from tieout.core.model import Customer, Entity, ExternalRef, Identifier, Standing
from tieout.ports import Selection


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


def test_a_field_that_nobody_can_write_is_left_out_like_a_missing_one() -> None:
    async def story() -> None:
        found = furnish(rig(deal_standing={"net": "ExpectedRevenue"}))
        values = shown(net=Decimal("1.00"))
        (item,) = await prepared(found, standing_change("K1", found.made["deals"][0], **values))
        assert "ExpectedRevenue" not in loads(item.body)
        told = await found.connector.check()
        assert "Opportunity.ExpectedRevenue" in [finding.place for finding in told]

    asyncio.run(story())


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
            "value_not_accepted",
            "unknown_field",
            "rights_missing",
            "action_not_possible",
            "action_not_possible",
            "target_missing",
            "record_gone",
        ]
        assert [item.key for item in made] == ["K1", "K2", "K3", "K4", "K5", "K6", "K7"]

    asyncio.run(story())


def test_what_somebody_typed_over_a_field_of_ours_is_written_over() -> None:
    async def story() -> None:
        found = furnish(
            rig(deal_standing={"due_date": "Due_Text__c", "synced_at": "Erp_Synced_At__c"})
        )
        found.act("create_field", object="Opportunity", field="Due_Text__c", type="string:40")
        deal = found.made["deals"][0]
        for typed in ("next week", "T+0000"):
            found.act("edit_opportunity", id=deal, fields={"Due_Text__c": typed})
            ref = ExternalRef("sf", "standing", deal)
            (read,) = await found.connector.get([ref], Selection(entity=Entity.STANDING))
            assert isinstance(read, Standing)
            assert read.due_date is None
            await write(found, standing_change("K1", deal, due_date=date(2026, 12, 25)))
            assert found.row("Opportunity", deal)["Due_Text__c"] == "2026-12-25"

    asyncio.run(story())
