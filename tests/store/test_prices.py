"""Prices by item, open deals by item, and what a flow that was switched on looks at."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from support.fakes import START, ManualClock
from support.real_pair import CountingIds
from tieout.core.model import (
    Code,
    Deal,
    DealState,
    Entity,
    ExternalRef,
    Item,
    ItemRef,
    Line,
    Price,
    Record,
)
from tieout.core.policy import PriceRule
from tieout.engine.facts import mirror_row
from tieout.services import items as reporting
from tieout.services.enrich import NordicEnricher
from tieout.store import admin, pages
from tieout.store.database import BlockingRunner, blocking_engine
from tieout.store.postgres import PostgresStore
from tieout.store.workspaces import ensure_workspace
from tieout.storing import FanOut

NOW = ManualClock(START).now()


@pytest.fixture
def store(database_url: str) -> Iterator[PostgresStore]:
    engine = blocking_engine(database_url)
    with engine.begin() as connection:
        ensure_workspace("prices", "Prices", NOW)(connection)
    yield PostgresStore(
        BlockingRunner(engine), workspace="prices", ids=CountingIds(), clock=ManualClock(START)
    )
    engine.dispose()


def do(store: PostgresStore, work: Any) -> Any:
    return asyncio.run(store.do(work))


def keep(store: PostgresStore, *records: Record) -> None:
    rows = [mirror_row(one, NordicEnricher(oss=False)) for one in records]
    do(store, lambda tx: pages.upsert(tx, rows, NOW))


def item(name: str, number: str) -> Item:
    return Item(ref=ExternalRef("books", "item", name), number=number)


def price(name: str, amount: str, of: ItemRef) -> Price:
    ref = ExternalRef("books", "price", name)
    return Price(ref=ref, item=of, list="A", currency="SEK", amount=Decimal(amount))


def due(store: PostgresStore, lane: str) -> list[str]:
    return [row.source_id for row in asyncio.run(store.due_window(lane, 50, NOW, ""))]


def test_prices_are_found_by_the_items_id_or_its_number(store: PostgresStore) -> None:
    by_id = ItemRef(ref=ExternalRef("books", "item", "i1"))
    keep(
        store,
        item("i1", "ESP"),
        item("i2", "MIL"),
        price("p1", "1.00", by_id),
        price("p2", "2.00", ItemRef(number="ESP")),
        # A number that another item bears does not count beside an id.
        price("p3", "3.00", ItemRef(number="MIL", ref=by_id.ref)),
    )
    found = asyncio.run(store.prices_of("books", {"i1": "ESP", "i2": "MIL", "i3": ""}))
    assert {key: sorted(one.amount for one in rows) for key, rows in found.items()} == {
        "i1": [Decimal("1.00"), Decimal("2.00"), Decimal("3.00")]
    }
    rules = [FanOut(lane="b/items/books", entity=Entity.PRICE, source="item_of_price")]
    for name, items in (("p1", ["i1"]), ("p2", ["i1"])):
        do(store, lambda tx: tx.run("DELETE FROM due WHERE workspace = %(ws)s"))
        do(
            store,
            lambda tx, name=name: pages.fan_out(tx, "books", Entity.PRICE, [name], rules, NOW),
        )
        assert due(store, "b/items/books") == items


def test_the_report_is_told_of_every_price_and_why_it_is_not_shown(store: PostgresStore) -> None:
    mine = ExternalRef("left", "item", "i1")
    listed = Item(ref=mine, number="TEA", name="Tea")

    def given(name: str, amount: str, item: ItemRef, **more: Any) -> Price:
        ref = ExternalRef("left", "price", name)
        values: dict[str, Any] = {"list": "A", "currency": "SEK", "amount": Decimal(amount), **more}
        return Price(ref=ref, item=item, **values)

    keep(
        store,
        listed,
        given("p1", "9.00", ItemRef(ref=mine)),
        given("p2", "7.00", ItemRef(number="TEA"), from_quantity=Decimal(10)),
        given("p3", "5.00", ItemRef(number="TEA"), customer="10001", list=""),
        given("p4", "1.00", ItemRef(number="NONE")),
    )
    rules = (PriceRule(list="A", book="Partners"),)
    found = asyncio.run(reporting.items(store, "b", "crm-left", ["left"], rules, NOW.date()))
    told = {
        row.id: (row.number, row.message) for row in found.rows if row.state == reporting.NOT_SHOWN
    }
    assert told == {
        "p2": ("TEA", "7.00 SEK in A is not shown: price from quantity 10"),
        "p3": ("TEA", "5.00 SEK is not shown: customer 10001's own price"),
        "p4": ("NONE", "1.00 SEK in A is not shown: the books have no such item"),
    }
    # Where the configuration names no price list none was to be shown.
    bare = asyncio.run(reporting.items(store, "b", "crm-left", ["left"], (), NOW.date()))
    assert reporting.NOT_SHOWN not in bare.counts()


def test_open_deals_name_the_items_on_their_lines(store: PostgresStore) -> None:
    def deal(name: str, state: DealState, *numbers: str) -> Deal:
        return Deal(
            ref=ExternalRef("crm", "deal", name),
            source_id=name,
            number=name.upper(),
            state=state,
            lines=tuple(Line(item=ItemRef(number=number)) for number in numbers),
        )

    keep(
        store,
        deal("d1", DealState.OPEN, "ESP", "MIL", "ESP"),
        deal("d2", DealState.WON, "ESP"),
        deal("d3", DealState.OPEN, "MIL"),
        deal("d4", DealState.OPEN),
    )
    found = asyncio.run(store.open_deals_with("crm", ["ESP", "MIL", "NONE"]))
    assert found == {"ESP": ["D1"], "MIL": ["D1", "D3"]}


def test_a_flow_that_is_switched_on_looks_at_what_was_read_long_ago(store: PostgresStore) -> None:
    def code(kind: str, name: str) -> Code:
        return Code(kind=kind, code=name, ref=ExternalRef("books", "code", f"{kind}:{name}"))

    keep(store, item("i1", "A"), item("i2", "B"), code("terms", "30"), code("terms", "14"))
    do(store, lambda tx: admin.fill_lane(tx, "b/items/books", "books", Entity.ITEM, NOW))
    do(store, lambda tx: admin.fill_lane(tx, "b/reference/books", "books", Entity.CODE, NOW))
    assert due(store, "b/items/books") == ["i1", "i2"]
    assert due(store, "b/reference/books") == ["terms"]
