"""A brake holds from run to run until a person lets it go, or its cause is gone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from support.daily_world import World, begin, daily_world
from tieout.services import applying, planning
from tieout.services.running import run_once

pytestmark = pytest.mark.timeout(120)
Work = Callable[[World], Coroutine[Any, Any, Any]]
MANY = 12


def play(url: str, work: Work) -> None:
    """A world with three drafts, and the work in it."""
    with daily_world(url) as world:

        async def all_of_it() -> None:
            await begin(world)
            await run(world)
            assert len(world.drafts()) == 3
            await work(world)

        asyncio.run(all_of_it())


async def run(world: World, *, force: bool = False) -> list[str]:
    """A run; the brakes that held it."""
    world.clock.advance(600)
    engine = world.engine()
    engine.force = force
    done = await run_once(engine, world.store)
    return sorted({brake.code for brake in done.result.brakes})


def test_many_new_drafts_wait_in_every_run(database_url: str) -> None:
    """What a brake held is counted by the next run too, which did not plan it."""

    async def work(world: World) -> None:
        for number in range(MANY):
            world.story.deal(f"D-2{number:02}", "Tallmo Skog AB", "SRV-1", f"{900 + number}")
        for _ in range(3):
            assert await run(world) == ["many_creates"]
            assert len(world.drafts()) == 3
        assert await run(world, force=True) == []
        assert len(world.drafts()) == 3 + MANY

    play(database_url, work)


def test_a_fresh_deal_waits_with_those_that_are_held(database_url: str) -> None:
    async def work(world: World) -> None:
        for number in range(MANY):
            world.story.deal(f"D-2{number:02}", "Tallmo Skog AB", "SRV-1", f"{900 + number}")
        assert await run(world) == ["many_creates"]
        world.story.deal("D-300", "Tallmo Skog AB", "SRV-1", "4711")
        assert await run(world) == ["many_creates"]
        assert len(world.drafts()) == 3
        made = await planning.plan(world.engine(), world.store)
        assert [brake.code for brake in made.brakes] == ["many_creates"]
        done = await applying.apply(world.engine(), world.store, made, who="anna")
        assert [brake.code for brake in done.brakes] == ["many_creates"]
        assert len(world.drafts()) == 3

    play(database_url, work)


def test_a_plan_is_held_by_the_share_of_all_that_is_linked(database_url: str) -> None:
    """Eleven changes are many of thirty drafts, and few of forty."""

    async def work(world: World) -> None:
        numbers = [f"D-2{number:02}" for number in range(40)]
        for number in numbers:
            world.story.deal(number, "Tallmo Skog AB", "SRV-1", f"{900 + int(number[3:])}")
        await run(world, force=True)
        world.clock.advance(600)
        for number in numbers[:11]:
            world.crm.act(
                "edit_lines",
                id=world.story.deals[number],
                add=[{"product": "SRV-1", "quantity": "1", "unit_price": "5"}],
            )
        made = await planning.plan(world.engine(), world.store)
        assert made.brakes == ()
        done = await applying.apply(world.engine(), world.store, made, who="anna")
        assert done.states() == {"applied": 11}

    play(database_url, work)


def test_many_changed_drafts_wait_in_every_run(database_url: str) -> None:
    async def work(world: World) -> None:
        numbers = [f"D-2{number:02}" for number in range(MANY)]
        for number in numbers:
            world.story.deal(number, "Tallmo Skog AB", "SRV-1", f"{900 + int(number[3:])}")
        await run(world, force=True)
        before = world.written()
        for number in numbers:
            world.crm.act(
                "edit_lines",
                id=world.story.deals[number],
                add=[{"product": "SRV-1", "quantity": "1", "unit_price": "5"}],
            )
        for _ in range(3):
            assert await run(world) == ["many_updates"]
            assert world.written() == before
        assert await run(world, force=True) == []
        assert world.written() == before + MANY

    play(database_url, work)


def test_a_crm_that_shows_nothing_takes_no_draft_back(database_url: str) -> None:
    """A right was taken away over there: nobody deleted all deals."""

    async def work(world: World) -> None:
        for deal in world.story.deals.values():
            world.crm.act("delete_opportunity", id=deal)
        for _ in range(3):
            assert await run(world) == ["side_looks_empty"]
            assert len(world.drafts()) == 3
        await run(world, force=True)
        assert world.drafts() == []
        assert await run(world) == []

    play(database_url, work)


def test_many_vanished_drafts_hold_until_a_person_says_so(database_url: str) -> None:
    async def work(world: World) -> None:
        for number in range(MANY):
            world.story.deal(f"D-2{number:02}", "Tallmo Skog AB", "SRV-1", f"{900 + number}")
        await run(world, force=True)
        for draft in world.drafts()[:5]:
            world.books.act("delete_draft", draft=draft["Id"])
        world.clock.advance(90_000)
        assert await run(world) == ["many_gone"]
        before = len(world.drafts())
        world.story.deal("D-300", "Tallmo Skog AB", "SRV-1", "4711")
        for _ in range(3):
            assert await run(world) == ["many_gone"]
            assert len(world.drafts()) == before
        assert await run(world, force=True) == []
        assert len(world.drafts()) == before + 1
        assert await run(world) == []

    play(database_url, work)
