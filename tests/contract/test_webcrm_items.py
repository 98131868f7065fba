"""Items of the books in webCRM's catalogue: made once, corrected, never deleted."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from support.webcrm_rig import ITEMS, NAME, Rig, look, prepared, records, rig
from tieout.connectors.http.json import loads
from tieout.core.change import (
    Action,
    Applied,
    Change,
    Deferred,
    Prepared,
    Refused,
    Rejected,
    Unknown,
    Wanted,
)
from tieout.core.finding import Severity
from tieout.core.keys import KeyKind, Slot, operation_key
from tieout.core.model import Entity, Item

D = Decimal
FIELDS = frozenset({"number", "name", "unit", "price", "active"})
PUMP = Item(number="PUMP-1", name="Vattenpump", unit="st", price=D("1249.50"))
KEY = operation_key(
    Slot(crm_org="nordljus", source_id="i-1", company="books", kind=KeyKind.ITEM), 0
)


def run(story: Any) -> None:
    asyncio.run(story)


def system(**more: Any) -> Rig:
    """A system whose catalogue has a column for our key."""
    found = rig(line={"key": "Data4"}, **more)
    found.act("set_columns", columns=["Varenummer", "Navn", "Enhed", "Tieout"])
    return found


def create(item: Item = PUMP, key: str = KEY) -> Change:
    return Change(
        key=key,
        entity=Entity.ITEM,
        action=Action.CREATE,
        wanted=Wanted(record=item, fields=FIELDS),
    )


async def write(found: Rig, change: Change) -> tuple[Prepared, Any]:
    (made,) = await prepared(found, change)
    (wire,) = found.connector.pack([made])
    (outcome,) = await found.connector.send(wire)
    return made, outcome


def pumps(found: Rig) -> list[dict[str, Any]]:
    stem = "QuotationLineLinkedDataItem"
    rows = found.rows("QuotationLineLinkedData")
    return [row for row in rows if row[f"{stem}Data1"] == "PUMP-1"]


def test_an_item_is_made_with_our_key_and_read_as_it_was_predicted() -> None:
    async def story() -> None:
        found = system()
        made, outcome = await write(found, create())
        assert isinstance(outcome, Applied), outcome
        (row,) = pumps(found)
        stem = "QuotationLineLinkedDataItem"
        assert row[f"{stem}Data4"] == KEY
        assert row[f"{stem}EntityType"] == "Product"
        assert outcome.ref.id == f"item:{row[f'{stem}Id']}"
        read = records(await found.read(ITEMS))[outcome.ref.id]
        assert isinstance(read, Item)
        assert (read.number, read.name, read.unit) == ("PUMP-1", "Vattenpump", "st")
        assert read.price == D("1249.50")
        assert made.shows is not None
        assert replace(made.shows, ref=None, shape="") == replace(read, ref=None, shape="")
        assert outcome.shows == replace(read, shape="")

    run(story())


def test_a_column_that_the_books_leave_empty_gets_a_dash_and_shows_nothing() -> None:
    async def story() -> None:
        found = system()
        _, outcome = await write(found, create(replace(PUMP, unit="")))
        assert isinstance(outcome, Applied)
        assert pumps(found)[0]["QuotationLineLinkedDataItemData3"] == "-"
        assert isinstance(outcome.shows, Item)
        assert outcome.shows.unit == ""

    run(story())


def test_only_what_differs_is_corrected() -> None:
    async def story() -> None:
        found = system()
        _, outcome = await write(found, create())
        change = replace(
            create(replace(PUMP, price=D("1300.00"))), action=Action.UPDATE, target=outcome.ref
        )
        _, again = await write(found, change)
        assert isinstance(again, Applied)
        body = loads(found.writes()[-1].body)
        assert found.writes()[-1].method == "PUT"
        assert set(body) == {"QuotationLineLinkedDataItemId", "QuotationLineLinkedDataItemPrice"}
        assert pumps(found)[0]["QuotationLineLinkedDataItemPrice"] == D("1300.0")
        before = len(found.writes())
        made, quiet = await write(found, change)
        assert isinstance(quiet, Applied)
        assert quiet.ref == outcome.ref
        assert made.body == b""
        assert len(found.writes()) == before

    run(story())


def test_an_item_that_was_there_before_the_column_gets_our_key_with_its_first_change() -> None:
    async def story() -> None:
        found = rig(line={"key": "Data4"})
        number = found.item("PUMP-1", "1.00")
        found.act("set_columns", columns=["Varenummer", "Navn", "Enhed", "Farve", "Tieout"])
        found = replace(found, connector=found.again(line={"key": "Data5"}))
        ref = next(one.ref for one in records(await found.read(ITEMS)).values() if one.ref
                   and one.ref.id == f"item:{number}")  # fmt: skip
        change = replace(create(), action=Action.UPDATE, target=ref)
        _, outcome = await write(found, change)
        assert isinstance(outcome, Applied), outcome
        (row,) = pumps(found)
        stem = "QuotationLineLinkedDataItem"
        assert (row[f"{stem}Data4"], row[f"{stem}Data5"]) == ("-", KEY)

    run(story())


@pytest.mark.parametrize("kind", ["drop_after_commit", "drop_before", "truncated"])
def test_a_lost_answer_is_doubt_and_our_key_tells(kind: str) -> None:
    async def story() -> None:
        found = system()
        change = create()
        (made,) = await prepared(found, change)
        (wire,) = found.connector.pack([made])
        found.fault(kind, method="POST", path="/QuotationLines/LinkedData")
        (outcome,) = await found.connector.send(wire)
        assert isinstance(outcome, Unknown)
        sight = await look(found, made)
        assert sight.complete
        assert [hit.key for hit in sight.hits] == ([] if kind == "drop_before" else [KEY])
        assert len(pumps(found)) == (0 if kind == "drop_before" else 1)
        assert sight.began_at <= sight.vendor_time

    run(story())


def test_a_number_that_is_there_already_is_refused_in_webcrms_words() -> None:
    async def story() -> None:
        found = system()
        await write(found, create())
        other = operation_key(Slot(crm_org="n", source_id="2", company="b", kind=KeyKind.ITEM), 0)
        _, outcome = await write(found, create(key=other))
        assert isinstance(outcome, Rejected)
        assert "already used" in outcome.findings[0].message
        assert len(pumps(found)) == 1

    run(story())


def test_creates_that_come_too_fast_are_doubt_and_none_is_made_twice() -> None:
    async def story() -> None:
        found = system()
        found.assume("fast_creates_per_second", 1)
        _, first = await write(found, create())
        other = operation_key(Slot(crm_org="n", source_id="2", company="b", kind=KeyKind.ITEM), 0)
        change = create(replace(PUMP, number="PUMP-2"), key=other)
        made, second = await write(found, change)
        assert isinstance(first, Applied)
        assert isinstance(second, Unknown)
        assert (await look(found, made)).hits == ()

    run(story())


def test_throttled_is_later_and_gone_is_decided_anew() -> None:
    async def story() -> None:
        found = system()
        (made,) = await prepared(found, create())
        (wire,) = found.connector.pack([made])
        found.fault("rate_limited", method="POST", path="/QuotationLines/LinkedData")
        (outcome,) = await found.connector.send(wire)
        assert isinstance(outcome, Deferred)
        found.clock.advance(120)
        _, applied = await write(found, create())
        found.act("delete_item", id=int(applied.ref.id.partition(":")[2]))
        change = replace(create(), action=Action.UPDATE, target=applied.ref)
        (refused,) = await found.connector.prepare([change])
        assert isinstance(refused, Refused)
        assert refused.stale

    run(story())


def test_without_a_column_for_our_key_nothing_is_written() -> None:
    async def story() -> None:
        found = rig()
        assert found.connector.abilities.of(Entity.ITEM).actions == frozenset()
        (refused,) = await found.connector.prepare([create()])
        assert isinstance(refused, Refused)
        assert refused.findings[0].code == "action_not_possible"
        unused = rig(line={"key": "Data7"})
        told = [f for f in await unused.connector.check() if f.severity is Severity.ERROR]
        assert [(f.code, f.place) for f in told] == [("field_missing", "line.key")]
        assert unused.connector.name == NAME

    run(story())
