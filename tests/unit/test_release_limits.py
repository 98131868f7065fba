"""The limit of what goes without a person's release: net, summed per customer and day."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from support.daily_world import World, begin, daily_world
from tieout.services import applying, planning
from tieout.services.running import run_once

pytestmark = pytest.mark.timeout(120)
Work = Callable[[World], Coroutine[Any, Any, Any]]
BUYER = "Grans Verkstad AB"
LIMIT = ", approve_above: 60000, four_eyes: false"


def play(url: str, work: Work) -> None:
    """A world whose buyer has been in the books since the day before, and the work in it."""
    with daily_world(url, mode="approve", more=LIMIT) as world:

        async def all_of_it() -> None:
            await begin(world)
            deal(world, "D-0", "100")
            await release(world, "all")
            until(world, 9, day=26)
            await work(world)

        asyncio.run(all_of_it())


def deal(world: World, number: str, price: str) -> None:
    world.story.deal(number, BUYER, "SRV-1", price)


def until(world: World, hour: int, minute: int = 0, *, day: int) -> None:
    """Time passes until then, by the clock of UTC."""
    at = datetime(2026, 11, day, hour, minute, tzinfo=UTC)
    world.clock.advance((at - world.clock.now()).total_seconds())


def edit(world: World, number: str, price: str) -> None:
    """One line more on a deal."""
    world.clock.advance(60)
    world.crm.act(
        "edit_lines",
        id=world.story.deals[number],
        add=[{"product": "SRV-1", "quantity": "1", "unit_price": price}],
    )


async def release(world: World, word: str) -> None:
    made = await planning.plan(world.engine(), world.store)
    await applying.apply(world.engine(), world.store, made, approve=[word], who="anna")


async def run(world: World) -> None:
    world.clock.advance(60)
    await run_once(world.engine(), world.store)
    world.clock.advance(60)


def nets(world: World) -> list[Decimal]:
    """The net of the buyer's drafts but the first, by size."""
    found = [
        sum((Decimal(str(row["UnitPrice"])) for row in one["Rows"]), Decimal(0))
        for one in world.drafts()
        if one["InvoiceCustomerName"] == BUYER
    ]
    return sorted(found)[1:]


def test_a_release_counts_on_the_day_of_the_books(database_url: str) -> None:
    """At half past midnight in Stockholm it is still the day before in UTC."""

    async def work(world: World) -> None:
        deal(world, "D-1", "70000")
        await run(world)
        until(world, 23, 30, day=26)
        await release(world, "D-1")
        assert nets(world) == [70000]
        until(world, 8, day=27)
        deal(world, "D-2", "50000")
        await run(world)
        assert nets(world) == [70000]

    play(database_url, work)


def test_an_edit_counts_as_what_it_makes_of_the_draft(database_url: str) -> None:
    """Two small drafts that grow one after the other do not slip below the limit."""

    async def work(world: World) -> None:
        deal(world, "D-1", "9000")
        deal(world, "D-2", "9000")
        await run(world)
        assert nets(world) == [9000, 9000]
        edit(world, "D-1", "40000")
        await run(world)
        assert nets(world) == [9000, 49000]
        edit(world, "D-2", "40000")
        await run(world)
        assert nets(world) == [9000, 49000]

    play(database_url, work)


def test_a_draft_and_its_edit_count_once(database_url: str) -> None:
    async def work(world: World) -> None:
        deal(world, "D-1", "28000")
        await run(world)
        edit(world, "D-1", "1000")
        deal(world, "D-2", "25000")
        await run(world)
        assert nets(world) == [25000, 29000]

    play(database_url, work)


def test_what_is_taken_back_counts_for_nothing(database_url: str) -> None:
    async def work(world: World) -> None:
        deal(world, "D-1", "50000")
        await run(world)
        until(world, 9, day=27)
        world.crm.act("reopen", id=world.story.deals["D-1"])
        deal(world, "D-2", "50000")
        await run(world)
        assert nets(world) == [50000]

    play(database_url, work)
